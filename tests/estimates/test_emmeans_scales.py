"""emmeans' spellings answer on the link's scale as R's, and on the response's on request.

R 4.2.2, emmeans 1.8.4 of cbpp: ``pairs(emmeans(m, "period"))`` 0.992, 1.128, 1.580; those of
``type = "response"`` are their exponentials with the same tests.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mlpool


@pytest.fixture(scope="module")
def cbpp():
    formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    return mlpool.glmer(formula, mlpool.load_data("cbpp"), "binomial")


@pytest.fixture(scope="module")
def logged():
    rng = np.random.default_rng(0)
    d = pd.DataFrame({"g": rng.choice(["a", "b", "c"], 150), "x": rng.normal(size=150)})
    d["y"] = np.exp(1 + 0.5 * (d["g"] == "b") + 0.2 * d["x"] + rng.normal(0, 0.3, 150))
    return d


def test_contrasts_are_log_odds_and_their_ratios_have_the_same_tests(cbpp):
    table = mlpool.pairs(cbpp, "~ period")
    np.testing.assert_allclose(table["Difference"][:3], [0.992, 1.128, 1.580], atol=2e-3)
    ratios = mlpool.pairs(cbpp, "~ period", type="response")
    np.testing.assert_allclose(ratios["Ratio"], np.exp(table["Difference"]), rtol=1e-12)
    np.testing.assert_allclose(ratios["SE"], ratios["Ratio"] * table["SE"], rtol=1e-12)
    for end in ("CI_low", "CI_high"):
        np.testing.assert_allclose(ratios[end], np.exp(table[end]), rtol=1e-12)
    np.testing.assert_array_equal(ratios["p"], table["p"])
    assert "Odds ratios" in str(ratios)
    other = mlpool.estimate_contrasts(
        cbpp,
        "period",
        comparison="revpairwise",
        exponentiate=True,
        p_adjust="tukey",
        adjust_ci=True,
    )
    np.testing.assert_allclose(other["Ratio"], ratios["Ratio"])


def test_means_and_trends(cbpp):
    link = mlpool.emmeans(cbpp, "~ period")
    assert link["Mean"].iloc[0] == pytest.approx(-1.398, abs=2e-3)
    response = mlpool.emmeans(cbpp, "~ period", type="response")
    np.testing.assert_allclose(response["Probability"], 1 / (1 + np.exp(-link["Mean"])))
    d = mlpool.load_data("hsb82").assign(high=lambda t: (t["math"] > 13).astype(int))
    g = mlpool.glm("high ~ ses * sector", d, "binomial")
    trends = mlpool.emtrends(g, "~ sector", "ses")
    assert trends["Slope"].iloc[0] == pytest.approx(g.fixef()["ses"], rel=1e-8)
    shares = mlpool.emtrends(g, "~ sector", "ses", type="response")
    assert shares["Slope"].iloc[0] < trends["Slope"].iloc[0]


def test_links_without_ratios_keep_their_scale():
    d = mlpool.load_data("hsb82").assign(high=lambda t: (t["math"] > 13).astype(int))
    m = mlpool.glm("high ~ sector", d, "binomial(probit)")
    np.testing.assert_allclose(
        mlpool.pairs(m, "~ sector", type="response")["Difference"],
        mlpool.pairs(m, "~ sector")["Difference"],
    )
    with pytest.raises(mlpool.OptionError, match="logit or log link"):
        mlpool.estimate_contrasts(m, "sector", exponentiate=True)
    with pytest.raises(mlpool.OptionError, match="not both"):
        mlpool.emmeans(m, "~ sector", type="response", predict="link")


@pytest.mark.parametrize(
    ("response", "back"),
    [("log(y)", np.exp), ("log2(y)", np.exp2), ("log1p(y)", np.expm1), ("sqrt(y)", np.square),
     ("log10(y + 2)", lambda v: 10**v - 2)],
)  # fmt: skip
def test_transformed_responses_are_taken_back(logged, response, back):
    m = mlpool.lm(f"{response} ~ g + x", logged)
    plain, taken = mlpool.emmeans(m, "~ g"), mlpool.emmeans(m, "~ g", type="response")
    for column in ("Mean", "CI_low", "CI_high"):
        np.testing.assert_allclose(taken[column], back(plain[column]), rtol=1e-10)
    step = 1e-6
    slope = (back(plain["Mean"] + step) - back(plain["Mean"] - step)) / (2 * step)
    np.testing.assert_allclose(taken["SE"], slope * plain["SE"], rtol=1e-6)
    for verb in (mlpool.estimate_relation, mlpool.estimate_prediction, mlpool.estimate_means):
        a, b = verb(m, by="g"), verb(m, by="g", predict="response")
        for i in (1, 3, 4):
            np.testing.assert_allclose(b.iloc[:, i], back(a.iloc[:, i]), rtol=1e-10)
    with pytest.raises(mlpool.OptionError, match="slopes are of"):
        mlpool.estimate_slopes(m, "x", predict="response")


def test_geometric_means_have_ratios_and_unknown_transformations_a_sentence(logged):
    m = mlpool.lm("log10(y) ~ g + x", logged)
    ratio = mlpool.pairs(m, "~ g", type="response")["Ratio"]
    np.testing.assert_allclose(ratio, 10 ** mlpool.pairs(m, "~ g")["Difference"], rtol=1e-12)
    odd = mlpool.lm("I(y^2) ~ g", logged)
    with pytest.raises(
        mlpool.OptionError, match=r"cannot be taken back from I\(y \^ 2\)|taken back"
    ):
        mlpool.estimate_means(odd, "g", predict="response")


def test_by_and_pairwise_as_in_r():
    m = mlpool.lm("angle ~ recipe * temperature", mlpool.load_data("cake"))
    one = mlpool.emmeans(m, "recipe", by="temperature").to_pandas()
    pd.testing.assert_frame_equal(one, mlpool.emmeans(m, "~ recipe | temperature").to_pandas())
    both = mlpool.emmeans(m, "pairwise ~ recipe | temperature")
    assert "$emmeans" in str(both) and "$contrasts" in str(both)
    expected = mlpool.pairs(m, "~ recipe | temperature").to_pandas()
    pd.testing.assert_frame_equal(both.contrasts.to_pandas(), expected)
    means, contrasts = both
    assert means is both["emmeans"] and contrasts is both["contrasts"]
    reverse = mlpool.pairs(m, "~ recipe", reverse=True)["Difference"]
    np.testing.assert_allclose(reverse, -mlpool.pairs(m, "~ recipe")["Difference"])
    control = mlpool.emmeans(m, "trt.vs.ctrl ~ recipe").contrasts
    assert control["Level2"].to_list() == ["A", "A"]
    with pytest.raises(mlpool.OptionError, match=r"no argument 'wieghts'\. Did you mean 'weights'"):
        mlpool.emmeans(m, "~ recipe", wieghts="equal")
    with pytest.raises(mlpool.OptionError, match="before the tilde"):
        mlpool.emmeans(m, "pairwize ~ recipe")


def test_pairs_takes_a_model_with_specs_or_a_table_of_means():
    m = mlpool.lm("angle ~ recipe", mlpool.load_data("cake"))
    for means in (mlpool.emmeans(m, "recipe"), mlpool.estimate_means(m, "recipe")):
        assert list(mlpool.pairs(means)["p"]) == list(mlpool.pairs(m, "recipe")["p"])
    with pytest.raises(mlpool.OptionError, match="needs what is compared"):
        mlpool.pairs(m)
