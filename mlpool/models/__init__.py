"""What the user calls and holds: `fit`, `lm`, `glm`, `lmer`, `glmer` and the fitted models.

May import everything below (formula to hypotheses), never tables or plots.
Start reading in ``fit.py``.
"""

from mlpool.models.extractors.coefficients import (
    coef,
    fixef,
    get_parameters,
    p_value,
    ranef,
    standard_error,
    varcorr,
    vcov,
)
from mlpool.models.extractors.influence import hatvalues
from mlpool.models.extractors.principal_components import rePCA
from mlpool.models.extractors.r_names import (
    AIC,
    BIC,
    deviance,
    df_residual,
    family,
    fitted,
    getME,
    isREML,
    isSingular,
    logLik,
    model_frame,
    ngrps,
    nobs,
    predict,
    resid,
    residuals,
    sigma,
    terms,
    weights,
)
from mlpool.models.extractors.random_effects import VarCorr as VarCorrTable
from mlpool.models.fit import AnyModel, fit
from mlpool.models.fitted import FittedModel
from mlpool.models.generalized_mixed import GeneralizedLinearMixedModel, GeneralizedModel
from mlpool.models.mixed import LinearMixedModel
from mlpool.models.mixed_model import MixedModel
from mlpool.models.repeated_measures import gls, lme, mmrm
from mlpool.models.residual_covariance import ResidualModel
from mlpool.models.single_level import GeneralizedLinearModel, LinearModel
from mlpool.models.verbs import glm, glmer, lm, lmer

VarCorr = varcorr

__all__ = [
    "AIC", "BIC", "AnyModel", "FittedModel", "GeneralizedLinearMixedModel",
    "GeneralizedLinearModel", "GeneralizedModel", "LinearMixedModel", "LinearModel",
    "MixedModel", "ResidualModel", "VarCorr", "VarCorrTable", "coef",
    "deviance", "df_residual", "family", "fit", "fitted", "fixef", "getME", "get_parameters",
    "glm", "glmer", "gls", "hatvalues", "isREML", "isSingular", "lm", "lme", "lmer", "logLik",
    "mmrm", "model_frame", "ngrps", "nobs", "p_value", "predict", "ranef", "rePCA", "resid",
    "residuals", "sigma", "standard_error", "terms", "vcov", "weights",
]  # fmt: skip
