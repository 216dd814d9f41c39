"""Shift and scale columns before cross-products are made, and undo it exactly afterwards.

Raw cross-products of a column with mean 1e6 and SD 1, or of columns scaled 1e-12 and 1e12, lose
the digits that the fit needs. Shifts are rough means (any shift is exact after undoing), scales
are powers of two (free of rounding).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlpool.typing import FloatArray, IntArray, RowSource

_SAMPLE_BLOCKS = 16
_SAMPLE_ROWS = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Standard:
    """How internal columns come from the user's: ``x_internal = (x - shift) / scale``.

    Attributes
    ----------
    shift, scale : ndarray of shape (p + 1,)
        For [X y]; shifts are zero without an intercept.
    intercept : int or None
        Column of ones in X.
    z_scale : tuple of ndarray (k,), one per term
    """

    shift: FloatArray
    scale: FloatArray
    intercept: int | None
    z_scale: tuple[FloatArray, ...]

    @property
    def y_scale(self) -> float:
        """Scale of the response."""
        return float(self.scale[-1])

    def apply(self, block: FloatArray) -> FloatArray:
        """Return [X y] rows in internal units."""
        if self.shift.any():
            block = block - self.shift
        return block if (self.scale == 1.0).all() else block / self.scale

    def beta(self, internal: FloatArray, kept: IntArray) -> FloatArray:
        """Return coefficients in the user's units from internal ones of the kept columns."""
        x_scale, x_shift = self.scale[:-1][kept], self.shift[:-1][kept]
        beta: FloatArray = internal * self.y_scale / x_scale
        if self.intercept is not None:
            at = int(np.flatnonzero(kept == self.intercept)[0])
            beta[at] += self.shift[-1] - x_shift @ beta
        return beta

    def back_transform(self, kept: IntArray) -> FloatArray:
        """Return K with ``beta - constant = y_scale K beta_internal`` for covariances (p, p)."""
        x_scale, x_shift = self.scale[:-1][kept], self.shift[:-1][kept]
        K = np.diag(1.0 / x_scale)
        if self.intercept is not None:
            at = int(np.flatnonzero(kept == self.intercept)[0])
            K[at] -= x_shift / x_scale
        return K


def rough_standard(
    y: FloatArray, X: RowSource, z: tuple[RowSource, ...], offset: FloatArray | None
) -> Standard:
    """Return shifts and scales from a spread-out sample of rows."""
    n = len(y)
    starts = np.unique(np.linspace(0, max(n - _SAMPLE_ROWS, 0), _SAMPLE_BLOCKS).astype(int))
    stops = np.minimum(starts + _SAMPLE_ROWS, n)
    blocks = [
        (X.rows(a, b), y[a:b] if offset is None else y[a:b] - offset[a:b])
        for a, b in zip(starts, stops, strict=True)
    ]
    W = np.vstack([np.column_stack([x, v]) for x, v in blocks])
    ones = np.flatnonzero((W[:, :-1] == 1.0).all(axis=0))
    intercept = int(ones[0]) if len(ones) and _is_ones(X, int(ones[0]), n) else None
    shift = W.mean(axis=0)
    if intercept is None:
        shift[:] = 0.0
    else:
        shift[intercept] = 0.0
    scale = _powers_of_two(np.sqrt(((W - shift) ** 2).mean(axis=0)))
    if intercept is not None:
        scale[intercept] = 1.0
    z_scale = []
    for source in z:
        sample = np.vstack([source.rows(a, b) for a, b in zip(starts, stops, strict=True)])
        z_scale.append(_powers_of_two(np.sqrt((sample**2).mean(axis=0))))
    return Standard(shift=shift, scale=scale, intercept=intercept, z_scale=tuple(z_scale))


def _powers_of_two(size: FloatArray) -> FloatArray:
    """Return the power of two nearest to each size; 1 for zero columns."""
    with np.errstate(divide="ignore"):
        exponent = np.round(np.log2(np.where(size > 0, size, 1.0)))
    return np.exp2(exponent)


def _is_ones(X: RowSource, column: int, n: int) -> bool:
    if hasattr(X, "intercept"):
        return bool(X.intercept) and column == 0
    step = 1 << 16
    return all((X.rows(a, min(a + step, n))[:, column] == 1.0).all() for a in range(0, n, step))
