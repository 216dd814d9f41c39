"""Blocks of Z'V^-1 Z between columns of random effects: their products and inner products.

A block is a vector (diagonal), a matrix, or - within the largest of several factors, whose levels
meet only through the other factors - a diagonal less a product of two thin matrices, so that
nothing is levels x levels. Levels that stand for others of their size are counted in traces.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mlpool.typing import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class DiagonalLessProduct:
    """``diag(d) - left right'``.

    Attributes
    ----------
    d : ndarray of shape (J,)
    left, right : ndarray of shape (J, Q)
    grams : dict
        Products ``left' left`` and so on, shared by all blocks of the same thin matrices.
    """

    d: FloatArray
    left: FloatArray
    right: FloatArray
    grams: dict[tuple[int, int], FloatArray] = field(default_factory=dict)

    def gram(self, a: FloatArray, b: FloatArray) -> FloatArray:
        """Return ``a' b``, made once."""
        key = (id(a), id(b))
        if key not in self.grams:
            self.grams[key] = a.T @ b
            self.grams[key[::-1]] = self.grams[key].T
        return self.grams[key]


@dataclass(frozen=True, slots=True, eq=False)
class RepeatedDiagonal:
    """``diag(d)`` of levels that stand for others: traces count entry j `count[j]` times.

    Attributes
    ----------
    d, count : ndarray of shape (J,)
    """

    d: FloatArray
    count: FloatArray


Kernel = FloatArray | DiagonalLessProduct | RepeatedDiagonal


def multiply(kernel: Kernel, H: FloatArray) -> FloatArray:
    """Return the block times H (levels, m)."""
    if isinstance(kernel, DiagonalLessProduct):
        return np.asarray(kernel.d[:, None] * H - kernel.left @ (kernel.right.T @ H))
    if isinstance(kernel, RepeatedDiagonal):
        return np.asarray(kernel.d[:, None] * H)
    return np.asarray(kernel[:, None] * H if kernel.ndim == 1 else kernel @ H)


def trace(kernel: Kernel) -> float:
    """Return the trace of a square block."""
    if isinstance(kernel, DiagonalLessProduct):
        return float(kernel.d.sum() - np.vdot(kernel.left, kernel.right))
    if isinstance(kernel, RepeatedDiagonal):
        return float(kernel.count @ kernel.d)
    return float(kernel.sum() if kernel.ndim == 1 else np.trace(kernel))


def inner(a: Kernel, b: Kernel) -> float:
    """Return the sum of products of the entries of two blocks of one shape."""
    if isinstance(a, DiagonalLessProduct) and isinstance(b, DiagonalLessProduct):
        rows_a = np.einsum("jq,jq->j", a.left, a.right)
        rows_b = np.einsum("jq,jq->j", b.left, b.right)
        both = np.vdot(a.gram(a.left, b.left), a.gram(a.right, b.right))
        return float(a.d @ b.d - a.d @ rows_b - b.d @ rows_a + both)
    if isinstance(a, RepeatedDiagonal) and isinstance(b, RepeatedDiagonal):
        return float((a.count * a.d) @ b.d)
    assert isinstance(a, np.ndarray)
    assert isinstance(b, np.ndarray)
    return float(a @ b if a.ndim == 1 else np.einsum("ij,ij->", a, b))
