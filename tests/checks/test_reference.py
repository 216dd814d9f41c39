"""Checks against the numbers and sentences of R's performance; r/checks.R made r/checks.json."""

from __future__ import annotations

import json
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mlpool

REFERENCE = json.loads((Path(__file__).parent / "r" / "checks.json").read_text(encoding="utf-8"))
HETEROGENEITY = REFERENCE.pop("heterogeneity")

REL = {"lm": 1e-8, "glm": 1e-6, "lmer": 2e-5, "glmer": 2e-4}
"""By kind: direct solutions; IRLS; theta found by two optimisers; R's optimiser has no gradient."""
REL_SHAPIRO = 1e-5
"""Royston's polynomials are single-precision constants in both programs."""


def _part() -> pd.DataFrame:
    d = mlpool.load_data("hsb82").assign(good=lambda d: (d["math"] > 13) * 1)
    schools = sorted(d["school"].astype(str).unique())[:40]
    assert len(d["school"].cat.categories) == 160
    return d[d["school"].astype(str).isin(schools)]


def _sleep() -> pd.DataFrame:
    return mlpool.load_data("sleepstudy").assign(w=lambda d: 1.0 + d["Days"] % 3)


MODELS: dict[str, Any] = {
    "lm": lambda: mlpool.lm("math ~ ses * sector + meanses", _part()),
    "lm_large": lambda: mlpool.lm("math ~ ses + sector + meanses", mlpool.load_data("hsb82")),
    "lm_weights": lambda: mlpool.lm("Reaction ~ Days + I(Days^2)", _sleep(), weights="w"),
    "glm_binomial": lambda: mlpool.glm("good ~ ses + sector + minority", _part(), "binomial"),
    "glm_trials": lambda: mlpool.glm(
        "cbind(incidence, size - incidence) ~ period", mlpool.load_data("cbpp"), "binomial"
    ),
    "glm_poisson": lambda: mlpool.glm(
        "incidence ~ period + size", mlpool.load_data("cbpp"), "poisson"
    ),
    "lmer": lambda: mlpool.lmer("Reaction ~ Days + (Days | Subject)", _sleep()),
    "lmer_ml": lambda: mlpool.lmer(
        "math ~ ses + sector + meanses + (1 | school)", _part(), REML=False
    ),
    "lmer_large": lambda: mlpool.lmer(
        "math ~ ses + meanses + (1 | school)", mlpool.load_data("hsb82")
    ),
    "lmer_weights": lambda: mlpool.lmer(
        "Reaction ~ Days + I(Days^2) + (1 | Subject)", _sleep(), weights="w"
    ),
    "lmer_crossed": lambda: mlpool.lmer(
        "diameter ~ 1 + (1 | plate) + (1 | sample)", mlpool.load_data("Penicillin")
    ),
    "lmer_singular": lambda: mlpool.lmer("Yield ~ 1 + (1 | Batch)", mlpool.load_data("Dyestuff2")),
    "glmer_trials": lambda: mlpool.glmer(
        "cbind(incidence, size - incidence) ~ period + (1 | herd)",
        mlpool.load_data("cbpp"), "binomial",
    ),
    "glmer_poisson": lambda: mlpool.glmer(
        "incidence ~ period + size + (1 | herd)", mlpool.load_data("cbpp"), "poisson"
    ),
    "glmer_binomial": lambda: mlpool.glmer(
        "good ~ ses + sector + (1 | school)", _part(), "binomial"
    ),
}  # fmt: skip


@cache
def fitted(name: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mlpool.MlpoolWarning)
        return MODELS[name]()


def rel_of(name: str) -> float:
    return REL[name.partition("_")[0]]


def having(key: str) -> list[str]:
    return [name for name, values in REFERENCE.items() if key in values]


def one_line(text: str) -> str:
    return " ".join(text.split())


def test_every_model_has_values() -> None:
    assert set(MODELS) == set(REFERENCE)


@pytest.mark.parametrize("name", MODELS)
def test_singularity(name: str) -> None:
    check = mlpool.check_singularity(fitted(name))
    assert bool(check) is REFERENCE[name]["singular"]
    assert check.sentence.startswith("Warning" if check else "OK")


@pytest.mark.parametrize("name", [n for n in MODELS if n != "lmer_singular"])
def test_convergence(name: str) -> None:
    check = mlpool.check_convergence(fitted(name))
    assert check
    assert check.sentence.startswith("OK: ")
    assert np.isnan(check.gradient) or check.gradient < 1e-2


@pytest.mark.parametrize("name", having("breusch_pagan"))
def test_heteroscedasticity(name: str) -> None:
    expected = REFERENCE[name]["breusch_pagan"]
    check = mlpool.check_heteroscedasticity(fitted(name))
    if name == "lmer_singular":  # R: p = 1 from fitted values that do not differ
        assert check.sentence == "Homoscedasticity cannot be told: all fitted values are the same."
        return
    assert check.statistic == pytest.approx(expected["statistic"], rel=10 * rel_of(name))
    assert check.p_value == pytest.approx(expected["p"], rel=100 * rel_of(name))
    assert bool(check) is (expected["p"] < 0.05)


@pytest.mark.parametrize("name", having("normality"))
def test_normality_of_residuals(name: str) -> None:
    check = mlpool.check_normality(fitted(name))
    expected = REFERENCE[name]["normality"]
    # The p-value is the far tail of a statistic that follows the residuals.
    assert check.p_value == pytest.approx(expected, rel=max(REL_SHAPIRO, 50 * rel_of(name)))
    assert str(check) == REFERENCE[name]["normality_text"]


@pytest.mark.parametrize("name", having("random_text"))
def test_normality_of_random_effects(name: str) -> None:
    check = mlpool.check_normality(fitted(name), effects="random")
    np.testing.assert_allclose(
        check.table["p"], np.atleast_1d(REFERENCE[name]["random"]), rtol=1e-3
    )
    assert str(check) == REFERENCE[name]["random_text"]


@pytest.mark.parametrize("name", having("cook"))
def test_outliers(name: str) -> None:
    expected = REFERENCE[name]["cook"]
    check = mlpool.check_outliers(fitted(name))
    rel = 10 * rel_of(name)
    assert check.threshold == pytest.approx(expected["threshold"], rel=1e-9)
    np.testing.assert_allclose(check.distance[:6], expected["first"], rtol=rel, atol=1e-9)
    assert check.distance.sum() == pytest.approx(expected["sum"], rel=rel)
    assert check.distance.max() == pytest.approx(expected["max"], rel=rel)
    positions = list(np.atleast_1d(expected["outliers"]) - 1)
    assert list(check.positions) == positions
    assert list(check.cases) == list(
        fitted(name).design.index[np.array(check.positions, dtype=int)]
    )
    assert bool(check) is bool(positions)


@pytest.mark.parametrize("name", having("outliers_text"))
def test_outliers_text(name: str) -> None:
    """R counts rows from 1; mlpool names them by the labels of the data."""
    check = mlpool.check_outliers(fitted(name))
    first, _, rest = str(check).partition("\n")
    if check:
        assert first.endswith(f"cases {', '.join(map(str, check.cases))}.")
        numbers = ", ".join(str(i + 1) for i in check.positions)
        first = f"{first.partition('cases')[0]}cases {numbers}."
    assert one_line(f"{first}\n{rest}") == one_line(REFERENCE[name]["outliers_text"])


@pytest.mark.parametrize("name", having("vif"))
def test_collinearity(name: str) -> None:
    expected = REFERENCE[name]["vif"]
    table = mlpool.check_collinearity(fitted(name))
    # lme4's Hessian of glmer models is a finite difference.
    rel = 5e-3 if name.startswith("glmer") else 10 * rel_of(name)
    assert list(table["Term"]) == [t.replace(" ", "") for t in expected["Term"]]
    for column, values in expected.items():
        if column != "Term":
            wide = 10 if name == "glmer_binomial" else 1  # its VIF is 1.008: a bound near infinity
            np.testing.assert_allclose(table[column], values, rtol=wide * rel, err_msg=column)
    assert bool(table) is any(v >= 10 for v in expected["VIF"])


@pytest.mark.parametrize("name", [n for n in having("overdispersion") if n != "glmer_binomial"])
def test_overdispersion(name: str) -> None:
    expected = REFERENCE[name]["overdispersion"]
    check = mlpool.check_overdispersion(fitted(name))
    assert check.statistic == pytest.approx(expected["chisq_statistic"], rel=rel_of(name))
    assert check.ratio == pytest.approx(expected["dispersion_ratio"], rel=rel_of(name))
    assert check.df == expected["residual_df"]
    assert check.p_value == pytest.approx(expected["p_value"], rel=20 * rel_of(name))
    detected = "Overdispersion detected." if check else "No overdispersion detected."
    assert str(check) == f"{REFERENCE[name]['overdispersion_text']}\n\n{detected}"
    assert bool(check) is (expected["p_value"] < 0.05)


@pytest.mark.parametrize("name", having("zeros"))
def test_zeros(name: str) -> None:
    expected = REFERENCE[name]["zeros"]
    check = mlpool.check_zeroinflation(fitted(name))
    assert (check.observed, check.predicted) == (
        expected["observed.zeros"], expected["predicted.zeros"],
    )  # fmt: skip
    assert check.ratio == pytest.approx(expected["ratio"])


@pytest.mark.parametrize("name", MODELS)
def test_durbin_watson(name: str) -> None:
    check = mlpool.check_autocorrelation(fitted(name), nsim=50)
    assert check.statistic == pytest.approx(REFERENCE[name]["durbin_watson"], rel=rel_of(name))


def test_heterogeneity_bias() -> None:
    d = mlpool.load_data("hsb82")
    check = mlpool.check_heterogeneity_bias(d, ["ses", "meanses"], by="school")
    assert check
    assert list(check.names) == [HETEROGENEITY]
