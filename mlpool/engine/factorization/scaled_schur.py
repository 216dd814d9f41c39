"""What eliminating the largest factor leaves of V, in columns in which it is nearly the identity.

With K of :mod:`mlpool.engine.factorization.sparse_core`, K_d its diagonal blocks, one level's
D = I + Lambda'K_d Lambda = L L' and F = Lambda L^-T,

    S = I + Lambda'K Lambda        T = L^-1 S L^-T = L^-1 L^-T + F'K F        T = I + T_o

T_o has no diagonal blocks: they are exact and gone. Conjugate gradients on T are those on S with
its block diagonal as preconditioner (block Jacobi). For ratings spread over users and items T_o is
small however many there are, up to the columns that are constant over all levels, so the
iterations do not grow with the rows (Ghosh, Hastie & Owen 2022, Ann. Statist. 50, 560-583).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mlpool.engine.factorization.block_cholesky import sweep
from mlpool.engine.factorization.conjugate_gradients import EXACT, conjugate_gradients
from mlpool.engine.factorization.sparse_core import LevelBlocks, SparseCore
from mlpool.typing import FloatArray

PROBES = 8
"""Probes that are drawn and solved together: enough for a sparse product to pay."""
SMALL = 1e-6
"""Residual of what probes add to the exact blocks, as a share of it: far below their own noise."""
MOST_PARTS = 64
"""Parts of a design whose constants are taken out one by one."""
ROUNDING = 1e-8
"""Length of a column, without those before it, that is none: the square root of rounding."""
HARDLY = 1e-4
"""Smallest singular value of Lambda, as a share of the size at which a typical level's own rows
weigh as much as its prior, below which probes see that size: S^-1 shows less only as rounding. The
trace that they estimate changes by the square of this share."""


class ScaledSchur:
    """T at one Lambda of every factor.

    Parameters
    ----------
    sparse : SparseCore
    factors : tuple of ndarray (q, q)
        Lambda of the first factor, then of the core's.

    Attributes
    ----------
    R, K, N : ndarray (q1, q1, J1)
        Of the first factor: (I + A Sigma)^-1, Z'V_1^-1 Z, Lambda M^-1 Lambda'.
    K_d : list of ndarray (J, q, q)
        Diagonal blocks of K.
    logdet : float
        log|V| but for log|T|.
    """

    def __init__(self, sparse: SparseCore, factors: tuple[FloatArray, ...]) -> None:
        self.sparse, self.lambdas = sparse, factors[1:]
        self.R, self.K, self.N, logdet = sweep(sparse.level.A, factors[0])
        taken = sparse.gram_blocks(self.N)
        self.K_d = [A - B for A, B in zip(sparse.A_blocks, taken, strict=True)]
        roots, inverses = [], []
        for K, Lam in zip(self.K_d, self.lambdas, strict=True):
            L = np.asarray(np.linalg.cholesky(np.eye(len(Lam)) + Lam.T @ K @ Lam), np.float64)
            logdet += 2.0 * float(np.log(np.einsum("jaa->ja", L)).sum())
            roots.append(L)
            inverses.append(np.asarray(np.linalg.inv(L), np.float64))
        self.logdet = logdet
        places = sparse.places
        self.L = LevelBlocks(places, roots)
        self.L_inverse = LevelBlocks(places, inverses)
        self.own = LevelBlocks(places, [np.asarray(L @ L.swapaxes(1, 2)) for L in inverses])
        scaled = [Lam @ L.swapaxes(1, 2) for Lam, L in zip(self.lambdas, inverses, strict=True)]
        self.F = LevelBlocks(places, scaled)

    def effects_times(self, x: FloatArray) -> FloatArray:
        """Return K x (n2, k)."""
        return np.asarray(self.sparse.A @ x) - self.sparse.from_first(self.by_N(x))

    def by_N(self, x: FloatArray) -> FloatArray:
        """Return N C x (q1, J1, k)."""
        return by_level(self.N, self.sparse.to_first(x))

    def times(self, y: FloatArray) -> FloatArray:
        """Return T y (n2, k)."""
        out = self.F.transposed_times(self.effects_times(self.F.times(y)))
        out += self.own.times(y)
        return out

    def off_times(self, y: FloatArray) -> FloatArray:
        """Return T_o y (n2, k)."""
        return self.times(y) - y

    def solve(self, y: FloatArray, tol: float = EXACT) -> FloatArray:
        """Return T^-1 y (n2, k)."""
        return conjugate_gradients(self.times, y, tol)

    def core_solution(self, x: FloatArray) -> FloatArray:
        """Return Lambda S^-1 Lambda' x (n2, k)."""
        return self.F.times(self.solve(self.F.transposed_times(x)))

    @cached_property
    def constants(self) -> FloatArray:
        """Orthonormal columns (n2, r): effects that are constant over a part of the design.

        There T_o is large, which would be most of the probes' noise.
        """
        n_parts, part = self.sparse.connected_parts
        if n_parts > MOST_PARTS:
            n_parts, part = 1, np.zeros_like(part)
        columns = []
        for place in self.sparse.places:
            for c in range(place.q):
                own = slice(place.start + c, place.span.stop, place.q)
                u = np.zeros((self.sparse.n2, n_parts))
                u[own] = part[own, None] == np.arange(n_parts)
                columns.append(self.L.transposed_times(u))
        Q, R = np.linalg.qr(np.hstack(columns))
        size = np.abs(np.diag(R))
        return np.ascontiguousarray(Q[:, size > ROUNDING * size.max()])

    def project(self, x: FloatArray) -> FloatArray:
        """Return P x, P = I - U U' without the constant columns U."""
        return x - self.constants @ (self.constants.T @ x)

    def rest_of(self, z: FloatArray, tol: float) -> tuple[FloatArray, FloatArray]:
        """Return T_o z and (T^-1 - I + T_o) z, which is of second order in T_o."""
        off = self.off_times(z)
        return off, self.solve(self.off_times(off), tol)

    def constant_part(self) -> Seen:
        """Return what of T_o and of the second order has to do with U: B = U G' + G U' + P B P."""
        U = self.constants
        off, more = self.rest_of(U, EXACT)
        return Seen(2.0 * U, off - U @ (U.T @ off) / 2.0, more - U @ (U.T @ more) / 2.0)

    def probes(self, seed: int, count: int) -> Iterator[Seen]:
        """Yield batches of probes of what is left, P B P.

        A probe has independent signs and depends on the seed and its number alone.
        """
        for batch in range(-(-count // PROBES)):
            z = signs((seed, 1, batch), (self.sparse.n2, min(PROBES, count - batch * PROBES)))
            off, more = self.rest_of(self.project(z), SMALL)
            yield Seen(z, self.project(off), self.project(more))


@dataclass(frozen=True, slots=True)
class Seen:
    """Columns z (n2, k) with T_o z and (T^-1 - I + T_o) z.

    Means of z (B z)' over probes estimate B = T_o and the second order of T^-1; the diagonal
    blocks of T_o are zero.
    """

    z: FloatArray
    off: FloatArray
    more: FloatArray


def by_level(N: FloatArray, x: FloatArray) -> FloatArray:
    """Return N_j x_j: (q, q, J) x (q, J, k) -> (q, J, k)."""
    out = N[:, 0, :, None] * x[0]
    for b in range(1, len(x)):
        out += N[:, b, :, None] * x[b]
    return np.asarray(out)


def signs(seed: tuple[int, ...], shape: tuple[int, int]) -> FloatArray:
    """Return independent signs -1 and 1."""
    return np.asarray(2.0 * np.random.default_rng(seed).integers(0, 2, shape) - 1.0)


def filled(factors: tuple[FloatArray, ...], sparse: SparseCore) -> tuple[FloatArray, ...]:
    """Return Lambda of the core's factors without vanishing singular values.

    The inverse of Lambda enters the traces; see ``HARDLY``.
    """
    out = [factors[0]]
    for Lam, A in zip(factors[1:], sparse.A_blocks, strict=True):
        square = float(np.einsum("jaa->", A)) / (len(A) * len(Lam))
        size = 1.0 / np.sqrt(square) if square > 0.0 else 0.0
        U, s, Vt = np.linalg.svd(Lam)
        out.append(Lam if s[-1] >= HARDLY * size else (U * np.maximum(s, HARDLY * size)) @ Vt)
    return tuple(out)
