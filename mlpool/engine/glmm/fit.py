"""`fit_glmm`: a generalised linear mixed model from arrays to a record.

1. Compress, sort and orthogonalise the rows;  2. start from a GLM and its modes;  3. minimise the
deviance over theta, beta and the family's parameter at once, as lme4's last stage;  4. estimates,
modes, their covariances; second derivatives when they are asked for.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.linalg import solve_triangular

from mlpool.engine.findings import diagnose
from mlpool.engine.glmm.curvature import difference_hessian, inverse_of_positive, scoring
from mlpool.engine.glmm.laplace import Laplace, Slopes, State, conditional_vcov
from mlpool.engine.glmm.modes import Modes, find_modes
from mlpool.engine.glmm.problem import Problem, check_finite
from mlpool.engine.glmm.quadrature import Quadrature
from mlpool.engine.glmm.search import Found, minimise
from mlpool.engine.glmm.types import GlmmData, GlmmFit, Inference, LevelScores
from mlpool.engine.threads import blas_threads
from mlpool.engine.types import Control, Diagnostic, Optimum
from mlpool.errors import FitError, NotSupportedError
from mlpool.typing import BoolArray, FloatArray

SNAP = 1e-3
"""Diagonal entries of theta below this, in units of the link scale, are tried as exact zeros."""
_FIRST_SD = 0.7
SECOND_START = 0.1
"""Share of the first theta from which a search that lost its way begins once more."""
_SINGULAR = (
    "The equations of the fit became singular: a predictor may separate the outcomes, or the link "
    "may let means leave the family's range."
)
SMALLER_STARTS = (1.0, 0.3, 0.1, 0.03)
"""Shares of the first theta that are tried until every mean is possible (identity links)."""


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
        objective = make_objective(problem, n_quadrature)
        try:
            return _search(problem, objective, n_quadrature, control, 1.0)
        except (FitError, np.linalg.LinAlgError):
            pass
        try:
            return _search(problem, objective, n_quadrature, control, SECOND_START)
        except np.linalg.LinAlgError:
            raise FitError(_SINGULAR + problem.offset_note()) from None


def _search(
    problem: Problem, objective: Laplace, n_quadrature: int, control: Control, share: float
) -> GlmmFit:
    """Search from a share of the first theta."""
    x, scale = _start(problem, objective, control, share)
    found = minimise(
        objective, x, scale, lambda s: scoring(objective, x_of(objective, s, x), s), control
    )
    return _finish(objective, _snapped(objective, found), x, n_quadrature, control)


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


def _start(
    problem: Problem, objective: Laplace, control: Control, share: float
) -> tuple[FloatArray, FloatArray]:
    """Return first values and typical sizes: a GLM, then the modes at theta of size one."""
    rows = problem.rows
    gamma = _first_gamma(problem)
    shape = rows.start_shape(problem.predictor(gamma))
    none = problem.factors(np.zeros(problem.k))
    plain = find_modes(problem, none, gamma, shape, joint=True)
    shape = rows.start_shape(plain.eta)
    theta = _first_theta(problem)
    scale = np.where(problem.template.is_diagonal, theta, np.inf)
    if control.start is not None:
        theta = problem.of_user(_user_theta(problem, control.start))
    theta, modes = _first_modes(problem, share * theta, plain.gamma, shape)
    objective.start, objective.gamma = modes.e, modes.gamma
    parts = [theta] if objective.joint else [theta, modes.gamma]
    if problem.has_shape:
        parts.append(np.array([np.log(shape)]))
    x = np.concatenate(parts)
    diagonal = scale[problem.template.is_diagonal]
    limits = np.full(len(x), np.inf)
    limits[: problem.k] = np.where(problem.template.is_diagonal, scale, diagonal.max(initial=1.0))
    return x, limits


def _first_gamma(problem: Problem) -> FloatArray:
    """Regress the link of responses moved a little inwards, as R's GLMs start."""
    rows = problem.rows
    y, m, name = rows.y, rows.m, rows.family.name
    if name == "binomial":
        mu = (m * y + 0.5) / (m + 1.0)
    elif name in ("poisson", "nbinom1", "nbinom2"):
        mu = np.maximum(y, 0.1) * 0.9 + 0.1 * max(float(y.mean()), 0.1)
    else:
        mu = y
    if name == "gaussian" and rows.family.link == "log":
        # Responses of zero or less have no logarithm; their means may well be positive.
        mu = np.maximum(mu, 0.1 * max(float(np.abs(y).mean()), 1e-300))
    eta = rows.family.link_of(mu)
    if problem.offset is not None:
        eta = eta - problem.offset
    # The columns are orthogonal with mean square one.
    gamma: FloatArray = problem.XT @ eta / len(eta)
    fitted = problem.predictor(gamma)
    if np.isfinite(rows.total(fitted, 1.0)):
        return gamma
    flat = np.full(len(eta), float(rows.family.link_of(np.array([np.mean(mu)]))[0]))
    if problem.offset is not None:
        flat = flat - problem.offset
    return np.asarray(problem.XT @ flat / len(eta))


def _first_theta(problem: Problem) -> FloatArray:
    """SDs of about one unit of the link scale for every column of Z."""
    theta = np.zeros(problem.k)
    for f, part in zip(problem.effects.order, problem.effects.parts, strict=True):
        where, row, col = problem.entries(f)
        size = [1.0 if z is None else float(np.sqrt(np.mean(z**2))) for z in part.columns]
        for at, r, c in zip(where, row, col, strict=True):
            theta[at] = _FIRST_SD * problem.unit / (size[r] or 1.0) if r == c else 0.0
    return theta


def _first_modes(
    problem: Problem, theta: FloatArray, gamma: FloatArray, shape: float
) -> tuple[FloatArray, Modes]:
    """Return the modes at theta, or at a smaller one where links leave the family's range."""
    for share in SMALLER_STARTS:
        try:
            return share * theta, find_modes(
                problem, problem.factors(share * theta), gamma, shape, joint=True
            )
        except (FitError, np.linalg.LinAlgError):
            continue
    return theta, find_modes(problem, problem.factors(theta), gamma, shape, joint=True)


def _user_theta(problem: Problem, start: tuple[float, ...]) -> FloatArray:
    theta = np.asarray(start, dtype=np.float64)
    if theta.shape != (problem.k,):
        raise FitError(
            f"control={{'start': ...}} has {theta.size} values; this model's theta has {problem.k}."
        )
    return theta


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
    if state.value > found.state.value + 1e-9 * max(1.0, abs(found.state.value)) * 1e-2:
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
        diagnostics=_findings(problem, found, optimum, control),
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
    problem: Problem, found: Found, optimum: Optimum, control: Control
) -> tuple[Diagnostic, ...]:
    """Return what should be said about the fit, most serious first."""
    k = problem.k
    # In the search's terms, which no unit or origin of a predictor changes.
    in_theta = replace(optimum, end=found.x[:k] / problem.unit, gradient=found.gradient[:k])
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

    @property
    def free(self) -> BoolArray:
        """Parameters off the boundary: columns of Lambda with a zero diagonal stay zero."""
        template = self.objective.problem.template
        term, _, col = template.index
        out = np.ones(len(self.x), dtype=np.bool_)
        for i in np.flatnonzero(template.is_diagonal & (self.x[: template.k] == 0.0)):
            out[: template.k][(term == term[i]) & (col == col[i])] = False
        return out

    def inference(self) -> Inference:
        """Return second derivatives and the covariance of beta."""
        if self._made is None:
            with blas_threads(1), np.errstate(all="ignore"):
                self._made = self._make()
        return self._made

    def _make(self) -> Inference:
        problem, free = self.objective.problem, self.free
        try:
            H = difference_hessian(self.objective, self.x, self.guess, free)
        except (FitError, np.linalg.LinAlgError):
            H = np.zeros((len(self.x), len(self.x)))
        # To (theta, beta, log phi): gamma = R beta.
        k, p = problem.k, 0 if self.objective.joint else problem.p
        J = np.eye(len(self.x))
        J[:k, :k] = problem.theta_map
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
        slopes = self.objective.slopes(self.objective.state(self.x))
        J = problem.theta_map
        out = []
        for i, (f, part) in enumerate(
            zip(problem.effects.order, problem.effects.parts, strict=True)
        ):
            values = np.zeros((part.n_levels, len(self.x)))
            where, row, col = problem.entries(f)
            values[:, where] = slopes.random[i][row, col].T @ J[np.ix_(where, where)]
            if i == 0:
                self._add_rows(values, slopes)
            out.append(LevelScores(term=problem.effects.factors[f].terms[0], values=-0.5 * values))
        return tuple(out)

    def _add_rows(self, values: FloatArray, slopes: Slopes) -> None:
        problem = self.objective.problem
        part, k, p = problem.effects.parts[0], problem.k, problem.p
        by_gamma = [part.level_sums(column * slopes.fixed) for column in problem.XT]
        if p:
            values[:, k : k + p] = np.column_stack(by_gamma) @ problem.R
        if slopes.shape is not None:
            values[:, -1] = part.level_sums(slopes.shape)
