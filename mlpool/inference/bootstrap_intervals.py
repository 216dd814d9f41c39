"""Intervals from bootstrap draws: percentile, basic, normal, and bias-corrected and accelerated.

With draws t*, estimate t, alpha = (1 - level) / 2 and q(a) the a-quantile of the draws

    percentile   q(alpha), q(1 - alpha)
    basic        2 t - q(1 - alpha), 2 t - q(alpha)
    normal       t - bias -+ z sd(t*),   bias = mean(t*) - t
    BCa          q(Phi(z0 + (z0 + z_a) / (1 - a (z0 + z_a)))),  z0 = Phi^-1(#{t* < t} / n)

with the acceleration a = sum U_j^3 / (6 (sum U_j^2)^1.5) from the jackknife's influence values.

References
----------
Davison & Hinkley (1997), Bootstrap Methods and their Application, chapter 5 (R's ``boot.ci``).
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, ndtri

from mlpool.typing import FloatArray

METHODS = ("percentile", "basic", "normal", "bca")


def interval(
    draws: FloatArray,
    estimate: FloatArray,
    level: float,
    method: str,
    influence: FloatArray | None = None,
) -> FloatArray:
    """Return lower and upper bounds (k, 2); draws that are NaN do not count.

    Parameters
    ----------
    draws : ndarray of shape (n, k)
    estimate : ndarray of shape (k,)
    level : float
    method : {"percentile", "basic", "normal", "bca"}
    influence : ndarray of shape (J, k), optional
        Influence values, for ``"bca"``.
    """
    alpha = (1.0 - level) / 2.0
    out = np.empty((draws.shape[1], 2))
    for i in range(draws.shape[1]):
        own = draws[~np.isnan(draws[:, i]), i]
        values = None if influence is None else influence[:, i]
        out[i] = _one(own, float(estimate[i]), alpha, method, values) if len(own) > 1 else np.nan
    return out


def _one(
    draws: FloatArray, estimate: float, alpha: float, method: str, influence: FloatArray | None
) -> FloatArray:
    """Return the bounds (2,) of one parameter."""
    tails = np.array([alpha, 1.0 - alpha])
    if method == "normal":
        centre = 2.0 * estimate - float(draws.mean())
        return np.asarray(centre + ndtri(tails) * float(draws.std(ddof=1)))
    if method == "bca":
        assert influence is not None
        return quantiles(draws, _bca_tails(draws, estimate, tails, influence))
    bounds: FloatArray = quantiles(draws, tails)
    return 2.0 * estimate - bounds[::-1] if method == "basic" else bounds


def quantiles(draws: FloatArray, at: FloatArray) -> FloatArray:
    """Return quantiles (len(at),) of draws (n,): the (n + 1) a-th order statistics.

    Between neighbours interpolated on the normal scale, as ``boot.ci``.
    """
    n = len(draws)
    ordered = np.sort(draws)
    below = np.clip(np.floor((n + 1) * at).astype(np.intp), 1, n - 1)
    low, high = ndtri(below / (n + 1)), ndtri((below + 1) / (n + 1))
    share = np.clip((ndtri(at) - low) / (high - low), 0.0, 1.0)
    return np.asarray(ordered[below - 1] * (1.0 - share) + ordered[below] * share)


def _bca_tails(
    draws: FloatArray, estimate: float, tails: FloatArray, influence: FloatArray
) -> FloatArray:
    """Return the quantiles that BCa takes instead of `tails`."""
    n = len(draws)
    share = float(np.mean(draws < estimate))
    z0 = ndtri(np.clip(share, 0.5 / n, 1.0 - 0.5 / n))
    centred = influence - np.nanmean(influence)
    spread = float(np.nansum(centred**2)) ** 1.5
    a = float(np.nansum(centred**3)) / (6.0 * spread) if spread > 0.0 else 0.0
    z = z0 + ndtri(tails)
    return np.asarray(ndtr(z0 + z / (1.0 - a * z)))


def two_sided_p(draws: FloatArray) -> FloatArray:
    """Return two-sided p-values against zero: twice the smaller share on one side of it (k,)."""
    below, above = (draws <= 0.0).mean(axis=0), (draws >= 0.0).mean(axis=0)
    return np.asarray(np.minimum(2.0 * np.minimum(below, above), 1.0))
