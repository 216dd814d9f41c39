"""Adjust p-values and intervals of a family of contrasts for its size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from mlpool.errors import OptionError, nearest_names
from mlpool.estimates.delta.comparison_weights import Comparison
from mlpool.estimates.delta.delta_method import Inference, critical_values
from mlpool.estimates.delta.dunnett import dunnettx_critical, dunnettx_p
from mlpool.inference.largest_t import LargestT
from mlpool.inference.p_adjust import adjust_p, adjustment_note, read_adjustment
from mlpool.typing import BoolArray, FloatArray, IntArray

_SIMULTANEOUS = {
    "tukey": "Tukey (1949)",
    "sidak": "Šidák (1967)",
    "scheffe": "Scheffé (1959)",
    "mvt": "multivariate t (Dunnett, 1955; Hothorn et al., 2008)",
    "dunnettx": "Dunnett (1955), approximated as emmeans does",
}
_SPELLINGS = {"dunnett": "mvt"}
"""Against one control, Dunnett's test is the multivariate t's."""

_BY_SIZE = ("bonferroni", "holm", "hochberg", "hommel", "fdr", "by")


def read_p_adjust(method: object) -> str:
    """Return the canonical name of an adjustment, Tukey's, Šidák's and Scheffé's among them.

    Raises
    ------
    OptionError
        For unknown methods.
    """
    name = method.lower() if isinstance(method, str) else method
    name = _SPELLINGS.get(name, name) if isinstance(name, str) else name
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Contrasts that are adjusted together.

    Attributes
    ----------
    rows : ndarray of int of shape (c,)
        Their places in the table.
    n_means : int
        Means that are compared.
    rank : int
        Rank of the contrasts.
    """

    rows: IntArray
    n_means: int
    rank: int


def families_of(exist: BoolArray, compared: Comparison, within_by: bool) -> list[Family]:
    """Return the families of contrasts, leaving out those of cells that cannot exist.

    Cells that are empty but could exist count: a family is what was asked, as in emmeans, not what
    the data happen to tell.

    Parameters
    ----------
    exist : ndarray of bool of shape (f, k)
        Which of the k means of every value of `by` can exist.
    """
    weights = compared.weights
    c = len(weights)
    # means of means are of those that are there only where all are
    possible = ~((~exist).astype(float) @ np.abs(weights).T > 0.0)
    ranks: dict[bytes, int] = {}
    families = []
    for i, (cells, rows) in enumerate(zip(exist, possible, strict=True)):
        key = rows.tobytes()
        if key not in ranks:
            # weights of means sum to zero and have no unit: the cut-off is a share of the largest
            ranks[key] = int(np.linalg.matrix_rank(weights[rows])) if rows.any() else 0
        places = i * c + np.flatnonzero(rows)
        families.append(Family(rows=places, n_means=int(cells.sum()), rank=ranks[key]))
    families = [f for f in families if len(f.rows)]
    if within_by or not families:
        return families
    # Tukey's and Scheffe's numbers are those of one value of `by`
    return families if len(families) == 1 else [_joined(families)]


def _joined(families: Sequence[Family]) -> Family:
    return Family(
        rows=np.concatenate([f.rows for f in families]),
        n_means=max(f.n_means for f in families),
        rank=max(f.rank for f in families),
    )


def adjusted(
    result: Inference,
    families: Sequence[Family],
    method: str,
    adjust_ci: bool,
    level: float | None,
    correlation_of: Callable[[IntArray], FloatArray] | None = None,
) -> Inference:
    """Return the result with p-values (and intervals, if asked) adjusted by family.

    Parameters
    ----------
    correlation_of : callable, optional
        The correlations of rows of the table, which the multivariate t needs.
    """
    p, critical = result.p.copy(), result.critical.copy()
    for family in families:
        own = family.rows
        df, k, rank = result.df[own], family.n_means, family.rank
        if method == "mvt" and correlation_of is not None:
            known = own[np.isfinite(result.statistic[own])]
            largest = LargestT(correlation=correlation_of(known))
            p[known] = largest.tails(result.statistic[known], result.df[known])
            if adjust_ci and level is not None:
                critical[known] = largest.quantiles(level, result.df[known])
            continue
        p[own] = adjusted_p(result.p[own], result.statistic[own], df, method, k, rank)
        if adjust_ci and level is not None:
            critical[own] = adjusted_critical(level, df, method, k, rank, len(own))
    low, high = result.low, result.high
    if adjust_ci:
        low, high = result.estimate - critical * result.se, result.estimate + critical * result.se
    return replace(result, p=p, low=low, high=high, critical=critical)


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
    if method == "tukey" and n_means == 2:
        return p  # one difference is no family; the studentized range loses small tails
    if method == "tukey":
        return _tukey_p(np.abs(statistic), df, n_means)
    if method == "sidak":
        # a probability below one by rounding, whose logarithm is finite
        return np.array(-np.expm1(len(p) * np.log1p(-np.minimum(p, 1.0 - 1e-16))))
    if method == "scheffe":
        return _scheffe_p(statistic, df, rank)
    if method == "dunnettx":
        return dunnettx_p(np.abs(statistic), df, len(p))
    return adjust_p(p, method, n=len(p))


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
    elif method == "dunnettx":
        return np.array([dunnettx_critical(level, v, n_tests) for v in df])
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
