"""The sums that small-sample inference needs, from one pass over the rows; nothing is n x n.

With rows scaled by the square root of the prior weights, ``V = Z Sigma Z' + s2 I``, ``A = Z'Z``,
``D = Z'W`` and ``W = [X, e]``, e = y - X beta. From ``R = (I + Lambda Lambda' A)^-1``:

    Z'V^-1 Z = A R / s2          Z'V^-2 Z = R'A R / s2^2
    Z'V^-1 W = R'D / s2          Z'V^-2 W = R'R'D / s2^2
    tr V^-1 = (n - Q + tr R) / s2        tr V^-2 = (n - Q + tr R R) / s2^2

with Q the number of random effects; these lose no digits where Lambda is zero, and few where it is
large. Where random effects are hundreds of residual SDs, V^-1 is small along Z and R is not: there
A = C'C, C Lambda = U diag(s) W' and f = 1 / (1 + s^2) give sums of squares, without differences,

    Z'V^-k Z = C'U diag(f^k) U'C / s2^k          W'V^-k W = [W'(I - P_Z) W + B' diag(f^k) B] / s2^k

with B = U'C^-T D. One grouping factor is handled cluster by cluster, all of them at once in arrays
(q, r, J) as the engine does; several factors in
:mod:`mlpool.inference.small_sample.variance_sums_several`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.linalg

from mlpool.engine.sums.cluster_sums import CrossProducts
from mlpool.engine.sums.columns import Rows
from mlpool.engine.sums.size_classes import SizeClasses
from mlpool.engine.types import LmmData, LmmFit
from mlpool.inference.small_sample.combined_columns import (
    CombinedColumns,
    several_factors_elsewhere,
    user_columns,
)
from mlpool.inference.small_sample.kernels import RepeatedDiagonal
from mlpool.inference.small_sample.types import VarianceSums
from mlpool.inference.small_sample.variance_sums_graded import graded_sums, need_grading
from mlpool.inference.small_sample.variance_sums_several import several_factors
from mlpool.inference.small_sample.weighted_rows import residuals
from mlpool.typing import FloatArray

_UNROLLED = 4
"""Largest q whose products are written out entry by entry; beyond, batched LAPACK is faster."""
_LARGE = 1e4
"""Variance of a group's random effects over that of its residual mean from which sums of squares
are made: up to there R keeps half of the digits or more of what V^-1 leaves along Z."""
_NONE = 1e-14
"""Share of the largest eigenvalue of a cluster's Z'Z that is the rounding of a zero."""


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


def variance_sums(data: LmmData, fit: LmmFit, roots: tuple[FloatArray, ...]) -> VarianceSums:
    """Read the rows once and form all sums at the estimate.

    Parameters
    ----------
    data : LmmData
    fit : LmmFit
    roots : tuple of ndarray of shape (k, k)
        Of each term, lambda with ``Sigma = sigma^2 lambda lambda'``; it need not be triangular.

    Raises
    ------
    NotSupportedError
        If several grouping factors have too many levels for dense matrices.
    """
    if has_one_factor(data):
        return read_one_factor(data, fit).variance_sums(roots, fit.sigma)
    if data.factor_sums is not None:
        return several_factors_elsewhere(data, fit).variance_sums(roots, fit.sigma)
    if need_grading(data, roots):
        return graded_sums(data, fit, roots)
    return several_factors(data, fit, roots)


def has_one_factor(data: LmmData) -> bool:
    """Tell whether all terms share their grouping factor."""
    return len({term.factor for term in data.terms}) == 1


@dataclass(frozen=True, slots=True, kw_only=True)
class OneFactorSums(CombinedColumns):
    """Per-cluster sums of one grouping factor and the columns that they are wanted of."""

    def variance_sums(self, roots: tuple[FloatArray, ...], sigma: float) -> VarianceSums:
        """Return all sums for one grouping factor."""
        if self.sums.by_size is not None:
            return self._of_sizes(self.sums.by_size, float(roots[0][0, 0]), sigma)
        outer = list(self.sums.outer)
        left = np.tensordot(self.z[outer], self.sums.sums, axes=(0, 0))  # (q, k, J)
        A, D = _from_right(left, self.z), _from_right(left, self.w)
        T = self.w.T @ self.sums.total @ self.w
        return _one_factor(A, D, T, scipy.linalg.block_diag(*roots), (self.n, sigma))

    def _of_sizes(self, classes: SizeClasses, root: float, sigma: float) -> VarianceSums:
        """Return the same of a random intercept's clusters that were added up by size.

        Clusters that stand for a class have its products, and are counted in its traces.
        """
        unit = float(self.z[0, 0])
        size, count, D = classes.combined(self.w).stand_ins()
        T = self.w.T @ self.sums.total @ self.w
        made = _one_factor(
            unit**2 * size[None, None], unit * D[None], T, np.array([[root]]), (self.n, sigma)
        )
        v = 1.0 / (1.0 + (root * unit) ** 2 * size)
        K = made.K[0][0]
        assert isinstance(K, np.ndarray)
        s2, outside = sigma**2, self.n - classes.n_clusters
        return replace(
            made,
            K=((RepeatedDiagonal(K, count),),),
            tr_K2=np.array([[(count * v) @ K]]) / s2,
            tr_V1=(outside + float(count @ v)) / s2,
            tr_V2=(outside + float(count @ v**2)) / s2**2,
        )


def read_one_factor(data: LmmData, fit: LmmFit) -> OneFactorSums:
    """Sum [Z, X, residuals] by cluster, by the engine's pass over the rows.

    Of sums that were made elsewhere the residuals are a combination of columns.
    """
    if data.sums is not None:
        z, w = user_columns(data.sums, fit)
        return OneFactorSums(sums=data.sums, z=z, w=w, n=fit.n)
    with_residuals = replace(data, y=residuals(data, fit), offset=None)
    sums = CrossProducts.from_rows(Rows.of_factor(with_residuals, data.terms[0].factor))
    layout = sums.layout
    return OneFactorSums(
        sums=sums, z=sums.uncentre(layout.z),
        w=sums.uncentre(np.append(layout.x[fit.kept], layout.y)), n=fit.n,
    )  # fmt: skip


def _from_right(S: FloatArray, R: FloatArray) -> FloatArray:
    """Return ``sum_k S[:, k, :] R[k, m]`` as (q, m, J)."""
    return np.ascontiguousarray(np.einsum("akj,km->amj", S, R, optimize=True))


def _one_factor(
    A: FloatArray, D: FloatArray, T: FloatArray, Lambda: FloatArray, size: tuple[int, float]
) -> VarianceSums:
    """All products for one grouping factor; A (q, q, J), D (q, p + 1, J), size is n and sigma."""
    n, s2 = size[0], size[1] ** 2
    q, _, J = A.shape
    Sigma = Lambda @ Lambda.T
    if q > 1 and float(np.einsum("ab,baj->j", Sigma, A).max(initial=0.0)) > _LARGE:
        return _graded(A, D, T, Lambda, size)
    R = _inverse(np.eye(q)[:, :, None] + _times(Sigma[:, :, None], A))
    Rt = R.swapaxes(0, 1)
    K = _times(A, R)
    tr_K2 = np.einsum("abj->ab", _times(Rt, K)) / s2**2
    H = _times(Rt, D)
    H2 = _times(Rt, H)
    ND = _times(Sigma[:, :, None], H)
    AND = _times(A, ND)
    NAND = _times(Sigma[:, :, None], _times(Rt, AND))
    traces = float(np.einsum("aaj->", R)), float(np.einsum("abj,baj->", R, R))
    first, second, third = _inner(D, ND), _inner(ND, AND), _inner(AND, NAND)
    # the binomial expansion of V^-1 = (I - Z N Z') / s2
    S1 = (T - first) / s2
    S2 = (T - 2.0 * first + second) / s2**2
    S3 = (T - 3.0 * first + 3.0 * second - third) / s2**3
    return VarianceSums(
        K=tuple(tuple(K[a, b] / s2 for b in range(q)) for a in range(q)),
        tr_K2=tr_K2,
        H=tuple(H[a].T / s2 for a in range(q)),
        H2=tuple(H2[a].T / s2**2 for a in range(q)),
        S1=0.5 * (S1 + S1.T),
        S2=0.5 * (S2 + S2.T),
        S3=0.5 * (S3 + S3.T),
        tr_V1=(n - J * q + traces[0]) / s2,
        tr_V2=(n - J * q + traces[1]) / s2**2,
    )


def _graded(
    A: FloatArray, D: FloatArray, T: FloatArray, Lambda: FloatArray, size: tuple[int, float]
) -> VarianceSums:
    """All products for one grouping factor, as sums of squares: see the module's text."""
    n, s2 = size[0], size[1] ** 2
    q, _, J = A.shape
    a, E = np.linalg.eigh(np.moveaxis(A, 2, 0))
    roots = np.sqrt(np.where(a > _NONE * a.max(axis=1, keepdims=True), a, 0.0))
    C = roots[:, :, None] * np.swapaxes(E, 1, 2)
    inverse = np.divide(1.0, roots, out=np.zeros_like(roots), where=roots > 0.0)
    U, s, _ = np.linalg.svd(C @ Lambda)
    f = 1.0 / (1.0 + s**2)
    turned = np.swapaxes(U, 1, 2)
    B = turned @ (inverse[:, :, None] * (np.swapaxes(E, 1, 2) @ np.moveaxis(D, 2, 0)))
    C = turned @ C
    fC, fB = f[:, :, None] * C, f[:, :, None] * B
    outside = T - np.einsum("jam,jan->mn", B, B)
    K = np.einsum("jca,jcb->abj", C, fC)
    H, H2 = np.einsum("jca,jcm->ajm", C, fB), np.einsum("jca,jcm->ajm", fC, fB)
    S = [outside + np.einsum("jam,ja,jan->mn", B, f**k, B) for k in (1, 2, 3)]
    return VarianceSums(
        K=tuple(tuple(K[a, b] / s2 for b in range(q)) for a in range(q)),
        tr_K2=np.einsum("jca,jcb->ab", fC, fC) / s2**2,
        H=tuple(h / s2 for h in H),
        H2=tuple(h / s2**2 for h in H2),
        S1=0.5 * (S[0] + S[0].T) / s2,
        S2=0.5 * (S[1] + S[1].T) / s2**2,
        S3=0.5 * (S[2] + S[2].T) / s2**3,
        tr_V1=(n - J * q + float(f.sum())) / s2,
        tr_V2=(n - J * q + float((f**2).sum())) / s2**2,
    )


def _times(A: FloatArray, B: FloatArray) -> FloatArray:
    """Return A B for every cluster: (q, r, J) x (r, m, J) -> (q, m, J); J may be 1."""
    q, r = A.shape[:2]
    if max(q, r) > _UNROLLED:
        product = np.matmul(np.moveaxis(A, 2, 0), np.moveaxis(B, 2, 0))
        return np.ascontiguousarray(np.moveaxis(product, 0, 2))
    out = np.empty((q, B.shape[1], max(A.shape[2], B.shape[2])))
    for a in range(q):
        np.multiply(A[a, 0], B[0], out=out[a])
        for b in range(1, r):
            out[a] += A[a, b] * B[b]
    return out


def _inverse(M: FloatArray) -> FloatArray:
    """Return the inverse for every cluster (q, q, J); by Cramer's rule for q of 1 and 2."""
    q = M.shape[0]
    if q == 1:
        reciprocal: FloatArray = 1.0 / M
        return reciprocal
    if q == 2:
        (a, b), (c, d) = M
        adjugate: FloatArray = np.array([[d, -b], [-c, a]])
        return np.asarray(adjugate / (a * d - b * c))
    return np.ascontiguousarray(np.moveaxis(np.linalg.inv(np.moveaxis(M, 2, 0)), 0, 2))


def _inner(X: FloatArray, Y: FloatArray) -> FloatArray:
    """Return ``sum over slots and clusters of X Y'`` (m, m)."""
    return np.asarray(sum(x @ y.T for x, y in zip(X, Y, strict=True)))
