"""Exact traces tr(P V_i P V_j) for models with few random effects, by dense algebra.

With B = Z'P Z (REML; Z'V^-1 Z for ML), its blocks B_jm between level j of factor f and level m of
factor g, and V_i = Z_f (I x S_i) Z_f' with S_i = dSigma_f / d theta_i,

    tr(P V_i P V_j) = sum over j, m of  tr(S_i B_jm S_j B_jm')

which costs the cube of the number of random effects: nothing for a few hundred of them, where the
average information says little because there are few levels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import cholesky, solve_triangular

from mlpool.engine.factorization.block_cholesky import Reduced, z_products
from mlpool.engine.factorization.blocks import Blocks
from mlpool.engine.profiled_deviances import STACK
from mlpool.typing import FloatArray

LIMIT = 400
"""Most random effects that are treated as dense: one evaluation then takes below 10 ms."""


@dataclass(frozen=True, slots=True)
class DenseEffects:
    """Z'Z of all factors as one matrix: factors in the order of elimination, level by level.

    Attributes
    ----------
    shapes : tuple of (int, int)
        Columns and levels of every factor.
    A : ndarray (N, N)
        Z'Z.
    W : ndarray (N, p + 1)
        Z'[X y].
    """

    shapes: tuple[tuple[int, int], ...]
    A: FloatArray
    W: FloatArray

    @classmethod
    def of(cls, blocks: Blocks) -> DenseEffects:
        """Spread the blocks out."""
        shapes = effect_shapes(blocks)
        N = sum(q * J for q, J in shapes)
        identity, at, levels = np.eye(N), 0, []
        for q, J in shapes[: len(blocks.levels)]:
            part = identity[at : at + q * J].reshape(J, q, N)
            levels.append(np.ascontiguousarray(part.transpose(1, 0, 2)))
            at += q * J
        core = None if blocks.core is None else identity[at:]
        products, _ = z_products(blocks, Reduced(levels=levels, core=core))
        return cls(shapes, stacked(products), _columns(blocks))

    def with_columns(self, blocks: Blocks) -> DenseEffects:
        """Return the same effects with the columns [X y] of other blocks."""
        return replace(self, W=_columns(blocks))

    def projected(
        self, factors: tuple[FloatArray, ...], E_x: FloatArray | None, Phi: FloatArray
    ) -> FloatArray:
        """Return B = A - A Lambda M^-1 Lambda'A [- E_x Phi E_x'] (N, N)."""
        G = np.empty_like(self.A)
        for (q, J), lam, span in zip(self.shapes, factors, self.spans, strict=True):
            part = self.A[:, span].reshape(-1, J, q)
            G[:, span] = (part @ lam).reshape(len(G), q * J)
        M = np.empty_like(self.A)
        for (q, J), lam, span in zip(self.shapes, factors, self.spans, strict=True):
            part = G[span].reshape(J, q, -1)
            M[span] = (lam.T @ part).reshape(q * J, -1)
        M[np.diag_indices_from(M)] += 1.0
        half = solve_triangular(cholesky(M, lower=True), G.T, lower=True)
        B = self.A - half.T @ half
        return np.asarray(B if E_x is None else B - E_x @ Phi @ E_x.T)

    def products(self, B: FloatArray, f: int, g: int) -> FloatArray:
        """Return sum over levels of B[b, c] B[a, d] between two factors: (a, b, c, d)."""
        (q, J), (r, K) = self.shapes[f], self.shapes[g]
        spans = self.spans
        block = B[spans[f], spans[g]].reshape(J, q, K, r).transpose(1, 3, 0, 2).reshape(q * r, -1)
        return (block @ block.T).reshape(q, r, q, r).transpose(2, 0, 1, 3)

    @property
    def spans(self) -> list[slice]:
        """Where every factor's effects stand."""
        ends = np.cumsum([q * J for q, J in self.shapes])
        return [
            slice(int(end) - q * J, int(end)) for end, (q, J) in zip(ends, self.shapes, strict=True)
        ]


def _columns(blocks: Blocks) -> FloatArray:
    core = None if blocks.core is None else blocks.core.W
    return stacked(Reduced(levels=[level.W for level in blocks.levels], core=core))


def effect_shapes(blocks: Blocks) -> tuple[tuple[int, int], ...]:
    """Return columns and levels of every factor, chain first."""
    chain = [(level.A.shape[0], level.A.shape[2]) for level in blocks.levels]
    core = [] if blocks.core is None else [(p.q, p.n_levels) for p in blocks.core.places]
    return (*chain, *core)


def stacked(x: Reduced) -> FloatArray:
    """Return the columns of all factors below each other, level by level: (N, k)."""
    parts = [part.transpose(1, 0, 2).reshape(-1, part.shape[2]) for part in x.levels]
    return np.concatenate(parts if x.core is None else [*parts, x.core])


def values_of_effects(
    dense: DenseEffects, total: FloatArray, factors: list[FloatArray], m: int, reml: bool
) -> FloatArray:
    """Return the deviances (B,) of several factors at stacked Lambda, one (B, q, q) each.

    The Cholesky factor of the bordered matrix [Lambda'Z'Z Lambda + I, Lambda'W; W'Lambda, total]
    has all three determinants on its diagonal.
    """
    N, k = dense.W.shape
    step = max(1, STACK // (N + k) ** 2)
    parts = [
        _bordered(dense, total, [lam[first : first + step] for lam in factors], m, reml)
        for first in range(0, len(factors[0]), step)
    ]
    return np.concatenate([np.empty(0), *parts])


def _bordered(
    dense: DenseEffects, total: FloatArray, factors: list[FloatArray], m: int, reml: bool
) -> FloatArray:
    N, k = dense.W.shape
    B = len(factors[0])
    G = np.empty((B, N + k, N + k))
    left = np.empty((B, N, N + k))
    both = np.concatenate([dense.A, dense.W], axis=1)
    spans = dense.spans
    for (q, J), lam, span in zip(dense.shapes, factors, spans, strict=True):
        rows = lam.swapaxes(1, 2) @ both[span].reshape(J, q, -1).swapaxes(0, 1).reshape(q, -1)
        left[:, span] = rows.reshape(B, q, J, -1).swapaxes(1, 2).reshape(B, q * J, -1)
    for (q, J), lam, span in zip(dense.shapes, factors, spans, strict=True):
        columns = left[:, :, span].reshape(B, N * J, q) @ lam
        G[:, :N, span] = columns.reshape(B, N, q * J)
    G[:, np.arange(N), np.arange(N)] += 1.0
    G[:, N:, :N] = left[:, :, N:].swapaxes(1, 2)
    G[:, N:, N:] = total
    # Only the lower triangle is read.
    roots = np.log(np.einsum("bii->bi", _cholesky(G)))
    value = 2.0 * roots[:, :N].sum(axis=1) + m * (
        1.0 + np.log(2.0 * np.pi / m) + 2.0 * roots[:, -1]
    )
    if reml:
        value = value + 2.0 * roots[:, N:-1].sum(axis=1)
    return np.where(np.isfinite(value), value, np.inf)


def _cholesky(G: FloatArray) -> FloatArray:
    """Return the Cholesky factors of a stack; NaN where there is none."""
    try:
        return np.asarray(np.linalg.cholesky(G))
    except np.linalg.LinAlgError:
        if len(G) == 1:
            return np.full_like(G, np.nan)
        half = len(G) // 2
        return np.concatenate([_cholesky(G[:half]), _cholesky(G[half:])])
