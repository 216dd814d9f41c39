"""The matrix that makes responses into fitted values, row by row, at given theta.

With rows scaled by the square root of their weights and S = Z Lambda, a mixed model's fitted values
are those of a ridge regression whose penalty is the identity for u (Bates et al. 2015, eq. 17):

    M  = S'S + I        R = X - S M^-1 S'X        G = (R'X)^-1
    H  = S M^-1 S' + R G R'                       h_i = s_i' M^-1 s_i + r_i' G r_i

M is block-diagonal for one grouping factor; several factors need its dense inverse. Without random
effects H = X (X'X)^-1 X'.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
from scipy import sparse

from mlpool.engine.rank import independent_columns
from mlpool.engine.types import LmmData
from mlpool.errors import NotSupportedError
from mlpool.typing import FloatArray, IntArray

MAX_CROSSED = 10_000
"""Random effects of several factors beyond which their dense inverse is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Smoother:
    """H in pieces; all rows are scaled by the square root of their weights.

    Attributes
    ----------
    S : sparse array of shape (n, Q)
    inverse : sparse or dense array of shape (Q, Q)
        M^-1.
    R : ndarray of shape (n, p)
        X without what the random effects take up.
    G : ndarray of shape (p, p)
    triangle : ndarray of shape (p, p), optional
        What the basis of the columns is multiplied by to give them: the weighted columns are
        ``basis @ triangle``. None where R and G are those of the columns themselves.
    """

    S: Any
    inverse: Any
    R: FloatArray
    G: FloatArray
    triangle: FloatArray | None = None

    def diagonal(self) -> FloatArray:
        """Return the leverages h (n,)."""
        fixed = np.einsum("ia,ab,ib->i", self.R, self.G, self.R)
        if not self.S.shape[1]:
            return np.asarray(fixed)
        if sparse.issparse(self.inverse):
            taken = (self.S @ self.inverse).multiply(self.S).sum(axis=1)
            return np.asarray(fixed + np.asarray(taken).ravel())
        return np.asarray(fixed + _quadratic(self.S, self.inverse))

    def block(self, rows: IntArray) -> FloatArray:
        """Return H of some rows (k, k)."""
        S, R = self.S[rows], self.R[rows]
        fixed = R @ self.G @ R.T
        if not S.shape[1]:
            return np.asarray(fixed)
        taken = S @ self.inverse @ S.T
        return np.asarray(fixed + (sparse.csr_array(taken).toarray()))

    def residuals(self, E: FloatArray) -> FloatArray:
        """Return (I - H) E for E of shape (n, k)."""
        left = E - self.R @ (self.G @ (self.R.T @ E))
        if not self.S.shape[1]:
            return np.asarray(left)
        return np.asarray(left - self.S @ (self.inverse @ (self.S.T @ E)))


def smoother(data: LmmData, theta: FloatArray, kept: IntArray) -> Smoother:
    """Return H of rows weighted by ``data.weights``.

    Parameters
    ----------
    data : LmmData
        Its response and offset do not matter; without terms the model has no random effects.
    theta : ndarray of shape (k,)
        Relative to the residual standard deviation for linear models; of generalised ones as it
        is, with working weights.
    kept : ndarray of int
        Columns of X that were estimated.

    Raises
    ------
    NotSupportedError
        For more than 10,000 random effects of several factors.
    """
    X = data.X.rows(0, data.n)[:, kept]
    root = np.ones(data.n) if data.weights is None else np.sqrt(data.weights)
    # H depends on what the columns span: an orthonormal basis has no units.
    X, triangle = np.linalg.qr(root[:, None] * X)
    if not data.terms:
        none = sparse.csr_array((data.n, 0))
        return Smoother(S=none, inverse=none, R=X, G=np.eye(X.shape[1]), triangle=triangle)
    S = _scaled_columns(data, theta, root)
    one_factor = len({term.factor for term in data.terms}) == 1
    inverse = _block_inverse(S, data) if one_factor else _dense_inverse(S)
    R = X - S @ (inverse @ (S.T @ X))
    # X is orthonormal: the cut-off is a share of what random effects leave of a column
    G = np.linalg.pinv(R.T @ X, hermitian=True)
    return Smoother(S=S, inverse=inverse, R=R, G=G, triangle=triangle)


def squared_distances(X: FloatArray) -> FloatArray:
    """Return each row's squared Mahalanobis distance (n,) from the mean of X (n, k).

    (n - 1) times its leverage about the mean; columns that others determine add nothing.
    """
    X = X - X.mean(axis=0)
    Q = np.linalg.qr(X[:, independent_columns(X)])[0]
    return np.asarray((len(X) - 1) * np.einsum("ij,ij->i", Q, Q))


def absorbed_smoother(
    X: FloatArray, Z: FloatArray, codes: IntArray, solution: Any, weights: FloatArray | None
) -> Smoother:
    """Return H of least squares with a factor absorbed, from its per-level pieces.

    Parameters
    ----------
    X : ndarray of shape (n, p)
        Columns that all levels share.
    Z : ndarray of shape (n, q)
        The constant and the columns whose slopes differ between levels.
    codes : ndarray of int of shape (n,)
    solution : AbsorbedFit
        Its A_j^-1, P_j and Phi: M = block-diagonal of A_j, R = X - Z P_j, G = Phi.
    weights : ndarray of shape (n,) or None
    """
    root = np.ones(len(Z)) if weights is None else np.sqrt(weights)
    blocks = solution.A_inverse
    J, q = blocks.shape[:2]
    made = sparse.bsr_array((blocks, np.arange(J), np.arange(J + 1)), shape=(J * q, J * q))
    R = X - np.einsum("iq,iqp->ip", Z, solution.P[codes])
    return Smoother(
        S=_placed(root[:, None] * Z, codes, J), inverse=sparse.csr_array(made),
        R=root[:, None] * R, G=solution.Phi,
    )  # fmt: skip


def _scaled_columns(data: LmmData, theta: FloatArray, root: FloatArray) -> Any:
    """Return S = Z Lambda; columns stand by level first where there is one factor."""
    parts, start = [], 0
    for term in data.terms:
        k = term.z.shape[1]
        lam = np.zeros((k, k))
        columns, rows = np.triu_indices(k)
        lam[rows, columns] = theta[start : start + len(rows)]
        start += len(rows)
        parts.append((root[:, None] * (term.z.rows(0, data.n) @ lam), term))
    if len({term.factor for term in data.terms}) == 1:
        half = np.hstack([part for part, _ in parts])
        return _placed(half, parts[0][1].codes, parts[0][1].n_levels)
    blocks = [_placed(half, term.codes, term.n_levels) for half, term in parts]
    return sparse.csr_array(sparse.hstack(blocks, format="csr"))


def _placed(half: FloatArray, codes: IntArray, n_levels: int) -> Any:
    """Return rows (n, k) in the columns of their levels: sparse (n, levels k)."""
    n, k = half.shape
    columns = np.asarray(codes, dtype=np.int64)[:, None] * k + np.arange(k)
    pointer = np.arange(n + 1) * k
    return sparse.csr_array((half.ravel(), columns.ravel(), pointer), shape=(n, n_levels * k))


def _block_inverse(S: Any, data: LmmData) -> Any:
    J = data.terms[0].n_levels
    k = S.shape[1] // J
    blocks = sparse.bsr_array((S.T @ S) + sparse.eye_array(J * k), blocksize=(k, k))
    blocks.sort_indices()
    inverse = np.linalg.inv(blocks.data)
    made = sparse.bsr_array((inverse, np.arange(J), np.arange(J + 1)), shape=(J * k, J * k))
    return sparse.csr_array(made)


def _dense_inverse(S: Any) -> FloatArray:
    Q = S.shape[1]
    if Q > MAX_CROSSED:
        raise NotSupportedError(
            f"Leverages of a model with {Q} random effects of several factors need "
            # gigabytes of one float: eight bytes
            f"{8e-9 * Q * Q:.1f} GB; they are made for at most {MAX_CROSSED}."
        )
    M = (S.T @ S).toarray()
    M[np.diag_indices_from(M)] += 1.0
    factor = scipy.linalg.cho_factor(M, lower=True, overwrite_a=True, check_finite=False)
    return np.asarray(scipy.linalg.cho_solve(factor, np.eye(Q), check_finite=False))


def _quadratic(S: Any, inverse: FloatArray) -> FloatArray:
    """Return s_i' M^-1 s_i; every row of S has the same number of entries."""
    n = S.shape[0]
    columns, values = S.indices.reshape(n, -1), S.data.reshape(n, -1)
    out = np.zeros(n)
    for a in range(columns.shape[1]):
        for b in range(columns.shape[1]):
            out += values[:, a] * values[:, b] * inverse[columns[:, a], columns[:, b]]
    return out
