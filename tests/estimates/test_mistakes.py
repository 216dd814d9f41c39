"""A user's mistakes get one sentence; what cannot be estimated is missing, not wrong."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mlpool
from mlpool import estimate_contrasts, estimate_means, estimate_relation, estimate_slopes


@pytest.fixture(scope="module")
def hsb():
    return mlpool.load_data("hsb82")


@pytest.fixture(scope="module")
def m(hsb):
    return mlpool.lm("math ~ ses * gender + sector", hsb)


@pytest.fixture(scope="module")
def mixed(hsb):
    return mlpool.lmer("math ~ ses + gender + (1 | school)", hsb)


@pytest.mark.parametrize(
    ("by", "message"),
    [
        ("gendr", r"by names 'gendr', which is no predictor .* Did you mean 'gender'\?"),
        ("gender = [X]", r"gender has no level 'X'; it has M, F"),
        ("ses = [quartile]", r"neither a number nor one of the words .*Did you mean 'quartiles'"),
        ("ses = []", r"has no values between the brackets"),
        ("ses = [inf]", r"values must be finite"),
        ("gender = [sd]", r"gender is a factor; \[sd\] needs numbers"),
        (["ses", "ses"], r"by names 'ses' twice"),
        (3, r"by must be a name, a list of names"),
        ("=", r"cannot be read"),
    ],
)
def test_by(m, by, message):
    with pytest.raises(mlpool.OptionError, match=message):
        estimate_means(m, by=by)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"estimate": "typicl"}, r"estimate must be one of .*Did you mean 'typical'"),
        ({"predict": "respons"}, r"predict must be one of .*Did you mean 'response'"),
        ({"predict": 3}, r"predict must be one of"),
        ({"ci": 95}, r"ci"),
        ({"length": 1}, r"length must be a whole number above 1"),
        ({"length": True}, r"length must be a whole number above 1"),
        ({"at": {"gender": "M"}}, r"at names 'gender', which is focal"),
        ({"at": {"ses": 0}, "estimate": "average"}, r"takes no at="),
    ],
)
def test_options(m, options, message):
    with pytest.raises(mlpool.OptionError, match=message):
        estimate_means(m, by="gender", **options)


@pytest.mark.parametrize(
    ("contrast", "options", "message"),
    [
        ("ses", {}, r"ses is a number: give values to compare"),
        ("gender = [M]", {}, r"needs at least two levels or values; there is one"),
        ("gender", {"comparison": "pairwse"}, r"comparison must be one of .*'pairwise'"),
        ("gender", {"comparison": {"a": [1, 2, 3]}}, r"needs 2 finite weights .*got 3"),
        ("gender", {"comparison": {"a": ["x", "y"]}}, r"one number per level"),
        ("gender", {"by": "gender"}, r"'gender' is in contrast and in by"),
        ("gender", {"p_adjust": "holmes"}, r"p_adjust must be one of .*'tukey'"),
        ("gender", {"p_adjust": "tukey", "comparison": "poly"}, r"for pairwise comparisons"),
        ([], {}, r"contrast names no predictor"),
    ],
)
def test_contrasts(m, contrast, options, message):
    with pytest.raises(mlpool.OptionError, match=message):
        estimate_contrasts(m, contrast, **options)


def test_nothing_to_contrast_or_to_slope(hsb):
    with pytest.raises(mlpool.OptionError, match="no factor to contrast"):
        estimate_contrasts(mlpool.lm("math ~ ses", hsb))
    with pytest.raises(mlpool.OptionError, match="no numeric predictor"):
        estimate_slopes(mlpool.lm("math ~ gender", hsb))


def test_slopes(m, mixed):
    with pytest.raises(mlpool.OptionError, match=r"gender is a factor and has no slope"):
        estimate_slopes(m, "gender")
    with pytest.raises(mlpool.OptionError, match=r"trend must be the name"):
        estimate_slopes(m, 3)
    with pytest.raises(mlpool.OptionError, match=r"'school' is a grouping factor"):
        estimate_slopes(mixed, "ses", by="school")


def test_link_is_on_the_links_scale(m):
    with pytest.raises(mlpool.OptionError, match=r"scale of the link.*estimate_expectation\(\)"):
        mlpool.estimate_link(m, by="ses", predict="response")
    assert len(mlpool.estimate_link(m, by="ses = [0, 1]", predict="link")) == 2


def test_relation(m, mixed, hsb):
    with pytest.raises(mlpool.OptionError, match=r"not both"):
        estimate_relation(m, by="ses", data=hsb)
    with pytest.raises(mlpool.OptionError, match=r"include_random=False leaves its effects"):
        estimate_relation(mixed, by=["ses", "school"], include_random=False)
    with pytest.raises(mlpool.OptionError, match=r"add 'school' to by="):
        estimate_relation(mixed, by="ses", include_random=True)
    with pytest.raises(mlpool.OptionError, match=r"the grouping factors are school"):
        estimate_relation(mixed, by="ses", include_random="schol")
    with pytest.raises(mlpool.OptionError, match=r"must be True, False or a grouping factor"):
        estimate_relation(mixed, by="ses", include_random=3)
    with pytest.raises(mlpool.OptionError, match=r"has no argument 'seeed'.*'seed'"):
        mlpool.estimate_prediction(m, by="ses", seeed=1)
    with pytest.raises(mlpool.OptionError, match=r"has no argument 'seed'"):
        mlpool.estimate_expectation(m, by="ses", seed=1)
    with pytest.raises(mlpool.OptionError, match=r"iterations must be a whole number"):
        mlpool.estimate_prediction(m, by="ses", iterations=5)
    with pytest.raises(mlpool.NotSupportedError, match=r"vcov= and cluster= are for population"):
        estimate_relation(mixed, by=["ses", "school = [1224]"], vcov="CR2", cluster="school")
    new = pd.DataFrame({"ses": [0.0], "gender": ["M"], "school": ["nowhere"]})
    with pytest.raises(mlpool.OptionError, match=r"school = 'nowhere' was not in the data"):
        estimate_relation(mixed, data=new, include_random=True)
    with pytest.raises(mlpool.ColumnNotFoundError, match=r"There is no column 'gender'"):
        estimate_relation(m, data=new.drop(columns="gender"))


def test_relation_says_which_words_have_no_effect(m):
    plain = estimate_relation(m, "ses", estimate="typical").to_pandas()
    with pytest.warns(mlpool.MlpoolWarning, match="estimate='average' has no effect in estimate_"):
        other = estimate_relation(m, "ses", estimate="average").to_pandas()
    pd.testing.assert_frame_equal(other, plain)
    with pytest.raises(mlpool.OptionError, match="estimate must be one of"):
        estimate_relation(m, "ses", estimate="mean")


def test_grouplevel(m, mixed):
    with pytest.raises(mlpool.OptionError, match=r"random effects such as"):
        mlpool.estimate_grouplevel(m)
    with pytest.raises(mlpool.OptionError, match=r"type must be one of"):
        mlpool.estimate_grouplevel(mixed, "totals")
    with pytest.raises(mlpool.OptionError, match=r"group must be one of"):
        mlpool.estimate_grouplevel(mixed, group="sector")


def test_specs_of_emmeans(m, mixed):
    with pytest.raises(mlpool.OptionError, match=r"specs must be a formula"):
        mlpool.emmeans(m, 3)
    with pytest.raises(mlpool.OptionError, match=r"cannot be read"):
        mlpool.emmeans(m, "~ a ~ b")
    with pytest.raises(mlpool.OptionError, match=r"lmer_df must be one of"):
        mlpool.emmeans(mixed, "~ gender", lmer_df="wald")


def test_a_table_that_is_no_model():
    with pytest.raises(mlpool.MlpoolError, match=r"estimate_means\(\)"):
        estimate_means(pd.DataFrame({"a": [1]}))


def test_extrapolation_is_said(m):
    with pytest.warns(mlpool.ExtrapolationWarning, match=r"ses = 9 lies outside the data"):
        table = estimate_means(m, by="ses = [0, 9]")
    assert "ses = 9 lies outside the data" in str(table)


def test_misleading_averages_are_noted(m):
    text = str(estimate_means(m, by="ses = [0]"))
    assert "ses interacts with gender, over which means are averaged" in text
    assert "interacts" not in str(estimate_means(m, by=["ses = [0]", "gender"]))
    assert "interacts" not in str(estimate_means(m, by="sector"))


def test_many_levels_are_returned_and_not_printed():
    rng = np.random.default_rng(1)
    J = 10_000
    g = np.repeat(np.arange(J), 2)
    d = pd.DataFrame({"g": g.astype(str), "x": rng.normal(size=2 * J)})
    d["y"] = d["x"] + rng.normal(size=2 * J)
    m = mlpool.lm("y ~ x + g", d)
    table = estimate_means(m, by="g", ci_method="residual")
    assert len(table) == J
    text = str(table)
    assert len(text) < 1000
    assert "10,000 rows" in text and "to_pandas()" in text
    few = table.to_pandas().set_index("g").loc[["17", "4711"], "Mean"]
    by_hand = [
        d.loc[d["g"] == k, "y"].mean()
        - m.fixef()["x"] * (d.loc[d["g"] == k, "x"].mean() - d["x"].mean())
        for k in ("17", "4711")
    ]
    np.testing.assert_allclose(few, by_hand, rtol=1e-9)


def test_what_the_data_do_not_determine_is_missing(hsb):
    """An empty cell's mean is not estimable; a coefficient of zero is not silently put in."""
    d = pd.DataFrame({"f": list("aabbcc") * 5, "h": list("uvuvuu") * 5})
    d["y"] = np.random.default_rng(3).normal(size=30)
    with pytest.warns(mlpool.RankDeficiencyWarning):
        m = mlpool.lm("y ~ f * h", d)
    table = estimate_means(m, by=["f", "h"]).to_pandas().set_index(["f", "h"])
    cells = d.groupby(["f", "h"])["y"].mean()
    assert np.isnan(table.loc[("c", "v"), "Mean"]) and np.isnan(table.loc[("c", "v"), "SE"])
    for cell, mean in cells.items():
        np.testing.assert_allclose(table.loc[cell, "Mean"], mean, rtol=1e-9)
    means = estimate_means(m, by="f").to_pandas().set_index("f")["Mean"]
    assert means.isna().tolist() == [False, False, True]


def test_singular_models_answer():
    rng = np.random.default_rng(2)
    d = pd.DataFrame({"g": np.repeat(np.arange(8), 6).astype(str), "x": rng.normal(size=48)})
    d["y"] = d["x"] + rng.normal(size=48)
    with pytest.warns(mlpool.SingularFitWarning):
        m = mlpool.lmer("y ~ x + (1 | g)", d)
    assert m.is_singular
    table = estimate_means(m, by="x = [0]", ci_method="satterthwaite")
    assert np.isfinite(table["SE"]).all()
    total = mlpool.estimate_grouplevel(m, "total").to_pandas()
    np.testing.assert_allclose(total["SE"], m.se["(Intercept)"], rtol=1e-6)


def test_random_effects_of_a_nested_factor_say_what_the_grid_lacks():
    data = mlpool.load_data("Pastes")
    data = data.assign(t=np.arange(len(data)) % 7)
    m = mlpool.lmer("strength ~ t + (1 | batch/cask)", data)
    with pytest.raises(
        mlpool.OptionError, match="add 'cask' to by=, or take include_random='batch'"
    ):
        mlpool.estimate_relation(m, by=["t", "batch"], include_random=True)
    assert len(mlpool.estimate_relation(m, by=["t", "batch"], include_random="batch"))
    assert len(mlpool.estimate_relation(m, by=["t", "batch", "cask"], include_random=True))
