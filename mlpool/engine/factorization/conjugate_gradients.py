"""Conjugate gradients for many right-hand sides at once.

Hestenes & Stiefel (1952), J. Res. NBS 49: every column has its own steps, but one product with the
matrix serves all of them, and a column that has arrived takes no further part. The reductions are
plain sums in a fixed order, so the digits do not depend on threads.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mlpool.errors import FitError
from mlpool.typing import FloatArray

MAX_ITERATIONS = 5000
"""Products with the matrix after which a system counts as hopeless."""
EXACT = 1e-12
"""Length of the residual, as a share of the right-hand side's, that is next to rounding."""


def conjugate_gradients(
    times: Callable[[FloatArray], FloatArray], B: FloatArray, tol: float = EXACT
) -> FloatArray:
    """Solve T X = B for a symmetric positive definite T of unit diagonal.

    Parameters
    ----------
    times : callable
        Returns T X (n, k).
    B : ndarray of shape (n, k)
    tol : float
        Length of a column's residual relative to the column.

    Returns
    -------
    ndarray of shape (n, k)

    Raises
    ------
    FitError
        If some column has not arrived after ``MAX_ITERATIONS`` products.
    """
    X = np.zeros_like(B)
    R = B.copy()
    P = R.copy()
    squares = column_products(R, R)
    target = tol**2 * squares
    active = np.flatnonzero(squares > 0.0)
    if active.size < B.shape[1]:
        R, P, squares = R[:, active], P[:, active], squares[active]
    for _ in range(MAX_ITERATIONS):
        if not active.size:
            return X
        TP = times(P)
        step = squares / column_products(P, TP)
        X[:, active] += step * P
        R -= step * TP
        after = column_products(R, R)
        rest = after > target[active]
        P *= after / squares
        P += R
        squares = after
        if not rest.all():
            active, squares = active[rest], squares[rest]
            R, P = np.ascontiguousarray(R[:, rest]), np.ascontiguousarray(P[:, rest])
    raise FitError(
        f"The conjugate gradients of the crossed factors did not arrive in {MAX_ITERATIONS} steps; "
        "control={'solver': 'cholesky'} needs none."
    )


def column_products(X: FloatArray, Y: FloatArray) -> FloatArray:
    """Return x_i'y_i of every column (k,)."""
    return np.asarray(np.einsum("ij,ij->j", X, Y))
