"""How theta fills the relative covariance factors lambda_t, one lower triangle per term.

``Var(b_level) = sigma^2 lambda_t lambda_t'`` for every level of term t. theta stacks the lower
triangles column by column, terms in lme4's order (Bates et al. 2015, JSS 67(1), section 2.3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from mlpool.engine.factorization.small_matrices import triangle
from mlpool.engine.small_systems import triangle_of
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
        return _triangular_index(self.sizes)

    @property
    def is_diagonal(self) -> BoolArray:
        """Which entries of theta are diagonal entries of their lambda."""
        return _is_diagonal(self)

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
            lam = np.zeros((k, k), dtype=theta.dtype)  # complex steps too
            col, row = triangle(k)
            lam[row, col] = theta[self.term_slice(t)]
            found.append(lam)
        return tuple(found)

    def pack(self, matrices: Sequence[FloatArray]) -> FloatArray:
        """Return the lower triangles of matrices (k_t, k_t) as one vector like theta."""
        parts = []
        for m in matrices:
            col, row = triangle(m.shape[0])
            parts.append(m[row, col])
        return np.concatenate(parts) if parts else np.empty(0)

    def block_diagonal(self, theta: FloatArray) -> FloatArray:
        """Return all lambda_t as one (q, q) block-diagonal matrix, q = sum of sizes."""
        q = sum(self.sizes)
        Lam = np.zeros((q, q))
        Lam[self.positions()] = theta
        return Lam

    def block_diagonals(self, thetas: FloatArray) -> FloatArray:
        """Return :meth:`block_diagonal` of stacked theta (B, k) as (B, q, q)."""
        q = sum(self.sizes)
        Lam = np.zeros((len(thetas), q, q))
        row, col = self.positions()
        Lam[:, row, col] = thetas
        return Lam

    def positions(self) -> tuple[IntArray, IntArray]:
        """Row and column of every entry of theta inside :meth:`block_diagonal`."""
        return _positions(self)

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


@dataclass(frozen=True, slots=True)
class FreeTemplate(Template):
    """Every term's factor as a full k_t x k_t matrix: the coordinates of the search.

    lambda and lambda Q give the same covariance for every rotation Q, so k_t (k_t - 1) / 2
    directions change nothing. In exchange covariances move in straight lines: the triangular form
    bends the way to a singular covariance around (38 evaluations instead of 8 for a singular
    3 x 3 matrix).
    """

    @property
    def k(self) -> int:
        """Number of entries."""
        return sum(k * k for k in self.sizes)

    @property
    def index(self) -> tuple[IntArray, IntArray, IntArray]:
        """Term, row and column of every entry, column by column."""
        return _full_index(self.sizes)

    def term_slice(self, term: int) -> slice:
        """Where the entries of one term sit."""
        start = sum(k * k for k in self.sizes[:term])
        return slice(start, start + self.sizes[term] ** 2)

    def matrices(self, theta: FloatArray) -> tuple[FloatArray, ...]:
        """Return lambda_t, shape (k_t, k_t), of every term."""
        return tuple(
            np.asarray(theta[self.term_slice(t)].reshape(k, k).T) for t, k in enumerate(self.sizes)
        )

    def pack(self, matrices: Sequence[FloatArray]) -> FloatArray:
        """Return full matrices as one vector, column by column."""
        return np.concatenate([m.T.ravel() for m in matrices])

    def directions(self, theta: FloatArray) -> FloatArray:
        """Return an orthonormal basis (k, d) of the directions that change the covariance.

        It is the complement of the rotations: lambda A with A antisymmetric.
        """
        blocks = []
        if max(self.sizes) == 1:
            return np.eye(len(theta))  # a number has no rotations
        for lam in self.matrices(theta):
            k = lam.shape[0]
            first, second = triangle(k, 1)
            turns = np.zeros((k * k, first.size))
            for i, (a, b) in enumerate(zip(first, second, strict=True)):
                turn = np.zeros((k, k))
                turn[:, a], turn[:, b] = lam[:, b], -lam[:, a]
                turns[:, i] = turn.T.ravel()
            U, size, _ = np.linalg.svd(turns, full_matrices=True)
            # 1e-300: of a theta of zero no turn counts, as of zero only
            rank = int(np.sum(size > TURN_TOL * max(float(size.max(initial=0.0)), 1e-300)))
            blocks.append(U[:, rank:])
        return block_diagonal_of(blocks)

    def sizes_of(self, theta: FloatArray) -> FloatArray:
        """Return the length of the row that each entry stands in, 1 where that is shorter (k,).

        A row is one random-effects column's factor: its length is the effect's relative SD.
        """
        lengths = []
        for lam in self.matrices(theta):
            length = np.maximum(np.sqrt(np.einsum("ab,ab->a", lam, lam)), 1.0)
            lengths.append(np.tile(length, len(lam)))
        return np.concatenate(lengths)

    def snapped(self, theta: FloatArray, tolerance: float) -> FloatArray | None:
        """Return theta with singular values below `tolerance` set to zero, or None if all pass."""
        found, changed = [], False
        for lam in self.matrices(theta):
            U, size, Vt = np.linalg.svd(lam)
            small = size < tolerance
            changed = changed or bool(small.any())
            found.append((U * np.where(small, 0.0, size)) @ Vt if small.any() else lam)
        return self.pack(found) if changed else None


@lru_cache(maxsize=256)
def _triangular_index(sizes: tuple[int, ...]) -> tuple[IntArray, IntArray, IntArray]:
    empty = np.empty(0, dtype=np.intp)
    parts: list[tuple[IntArray, IntArray, IntArray]] = [(empty, empty, empty)]
    for t, k in enumerate(sizes):
        col, row = triangle(k)
        parts.append((np.full(row.size, t, dtype=np.intp), row, col))
    return _joined(parts)


@lru_cache(maxsize=256)
def _full_index(sizes: tuple[int, ...]) -> tuple[IntArray, IntArray, IntArray]:
    empty = np.empty(0, dtype=np.intp)
    parts = [(empty, empty, empty)]
    for t, k in enumerate(sizes):
        parts.append((np.full(k * k, t), np.tile(np.arange(k), k), np.repeat(np.arange(k), k)))
    return _joined(parts)


def _joined(
    parts: Sequence[tuple[IntArray, IntArray, IntArray]],
) -> tuple[IntArray, IntArray, IntArray]:
    """Return the parts' arrays after each other, read-only because they are shared."""
    term, row, col = (np.concatenate(same) for same in zip(*parts, strict=True))
    for array in (term, row, col):
        array.flags.writeable = False
    return term, row, col


@lru_cache(maxsize=256)
def _is_diagonal(template: Template) -> BoolArray:
    """Return what :attr:`Template.is_diagonal` says, read-only because it is shared."""
    _, row, col = template.index
    found = np.asarray(row == col)
    found.flags.writeable = False
    return found


@lru_cache(maxsize=256)
def _positions(template: Template) -> tuple[IntArray, IntArray]:
    """Return what :meth:`Template.positions` says, read-only because it is shared."""
    term, row, col = template.index
    first = np.concatenate([[0], np.cumsum(template.sizes)])[:-1].astype(np.intp)
    found = first[term] + row, first[term] + col
    for array in found:
        array.flags.writeable = False
    return found


TURN_TOL = 1e-8
"""Rotations of columns that have this share of the longest's length are no direction at all."""


def block_diagonal_of(blocks: Sequence[FloatArray]) -> FloatArray:
    """Return a matrix with the blocks (any, any) on its diagonal."""
    out = np.zeros((sum(b.shape[0] for b in blocks), sum(b.shape[1] for b in blocks)))
    row = col = 0
    for b in blocks:
        out[row : row + b.shape[0], col : col + b.shape[1]] = b
        row, col = row + b.shape[0], col + b.shape[1]
    return out


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


def lower_form(factor: FloatArray) -> FloatArray:
    """Return the lower-triangular L with L L' = factor factor', by QR (squares lose digits)."""
    L = triangle_of(factor)
    L = L * np.where(L.diagonal() < 0, -1.0, 1.0)
    if (L.diagonal() <= ZERO * np.abs(L).max(axis=1)).any():
        return lower_factor(factor @ factor.T)
    return np.asarray(L)


ZERO = 1e-14
"""Share of its row's largest entry below which a diagonal entry is rounding of zero."""
