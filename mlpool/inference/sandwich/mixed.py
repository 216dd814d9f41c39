"""Cluster-robust pieces of linear mixed models, with the model's own V as working covariance.

Clusters hold whole levels of every grouping factor, so V is block-diagonal over them. With
``K_j = X_j'V_j^-1 X_j`` and ``s_j = X_j'V_j^-1 e_j``, CR0, CR1 and CR3 need these p x p sums only:

    CR0   Y_j = V_j^-1 X_j                       CR3   Y_j = V_j^-1 X_j (I - M K_j)^-1

CR2 needs the Cholesky factor ``V_j = U'U`` of each cluster (clubSandwich's choice of root):

    Y_j = U' G^-1/2 U'^-1 X_j        G = U (V_j - X_j M X_j') U'

References
----------
Bell & McCaffrey (2002), Survey Methodology 28; Pustejovsky & Tipton (2018), JBES 36, eq. 9-11;
clubSandwich's ``vcovCR`` for ``lmerMod``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.linalg

from mlpool.engine.types import LmmData, LmmFit
from mlpool.errors import FitError, NotSupportedError
from mlpool.inference.sandwich.cluster_tests import ClusterPieces
from mlpool.inference.sandwich.residual_adjustments import (
    SOLVE_TOL,
    batches,
    largest,
    rank_of_remainder,
)
from mlpool.inference.small_sample.variance_sums import relative_factors
from mlpool.typing import FloatArray, IntArray

MAX_CLUSTER_ROWS = 3_000
"""Rows of one cluster beyond which CR2, which needs a square matrix per cluster, is refused."""

MAX_CROSSED = 20_000
"""Random effects of several factors beyond which their dense matrix is refused."""


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows scaled by the square root of their prior weights, and each term's factor."""

    X: FloatArray
    e: FloatArray
    Z: tuple[FloatArray, ...]
    codes: tuple[IntArray, ...]
    n_levels: tuple[int, ...]
    roots: tuple[FloatArray, ...]
    s2: float
    root: FloatArray | None


def mixed_pieces(data: LmmData, fit: LmmFit, codes: IntArray, kind: str) -> ClusterPieces:
    """Return what cluster-robust inference about a mixed model's coefficients needs.

    Parameters
    ----------
    data : LmmData
    fit : LmmFit
    codes : ndarray of int of shape (n,)
        Clusters 0 .. J - 1, none of which cuts through a level of a grouping factor.
    kind : {"CR0", "CR1", "CR1p", "CR1S", "CR2", "CR3"}

    Raises
    ------
    NotSupportedError
        For fewer than two clusters, or CR2 with a cluster of more than 3,000 rows.
    FitError
        If CR3 meets a coefficient that rests on one cluster alone, or CR1p too few clusters.
    """
    check_clusters(codes)
    rows = _read(data, fit)
    return pieces_of(
        fit.beta, fit.sigma**2 * fit.vcov_unscaled, rows.X, rows.e, codes, kind,
        inverse_times=lambda X: _inverse_times(rows, X),
        blocks=lambda index: _blocks(rows, index),
        root=rows.root,
    )  # fmt: skip


def pieces_of(
    beta: FloatArray,
    M: FloatArray,
    X: FloatArray,
    e: FloatArray,
    codes: IntArray,
    kind: str,
    *,
    inverse_times: Callable[[FloatArray], FloatArray],
    blocks: Callable[[IntArray], FloatArray],
    root: FloatArray | None = None,
) -> ClusterPieces:
    """Return the pieces of any linear model whose V is block-diagonal over clusters.

    Parameters
    ----------
    beta : ndarray (p,)
    M : ndarray (p, p)
        ``(X'V^-1 X)^-1``.
    X, e : ndarrays (n, p), (n,)
        Rows of X and of ``y - X beta``.
    codes : ndarray of int (n,)
    kind : str
    inverse_times : callable
        X to ``V^-1 X``.
    blocks : callable
        Rows of clusters (k, s) to their V (k, s, s).
    root : ndarray (n,), optional
        What all of these were multiplied by: square roots of prior weights.
    """
    (n, p), J = X.shape, int(codes.max()) + 1
    if kind == "CR2":
        Y, PhiY = _cr2(X, root, blocks, codes, M)
    else:
        Y, PhiY = _from_sums(X, inverse_times(X), codes, M, kind)
    scores: FloatArray = np.zeros((J, p))
    for a in range(p):
        scores[:, a] = np.bincount(codes, Y[:, a] * e, J)
    return ClusterPieces(
        beta=beta, bread=M, factor=small_sample_factor(kind, J, n, p), codes=codes,
        scores=scores, X=X, Y=Y, PhiY=PhiY, PhiWX=X, K=np.asarray(np.linalg.inv(M)),
    )  # fmt: skip


def check_clusters(codes: IntArray) -> None:
    """Refuse a single cluster.

    Raises
    ------
    NotSupportedError
    """
    if int(codes.max()) < 1:
        raise NotSupportedError("cluster-robust standard errors need at least two clusters.")


def small_sample_factor(kind: str, J: int, n: int, p: int) -> float:
    """Return clubSandwich's factor of the meat.

    Raises
    ------
    FitError
        If CR1p has no more clusters than coefficients.
    """
    if kind == "CR1p" and p >= J:
        raise FitError(
            f"CR1p divides by clusters - coefficients, here {J} - {p}; use 'CR1' or 'CR2'."
        )
    if kind == "CR1":
        return J / (J - 1)
    if kind == "CR1p":
        return J / (J - p)
    if kind == "CR1S":
        return J * (n - 1) / ((J - 1) * (n - p))
    return 1.0


def splits_levels(codes: IntArray, levels: IntArray) -> bool:
    """Tell whether some level of a grouping factor has rows in several clusters."""
    first = np.full(int(levels.max()) + 1, -1, dtype=np.int64)
    first[levels] = codes
    return bool(np.any(first[levels] != codes))


def score_rows(data: LmmData, fit: LmmFit) -> tuple[FloatArray, FloatArray]:
    """Return the rows of V^-1 X (n, p) and of e, whose products are the rows' scores."""
    rows = _read(data, fit)
    return _inverse_times(rows, rows.X), rows.e


def _read(data: LmmData, fit: LmmFit) -> _Rows:
    X = data.X.rows(0, data.n)[:, fit.kept]
    e = data.y - X @ fit.beta
    if data.offset is not None:
        e = e - data.offset
    Z = [term.z.rows(0, data.n) for term in data.terms]
    root = None if data.weights is None else np.sqrt(data.weights)
    if root is not None:
        X, e = root[:, None] * X, root * e
        Z = [root[:, None] * z for z in Z]
    return _Rows(
        X=X, e=e, Z=tuple(Z), codes=tuple(np.asarray(t.codes) for t in data.terms),
        n_levels=tuple(t.n_levels for t in data.terms), roots=relative_factors(data, fit),
        s2=fit.sigma**2, root=root,
    )  # fmt: skip


def _from_sums(
    X: FloatArray, VX: FloatArray, codes: IntArray, M: FloatArray, kind: str
) -> tuple[FloatArray, FloatArray]:
    """Return the rows of Y and V Y for CR0 (CR1, CR1p, CR1S) and CR3; VX is V^-1 X."""
    if kind != "CR3":
        return VX, X
    J, p = int(codes.max()) + 1, M.shape[0]
    K = np.empty((J, p, p))
    for a in range(p):
        for b in range(p):
            K[:, a, b] = np.bincount(codes, VX[:, a] * X[:, b], J)
    root = np.linalg.cholesky(M)
    # I - M K is similar to the symmetric I - R'K R with M = R R'.
    inner = np.eye(p) - root.T @ (0.5 * (K + np.swapaxes(K, 1, 2))) @ root
    if float(np.linalg.eigvalsh(inner).min()) < SOLVE_TOL:
        raise FitError(
            "CR3 leaves out one cluster at a time, and a coefficient rests on one cluster alone; "
            "use 'CR2' or 'CR1' instead."
        )
    F = (root @ np.linalg.inv(inner) @ np.linalg.inv(root))[codes]
    return np.einsum("ia,iab->ib", VX, F), np.einsum("ia,iab->ib", X, F)


def _cr2(
    X_rows: FloatArray,
    root_rows: FloatArray | None,
    blocks: Callable[[IntArray], FloatArray],
    codes: IntArray,
    M: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Return the rows of Y and V Y for CR2, a batch of clusters of equal size at a time."""
    sizes = np.bincount(codes)
    if int(sizes.max()) > MAX_CLUSTER_ROWS:
        raise NotSupportedError(
            f"CR2 of a mixed model needs a square matrix per cluster, and one has {sizes.max()} "
            "rows; use 'CR1' or 'CR3'."
        )
    Y_rows, VY_rows = np.empty_like(X_rows), np.empty_like(X_rows)
    for _, index in batches(codes, sizes, max(M.shape[0], int(sizes.max()))):
        # The root of V is not the same after rows were scaled by weights: back to V itself.
        root = np.ones(index.shape) if root_rows is None else root_rows[index]
        X = X_rows[index] / root[:, :, None]
        V = blocks(index) / (root[:, :, None] * root[:, None, :])
        lower = np.linalg.cholesky(V)
        upper = np.swapaxes(lower, 1, 2)
        white = np.linalg.solve(lower, X)  # U'^-1 X, in which I - H has no unit
        rank = rank_of_remainder(np.eye(V.shape[1]) - white @ M @ np.swapaxes(white, 1, 2))
        G = upper @ (V - X @ M @ np.swapaxes(X, 1, 2)) @ lower
        values, vectors = np.linalg.eigh(0.5 * (G + np.swapaxes(G, 1, 2)))
        kept = largest(values, rank)
        powered = np.where(kept, 1.0 / np.sqrt(np.where(kept, values, 1.0)), 0.0)
        inside = np.swapaxes(vectors, 1, 2) @ white
        Y = lower @ (vectors @ (powered[:, :, None] * inside))  # U' G^-1/2 U'^-1 X
        Y_rows[index] = Y / root[:, :, None]
        VY_rows[index] = (lower @ (upper @ Y)) * root[:, :, None]
    return Y_rows, VY_rows


def _blocks(rows: _Rows, index: IntArray) -> FloatArray:
    """Return V of clusters given by their rows `index` (k, s): shape (k, s, s)."""
    k, s = index.shape
    V = np.zeros((k, s, s))
    for Z, codes, root in zip(rows.Z, rows.codes, rows.roots, strict=True):
        half = Z[index] @ root
        same = codes[index][:, :, None] == codes[index][:, None, :]
        V += np.where(same, half @ np.swapaxes(half, 1, 2), 0.0)
    V[:, np.arange(s), np.arange(s)] += 1.0
    out: FloatArray = rows.s2 * V
    return out


def _inverse_times(rows: _Rows, X: FloatArray) -> FloatArray:
    """Return V^-1 X: (X - H (H'H + I)^-1 H'X) / s2 with H = Z Lambda (Woodbury)."""
    if len({id(c) for c in rows.codes}) == 1 or _all_equal(rows.codes):
        return _inverse_one_factor(rows, X)
    return _inverse_several(rows, X)


def _all_equal(codes: tuple[IntArray, ...]) -> bool:
    return all(np.array_equal(codes[0], other) for other in codes[1:])


def _inverse_one_factor(rows: _Rows, X: FloatArray) -> FloatArray:
    J, codes = rows.n_levels[0], rows.codes[0]
    half = np.hstack([Z @ root for Z, root in zip(rows.Z, rows.roots, strict=True)])
    q, p = half.shape[1], X.shape[1]
    A, D = np.empty((J, q, q)), np.empty((J, q, p))
    for a in range(q):
        for b in range(q):
            A[:, a, b] = np.bincount(codes, half[:, a] * half[:, b], J)
        for c in range(p):
            D[:, a, c] = np.bincount(codes, half[:, a] * X[:, c], J)
    C = np.linalg.solve(A + np.eye(q), D)
    out: FloatArray = (X - np.einsum("iq,iqp->ip", half, C[codes])) / rows.s2
    return out


def _inverse_several(rows: _Rows, X: FloatArray) -> FloatArray:
    """Several factors: one sparse product, one dense Cholesky of all random effects."""
    from scipy.sparse import csr_array, hstack

    n, blocks = X.shape[0], []
    for Z, codes, levels, root in zip(rows.Z, rows.codes, rows.n_levels, rows.roots, strict=True):
        half = Z @ root
        k = half.shape[1]
        columns = codes.astype(np.int64)[:, None] * k + np.arange(k)
        pointer = np.arange(n + 1) * k
        blocks.append(csr_array((half.ravel(), columns.ravel(), pointer), shape=(n, levels * k)))
    S = hstack(blocks, format="csr")
    _check_size(S.shape[1])
    inner = (S.T @ S).toarray()
    inner[np.diag_indices_from(inner)] += 1.0
    factor = scipy.linalg.cho_factor(inner, lower=True, overwrite_a=True, check_finite=False)
    C = scipy.linalg.cho_solve(factor, S.T @ X, check_finite=False)
    return np.asarray((X - S @ C) / rows.s2)


def _check_size(Q: int) -> None:
    if Q > MAX_CROSSED:
        raise NotSupportedError(
            f"Cluster-robust covariances of a model with {Q} random effects of several factors "
            # gigabytes of one float: eight bytes
            f"need {8e-9 * Q * Q:.0f} GB; use the model's own covariance."
        )
