"""Minimise the criterion of a residual covariance by trust-region Newton steps.

Gradients are exact; second derivatives are differences of them, which for the few parameters of a
covariance cost a handful of evaluations. Negative curvature is followed downhill (Dauphin et al.
2014, NIPS 27, "saddle-free"), so that a search never ends on a ridge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mlpool.engine.residual.criterion import ResidualCriterion
from mlpool.engine.types import Control, Optimum
from mlpool.errors import FitError
from mlpool.typing import BoolArray, FloatArray

_FORWARD = 1e-6
"""Step of one-sided differences in psi, which has no unit: half the digits of the gradient."""
_CENTRAL = 2e-3
"""Step of four-point differences: their error is its fourth power, 1e-11, rounding 1e-13."""
_NOISE = 1e-13
"""Rounding of the deviance per row."""
_FLAT = 1e-8
"""Curvature of the deviance per row that is none: the direction is then not followed."""
_LARGEST_STEP = 2.0
"""In psi: an odds of correlation, a log ratio, a relative standard deviation."""
_SETTLED = 1e-9
"""Newton step in psi, which has no unit, that no longer matters."""
_NEAR = 1e-6
"""Newton step in psi that rounding of the deviance cannot tell from none."""


class Visited(Protocol):
    """A criterion at one place."""

    @property
    def value(self) -> float:
        """Deviance."""

    @property
    def gradient(self) -> FloatArray:
        """Its derivatives (k,)."""


class Smooth(Protocol):
    """A deviance of n rows with exact gradients, as a function of parameters without bounds."""

    @property
    def n(self) -> int:
        """Rows."""

    def evaluate(self, psi: FloatArray) -> Visited:
        """Return deviance and gradient."""


@dataclass(slots=True)
class _Search:
    criterion: Smooth
    control: Control
    log: list[tuple[tuple[float, ...], float]]

    def visit(self, psi: FloatArray) -> Visited | None:
        """Return the criterion at psi, None where it does not exist."""
        try:
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                found = self.criterion.evaluate(psi)
        except np.linalg.LinAlgError:
            return None
        fine = np.isfinite(found.value) and bool(np.all(np.isfinite(found.gradient)))
        self.log.append((tuple(float(v) for v in psi), found.value))
        return found if fine else None

    def hessian(self, psi: FloatArray, here: Visited) -> FloatArray:
        """Return second derivatives from one-sided differences of the gradient."""
        H = np.zeros((len(psi), len(psi)))
        for i in range(len(psi)):
            step = np.zeros(len(psi))
            step[i] = _FORWARD
            there, sign = self.visit(psi + step), 1.0
            if there is None:
                there, sign = self.visit(psi - step), -1.0
            if there is None:
                H[i, i] = 1.0
                continue
            H[i] = sign * (there.gradient - here.gradient) / _FORWARD
        return 0.5 * (H + H.T)


def minimise(criterion: Smooth, starts: Sequence[FloatArray], control: Control) -> Optimum:
    """Return the best optimum found from the starts.

    Raises
    ------
    FitError
        If the criterion exists at no start.
    """
    found = [_from_start(criterion, start, control) for start in starts]
    reached = [one for one in found if one is not None]
    if not reached:
        raise FitError("The covariance is not positive definite at the starting values.")
    return min(reached, key=lambda one: one.criterion)


def _from_start(criterion: Smooth, start: FloatArray, control: Control) -> Optimum | None:
    search = _Search(criterion, control, [])
    point = search.visit(start)
    if point is None:
        return None
    psi, converged, message = start, not len(start), "converged"
    if len(start):
        psi, point, converged, message = _descend(search, start, point)
    return Optimum(
        start=start, end=psi, criterion=point.value, gradient=point.gradient,
        evaluations=len(search.log), converged=converged, method="trust-region Newton",
        message=message, log=tuple(search.log),
    )  # fmt: skip


def _descend(
    search: _Search, psi: FloatArray, point: Visited
) -> tuple[FloatArray, Visited, bool, str]:
    n, radius = search.criterion.n, 1.0
    steps = max(60, search.control.max_evaluations // (len(psi) + 1))
    for _ in range(steps):
        values, vectors = np.linalg.eigh(search.hessian(psi, point))
        along = vectors.T @ point.gradient
        bend = np.maximum(np.abs(values), _FLAT * n)
        if _is_plain(along / bend, bend > np.abs(values), along, max(n, abs(point.value))):
            return psi, point, True, "converged"
        while True:
            step = -vectors @ (along / _shifted(along, bend, radius))
            length = float(np.abs(step).max())
            if length < _SETTLED:
                return psi, point, True, "converged"
            trial = search.visit(psi + step)
            promised = 0.5 * float(np.abs(along / bend) @ np.abs(along))
            if trial is not None and trial.value < point.value:
                break
            if promised < 100.0 * _NOISE * max(n, abs(point.value)):
                return (*_better(psi, point, psi + step, trial), True, "converged")
            radius = 0.25 * min(radius, float(np.linalg.norm(step)))
            if radius < _SETTLED:
                return psi, point, False, "no step goes down"
        if float(np.linalg.norm(step)) > 0.8 * radius:
            radius = min(2.0 * radius, _LARGEST_STEP)
        psi, point = psi + step, trial
    return psi, point, False, f"stopped after {steps} steps"


def _is_plain(steps: FloatArray, flat: BoolArray, along: FloatArray, size: float) -> bool:
    """Tell whether only flat directions are left, and nothing is to be gained along them."""
    others = float(np.abs(steps[~flat]).max(initial=0.0))
    gain = float(np.abs(steps) @ np.abs(along))
    return bool(flat.any() and others < _NEAR and gain < 100.0 * _NOISE * size)


def _better(
    psi: FloatArray, point: Visited, there: FloatArray, trial: Visited | None
) -> tuple[FloatArray, Visited]:
    """Return the place of the smaller gradient, among two whose deviance rounding cannot tell."""
    if trial is None:
        return psi, point
    small = float(np.abs(trial.gradient).max()) < float(np.abs(point.gradient).max())
    near = trial.value - point.value <= 100.0 * _NOISE * max(1.0, abs(point.value))
    return (there, trial) if small and near else (psi, point)


def _shifted(along: FloatArray, bend: FloatArray, radius: float) -> FloatArray:
    """Return bend + mu with the smallest mu >= 0 whose step is no longer than `radius`."""
    if float(np.linalg.norm(along / bend)) <= radius:
        return bend
    low, high = 0.0, float(np.linalg.norm(along)) / radius
    for _ in range(60):
        middle = 0.5 * (low + high)
        if float(np.linalg.norm(along / (bend + middle))) > radius:
            low = middle
        else:
            high = middle
    return bend + high


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Derivatives:
    """Second derivatives of the deviance and first ones of what else depends on psi.

    Attributes
    ----------
    hessian : ndarray (k, k)
        Of the profiled deviance.
    S, pwrss : ndarrays (k, p + 1, p + 1), (k,)
        d [X y]'H^-1 [X y] / d psi and d r^2 / d psi, in working columns.
    """

    hessian: FloatArray
    S: FloatArray
    pwrss: FloatArray


def derivatives_at(criterion: ResidualCriterion, psi: FloatArray) -> Derivatives:
    """Return derivatives by four-point differences of exact quantities."""
    k, p = len(psi), criterion.p
    H, dS, dr = np.zeros((k, k)), np.zeros((k, p + 1, p + 1)), np.zeros(k)
    for i, unit in enumerate(np.eye(k)):
        for weight, places in ((8.0, 1.0), (-1.0, 2.0)):
            for sign in (1.0, -1.0):
                there = criterion.evaluate(psi + sign * places * _CENTRAL * unit)
                share = weight * sign / (12.0 * _CENTRAL)
                H[i] += share * there.gradient
                dS[i] += share * there.S
                dr[i] += share * there.pwrss
    return Derivatives(hessian=0.5 * (H + H.T), S=dS, pwrss=dr)
