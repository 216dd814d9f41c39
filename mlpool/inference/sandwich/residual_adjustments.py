"""Residual adjustments of CR2, CR3 (and vcovCL's HC2, HC3), batched over clusters of equal size.

Each cluster's matrix is the identity plus a low-rank term, ``G_g = I + B_g C B_g'``; its power is
taken in the span of B_g only, so that nothing larger than min(n_g, columns of B) square is formed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mlpool.errors import FitError, NotSupportedError
from mlpool.typing import BoolArray, FloatArray, IntArray

EIGEN_TOL = 1e-12
"""Eigenvalues of I - H_g, which lie between 0 and 1 whatever the units, below which they are zero
(clubSandwich's tolerance)."""
SOLVE_TOL = 1e-10
"""I - H_g is not invertible below this eigenvalue (R's ``solve`` stops there, too)."""
#: Numbers in one batch of cluster blocks (160 MB).
_BATCH_NUMBERS = 20_000_000
#: Rows of one cluster beyond which the full (n_g, n_g) form of a GLM's CR2 is refused.
_MAX_FULL_ROWS = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterMatrices:
    """The matrices ``(S_g (I + B_g C B_g') S_g)^power`` of all clusters.

    Attributes
    ----------
    B : ndarray of shape (n, m)
        Rows in the order of the data; B_g are the rows of cluster g.
    C : ndarray of shape (m, m), symmetric
    power : float
        -1/2 (CR2; zero eigenvalues stay zero) or -1 (CR3).
    scale : ndarray of shape (n,) or None
        Diagonal of S; None is the identity.
    """

    B: FloatArray
    C: FloatArray
    power: float
    scale: FloatArray | None = None


def adjusted_scores(
    codes: IntArray, left: FloatArray, right: FloatArray, matrices: ClusterMatrices
) -> FloatArray:
    """Cluster sums ``left_g' A_g right_g`` with the matrices A_g of all clusters.

    Parameters
    ----------
    codes : ndarray of int, shape (n,)
        Cluster 0 .. G - 1 of each row.
    left : ndarray of shape (n, p)
    right : ndarray of shape (n,)
    matrices : ClusterMatrices

    Returns
    -------
    ndarray of shape (G, p)

    Raises
    ------
    FitError
        If the power is -1 and a matrix is singular.
    NotSupportedError
        If there is a `scale` and a cluster has more than 5,000 rows.
    """
    sizes = np.bincount(codes)
    out = np.empty((sizes.size, left.shape[1]))
    for groups, index in batches(codes, sizes, max(left.shape[1], matrices.B.shape[1])):
        adjusted = _apply(matrices, index, right[index][:, :, None])[:, :, 0]
        out[groups] = np.einsum("gip,gi->gp", left[index], adjusted)
    return out


def adjusted_rows(codes: IntArray, rows: FloatArray, matrices: ClusterMatrices) -> FloatArray:
    """Return ``A_g rows_g`` of all clusters, (n, k) in the order of the data.

    Raises
    ------
    FitError, NotSupportedError
        As :func:`adjusted_scores`.
    """
    out = np.empty_like(rows)
    width = max(rows.shape[1], matrices.B.shape[1])
    for _, index in batches(codes, np.bincount(codes), width):
        out[index] = _apply(matrices, index, rows[index])
    return out


def batches(codes: IntArray, sizes: IntArray, width: int) -> Iterator[tuple[IntArray, IntArray]]:
    """Yield (clusters (k,), their rows (k, size)): clusters of equal size, in bounded batches."""
    order = np.argsort(codes, kind="stable")
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    for size in np.unique(sizes):
        groups = np.flatnonzero(sizes == size)
        step = max(1, _BATCH_NUMBERS // (int(size) * max(width, min(int(size), width))))
        for first in range(0, groups.size, step):
            part = groups[first : first + step]
            yield part, order[starts[part][:, None] + np.arange(size)]


def _apply(matrices: ClusterMatrices, index: IntArray, r: FloatArray) -> FloatArray:
    """Return the matrices of one batch times r (k, s, m)."""
    B, C, power = matrices.B[index], matrices.C, matrices.power
    if matrices.scale is None:
        return _apply_power(B, C, r, power)
    return _apply_scaled_power(B, C, r, power, matrices.scale[index])


def _apply_power(B: FloatArray, C: FloatArray, r: FloatArray, power: float) -> FloatArray:
    """Return ``(I + B C B')^power r`` for a batch; B (k, s, m), r (k, s, c).

    With B = Q R (thin), the matrix acts as ``T = I + R C R'`` on the span of Q and as the identity
    beside it: ``r + Q (T^power - I) Q' r``.
    """
    _, s, m = B.shape
    if s <= m:
        return _symmetric_power(np.eye(s) + B @ C @ np.swapaxes(B, 1, 2), r, power)
    Q, R = np.linalg.qr(B)
    T = np.eye(m) + R @ C @ np.swapaxes(R, 1, 2)
    inside = np.swapaxes(Q, 1, 2) @ r
    return np.asarray(r + Q @ (_symmetric_power(T, inside, power) - inside))


def _apply_scaled_power(
    B: FloatArray, C: FloatArray, r: FloatArray, power: float, scale: FloatArray
) -> FloatArray:
    """Return ``(S (I + B C B') S)^power r``; S differs by row, so the full matrix is needed."""
    s = B.shape[1]
    if s > _MAX_FULL_ROWS:
        raise NotSupportedError(
            f"CR2 of a generalised linear model needs a square matrix per cluster, and one has "
            f"{s} rows; use 'CR1', 'CR3' or 'HC2' instead."
        )
    G = np.eye(s) + B @ C @ np.swapaxes(B, 1, 2)
    rank = rank_of_remainder(G)
    return _symmetric_power(scale[:, :, None] * G * scale[:, None, :], r, power, rank)


def rank_of_remainder(G: FloatArray) -> IntArray:
    """Return the ranks of a batch of I - H (k, s, s), symmetric."""
    values = np.linalg.eigvalsh(0.5 * (G + np.swapaxes(G, 1, 2)))
    return np.asarray(np.sum(values > EIGEN_TOL, axis=1))


def largest(values: FloatArray, rank: IntArray) -> BoolArray:
    """Tell which of ascending eigenvalues (k, s) are among the `rank` (k,) largest and positive.

    What was scaled by rows has as many eigenvalues that are zero as before, however small the rest.
    """
    place = np.arange(values.shape[1])
    return np.asarray((place >= values.shape[1] - rank[:, None]) & (values > 0.0))


def _symmetric_power(
    G: FloatArray, r: FloatArray, power: float, rank: IntArray | None = None
) -> FloatArray:
    """Return ``G^power r`` through the eigenvalues of the batch G (k, s, s); r (k, s, c).

    G is I - H, or of known `rank`.
    """
    values, vectors = np.linalg.eigh(0.5 * (G + np.swapaxes(G, 1, 2)))
    if power == -1.0 and values.size and float(values.min()) < SOLVE_TOL:
        raise FitError(
            "CR3 and HC3 leave out one cluster at a time, and a coefficient rests on one cluster "
            "alone (for example its own dummy); use 'CR2' or 'CR1' instead."
        )
    kept = values > EIGEN_TOL if rank is None else largest(values, rank)
    powered = np.where(kept, np.where(kept, values, 1.0) ** power, 0.0)
    inside = powered[:, :, None] * (np.swapaxes(vectors, 1, 2) @ r)
    return np.asarray(vectors @ inside)
