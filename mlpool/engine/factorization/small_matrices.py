"""Algebra of many small matrices at once, stored as (q, q, J): one J-vector per entry.

This layout is 10 to 30 times faster than ``np.matmul`` on (J, q, q) for the q of 1 to 3 that most
models have; larger q go through batched LAPACK.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from mlpool.typing import FloatArray, IntArray

_UNROLLED = 3
"""Largest q whose products are written out entry by entry."""


@cache
def triangle(k: int, diagonal: int = 0) -> tuple[IntArray, IntArray]:
    """Return where the upper triangle of a (k, k) matrix is, row by row: read-only, made once.

    A fit asks some forty times, of NumPy a tenth of the time of a small fit.
    """
    rows, columns = np.triu_indices(k, diagonal)
    rows.flags.writeable = columns.flags.writeable = False
    return rows, columns


def multiply(A: FloatArray, B: FloatArray) -> FloatArray:
    """Return A B for every cluster; (q, r, J) x (r, s, J) -> (q, s, J). J may be 1 (broadcast)."""
    if max(A.shape[0], A.shape[1], B.shape[1]) > _UNROLLED:
        return to_entries(np.matmul(to_stack(A), to_stack(B)))
    J = max(A.shape[2], B.shape[2])
    out = np.zeros((A.shape[0], B.shape[1], J))
    for a in range(A.shape[0]):
        for b in range(B.shape[1]):
            for c in range(A.shape[1]):
                out[a, b] += A[a, c] * B[c, b]
    return out


def transpose(A: FloatArray) -> FloatArray:
    """Return A' for every cluster."""
    return A.swapaxes(0, 1)


def to_stack(A: FloatArray) -> FloatArray:
    """Return (q, r, J) as (J, q, r)."""
    return np.moveaxis(A, 2, 0)


def to_entries(A: FloatArray) -> FloatArray:
    """Return (J, q, r) as (q, r, J), contiguous."""
    return np.ascontiguousarray(np.moveaxis(A, 0, 2))
