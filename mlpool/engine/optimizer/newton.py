"""Minimise a profiled deviance over theta by trust-region Newton steps, and keep the whole story.

The deviance is a smooth function of every real lambda_t, whatever its rank or signs: no bound is
needed, a boundary estimate is an ordinary stationary point, and a false boundary is a saddle. The
trust-region step with the exact Hessian (Nocedal & Wright 2006, section 4.3) leaves saddles by
itself; its curvature there *is* the derivative with respect to a variance.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np

from mlpool.engine.theta import FreeTemplate
from mlpool.engine.types import Control, Optimum
from mlpool.errors import FitError
from mlpool.progress import PATIENCE, Progress
from mlpool.typing import FloatArray

Log = tuple[tuple[tuple[float, ...], float], ...]
"""Every (theta, criterion) evaluated, in order."""
STEP_TOL = 1e-7
"""Newton step that no longer matters, in units of the scaled theta or as a share of a theta above
one (theta is wanted to 1e-6)."""
UNSEEN_STEP = 1e-4
"""The same where the deviance cannot show what a step gains: the gradient may still say so in a
shorter one, along a valley that bends (a tenth of a per mille of theta moves no df)."""
NOISE = 64 * float(np.finfo(float).eps)
"""Rounding error of a deviance, relative to itself or to the number of rows: the unit of the
response may bring a sum of n logarithms close to zero, but not its rounding."""
SNAP = 1e-4
"""Singular value of lambda, a ratio of SDs in scaled columns, below which exactly zero is tried."""
GROWN = 30.0
"""Size of theta in the search's units, or of these in its, from which it goes on in units of where
it is."""
FLAT = 1e-9
"""Curvature of the deviance per row in the scaled theta that is none."""
SNAP_TOL = 1e-11
"""Change of the deviance per row that snapping may cost: far below anything a test could show."""
MAX_RADIUS = 1e4
"""Largest step in units of the scaled theta."""


@runtime_checkable
class Objective(Protocol):
    """What :func:`minimise` needs."""

    @property
    def n(self) -> int:
        """Number of rows: the gradient is judged per row."""

    @property
    def scale(self) -> FloatArray:
        """Typical sizes of theta (k,)."""

    @property
    def template(self) -> FreeTemplate:
        """What theta holds."""

    def evaluate(self, theta: FloatArray) -> tuple[float, FloatArray]:
        """Deviance and gradient."""

    def hessian(self, theta: FloatArray) -> FloatArray:
        """Exact second derivatives (k, k) at the theta that was evaluated last."""


@dataclass(frozen=True, slots=True)
class _Point:
    """One accepted point: phi = theta / scale, deviance, scaled gradient and Hessian."""

    phi: FloatArray
    value: float
    gradient: FloatArray
    hessian: FloatArray


@dataclass(slots=True)
class _Search:
    """The mutable state of one search."""

    objective: Objective
    control: Control
    progress: Progress
    scale: FloatArray
    log: list[tuple[tuple[float, ...], float]] = field(default_factory=list)

    def visit(self, phi: FloatArray) -> _Point:
        """Evaluate everything at phi; the deviance is +inf where it does not exist."""
        scale = self.scale
        theta = phi * scale
        missing = _Point(phi, np.inf, np.zeros(phi.size), np.eye(phi.size))
        try:
            value, gradient = self.objective.evaluate(theta)
            hessian = self.objective.hessian(theta)
        except np.linalg.LinAlgError:
            value, gradient, hessian = np.inf, missing.gradient, missing.hessian
        self.log.append((tuple(theta.tolist()), float(value)))
        self.progress.move(len(self.log), float(value))
        if not (np.isfinite(value) and np.all(np.isfinite(gradient))):
            return missing
        return _Point(phi, float(value), gradient * scale, hessian * (scale[:, None] * scale))

    def directions(self, phi: FloatArray) -> FloatArray:
        """Directions of phi that change the covariance (k, d)."""
        return self.objective.template.directions(phi)

    def in_own_units(self, point: _Point) -> _Point:
        """Return the point in units of its own size, once it has left those of the search.

        Elsewhere one entry's curvature is the square of many units below another's: what is left
        of it is rounding to the step, which then crawls.
        """
        unit = self.objective.scale
        scale = unit * self.objective.template.sizes_of(point.phi * self.scale / unit)
        ratio = scale / self.scale
        if max(ratio.max(), 1.0 / ratio.min()) <= GROWN:
            return point
        self.scale = scale
        return _Point(
            point.phi / ratio,
            point.value,
            point.gradient * ratio,
            point.hessian * np.outer(ratio, ratio),
        )


def minimise(objective: Objective, start: FloatArray, control: Control) -> Optimum:
    """Minimise ``objective.evaluate`` from `start`.

    Parameters
    ----------
    objective : Objective
    start : ndarray of shape (k,)
    control : Control

    Returns
    -------
    Optimum

    Raises
    ------
    FitError
        If the deviance is not finite at the start.
    KeyboardInterrupt
        Ctrl-C, with a sentence that says how far the search was.
    """
    progress = Progress("fitting", " evaluations", show=control.progress, patience=PATIENCE)
    start = np.asarray(start, dtype=np.float64)
    search = _Search(objective, control, progress, objective.scale)
    if float(np.abs(start / objective.scale).max()) > GROWN:
        search.scale = objective.scale * objective.template.sizes_of(start / objective.scale)
    try:
        point = search.visit(start / search.scale)
        if not np.isfinite(point.value):
            raise FitError(_nowhere(start))
        point, message = _descend(search, point)
        point = _snap(search, _without_flat_terms(search, point))
    except KeyboardInterrupt:
        raise SearchInterrupt(tuple(search.log)) from None
    finally:
        progress.close()
    return Optimum(
        start=start,
        end=point.phi * search.scale,
        criterion=point.value,
        gradient=point.gradient / search.scale,
        evaluations=len(search.log),
        converged=message.startswith("converged"),
        method="trust-region Newton",
        message=message,
        log=tuple(search.log),
    )


def _descend(search: _Search, point: _Point) -> tuple[_Point, str]:
    """Trust-region iterations from `point` until a criterion is met; returns (point, message)."""
    radius = 1.0
    while True:
        step, is_minimum = _step(search, point, radius)
        if is_minimum and _is_converged(search, point, step):
            return point, "converged"
        if len(search.log) >= search.control.max_evaluations:
            return point, f"stopped after {len(search.log)} evaluations"
        predicted = -float(point.gradient @ step + 0.5 * step @ point.hessian @ step)
        trial = search.visit(point.phi + step)
        visible = predicted > NOISE * max(abs(point.value), search.objective.n)
        gain = (point.value - trial.value) / predicted if predicted > 0 else -1.0
        length = float(np.linalg.norm(step))
        if visible:
            # a share of the fall that the model promised
            accepted = gain > 1e-4
        else:
            accepted = bool(np.isfinite(trial.value)) and _less_steep(trial, point)
        if accepted:
            point = search.in_own_units(trial)
            radius = _next_radius(radius, length, gain, visible) if point is trial else 1.0
        elif length <= (STEP_TOL if visible else UNSEEN_STEP) * _size(point):
            # The deviance only shows its rounding: large where little is left of the response;
            # or neither it nor the gradient can be improved: rounding, not the model.
            return point, "converged to rounding error"
        else:
            radius = length / 4


def _next_radius(radius: float, length: float, gain: float, visible: bool) -> float:
    """Return the radius after an accepted step: what was gained of what the model promised."""
    if gain > 0.75 and length > 0.8 * radius:
        return min(2 * radius, MAX_RADIUS)
    return length / 2 if visible and gain < 0.1 else radius


def _step(search: _Search, point: _Point, radius: float) -> tuple[FloatArray, bool]:
    """Trust-region step and whether the curvature is that of a minimum (up to rounding)."""
    N = search.directions(point.phi)
    B = N.T @ point.hessian @ N
    s, smallest = trust_step(N.T @ point.gradient, B, radius)
    # a share of the largest curvature is rounding; 1e-300 keeps a flat one from being none
    return np.asarray(N @ s), smallest >= -1e-7 * max(float(np.abs(B).max(initial=0.0)), 1e-300)


def trust_step(gradient: FloatArray, B: FloatArray, radius: float) -> tuple[FloatArray, float]:
    """Minimise g's + s'Bs/2 over |s| <= radius by eigenvalues (Nocedal & Wright, section 4.3).

    Returns
    -------
    step : ndarray of shape (d,)
    smallest : float
        Smallest eigenvalue of B.
    """
    eigenvalues, Q = np.linalg.eigh((B + B.T) / 2)
    smallest = float(eigenvalues[0])
    g = Q.T @ gradient
    # a share of the largest curvature; 1e-300 keeps zero from a division by zero only
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
        # the shift is found to ten digits of itself
        if high - low <= 1e-10 * high:
            break
    s = -g / np.maximum(eigenvalues + high, floor)
    missing = radius**2 - float(s @ s)
    # a share of the squared radius
    if smallest < 0 and missing > 1e-6 * radius**2:
        # The hard case: at a saddle the gradient has no part along the downhill direction.
        s[0] += np.copysign(np.sqrt(missing), -g[0] if g[0] != 0 else 1.0)
    return np.asarray(Q @ s), smallest


def _is_converged(search: _Search, point: _Point, step: FloatArray) -> bool:
    largest = float(np.abs(point.gradient).max())
    small_gradient = largest <= search.control.gtol * search.objective.n
    length = float(np.abs(step).max()) / _size(point)
    return length <= STEP_TOL and (small_gradient or length <= STEP_TOL / 100)


def _size(point: _Point) -> float:
    """Return what a step is compared with: the unit of theta, or theta where that is larger."""
    return max(1.0, float(np.abs(point.phi).max()))


def _less_steep(a: _Point, b: _Point) -> bool:
    return float(np.abs(a.gradient).max()) < float(np.abs(b.gradient).max())


def _snap(search: _Search, point: _Point) -> _Point:
    """Take exact zeros for vanishing variances when the deviance does not mind."""
    unit = search.scale / search.objective.scale
    phi = search.objective.template.snapped(point.phi * unit, SNAP)
    if phi is None:
        return point
    snapped = search.visit(phi / unit)
    better = snapped.value <= point.value + SNAP_TOL * search.objective.n
    return snapped if better else point


def _without_flat_terms(search: _Search, point: _Point) -> _Point:
    """Set terms to zero of which the deviance says nothing at all.

    Fixed effects of the same groups leave REML no contrast that knows of their variance.
    """
    term = search.objective.template.index[0]
    bends = np.abs(np.diag(point.hessian)) > FLAT * search.objective.n
    if bends.all():
        return point
    flat = ~np.isin(term, term[bends]) & np.isin(term, term[point.phi != 0.0])
    if not flat.any():
        return point
    without = search.visit(np.where(flat, 0.0, point.phi))
    return without if without.value <= point.value + SNAP_TOL * search.objective.n else point


def _nowhere(start: FloatArray) -> str:
    values = ", ".join(f"{t:.4g}" for t in start)
    return (
        f"The deviance is not finite at the starting values ({values}): the fixed effects may "
        "explain the response exactly, or a column may be huge."
    )


class SearchInterrupt(KeyboardInterrupt):
    """Ctrl-C during a search; carries every (theta, criterion) evaluated."""

    def __init__(self, log: Log) -> None:
        self.log = log
        super().__init__(interrupted(log))


def interrupted(log: Log) -> str:
    """Return the sentence for an interrupted search: how far it was and how to go on."""
    if not log:
        return "Interrupted before the first evaluation of the criterion."
    theta, value = min(log, key=lambda entry: entry[1])
    values = ", ".join(f"{t:.6g}" for t in theta)
    comma = "," if len(theta) == 1 else ""
    return (
        f"Interrupted after {len(log)} evaluations; best criterion so far {value:.6f}. "
        f'Go on from there with control={{"start": ({values}{comma})}}.'
    )
