"""Names, argument names and their order are a contract: a change here is a change for users."""

from __future__ import annotations

import inspect
import warnings

import pytest

import mlpool
from mlpool import errors

NAMES = {
    "fit lm glm lmer glmer gls lme mmrm Control",
    "fixef ranef coef vcov VarCorr standard_error p_value get_parameters",
    "AIC BIC logLik sigma nobs predict fitted resid weights family formula",
    "residuals deviance df_residual model_frame terms r_spelling",
    "parameters performance tidy glance augment hatvalues cooks_distance",
    "influence dfbeta dfbetas all_fit",
    "ngrps rePCA isSingular isREML getME",
    "simulate refit update",
    "load_model",
    "confint profile Profile bootstrap Bootstrap bootstrap_parameters",
    "model_parameters compare_parameters summary summary_table display",
    "plot check_model plot_shrinkage plot_icc theme_mlpool",
    "compare_pooling PoolingComparison lm_list",
    "coef_test wald_test wild_bootstrap",
    "anova test_likelihoodratio ranova drop1 linear_hypothesis p_adjust",
    "check_singularity check_convergence check_heteroscedasticity check_normality check_outliers",
    "check_collinearity check_autocorrelation check_overdispersion check_zeroinflation",
    "check_heterogeneity_bias report ACF Variogram",
    "estimate_means estimate_contrasts estimate_slopes estimate_relation estimate_expectation",
    "estimate_link estimate_prediction estimate_grouplevel emmeans pairs emtrends joint_tests",
    "contrast regrid eta_squared omega_squared epsilon_squared",
    "icc r2 get_variance reliability model_performance compare_performance",
    "load_data datasets factor model_matrix",
    "scan",
    "standardize_parameters demean degroup center standardize",
    "describe_distribution data_codebook table_one",
    "shrinkage pooling_estimate precision_weighted_mean design_effect deft effective_n",
    "equivalent_n variance_ratio se_pooling",
    "simulate_clusters simulate_reversal simple_random_sample two_stage_sample sampling_study",
    "coverage_study type_one_error_study design_effect_study simulate_power",
    "MlpoolError FormulaError DataError ColumnNotFoundError NotSupportedError OptionError FitError",
    "MlpoolWarning ConvergenceWarning SingularFitWarning RankDeficiencyWarning",
    "ModelFileError",
    "MissingDataWarning FewClustersWarning ScalingWarning ExtrapolationWarning",
    "__version__",
}

FIT_ARGUMENTS = {
    "family", "reml", "cluster", "vcov", "weights", "offset", "contrasts", "subset", "na_action",
    "engine", "control", "correlation", "dispersion",
}  # fmt: skip


def test_public_names_are_frozen() -> None:
    assert set(mlpool.__all__) == {name for line in NAMES for name in line.split()}
    assert len(mlpool.__all__) == len(set(mlpool.__all__))


@pytest.mark.parametrize("verb", ["fit", "lm", "glm", "lmer", "glmer"])
def test_fitting_verbs_take_formula_and_data_first(verb: str) -> None:
    assert list(inspect.signature(getattr(mlpool, verb)).parameters)[:2] == ["formula", "data"]


def test_fit_takes_the_documented_arguments() -> None:
    parameters = inspect.signature(mlpool.fit).parameters
    assert set(parameters) >= FIT_ARGUMENTS
    keyword_only = inspect.Parameter.KEYWORD_ONLY
    assert all(parameters[name].kind is keyword_only for name in FIT_ARGUMENTS)


@pytest.mark.parametrize("verb", ["fit", "lm", "lmer", "model_parameters"])
def test_unknown_argument_fails(verb: str) -> None:
    with pytest.raises(TypeError, match="no_such_option"):
        getattr(mlpool, verb)("y ~ x", {"y": [1.0], "x": [2.0]}, no_such_option=1)


def test_load_data_takes_a_name_and_a_backend() -> None:
    parameters = inspect.signature(mlpool.load_data).parameters
    assert list(parameters) == ["name", "backend"]
    assert parameters["backend"].default == "pandas"


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        ("FormulaError", ValueError),
        ("DataError", ValueError),
        ("ColumnNotFoundError", KeyError),
        ("NotSupportedError", NotImplementedError),
        ("OptionError", TypeError),
        ("FitError", ValueError),
        ("ModelFileError", OSError),
    ],
)
def test_errors_are_caught_by_their_builtin(error: str, builtin: type[Exception]) -> None:
    kind = getattr(mlpool, error)
    assert issubclass(kind, builtin)
    assert issubclass(kind, mlpool.MlpoolError)


def test_warnings_can_be_silenced_together() -> None:
    leaves = [w for w in vars(errors).values() if inspect.isclass(w) and issubclass(w, Warning)]
    assert all(issubclass(w, mlpool.MlpoolWarning) for w in leaves)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("ignore", mlpool.MlpoolWarning)
        for leaf in leaves:
            warnings.warn("silenced", leaf, stacklevel=1)
    assert not seen


@pytest.mark.parametrize("name", [n for n in mlpool.__all__ if n != "__version__"])
def test_every_public_name_is_documented(name: str) -> None:
    assert inspect.getdoc(getattr(mlpool, name)), name
