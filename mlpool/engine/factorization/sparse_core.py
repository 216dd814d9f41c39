"""The core of crossed factors without a dense block: what of it depends on no theta.

The largest factor is eliminated exactly, level by level. What it leaves of the others,

    K = A_22 - C'N C        N = Lambda_1 M_1^-1 Lambda_1'

is never formed: one product with K is two products with the sparse C = Z_1'Z_2 and one with A_22.
Its diagonal blocks (one per level) are sums over the pairs of levels that meet, and exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from mlpool.engine.factorization.blocks import Blocks, ChainLevel, Core, Place
from mlpool.typing import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Meetings:
    """The pairs of levels of the first factor and of one factor of the core that meet.

    Attributes
    ----------
    first, other : ndarray of int (m,)
        The two levels.
    values : ndarray (q1, m, q)
        Z_1'Z_2.
    """

    first: IntArray
    other: IntArray
    values: FloatArray


class LevelBlocks:
    """A matrix of the core that is block-diagonal by levels.

    Parameters
    ----------
    places : tuple of Place
    arrays : list of ndarray (J, q, q)
        One per factor.
    """

    def __init__(self, places: tuple[Place, ...], arrays: list[FloatArray]) -> None:
        self.places, self.arrays = places, arrays

    def times(self, x: FloatArray) -> FloatArray:
        """Return B x (n2, k)."""
        return self._product(x, self.arrays)

    def transposed_times(self, x: FloatArray) -> FloatArray:
        """Return B'x (n2, k)."""
        return self._product(x, [B.swapaxes(1, 2) for B in self.arrays])

    def _product(self, x: FloatArray, arrays: list[FloatArray]) -> FloatArray:
        out = np.empty_like(x)
        for place, B in zip(self.places, arrays, strict=True):
            shape = (place.n_levels, place.q, x.shape[1])
            part, into = x[place.span].reshape(shape), out[place.span].reshape(shape)
            for a in range(place.q):
                np.multiply(B[:, a, :1], part[:, 0], out=into[:, a])
                for b in range(1, place.q):
                    into[:, a] += B[:, a, b, None] * part[:, b]
        return out


class SparseCore:
    """The sums of one eliminated factor and of a core that stays sparse.

    Parameters
    ----------
    blocks : Blocks
        A chain of one factor, and all others in the core.
    """

    def __init__(self, blocks: Blocks) -> None:
        level, core = blocks.levels[0], blocks.core
        assert core is not None and level.C is not None
        self.level: ChainLevel = level
        self.core: Core = core
        self.places = core.places
        self.C: csr_array = level.C.matrix(level.C.values)
        self.A: csr_array = core.A
        self.meetings = [self._meetings(place) for place in self.places]
        self.A_blocks = [self._own_blocks(place) for place in self.places]

    @property
    def n2(self) -> int:
        """Random effects in the core."""
        return self.core.n2

    def to_first(self, x: FloatArray) -> FloatArray:
        """Return C x as (q1, J1, k)."""
        return np.asarray(self.C @ x).reshape(len(self.level.A), -1, x.shape[1])

    def from_first(self, x: FloatArray) -> FloatArray:
        """Return C'x (n2, k) of x (q1, J1, k)."""
        return np.asarray(self.C.T @ x.reshape(-1, x.shape[2]))

    def gram_blocks(self, M: FloatArray) -> list[FloatArray]:
        """Return the diagonal blocks of C'M C, (J, q, q) per factor, of M (q1, q1, J1)."""
        out = []
        for place, met in zip(self.places, self.meetings, strict=True):
            B = np.zeros((place.n_levels, place.q, place.q))
            for a, b in np.ndindex(*M.shape[:2]):
                weight = M[a, b][met.first]
                for c, d in np.ndindex(place.q, place.q):
                    product = met.values[a, :, c] * met.values[b, :, d]
                    product *= weight
                    B[:, c, d] += np.bincount(met.other, product, place.n_levels)
            out.append(B)
        return out

    def first_blocks(self, X: list[FloatArray]) -> FloatArray:
        """Return c_j X c_j' (q1, q1, J1) of a block-diagonal X, (J, q, q) per factor."""
        q1, _, J1 = self.level.A.shape
        out = np.zeros((q1, q1, J1))
        for met, B in zip(self.meetings, X, strict=True):
            for c, d in np.ndindex(*B.shape[1:]):
                weight = B[:, c, d][met.other]
                for a, b in np.ndindex(q1, q1):
                    product = met.values[a, :, c] * met.values[b, :, d]
                    product *= weight
                    out[a, b] += np.bincount(met.first, product, J1)
        return out

    @cached_property
    def connected_parts(self) -> tuple[int, IntArray]:
        """Return how many parts of the design never meet, and the part of every core entry."""
        J1, n2 = self.level.A.shape[2], self.n2
        ends, cols = self.C.indptr[: J1 + 1], self.C.indices[: self.C.indptr[J1]]
        graph = csr_array(
            (np.ones(len(cols), dtype=np.int8), cols + J1, np.append(ends, np.full(n2, ends[-1]))),
            shape=(J1 + n2, J1 + n2),
        )
        n_parts, part = connected_components(graph, directed=False)
        return int(n_parts), np.asarray(part[J1:])

    # --- layout -----------------------------------------------------------------------------

    def _meetings(self, place: Place) -> Meetings:
        """Gather the entries of one factor: those of a pair of levels stand side by side."""
        rows = self.level.C
        assert rows is not None
        if len(self.places) == 1:
            entries: slice | IntArray = slice(None)
        else:
            is_own = (rows.cols >= place.start) & (rows.cols < place.span.stop)
            entries = np.flatnonzero(is_own)
        return Meetings(
            first=rows.rows[entries][:: place.q].astype(np.int32),
            other=(rows.cols[entries][:: place.q] - place.start) // place.q,
            values=rows.values[:, entries].reshape(len(rows.values), -1, place.q),
        )

    def _own_blocks(self, place: Place) -> FloatArray:
        """Return Z'Z of every level of one factor, (J, q, q)."""
        out = np.empty((place.n_levels, place.q, place.q))
        first = place.start + place.q * np.arange(place.n_levels)
        for a, b in np.ndindex(place.q, place.q):
            diagonal = self.A.diagonal(b - a)
            # diagonal k of a matrix starts in row max(0, -k)
            out[:, a, b] = diagonal[first + min(a, b)]
        return out
