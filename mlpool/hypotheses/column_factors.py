"""R of X = Q R: from rows, from sums of rows that are elsewhere, or from counted combinations."""

from __future__ import annotations

import numpy as np

from mlpool.engine.rank import triangular_factor
from mlpool.formula.design import Design
from mlpool.formula.design_matrix import DesignMatrix
from mlpool.inference.small_sample.coordinates import covariance_root
from mlpool.sources.combinations import CombinedDesign
from mlpool.sources.design import PushedDesign
from mlpool.typing import FloatArray, IntArray

_BLOCK = 1 << 16


def column_factor(design: Design, kept: IntArray) -> FloatArray:
    """Return R (k, k) of ``X[:, kept] = Q R``; prior weights have no part in it.

    Parameters
    ----------
    design : Design
    kept : ndarray of int of shape (k,)
        Columns of X.
    """
    if isinstance(design, PushedDesign):
        # centred columns are squared, those of the model are combinations of them
        half = covariance_root(design.unweighted_total()).T
        columns = design.sums.uncentre(design.sums.layout.x[kept])
        return np.asarray(np.linalg.qr(half @ columns, mode="r"))
    if isinstance(design, CombinedDesign):
        return _of_rows(design.cells.X, kept, np.sqrt(design.counts))
    return _of_rows(design.X, kept, None)


def _of_rows(X: DesignMatrix, kept: IntArray, roots: FloatArray | None) -> FloatArray:
    def rows(start: int) -> FloatArray:
        stop = min(start + _BLOCK, X.n)
        block = X.rows(start, stop)[:, kept]
        return block if roots is None else block * roots[start:stop, None]

    return triangular_factor(map(rows, range(0, X.n, _BLOCK)), len(kept))
