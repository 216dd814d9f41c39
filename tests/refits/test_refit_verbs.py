"""After ``refit(m, y)`` every verb speaks of y: as of the model fitted to data that hold y."""

from __future__ import annotations

import pickle
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mlpool

VERBS: dict[str, Callable[[Any], Any]] = {
    "print": str,
    "summary": lambda m: str(mlpool.summary(m)),
    "display": mlpool.display,
    "summary_table": lambda m: str(mlpool.summary_table(m)),
    "model_parameters": mlpool.model_parameters,
    "compare_parameters": lambda m: str(mlpool.compare_parameters(m)),
    "standardize_parameters": lambda m: mlpool.standardize_parameters(m, "refit"),
    "standardize_parameters, basic": lambda m: mlpool.standardize_parameters(m, "basic"),
    "standardize": lambda m: mlpool.standardize(m).fixef(),
    "standardize, robust": lambda m: mlpool.standardize(m, robust=True, two_sd=True).fixef(),
    "report": lambda m: str(mlpool.report(m)),
    "anova": lambda m: mlpool.anova(m),
    "drop1": lambda m: mlpool.drop1(m),
    "drop1, Chisq": lambda m: mlpool.drop1(m, test="Chisq"),
    "linear_hypothesis": lambda m: mlpool.linear_hypothesis(m, "x = 0"),
    "update, term": lambda m: mlpool.update(m, ". ~ . - x").loglik,
    "update": lambda m: mlpool.update(m).fixef(),
    "refit": lambda m: mlpool.refit(m, m.design.y).fixef() if m.design.trials is None else 0,
    "simulate": lambda m: mlpool.simulate(m, 2, seed=1),
    "confint": lambda m: mlpool.confint(m, method="wald"),
    "bootstrap": lambda m: mlpool.bootstrap(m, 3, seed=1).draws,
    "wild_bootstrap": lambda m: mlpool.wild_bootstrap(m, "x", cluster="g", seed=1),
    "coef_test": lambda m: mlpool.coef_test(m, cluster="g"),
    "icc": mlpool.icc,
    "r2": mlpool.r2,
    "get_variance": mlpool.get_variance,
    "reliability": mlpool.reliability,
    "model_performance": mlpool.model_performance,
    "compare_performance": lambda m: str(mlpool.compare_performance(m)),
    "estimate_means": lambda m: mlpool.estimate_means(m, by="f"),
    "estimate_contrasts": lambda m: mlpool.estimate_contrasts(m, contrast="f"),
    "estimate_slopes": lambda m: mlpool.estimate_slopes(m, trend="x"),
    "estimate_relation": lambda m: mlpool.estimate_relation(m, by="x"),
    "estimate_expectation": mlpool.estimate_expectation,
    "estimate_prediction": lambda m: mlpool.estimate_prediction(m, seed=1),
    "estimate_link": mlpool.estimate_link,
    "emmeans": lambda m: mlpool.emmeans(m, "f"),
    "contrast": lambda m: mlpool.contrast(mlpool.emmeans(m, "f")),
    "regrid": lambda m: mlpool.regrid(mlpool.emmeans(m, "f")),
    "eta_squared": mlpool.eta_squared,
    "omega_squared": mlpool.omega_squared,
    "epsilon_squared": mlpool.epsilon_squared,
    "joint_tests": mlpool.joint_tests,
    "check_convergence": lambda m: str(mlpool.check_convergence(m)),
    "check_heteroscedasticity": lambda m: str(mlpool.check_heteroscedasticity(m)),
    "check_normality": lambda m: str(mlpool.check_normality(m)),
    "check_outliers": lambda m: str(mlpool.check_outliers(m)),
    "check_overdispersion": lambda m: str(mlpool.check_overdispersion(m)),
    "check_zeroinflation": lambda m: str(mlpool.check_zeroinflation(m)),
    "influence": lambda m: mlpool.influence(m, "g", refit=False).dfbetas,
    "dfbeta": lambda m: mlpool.dfbeta(m, refit=False),
    "dfbetas": lambda m: mlpool.dfbetas(m, refit=False),
    "fixef": mlpool.fixef,
    "vcov": mlpool.vcov,
    "vcov, CR2": lambda m: mlpool.vcov(m, "CR2", cluster="g"),
    "fitted": lambda m: m.fitted,
    "resid": lambda m: m.resid,
    "deviance": lambda m: [m.loglik, m.aic, m.deviance, m.sigma],
    "statsmodels": lambda m: None if m.kind == "glmer" else np.asarray(m.statsmodels.params),
}
MIXED: dict[str, Callable[[Any], Any]] = {
    "ranova": mlpool.ranova,
    "all_fit": lambda m: mlpool.all_fit(m, 1).to_pandas().iloc[:2, 1],
    "update, ML": lambda m: mlpool.update(m, reml=False).fixef(),
    "ranef": lambda m: m.ranef()["g"],
    "coef": lambda m: m.coef()["g"],
    "VarCorr": lambda m: str(m.varcorr()),
    "rePCA": lambda m: str(mlpool.rePCA(m)),
    "estimate_grouplevel": mlpool.estimate_grouplevel,
    "anova of two": lambda m: mlpool.anova(m, mlpool.update(m, ". ~ . - x")),
    "anova, bootstrap": lambda m: mlpool.anova(
        m, mlpool.update(m, ". ~ . - x"), bootstrap=3, seed=1
    ),
    "satterthwaite": lambda m: str(m.summary(ddf="satterthwaite")) if m.kind == "lmer" else 0,
    "bootstrap of a verb": lambda m: (
        mlpool.bootstrap(
            m, 2, statistic=lambda one: mlpool.update(one, ". ~ . - x").loglik, seed=1
        ).draws
    ),
}


def _data(seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    n, g = 160, np.repeat(np.arange(16), 10)
    d = pd.DataFrame({"x": rng.normal(size=n), "g": g, "f": np.tile(list("abcd"), n // 4)})
    eta = 0.5 * d["x"] + 0.4 * rng.normal(size=16)[g]
    d["y"] = eta + rng.normal(size=n)
    d["size"] = np.exp(d["y"])
    d["count"] = rng.poisson(np.exp(0.5 + eta))
    d["yes"] = (d["y"] > 0).astype(int)
    d["answer"] = np.where(d["y"] > 0, "yes", "no")
    d["tried"] = 8
    d["won"] = rng.binomial(8, 1 / (1 + np.exp(-eta)))
    return d


FIRST, SECOND = _data(1), _data(2)
RESPONSES = ["y", "size", "count", "yes", "answer", "won"]
DATA = FIRST
HOLDING = FIRST.assign(**{name: SECOND[name] for name in RESPONSES})

MODELS: dict[str, tuple[str, str | None, Callable[[pd.DataFrame], Any]]] = {
    "lm": ("y ~ x + f", None, lambda d: d["y"]),
    "lm of log": ("log(size) ~ x + f", None, lambda d: np.log(d["size"])),
    "lm of I": ("I(y / 4) ~ x + f", None, lambda d: d["y"] / 4),
    "glm": ("count ~ x + f", "poisson", lambda d: d["count"]),
    "glm of labels": ("answer ~ x + f", "binomial", lambda d: d["answer"]),
    "lmer": ("y ~ x + f + (1 | g)", None, lambda d: d["y"]),
    "lmer of log": ("log(size) ~ x + f + (1 | g)", None, lambda d: np.log(d["size"])),
    "glmer": ("count ~ x + f + (1 | g)", "poisson", lambda d: d["count"]),
    "glmer of trials": (
        "cbind(won, tried - won) ~ x + f + (1 | g)", "binomial", lambda d: d["won"]
    ),
}  # fmt: skip


def told(verb: Callable[[Any], Any], m: Any) -> Any:
    """Return what a verb says of a model; a refusal is an answer, too."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return verb(m)
        except mlpool.MlpoolError as sentence:
            return str(sentence)


def numbers_of(text: str) -> list[float]:
    return [float(n) for n in re.findall(r"-?\d+\.?\d*(?:e[-+]?\d+)?", text)]


def assert_same(got: Any, expected: Any, what: str) -> None:
    if hasattr(got, "to_pandas"):
        got, expected = got.to_pandas(), expected.to_pandas()
    if isinstance(got, pd.DataFrame):
        pd.testing.assert_frame_equal(got, expected, rtol=2e-4, atol=2e-5, obj=what)
    elif isinstance(got, str):
        # printed digits: the optimum is the same to more than these, but for the last one
        assert re.sub(r"[-\d.e+]+", "#", got) == re.sub(r"[-\d.e+]+", "#", expected), what
        np.testing.assert_allclose(
            numbers_of(got), numbers_of(expected), rtol=2e-3, atol=0.02, err_msg=what
        )
    elif got is not None:
        np.testing.assert_allclose(got, expected, rtol=2e-4, atol=2e-5, err_msg=what)


def fitted(name: str) -> tuple[Any, Any]:
    """Return a model refitted to another response, and the model of data that hold it."""
    formula, family, response = MODELS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        again = mlpool.refit(mlpool.fit(formula, DATA, family=family), response(HOLDING))
        return again, mlpool.fit(formula, HOLDING, family=family)


@pytest.mark.parametrize("name", MODELS)
def test_every_verb_speaks_of_the_new_response(name: str) -> None:
    again, fresh = fitted(name)
    verbs = VERBS | MIXED if again.is_mixed else VERBS
    for what, verb in verbs.items():
        if name == "lm of I" and what.startswith("standardize"):
            continue  # y / 4 is standardized as a whole: no column holds its y
        assert_same(told(verb, again), told(verb, fresh), f"{name}: {what}")


def test_verbs_that_take_a_model_are_all_in_the_table() -> None:
    """A new verb of one model joins the table above, or says here why not."""
    named = {what.partition(",")[0] for what in VERBS | MIXED}
    elsewhere = {
        "fit lm glm lmer glmer gls lme mmrm scan",  # take formula and data
        "profile bootstrap_parameters plot check_model plot_shrinkage plot_icc",  # of the same fit
        "compare_pooling test_likelihoodratio wald_test standard_error p_value get_parameters",
        "lm_list",
        "check_singularity check_collinearity check_autocorrelation check_heterogeneity_bias",
        "ACF Variogram",
        "pairs emtrends p_adjust VarCorr theme_mlpool",
        "load_data load_model datasets factor model_matrix demean degroup center",
        "describe_distribution data_codebook table_one shrinkage pooling_estimate",
        "precision_weighted_mean design_effect deft effective_n equivalent_n variance_ratio",
        "se_pooling simulate_clusters simulate_reversal simple_random_sample two_stage_sample",
        "sampling_study coverage_study type_one_error_study design_effect_study simulate_power",
        "isSingular isREML ngrps getME formula family nobs weights predict resid logLik sigma",
        "residuals deviance df_residual model_frame terms r_spelling parameters performance",
        "tidy glance augment hatvalues cooks_distance",
    }
    out = {name for line in elsewhere for name in line.split()}
    verbs = {n for n in mlpool.__all__ if n[0].islower() and not n.startswith("_")}
    assert verbs - named - out == set()


@pytest.mark.parametrize("name", ["lmer of log", "glmer of trials", "glm of labels", "lmer"])
def test_a_refitted_model_keeps_its_response_in_files_and_pickles(
    name: str, tmp_path: Path
) -> None:
    again, fresh = fitted(name)
    for one in (
        mlpool.load_model(again.save(tmp_path / "m", data=True)),
        pickle.loads(pickle.dumps(again)),
    ):
        assert_same(told(VERBS["drop1"], one), told(VERBS["drop1"], fresh), name)
    first = (tmp_path / "m").read_bytes()
    second = mlpool.load_model(tmp_path / "m").save(tmp_path / "n", data=True).read_bytes()
    assert first == second


@pytest.mark.filterwarnings("ignore::mlpool.MlpoolWarning")
@pytest.mark.parametrize("polars", [False, True])
def test_rows_that_were_not_used_stay_out_or_have_what_was_given(polars: bool) -> None:
    gaps = DATA.assign(x=DATA["x"].where(DATA.index % 9 != 0))
    holding = gaps.assign(y=HOLDING["y"])
    if polars:
        gaps = pytest.importorskip("polars").from_pandas(gaps)
    m = mlpool.lmer("y ~ x + (1 | g)", gaps, subset="f != 'a'")
    kept = m.design.kept
    of_all = m.refit(HOLDING["y"].to_numpy())
    of_used = m.refit(HOLDING["y"].to_numpy()[kept])
    fresh = mlpool.lmer("y ~ x + (1 | g)", holding, subset="f != 'a'")
    for one in (of_all, of_used):
        assert_same(mlpool.drop1(one), mlpool.drop1(fresh), "drop1")
        assert one.nobs == fresh.nobs
    assert of_all.update(". ~ . - x").nobs == fresh.update(". ~ . - x").nobs == 120
    assert of_used.update(". ~ . - x").nobs == fresh.nobs


def test_a_response_that_is_a_predictor_too_changes_on_the_left_only() -> None:
    m = mlpool.lm("y ~ x + I(y > 0)", DATA).refit(HOLDING["y"])
    fresh = mlpool.lm("z ~ x + I(y > 0)", DATA.assign(z=HOLDING["y"]))
    np.testing.assert_allclose(m.update(". ~ . - x").fixef(), fresh.update(". ~ . - x").fixef())


def test_the_users_frame_stays_as_it_is() -> None:
    before = DATA.copy()
    m = mlpool.lm("y ~ x", DATA).refit(HOLDING["y"])
    mlpool.standardize(m)
    pd.testing.assert_frame_equal(DATA, before)


def test_another_left_side_needs_data() -> None:
    m = mlpool.lm("log(size) ~ x", DATA).refit(np.log(HOLDING["size"]))
    with pytest.raises(mlpool.NotSupportedError, match=r"keep the left side log\(size\)"):
        m.update("size ~ .")
    assert m.update("size ~ .", data=HOLDING).nobs == len(HOLDING)
    assert m.update("y ~ .").fixef()["x"] == mlpool.lm("y ~ x", DATA).fixef()["x"]


def test_resampled_clusters_have_no_data_to_fit_again() -> None:
    m = mlpool.lmer("y ~ x + (1 | g)", DATA)
    drawn = mlpool.bootstrap(m, 3, "case", statistic=lambda one: one.fixef()["x"], seed=1)
    assert drawn.n_failed == 0
    with pytest.raises(mlpool.MlpoolError, match="has no data frame"):
        mlpool.bootstrap(m, 3, "case", statistic=lambda one: one.update(". ~ 1").loglik, seed=1)
