"""Starting values for several grouping factors by moments of the pooled residuals.

With R = I - X (X'X)^-1 X', e = R y and h = Z'e, one equation per working column a of a factor,
summed over its levels, and one for the residuals (Rao 1971's MINQUE with a start of zero)

    E |h_a|^2 = sigma^2 tr(Z_a'R Z_a) + sum over all columns b of  tau_b^2 |Z_a'R Z_b|^2
    E e'e     = sigma^2 (n - p)       + sum of tau_b^2 tr(Z_b'R Z_b)

All of it is known from the sums, so this costs no factorisation:

    |Z_a'R Z_b|^2 = |Z_a'Z_b|^2 - 2 tr(Q D_b'Z_b'Z_a D_a) + tr(Q D_a'D_a Q D_b'D_b)

with Q = (X'X)^-1 and D = Z'X.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlpool.engine.factorization.block_cholesky import Reduced, z_products
from mlpool.engine.factorization.blocks import Blocks
from mlpool.engine.sums.trend import scaled_inverse
from mlpool.typing import FloatArray, IntArray

LEAST, MOST = 0.05, 20.0
"""Range of the standard deviations (relative to the residual one) that a search starts from."""
UNSEEN = 1e-8
"""Share of a squared length that is rounding where the fixed effects explain a column wholly."""
SMALLEST_REST = 1e-3
"""Smallest share of the pooled variance that is taken for the residual one."""


def moment_deviations(
    blocks: Blocks, n: int, residual: tuple[float, int] | None = None
) -> list[FloatArray]:
    """Return relative standard deviations of the working columns of every factor, chain first.

    Parameters
    ----------
    blocks : Blocks
    n : int
        Rows.
    residual : (float, int), optional
        What all effects leave of y, and its degrees of freedom, where that is next to nothing.
    """
    p = blocks.total.shape[0] - 1
    Q = scaled_inverse(blocks.total[:p, :p])
    v = np.append(-Q @ blocks.total[:p, p], 1.0)
    columns = _columns(blocks)
    left = np.zeros((len(columns) + 1, len(columns) + 1))
    right = np.append([float(((c.W @ v) ** 2).sum()) for c in columns], v @ blocks.total @ v)
    left[:-1, :-1] = _squared_lengths(blocks, columns, Q)
    left[-1, :-1] = left[:-1, -1] = [
        c.trace - float(np.sum(Q * (c.W[:, :p].T @ c.W[:, :p]))) for c in columns
    ]
    left[-1, -1] = n - p
    raw = np.append(np.diag(_raw_squared_lengths(blocks)), n)
    seen = np.diag(left) > UNSEEN * raw
    unit = np.sqrt(np.where(seen, np.diag(left), 1.0))
    found = np.zeros(len(left))
    part = np.ix_(seen, seen)
    # a share of the largest eigenvalue of what has a unit diagonal
    found[seen] = np.linalg.lstsq(
        left[part] / np.outer(unit[seen], unit[seen]), right[seen] / unit[seen], rcond=1e-12
    )[0]
    found /= unit
    rest = max(float(found[-1]), SMALLEST_REST * float(right[-1]) / max(n - p, 1))
    most = MOST
    if residual is not None and residual[0] > 0.0 and residual[1] > 0:
        rest, most = residual[0] / residual[1], np.inf
    relative = np.sqrt(np.clip(found[:-1] / rest, LEAST**2, most**2))
    ends = [i for i, c in enumerate(columns) if c.is_first]
    return np.split(relative, ends[1:])


@dataclass(frozen=True, slots=True)
class _Column:
    """One working column of one factor: all its levels.

    `where` tells the place of level 0 in ``Reduced``: (chain level, column) or (None, positions).
    """

    W: FloatArray
    trace: float
    is_first: bool
    level: int | None
    at: int | IntArray

    def place_inplace(self, t: Reduced, values: FloatArray, first: int) -> None:
        """Write values (J, k) of this column's random effects as columns ``first``... of `t`."""
        span = slice(first, first + values.shape[1])
        if self.level is not None:
            t.levels[self.level][self.at, :, span] = values
        elif t.core is not None:
            t.core[self.at, span] = values

    def take(self, t: Reduced) -> FloatArray:
        """Return the rows (J, k) of this column."""
        if self.level is not None:
            return np.asarray(t.levels[self.level][self.at])
        assert t.core is not None
        return np.asarray(t.core[self.at])


def _columns(blocks: Blocks) -> list[_Column]:
    out = []
    for i, level in enumerate(blocks.levels):
        for a in range(len(level.A)):
            out.append(_Column(level.W[a], float(level.A[a, a].sum()), a == 0, i, a))
    if blocks.core is not None:
        diagonal = blocks.core.A.diagonal()
        for place in blocks.core.places:
            for a in range(place.q):
                at = place.start + a + place.q * np.arange(place.n_levels)
                trace = float(diagonal[at].sum())
                out.append(_Column(blocks.core.W[at], trace, a == 0, None, at))
    return out


def _squared_lengths(blocks: Blocks, columns: list[_Column], Q: FloatArray) -> FloatArray:
    """|Z_a'R Z_b|^2 of every pair of working columns."""
    p = len(Q)
    out = _raw_squared_lengths(blocks)
    if p == 0:
        return out
    t = Reduced(
        levels=[np.zeros((*level.A.shape[1:], p * len(columns))) for level in blocks.levels],
        core=None if blocks.core is None else np.zeros((blocks.core.n2, p * len(columns))),
    )
    for i, column in enumerate(columns):
        column.place_inplace(t, column.W[:, :p], p * i)
    products, _ = z_products(blocks, t)
    own = [Q @ (c.W[:, :p].T @ c.W[:, :p]) for c in columns]
    for b, column in enumerate(columns):
        both = column.W[:, :p].T @ column.take(products)
        for a in range(len(columns)):
            across = float(np.sum(Q * both[:, p * a : p * (a + 1)]))
            out[a, b] += float(np.sum(own[a] * own[b].T)) - 2.0 * across
    return (out + out.T) / 2


def _raw_squared_lengths(blocks: Blocks) -> FloatArray:
    """|Z_a'Z_b|^2 of every pair of working columns."""
    sizes = [len(level.A) for level in blocks.levels]
    first = np.concatenate([[0], np.cumsum(sizes)])
    n_core = 0 if blocks.core is None else sum(place.q for place in blocks.core.places)
    out = np.zeros((int(first[-1]) + n_core, int(first[-1]) + n_core))
    core_column = _core_columns(blocks, int(first[-1]))
    for i, level in enumerate(blocks.levels):
        own = slice(first[i], first[i + 1])
        out[own, own] = (level.A**2).sum(axis=2)
        for m, U in enumerate(level.up, start=i + 1):
            other = slice(first[m], first[m + 1])
            out[own, other] = (U**2).sum(axis=1)
            out[other, own] = out[own, other].T
        if level.C is not None:
            column = core_column[level.C.cols]
            for a in range(sizes[i]):
                sums = np.bincount(column, level.C.values[a] ** 2, len(out))
                out[first[i] + a] += sums
                out[:, first[i] + a] += sums
    if blocks.core is not None:
        entry = blocks.core.A.tocoo()
        flat = core_column[entry.row] * len(out) + core_column[entry.col]
        out += np.bincount(flat, entry.data**2, out.size).reshape(out.shape)
    return out


def _core_columns(blocks: Blocks, first: int) -> IntArray:
    """Working column of every position in the core."""
    parts: list[IntArray] = [np.empty(0, dtype=np.intp)]
    for place in () if blocks.core is None else blocks.core.places:
        parts.append(np.tile(np.arange(first, first + place.q), place.n_levels))
        first += place.q
    return np.concatenate(parts)
