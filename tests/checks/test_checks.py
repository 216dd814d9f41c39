"""What checks say of models with nothing to check, their pictures, and mistakes."""

from __future__ import annotations

import pickle
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mlpool

VERBS = [
    "check_singularity", "check_convergence", "check_heteroscedasticity", "check_normality",
    "check_outliers", "check_collinearity", "check_autocorrelation", "check_overdispersion",
    "check_zeroinflation", "check_heterogeneity_bias",
]  # fmt: skip
TINY = pd.DataFrame({"y": [1.0, 2.0, 4.0], "x": [0.0, 1.0, 2.0], "g": ["a", "a", "b"]})
EXACT = pd.DataFrame({"y": [1.0, 2.0, 3.0, 4.0], "x": [0.0, 1.0, 2.0, 3.0], "z": [1.0, 0, 2, 1]})
SEPARATED = pd.DataFrame(
    {"y": [0, 0, 0, 1, 1, 1] * 3, "x": [1, 2, 3, 4, 5, 6] * 3, "g": [*"abc"] * 6}
)


def quietly(verb: str, *arguments: Any, **options: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mlpool.MlpoolWarning)
        return getattr(mlpool, verb)(*arguments, **options)


def flat() -> dict[str, Any]:
    """Groups whose means are equal, so that the variance between them is zero."""
    rng = np.random.default_rng(1)
    a, y = np.repeat(np.arange(8), 8), rng.normal(size=64)
    return {"a": a, "x": rng.normal(size=64), "y": y - (np.bincount(a, y) / 8)[a]}


@pytest.fixture(scope="module")
def odd() -> dict[str, Any]:
    """Models at the edge of what can be fitted."""
    sleep, cbpp = mlpool.load_data("sleepstudy"), mlpool.load_data("cbpp")
    stop = {"max_evaluations": 2}
    return {
        "three rows": quietly("lm", "y ~ x", TINY),
        "saturated": quietly("lm", "y ~ x + I(x^2)", TINY),
        "exact": quietly("lm", "y ~ x + z", EXACT),
        "aliased": quietly("lm", "y ~ x + I(2 * x)", TINY),
        "three rows in two groups": quietly("lmer", "y ~ 1 + (1 | g)", TINY),
        "separated glm": quietly("glm", "y ~ x", SEPARATED, "binomial"),
        "separated glmer": quietly("glmer", "y ~ x + (1 | g)", SEPARATED, "binomial"),
        "singular": quietly("lmer", "y ~ x + (1 | a)", flat()),
        "singular slope": quietly("lmer", "y ~ x + (x | a)", flat()),
        "stopped": quietly("lmer", "Reaction ~ Days + (Days | Subject)", sleep, control=stop),
        "negative binomial": quietly("glmer", "incidence ~ period + (1|herd)", cbpp, "nbinom1"),
        "Gamma": quietly("glmer", "Reaction ~ Days + (1 | Subject)", sleep, "Gamma(log)"),
    }


@pytest.mark.parametrize("verb", VERBS)
def test_every_check_of_an_odd_model_is_a_sentence(verb: str, odd: dict[str, Any]) -> None:
    """Numbers, or one sentence: as a result, or as mlpool's own error."""
    for name, m in odd.items():
        try:
            check = quietly(verb, m)
        except mlpool.NotSupportedError as error:
            assert str(error).endswith((".", "0 and 1)")), name
        else:
            assert str(check).strip(), name
            assert bool(check) in (True, False)
            assert "nan" not in str(check)


@pytest.mark.parametrize("name", ["three rows", "saturated", "exact", "three rows in two groups"])
def test_models_without_residuals_say_so(name: str, odd: dict[str, Any]) -> None:
    for verb, what in {
        "check_heteroscedasticity": "Homoscedasticity",
        "check_normality": "Normality of residuals",
        "check_outliers": "Outliers",
        "check_autocorrelation": "Autocorrelation of residuals",
    }.items():
        check = getattr(mlpool, verb)(odd[name])
        assert str(check).startswith(f"{what} cannot be told: the model leaves no residuals")
        assert check.holds is None
        assert not check
        assert np.isnan(check.p_value)


def test_singular_fits_name_the_term(odd: dict[str, Any]) -> None:
    check = mlpool.check_singularity(odd["singular"])
    assert check
    assert "Singular fit: (Intercept) of a does not vary" in str(check)
    assert check.smallest < 1e-4
    slope = mlpool.check_singularity(odd["singular slope"])
    assert "x of a is determined by the terms before it" in str(slope)
    assert list(slope.to_pandas()["Singular"]) == [False, True]
    assert not mlpool.check_singularity(odd["singular"], tolerance=0.0)
    assert mlpool.check_singularity(odd["stopped"], tolerance=0.5)
    random = mlpool.check_normality(odd["singular"], effects="random")
    assert "cannot be told: they do not vary, or are fewer than three" in str(random)


def test_failed_fits_say_why(odd: dict[str, Any]) -> None:
    stopped = mlpool.check_convergence(odd["stopped"])
    assert not stopped
    assert str(stopped) == (
        "Warning: The fit did not converge: the limit on evaluations was reached; the gradient of "
        "the deviance is not zero."
    )
    assert stopped.to_pandas()["Converged"].tolist() == [False]
    for name in ("separated glm", "separated glmer"):
        check = mlpool.check_convergence(odd[name])
        assert not check
        assert "complete separation: (Intercept), x run to infinity" in str(check)
    by_statsmodels = mlpool.lm("y ~ x", TINY)
    assert mlpool.check_convergence(by_statsmodels)


# --- sense --------------------------------------------------------------------------------------


def test_autocorrelation_finds_what_is_there_and_not_groups() -> None:
    """Independent residuals within groups: no autocorrelation; R's test takes the groups for it."""
    rng = np.random.default_rng(8)
    g = np.repeat(np.arange(40), 10)
    d = {"g": g, "x": rng.normal(size=400)}
    d["y"] = d["x"] + 2.0 * rng.normal(size=40)[g] + rng.normal(size=400)
    m = mlpool.lmer("y ~ x + (1 | g)", d)
    check = mlpool.check_autocorrelation(m, seed=3)
    assert not check
    assert str(check).startswith("OK: Residuals appear to be independent and not autocorrelated")
    assert check.p_value == mlpool.check_autocorrelation(m, seed=3).p_value
    pooled = mlpool.check_autocorrelation(mlpool.lm("y ~ x", d), seed=3)
    assert pooled
    assert str(pooled) == "Warning: Autocorrelated residuals detected (p < .001)."


def test_autocorrelation_keeps_its_level() -> None:
    """Of 200 independent samples about 5 percent are called autocorrelated."""
    rng = np.random.default_rng(5)
    found = 0
    for i in range(200):
        d = {"x": np.arange(20.0), "y": rng.normal(size=20)}
        found += bool(mlpool.check_autocorrelation(mlpool.lm("y ~ x", d), nsim=200, seed=i))
    assert 2 <= found <= 22


def test_large_samples_are_tested_by_kolmogorov_and_smirnov() -> None:
    rng = np.random.default_rng(2)
    d = {"x": rng.normal(size=5_000), "y": rng.normal(size=5_000)}
    check = mlpool.check_normality(mlpool.lm("y ~ x", d))
    assert list(check.table["Test"]) == ["Kolmogorov-Smirnov"]
    assert check
    skewed = mlpool.check_normality(mlpool.lm("y ~ x", {**d, "y": rng.exponential(size=5_000)}))
    assert not skewed
    assert str(skewed) == "Warning: Non-normality of residuals detected (p < .001)."


def test_outliers_carry_the_labels_of_the_data() -> None:
    d = mlpool.load_data("sleepstudy").set_index(pd.Index([f"r{i}" for i in range(180)]))
    d.loc["r9", "Reaction"] += 4_000
    m = mlpool.lm("Reaction ~ Days", d.drop(index="r0"))
    check = mlpool.check_outliers(m)
    assert list(check.cases) == ["r9"]
    assert check.positions == (8,)
    assert str(check).startswith("1 outlier detected: case r9.\n")
    assert len(check) == 1
    assert check.to_pandas().loc["r9", "Outlier"]
    assert len(mlpool.check_outliers(m, threshold=1e-12)) == 179


def test_a_row_with_a_coefficient_of_its_own_is_not_judged() -> None:
    d = mlpool.load_data("sleepstudy").assign(one=lambda d: (d.index == 3) * 1.0)
    check = mlpool.check_outliers(mlpool.lm("Reaction ~ Days + one", d))
    assert np.isnan(check.distance[3])
    assert 3 not in check.positions


def test_leverages_of_crossed_factors_make_the_fitted_values() -> None:
    """H e by the pieces, and by refitting at the same theta with another response."""
    from mlpool.uncertainty.influence import smoother_of

    m = mlpool.lmer("diameter ~ 1 + (1 | plate) + (1 | sample)", mlpool.load_data("Penicillin"))
    hat = smoother_of(m)
    identity = np.eye(m.nobs)
    H = identity - hat.residuals(identity)
    np.testing.assert_allclose(np.diag(H), hat.diagonal(), rtol=1e-8)
    np.testing.assert_allclose(H @ m.design.y, m.fitted, rtol=1e-8)
    # A ridge regression on all dummies, penalty 1 / theta^2.
    Z = np.hstack([np.asarray(r.codes)[:, None] == np.arange(len(r.levels)) for r in
                   m.design.random]).astype(float)  # fmt: skip
    theta = np.concatenate(
        [np.full(len(r.levels), t) for r, t in zip(m.design.random, m.theta, strict=True)]
    )
    W = np.hstack([np.ones((m.nobs, 1)), Z * theta])
    penalty = np.diag(np.r_[0.0, np.ones(Z.shape[1])])
    np.testing.assert_allclose(H, W @ np.linalg.solve(W.T @ W + penalty, W.T), atol=1e-9)


def test_columns_that_were_left_out_as_collinear_are_named() -> None:
    rng = np.random.default_rng(4)
    d = pd.DataFrame(rng.normal(size=(60, 3)), columns=list("xzy")).assign(g=np.arange(60) // 6)
    for kind, group in (("lm", ""), ("lmer", " + (1 | g)")):
        m = quietly(kind, f"y ~ x + z + I(2 * x - z){group}", d)
        with pytest.warns(mlpool.MlpoolWarning, match=r"Collinear without rest.*I\("):
            table = mlpool.check_collinearity(m)
        assert m.aliased[0] in str(table)


def test_collinearity_is_told_in_bands() -> None:
    rng = np.random.default_rng(4)
    x = rng.normal(size=300)
    d = {"x": x, "twin": x + 0.2 * rng.normal(size=300), "other": rng.normal(size=300)}
    d["half"] = d["other"] + 0.45 * rng.normal(size=300)
    d["y"] = rng.normal(size=300)
    table = mlpool.check_collinearity(mlpool.lm("y ~ x + twin + other + half", d))
    text = str(table)
    assert table
    order = ["# Check for Multicollinearity", "# Moderate Correlation", "# High Correlation"]
    assert [line for line in text.splitlines() if line.startswith("#")] == order
    header = "Term  |  VIF |   VIF 95% CI | Increased SE | Tolerance | Tolerance 95% CI"
    assert text.splitlines()[4] == header
    with pytest.warns(mlpool.MlpoolWarning, match="interactions, which inflate"):
        mlpool.check_collinearity(mlpool.lm("y ~ x * twin", d))
    with pytest.warns(mlpool.MlpoolWarning, match="no intercept"):
        mlpool.check_collinearity(mlpool.lm("y ~ 0 + x + other", d))
    one = mlpool.check_collinearity(mlpool.lm("y ~ x", d))
    assert len(one) == 0
    assert "cannot be told: fewer than two terms cannot be collinear." in str(one)
    assert "VIF_CI_low" not in mlpool.check_collinearity(mlpool.lm("y ~ x + half", d), ci=None)


def test_heterogeneity_bias_needs_both_parts() -> None:
    sleep = mlpool.load_data("sleepstudy")  # everybody has the same days
    m = mlpool.lmer("Reaction ~ Days + (Days | Subject)", sleep)
    none = mlpool.check_heterogeneity_bias(m)
    assert not none
    assert str(none) == "No predictor found that could cause heterogeneity bias."
    later = mlpool.lmer("Reaction ~ Days + (1 | Subject)", sleep.iloc[3:])
    assert mlpool.check_heterogeneity_bias(later).names == ("Days",)
    school = mlpool.lmer("math ~ ses * gender + sector + (1 | school)", mlpool.load_data("hsb82"))
    check = mlpool.check_heterogeneity_bias(school)
    assert check.names == ("ses", "gender")
    assert str(check).endswith("following predictors: ses, gender")
    assert list(check.to_pandas()["Flagged"]) == [True, True, False]


def test_zeros_too_few_and_too_many() -> None:
    rng = np.random.default_rng(3)
    y = rng.poisson(3.0, 500)
    assert not mlpool.check_zeroinflation(mlpool.glm("y ~ 1", {"y": y}, "poisson"), tolerance=0.5)
    inflated = np.where(rng.random(500) < 0.3, 0, y)
    check = mlpool.check_zeroinflation(mlpool.glm("y ~ 1", {"y": inflated}, "poisson"))
    assert check
    assert "probable zero-inflation" in str(check)
    few = np.where(y == 0, rng.random(500) < 0.8, y)
    over = mlpool.check_zeroinflation(mlpool.glm("y ~ 1", {"y": few}, "poisson"))
    assert not over
    assert "overfitting zeros" in str(over)
    none = mlpool.check_zeroinflation(mlpool.glm("y ~ 1", {"y": y + 1}, "poisson"))
    assert str(none) == "Model has no observed zeros in the response variable."


# --- pictures, pickles --------------------------------------------------------------------------


def test_checks_draw_their_panels() -> None:
    m = mlpool.lmer("math ~ ses + sector + (1 | school)", mlpool.load_data("hsb82").iloc[:500])
    titles = {
        "check_heteroscedasticity": "Homogeneity of variance",
        "check_normality": "Normality of residuals",
        "check_outliers": "Influential observations",
        "check_collinearity": "Collinearity",
        "check_singularity": "Normality of random effects",
    }
    for verb, title in titles.items():
        check = getattr(mlpool, verb)(m)
        assert check.plot().labels.title == title, verb
        assert mlpool.plot(check).labels.title == title
    random = mlpool.check_normality(m, effects="random").plot()
    assert random.labels.title == "Normality of random effects"
    with pytest.raises(mlpool.NotSupportedError, match="no picture of this check"):
        mlpool.check_autocorrelation(m, nsim=2).plot()
    with pytest.raises(mlpool.OptionError, match="no option 'color'"):
        mlpool.check_outliers(m).plot(color="red")


def test_checks_are_shown_and_pickled() -> None:
    m = mlpool.lm("Reaction ~ Days", mlpool.load_data("sleepstudy"))
    for verb in ("check_normality", "check_outliers", "check_collinearity"):
        check = getattr(mlpool, verb)(m)
        again = pickle.loads(pickle.dumps(check))
        assert str(again) == str(check) == repr(check)
        assert "<" in check._repr_html_()
        assert isinstance(check.to_pandas(), pd.DataFrame)
    check = mlpool.check_heteroscedasticity(m)
    assert float(check) == check.p_value == check.to_pandas()["p"].iloc[0]


# --- mistakes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", [v for v in VERBS if v != "check_heterogeneity_bias"])
def test_something_that_is_no_model(verb: str) -> None:
    with pytest.raises(mlpool.OptionError, match=rf"{verb}\(\) needs a fitted model.*DataFrame"):
        getattr(mlpool, verb)(TINY)


LINEAR = mlpool.lm("Reaction ~ Days", mlpool.load_data("sleepstudy"))
LOGISTIC = mlpool.glm("y ~ g", SEPARATED, "binomial")
MISTAKES: list[tuple[str, Any, dict[str, Any], type[Exception], str]] = [
    ("check_singularity", LINEAR, {"tolerance": -1}, mlpool.OptionError, "0 or more; got -1"),
    ("check_heteroscedasticity", LOGISTIC, {}, mlpool.NotSupportedError, "of linear models"),
    ("check_normality", LOGISTIC, {}, mlpool.NotSupportedError, "those of a binomial model"),
    ("check_normality", LINEAR, {"effects": "radnom"}, mlpool.OptionError, "mean 'random'"),
    ("check_normality", LINEAR, {"effects": "random"}, mlpool.NotSupportedError, "no groups"),
    ("check_outliers", LINEAR, {"threshold": 0}, mlpool.OptionError, "positive number; got 0"),
    ("check_outliers", LINEAR, {"method": "iqr"}, mlpool.OptionError, "method must be one of"),
    ("check_collinearity", LINEAR, {"ci": 95}, mlpool.OptionError, "level between 0 and 1"),
    ("check_autocorrelation", LINEAR, {"nsim": 1}, mlpool.OptionError, "2 or more; got 1"),
    ("check_overdispersion", LINEAR, {}, mlpool.NotSupportedError, "this is a normal model"),
    ("check_overdispersion", LOGISTIC, {}, mlpool.NotSupportedError, "Single trials"),
    ("check_zeroinflation", LOGISTIC, {}, mlpool.NotSupportedError, "not binomial ones"),
    ("check_heterogeneity_bias", LINEAR, {}, mlpool.NotSupportedError, "needs a mixed model"),
    ("check_heterogeneity_bias", TINY, {"by": "g"}, mlpool.OptionError, "needs select= "),
    ("check_heterogeneity_bias", TINY, {"select": "xx", "by": "g"}, mlpool.ColumnNotFoundError,
     "no column 'xx'"),
]  # fmt: skip


@pytest.mark.parametrize(("verb", "x", "options", "error", "text"), MISTAKES)
def test_mistakes(
    verb: str, x: Any, options: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        getattr(mlpool, verb)(x, **options)


def test_more_mistakes() -> None:
    counts = mlpool.glm("y ~ 1", {"y": [0, 1, 3, 2, 0, 1]}, "poisson")
    with pytest.raises(mlpool.OptionError, match=r"tolerance must be .* got 'a'"):
        mlpool.check_zeroinflation(counts, tolerance="a")
    with pytest.raises(mlpool.NotSupportedError, match=r"Try check_overdispersion\(\)"):
        mlpool.check_normality(counts)
    m = mlpool.lmer("Reaction ~ Days + (1 | Subject)", mlpool.load_data("sleepstudy"))
    with pytest.raises(mlpool.OptionError, match="a model knows both"):
        mlpool.check_heterogeneity_bias(m, by="Subject")


def test_too_many_crossed_effects_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlpool.inference.hat_matrix.MAX_CROSSED", 10)
    m = mlpool.lmer("diameter ~ 1 + (1 | plate) + (1 | sample)", mlpool.load_data("Penicillin"))
    with pytest.raises(mlpool.NotSupportedError, match="with 30 random effects of several"):
        mlpool.check_outliers(m)


def test_exact_collinearity_is_collinearity() -> None:
    """A column that others determine has no factor, is named, and does not spoil the others'."""
    rng = np.random.default_rng(1)
    d = {"x": rng.normal(size=200), "z": rng.normal(size=200), "y": rng.normal(size=200)}
    d["near"] = d["x"] + 0.5 * d["z"] + 0.5 * rng.normal(size=200)
    d["twin"] = 2.0 * d["x"] + 1.0
    without = mlpool.check_collinearity(mlpool.lm("y ~ x + near + z", d))
    table = quietly("check_collinearity", quietly("lm", "y ~ x + near + z + twin", d))
    pd.testing.assert_series_equal(table.to_pandas()["VIF"], without.to_pandas()["VIF"])
    assert table
    assert not without
    only = quietly("check_collinearity", quietly("lm", "y ~ x + twin", d))
    assert only
    assert "left out of the fit: twin" in str(only)
