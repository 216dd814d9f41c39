"""Bootstrap tests of two models are pbkrtest's PBmodcomp (tests/comparisons/r/bootstrap_test.R)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mlpool
from mlpool.comparisons import bootstrap_test
from mlpool.comparisons.bootstrap_test import LikelihoodRatios, bootstrap_p
from tests.tolerances import ABS_OPTIMUM, REL_GLMM

R = json.loads((Path(__file__).parent / "r" / "bootstrap_test.json").read_text())
CBPP = "cbind(incidence, size - incidence) ~ {} + (1 | herd)"
CAKE = "angle ~ {} + (1 | recipe:replicate)"


def _cake() -> pd.DataFrame:
    d = mlpool.load_data("cake")
    return d[d["replicate"].astype(int).between(5, 9)]


def _pair(name: str, **options: Any) -> tuple[Any, Any]:
    if name == "cake":
        d = _cake()
        pair = [mlpool.lmer(CAKE.format(f), d, **options) for f in ("temp", "recipe + temp")]
    else:
        d = mlpool.load_data("cbpp")
        pair = [
            mlpool.glmer(CBPP.format(f), d, family="binomial", **options) for f in ("1", "period")
        ]
    return pair[0], pair[1]


def _responses(name: str, m: Any) -> list[np.ndarray]:
    drawn = [np.array(y, dtype=float) for y in R[name]["y"]]
    return drawn if name == "cake" else [y / m.design.trials for y in drawn]


@pytest.mark.parametrize("name", ["cake", "cbpp"])
def test_ratios_of_given_responses_as_lme4(name: str) -> None:
    small, big = _pair(name, **({"REML": False} if name == "cake" else {}))
    ratios = LikelihoodRatios(small, big)
    found = [float(ratios.of(y)[0][0]) for y in _responses(name, small)]
    # The difference of two optima, each known as the criterion is; Laplace's to glmer's digits.
    rel = 0.0 if name == "cake" else REL_GLMM
    np.testing.assert_allclose(found, R[name]["ratio"], rtol=rel, atol=2 * ABS_OPTIMUM)


@pytest.mark.parametrize("name", ["cake", "cbpp"])
def test_p_of_given_ratios_as_pbkrtest(name: str) -> None:
    p = bootstrap_p(np.array(R[name]["ratio"]), R[name]["stat"], tie=0.0)
    assert p == pytest.approx(R[name]["p_given"], rel=1e-14)  # a ratio of two counts


@pytest.mark.parametrize("reml", [True, False])
def test_table_has_the_two_rows_of_pbkrtest(reml: bool) -> None:
    small, big = _pair("cake", REML=reml)
    table = mlpool.anova(big, small, bootstrap=300, seed=1)
    rows: Any = table.to_pandas().set_index("Name")
    assert list(rows.index) == ["LRT", "PBtest"] and list(rows.columns) == ["Chi2", "df", "p"]
    assert rows["Chi2"].to_numpy() == pytest.approx(R["cake"]["stat"], abs=2 * ABS_OPTIMUM)
    assert rows.loc["LRT", "df"] == R["cake"]["df"] and pd.isna(rows.loc["PBtest", "df"])
    assert rows.loc["LRT", "p"] == pytest.approx(R["cake"]["p_LRT"], abs=ABS_OPTIMUM)
    # Two shares, of 300 and of 1000: four standard errors of their difference.
    want = R["cake"]["p_1000"]
    error = np.sqrt(want * (1 - want) * (1 / 300 + 1 / 1000))
    assert abs(rows.loc["PBtest", "p"] - want) < 4 * error
    extreme = round(rows.loc["PBtest", "p"] * 301) - 1
    assert f"300 responses simulated from Model 2, {extreme} of them" in str(table)


def test_p_is_that_of_refits_by_the_public_verbs() -> None:
    small, big = _pair("cake", REML=False)
    table = mlpool.anova(small, big, bootstrap=19, seed=7).to_pandas()
    count = 0
    for child in np.random.SeedSequence(7).spawn(19):
        y = mlpool.simulate(small, 1, seed=np.random.default_rng(child))
        ratio = 2 * (mlpool.refit(big, y).loglik - mlpool.refit(small, y).loglik)
        count += ratio >= table["Chi2"][0]
    assert table["p"][1] == (1 + count) / 20


def test_sums_made_once_give_what_whole_fits_give(monkeypatch: pytest.MonkeyPatch) -> None:
    small, big = _pair("cake", REML=False)
    quick = LikelihoodRatios(small, big)
    monkeypatch.setattr(bootstrap_test, "is_foreign", lambda m: True)
    whole = LikelihoodRatios(small, big)
    for y in _responses("cake", small)[:3]:
        assert quick.of(y)[0] == pytest.approx(whole.of(y)[0], abs=2 * ABS_OPTIMUM)


def test_ties_count_and_a_ratio_of_zero_has_p_of_one() -> None:
    drawn = np.array([0.0, 0.0, 1.0, 2.0])
    assert bootstrap_p(drawn, 0.0, tie=1e-8) == 1.0
    assert bootstrap_p(drawn, 1.0 + 1e-9, tie=1e-8) == 3 / 5
    assert bootstrap_p(drawn, 3.0, tie=1e-8) == 1 / 5


def test_a_variance_is_tested_against_a_model_without_it() -> None:
    d = _cake()
    flat = mlpool.lm("angle ~ temp", d)
    table = mlpool.anova(flat=flat, groups=_pair("cake")[0], bootstrap=19, seed=1).to_pandas()
    assert table["p"].iloc[1] == 1 / 20 and table["df"].iloc[0] == 1
    outcomes = mlpool.load_data("cbpp")
    glm = mlpool.glm(CBPP.split(" + (")[0].format("1"), outcomes, family="binomial")
    nodes = mlpool.glmer(CBPP.format("1"), outcomes, family="binomial", nAGQ=5)
    row = mlpool.anova(glm, nodes, bootstrap=5, seed=1).to_pandas()
    assert row["p"].iloc[1] == 1 / 6


def test_unit_of_the_response_and_order_of_models_change_nothing() -> None:
    d = _cake()
    again = d.assign(angle=d["angle"] * 1e6)
    small, big = (mlpool.lmer(CAKE.format(f), again) for f in ("temp", "recipe + temp"))
    one = mlpool.anova(*_pair("cake"), bootstrap=30, seed=3).to_pandas()
    for models in ((small, big), (big, small)):
        other = mlpool.anova(*models, bootstrap=30, seed=3).to_pandas()
        assert other["p"][1] == one["p"][1]
        assert other["Chi2"][0] == pytest.approx(one["Chi2"][0], abs=2 * ABS_OPTIMUM)


def test_what_cannot_be_tested_is_said() -> None:
    d = _cake()
    small, big = _pair("cake")
    beside = mlpool.lmer(CAKE.format("recipe"), d)
    flat = [mlpool.lm(f, d) for f in ("angle ~ 1", "angle ~ temp")]
    refused: list[tuple[tuple[Any, ...], dict[str, Any], str]] = [
        ((big,), {"bootstrap": 9}, "compares two models"),
        ((small, big, beside), {"bootstrap": 9}, "compares two models; got 3"),
        (tuple(flat), {"bootstrap": 9}, r"for lmer\(\), glmer\(\) and gls\(\) models"),
        ((small, beside), {"bootstrap": 9}, "a model within another"),
        ((small, big), {"bootstrap": 1}, "bootstrap"),
        ((small, big), {"bootstrap": True}, "bootstrap"),
        ((small, big), {"seed": 1}, "seed= is for the simulated responses"),
        ((small, big), {"bootstrap": 9, "seed": "x"}, "seed"),
        ((small, big), {"bootstrap": 9, "ddf": "kr"}, "so ddf= has no meaning"),
        ((small, big), {"bootstrap": 9, "refit": False}, "so refit=False has no meaning"),
        ((small, big), {"bootstrap": 9, "boundary": True}, "so boundary=True has no meaning"),
        ((small, big), {"bootstrap": 9, "test": "F"}, "so test='F' has no meaning"),
    ]
    for models, options, text in refused:
        with pytest.raises(mlpool.OptionError, match=text):
            mlpool.anova(*models, **options)
