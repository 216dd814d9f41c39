"""The profiled deviance at many theta at once: what a look around an optimum needs.

For few clusters one evaluation is a hundred small calls of NumPy, whatever they work on; for a
stack of theta the calls are the same hundred. The equations are those of
:mod:`mlpool.engine.lmm.one_factor` and :mod:`mlpool.engine.lmm.several_factors`, values alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from mlpool.engine.factorization.cluster_elimination import ClusterBlocks, SizeGroups
from mlpool.typing import FloatArray

MANY_COLUMNS = 30
"""Fixed effects from which one deviance is work enough for itself."""
STACK = 200_000
"""Numbers held at once: what fits into the processor's cache."""


def values_of_blocks(
    blocks: ClusterBlocks | SizeGroups, within: FloatArray, Lam: FloatArray, m: int, reml: bool
) -> FloatArray:
    """Return the deviances (B,) of one factor at stacked Lambda (B, q, any); +inf where none."""
    with np.errstate(over="ignore", invalid="ignore"):
        if isinstance(blocks, SizeGroups):
            return profiled_values(*_schur_of_sizes(blocks, within, Lam), m, reml)
        step = max(1, STACK // (blocks.F.size + blocks.H.size))
        parts = [
            profiled_values(*_schur(blocks, within, Lam[first : first + step]), m, reml)
            for first in range(0, len(Lam), step)
        ]
    return np.concatenate(parts)


class _Solved(Protocol):
    @property
    def value(self) -> float: ...


def value_or_inf(solve: Callable[[FloatArray], _Solved], theta: FloatArray) -> float:
    """Return the deviance of one theta; +inf where it does not exist."""
    try:
        return solve(theta).value
    except np.linalg.LinAlgError:
        return np.inf


def _schur(
    blocks: ClusterBlocks, within: FloatArray, Lam: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return log-determinants (B,) and S (B, k, k): the columns of Lambda one after another."""
    q, k, J = blocks.H.shape
    B = len(Lam)
    F = np.broadcast_to(blocks.F, (B, q, q, J)).copy()
    G = np.broadcast_to(blocks.H, (B, q, k, J)).copy()
    logdet = np.zeros(B)
    for c in range(Lam.shape[2]):
        lam = np.ascontiguousarray(Lam[:, None, :, c])
        f = (lam @ F.reshape(B, q, q * J)).reshape(B, q, J)
        d = 1.0 + np.einsum("zaj,zaj->zj", f, f)
        logdet += np.log(d).sum(axis=1)
        root = np.sqrt(d)[:, None]
        if q == 1:
            F /= root[:, None]
            G /= root[:, None]
            continue
        share = f / (d[:, None] + root)
        along = np.einsum("zaj,zakj->zkj", f, G)
        into = np.einsum("zabj,zbj->zaj", F, f)
        G -= share[:, :, None] * along[:, None]
        F -= into[:, :, None] * share[:, None]
    rows = G.swapaxes(1, 2).reshape(B, k, q * J)
    return logdet, within + rows @ rows.swapaxes(1, 2)


def _schur_of_sizes(
    blocks: SizeGroups, within: FloatArray, Lam: FloatArray
) -> tuple[FloatArray, FloatArray]:
    variance = (Lam**2).sum(axis=(1, 2))[:, None]
    d = 1.0 + variance * blocks.size
    between = (1.0 / d) @ blocks.HH.reshape(len(blocks.size), -1)
    return np.log(d) @ blocks.count, within + between.reshape(-1, *within.shape)


def profiled_values(logdet: FloatArray, S: FloatArray, m: int, reml: bool) -> FloatArray:
    """Return the deviances (B,) of stacked S (B, p + 1, p + 1); +inf where there is none."""
    S = (S + S.swapaxes(1, 2)) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        for j in range(S.shape[1] - 1):
            pivot = S[:, j, j]
            row = S[:, j, j + 1 :]
            S[:, j + 1 :, j + 1 :] -= row[:, :, None] * (row / pivot[:, None])[:, None]
        pivots = np.einsum("bii->bi", S)
        value = logdet + m * (1.0 + np.log(2.0 * np.pi * pivots[:, -1] / m))
        if reml:
            value = value + np.log(pivots[:, :-1]).sum(axis=1)
    return np.where((pivots > 0).all(axis=1) & np.isfinite(value), value, np.inf)
