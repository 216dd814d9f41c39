"""Exact quantiles of rows that stay where they are, by counting.

Engines approximate quantiles, or have none; all of them count. Rows are counted in equal bins of
the range, and only those of the bins that hold a wanted rank are looked at: once more by bins where
these are many, else one by one.
"""

from __future__ import annotations

from collections.abc import Sequence

import narwhals as nw
import numpy as np

from mlpool.sources.lazy_rows import LazyRows
from mlpool.sources.queries import by_group, engines_in_a_sentence, totals
from mlpool.typing import FloatArray, IntArray

BINS = 4096
FEW_ROWS = 200_000
"""Rows whose values are looked at one by one."""


@engines_in_a_sentence()
def quantiles_of(rows: LazyRows, number: nw.Expr, shares: Sequence[float]) -> FloatArray:
    """Return quantiles of a column by linear interpolation, as ``numpy.quantile`` does.

    Parameters
    ----------
    rows : narwhals.LazyFrame
    number : narwhals.Expr
        Without missing values.
    shares : sequence of float
    """
    values = rows.select(number.alias("v"))
    n = int(totals(values, {"n": nw.len()})["n"])
    places = np.asarray(shares, dtype=np.float64) * (n - 1)
    below = np.floor(places).astype(np.int64)
    above = np.minimum(below + 1, n - 1)
    ranks = np.unique(np.concatenate([below, above]))
    found = dict(zip(ranks.tolist(), _at_ranks(values, ranks).tolist(), strict=True))
    low, high = (np.array([found[r] for r in side.tolist()]) for side in (below, above))
    return np.asarray(low + (places - below) * (high - low))


def _at_ranks(values: LazyRows, ranks: IntArray) -> FloatArray:
    """Return the values at sorted ranks 0 .. n - 1."""
    v = nw.col("v")
    whole = totals(values, {"low": v.min(), "high": v.max(), "n": nw.len()})
    low, high = whole["low"], whole["high"]
    if low == high:
        return np.full(len(ranks), low)
    if whole["n"] <= FEW_ROWS:
        return _counted(values)[ranks]
    place = ((v - low) * (BINS / (high - low))).floor()
    binned = values.with_columns(nw.when(place < BINS).then(place).otherwise(BINS - 1.0).alias("b"))
    groups = by_group(binned, ["b"], {})
    order = np.argsort(bins := np.asarray(groups.keys["b"].to_numpy(), dtype=np.float64))
    bins, counts = bins[order], groups.values["rows"][order].astype(np.int64)
    ends = np.cumsum(counts)
    where = np.searchsorted(ends, ranks, side="right")
    out = np.empty(len(ranks))
    wanted = np.unique(where)
    small = wanted[counts[wanted] <= FEW_ROWS]
    if small.size:
        inside = binned.filter(nw.col("b").is_in(bins[small].tolist()))
        at = np.isin(where, small)
        # ranks among the rows of the small bins alone
        before = np.cumsum(counts[small]) - counts[small]
        index = np.searchsorted(small, where[at])
        out[at] = _counted(inside)[before[index] + ranks[at] - (ends - counts)[where[at]]]
    for b in wanted[counts[wanted] > FEW_ROWS]:
        at = where == b
        inside = binned.filter(nw.col("b") == float(bins[b])).select("v")
        out[at] = _at_ranks(inside, ranks[at] - (ends[b] - counts[b]))
    return out


def _counted(values: LazyRows) -> FloatArray:
    """Return all values, sorted: each distinct one as often as it is counted."""
    groups = by_group(values, ["v"], {})
    distinct = np.asarray(groups.keys["v"].to_numpy(), dtype=np.float64)
    order = np.argsort(distinct)
    return np.repeat(distinct[order], groups.values["rows"][order].astype(np.int64))
