"""Which columns R would keep: left to right, an aliased column is dropped.

R's ``lm`` and lme4 use a QR decomposition with limited pivoting (LINPACK ``dqrdc2``): a column
whose part not explained by the kept ones is below 1e-7 of its own length is moved to the end.
"""

from __future__ import annotations

import numpy as np

from mlpool.typing import FloatArray, IntArray, RowSource

TOLERANCE = 1e-7
"""R's tolerance for the length of what is left of a column."""
_DOUBTFUL = 1e-5
"""Cross-products resolve lengths down to about 1e-8; below this they are confirmed on the rows."""


def independent_columns(X: FloatArray) -> IntArray:
    """Return the columns of X (n, p) that are kept, in order.

    Parameters
    ----------
    X : ndarray (n, p)

    Notes
    -----
    Without doubtful columns one Householder QR decides: the diagonal of R is what is left of each
    column. Otherwise columns are taken one by one.
    """
    norms = np.sqrt(np.einsum("ij,ij->j", X, X))
    safe = np.where(norms > 0, norms, 1.0)
    n, p = X.shape
    if n >= p and (norms > 0).all():
        R = np.linalg.qr(X / safe, mode="r")
        if (np.abs(np.diag(R)) > _DOUBTFUL).all():
            return np.arange(p)
    return _one_by_one(X / safe, norms)


def _one_by_one(X: FloatArray, norms: FloatArray) -> IntArray:
    """Gram-Schmidt with a second pass, dropping what R drops."""
    kept: list[int] = []
    Q = np.empty((X.shape[0], min(X.shape)), order="F")
    for j in range(X.shape[1]):
        if norms[j] == 0.0 or len(kept) == X.shape[0]:
            continue
        basis = Q[:, : len(kept)]
        rest = X[:, j] - basis @ (basis.T @ X[:, j])
        rest -= basis @ (basis.T @ rest)
        length = float(np.sqrt(rest @ rest))
        if length > TOLERANCE:
            Q[:, len(kept)] = rest / length
            kept.append(j)
    return np.array(kept, dtype=np.int64)


def independent_from_products(XtX: FloatArray, X: RowSource) -> IntArray:
    """Return the kept columns from (shifted, scaled) cross-products; rows are read only in doubt.

    Parameters
    ----------
    XtX : ndarray (p, p)
    X : RowSource (n, p)
    """
    p = XtX.shape[0]
    size = np.sqrt(np.diag(XtX))
    if (size > 0).all():
        scaled = XtX / np.outer(size, size)
        left = _left_over(scaled)
        if left is not None and (left > _DOUBTFUL).all():
            return np.arange(p)
    return independent_columns(X.rows(0, X.shape[0]))


def _left_over(scaled: FloatArray) -> FloatArray | None:
    """Return the length left of each column after those before it."""
    try:
        return np.diag(np.linalg.cholesky(scaled))
    except np.linalg.LinAlgError:
        return None
