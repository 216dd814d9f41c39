"""Marginal means, contrasts and trends against R's emmeans (reference/emmeans.json)."""

from __future__ import annotations

import sys
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import mlpool

sys.path.insert(0, str(Path(__file__).parents[1]))
from conftest import find_shared
from reference.prepare import load_cases, load_data
from tolerances import ABS_TUKEY, REL_EMMEANS, REL_P_VALUE, REL_SATTERTHWAITE_DF

_FOLDER = find_shared()
CASES = {c["id"]: c for c in load_cases(_FOLDER, "emmeans")} if _FOLDER else {}


@pytest.fixture(params=sorted(CASES) or ["absent"])
def name(request, shared) -> str:
    return request.param


@cache
def _fitted(name: str):
    assert _FOLDER is not None
    case = CASES[name]
    data, contrasts = load_data(_FOLDER, case)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mlpool.MlpoolWarning)
        model = mlpool.fit(case["formula"], data, contrasts=contrasts or None)
    return model, case


def _mode(case) -> dict:
    return {"lmer_df": case["lmer_df_mode"]} if case["lmer_df_mode"] else {}


def _check(table, value: str, expected: dict, case: dict) -> None:
    mixed = case["lmer_df_mode"] is not None
    close = {"rtol": REL_EMMEANS, "atol": 1e-7}
    np.testing.assert_allclose(table[value], expected["estimate"], **close)
    np.testing.assert_allclose(table["SE"], expected["se"], rtol=REL_EMMEANS)
    df = [np.inf if v == "Inf" else v for v in expected["df"]]
    np.testing.assert_allclose(table["df"], df, rtol=REL_SATTERTHWAITE_DF if mixed else 1e-9)
    symbol = "t" if "t" in table else "z"
    np.testing.assert_allclose(table[symbol], expected["stat"], rtol=REL_EMMEANS, atol=1e-6)
    width = np.subtract(expected["ci_high"], expected["ci_low"])
    for end in ("low", "high"):
        difference = np.abs(table[f"CI_{end}"] - np.array(expected[f"ci_{end}"]))
        assert np.all(difference <= 1e-4 * width)


def test_means_and_trends(name):
    m, case = _fitted(name)
    expected = case["result"]["means"]
    at = case["at"]
    if case["emtrends_var"]:
        table = mlpool.emtrends(m, case["emmeans_spec"], case["emtrends_var"], **_mode(case))
        value = "Slope"
    else:
        table, value = mlpool.emmeans(m, case["emmeans_spec"], at=at, **_mode(case)), "Mean"
    for key, labels in expected["keys"].items():
        assert [str(v) for v in table[key]] == labels
    _check(table, value, expected, case)


def _contrasts(m, case, **options):
    if not case["emtrends_var"]:
        return mlpool.pairs(m, case["emmeans_spec"], at=case["at"], **_mode(case), **options)
    ways = {"kenward-roger": "kenward", "satterthwaite": "satterthwaite", "asymptotic": "normal"}
    if "comparison" not in options:
        options["comparison"] = "revpairwise"
    options["p_adjust"] = options.pop("adjust")
    method = ways.get(case["lmer_df_mode"])
    return mlpool.estimate_contrasts(
        m, case["emtrends_var"], by=case["emmeans_spec"].removeprefix("~ "), adjust_ci=True,
        ci_method=method, **options,
    )  # fmt: skip


@pytest.mark.parametrize("adjust", ["tukey", "holm", "bonferroni", "none"])
def test_pairwise_contrasts(name, adjust):
    m, case = _fitted(name)
    expected = case["result"]["contrasts"].get(adjust)
    if expected is None:
        assert name == "emm_lm_cake_interaction_cells", "only the large family lacks Bonferroni"
        return
    table = _contrasts(m, case, adjust=adjust)
    first = expected["keys"]["contrast"][0].split(" - ")[0]
    assert str(table["Level1"].iloc[0]).replace(", ", " ") in first.replace("temperature", "")
    _check(table, "Difference", expected, case)
    if adjust == "tukey":
        np.testing.assert_allclose(table["p"], expected["p"], atol=ABS_TUKEY)
    else:
        np.testing.assert_allclose(table["p"], expected["p"], rtol=REL_P_VALUE)


def test_effects_and_dunnett_contrasts(name):
    m, case = _fitted(name)
    effects = _contrasts(m, case, adjust="none", comparison="meandev")
    expected = case["result"]["contrast_eff"]
    np.testing.assert_allclose(
        effects["Difference"], expected["estimate"], rtol=REL_EMMEANS, atol=1e-7
    )
    np.testing.assert_allclose(effects["p"], expected["p"], rtol=REL_P_VALUE)
    control = _contrasts(m, case, adjust="holm", comparison="reference")
    expected = case["result"]["contrast_trt_vs_ctrl1_holm"]
    _check(control, "Difference", expected, case)
    np.testing.assert_allclose(control["p"], expected["p"], rtol=REL_P_VALUE)


def test_joint_tests(name):
    m, case = _fitted(name)
    expected = case["result"]["joint_tests"]
    table = mlpool.joint_tests(m, **_mode(case)).to_pandas()
    assert list(table["Term"]) == expected["term"]
    assert list(table["df1"]) == expected["df1"]
    # of several contrasts emmeans takes the smallest df of one; here the F test has df of its own
    exact = case["lmer_df_mode"] in (None, "asymptotic")
    p = np.array(expected["p"], dtype=float)
    np.testing.assert_allclose(table["p"], p, rtol=1e-5 if exact else 5e-3)
    F = table["F"] if "F" in table else table["Chi2"] / table["df1"]
    np.testing.assert_allclose(F, expected["F"], atol=6e-4)
    if "df2" in table:
        np.testing.assert_allclose(
            table["df2"], [float(v) for v in expected["df2"]], rtol=5e-3, atol=6e-3
        )


@pytest.fixture(scope="module")
def cake_model():
    formula = "angle ~ recipe * temperature + (1 | recipe:replicate)"
    return mlpool.lmer(formula, mlpool.load_data("cake"))


def test_golden_emmeans_and_pairs(cake_model):
    """Numbers of the texts; the layout is mlpool's own (golden/README)."""
    means = mlpool.emmeans(cake_model, "~ recipe", lmer_df="satterthwaite")
    assert list(means["Mean"].round(1)) == [33.1, 31.6, 31.6]
    assert list(means["SE"].round(2)) == [1.74] * 3
    assert list(means["CI_low"].round(1)) == [29.6, 28.1, 28.1]
    table = mlpool.pairs(cake_model, "~ recipe", lmer_df="satterthwaite")
    assert list(table["Difference"].round(4)) == [1.4778, 1.5222, 0.0444]
    assert list(table["t"].round(3)) == [0.602, 0.620, 0.018]
    assert list(table["p"].round(4)) == [0.8200, 0.8102, 0.9998]


def test_golden_emtrends(shared):
    d, _ = load_data(shared, {"data": "popular.csv", "prep": []})
    d.columns = [c.strip() for c in d.columns]
    m = mlpool.lmer(
        "popular_s ~ female + extraversion * teacher_exp + (1 + extraversion | class)", d
    )
    table = mlpool.emtrends(m, "~ female", "extraversion", lmer_df="satterthwaite")
    assert list(table["female"]) == [0, 1]
    assert list(table["Slope"].round(3)) == [0.451, 0.451]
    assert list(table["SE"].round(4)) == [0.0174, 0.0174]
    assert list(table["df"].round(1)) == [84.3, 84.3]
    assert list(table["CI_low"].round(3)) == [0.416, 0.416]
