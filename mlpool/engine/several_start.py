"""Starting values for several grouping factors by moments of the pooled residuals.

With e = y - X beta_OLS and h = Z'e, one equation per working column a of a factor f

    E sum_j h_fa,j^2 = sigma^2 tr(A_fa) + sum over all columns gb of  tau_gb^2 |Z_fa'Z_gb|^2
    E e'e            = sigma^2 (n - p)  + sum of tau_gb^2 tr(A_gb)

(Rao 1971's MINQUE with a start of zero, the degrees of freedom of beta left aside). The squared
lengths of the blocks are known from the sums, so this costs no factorisation.
"""

from __future__ import annotations

import numpy as np

from mlpool.engine.blocks import Blocks
from mlpool.typing import FloatArray, IntArray

LEAST, MOST = 0.05, 20.0
"""Range of the standard deviations (relative to the residual one) that a search starts from."""


def moment_deviations(blocks: Blocks, n: int) -> list[FloatArray]:
    """Return relative standard deviations of the working columns of every factor, chain first."""
    owner, sizes = _columns(blocks)
    squares = _squared_lengths(blocks, owner, sizes)
    p = blocks.total.shape[0] - 1
    beta = np.linalg.lstsq(blocks.total[:p, :p], blocks.total[:p, p], rcond=None)[0]
    v = np.append(-beta, 1.0)
    traces, moments = _moments(blocks, v)
    left = np.block([[squares, traces[:, None]], [traces[None, :], np.array([[float(n - p)]])]])
    right = np.append(moments, float(v @ blocks.total @ v))
    unit = np.sqrt(np.diag(left))
    found = np.linalg.lstsq(left / np.outer(unit, unit), right / unit, rcond=1e-12)[0] / unit
    rest = max(float(found[-1]), 0.1 * float(right[-1]) / max(n - p, 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.sqrt(np.clip(np.nan_to_num(found[:-1] / rest), LEAST**2, MOST**2))
    return np.split(relative, np.cumsum(sizes)[:-1])


def _columns(blocks: Blocks) -> tuple[IntArray, list[int]]:
    """First column of every factor, and its number of columns."""
    sizes = [level.A.shape[0] for level in blocks.levels]
    if blocks.core is not None:
        sizes += [place.q for place in blocks.core.places]
    return np.concatenate([[0], np.cumsum(sizes)]), sizes


def _moments(blocks: Blocks, v: FloatArray) -> tuple[FloatArray, FloatArray]:
    """tr(A) and sum of h^2 of every column."""
    traces, moments = [], []
    for level in blocks.levels:
        traces.append(np.einsum("aaj->a", level.A))
        moments.append(((level.W @ v) ** 2).sum(axis=1))
    if blocks.core is not None:
        h, a = blocks.core.W @ v, blocks.core.A.diagonal()
        for place in blocks.core.places:
            traces.append(a[place.span].reshape(-1, place.q).sum(axis=0))
            moments.append((h[place.span].reshape(-1, place.q) ** 2).sum(axis=0))
    return np.concatenate(traces), np.concatenate(moments)


def _squared_lengths(blocks: Blocks, first: IntArray, sizes: list[int]) -> FloatArray:
    """|Z_a'Z_b|^2 of every pair of working columns."""
    out = np.zeros((sum(sizes), sum(sizes)))
    count = len(blocks.levels)
    for i, level in enumerate(blocks.levels):
        own = slice(first[i], first[i + 1])
        out[own, own] = (level.A**2).sum(axis=2)
        for m, U in enumerate(level.up, start=i + 1):
            _put(out, own, slice(first[m], first[m + 1]), (U**2).sum(axis=1))
        if level.C is not None and blocks.core is not None:
            column = _core_column(blocks, first[count:])[level.C.cols]
            for a in range(sizes[i]):
                sums = np.bincount(column, level.C.values[a] ** 2, len(out))
                out[first[i] + a] += sums
                out[:, first[i] + a] += sums
    if blocks.core is not None:
        column = _core_column(blocks, first[count:])
        entry = blocks.core.A.tocoo()
        flat = column[entry.row] * len(out) + column[entry.col]
        out += np.bincount(flat, entry.data**2, out.size).reshape(out.shape)
    return out


def _core_column(blocks: Blocks, first: IntArray) -> IntArray:
    """Working column of every position in the core."""
    assert blocks.core is not None
    return np.concatenate(
        [
            np.tile(np.arange(start, start + place.q), place.n_levels)
            for place, start in zip(blocks.core.places, first, strict=False)
        ]
    )


def _put(out: FloatArray, rows: slice, cols: slice, values: FloatArray) -> None:
    out[rows, cols] = values
    out[cols, rows] = values.T
