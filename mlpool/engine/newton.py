"""Minimise a profiled deviance over theta with its exact gradient, and keep the whole story.

The deviance is even in every column of lambda_t, so it is a smooth function of *all* real theta:
no bound is needed, a boundary estimate is an ordinary stationary point, and a false boundary is a
saddle. A trust-region Newton method (Nocedal & Wright 2006, chapter 4) with the exact Hessian
therefore leaves false boundaries by itself; without a Hessian, SR1 updates (ibid., section 6.2) take
its place and the boundary is judged by stepping inside.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np

from mlpool.engine.progress import ProgressLine
from mlpool.engine.theta import Template, lower_factor
from mlpool.engine.types import Control, Optimum
from mlpool.errors import FitError
from mlpool.typing import FloatArray

STEP_TOL = 1e-7
"""Newton step, in units of the scaled theta, that no longer matters (theta is wanted to 1e-6)."""
NOISE = 64 * float(np.finfo(float).eps)
"""Relative rounding error of a deviance: smaller predicted changes cannot be seen in it."""
SNAP = 1e-4
"""Scaled diagonal of theta below which exactly zero is tried."""
INSIDE = 0.05
"""Scaled diagonal of theta at which a boundary solution without Hessian is probed."""
MAX_RADIUS = 4.0
"""Largest step in units of the scaled theta; Var(b)/Var(e) beyond that is reached in two steps."""


@runtime_checkable
class Objective(Protocol):
    """What :func:`minimise` needs. ``hessian(theta)`` and ``scale`` are optional attributes."""

    @property
    def n(self) -> int:
        """Number of rows: the gradient is judged per row."""

    def evaluate(self, theta: FloatArray) -> tuple[float, FloatArray]:
        """Deviance and gradient at theta with non-negative diagonals."""


@dataclass(slots=True)
class _Search:
    """The mutable state of one search, in scaled coordinates phi = theta / scale."""

    objective: Objective
    template: Template
    control: Control
    scale: FloatArray
    progress: ProgressLine
    log: list[tuple[tuple[float, ...], float]] = field(default_factory=list)

    @property
    def evaluations(self) -> int:
        return len(self.log)

    def evaluate(self, phi: FloatArray) -> tuple[float, FloatArray]:
        """Deviance and scaled gradient; +inf where the deviance does not exist."""
        theta = phi * self.scale
        sign = self.template.signs(theta)
        try:
            value, gradient = self.objective.evaluate(theta * sign + 0.0)
        except np.linalg.LinAlgError:
            value, gradient = np.inf, np.zeros_like(theta)
        if not (np.isfinite(value) and np.all(np.isfinite(gradient))):
            value, gradient = np.inf, np.zeros_like(theta)
        self.log.append((tuple(float(t) for t in theta * sign), float(value)))
        self.progress.update(self.evaluations, value)
        return float(value), gradient * sign * self.scale

    def hessian(self, phi: FloatArray) -> FloatArray | None:
        """Scaled exact Hessian at the last evaluated point, if the objective has one."""
        method = getattr(self.objective, "hessian", None)
        if method is None:
            return None
        theta = phi * self.scale
        factor = self.template.signs(theta) * self.scale
        return np.asarray(
            method(theta * self.template.signs(theta) + 0.0) * np.outer(factor, factor)
        )

    @property
    def exhausted(self) -> bool:
        return self.evaluations >= self.control.max_evaluations


@dataclass(frozen=True, slots=True)
class _Point:
    """One accepted point: phi, deviance, scaled gradient and model Hessian."""

    phi: FloatArray
    value: float
    gradient: FloatArray
    B: FloatArray


def minimise(
    objective: Objective, start: FloatArray, template: Template, control: Control
) -> Optimum:
    """Minimise ``objective.evaluate`` from `start`.

    Parameters
    ----------
    objective : Objective
        With optional ``hessian(theta) -> (k, k)`` (exact second derivatives at the point that was
        evaluated last) and ``scale`` (k,), typical sizes of theta.
    start : ndarray of shape (k,)
    template : Template
        Says which entries of theta share a column of lambda.
    control : Control

    Returns
    -------
    Optimum
        ``end`` has non-negative diagonals; zero means a boundary that was confirmed.

    Raises
    ------
    FitError
        If the deviance is not finite at the start.
    KeyboardInterrupt
        Ctrl-C, with a sentence that says how far the search was and how to go on.
    """
    scale = np.asarray(getattr(objective, "scale", np.ones(template.k)), dtype=np.float64)
    start = np.asarray(start, dtype=np.float64)
    progress = ProgressLine(control.progress)
    search = _Search(objective, template, control, scale, progress)
    try:
        point, message = _descend(search, _first_point(search, start / scale))
        point, message = _settle_boundary(search, point, message)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_interrupted(search)) from None
    finally:
        progress.close()
    return _record(search, start, point, message)


def _first_point(search: _Search, phi: FloatArray) -> _Point:
    value, gradient = search.evaluate(phi)
    if not np.isfinite(value):
        raise FitError(
            "The deviance is not finite at the starting values "
            f"{[float(f'{t:.4g}') for t in phi * search.scale]}: look for huge or constant columns, "
            "or pass other values with control={'start': ...}."
        )
    B = search.hessian(phi)
    if B is None:
        # Without curvature the first step should go a good part of a typical theta.
        B = np.eye(phi.size) * max(float(np.linalg.norm(gradient)) / 0.2, 1e-8)
    return _Point(phi, value, gradient, B)


def _descend(search: _Search, point: _Point) -> tuple[_Point, str]:
    """Trust-region iterations from `point` until a criterion is met; returns (point, message)."""
    radius = 1.0
    while True:
        step, curvature = _trust_step(point.gradient, point.B, radius)
        predicted = -float(point.gradient @ step + 0.5 * step @ point.B @ step)
        if _is_converged(search, point, step, curvature):
            return point, "converged"
        if search.exhausted:
            return point, f"stopped after {search.evaluations} evaluations"
        phi = point.phi + step
        value, gradient = search.evaluate(phi)
        visible = predicted > NOISE * abs(point.value)
        gain = (point.value - value) / predicted if predicted > 0 else -1.0
        if visible:
            accepted = gain > 1e-4
        else:
            accepted = bool(np.isfinite(value)) and _size(gradient) < _size(point.gradient)
        B = _next_hessian(search, point, (phi, gradient, step), accepted)
        length = float(np.linalg.norm(step))
        if accepted:
            point = _Point(phi, value, gradient, B)
            if gain > 0.75 and length > 0.8 * radius:
                radius = min(2 * radius, MAX_RADIUS)
            elif visible and gain < 0.1:
                radius = length / 2
        elif not visible or length < STEP_TOL * 1e-3:
            # Neither the deviance nor the gradient can be improved: rounding, not the model.
            return point, "converged to rounding error"
        else:
            point = _Point(point.phi, point.value, point.gradient, B)
            radius = length / 4


def _next_hessian(
    search: _Search,
    point: _Point,
    trial: tuple[FloatArray, FloatArray, FloatArray],
    accepted: bool,
) -> FloatArray:
    """Exact Hessian at an accepted point, or the SR1 update (also from rejected points)."""
    phi, gradient, step = trial
    if hasattr(search.objective, "hessian"):
        exact = search.hessian(phi) if accepted else None
        return point.B if exact is None else exact
    change = gradient - point.gradient
    if not np.any(gradient):
        return point.B
    B = point.B
    curvature = float(change @ step)
    if search.evaluations == 2 and curvature > 0:
        # Nocedal & Wright (6.20): the first pair sets the scale of the starting matrix.
        B = np.eye(step.size) * float(change @ change) / curvature
    rest = change - B @ step
    denominator = float(rest @ step)
    if abs(denominator) > 1e-8 * float(np.linalg.norm(rest) * np.linalg.norm(step)):
        B = B + np.outer(rest, rest) / denominator
    return B


def _trust_step(gradient: FloatArray, B: FloatArray, radius: float) -> tuple[FloatArray, float]:
    """Minimise g's + s'Bs/2 over |s| <= radius by eigenvalues (Nocedal & Wright, section 4.3).

    Returns the step and the smallest eigenvalue of B.
    """
    eigenvalues, Q = np.linalg.eigh((B + B.T) / 2)
    smallest = float(eigenvalues[0])
    g = Q.T @ gradient
    floor = 1e-12 * max(float(np.abs(eigenvalues).max()), 1e-300)
    if smallest > floor:
        s = -g / eigenvalues
        if np.linalg.norm(s) <= radius:
            return np.asarray(Q @ s), smallest
    low = max(0.0, -smallest)
    high = low + float(np.linalg.norm(g)) / radius + floor
    for _ in range(100):
        shift = (low + high) / 2
        if np.linalg.norm(g / np.maximum(eigenvalues + shift, floor)) > radius:
            low = shift
        else:
            high = shift
        if high - low <= 1e-10 * high:
            break
    s = -g / np.maximum(eigenvalues + high, floor)
    missing = radius**2 - float(s @ s)
    if smallest < 0 and missing > 1e-6 * radius**2:
        # The hard case: at a saddle the gradient has no part along the downhill direction.
        s[0] += np.copysign(np.sqrt(missing), -g[0] if g[0] != 0 else 1.0)
    return np.asarray(Q @ s), smallest


def _is_converged(search: _Search, point: _Point, step: FloatArray, curvature: float) -> bool:
    flat = -1e-7 * max(float(np.abs(point.B).max()), 1e-300)
    if hasattr(search.objective, "hessian") and curvature < flat:
        return False
    small_step = _size(step) <= STEP_TOL
    small_gradient = _size(point.gradient) <= search.control.gtol * search.objective.n
    return small_step and (small_gradient or _size(step) <= STEP_TOL / 100)


def _size(vector: FloatArray) -> float:
    return float(np.abs(vector).max()) if vector.size else 0.0


def _settle_boundary(search: _Search, point: _Point, message: str) -> tuple[_Point, str]:
    """Try exact zeros for small diagonals; leave false boundaries; make the factor canonical."""
    for _ in range(3):
        template = search.template
        phi = point.phi * template.signs(point.phi)
        small = template.is_diagonal & (phi < SNAP)
        if not small.any() or search.exhausted:
            return point, message
        if not hasattr(search.objective, "hessian"):
            inside = _step_inside(search, point, phi, small)
            if inside is not None:
                point, message = _descend(search, inside)
                continue
        return _snapped(search, point, np.where(small, 0.0, phi)), message
    return point, message


def _step_inside(
    search: _Search, point: _Point, phi: FloatArray, small: FloatArray
) -> _Point | None:
    """Return a point inside if the deviance falls with one of the variances that are near zero."""
    probe = np.where(small, INSIDE, phi)
    value, gradient = search.evaluate(probe)
    # d deviance / d theta^2 = gradient / (2 theta): the sign is what decides (theta = 0 itself is
    # stationary whatever the data say).
    if value < point.value or bool(np.any(gradient[small] < 0)):
        B = np.eye(phi.size) * max(float(np.linalg.norm(gradient)) / 0.2, 1e-8)
        return _Point(probe, value, gradient, B) if np.isfinite(value) else None
    return None


def _snapped(search: _Search, point: _Point, phi: FloatArray) -> _Point:
    """Take the exact zeros when the deviance does not mind, in lme4's form of the factor."""
    matrices = []
    for lam in search.template.matrices(phi * search.scale):
        zero = (np.diag(lam) == 0) & (np.abs(np.tril(lam, -1)).sum(axis=0) > 0)
        matrices.append(lower_factor(lam @ lam.T) if zero.any() else lam)
    snapped = search.template.pack(matrices) / search.scale
    value, gradient = search.evaluate(snapped)
    if value <= point.value + 1e-11 * max(abs(point.value), 1.0):
        return _Point(snapped, value, gradient, point.B)
    return point


def _record(search: _Search, start: FloatArray, point: _Point, message: str) -> Optimum:
    theta = point.phi * search.scale
    sign = search.template.signs(theta)
    return Optimum(
        start=start,
        end=theta * sign + 0.0,
        criterion=point.value,
        gradient=point.gradient / search.scale * sign,
        evaluations=search.evaluations,
        converged=message.startswith("converged"),
        method="trust-region Newton"
        if hasattr(search.objective, "hessian")
        else "trust-region SR1",
        message=message,
        log=tuple(search.log),
    )


def _interrupted(search: _Search) -> str:
    if not search.log:
        return "Interrupted before the first evaluation of the criterion."
    theta, value = min(search.log, key=lambda entry: entry[1])
    values = ", ".join(f"{t:.6g}" for t in theta)
    return (
        f"Interrupted after {search.evaluations} evaluations; best criterion so far {value:.6f}. "
        f'Go on from there with control={{"start": ({values},)}}.'
    )
