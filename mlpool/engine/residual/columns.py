"""Working columns: what takes the units of response and predictors out of the search."""

from __future__ import annotations

import numpy as np
from scipy.linalg import solve_triangular

from mlpool.engine.rank import independent_columns
from mlpool.engine.residual.criterion import Columns
from mlpool.engine.residual.patterns import distinct_rows
from mlpool.engine.residual.types import ResidualData
from mlpool.errors import FitError
from mlpool.typing import FloatArray

_EXPLAINED = 1e-13
"""Share of the response's length that is rounding once X has explained the rest."""


def working_columns(data: ResidualData) -> Columns:
    """Return orthogonal columns of X, the residual response, and orthogonal columns of Z.

    Raises
    ------
    FitError
        If nothing is left to be explained, or there are as many columns as rows.
    """
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
    unit = float(np.sqrt(rest @ rest / n))
    if not unit > _EXPLAINED * float(np.sqrt(data.y @ data.y / n)):
        raise FitError("The fixed effects explain the response fully; no variance is left.")
    up = np.sqrt(n)
    inverse = solve_triangular(R, np.eye(len(kept))) if len(kept) else R
    pairs = [_standard(term.z.rows(0, n)) for term in data.terms]
    return Columns(
        W=np.column_stack([Q * up, rest / unit]),
        kept=kept,
        back=inverse * up,
        shift=inverse @ (first + again),
        unit=unit,
        z=tuple(z for z, _ in pairs),
        back_z=tuple(back for _, back in pairs),
    )


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
