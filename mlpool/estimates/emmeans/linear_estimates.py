"""What a table of means remembers, so that contrasts and other scales can be made of it later."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mlpool.errors import NotSupportedError
from mlpool.estimates.delta.averages import BLOCK_NUMBERS, Answers, average, average_slopes
from mlpool.estimates.delta.delta_method import Request
from mlpool.estimates.grids.grid_language import Focal
from mlpool.estimates.request import Averaging
from mlpool.estimates.scale.links import Scale, is_identity
from mlpool.estimates.scale.response_transforms import transformed_response

if TYPE_CHECKING:
    from mlpool.models import FittedModel


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearEstimates:
    """Means (or slopes, or contrasts of them) of a grid.

    Attributes
    ----------
    model : FittedModel
    grid : DataFrame
        What every answer is of, one column per focal variable.
    scale : Scale
        Where answers are averaged, and how they are taken back.
    request : Request
    focal : tuple of Focal
    averaging : Averaging or None
    groups : tuple of str
        Columns of the grid within which contrasts are taken, unless others are named.
    trend : str
        The variable that slopes are of; empty for means.
    step : float
        Of the slopes' differences.
    given : Answers, optional
        The answers, where they were made of others.
    """

    model: FittedModel
    grid: pd.DataFrame
    scale: Scale
    request: Request
    focal: tuple[Focal, ...] = ()
    averaging: Averaging | None = None
    groups: tuple[str, ...] = ()
    trend: str = ""
    step: float = 0.0
    given: Answers | None = None

    def answers(self) -> Answers:
        """Return values and Jacobians where they are tested: before they are taken back.

        Raises
        ------
        NotSupportedError
            If they do not fit in memory.
        """
        if self.given is not None:
            return self.given
        assert self.averaging is not None
        if len(self.grid) * len(self.model.fit.beta) > 20 * BLOCK_NUMBERS:
            raise NotSupportedError(
                f"{len(self.grid):,} means of {len(self.model.fit.beta):,} coefficients do not fit "
                "in memory; name fewer levels."
            )
        rows = self.averaging.rows(self.grid, self.focal)
        if self.trend:
            return average_slopes(self.model, rows, self.trend, self.step, self.scale)
        return average(self.model, rows, self.scale)

    def on_response(self) -> Answers:
        """Return values and Jacobians on the scale that the table prints, or could print."""
        answers = self.answers()
        scale = self.scale
        if is_identity(scale.family) and self.given is None and not self.trend:
            back = transformed_response(self.model)
            scale = scale if back is None else Scale(family=back, predict="inverse_link")
        elif scale.predict == "link":
            scale = replace(scale, predict="inverse_link")
        if not scale.is_taken_back:
            return answers
        slope = scale.family.derivative(answers.value)
        value = scale.back(answers.value)
        size = None if answers.size is None else np.abs(value) + np.abs(slope) * answers.size
        return Answers(value=value, jacobian=slope[:, None] * answers.jacobian, size=size)
