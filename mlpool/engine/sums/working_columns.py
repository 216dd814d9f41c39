"""Well-placed columns made from the distinct ones: [X y] of the fixed effects, Z of a factor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlpool.engine.sums.cluster_sums import CrossProducts
from mlpool.engine.sums.columns import Layout
from mlpool.typing import FloatArray, IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedColumns:
    """How the kept columns [X y] come from the distinct columns, and the way back for beta.

    Attributes
    ----------
    R : ndarray of shape (k_distinct, p + 1)
        ``U R`` are the working columns [X y].
    back : ndarray of shape (p, p)
        beta = back @ beta_working + shift.
    shift : ndarray of shape (p,)
        What was taken off the response: its trend and centre.
    """

    R: FloatArray
    back: FloatArray
    shift: FloatArray

    @classmethod
    def of(cls, sums: CrossProducts, kept: IntArray) -> FixedColumns:
        """Stay with centred columns where an intercept allows it, else uncentre them.

        The response is what the kept columns' part of the trend leaves of it: neither the
        criterion nor the random effects know of that part, and beta gets it back.
        """
        layout = sums.layout
        x, y, p = layout.x[kept], layout.y, len(kept)
        trend, dropped = _trend_of(layout, kept)
        intercepts = np.flatnonzero(x == 0)
        if intercepts.size == 0:
            R = sums.uncentre(np.append(x, y))
            R[:, -1] -= R[:, :p] @ trend
            return cls(R=R, back=np.eye(p), shift=trend)
        R = np.zeros((layout.k, p + 1))
        R[np.append(x, y), np.arange(p + 1)] = 1.0
        R[:, -1] += dropped
        centre = np.array(layout.centre)
        back, shift = np.eye(p), np.zeros(p)
        back[intercepts[0]] -= centre[x]
        shift[intercepts[0]] = centre[y]
        return cls(R=R, back=back, shift=back @ trend + shift)


def _trend_of(layout: Layout, kept: IntArray) -> tuple[FloatArray, FloatArray]:
    """Return the trend of the kept columns (p,), and of all others per distinct column (k,)."""
    trend, rest = np.zeros(len(kept)), np.zeros(layout.k)
    if layout.trend:
        rest += np.array(layout.trend)
        x = layout.x[kept]
        trend, rest[x] = rest[x], 0.0
        trend[x == 0] = 0.0
    return trend, rest


@dataclass(frozen=True, slots=True)
class Columns:
    """Well-placed columns of one factor: Z_working = U[:, outer] P and Z = Z_working T.

    Attributes
    ----------
    P : ndarray (outer, q_working)
    T : ndarray (q_working, q)
    """

    P: FloatArray
    T: FloatArray

    @classmethod
    def of(cls, sums: CrossProducts) -> Columns:
        """Stay with centred columns where the factor has an intercept; scale to about one."""
        z, outer = sums.layout.z, np.array(sums.outer)
        centre = np.array(sums.layout.centre)
        working = np.unique(z)
        P = (outer[:, None] == working[None, :]).astype(np.float64)
        T = (working[:, None] == z[None, :]).astype(np.float64)
        if working[0] == 0:
            T[0] += centre[z]
        else:
            P[0] += centre[working]
        square = np.diag(P.T @ sums.total[np.ix_(outer, outer)] @ P) / sums.n
        scale = 2.0 ** np.round(np.log2(np.sqrt(np.where(square > 0, square, 1.0))))
        return cls(P / scale, scale[:, None] * T)
