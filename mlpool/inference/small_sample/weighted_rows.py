"""Rows of a mixed model's data as small-sample inference reads them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mlpool.engine.types import LmmData, LmmFit
from mlpool.typing import FloatArray

#: Rows read at a time.
_BATCH_ROWS = 65_536


def row_blocks(data: LmmData, fit: LmmFit) -> Iterator[tuple[slice, list[FloatArray], FloatArray]]:
    """Yield (rows, Z of each term, [X, e]) block by block, scaled by sqrt(weights)."""
    e = residuals(data, fit)
    for start in range(0, data.n, _BATCH_ROWS):
        rows = slice(start, min(start + _BATCH_ROWS, data.n))
        X = data.X.rows(rows.start, rows.stop)[:, fit.kept]
        W = np.column_stack([X, e[rows]])
        Z = [term.z.rows(rows.start, rows.stop) for term in data.terms]
        if data.weights is not None:
            root = np.sqrt(data.weights[rows])[:, None]
            W, Z = root * W, [root * z for z in Z]
        yield rows, Z, W


def residuals(data: LmmData, fit: LmmFit) -> FloatArray:
    """Return y - X beta - offset (n,)."""
    e = np.array(data.y, dtype=np.float64)
    beta = np.zeros(data.X.shape[1])
    beta[fit.kept] = fit.beta
    for start in range(0, data.n, _BATCH_ROWS):
        stop = min(start + _BATCH_ROWS, data.n)
        e[start:stop] -= data.X.rows(start, stop) @ beta
    if data.offset is not None:
        e -= data.offset
    return e
