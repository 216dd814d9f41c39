"""Cluster-robust covariances from sums per cluster: no row is read.

With the bread M = L L', ``K_j = X_j'V_j^-1 X_j`` and the scores ``s_j = X_j'V_j^-1 e_j`` of cluster
j (least squares: V^-1 = W), powers of ``I - H_j`` act on scores as p x p matrices:

    X_j'V_j^-1 (I - X_j M X_j'V_j^-1)^-c e_j = L'^-1 (I - L'K_j L)^-c L' s_j

with c = 1/2 for CR2 and 1 for CR3, since f(A A') A = A f(A'A).

References
----------
Bell & McCaffrey (2002), Survey Methodology 28; Pustejovsky & Tipton (2018), JBES 36.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlpool.engine.sums.cluster_sums import CrossProducts
from mlpool.errors import FitError, NotSupportedError
from mlpool.inference.sandwich.mixed import small_sample_factor
from mlpool.inference.sandwich.residual_adjustments import EIGEN_TOL, SOLVE_TOL
from mlpool.typing import FloatArray, IntArray

_VCOV_CL = {"HC0": "CR1", "HC1": "CR1S", "vcovCL": "CR1S", "HC2": "CR2", "HC3": "CR3"}
"""sandwich's ``vcovCL`` by clubSandwich's names: the same numbers without weights."""
NEED_PRODUCTS = frozenset({"CR2", "CR3", "HC2", "HC3"})
"""Types that need the products of X by cluster, beside the scores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSums:
    """What a cluster-robust covariance is made of.

    Attributes
    ----------
    scores : ndarray of shape (J, p)
    products : ndarray of shape (J, p, p) or None
        K of every cluster, where the type needs it.
    bread : ndarray of shape (p, p)
    n : int
        Rows.
    """

    scores: FloatArray
    products: FloatArray | None
    bread: FloatArray
    n: int


def least_squares_clusters(
    sums: CrossProducts, kept: IntArray, beta: FloatArray, bread: FloatArray
) -> ClusterSums:
    """Return scores, and products where the sums hold them, of a least-squares fit.

    Parameters
    ----------
    sums : CrossProducts
        Per cluster with outer columns constant and response at least.
    kept : ndarray of int
        Columns of X that were estimated.
    beta : ndarray of shape (p,)
    bread : ndarray of shape (p, p)
        ``(X'WX)^-1``.
    """
    layout, outer = sums.layout, list(sums.outer)
    X = sums.uncentre(layout.x[kept])
    e = sums.uncentre(np.array([layout.y]))[:, 0] - X @ beta
    is_whole = len(outer) == layout.k
    if not is_whole:
        # the fit was taken off the response before: of the other columns rounding is left
        e = np.where(np.isin(np.arange(layout.k), outer), e, 0.0)
    residual = np.einsum("a,abj->bj", e[outer], sums.sums)
    products = None
    if is_whole:
        products = np.einsum("ac,abj,bd->jcd", X, sums.sums, X, optimize=True)
    return ClusterSums(scores=(X.T @ residual).T, products=products, bread=bread, n=sums.n)


def vcov_of_clusters(clusters: ClusterSums, kind: str, *, has_weights: bool) -> FloatArray:
    """Return the covariance (p, p) of a type of clubSandwich's or of vcovCL's.

    Raises
    ------
    NotSupportedError
        For fewer than two clusters, and for types that weights make a matter of rows.
    FitError
        If CR3 meets a coefficient that rests on one cluster alone.
    """
    if has_weights and kind in NEED_PRODUCTS - {"CR3"}:
        raise NotSupportedError(
            f"{kind} of weighted rows needs them in memory; 'CR1', 'CR1S' and 'CR3' come from sums."
        )
    name = "CR0" if kind == "CR0" else _VCOV_CL.get(kind, kind)
    J, p = clusters.scores.shape
    if J < 2:
        raise NotSupportedError("cluster-robust standard errors need at least two clusters.")
    scores = clusters.scores if name not in ("CR2", "CR3") else _adjusted(clusters, name)
    meat = small_sample_factor(name, J, clusters.n, p) * (scores.T @ scores)
    V = clusters.bread @ meat @ clusters.bread
    return np.asarray(0.5 * (V + V.T))


def _adjusted(clusters: ClusterSums, kind: str) -> FloatArray:
    """Return the scores (J, p) with residuals divided by a power of ``I - H``."""
    assert clusters.products is not None
    L = np.linalg.cholesky(clusters.bread)
    values, vectors = np.linalg.eigh(L.T @ clusters.products @ L)
    left = 1.0 - values
    if kind == "CR3" and float(left.min()) < SOLVE_TOL:
        raise FitError(
            "CR3 leaves out one cluster at a time, and a coefficient rests on one cluster alone; "
            "use 'CR2' or 'CR1' instead."
        )
    is_left = left > EIGEN_TOL
    power = np.where(
        is_left, np.where(is_left, left, 1.0) ** (-1.0 if kind == "CR3" else -0.5), 0.0
    )
    inside = np.einsum("jab,ja->jb", vectors, clusters.scores @ L)
    turned = np.einsum("jab,jb->ja", vectors, power * inside)
    return np.asarray(np.linalg.solve(L.T, turned.T).T)


def mixed_clusters(
    sums: CrossProducts,
    Lambda: FloatArray,
    kept: IntArray,
    fit: tuple[FloatArray, float, FloatArray],
) -> ClusterSums:
    """Return scores and products of a mixed model whose clusters are its grouping factor's levels.

    ``V_j^-1 = (I - Z_j Lambda (Lambda'A_j Lambda + I)^-1 Lambda'Z_j') / sigma^2`` (Woodbury).

    Parameters
    ----------
    sums : CrossProducts
        Per cluster, of all columns.
    Lambda : ndarray of shape (q, q)
    kept : ndarray of int
    fit : tuple of beta (p,), sigma, and vcov_unscaled (p, p)
    """
    beta, sigma, unscaled = fit
    layout = sums.layout
    X, z = sums.uncentre(layout.x[kept]), sums.uncentre(layout.z) @ Lambda
    e = sums.uncentre(np.array([layout.y]))[:, 0] - X @ beta
    W = np.column_stack([X, e])
    G = np.moveaxis(sums.sums, 2, 0)
    total = W.T @ G @ W
    D = z.T @ G @ W
    M = z.T @ G @ z + np.eye(z.shape[1])
    found = (total - np.swapaxes(D, 1, 2) @ np.linalg.solve(M, D)) / sigma**2
    return ClusterSums(
        scores=np.ascontiguousarray(found[:, :-1, -1]), products=found[:, :-1, :-1],
        bread=sigma**2 * unscaled, n=sums.n,
    )  # fmt: skip
