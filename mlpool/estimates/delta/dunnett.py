"""emmeans' approximation of Dunnett's comparisons of k treatments with a control.

A weighted mean of Tukey's and Sidak's probabilities, which needs no correlations of the contrasts;
``"mvt"`` has the exact ones.
"""

from __future__ import annotations

import numpy as np
from scipy import optimize, stats

from mlpool.typing import FloatArray


def dunnettx_p(t: FloatArray, df: FloatArray, k: int) -> FloatArray:
    """Return ``1 - (w Tukey + (1 - w) Sidak)`` with ``w = (k - 1) / k`` (k,).

    Parameters
    ----------
    t : ndarray of shape (k,)
        Absolute values of the statistics.
    df : ndarray of shape (k,)
    k : int
        Contrasts in the family.

    References
    ----------
    R's ``emmeans`` (``adjust = "dunnettx"``); Tukey's family has as many means as k pairs need.
    """
    w, means = (k - 1.0) / k, 0.5 * (1.0 + np.sqrt(1.0 + 8.0 * k))
    out = np.full(len(t), np.nan)
    known = np.isfinite(t) & ~np.isnan(df)
    one = 2.0 * np.where(np.isfinite(df[known]), stats.t.sf(t[known], df[known]), 0.0)
    one += np.where(np.isfinite(df[known]), 0.0, 2.0 * stats.norm.sf(t[known]))
    # a probability of one is a rounding below it, of which a logarithm can be taken
    sidak = -np.expm1(k * np.log1p(-np.minimum(one, 1.0 - np.finfo(np.float64).eps)))
    tukey = sidak
    if k > 1:
        tukey = stats.studentized_range.sf(np.sqrt(2.0) * t[known], means, df[known])
    out[known] = w * tukey + (1.0 - w) * sidak
    return out


def dunnettx_critical(level: float, df: float, k: int) -> float:
    """Return the half width, in standard errors, of intervals that hold together."""
    if np.isnan(df):
        return float("nan")
    alone, more = (stats.t, (df,)) if np.isfinite(df) else (stats.norm, ())
    low = alone.isf(0.5 * (1.0 - level), *more)
    if k == 1:
        return float(low)
    high = alone.isf(0.5 * (1.0 - level) / k, *more)

    def missed(q: float) -> float:
        p = dunnettx_p(np.array([q]), np.array([df]), k)
        return float(np.log(p[0]) - np.log(1.0 - level))

    # Bonferroni's is wider than both that are averaged, but for Tukey's of unequal families;
    # the root is found to a share of its upper end
    return float(optimize.brentq(missed, low, 2.0 * high, xtol=1e-10 * high))
