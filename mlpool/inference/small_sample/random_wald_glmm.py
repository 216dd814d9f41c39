"""Wald standard errors and intervals of a generalised mixed model's SDs and correlations.

From the observed information of theta (all other parameters taken along) by the delta method: with
lambda_a the a-th row of a term's factor and S = lambda lambda',

    d S_ab / d lambda_a = lambda_b        se(sd_a) = se(S_aa) / (2 sd_a)
    se(r_ab) = se(S_ab) / (sd_a sd_b)     (the SDs taken as known, as for linear models)

with intervals ``exp(log sd -+ z se / sd)`` and ``tanh(atanh r -+ z se / (1 - r^2))``.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

from mlpool.engine.glmm.curvature import inverse_of_positive
from mlpool.engine.theta import Template
from mlpool.typing import FloatArray

Place = tuple[int, int, int]
Bounds = dict[Place, tuple[float, float, float]]
_ZERO = 1e-3
"""Share of its standard error below which a SD is none, in whatever unit."""
_ONE = 1.0 - 1e-6
"""A correlation this close to +-1 has no standard error."""


def theta_covariance(hessian: FloatArray) -> FloatArray:
    """Return the covariance of all parameters; NaN for ones on a boundary, whose rows are zero.

    Parameters
    ----------
    hessian : ndarray of shape (k, k)
        Of the deviance.
    """
    out = np.full(hessian.shape, np.nan)
    free = np.flatnonzero(np.any(hessian != 0.0, axis=0))
    inverse = inverse_of_positive(hessian[np.ix_(free, free)] / 2.0)
    if inverse is not None:
        out[np.ix_(free, free)] = inverse
    return out


def random_bounds(
    template: Template, theta: FloatArray, hessian: FloatArray, level: float
) -> Bounds:
    """Return (SE, low, high) of every SD and correlation by (term, row, column).

    Parameters
    ----------
    template : Template
    theta : ndarray of shape (k,)
    hessian : ndarray of shape (m, m), m >= k
        Of the deviance, theta first.
    level : float
    """
    V = theta_covariance(hessian)[: template.k, : template.k]
    return bounds_of(template, theta, V, level)


def bounds_of(template: Template, theta: FloatArray, V: FloatArray, level: float) -> Bounds:
    """Return (SE, low, high) of every SD and correlation, from the covariance V of theta (k, k)."""
    z = NormalDist().inv_cdf(0.5 * (1.0 + level))
    term_of, row_of, col_of = template.index
    found: Bounds = {}
    for t, lam in enumerate(template.matrices(theta)):
        own = term_of == t
        rows, cols = row_of[own], col_of[own]
        cov = V[np.ix_(own, own)]
        sd = np.sqrt(np.sum(lam**2, axis=1))
        for a in range(len(lam)):
            for b in range(a + 1):
                slope = np.where(rows == a, lam[b, cols], 0.0) + np.where(
                    rows == b, lam[a, cols], 0.0
                )
                used = slope != 0.0
                se = float(np.sqrt(slope[used] @ cov[np.ix_(used, used)] @ slope[used]))
                found[t, a, b] = _bounds(lam, sd, (a, b), se, z)
    return found


def _bounds(
    lam: FloatArray, sd: FloatArray, place: tuple[int, int], se: float, z: float
) -> tuple[float, float, float]:
    a, b = place
    missing = (float("nan"),) * 3
    if min(sd[a], sd[b]) == 0.0:
        return missing
    if a == b:
        se = se / (2.0 * sd[a])
        if sd[a] < _ZERO * se:
            return missing
        factor = float(np.exp(z * se / sd[a]))
        return se, float(sd[a]) / factor, float(sd[a]) * factor
    r = float(lam[a] @ lam[b] / (sd[a] * sd[b]))
    if abs(r) > _ONE:
        return missing
    se = se / float(sd[a] * sd[b])
    half, centre = z * se / (1.0 - r**2), np.arctanh(r)
    return se, float(np.tanh(centre - half)), float(np.tanh(centre + half))


def sigma_bounds(sigma: float, hessian: FloatArray, level: float) -> tuple[float, float, float]:
    """Return (SE, low, high) of the square root of a dispersion, whose logarithm is last."""
    return sigma_interval(sigma, float(np.sqrt(theta_covariance(hessian)[-1, -1])) / 2.0, level)


def sigma_interval(sigma: float, log_error: float, level: float) -> tuple[float, float, float]:
    """Return (SE, low, high) of a SD whose logarithm has the standard error `log_error`."""
    factor = float(np.exp(NormalDist().inv_cdf(0.5 * (1.0 + level)) * log_error))
    return sigma * log_error, sigma / factor, sigma * factor
