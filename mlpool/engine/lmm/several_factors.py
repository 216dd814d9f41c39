"""Profiled ML and REML criterion of a mixed model with several grouping factors, with derivatives.

With V = I + Z Sigma Z' eliminated block by block (see ``factorization/block_cholesky.py``),
S = [X y]'V^-1 [X y], beta = S_xx^-1 S_xy, v = [-beta; 1], r^2 = v'S v, m = n (ML) or n - p (REML)
(Bates et al. 2015, JSS 67(1), eqs. 34 and 41):

    deviance = log|V| + m (1 + log(2 pi r^2 / m)) [+ log|S_xx|] - sum log w

For the Sigma of one factor, summed over its levels j, with E_j = Z_j'V^-1 [X y],

    G = d deviance / d Sigma
      = sum_j Z_j'V^-1 Z_j - E_jx S_xx^-1 E_jx' [REML] - (m / r^2) E_j v v'E_j'

so that d deviance / d Lambda = 2 G Lambda: nothing is divided by Lambda, which may be singular.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mlpool.engine.factorization import exact_traces
from mlpool.engine.factorization.block_cholesky import Reduced
from mlpool.engine.factorization.exact_traces import DenseEffects, effect_shapes, values_of_effects
from mlpool.engine.factorization.orthogonal import OrthogonalElimination
from mlpool.engine.lmm.criterion import Criterion, Solution
from mlpool.engine.lmm.disconnected import Eliminated
from mlpool.engine.lmm.information import Secant, curvature
from mlpool.engine.lmm.iterative.elimination import IterativePass
from mlpool.engine.lmm.several_factors_start import moment_deviations
from mlpool.engine.lmm.several_factors_sums import SeveralParts, user_blocks
from mlpool.engine.optimizer.newton import Log
from mlpool.engine.profiled_deviances import value_or_inf
from mlpool.engine.sums.working_columns import Columns
from mlpool.engine.theta import FreeTemplate, Template, lower_factor, lower_form
from mlpool.engine.threads import blas_threads
from mlpool.engine.types import Control, LmmData
from mlpool.typing import FloatArray, IntArray


class SeveralFactors(Criterion):
    """The criterion of several grouping factors as a function of theta.

    Parameters
    ----------
    parts : SeveralParts
        Sums and columns.
    template : Template
        Of all terms, in lme4's order.
    kept : ndarray of int
        Columns of X that are estimated.
    reml : bool

    Attributes
    ----------
    order : tuple of int
        Factors in the order of elimination: chain, then core.
    scale : ndarray (k,)
        Typical sizes of theta.
    total : ndarray (p + 1, p + 1)
        [X y]'[X y] in working columns.
    """

    def __init__(
        self, parts: SeveralParts, template: Template, kept: IntArray, *, reml: bool
    ) -> None:
        self.parts, self.template, self.kept, self.reml = parts, template, kept, reml
        self.fixed = parts.fixed
        self.blocks, self.total = parts.blocks, parts.blocks.total
        self.order = (*parts.structure.chain, *parts.structure.core)
        self.totals, self.sum_log_weights = parts.totals, parts.sum_log_weights
        self.has_residuals = parts.triangle is not None and parts.triangle.is_far
        self.n, self.p = parts.totals.n, len(kept)
        self.scale = parts.theta_scale(template)
        self.standards, self.has_means, self.looks = parts.standards, parts.has_means, parts.looks
        self._dense: DenseEffects | None = None
        self._last: tuple[FloatArray, Solution[Eliminated]] | None = None
        self._last_slopes: tuple[Solution[Eliminated], list[FloatArray], Reduced] | None = None

    @classmethod
    def from_data(
        cls, data: LmmData, *, reml: bool, control: Control, kept: IntArray | None = None
    ) -> SeveralFactors:
        """Make all sums of `data`: the only step that touches n rows.

        Raises
        ------
        FitError
            If the crossed factors need a dense block beyond ``control.max_dense_bytes``, or the
            data hold values that are not finite.
        DataError
            If a weight is not positive.
        """
        parts, kept = SeveralParts.from_data(data, control, kept)
        return cls(parts, Template(tuple(t.z.shape[1] for t in data.terms)), kept, reml=reml)

    @property
    def dense(self) -> DenseEffects | None:
        """All of Z'Z where it is small enough for exact second derivatives, else None."""
        if self._dense is None and self.parts.has_exact_curvature:
            n_effects = sum(q * J for q, J in effect_shapes(self.blocks))
            if n_effects <= exact_traces.LIMIT:
                self._dense = DenseEffects.of(self.blocks)
        return self._dense

    def left_within(self) -> float | None:
        """Return what all effects leave of y though rows remain, else None."""
        if self.parts.triangle is None or not self.has_residuals:
            return None
        left, df = self.parts.triangle.left
        return left if df > 0 else None

    def share_dense(self, other: SeveralFactors) -> None:
        """Take over Z'Z of the same model with another response."""
        self._dense = None if other.dense is None else other.dense.with_columns(self.blocks)

    # --- criterion and derivatives ----------------------------------------------------------

    def values(self, thetas: FloatArray) -> FloatArray:
        """Return the deviances (B,) at stacked theta (B, k); +inf where they do not exist."""
        if self.dense is None:
            return np.array([value_or_inf(self.solve, theta) for theta in thetas])
        factors = [self.parts.squares(self.template, thetas, f) for f in self.order]
        triangle, found = self.parts.triangle, np.empty(len(thetas))
        far = np.zeros(len(thetas), dtype=np.bool_)
        if triangle is not None:
            far = triangle.is_better(factors)
            own = [lam[far] for lam in factors]
            found[far] = triangle.values(own, self.m, self.reml)
        rest = [lam[~far] for lam in factors]
        found[~far] = values_of_effects(self.dense, self.total, rest, self.m, self.reml)
        return found - self.sum_log_weights

    def evaluate(self, theta: FloatArray) -> tuple[float, FloatArray]:
        """Return the deviance (REML criterion) and its exact gradient with respect to theta.

        Raises
        ------
        numpy.linalg.LinAlgError
            If the criterion does not exist (no residual left, X'V^-1 X not positive definite).
        """
        found = self.solve(theta)
        slopes, _ = self.slopes(found)
        gradient = np.empty(self.template.k)
        for f, G in zip(self.order, slopes, strict=True):
            where, row, col = self.parts.entries(self.template, f)
            T, Lam = self.parts.columns[f].T, self._lambda(theta, f)
            gradient[where] = 2.0 * (T.T @ G @ T @ Lam)[row, col]
        return found.value, gradient

    def solve(self, theta: FloatArray) -> Solution[Eliminated]:
        """Return the profiled solution at theta."""
        if self._last is not None and np.array_equal(self._last[0], theta):
            return self._last[1]
        self._last = self._last_slopes = None  # give the memory of the core back first
        found = self._eliminated(theta)
        self._last = (np.array(theta), found)
        return found

    def slopes(self, found: Solution[Eliminated]) -> tuple[list[FloatArray], Reduced]:
        """Return G of every factor (in ``order``) and E = Z'V^-1 [X y]."""
        if self._last_slopes is not None and self._last_slopes[0] is found:
            return self._last_slopes[1:]
        E = found.parts.rest()
        slopes = [
            information - self._explained(found, e)
            for information, e in zip(found.parts.informations(), self.by_factor(E), strict=True)
        ]
        self._last_slopes = (found, slopes, E)
        return slopes, E

    def hessian(self, theta: FloatArray) -> FloatArray:
        """Return the curvature in theta (k, k): see :mod:`mlpool.engine.lmm.information`."""
        return curvature(self, theta, self.solve(theta))

    # --- random effects ---------------------------------------------------------------------

    def modes(self, theta: FloatArray) -> tuple[FloatArray, ...]:
        """Return b = Sigma Z'V^-1 (y - X beta) of every term, (n_levels, k_t)."""
        found = self.solve(theta)
        effects = []
        for f, h in zip(self.order, self.by_factor(found.parts.rest()), strict=True):
            T, Lam = self.parts.columns[f].T, self._lambda(theta, f)
            effects.append((Lam @ (Lam.T @ (T.T @ (h @ found.v)))).T)
        return self._by_term(effects)

    def conditional_covariances(self, theta: FloatArray) -> tuple[FloatArray, ...]:
        """Return Var(b | y) / sigma^2 of every term, (n_levels, k_t, k_t)."""
        blocks = self.parts.eliminate(self.factors(theta)).covariance_blocks()
        effects = []
        for f, N in zip(self.order, blocks, strict=True):
            stack = np.moveaxis(N, 2, 0)
            effects.append(user_blocks(stack, self.parts.columns[f].T, self._lambda(theta, f)))
        out = self._by_term(effects)
        return tuple(V[..., self._own_columns(t)] for t, V in enumerate(out))

    def covariance_of_levels(
        self, theta: FloatArray, term: int, levels: IntArray
    ) -> FloatArray | None:
        """Return Var(b | y) / sigma^2 of some levels of one term, (m, k_t, k_t), by solutions.

        None where the elimination has all blocks at hand.
        """
        found = self.parts.eliminate(self.factors(theta))
        if not isinstance(found, IterativePass):
            return None
        f = next(f for f in self.order if term in self.parts.factors[f].terms)
        stack = np.moveaxis(found.covariance_of(self.order.index(f), levels), 2, 0)
        whole = user_blocks(stack, self.parts.columns[f].T, self._lambda(theta, f))
        own = self._own_columns(term)
        return np.ascontiguousarray(whole[:, own, own])

    def covariances(self, theta: FloatArray, sigma: float) -> LazyCovariances:
        """Return a function that makes Var(b | y) of every term, (n_levels, k_t, k_t)."""
        return LazyCovariances(self.fresh(), theta, sigma)

    def fresh(self) -> SeveralFactors:
        """Return the same criterion without what it remembers of earlier evaluations."""
        return SeveralFactors(self.parts, self.template, self.kept, reml=self.reml)

    def by_factor(self, x: Reduced) -> list[FloatArray]:
        """Return the columns of every factor, chain first, as (q, J, k)."""
        out = list(x.levels)
        if self.blocks.core is not None and x.core is not None:
            for place in self.blocks.core.places:
                part = x.core[place.span].reshape(place.n_levels, place.q, -1)
                out.append(part.transpose(1, 0, 2))
        return out

    def _by_term(self, effects: list[FloatArray]) -> tuple[FloatArray, ...]:
        """Each term's rows (axis 1) of per-factor arrays (J, q, ...)."""
        out: dict[int, FloatArray] = {}
        for f, b in zip(self.order, effects, strict=True):
            for term in self.parts.factors[f].terms:
                out[term] = np.ascontiguousarray(b[:, self._own_columns(term)])
        return tuple(out[t] for t in range(len(self.template.sizes)))

    def _own_columns(self, term: int) -> slice:
        """Return a term's columns among those of its factor."""
        factor = next(f for f in self.parts.factors if term in f.terms)
        first = sum(factor.sizes[: factor.terms.index(term)])
        return slice(first, first + factor.sizes[factor.terms.index(term)])

    # --- coordinates ------------------------------------------------------------------------

    def start(self) -> tuple[FloatArray, Log]:
        """Return starting values by moments: see :mod:`mlpool.engine.lmm.several_factors_start`."""
        triangle = self.parts.triangle
        left = triangle.left if triangle is not None and triangle.is_far else None
        found = moment_deviations(self.blocks, self.n, residual=left)
        matrices: dict[int, FloatArray] = {}
        for f, deviations in zip(self.order, found, strict=True):
            T, factor = self.parts.columns[f].T, self.parts.factors[f]
            if len(factor.terms) == 1 and T.shape[0] == T.shape[1]:
                matrices[factor.terms[0]] = lower_form(
                    np.asarray(np.linalg.solve(T, np.diag(deviations)))
                )
                continue
            working = np.abs(T).argmax(axis=0)
            each = deviations[working] / np.abs(T).max(axis=0)
            parts = np.split(each, np.cumsum(factor.sizes)[:-1])
            for term, part in zip(factor.terms, parts, strict=True):
                matrices[term] = np.diag(part)
        return self.template.pack([matrices[t] for t in range(len(self.template.sizes))]), ()

    def working(self) -> FreeSeveral:
        """Return the same criterion in coordinates that suit the search.

        Full instead of triangular factors (:class:`~mlpool.engine.theta.FreeTemplate`), and
        centred and scaled columns for every factor with a single term.
        """
        columns = tuple(
            Columns(c.P, np.eye(len(c.T))) if is_centred else c
            for c, is_centred in zip(self.parts.columns, self._centred, strict=True)
        )
        parts = replace(self.parts, columns=columns)
        free = FreeSeveral(parts, FreeTemplate(self.template.sizes), self.kept, reml=self.reml)
        free._dense, free.user = self.dense, self
        free.standards = self.search_standards()
        return free

    def standardized(self, theta: FloatArray, at: FloatArray) -> SeveralFactors:
        """Return the same criterion in standard columns, which knows `at` for the user's theta."""
        other = SeveralFactors(self.parts.standardized(), self.template, self.kept, reml=self.reml)
        other.share_dense(self)
        self.solve(at)
        other.adopt(theta, self, at)
        return other

    def adopt(self, theta: FloatArray, other: SeveralFactors, at: FloatArray) -> None:
        """Take over what `other`, the same criterion in other coordinates, knows at `at`.

        Does nothing if `at` is not where `other` was last.
        """
        if other._last is not None and np.array_equal(other._last[0], at):
            self._last = (np.array(theta), other._last[1])
            self._last_slopes = other._last_slopes

    @property
    def _centred(self) -> tuple[bool, ...]:
        """Which factors the search moves in centred columns: one term, no column twice."""
        return tuple(
            len(f.terms) == 1 and c.T.shape[0] == c.T.shape[1]
            for f, c in zip(self.parts.factors, self.parts.columns, strict=True)
        )

    def centred_terms(self) -> list[tuple[int, FloatArray]]:
        """Return the terms whose factor the search moves in centred columns, with T."""
        return [
            (f.terms[0], c.T)
            for f, c, is_centred in zip(
                self.parts.factors, self.parts.columns, self._centred, strict=True
            )
            if is_centred
        ]

    # --- pieces -----------------------------------------------------------------------------

    def _lambda(self, theta: FloatArray, f: int) -> FloatArray:
        return self.parts.block_diagonal(self.template, theta, f)

    def factors(self, theta: FloatArray) -> tuple[FloatArray, ...]:
        """Return Lambda of every factor in its working columns, square; triangular in the core."""
        out = []
        for f in self.order:
            Lam = self.parts.columns[f].T @ self._lambda(theta, f)
            if Lam.shape[0] != Lam.shape[1]:
                Lam = lower_factor(Lam @ Lam.T)
            elif f in self.parts.structure.core and np.triu(Lam, 1).any():
                Lam = lower_form(Lam)
            out.append(Lam)
        return tuple(out)

    def _eliminated(self, theta: FloatArray) -> Solution[Eliminated]:
        parts = self.parts.eliminate(self.factors(theta))
        if isinstance(parts, OrthogonalElimination):
            return self.profile_root(parts.root, parts.logdet, parts)
        return self.profile(parts.schur_of(self.total), parts.logdet, parts)

    def _explained(self, found: Solution[Eliminated], E: FloatArray) -> FloatArray:
        """Return what E (q, J, p + 1) takes off G: sum_j E W E', W = (m / r^2) v v' [+ S_xx^-1]."""
        along = E @ found.v
        out: FloatArray = (self.m / found.pwrss) * (along @ along.T)
        if self.reml and self.p:
            x = E[:, :, : self.p]
            out = out + np.tensordot(x @ found.Sxx_inverse, x, axes=((1, 2), (1, 2)))
        return out


class FreeSeveral(SeveralFactors):
    """The criterion in the coordinates of the search: every term's factor a full matrix."""

    template: FreeTemplate
    user: SeveralFactors

    def __init__(
        self, parts: SeveralParts, template: FreeTemplate, kept: IntArray, *, reml: bool
    ) -> None:
        super().__init__(parts, template, kept, reml=reml)
        self.template = template
        self._secant = Secant(template.k)

    def hand_over(self, theta: FloatArray) -> FloatArray:
        """Return the user's theta, and let the user's criterion know the solution there."""
        there = self.user.from_working(theta)
        self.user.adopt(there, self, theta)
        return there

    def hessian(self, theta: FloatArray) -> FloatArray:
        """Return the curvature, where not exact corrected by the gradients met so far."""
        if self.dense is not None:
            return super().hessian(theta)
        _, gradient = self.evaluate(theta)
        return self._secant.corrected(theta, gradient, super().hessian(theta))


class LazyCovariances:
    """Makes Var(b | y) of every term when asked: a call that pickles.

    It keeps the sums, not a factorisation: the core's matrices come back only while it works.
    """

    def __init__(self, objective: SeveralFactors, theta: FloatArray, sigma: float) -> None:
        self._objective, self._theta, self._sigma = objective, theta, sigma
        self._made: tuple[FloatArray, ...] | None = None

    def __call__(self) -> tuple[FloatArray, ...]:
        """Return them, made at the first call."""
        if self._made is None:
            with blas_threads(1):
                made = self._objective.conditional_covariances(self._theta)
            self._made = tuple(self._sigma**2 * V for V in made)
        return self._made

    def of_levels(self, term: int, levels: IntArray) -> FloatArray:
        """Return those of some levels of one term, (m, k_t, k_t): exact with either solver."""
        with blas_threads(1):
            found = self._objective.covariance_of_levels(self._theta, term, levels)
        return self()[term][levels] if found is None else self._sigma**2 * found
