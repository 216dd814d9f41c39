"""Fitted generalised linear mixed models."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import numpy as np
import pandas as pd

from mlpool.designs.engine_data import as_lmm_data, n_covariance
from mlpool.designs.row_summaries import fact, same_by_counts
from mlpool.engine.glmm import GlmmData, GlmmFit, fit_glmm
from mlpool.families import Family
from mlpool.formula.design import Design
from mlpool.models.extractors.random_effects import VarCorr, make_varcorr
from mlpool.models.fitted import Kind
from mlpool.models.mixed_model import MixedModel
from mlpool.models.prediction import linear_predictor, predict_glmm
from mlpool.models.single_level import GeneralizedLinearModel
from mlpool.sources.lazy_rows import Native
from mlpool.typing import FloatArray

if TYPE_CHECKING:
    from mlpool.typing import DataLike, ReForm


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class GeneralizedLinearMixedModel(MixedModel):
    """A generalised linear mixed model (lme4's ``glmer``), fitted by maximum likelihood."""

    fit: GlmmFit
    family: Family
    kind: ClassVar[Kind] = "glmer"

    @property
    def nAGQ(self) -> int:
        """Quadrature nodes; 1 is Laplace's approximation, 0 leaves it out for beta."""
        return self.fit.n_quadrature

    @property
    def sigma(self) -> float:
        """Square root of the dispersion; 1 for families without one."""
        return float(np.sqrt(self.fit.dispersion)) if self.family.has_dispersion else 1.0

    @property
    def dispersion(self) -> float:
        """Theta of the negative binomials (glmmTMB's ``sigma()``); else phi."""
        return self.fit.dispersion

    @property
    def criterion(self) -> float:
        """-2 log-likelihood, approximated; with nAGQ > 1 less the saturated model's, as lme4."""
        return self.fit.deviance

    @property
    def loglik(self) -> float:
        """Log-likelihood on lme4's scale."""
        return -0.5 * self.fit.deviance

    @property
    def loglik_df(self) -> int:
        """Fixed effects, covariances' parameters, a dispersion or negative binomial's theta."""
        own = self.family.has_dispersion or self.family.is_negative_binomial
        return len(self.fit.beta) + n_covariance(self.design) + int(own)

    @property
    def deviance(self) -> float:
        """Sum of squared deviance residuals given the random effects (R's ``deviance``)."""
        return float(conditional_deviance(self))

    @property
    def statsmodels(self) -> Any:
        """There is none: statsmodels has no maximum likelihood for these models."""
        return None

    def varcorr(self) -> VarCorr:
        """Return the random effects' standard deviations and correlations."""
        made = make_varcorr(self.theta, 1.0, self.design.random)
        return replace(made, sigma=self.sigma if self.family.has_dispersion else None)

    def predict(
        self,
        newdata: DataLike | None = None,
        re_form: ReForm = None,
        allow_new_levels: bool = False,
        type: str = "link",
        averaged: bool = False,
    ) -> pd.Series | Native:
        """Return predictions, conditional on the random effects or averaged over them.

        Of a lazy frame they are one: its rows with a column ``predicted``, in its own engine.

        Parameters
        ----------
        newdata : data frame, optional
        re_form : None, False or str
            None: with all estimated random effects; False (R's NA): with random effects of zero; a
            formula such as ``"~ (1 | school)"``: with these.
        allow_new_levels : bool
            Predict unseen groups with a random effect of zero.
        type : {"link", "response"}
            As R, the link scale by default.
        averaged : bool
            Population averages: the mean response, integrated over the random effects'
            distribution. Not the response of a group with random effects of zero, which
            ``re_form=False, type="response"`` gives.
        """
        return predict_glmm(self, newdata, re_form, allow_new_levels, type, averaged)

    def fit_record(self, design: Design) -> GlmmFit:
        """Return the record of another design."""
        data = as_glmm_data(design, self.family)
        return fit_glmm(data, n_quadrature=self.fit.n_quadrature, control=self.control)

    @property
    def _fitted_values(self) -> FloatArray:
        if "fitted" not in self._cache:
            self._cache["fitted"] = self.family.inverse(linear_predictor(self, True))
        values: FloatArray = self._cache["fitted"]
        return values


@same_by_counts
@fact("glmer")
def conditional_deviance(m: GeneralizedLinearMixedModel) -> float:
    """Return the sum of squared deviance residuals given the random effects."""
    return float(np.sum(np.asarray(m.residuals("deviance")) ** 2))


GeneralizedModel: TypeAlias = GeneralizedLinearModel | GeneralizedLinearMixedModel
"""Models with a family, also for ``isinstance``."""


def as_glmm_data(design: Design, family: Family) -> GlmmData:
    """Return a design as the engine takes it."""
    return GlmmData(
        y=design.y,
        X=design.X,
        terms=as_lmm_data(design).terms,
        family=family,
        trials=design.trials,
        weights=design.weights,
        offset=design.offset,
    )


def fitted_family(family: Family, record: GlmmFit) -> Family:
    """Return the family with the negative binomial's theta that was estimated."""
    return replace(family, theta=record.dispersion) if family.is_negative_binomial else family
