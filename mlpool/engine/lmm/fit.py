"""`fit_lmm`: a linear mixed model from arrays to a record.

1. Make the sums, the only pass over the rows;  2. drop aliased columns;  3. profile beta and sigma
out of the criterion;  4. minimise it over theta;  5. estimates, conditional modes and variances.
Only the criterion knows how many grouping factors there are: with one it needs nothing but small
blocks (:mod:`one_factor`), else a nested chain and a dense core (:mod:`several_factors`).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mlpool.engine.lmm.criterion import Criterion
from mlpool.engine.lmm.identifiability import (
    EXPLAINED,
    check_estimable,
    check_identified,
    square_of_rounding,
)
from mlpool.engine.lmm.iterative.fit import fit_iterative, takes_iterations
from mlpool.engine.lmm.one_factor import OneFactor
from mlpool.engine.lmm.several_factors import SeveralFactors
from mlpool.engine.lmm.user_start import user_start
from mlpool.engine.optimizer.convergence import findings_of, singular_finding
from mlpool.engine.optimizer.local_minima import deepest
from mlpool.engine.optimizer.newton import Log, SearchInterrupt, interrupted, minimise
from mlpool.engine.structured.covariance_map import Structure, has_structure
from mlpool.engine.structured.linear import (
    StructuredCriterion,
    search_structured,
    structured_findings,
)
from mlpool.engine.threads import blas_threads
from mlpool.engine.types import Control, Diagnostic, LmmData, LmmFit, Optimum
from mlpool.errors import FitError
from mlpool.typing import FloatArray


def fit_lmm(data: LmmData, *, reml: bool = True, control: Control | None = None) -> LmmFit:
    """Fit a linear mixed model by REML or ML.

    Parameters
    ----------
    data : LmmData
        Terms in lme4's order.
    reml : bool
        Restricted (True) or ordinary maximum likelihood.
    control : Control, optional

    Returns
    -------
    LmmFit

    Raises
    ------
    FitError
        If the data cannot identify the model (constant response, as many levels as rows, no
        residual degrees of freedom), values are not finite, or crossed factors need a dense block
        beyond ``control.max_dense_bytes``.
    DataError
        If a weight is not positive.
    KeyboardInterrupt
        Ctrl-C; the message says how to go on.

    References
    ----------
    Bates, Maechler, Bolker & Walker (2015), J. Stat. Softw. 67(1), eqs. 34 and 41.
    """
    control = control or Control()
    with blas_threads(control.blas_threads):
        check_identified(data)
        if has_structure(data.structures):
            objective = prepare(data, reml=reml, control=control)
            return fit_structured(objective, data.structures, control)
        if not is_one_factor(data) and takes_iterations(data, control):
            return fit_iterative(data, reml=reml, control=control)
        return fit_criterion(prepare(data, reml=reml, control=control), control)


def prepare(data: LmmData, *, reml: bool, control: Control) -> OneFactor | SeveralFactors:
    """Make the sums of `data` and return the criterion as a function of theta.

    Raises
    ------
    FitError, DataError
        As :func:`fit_lmm`.
    """
    check_identified(data)
    kind = OneFactor if is_one_factor(data) else SeveralFactors
    objective = kind.from_data(data, reml=reml, control=control)
    check_estimable(objective)
    return objective


def is_one_factor(data: LmmData) -> bool:
    """Tell whether all terms share one grouping factor: then second derivatives are exact too."""
    return len({t.factor for t in data.terms}) == 1


def fit_criterion(objective: Criterion, control: Control) -> LmmFit:
    """Minimise a criterion and return the estimates, whatever the number of rows behind it.

    Raises
    ------
    FitError
        If the residual variance is zero.
    KeyboardInterrupt
        Ctrl-C; the message says how to go on.
    """
    optimum = _search(objective, control)
    if objective.solve(optimum.end).pwrss <= square_of_rounding(objective):
        raise FitError(EXPLAINED)
    return _estimates(objective, optimum, findings_of(objective, optimum, control))


def fit_structured(
    objective: Criterion, structures: tuple[Structure | None, ...], control: Control
) -> LmmFit:
    """Minimise a criterion over the parameters of structured terms and return the estimates.

    Raises
    ------
    FitError
        If the criterion exists at no start.
    """
    criterion = StructuredCriterion(objective, structures)
    optimum = search_structured(criterion, control)
    findings = structured_findings(criterion, optimum, control)
    theta = criterion.map.theta(optimum.end)
    return replace(_estimates(objective, replace(optimum, end=theta), findings), optimum=optimum)


def _search(objective: Criterion, control: Control) -> Optimum:
    """Return the optimum in the user's theta, and let the criterion know the solution there."""
    if control.start is None:
        start, before = objective.start()
    else:
        start, before = user_start(control, objective.template), ()
    working = objective.working()
    try:
        found = minimise(working, objective.to_working(start), control)
        found = deepest(working, found, control)
    except SearchInterrupt as stop:
        raise KeyboardInterrupt(interrupted(_user_log(objective, stop.log))) from None
    theta = working.hand_over(found.end)
    value, gradient = objective.evaluate(theta)
    return replace(
        found,
        start=start,
        end=theta,
        gradient=gradient,
        criterion=value,
        evaluations=len(before) + found.evaluations,
        log=(*before, *_user_log(objective, found.log)),
    )


def _user_log(objective: Criterion, log: Log) -> Log:
    """Translate a log of the search to the user's theta."""

    def user(theta: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(float(t) for t in objective.from_working(np.array(theta)))

    return tuple((user(theta), value) for theta, value in log)


def _estimates(
    objective: Criterion, optimum: Optimum, diagnostics: tuple[Diagnostic, ...]
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
        cond_cov=objective.covariances(theta, sigma),
        optimum=optimum,
        diagnostics=diagnostics,
    )


# --- at a given theta ---------------------------------------------------------------------------


def criterion_at(
    data: LmmData, theta: FloatArray, *, reml: bool = True, control: Control | None = None
) -> tuple[float, FloatArray]:
    """Return the deviance and its gradient at a given theta (lme4's ``devfun(theta)``)."""
    control = control or Control()
    theta = np.asarray(theta, dtype=np.float64)
    with blas_threads(control.blas_threads):
        return prepare(data, reml=reml, control=control).evaluate(theta)


def fit_at(
    data: LmmData, theta: FloatArray, *, reml: bool = True, control: Control | None = None
) -> LmmFit:
    """Return the fit at a given theta without optimising."""
    return FitsAt(data, reml=reml, control=control)(theta)


class FitsAt:
    """Fits at many given theta, from sums that are made once.

    Parameters
    ----------
    data : LmmData
    reml : bool
    control : Control, optional
    """

    def __init__(self, data: LmmData, *, reml: bool = True, control: Control | None = None) -> None:
        control = control or Control()
        self._threads = control.blas_threads
        with blas_threads(self._threads):
            self._objective = prepare(data, reml=reml, control=control)

    def __call__(self, theta: FloatArray) -> LmmFit:
        """Return the fit at theta (k,)."""
        with blas_threads(self._threads):
            return fit_at_theta(self._objective, np.asarray(theta, dtype=np.float64))


def fit_at_theta(objective: Criterion, theta: FloatArray) -> LmmFit:
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
    return _estimates(objective, optimum, found)
