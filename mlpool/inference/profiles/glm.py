"""Profile-likelihood intervals of a generalised linear model (R's ``confint(glm)``).

For coefficient i, ``zeta_i(b) = sign(b - beta_i) sqrt((D_i(b) - D) / phi)`` with D the deviance at
the estimate and D_i(b) the deviance minimised over the other coefficients while the i-th is held
at b. The interval is where ``|zeta_i| <= z_{(1 + level) / 2}``. MASS interpolates a handful of
points by splines; here each bound is solved for.

References
----------
Venables & Ripley (2002), Modern Applied Statistics with S, 4th ed., section 8.4 (``MASS``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlpool.engine.glm.mean_range import range_of
from mlpool.errors import FitError
from mlpool.families import Family
from mlpool.inference.profiles.likelihood_roots import solve_distance
from mlpool.inference.profiles.profile_side import Curve, Line, target_of
from mlpool.typing import FloatArray

#: R's ``glm.control(epsilon)`` is 1e-8; bounds need the deviance a little more exactly.
_DEVIANCE_TOL = 1e-11
_MAX_IRLS = 60
_MAX_HALVINGS = 30
#: MASS's limit: a deviance this much below the estimate's means the fit had not converged.
_BETTER_FIT = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class GlmProblem:
    """A generalised linear model as numbers.

    Attributes
    ----------
    y : ndarray of shape (n,)
        Response; for binomial data with trials the proportion.
    X : ndarray of shape (n, p)
        Columns that were estimated.
    family : Family
    weights : ndarray of shape (n,) or None
        Prior weights (trials of binomial proportions included).
    offset : ndarray of shape (n,) or None
    dispersion : float
        phi; 1 for binomial and poisson.
    """

    y: FloatArray
    X: FloatArray
    family: Family
    weights: FloatArray | None = None
    offset: FloatArray | None = None
    dispersion: float = 1.0

    def deviance(self, eta: FloatArray) -> float:
        """Deviance ``sum_i w_i d(y_i, mu_i)`` at the linear predictor `eta`."""
        low, high = range_of(self.family)
        if not (np.all(eta > low) and np.all(eta < high)):
            return np.inf  # a square root's other branch is another model
        mu = self.family.inverse(eta)
        with np.errstate(all="ignore"):
            units = self.family.unit_deviance(self.y, mu)
        total = float(np.sum(units if self.weights is None else self.weights * units))
        return total if np.isfinite(total) else np.inf


def profile_confint_glm(
    problem: GlmProblem, beta: FloatArray, se: FloatArray, level: float = 0.95
) -> FloatArray:
    """Profile-likelihood confidence intervals of all coefficients.

    Parameters
    ----------
    problem : GlmProblem
    beta : ndarray of shape (p,)
        Maximum-likelihood estimate.
    se : ndarray of shape (p,)
        Wald standard errors, the first guess of the distance.
    level : float

    Returns
    -------
    ndarray of shape (p, 2)
        Lower and upper bounds. A bound is infinite where the likelihood stays flat, as it does
        when a coefficient separates the outcomes completely.

    Raises
    ------
    FitError
        If a better fit than `beta` turns up on the way.
    OptionError
        If `level` is not between 0 and 1.
    """
    target = target_of(level)
    bounds = [curve.bounds(target) for curve in glm_curves(problem, beta, se)]
    return np.array(bounds).reshape(-1, 2)


def glm_curves(problem: GlmProblem, beta: FloatArray, se: FloatArray) -> tuple[Curve, ...]:
    """Return the profiles of all coefficients; arguments as :func:`profile_confint_glm`."""
    return tuple(
        Curve(GlmSide(problem, beta, i, -1.0, se), GlmSide(problem, beta, i, 1.0, se))
        for i in range(len(beta))
    )


class GlmSide(Line):
    """One side of one coefficient's profile; remembers the last fit as a start for the next."""

    def __init__(
        self, problem: GlmProblem, beta: FloatArray, i: int, sign: float, se: FloatArray
    ) -> None:
        super().__init__(float(beta[i]), sign, float(se[i]))
        self._problem, self._i = problem, i
        self._others = np.delete(problem.X, i, axis=1)
        self._column = problem.X[:, i]
        self._others_at = self._last = np.delete(beta, i)
        base = 0.0 if problem.offset is None else problem.offset
        self._offset = np.zeros(problem.y.shape[0]) + base
        eta = problem.X @ beta + self._offset
        self._deviance = problem.deviance(eta)
        self._tangents = self._find_tangents(eta)

    def _find_tangents(self, eta: FloatArray) -> tuple[FloatArray, ...]:
        """Directions in which the others yield: ``-(X'WX)^-1 X'W x_i`` , by IRLS weights or W = I.

        The second one serves separated data, where all IRLS weights are zero.
        """
        family, X = self._problem.family, self._others
        with np.errstate(all="ignore"):
            W = family.derivative(eta) ** 2 / family.variance(family.inverse(eta))
        W = np.where(np.isfinite(W), W, 0.0)
        if self._problem.weights is not None:
            W = W * self._problem.weights
        return tuple(
            -_solve(X.T @ (w[:, None] * X), X.T @ (w * self._column)) for w in (W, np.ones_like(W))
        )

    def _start_at(self, distance: float, offset: FloatArray) -> FloatArray:
        """Pick the start with the smallest deviance: the last fit, or a step along a tangent."""
        shift = self.sign * distance
        starts = [self._last, *(self._others_at + shift * g for g in self._tangents)]
        return min(starts, key=lambda c: self._problem.deviance(self._others @ c + offset))

    def solve(self, target: float) -> float:
        """Find the bound, to more digits than elsewhere: a fit costs little."""
        return self.value(solve_distance(self.watched, target, self.guess(target)))

    def zeta(self, distance: float) -> tuple[float, float]:
        """Return ``|zeta|`` and its derivative at ``beta_i + sign * distance``."""
        offset = self._offset + self.value(distance) * self._column
        start = self._start_at(distance, offset)
        coefficients, deviance = fit_with_offset(self._problem, self._others, offset, start)
        if not np.isfinite(deviance):
            return np.inf, np.nan
        gain = deviance - self._deviance
        if gain < -_BETTER_FIT:
            raise FitError(
                "profiling found a better solution than the estimate, so the fit had not "
                "converged; refit with a tighter tolerance before asking for profile intervals."
            )
        self._last = coefficients
        root = float(np.sqrt(max(gain, 0.0) / self._problem.dispersion))
        slope = -2.0 * self._score(self._others @ coefficients + offset)
        slope = self.sign * slope / self._problem.dispersion
        return root, slope / (2.0 * root) if root > 0 else np.nan

    def _score(self, eta: FloatArray) -> float:
        """``sum_i w_i (y_i - mu_i) / V(mu_i) dmu/deta x_i``: -1/2 d deviance / d b_i."""
        family, weights = self._problem.family, self._problem.weights
        mu = family.inverse(eta)
        with np.errstate(all="ignore"):
            rows = (self._problem.y - mu) / family.variance(mu) * family.derivative(eta)
        return float(np.nansum((rows if weights is None else weights * rows) * self._column))


def fit_with_offset(
    problem: GlmProblem, X: FloatArray, offset: FloatArray, start: FloatArray
) -> tuple[FloatArray, float]:
    """Fit by iteratively reweighted least squares, a part of the linear predictor being fixed.

    Each step solves ``X'WX c = X'W (eta - offset + (y - mu) / mu')`` with
    ``W = w mu'^2 / V(mu)`` (McCullagh & Nelder 1989, section 2.5) and is halved while the deviance
    grows.
    """
    family = problem.family
    c = start
    eta = X @ c + offset
    deviance = problem.deviance(eta)
    if X.shape[1] == 0:
        return c, deviance
    for _ in range(_MAX_IRLS):
        mu, slope = family.inverse(eta), family.derivative(eta)
        with np.errstate(all="ignore"):
            W = slope**2 / family.variance(mu)
            step = (problem.y - mu) / slope
        if problem.weights is not None:
            W = W * problem.weights
        usable = np.isfinite(W) & np.isfinite(step) & (W > 0)
        W, step = np.where(usable, W, 0.0), np.where(usable, step, 0.0)
        direction = _solve(X.T @ (W[:, None] * X), X.T @ (W * step))
        new, eta, new_deviance = _halve(problem, X, offset, (c, deviance, direction))
        change = deviance - new_deviance
        c, deviance = new, new_deviance
        if abs(change) <= _DEVIANCE_TOL * (abs(deviance) + 0.1):
            break
    return c, deviance


def _halve(
    problem: GlmProblem,
    X: FloatArray,
    offset: FloatArray,
    state: tuple[FloatArray, float, FloatArray],
) -> tuple[FloatArray, FloatArray, float]:
    """Take the longest of the steps 1, 1/2, 1/4, ... that does not raise the deviance."""
    c, deviance, direction = state
    scale = 1.0
    for _ in range(_MAX_HALVINGS):
        new = c + scale * direction
        eta = X @ new + offset
        value = problem.deviance(eta)
        if value <= deviance + _DEVIANCE_TOL * (abs(deviance) + 0.1) or not np.isfinite(deviance):
            return new, eta, value
        scale *= 0.5
    return c, X @ c + offset, deviance


def _solve(A: FloatArray, b: FloatArray) -> FloatArray:
    """Solve a symmetric system; the shortest solution where it is singular (separation)."""
    scale = np.sqrt(np.diag(A))
    scale = np.where(scale > 0, scale, 1.0)
    return np.asarray(
        # a share of the largest eigenvalue of what has a unit diagonal
        np.linalg.lstsq(A / np.outer(scale, scale), b / scale, rcond=1e-14)[0] / scale
    )
