"""Profiled ML and REML criterion of a mixed model with one grouping factor, with derivatives.

With the sums over clusters of :mod:`mlpool.engine.factorization.cluster_elimination` (S, K, E) the
criterion is (Bates et al. 2015, JSS 67(1), eq. 34 profiled deviance and eq. 41 profiled REML
criterion)

    beta = S_xx^-1 S_xy        v = [-beta; 1]        r^2 = v'S v        m = n (ML) or n - p (REML)
    deviance = sum log|I + A Sigma| + m (1 + log(2 pi r^2 / m)) [+ log|S_xx|] - sum log w

and, for a symmetric change dSigma of Sigma = Lambda Lambda', with
W = (m / r^2) v v' [+ S_xx^-1] and S_i = - sum E'dSigma_i E,

    first    tr(K dSigma_i) + tr(W S_i)                       = tr(G dSigma_i)
    second   -tr(K dSigma_i K dSigma_j) + 2 tr(W E'dSigma_i K dSigma_j E) - (m / r^4) r_i r_j
             - 2 (m / r^2) (S_i v)_x'S_xx^-1 (S_j v)_x [- tr(S_xx^-1 S_i S_xx^-1 S_j)]

with r_i = v'S_i v; theta enters through dSigma_i = dLambda_i Lambda' + Lambda dLambda_i'.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular

from mlpool.engine.factorization.cluster_elimination import (
    ClusterBlocks,
    Eliminated,
    SizeGroups,
    group_by_size,
)
from mlpool.engine.lmm.one_factor_start import scoring_start
from mlpool.engine.many_values import MANY_COLUMNS, values_of_blocks
from mlpool.engine.optimizer.convergence import standard_columns, standard_inverse
from mlpool.engine.sums.cluster_sums import CrossProducts
from mlpool.engine.sums.columns import Layout
from mlpool.engine.theta import FreeTemplate, Template, lower_form
from mlpool.typing import FloatArray, IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution:
    """The profiled quantities at one theta, in the columns the sums were made with."""

    value: float
    v: FloatArray
    pwrss: float
    logdet_L2: float
    logdet_RX2: float
    Sxx_inverse: FloatArray
    parts: Eliminated


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedColumns:
    """How the kept columns [X y] come from the distinct columns, and the way back for beta.

    Attributes
    ----------
    R : ndarray of shape (k_distinct, p + 1)
        ``U R`` are the working columns [X y].
    back : ndarray of shape (p, p)
        beta = back @ beta_working + shift.
    shift : ndarray of shape (p,)
        What was taken off the response: its trend and centre.
    """

    R: FloatArray
    back: FloatArray
    shift: FloatArray

    @classmethod
    def of(cls, sums: CrossProducts, kept: IntArray) -> FixedColumns:
        """Stay with centred columns where an intercept allows it, else uncentre them.

        The response is what the kept columns' part of the trend leaves of it: neither the
        criterion nor the random effects know of that part, and beta gets it back.
        """
        layout = sums.layout
        x, y, p = layout.x[kept], layout.y, len(kept)
        trend, dropped = _trend_of(layout, kept)
        intercepts = np.flatnonzero(x == 0)
        if intercepts.size == 0:
            R = sums.uncentre(np.append(x, y))
            R[:, -1] -= R[:, :p] @ trend
            return cls(R=R, back=np.eye(p), shift=trend)
        R = np.zeros((layout.k, p + 1))
        R[np.append(x, y), np.arange(p + 1)] = 1.0
        R[:, -1] += dropped
        centre = np.array(layout.centre)
        back, shift = np.eye(p), np.zeros(p)
        back[intercepts[0]] -= centre[x]
        shift[intercepts[0]] = centre[y]
        return cls(R=R, back=back, shift=back @ trend + shift)


def _trend_of(layout: Layout, kept: IntArray) -> tuple[FloatArray, FloatArray]:
    """Return the trend of the kept columns (p,), and of all others per distinct column (k,)."""
    trend, rest = np.zeros(len(kept)), np.zeros(layout.k)
    if layout.trend:
        rest += np.array(layout.trend)
        x = layout.x[kept]
        trend, rest[x] = rest[x], 0.0
        trend[x == 0] = 0.0
    return trend, rest


def random_columns(sums: CrossProducts, fixed: FixedColumns) -> tuple[ClusterBlocks, FloatArray]:
    """Return the clusters' A and D in well-placed columns, and T with z = z_working T.

    Working columns are centred (when the factor has an intercept, which makes that exact) and
    scaled by powers of two to a mean square near 1; T (q_working, q) holds both.
    """
    z = sums.layout.z
    working = np.unique(z)
    T = (z[None, :] == working[:, None]).astype(np.float64)
    centre = np.array(sums.layout.centre)
    if working[0] == 0:
        T[0] += centre[z]
    elif np.any(centre[working] != 0.0):
        working = np.concatenate([[0], working])
    D = np.einsum("abj,bc->acj", sums.block(working, np.arange(sums.layout.k)), fixed.R)
    A = sums.block(working, working)
    if working.size > T.shape[0]:
        R = np.vstack([centre[working[1:]], np.eye(working.size - 1)])
        A = np.einsum("ab,acj,cd->bdj", R, A, R, optimize=True)
        D = np.einsum("ab,acj->bcj", R, D)
    mean_square = np.einsum("aaj->a", A) / sums.n
    scale = 2.0 ** np.round(np.log2(np.sqrt(np.where(mean_square > 0, mean_square, 1.0))))
    A = A / (scale[:, None, None] * scale[None, :, None])
    D = D / scale[:, None, None]
    return ClusterBlocks(np.ascontiguousarray(A), np.ascontiguousarray(D)), scale[:, None] * T


class OneFactor:
    """The criterion of one grouping factor as a function of theta.

    Parameters
    ----------
    sums : CrossProducts
    template : Template
        The terms on the factor.
    kept : ndarray of int
        Columns of X that are estimated.
    reml : bool

    Attributes
    ----------
    n, p : int
        Rows; estimated fixed effects.
    scale : ndarray of shape (k,)
        Typical sizes of the entries of theta.
    """

    def __init__(
        self, sums: CrossProducts, template: Template, kept: IntArray, *, reml: bool
    ) -> None:
        self.fixed = FixedColumns.of(sums, kept)
        blocks, T = random_columns(sums, self.fixed)
        self.blocks: ClusterBlocks | SizeGroups = group_by_size(blocks)
        self.T = T
        self.template = template
        self.total = self.fixed.R.T @ sums.total @ self.fixed.R
        self.sum_log_weights = sums.sum_log_weights
        self.n, self.p, self.reml, self.kept = sums.n, len(kept), reml, kept
        self.scale = _typical(T, template)
        self.standards = standard_columns(sums, template.sizes)
        self.has_means = bool(np.isin(sums.layout.z, sums.layout.x[kept]).all())
        self._last: tuple[FloatArray, Solution] | None = None

    @property
    def k(self) -> int:
        """Length of theta."""
        return self.template.k

    @property
    def lower(self) -> FloatArray:
        """Lower bounds of theta."""
        return self.template.lower

    @property
    def m(self) -> int:
        """Denominator of sigma^2: n (ML) or n - p (REML)."""
        return self.n - self.p if self.reml else self.n

    # --- well-placed coordinates ------------------------------------------------------------

    def working(self) -> FreeFactor:
        """Return the same criterion in coordinates that suit the search.

        Full instead of triangular factors (:class:`~mlpool.engine.theta.FreeTemplate`); and for a
        single term centred and scaled columns, where intercept and slopes are hardly correlated.
        """
        other = object.__new__(FreeFactor)
        other.__dict__.update(self.__dict__)
        other.template, other._last = FreeTemplate(self.template.sizes), None
        if self._is_centred:
            other.T = np.eye(self.T.shape[0])
        other.scale = _typical(other.T, other.template)
        return other

    def standardized(self, theta: FloatArray, at: FloatArray) -> OneFactor:
        """Return the same criterion in standard columns, which knows `at` for the user's theta.

        See :mod:`mlpool.engine.optimizer.convergence`.
        """
        other = object.__new__(OneFactor)
        other.__dict__.update(self.__dict__)
        other.T, other._last = self.T @ standard_inverse(self.standards), None
        other.adopt(theta, self.solve(at))
        return other

    @property
    def _is_centred(self) -> bool:
        """Whether the search moves in centred columns: one term, no column twice."""
        return len(self.template.sizes) == 1 and self.T.shape[0] == self.T.shape[1]

    def from_working(self, theta: FloatArray) -> FloatArray:
        """Return the user's theta for one of :meth:`working`."""
        factors = FreeTemplate(self.template.sizes).matrices(theta)
        if self._is_centred:
            factors = (np.asarray(np.linalg.solve(self.T, factors[0])),)
        return self.template.pack([lower_form(lam) for lam in factors])

    def to_working(self, theta: FloatArray) -> FloatArray:
        """Return theta of :meth:`working` for the user's."""
        factors = self.template.matrices(theta)
        if self._is_centred:
            factors = (np.asarray(self.T @ factors[0]),)
        return FreeTemplate(self.template.sizes).pack(factors)

    # --- criterion and derivatives ----------------------------------------------------------

    def evaluate(self, theta: FloatArray) -> tuple[float, FloatArray]:
        """Return the deviance (REML criterion) and its gradient with respect to theta.

        Raises
        ------
        numpy.linalg.LinAlgError
            If the criterion does not exist (no residual left, X'V^-1 X not positive definite).
        """
        Lam = self.Lambda(theta)
        found = self.solve(theta)
        row, col = self.template.positions()
        G = self.slope(found)
        return found.value, 2.0 * (self.T.T @ G @ Lam)[row, col]

    def value(self, theta: FloatArray) -> float:
        """Return the deviance alone; +inf where it does not exist."""
        logdet, S = self.blocks.schur(self.Lambda(theta), self.total)
        return profiled_value(logdet, S, self.m, self.reml) - self.sum_log_weights

    def values(self, thetas: FloatArray) -> FloatArray:
        """Return the deviances (B,) at stacked theta (B, k); +inf where they do not exist."""
        if self.p > MANY_COLUMNS:
            return np.array([self.value(theta) for theta in thetas])
        Lam = self.T @ self.template.block_diagonals(thetas)
        found = values_of_blocks(self.blocks, self.total, Lam, self.m, self.reml)
        return found - self.sum_log_weights

    @property
    def looks(self) -> int:
        """Numbers that one value works through."""
        blocks = self.blocks
        return blocks.DD.size if isinstance(blocks, SizeGroups) else blocks.D.size * blocks.q

    def Lambda(self, theta: FloatArray) -> FloatArray:
        """Return T Lambda (q_working, q): the relative factor of the working columns."""
        return np.asarray(self.T @ self.template.block_diagonal(theta))

    def adopt(self, theta: FloatArray, found: Solution) -> None:
        """Take over the solution at theta that was found in other coordinates."""
        self._last = (np.array(theta), found)

    def solve(self, theta: FloatArray) -> Solution:
        """Return the profiled solution at theta."""
        if self._last is not None and np.array_equal(self._last[0], theta):
            return self._last[1]
        found = self._profile(self.blocks.eliminate(self.Lambda(theta), self.total))
        self._last = (np.array(theta), found)
        return found

    def _profile(self, parts: Eliminated) -> Solution:
        p, m = self.p, self.m
        RX = np.linalg.cholesky(parts.S[:p, :p])
        rest = solve_triangular(RX, parts.S[:p, p], lower=True) if p else np.empty(0)
        pwrss = float(parts.S[p, p] - rest @ rest)
        if not pwrss > 0.0 or m <= 0:
            raise np.linalg.LinAlgError("no residual variation")
        RX_inverse = solve_triangular(RX, np.eye(p), lower=True) if p else np.empty((0, 0))
        logdet_RX2 = 2.0 * float(np.log(np.diag(RX)).sum())
        value = parts.logdet + m * (1.0 + np.log(2.0 * np.pi * pwrss / m)) - self.sum_log_weights
        if self.reml:
            value += logdet_RX2
        return Solution(
            value=float(value),
            v=np.append(-(RX_inverse.T @ rest), 1.0),
            pwrss=pwrss,
            logdet_L2=parts.logdet,
            logdet_RX2=logdet_RX2,
            Sxx_inverse=RX_inverse.T @ RX_inverse,
            parts=parts,
        )

    def _weights(self, found: Solution) -> FloatArray:
        """W = (m / r^2) v v' [+ S_xx^-1], shape (p + 1, p + 1)."""
        W = np.outer(found.v, found.v) * (self.m / found.pwrss)
        if self.reml:
            W[: self.p, : self.p] += found.Sxx_inverse
        return W

    def slope(self, found: Solution) -> FloatArray:
        """G = d deviance / d Sigma in the working columns, shape (q, q), symmetric."""
        explained = np.einsum("aibl,il->ab", found.parts.EE, self._weights(found))
        return np.asarray(found.parts.K - explained)

    def hessian(self, theta: FloatArray) -> FloatArray:
        """Return the exact second derivatives with respect to theta, shape (k, k)."""
        found = self.solve(theta)
        Lam = self.Lambda(theta)
        row, col = self.template.positions()
        steps = np.zeros((self.k, *Lam.shape))
        steps[np.arange(self.k), :, col] = self.T.T[row]
        half = steps @ Lam.T
        H = self.curvature(found, half + half.transpose(0, 2, 1), Lam)
        bend = 2.0 * self.T.T[row] @ self.slope(found) @ self.T.T[row].T
        return np.asarray(H + np.where(col[:, None] == col[None, :], bend, 0.0))

    def curvature(self, found: Solution, dSigma: FloatArray, Lam: FloatArray) -> FloatArray:
        """Return second derivatives of the deviance along linear changes dSigma (d, q, q)."""
        p, parts, q, W = self.p, found.parts, self.blocks.q, self._weights(found)
        flat = dSigma.reshape(-1, q * q)
        if parts.EKE is None:
            EKE = self.blocks.weighted(Lam, W).transpose(0, 2, 3, 1)
        else:
            EKE = np.einsum("aiblcd,il->acdb", parts.EKE, W)
        KK = parts.KK.transpose(1, 2, 3, 0)
        H = flat @ (2.0 * EKE - KK).reshape(q * q, q * q) @ flat.T
        S = -np.tensordot(dSigma, parts.EE, axes=((1, 2), (0, 2)))
        Sv = S @ found.v
        r = Sv @ found.v
        across = Sv[:, :p] @ found.Sxx_inverse @ Sv[:, :p].T
        H = H - (self.m / found.pwrss) * (2.0 * across + np.outer(r, r) / found.pwrss)
        if self.reml:
            PS = found.Sxx_inverse @ S[:, :p, :p]
            H = H - np.einsum("iab,jba->ij", PS, PS, optimize=True)
        return np.asarray((H + H.T) / 2)

    # --- starting values --------------------------------------------------------------------

    def start(self) -> FloatArray:
        """Return starting values by the method of moments (see ``one_factor_start.py``)."""
        return scoring_start(self)[0]


class FreeFactor(OneFactor):
    """The criterion in the coordinates of the search: made by :meth:`OneFactor.working`."""

    template: FreeTemplate


def profiled_value(logdet: float, S: FloatArray, m: int, reml: bool) -> float:
    """Return the deviance (REML criterion) of S = [X y]'V^-1 [X y]; +inf where there is none."""
    if m <= 0:
        return np.inf
    try:
        roots = np.diag(np.linalg.cholesky(S))
    except np.linalg.LinAlgError:
        return np.inf
    value = logdet + m * (1.0 + np.log(2.0 * np.pi * roots[-1] ** 2 / m))
    return float(value + (2.0 * np.log(roots[:-1]).sum() if reml else 0.0))


def _typical(T: FloatArray, template: Template) -> FloatArray:
    """Return sizes of theta at which each random-effects column matters."""
    return np.asarray(1.0 / np.abs(T).max(axis=0)[template.positions()[0]])
