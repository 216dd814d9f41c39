"""Profile-likelihood intervals of a linear mixed model (lme4's ``confint(method = "profile")``).

For a parameter psi_i (a SD, a correlation, sigma or a fixed effect),
``zeta(x) = sign(x - psi_i) sqrt(D_i(x) - D)`` with D the minimal ML deviance and D_i(x) the
deviance minimised over all other parameters while psi_i = x; the interval is where
``|zeta| <= z_{(1 + level) / 2}``. :mod:`profile_surface` follows SDs, correlations and sigma; a
fixed effect is held by moving its part into the response.

References
----------
Bates, Maechler, Bolker & Walker (2015), J. Stat. Softw. 67(1), section 5.1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mlpool.engine.lmm.fit import fit_lmm
from mlpool.engine.lmm.repeated_fits import Refitted, deviance_held, new_responses
from mlpool.engine.types import ArrayRows, Control, LmmData, LmmFit
from mlpool.errors import FitError
from mlpool.inference.profiles.lmm_random_sides import RandomSide
from mlpool.inference.profiles.lmm_surface import Surface, root_of
from mlpool.inference.profiles.profile_side import Curve, Line, target_of
from mlpool.typing import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileIntervals:
    """Profile-likelihood intervals.

    Attributes
    ----------
    places : tuple of (int, int, int)
        Term, row and column of each random parameter (row equals column: a SD, else a
        correlation); sigma is (-1, 0, 0).
    random : ndarray of shape (k, 2)
        Bounds of SDs, correlations and sigma, in the order of `places`.
    fixed : ndarray of shape (p, 2)
    """

    places: tuple[tuple[int, int, int], ...]
    random: FloatArray
    fixed: FloatArray


@dataclass(frozen=True, slots=True)
class LmmCurves:
    """The profiles of every parameter: they work when they are asked.

    Attributes
    ----------
    places : tuple of (int, int, int)
        As in :class:`ProfileIntervals`.
    random, fixed : tuple of Curve
    """

    places: tuple[tuple[int, int, int], ...]
    random: tuple[Curve, ...]
    fixed: tuple[Curve, ...]


def profile_confint(data: LmmData, fit: LmmFit, level: float = 0.95) -> ProfileIntervals:
    """Profile-likelihood intervals of every parameter; a REML fit is refitted by ML, as in lme4.

    Parameters
    ----------
    data : LmmData
    fit : LmmFit
    level : float

    Returns
    -------
    ProfileIntervals
        A SD's lower bound is 0 and a correlation's bound -1 or 1 where the likelihood never falls
        far enough. NaN where three or more columns of a singular fit cannot move independently.

    Raises
    ------
    OptionError
        If `level` is not between 0 and 1.
    FitError
        If a better fit turns up on the way.
    """
    target = target_of(level)
    curves = profile_curves(data, fit)
    return ProfileIntervals(
        places=curves.places,
        random=np.array([curve.bounds(target) for curve in curves.random]).reshape(-1, 2),
        fixed=np.array([curve.bounds(target) for curve in curves.fixed]).reshape(-1, 2),
    )


def profile_curves(data: LmmData, fit: LmmFit) -> LmmCurves:
    """Return the profiles of every parameter; a REML fit is refitted by ML, as in lme4.

    Raises
    ------
    FitError
        If the fit's variance parameters are no covariance matrix.
    """
    ml = fit_lmm(data, reml=False) if fit.reml else fit
    surface = Surface(data, ml)
    return LmmCurves(
        places=surface.places, random=_random_curves(surface, ml), fixed=_fixed_curves(data, ml)
    )


# --- fixed effects ------------------------------------------------------------------------------


class _Without:
    """The model without one column of X, prepared when it is first fitted."""

    def __init__(self, data: LmmData, ml: LmmFit, i: int) -> None:
        self._data, self._ml, self._i = data, ml, i
        self._again: Refitted[FloatArray] | None = None
        self._column: FloatArray = np.empty(0)

    def deviance(self, value: float) -> float:
        """Return the ML deviance with the column's coefficient held."""
        data, ml = self._data, self._ml
        if data.kept is not None:
            return deviance_held(data, ml, self._i, value)
        if self._again is None:
            X = data.X.rows(0, data.n)[:, ml.kept]
            self._column, X = X[:, self._i], np.delete(X, self._i, axis=1)
            self._again = new_responses(
                replace(data, X=ArrayRows(X)), ml.theta, reml=False, control=Control(progress=False)
            )
        return self._again.fit(data.y - value * self._column).criterion


class FixedSide(Line):
    """One side of a fixed effect's profile: its part is taken off the response."""

    def __init__(self, held: _Without, ml: LmmFit, i: int, sign: float) -> None:
        se = ml.sigma * float(np.sqrt(ml.vcov_unscaled[i, i]))
        super().__init__(float(ml.beta[i]), sign, se)
        self._held, self._lowest = held, ml.criterion

    def zeta(self, t: float) -> tuple[float, float]:
        """Return |zeta| at beta + sign t."""
        return root_of(self._held.deviance(self.value(t)) - self._lowest), np.nan


def _fixed_curves(data: LmmData, ml: LmmFit) -> tuple[Curve, ...]:
    curves = []
    for i in range(len(ml.beta)):
        held = _Without(data, ml, i)
        curves.append(Curve(FixedSide(held, ml, i, -1.0), FixedSide(held, ml, i, 1.0)))
    return tuple(curves)


# --- SDs, correlations and sigma ----------------------------------------------------------------


def _random_curves(surface: Surface, ml: LmmFit) -> tuple[Curve, ...]:
    psi = surface.start(ml)
    fit = surface.fit(psi)
    if fit is None:
        raise FitError("the variance parameters of the fit are no covariance matrix.")
    lowest = surface.deviance(fit)
    _, hessian = surface.derivatives(psi, fit)
    return tuple(
        Curve(
            RandomSide(surface, psi, i, -1.0, lowest, hessian),
            RandomSide(surface, psi, i, 1.0, lowest, hessian),
        )
        for i in range(len(psi))
    )
