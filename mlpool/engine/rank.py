"""Which columns R would keep: left to right, an aliased column is dropped.

R's ``lm`` and lme4 use a QR decomposition with limited pivoting (LINPACK ``dqrdc2``): a column
whose part not explained by the kept ones is below 1e-7 of its own length is moved to the end.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, runtime_checkable

import numpy as np

from mlpool.engine.small_systems import solve_lower
from mlpool.engine.sums.cluster_sums import BATCH_ROWS, CrossProducts
from mlpool.typing import FloatArray, IntArray, RowSource

TOLERANCE = 1e-7
"""R's tolerance for the length of what is left of a column."""
_DOUBTFUL = 1e-5
"""Cross-products resolve lengths down to about 1e-8 (over the shortest length before, which a
predictor far from zero makes small); below this they are confirmed on the rows."""
_BLOCK = 64
"""Columns made orthogonal to earlier ones together: enough for a matrix product to be fast."""


def independent_columns(X: FloatArray) -> IntArray:
    """Return the columns of X (n, p) that are kept, in order.

    Parameters
    ----------
    X : ndarray (n, p)

    Notes
    -----
    Without doubtful columns the Cholesky factor of the scaled cross-products decides: its diagonal
    is what is left of each column. Otherwise columns are taken one by one.
    """
    norms = np.sqrt(np.einsum("ij,ij->j", X, X))
    safe = np.where(norms > 0, norms, 1.0)
    n, p = X.shape
    if n >= p and (norms > 0).all():
        scaled = X / safe
        try:
            left = np.diag(np.linalg.cholesky(scaled.T @ scaled))
        except np.linalg.LinAlgError:
            left = np.zeros(p)
        shortest = np.minimum.accumulate(np.append(1.0, left[:-1]))
        if (left > _DOUBTFUL).all() and (left * shortest > _DOUBTFUL / 10).all():
            return np.arange(p)
    return _one_by_one(X / safe, norms)


def _one_by_one(X: FloatArray, norms: FloatArray) -> IntArray:
    """Gram-Schmidt with a second pass, dropping what R drops.

    What earlier blocks explain is taken off a whole block of columns at once (a matrix product);
    only within the block is it column by column.
    """
    kept: list[int] = []
    n, p = X.shape
    Q = np.empty((n, min(n, p)), order="F")
    for start in range(0, p, _BLOCK):
        rest = _left_of(X[:, start : start + _BLOCK], Q[:, : len(kept)])
        first = len(kept)
        for j in range(rest.shape[1]):
            if norms[start + j] == 0.0 or len(kept) == n:
                continue
            column = _left_of(rest[:, j], Q[:, first : len(kept)])
            length = float(np.sqrt(column @ column))
            if length > TOLERANCE:
                Q[:, len(kept)] = column / length
                kept.append(start + j)
    return np.array(kept, dtype=np.int64)


def _left_of(columns: FloatArray, basis: FloatArray) -> FloatArray:
    """Return columns (n,) or (n, k) without their part along an orthonormal basis (n, m)."""
    rest = columns - basis @ (basis.T @ columns)
    return np.asarray(rest - basis @ (basis.T @ rest))


def independent_from_products(XtX: FloatArray, X: RowSource) -> IntArray:
    """Return the kept columns from (shifted, scaled) cross-products; rows are read only in doubt.

    Parameters
    ----------
    XtX : ndarray (p, p)
    X : RowSource (n, p)
    """
    return _left_to_right(XtX, np.sqrt(np.diag(XtX)), X)


@runtime_checkable
class Remainders(Protocol):
    """Columns of rows that are elsewhere, which can say how much of one others leave."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns (n, p)."""

    def share_left(self, kept: IntArray, column: int) -> float:
        """Return the share of a column's length that is left after the kept ones."""


def independent_of_sums(sums: CrossProducts, X: RowSource | Remainders) -> IntArray:
    """Return the kept columns from the totals of per-cluster sums; rows are read only in doubt.

    Parameters
    ----------
    sums : CrossProducts
    X : RowSource or Remainders (n, p)
        The columns the sums were made of.
    """
    x = sums.layout.x
    raw = sums.uncentre(x)
    # Centred columns have the same remainders once the intercept is among the kept ones.
    R = np.eye(sums.layout.k)[:, x] if x.size and x[0] == 0 else raw
    lengths = np.sqrt(np.maximum(np.einsum("ac,ab,bc->c", raw, sums.total, raw), 0.0))
    return _left_to_right(R.T @ sums.total @ R, lengths, X)


def _left_to_right(G: FloatArray, lengths: FloatArray, X: RowSource | Remainders) -> IntArray:
    """Grow a Cholesky factor of G (p, p) column by column, leaving out what R leaves out."""
    p, n = G.shape[0], X.shape[0]
    kept: list[int] = []
    L = np.zeros((p, p))
    for c in range(p):
        m = len(kept)
        if m == n or lengths[c] == 0:
            continue
        side = solve_lower(L[:m, :m], G[kept, c])
        length = float(np.sqrt(max(G[c, c] - side @ side, 0.0)))
        # The difference of squares itself is only known to rounding of its larger part.
        if length < _DOUBTFUL * max(lengths[c], np.sqrt(G[c, c])):
            before = np.array(kept, dtype=np.intp)
            if isinstance(X, Remainders):
                length = lengths[c] * X.share_left(before, c)
            else:
                length = lengths[c] * _share_left(X, before, c)
        if length >= TOLERANCE * lengths[c] and length > 0:
            L[m, :m], L[m, m] = side, length
            kept.append(c)
    return np.array(kept, dtype=np.int64)


def triangular_factor(blocks: Iterable[FloatArray], k: int) -> FloatArray:
    """Return R (at most k, k) of the rows of all blocks (any, k), without holding them."""
    R = np.empty((0, k))
    for block in blocks:
        R = np.asarray(np.linalg.qr(np.vstack([R, block]), mode="r"))
    return R


def _share_left(X: RowSource, kept: IntArray, column: int) -> float:
    """Share of a column's length that is left after the kept ones, from the rows themselves."""
    n, columns = X.shape[0], [*kept.tolist(), column]
    starts = range(0, n, BATCH_ROWS)
    blocks = (X.rows(start, min(start + BATCH_ROWS, n))[:, columns] for start in starts)
    upper = triangular_factor(blocks, len(columns))
    if upper.shape[0] <= kept.size:
        return 0.0
    return float(np.abs(upper[kept.size, kept.size]) / np.linalg.norm(upper[:, kept.size]))
