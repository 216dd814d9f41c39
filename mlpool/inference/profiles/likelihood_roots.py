"""How far a parameter may move until its likelihood has fallen by a given amount."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

#: Bounds are found to this difference in zeta, whose unit is a standard deviation.
_ZETA_TOL = 1e-9
_MAX_STEPS = 80
#: Doublings of the distance before a bound is called infinite.
_MAX_DOUBLINGS = 12
#: After a few doublings, a smaller gain in zeta than this means that the likelihood is flat.
_FLAT_AFTER, _FLAT_GAIN = 4, 1e-6


def solve_distance(
    zeta: Callable[[float], tuple[float, float]],
    target: float,
    guess: float,
    tolerance: float = _ZETA_TOL,
) -> float:
    """Solve ``zeta(t) = target`` for t > 0 by Newton or secant steps inside a bracket.

    Parameters
    ----------
    zeta : callable
        Returns the signed-root statistic at distance t >= 0 (0 at t = 0, not decreasing) and its
        derivative; NaN as derivative asks for secant steps.
    target : float
    guess : float
        First distance to try.
    tolerance : float
        Difference in zeta that counts as none.

    Returns
    -------
    float
        Infinite where zeta stays below the target.
    """
    low, high, value_low = 0.0, np.inf, 0.0
    before = (0.0, 0.0)
    t = guess
    doublings = 0
    for _ in range(_MAX_STEPS):
        value, slope = zeta(t)
        if abs(value - target) < tolerance:
            return t
        step = _newton(t, value, slope, target, before)
        before = (t, value)
        if value < target:
            gain, low, value_low = value - value_low, t, value
        else:
            high = t
        if np.isfinite(high):
            # a share of the distance, of which rounding leaves no more
            if high - low <= 1e-13 * high:
                return t
            t = step if low < step < high else 0.5 * (low + high)
            continue
        doublings += 1
        if doublings > _MAX_DOUBLINGS or (doublings > _FLAT_AFTER and gain < _FLAT_GAIN):
            return np.inf
        t = min(step, 2.0 * low) if step > low else 2.0 * low
    return t


def _newton(
    t: float, value: float, slope: float, target: float, before: tuple[float, float]
) -> float:
    """Return the next point; the secant through the point before where there is no slope."""
    if np.isnan(slope) and np.isfinite(value) and t != before[0]:
        slope = (value - before[1]) / (t - before[0])
    if not np.isfinite(slope) or slope <= 0.0:
        return np.nan
    return t + (target - value) / slope
