"""Whether a variance of zero, or one that is not, is the better of the two.

The deviance of a mixed model may have a minimum on the boundary, where a column of Lambda is zero,
and another inside. A search that ended on the boundary is begun again from the inside of it; where
every column of Lambda has a variance, the corner with the lowest deviance is begun from if it is
near or below the optimum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from mlpool.engine.glmm.laplace import Laplace
from mlpool.engine.glmm.prepared_data import Problem
from mlpool.engine.glmm.search import Found
from mlpool.errors import FitError
from mlpool.typing import FloatArray

WORTH = 1e-6
"""Difference of the deviance that makes another point better: no test could show a smaller one."""
NEAR = 0.3
"""Deviance above the optimum up to which a corner is begun from: its own minimum is lower."""
INSIDE = 0.35
"""SD, in units of the link scale, from which a variance of zero is tried again."""
FEW = 30_000
"""Rows times random effects of one, up to which one look more costs next to nothing."""


def beyond_corners(
    objective: Laplace, found: Found, search: Callable[[FloatArray], Found]
) -> Found:
    """Return `found`, or what a search from the other side of the boundary found below it.

    Parameters
    ----------
    objective : Laplace
    found : Found
    search : callable
        Minimises from a point.
    """
    if not found.converged:
        return found
    for _ in range(2):
        start = _other_side(objective, found)
        other = None if start is None else _tried(search, start)
        objective.accept(found.state)
        if other is None:
            return found
        log = found.log + other.log
        is_better = other.converged and other.state.value < found.state.value - WORTH
        found = other if is_better else found
        found.log = log
        objective.accept(found.state)
        if not is_better:
            return found
    return found


def _tried(search: Callable[[FloatArray], Found], start: FloatArray) -> Found | None:
    try:
        return search(start)
    except (FitError, np.linalg.LinAlgError):
        return None


def _other_side(objective: Laplace, found: Found) -> FloatArray | None:
    """Return where to begin again: off all zeros, or at the best corner if that is near."""
    problem = objective.problem
    zeros = np.flatnonzero(problem.template.is_diagonal & (found.x[: problem.k] == 0.0))
    if len(zeros):
        x = found.x.copy()
        x[zeros] = INSIDE * problem.unit
        return x
    if len(problem.rows.y) * problem.template.is_diagonal.sum() > FEW:
        return None
    best, value = None, found.state.value + NEAR
    for x in _corners(problem, found.x):
        try:
            there = objective.state(x).value
        except (FitError, np.linalg.LinAlgError):
            continue
        if there < value:
            best, value = x, there
    return best


def _corners(problem: Problem, x: FloatArray) -> Iterator[FloatArray]:
    """Points with one column of Lambda at zero: its variances left out, or kept by a correlation.

    Kept, a column's entries go to the one before, so that the correlation is plus or minus one.
    """
    term, row, col = problem.template.index
    for i in np.flatnonzero(problem.template.is_diagonal):
        own = np.flatnonzero((term == term[i]) & (col == col[i]))
        without = x.copy()
        without[own] = 0.0
        yield without
        before = [
            np.flatnonzero((term == term[i]) & (col == col[i] - 1) & (row == row[j])) for j in own
        ]
        if all(len(at) for at in before):
            kept = without.copy()
            at = np.concatenate(before)
            kept[at] = np.where(x[at] < 0, -1.0, 1.0) * np.hypot(x[at], x[own])
            yield kept
