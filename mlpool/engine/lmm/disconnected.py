"""Crossed factors of which groups of levels never meet, eliminated group by group.

Patients and doctors of regions, pupils and teachers of towns: no row joins levels of two regions,
so V is block-diagonal by regions once rows are sorted by them, and the dense core of all regions
falls apart into cores of one. Their cost is cubic in a region's levels, not in those of all.
Regions with few levels are eliminated together, up to `TOGETHER` effects in one core.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components

from mlpool.engine.factorization.block_cholesky import Reduced
from mlpool.engine.factorization.blocks import Blocks, ChainLevel, Core, Place, lifted
from mlpool.engine.factorization.core_rows import CoreRows
from mlpool.engine.factorization.orthogonal import OrthogonalElimination
from mlpool.engine.lmm.forward_pass import ForwardPass
from mlpool.engine.lmm.iterative.elimination import IterativePass
from mlpool.typing import FloatArray, IntArray

TOGETHER = 256
"""Effects in the core of parts that are eliminated together: of fewer, calls cost more than algebra
does."""


@dataclass(frozen=True, slots=True)
class Part:
    """Levels that meet no others.

    Attributes
    ----------
    blocks : Blocks
        Theirs alone; the total of [X y] is zero.
    levels : tuple of ndarray of int
        Which levels of each chain factor.
    core : ndarray of int
        Which effects of the core.
    """

    blocks: Blocks
    levels: tuple[IntArray, ...]
    core: IntArray


@dataclass(frozen=True, slots=True)
class Apart:
    """All parts of a design.

    Attributes
    ----------
    whole : Blocks
    parts : tuple of Part
    """

    whole: Blocks
    parts: tuple[Part, ...]

    @classmethod
    def of(cls, blocks: Blocks) -> Apart | None:
        """Take the blocks apart; None where that leaves one part, or the core is small anyway."""
        core = blocks.core
        if core is None or core.n2 <= TOGETHER:
            return None
        nodes = _nodes(blocks, core)
        bins = _bins(_components(blocks, core, nodes), core.n2)
        if not bins.any():
            return None
        of_levels = [bins[a:b] for a, b in pairwise(nodes[:-1])]
        of_core = bins[nodes[-2] :]
        count = int(bins.max()) + 1
        members = [_members(one, count) for one in (*of_levels, of_core)]
        parts = [
            _part(blocks, core, tuple(own[:-1]), own[-1]) for own in zip(*members, strict=True)
        ]
        return cls(blocks, tuple(parts))


def _nodes(blocks: Blocks, core: Core) -> IntArray:
    """Return where the levels of each chain factor, the core's effects and the end stand."""
    counts = [level.A.shape[2] for level in blocks.levels]
    return np.concatenate([[0], np.cumsum([*counts, core.n2])])


def _components(blocks: Blocks, core: Core, nodes: IntArray) -> IntArray:
    """Return the connected part of every level and every effect of the core."""
    whole = core.A.tocoo()
    ends = [(whole.row + nodes[-2], whole.col + nodes[-2])]
    for i, level in enumerate(blocks.levels):
        own = nodes[i] + np.arange(level.A.shape[2])
        ends += [(own, nodes[m] + up) for m, up in enumerate(level.parents, start=i + 1)]
        if level.C is not None:
            ends.append((nodes[i] + level.C.rows, nodes[-2] + level.C.cols))
    for place in core.places:
        # effects of one level belong together, whatever is zero in its block
        first = place.start + place.q * np.repeat(np.arange(place.n_levels), place.q)
        ends.append((nodes[-2] + first, nodes[-2] + np.arange(place.start, place.span.stop)))
    row, col = (np.concatenate(side) for side in zip(*ends, strict=True))
    n = int(nodes[-1])
    graph = coo_array((np.ones(row.size, dtype=np.int8), (row, col)), shape=(n, n))
    return np.asarray(connected_components(csr_array(graph), directed=False)[1])


def _bins(component: IntArray, n2: int) -> IntArray:
    """Return the bin of every node: components in order, until a bin's core is full."""
    sizes = np.bincount(component[-n2:], minlength=int(component.max()) + 1)
    before = np.cumsum(sizes) - sizes
    _, bins = np.unique(before // TOGETHER, return_inverse=True)
    return np.asarray(bins[component])


def _members(bins: IntArray, count: int) -> list[IntArray]:
    order = np.argsort(bins, kind="stable")
    return np.split(order, np.cumsum(np.bincount(bins, minlength=count))[:-1])


def _part(blocks: Blocks, core: Core, levels: tuple[IntArray, ...], effects: IntArray) -> Part:
    """Cut the blocks of some levels and effects of the core out of the whole."""
    own = [
        ChainLevel(
            A=np.ascontiguousarray(level.A[..., at]),
            W=np.ascontiguousarray(level.W[:, at]),
            up=tuple(np.ascontiguousarray(U[:, at]) for U in level.up),
            parents=tuple(
                np.searchsorted(levels[m], parent[at])
                for m, parent in enumerate(level.parents, start=i + 1)
            ),
            C=None if level.C is None else _rows(level.C, at, effects),
        )
        for i, (level, at) in enumerate(zip(blocks.levels, levels, strict=True))
    ]
    cut = Blocks(levels=lifted(own), core=_core(core, effects), total=np.zeros_like(blocks.total))
    return Part(cut, levels, effects)


def _rows(rows: CoreRows, at: IntArray, effects: IntArray) -> CoreRows:
    counts = np.diff(rows.indptr)[at]
    ends = np.concatenate([[0], np.cumsum(counts)])
    entries = np.repeat(rows.indptr[at] - ends[:-1], counts) + np.arange(ends[-1])
    return CoreRows(
        n2=len(effects),
        indptr=ends.astype(np.int32),
        cols=np.searchsorted(effects, rows.cols[entries]).astype(np.int32),
        values=np.ascontiguousarray(rows.values[:, entries]),
    )


def _core(core: Core, effects: IntArray) -> Core:
    n2, start, places = len(effects), 0, []
    for place in core.places:
        inside = int(np.count_nonzero((effects >= place.start) & (effects < place.span.stop)))
        places.append(Place(start, inside // place.q, place.q))
        start = places[-1].span.stop
    A = core.A[effects][:, effects]
    entries = A.tocoo()
    is_lower = entries.row >= entries.col
    position = entries.col.astype(np.int64) * n2 + entries.row
    return replace(
        core,
        places=tuple(places),
        A=csr_array(A),
        W=core.W[effects],
        lower=(position[is_lower], entries.data[is_lower]),
    )


class ApartPass:
    """The factorisation of V at one theta, part by part: it answers as :class:`ForwardPass` does.

    Parameters
    ----------
    apart : Apart
    factors : tuple of ndarray
        Lambda of every factor.
    """

    def __init__(self, apart: Apart, factors: tuple[FloatArray, ...]) -> None:
        self.whole, self.parts = apart.whole, apart.parts
        self.passes = [ForwardPass.of(part.blocks, factors) for part in apart.parts]

    @property
    def logdet(self) -> float:
        """log|V|."""
        return float(sum(one.logdet for one in self.passes))

    def schur_of(self, total: FloatArray) -> FloatArray:
        """Return [X y]'V^-1 [X y] from [X y]'[X y]."""
        none = np.zeros_like(total)
        return np.asarray(total + sum(one.schur_of(none) for one in self.passes))

    def rest(self) -> Reduced:
        """Return Z'V^-1 [X y] of every factor."""
        core = self.whole.core
        assert core is not None
        levels = [np.empty_like(level.W) for level in self.whole.levels]
        out = Reduced(levels=levels, core=np.empty_like(core.W))
        for part, one in zip(self.parts, self.passes, strict=True):
            found = one.rest()
            for into, at, values in zip(levels, part.levels, found.levels, strict=True):
                into[:, at] = values
            assert out.core is not None and found.core is not None
            out.core[part.core] = found.core
        return out

    def informations(self) -> list[FloatArray]:
        """Return the sum over levels of the diagonal blocks of Z'V^-1 Z, (q, q) per factor."""
        found = [one.informations() for one in self.passes]
        return [np.asarray(sum(same)) for same in zip(*found, strict=True)]

    def covariance_blocks(self) -> list[FloatArray]:
        """Return the diagonal blocks of Lambda M^-1 Lambda', (q, q, J) per factor."""
        core = self.whole.core
        assert core is not None
        out = [np.empty_like(level.A) for level in self.whole.levels]
        out += [np.empty((place.q, place.q, place.n_levels)) for place in core.places]
        for part, one in zip(self.parts, self.passes, strict=True):
            where = (*part.levels, *_levels_of(core.places, part.core))
            for into, at, blocks in zip(out, where, one.covariance_blocks(), strict=True):
                into[..., at] = blocks
        return out

    def along(self, steps: Reduced) -> tuple[FloatArray, FloatArray]:
        """Return (Z t)'V^-1 (Z t) and (Z t)'V^-1 [X y] for columns t of random effects."""
        assert steps.core is not None
        found = []
        for part, one in zip(self.parts, self.passes, strict=True):
            levels = [t[:, at] for t, at in zip(steps.levels, part.levels, strict=True)]
            found.append(one.along(Reduced(levels=levels, core=steps.core[part.core])))
        S, W = (np.asarray(sum(same)) for same in zip(*found, strict=True))
        return S, W


def _levels_of(places: Sequence[Place], effects: IntArray) -> list[IntArray]:
    """Return which levels of each of the core's factors some effects are of."""
    inside = [effects[(effects >= p.start) & (effects < p.span.stop)] for p in places]
    return [(own[:: p.q] - p.start) // p.q for own, p in zip(inside, places, strict=True)]


Eliminated = ForwardPass | ApartPass | OrthogonalElimination | IterativePass
"""The elimination by blocks, of parts that never meet one by one, by orthogonal triangles where
groups lie far apart, or by conjugate gradients."""
