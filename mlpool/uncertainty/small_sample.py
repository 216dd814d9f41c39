"""Small-sample and profile inference of fitted models: the bridge from models to `inference`."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from mlpool.designs.engine_data import as_lmm_data, is_structured
from mlpool.designs.residual_data import is_linear
from mlpool.designs.residual_facts import residual_design_of
from mlpool.designs.row_summaries import fact, of_combinations, same_by_counts
from mlpool.engine.types import LmmFit
from mlpool.errors import MlpoolWarning, NotSupportedError, OptionError, user_level
from mlpool.inference.profiles.glm import GlmProblem, profile_confint_glm
from mlpool.inference.residual.information import ResidualInformation, residual_information
from mlpool.inference.residual.kenward_roger import adjusted_vcov, kenward_roger_with
from mlpool.inference.small_sample.covariance_information import (
    CovarianceInformation,
    average_information,
)
from mlpool.inference.small_sample.information import VarianceInformation, standard_information
from mlpool.inference.small_sample.kenward_roger import KenwardRoger, kenward_roger_of
from mlpool.inference.small_sample.random_wald import RandomWald, random_wald_of
from mlpool.inference.small_sample.satterthwaite import satterthwaite_df
from mlpool.inference.structured import StructuredInformation, structured_information
from mlpool.option_spellings import read_value
from mlpool.typing import FloatArray
from mlpool.uncertainty.fit_records import linear_fit, lmm_fit, ols_fit, residual_fit

if TYPE_CHECKING:
    from mlpool.uncertainty.model_protocol import EstimatedModel

_USUAL_LEVEL = 0.95

_GENITIVE = {"satterthwaite": "Satterthwaite's", "kenward": "Kenward-Roger's"}


def denominator_df(m: EstimatedModel, method: str) -> tuple[FloatArray, FloatArray, str]:
    """Return denominator df (p,), standard errors (p,) and the method's name in the genitive.

    Parameters
    ----------
    m : LinearMixedModel
    method : {"satterthwaite", "kenward"}
        Kenward-Roger adjusts the standard errors too.

    Raises
    ------
    OptionError
        For other methods.
    NotSupportedError
        For Kenward-Roger with ML.
    """
    name = read_value("ci_method", method, tuple(_GENITIVE), argument="ddf")
    if name == "satterthwaite":
        return satterthwaite_df(information_of(m)), m.se.to_numpy(), _GENITIVE[name]
    result = kenward_roger_result(m)
    return result.df, np.sqrt(np.diag(result.vcov)), _GENITIVE[name]


def is_iterative(m: EstimatedModel) -> bool:
    """Tell whether a linear mixed model was fitted by the iterative solver."""
    return isinstance(m.fit, LmmFit) and m.fit.monte_carlo is not None


def _is_free(m: EstimatedModel) -> bool:
    return not is_structured(m.design)


@fact("lmer", when=_is_free)
def information(m: EstimatedModel) -> VarianceInformation:
    """Return the information of the variance parameters, computed once per model."""
    return standard_information(as_lmm_data(m.design), lmm_fit(m))


def _is_structured(m: EstimatedModel) -> bool:
    return is_structured(m.design)


@fact("lmer", when=_is_structured)
def structured_information_of(m: EstimatedModel) -> StructuredInformation:
    """Return the information of a model some of whose terms have few parameters."""
    return structured_information(as_lmm_data(m.design), lmm_fit(m))


def information_of(m: EstimatedModel) -> VarianceInformation | CovarianceInformation:
    """Return the information of a linear model's variance parameters, of any structure."""
    if m.kind != "gls":
        if is_structured(m.design):
            return structured_information_of(m)
        return average_information(lmm_fit(m)) if is_iterative(m) else information(m)
    return information_of_residuals(m)


@fact("gls")
def information_of_residuals(m: EstimatedModel) -> ResidualInformation:
    """Return the information of a residual covariance's parameters, computed once per model."""
    return residual_information(residual_design_of(m).data, residual_fit(m))


def kenward_roger_result(m: EstimatedModel) -> KenwardRoger:
    """Return the Kenward-Roger covariance and df, computed once per model.

    Raises
    ------
    OptionError
        If the fit is by maximum likelihood.
    NotSupportedError
        For fits by the iterative solver.

    Warns
    -----
    MlpoolWarning
        For residual covariances that are not linear in their parameters.
    """
    if is_structured(m.design):
        raise NotSupportedError(
            "Kenward-Roger's method is for covariances that are linear in their parameters, and "
            "those of cs(), ar1() and diag() are not; ci_method='satterthwaite' has df."
        )
    if is_iterative(m):
        raise NotSupportedError(
            "Kenward-Roger's method needs the dense block that the iterative solver leaves out; "
            "ci_method='satterthwaite' has its df from the average information."
        )
    if not m.reml:
        raise OptionError("Kenward-Roger degrees of freedom need a REML fit; use reml=True.")
    cache: dict[str, Any] = m._cache
    if "kenward_roger" not in cache and m.kind == "gls":
        cache["kenward_roger"] = _of_residual_model(m)
    elif "kenward_roger" not in cache:
        cache["kenward_roger"] = kenward_roger_of(information(m))
    result: KenwardRoger = cache["kenward_roger"]
    return result


def _of_residual_model(m: EstimatedModel) -> KenwardRoger:
    if not has_linear_covariance(m):
        warnings.warn(
            "This residual covariance is not linear in its parameters: Kenward-Roger's method "
            "leaves second derivatives out (mmrm's 'Kenward-Roger-Linear', SAS's kr(linear)).",
            MlpoolWarning,
            stacklevel=user_level(),
        )
    return kenward_roger_with(kenward_roger_vcov(m), information_of_residuals(m))


@fact("gls")
def has_linear_covariance(m: EstimatedModel) -> bool:
    """Return whether the covariance of the responses is linear in some parameters."""
    return is_linear(residual_design_of(m))


@fact("gls", when=lambda m: m.reml)
def kenward_roger_vcov(m: EstimatedModel) -> FloatArray:
    """Return Kenward and Roger's covariance of the coefficients (p, p) of a REML fit."""
    return adjusted_vcov(residual_design_of(m).data, residual_fit(m), information_of_residuals(m))


def random_intervals(m: EstimatedModel, level: float = 0.95) -> RandomWald:
    """Return Wald SEs and intervals of the random effects' SDs and correlations."""
    return random_wald_of(information(m), level)


def glm_problem(m: EstimatedModel) -> GlmProblem:
    """Return a GLM as numbers."""
    design = m.design
    prior = design.trials
    if design.weights is not None:
        prior = design.weights if prior is None else prior * design.weights
    assert m.family is not None
    return GlmProblem(
        y=design.y,
        X=design.X.dense()[:, m.fit.kept],
        family=m.family,
        weights=prior,
        offset=design.offset,
        dispersion=ols_fit(m).dispersion,
    )


def profile_intervals(m: EstimatedModel, level: float = _USUAL_LEVEL) -> FloatArray:
    """Return profile-likelihood bounds (p, 2) of a GLM's coefficients (R's ``confint``)."""
    return usual_profile_intervals(m) if level == _USUAL_LEVEL else _profile_intervals(m, level)


@same_by_counts
@fact("glm")
def usual_profile_intervals(m: EstimatedModel) -> FloatArray:
    """Return the bounds at the level that tables have by default."""
    return _profile_intervals(m, _USUAL_LEVEL)


def _profile_intervals(m: EstimatedModel, level: float) -> FloatArray:
    m = of_combinations(m)
    se = np.sqrt(np.diag(linear_fit(m).vcov_unscaled) * ols_fit(m).dispersion)
    return profile_confint_glm(glm_problem(m), m.fit.beta, se, level)
