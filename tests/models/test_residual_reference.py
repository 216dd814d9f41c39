"""Correlated and unequal residuals as users write them, against nlme's optimum polished in R.

The values and the R scripts that made them are among the reference material (``reference/next``).
nlme's calls are used as they stand in the R script.
"""

from __future__ import annotations

import json
import re
import warnings
from functools import cache

import numpy as np
import pytest

import mlpool
from tests.conftest import find_shared
from tests.reference.residual import prepare

ABS_LOGLIK = 1e-6
"""The log-likelihood at two optima: flat, so the parameters' error enters squared."""
REL_ESTIMATE = 1e-6
"""beta, SE, sigma, SDs, correlations, ratios: the reference's Newton steps end at a gradient of
1e-9, ours at steps of 1e-9."""
REL_DF = 1e-5
"""Satterthwaite's df: second derivatives by differences, here of exact gradients."""
REL_INTERVAL = 1e-5
"""Of an interval's standard error on nlme's scale, for the same reason."""
BOUNDARY = {"sleep_ar1_rs_ml", "sleep_ar1_rs_reml"}
"""Random effects with a correlation of one: no intervals and df there."""
FIXED_POINT = {"bw_rs_powerfit_reml", "bw_rs_powerfit_exp_reml"}
"""varPower of fitted values: a fixed point, not the maximum of a likelihood."""


def _all_cases():
    shared = find_shared()
    if shared is None:
        return {}
    files = [shared / "reference" / "next" / f"{name}.json" for name in ("residual", "mmrm")]
    every = [case for file in files for case in json.loads(file.read_text())["cases"]]
    return {case["id"]: case for case in every}


CASES = _all_cases()
FITS = [
    pytest.param(name, marks=[pytest.mark.slow] if name.startswith("heck") else [])
    for name, c in CASES.items()
    if c["capability"] == "residual_structure"
]


def spelling(case):
    """Formula, correlation and dispersion as nlme's call has them."""
    call, structure = case["call"], case["structure"]
    if call is None:  # Toeplitz, which nlme does not have
        kind = "toeph" if structure["variance"] else "toep"
        c = structure["correlation"]
        return case["formula"], f"{kind}({c['time']} | {c['group']})", None
    found = re.search(r"correlation = (.*), weights = (.*), method", call)
    correlation, weights = (None if part == "NULL" else part for part in found.groups())
    return case["formula"], correlation, weights


@cache
def fitted(name):
    case = CASES[name]
    formula, correlation, dispersion = spelling(case)
    data = prepare(case, find_shared())
    how = {"correlation": correlation}
    with warnings.catch_warnings():
        if name in BOUNDARY:
            warnings.simplefilter("ignore", mlpool.SingularFitWarning)
        random = case["structure"]["random"]
        if random:
            terms = {
                r["group"]: f"pdDiag({r['terms']})" if r["cov"] == "diag" else r["terms"]
                for r in random
            }
            how |= {"method": "REML" if case["REML"] else "ML", "weights": dispersion}
            return mlpool.lme(formula, data, random=terms, **how)
        return mlpool.gls(formula, data, dispersion=dispersion, REML=case["REML"], **how)


@pytest.mark.parametrize("name", FITS)
def test_likelihood_and_coefficients(shared, name):
    m, r = fitted(name), CASES[name]["result"]
    loose = 100.0 if name in BOUNDARY else 1.0
    assert m.loglik == pytest.approx(r["logLik"], abs=ABS_LOGLIK * (10.0 if loose > 1 else 1.0))
    assert m.loglik_df == r["logLik_df"]
    assert m.bic == pytest.approx(r["BIC_n"], abs=1e-4)
    assert m.nobs == r["nobs"]
    fixef = r["fixef"]
    np.testing.assert_allclose(m.fixef(), fixef["estimate"], rtol=REL_ESTIMATE * loose)
    np.testing.assert_allclose(m.se, fixef["se"], rtol=REL_ESTIMATE * loose)
    np.testing.assert_allclose(m.vcov(), fixef["vcov"], rtol=1e-5 * loose, atol=1e-9)


def _has_structure(name):
    return CASES[name]["call"] is None or "= NULL, weights = NULL" not in CASES[name]["call"]


WITH_STRUCTURE = [p for p in FITS if _has_structure(p.values[0])]


@pytest.mark.parametrize("name", WITH_STRUCTURE)
def test_covariance_parameters(shared, name):
    m, r = fitted(name), CASES[name]["result"]
    tolerance = 1e-4 if name in BOUNDARY else 1e-5
    sds = sd_by_stratum(m)
    if "variance" in r and r["variance"].get("sd_by_stratum"):
        expected = dict(zip(r["variance"]["strata"], r["variance"]["sd_by_stratum"], strict=True))
        assert {k: sds[k] for k in map(str, expected)} == pytest.approx(
            {str(k): v for k, v in expected.items()}, rel=tolerance
        )
    elif CASES[name]["call"] is not None:
        assert m.sigma == pytest.approx(r["sigma"], rel=tolerance)
    if "correlation" in r:
        np.testing.assert_allclose(
            m.correlation_parameters(), r["correlation"]["value"], rtol=tolerance, atol=1e-7
        )
    if m.is_mixed and CASES[name]["structure"]["random"][0]["cov"] != "diag":
        for block, expected in zip(m.varcorr().blocks, reversed(r["varcorr"]), strict=True):
            np.testing.assert_allclose(block.vcov, expected["vcov"], rtol=10 * tolerance)


def sd_by_stratum(m):
    """Standard deviations of the residuals by stratum, from ratios and sigma."""
    strata = m.residual_design().strata
    if not strata:
        return {}
    ratios = m.dispersion_parameters()
    own = {s: m.sigma * float(ratios[s]) for s in strata[1:]}
    return {strata[0]: m.sigma} | own


@pytest.mark.parametrize("name", WITH_STRUCTURE)
def test_rows(shared, name):
    m, r = fitted(name), CASES[name]["result"]
    tolerance = 1e-3 if name in BOUNDARY else 1e-6
    for found, key in (
        (m.fitted, "fitted"),
        (m.resid, "residuals"),
        (m.residuals("pearson"), "residuals_pearson"),
        (m.residuals("normalized"), "residuals_normalized"),
    ):
        expected = r[key]
        size = np.sqrt(expected["sumsq"] / expected["n"])
        np.testing.assert_allclose(
            found.to_numpy()[:10], expected["first"], rtol=tolerance, atol=tolerance * size,
            err_msg=key,
        )  # fmt: skip
        assert float((found**2).sum()) == pytest.approx(expected["sumsq"], rel=10 * tolerance)
    if m.is_mixed and "ranef" in r:
        block = r["ranef"][-1]
        frame = next(iter(m.ranef().values()))
        own = frame.loc[[str(level) for level in block["levels"]]] if len(r["ranef"]) == 1 else None
        if own is not None and CASES[name]["structure"]["random"][0]["cov"] != "diag":
            size = float(np.abs(block["condval"]).max())
            np.testing.assert_allclose(own, block["condval"], atol=tolerance * size)


WITH_DF = [p for p in FITS if CASES[p.values[0]]["result"].get("satterthwaite")]


@pytest.mark.parametrize("name", [p for p in WITH_DF if p.values[0] not in BOUNDARY])
def test_satterthwaite(shared, name):
    m, r = fitted(name), CASES[name]["result"]
    if m.kind != "gls":
        pytest.skip("an lmer model")
    table = mlpool.model_parameters(m, effects="fixed").to_pandas()
    expected = r["satterthwaite"]
    np.testing.assert_allclose(table["df_error"], np.array(expected["df"], float), rtol=REL_DF)
    np.testing.assert_allclose(table["t"], expected["t"], rtol=1e-5)


@pytest.mark.parametrize(
    "name", [p for p in WITH_STRUCTURE if "intervals" in CASES[p.values[0]]["result"]]
)
def test_intervals_on_nlmes_scales(shared, name):
    m, table = fitted(name), CASES[name]["result"]["intervals"]["table"]
    rows = mlpool.model_parameters(m, effects="random", ci_random=True).to_pandas()
    rows = rows[rows["CI_low"].notna()]
    found = rows[["CI_low", "CI_high"]].to_numpy()
    is_sigma = rows["Parameter"] == "SD (Observations)"
    if name.startswith("fev") or CASES[name]["call"] is None:
        rows = rows[rows["Effects"] == "correlation"]  # other strata carry sigma there
        found = rows[["CI_low", "CI_high"]].to_numpy()
        table = [row for row in table if row["name"].startswith("correlation")]
        is_sigma = None
    expected = np.array([[row["lower"], row["upper"]] for row in table], dtype=float)
    assert len(found) == len(expected)
    order, other = np.lexsort(found.T), np.lexsort(expected.T)
    width = (expected[:, 1] - expected[:, 0])[other]
    off = np.abs(found[order] - expected[other]) / width[:, None]
    # a fixed point moves with the estimates' own errors
    assert off.max() < REL_INTERVAL * (10.0 if name in FIXED_POINT else 1.0), (name, off)
    assert is_sigma is None or is_sigma.sum() == 1


@pytest.mark.parametrize("name", ["fev_un_mmrm_reml", "fev_toeph_mmrm_reml"])
def test_mmrm_and_its_marginal_means(shared, name):
    case = CASES[name]
    term = "us" if "_un_" in name else "toeph"
    data = prepare(case, shared)
    m = mlpool.mmrm(f"{case['formula']} + {term}(AVISIT | USUBJID)", data)
    assert m.loglik == pytest.approx(case["result"]["logLik"], abs=ABS_LOGLIK)
    np.testing.assert_allclose(m.se, case["result"]["fixef"]["se"], rtol=REL_ESTIMATE)
    if "emmeans" not in case["result"]:
        return
    expected = case["result"]["emmeans"]["exact_means"]
    means = mlpool.emmeans(m, "~ ARMCD | AVISIT").to_pandas().sort_values(["AVISIT", "ARMCD"])
    np.testing.assert_allclose(means["Mean"], expected["estimate"], rtol=1e-6)
    np.testing.assert_allclose(means["SE"], expected["se"], rtol=1e-6)
    np.testing.assert_allclose(means["df"], expected["df"], rtol=REL_DF)


LRT = [n for n, c in CASES.items() if c["capability"] == "residual_structure_lrt"]


@pytest.mark.parametrize("name", LRT)
def test_likelihood_ratios(shared, name):
    """nlme's table of the same models: log-likelihoods, parameters, ratios and p-values."""
    case, r = CASES[name], CASES[name]["result"]
    models = {one: fitted(one) for one in case["models"]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mlpool.SingularFitWarning)
        table = mlpool.anova(models, refit=False).to_pandas()
    assert table["npar"].tolist() == r["df"]
    np.testing.assert_allclose(table["logLik"], r["logLik"], atol=1e-5)
    np.testing.assert_allclose(table["AIC"], r["AIC"], atol=1e-4)
    expected = np.array(r["L_ratio"][1:], float)
    np.testing.assert_allclose(table["Chi2"].to_numpy()[1:], expected, atol=1e-4)
    np.testing.assert_allclose(table["p"].to_numpy()[1:], np.array(r["p"][1:], float), rtol=1e-3)


def test_anova_of_two_structures_is_nlmes(shared):
    ar1, both = fitted("sleep_ar1_gls_ml"), fitted("sleep_ar1_ri_ml")
    plain = fitted("sleep_iid_gls_ml")
    table = mlpool.anova(plain, ar1, both).to_pandas()
    assert table["npar"].tolist() == [3, 4, 5]
    ratio = 2 * (ar1.loglik - plain.loglik)
    assert table["Chi2"][1] == pytest.approx(ratio, rel=1e-9)
    assert table["Chi2"][2] == pytest.approx(2 * (both.loglik - ar1.loglik), abs=1e-8)


WITH_KR = [
    p for p in WITH_DF
    if CASES[p.values[0]]["result"].get("kenward_roger") and p.values[0] not in BOUNDARY
]  # fmt: skip


@pytest.mark.parametrize("name", WITH_KR)
def test_kenward_roger(shared, name):
    """mmrm's and SAS's numbers: of structures that are not linear, without second derivatives."""
    m = fitted(name)
    if m.kind != "gls":
        pytest.skip("an lmer model, with pbkrtest's expected information")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mlpool.MlpoolWarning)
        table = mlpool.model_parameters(m, effects="fixed", ci_method="kenward").to_pandas()
    expected = CASES[name]["result"]["kenward_roger"]["observed_linear"]
    np.testing.assert_allclose(table["SE"], expected["se"], rtol=1e-7)
    np.testing.assert_allclose(table["df_error"], np.array(expected["df"], float), rtol=REL_DF)


SAS = [n for n, c in CASES.items() if "sas" in c["result"]]


@pytest.mark.parametrize("name", SAS)
def test_sas_proc_mixed(shared, name):
    """What SAS printed for seven structures; its search stops up to 1e-5 short of the optimum."""
    m, sas = fitted(name), CASES[name]["result"]["sas"]
    assert -2 * m.loglik == pytest.approx(sas["minus2_REML_logLik"], abs=1e-4)
    assert float(m.fixef()["ARMCDTRT"]) == pytest.approx(sas["estimate"], rel=1e-4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mlpool.MlpoolWarning)
        kr = mlpool.model_parameters(m, effects="fixed", ci_method="kenward").to_pandas().iloc[1]
    assert kr["SE"] == pytest.approx(sas["kr_linear_se"], rel=1e-3)
    assert kr["df_error"] == pytest.approx(sas["kr_linear_df"], rel=5e-3)
