"""Sums for several grouping factors: per factor as for one, and between the factors.

Per factor they are those of :mod:`mlpool.engine.sums.cluster_sums`, all in the same distinct
columns U of [1 Z X y] about their centres. Between two factors f and g

    V[l, m] = sum over rows in level l of f and level m of g of  w U_a U_b

is kept only where the two levels meet. Nothing of length n is kept.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mlpool.engine.sums.cluster_sums import CrossProducts
from mlpool.engine.sums.columns import Layout, Rows
from mlpool.engine.sums.trend import detrended_sums
from mlpool.engine.types import LmmData
from mlpool.typing import FloatArray, IntArray

DENSE_PAIRS = 4
"""Pairs of levels per row of a batch up to which sums go to a table instead of a sort."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupingFactor:
    """One grouping factor with all its terms.

    Attributes
    ----------
    terms : tuple of int
        Which terms of the model share it.
    sizes : tuple of int
        Columns of each of these terms.
    codes : ndarray of int (n,)
    n_levels : int
    """

    terms: tuple[int, ...]
    sizes: tuple[int, ...]
    codes: IntArray
    n_levels: int

    @property
    def n_effects(self) -> int:
        """Random effects on this factor."""
        return self.n_levels * sum(self.sizes)


@dataclass(frozen=True, slots=True, kw_only=True)
class PairSums:
    """Sums over the rows in which a level of one factor meets a level of another.

    Attributes
    ----------
    rows, cols : ndarray of int (m,)
        The two levels, sorted by row and then column.
    values : ndarray (a, b, m)
        For the outer columns of both factors.
    """

    rows: IntArray
    cols: IntArray
    values: FloatArray

    def transposed(self) -> PairSums:
        """Return the same sums with the factors in the other order."""
        order = np.lexsort((self.rows, self.cols))
        values = np.ascontiguousarray(self.values.swapaxes(0, 1)[..., order])
        return PairSums(rows=self.cols[order], cols=self.rows[order], values=values)


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorSums:
    """All sums of several grouping factors that were made elsewhere than here, from no rows.

    Attributes
    ----------
    factors : tuple of CrossProducts
        Of each factor, in order of its first term, in the same distinct columns; Z of a layout is
        the factor's own.
    pairs : dict from (int, int) to PairSums
        Of every two factors; the first is the one that comes first.
    """

    factors: tuple[CrossProducts, ...]
    pairs: dict[tuple[int, int], PairSums]

    def pair(self, f: int, g: int) -> PairSums:
        """Return the sums between two factors in any order."""
        return self.pairs[f, g] if f < g else self.pairs[g, f].transposed()

    def parents(self, fine: int, coarse: int) -> IntArray | None:
        """Return the coarse level that each fine level lies in, or None: see `parent_levels`."""
        pair = self.pair(fine, coarse)
        return pair.cols if pair.rows.size == self.factors[fine].n_levels else None


def grouping_factors(data: LmmData) -> tuple[GroupingFactor, ...]:
    """Gather the terms of each grouping factor, in order of their first term."""
    by_factor: dict[int, list[int]] = {}
    for i, term in enumerate(data.terms):
        by_factor.setdefault(term.factor, []).append(i)
    return tuple(
        GroupingFactor(
            terms=tuple(terms),
            sizes=tuple(data.terms[t].z.shape[1] for t in terms),
            codes=data.terms[terms[0]].codes,
            n_levels=data.terms[terms[0]].n_levels,
        )
        for terms in by_factor.values()
    )


def parent_levels(fine: GroupingFactor, coarse: GroupingFactor, batch_rows: int) -> IntArray | None:
    """Return the coarse level that each fine level lies in, or None where one lies in several."""
    if coarse.n_levels > fine.n_levels:
        return None
    parent = np.full(fine.n_levels, -1, dtype=np.int64)
    for start in range(0, len(fine.codes), batch_rows):
        f = fine.codes[start : start + batch_rows]
        c = coarse.codes[start : start + batch_rows]
        is_new = parent[f] < 0
        parent[f[is_new]] = c[is_new]
        if not np.array_equal(parent[f], c):
            return None
    return parent


def factor_sums(
    data: LmmData, factors: tuple[GroupingFactor, ...], batch_rows: int
) -> tuple[tuple[CrossProducts, ...], IntArray]:
    """Make the sums of every factor, all in the same distinct columns about the same trend.

    Returns
    -------
    sums : tuple of CrossProducts
    kept : ndarray of int
        Columns of X that are estimated.

    Raises
    ------
    DataError
        If a weight is not positive and finite or a code is out of range.
    FitError
        If there are no rows or values are not finite.
    """
    first, kept = detrended_sums(_rows(data, factors, factors[0]), batch_rows=batch_rows)
    made = [first]
    for factor in factors[1:]:
        rows = _rows(data, factors, factor)
        made.append(CrossProducts.from_rows(rows, batch_rows=batch_rows, layout=first.layout))
    own = tuple(
        _own_columns(sums, _first_column(factors, i), sum(factor.sizes))
        for i, (sums, factor) in enumerate(zip(made, factors, strict=True))
    )
    return own, kept


def _rows(data: LmmData, factors: tuple[GroupingFactor, ...], factor: GroupingFactor) -> Rows:
    return Rows(
        y=data.y,
        X=data.X,
        Z=tuple(data.terms[t].z for f in factors for t in f.terms),
        codes=factor.codes,
        n_levels=factor.n_levels,
        weights=data.weights,
        offset=data.offset,
    )


def _first_column(factors: tuple[GroupingFactor, ...], i: int) -> int:
    return sum(sum(f.sizes) for f in factors[:i])


def _own_columns(sums: CrossProducts, first: int, q: int) -> CrossProducts:
    """Leave only one factor's own columns in the layout's Z, and their sums."""
    whole = sums.layout
    z = whole.index[whole.p + first : whole.p + first + q]
    outer = tuple(sorted({0, *z}))
    where = [sums.outer.index(a) for a in outer]
    index = (*whole.index[: whole.p], *z, whole.index[-1])
    layout = Layout(index, whole.centre, whole.p, q, whole.trend)
    return replace(sums, layout=layout, outer=outer, sums=sums.sums[where])


def pair_sums(
    data: LmmData,
    factors: tuple[GroupingFactor, GroupingFactor],
    sums: tuple[CrossProducts, CrossProducts],
    batch_rows: int,
) -> PairSums:
    """Return the sums between two factors, for the outer columns of both.

    Parameters
    ----------
    data : LmmData
    factors : pair of GroupingFactor
    sums : pair of CrossProducts
        The factors' own sums: they say which columns, about which centres.
    batch_rows : int
    """
    f, g = factors
    table = np.int64(f.n_levels) * g.n_levels
    keys: list[IntArray] = []
    values: list[FloatArray] = []
    is_dense = table <= DENSE_PAIRS * len(f.codes)
    step = max(batch_rows, int(table) // DENSE_PAIRS) if is_dense else batch_rows
    for start in range(0, len(f.codes), step):
        stop = min(start + step, len(f.codes))
        key = f.codes[start:stop].astype(np.int64) * g.n_levels + g.codes[start:stop]
        U = outer_columns(data, f, sums[0], start, stop)
        V = outer_columns(data, g, sums[1], start, stop)
        found, inverse = _present(key, int(table)) if is_dense else _sorted(key)
        keys.append(found)
        values.append(_sum_products(U, V, inverse, found.size))
    return _merge(keys, values, g.n_levels)


def _present(key: IntArray, table: int) -> tuple[IntArray, IntArray]:
    """Distinct keys and each row's place among them, by a table of all possible keys."""
    is_there = np.zeros(table, dtype=np.bool_)
    is_there[key] = True
    found = np.flatnonzero(is_there)
    place = np.empty(table, dtype=np.int32)
    place[found] = np.arange(found.size, dtype=np.int32)
    return found, place[key]


def _sorted(key: IntArray) -> tuple[IntArray, IntArray]:
    found, inverse = np.unique(key, return_inverse=True)
    return found, inverse


def outer_columns(
    data: LmmData, factor: GroupingFactor, sums: CrossProducts, start: int, stop: int
) -> list[FloatArray | None]:
    """Outer columns of some rows times sqrt(weight); None stands for an unweighted constant."""
    root = None if data.weights is None else np.sqrt(data.weights[start:stop])
    columns: list[FloatArray | None] = [root]
    z = sums.layout.z
    blocks = [data.terms[t].z.rows(start, stop) for t in factor.terms]
    sources = [block[:, c] for block in blocks for c in range(block.shape[1])]
    for distinct in sums.outer[1:]:
        column = sources[int(np.flatnonzero(z == distinct)[0])] - sums.layout.centre[distinct]
        columns.append(column if root is None else column * root)
    return columns


def _sum_products(
    U: list[FloatArray | None], V: list[FloatArray | None], inverse: IntArray, m: int
) -> FloatArray:
    out = np.empty((len(U), len(V), m))
    for a, u in enumerate(U):
        for b, v in enumerate(V):
            product = v if u is None else u if v is None else u * v
            out[a, b] = np.bincount(inverse, product, m)
    return out


def _merge(keys: list[IntArray], values: list[FloatArray], n_levels: int) -> PairSums:
    """Add up the batches and sort by row and column."""
    found, sums = keys[0], values[0]
    if len(keys) > 1:
        found, inverse = np.unique(np.concatenate(keys), return_inverse=True)
        joined = np.concatenate(values, axis=2)
        sums = np.empty((*joined.shape[:2], found.size))
        for a, b in np.ndindex(*joined.shape[:2]):
            sums[a, b] = np.bincount(inverse, joined[a, b], found.size)
    return PairSums(rows=found // n_levels, cols=found % n_levels, values=sums)
