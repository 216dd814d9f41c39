"""What fitting needs to know of a mixed model's criterion, whatever its grouping factors.

One factor (:mod:`one_factor`) and several (:mod:`several_factors`) differ in how Z is eliminated.
What follows from S = [X y]'V^-1 [X y] and log|V| is the same and stands here (Bates et al. 2015,
JSS 67(1), eqs. 34 and 41): with beta = S_xx^-1 S_xy, r^2 = S_yy - S_yx beta, m = n (ML) or n - p
(REML),

    deviance = log|V| + m (1 + log(2 pi r^2 / m)) [+ log|S_xx|] - sum log w
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np

from mlpool.engine.lmm.identifiability import Estimable
from mlpool.engine.optimizer.convergence import Judged, Standards
from mlpool.engine.optimizer.local_minima import Landscape
from mlpool.engine.optimizer.newton import Log
from mlpool.engine.small_systems import cholesky, solve_lower
from mlpool.engine.sums.working_columns import FixedColumns
from mlpool.engine.theta import FreeTemplate, lower_form
from mlpool.typing import FloatArray, IntArray

Parts = TypeVar("Parts")
Parts_co = TypeVar("Parts_co", covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution(Generic[Parts_co]):
    """The profiled quantities at one theta, in working columns.

    Attributes
    ----------
    value : float
        Deviance or REML criterion.
    v : ndarray of shape (p + 1,)
        [-beta; 1].
    pwrss, logdet_L2, logdet_RX2 : float
    Sxx_inverse : ndarray of shape (p, p)
    parts : object
        What derivatives and random effects need of the elimination.
    """

    value: float
    v: FloatArray
    pwrss: float
    logdet_L2: float
    logdet_RX2: float
    Sxx_inverse: FloatArray
    parts: Parts_co


class SearchCriterion(Landscape, Protocol):
    """A criterion in the coordinates of the search."""

    def hand_over(self, theta: FloatArray) -> FloatArray:
        """Return the user's theta, and let the user's criterion know the solution there."""


class Criterion(Judged, Estimable, Protocol):
    """A profiled criterion as a function of the user's theta.

    Attributes
    ----------
    fixed : FixedColumns
    kept : ndarray of int
        Columns of X that are estimated.
    reml : bool
    sum_log_weights : float
    scale : ndarray (k,)
        Typical sizes of the entries of theta.
    """

    fixed: FixedColumns
    kept: IntArray
    reml: bool
    sum_log_weights: float
    scale: FloatArray

    def start(self) -> tuple[FloatArray, Log]:
        """Return starting values of theta, and the (theta, criterion) evaluated on the way."""

    def solve(self, theta: FloatArray) -> Solution[object]:
        """Return the profiled solution at theta."""

    def working(self) -> SearchCriterion:
        """Return the same criterion in coordinates that suit the search."""

    def centred_terms(self) -> list[tuple[int, FloatArray]]:
        """Return the terms whose factor the search moves in other columns, z = z_working T."""

    def modes(self, theta: FloatArray) -> tuple[FloatArray, ...]:
        """Return the conditional modes b of every term, (n_levels, k_t)."""

    def covariances(self, theta: FloatArray, sigma: float) -> Callable[[], tuple[FloatArray, ...]]:
        """Return a function that makes Var(b | y) of every term, (n_levels, k_t, k_t)."""

    def search_standards(self) -> Standards:
        """Return what takes factors in the coordinates of the search to standard columns."""
        found = list(self.standards)
        for term, T in self.centred_terms():
            found[term] = np.asarray(np.linalg.solve(T.T, found[term].T).T)
        return tuple(found)

    # --- the same for every elimination ------------------------------------------------------

    @property
    def m(self) -> int:
        """Denominator of sigma^2: n (ML) or n - p (REML)."""
        return self.n - self.p if self.reml else self.n

    def from_working(self, theta: FloatArray) -> FloatArray:
        """Return the user's theta for one of :meth:`working`."""
        found = list(FreeTemplate(self.template.sizes).matrices(theta))
        for term, T in self.centred_terms():
            found[term] = np.asarray(np.linalg.solve(T, found[term]))
        return self.template.pack([lower_form(lam) for lam in found])

    def to_working(self, theta: FloatArray) -> FloatArray:
        """Return theta of :meth:`working` for the user's."""
        found = list(self.template.matrices(theta))
        for term, T in self.centred_terms():
            found[term] = np.asarray(T @ found[term])
        return FreeTemplate(self.template.sizes).pack(found)

    def profile(self, S: FloatArray, logdet: float, parts: Parts) -> Solution[Parts]:
        """Profile beta and sigma out of S (p + 1, p + 1), given log|V|.

        Raises
        ------
        numpy.linalg.LinAlgError
            If the criterion does not exist (no residual left, X'V^-1 X not positive definite).
        """
        return self.profile_root(cholesky(S), logdet, parts)

    def profile_root(self, root: FloatArray, logdet: float, parts: Parts) -> Solution[Parts]:
        """Profile beta and sigma out of the lower triangular root of S."""
        p, m = self.p, self.m
        RX, rest, pwrss = root[:p, :p], root[p, :p], float(root[p, p] ** 2)
        if not pwrss > 0.0 or m <= 0:
            raise np.linalg.LinAlgError("no residual variation")
        RX_inverse = solve_lower(RX, np.eye(p))
        logdet_RX2 = 2.0 * float(np.log(RX.diagonal()).sum())
        value = logdet + m * (1.0 + np.log(2.0 * np.pi * pwrss / m)) - self.sum_log_weights
        v = np.ones(p + 1)
        v[:p] = -(RX_inverse.T @ rest)
        return Solution(
            value=float(value + (logdet_RX2 if self.reml else 0.0)),
            v=v,
            pwrss=pwrss,
            logdet_L2=logdet,
            logdet_RX2=logdet_RX2,
            Sxx_inverse=RX_inverse.T @ RX_inverse,
            parts=parts,
        )


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
