"""The largest of several correlated t statistics: simultaneous tests and intervals of contrasts.

With T_i = (A z)_i / s, z standard normal of the rank r of the correlations A A' and s^2 a
chi-square over its df, z = rho u splits into a length and a direction, and

    P(max |T_i| > q) = E_u P(F(r, df) > q^2 / (r m(u)^2)),    m(u) = max_i |A u|_i

so that only directions are integrated over, by points that fill the sphere evenly: tails keep their
relative precision, and the answer is the same in every run.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import optimize, stats
from scipy.stats import qmc

from mlpool.typing import FloatArray

N_DIRECTIONS = 2**16
"""Points on the sphere: probabilities agree with mvtnorm's to about four digits."""

_ROUNDING = 1e-10
"""Shares of the largest eigenvalue of a correlation matrix below which it is rounding."""


@dataclass(frozen=True, kw_only=True)
class LargestT:
    """The distribution of the largest of several |t|.

    Attributes
    ----------
    correlation : ndarray of shape (c, c)

    References
    ----------
    Deák (1980), Numerische Mathematik 35; Bretz, Hothorn & Westfall (2010), Multiple Comparisons
    Using R, section 3.1; R's ``mvtnorm``.
    """

    correlation: FloatArray

    @cached_property
    def _squares(self) -> tuple[int, FloatArray]:
        """Return the rank r and r m(u)^2 of every direction (N_DIRECTIONS,)."""
        values, vectors = np.linalg.eigh(self.correlation)
        used = values > _ROUNDING * values[-1]
        A = vectors[:, used] * np.sqrt(values[used])
        r = int(used.sum())
        points = qmc.Sobol(r, scramble=True, seed=1).random(N_DIRECTIONS)
        z = stats.norm.ppf(points)
        u = z / np.linalg.norm(z, axis=1, keepdims=True)
        return r, r * np.max(np.abs(u @ A.T), axis=1) ** 2

    def sf(self, q: float, df: float) -> float:
        """Return the probability that the largest |t| is above q."""
        r, squares = self._squares
        with np.errstate(divide="ignore"):
            x = q**2 / squares
        upper = stats.f.sf(x, r, df) if np.isfinite(df) else stats.chi2.sf(r * x, r)
        return float(np.mean(upper))

    def tails(self, statistic: FloatArray, df: FloatArray) -> FloatArray:
        """Return the adjusted p-values of t statistics with df of their own (c,)."""
        return np.array([self.sf(abs(t), v) for t, v in zip(statistic, df, strict=True)])

    def quantiles(self, level: float, df: FloatArray) -> FloatArray:
        """Return half widths, in standard errors, of intervals that hold together (c,)."""
        found = {float(v): self.quantile(level, float(v)) for v in np.unique(df)}
        return np.array([found[float(v)] for v in df])

    def quantile(self, level: float, df: float) -> float:
        """Return the value that the largest |t| stays below with a probability."""
        tail = 0.5 * (1.0 - level)
        count = len(self.correlation)
        one = stats.t if np.isfinite(df) else stats.norm
        more = (df,) if np.isfinite(df) else ()
        # between a single test's value and Bonferroni's
        low, high = one.isf(tail, *more), one.isf(tail / count, *more)
        if count == 1 or self.sf(low, df) <= 1.0 - level:
            return float(low)
        wanted = np.log(1.0 - level)
        # a share of the quantile, below the error of the sum over directions
        return float(
            optimize.brentq(lambda q: np.log(self.sf(q, df)) - wanted, low, 1.01 * high, rtol=1e-9)
        )
