"""What linear and generalised linear mixed models have in common: random effects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np
import pandas as pd

from mlpool.engine.glmm import GlmmFit
from mlpool.engine.types import LmmFit, Optimum
from mlpool.errors import NotSupportedError
from mlpool.models.extractors.asked_levels import AskedLevels, effects_of_levels
from mlpool.models.extractors.random_effects import (
    GroupFrames,
    VarCorr,
    add_fixed,
    gather_by_group,
)
from mlpool.models.fitted import FittedModel
from mlpool.sources.clusters.asked import effects_elsewhere
from mlpool.sources.clusters.effects import refuse_many
from mlpool.sources.lazy_rows import Native
from mlpool.typing import FloatArray

if TYPE_CHECKING:
    from mlpool.typing import DataLike, ReForm


def group_effects(m: MixedModel) -> GroupFrames:
    """Return the random effects of every level in memory.

    Raises
    ------
    NotSupportedError
        If they are so many that ``m.ranef()`` is a lazy frame.
    """
    found = m.ranef()
    if isinstance(found, GroupFrames):
        return found
    (random,) = m.design.random
    refuse_many(random.group, len(random.levels))


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class MixedModel(FittedModel):
    """A model with random effects: what `lmer` and `glmer` return."""

    fit: LmmFit | GlmmFit

    @property
    def theta(self) -> FloatArray:
        """Covariance factors of the random effects, stacked in lme4's order.

        Relative to sigma for linear models, on the link scale for generalised ones.
        """
        return self.fit.theta.copy()

    @property
    def criterion(self) -> float:
        """What was minimised, at the optimum.

        Raises
        ------
        NotImplementedError
            In this base class.
        """
        raise NotImplementedError

    @property
    def df_residual(self) -> int:
        """Rows minus all parameters, as lme4 counts."""
        return self.nobs - self.loglik_df

    @property
    def is_singular(self) -> bool:
        """lme4's ``isSingular``: a diagonal of theta below ``control["singular_tol"]``, 1e-4."""
        return any(d.code == "singular" for d in self.fit.diagnostics)

    @property
    def optimum(self) -> Optimum | None:
        """The optimiser's record: start, end, criterion, gradient, evaluations, log."""
        return self.fit.optimum

    def varcorr(self) -> VarCorr:
        """Return the random effects' standard deviations and correlations.

        Raises
        ------
        NotImplementedError
            In this base class.
        """
        raise NotImplementedError

    def ranef(self, levels: AskedLevels | None = None) -> GroupFrames | Native:
        """Return the conditional modes per group; `.cond_sd` has their conditional SDs.

        With `levels` those alone, ``{"item": ["a", "b"]}``, whose SDs are exact with either
        solver.

        Of more than 1,000,000 levels of scanned rows a lazy frame of the rows' own engine: the
        group, ``(Intercept)`` and ``cond_sd``.
        """
        lazy = effects_elsewhere(self.fit.b)
        if lazy is not None and levels is None:
            return lazy.to_native()
        if levels is not None:
            if lazy is not None:
                raise NotSupportedError(
                    "levels= needs effects in memory, and those of so many levels of scanned rows "
                    "are a lazy frame; filter what m.ranef() returns."
                )
            return effects_of_levels(self.design.random, self.fit.b, self.fit.cond_cov, levels)
        if "ranef" not in self._cache:
            covariances: Any = self.fit.cond_cov
            blocks = covariances() if callable(covariances) else covariances
            sds = [np.sqrt(np.clip(np.einsum("jkk->jk", V), 0.0, None)) for V in blocks]
            self._cache["ranef"] = GroupFrames(
                self._by_group(self.fit.b), GroupFrames(self._by_group(tuple(sds)))
            )
        result: GroupFrames = self._cache["ranef"]
        return result

    def coef(self) -> GroupFrames:
        """Return fixed plus random effects per level, on the scale of the predictor."""
        return GroupFrames(add_fixed(self._by_group(self.fit.b), self.fixef()))

    def predict(
        self,
        newdata: DataLike | None = None,
        re_form: ReForm = None,
        allow_new_levels: bool = False,
    ) -> pd.Series:
        """Return predictions; see the models' own.

        Raises
        ------
        NotImplementedError
            In this base class.
        """
        raise NotImplementedError

    def _by_group(self, arrays: tuple[FloatArray, ...]) -> dict[str, pd.DataFrame]:
        random = self.design.random
        return gather_by_group(
            arrays,
            [r.group for r in random],
            [r.levels for r in random],
            [r.z.names for r in random],
        )


def has_effects(m: FittedModel) -> TypeGuard[MixedModel]:
    """Tell whether a model has random effects; models with a residual structure may have some."""
    return m.is_mixed
