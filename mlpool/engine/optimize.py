"""Minimise the deviance over theta: BFGS on the exact gradient from a measured curvature.

The deviance is even in each column of Lambda (its sign is free), so theta needs no bounds: a
minimum at zero is a stationary point inside. But zero is *always* stationary, so a solution there
is judged by the derivative with respect to the variance theta^2 and left again when that is
negative (a false boundary).

Steps: 1. gradient at a moment start; 2. curvature by differences of the gradient (k more
evaluations), which makes the first step a Newton step; 3. quasi-Newton steps (BFGS updates) with a
backtracking line search until the predicted decrease is nothing; 4. boundary check; 5. signs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mlpool.engine.template import canonical_signs, diagonal_mask
from mlpool.engine.types import Control, Optimum
from mlpool.errors import FitError
from mlpool.typing import FloatArray

Evaluate = Callable[[FloatArray], tuple[float, FloatArray]]

_DECREASE_TOL = 1e-10
"""Predicted decrease of the deviance that counts as none (theta is then right to about 1e-6)."""
_LOOSE_DECREASE = 1e-6
"""Predicted decrease that is still a solution when rounding stops the line search."""
_BOUNDARY = 1e-3
"""Diagonal theta below which a solution is examined as a boundary one."""
_INSIDE = 0.05
"""Where a search starts again after a false boundary."""
_DIFFERENCE = 1e-4
"""Step of the gradient differences that measure curvature."""
_MAX_STEP = 3.0
"""Longest step in theta (relative scale)."""
_MAX_RESTARTS = 3
_FULL_CURVATURE = 12
"""Up to this many theta the whole curvature is measured; beyond, its diagonal is guessed."""


class _Recorder:
    """Counts evaluations, logs them, shows progress, and knows the best point so far."""

    def __init__(self, evaluate: Evaluate, control: Control) -> None:
        self._evaluate, self.control = evaluate, control
        self.log: list[tuple[tuple[float, ...], float]] = []
        self.best: tuple[float, FloatArray] = (np.inf, np.empty(0))
        self._bar: Any = None

    def __call__(self, theta: FloatArray) -> tuple[float, FloatArray]:
        value, gradient = self._evaluate(theta)
        self.log.append((tuple(float(t) for t in theta), value))
        if value < self.best[0]:
            self.best = (value, theta.copy())
        if self._bar is not None:
            self._bar.set_postfix_str(f"deviance {value:.4f}")
            self._bar.update(1)
        return value, gradient

    def start_progress(self, seconds_per_evaluation: float) -> None:
        """Show a line on a terminal when the fit will take a while."""
        import sys

        wanted = self.control.progress
        if wanted is None:
            wanted = seconds_per_evaluation > 0.3 and sys.stderr.isatty()
        if not wanted:
            return
        try:
            from tqdm import tqdm
        except ImportError:
            return
        self._bar = tqdm(desc="fitting", unit=" evaluations", file=sys.stderr, leave=False)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()


def minimise(
    evaluate: Evaluate, start: FloatArray, sizes: Sequence[int], control: Control
) -> Optimum:
    """Return the theta that minimises the deviance.

    Parameters
    ----------
    evaluate : callable
        ``evaluate(theta) -> (deviance, gradient)``.
    start : ndarray (k,)
    sizes : sequence of int
        Columns of each term, to know diagonals and signs.
    control : Control

    Returns
    -------
    Optimum

    Raises
    ------
    FitError
        If the deviance is not finite at the start.
    KeyboardInterrupt
        With a sentence that says how far the fit was and how to go on from there.
    """
    import time

    recorder = _Recorder(evaluate, control)
    try:
        before = time.perf_counter()
        theta = np.asarray(start, dtype=np.float64).copy()
        value, gradient = recorder(theta)
        if not np.isfinite(value) or not np.isfinite(gradient).all():
            raise FitError(
                "The deviance is not finite at the start; check the scale of the columns."
            )
        recorder.start_progress(time.perf_counter() - before)
        theta, value, gradient, message = _descend(recorder, theta, value, gradient, control)
        for _ in range(_MAX_RESTARTS):
            inside = _leave_false_boundary(recorder, theta, value, sizes)
            if inside is None:
                break
            theta, value, gradient, message = _descend(recorder, *inside, control)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_interrupted(recorder)) from None
    finally:
        recorder.close()
    end = canonical_signs(theta, sizes)
    flipped = gradient * np.where(end == theta, 1.0, -1.0)
    return Optimum(
        start=np.asarray(start, dtype=np.float64),
        end=end,
        criterion=value,
        gradient=flipped,
        evaluations=len(recorder.log),
        converged=message == "",
        method="BFGS on the exact gradient",
        message=message,
        log=tuple(recorder.log),
    )


def _descend(
    f: _Recorder, theta: FloatArray, value: float, gradient: FloatArray, control: Control
) -> tuple[FloatArray, float, FloatArray, str]:
    """Run quasi-Newton steps until the predicted decrease is nothing."""
    H = _curvature(f, theta, gradient)
    stalled = 0
    while len(f.log) < control.max_evaluations:
        step = -_solve_positive(H, gradient)
        length = float(np.abs(step).max())
        if length > _MAX_STEP:
            step *= _MAX_STEP / length
        slope = float(gradient @ step)
        if -slope < 2 * _DECREASE_TOL or float(np.abs(gradient).max()) < control.gtol * 1e-3:
            return theta, value, gradient, ""
        found = _line_search(f, theta, value, step, slope, control)
        if found is None:
            stalled += 1
            if -slope < _LOOSE_DECREASE or stalled > 1:
                is_flat = -slope < 1e-4
                return (
                    theta,
                    value,
                    gradient,
                    "" if is_flat else "the line search found no decrease",
                )
            H = _curvature(f, theta, gradient)
            continue
        new_theta, new_value, new_gradient = found
        H = _bfgs(H, new_theta - theta, new_gradient - gradient)
        theta, value, gradient = new_theta, new_value, new_gradient
    return theta, value, gradient, f"stopped after {len(f.log)} evaluations"


def _curvature(f: _Recorder, theta: FloatArray, gradient: FloatArray) -> FloatArray:
    """Return the second derivatives by forward differences of the gradient."""
    k = len(theta)
    if k > _FULL_CURVATURE:
        return _diagonal_curvature(f, theta, gradient)
    H = np.empty((k, k))
    for i in range(k):
        h = _DIFFERENCE * max(abs(theta[i]), 0.1)
        moved = theta.copy()
        moved[i] += h
        H[i] = (f(moved)[1] - gradient) / h
    return (H + H.T) / 2


def _diagonal_curvature(f: _Recorder, theta: FloatArray, gradient: FloatArray) -> FloatArray:
    """Return a diagonal guess from one difference along alternating directions."""
    direction = np.where(np.arange(len(theta)) % 2 == 0, 1.0, -1.0)
    h = _DIFFERENCE
    change = (f(theta + h * direction)[1] - gradient) / h * direction
    middle = np.median(np.abs(change))
    return np.diag(np.maximum(np.abs(change), 0.1 * max(float(middle), 1e-8)))


def _solve_positive(H: FloatArray, gradient: FloatArray) -> FloatArray:
    """Return |H|^-1 gradient: negative curvature is followed downhill, flat ones are floored."""
    values, vectors = np.linalg.eigh(H)
    largest = float(np.abs(values).max()) or 1.0
    floored = np.maximum(np.abs(values), 1e-9 * largest)
    return np.asarray(vectors @ ((vectors.T @ gradient) / floored))


def _line_search(  # noqa: PLR0913 - one argument per symbol of the formula
    f: _Recorder, theta: FloatArray, value: float, step: FloatArray, slope: float, control: Control
) -> tuple[FloatArray, float, FloatArray] | None:
    """Halve the step until the deviance falls (Armijo), by interpolation; None if it never does."""
    t = 1.0
    noise = 1e-13 * abs(value)
    for _ in range(12):
        candidate = theta + t * step
        new_value, new_gradient = f(candidate)
        if np.isfinite(new_value) and new_value <= value + 1e-4 * t * slope + noise:
            return candidate, new_value, new_gradient
        if not np.isfinite(new_value):
            t *= 0.1
        else:
            curvature = new_value - value - t * slope
            t = float(np.clip(-slope * t * t / (2 * curvature), 0.1 * t, 0.5 * t))
        if len(f.log) >= control.max_evaluations:
            return None
    return None


def _bfgs(H: FloatArray, s: FloatArray, y: FloatArray) -> FloatArray:
    """Return the BFGS update of the curvature; damped (Powell) when y's is not positive."""
    Hs = H @ s
    sHs = float(s @ Hs)
    if sHs <= 0:
        values, vectors = np.linalg.eigh(H)
        H = (vectors * np.maximum(np.abs(values), 1e-8)) @ vectors.T
        Hs = H @ s
        sHs = float(s @ Hs)
    sy = float(s @ y)
    if sy < 0.1 * sHs:
        mix = 0.9 * sHs / (sHs - sy)
        y = mix * y + (1 - mix) * Hs
        sy = float(s @ y)
    if sy <= 1e-300 or sHs <= 1e-300:
        return H
    return H - np.outer(Hs, Hs) / sHs + np.outer(y, y) / sy


def _leave_false_boundary(
    f: _Recorder, theta: FloatArray, value: float, sizes: Sequence[int]
) -> tuple[FloatArray, float, FloatArray] | None:
    """Return a point inside where a variance of zero is not the minimum, else None.

    The derivative in the variance is (dev(t) - dev(0)) / t^2 for small t: negative means that the
    zero was only stationary.
    """
    small = diagonal_mask(sizes) & (np.abs(theta) < _BOUNDARY)
    for i in np.flatnonzero(small):
        inside = theta.copy()
        inside[i] = _INSIDE
        inside_value, inside_gradient = f(inside)
        if inside_value < value - 1e-8 * max(1.0, abs(value) * 1e-6):
            return inside, inside_value, inside_gradient
        near = theta.copy()
        near[i] = 0.1 * _INSIDE
        near_value, near_gradient = f(near)
        if near_value < value - 1e-8 * max(1.0, abs(value) * 1e-6):
            return near, near_value, near_gradient
    return None


def _interrupted(f: _Recorder) -> str:
    value, theta = f.best
    if not len(theta):
        return "The fit was interrupted before its first evaluation."
    start = ", ".join(f"{t:.6g}" for t in theta)
    return (
        f"The fit was interrupted after {len(f.log)} evaluations at deviance {value:.4f}; "
        f"go on from there with control={{'start': ({start},)}}."
    )
