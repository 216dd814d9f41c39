"""What is refused before a search: models that the data cannot identify (as lme4 does)."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from mlpool.engine.sums.cluster_sums import CrossProducts
from mlpool.engine.sums.trend import solve_scaled
from mlpool.engine.sums.within import ROUNDING
from mlpool.engine.types import LmmData
from mlpool.errors import FitError
from mlpool.typing import FloatArray

PERFECT = 1e-11
"""Residual share of the response's length, squared, that is rounding of the sums after the groups'
effects, where theta runs off to infinity."""
EXPLAINED = (
    "The grouping factors' effects and the fixed effects explain the response exactly: the "
    "residual variance is zero, so the model has no finite estimate."
)


class Estimable(Protocol):
    """What the sums say about a model.

    Attributes
    ----------
    totals : CrossProducts
        Sums over all rows, without those of single clusters.
    total : ndarray of shape (p + 1, p + 1)
        [X y]'[X y] in working columns.
    n, p : int
        Rows; estimated fixed effects.
    has_residuals : bool
        Whether residuals come from rows, with all their digits, and not from differences of sums.
    """

    totals: CrossProducts
    total: FloatArray
    n: int
    p: int
    has_residuals: bool

    def left_within(self) -> float | None:
        """Return what the groups' own regressions leave of y: None if not known or a matter of
        course.
        """


def check_identified(data: LmmData) -> None:
    """Refuse models whose random effects cannot be told from the residual (as lme4 does).

    Raises
    ------
    FitError
    """
    n = data.n
    if n == 0:
        raise FitError("There are no rows to fit.")
    for t in data.terms:
        k = t.z.shape[1]
        if t.n_levels < 2:
            raise FitError("A grouping factor needs at least 2 levels; there is only 1.")
        if t.n_levels >= n:
            raise FitError(
                f"A grouping factor has {t.n_levels} levels for {n} rows: with one row per level "
                "its effects cannot be told from the residual."
            )
        is_tied = t.structure is not None and t.structure.kind != "diag"
        if t.n_levels * k >= n and not is_tied:
            raise FitError(
                f"A term has {t.n_levels} levels x {k} columns = {t.n_levels * k} random effects "
                f"for {n} rows: its variances and the residual variance are not identified."
            )


def check_estimable(objective: Estimable) -> None:
    """Refuse responses and fixed effects that leave nothing to estimate variances from.

    Raises
    ------
    FitError
        If the response is constant or explained exactly, or there are no residual degrees of
        freedom.
    """
    _check_response(objective.totals)
    if objective.p >= objective.n:
        raise FitError(
            f"The model has {objective.p} fixed effects for {objective.n} rows: nothing is left to "
            "estimate variances from."
        )
    _check_residual(objective)
    left = objective.left_within()
    if left is not None and left <= square_of_rounding(objective):
        raise FitError(EXPLAINED)


def square_of_rounding(objective: Estimable) -> float:
    """Return the residual sum of squares that cannot be told from zero."""
    if objective.has_residuals:
        return float((ROUNDING * _response_size(objective.totals)) ** 2)
    return PERFECT * float(objective.total[-1, -1])


def _check_response(sums: CrossProducts) -> None:
    """Refuse a response without variation."""
    (y,) = sums.uncentre(np.array([sums.layout.y])).T
    T, constant = sums.total, np.eye(sums.layout.k)[0]
    mean = float(constant @ T @ y / T[0, 0])
    about_mean = y - mean * constant
    if not about_mean @ T @ about_mean > ROUNDING**2 * T[0, 0] * mean**2:
        raise FitError("The response is constant: there is no variation to explain.")


def _check_residual(objective: Estimable) -> None:
    """Refuse a response that the fixed effects explain exactly."""
    p, total = objective.p, objective.total
    left = float(total[p, p] - total[p, :p] @ solve_scaled(total[:p, :p], total[:p, p]))
    if not left > (ROUNDING * _response_size(objective.totals)) ** 2:
        raise FitError(
            "The fixed effects explain the response exactly: no variation is left for random "
            "effects and residuals."
        )


def _response_size(sums: CrossProducts) -> float:
    """Return the length of the response's parts before they were taken apart: what it rounds to."""
    layout = sums.layout
    slopes = np.array(layout.trend) if layout.trend else np.zeros(layout.k)
    slopes[layout.y] = 1.0
    columns = sums.uncentre(np.arange(layout.k)) * slopes
    squares = np.einsum("ac,ab,bc->c", columns, sums.total, columns)
    return float(np.sqrt(np.maximum(squares, 0.0).sum()))
