"""Fit a linear mixed model with several grouping factors: nested, crossed or both.

The steps are those of :mod:`mlpool.engine.lmm.one_factor_fit`; only the criterion is another one.
"""

from __future__ import annotations

import numpy as np

from mlpool.engine.lmm.one_factor_fit import (
    PERFECT,
    check_identified,
    check_residual,
    check_response,
    in_user_theta,
    user_log,
    user_start,
)
from mlpool.engine.lmm.several_factors import SeveralFactors
from mlpool.engine.optimizer.convergence import findings_of, singular_finding
from mlpool.engine.optimizer.newton import SearchInterrupt, interrupted, minimise
from mlpool.engine.optimizer.valleys import deepest
from mlpool.engine.threads import blas_threads
from mlpool.engine.types import Control, Diagnostic, LmmData, LmmFit, Optimum
from mlpool.errors import FitError
from mlpool.typing import FloatArray


def fit_several(data: LmmData, *, reml: bool = True, control: Control | None = None) -> LmmFit:
    """Fit by REML or maximum likelihood.

    Parameters
    ----------
    data : LmmData
        Terms of two or more grouping factors.
    reml : bool
        Restricted (True) or ordinary maximum likelihood.
    control : Control, optional

    Raises
    ------
    FitError
        If the data cannot identify the model, or crossed factors need a dense block beyond
        ``control.max_dense_bytes``.
    DataError
        If a weight is not positive.
    KeyboardInterrupt
        Ctrl-C; the message says how to go on.
    """
    control = control or Control()
    with blas_threads(control.blas_threads):
        objective = prepare_several(data, reml=reml, control=control)
        start = (
            objective.start() if control.start is None else user_start(control, objective.template)
        )
        working = objective.working()
        try:
            found = minimise(working, objective.to_working(start), control)
            found = deepest(working, found, control)
        except SearchInterrupt as stop:
            raise KeyboardInterrupt(interrupted(user_log(objective, stop.log))) from None
        objective.adopt(objective.from_working(found.end), working, found.end)
        optimum = in_user_theta(objective, found, start)
        if objective.solve(optimum.end).pwrss <= PERFECT * objective.total[-1, -1]:
            raise FitError(
                "The grouping factors' effects and the fixed effects explain the response exactly: "
                "the residual variance is zero, so the model has no finite estimate."
            )
        diagnostics = findings_of(objective, optimum, control)
        return finish_several(objective, optimum, diagnostics)


def prepare_several(data: LmmData, *, reml: bool, control: Control) -> SeveralFactors:
    """Make the sums of `data` and return the criterion as a function of theta.

    Raises
    ------
    FitError
        As :func:`fit_several`.
    """
    check_identified(data)
    objective = SeveralFactors.from_data(data, reml=reml, control=control)
    check_response(objective.parts.totals)
    if objective.p >= objective.n:
        raise FitError(
            f"The model has {objective.p} fixed effects for {objective.n} rows: nothing is left to "
            "estimate variances from."
        )
    check_residual(objective, objective.parts.totals)
    return objective


def fit_several_at(objective: SeveralFactors, theta: FloatArray) -> LmmFit:
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
    return finish_several(objective, optimum, found)


def finish_several(
    objective: SeveralFactors, optimum: Optimum, diagnostics: tuple[Diagnostic, ...] = ()
) -> LmmFit:
    """Turn the optimum into estimates (Bates et al. 2015, JSS 67(1), section 3.4)."""
    theta, fixed = optimum.end, objective.fixed
    found = objective.solve(theta)
    sigma = float(np.sqrt(found.pwrss / objective.m))
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
        b=objective.modes(theta),
        cond_cov=_LazyCovariances(objective, theta, sigma),
        optimum=optimum,
        diagnostics=diagnostics,
    )


class _LazyCovariances:
    """Makes Var(b | y) of every term when asked: a call that pickles.

    It keeps the sums, not a factorisation: the core's matrices come back only while it works.
    """

    def __init__(self, objective: SeveralFactors, theta: FloatArray, sigma: float) -> None:
        self._objective, self._theta, self._sigma = objective.fresh(), theta, sigma
        self._made: tuple[FloatArray, ...] | None = None

    def __call__(self) -> tuple[FloatArray, ...]:
        if self._made is None:
            with blas_threads(1):
                made = self._objective.conditional_covariances(self._theta)
            self._made = tuple(self._sigma**2 * V for V in made)
        return self._made
