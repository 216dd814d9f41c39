"""Block elimination of V = I + Z Sigma Z' for a nested chain and a dense core of random effects.

With Sigma = Lambda Lambda' block-diagonal and the blocks of Z'Z from
:mod:`mlpool.engine.factorization.blocks`, per level j of a chain factor
(what finer factors left of A, of the cross-products U with coarser factors, C with the core and D
with any other columns)

    R = (I + A Sigma)^-1        K = R A        N = Sigma R = Lambda M^-1 Lambda'
    A_up -= U'N U     U_up -= U'N U_next     C_up -= U'N C     D_up -= U'N D     (its parents)
    S    -= C'N C     D_core -= C'N D                                            (the core)

The core is S, what is left of its Z'Z, with M = Lambda'S Lambda + I = L L' (dpotrf). Then
log|V| = sum log|I + A Sigma| + log|M| (Bates et al. 2015, JSS 67(1), eqs. 17-18). Nothing is
divided by Sigma: it may be singular.

Backwards, the blocks of N = Lambda M^-1 Lambda' over *all* factors that derivatives and
conditional variances need follow from the core outwards (Takahashi, Fagan & Chin 1973): with
B = [U C] and X the blocks of N for what B touches,

    N_j,later = -N_j B X                    N_jj = N_j + N_j (B X B') N_j
    Z_j'V^-1 Z_j = K_j - R_j (B X B') R_j'
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlpool.engine.factorization.blocks import Blocks, ChainLevel
from mlpool.engine.factorization.dense_core import DenseCore
from mlpool.engine.factorization.small_matrices import multiply, transpose
from mlpool.typing import FloatArray, IntArray


@dataclass(slots=True, kw_only=True)
class Level:
    """One eliminated factor: what finer factors left of its blocks, and what eliminates it.

    Attributes
    ----------
    R, K, N : ndarray (q, q, J)
    up : list of ndarray (q, J, q_coarse)
    C : ndarray (q, nnz) or None
        Values on the pattern of the level's core rows; None where there is no core.
    """

    R: FloatArray
    K: FloatArray
    N: FloatArray
    up: list[FloatArray]
    C: FloatArray | None


@dataclass(slots=True, kw_only=True)
class Reduced:
    """Columns after the forward pass: Z'x of every factor without what finer ones explain.

    Attributes
    ----------
    levels : list of ndarray (q, J, k)
    core : ndarray (n2, k) or None
    """

    levels: list[FloatArray]
    core: FloatArray | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Selected:
    """Blocks of the inverse: the quadratic forms and N of every level of the chain.

    Attributes
    ----------
    quadratic : tuple of ndarray (q, q, J)
        B X B'.
    N : tuple of ndarray (q, q, J)
        Diagonal blocks of Lambda M^-1 Lambda' (conditional covariances over sigma^2).
    across : dict from (int, int) to ndarray (q, J, q_coarse)
        Blocks between a factor of the chain and a coarser one.
    core : tuple of ndarray (q, nnz) or None
        Blocks between a factor of the chain and the core, on the pattern of its core rows; of the
        finest factor only where every block was asked for.
    """

    quadratic: tuple[FloatArray, ...]
    N: tuple[FloatArray, ...]
    across: dict[tuple[int, int], FloatArray]
    core: tuple[FloatArray | None, ...]


class _Left:
    """What is left of every factor's A, up and C while finer ones are eliminated."""

    def __init__(self, blocks: Blocks) -> None:
        self.A = [level.A for level in blocks.levels]
        self.up = [list(level.up) for level in blocks.levels]
        self.C = [None if level.C is None else level.C.values for level in blocks.levels]

    def take_off(self, level: ChainLevel, done: Level, i: int) -> None:
        """Take what the eliminated factor i explains off its parents."""
        for m, (parent, U) in enumerate(zip(level.parents, done.up, strict=True), start=i + 1):
            NU, J = _apply(done.N, U), self.A[m].shape[2]
            self.A[m] = self.A[m] - to_parents(parent, U, NU, J).transpose(0, 2, 1)
            for further in range(m + 1, len(self.A)):
                Nx = _apply(done.N, done.up[further - i - 1])
                at = further - m - 1
                self.up[m][at] = self.up[m][at] - to_parents(parent, U, Nx, J)
            current = self.C[m]
            if current is not None and level.C is not None and done.C is not None:
                change = np.einsum("aes,ae->se", NU[:, level.C.rows], done.C)
                lift, nnz = level.C.lift[m - i - 1], current.shape[1]
                self.C[m] = current - np.stack([np.bincount(lift, c, nnz) for c in change])


class Elimination:
    """The factorisation of V at one Sigma.

    Parameters
    ----------
    blocks : Blocks
    factors : tuple of ndarray
        Lambda of the chain's factors (q, any number of columns), then of the core's (q, q).

    Attributes
    ----------
    logdet : float
        log|V|.
    """

    def __init__(self, blocks: Blocks, factors: tuple[FloatArray, ...]) -> None:
        self.blocks = blocks
        self.levels: list[Level] = []
        self.logdet = 0.0
        left = _Left(blocks)
        gram: FloatArray | None = None
        for i, level in enumerate(blocks.levels):
            R, K, N, logdet = sweep(left.A[i], factors[i])
            self.logdet += logdet
            self.levels.append(Level(R=R, K=K, N=N, up=left.up[i], C=left.C[i]))
            if level.C is not None:
                taken = level.C.gram(N, None if i == 0 else left.C[i])
                gram = taken if gram is None else gram + taken
            left.take_off(level, self.levels[i], i)
        self.core: DenseCore | None = None
        if blocks.core is not None and gram is not None:
            self.core = DenseCore(blocks.core, gram, factors[len(blocks.levels) :])
            self.logdet += self.core.logdet

    # --- columns ----------------------------------------------------------------------------

    def reduce(self, levels: list[FloatArray], core: FloatArray | None) -> Reduced:
        """Run the forward pass over columns Z'x, one (q, J, k) per level and (n2, k)."""
        levels, core = list(levels), core
        for i, (level, done) in enumerate(zip(self.blocks.levels, self.levels, strict=True)):
            Nx = _apply(done.N, levels[i])
            for m, (parent, U) in enumerate(zip(level.parents, done.up, strict=True), start=i + 1):
                levels[m] = levels[m] - to_parents(parent, U, Nx, levels[m].shape[1])
            if level.C is not None and core is not None and done.C is not None:
                C = level.C.matrix(done.C)
                core = core - C.T @ Nx.reshape(-1, Nx.shape[2])
        return Reduced(levels=levels, core=core)

    def inner(self, a: Reduced, b: Reduced) -> FloatArray:
        """Return what the random effects explain of the products of two sets of columns."""
        out = np.zeros((a.levels[0].shape[2], b.levels[0].shape[2]))
        for left, right, done in zip(a.levels, b.levels, self.levels, strict=True):
            out += np.tensordot(left, _apply(done.N, right), axes=((0, 1), (0, 1)))
        if self.core is not None and a.core is not None and b.core is not None:
            out += a.core.T @ self.core.solve(b.core)
        return out

    def residuals(self, x: Reduced) -> tuple[Reduced, Reduced]:
        """Return (Lambda M^-1 Lambda'Z'x, Z'V^-1 x) of every factor, the backward pass."""
        modes, rest = list(x.levels), list(x.levels)
        core_modes = core_rest = None
        if self.core is not None and x.core is not None:
            core_modes = self.core.solve(x.core)
            core_rest = x.core - self.core.multiply(core_modes)
        for i in reversed(range(len(self.levels))):
            level, done = self.blocks.levels[i], self.levels[i]
            right = x.levels[i]
            for m, (parent, U) in enumerate(zip(level.parents, done.up, strict=True), start=i + 1):
                right = right - _from_parents(parent, U, modes[m])
            if level.C is not None and core_modes is not None and done.C is not None:
                right = right - (level.C.matrix(done.C) @ core_modes).reshape(right.shape)
            modes[i], rest[i] = _apply(done.N, right), _apply(done.R, right)
        return Reduced(levels=modes, core=core_modes), Reduced(levels=rest, core=core_rest)

    # --- blocks of the inverse --------------------------------------------------------------

    def select(self, *, every: bool = False) -> Selected:
        """Return the blocks of the inverse that the chain's factors need.

        With `every` also those between the finest factor and the core, which rows need.
        """
        count = len(self.levels)
        quadratic: list[FloatArray] = [np.empty(0)] * count
        N: list[FloatArray] = [np.empty(0)] * count
        across: dict[tuple[int, int], FloatArray] = {}
        core: list[FloatArray | None] = [None] * count
        for i in reversed(range(count)):
            level, done = self.blocks.levels[i], self.levels[i]
            T = self._touched(i, N, across, core)
            q_form = np.zeros_like(done.N)
            for U, t in zip(done.up, T, strict=True):
                for k in range(U.shape[2]):
                    q_form += t[:, None, :, k] * U[None, :, :, k]
            if level.C is not None and self.core is not None and done.C is not None:
                q_form += self._core_form(i, core, every)
            quadratic[i] = (q_form + transpose(q_form)) / 2
            N[i] = done.N + multiply(multiply(done.N, quadratic[i]), done.N)
            for m, t in enumerate(T, start=i + 1):
                across[i, m] = -_apply(done.N, t)
        return Selected(quadratic=tuple(quadratic), N=tuple(N), across=across, core=tuple(core))

    def _touched(
        self,
        i: int,
        N: list[FloatArray],
        across: dict[tuple[int, int], FloatArray],
        core: list[FloatArray | None],
    ) -> list[FloatArray]:
        """B X for the columns of each coarser factor, (q, J, q_coarse)."""
        level, done = self.blocks.levels[i], self.levels[i]
        out = []
        later = range(i + 1, len(self.levels))
        for m in later:
            t = np.zeros_like(done.up[m - i - 1])
            for other in later:
                parent, U = level.parents[other - i - 1], done.up[other - i - 1]
                if other == m:
                    X = N[m][:, :, parent].transpose(0, 2, 1)
                elif other < m:
                    X = across[other, m][:, parent]
                else:
                    X = across[m, other][:, level.parents[m - i - 1]].transpose(2, 1, 0)
                t += _times(U, X)
            later_core = core[m]
            if level.C is not None and later_core is not None and done.C is not None:
                X = later_core[:, level.C.lift[m - i - 1]]
                t += level.C.row_products(done.C, X).transpose(0, 2, 1)
            out.append(t)
        return out

    def _core_form(self, i: int, core: list[FloatArray | None], every: bool) -> FloatArray:
        """Return the part of B X B' that ends in the core; keeps N_j,core for finer factors."""
        level, done = self.blocks.levels[i], self.levels[i]
        rows, C = level.C, done.C
        assert rows is not None and C is not None and self.core is not None
        X = self.core.inverse()
        if i == 0 and not level.up and not every:
            return rows.quadratic(X)
        T = np.zeros_like(C)
        for m, U in enumerate(done.up, start=i + 1):
            later = core[m]
            assert later is not None
            T += np.einsum("aes,se->ae", U[:, rows.rows], later[:, rows.lift[m - i - 1]])
        if i == 0 and not every:
            return rows.quadratic(X) + rows.row_products(T, C)
        T += rows.times(X, C)
        core[i] = -rows.left_multiply(done.N, T)
        return rows.row_products(T, C)


def sweep(A: FloatArray, Lam: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, float]:
    """Return R, K, N (q, q, J) and sum log|I + A Sigma|.

    N = Lambda M^-1 Lambda' from the Cholesky factor of M = Lambda'A Lambda + I, which is never
    singular: N keeps all digits where Lambda is huge, and the core depends on them.
    """
    q, _, J = A.shape
    if q == 1:
        variance = float(Lam[0] @ Lam[0])
        # The same numbers without the cancellation of 1 - lambda^2 A / d.
        R = 1.0 / (1.0 + variance * A)
        return R, R * A, variance * R, -float(np.log(R).sum())
    used = Lam[:, Lam.any(axis=0)]
    M = multiply(multiply(np.ascontiguousarray(used.T)[..., None], A), used[..., None])
    B = np.repeat(used.T[..., None], J, axis=2)
    logdet = 0.0
    for c in range(len(M)):
        pivot = M[c, c] + 1.0
        for b in range(c):
            pivot = pivot - M[c, b] ** 2
            B[c] -= M[c, b] * B[b]
        root = np.sqrt(pivot)
        logdet += 2.0 * float(np.log(root).sum())
        B[c] /= root
        for r in range(c + 1, len(M)):
            for b in range(c):
                M[r, c] -= M[r, b] * M[c, b]
            M[r, c] /= root
    N = np.einsum("caj,cbj->abj", B, B)
    R = -multiply(A, N)
    R[np.arange(q), np.arange(q)] += 1.0
    K = multiply(R, A)
    return R, (K + transpose(K)) / 2, N, logdet


def _apply(N: FloatArray, x: FloatArray) -> FloatArray:
    """Return N_j x_j; (q, q, J) x (q, J, k) -> (q, J, k)."""
    out = N[:, 0, :, None] * x[0]
    for b in range(1, len(x)):
        out += N[:, b, :, None] * x[b]
    return np.asarray(out)


def to_parents(parent: IntArray, U: FloatArray, x: FloatArray, J: int) -> FloatArray:
    """Sum U'x over the levels within each coarse level: (q_coarse, J_coarse, k)."""
    out = np.empty((U.shape[2], J, x.shape[2]))
    for s in range(U.shape[2]):
        product = U[0, :, s, None] * x[0]
        for a in range(1, len(U)):
            product += U[a, :, s, None] * x[a]
        for k in range(x.shape[2]):
            out[s, :, k] = np.bincount(parent, product[:, k], J)
    return out


def _from_parents(parent: IntArray, U: FloatArray, x: FloatArray) -> FloatArray:
    """Return U x of the coarse level that each level lies in: (q, J, k)."""
    return _times(U, x[:, parent])


def _times(U: FloatArray, x: FloatArray) -> FloatArray:
    """Return U_j x_j; (q, J, s) x (s, J, k) -> (q, J, k). Loops over s: einsum is slower here."""
    out = U[:, :, 0, None] * x[0]
    for s in range(1, len(x)):
        out += U[:, :, s, None] * x[s]
    return np.asarray(out)


def z_products(blocks: Blocks, t: Reduced) -> tuple[Reduced, FloatArray]:
    """Return Z'Z t of every factor and (Z t)'[X y] (k, r) for columns t of random effects."""
    levels, core = blocks.levels, blocks.core
    out = [_apply(level.A, x) for level, x in zip(levels, t.levels, strict=True)]
    W = np.zeros((out[0].shape[2], blocks.total.shape[0]))
    for i, level in enumerate(levels):
        W += np.tensordot(t.levels[i], level.W, axes=((0, 1), (0, 1)))
        for m, (parent, U) in enumerate(zip(level.parents, level.up, strict=True), start=i + 1):
            out[i] += _from_parents(parent, U, t.levels[m])
            out[m] += to_parents(parent, U, t.levels[i], out[m].shape[1])
    if core is None or t.core is None:
        return Reduced(levels=out, core=None), W
    rest = np.asarray(core.A @ t.core)
    W += t.core.T @ core.W
    for i, level in enumerate(levels):
        assert level.C is not None
        C = level.C.matrix(level.C.values)
        out[i] += np.asarray(C @ t.core).reshape(out[i].shape)
        rest += np.asarray(C.T @ t.levels[i].reshape(-1, out[i].shape[2]))
    return Reduced(levels=out, core=rest), W
