"""Minimise the deviance: quasi-Newton steps from the expected information.

The first guess of the curvature is that of Fisher scoring in the working linear model; from then
on differences of exact gradients correct it (BFGS; Nocedal & Wright 2006, section 6.1). theta is
free in sign, because the deviance is even in every column of Lambda: a boundary needs no bounds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from mlpool.engine.glmm.laplace import State
from mlpool.engine.types import Control
from mlpool.errors import FitError
from mlpool.typing import FloatArray

DECREMENT = 1e-11
"""Expected fall of the deviance below which the search ends."""
NOISE = 1e-13
"""Rounding of the deviance, relative to its size."""
ARMIJO, MAX_HALVINGS = 1e-4, 30
"""Share of the fall that the slope promises, which a step must make; and how often it is halved."""
CURVED = 1e-10
"""Share of its parts that s'y must have: less is rounding of gradients."""
LONGEST = 1.5
"""Largest change of an entry of theta in one step, relative to its size plus its start's."""


class Objective(Protocol):
    """A deviance with an exact gradient."""

    def state(self, x: FloatArray) -> State:
        """Evaluate at x."""

    def gradient(self, state: State) -> FloatArray:
        """Return the gradient at a state."""

    def accept(self, state: State) -> None:
        """Start the next evaluation from this state's modes."""


@dataclass(slots=True)
class Found:
    """Where a search ended.

    Attributes
    ----------
    x, gradient : ndarray of shape (k,)
    state : State
    curvature : ndarray of shape (k, k)
        Quasi-Newton guess of the Hessian's inverse.
    converged : bool
    message : str
    log : list of (tuple of float, float)
    """

    x: FloatArray
    gradient: FloatArray
    state: State
    curvature: FloatArray
    converged: bool = False
    message: str = ""
    log: list[tuple[tuple[float, ...], float]] = field(default_factory=list)


def minimise(
    objective: Objective,
    x: FloatArray,
    scale: FloatArray,
    curvature: Callable[[State], FloatArray],
    control: Control,
) -> Found:
    """Minimise from x.

    Parameters
    ----------
    objective : Objective
    x : ndarray of shape (k,)
    scale : ndarray of shape (k,)
        Typical sizes of the entries whose steps are limited (theta); infinite for the others.
    curvature : callable
        Makes a first positive definite Hessian (k, k) from a state.
    control : Control
    """
    state = objective.state(x)
    objective.accept(state)
    g = objective.gradient(state)
    here = Found(x=x, gradient=g, state=state, curvature=_inverse(curvature(state)))
    here.log.append((tuple(x.tolist()), state.value))
    fresh = True
    while len(here.log) < control.max_evaluations:
        step = -here.curvature @ here.gradient
        fall = -float(here.gradient @ step)
        if fall < max(DECREMENT, NOISE * abs(here.state.value)):
            here.converged, here.message = True, "the expected fall of the deviance is nil"
            return here
        # 1e-300 keeps a step of zero from a division by zero only
        longest = LONGEST * (np.abs(here.x) + scale) / (np.abs(step) + 1e-300)
        step *= min(1.0, float(np.min(longest)))
        moved = _move(objective, here, step)
        if moved is None:
            if fresh:
                here.message = "no step lowers the deviance"
                # of the deviance, which has no unit: no test could show it
                here.converged = fall < 1e-5
                return here
            # The guess of the curvature has gone astray: begin again from the information here.
            try:
                here.curvature, fresh = _inverse(curvature(here.state)), True
            except np.linalg.LinAlgError:
                here.message = "the deviance has no curvature where the search ended"
                return here
            continue
        here, fresh = moved, False
    here.message = f"{control.max_evaluations} evaluations were not enough"
    return here


def _move(objective: Objective, here: Found, step: FloatArray) -> Found | None:
    """Go along `step`, shortening it until the deviance falls; None where it never does."""
    slope = float(here.gradient @ step)
    slack = 10.0 * NOISE * abs(here.state.value)
    share = 1.0
    for _ in range(MAX_HALVINGS):
        x = here.x + share * step
        try:
            state = objective.state(x)
        except (FitError, np.linalg.LinAlgError):
            share *= 0.25
            continue
        here.log.append((tuple(x.tolist()), state.value))
        change = state.value - here.state.value
        if change <= ARMIJO * share * slope + slack:
            try:
                g = objective.gradient(state)
            except np.linalg.LinAlgError:
                # Modes so far out that their curvature has no digits: stay nearer.
                share *= 0.25
                continue
            objective.accept(state)
            inverse = _updated(here.curvature, x - here.x, g - here.gradient)
            return Found(x=x, gradient=g, state=state, curvature=inverse, log=here.log)
        # keeps a straight line from a division by zero only
        best = -0.5 * slope * share / max(change / share - slope, 1e-300)
        share = float(np.clip(best, 0.1 * share, 0.5 * share))
    return None


def _inverse(curvature: FloatArray) -> FloatArray:
    return np.asarray(np.linalg.inv(curvature), dtype=np.float64)


def _updated(B: FloatArray, s: FloatArray, y: FloatArray) -> FloatArray:
    """Return the BFGS update of an inverse Hessian, left alone where curvature is not positive."""
    sy = float(s @ y)
    # Entry by entry, so that parameters may have different units.
    if sy <= CURVED * float(np.abs(s) @ np.abs(y)):
        return B
    By = B @ y
    change = np.outer(By, s)
    return np.asarray(B + (1.0 + y @ By / sy) * np.outer(s, s) / sy - (change + change.T) / sy)
