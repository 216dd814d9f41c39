"""Grouping factors on rows: sums over levels, pairs of levels, and the order of rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlpool.engine.factorization.blocks import find_structure
from mlpool.engine.sums.cross_sums import GroupingFactor, parent_levels
from mlpool.engine.types import ReTerm
from mlpool.typing import FloatArray, IntArray

Column = FloatArray | None
"""One column of Z; None is the constant 1."""


class FactorRows:
    """One grouping factor on rows: its codes and the columns of all its terms.

    Parameters
    ----------
    codes : ndarray of int of shape (n,)
    n_levels : int
    columns : list of Column
    """

    def __init__(self, codes: IntArray, n_levels: int, columns: list[Column]) -> None:
        self.codes, self.n_levels, self.columns = codes, n_levels, columns
        # Rows of a level that stand together are added up in one sweep, without scattering.
        starts = np.flatnonzero(np.diff(codes, prepend=-1))
        self.is_grouped = len(starts) == n_levels
        self._starts = starts
        self._level = codes[starts] if self.is_grouped else None
        self._counts = np.diff(np.append(starts, len(codes)))
        self._in_order = self.is_grouped and bool(np.all(np.diff(codes[starts]) > 0))

    @property
    def q(self) -> int:
        """Number of columns."""
        return len(self.columns)

    def level_sums(self, x: FloatArray) -> FloatArray:
        """Sum x (n,) over the rows of every level."""
        if not self.is_grouped:
            return np.bincount(self.codes, x, self.n_levels).astype(np.float64, copy=False)
        sums = np.add.reduceat(x, self._starts)
        if self._in_order:
            return np.asarray(sums)
        out = np.empty(self.n_levels)
        out[self._level] = sums
        return out

    def at_rows(self, values: FloatArray) -> FloatArray:
        """Return each row's entry of values (J,)."""
        if self._in_order:
            return np.repeat(values, self._counts)
        return np.asarray(values[self.codes])

    def transposed(self, x: FloatArray) -> FloatArray:
        """Return Z'x, (q, J)."""
        return np.stack([self.level_sums(times(z, x)) for z in self.columns])

    def dot(self, b: FloatArray) -> FloatArray:
        """Return Z b for b (q, J)."""
        out = times(self.columns[0], self.at_rows(b[0]))
        for z, values in zip(self.columns[1:], b[1:], strict=True):
            out = out + times(z, self.at_rows(values))
        return out


def times(z: Column, x: FloatArray) -> FloatArray:
    """Return z x, z being possibly the constant 1."""
    return x if z is None else z * x


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """Rows by the pair of levels that they lie in.

    Attributes
    ----------
    place : ndarray of int of shape (n,)
        Pair of each row.
    left, right : ndarray of int of shape (m,)
        Levels of each pair.
    """

    place: IntArray
    left: IntArray
    right: IntArray

    @classmethod
    def of(cls, f: FactorRows, g: FactorRows) -> Pairing:
        """Find the pairs that occur, sorted by left and then right level."""
        key = f.codes.astype(np.int64) * g.n_levels + g.codes
        found, place = np.unique(key, return_inverse=True)
        return cls(place=place, left=found // g.n_levels, right=found % g.n_levels)

    @property
    def size(self) -> int:
        """Number of pairs."""
        return len(self.left)


def sum_arrays(pieces: list[FloatArray]) -> FloatArray:
    """Return the sum of arrays of one shape."""
    out = pieces[0]
    for piece in pieces[1:]:
        out = out + piece
    return out


def chain_order(terms: tuple[ReTerm, ...]) -> IntArray | None:
    """Return an order of rows in which levels of nested factors stand together; None: as it is."""
    factors = gather(terms, None)
    structure = find_structure(factors, nested_pairs(factors))
    keys = [factors[f].codes for f in structure.chain]
    if all(_is_sorted(k) for k in keys):
        return None
    return np.lexsort(keys)


def _is_sorted(codes: IntArray) -> bool:
    return bool(np.all(codes[1:] >= codes[:-1]))


def level_gram(part: FactorRows, w: FloatArray) -> FloatArray:
    """Return Z'WZ of every level, (q, q, J)."""
    A = np.empty((part.q, part.q, part.n_levels))
    for a, za in enumerate(part.columns):
        x = times(za, w)
        for b in range(a + 1):
            A[a, b] = part.level_sums(times(part.columns[b], x))
            A[b, a] = A[a, b]
    return A


def gather(terms: tuple[ReTerm, ...], rows: IntArray | None) -> tuple[GroupingFactor, ...]:
    """Gather the terms of each grouping factor, in order of their first term."""
    by_factor: dict[int, list[int]] = {}
    for i, term in enumerate(terms):
        by_factor.setdefault(term.factor, []).append(i)
    out = []
    for own in by_factor.values():
        codes = terms[own[0]].codes
        out.append(
            GroupingFactor(
                terms=tuple(own),
                sizes=tuple(terms[t].z.shape[1] for t in own),
                codes=np.asarray(codes if rows is None else codes[rows]),
                n_levels=terms[own[0]].n_levels,
            )
        )
    return tuple(out)


def columns_of(
    terms: tuple[ReTerm, ...], rows: IntArray | None, factor: GroupingFactor
) -> list[Column]:
    """Return the columns of all terms of a factor."""
    out: list[Column] = []
    for t in factor.terms:
        z = terms[t].z.rows(0, terms[t].z.shape[0])
        for c in range(z.shape[1]):
            column = z[:, c] if rows is None else z[rows, c]
            out.append(None if bool(np.all(column == 1.0)) else np.ascontiguousarray(column))
    return out


def nested_pairs(factors: tuple[GroupingFactor, ...]) -> dict[tuple[int, int], IntArray]:
    """Return the coarse level of every fine one, for nested pairs (fine, coarse)."""
    nested = {}
    for f, fine in enumerate(factors):
        for c, coarse in enumerate(factors):
            if f != c and (fine.n_levels > coarse.n_levels or f < c):
                parent = parent_levels(fine, coarse, 1 << 16)
                if parent is not None:
                    nested[f, c] = parent
    return nested
