"""The block elimination against dense algebra on the same blocks."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import block_diag

from mlpool.engine.factorization import core_rows as corerows
from mlpool.engine.factorization.block_cholesky import Elimination, Reduced, sweep, z_products
from mlpool.engine.factorization.dense_core import congruence
from mlpool.engine.lmm.several_factors_sums import SeveralParts
from mlpool.engine.types import Control
from tests.engine.several_designs import SPECS, several_data

ALL = pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS.keys())


class Dense:
    """All of [Z X y]'[Z X y] as one matrix, factors in the order of elimination, level by level."""

    def __init__(self, parts: SeveralParts) -> None:
        self.blocks = parts.blocks
        self.shapes = [level.A.shape[1:] for level in self.blocks.levels]
        if self.blocks.core is not None:
            self.shapes += [(p.q, p.n_levels) for p in self.blocks.core.places]
        self.size = sum(q * J for q, J in self.shapes)
        products, _ = z_products(self.blocks, self.columns(np.eye(self.size)))
        self.ZZ = self.flat(products)
        core = None if self.blocks.core is None else self.blocks.core.W
        self.W = self.flat(Reduced(levels=[level.W for level in self.blocks.levels], core=core))

    def columns(self, x: np.ndarray) -> Reduced:
        """Columns (size, k) in the shape that the elimination takes."""
        at, levels = 0, []
        for q, J in self.shapes[: len(self.blocks.levels)]:
            levels.append(x[at : at + q * J].reshape(J, q, -1).transpose(1, 0, 2).copy())
            at += q * J
        return Reduced(levels=levels, core=x[at:].copy() if self.blocks.core is not None else None)

    def flat(self, x: Reduced) -> np.ndarray:
        parts = [level.transpose(1, 0, 2).reshape(-1, level.shape[2]) for level in x.levels]
        return np.concatenate(parts + ([] if x.core is None else [x.core]))

    def lambdas(self, factors: tuple[np.ndarray, ...]) -> np.ndarray:
        return block_diag(
            *[lam for lam, (_, J) in zip(factors, self.shapes, strict=True) for _ in range(J)]
        )


def prepared(spec, size: float = 1.0) -> tuple[Dense, tuple[np.ndarray, ...]]:
    parts, _ = SeveralParts.from_data(several_data(spec, 5, weights=True), Control(), None)
    dense = Dense(parts)
    rng = np.random.default_rng(2)
    factors = tuple(np.tril(rng.uniform(0.2, 0.9, (q, q))) * size for q, _ in dense.shapes)
    return dense, factors


@pytest.mark.parametrize("full", [2.0, 0.0], ids=["sparse", "full"])
@pytest.mark.parametrize("size", [1.0, 1e-4, 0.0])
@ALL
def test_elimination_is_the_dense_inverse(monkeypatch, spec, size, full):
    monkeypatch.setattr(corerows, "FULL", full)
    dense, factors = prepared(spec, size)
    Lam = dense.lambdas(factors)
    M = Lam.T @ dense.ZZ @ Lam + np.eye(dense.size)
    N = Lam @ np.linalg.solve(M, Lam.T)
    K = dense.ZZ - dense.ZZ @ N @ dense.ZZ
    found = Elimination(dense.blocks, factors)
    assert found.logdet == pytest.approx(np.linalg.slogdet(M)[1], rel=1e-11, abs=1e-11)
    x = dense.columns(dense.W)
    reduced = found.reduce(x.levels, x.core)
    assert found.inner(reduced, reduced) == pytest.approx(dense.W.T @ N @ dense.W, abs=1e-8)
    modes, rest = found.residuals(reduced)
    assert dense.flat(modes) == pytest.approx(N @ dense.W, abs=1e-8)
    assert dense.flat(rest) == pytest.approx(dense.W - dense.ZZ @ N @ dense.W, abs=1e-8)
    selected = found.select()
    at = 0
    for i, (q, J) in enumerate(dense.shapes):
        own = [slice(at + j * q, at + (j + 1) * q) for j in range(J)]
        at += q * J
        sum_K = sum(K[s, s] for s in own)
        if i < len(found.levels):
            done, form = found.levels[i], selected.quadratic[i]
            blocks = selected.N[i]
            ours = done.K - np.einsum("acj,cdj,bdj->abj", done.R, form, done.R)
            assert ours.sum(axis=2) == pytest.approx(sum_K, rel=1e-8, abs=1e-8)
        else:
            blocks = found.core.diagonal_blocks(i - len(found.levels))
            ours = found.core.information(i - len(found.levels))
            assert ours == pytest.approx(sum_K, rel=1e-8, abs=1e-8)
        for j, s in enumerate(own):
            assert blocks[:, :, j] == pytest.approx(N[s, s], abs=1e-10)


@pytest.mark.parametrize("q", [1, 2, 4])
@pytest.mark.parametrize("scale", [1.0, 0.0, 1e2])
def test_sweep_is_the_small_inverse(q, scale):
    rng = np.random.default_rng(q)
    Z = rng.normal(size=(6, 5, q))
    Z[0, 1:] = 0.0  # one row only: a singular A
    A = np.einsum("jna,jnb->abj", Z, Z)
    Lam = np.tril(rng.normal(size=(q, q))) * scale
    R, K, N, logdet = sweep(A, Lam)
    total = 0.0
    for j in range(6):
        B = np.eye(q) + A[:, :, j] @ Lam @ Lam.T
        inverse = np.linalg.inv(B)
        total += np.linalg.slogdet(B)[1]
        size = max(1.0, scale**2)
        assert R[:, :, j] == pytest.approx(inverse, abs=1e-9)
        assert K[:, :, j] == pytest.approx(inverse @ A[:, :, j], abs=1e-9)
        assert N[:, :, j] == pytest.approx(Lam @ Lam.T @ inverse, rel=1e-6, abs=1e-9 * size)
    assert logdet == pytest.approx(total, rel=1e-10, abs=1e-12)


def test_congruence_is_the_product_with_a_block_diagonal():
    dense, factors = prepared(SPECS["partly nested slopes"])
    core = dense.blocks.core
    own = factors[len(dense.blocks.levels) :]
    F = block_diag(*[f for f, p in zip(own, core.places, strict=True) for _ in range(p.n_levels)])
    S = core.A.toarray()
    ours = congruence(np.asfortranarray(S), core.places, own)
    assert np.tril(ours) == pytest.approx(np.tril(F.T @ S @ F), abs=1e-10)
