"""What users get wrong: one sentence each."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mlpool
from mlpool.errors import MlpoolWarning, NotSupportedError, OptionError, SingularFitWarning


@pytest.fixture(scope="module")
def singular() -> Any:
    with pytest.warns(SingularFitWarning):
        return mlpool.lmer("Yield ~ 1 + (1 | Batch)", mlpool.load_data("Dyestuff2"))


@pytest.fixture(scope="module")
def linear() -> Any:
    return mlpool.lm("Reaction ~ Days", mlpool.load_data("sleepstudy"))


@pytest.fixture(scope="module")
def mixed() -> Any:
    return mlpool.lmer("Reaction ~ Days + (1 | Subject)", mlpool.load_data("sleepstudy"))


@pytest.mark.parametrize("verb", ["icc", "get_variance", "reliability"])
def test_models_without_random_effects(verb: str, linear: Any) -> None:
    with pytest.raises(NotSupportedError, match=rf"{verb}\(\) needs a model with random effects"):
        getattr(mlpool, verb)(linear)


@pytest.mark.parametrize("verb", ["icc", "r2", "get_variance", "reliability", "model_performance"])
def test_something_that_is_no_model(verb: str) -> None:
    with pytest.raises(OptionError, match=r"needs a fitted model.*got a DataFrame"):
        getattr(mlpool, verb)(pd.DataFrame({"x": [1.0]}))


def test_singular_fit_has_no_icc(singular: Any) -> None:
    with pytest.warns(SingularFitWarning, match=r"variances are zero.*tolerance=0"):
        table = mlpool.icc(singular)
    assert np.isnan(table["ICC_adjusted"].iloc[0])
    assert "Adjusted ICC: NA" in str(table)
    assert mlpool.icc(singular, tolerance=0)["ICC_adjusted"].iloc[0] == pytest.approx(0.0, abs=1e-8)
    with pytest.warns(SingularFitWarning, match="ICC cannot be told"):
        assert np.isnan(mlpool.icc(singular, by_group=True)["ICC"].iloc[0])


def test_singular_fit_has_no_conditional_r2(singular: Any) -> None:
    with pytest.warns(SingularFitWarning, match="conditional R2 cannot be told"):
        text = str(mlpool.r2(singular))
    assert "  Conditional R2: NA\n     Marginal R2: 0.000" in text
    row = mlpool.model_performance(singular)
    assert np.isnan(row["R2_conditional"].iloc[0])
    table, _, note = str(row).partition("Singular fit: ")
    assert "R2 (marg.)" in table
    assert "R2 (cond.)" not in table
    assert "ICC" not in table
    assert note.startswith("no ICC and no conditional R2")


def test_singular_fit_with_interval_gives_none(singular: Any) -> None:
    with pytest.warns(SingularFitWarning):
        table = mlpool.icc(singular, ci=0.95, seed=1)
    assert np.isnan(table["ICC_adjusted_CI_low"].iloc[0])


def test_level_tolerance_and_iterations(mixed: Any) -> None:
    with pytest.raises(OptionError, match="ci must be a level between 0 and 1"):
        mlpool.icc(mixed, ci=95)
    with pytest.raises(OptionError, match="tolerance must be a number, 0 or more; got -1"):
        mlpool.r2(mixed, tolerance=-1)
    with pytest.raises(OptionError, match="iterations must be a whole number, 2 or more"):
        mlpool.icc(mixed, ci=0.9, iterations=1)
    with pytest.raises(OptionError, match="seed must be a whole number"):
        mlpool.r2(mixed, ci=0.9, seed="x")


def test_r2_by_group_needs_groups(linear: Any) -> None:
    with pytest.raises(NotSupportedError, match=r"by_group=True.*random effects"):
        mlpool.r2(linear, by_group=True)


def test_r2_of_several_trials_is_refused_and_left_out() -> None:
    m = mlpool.glm(
        "cbind(incidence, size - incidence) ~ period", mlpool.load_data("cbpp"), family="binomial"
    )
    with pytest.raises(NotSupportedError, match="several trials per row"):
        mlpool.r2(m)
    assert list(mlpool.model_performance(m).columns) == ["AIC", "AICc", "BIC", "RMSE", "Sigma"]
    last = str(mlpool.model_parameters(m, include_info=True)).splitlines()[-1]
    assert last.startswith("RMSE")


def test_unknown_group_and_metric(mixed: Any) -> None:
    with pytest.raises(OptionError, match=r"group must be one of.*Did you mean 'Subject'"):
        mlpool.reliability(mixed, group="Subjct")
    with pytest.raises(OptionError, match=r"metrics must be among.*Did you mean 'RMSE'"):
        mlpool.model_performance(mixed, metrics="RMS")
    with pytest.raises(OptionError, match="none of the metrics"):
        mlpool.model_performance(mixed, metrics=["PCP"])


def test_component_that_is_not_there(mixed: Any) -> None:
    v = mlpool.get_variance(mixed)
    with pytest.raises(KeyError, match=r"var.slope.*not among var.fixed"):
        v["var.slope"]
    assert len(v) == 6
    assert v.var_intercept["Subject"] == v["var.intercept"]["Subject"]
    assert "var.intercept Subject" in str(v)


def test_comparisons(mixed: Any, linear: Any) -> None:
    with pytest.raises(OptionError, match="two models or more"):
        mlpool.compare_performance(mixed)
    with pytest.raises(OptionError, match="each of the 2 models a name of its own"):
        mlpool.compare_performance(mixed, linear, names=["a"])
    with pytest.raises(OptionError, match=r"compare_performance.*needs a fitted model"):
        mlpool.compare_performance(mixed, 3)
    other = mlpool.lm("Days ~ Reaction", mlpool.load_data("sleepstudy").iloc[:90])
    with pytest.warns(MlpoolWarning, match="not fitted to the same data"):
        mlpool.compare_performance(linear, other)


def test_halves_of_the_data_are_not_the_same_data() -> None:
    d = mlpool.load_data("sleepstudy")
    first, second = (mlpool.lm("Reaction ~ Days", d.iloc[s]) for s in (slice(90), slice(90, 180)))
    with pytest.warns(MlpoolWarning, match="though to as many rows .*values of Reaction"):
        mlpool.compare_performance(first, second)
    gaps = [d.assign(a=d.Days.where(d.index != i)) for i in (3, 5)]
    with pytest.warns(MlpoolWarning, match="though to as many rows"):
        mlpool.compare_performance(*(_quietly(g.assign(Reaction=1.0 * d.Days)) for g in gaps))


def _quietly(data: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return mlpool.lm("Reaction ~ a + Subject", data)


def test_slopes_are_noted() -> None:
    m = mlpool.lmer("Reaction ~ Days + (Days | Subject)", mlpool.load_data("sleepstudy"))
    assert "random slopes" in str(mlpool.icc(m, by_group=True))
    assert "random slopes" in str(mlpool.r2(m, by_group=True))


def test_group_of_one_row_and_groups_without_own_slope() -> None:
    d = mlpool.load_data("sleepstudy").iloc[:-9]
    m = mlpool.lmer("Reaction ~ Days + (Days | Subject)", d)
    table = mlpool.reliability(m)
    alone = table.to_pandas().query("n == 1")
    assert len(alone) == 2
    assert alone["Reliability"].isna().all()
    assert table["Reliability"].between(0, 1).sum() == len(table) - 2
