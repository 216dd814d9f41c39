"""What the panels of `check_model` share: the model, its rows shown, and residuals that fit it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mlpool.performance.explained_variance import is_bernoulli
from mlpool.typing import FloatArray, IntArray
from mlpool.uncertainty.influence import unit_residuals

if TYPE_CHECKING:
    from mlpool.models import FittedModel
    from mlpool.typing import SeedLike

MOST_POINTS = 3_000
"""Rows beyond which panels show a random sample of this size; trends use all rows."""


@dataclass(frozen=True, kw_only=True)
class Context:
    """A model to be checked.

    Attributes
    ----------
    model : FittedModel
    n_sim : int
    seed : int, SeedSequence or Generator
    """

    model: FittedModel
    n_sim: int
    seed: SeedLike | None

    @cached_property
    def rows(self) -> IntArray:
        """The rows shown, increasing: all of them, or 3,000 drawn at random."""
        return self.sample(MOST_POINTS)

    def sample(self, most: int) -> IntArray:
        """Return at most so many rows, drawn without replacement, increasing."""
        n = self.model.design.n
        if n <= most:
            return np.arange(n)
        rng = np.random.default_rng(self.seed if isinstance(self.seed, int) else 1)
        return np.sort(rng.choice(n, most, replace=False))

    def shown(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the rows shown of a frame of all rows."""
        return frame.iloc[self.rows]

    @cached_property
    def is_zero_or_one(self) -> bool:
        """Whether every response is one trial, so that its residuals lie on two curves."""
        m = self.model
        return m.family is not None and m.family.kin == "binomial" and is_bernoulli(m)

    @cached_property
    def residuals(self) -> FloatArray:
        """Residuals with variance one in a correct model (n,).

        Pearson residuals over sigma of linear models, normalized ones of models with a residual
        structure; randomised quantile residuals of
        generalised ones, which are normal whatever the family is (Dunn & Smyth 1996).
        """
        m = self.model
        if m.family is None:
            return unit_residuals(m)
        seed = self.seed if isinstance(self.seed, int) else 1
        return np.asarray(m.residuals("quantile", seed=seed), dtype=np.float64)
