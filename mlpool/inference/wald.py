"""Wald inference: estimate, covariance and degrees of freedom to statistic, p-value, interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from mlpool.errors import OptionError, brief
from mlpool.typing import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class WaldTable:
    """Wald results, one row per coefficient; every field has shape (p,).

    Attributes
    ----------
    estimate, se, statistic, p, low, high : ndarray
    df : ndarray
        Degrees of freedom; infinite where the statistic is a z.
    """

    estimate: FloatArray
    se: FloatArray
    statistic: FloatArray
    df: FloatArray
    p: FloatArray
    low: FloatArray
    high: FloatArray


def wald(
    estimate: FloatArray, se: FloatArray, df: FloatArray | float = np.inf, level: float = 0.95
) -> WaldTable:
    """Wald table of coefficients.

    ``t = b / se``, ``p = 2 P(T_df <= -|t|)``, interval ``b -+ t_{df, (1+level)/2} se``; a normal
    distribution where df is infinite.

    Parameters
    ----------
    estimate, se : ndarray of shape (p,)
    df : float or ndarray of shape (p,)
    level : float
        Confidence level.

    Returns
    -------
    WaldTable

    Raises
    ------
    OptionError
        If `level` is not between 0 and 1.
    """
    q = _upper_tail(level)
    b = np.asarray(estimate, dtype=np.float64)
    s = np.asarray(se, dtype=np.float64)
    dof = np.broadcast_to(np.asarray(df, dtype=np.float64), b.shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = b / s
        half = t_quantile(q, dof) * s
    return WaldTable(
        estimate=b,
        se=s,
        statistic=statistic,
        df=np.array(dof),
        p=two_sided_p(statistic, dof),
        low=b - half,
        high=b + half,
    )


def standard_errors(vcov: FloatArray) -> FloatArray:
    """Square roots of the diagonal; NaN where it is negative, as a multi-way sandwich may be."""
    variances = np.diagonal(vcov)
    return np.asarray(np.sqrt(np.where(variances >= 0, variances, np.nan)))


def two_sided_p(statistic: FloatArray, df: FloatArray | float = np.inf) -> FloatArray:
    """Two-sided p-value of a t (finite df) or z statistic.

    The lower tail at ``-|t|`` is computed directly, so p keeps its relative accuracy down to the
    smallest positive number (``1 - cdf`` would end at 1e-16).
    """
    t = -np.abs(np.asarray(statistic, dtype=np.float64))
    dof = np.broadcast_to(np.asarray(df, dtype=np.float64), t.shape)
    finite = np.isfinite(dof)
    tail = np.where(finite, _t_lower_tail(np.where(finite, dof, 1.0), t), special.ndtr(t))
    return np.asarray(np.where(np.isnan(dof), np.nan, 2.0 * tail))


def f_upper_p(
    statistic: FloatArray | float, df1: FloatArray | float, df2: FloatArray | float
) -> FloatArray:
    """Upper tail of an F statistic; chi-square / df1 where `df2` is infinite."""
    f, a, b = np.broadcast_arrays(
        np.asarray(statistic, dtype=np.float64),
        np.asarray(df1, dtype=np.float64),
        np.asarray(df2, dtype=np.float64),
    )
    finite = np.isfinite(b)
    safe = np.where(finite, b, 1.0)
    # P(F > f) = I_x(b/2, a/2) with x = b/(b + a f); of x and y = 1 - x the smaller one is exact
    with np.errstate(over="ignore", invalid="ignore"):
        af = a * f
        central = af < safe
        y = np.where(central, af, 0.0) / (safe + np.where(central, af, 0.0))
        outer = special.betainc(safe / 2.0, a / 2.0, safe / (safe + af))
    tail = np.where(central, special.betaincc(a / 2.0, safe / 2.0, y), outer)
    tail = np.where(np.isnan(f), np.nan, tail)
    return np.asarray(np.where(finite, tail, special.chdtrc(a, af)))


def chi2_upper_p(statistic: float, df: float) -> float:
    """Upper tail of the chi-square distribution; NaN without degrees of freedom: no test."""
    return float(special.chdtrc(df, statistic)) if df > 0 else float("nan")


def t_quantile(q: float, df: FloatArray | float) -> FloatArray:
    """Quantile of Student's t; of the normal distribution where `df` is infinite."""
    dof = np.asarray(df, dtype=np.float64)
    finite = np.isfinite(dof)
    t = special.stdtrit(np.where(finite, dof, 1.0), q)
    return np.asarray(np.where(np.isnan(dof), np.nan, np.where(finite, t, special.ndtri(q))))


def _t_lower_tail(df: FloatArray, t: FloatArray) -> FloatArray:
    """Return P(T_df <= t) for t <= 0 as ``I_x(df/2, 1/2) / 2`` with ``x = df / (df + t^2)``.

    Of x and 1 - x the smaller one is exact, so each side is computed from that one.
    """
    # squares of 1e200-sized statistics overflow to inf, where the tail is 0 as it should be
    with np.errstate(over="ignore", invalid="ignore"):
        square = t**2
        central = square < df
        x = df / (df + square)
        y = np.where(central, square, 0.0) / (df + np.where(central, square, 0.0))
    tail = np.where(central, special.betaincc(0.5, df / 2.0, y), special.betainc(df / 2.0, 0.5, x))
    return np.asarray(0.5 * tail)


def _upper_tail(level: float) -> float:
    if not 0.0 < level < 1.0:
        raise OptionError(f"the confidence level must lie between 0 and 1; got {brief(level)}.")
    return 0.5 * (1.0 + level)
