"""Every generalised mixed model of the reference file against lme4 and glmmTMB."""

from __future__ import annotations

import sys
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mlpool

sys.path.insert(0, str(Path(__file__).parents[1]))
from conftest import find_shared
from reference.prepare import load_cases, load_data
from tolerances import ABS_GLMM, ABS_GLMM_LOGLIK, REL_GLMM, REL_GLMM_SE

_FOLDER = find_shared()
CASES = {c["id"]: c for c in load_cases(_FOLDER, "glmm")} if _FOLDER else {}
IDS = sorted(CASES) or ["absent"]


@cache
def _fitted(name: str):
    assert _FOLDER is not None
    case = CASES[name]
    data, _ = load_data(_FOLDER, case)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mlpool.MlpoolWarning)
        model = mlpool.glmer(
            case["formula"],
            data,
            family=(case["family"]["family"], case["family"]["link"]),
            nAGQ=case["nAGQ"],
            weights=case.get("weights"),
            offset=case.get("offset"),
        )
    return model, case["result"]


@pytest.fixture(params=IDS)
def name(request, shared) -> str:
    return request.param


def test_likelihood_and_counts(name):
    m, r = _fitted(name)
    assert m.nobs == r["nobs"]
    assert m.optimum.converged
    assert m.loglik_df == r["logLik_df"]
    assert list(m.fixef().index) == r["fixef"]["names"]
    assert m.loglik == pytest.approx(r["logLik"], abs=ABS_GLMM_LOGLIK)
    assert m.aic == pytest.approx(r["AIC"], abs=2 * ABS_GLMM_LOGLIK)
    assert m.bic == pytest.approx(r["BIC"], abs=2 * ABS_GLMM_LOGLIK)
    if "df_residual" in r:
        assert m.df_residual == r["df_residual"]
        assert m.ngroups == r["ngrps"]


def test_coefficients(name):
    m, r = _fitted(name)
    se = np.asarray(r["fixef"]["se"])
    got = m.fixef().to_numpy()
    np.testing.assert_allclose(got, r["fixef"]["estimate"], rtol=REL_GLMM, atol=REL_GLMM * se.max())


def test_standard_errors(name):
    m, r = _fitted(name)
    np.testing.assert_allclose(m.se, r["fixef"]["se"], rtol=REL_GLMM_SE)
    accurate = r.get("hessian_numDeriv")
    if accurate and "error" not in accurate:
        np.testing.assert_allclose(m.se, accurate["se"], rtol=2 * REL_GLMM)
        scale = np.sqrt(np.outer(accurate["se"], accurate["se"]))
        np.testing.assert_allclose(m.vcov() / scale, accurate["vcov"] / scale, atol=2 * REL_GLMM)
    if "se_RX" in r["fixef"]:
        conditional = m.vcov("conditional").to_numpy()
        np.testing.assert_allclose(
            np.sqrt(np.diag(conditional)), r["fixef"]["se_RX"], rtol=REL_GLMM_SE
        )


def test_random_part(name):
    m, r = _fitted(name)
    if "theta" in r:
        np.testing.assert_allclose(m.theta, np.atleast_1d(r["theta"]), rtol=REL_GLMM, atol=1e-5)
    else:
        assert m.dispersion == pytest.approx(r["dispersion"], rel=REL_GLMM)
    for block, expected in zip(m.varcorr().blocks, r["varcorr"], strict=True):
        np.testing.assert_allclose(block.sd, expected["sd"], rtol=REL_GLMM)
        np.testing.assert_allclose(block.cor, expected["cor"], atol=5 * REL_GLMM)


def test_random_effects(name):
    m, r = _fitted(name)
    ranef = m.ranef()
    for expected in r["ranef"]:
        frame = ranef[expected["group"]]
        column = expected.get("term", frame.columns[0])
        count = min(6, len(frame))
        got = frame[column].to_numpy()
        np.testing.assert_allclose(
            got[:count], np.ravel(expected["condval"]), rtol=REL_GLMM, atol=ABS_GLMM
        )
        assert (got**2).sum() == pytest.approx(np.ravel(expected["sumsq"])[0], rel=10 * REL_GLMM)
        if "condsd" in expected:
            sds = ranef.cond_sd[expected["group"]][column].to_numpy()
            np.testing.assert_allclose(sds[:count], expected["condsd"], rtol=REL_GLMM)
            assert sds.sum() == pytest.approx(expected["condsd_sum"], rel=REL_GLMM)


def test_fitted_and_residuals(name):
    m, r = _fitted(name)
    first = r["fitted"]["first"]
    np.testing.assert_allclose(m.fitted[: len(first)], first, rtol=REL_GLMM)
    assert m.fitted.sum() == pytest.approx(r["fitted"]["sum"], rel=REL_GLMM)
    for kind in ("deviance", "pearson", "response"):
        if f"resid_{kind}" in r:
            expected = r[f"resid_{kind}"]
            got = m.residuals(kind)
            np.testing.assert_allclose(got[:5], expected["first"], rtol=REL_GLMM, atol=ABS_GLMM * 5)
            assert (got**2).sum() == pytest.approx(expected["sumsq"], rel=REL_GLMM)
    if "deviance_conditional" in r:
        assert m.deviance == pytest.approx(r["deviance_conditional"], rel=REL_GLMM)


def test_predictions(name):
    m, r = _fitted(name)
    expected = r.get("predict")
    if not expected:
        pytest.skip("R gives no predictions for this case")
    new = pd.DataFrame(expected["newdata"])
    for scale in ("link", "response"):
        got = m.predict(new, allow_new_levels=True, type=scale)
        np.testing.assert_allclose(
            got, expected[f"{scale}_re_form_NULL"], rtol=REL_GLMM, atol=ABS_GLMM
        )
        got = m.predict(new, re_form=False, type=scale)
        np.testing.assert_allclose(
            got, expected[f"{scale}_re_form_NA"], rtol=REL_GLMM, atol=ABS_GLMM
        )


def test_performance(name):
    m, r = _fitted(name)
    expected = r.get("performance")
    if not expected:
        pytest.skip("R gives no performance for this case")
    parts = mlpool.get_variance(m)
    truth = r["variance_exact"]
    assert parts["var.fixed"] == pytest.approx(truth["var_fixed"], rel=3 * REL_GLMM)
    assert parts["var.random"] == pytest.approx(truth["var_random"], rel=3 * REL_GLMM)
    if "error" in expected["get_variance"]:
        return
    known = expected["get_variance"]["var.random"]
    if known != pytest.approx(truth["var_random"], rel=1e-6):
        return  # R's package leaves slope variances out there, as the reference's notes say
    row = mlpool.icc(m).to_pandas().iloc[0]
    assert row["ICC_adjusted"] == pytest.approx(expected["icc"]["adjusted"], rel=5 * REL_GLMM)
    assert row["ICC_unadjusted"] == pytest.approx(expected["icc"]["unadjusted"], rel=5 * REL_GLMM)
    row = mlpool.r2(m).to_pandas().iloc[0]
    r2 = expected["r2_nakagawa"]
    assert row["R2_conditional"] == pytest.approx(r2["conditional"], rel=5 * REL_GLMM)
    assert row["R2_marginal"] == pytest.approx(r2["marginal"], rel=5 * REL_GLMM)
