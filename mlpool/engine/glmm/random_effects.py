"""Random effects of any structure on rows: Z b, Z'x, and the elimination of I + Z Sigma Z'W.

Rows' weights change at every step, so the blocks of Z'WZ are made anew each time from index arrays
that are laid out once: where each row adds to, for every factor of the nested chain, between its
factors, between them and the crossed core, and within the core (see
:mod:`mlpool.engine.factorization.blocks`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from mlpool.engine.factorization.block_cholesky import Elimination, Reduced
from mlpool.engine.factorization.blocks import (
    Blocks,
    ChainLevel,
    Core,
    Place,
    check_core_size,
    find_structure,
)
from mlpool.engine.factorization.core_rows import CoreRows
from mlpool.engine.glmm.factors import (
    FactorRows,
    Pairing,
    columns_of,
    gather,
    level_gram,
    nested_pairs,
    sum_arrays,
    times,
)
from mlpool.engine.types import ReTerm
from mlpool.typing import FloatArray, IntArray


class _FreshRows(CoreRows):
    """Rows against the core whose values change at every evaluation: no products are kept."""

    @property
    def can_lay_out(self) -> bool:
        """Never: the layout would be made again each time."""
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class _CorePattern:
    """Where a chain factor's rows add to its entries against the core."""

    indptr: IntArray
    cols: IntArray
    pairings: tuple[Pairing, ...]
    where: tuple[tuple[IntArray, ...], ...]  # per core factor and column: entry of each pair
    lift: tuple[IntArray, ...]


class Effects:
    """All random effects of a model on its rows.

    Parameters
    ----------
    terms : tuple of ReTerm
        In lme4's order.
    rows : ndarray of int or None
        Rows in the order wanted; None keeps theirs.
    max_bytes : int
        Largest dense core.

    Attributes
    ----------
    factors : tuple of GroupingFactor
        In order of their first term.
    order : tuple of int
        Factors in the order of elimination: chain, then core.
    parts : tuple of FactorRows
        In the order of elimination.
    """

    def __init__(self, terms: tuple[ReTerm, ...], rows: IntArray | None, max_bytes: int) -> None:
        self.factors = gather(terms, rows)
        nested = nested_pairs(self.factors)
        self.structure = find_structure(self.factors, nested)
        check_core_size(self.factors, self.structure.core, max_bytes)
        self.order = (*self.structure.chain, *self.structure.core)
        self.parts = tuple(
            FactorRows(
                self.factors[f].codes, self.factors[f].n_levels, columns_of(terms, rows, fac)
            )
            for f, fac in ((f, self.factors[f]) for f in self.order)
        )
        self.n_chain = len(self.structure.chain)
        self.places = self._find_places()
        self.n2 = sum(p.n_levels * p.q for p in self.places)
        self._core_pairs = self._pair_core()
        self._patterns = self._find_patterns()

    # --- products with Z --------------------------------------------------------------------

    def dot(self, b: Reduced) -> FloatArray:
        """Return Z b of shape (n,), b having one column."""
        return sum_arrays(
            [part.dot(x) for part, x in zip(self.parts, self.by_factor(b), strict=True)]
        )

    def transposed(self, x: FloatArray) -> Reduced:
        """Return Z'x of every factor for x (n, k) given as (k, n)."""
        each = [np.stack([part.transposed(column) for column in x], axis=2) for part in self.parts]
        core = None
        if self.places:
            core = np.concatenate(
                [e.transpose(1, 0, 2).reshape(-1, e.shape[2]) for e in each[self.n_chain :]]
            )
        return Reduced(levels=each[: self.n_chain], core=core)

    def by_factor(self, b: Reduced) -> list[FloatArray]:
        """Return the first column of every factor, (q, J), in the order of elimination."""
        out = [x[:, :, 0] for x in b.levels]
        if b.core is not None:
            for place in self.places:
                out.append(b.core[place.span, 0].reshape(place.n_levels, place.q).T)
        return out

    # --- elimination ------------------------------------------------------------------------

    def eliminate(self, w: FloatArray, factors: tuple[FloatArray, ...]) -> Elimination:
        """Factorise I + Z Sigma Z'W.

        Parameters
        ----------
        w : ndarray of shape (n,)
        factors : tuple of ndarray (q, q)
            Lambda of every factor, in the order of elimination.

        Raises
        ------
        LinAlgError
            If the result is not positive definite: observed weights may be negative away from the
            modes, and a predictor far out may leave no digits.
        """
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            found = Elimination(self._blocks(w), factors)
        if not np.isfinite(found.logdet):
            raise np.linalg.LinAlgError("the curvature is not positive definite")
        return found

    def _blocks(self, w: FloatArray) -> Blocks:
        levels = [self._level(i, w) for i in range(self.n_chain)]
        core = self._core(w) if self.places else None
        return Blocks(levels=tuple(levels), core=core, total=np.empty((0, 0)))

    def _level(self, i: int, w: FloatArray) -> ChainLevel:
        part = self.parts[i]
        weighted = [times(z, w) for z in part.columns]
        up = []
        for m in range(i + 1, self.n_chain):
            coarse = self.parts[m].columns
            up.append(
                np.stack(
                    [[part.level_sums(times(z, x)) for z in coarse] for x in weighted]
                ).transpose(0, 2, 1)
            )
        chain = self.structure.chain
        return ChainLevel(
            A=level_gram(part, w),
            W=np.empty((part.q, part.n_levels, 0)),
            up=tuple(np.ascontiguousarray(u) for u in up),
            parents=tuple(self.structure.parents[chain[i], c] for c in chain[i + 1 :]),
            C=self._core_rows(i, weighted) if self.places else None,
        )

    def _core_rows(self, i: int, weighted: list[FloatArray]) -> CoreRows:
        pattern = self._patterns[i]
        values = np.empty((len(weighted), len(pattern.cols)))
        for g, (pairing, where) in enumerate(zip(pattern.pairings, pattern.where, strict=True)):
            for b, z in enumerate(self.parts[self.n_chain + g].columns):
                for a, x in enumerate(weighted):
                    values[a, where[b]] = np.bincount(pairing.place, times(z, x), pairing.size)
        return _FreshRows(
            n2=self.n2, indptr=pattern.indptr, cols=pattern.cols, values=values, lift=pattern.lift
        )

    def _core(self, w: FloatArray) -> Core:
        values, positions = [], []
        for place, part in zip(self.places, self.parts[self.n_chain :], strict=True):
            A = level_gram(part, w)
            base = place.start + np.arange(place.n_levels) * place.q
            for a in range(place.q):
                for b in range(a + 1):
                    positions.append((base + b).astype(np.int64) * self.n2 + base + a)
                    values.append(A[a, b])
        for (f, g), pairing in self._core_pairs.items():
            one, two = self.places[f], self.places[g]
            for a, za in enumerate(self.parts[self.n_chain + f].columns):
                x = times(za, w)
                for b, zb in enumerate(self.parts[self.n_chain + g].columns):
                    row = two.start + pairing.right * two.q + b
                    col = one.start + pairing.left * one.q + a
                    positions.append(col * np.int64(self.n2) + row)
                    values.append(np.bincount(pairing.place, times(zb, x), pairing.size))
        return Core(
            places=self.places,
            A=csr_array((0, 0)),
            W=np.empty((self.n2, 0)),
            lower=(np.concatenate(positions), np.concatenate(values)),
        )

    # --- variances of rows ------------------------------------------------------------------

    def row_variances(self, elimination: Elimination) -> FloatArray:
        """Return ``z_i' Lambda M^-1 Lambda' z_i`` of every row (n,).

        The blocks of the inverse that rows need are those where levels meet; see
        :class:`~mlpool.engine.factorization.block_cholesky.Elimination`.
        """
        found = elimination.select(every=True)
        out = sum_arrays([self._own(part, N) for part, N in zip(self.parts, found.N, strict=False)])
        for (i, m), N in found.across.items():
            out = out + 2.0 * self._between(i, m, N)
        if elimination.core is None:
            return out
        inverse = elimination.core.inverse()
        for i, N_core in enumerate(found.core):
            assert N_core is not None
            out = out + 2.0 * self._with_core(i, N_core)
        for g, part in enumerate(self.parts[self.n_chain :]):
            out = out + self._own(part, elimination.core.diagonal_blocks(g))
        for (f, g), pairing in self._core_pairs.items():
            out = out + 2.0 * self._within_core(f, g, pairing, inverse)
        return out

    def _own(self, part: FactorRows, N: FloatArray) -> FloatArray:
        out = np.zeros(len(part.codes))
        for a, za in enumerate(part.columns):
            for b in range(a + 1):
                entry = times(part.columns[b], times(za, part.at_rows(N[a, b])))
                out += entry if a == b else 2.0 * entry
        return out

    def _between(self, i: int, m: int, N: FloatArray) -> FloatArray:
        fine, coarse = self.parts[i], self.parts[m]
        return sum_arrays(
            [
                times(za, times(zb, fine.at_rows(np.ascontiguousarray(N[a, :, b]))))
                for a, za in enumerate(fine.columns)
                for b, zb in enumerate(coarse.columns)
            ]
        )

    def _with_core(self, i: int, N: FloatArray) -> FloatArray:
        pattern, part = self._patterns[i], self.parts[i]
        pieces = []
        for g, (pairing, where) in enumerate(zip(pattern.pairings, pattern.where, strict=True)):
            for b, zb in enumerate(self.parts[self.n_chain + g].columns):
                for a, za in enumerate(part.columns):
                    pieces.append(times(za, times(zb, N[a, where[b]][pairing.place])))
        return sum_arrays(pieces)

    def _within_core(self, f: int, g: int, pairing: Pairing, N: FloatArray) -> FloatArray:
        one, two = self.places[f], self.places[g]
        pieces = []
        for a, za in enumerate(self.parts[self.n_chain + f].columns):
            for b, zb in enumerate(self.parts[self.n_chain + g].columns):
                row = two.start + pairing.right * two.q + b
                col = one.start + pairing.left * one.q + a
                pieces.append(times(za, times(zb, N[row, col][pairing.place])))
        return sum_arrays(pieces)

    # --- layout -----------------------------------------------------------------------------

    def _find_places(self) -> tuple[Place, ...]:
        places, start = [], 0
        for part in self.parts[self.n_chain :]:
            places.append(Place(start, part.n_levels, part.q))
            start = places[-1].span.stop
        return tuple(places)

    def _pair_core(self) -> dict[tuple[int, int], Pairing]:
        core = self.parts[self.n_chain :]
        return {(f, g): Pairing.of(core[f], core[g]) for g in range(len(core)) for f in range(g)}

    def _find_patterns(self) -> list[_CorePattern]:
        if not self.places:
            return []
        made = [self._pattern(i) for i in range(self.n_chain)]
        return [self._lifted(i, made) for i in range(self.n_chain)]

    def _pattern(self, i: int) -> _CorePattern:
        core = self.parts[self.n_chain :]
        pairings = tuple(Pairing.of(self.parts[i], part) for part in core)
        rows, cols, counts = [], [], []
        for place, pairing in zip(self.places, pairings, strict=True):
            for b in range(place.q):
                rows.append(pairing.left)
                cols.append(place.start + pairing.right * place.q + b)
                counts.append(pairing.size)
        row, col = np.concatenate(rows), np.concatenate(cols)
        order = np.lexsort((col, row))
        entry = np.empty_like(order)
        entry[order] = np.arange(len(order))
        split = iter(np.split(entry, np.cumsum(counts)[:-1]))
        where = tuple(tuple(next(split) for _ in range(place.q)) for place in self.places)
        levels = np.bincount(row, minlength=self.parts[i].n_levels)
        return _CorePattern(
            indptr=np.concatenate([[0], np.cumsum(levels)]).astype(np.int32),
            cols=col[order].astype(np.int32),
            pairings=pairings,
            where=where,
            lift=(),
        )

    def _lifted(self, i: int, made: list[_CorePattern]) -> _CorePattern:
        """Tell which entry of each coarser factor an entry lies in."""
        own = made[i]
        rows = np.repeat(np.arange(len(own.indptr) - 1), np.diff(own.indptr))
        lift = []
        chain = self.structure.chain
        for m in range(i + 1, self.n_chain):
            coarse = made[m]
            level = np.repeat(np.arange(len(coarse.indptr) - 1), np.diff(coarse.indptr))
            keys = level.astype(np.int64) * self.n2 + coarse.cols
            parent = self.structure.parents[chain[i], chain[m]]
            lift.append(np.searchsorted(keys, parent[rows].astype(np.int64) * self.n2 + own.cols))
        return _CorePattern(
            indptr=own.indptr, cols=own.cols, pairings=own.pairings, where=own.where,
            lift=tuple(lift),
        )  # fmt: skip
