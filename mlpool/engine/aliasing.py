"""Which columns of X can be estimated: R's rule, from dense columns or from cross-products.

R's ``lm`` and lme4 drop a column when, columns taken from left to right, what is left of it after
the kept ones is shorter than 1e-7 of its own length (LINPACK's ``dqrdc2``).
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import qr as scipy_qr
from scipy.linalg import solve_triangular

from mlpool.engine.clustersums import BATCH_ROWS, CrossProducts
from mlpool.typing import FloatArray, IntArray, RowSource

TOLERANCE = 1e-7
"""R's tolerance (``lm(tol=)``)."""
DOUBTFUL = 1e-5
"""Below this ratio of lengths cross-products (squares) cannot decide and the rows are asked."""


def independent_columns(X: FloatArray, tolerance: float = TOLERANCE) -> IntArray:
    """Return the indices of the columns that R keeps, from left to right.

    Parameters
    ----------
    X : ndarray of shape (n, p)
    tolerance : float

    Examples
    --------
    >>> independent_columns(np.array([[1.0, 2.0, 1.0], [1.0, 2.0, 2.0], [1.0, 2.0, 4.0]]))
    array([0, 2])
    """
    n, p = X.shape
    Q = np.empty((n, min(n, p)), order="F")
    kept: list[int] = []
    for c in range(p):
        if len(kept) == n:
            break
        column = X[:, c] / (np.abs(X[:, c]).max(initial=0.0) or 1.0)
        basis = Q[:, : len(kept)]
        rest = column - basis @ (basis.T @ column)
        # Gram-Schmidt twice is enough for orthogonality to rounding (Giraud et al. 2005).
        rest = rest - basis @ (basis.T @ rest)
        length, whole = float(np.linalg.norm(rest)), float(np.linalg.norm(column))
        if whole > 0 and length >= tolerance * whole:
            Q[:, len(kept)] = rest / length
            kept.append(c)
    return np.array(kept, dtype=np.intp)


def independent_of_sums(
    sums: CrossProducts, X: RowSource, tolerance: float = TOLERANCE
) -> IntArray:
    """Return the columns that R keeps, from the totals; rows are read only for doubtful columns.

    Parameters
    ----------
    sums : CrossProducts
    X : RowSource of shape (n, p)
        The columns the sums were made of, asked where lengths below 1e-5 must be judged.
    tolerance : float
    """
    x = sums.layout.x
    raw = sums.uncentre(x)
    # Centred columns have the same remainders once the intercept is among the kept ones.
    R = np.eye(sums.layout.k)[:, x] if x.size and x[0] == 0 else raw
    G = R.T @ sums.total @ R
    lengths = np.sqrt(np.maximum(np.einsum("ac,ab,bc->c", raw, sums.total, raw), 0.0))
    kept: list[int] = []
    L = np.zeros((x.size, x.size))
    for c in range(x.size):
        m = len(kept)
        if m == sums.n or lengths[c] == 0:
            continue
        side = solve_triangular(L[:m, :m], G[kept, c], lower=True) if m else np.empty(0)
        length = float(np.sqrt(max(G[c, c] - side @ side, 0.0)))
        # The difference of squares itself is only known to rounding of its larger part.
        if length < DOUBTFUL * max(lengths[c], np.sqrt(G[c, c])):
            length = lengths[c] * _share_left(X, np.array(kept, dtype=np.intp), c)
        if length >= tolerance * lengths[c] and length > 0:
            L[m, :m], L[m, m] = side, length
            kept.append(c)
    return np.array(kept, dtype=np.intp)


def _share_left(X: RowSource, kept: IntArray, column: int) -> float:
    """Share of a column's length that is left after the kept ones, from the rows themselves."""
    n = X.shape[0]
    upper = np.zeros((0, kept.size + 1))
    for start in range(0, n, BATCH_ROWS):
        block = X.rows(start, min(start + BATCH_ROWS, n))[:, [*kept.tolist(), column]]
        # QR of the stacked triangles: the R factor of all rows without holding them.
        (triangle,) = scipy_qr(np.vstack([upper, block]), mode="r")
        upper = np.asarray(triangle[: kept.size + 1])
    if upper.shape[0] <= kept.size:
        return 0.0
    return float(np.abs(upper[kept.size, kept.size]) / np.linalg.norm(upper[:, kept.size]))
