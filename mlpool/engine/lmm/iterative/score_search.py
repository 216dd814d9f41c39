"""The root of the scores by average information: a search that needs no value of the deviance.

Gilmour, Thompson & Cullis (1995), Biometrics 51, 1440-1450. The traces in the scores come from
probes that stay the same during a search, so it sees a smooth function and converges as Newton's
method does. A step is judged by the change of the deviance that the scores at both its ends say.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlpool.engine.lmm.identifiability import EXPLAINED
from mlpool.engine.lmm.several_factors import FreeSeveral, SeveralFactors
from mlpool.engine.optimizer.newton import MAX_RADIUS, SNAP, trust_step
from mlpool.engine.types import Control
from mlpool.errors import FitError
from mlpool.progress import PATIENCE, Progress
from mlpool.typing import FloatArray

ARRIVED = 3e-3
"""Last step, in standard errors of theta: a tenth of the square of it is what it leaves."""


LEVEL = 1e-7
"""Negative curvature, relative to the largest one, that is rounding of none."""


@dataclass(frozen=True, slots=True)
class Root:
    """Where the scores vanish.

    Attributes
    ----------
    start, theta : ndarray (k,)
        The user's, before and after.
    evaluations : int
    converged : bool
    """

    start: FloatArray
    theta: FloatArray
    evaluations: int
    converged: bool


@dataclass(frozen=True, slots=True)
class _Point:
    """phi = theta / scale with the gradient and curvature of the deviance in it."""

    phi: FloatArray
    gradient: FloatArray
    hessian: FloatArray


class _Search:
    """The scores in the coordinates of the search."""

    def __init__(self, working: FreeSeveral, control: Control) -> None:
        self.working, self.scale = working, working.scale
        self.evaluations = 0
        self.progress = Progress(
            "fitting", " evaluations", show=control.progress, patience=PATIENCE
        )

    def visit(self, phi: FloatArray) -> _Point | None:
        """Return the scores at phi; None where the criterion does not exist."""
        theta = phi * self.scale
        try:
            _, gradient = self.working.evaluate(theta)
            hessian = self.working.hessian(theta)
        except np.linalg.LinAlgError:
            return None
        self.evaluations += 1
        self.progress.move(self.evaluations, float(np.abs(gradient).max(initial=0.0)))
        return _Point(phi, gradient * self.scale, hessian * np.outer(self.scale, self.scale))

    def step(self, point: _Point, radius: float) -> FloatArray:
        N = self.working.template.directions(point.phi)
        s, _ = trust_step(N.T @ point.gradient, N.T @ point.hessian @ N, radius)
        return np.asarray(N @ s)


def find_root(objective: SeveralFactors, start: FloatArray, control: Control) -> Root:
    """Return the root of the scores that is reached from `start` (the user's theta).

    Parameters
    ----------
    objective : SeveralFactors
    start : ndarray of shape (k,)
    control : Control

    Raises
    ------
    FitError
        If no residual variation is left at the start.
    """
    working = objective.working()
    search = _Search(working, control)
    radius = 1.0
    try:
        first = search.visit(objective.to_working(start) / search.scale)
        if first is None:
            raise FitError(EXPLAINED)
        point = first
        while True:
            step = search.step(point, radius)
            bend = float(step @ point.hessian @ step)
            # Twice the inverse of the deviance's curvature is theta's covariance.
            has_arrived = 0.0 <= bend <= 2.0 * ARRIVED**2
            if has_arrived or search.evaluations >= control.max_evaluations:
                end = _snapped(search, point.phi + step if has_arrived else point.phi)
                theta = objective.from_working(end * search.scale)
                return Root(start, theta, search.evaluations, has_arrived)
            trial = search.visit(point.phi + step)
            length = float(np.linalg.norm(step))
            if trial is None:
                radius = length / 4.0
                continue
            change = float((point.gradient + trial.gradient) @ step) / 2.0
            predicted = float(point.gradient @ step) + bend / 2.0
            if change > 0.0:
                radius = length / 4.0
                continue
            if change < 0.75 * predicted and length > 0.8 * radius:
                radius = min(2.0 * radius, MAX_RADIUS)
            point = trial
    finally:
        search.progress.close()


def _snapped(search: _Search, phi: FloatArray) -> FloatArray:
    """Take exact zeros for vanishing variances where the deviance rises from there."""
    snapped = search.working.template.snapped(phi, SNAP)
    if snapped is None:
        return phi
    there = search.visit(snapped)
    if there is None:
        return phi
    rises = float(np.linalg.eigvalsh(there.hessian)[0]) >= -LEVEL * np.abs(there.hessian).max()
    return snapped if rises else phi
