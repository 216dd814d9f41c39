"""The elimination of crossed factors at one theta by conjugate gradients, and what follows from it.

It answers as :class:`~mlpool.engine.lmm.forward_pass.ForwardPass` does. What belongs to columns
(beta, its covariance, modes, the average information) is exact up to rounding; the diagonal blocks
of Z'V^-1 Z and of conditional covariances are means over seeded probes about their exact parts.
With X = Lambda S^-1 Lambda' over the core's factors (``factorization/scaled_schur.py``),

    Z_1'V^-1 Z_1 = K - R (C X C') R'          Z_2'V^-1 Z_2 = Lambda^-T (I - S^-1) Lambda^-1

Hutchinson (1990), Commun. Statist. Simul. Comput. 19, 433-450; for variances of crossed effects
Kuendig & Sigrist (2024), J. Am. Statist. Assoc.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, repeat

import numpy as np

from mlpool.engine.factorization.block_cholesky import Reduced, sweep, z_products
from mlpool.engine.factorization.blocks import Blocks, Place
from mlpool.engine.factorization.scaled_schur import ScaledSchur, Seen, by_level, filled
from mlpool.engine.factorization.sparse_core import LevelBlocks, SparseCore
from mlpool.typing import FloatArray, IntArray

ASKED = 32
"""Columns of asked levels that are solved together."""
COVARIANCE_PROBES = 64
"""Probes behind conditional covariances of all levels, at least."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Columns Z'x of random effects after the first factor, and solved.

    Attributes
    ----------
    first : ndarray (q1, J1, k)
    core : ndarray (n2, k)
        Without what the first factor explains.
    solution : ndarray (n2, k)
        X times `core`.
    """

    first: FloatArray
    core: FloatArray
    solution: FloatArray


class IterativePass:
    """V at one theta, with [X y] solved.

    Parameters
    ----------
    blocks : Blocks
    sparse : SparseCore
    factors : tuple of ndarray
        Lambda of every factor.
    seed, probes : int
    """

    logdet = float("nan")
    """Not part of the search: :func:`~...stochastic_lanczos.log_determinant` makes it once."""

    def __init__(
        self,
        blocks: Blocks,
        sparse: SparseCore,
        factors: tuple[FloatArray, ...],
        *,
        seed: int,
        probes: int,
    ) -> None:
        self.blocks, self.sparse, self.factors = blocks, sparse, factors
        self.seed, self.probes = seed, probes
        self.schur = ScaledSchur(sparse, factors)
        self.W = self._solved(sparse.level.W, sparse.core.W)
        self._samples: list[FloatArray] | None = None

    def schur_of(self, total: FloatArray) -> FloatArray:
        """Return [X y]'V^-1 [X y] from [X y]'[X y]."""
        return total - self._inner(self.W, self.W)

    def rest(self) -> Reduced:
        """Return Z'V^-1 [X y] of every factor."""
        W = self.W
        first = by_level(self.schur.R, W.first - self.sparse.to_first(W.solution))
        return Reduced(levels=[first], core=W.core - self.schur.effects_times(W.solution))

    def along(self, steps: Reduced) -> tuple[FloatArray, FloatArray]:
        """Return (Z t)'V^-1 (Z t) and (Z t)'V^-1 [X y] for columns t of random effects."""
        products, W = z_products(self.blocks, steps)
        assert steps.core is not None and products.core is not None
        done = self._solved(products.levels[0], products.core)
        S = np.tensordot(steps.levels[0], products.levels[0], axes=((0, 1), (0, 1)))
        S = S + steps.core.T @ products.core
        return S - self._inner(done, done), W - self._inner(done, self.W)

    def informations(self) -> list[FloatArray]:
        """Return estimates of the sums over levels of Z_j'V^-1 Z_j, (q, q) per factor."""
        return [samples.mean(axis=0) for samples in self.information_samples()]

    def information_samples(self) -> list[FloatArray]:
        """Return each probe's own estimates (probes, q, q) per factor."""
        if self._samples is None:
            self._samples = self._information_samples()
        return self._samples

    def covariance_blocks(self) -> list[FloatArray]:
        """Return estimates of the diagonal blocks of Lambda M^-1 Lambda', (q, q, J) per factor."""
        schur, sparse = self.schur, self.sparse
        own = [F @ F.swapaxes(1, 2) for F in schur.F.arrays]
        given = sparse.first_blocks(own)
        core = [np.moveaxis(B, 0, 2).copy() for B in own]
        count = max(self.probes, COVARIANCE_PROBES)
        parts = [(schur.constant_part(), 1.0)]
        for seen, share in chain(parts, zip(schur.probes(self.seed, count), repeat(1.0 / count))):
            z, more = schur.F.times(seen.z), schur.F.times(seen.more)
            left = sparse.to_first(z)
            given += share * _outer(left, sparse.to_first(more - schur.F.times(seen.off)))
            for place, into in zip(sparse.places, core, strict=True):
                into += share * _outer(_by_place(place, z), _by_place(place, more))
        N = schur.N
        first = N + np.einsum("acj,cdj,dbj->abj", N, given, N, optimize=True)
        return [first, *core]

    def covariance_of(self, place: int, levels: IntArray) -> FloatArray:
        """Return some diagonal blocks of Lambda M^-1 Lambda' exactly, each by its own solutions.

        Parameters
        ----------
        place : int
            Of the factor in the order of elimination: 0 is the eliminated one.
        levels : ndarray of int (m,)

        Returns
        -------
        ndarray (q, q, m)
        """
        q = len(self.factors[place])
        out = np.empty((q, q, len(levels)))
        step = max(1, ASKED // q)
        for start in range(0, len(levels), step):
            asked = levels[start : start + step]
            columns = self._touched(place, asked)
            solved = self.schur.core_solution(columns)
            shape = (self.sparse.n2, len(asked), q)
            blocks = np.einsum("nja,njb->abj", columns.reshape(shape), solved.reshape(shape))
            if place == 0:
                blocks += self.schur.N[..., asked]
            out[..., start : start + step] = blocks
        return (out + out.swapaxes(0, 1)) / 2

    # --- pieces -----------------------------------------------------------------------------

    def _touched(self, place: int, levels: IntArray) -> FloatArray:
        """Return the core's entries of columns (n2, m q) whose products with S^-1 are asked for.

        Of the core's own levels these are unit columns, of the first factor's C'N.
        """
        q, each = len(self.factors[place]), np.arange(len(levels))
        if place > 0:
            columns = np.zeros((self.sparse.n2, len(levels) * q))
            first = self.sparse.places[place - 1].start + q * levels
            for a in range(q):
                columns[first + a, each * q + a] = 1.0
            return columns
        units = np.zeros((q, self.sparse.level.A.shape[2], len(levels) * q))
        for a, b in np.ndindex(q, q):
            units[b, levels, each * q + a] = self.schur.N[b, a, levels]
        return self.sparse.from_first(units)

    def _solved(self, first: FloatArray, core: FloatArray) -> Columns:
        left = core - self.sparse.from_first(by_level(self.schur.N, first))
        return Columns(first, left, self.schur.core_solution(left))

    def _inner(self, a: Columns, b: Columns) -> FloatArray:
        """Return a'N b over all factors, N = Lambda M^-1 Lambda'."""
        own = by_level(self.schur.N, b.first)
        return np.asarray(np.tensordot(a.first, own, axes=((0, 1), (0, 1))) + a.core.T @ b.solution)

    def _information_samples(self) -> list[FloatArray]:
        """Return the exact parts plus what each probe sees of the rest."""
        factors = filled(self.factors, self.sparse)
        same = all(a is b for a, b in zip(factors, self.factors, strict=True))
        schur = self.schur if same else ScaledSchur(self.sparse, factors)
        own = [F @ F.swapaxes(1, 2) for F in schur.F.arrays]
        R = schur.R
        given = np.einsum("acj,cdj,bdj->ab", R, self.sparse.first_blocks(own), R, optimize=True)
        exact = [schur.K.sum(axis=2) - given]
        for K, Lam in zip(schur.K_d, schur.lambdas, strict=True):
            exact.append(sweep(np.moveaxis(K, 0, 2), Lam)[1].sum(axis=2))
        seen_by = _Traces(schur)
        known = [samples.sum(axis=0) for samples in seen_by.of(schur.constant_part())]
        found = [seen_by.of(seen) for seen in schur.probes(self.seed, self.probes)]
        return [
            e - k - np.concatenate(samples)
            for e, k, samples in zip(exact, known, zip(*found, strict=True), strict=True)
        ]


class _Traces:
    """What columns see of the traces beyond the exact blocks."""

    def __init__(self, schur: ScaledSchur) -> None:
        self.schur, self.root = schur, _core_root(schur)

    def of(self, seen: Seen) -> list[FloatArray]:
        """Return each column's part (k, q, q) per factor."""
        schur, sparse = self.schur, self.schur.sparse
        left = by_level(schur.R, sparse.to_first(schur.F.times(seen.z)))
        right = by_level(schur.R, sparse.to_first(schur.F.times(seen.more - seen.off)))
        z, more = self.root.times(seen.z), self.root.times(seen.more)
        return [
            _sums(left, right),
            *(_sums(_by_place(place, z), _by_place(place, more)) for place in sparse.places),
        ]


def _by_place(place: Place, x: FloatArray) -> FloatArray:
    """Return one factor's rows of x (n2, k) as (q, J, k)."""
    return x[place.span].reshape(place.n_levels, place.q, x.shape[1]).swapaxes(0, 1)


def _core_root(schur: ScaledSchur) -> LevelBlocks:
    """Return Lambda^-T L^-T of every level."""
    arrays = [
        np.linalg.inv(Lam).T @ L.swapaxes(1, 2)
        for Lam, L in zip(schur.lambdas, schur.L_inverse.arrays, strict=True)
    ]
    return LevelBlocks(schur.sparse.places, arrays)


def _outer(u: FloatArray, v: FloatArray) -> FloatArray:
    """Return u v' summed over probes, symmetric: (q, J, k) twice -> (q, q, J)."""
    out = np.einsum("ajk,bjk->abj", u, v)
    return np.asarray((out + out.transpose(1, 0, 2)) / 2.0)


def _sums(u: FloatArray, v: FloatArray) -> FloatArray:
    """Return u v' summed over levels, symmetric: (q, J, k) twice -> (k, q, q)."""
    out = np.einsum("ajk,bjk->kab", u, v)
    return np.asarray((out + out.transpose(0, 2, 1)) / 2.0)
