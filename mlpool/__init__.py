"""Multilevel models with R's formulas: complete, no and partial pooling.

Public names in groups; each is imported when it is first used, so that ``import mlpool`` stays
cheap. Start reading in ``mlpool/models/fit.py``.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from mlpool.datasets import datasets as datasets
from mlpool.datasets import load_data as load_data
from mlpool.errors import (
    ColumnNotFoundError,
    ConvergenceWarning,
    DataError,
    ExtrapolationWarning,
    FewClustersWarning,
    FitError,
    FormulaError,
    MissingDataWarning,
    MlpoolError,
    MlpoolWarning,
    ModelFileError,
    NotSupportedError,
    OptionError,
    RankDeficiencyWarning,
    ScalingWarning,
    SingularFitWarning,
)

if TYPE_CHECKING:
    from mlpool.checks import (
        check_autocorrelation,
        check_collinearity,
        check_convergence,
        check_heterogeneity_bias,
        check_heteroscedasticity,
        check_normality,
        check_outliers,
        check_overdispersion,
        check_singularity,
        check_zeroinflation,
    )
    from mlpool.comparisons import (
        anova,
        drop1,
        linear_hypothesis,
        p_adjust,
        ranova,
        test_likelihoodratio,
    )
    from mlpool.engine.types import Control
    from mlpool.estimates import (
        emmeans,
        emtrends,
        estimate_contrasts,
        estimate_expectation,
        estimate_grouplevel,
        estimate_link,
        estimate_means,
        estimate_prediction,
        estimate_relation,
        estimate_slopes,
        joint_tests,
        pairs,
    )
    from mlpool.files import load_model
    from mlpool.formula.design import model_matrix
    from mlpool.frames import factor
    from mlpool.intervals import Bootstrap, Profile, bootstrap, bootstrap_parameters
    from mlpool.intervals import confint as confint
    from mlpool.intervals import profile as profile
    from mlpool.models import (
        AIC,
        BIC,
        VarCorr,
        coef,
        family,
        fit,
        fitted,
        fixef,
        get_parameters,
        getME,
        glm,
        glmer,
        isREML,
        isSingular,
        lm,
        lmer,
        logLik,
        ngrps,
        nobs,
        p_value,
        ranef,
        resid,
        sigma,
        standard_error,
        update,
        vcov,
        weights,
    )
    from mlpool.models import prediction as predict
    from mlpool.parameters import (
        compare_parameters,
        model_parameters,
        standardize_parameters,
    )
    from mlpool.performance import (
        compare_performance,
        get_variance,
        icc,
        model_performance,
        r2,
        reliability,
    )
    from mlpool.plots import check_model, plot, plot_icc, plot_shrinkage, theme_mlpool
    from mlpool.pooling import PoolingComparison, compare_pooling
    from mlpool.refits import refit, simulate
    from mlpool.reporting import report
    from mlpool.robust import coef_test, wald_test, wild_bootstrap
    from mlpool.summaries import display, summary, summary_table
    from mlpool.teaching import (
        coverage_study,
        design_effect_study,
        sampling_study,
        simple_random_sample,
        simulate_clusters,
        simulate_power,
        simulate_reversal,
        two_stage_sample,
        type_one_error_study,
    )
    from mlpool.transform import (
        center,
        data_codebook,
        deft,
        degroup,
        demean,
        describe_distribution,
        design_effect,
        effective_n,
        equivalent_n,
        pooling_estimate,
        precision_weighted_mean,
        se_pooling,
        shrinkage,
        standardize,
        table_one,
        variance_ratio,
    )

__version__ = "0.1.0"

__all__ = [  # noqa: RUF022  # grouped as a user meets them, not alphabetically
    # fit
    "fit",
    "lm",
    "glm",
    "lmer",
    "glmer",
    "Control",
    # look inside
    "fixef",
    "ranef",
    "coef",
    "vcov",
    "VarCorr",
    "standard_error",
    "p_value",
    "get_parameters",
    # R's and lme4's other extractors
    "AIC",
    "BIC",
    "logLik",
    "sigma",
    "nobs",
    "predict",
    "fitted",
    "resid",
    "weights",
    "family",
    "formula",
    "ngrps",
    "isSingular",
    "isREML",
    "getME",
    # again
    "simulate",
    "refit",
    "update",
    "load_model",
    # intervals
    "confint",
    "profile",
    "Profile",
    "bootstrap",
    "Bootstrap",
    "bootstrap_parameters",
    # tables
    "model_parameters",
    "compare_parameters",
    "standardize_parameters",
    "summary",
    "summary_table",
    "display",
    # three poolings of one question
    "compare_pooling",
    "PoolingComparison",
    # tests that hold with few clusters
    "coef_test",
    "wald_test",
    "wild_bootstrap",
    # compare terms, models, hypotheses
    "anova",
    "test_likelihoodratio",
    "ranova",
    "drop1",
    "linear_hypothesis",
    "p_adjust",
    # how good a model is
    "icc",
    "r2",
    "get_variance",
    "reliability",
    "model_performance",
    "compare_performance",
    # in words
    "report",
    # what a model assumes
    "check_singularity",
    "check_convergence",
    "check_heteroscedasticity",
    "check_normality",
    "check_outliers",
    "check_collinearity",
    "check_autocorrelation",
    "check_overdispersion",
    "check_zeroinflation",
    "check_heterogeneity_bias",
    # look
    "plot",
    "check_model",
    "plot_shrinkage",
    "plot_icc",
    "theme_mlpool",
    # answers
    "estimate_means",
    "estimate_contrasts",
    "estimate_slopes",
    "estimate_relation",
    "estimate_expectation",
    "estimate_link",
    "estimate_prediction",
    "estimate_grouplevel",
    "emmeans",
    "pairs",
    "emtrends",
    "joint_tests",
    # data
    "load_data",
    "datasets",
    "factor",
    "model_matrix",
    # simulate and teach
    "simulate_clusters",
    "simulate_reversal",
    "simple_random_sample",
    "two_stage_sample",
    "sampling_study",
    "coverage_study",
    "type_one_error_study",
    "design_effect_study",
    "simulate_power",
    # prepare and describe data, arithmetic of pooling
    "demean",
    "degroup",
    "center",
    "standardize",
    "describe_distribution",
    "data_codebook",
    "table_one",
    "shrinkage",
    "pooling_estimate",
    "precision_weighted_mean",
    "design_effect",
    "deft",
    "effective_n",
    "equivalent_n",
    "variance_ratio",
    "se_pooling",
    # errors and warnings
    "MlpoolError",
    "FormulaError",
    "DataError",
    "ColumnNotFoundError",
    "NotSupportedError",
    "OptionError",
    "FitError",
    "ModelFileError",
    "MlpoolWarning",
    "ConvergenceWarning",
    "SingularFitWarning",
    "RankDeficiencyWarning",
    "MissingDataWarning",
    "FewClustersWarning",
    "ScalingWarning",
    "ExtrapolationWarning",
    "__version__",
]

_MODELS = (
    "AIC", "BIC", "VarCorr", "coef", "family", "fit", "fitted", "fixef", "getME",
    "get_parameters", "glm", "glmer", "isREML", "isSingular", "lm", "lmer", "logLik", "ngrps",
    "nobs", "p_value", "predict", "ranef", "refit", "resid", "sigma", "simulate",
    "standard_error", "update", "vcov", "weights",
)  # fmt: skip
_TRANSFORM = (
    "center", "data_codebook", "deft", "degroup", "demean", "describe_distribution",
    "design_effect", "effective_n", "equivalent_n", "pooling_estimate",
    "precision_weighted_mean", "se_pooling", "shrinkage", "standardize", "table_one",
    "variance_ratio",
)  # fmt: skip
_CHECKS = (
    "check_autocorrelation", "check_collinearity", "check_convergence",
    "check_heterogeneity_bias", "check_heteroscedasticity", "check_normality", "check_outliers",
    "check_overdispersion", "check_singularity", "check_zeroinflation",
)  # fmt: skip
_ESTIMATES = (
    "emmeans", "emtrends", "estimate_contrasts", "estimate_expectation", "estimate_grouplevel",
    "estimate_link", "estimate_means", "estimate_prediction", "estimate_relation",
    "estimate_slopes", "joint_tests", "pairs",
)  # fmt: skip
_TEACHING = (
    "coverage_study", "design_effect_study", "sampling_study", "simple_random_sample",
    "simulate_clusters", "simulate_power", "simulate_reversal", "two_stage_sample",
    "type_one_error_study",
)  # fmt: skip
_INTERVALS = ("Bootstrap", "Profile", "bootstrap", "bootstrap_parameters", "confint", "profile")

_HOME = {
    "mlpool.comparisons": (
        "anova",
        "drop1",
        "linear_hypothesis",
        "p_adjust",
        "ranova",
        "test_likelihoodratio",
    ),
    "mlpool.checks": _CHECKS,
    "mlpool.engine.types": ("Control",),
    "mlpool.files": ("load_model",),
    "mlpool.estimates": _ESTIMATES,
    "mlpool.formula.design": ("model_matrix",),
    "mlpool.frames": ("factor",),
    "mlpool.intervals": _INTERVALS,
    "mlpool.models": _MODELS,
    "mlpool.parameters": (
        "compare_parameters",
        "model_parameters",
        "standardize_parameters",
    ),
    "mlpool.performance": (
        "compare_performance",
        "get_variance",
        "icc",
        "model_performance",
        "r2",
        "reliability",
    ),
    "mlpool.plots": ("check_model", "plot", "plot_icc", "plot_shrinkage", "theme_mlpool"),
    "mlpool.pooling": ("PoolingComparison", "compare_pooling"),
    "mlpool.reporting": ("report",),
    "mlpool.robust": ("coef_test", "wald_test", "wild_bootstrap"),
    "mlpool.summaries": ("display", "summary", "summary_table"),
    "mlpool.teaching": _TEACHING,
    "mlpool.transform": _TRANSFORM,
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}


def __getattr__(name: str) -> object:
    """Import a public name when it is first used (PEP 562)."""
    if name == "formula":  # a folder that is called like R's function: see there
        return import_module("mlpool.formula")
    module = _MODULE_OF.get(name)
    if module is None:
        if name.startswith("_"):
            raise AttributeError(f"module 'mlpool' has no attribute {name!r}.")
        missing_name = import_module("mlpool.signposts").missing_name
        raise AttributeError(missing_name(name, __all__))
    value = getattr(import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, also those not imported yet."""
    return sorted({*globals(), *__all__})
