"""Fit a linear mixed model whose terms all share one grouping factor.

1. One pass over the rows makes the sums (:mod:`mlpool.engine.sums.cluster_sums`).
2. :mod:`one_factor` turns them into the profiled criterion with gradient and Hessian.
3. :mod:`newton` minimises it over theta.
4. beta, sigma, conditional modes and covariances follow from the solution at the optimum.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

import numpy as np

from mlpool.engine.lmm.conditional_modes import conditional_covariances, conditional_modes
from mlpool.engine.lmm.one_factor import OneFactor
from mlpool.engine.lmm.one_factor_start import scoring_start
from mlpool.engine.optimizer.convergence import findings_of, singular_finding
from mlpool.engine.optimizer.newton import Log, SearchInterrupt, interrupted, minimise
from mlpool.engine.optimizer.valleys import deepest
from mlpool.engine.rank import independent_of_sums
from mlpool.engine.sums.cluster_sums import CrossProducts
from mlpool.engine.sums.columns import Rows
from mlpool.engine.sums.trend import detrended_sums, solve_scaled
from mlpool.engine.theta import Template
from mlpool.engine.threads import blas_threads
from mlpool.engine.types import Control, Diagnostic, LmmData, LmmFit, Optimum
from mlpool.errors import FitError, OptionError, brief
from mlpool.typing import FloatArray, IntArray, RowSource

ROUNDING = 64 * float(np.finfo(float).eps)
"""Residual share of the response's length that is rounding: of the numbers, their products with
slopes and the sums of both."""
PERFECT = 1e-11
"""The same after the clusters' effects, where theta runs off to infinity."""


class Criterion(Protocol):
    """What the steps that are the same for one and for several factors need to know."""

    total: FloatArray
    p: int

    def evaluate(self, theta: FloatArray) -> tuple[float, FloatArray]:
        """Return deviance and gradient."""

    def from_working(self, theta: FloatArray) -> FloatArray:
        """Return the user's theta for one of the search."""


def fit_one_factor(data: LmmData, *, reml: bool = True, control: Control | None = None) -> LmmFit:
    """Fit by REML or maximum likelihood.

    Parameters
    ----------
    data : LmmData
        All terms have the same ``factor``.
    reml : bool
        Restricted (True) or ordinary maximum likelihood.
    control : Control, optional

    Raises
    ------
    FitError
        If the data cannot identify the model (constant response, as many levels as rows, no
        residual degrees of freedom) or values are not finite.
    DataError
        If a weight is not positive.
    KeyboardInterrupt
        Ctrl-C; the message says how to go on.
    """
    control = control or Control()
    check_identified(data)
    with blas_threads(control.blas_threads):
        rows = Rows.of_factor(data, data.terms[0].factor)
        sums, kept = detrended_sums(rows, batch_rows=control.batch_rows)
        sizes = tuple(t.z.shape[1] for t in data.terms)
        return fit_sums(sums, data.X, sizes, reml=reml, control=control, kept=kept)


def fit_sums(  # noqa: PLR0913 - kept is known where the sums were made
    sums: CrossProducts,
    X: RowSource,
    sizes: tuple[int, ...],
    *,
    reml: bool = True,
    control: Control | None = None,
    kept: IntArray | None = None,
) -> LmmFit:
    """Fit from sums that are already made, whatever the number of rows behind them.

    Parameters
    ----------
    sums : CrossProducts
    X : RowSource
        Asked only for columns that the sums cannot tell from aliased ones.
    sizes : tuple of int
        Columns of each term.
    reml : bool
    control : Control, optional
    kept : ndarray of int, optional
        Columns of X that are estimated, where that is known.
    """
    control = control or Control()
    objective = build_objective(sums, X, sizes, reml=reml, kept=kept)
    if control.start is None:
        start, before = scoring_start(objective)
    else:
        start, before = user_start(control, objective.template), ()
    working = objective.working()
    try:
        found = minimise(working, objective.to_working(start), control)
        found = deepest(working, found, control)
    except SearchInterrupt as stop:
        raise KeyboardInterrupt(interrupted(user_log(objective, stop.log))) from None
    objective.adopt(objective.from_working(found.end), working.solve(found.end))
    optimum = in_user_theta(objective, found, start, before)
    if objective.solve(optimum.end).pwrss <= PERFECT * objective.total[-1, -1]:
        raise FitError(
            "The clusters' effects and the fixed effects explain the response exactly: the "
            "residual variance is zero, so the model has no finite estimate."
        )
    return finish(objective, optimum, findings_of(objective, optimum, control))


def build_objective(
    sums: CrossProducts,
    X: RowSource,
    sizes: tuple[int, ...],
    *,
    reml: bool,
    kept: IntArray | None = None,
) -> OneFactor:
    """Return the criterion as a function of theta, for fits, profiles and given theta.

    Raises
    ------
    FitError
        If the response is constant or explained exactly, or there are no residual degrees of
        freedom.
    """
    check_response(sums)
    kept = independent_of_sums(sums, X) if kept is None else kept
    if len(kept) >= sums.n:
        raise FitError(
            f"The model has {len(kept)} fixed effects for {sums.n} rows: nothing is left to "
            "estimate variances from."
        )
    objective = OneFactor(sums, Template(sizes), kept, reml=reml)
    check_residual(objective, sums)
    return objective


def finish(
    objective: OneFactor, optimum: Optimum, diagnostics: tuple[Diagnostic, ...] = ()
) -> LmmFit:
    """Turn the optimum into estimates (Bates et al. 2015, JSS 67(1), section 3.4)."""
    theta = optimum.end
    found = objective.solve(theta)
    sigma = float(np.sqrt(found.pwrss / objective.m))
    fixed = objective.fixed
    return LmmFit(
        beta=fixed.back @ -found.v[:-1] + fixed.shift,
        kept=objective.kept,
        vcov_unscaled=fixed.back @ found.Sxx_inverse @ fixed.back.T,
        theta=theta,
        sigma=sigma,
        criterion=found.value,
        pwrss=found.pwrss,
        logdet_L2=found.logdet_L2,
        logdet_RX2=found.logdet_RX2,
        reml=objective.reml,
        n=objective.n,
        b=conditional_modes(objective, theta, found),
        cond_cov=conditional_covariances(objective, theta, sigma),
        optimum=optimum,
        diagnostics=diagnostics,
    )


def in_user_theta(
    objective: Criterion, found: Optimum, start: FloatArray, before: Log = ()
) -> Optimum:
    """Translate the search's record; `before` are the evaluations that made the start."""
    theta = objective.from_working(found.end)
    value, gradient = objective.evaluate(theta)
    return replace(
        found,
        start=start,
        end=theta,
        gradient=gradient,
        criterion=value,
        evaluations=len(before) + found.evaluations,
        log=(*before, *user_log(objective, found.log)),
    )


def user_log(objective: Criterion, log: Log) -> Log:
    """Translate a log of the search to the user's theta."""

    def user(theta: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(float(t) for t in objective.from_working(np.array(theta)))

    return tuple((user(theta), value) for theta, value in log)


def check_identified(data: LmmData) -> None:
    """Refuse models whose random effects cannot be told from the residual (as lme4 does).

    Raises
    ------
    FitError
    """
    n = data.n
    if n == 0:
        raise FitError("There are no rows to fit.")
    for t in data.terms:
        k = t.z.shape[1]
        if t.n_levels < 2:
            raise FitError("A grouping factor needs at least 2 levels; there is only 1.")
        if t.n_levels >= n:
            raise FitError(
                f"A grouping factor has {t.n_levels} levels for {n} rows: with one row per level "
                "its effects cannot be told from the residual."
            )
        if t.n_levels * k >= n:
            raise FitError(
                f"A term has {t.n_levels} levels x {k} columns = {t.n_levels * k} random effects "
                f"for {n} rows: its variances and the residual variance are not identified."
            )


def check_response(sums: CrossProducts) -> None:
    """Refuse a response without variation.

    Raises
    ------
    FitError
    """
    (y,) = sums.uncentre(np.array([sums.layout.y])).T
    T, constant = sums.total, np.eye(sums.layout.k)[0]
    mean = float(constant @ T @ y / T[0, 0])
    about_mean = y - mean * constant
    if not about_mean @ T @ about_mean > ROUNDING**2 * T[0, 0] * mean**2:
        raise FitError("The response is constant: there is no variation to explain.")


def check_residual(objective: Criterion, sums: CrossProducts) -> None:
    """Refuse a response that the fixed effects explain exactly.

    Raises
    ------
    FitError
    """
    p, total = objective.p, objective.total
    left = float(total[p, p] - total[p, :p] @ solve_scaled(total[:p, :p], total[:p, p]))
    if not left > (ROUNDING * response_size(sums)) ** 2:
        raise FitError(
            "The fixed effects explain the response exactly: no variation is left for random "
            "effects and residuals."
        )


def response_size(sums: CrossProducts) -> float:
    """Return the length of the response's parts before they were taken apart: what it rounds to."""
    layout = sums.layout
    slopes = np.array(layout.trend) if layout.trend else np.zeros(layout.k)
    slopes[layout.y] = 1.0
    columns = sums.uncentre(np.arange(layout.k)) * slopes
    squares = np.einsum("ac,ab,bc->c", columns, sums.total, columns)
    return float(np.sqrt(np.maximum(squares, 0.0).sum()))


def user_start(control: Control, template: Template) -> FloatArray:
    """Return the starting theta of ``control.start``.

    Raises
    ------
    OptionError
        If it has the wrong length or holds values that are not finite.
    """
    start = np.asarray(control.start, dtype=np.float64)
    if start.shape != (template.k,) or not np.all(np.isfinite(start)):
        raise OptionError(
            f"start must hold {template.k} finite numbers (theta in lme4's order); "
            f"got {brief(control.start)}."
        )
    return template.canonical(start)


def prepare(data: LmmData, *, reml: bool, control: Control) -> OneFactor:
    """Make the sums of `data` and return the criterion as a function of theta.

    Raises
    ------
    FitError
        As :func:`fit_one_factor`.
    """
    check_identified(data)
    rows = Rows.of_factor(data, data.terms[0].factor)
    sums, kept = detrended_sums(rows, batch_rows=control.batch_rows)
    sizes = tuple(t.z.shape[1] for t in data.terms)
    return build_objective(sums, data.X, sizes, reml=reml, kept=kept)


def fit_at_theta(objective: OneFactor, theta: FloatArray) -> LmmFit:
    """Return the estimates at a given theta without optimising."""
    value, gradient = objective.evaluate(theta)
    optimum = Optimum(
        start=theta,
        end=theta,
        criterion=value,
        gradient=gradient,
        evaluations=1,
        converged=True,
        method="given theta",
    )
    tol = Control().singular_tol
    found = singular_finding(objective.template, objective.standards, theta, tol)
    return finish(objective, optimum, found)
