"""`fit_lmm`: a linear mixed model from arrays to a record.

1. Make the sums, the only pass over the rows;  2. drop aliased columns;  3. profile beta and sigma
out of the criterion;  4. minimise it over theta;  5. estimates, conditional modes and variances.
Models with one grouping factor take :mod:`one_fit` (nothing but small blocks), all others
:mod:`several_fit` (nested chain and dense core).
"""

from __future__ import annotations

import numpy as np

from mlpool.engine.lmm.one_factor_fit import fit_at_theta, fit_one_factor, prepare
from mlpool.engine.lmm.several_factors_fit import fit_several, fit_several_at, prepare_several
from mlpool.engine.threads import blas_threads
from mlpool.engine.types import Control, LmmData, LmmFit
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
    if is_one_factor(data):
        return fit_one_factor(data, reml=reml, control=control)
    return fit_several(data, reml=reml, control=control)


def criterion_at(
    data: LmmData, theta: FloatArray, *, reml: bool = True, control: Control | None = None
) -> tuple[float, FloatArray]:
    """Return the deviance and its gradient at a given theta (lme4's ``devfun(theta)``)."""
    control = control or Control()
    theta = np.asarray(theta, dtype=np.float64)
    with blas_threads(control.blas_threads):
        if is_one_factor(data):
            return prepare(data, reml=reml, control=control).evaluate(theta)
        return prepare_several(data, reml=reml, control=control).evaluate(theta)


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
            self._one = self._several = None
            if is_one_factor(data):
                self._one = prepare(data, reml=reml, control=control)
            else:
                self._several = prepare_several(data, reml=reml, control=control)

    def __call__(self, theta: FloatArray) -> LmmFit:
        """Return the fit at theta (k,)."""
        theta = np.asarray(theta, dtype=np.float64)
        with blas_threads(self._threads):
            if self._one is not None:
                return fit_at_theta(self._one, theta)
            assert self._several is not None
            return fit_several_at(self._several, theta)


def is_one_factor(data: LmmData) -> bool:
    """Tell whether all terms share one grouping factor: then second derivatives are exact too."""
    return len({t.factor for t in data.terms}) == 1
