"""Complete pooling and every cluster's own regression from per-cluster sums.

With G_j = [X_j y_j]'W[X_j y_j] (``CrossProducts`` made with ``every_column=True``):

* complete pooling: beta from sum_j G_j; the scores s_j = X_j'W(y_j - X_j beta) are all that a
  cluster-robust covariance needs (Liang & Zeger 1986): meat = sum_j s_j s_j';
* own regressions: beta_j = (X_j'W X_j)^-1 X_j'W y_j (R's ``lmList``).

No pooling with common slopes is in :mod:`mlpool.engine.pooling.absorbed_factor`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular

from mlpool.engine.factorization.sweep import sweep
from mlpool.engine.rank import independent_of_sums
from mlpool.engine.sums.cluster_sums import CrossProducts
from mlpool.engine.sums.working_columns import FixedColumns
from mlpool.errors import FitError
from mlpool.typing import FloatArray, IntArray, RowSource


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


def fit_each(sums: CrossProducts, n_per_level: IntArray) -> OwnRegressions:
    """Every cluster's own regression.

    Parameters
    ----------
    sums : CrossProducts
        With sums per cluster of every column.
    n_per_level : ndarray of int of shape (J,)
        Rows of each cluster (with weights the sums do not hold them).
    """
    layout = sums.layout
    x, y = layout.x, layout.y
    has_intercept = bool(x.size) and x[0] == 0
    columns = np.append(x, y)
    W = np.eye(layout.k)[:, columns] if has_intercept else sums.uncentre(columns)
    G = np.einsum("ca,cbj,bd->adj", W, sums.sums, W, optimize=True)
    solved = sweep(G[:-1, :-1], G[:-1, -1:])
    coef = solved.P[:, 0].T.copy()
    back = np.eye(x.size)
    if has_intercept:
        centre = np.array(layout.centre)
        back[0] -= centre[x]
        coef = coef @ back.T
        coef[:, 0] += centre[y]
    coef[~solved.identified.T] = np.nan
    inverse = np.moveaxis(solved.A_inverse, 2, 0)
    vcov = back @ inverse @ back.T
    vcov[~(solved.identified[:, None] & solved.identified[None]).transpose(2, 0, 1)] = np.nan
    return OwnRegressions(
        coef=coef,
        vcov_unscaled=vcov,
        rss=np.maximum(G[-1, -1] - solved.explained_last, 0.0),
        n=n_per_level,
        df_residual=n_per_level - solved.identified.sum(axis=0),
    )


def gaussian_loglik(rss: float, n: int, sum_log_weights: float) -> float:
    """Return the maximised log-likelihood of a linear model (R's ``logLik.lm``)."""
    with np.errstate(divide="ignore"):
        return float(-0.5 * (n * (np.log(2 * np.pi * rss / n) + 1) - sum_log_weights))
