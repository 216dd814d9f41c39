"""Every cluster's own normal equations at once, by the SWEEP operator.

Goodnight (1979), "A tutorial on the SWEEP operator", Amer. Statist. 33: sweeping the rows of
``[A D]`` turns A into its inverse and D into ``A^-1 D``; a column that earlier ones determine is
left out, which is R's rule for aliased columns (left to right). Clusters are on the last axis.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlpool.typing import BoolArray, FloatArray

ALIASED = 1e-12
"""Share of a squared length, after earlier columns, that cross-products cannot tell from zero."""


@dataclass(frozen=True, slots=True)
class Swept:
    """Least squares of every cluster by itself.

    Attributes
    ----------
    A_inverse : ndarray of shape (q, q, J)
        Zero in rows and columns of aliased columns.
    P : ndarray of shape (q, k, J)
        A^-1 D.
    identified : ndarray of bool of shape (q, J)
    explained : ndarray of shape (k, k)
        sum D'A^-1 D.
    explained_last : ndarray of shape (J,)
        The same per cluster for the last column of D (the response).
    """

    A_inverse: FloatArray
    P: FloatArray
    identified: BoolArray
    explained: FloatArray
    explained_last: FloatArray


def sweep(A: FloatArray, D: FloatArray) -> Swept:
    """Solve ``A_j P_j = D_j`` for all clusters.

    Parameters
    ----------
    A : ndarray of shape (q, q, J)
    D : ndarray of shape (q, k, J)
    """
    q, k, J = D.shape
    G = np.concatenate([A, D], axis=1)
    lengths = np.einsum("aaj->aj", A).copy()
    identified = np.zeros((q, J), dtype=bool)
    explained = np.zeros((k, k))
    explained_last = np.zeros(J)
    for c in range(q):
        pivot = G[c, c].copy()
        identified[c] = (pivot > ALIASED * lengths[c]) & (lengths[c] > 0)
        pivot[~identified[c]] = 1.0
        column = G[:, c].copy()
        row = np.where(identified[c], G[c] / pivot, 0.0)
        explained += np.where(identified[c], G[c, q:], 0.0) @ row[q:].T
        explained_last += np.where(identified[c], G[c, -1], 0.0) * row[-1]
        for r in range(q):
            if r != c:
                G[r] -= column[r] * row
                G[r, c] = np.where(identified[c], -column[r] / pivot, 0.0)
        G[c] = row
        G[c, c] = np.where(identified[c], 1.0 / pivot, 0.0)
    return Swept(
        A_inverse=np.ascontiguousarray(G[:, :q]),
        P=np.ascontiguousarray(G[:, q:]),
        identified=identified,
        explained=(explained + explained.T) / 2,
        explained_last=explained_last,
    )
