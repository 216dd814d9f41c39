"""How theta fills the relative factor of one grouping factor.

Several terms on one factor (``||``, repeated bars) share one q x q factor whose template is
block-diagonal: the correlations between terms are fixed at zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlpool.typing import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """Where each theta sits in a q x q lower-triangular factor.

    Attributes
    ----------
    q : int
        Columns of all terms of the factor.
    rows, cols : ndarray of int, shape (k,)
        Position of each of the factor's theta.
    where : ndarray of int, shape (k,)
        Index of each in the model's theta.
    """

    q: int
    rows: IntArray
    cols: IntArray
    where: IntArray

    @classmethod
    def of_terms(cls, sizes: Sequence[int], starts: Sequence[int]) -> Template:
        """Build from the sizes of the factor's terms and where their theta start."""
        rows, cols, where = [], [], []
        offset = 0
        for size, start in zip(sizes, starts, strict=True):
            c, r = np.triu_indices(size)
            rows.append(r + offset)
            cols.append(c + offset)
            where.append(start + np.arange(len(r)))
            offset += size
        return cls(
            q=offset,
            rows=np.concatenate(rows),
            cols=np.concatenate(cols),
            where=np.concatenate(where),
        )

    def factor(self, theta: FloatArray) -> FloatArray:
        """Return Lambda (q, q) for the model's theta."""
        lam = np.zeros((self.q, self.q))
        lam[self.rows, self.cols] = theta[self.where]
        return lam

    def gather_inplace(self, gradient: FloatArray, d_lam: FloatArray) -> None:
        """Add d/dLambda (q, q) to the gradient with respect to theta."""
        gradient[self.where] += d_lam[self.rows, self.cols]

    def scaled_inplace(self, theta: FloatArray, row_scale: FloatArray) -> None:
        """Multiply row r of Lambda by ``row_scale[r]``, in terms of theta."""
        theta[self.where] *= row_scale[self.rows]


def theta_starts(sizes: Sequence[int]) -> list[int]:
    """Return where each term's theta start, for terms of these sizes in order."""
    counts = [s * (s + 1) // 2 for s in sizes]
    return [int(v) for v in np.concatenate([[0], np.cumsum(counts)[:-1]])]


def diagonal_mask(sizes: Sequence[int]) -> BoolArray:
    """Return which theta are diagonal elements."""
    return np.concatenate([np.equal(*np.triu_indices(size)) for size in sizes])


def canonical_signs(theta: FloatArray, sizes: Sequence[int]) -> FloatArray:
    """Return theta with non-negative diagonals: columns of lambda are flipped where needed.

    Lambda and Lambda times a diagonal of signs give the same covariance.
    """
    result = theta.copy()
    for size, start in zip(sizes, theta_starts(sizes), strict=True):
        cols, rows = np.triu_indices(size)
        block = result[start : start + len(rows)]
        diagonal = block[rows == cols]
        block *= np.where(diagonal < 0, -1.0, 1.0)[cols]
        block[(rows == cols) & (block == 0)] = 0.0
    return result


def canonical_theta(lams: Sequence[FloatArray]) -> FloatArray:
    """Return theta of covariances lam lam' through their (semi-definite) Cholesky factors."""
    parts = []
    for lam in lams:
        r = np.asarray(np.linalg.qr(lam.T, mode="r"))
        lower = (r * np.where(np.diag(r) < 0, -1.0, 1.0)[:, None]).T
        cols, rows = np.triu_indices(lam.shape[0])
        parts.append(lower[rows, cols])
    return np.concatenate(parts)
