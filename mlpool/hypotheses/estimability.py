"""What a rank-deficient fit determines: linear combinations orthogonal to the null space of X."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from mlpool.designs.row_summaries import fact, same_by_counts
from mlpool.engine.rank import triangular_factor
from mlpool.errors import RankDeficiencyWarning, user_level
from mlpool.typing import BoolArray, FloatArray

if TYPE_CHECKING:
    from mlpool.uncertainty.model_protocol import EstimatedModel

_BLOCK_NUMBERS = 20_000_000
"""Numbers of the model matrix that are made at a time."""

OFF_SPAN = 1e-6
"""Share of what a row adds up in the null space that rounding leaves where the truth is zero."""


_ROUNDING = 1e-9
"""Share of a null vector's largest entry, all columns of X having the same length, that is zero."""


@same_by_counts
@fact("lm", "glm", "lmer", "glmer", "gls", when=lambda m: bool(m.aliased))
def null_basis(m: EstimatedModel) -> FloatArray:
    """Return the null space of X, a vector per dropped column a: (C, -1) with ``X_a = X_kept C``.

    A row x is estimable if ``x N = 0`` (Searle 1971, Linear Models, section 5.4). C is solved from
    the triangle R of the QR decomposition, whose condition is that of X, not its square.
    """
    kept = np.asarray(m.fit.kept)
    full = m.design.X.shape[1]
    dropped = np.setdiff1d(np.arange(full), kept)
    X, n = m.design.X, m.design.n
    size = max(full, _BLOCK_NUMBERS // full)
    blocks = (X.rows(start, min(start + size, n)) for start in range(0, n, size))
    triangle = triangular_factor(blocks, full)
    scale = np.linalg.norm(triangle, axis=0) / np.sqrt(n)
    scale = np.where(scale > 0, scale, 1.0)
    triangle = triangle / scale
    # columns have length one: the cut-off is a share without units
    inside = np.linalg.lstsq(triangle[:, kept], triangle[:, dropped], rcond=None)[0]
    null = np.zeros((full, len(dropped)))
    null[kept], null[dropped, np.arange(len(dropped))] = inside, -1.0
    # what rounding leaves of a zero would stand for itself where a row is zero elsewhere
    null[np.abs(null) < _ROUNDING * np.abs(null).max(axis=0)] = 0.0
    return null / scale[:, None]


def not_estimable(m: EstimatedModel, rows: FloatArray) -> BoolArray:
    """Tell which rows over all columns of X (r, full) have no one value.

    Rows of zeros are estimable: they are the number zero.
    """
    if not m.aliased:
        return np.zeros(len(rows), dtype=bool)
    null = null_basis(m)
    return np.asarray((np.abs(rows @ null) > OFF_SPAN * (np.abs(rows) @ np.abs(null))).any(axis=1))


def estimable_part(m: EstimatedModel, rows: FloatArray) -> FloatArray:
    """Return the combinations of rows (r, full) that are estimable, over the kept columns (s, p).

    Those a with ``a' L N = 0``: the left null space of ``L N`` (as R's ``estble.subspace``).
    """
    kept = np.asarray(m.fit.kept)
    if not m.aliased:
        return rows
    null = null_basis(m)
    off, size = rows @ null, np.abs(rows) @ np.abs(null)
    off = np.where(np.abs(off) > OFF_SPAN * size, off, 0.0)
    if not off.any():
        return rows[:, kept]
    # columns of N have units of their own; one of zero is kept from a division by zero only
    off = off / np.maximum(np.abs(off).max(axis=0), np.finfo(float).tiny)
    left, sizes, _ = np.linalg.svd(off)
    rank = int(np.sum(sizes > OFF_SPAN * sizes[0]))
    return np.asarray((left[:, rank:].T @ rows)[:, kept])


def warn_off_span(m: EstimatedModel, rows: Any) -> None:
    """Warn of predictions of new rows that a rank-deficient fit does not determine, as R does.

    Parameters
    ----------
    rows : NewRows
    """
    if not m.aliased:
        return
    matrix = rows.matrix
    n, width = matrix.shape
    size = max(1, _BLOCK_NUMBERS // width)
    bad = sum(
        int(not_estimable(m, matrix.rows(start, min(start + size, n))).sum())
        for start in range(0, n, size)
    )
    if bad:
        shown = ", ".join(m.aliased[:5]) + (", ..." if len(m.aliased) > 5 else "")
        warnings.warn(
            f"{bad} of {n} predictions are not determined by the data and may mislead: they rest "
            f"on coefficients that were dropped because others determine them ({shown}).",
            RankDeficiencyWarning,
            stacklevel=user_level(),
        )
