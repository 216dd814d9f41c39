"""`fit_lmm`: a linear mixed model from arrays to a record.

1. shift and scale columns;  2. make the sums, the only pass over the rows;  3. drop aliased
columns;  4. build the objective (nested or crossed);  5. minimise;  6. undo shifts and scales.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from mlpool.engine.assemble import Objective, build_objective
from mlpool.engine.diagnose import diagnose
from mlpool.engine.moments import moment_start
from mlpool.engine.one_fit import fit_at_theta, fit_one_factor, prepare
from mlpool.engine.optimize import minimise
from mlpool.engine.problem import FactorSpec, Problem, read_problem
from mlpool.engine.template import canonical_signs
from mlpool.engine.threads import blas_threads
from mlpool.engine.types import Control, LmmData, LmmFit, Optimum
from mlpool.errors import FitError
from mlpool.typing import FloatArray


def fit_lmm(data: LmmData, *, reml: bool = True, control: Control | None = None) -> LmmFit:
    """Fit a linear mixed model by REML or ML.

    Parameters
    ----------
    data : LmmData
        Terms in lme4's order.
    reml : bool
    control : Control, optional

    Returns
    -------
    LmmFit

    Raises
    ------
    FitError
        If the numbers allow no fit.

    References
    ----------
    Bates, Maechler, Bolker & Walker (2015), J. Stat. Softw. 67(1), eqs. 34 and 41.
    """
    control = control or Control()
    if _is_one_factor(data):
        return fit_one_factor(data, reml=reml, control=control)
    with blas_threads(control.blas_threads):
        problem = read_problem(data, control)
        objective = build_objective(problem, data, reml=reml, control=control)
        start = _start(problem, objective, control)
        optimum = minimise(objective.evaluate, start, problem.sizes, control)
        return _assemble(problem, objective, optimum, reml, control)


def criterion_at(
    data: LmmData, theta: FloatArray, *, reml: bool = True, control: Control | None = None
) -> tuple[float, FloatArray]:
    """Return the deviance and its gradient at a given theta (lme4's ``devfun(theta)``)."""
    control = control or Control()
    theta = np.asarray(theta, dtype=np.float64)
    with blas_threads(control.blas_threads):
        if _is_one_factor(data):
            return prepare(data, reml=reml, control=control).evaluate(theta)
        problem = read_problem(data, control)
        objective = build_objective(problem, data, reml=reml, control=control)
        value, gradient = objective.evaluate(problem.to_internal(np.asarray(theta, dtype=float)))
    return value + problem.constant(reml), gradient * problem.to_internal(np.ones(problem.k))


def fit_at(
    data: LmmData, theta: FloatArray, *, reml: bool = True, control: Control | None = None
) -> LmmFit:
    """Return the fit at a given theta without optimising."""
    control = control or Control()
    theta = np.asarray(theta, dtype=np.float64)
    with blas_threads(control.blas_threads):
        if _is_one_factor(data):
            return fit_at_theta(prepare(data, reml=reml, control=control), theta)
        problem = read_problem(data, control)
        objective = build_objective(problem, data, reml=reml, control=control)
        internal = problem.to_internal(np.asarray(theta, dtype=float))
        value, gradient = objective.evaluate(internal)
        optimum = Optimum(
            start=internal, end=internal, criterion=value, gradient=gradient, evaluations=1,
            converged=True, method="given theta",
        )  # fmt: skip
        return _assemble(problem, objective, optimum, reml, control)


def _is_one_factor(data: LmmData) -> bool:
    """Tell whether all terms share one grouping factor: then second derivatives are exact too."""
    return len({t.factor for t in data.terms}) == 1


def _start(problem: Problem, objective: Objective, control: Control) -> FloatArray:
    if control.start is None:
        return moment_start(problem)
    if len(control.start) != problem.k:
        raise FitError(f"control's start has {len(control.start)} values; this model has {problem.k} theta.")
    return problem.to_internal(np.asarray(control.start, dtype=np.float64))


def _assemble(
    problem: Problem, objective: Objective, optimum: Optimum, reml: bool, control: Control
) -> LmmFit:
    """Return the record in the user's units."""
    profile, logdet_L2, modes, _ = objective.finish(optimum.end)
    standard, kept = problem.standard, problem.kept
    m = problem.n - problem.p if reml else problem.n
    K = standard.back_transform(kept)
    theta = canonical_signs(problem.to_user(optimum.end), problem.sizes)
    y_scale = standard.y_scale
    sigma = float(np.sqrt(profile.r2 / m)) * y_scale
    story = problem.in_user_units(optimum, theta, reml)
    return LmmFit(
        beta=standard.beta(profile.beta, kept),
        kept=kept,
        vcov_unscaled=K @ profile.S_inv @ K.T,
        theta=theta,
        sigma=sigma,
        criterion=story.criterion,
        pwrss=profile.r2 * y_scale**2,
        logdet_L2=logdet_L2,
        logdet_RX2=profile.logdet_RX2 + problem.log_x_scale,
        reml=reml,
        n=problem.n,
        b=_split_terms(problem, [b * (y_scale / f.z_scale) for b, f in _by_factor(problem, modes)]),
        cond_cov=partial(conditional_covariances, problem, objective, optimum.end, sigma),
        optimum=story,
        diagnostics=diagnose(story, problem.sizes, problem.n, control),
    )


def conditional_covariances(
    problem: Problem, objective: Objective, internal: FloatArray, sigma: float
) -> tuple[FloatArray, ...]:
    """Return each term's conditional covariances (n_levels, k, k): sigma^2 Lambda M^-1 Lambda'."""
    with blas_threads(1):
        *_, covariances = objective.finish(internal)
    blocks = []
    for V, factor in _by_factor(problem, covariances):
        scale = sigma**2 / np.outer(factor.z_scale, factor.z_scale)
        blocks.append(V * scale)
    out: list[FloatArray] = [np.empty(0)] * len(problem.sizes)
    for V, factor in zip(blocks, problem.factors, strict=True):
        for term, columns in zip(factor.terms, factor.columns, strict=True):
            out[term] = V[:, columns, columns]
    return tuple(out)


def _by_factor(
    problem: Problem, arrays: list[FloatArray]
) -> list[tuple[FloatArray, FactorSpec]]:
    """Pair the objective's per-factor arrays (in elimination order) with the factors."""
    return list(zip(arrays, problem.factors, strict=True))


def _split_terms(problem: Problem, modes: list[FloatArray]) -> tuple[FloatArray, ...]:
    out: list[FloatArray] = [np.empty(0)] * len(problem.sizes)
    for b, factor in zip(modes, problem.factors, strict=True):
        for term, columns in zip(factor.terms, factor.columns, strict=True):
            out[term] = np.ascontiguousarray(b[:, columns])
    return tuple(out)

