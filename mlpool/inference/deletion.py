"""What the coefficients of a linear model would be without some rows, the covariance as it is.

Leaving out rows S is the same as giving each of them a column of its own. With P = I - H and the
residuals e = P y of the weighted rows (:mod:`mlpool.inference.hat_matrix`),

    u = P_SS^-1 e_S
    beta - beta_(S) = G R_S' u
    rss - rss_(S)   = e_S' u
    G_(S)           = G + G R_S' P_SS^-1 R_S G

exactly, at fixed theta for mixed models. One row: u = e_i / (1 - h_i).

References
----------
Cook & Weisberg (1982), Residuals and Influence in Regression, section 3.6; Christensen, Pearson &
Johnson (1992), Technometrics 34, 38-45 (mixed models at fixed theta).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlpool.inference.hat_matrix import Smoother
from mlpool.typing import FloatArray, IntArray

LEFT = 1e-10
"""Share of a row's residual that the fit leaves, below which the others do not determine its
coefficients: leverages have no unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletions:
    """Fits without each of J sets of rows.

    Attributes
    ----------
    change : ndarray of shape (J, p)
        beta - beta_(S); NaN where the other rows do not determine the coefficients.
    fall : ndarray of shape (J,)
        Fall of the residual sum of squares.
    vcov_unscaled : ndarray of shape (J, p, p)
        (X'V^-1X)^-1 of the other rows, V relative to the residual variance.
    """

    change: FloatArray
    fall: FloatArray
    vcov_unscaled: FloatArray


def deletions(s: Smoother, e: FloatArray, sets: Sequence[IntArray]) -> Deletions:
    """Return the fits without each set of rows.

    Parameters
    ----------
    s : Smoother
        Made of the columns, with their triangle.
    e : ndarray of shape (n,)
        Residuals times the square root of the weights.
    sets : sequence of ndarray of int
    """
    p, J = s.R.shape[1], len(sets)
    change, fall = np.full((J, p), np.nan), np.full(J, np.nan)
    inflated = np.full((J, p, p), np.nan)
    h = s.diagonal() if all(len(rows) == 1 for rows in sets) else None
    for j, rows in enumerate(sets):
        R = s.R[rows]
        if h is None:
            left = np.eye(len(rows)) - s.block(rows)
            if float(np.linalg.eigvalsh(left)[0]) < LEFT:
                continue
            solved = np.linalg.solve(left, np.column_stack([e[rows], R]))
        else:
            if 1.0 - h[rows[0]] < LEFT:
                continue
            solved = np.column_stack([e[rows], R]) / (1.0 - h[rows[0]])
        change[j] = s.G @ (R.T @ solved[:, 0])
        fall[j] = e[rows] @ solved[:, 0]
        inflated[j] = s.G + s.G @ (R.T @ solved[:, 1:]) @ s.G
    assert s.triangle is not None
    back = np.linalg.inv(s.triangle)
    return Deletions(change=change @ back.T, fall=fall, vcov_unscaled=back @ inflated @ back.T)
