"""The elimination of several factors at one theta, and what follows from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlpool.engine.factorization.block_cholesky import Elimination, Reduced, z_products
from mlpool.engine.factorization.blocks import Blocks
from mlpool.typing import FloatArray


@dataclass(frozen=True, slots=True)
class ForwardPass:
    """The factorisation of V at one theta by blocks, and [X y] after its forward pass."""

    factor: Elimination
    reduced: Reduced

    @classmethod
    def of(cls, blocks: Blocks, factors: tuple[FloatArray, ...]) -> ForwardPass:
        """Eliminate at Lambda of every factor."""
        factor, core = Elimination(blocks, factors), blocks.core
        levels = [level.W for level in blocks.levels]
        return cls(factor, factor.reduce(levels, None if core is None else core.W))

    @property
    def logdet(self) -> float:
        """log|V|."""
        return self.factor.logdet

    def schur_of(self, total: FloatArray) -> FloatArray:
        """Return [X y]'V^-1 [X y] from [X y]'[X y]."""
        return total - self.factor.inner(self.reduced, self.reduced)

    def rest(self) -> Reduced:
        """Return Z'V^-1 [X y] of every factor."""
        return self.factor.residuals(self.reduced)[1]

    def informations(self) -> list[FloatArray]:
        """Return the sum over levels of the diagonal blocks of Z'V^-1 Z, (q, q) per factor."""
        out = []
        quadratic = self.factor.select().quadratic
        for done, q_form in zip(self.factor.levels, quadratic, strict=True):
            R = done.R
            taken = np.einsum("acj,cdj,bdj->ab", R, q_form, R, optimize=True)
            out.append(done.K.sum(axis=2) - taken)
        core = self.factor.core
        return out if core is None else out + [core.information(i) for i in range(len(core.places))]

    def covariance_blocks(self) -> list[FloatArray]:
        """Return the diagonal blocks of Lambda M^-1 Lambda', (q, q, J) per factor."""
        blocks, core = list(self.factor.select().N), self.factor.core
        if core is not None:
            blocks += [core.diagonal_blocks(i) for i in range(len(core.places))]
        return blocks

    def along(self, steps: Reduced) -> tuple[FloatArray, FloatArray]:
        """Return (Z t)'V^-1 (Z t) and (Z t)'V^-1 [X y] for columns t of random effects."""
        products, W = z_products(self.factor.blocks, steps)
        reduced = self.factor.reduce(products.levels, products.core)
        inner = self.factor.inner
        S = _inner(steps, products) - inner(reduced, reduced)
        return S, W - inner(reduced, self.reduced)


def _inner(t: Reduced, x: Reduced) -> FloatArray:
    out = sum(
        np.tensordot(a, b, axes=((0, 1), (0, 1))) for a, b in zip(t.levels, x.levels, strict=True)
    )
    if t.core is not None and x.core is not None:
        out = out + t.core.T @ x.core
    return np.asarray(out)
