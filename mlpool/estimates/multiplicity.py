"""Adjust p-values and intervals of a family of contrasts for its size."""

from __future__ import annotations

import numpy as np
from scipy import stats

from mlpool.errors import OptionError, nearest_names
from mlpool.estimates.inference import critical_values
from mlpool.inference.p_adjust import adjust_p, adjustment_note, read_adjustment
from mlpool.typing import FloatArray

_SIMULTANEOUS = {
    "tukey": "Tukey (1949)",
    "sidak": "Šidák (1967)",
    "scheffe": "Scheffé (1959)",
}
_BY_SIZE = ("bonferroni", "holm", "hochberg", "hommel", "fdr", "by")


def read_p_adjust(method: object) -> str:
    """Return the canonical name of an adjustment, Tukey's, Šidák's and Scheffé's among them.

    Raises
    ------
    OptionError
        For unknown methods.
    """
    name = method.lower() if isinstance(method, str) else method
    if name in _SIMULTANEOUS:
        return str(name)
    try:
        return read_adjustment(method)
    except OptionError as error:
        hint = nearest_names(name, _SIMULTANEOUS) if isinstance(name, str) else ""
        also = ", ".join(repr(k) for k in _SIMULTANEOUS)
        raise OptionError(f"{error} Contrasts also have {also}.{hint}") from None


def p_adjust_note(method: str) -> str:
    """Return the footer: ``p-value adjustment method: Tukey (1949)``."""
    if method == "none":
        return "p-values are uncorrected."
    if method in _SIMULTANEOUS:
        return f"p-value adjustment method: {_SIMULTANEOUS[method]}"
    return adjustment_note(method)


def adjusted_p(
    p: FloatArray, statistic: FloatArray, df: FloatArray, method: str, n_means: int, rank: int
) -> FloatArray:
    """Return adjusted p-values of one family of contrasts.

    Parameters
    ----------
    p, statistic, df : ndarray of shape (c,)
    method : str
    n_means : int
        Means that are compared pairwise (Tukey).
    rank : int
        Rank of the contrasts (Scheffé).

    References
    ----------
    Tukey: ``P(q_(k, df) > sqrt(2) |t|)`` with the studentized range q; Šidák:
    ``1 - (1 - p)^c``; Scheffé: ``P(F_(r, df) > t^2 / r)``.
    """
    if method == "tukey":
        return _tukey_p(np.abs(statistic), df, n_means)
    if method == "sidak":
        c = int(np.isfinite(p).sum())
        return np.array(-np.expm1(c * np.log1p(-np.minimum(p, 1.0 - 1e-16))))
    if method == "scheffe":
        return _scheffe_p(statistic, df, rank)
    return adjust_p(p, method)


def adjusted_critical(
    level: float, df: FloatArray, method: str, n_means: int, rank: int, n_tests: int
) -> FloatArray:
    """Return the half width, in standard errors, of intervals that hold together.

    Step-wise methods (Holm ...) have no intervals of their own; Bonferroni's stand in, as in
    emmeans.
    """
    if method == "tukey":
        known = np.where(np.isnan(df), np.inf, df)
        # df that differ by rounding share one quantile, which takes long to find
        distinct, where = np.unique(np.round(known, 3), return_inverse=True)
        q = np.array([stats.studentized_range.ppf(level, n_means, v) for v in distinct])
        out = q[where] / np.sqrt(2.0)
    elif method == "sidak":
        return critical_values(level ** (1.0 / max(n_tests, 1)), df)
    elif method == "scheffe":
        finite = np.isfinite(df)
        out = np.sqrt(np.full(len(df), stats.chi2.ppf(level, rank)))
        out[finite] = np.sqrt(rank * stats.f.ppf(level, rank, df[finite]))
    elif method in _BY_SIZE:
        return critical_values(1.0 - (1.0 - level) / max(n_tests, 1), df)
    else:
        return critical_values(level, df)
    out[np.isnan(df)] = np.nan
    return np.asarray(out)


def _tukey_p(t: FloatArray, df: FloatArray, k: int) -> FloatArray:
    out = np.full(len(t), np.nan)
    known = np.isfinite(t) & ~np.isnan(df)
    if known.any():
        out[known] = stats.studentized_range.sf(np.sqrt(2.0) * t[known], k, df[known])
    return np.asarray(np.clip(out, 0.0, 1.0))


def _scheffe_p(t: FloatArray, df: FloatArray, rank: int) -> FloatArray:
    out = np.asarray(stats.chi2.sf(t**2, rank))
    finite = np.isfinite(df)
    out[finite] = stats.f.sf(t[finite] ** 2 / rank, rank, df[finite])
    return np.asarray(np.where(np.isnan(df), np.nan, out))
