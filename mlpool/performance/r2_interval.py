"""Confidence interval of a linear model's R2, from the distribution of R2 itself.

With p normal predictors and population value rho^2, R2 of n rows is a mixture of beta variables,

    R2 | K ~ Beta(p / 2 + K, (n - 1 - p) / 2)
    K ~ negative binomial of size (n - 1) / 2 and probability 1 - rho^2,

and the bounds are the rho^2 at which the R2 observed is its 97.5 and its 2.5 % quantile.

References
----------
Fisher (1928), Proc. R. Soc. Lond. A 121, 654-673; Gurland (1968), J. R. Stat. Soc. B 30, 276-283.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import optimize, special

from mlpool.typing import FloatArray

_OUTSIDE = 1e-14
"""Probability of the mixture's values that are left out on either side."""

_ALL = 1e-14
"""Shares of a variance closer than this to one cannot be told from it in floating point."""

_STEPS_PER_SD = 40
"""Of a sum over many K: the terms are smooth, so that every n-th one gives the same mean."""


def r2_interval(r2: float, p: int, n: int, level: float) -> tuple[float, float]:
    """Return the bounds of rho^2; NaN where there is none.

    Parameters
    ----------
    r2 : float
    p : int
        Predictors, without the intercept.
    n : int
        Rows; one more than there are where a model has no intercept.
    level : float
    """
    if p < 1 or n - 1 - p < 1 or not 0.0 <= r2 < 1.0:
        return float("nan"), float("nan")
    alpha = 0.5 * (1.0 - level)
    return _solve(r2, p, n, 1.0 - alpha), _solve(r2, p, n, alpha)


def _solve(r2: float, p: int, n: int, share: float) -> float:
    """Return the rho^2 at which P(R2 <= r2) is `share`; 0 where it is smaller already there."""
    if r2_cdf(r2, 0.0, p, n) <= share:
        return 0.0
    # On the scale of Fisher's z the distribution keeps its width whatever rho^2 and n are.
    distance: Callable[[float], float] = lambda z: (  # noqa: E731
        r2_cdf(r2, float(np.tanh(z)) ** 2, p, n) - share
    )
    high = float(np.arctanh(np.sqrt(r2))) + 1.0 / np.sqrt(n)
    while distance(high) > 0.0:
        high += 0.5
    # digits of Fisher's z, which has no unit
    return float(np.tanh(optimize.brentq(distance, 0.0, high, rtol=1e-12)) ** 2)


def r2_cdf(r2: float, rho2: float, p: int, n: int) -> float:
    """Return P(R2 <= r2) at the population value rho2."""
    b = 0.5 * (n - 1 - p)
    if 1.0 - rho2 < _ALL:
        return 0.0
    if rho2 <= 0.0:
        return float(special.betainc(0.5 * p, b, r2))
    k, weights = _mixture(0.5 * (n - 1), rho2)
    return float(weights @ special.betainc(0.5 * p + k, b, r2))


def _mixture(size: float, rho2: float) -> tuple[FloatArray, FloatArray]:
    """Return values of K and their probabilities."""
    # K is Poisson with a gamma-distributed mean; 9 SDs of a Poisson variable leave nothing out.
    ends = special.gammaincinv(size, _OUTSIDE), special.gammainccinv(size, _OUTSIDE)
    low, high = (end * rho2 / (1.0 - rho2) for end in ends)
    low, high = max(np.floor(low - 9.0 * np.sqrt(low)), 0.0), high + 9.0 * np.sqrt(high) + 40.0
    step = np.ceil(max(1.0, np.sqrt(size * rho2) / (1.0 - rho2) / _STEPS_PER_SD))
    k = np.arange(low, high + step, step)
    log_p = special.gammaln(k + size) - special.gammaln(k + 1.0) + k * np.log(rho2)
    weights = np.exp(log_p - log_p.max())
    return k, np.asarray(weights / weights.sum())
