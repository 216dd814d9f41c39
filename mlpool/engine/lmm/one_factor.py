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

from collections.abc import Callable

import numpy as np

from mlpool.engine.factorization.cluster_elimination import (
    ClusterBlocks,
    Eliminated,
    SizeGroups,
    group_by_size,
)
from mlpool.engine.factorization.cluster_roots import Regressions
from mlpool.engine.lmm.criterion import Criterion, Solution, profiled_value
from mlpool.engine.lmm.one_factor_modes import ConditionalCovariances, spherical_modes
from mlpool.engine.lmm.one_factor_start import scoring_start
from mlpool.engine.optimizer.convergence import standard_columns, standard_inverse
from mlpool.engine.optimizer.newton import Log
from mlpool.engine.profiled_deviances import MANY_COLUMNS, values_of_blocks
from mlpool.engine.sums.cluster_sums import CrossProducts
from mlpool.engine.sums.columns import Rows
from mlpool.engine.sums.trend import detrended_sums
from mlpool.engine.sums.within import left_within, with_residuals
from mlpool.engine.sums.working_columns import FixedColumns
from mlpool.engine.theta import FreeTemplate, Template
from mlpool.engine.types import Control, LmmData
from mlpool.typing import FloatArray, IntArray


class OneFactor(Criterion):
    """The criterion of one grouping factor as a function of theta.

    Parameters
    ----------
    sums : CrossProducts
    template : Template
        The terms on the factor.
    kept : ndarray of int
        Columns of X that are estimated.
    reml : bool
    own : Regressions, optional
        Of the sums, where they are made already.

    Attributes
    ----------
    n, p : int
        Rows; estimated fixed effects.
    scale : ndarray of shape (k,)
        Typical sizes of the entries of theta.
    """

    def __init__(
        self,
        sums: CrossProducts,
        template: Template,
        kept: IntArray,
        *,
        reml: bool,
        own: Regressions | None = None,
    ) -> None:
        self.fixed = FixedColumns.of(sums, kept)
        own, R = own or Regressions.of(sums), self.fixed.R
        if sums.by_size is None:
            blocks = ClusterBlocks(own.F, np.einsum("abj,bc->acj", own.H, R))
            self.blocks: ClusterBlocks | SizeGroups = group_by_size(own.A, blocks)
        else:
            self.blocks = SizeGroups.of_classes(sums.by_size.combined(R))
        self.within = R.T @ own.within @ R
        self._take_columns(own.columns.T, template)
        self.total = self.fixed.R.T @ sums.total @ self.fixed.R
        self.totals = sums.without_clusters()
        self.has_residuals = sums.within is not None
        self.sum_log_weights = sums.sum_log_weights
        self.n, self.p, self.reml, self.kept = sums.n, len(kept), reml, kept
        self.scale = _typical(self.T, template)
        self.standards = standard_columns(sums, template.sizes)
        self.has_means = bool(np.isin(sums.layout.z, sums.layout.x[kept]).all())

    @classmethod
    def from_data(cls, data: LmmData, *, reml: bool, control: Control) -> OneFactor:
        """Make the sums of `data`: the only step that touches n rows.

        Raises
        ------
        FitError
            If the data hold values that are not finite.
        DataError
            If a weight is not positive.
        """
        if data.sums is not None and data.kept is not None:
            sums, kept, own = data.sums, data.kept, None  # made elsewhere
        else:
            rows = Rows.of_factor(data, data.terms[0].factor)
            sums, kept = detrended_sums(rows, batch_rows=control.batch_rows)
            sums, own = with_residuals(rows, sums, kept, control.batch_rows)
        template = Template(tuple(t.z.shape[1] for t in data.terms))
        return cls(sums, template, kept, reml=reml, own=own)

    def _take_columns(self, T: FloatArray, template: Template) -> None:
        """Take the working columns that theta moves, Z = Z_working T; forget what was found."""
        self.T, self.template = T, template
        self._last: tuple[FloatArray, Solution[Eliminated]] | None = None
        self._weighed: tuple[Solution[Eliminated], FloatArray, FloatArray] | None = None

    def left_within(self) -> float | None:
        """Return what the clusters' own regressions leave of y though rows remain, else None."""
        if not self.has_residuals:
            return None
        x = self.within[:-1, :-1]
        size = np.sqrt(np.where(np.diag(x) > 0, np.diag(x), 1.0))
        # columns have length one: the cut-off is a share without units
        is_left = self.n > self.blocks.n_effects + np.linalg.matrix_rank(x / np.outer(size, size))
        return left_within(self.within) if is_left else None

    @property
    def k(self) -> int:
        """Length of theta."""
        return self.template.k

    @property
    def lower(self) -> FloatArray:
        """Lower bounds of theta."""
        return self.template.lower

    # --- well-placed coordinates ------------------------------------------------------------

    def working(self) -> FreeFactor:
        """Return the same criterion in coordinates that suit the search.

        Full instead of triangular factors (:class:`~mlpool.engine.theta.FreeTemplate`); and for a
        single term centred and scaled columns, where intercept and slopes are hardly correlated.
        """
        other = object.__new__(FreeFactor)
        other.__dict__.update(self.__dict__)
        T = np.eye(self.T.shape[0]) if self._is_centred else self.T
        other._take_columns(T, FreeTemplate(self.template.sizes))
        other.user = self
        other.scale = _typical(other.T, other.template)
        other.standards = self.search_standards()
        return other

    def standardized(self, theta: FloatArray, at: FloatArray) -> OneFactor:
        """Return the same criterion in standard columns, which knows `at` for the user's theta.

        See :mod:`mlpool.engine.optimizer.convergence`.
        """
        other = object.__new__(OneFactor)
        other.__dict__.update(self.__dict__)
        other._take_columns(self.T @ standard_inverse(self.standards), self.template)
        other.adopt(theta, self, at)
        return other

    @property
    def _is_centred(self) -> bool:
        """Whether the search moves in centred columns: one term, no column twice."""
        return len(self.template.sizes) == 1 and self.T.shape[0] == self.T.shape[1]

    def centred_terms(self) -> list[tuple[int, FloatArray]]:
        """Return the only term with its columns, where the search moves in centred ones."""
        return [(0, self.T)] if self._is_centred else []

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
        logdet, S = self.blocks.schur(self.Lambda(theta), self.within)
        return profiled_value(logdet, S, self.m, self.reml) - self.sum_log_weights

    def values(self, thetas: FloatArray) -> FloatArray:
        """Return the deviances (B,) at stacked theta (B, k); +inf where they do not exist."""
        if self.p > MANY_COLUMNS:
            return np.array([self.value(theta) for theta in thetas])
        Lam = self.T @ self.template.block_diagonals(thetas)
        found = values_of_blocks(self.blocks, self.within, Lam, self.m, self.reml)
        return found - self.sum_log_weights

    @property
    def looks(self) -> int:
        """Numbers that one value works through."""
        return self.blocks.numbers

    def Lambda(self, theta: FloatArray) -> FloatArray:
        """Return T Lambda (q_working, q): the relative factor of the working columns."""
        return np.asarray(self.T @ self.template.block_diagonal(theta))

    def adopt(self, theta: FloatArray, other: OneFactor, at: FloatArray) -> None:
        """Take over as theta's what `other`, the same in other coordinates, finds at `at`."""
        self._last, self._weighed = (np.array(theta), other.solve(at)), other._weighed

    def solve(self, theta: FloatArray) -> Solution[Eliminated]:
        """Return the profiled solution at theta."""
        if self._last is not None and (self._last[0] == theta).all():
            return self._last[1]
        parts = self.blocks.eliminate(self.Lambda(theta), self.within)
        found = self.profile(parts.S, parts.logdet, parts)
        self._last = (np.array(theta), found)
        return found

    def _weights(self, found: Solution[Eliminated]) -> FloatArray:
        """W = (m / r^2) v v' [+ S_xx^-1], shape (p + 1, p + 1)."""
        return self._weights_and_slope(found)[0]

    def slope(self, found: Solution[Eliminated]) -> FloatArray:
        """G = d deviance / d Sigma in the working columns, shape (q, q), symmetric."""
        return self._weights_and_slope(found)[1]

    def _weights_and_slope(self, found: Solution[Eliminated]) -> tuple[FloatArray, FloatArray]:
        """Return W and G, made once for gradient and curvature."""
        if self._weighed is None or self._weighed[0] is not found:
            W = found.v[:, None] * found.v * (self.m / found.pwrss)
            if self.reml:
                W[: self.p, : self.p] += found.Sxx_inverse
            q, k = found.parts.EE.shape[:2]
            EE = found.parts.EE.transpose(0, 2, 1, 3).reshape(q * q, k * k)
            self._weighed = found, W, found.parts.K - (EE @ W.ravel()).reshape(q, q)
        return self._weighed[1:]

    def hessian(self, theta: FloatArray) -> FloatArray:
        """Return the exact second derivatives with respect to theta, shape (k, k)."""
        found = self.solve(theta)
        Lam = self.Lambda(theta)
        row, col = self.template.positions()
        moved = self.T.T[row]
        half = moved[:, :, None] * Lam.T[col][:, None, :]
        H = self.curvature(found, half + half.transpose(0, 2, 1), Lam)
        bend = 2.0 * moved @ self.slope(found) @ moved.T
        return np.asarray(H + np.where(col[:, None] == col[None, :], bend, 0.0))

    def curvature(
        self, found: Solution[Eliminated], dSigma: FloatArray, Lam: FloatArray
    ) -> FloatArray:
        """Return second derivatives of the deviance along linear changes dSigma (d, q, q)."""
        p, parts, q, W = self.p, found.parts, self.blocks.q, self._weights(found)
        flat = dSigma.reshape(-1, q * q)
        if parts.EKE is None:
            EKE = self.clusters.weighted(Lam, W).transpose(0, 2, 3, 1)
        else:
            EKE = np.einsum("aiblcd,il->acdb", parts.EKE, W)
        KK = parts.KK.transpose(1, 2, 3, 0)
        H = flat @ (2.0 * EKE - KK).reshape(q * q, q * q) @ flat.T
        EE = parts.EE.transpose(0, 2, 1, 3).reshape(q * q, -1)
        S = -(flat @ EE).reshape(len(flat), p + 1, p + 1)
        Sv = S @ found.v
        r = Sv @ found.v
        across = Sv[:, :p] @ found.Sxx_inverse @ Sv[:, :p].T
        H = H - (self.m / found.pwrss) * (2.0 * across + r[:, None] * r / found.pwrss)
        if self.reml:
            PS = found.Sxx_inverse @ S[:, :p, :p]
            H = H - PS.reshape(len(flat), -1) @ PS.transpose(0, 2, 1).reshape(len(flat), -1).T
        return np.asarray((H + H.T) / 2)

    def start(self) -> tuple[FloatArray, Log]:
        """Return starting values by the method of moments (see ``one_factor_start.py``)."""
        return scoring_start(self)

    # --- random effects ---------------------------------------------------------------------

    @property
    def clusters(self) -> ClusterBlocks:
        """The clusters one by one; none where only their sizes are known."""
        if isinstance(self.blocks, ClusterBlocks):
            return self.blocks
        if self.blocks.blocks is not None:
            return self.blocks.blocks
        return ClusterBlocks(np.empty((1, 1, 0)), np.empty((1, self.p + 1, 0)))

    def modes(self, theta: FloatArray) -> tuple[FloatArray, ...]:
        """Return b = Lambda u of every term, (n_levels, k_t).

        Of clusters that were added up by size there are none: (0, 1).
        """
        u = spherical_modes(self.clusters, self.Lambda(theta), self.solve(theta).v)
        b = (self.template.block_diagonal(theta) @ u).T
        ends = np.cumsum(self.template.sizes)[:-1]
        return tuple(np.ascontiguousarray(part) for part in np.split(b, ends, axis=1))

    def covariances(self, theta: FloatArray, sigma: float) -> Callable[[], tuple[FloatArray, ...]]:
        """Return a function that makes Var(b | y) of every term, (n_levels, k_t, k_t)."""
        terms = self.template.matrices(theta)
        return ConditionalCovariances(self.clusters, self.Lambda(theta), terms, sigma)


class FreeFactor(OneFactor):
    """The criterion in the coordinates of the search: made by :meth:`OneFactor.working`."""

    template: FreeTemplate
    user: OneFactor

    def hand_over(self, theta: FloatArray) -> FloatArray:
        """Return the user's theta, and let the user's criterion know the solution there."""
        there = self.user.from_working(theta)
        self.user.adopt(there, self, theta)
        return there


def _typical(T: FloatArray, template: Template) -> FloatArray:
    """Return sizes of theta at which each random-effects column matters."""
    return np.asarray(1.0 / np.abs(T).max(axis=0)[template.positions()[0]])
