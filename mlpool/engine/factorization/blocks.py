"""Z'[Z X y] of several grouping factors, laid out for elimination: a nested chain and a dense core.

Every factor of the chain is nested in the next one. Its levels then never meet each other, and
eliminating them changes only the one level of each coarser factor that they lie in: all of the
chain stays block-diagonal. What is crossed forms the core: one dense block. The chain is chosen so
that the core is as small as possible; a model of nested factors has no core, two crossed factors
have a chain of one, ``(1 | school/class) + (1 | teacher)`` a chain of two and a core.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import coo_array, csr_array

from mlpool.engine.factorization.core_rows import CoreRows
from mlpool.engine.sums.cluster_sums import CrossProducts
from mlpool.engine.sums.cross_sums import GroupingFactor, PairSums
from mlpool.engine.sums.working_columns import Columns
from mlpool.errors import FitError
from mlpool.typing import FloatArray, IntArray

DENSE_COPIES = 4
"""Matrices of the core's size that exist at the same time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Structure:
    """Which factors form the chain and which the core.

    Attributes
    ----------
    chain : tuple of int
        Factors, finest first.
    core : tuple of int
        Factors, most random effects first.
    parents : dict from (int, int) to ndarray of int
        Coarse level of every fine level, for pairs of the chain.
    """

    chain: tuple[int, ...]
    core: tuple[int, ...]
    parents: dict[tuple[int, int], IntArray]

    @property
    def crossed_pairs(self) -> tuple[tuple[int, int], ...]:
        """Pairs of factors whose sums between them are needed: all with a factor of the core."""
        order = (*self.chain, *self.core)
        return tuple((f, g) for g in self.core for f in order[: order.index(g)])


def find_structure(
    factors: Sequence[GroupingFactor], nested: dict[tuple[int, int], IntArray]
) -> Structure:
    """Choose the chain that leaves the smallest core.

    Parameters
    ----------
    factors : sequence of GroupingFactor
    nested : dict from (int, int) to ndarray of int
        For every nested pair (fine, coarse) the coarse level of each fine level.
    """
    # Of two factors with the same partition the first counts as the finer one.
    order = sorted(range(len(factors)), key=lambda i: (-factors[i].n_levels, i))
    best: dict[int, tuple[int, tuple[int, ...]]] = {}
    for i in reversed(order):
        tails = [best[j] for j in order[order.index(i) + 1 :] if (i, j) in nested]
        size, tail = max(tails, default=(0, ()), key=lambda t: t[0])
        best[i] = (factors[i].n_effects + size, (i, *tail))
    chain = max((best[i] for i in order), key=lambda t: t[0])[1]
    core = tuple(i for i in sorted(order, key=lambda i: -factors[i].n_effects) if i not in chain)
    pairs = {(f, c): nested[f, c] for k, f in enumerate(chain) for c in chain[k + 1 :]}
    return Structure(chain=chain, core=core, parents=pairs)


def check_core_size(
    factors: Sequence[GroupingFactor], core: tuple[int, ...], max_bytes: int
) -> None:
    """Refuse a core that would not fit, before anything of its size is allocated.

    Raises
    ------
    FitError
        With the size in the sentence.
    """
    n2 = sum(factors[i].n_effects for i in core)
    need = dense_core_bytes(n2)
    if need > max_bytes:
        raise FitError(
            f"The crossed factors need a dense block of {n2:,} x {n2:,} ({need / 2**30:,.1f} GiB "
            f"of working memory), above the limit of {max_bytes / 2**30:,.1f} GiB; raise it with "
            "control={'max_dense_bytes': ...} where the machine has the memory."
        )


def dense_core_bytes(n2: int) -> int:
    """Return the memory that a dense core of n2 random effects works with."""
    return DENSE_COPIES * 8 * n2 * n2


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainLevel:
    """One factor of the chain, in working columns.

    Attributes
    ----------
    A : ndarray (q, q, J)
        Z'Z of every level.
    W : ndarray (q, J, r)
        Z'[X y].
    up : tuple of ndarray (q, J, q_coarse)
        Z'Z_coarse for each coarser factor of the chain.
    parents : tuple of ndarray of int (J,)
    C : CoreRows or None
        Z'Z_core.
    """

    A: FloatArray
    W: FloatArray
    up: tuple[FloatArray, ...]
    parents: tuple[IntArray, ...]
    C: CoreRows | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where one factor stands in the core: level by level, q columns each."""

    start: int
    n_levels: int
    q: int

    @property
    def span(self) -> slice:
        """Its positions."""
        return slice(self.start, self.start + self.n_levels * self.q)


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """The crossed factors.

    Attributes
    ----------
    places : tuple of Place
    A : csr_array (n2, n2)
        Z'Z.
    W : ndarray (n2, r)
    lower : tuple of ndarray
        Flat positions (Fortran order) and values of the lower triangle of A.
    """

    places: tuple[Place, ...]
    A: csr_array
    W: FloatArray
    lower: tuple[IntArray, FloatArray]

    @property
    def n2(self) -> int:
        """Random effects."""
        return int(self.W.shape[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocks:
    """All of [Z X y]'[Z X y].

    Attributes
    ----------
    levels : tuple of ChainLevel
        Finest first.
    core : Core or None
    total : ndarray (r, r)
        [X y]'[X y].
    """

    levels: tuple[ChainLevel, ...]
    core: Core | None
    total: FloatArray


def lay_out(
    structure: Structure,
    sums: Sequence[CrossProducts],
    pairs: dict[tuple[int, int], PairSums],
    columns: Sequence[Columns],
    R: FloatArray,
) -> Blocks:
    """Put the sums of all factors into their blocks.

    Parameters
    ----------
    structure : Structure
    sums : sequence of CrossProducts
        Per factor, in the same distinct columns.
    pairs : dict
        The sums of ``structure.crossed_pairs``.
    columns : sequence of Columns
    R : ndarray (k, r)
        [X y] = U R.
    """
    layout = _Layout(structure, sums, pairs, columns, R)
    levels = [layout.level(i) for i in range(len(structure.chain))]
    core = layout.core() if structure.core else None
    return Blocks(levels=lifted(levels), core=core, total=R.T @ sums[0].total @ R)


class _Layout:
    """Sums, pairs and columns of all factors while they are put into blocks."""

    def __init__(
        self,
        structure: Structure,
        sums: Sequence[CrossProducts],
        pairs: dict[tuple[int, int], PairSums],
        columns: Sequence[Columns],
        R: FloatArray,
    ) -> None:
        self.structure, self.sums, self.pairs = structure, sums, pairs
        self.columns, self.R = columns, R
        self.places: dict[int, Place] = {}
        start = 0
        for g in structure.core:
            self.places[g] = Place(start, sums[g].n_levels, int(columns[g].P.shape[1]))
            start = self.places[g].span.stop
        self.n2 = start

    def level(self, i: int) -> ChainLevel:
        """Return the blocks of the chain's i-th factor."""
        chain = self.structure.chain
        f, coarser = chain[i], chain[i + 1 :]
        G = self._outer(f)
        return ChainLevel(
            A=self._inner(f, G),
            W=np.ascontiguousarray(np.tensordot(G, self.R, axes=(1, 0))),
            up=tuple(self._between(G, c) for c in coarser),
            parents=tuple(self.structure.parents[f, c] for c in coarser),
            C=self._core_rows(f) if self.places else None,
        )

    def core(self) -> Core:
        """Return the blocks of the crossed factors."""
        rows, cols, values, W = [], [], [], []
        for g, place in self.places.items():
            G, q = self._outer(g), place.q
            A = self._inner(g, G)
            base = place.start + np.arange(place.n_levels) * q
            for a, b in np.ndindex(q, q):
                rows.append(base + a)
                cols.append(base + b)
                values.append(A[a, b])
            D = np.tensordot(G, self.R, axes=(1, 0))
            W.append(D.transpose(1, 0, 2).reshape(-1, D.shape[2]))
        for f, g in self.structure.crossed_pairs:
            if f in self.places:
                level, col, value = self._entries(f, g)
                for a in range(self.places[f].q):
                    row = self.places[f].start + level * self.places[f].q + a
                    rows += [row, col]
                    cols += [col, row]
                    values += [value[a], value[a]]
        entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(cols)))
        sparse = coo_array(entries, shape=(self.n2, self.n2))
        is_lower = sparse.row >= sparse.col
        position = sparse.col.astype(np.int64) * self.n2 + sparse.row
        return Core(
            places=tuple(self.places.values()),
            A=csr_array(sparse),
            W=np.concatenate(W),
            lower=(position[is_lower], sparse.data[is_lower]),
        )

    def _outer(self, f: int) -> FloatArray:
        """Z'U of every level, (q, k, J)."""
        return np.tensordot(self.columns[f].P, self.sums[f].sums, axes=(0, 0))

    def _inner(self, f: int, G: FloatArray) -> FloatArray:
        """Z'Z of every level, (q, q, J), symmetric to the last digit."""
        A = np.tensordot(G[:, list(self.sums[f].outer)], self.columns[f].P, axes=(1, 0))
        A = A.transpose(0, 2, 1)
        return np.ascontiguousarray((A + A.transpose(1, 0, 2)) / 2)

    def _between(self, G: FloatArray, coarse: int) -> FloatArray:
        """Z'Z_coarse of every level, (q, J, q_coarse)."""
        own = G[:, list(self.sums[coarse].outer)]
        return np.ascontiguousarray(np.tensordot(own, self.columns[coarse].P, axes=(1, 0)))

    def _entries(self, f: int, g: int) -> tuple[IntArray, IntArray, FloatArray]:
        """Rows (levels of f), core columns and values (q_f, m q_g), sorted by row and column."""
        pair, place = self.pairs[f, g], self.places[g]
        P, Q = self.columns[f].P, self.columns[g].P
        values = np.einsum("ac,abm,bd->cmd", P, pair.values, Q, optimize=True)
        cols = place.start + pair.cols[:, None] * place.q + np.arange(place.q)
        return np.repeat(pair.rows, place.q), cols.ravel(), values.reshape(len(values), -1)

    def _core_rows(self, f: int) -> CoreRows:
        parts = [self._entries(f, g) for g in self.places]
        rows = np.concatenate([p[0] for p in parts])
        order = np.argsort(rows, kind="stable")
        counts = np.bincount(rows, minlength=self.sums[f].n_levels)
        return CoreRows(
            n2=self.n2,
            indptr=np.concatenate([[0], np.cumsum(counts)]).astype(np.int32),
            cols=np.concatenate([p[1] for p in parts])[order].astype(np.int32),
            values=np.ascontiguousarray(np.concatenate([p[2] for p in parts], axis=1)[:, order]),
        )


def lifted(levels: list[ChainLevel]) -> tuple[ChainLevel, ...]:
    """Tell every level's entries of C which entry of each coarser level they lie in."""
    out = []
    for i, level in enumerate(levels):
        if level.C is None or i == len(levels) - 1:
            out.append(level)
            continue
        rows, cols, n2 = level.C.rows, level.C.cols, level.C.n2
        lift = []
        for parent, coarse in zip(level.parents, levels[i + 1 :], strict=True):
            assert coarse.C is not None
            keys = coarse.C.rows.astype(np.int64) * n2 + coarse.C.cols
            lift.append(np.searchsorted(keys, parent[rows].astype(np.int64) * n2 + cols))
        out.append(replace(level, C=replace(level.C, lift=tuple(lift))))
    return tuple(out)
