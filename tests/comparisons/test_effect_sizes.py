"""Eta, omega and epsilon squared against R's effectsize (r/effect_sizes.R)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

import mlpool

R = json.loads((Path(__file__).parent / "r" / "effect_sizes.json").read_text())
KINDS = {"eta": "Eta2", "omega": "Omega2", "epsilon": "Epsilon2"}
REL_BOUNDS = 3e-2
"""Relative; effectsize looks for both noncentralities at once by a simplex search, which stops up
to 2 % early where one is 0. The next test holds ours to their definition."""


def _fit(kind: str) -> Any:
    bar = " + (1 | recipe:replicate)" if kind == "lmer" else ""
    return mlpool.fit(f"angle ~ recipe * temp{bar}", mlpool.load_data("cake"))


@pytest.mark.parametrize("fitted", ["lm", "lmer"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("side", ["greater", "two.sided"])
@pytest.mark.parametrize("partial", [True, False])
def test_shares_and_intervals(fitted: str, kind: str, side: str, partial: bool) -> None:
    m, verb = _fit(fitted), getattr(mlpool, f"{kind}_squared")
    if fitted == "lmer" and not partial:
        with pytest.raises(mlpool.OptionError, match="needs the residual sum of squares"):
            verb(m, partial=False)
        return
    theirs = R[fitted][f"{kind}_squared"][side]["partial" if partial else "total"]
    table = verb(mlpool.anova(m), partial=partial, alternative=side)
    name = KINDS[kind] + ("_partial" if partial else "")
    assert table["Parameter"].to_list() == theirs["Parameter"]
    # relative: sums of squares agree to rounding, lme4's theta to 1e-5
    rel = 1e-9 if fitted == "lm" else 1e-5
    np.testing.assert_allclose(table[name], theirs[name], rtol=rel)
    for end in ("CI_low", "CI_high"):
        np.testing.assert_allclose(table[end], theirs[end], rtol=REL_BOUNDS)
    np.testing.assert_array_equal(table[name], verb(m, partial=partial)[name])


def test_bounds_are_where_the_noncentral_f_has_the_levels_tails() -> None:
    m = _fit("lm")
    table = mlpool.eta_squared(m, alternative="two.sided", ci=0.9)
    tests = mlpool.anova(m).to_pandas()
    inside = 0
    for end, tail in (("CI_low", 0.95), ("CI_high", 0.05)):
        for share, f, df in zip(table[end], tests["F"], tests["df"], strict=False):
            ncp = share / (1.0 - share) * 264.0
            below = stats.ncf.cdf(f, df, 264.0, ncp) if ncp else stats.f.cdf(f, df, 264.0)
            assert below == pytest.approx(tail, abs=1e-8) if ncp else below <= tail
            inside += ncp > 0.0
    assert inside == 3


def test_shares_of_all_variance_add_up_to_r2_and_do_not_depend_on_units() -> None:
    d = mlpool.load_data("cake")
    m = mlpool.lm("angle ~ recipe * temp", d)
    share = mlpool.eta_squared(m, partial=False)
    assert share["Eta2"].sum() == pytest.approx(mlpool.r2(m)["R2"].iloc[0], rel=1e-12)
    d = d.assign(angle=d["angle"] * 1e-6, temp=d["temp"] * 60)
    other = mlpool.lm("angle ~ recipe * temp", d)
    for verb in (mlpool.eta_squared, mlpool.omega_squared, mlpool.epsilon_squared):
        a, b = verb(m).to_pandas(), verb(other).to_pandas()
        np.testing.assert_allclose(a.iloc[:2, 1:], b.iloc[:2, 1:], rtol=1e-7)


def test_one_term() -> None:
    table = mlpool.omega_squared(mlpool.lm("angle ~ recipe", mlpool.load_data("cake")))
    assert table["Omega2_partial"].iloc[0] == pytest.approx(R["one_term"]["Omega2"], rel=1e-9)


def test_model_parameters_of_a_table_of_tests() -> None:
    for fitted in ("lm", "lmer"):
        m = _fit(fitted)
        tests = mlpool.anova(m)
        table = mlpool.model_parameters(tests)
        assert list(table.columns[: len(tests.columns)]) == list(tests.columns)
        for kind, name in KINDS.items():
            one = getattr(mlpool, f"{kind}_squared")(m)
            np.testing.assert_array_equal(table[f"{name}_partial"][:3], one[f"{name}_partial"])
            np.testing.assert_array_equal(table[f"{name}_CI_low"][:3], one["CI_low"])
        assert "Eta2 (partial)" in str(table)
        assert "Type" in str(table)
        assert "Eta2_CI_low" not in mlpool.model_parameters(tests, ci=None)
    third = mlpool.eta_squared(mlpool.anova(_fit("lm"), type="III"))
    assert third["Parameter"].to_list() == ["recipe", "temp", "recipe:temp"]
    assert "Type III" in str(third)


def test_mistakes() -> None:
    d = mlpool.load_data("cbpp")
    g = mlpool.glm("cbind(incidence, size - incidence) ~ period", d, "binomial")
    with pytest.raises(mlpool.OptionError, match="needs F tests of the terms of one model"):
        mlpool.eta_squared(g)
    with pytest.raises(mlpool.OptionError, match="needs F tests"):
        mlpool.model_parameters(mlpool.model_parameters(g))
    with pytest.raises(mlpool.OptionError, match="ci must be a number between 0 and 1"):
        mlpool.omega_squared(_fit("lm"), ci=95)
    with pytest.raises(mlpool.OptionError, match="alternative must be one of"):
        mlpool.epsilon_squared(_fit("lm"), alternative="both")
