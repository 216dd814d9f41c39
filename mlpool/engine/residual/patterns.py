"""Independent blocks of rows, gathered by pattern: what all evaluations of the criterion share.

Rows that share a level of any grouping factor form a block. Blocks with the same times, strata and
random-effects columns have the same covariance V_P, and their criterion needs

    S = sum_P sum_(j in P) W_j' V_P^-1 W_j,        W_j = [X_j y_j]  (m, k),

which depends on the blocks of a pattern through the second moments of vec(W_j) alone. Many blocks
are therefore replaced by at most m k others with the same moments: a million patients cost what
their patterns do (Laird, Lange & Stram 1987, JASA 82, 97-105, for unstructured matrices; here for
any covariance, random effects included).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from mlpool.typing import FloatArray, IntArray

LARGEST_BATCH = 2_000_000
"""Entries of the covariance matrices that are made at a time (16 MB)."""

_GATHERED = 1 << 16
"""Numbers of blocks that are gathered at a time (512 kB)."""
_COUNTED = 4
"""Codes per row up to which they are counted, which is faster than sorting."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Batch:
    """Patterns of one size.

    Attributes
    ----------
    rows : ndarray of int (P, m)
        The rows of one block of every pattern.
    counts : ndarray (P,)
        Number of blocks.
    stack : ndarray (B, m, k)
        Blocks, or others with the same moments; those of one pattern stand together.
    starts : ndarray of int (P,)
        Where the blocks of every pattern start in `stack`.
    pattern : ndarray of int (B,)
    """

    rows: IntArray
    counts: FloatArray
    stack: FloatArray
    starts: IntArray
    pattern: IntArray

    @classmethod
    def of_rows(cls, rows: IntArray) -> Batch:
        """Return blocks (J, m) as patterns of their own, without columns."""
        J, m = rows.shape
        return cls(
            rows=rows, counts=np.ones(J), stack=np.empty((J, m, 0)), starts=np.arange(J),
            pattern=np.arange(J),
        )  # fmt: skip


def blocks_of(codes: list[IntArray], n: int) -> IntArray:
    """Return the independent block of every row: rows connected by levels of any factor."""
    if not codes:
        return np.arange(n)
    if len(codes) == 1:
        return numbered(codes[0])
    offsets = np.cumsum([n, *(int(c.max()) + 1 for c in codes[:-1])])
    ends = np.concatenate([c + o for c, o in zip(codes, offsets, strict=True)])
    rows = np.tile(np.arange(n), len(codes))
    size = int(ends.max()) + 1
    graph = coo_array((np.ones(len(rows), dtype=bool), (rows, ends)), shape=(size, size))
    found = connected_components(graph, directed=False)[1][:n]
    return numbered(found)


def numbered(codes: IntArray) -> IntArray:
    """Return codes >= 0 as 0, 1 ... in their order, without those that no row has."""
    size = int(codes.max(initial=0)) + 1
    if size > _COUNTED * len(codes):
        return np.asarray(np.unique(codes, return_inverse=True)[1].reshape(-1))
    present = np.bincount(codes, minlength=size) > 0
    if present.all():
        return codes
    return (np.cumsum(present) - 1)[codes]


def by_size(blocks: IntArray, order: IntArray) -> list[IntArray]:
    """Return the rows of all blocks, (J, m) for every size m; within blocks as `order` has them."""
    sorted_blocks = blocks[order]
    starts = np.flatnonzero(np.diff(sorted_blocks, prepend=-1))
    sizes = np.diff(np.append(starts, len(order)))
    found = []
    for m in np.unique(sizes):
        at = starts[sizes == m]
        found.append(order[at[:, None] + np.arange(m)])
    return found


def batches_of(
    blocks: IntArray, keys: list[IntArray], nested: list[IntArray], W: FloatArray
) -> list[Batch]:
    """Return the batches of a model.

    Parameters
    ----------
    blocks : ndarray of int (n,)
    keys : list of ndarray of int (n,)
        What must agree for rows to be alike: class of time, stratum, columns of Z.
    nested : list of ndarray of int (n,)
        Grouping factors inside blocks, of which only it counts which rows share a level.
    W : ndarray (n, k)
    """
    order = np.lexsort((*keys[::-1], *nested[::-1], blocks))
    made = []
    for rows in by_size(blocks, order):
        made += _batches_of_size(rows, _pattern_numbers(rows, keys, nested), W)
    return made


def _pattern_numbers(rows: IntArray, keys: list[IntArray], nested: list[IntArray]) -> IntArray:
    """Return the pattern of every block (J,)."""
    number: IntArray = np.zeros(len(rows), dtype=np.int64)
    for column in range(rows.shape[1]):
        for key in keys:
            number = _joint(number, key[rows[:, column]])
        for codes in nested if column else []:
            number = _joint(number, codes[rows[:, column]] != codes[rows[:, column - 1]])
    return number


def distinct_rows(matrix: FloatArray) -> tuple[IntArray, IntArray]:
    """Return a row of every kind that occurs in `matrix` (n, q), and the kind of every row.

    One column after another: sorting whole rows takes several times as long.
    """
    number: IntArray = np.zeros(len(matrix), dtype=np.int64)
    for column in matrix.T:
        if np.any(column != column[0]):
            number = _joint(number, np.unique(column, return_inverse=True)[1].reshape(-1))
    first = np.unique(number, return_index=True)[1]
    return first, number


def _joint(number: IntArray, key: IntArray) -> IntArray:
    """Return numbers of the pairs that occur."""
    return numbered(number * (int(key.max(initial=0)) + 1) + key)


def _batches_of_size(rows: IntArray, patterns: IntArray, W: FloatArray) -> list[Batch]:
    order = np.argsort(patterns, kind="stable")
    starts = np.flatnonzero(np.diff(patterns[order], prepend=-1))
    ends = np.append(starts[1:], len(order))
    m, k = rows.shape[1], W.shape[1]
    most = max(1, LARGEST_BATCH // (m * max(m, k)))
    made: list[Batch] = []
    first, size = 0, 0
    held = np.minimum(ends - starts, m * k)
    for i in range(len(starts) + 1):
        if i == len(starts) or (size and size + held[i] > most):
            made.append(_batch(rows, order, starts[first:i], ends[first:i], W))
            first, size = i, 0
        if i < len(starts):
            size += int(held[i])
    return made


def _batch(
    rows: IntArray, order: IntArray, starts: IntArray, ends: IntArray, W: FloatArray
) -> Batch:
    m, k = rows.shape[1], W.shape[1]
    counts = ends - starts
    if counts.max() <= m * k:
        stack = W[rows[order[starts[0] : ends[-1]]]]
        held = counts
    else:
        parts = [_condensed(W, rows[order[a:b]]) for a, b in zip(starts, ends, strict=True)]
        stack, held = np.concatenate(parts), np.array([len(part) for part in parts])
    return Batch(
        rows=rows[order[starts]],
        counts=counts.astype(np.float64),
        stack=stack,
        starts=np.append(0, np.cumsum(held)[:-1]),
        pattern=np.repeat(np.arange(len(starts)), held),
    )


def _condensed(W: FloatArray, rows: IntArray) -> FloatArray:
    """Return at most m k blocks with the second moments of the blocks of `rows` (J, m).

    They are gathered some at a time, so that what is multiplied is still in the cache.
    """
    (J, m), k = rows.shape, W.shape[1]
    if m * k >= J:
        return W[rows]
    moments = np.zeros((m * k, m * k))
    step = max(1, _GATHERED // (m * k))
    for start in range(0, J, step):
        flat = W.take(rows[start : start + step].ravel(), axis=0).reshape(-1, m * k)
        moments += flat.T @ flat
    values, vectors = np.linalg.eigh(moments)
    kept = values > 0.0
    root = np.sqrt(values[kept])[:, None] * vectors[:, kept].T
    return np.asarray(root.reshape(-1, m, k))
