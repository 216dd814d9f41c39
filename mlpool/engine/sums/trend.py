"""Sums about the least-squares fit, so that a strong trend costs no digits.

The criterion of a mixed model does not change when X b is taken off y for whatever b; beta moves by
b. But sums of squares of y = 30 x + e are a thousand times those of e, and differences of them
lose as many digits. So b is estimated by least squares on a sample of the rows before the
sums are made. Where the sums then show that much was missed (a level that the sample does not
hold), they are made again about the fit to all rows.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mlpool.engine.rank import independent_columns, independent_of_sums
from mlpool.engine.small_systems import least_squares
from mlpool.engine.sums.cluster_sums import BATCH_ROWS, CrossProducts
from mlpool.engine.sums.columns import Layout, Rows, sample_columns
from mlpool.engine.sums.working_columns import FixedColumns
from mlpool.typing import FloatArray, IntArray

MISSED = 1e3
"""Ratio of sums of squares before and after least squares that is worth a second pass over the
rows: three of the sixteen digits of a double."""
PASSES = 3
"""Most passes: each leaves rounding errors of the one before, which two make invisible."""


def detrended_sums(rows: Rows, *, batch_rows: int = BATCH_ROWS) -> tuple[CrossProducts, IntArray]:
    """Make the sums of a mixed model with the least-squares fit taken off the response.

    Parameters
    ----------
    rows : Rows
    batch_rows : int

    Returns
    -------
    sums : CrossProducts
    kept : ndarray of int
        Columns of X that are estimated.

    Raises
    ------
    DataError, FitError
        As :meth:`CrossProducts.from_rows`.
    """
    sums = CrossProducts.from_rows(rows, batch_rows=batch_rows, trend=sample_trend(rows))
    kept = independent_of_sums(sums, rows.X)
    for _ in range(PASSES - 1):
        beta = missed_trend(sums, kept)
        if beta is None:
            break
        layout = retrended(sums.layout, kept, beta)
        sums = CrossProducts.from_rows(rows, batch_rows=batch_rows, layout=layout)
    return sums, kept


def sample_trend(rows: Rows) -> FloatArray:
    """Return least-squares coefficients of X (p,) from a sample of rows; 0 where it has none.

    The constant has none: the centre of the response takes its place.
    """
    p = rows.X.shape[1]
    columns = sample_columns(rows)
    y, X = columns[-1], np.column_stack(columns[:p]) if p else np.empty((len(columns[-1]), 0))
    trend = np.zeros(p)
    if not (np.all(np.isfinite(X)) and np.all(np.isfinite(y))):
        return trend  # the pass over the rows will say which column it is
    is_constant = (X[:1] == X).all(axis=0)
    has_intercept = bool((X == 1.0).all(axis=0).any())
    if has_intercept:
        X, y = X - X.mean(axis=0), y - y.mean()
    size = np.sqrt(np.einsum("ij,ij->j", X, X))
    used = np.flatnonzero((size > 0) & ~(is_constant & has_intercept))
    used = used[independent_columns(X[:, used] / size[used])]
    if used.size and used.size < len(y):
        # columns have length one: the cut-off is a share without units
        trend[used] = least_squares(X[:, used] / size[used], y) / size[used]
    return trend


def missed_trend(sums: CrossProducts, kept: IntArray) -> FloatArray | None:
    """Return the least-squares coefficients of the kept columns, None if the sums are near them."""
    beta, total, left = _least_squares(sums, kept)
    return None if not len(kept) or total <= MISSED * left else beta


def least_squares_trend(sums: CrossProducts, kept: IntArray) -> FloatArray:
    """Return the least-squares coefficients of the kept columns."""
    return _least_squares(sums, kept)[0]


def _least_squares(sums: CrossProducts, kept: IntArray) -> tuple[FloatArray, float, float]:
    """Return coefficients, and the response's sum of squares before and after."""
    fixed, p = FixedColumns.of(sums, kept), len(kept)
    total = fixed.R.T @ sums.total @ fixed.R
    found = solve_scaled(total[:p, :p], total[:p, p])
    left = float(total[p, p] - found @ total[:p, p])
    return np.asarray(fixed.back @ found + fixed.shift), float(total[p, p]), left


def retrended(layout: Layout, kept: IntArray, beta: FloatArray) -> Layout:
    """Return the layout in which the kept columns times beta are taken off the response."""
    x, y, centre = layout.x[kept], layout.y, np.array(layout.centre)
    old = np.array(layout.trend) if layout.trend else np.zeros(layout.k)
    trend = np.zeros(layout.k)
    trend[x] = beta
    constant = trend[0] if (x == 0).any() else centre[y] - old @ centre
    trend[0] = 0.0
    centre[y] = constant + trend @ centre
    return replace(layout, trend=tuple(trend.tolist()), centre=tuple(centre.tolist()))


def solve_scaled(A: FloatArray, b: FloatArray) -> FloatArray:
    """Solve A x = b for a positive semi-definite A (p, p) of columns in any units."""
    size = np.sqrt(np.maximum(A.diagonal(), 0.0))
    size[size == 0.0] = 1.0
    # with a unit diagonal the cut-off is a share without units
    return np.asarray(least_squares(A / (size[:, None] * size), b / size) / size)


def scaled_inverse(A: FloatArray) -> FloatArray:
    """Return the (pseudo-)inverse of a positive semi-definite A (p, p) of columns in any units."""
    size = np.sqrt(np.maximum(np.diag(A), 0.0))
    size[size == 0.0] = 1.0
    unit = np.outer(size, size)
    # with a unit diagonal the cut-off is a share without units
    return np.asarray(np.linalg.pinv(A / unit, hermitian=True) / unit)
