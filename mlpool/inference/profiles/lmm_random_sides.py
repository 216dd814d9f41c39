"""Ways along a linear mixed model's deviance: an SD, a correlation or sigma held, others free."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlpool.engine.types import LmmFit
from mlpool.inference.profiles.likelihood_roots import solve_distance
from mlpool.inference.profiles.lmm_surface import Surface, root_of
from mlpool.inference.profiles.profile_side import ZETA_TOL, Side
from mlpool.typing import FloatArray

#: A zeta this much lower from another start belongs to another minimum.
_OTHER_MINIMUM = 1e-4
_MAX_SCORING = 60
_MAX_HALVINGS = 25
#: Expected fall of the deviance, which has no unit, that no test could show.
_DEVIANCE_TOL = 1e-9
#: A promised fall of the deviance beyond this means that the minimum was not reached.
_STUCK = 1e-4


class RandomSide(Side):
    """One side of a SD's, correlation's or sigma's profile; remembers where the others were.

    Parameters
    ----------
    surface : Surface
    psi : ndarray of shape (k,)
        At the estimate.
    i : int
        Which of them.
    sign : float
    lowest : float
        Deviance at the estimate.
    hessian : ndarray of shape (k, k)
        Expected one of the deviance by psi at the estimate.
    """

    def __init__(
        self,
        surface: Surface,
        psi: FloatArray,
        i: int,
        sign: float,
        lowest: float,
        hessian: FloatArray,
    ) -> None:
        self._surface, self._i, self._lowest, self._psi = surface, i, lowest, psi
        self._spread = float(np.sqrt(2.0 * np.abs(_pseudo_inverse(hessian)[i, i])))
        self._is_cor = surface.is_correlation[i]
        self._last, self._tangent = psi.copy(), _tangent(hessian, i)
        self._highest = 0.0
        self._left_the_cone = self._is_stuck = self._is_thorough = False
        super().__init__(surface.estimate(psi, i), sign)

    def value(self, t: float) -> float:
        """Return the SD or correlation at distance t."""
        at = float(self._psi[self._i]) + self.sign * t
        return float(np.tanh(at) if self._is_cor else np.exp(at))

    def distance(self, value: float) -> float:
        """Return the distance of a value on the scale of psi."""
        with np.errstate(divide="ignore", invalid="ignore"):
            at = np.arctanh(value) if self._is_cor else np.log(value)
        return float(self.sign * (at - self._psi[self._i]))

    def guess(self, target: float) -> float:
        """Return a Wald distance of at most one, or a leap away from the boundary."""
        # SDs of a log SD or a Fisher z, which have no unit
        wald = target * min(max(self._spread, 1e-3), 1.0)
        return max(wald, self._surface.way_inside(self._psi, self._i, self.sign))

    def solve(self, target: float) -> float:
        """Find the bound, also where the deviance has other minima."""
        distance = solve_distance(self.watched, target, self.guess(target), ZETA_TOL)
        if np.isfinite(distance) and self.finds_lower(distance, target):
            self.seen.clear()
            distance = solve_distance(self.watched, target, distance, ZETA_TOL)
        return float("nan") if self.is_blocked(target) else self.value(distance)

    def is_blocked(self, target: float) -> bool:
        """Tell whether one parameter could not move, or the others could not follow it.

        With three or more columns, a singular fit lies on the edge of the correlation matrices.
        """
        is_short = self._left_the_cone and self._highest < target - 1e3 * ZETA_TOL
        return is_short or self._is_stuck

    def finds_lower(self, t: float, target: float) -> bool:
        """Look for another minimum of the deviance from several starts, and go on so if there is.

        Where a SD is small, the deviance has minima at both ends of its correlations. Where the
        others are inside their range, at the estimate and here, they are not searched for.
        """
        visited = (self._psi, self._last)
        if not any(self._surface.is_near_edge(psi, self._i) for psi in visited):
            return False
        self._is_thorough = True
        self._is_thorough = self.zeta(t)[0] < target - _OTHER_MINIMUM
        return self._is_thorough

    def _starts(self, t: float) -> list[FloatArray]:
        psi = self._onwards(float(self._psi[self._i] + self.sign * t))
        if not self._is_thorough:
            return [psi]
        first = self._psi.copy()
        first[self._i] = psi[self._i]
        far = self._surface.far_starts(psi, self._i)
        return [psi, first, *far, *self._surface.far_starts(first, self._i)]

    def _onwards(self, value: float) -> FloatArray:
        """Return the last psi with psi_i moved: the others along the tangent where that is lower.

        The SDs and the correlation of uncentred slopes have to move together.
        """
        moved = self._last.copy()
        moved[self._i] = value
        step = (value - self._last[self._i]) * self._tangent
        # at most one unit of log sd or Fisher z: where the deviance is flat, a tangent is no guide
        follows = self._last + step / max(1.0, float(np.abs(step).max()))
        follows[self._i] = value
        return min((moved, follows), key=self._surface.deviance_at)

    def zeta(self, t: float) -> tuple[float, float]:
        """Return |zeta| and its derivative at distance t."""
        ends = [_minimise_others(self._surface, psi, self._i) for psi in self._starts(t)]
        end = min(ends, key=lambda end: end.deviance)
        if not np.isfinite(end.deviance):
            self._left_the_cone = True
            return np.inf, np.nan
        self._last, self._is_stuck = end.psi, end.left > _STUCK
        self._tangent = _tangent(end.hessian, self._i)
        root = root_of(end.deviance - self._lowest)
        self._highest = max(self._highest, root)
        slope = self.sign * float(end.gradient[self._i])
        return root, slope / (2.0 * root) if root > 0.0 else np.nan


@dataclass(frozen=True, slots=True, kw_only=True)
class _End:
    """Where a search ended: psi, the deviance, its derivatives, the fall another step promises."""

    psi: FloatArray
    deviance: float
    gradient: FloatArray
    hessian: FloatArray
    left: float


def _minimise_others(surface: Surface, psi: FloatArray, i: int) -> _End:
    """Fisher scoring over all parameters but the i-th, steps halved while the deviance grows."""
    k = len(psi)
    free = np.arange(k) != i
    fit = surface.fit(psi)
    if fit is None:
        nothing = np.full((k, k), np.nan)
        return _End(psi=psi, deviance=np.inf, gradient=nothing[0], hessian=nothing, left=np.nan)
    deviance = surface.deviance(fit)
    for _ in range(_MAX_SCORING):
        gradient, hessian = surface.derivatives(psi, fit)
        step = np.zeros(k)
        step[free] = -_pseudo_inverse(hessian[np.ix_(free, free)]) @ gradient[free]
        # at most one unit of log sd or Fisher z at a time keeps far-off starts on the path
        step /= max(1.0, float(np.abs(step).max()))
        expected = -float(gradient @ step)
        if expected < _DEVIANCE_TOL:
            break
        moved = _halve(surface, psi, step, deviance)
        if moved is None:
            break
        psi, fit, deviance = moved
    return _End(psi=psi, deviance=deviance, gradient=gradient, hessian=hessian, left=expected)


def _pseudo_inverse(hessian: FloatArray) -> FloatArray:
    # log SDs and Fisher z have no unit: a share of the largest curvature
    return np.asarray(np.linalg.pinv(hessian, rcond=1e-12, hermitian=True))


def _tangent(hessian: FloatArray, i: int) -> FloatArray:
    """Return how far the other parameters move (k,) with the i-th, where they minimise."""
    free = np.arange(len(hessian)) != i
    moves = np.zeros(len(hessian))
    moves[free] = -_pseudo_inverse(hessian[np.ix_(free, free)]) @ hessian[free, i]
    return moves


def _halve(
    surface: Surface, psi: FloatArray, step: FloatArray, deviance: float
) -> tuple[FloatArray, LmmFit, float] | None:
    for _ in range(_MAX_HALVINGS):
        fit = surface.fit(psi + step)
        if fit is not None:
            value = surface.deviance(fit)
            if value < deviance:
                return psi + step, fit, value
        step = 0.5 * step
    return None
