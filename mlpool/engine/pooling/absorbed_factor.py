"""No pooling without dummy columns: ``y ~ x + g`` and ``y ~ x * g`` for a factor of many levels.

Every level j has its own coefficients delta_j of the absorbed columns z (the constant and what
interacts with the factor); the other columns share beta. The within estimator (Frisch & Waugh
1933):

    S = T - sum_j D_j'A_j^-1 D_j         beta = S_xx^-1 S_xy         P_j = A_j^-1 D_jx
    delta_j = A_j^-1 D_jy - P_j beta     Var(delta_i, delta_j) = s2 ([i = j] A_j^-1 + P_i Phi P_j')
    Phi = S_xx^-1                        Cov(delta_j, beta) = -s2 P_j Phi

R's coefficients are differences of delta's, so each has a variance in O(1) and any block of the
covariance matrix can be had without making the whole.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import solve_triangular

from mlpool.engine.factorization.sweep import Swept, sweep
from mlpool.engine.pooling.cluster_regressions import gaussian_loglik
from mlpool.engine.sums.cluster_sums import BATCH_ROWS, CrossProducts
from mlpool.engine.sums.columns import Rows
from mlpool.engine.sums.trend import MISSED
from mlpool.engine.threads import blas_threads
from mlpool.errors import FitError, NotSupportedError
from mlpool.typing import FloatArray, IntArray, RowSource

_SATURATED = "{} coefficients for {} rows leave no residual degrees of freedom."
WITHIN_DOUBTFUL = 1e-10
"""Share of a column's squared length left within levels below which its aliasing is not certain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Which difference of per-level coefficients each of R's coefficients is.

    Attributes
    ----------
    common : ndarray of int
        Index among the common coefficients, or -1.
    column : ndarray of int
        Absorbed column (0 is the constant); -1 for a common coefficient.
    plus, minus : ndarray of int
        The coefficient is ``delta[plus, column] - delta[minus, column]``; -1 means no such part.
    """

    common: IntArray
    column: IntArray
    plus: IntArray
    minus: IntArray

    def take(self, index: IntArray) -> Addresses:
        """Return the addresses of some coefficients."""
        return Addresses(
            common=self.common[index],
            column=self.column[index],
            plus=self.plus[index],
            minus=self.minus[index],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AbsorbedFit:
    """A least-squares fit with a factor absorbed.

    Attributes
    ----------
    beta : ndarray of shape (p,)
        Common coefficients (columns of X that are neither constant nor interacting).
    effects : ndarray of shape (J, q)
        Each level's own intercept and slopes; NaN where its rows do not identify one.
    A_inverse : ndarray of shape (J, q, q)
    P : ndarray of shape (J, q, p)
    Phi : ndarray of shape (p, p)
    sigma, rss, loglik, null_rss : float
    n, df_residual : int
    """

    beta: FloatArray
    effects: FloatArray
    A_inverse: FloatArray
    P: FloatArray
    Phi: FloatArray
    sigma: float
    rss: float
    loglik: float
    null_rss: float
    n: int
    df_residual: int

    @property
    def n_levels(self) -> int:
        """Number of levels J."""
        return int(self.effects.shape[0])

    @property
    def rank(self) -> int:
        """Number of estimated coefficients."""
        return self.n - self.df_residual

    @property
    def is_complete(self) -> bool:
        """Whether every level identifies all its own coefficients."""
        return bool(np.all(np.isfinite(self.effects)))

    # --- R's coefficients ------------------------------------------------------------------

    def treatment(self) -> Addresses:
        """Return R's coefficients under treatment contrasts.

        Order: the common ones; then per absorbed column its coefficient at the first level and
        the J - 1 differences from it: ``(Intercept), g2 .. gJ, x, x:g2 .. x:gJ``.
        """
        if not self.is_complete:
            raise NotSupportedError(
                "A level of the absorbed factor does not identify its own slope; "
                "fit the dummy columns instead."
            )
        J, q = self.effects.shape
        column = np.repeat(np.arange(q), J)
        level = np.tile(np.arange(J), q)
        return self._with_common(column, level, np.where(level == 0, -1, 0))

    def cell_means(self) -> Addresses:
        """Return one coefficient per level and absorbed column (``y ~ 0 + g + g:x``)."""
        J, q = self.effects.shape
        column = np.repeat(np.arange(q), J)
        return self._with_common(column, np.tile(np.arange(J), q), np.full(J * q, -1))

    def _with_common(self, column: IntArray, plus: IntArray, minus: IntArray) -> Addresses:
        p = self.beta.size
        none = np.full(p, -1)
        return Addresses(
            common=np.concatenate([np.arange(p), np.full(column.size, -1)]),
            column=np.concatenate([none, column]),
            plus=np.concatenate([none, plus]),
            minus=np.concatenate([none, minus]),
        )

    def coefficients(self, at: Addresses) -> FloatArray:
        """Return the coefficients at `at`; NaN where R reports NA."""
        own = self.effects[at.plus, at.column]
        own = own - np.where(at.minus >= 0, self.effects[at.minus, at.column], 0.0)
        return np.where(at.common >= 0, self._beta_at(at), own)

    def standard_errors(self, at: Addresses) -> FloatArray:
        """Return the standard errors at `at`, each in O(1)."""
        J = self.n_levels
        own = np.zeros(at.column.size)
        for level in (at.plus, at.minus):
            inverse = self.A_inverse[np.minimum(level, J - 1), at.column, at.column]
            own += np.where(level >= 0, inverse, 0.0)
        Q = self._loadings(at)
        variance = own + np.einsum("ia,ab,ib->i", Q, self.Phi, Q)
        missing = np.isnan(self.coefficients(at))
        return np.where(missing, np.nan, self.sigma * np.sqrt(variance))

    def vcov(self, rows: Addresses, columns: Addresses | None = None) -> FloatArray:
        """Return a block of the covariance matrix, shape (rows, columns)."""
        columns = rows if columns is None else columns
        V = self._loadings(rows) @ self.Phi @ self._loadings(columns).T
        for level_r, sign_r in ((rows.plus, 1.0), (rows.minus, -1.0)):
            for level_c, sign_c in ((columns.plus, 1.0), (columns.minus, -1.0)):
                i, j = np.nonzero((level_r[:, None] == level_c[None, :]) & (level_r[:, None] >= 0))
                part = self.A_inverse[level_r[i], rows.column[i], columns.column[j]]
                V[i, j] += sign_r * sign_c * part
        V *= self.sigma**2
        V[np.isnan(self.coefficients(rows))] = np.nan
        V[:, np.isnan(self.coefficients(columns))] = np.nan
        return V

    def _beta_at(self, at: Addresses) -> FloatArray:
        return self.beta[at.common] if self.beta.size else np.full(at.common.size, np.nan)

    def _loadings(self, at: Addresses) -> FloatArray:
        """How each coefficient depends on beta: rows of P' with sign, unit rows for beta itself."""
        p = self.beta.size
        Q = np.zeros((at.common.size, p))
        if p == 0:
            return Q
        Q -= np.where((at.plus >= 0)[:, None], self.P[at.plus, at.column], 0.0)
        Q += np.where((at.minus >= 0)[:, None], self.P[at.minus, at.column], 0.0)
        common = at.common >= 0
        Q[common] = np.eye(p)[at.common[common]]
        return Q

    def fitted(self, X: RowSource, Z: RowSource, codes: IntArray) -> FloatArray:
        """Return fitted values (n,), a block of rows at a time (the offset is not added)."""
        n = codes.shape[0]
        effects = np.nan_to_num(self.effects)
        out = np.empty(n)
        for start in range(0, n, BATCH_ROWS):
            stop = min(start + BATCH_ROWS, n)
            own = effects[codes[start:stop]]
            out[start:stop] = X.rows(start, stop) @ self.beta + own[:, 0]
            if own.shape[1] > 1:
                out[start:stop] += np.einsum("ij,ij->i", Z.rows(start, stop), own[:, 1:])
        return out


def fit_ols_absorbed(  # noqa: PLR0913 - one argument per piece of data, as in lm()
    y: FloatArray,
    X: RowSource,
    codes: IntArray,
    n_levels: int,
    *,
    Z: RowSource | None = None,
    weights: FloatArray | None = None,
    offset: FloatArray | None = None,
) -> AbsorbedFit:
    """Least squares with a factor's dummies (and its interactions) absorbed.

    Parameters
    ----------
    y : ndarray of shape (n,)
    X : RowSource of shape (n, p)
        Common columns: no constant, nothing that also interacts with the factor.
    codes : ndarray of int of shape (n,)
    n_levels : int
    Z : RowSource of shape (n, k), optional
        Columns whose slopes differ between levels.
    weights, offset : ndarray of shape (n,), optional

    Returns
    -------
    AbsorbedFit

    Raises
    ------
    NotSupportedError
        If a common column hardly varies within levels: then it or some dummies are aliased, and
        only the dense fit drops the columns that R drops.
    FitError
        If no residual degrees of freedom are left.
    """
    constant = _Constant(y.shape[0])
    rows = Rows(
        y=y,
        X=X,
        Z=(constant,) if Z is None else (constant, Z),
        codes=codes,
        n_levels=n_levels,
        weights=weights,
        offset=offset,
    )
    with blas_threads(1):
        fit = absorb(CrossProducts.from_rows(rows))
        if fit.null_rss <= MISSED * fit.rss:
            return fit
        # Strong effects take as many digits of the residuals: fit what the first fit leaves.
        left = y - fit.fitted(X, constant if Z is None else Z, codes)
        rest = absorb(CrossProducts.from_rows(replace(rows, y=left)))
    return replace(
        rest,
        beta=fit.beta + rest.beta,
        effects=fit.effects + rest.effects,
        null_rss=fit.null_rss,
    )


def absorb(sums: CrossProducts) -> AbsorbedFit:
    """Fit from sums whose Z columns are the absorbed ones, the constant first.

    Raises
    ------
    NotSupportedError, FitError
        As :func:`fit_ols_absorbed`.
    """
    layout = sums.layout
    z, inner = layout.z, np.append(layout.x, layout.y)
    p = layout.p
    solved = sweep(sums.block(z, z), sums.block(z, inner))
    n_own = int(solved.identified.sum())
    if n_own >= sums.n:
        # Common columns can only be aliased with these: no need to look for those R would drop.
        raise FitError(_SATURATED.format(n_own, sums.n))
    T = sums.total[np.ix_(inner, inner)]
    S = T - solved.explained
    left = np.diag(S)[:p]
    if p and bool(np.any(left <= WITHIN_DOUBTFUL * np.diag(T)[:p])):
        raise NotSupportedError(
            "A column does not vary within the levels of the absorbed factor; "
            "fit the dummy columns instead."
        )
    scale = np.sqrt(left)
    try:
        L = np.linalg.cholesky(S[:p, :p] / np.outer(scale, scale)) if p else np.empty((0, 0))
    except np.linalg.LinAlgError:
        L = np.zeros((p, p))
    if p and float(np.diag(L).min()) ** 2 <= WITHIN_DOUBTFUL:
        raise NotSupportedError(
            "The common columns are collinear within the levels of the absorbed factor; "
            "fit the dummy columns instead."
        )
    L = L * scale[:, None]
    half = solve_triangular(L, S[:p, p], lower=True) if p else np.empty(0)
    L_inverse = solve_triangular(L, np.eye(p), lower=True) if p else np.empty((0, 0))
    rss = float(max(S[p, p] - half @ half, 0.0))
    return _record(sums, solved, (L_inverse.T @ half, L_inverse.T @ L_inverse), rss)


def _record(
    sums: CrossProducts, solved: Swept, common: tuple[FloatArray, FloatArray], rss: float
) -> AbsorbedFit:
    """Undo the centring and count degrees of freedom."""
    beta, Phi = common
    layout = sums.layout
    centre = np.array(layout.centre)
    p = beta.size
    df = sums.n - p - int(solved.identified.sum())
    if df <= 0:
        raise FitError(_SATURATED.format(sums.n - df, sums.n))
    back = np.eye(layout.q)
    back[0] -= np.where(layout.z == 0, 0.0, centre[layout.z])
    P = np.einsum("ab,bcj->jac", back, solved.P[:, :p])
    # A centred common column shifts the intercepts of all levels alike.
    P[:, 0] += centre[layout.x]
    effects = (back @ solved.P[:, p]).T
    effects[:, 0] += centre[layout.y]
    effects = effects - P @ beta
    effects[~solved.identified.T] = np.nan
    T, y = sums.total, layout.y
    return AbsorbedFit(
        beta=beta,
        effects=effects,
        A_inverse=back @ np.moveaxis(solved.A_inverse, 2, 0) @ back.T,
        P=P,
        Phi=Phi,
        sigma=float(np.sqrt(rss / df)),
        rss=rss,
        loglik=gaussian_loglik(rss, sums.n, sums.sum_log_weights),
        null_rss=float(T[y, y] - T[0, y] ** 2 / T[0, 0]),
        n=sums.n,
        df_residual=df,
    )


@dataclass(frozen=True, slots=True)
class _Constant:
    """The constant column as a row source."""

    n: int

    @property
    def shape(self) -> tuple[int, int]:
        return self.n, 1

    def rows(self, start: int, stop: int) -> FloatArray:
        return np.ones((stop - start, 1))
