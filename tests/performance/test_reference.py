"""Variance components, ICC, R2 and criteria against R, for every mixed model of the references."""

from __future__ import annotations

import sys
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import mlpool
from mlpool.performance.variance_components import variance_parts

sys.path.insert(0, str(Path(__file__).parents[1]))
from conftest import find_shared
from reference.prepare import load_cases, load_data
from tolerances import ABS_LOGLIK, REL_LARGE, REL_LMM, REL_LOGLIK, REL_OLS, REL_SINGULAR

_FOLDER = find_shared()
CASES = {c["id"]: c for c in load_cases(_FOLDER, "lmm")} if _FOLDER else {}
RELIABILITY = {c["id"]: c for c in load_cases(_FOLDER, "reliability")} if _FOLDER else {}


@cache
def _fitted(name: str):
    assert _FOLDER is not None
    case = CASES[name]
    data, contrasts = load_data(_FOLDER, case)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mlpool.MlpoolWarning)
        model = mlpool.lmer(
            case["formula"], data, REML=case["REML"], weights=case["weights"],
            offset=case.get("offset"), contrasts=contrasts or None,
        )  # fmt: skip
    return model, case["result"]


def _rel(name: str, r: dict) -> float:
    if r["singular"] or "bound" in str(CASES[name].get("notes") or ""):
        return 20 * REL_SINGULAR  # variances are squares of thetas that are known to 2e-3
    return REL_LARGE if name.startswith("chem97") else 3 * REL_LMM


@pytest.fixture(params=sorted(CASES) or ["absent"])
def name(request, shared) -> str:
    return request.param


def test_variance_decomposition(name):
    m, r = _fitted(name)
    exact = r["variance_exact"]
    parts = variance_parts(m)
    rel, floor = _rel(name, r), 1e-6 * parts.total
    for key, value in {
        "var_fixed": parts.fixed,
        "var_random": parts.random,
        "var_residual": parts.residual,
    }.items():
        assert value == pytest.approx(exact[key], rel=rel, abs=floor), key


def test_icc_and_r2_by_definition(name):
    m, r = _fitted(name)
    exact, rel = r["variance_exact"], _rel(name, r)
    icc = mlpool.icc(m, tolerance=0)
    r2 = mlpool.r2(m, tolerance=0)
    for column, key in (("ICC_adjusted", "icc_adjusted"), ("ICC_unadjusted", "icc_unadjusted")):
        assert icc[column].iloc[0] == pytest.approx(exact[key], rel=rel, abs=1e-6), column
    for column, key in (("R2_marginal", "r2_marginal"), ("R2_conditional", "r2_conditional")):
        assert r2[column].iloc[0] == pytest.approx(exact[key], rel=rel, abs=1e-6), column


def test_components_by_name(name):
    m, r = _fitted(name)
    expected = (r.get("performance") or {}).get("get_variance")
    if not expected or "error" in expected:
        pytest.skip("R gives no components here")
    got, rel = mlpool.get_variance(m), _rel(name, r)
    for key in ("var.intercept", "var.slope", "cor.slope_intercept"):
        values = expected.get(key)
        if not values or not values["names"] or len(got[key]) != len(values["value"]):
            continue  # R names nothing, or names repeated groups differently
        floor = 1e-6 * variance_parts(m).total
        np.testing.assert_allclose(got[key], values["value"], rtol=10 * rel, atol=max(floor, 2e-5))


def test_icc_by_group(name):
    m, r = _fitted(name)
    expected = (r.get("performance") or {}).get("icc_by_group") or {}
    if not expected.get("group"):
        pytest.skip("no random intercepts")
    by_r, exact = r["performance"]["get_variance"]["var.random"], r["variance_exact"]["var_random"]
    if by_r != pytest.approx(exact, rel=1e-6):
        pytest.skip("insight 0.19 counts slopes only if their column is a fixed effect, too")
    table = mlpool.icc(m, by_group=True, tolerance=0)
    assert list(table["Group"]) == expected["group"]
    np.testing.assert_allclose(table["ICC"], expected["icc"], rtol=_rel(name, r), atol=1e-6)


def test_model_performance(name):
    m, r = _fitted(name)
    expected = (r.get("performance") or {}).get("model_performance")
    if not expected or "error" in expected:
        pytest.skip("R gives none here")
    table = mlpool.model_performance(m)
    for key in ("AIC", "AICc", "BIC"):
        assert table[key].iloc[0] == pytest.approx(expected[key], rel=REL_LOGLIK, abs=ABS_LOGLIK)
    exact = r["variance_exact"]
    wanted = {"RMSE": expected["RMSE"], "Sigma": expected["Sigma"]}
    if expected["R2_conditional"] is None:  # singular: R leaves the random variance out
        assert np.isnan(table["R2_conditional"].iloc[0])
        assert np.isnan(table["ICC"].iloc[0])
        wanted["R2_marginal"] = exact["var_fixed"] / (exact["var_fixed"] + exact["var_residual"])
    else:
        wanted |= {"ICC": exact["icc_adjusted"], "R2_marginal": exact["r2_marginal"],
                   "R2_conditional": exact["r2_conditional"]}  # fmt: skip
    for key, value in wanted.items():
        assert table[key].iloc[0] == pytest.approx(value, rel=_rel(name, r), abs=1e-6), key


@pytest.mark.parametrize("case_id", [i for i in RELIABILITY if i.startswith("rel_")])
def test_reliability(case_id, shared):
    case = RELIABILITY[case_id]
    data, _ = load_data(shared, case)
    m = mlpool.lmer(case["formula"], data, REML=case.get("REML", True))
    table, r = mlpool.reliability(m), case["result"]
    meta = table.metadata
    named = {"tau2": "tau2", "sigma2": "sigma2", "ICC1": "icc", "mean_n": "mean_nj",
             "harmonic_mean_n": "harmonic_mean_nj", "ICC2": "lambda_at_mean_n", "deft": "deft",
             "design_effect": "deff", "effective_n": "n_eff"}  # fmt: skip
    for ours, theirs in named.items():
        assert meta[ours] == pytest.approx(r[theirs], rel=REL_LMM), ours
    lam, values = r["lambda"], table["Reliability"]
    assert list(table["Level"][:10]) == lam["levels"]
    assert list(table["n"][:10]) == lam["n_j"]
    np.testing.assert_allclose(values[:10], lam["value"], rtol=REL_LMM)
    for key, value in {"mean": values.mean(), "sum": values.sum(), "sumsq": (values**2).sum(),
                       "min": values.min(), "max": values.max()}.items():  # fmt: skip
        assert value == pytest.approx(lam[key], rel=REL_LMM), key
    assert meta["mean"] == pytest.approx(lam["mean"], rel=REL_LMM)


@pytest.mark.parametrize("case_id", [i for i in RELIABILITY if i.startswith("perf_")])
def test_performance_of_linear_models(case_id, shared):
    case = RELIABILITY[case_id]
    data, _ = load_data(shared, case)
    m = mlpool.lm(case["formula"], data)
    table, expected = mlpool.model_performance(m), case["result"]["model_performance"]
    assert list(table.columns) == list(expected)
    for key, value in expected.items():
        assert table[key].iloc[0] == pytest.approx(value, rel=REL_OLS), key


TABLES = {
    "par_lm_heck": "lm2",
    "par_lmer_heck": "m1",
    "par_lmer_sleep": "s2",
    "par_lmer_pop": "p1",
}
FUNCTIONS = {"model_performance(m)": "model_performance", "icc(m)": "icc", "r2(m)": "r2"}


@pytest.mark.parametrize("case_id", TABLES)
def test_frames_are_those_of_r(case_id, shared, fitted):
    cases = {c["id"]: c for c in load_cases(shared, "parameters_tables")}
    used = 0
    for item in cases[case_id]["result"]["items"]:
        if item["call"] not in FUNCTIONS:
            continue
        table = getattr(mlpool, FUNCTIONS[item["call"]])(fitted(TABLES[case_id]))
        for column, value in item["columns"].items():
            if column != "optional":
                assert table[column].iloc[0] == pytest.approx(value[0], rel=REL_LMM), column
        used += 1
    assert used >= 1
