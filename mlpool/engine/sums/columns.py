"""The columns [X Z y] of one grouping factor: which are the same, and where their centres lie.

Z is usually a subset of X and both hold the constant, so each distinct column is summed once.
Equality is guessed on a sample of rows and verified on every row while the sums are made.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlpool.engine.types import LmmData
from mlpool.typing import FloatArray, IntArray, RowSource

SAMPLE_SPOTS, SAMPLE_LENGTH = 16, 64
"""Rows looked at to find shared columns and centres: 16 stretches of 64 spread over the data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Rows of data with one grouping factor.

    Attributes
    ----------
    y : ndarray of shape (n,)
    X : RowSource of shape (n, p)
    Z : tuple of RowSource, each of shape (n, k_t)
        Random-effects columns of all terms that share the factor; may be empty.
    codes : ndarray of shape (n,), integer
        Cluster of each row, 0 .. n_levels - 1.
    n_levels : int
    weights, offset : ndarray of shape (n,) or None
    """

    y: FloatArray
    X: RowSource
    Z: tuple[RowSource, ...]
    codes: IntArray
    n_levels: int
    weights: FloatArray | None = None
    offset: FloatArray | None = None

    @classmethod
    def of_factor(cls, data: LmmData, factor: int) -> Rows:
        """Take the terms of one grouping factor out of `data`."""
        terms = [t for t in data.terms if t.factor == factor]
        return cls(
            y=data.y,
            X=data.X,
            Z=tuple(t.z for t in terms),
            codes=terms[0].codes,
            n_levels=terms[0].n_levels,
            weights=data.weights,
            offset=data.offset,
        )

    def columns(self, start: int, stop: int) -> list[FloatArray]:
        """Columns [X, Z_1, Z_2, ..., y] of rows ``start:stop``; the offset is taken off y."""
        blocks = [source.rows(start, stop) for source in (self.X, *self.Z)]
        y = np.asarray(self.y[start:stop], dtype=np.float64)
        if self.offset is not None:
            y = y - self.offset[start:stop]
        return [block[:, c] for block in blocks for c in range(block.shape[1])] + [y]


@dataclass(frozen=True, slots=True)
class Layout:
    """Which distinct column each column of [X Z y] is, and where its centre lies.

    Attributes
    ----------
    index : tuple of int
        Distinct column (0 is the constant 1) of every source column, y last.
    centre : tuple of float, one per distinct column
        ``centre[0] = 0``.
    p, q : int
        Columns of X and of all Z together.
    trend : tuple of float, one per distinct column, or empty
        What was taken off the response beside its centre: the summed column of the response is
        ``y - centre[y] - sum of trend[a] (U[a] - centre[a])``. Empty: nothing.
    """

    index: tuple[int, ...]
    centre: tuple[float, ...]
    p: int
    q: int
    trend: tuple[float, ...] = ()

    @property
    def x(self) -> IntArray:
        """Distinct column of every X column."""
        return np.array(self.index[: self.p], dtype=np.intp)

    @property
    def z(self) -> IntArray:
        """Distinct column of every Z column."""
        return np.array(self.index[self.p : self.p + self.q], dtype=np.intp)

    @property
    def y(self) -> int:
        """Distinct column of the response."""
        return self.index[-1]

    @property
    def k(self) -> int:
        """Number of distinct columns, the constant included."""
        return len(self.centre)

    def sources(self) -> IntArray:
        """First source column of every distinct column (-1 for the constant)."""
        first = np.full(self.k, -1)
        for source, column in reversed(list(enumerate(self.index))):
            if column:
                first[column] = source
        return first


class ColumnsDifferError(Exception):
    """Two source columns that agreed so far differ in a later block (internal)."""

    def __init__(self, source: int) -> None:
        self.source = source


def find_layout(
    rows: Rows, apart: frozenset[int] = frozenset(), trend: FloatArray | None = None
) -> Layout:
    """Find equal columns and centres on a sample of rows.

    Parameters
    ----------
    rows : Rows
    apart : frozenset of int
        Source columns known to differ from all others.
    trend : ndarray of shape (p,), optional
        Coefficients of the columns of X whose sum is taken off the response.
    """
    columns = sample_columns(rows)
    distinct: list[FloatArray] = [np.ones(columns[0].shape[0])]
    index = []
    for source, column in enumerate(columns):
        found = None
        if source not in apart and source < len(columns) - 1:
            found = next((d for d, u in enumerate(distinct) if np.array_equal(u, column)), None)
        if found is None:
            distinct.append(column)
            found = len(distinct) - 1
        index.append(found)
    p = rows.X.shape[1]
    centre = [0.0, *(_centre(u) for u in distinct[1:])]
    if trend is None or not trend.any():
        return Layout(tuple(index), tuple(centre), p, len(index) - p - 1)
    slopes = np.zeros(len(distinct))
    np.add.at(slopes, index[:p], trend)
    slopes[0] = 0.0  # the centre of the response holds what the constant takes off
    rest = distinct[-1] - sum(slopes[a] * (distinct[a] - centre[a]) for a in np.flatnonzero(slopes))
    centre[-1] = _centre(np.asarray(rest))
    return Layout(tuple(index), tuple(centre), p, len(index) - p - 1, tuple(slopes.tolist()))


def sample_columns(rows: Rows) -> list[FloatArray]:
    """Columns [X, Z_1, Z_2, ..., y] of the rows that are looked at first."""
    n = rows.y.shape[0]
    if n <= SAMPLE_SPOTS * SAMPLE_LENGTH:
        return rows.columns(0, n)
    starts = np.linspace(0, n - SAMPLE_LENGTH, SAMPLE_SPOTS).astype(int)
    pieces = [rows.columns(int(s), int(s) + SAMPLE_LENGTH) for s in starts]
    return [np.concatenate(parts) for parts in zip(*pieces, strict=True)]


def _centre(column: FloatArray) -> float:
    """Return the mean, rounded to a power of two below the SD so that small integers stay exact."""
    if not np.all(np.isfinite(column)):
        return 0.0
    mean, sd = float(column.mean()), float(column.std())
    if sd == 0.0:
        return mean
    unit = 2.0 ** np.floor(np.log2(sd))
    return float(np.round(mean / unit) * unit)


def verify_layout(columns: list[FloatArray], layout: Layout, first: IntArray) -> None:
    """Raise :class:`ColumnsDifferError` where columns taken as equal are not."""
    for source, (column, distinct) in enumerate(zip(columns, layout.index, strict=True)):
        if first[distinct] == source:
            continue
        if distinct == 0:
            same = bool(np.all(column == 1.0))
        else:
            same = np.array_equal(column, columns[first[distinct]])
        if not same:
            raise ColumnsDifferError(source)
