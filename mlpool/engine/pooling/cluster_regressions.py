"""Complete pooling and every cluster's own regression from per-cluster sums.

With G_j = [X_j y_j]'W[X_j y_j] (``CrossProducts`` made with ``every_column=True``):

* complete pooling: beta from sum_j G_j; the scores s_j = X_j'W(y_j - X_j beta) are all that a
  cluster-robust covariance needs (Liang & Zeger 1986): meat = sum_j s_j s_j';
* own regressions: beta_j = (X_j'W X_j)^-1 X_j'W y_j (R's ``lmList``), from sums about the clusters'
  own means, which keep their digits however far the clusters lie apart.

No pooling with common slopes is in :mod:`mlpool.engine.pooling.absorbed_factor`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular

from mlpool.engine.factorization.sweep import sweep
from mlpool.engine.rank import independent_columns, independent_of_sums
from mlpool.engine.sums.cluster_sums import CrossProducts
from mlpool.engine.sums.columns import Rows
from mlpool.engine.sums.working_columns import FixedColumns
from mlpool.errors import FitError
from mlpool.typing import BoolArray, FloatArray, IntArray, RowSource

INFLATED = 1e6
"""Variance inflation of a cluster's coefficient beyond which sums of squares lose six of their
sixteen digits, and the cluster's rows are looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PooledFit:
    """Least squares that ignores the clusters, with their scores.

    Attributes
    ----------
    beta : ndarray of shape (p,)
    kept : ndarray of int of shape (p,)
    vcov_unscaled : ndarray of shape (p, p)
        (X'W X)^-1.
    sigma, rss, loglik : float
    null_rss : float
        Weighted sum of squares about the mean.
    n, df_residual : int
    scores : ndarray of shape (J, p)
        s_j = X_j'W(y_j - X_j beta).
    """

    beta: FloatArray
    kept: IntArray
    vcov_unscaled: FloatArray
    sigma: float
    rss: float
    loglik: float
    null_rss: float
    n: int
    df_residual: int
    scores: FloatArray

    @property
    def meat(self) -> FloatArray:
        """sum_j s_j s_j' (p, p), the middle of the CR0 sandwich."""
        return np.asarray(self.scores.T @ self.scores)

    def cluster_robust(self, *, adjust: bool = True) -> FloatArray:
        """Return the cluster-robust covariance of beta.

        Parameters
        ----------
        adjust : bool
            Multiply by G/(G-1) (n-1)/(n-p): sandwich's ``vcovCL(type="HC1")``, clubSandwich's
            CR1S. Without: CR0.
        """
        G = self.scores.shape[0]
        V = self.vcov_unscaled @ self.meat @ self.vcov_unscaled
        if adjust:
            V = V * (G / (G - 1) * (self.n - 1) / self.df_residual)
        return np.asarray(V)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnRegressions:
    """One regression per cluster (R's ``lmList``).

    Attributes
    ----------
    coef : ndarray of shape (J, p)
        NaN where a cluster's rows do not identify a coefficient.
    vcov_unscaled : ndarray of shape (J, p, p)
        (X_j'W X_j)^-1.
    rss : ndarray of shape (J,)
    n, df_residual : ndarray of int of shape (J,)
    """

    coef: FloatArray
    vcov_unscaled: FloatArray
    rss: FloatArray
    n: IntArray
    df_residual: IntArray

    @property
    def pooled_df(self) -> int:
        """Residual degrees of freedom of all clusters together."""
        return int(self.df_residual.sum())

    @property
    def pooled_sd(self) -> float:
        """Residual SD of all clusters together (``pooledSD``)."""
        return float(np.sqrt(self.rss.sum() / self.pooled_df))

    def se(self, *, pool: bool = True) -> FloatArray:
        """Return standard errors (J, p), with the pooled residual SD or each cluster's own."""
        variance = np.einsum("jaa->ja", self.vcov_unscaled)
        if pool:
            return np.asarray(self.pooled_sd * np.sqrt(variance))
        with np.errstate(divide="ignore", invalid="ignore"):
            own = np.where(self.df_residual > 0, self.rss / self.df_residual, np.nan)
        return np.asarray(np.sqrt(variance * own[:, None]))


def fit_complete(sums: CrossProducts, X: RowSource) -> PooledFit:
    """Ordinary (weighted) least squares from the totals.

    Parameters
    ----------
    sums : CrossProducts
        With sums per cluster of every column.
    X : RowSource
        Asked only for columns that the totals cannot tell from aliased ones.

    Raises
    ------
    FitError
        If no residual degrees of freedom are left.
    """
    kept = independent_of_sums(sums, X)
    p = kept.size
    if p >= sums.n:
        raise FitError(f"{p} coefficients for {sums.n} rows leave no residual degrees of freedom.")
    fixed = FixedColumns.of(sums, kept)
    total = fixed.R.T @ sums.total @ fixed.R
    L = np.linalg.cholesky(total[:p, :p])
    half = solve_triangular(L, total[:p, p], lower=True) if p else np.empty(0)
    L_inverse = solve_triangular(L, np.eye(p), lower=True) if p else np.empty((0, 0))
    working = L_inverse.T @ half
    rss = float(max(total[p, p] - half @ half, 0.0))
    v = np.append(-working, 1.0)
    per_cluster = np.einsum("bm,abj->amj", fixed.R, sums.sums)
    residual_sums = np.einsum("amj,m->aj", per_cluster, v)
    scores = (sums.uncentre(sums.layout.x[kept])[list(sums.outer)].T @ residual_sums).T
    T, y = sums.total, sums.layout.y
    return PooledFit(
        beta=fixed.back @ working + fixed.shift,
        kept=kept,
        vcov_unscaled=fixed.back @ (L_inverse.T @ L_inverse) @ fixed.back.T,
        sigma=float(np.sqrt(rss / (sums.n - p))),
        rss=rss,
        loglik=gaussian_loglik(rss, sums.n, sums.sum_log_weights),
        null_rss=float(T[y, y] - T[0, y] ** 2 / T[0, 0]),
        n=sums.n,
        df_residual=sums.n - p,
        scores=np.ascontiguousarray(scores),
    )


def fit_each(rows: Rows) -> OwnRegressions:
    """Every cluster's own regression, from sums about the cluster's own means.

    Parameters
    ----------
    rows : Rows
        Its Z does not matter. Without an intercept, the first column of X, sums are about zero.

    Notes
    -----
    Clusters in which sums of squares leave a coefficient in doubt are solved by their rows.
    """
    n, J = len(rows.y), rows.n_levels
    X = rows.X.rows(0, n)
    p = X.shape[1]
    columns = np.column_stack([X, rows.y if rows.offset is None else rows.y - rows.offset])
    means = np.zeros((J, p + 1))
    has_intercept = bool(p) and bool((X[:, 0] == 1.0).all())
    if has_intercept:
        means = _means(columns, rows)
        means[:, 0] = 0.0
    columns -= means[rows.codes]
    G = _own_sums(columns, rows)
    solved = sweep(G[:-1, :-1], G[:-1, -1:])
    inverse = np.moveaxis(solved.A_inverse, 2, 0).copy()
    coef, identified = solved.P[:, 0].T.copy(), solved.identified.T.copy()
    rss = np.maximum(G[-1, -1] - solved.explained_last, 0.0)
    inflation = np.einsum("jaa,aaj->ja", inverse, G[:-1, :-1])
    doubtful = ~identified.all(axis=1) | (inflation > INFLATED).any(axis=1)
    for j, own in _rows_of(doubtful, rows.codes):
        w = None if rows.weights is None else rows.weights[own]
        coef[j], inverse[j], rss[j], identified[j] = _by_rows(columns[own], w)
    back = np.broadcast_to(np.eye(p), (J, p, p)).copy()
    if has_intercept:
        back[:, 0] -= means[:, :p]
        coef = np.einsum("jab,jb->ja", back, coef)
        coef[:, 0] += means[:, p]
    vcov = back @ inverse @ back.transpose(0, 2, 1)
    vcov[~(identified[:, :, None] & identified[:, None, :])] = np.nan
    counts = np.bincount(rows.codes, minlength=J)
    return OwnRegressions(
        coef=np.where(identified, coef, np.nan), vcov_unscaled=vcov, rss=rss, n=counts,
        df_residual=counts - identified.sum(axis=1),
    )  # fmt: skip


def _means(columns: FloatArray, rows: Rows) -> FloatArray:
    """Return every cluster's (weighted) means (J, k); of a cluster without rows zero."""
    weight = np.bincount(rows.codes, rows.weights, rows.n_levels)
    weight[weight == 0.0] = 1.0
    return np.column_stack([c / weight for c in _summed(columns.T, rows)])


def _summed(columns: Iterable[FloatArray], rows: Rows) -> list[FloatArray]:
    """Return every cluster's weighted sums (J,) of some columns (n,)."""
    w = 1.0 if rows.weights is None else rows.weights
    return [np.bincount(rows.codes, w * c, rows.n_levels).astype(np.float64) for c in columns]


def _own_sums(columns: FloatArray, rows: Rows) -> FloatArray:
    """Return every cluster's weighted cross-products (k, k, J)."""
    k = columns.shape[1]
    G = np.empty((k, k, rows.n_levels))
    for a in range(k):
        products = (columns[:, a] * columns[:, b] for b in range(a + 1))
        for b, total in enumerate(_summed(products, rows)):
            G[a, b] = G[b, a] = total
    return G


def _rows_of(clusters: BoolArray, codes: IntArray) -> Iterator[tuple[int, IntArray]]:
    """Yield each cluster marked, and its rows."""
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes, minlength=len(clusters)))
    for j in np.flatnonzero(clusters).tolist():
        yield j, order[ends[j - 1] if j else 0 : ends[j]]


def _by_rows(
    columns: FloatArray, weights: FloatArray | None
) -> tuple[FloatArray, FloatArray, float, BoolArray]:
    """Return coefficients, (X'WX)^-1, residual sum of squares and what is identified, by QR."""
    root = columns if weights is None else columns * np.sqrt(weights)[:, None]
    X, y = root[:, :-1], root[:, -1]
    p = X.shape[1]
    kept = independent_columns(X)
    coef, inverse, identified = np.zeros(p), np.zeros((p, p)), np.zeros(p, dtype=bool)
    identified[kept] = True
    length = np.sqrt((X[:, kept] ** 2).sum(axis=0))
    Q, R = np.linalg.qr(X[:, kept] / length)
    half = solve_triangular(R, np.eye(len(kept))) / length[:, None]
    coef[kept] = half @ (Q.T @ y)
    inverse[np.ix_(kept, kept)] = half @ half.T
    left = y - Q @ (Q.T @ y)
    return coef, inverse, float(left @ left), identified


def gaussian_loglik(rss: float, n: int, sum_log_weights: float) -> float:
    """Return the maximised log-likelihood of a linear model (R's ``logLik.lm``)."""
    with np.errstate(divide="ignore"):
        return float(-0.5 * (n * (np.log(2 * np.pi * rss / n) + 1) - sum_log_weights))
