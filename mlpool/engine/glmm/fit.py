"""`fit_glmm`: a generalised linear mixed model from arrays to a record.

1. Compress, sort and orthogonalise the rows;  2. start from a GLM and its modes;  3. minimise the
deviance over theta, beta and the family's parameter at once, as lme4's last stage;  4. estimates,
modes, their covariances; second derivatives when they are asked for.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.linalg import solve_triangular

from mlpool.engine.glmm.curvature import difference_hessian, inverse_of_positive, scoring
from mlpool.engine.glmm.laplace import Laplace, Slopes, State, conditional_vcov
from mlpool.engine.glmm.prepared_data import Problem, check_finite
from mlpool.engine.glmm.quadrature import Quadrature
from mlpool.engine.glmm.search import Found, minimise
from mlpool.engine.glmm.starts import first_point
from mlpool.engine.glmm.types import GlmmData, GlmmFit, Inference, LevelScores
from mlpool.engine.glmm.zero_variances import beyond_corners
from mlpool.engine.optimizer.diagnostics import diagnose
from mlpool.engine.structured.covariance_map import Structure, has_structure
from mlpool.engine.structured.generalized import StructuredLaplace, search_structured
from mlpool.engine.threads import blas_threads
from mlpool.engine.types import Control, Diagnostic, Optimum
from mlpool.errors import FitError, NotSupportedError
from mlpool.typing import FloatArray

SNAP = 1e-3
"""Share of a typical difference on the link scale (`Problem.unit`) below which diagonal entries of
theta are tried as exact zeros."""
OTHER_STARTS = (0.3, 0.1, 0.03)
"""Shares of the first theta from which a search that lost its way begins once more."""
ROUNDING = 0.1
"""Share of the variance at given theta below which the Hessian's is rounding: what is not known
makes variances larger. So it is where outcomes are separated and the deviance is flat."""
_SINGULAR = (
    "The equations of the fit became singular: a predictor may separate the outcomes, or the link "
    "may let means leave the family's range."
)


def fit_glmm(data: GlmmData, *, n_quadrature: int = 1, control: Control | None = None) -> GlmmFit:
    """Fit by maximum likelihood.

    Parameters
    ----------
    data : GlmmData
        Terms in lme4's order.
    n_quadrature : int
        1: Laplace's approximation; more: adaptive Gauss-Hermite nodes of a single scalar term; 0:
        fixed effects from the penalised deviance (lme4's ``nAGQ``).
    control : Control, optional

    Raises
    ------
    FitError
        If the numbers allow no fit.

    References
    ----------
    Bates, Maechler, Bolker & Walker (2015), J. Stat. Softw. 67(1); Breslow & Clayton (1993), J. Am.
    Stat. Assoc. 88, 9-25; Pinheiro & Bates (1995), J. Comput. Graph. Stat. 4, 12-35.
    """
    control = control or Control()
    check_finite(data)
    # Trial steps may overflow; what is kept is checked to be finite.
    with blas_threads(control.blas_threads), np.errstate(all="ignore"):
        problem = Problem.of(data, control)
        if has_structure(structures := tuple(t.structure for t in data.terms)):
            return _fit_structured(problem, structures, n_quadrature, control)
        objective = make_objective(problem, n_quadrature)
        found = _search(problem, objective, control)
        try:
            return _finish(objective, *found, n_quadrature, control)
        except np.linalg.LinAlgError:
            raise FitError(_SINGULAR + problem.offset_note()) from None


def _fit_structured(
    problem: Problem,
    structures: tuple[Structure | None, ...],
    n_quadrature: int,
    control: Control,
) -> GlmmFit:
    """Fit a model some of whose terms have a covariance of few parameters."""
    objective = StructuredLaplace(problem, structures, joint=n_quadrature == 0)
    found, start = search_structured(objective, control)
    try:
        return _finish(objective, found, start, n_quadrature, control)
    except np.linalg.LinAlgError:
        raise FitError(_SINGULAR + problem.offset_note()) from None


def _search(problem: Problem, objective: Laplace, control: Control) -> tuple[Found, FloatArray]:
    """Search from the first theta, and from smaller ones while searches lose their way.

    A user's own start is the only one that is tried unless it leads nowhere.
    """
    best: tuple[Found, FloatArray] | None = None
    log: list[tuple[tuple[float, ...], float]] = []
    failure: Exception | None = None
    for share in (1.0, *OTHER_STARTS):
        try:
            x, scale = first_point(problem, objective, control, share)
            found = _snapped(objective, _minimised(objective, x, scale, control))
        except (FitError, np.linalg.LinAlgError) as error:
            failure = error
            continue
        log += found.log
        if best is None or found.state.value < best[0].state.value:
            best = found, x
        if found.converged or len(log) >= control.max_evaluations:
            break
    if best is None:
        if isinstance(failure, FitError):
            raise failure
        raise FitError(_SINGULAR + problem.offset_note()) from None
    found, x = best
    found.log = log

    def again(at: FloatArray) -> Found:
        return _snapped(objective, _minimised(objective, at, scale, control))

    return beyond_corners(objective, found, again), x


def _minimised(objective: Laplace, x: FloatArray, scale: FloatArray, control: Control) -> Found:
    return minimise(
        objective, x, scale, lambda s: scoring(objective, x_of(objective, s, x), s), control
    )


def make_objective(problem: Problem, n_quadrature: int) -> Laplace:
    """Return the criterion asked for."""
    if n_quadrature > 1:
        return Quadrature(problem, n_quadrature)
    return Laplace(problem, joint=n_quadrature == 0)


def x_of(objective: Laplace, state: State, x: FloatArray) -> FloatArray:
    """Return the point of a state (theta from its factors)."""
    out, problem = x.copy(), objective.problem
    for f, lam in zip(problem.effects.order, state.factors, strict=True):
        where, row, col = problem.entries(f)
        out[where] = lam[row, col]
    if not objective.joint:
        out[problem.k : problem.k + problem.p] = state.modes.gamma
    if problem.has_shape:
        out[-1] = np.log(state.shape)
    return out


def _snapped(objective: Laplace, found: Found) -> Found:
    """Take exact zeros for vanishing columns of Lambda when the deviance does not mind."""
    template = objective.problem.template
    k = template.k
    theta = template.canonical(found.x[:k])
    term, _, col = template.index
    x = found.x.copy()
    x[:k] = theta
    for i in np.flatnonzero(template.is_diagonal & (np.abs(theta) < SNAP * objective.problem.unit)):
        x[:k][(term == term[i]) & (col == col[i])] = 0.0
    if np.array_equal(x, found.x):
        return found
    objective.accept(found.state)
    state = objective.state(x)
    # a share of the deviance, or of one of its units, that is rounding
    if state.value > found.state.value + 1e-11 * max(1.0, abs(found.state.value)):
        x[:k] = theta
        state = objective.state(x)
    found.log.append((tuple(x.tolist()), state.value))
    found.x, found.state, found.gradient = x, state, objective.gradient(state)
    return found


def _finish(
    objective: Laplace, found: Found, start: FloatArray, n_quadrature: int, control: Control
) -> GlmmFit:
    problem, state = objective.problem, found.state
    objective.accept(state)
    theta, gamma, shape = objective.split(found.x)
    gamma = state.modes.gamma if objective.joint else gamma
    vcov = _to_beta(problem, conditional_vcov(problem, problem.effects, state))
    optimum = Optimum(
        start=start,
        end=found.x,
        criterion=state.value,
        gradient=found.gradient,
        evaluations=len(found.log),
        converged=found.converged,
        method="BFGS from Fisher scoring",
        message=found.message,
        log=tuple(found.log),
    )
    second = SecondDerivatives(objective, found.x, found.curvature, vcov)
    return GlmmFit(
        beta=solve_triangular(problem.R, gamma) if problem.p else gamma,
        kept=problem.kept,
        vcov_conditional=vcov,
        inference=second.inference,
        scores=second.scores,
        theta=problem.template.canonical(problem.to_user(theta)),
        dispersion=shape,
        deviance=state.value,
        penalty=state.modes.penalty,
        logdet=state.elimination.logdet,
        n=problem.n,
        n_quadrature=n_quadrature,
        b=problem.by_term([b.T for b in problem.effects.by_factor(state.modes.b)]),
        cond_cov=_conditional_covariances(problem, state),
        optimum=optimum,
        n_compressed=len(problem.rows.y),
        inner_iterations=objective.steps,
        diagnostics=_findings(objective, found, optimum, control),
    )


def _to_beta(problem: Problem, V: FloatArray) -> FloatArray:
    """Return the covariance of beta from that of gamma = R beta."""
    if problem.p == 0:
        return V
    half = solve_triangular(problem.R, V)
    return np.asarray(solve_triangular(problem.R, half.T))


def _conditional_covariances(problem: Problem, state: State) -> tuple[FloatArray, ...]:
    blocks = list(state.elimination.select().N)
    core = state.elimination.core
    if core is not None:
        blocks += [core.diagonal_blocks(i) for i in range(len(core.places))]
    return problem.by_term([np.moveaxis(N, 2, 0) for N in blocks])


def _findings(
    objective: Laplace, found: Found, optimum: Optimum, control: Control
) -> tuple[Diagnostic, ...]:
    """Return what should be said about the fit, most serious first."""
    problem = objective.problem
    k = problem.k
    # In the search's terms, which no unit or origin of a predictor changes.
    theta, _, _ = objective.split(found.x)
    gradient = found.gradient[:k] if objective.k == k else np.zeros(k)
    in_theta = replace(optimum, end=theta / problem.unit, gradient=gradient)
    out = list(diagnose(in_theta, problem.template, np.full(k, problem.unit), control))
    if problem.has_shape and problem.rows.family.is_negative_binomial:
        low, high = np.exp(problem.rows.shape_limits)
        shape = found.state.shape
        if not low < shape < high:
            out.insert(
                0,
                Diagnostic(
                    code="poisson_limit", severity="warning", value=shape, threshold=float(high),
                    hint=f"the {problem.rows.family.name} model's theta runs to its limit "
                    f"({shape:.3g}): the counts are not overdispersed, and family='poisson' gives "
                    "the same model with one parameter less",
                )
            )  # fmt: skip
    return tuple(out)


class SecondDerivatives:
    """Makes the Hessian and scores when asked: methods of it pickle."""

    def __init__(
        self, objective: Laplace, x: FloatArray, guess: FloatArray, conditional: FloatArray
    ) -> None:
        self.objective, self.x, self.guess, self.conditional = objective, x, guess, conditional
        self._made: Inference | None = None

    def inference(self) -> Inference:
        """Return second derivatives and the covariance of beta."""
        if self._made is None:
            with blas_threads(1), np.errstate(all="ignore"):
                self._made = self._make()
        return self._made

    def _make(self) -> Inference:
        problem, free = self.objective.problem, self.objective.free(self.x)
        try:
            H = difference_hessian(self.objective, self.x, self.guess, free)
        except (FitError, np.linalg.LinAlgError):
            H = np.zeros((len(self.x), len(self.x)))
        # To (theta, beta, log phi): gamma = R beta.
        k, p = self.objective.k, 0 if self.objective.joint else problem.p
        J = np.eye(len(self.x))
        J[:k, :k] = self.objective.user_map
        J[k : k + p, k : k + p] = problem.R[:p, :p]
        H_beta = J.T @ H @ J
        if self.objective.joint:
            return Inference(hessian=H_beta, vcov=self.conditional, is_positive=True)
        at = np.flatnonzero(free)
        inverse = inverse_of_positive(H[np.ix_(at, at)] / 2.0)
        if inverse is None:
            return Inference(hessian=H_beta, vcov=self.conditional, is_positive=False)
        V = np.zeros_like(H)
        V[np.ix_(at, at)] = inverse
        vcov = _to_beta(problem, V[k : k + p, k : k + p])
        if np.any(np.diag(vcov) < ROUNDING * np.diag(self.conditional)):
            return Inference(hessian=H_beta, vcov=self.conditional, is_positive=False)
        return Inference(hessian=H_beta, vcov=vcov, is_positive=True)

    def scores(self) -> tuple[LevelScores, ...]:
        """Return each level's derivatives of the log-likelihood by (theta, beta, log phi).

        The rows' part stands with the finest factor of the nested chain, theta's with each factor.

        Raises
        ------
        NotSupportedError
            For crossed factors, whose derivatives are not kept by level.
        """
        problem = self.objective.problem
        if problem.effects.places:
            raise NotSupportedError(
                "Cluster-robust standard errors of glmer need one grouping factor or nested ones; "
                "these are crossed."
            )
        state = self.objective.state(self.x)
        slopes, J = self.objective.slopes(state), self.objective.theta_slopes(state)
        k = self.objective.k
        out = []
        for i, (f, part) in enumerate(
            zip(problem.effects.order, problem.effects.parts, strict=True)
        ):
            values = np.zeros((part.n_levels, len(self.x)))
            where, row, col = problem.entries(f)
            values[:, :k] = slopes.random[i][row, col].T @ J[where]
            if i == 0:
                self._add_rows(values, slopes)
            out.append(LevelScores(term=problem.effects.factors[f].terms[0], values=-0.5 * values))
        return tuple(out)

    def _add_rows(self, values: FloatArray, slopes: Slopes) -> None:
        problem = self.objective.problem
        part, k, p = problem.effects.parts[0], self.objective.k, problem.p
        by_gamma = [part.level_sums(column * slopes.fixed) for column in problem.XT]
        if p:
            values[:, k : k + p] = np.column_stack(by_gamma) @ problem.R
        if slopes.shape is not None:
            values[:, -1] = part.level_sums(slopes.shape)
