"""Working columns: what takes the units of response and predictors out of the search."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.linalg import solve_triangular

from mlpool.engine.rank import independent_columns
from mlpool.engine.residual.criterion import Columns
from mlpool.engine.residual.patterns import distinct_rows
from mlpool.engine.residual.types import ResidualData
from mlpool.errors import FitError
from mlpool.typing import FloatArray, IntArray

_EXPLAINED = 1e-13
"""Share of the response's length that is rounding once X has explained the rest."""
_BLOCK = 1 << 15
"""Rows made at a time where there are many: what stays in the processor's cache."""
_DOUBTFUL = 1e-5
"""Length of what is left of a column, of its own, below which cross-products lose too many digits:
rounding of 1e-16 over its square is 1e-6."""


def working_columns(data: ResidualData) -> Columns:
    """Return orthogonal columns of X, the residual response, and orthogonal columns of Z.

    Raises
    ------
    FitError
        If nothing is left to be explained, or there are as many columns as rows.
    """
    made = _by_blocks(data) if data.n > _BLOCK else None
    W, kept, back, shift = _at_once(data) if made is None else made
    unit = float(np.sqrt(W[:, -1] @ W[:, -1] / data.n))
    if not unit > _EXPLAINED * float(np.sqrt(data.y @ data.y / data.n)):
        raise FitError("The fixed effects explain the response fully; no variance is left.")
    W[:, -1] /= unit
    pairs = [_standard(term.z.rows(0, data.n)) for term in data.terms]
    return Columns(
        W=W,
        kept=kept,
        back=back,
        shift=shift,
        unit=unit,
        z=tuple(z for z, _ in pairs),
        back_z=tuple(back for _, back in pairs),
    )


def _at_once(data: ResidualData) -> tuple[FloatArray, IntArray, FloatArray, FloatArray]:
    """Return [X back, y - X shift], the columns kept, back and shift, by Householder's QR."""
    n = data.n
    X = data.X.rows(0, n)
    kept = independent_columns(X)
    if len(kept) >= n:
        raise FitError(f"{len(kept)} coefficients for {n} rows leave nothing for the variances.")
    Q, R = np.linalg.qr(X[:, kept]) if len(kept) else (np.empty((n, 0)), np.empty((0, 0)))
    first = Q.T @ data.y
    rest = data.y - Q @ first
    again = Q.T @ rest
    rest = rest - Q @ again
    up = np.sqrt(n)
    inverse = solve_triangular(R, np.eye(len(kept))) if len(kept) else R
    return np.column_stack([Q * up, rest]), kept, inverse * up, inverse @ (first + again)


def _by_blocks(
    data: ResidualData,
) -> tuple[FloatArray, IntArray, FloatArray, FloatArray] | None:
    """Return the same from cross-products, with X a block of rows at a time; None where not exact.

    The criterion takes the columns as they come out, orthogonal or nearly so: what counts is that
    each is a combination of X's, and that none is nearly one of the others.
    """
    n, p = data.X.shape
    if not 0 < p < _BLOCK:
        return None
    gram, cross = np.zeros((p, p)), np.zeros(p)
    for rows, X in _blocks(data):
        gram += X.T @ X
        cross += X.T @ data.y[rows]
    norms = np.sqrt(np.diag(gram))
    if not norms.min() > 0.0:
        return None
    try:
        R = np.linalg.cholesky(gram / np.outer(norms, norms)).T
    except np.linalg.LinAlgError:
        return None
    if not float(np.diag(R).min()) > _DOUBTFUL:
        return None
    inverse = solve_triangular(R, np.eye(p)) / norms[:, None]
    shift = inverse @ (inverse.T @ cross)
    back = inverse * np.sqrt(n)
    W = np.empty((n, p + 1))
    left = np.zeros(p)
    for rows, X in _blocks(data):
        W[rows, :p] = X @ back
        W[rows, p] = data.y[rows] - X @ shift
        left += X.T @ W[rows, p]
    again = inverse @ (inverse.T @ left)  # what rounding of the first pass has left
    W[:, p] -= W[:, :p] @ np.linalg.solve(back, again)
    return W, np.arange(p), back, shift + again


def _blocks(data: ResidualData) -> Iterator[tuple[slice, FloatArray]]:
    for start in range(0, data.n, _BLOCK):
        stop = min(start + _BLOCK, data.n)
        yield slice(start, stop), data.X.rows(start, stop)


def _standard(z: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return z back and back (q, q): orthogonal columns of mean square one where z has full rank.

    The columns are made entry by entry from distinct rows alike, so that equal rows stay equal.
    """
    n, q = z.shape
    first, kinds = distinct_rows(z)
    R = np.linalg.qr(z, mode="r") / np.sqrt(n)
    diagonal = np.abs(np.diag(R))
    length = np.sqrt((z * z).mean(axis=0))
    if len(diagonal) < q or not np.all(diagonal > _EXPLAINED * length):
        back = np.diag(1.0 / np.where(length > 0, length, 1.0))
    else:
        back = solve_triangular(R, np.eye(q))
    return (z[first] @ back)[kinds], back
