"""Sums between two grouping factors: Z_f'W Z_g, one small block per pair of levels that meet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from mlpool.typing import FloatArray, IntArray

_PAIR_CHUNK = 4_000_000
"""Pairs handled at a time; fewer are kept between evaluations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossBlock:
    """Where levels of two factors meet.

    Attributes
    ----------
    rows, cols : ndarray of int (m,)
        Levels of the first and the second factor, sorted by row.
    values : ndarray (m, q_f, q_g)
    """

    rows: IntArray
    cols: IntArray
    values: FloatArray


def cross_sums(  # noqa: PLR0913 - one argument per symbol of the formula
    codes_f: IntArray,
    codes_g: IntArray,
    n_levels_g: int,
    read: Callable[[int, int], tuple[FloatArray, FloatArray]],
    weights: FloatArray | None,
    batch_rows: int,
) -> CrossBlock:
    """Return the sums of products of Z_f and Z_g over the rows of each pair of levels.

    Parameters
    ----------
    codes_f, codes_g : ndarray of int (n,)
    n_levels_g : int
    read : callable
        ``read(start, stop)`` gives (Z_f (b, q_f), Z_g (b, q_g)).
    weights : ndarray (n,) or None
    batch_rows : int
    """
    keys_all, values_all = [], []
    for start in range(0, len(codes_f), batch_rows):
        stop = min(start + batch_rows, len(codes_f))
        key = codes_f[start:stop].astype(np.int64) * n_levels_g + codes_g[start:stop]
        unique, inverse = np.unique(key, return_inverse=True)
        Zf, Zg = read(start, stop)
        if weights is not None:
            Zf = Zf * weights[start:stop, None]
        keys_all.append(unique)
        values_all.append(_sum_pairs(inverse, Zf, Zg, len(unique)))
    keys, values = np.concatenate(keys_all), np.concatenate(values_all)
    unique, inverse = np.unique(keys, return_inverse=True)
    if len(unique) < len(keys):
        merged = np.zeros((len(unique), *values.shape[1:]))
        np.add.at(merged, inverse, values)
    else:
        merged = values[np.argsort(keys, kind="stable")]
    return CrossBlock(rows=unique // n_levels_g, cols=unique % n_levels_g, values=merged)


def _sum_pairs(inverse: IntArray, Zf: FloatArray, Zg: FloatArray, m: int) -> FloatArray:
    out = np.empty((m, Zf.shape[1], Zg.shape[1]))
    for a in range(Zf.shape[1]):
        for b in range(Zg.shape[1]):
            out[:, a, b] = np.bincount(inverse, Zf[:, a] * Zg[:, b], m)
    return out


@dataclass(slots=True)
class SparseRows:
    """C = Z_1'Z_2 as rows of the leading factor: a shared pattern with q_1 values per entry.

    Attributes
    ----------
    indptr : ndarray of int (J + 1,)
    cols : ndarray of int (nnz,)
        Positions among the trailing random effects, increasing within a row.
    data : ndarray (nnz, q_1)
    """

    indptr: IntArray
    cols: IntArray
    data: FloatArray
    _cached: list[tuple[IntArray, IntArray, IntArray, IntArray]] | None = None

    @property
    def rows(self) -> IntArray:
        """Row of each entry."""
        return np.repeat(np.arange(len(self.indptr) - 1), np.diff(self.indptr))

    @property
    def n_pairs(self) -> int:
        """Pairs of entries that share a row, each counted once."""
        counts = np.diff(self.indptr).astype(np.int64)
        return int((counts * (counts + 1) // 2).sum())

    def pairs(self, n2: int) -> Iterator[tuple[IntArray, IntArray, IntArray, IntArray]]:
        """Yield (row, first entry, second entry, flat index) of pairs with first >= second column.

        The flat index points into the lower triangle of an n2 x n2 matrix in Fortran order.
        """
        if self._cached is not None:
            yield from self._cached
            return
        keep: list[tuple[IntArray, IntArray, IntArray, IntArray]] = []
        is_small = self.n_pairs <= _PAIR_CHUNK * 4
        for first, last in self._row_chunks():
            chunk = self._pairs_of(first, last, n2)
            if is_small:
                keep.append(chunk)
            yield chunk
        if is_small:
            self._cached = keep

    def _row_chunks(self) -> list[tuple[int, int]]:
        counts = np.diff(self.indptr).astype(np.int64)
        total = np.cumsum(counts * (counts + 1) // 2)
        chunks, first, base = [], 0, 0
        while first < len(counts):
            last = int(np.searchsorted(total, base + _PAIR_CHUNK, side="right"))
            last = max(last, first + 1)
            chunks.append((first, last))
            base = int(total[last - 1])
            first = last
        return chunks

    def _pairs_of(
        self, first: int, last: int, n2: int
    ) -> tuple[IntArray, IntArray, IntArray, IntArray]:
        starts, stops = self.indptr[first:last], self.indptr[first + 1 : last + 1]
        counts = stops - starts
        entry = np.arange(starts[0], stops[-1])
        within = entry - np.repeat(starts, counts)
        repeats = within + 1
        one = np.repeat(entry, repeats)
        offset = np.arange(len(one)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
        two = np.repeat(entry - within, repeats) + offset
        row = np.repeat(np.repeat(np.arange(first, last), counts), repeats)
        index = self.cols[two].astype(np.int64) * n2 + self.cols[one]
        return row.astype(np.int32), one.astype(np.int32), two.astype(np.int32), index
