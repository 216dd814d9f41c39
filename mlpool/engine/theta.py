"""How theta fills the relative covariance factors lambda_t, one lower triangle per term.

``Var(b_level) = sigma^2 lambda_t lambda_t'`` for every level of term t. theta stacks the lower
triangles column by column, terms in lme4's order (Bates et al. 2015, JSS 67(1), section 2.3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlpool.typing import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Template:
    """The map from theta to the factors lambda_t.

    Attributes
    ----------
    sizes : tuple of int
        Columns k_t of each term.

    Examples
    --------
    >>> t = Template((2, 1))
    >>> t.k
    4
    >>> t.matrices(np.array([1.0, 0.5, 2.0, 3.0]))[0]
    array([[1. , 0. ],
           [0.5, 2. ]])
    """

    sizes: tuple[int, ...]

    @property
    def k(self) -> int:
        """Length of theta."""
        return sum(k * (k + 1) // 2 for k in self.sizes)

    @property
    def index(self) -> tuple[IntArray, IntArray, IntArray]:
        """Term, row and column (within the term's lambda) of every entry of theta."""
        terms, rows, cols = [], [], []
        for t, k in enumerate(self.sizes):
            col, row = np.triu_indices(k)
            terms.append(np.full(row.size, t))
            rows.append(row)
            cols.append(col)
        if not terms:
            empty = np.empty(0, dtype=np.intp)
            return empty, empty, empty
        return np.concatenate(terms), np.concatenate(rows), np.concatenate(cols)

    @property
    def is_diagonal(self) -> BoolArray:
        """Which entries of theta are diagonal entries of their lambda."""
        _, row, col = self.index
        return np.asarray(row == col)

    @property
    def lower(self) -> FloatArray:
        """Lower bounds of theta: 0 on diagonals, -inf below them."""
        return np.where(self.is_diagonal, 0.0, -np.inf)

    def term_slice(self, term: int) -> slice:
        """Where the entries of one term sit in theta."""
        lengths = [k * (k + 1) // 2 for k in self.sizes]
        start = sum(lengths[:term])
        return slice(start, start + lengths[term])

    def matrices(self, theta: FloatArray) -> tuple[FloatArray, ...]:
        """Return lambda_t, shape (k_t, k_t), of every term."""
        found = []
        for t, k in enumerate(self.sizes):
            lam = np.zeros((k, k))
            col, row = np.triu_indices(k)
            lam[row, col] = theta[self.term_slice(t)]
            found.append(lam)
        return tuple(found)

    def pack(self, matrices: Sequence[FloatArray]) -> FloatArray:
        """Return the lower triangles of matrices (k_t, k_t) as one vector like theta."""
        parts = []
        for m in matrices:
            col, row = np.triu_indices(m.shape[0])
            parts.append(m[row, col])
        return np.concatenate(parts) if parts else np.empty(0)

    def block_diagonal(self, theta: FloatArray) -> FloatArray:
        """Return all lambda_t as one (q, q) block-diagonal matrix, q = sum of sizes."""
        q = sum(self.sizes)
        Lam = np.zeros((q, q))
        first = 0
        for lam in self.matrices(theta):
            last = first + lam.shape[0]
            Lam[first:last, first:last] = lam
            first = last
        return Lam

    def positions(self) -> tuple[IntArray, IntArray]:
        """Row and column of every entry of theta inside :meth:`block_diagonal`."""
        term, row, col = self.index
        first = np.concatenate([[0], np.cumsum(self.sizes)])[:-1].astype(np.intp)
        return first[term] + row, first[term] + col

    def signs(self, theta: FloatArray) -> FloatArray:
        """Return +-1 per entry that makes every diagonal non-negative (columns flip whole)."""
        term, row, col = self.index
        sign = np.ones(theta.size)
        for i in np.flatnonzero(row == col):
            if theta[i] < 0:
                sign[(term == term[i]) & (col == col[i])] = -1.0
        return sign

    def canonical(self, theta: FloatArray) -> FloatArray:
        """Return the equivalent theta whose diagonals are >= 0 (same lambda lambda')."""
        return np.asarray(theta * self.signs(theta) + 0.0)


def lower_factor(Sigma: FloatArray) -> FloatArray:
    """Return a lower-triangular factor with non-negative diagonal of a PSD matrix, any rank.

    Parameters
    ----------
    Sigma : ndarray of shape (k, k)
        Positive semi-definite.

    Returns
    -------
    ndarray of shape (k, k)
        L with L L' = Sigma. A zero pivot leaves its whole column zero, so a singular
        covariance gives the factor in which lme4 would report it.
    """
    k = Sigma.shape[0]
    scale = np.sqrt(np.maximum(np.diag(Sigma), 0.0))
    scale[scale == 0.0] = 1.0
    rest = Sigma / np.outer(scale, scale)
    L = np.zeros((k, k))
    for j in range(k):
        # Below this the pivot is rounding of an exactly singular matrix.
        if rest[j, j] > 4 * k * np.finfo(float).eps:
            L[j:, j] = rest[j:, j] / np.sqrt(rest[j, j])
            rest = rest - np.outer(L[:, j], L[:, j])
    return np.asarray(L * scale[:, None])
