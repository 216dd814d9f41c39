"""The sums that small-sample inference needs, from one pass over the rows; nothing is n x n.

With rows scaled by the square root of the prior weights, ``V = Z Sigma Z' + s2 I``, ``A = Z'Z``,
``D = Z'W`` and ``W = [X, e]``, e = y - X beta. From ``R = (I + Lambda Lambda' A)^-1``:

    Z'V^-1 Z = A R / s2          Z'V^-2 Z = R'A R / s2^2
    Z'V^-1 W = R'D / s2          Z'V^-2 W = R'R'D / s2^2
    tr V^-1 = (n - Q + tr R) / s2        tr V^-2 = (n - Q + tr R R) / s2^2

with Q the number of random effects; these lose no digits where Lambda is large or zero. One
grouping factor is handled cluster by cluster (batched), several factors as one dense matrix.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse

from mlpool.engine.types import LmmData, LmmFit
from mlpool.errors import NotSupportedError
from mlpool.typing import FloatArray

#: Rows read at a time.
_BATCH_ROWS = 65_536
#: Largest memory of the dense matrices of several grouping factors, in bytes.
MAX_DENSE_BYTES = 3_000_000_000
#: Dense Q x Q matrices that live at the same time.
_DENSE_COPIES = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class VarianceSums:
    """Products with V^-1 and V^-2, by random-effect column ("slot": column c of term t).

    Attributes
    ----------
    K, K2 : tuple of tuples of ndarray
        ``K[s][t]`` is the part of Z'V^-1 Z (Z'V^-2 Z) between slots s and t: shape (levels of s,
        levels of t), or (levels,) where it is diagonal, as with one grouping factor.
    H, H2 : tuple of ndarray, shape (levels, p + 1)
        Rows of Z'V^-1 [X, e] and Z'V^-2 [X, e] of each slot.
    S2, S3 : ndarray of shape (p + 1, p + 1)
        [X, e]'V^-k [X, e] for k = 2, 3.
    tr_V1, tr_V2 : float
        Traces of V^-1 and V^-2.
    """

    K: tuple[tuple[FloatArray, ...], ...]
    K2: tuple[tuple[FloatArray, ...], ...]
    H: tuple[FloatArray, ...]
    H2: tuple[FloatArray, ...]
    S2: FloatArray
    S3: FloatArray
    tr_V1: float
    tr_V2: float


def relative_factors(data: LmmData, fit: LmmFit) -> tuple[FloatArray, ...]:
    """Lower-triangular lambda (k, k) of each term, from theta in lme4's order."""
    out, start = [], 0
    for term in data.terms:
        k = term.z.shape[1]
        lam = np.zeros((k, k))
        cols, rows = np.triu_indices(k)
        lam[rows, cols] = fit.theta[start : start + len(rows)]
        start += len(rows)
        out.append(lam)
    return tuple(out)


def variance_sums(data: LmmData, fit: LmmFit) -> VarianceSums:
    """Read the rows once and form all sums at the estimate.

    Raises
    ------
    NotSupportedError
        If several grouping factors have too many levels for a dense matrix.
    """
    lams = relative_factors(data, fit)
    if len({term.factor for term in data.terms}) == 1:
        return _one_factor(*_read_one_factor(data, fit), scipy.linalg.block_diag(*lams), fit)
    _check_size(data)
    Sigma = scipy.sparse.block_diag(
        [
            scipy.sparse.kron(scipy.sparse.eye_array(term.n_levels), lam @ lam.T)
            for term, lam in zip(data.terms, lams, strict=True)
        ],
        format="csr",
    )
    return _several(_read_several(data, fit), Sigma, _places(data), fit)


# --- rows ---------------------------------------------------------------------------------------


def _row_blocks(data: LmmData, fit: LmmFit) -> Iterator[tuple[slice, list[FloatArray], FloatArray]]:
    """Yield (rows, Z of each term, [X, e]) block by block, scaled by sqrt(weights)."""
    for start in range(0, data.n, _BATCH_ROWS):
        rows = slice(start, min(start + _BATCH_ROWS, data.n))
        X = data.X.rows(rows.start, rows.stop)[:, fit.kept]
        e = data.y[rows] - X @ fit.beta
        if data.offset is not None:
            e = e - data.offset[rows]
        W = np.column_stack([X, e])
        Z = [term.z.rows(rows.start, rows.stop) for term in data.terms]
        if data.weights is not None:
            root = np.sqrt(data.weights[rows])[:, None]
            W, Z = root * W, [root * z for z in Z]
        yield rows, Z, W


def _read_one_factor(data: LmmData, fit: LmmFit) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return A (J, q, q), D (J, q, p + 1) and T = W'W."""
    J = data.terms[0].n_levels
    q = sum(term.z.shape[1] for term in data.terms)
    m = fit.beta.shape[0] + 1
    A, D, T = np.zeros((q, q, J)), np.zeros((q, m, J)), np.zeros((m, m))
    for rows, parts, W in _row_blocks(data, fit):
        codes = data.terms[0].codes[rows]
        Z = np.hstack(parts)
        T += W.T @ W
        for a in range(q):
            for b in range(a + 1):
                A[a, b] += np.bincount(codes, Z[:, a] * Z[:, b], J)
            for c in range(m):
                D[a, c] += np.bincount(codes, Z[:, a] * W[:, c], J)
    for a in range(q):
        for b in range(a):
            A[b, a] = A[a, b]
    return np.ascontiguousarray(A.transpose(2, 0, 1)), np.ascontiguousarray(D.transpose(2, 0, 1)), T


def _read_several(data: LmmData, fit: LmmFit) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return A = Z'Z (Q, Q), D = Z'W (Q, p + 1) and T = W'W, all dense."""
    sizes = [term.n_levels * term.z.shape[1] for term in data.terms]
    Q, m = sum(sizes), fit.beta.shape[0] + 1
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    A, D, T = np.zeros((Q, Q)), np.zeros((Q, m)), np.zeros((m, m))
    for rows, parts, W in _row_blocks(data, fit):
        count = W.shape[0]
        columns, values = [], []
        for term, start, z in zip(data.terms, starts, parts, strict=True):
            k = z.shape[1]
            columns.append(start + term.codes[rows].astype(np.int64)[:, None] * k + np.arange(k))
            values.append(z)
        index, value = np.hstack(columns), np.hstack(values)
        pointer = np.arange(count + 1) * index.shape[1]
        Z = scipy.sparse.csr_array((value.ravel(), index.ravel(), pointer), shape=(count, Q))
        A += (Z.T @ Z).toarray()
        D += Z.T @ W
        T += W.T @ W
    return A, D, T


def _check_size(data: LmmData) -> None:
    Q = sum(term.n_levels * term.z.shape[1] for term in data.terms)
    needed = 8.0 * Q * Q * _DENSE_COPIES
    if needed > MAX_DENSE_BYTES:
        raise NotSupportedError(
            f"degrees of freedom by Satterthwaite or Kenward-Roger need {needed / 1e9:.0f} GB for "
            f"{Q} random effects of several grouping factors; use the residual or normal ones."
        )


# --- products -----------------------------------------------------------------------------------


def _one_factor(
    A: FloatArray, D: FloatArray, T: FloatArray, Lambda: FloatArray, fit: LmmFit
) -> VarianceSums:
    """All products for one grouping factor; A (J, q, q), D (J, q, p + 1)."""
    s2 = fit.sigma**2
    J, q, _ = A.shape
    R = np.linalg.inv(np.eye(q) + (Lambda @ Lambda.T) @ A)
    Rt = np.swapaxes(R, 1, 2)
    K, K2 = A @ R / s2, Rt @ A @ R / s2**2
    H = Rt @ D / s2
    H2 = Rt @ H / s2
    ND = (Lambda @ Lambda.T) @ (Rt @ D)
    AND = A @ ND
    NAND = (Lambda @ Lambda.T) @ (Rt @ AND)
    traces = float(np.einsum("jaa->", R)), float(np.einsum("jab,jba->", R, R))
    S2, S3 = _response_products(T, (D, ND, AND, NAND), s2)
    return VarianceSums(
        K=_by_slot_pairs(K),
        K2=_by_slot_pairs(K2),
        H=tuple(np.ascontiguousarray(H[:, a]) for a in range(q)),
        H2=tuple(np.ascontiguousarray(H2[:, a]) for a in range(q)),
        S2=S2,
        S3=S3,
        tr_V1=(fit.n - J * q + traces[0]) / s2,
        tr_V2=(fit.n - J * q + traces[1]) / s2**2,
    )


def _several(
    products: tuple[FloatArray, FloatArray, FloatArray],
    Sigma: Any,
    places: list[slice],
    fit: LmmFit,
) -> VarianceSums:
    """All products for several grouping factors; A (Q, Q) dense, D (Q, p + 1), Sigma sparse."""
    A, D, T = products
    s2 = fit.sigma**2
    Q = A.shape[0]
    R = np.asarray(scipy.linalg.inv(np.eye(Q) + Sigma @ A, overwrite_a=True, check_finite=False))
    K = A @ R / s2
    K2 = R.T @ K / s2
    H = R.T @ D / s2
    H2 = R.T @ H / s2
    ND = np.asarray(Sigma @ (R.T @ D))
    AND = A @ ND
    NAND = np.asarray(Sigma @ (R.T @ AND))
    S2, S3 = _response_products(T, (D, ND, AND, NAND), s2)
    return VarianceSums(
        K=tuple(tuple(K[a, b] for b in places) for a in places),
        K2=tuple(tuple(K2[a, b] for b in places) for a in places),
        H=tuple(H[a] for a in places),
        H2=tuple(H2[a] for a in places),
        S2=S2,
        S3=S3,
        tr_V1=(fit.n - Q + float(np.trace(R))) / s2,
        tr_V2=(fit.n - Q + float(np.sum(R * R.T))) / s2**2,
    )


def _places(data: LmmData) -> list[slice]:
    """Where the levels of each slot stand among all random effects (level by level in a term)."""
    places: list[slice] = []
    start = 0
    for term in data.terms:
        k, size = term.z.shape[1], term.n_levels * term.z.shape[1]
        places += [slice(start + c, start + size, k) for c in range(k)]
        start += size
    return places


def _response_products(
    T: FloatArray, parts: tuple[FloatArray, ...], s2: float
) -> tuple[FloatArray, FloatArray]:
    """W'V^-2 W and W'V^-3 W by the binomial expansion of ``V^-1 = (I - Z N Z') / s2``."""
    D, ND, AND, NAND = (part.reshape(-1, T.shape[0]) for part in parts)
    first, second, third = D.T @ ND, ND.T @ AND, AND.T @ NAND
    S2 = (T - 2.0 * first + second) / s2**2
    S3 = (T - 3.0 * first + 3.0 * second - third) / s2**3
    return 0.5 * (S2 + S2.T), 0.5 * (S3 + S3.T)


def _by_slot_pairs(K: FloatArray) -> tuple[tuple[FloatArray, ...], ...]:
    q = K.shape[1]
    return tuple(tuple(np.ascontiguousarray(K[:, a, b]) for b in range(q)) for a in range(q))
