"""Small-sample tests with cluster-robust covariances: Satterthwaite df and the HTZ Wald test.

With M the bread, W_j and Phi_j the weight and working covariance of cluster j, A_j its residual
adjustment and ``Y_j = A_j'W_j X_j``, the covariance is ``M sum_j (Y_j'e_j)(Y_j'e_j)' M``. Under the
working model the contributions ``l'M Y_j'e_j`` of a contrast l have covariance

    P_ij = [i = j] l'M Y_i'Phi_i Y_i M l - v_i'M t_j - t_i'M v_j + t_i'M K M t_j
    t_i = X_i'Y_i M l     v_i = X_i'W_i Phi_i Y_i M l     K = sum_j X_j'W_j Phi_j W_j X_j

so ``P = diag(a) + B C B'`` with B = [t v] of 2 p columns: nothing is clusters x clusters, and
everything is a sum over rows of Y M l times other rows.

References
----------
Bell & McCaffrey (2002), Survey Methodology 28; Pustejovsky & Tipton (2018), JBES 36, sections 3.1
and 3.2 (HTZ); clubSandwich's ``coef_test`` and ``Wald_test``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlpool.inference.small_sample.independent_hypotheses import independent_rows
from mlpool.inference.small_sample.satterthwaite import FTest
from mlpool.inference.wald import f_upper_p
from mlpool.typing import FloatArray, IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterPieces:
    """What cluster-robust inference needs of n rows in J clusters and p coefficients.

    Attributes
    ----------
    beta : ndarray of shape (p,)
    bread : ndarray of shape (p, p)
        M.
    factor : float
        Multiplies the sum of squares (CR1: J / (J - 1)).
    codes : ndarray of int of shape (n,)
        Clusters 0 .. J - 1.
    scores : ndarray of shape (J, p)
        Y_j'e_j.
    X, Y, PhiY, PhiWX : ndarray of shape (n, p)
        Rows of X, Y, Phi Y and Phi W X.
    K : ndarray of shape (p, p)
        X'W Phi W X.
    """

    beta: FloatArray
    bread: FloatArray
    factor: float
    codes: IntArray
    scores: FloatArray
    X: FloatArray
    Y: FloatArray
    PhiY: FloatArray
    PhiWX: FloatArray
    K: FloatArray

    @property
    def n_clusters(self) -> int:
        """Number of clusters J."""
        return int(self.scores.shape[0])

    @property
    def vcov(self) -> FloatArray:
        """The cluster-robust covariance (p, p)."""
        V = self.bread @ (self.factor * (self.scores.T @ self.scores)) @ self.bread
        return np.asarray(0.5 * (V + V.T))

    def df(self, L: FloatArray) -> FloatArray:
        """Return Satterthwaite df of each row of `L`: ``tr(P)^2 / tr(P P)``."""
        return np.array([self._row_df(row) for row in np.atleast_2d(L)])

    def htz(self, L: FloatArray, rhs: FloatArray | None = None) -> FTest:
        """Test ``L beta = rhs`` by the approximate Hotelling test of `Wald_test(test = "HTZ")`.

        With D = Omega^-1/2 (L V L') Omega^-1/2 and Omega its expectation under the working model,
        ``eta = q (q + 1) / sum_st Var(D_st)`` and ``F = (eta - q + 1) / eta * Q / q`` on q and
        eta - q + 1 degrees of freedom; NaN where eta is too small for q hypotheses.

        Rows of `L` that follow from earlier ones are left out.
        """
        L = np.atleast_2d(np.asarray(L, dtype=np.float64))
        L, rhs = independent_rows(L, rhs, self.bread)
        # in units of the standard errors, of which F is free
        size = np.sqrt(np.einsum("ia,ab,ib->i", L, self.bread, L))
        L, rhs = L / size[:, None], rhs / size
        q = L.shape[0]
        eta = q * (q + 1) / self._total_variance(L)
        df = eta - q + 1.0
        covariance = L @ self.vcov @ L.T
        # in units of standard errors the cut-off is a share without units
        if df <= 0 or np.linalg.matrix_rank(covariance, hermitian=True) < q:
            return FTest(statistic=np.nan, df_num=q, df_den=df, p=np.nan)
        estimate = L @ self.beta - rhs
        F = (df / eta) * float(estimate @ np.linalg.solve(covariance, estimate)) / q
        return FTest(
            statistic=F, df_num=q, df_den=df, p=float(f_upper_p(F, q, df)), scaling=df / eta
        )

    # --- the covariance P of the clusters' contributions -----------------------------------

    def _factors(self, Ym: FloatArray) -> FloatArray:
        """Return B (J, 2p) of a contrast, from its rows Y M l."""
        J, p = self.scores.shape
        B = np.empty((J, 2 * p))
        for a in range(p):
            B[:, a] = np.bincount(self.codes, self.X[:, a] * Ym, J)
            same = self.PhiWX is self.X
            B[:, p + a] = B[:, a] if same else np.bincount(self.codes, self.PhiWX[:, a] * Ym, J)
        return B

    @property
    def _core(self) -> FloatArray:
        """C of ``P = diag(a) + B C B'`` (2p, 2p)."""
        M = self.bread
        return np.block([[M @ self.K @ M, -M], [-M, np.zeros_like(M)]])

    def _row_df(self, row: FloatArray) -> float:
        m = self.bread @ row
        Ym = self.Y @ m
        a = np.bincount(self.codes, Ym * (self.PhiY @ m), self.n_clusters)
        B, C = self._factors(Ym), self._core
        own = np.einsum("jk,jk->j", B @ C, B)
        S = C @ (B.T @ B)
        trace = float((a + own).sum())
        square = float((a * a + 2.0 * a * own).sum() + np.sum(S * S.T))
        return trace**2 / square if square > 0 else np.nan

    def _total_variance(self, L: FloatArray) -> float:
        """Return sum_st Var(D_st) for rows of `L` standardised by Omega.

        ``Var(D_st) = sum_ij (P^ss_ij P^tt_ij + P^st_ij P^ts_ij)`` for normal contributions.
        """
        a, B, C = self._joint(L)
        omega = a.sum(axis=2) + np.einsum("sjk,kl,tjl->st", B, C, B, optimize=True)
        values, vectors = np.linalg.eigh(0.5 * (omega + omega.T))
        root = (vectors / np.sqrt(values)) @ vectors.T
        a = np.einsum("su,uvj,vt->stj", root, a, root, optimize=True)
        B = np.einsum("su,ujk->sjk", root, B)
        own = np.einsum("sjk,kl,tjl->stj", B, C, B, optimize=True)
        total, q = 0.0, len(L)
        for s in range(q):
            for t in range(q):
                X = C @ (B[s].T @ B[t])
                first = a[s, s] @ a[t, t] + a[s, s] @ own[t, t] + a[t, t] @ own[s, s]
                first += float(np.sum(X * (C @ (B[t].T @ B[s])).T))
                second = a[s, t] @ a[s, t] + 2.0 * (a[s, t] @ own[s, t]) + float(np.sum(X * X.T))
                total += float(first + second)
        return total

    def _joint(self, L: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return a (q, q, J), B (q, J, 2p) and C of the rows of `L` together."""
        M = L @ self.bread
        YM, PhiYM = self.Y @ M.T, self.PhiY @ M.T
        q, J = len(L), self.n_clusters
        a = np.empty((q, q, J))
        for s in range(q):
            for t in range(q):
                a[s, t] = np.bincount(self.codes, YM[:, s] * PhiYM[:, t], J)
        return a, np.stack([self._factors(YM[:, s]) for s in range(q)]), self._core
