"""Fitted linear mixed models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from mlpool.designs.engine_data import as_lmm_data, fit_design, n_covariance
from mlpool.engine.types import LmmFit
from mlpool.engine.via_statsmodels import fit_mixedlm
from mlpool.formula.design import Design
from mlpool.models.extractors.log_likelihood import sum_log_weights
from mlpool.models.extractors.random_effects import VarCorr, make_varcorr
from mlpool.models.fitted import Kind
from mlpool.models.mixed_model import MixedModel
from mlpool.models.prediction import linear_predictor, predict_lmm
from mlpool.sources.lazy_rows import Native
from mlpool.typing import FloatArray

if TYPE_CHECKING:
    from mlpool.typing import DataLike, ReForm


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class LinearMixedModel(MixedModel):
    """A linear mixed model (lme4's ``lmer``)."""

    fit: LmmFit
    kind: ClassVar[Kind] = "lmer"

    @property
    def reml(self) -> bool:
        """Whether REML was used."""
        return self.fit.reml

    @property
    def criterion(self) -> float:
        """REML criterion or ML deviance at the optimum."""
        return self.fit.criterion

    @property
    def sigma(self) -> float:
        """Residual standard deviation."""
        return float(self.fit.sigma)

    @property
    def loglik(self) -> float:
        """Log-likelihood; the restricted one for a REML fit."""
        return -0.5 * self.fit.criterion

    @property
    def loglik_df(self) -> int:
        """Fixed effects, parameters of the random effects' covariances and sigma."""
        return len(self.fit.beta) + n_covariance(self.design) + 1

    @property
    def deviance(self) -> float:
        """ML deviance (-2 log-likelihood), at this theta also for REML fits."""
        if not self.reml:
            return self.fit.criterion
        n = self.fit.n
        profiled = n * (1 + np.log(2 * np.pi * self.fit.pwrss / n))
        return float(self.fit.logdet_L2 + profiled - sum_log_weights(self))

    def varcorr(self) -> VarCorr:
        """Return the random effects' standard deviations and correlations."""
        return make_varcorr(self.theta, self.sigma, self.design.random)

    def predict(
        self,
        newdata: DataLike | None = None,
        re_form: ReForm = None,
        allow_new_levels: bool = False,
    ) -> pd.Series | Native:
        """Return predictions.

        Parameters
        ----------
        newdata : data frame or lazy frame, optional
            A lazy frame comes back with a column ``predicted``, in its own engine.
        re_form : None, False or str
            None: with all random effects; False (R's NA): without; a formula such as
            ``"~ (1 | school)"``: with these.
        allow_new_levels : bool
            Predict unseen groups with a random effect of zero.
        """
        return predict_lmm(self, newdata, re_form, allow_new_levels)

    def fit_record(self, design: Design) -> LmmFit:
        """Return the record of another design, by the engine that fitted this model."""
        if self.fit.engine == "statsmodels":
            return fit_mixedlm(as_lmm_data(design), reml=self.reml)
        return fit_design(design, reml=self.reml, control=self.control)

    @property
    def statsmodels(self) -> Any:
        """The statsmodels results object of the same model (fitted now if need be)."""
        if self.fit.raw is not None:
            return self.fit.raw
        return fit_mixedlm(as_lmm_data(self.design), reml=self.reml).raw

    @property
    def _fitted_values(self) -> FloatArray:
        if "fitted" not in self._cache:
            self._cache["fitted"] = linear_predictor(self, True)
        values: FloatArray = self._cache["fitted"]
        return values
