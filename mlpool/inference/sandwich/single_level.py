"""Cluster-robust pieces of linear and generalised linear models, with clubSandwich's defaults.

The working covariance Phi is the identity for least squares (also with weights W) and
``Theta = V(mu) / prior weight`` for a GLM, whose rows are ``X d mu / d eta`` with W = Theta^-1.
"""

from __future__ import annotations

import numpy as np

from mlpool.errors import NotSupportedError
from mlpool.inference.sandwich.cluster_tests import ClusterPieces
from mlpool.inference.sandwich.heteroscedastic import ScoreRows
from mlpool.inference.sandwich.mixed import small_sample_factor
from mlpool.inference.sandwich.residual_adjustments import ClusterMatrices, adjusted_rows
from mlpool.typing import FloatArray, IntArray


def single_level_pieces(
    rows: ScoreRows, beta: FloatArray, codes: IntArray, kind: str
) -> ClusterPieces:
    """Return what cluster-robust inference about an lm's or glm's coefficients needs.

    Parameters
    ----------
    rows : ScoreRows
    beta : ndarray of shape (p,)
    codes : ndarray of int of shape (n,)
        Clusters 0 .. J - 1.
    kind : {"CR0", "CR1", "CR1p", "CR1S", "CR2", "CR3"}

    Raises
    ------
    NotSupportedError
        For fewer than two clusters, or CR2 of a GLM with a cluster of more than 5,000 rows.
    FitError
        If CR3 meets a coefficient that rests on one cluster alone, or CR1p too few clusters.
    """
    J = int(codes.max()) + 1
    if J < 2:
        raise NotSupportedError("cluster-robust standard errors need at least two clusters.")
    X, e, w, phi = _working_model(rows)
    WX = w[:, None] * X
    Y = _adjusted(rows, X, WX, phi, codes, kind)
    PhiWX = phi[:, None] * WX
    return ClusterPieces(
        beta=beta, bread=rows.bread, factor=small_sample_factor(kind, J, rows.n, rows.p),
        codes=codes, scores=_sums(Y * e[:, None], codes, J), X=X, Y=Y, PhiY=phi[:, None] * Y,
        PhiWX=PhiWX, K=WX.T @ PhiWX,
    )  # fmt: skip


def _working_model(rows: ScoreRows) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return X, e, and the diagonals of W and Phi, on the scale of the response."""
    if rows.mu_eta is None:
        return rows.X, rows.resid, rows.row_weights, np.ones(rows.n)
    theta = rows.mu_eta**2 / rows.row_weights
    return rows.mu_eta[:, None] * rows.X, rows.mu_eta * rows.resid, 1.0 / theta, theta


def _adjusted(
    rows: ScoreRows, X: FloatArray, WX: FloatArray, phi: FloatArray, codes: IntArray, kind: str
) -> FloatArray:
    """Return the rows of Y = A'W X."""
    if kind not in ("CR2", "CR3"):
        return WX
    M = rows.bread
    root = np.sqrt(rows.row_weights)
    U = root[:, None] * rows.X
    if kind == "CR3":  # A' W X = W^1/2 (I - U M U')^-1 U, W of the response's scale
        inner = adjusted_rows(codes, U, ClusterMatrices(B=U, C=-M, power=-1.0))
        scale = root if rows.mu_eta is None else 1.0 / np.sqrt(phi)
        return np.asarray(scale[:, None] * inner)
    if rows.mu_eta is not None:  # A = Theta^1/2 (Theta (I - U M U') Theta)^-1/2 Theta^1/2
        matrices = ClusterMatrices(B=U, C=-M, power=-0.5, scale=phi)
        return np.asarray(np.sqrt(phi)[:, None] * adjusted_rows(codes, U, matrices))
    if rows.weights is None:
        return adjusted_rows(codes, X, ClusterMatrices(B=X, C=-M, power=-0.5))
    K = M @ (WX.T @ WX) @ M
    C = np.block([[K, -M], [-M, np.zeros_like(M)]])
    return adjusted_rows(codes, WX, ClusterMatrices(B=np.hstack([X, WX]), C=C, power=-0.5))


def _sums(values: FloatArray, codes: IntArray, J: int) -> FloatArray:
    return np.column_stack([np.bincount(codes, column, J) for column in values.T])
