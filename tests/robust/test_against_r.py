"""Cluster-robust tests against clubSandwich: bundled data here, course data where they are."""

from __future__ import annotations

import json
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
from tolerances import REL_CR23

R = json.loads((Path(__file__).parent / "r" / "robust.json").read_text())
_FOLDER = find_shared()
OLS = {c["id"]: c for c in load_cases(_FOLDER, "ols")} if _FOLDER else {}
LMER = {c["id"]: c for c in load_cases(_FOLDER, "robust_lmer")} if _FOLDER else {}
TYPES = ("CR0", "CR1", "CR2", "CR3")


@cache
def _model(name):
    hsb, sleep = mlpool.load_data("hsb82"), mlpool.load_data("sleepstudy")
    cbpp = mlpool.load_data("cbpp")
    sleep = sleep.assign(w=1 + sleep["Days"] % 3)
    return {
        "lm": lambda: (mlpool.lm("math ~ ses * sector", hsb), "school"),
        "lm_weights": lambda: (
            mlpool.lm("Reaction ~ Days + I(Days**2)", sleep, weights="w"),
            "Subject",
        ),
        "glm": lambda: (
            mlpool.glm("cbind(incidence, size - incidence) ~ period", cbpp, family="binomial"),
            "herd",
        ),
        "glm_ones": lambda: (
            mlpool.glm("I(math > 13) ~ ses + sector", hsb, family="binomial"),
            "school",
        ),
        "glm_poisson": lambda: (mlpool.glm("incidence ~ period", cbpp, family="poisson"), "herd"),
        "lmer": lambda: (mlpool.fit("math ~ ses + sector + (ses | school)", hsb), "school"),
        "lmer_ml": lambda: (mlpool.fit("math ~ ses + (1 | school)", hsb, reml=False), "school"),
    }[name]()


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("name", sorted(R))
def test_bundled(name, kind):
    m, cluster = _model(name)
    r = R[name][kind]
    loose = 1e-5 if name.startswith("lmer") else REL_CR23  # R stops its search of theta there
    table = mlpool.coef_test(m, kind, cluster)
    np.testing.assert_allclose(m.vcov(kind, cluster), r["vcov"], rtol=10 * loose, atol=1e-9)
    np.testing.assert_allclose(table["SE"], r["se"], rtol=loose)
    np.testing.assert_allclose(table["df_error"], r["df"], rtol=10 * loose)
    np.testing.assert_allclose(table["p"], r["p"], rtol=1e3 * loose, atol=1e-12)
    for test, key in (("naive-t", "p_naive"), ("z", "p_z")):
        other = mlpool.coef_test(m, kind, cluster, test=test)
        np.testing.assert_allclose(other["p"], r[key], rtol=1e3 * loose, atol=1e-12)
    slopes = m.names[1:]
    for test, i in (("Naive-F", 0), ("HTZ", 1)):
        joint = mlpool.wald_test(m, slopes, kind, cluster, test=test)
        got = joint[["Statistic", "df_denom"]].iloc[0]
        want = [np.atleast_1d(r[key])[i] for key in ("F", "df_denom")]
        np.testing.assert_allclose(got, want, rtol=20 * loose)
        assert joint["p"].iloc[0] == pytest.approx(
            np.atleast_1d(r["p_F"])[i], rel=1e3 * loose, abs=1e-12
        )


@pytest.mark.parametrize("name", sorted(OLS) or ["absent"])
def test_lm_of_the_reference(name, shared):
    case = OLS[name]
    data, contrasts = load_data(shared, case)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mlpool.MlpoolWarning)
        m = mlpool.lm(
            case["formula"], data, weights=case.get("weights"), contrasts=contrasts or None
        )
    r, compared = case["result"], 0
    for key, want in r["coef_test"].items():
        kind, test = key.split()
        if "error" not in want:
            got = mlpool.coef_test(m, kind, case["cluster"], test=test)
            df = [np.inf if v == "Inf" else v for v in want["df"]]
            for column, values in (("SE", want["se"]), ("df_error", df), ("t", want["t"])):
                np.testing.assert_allclose(got[column], values, rtol=REL_CR23, err_msg=key)
            np.testing.assert_allclose(got["p"], want["p"], rtol=1e-5, atol=1e-300)
            compared += 1
    assert compared >= 3
    interval = mlpool.coef_test(m, "CR2", case["cluster"])
    np.testing.assert_allclose(interval["CI_low"], r["conf_int_CR2"]["ci_low"], rtol=REL_CR23)
    np.testing.assert_allclose(interval["CI_high"], r["conf_int_CR2"]["ci_high"], rtol=REL_CR23)
    if "wald_HTZ_CR2_all_slopes" in r:
        want = r["wald_HTZ_CR2_all_slopes"]
        got = mlpool.wald_test(m, m.names[1:], cluster=case["cluster"]).iloc[0]
        for column, key in (("Statistic", "F"), ("df_num", "df_num"), ("df_denom", "df_denom")):
            assert got[column] == pytest.approx(want[key], rel=REL_CR23)


@pytest.mark.parametrize("name", sorted(LMER) or ["absent"])
def test_lmer_of_the_reference(name, shared):
    case = LMER[name]
    data, _ = load_data(shared, case)
    m = mlpool.lmer(case["formula"], data)
    for kind, want in case["result"].items():
        np.testing.assert_allclose(m.vcov(kind), want["vcov"], rtol=REL_CR23)
        got = mlpool.coef_test(m, kind, case["cluster"])
        for column, key in (("SE", "se"), ("t", "t"), ("df_error", "df")):
            np.testing.assert_allclose(got[column], want[key], rtol=REL_CR23)
        np.testing.assert_allclose(got["p"], want["p"], rtol=1e-5)
    assert set(case["result"]) == set(TYPES)


def test_lecture_03b_coef_test(shared):
    """clubSandwich's table of the lecture (golden/coef_test_heck_CR2.txt)."""
    text = (shared / "golden" / "coef_test_heck_CR2.txt").read_text().splitlines()[1:]
    m = mlpool.lm("math ~ ses", shared / "data" / "heck2011.csv")
    table = mlpool.coef_test(m, "CR2", cluster="school")
    for line, (_, row) in zip(text, table.to_pandas().iterrows(), strict=True):
        shown = line.split()
        assert f"{row['Coefficient']:.2f} {row['SE']:.2f} {row['t']:.1f}".split() == shown[1:4]
        assert f"{row['df_error']:.0f}" == shown[4]
