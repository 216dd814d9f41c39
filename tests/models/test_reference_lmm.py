"""Every linear mixed model of the reference files against lme4, quantity by quantity."""

from __future__ import annotations

import json
import sys
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mlpool
from mlpool.designs.engine_data import as_lmm_data
from mlpool.engine.lmm.fit import criterion_at

sys.path.insert(0, str(Path(__file__).parents[1]))
from conftest import find_shared
from reference.prepare import load_cases, load_data
from tolerances import (
    ABS_LMM,
    ABS_LOGLIK,
    ABS_OPTIMUM,
    ABS_THETA_SINGULAR,
    REL_CRITERION,
    REL_LARGE,
    REL_LMM,
    REL_LOGLIK,
    REL_SINGULAR,
)

_FOLDER = find_shared()
CASES = (
    {c["id"]: c for family in ("lmm", "lmm_large") for c in load_cases(_FOLDER, family)}
    if _FOLDER
    else {}
)
IDS = sorted(CASES) or ["absent"]


@cache
def _fitted(name: str):
    assert _FOLDER is not None
    case = CASES[name]
    data, contrasts = load_data(_FOLDER, case)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mlpool.MlpoolWarning)
        model = mlpool.lmer(
            case["formula"],
            data,
            REML=case["REML"],
            weights=case["weights"],
            offset=case.get("offset"),
            contrasts=contrasts or None,
        )
    return model, case["result"], case


def _is_loose(name: str, result: dict) -> bool:
    return bool(result["singular"]) or "bound" in str(CASES[name].get("notes") or "")


def _rel(name: str, result: dict) -> float:
    if _is_loose(name, result):
        return REL_SINGULAR
    return REL_LARGE if name.startswith(("chem97", "insteval")) else REL_LMM


@pytest.fixture(params=IDS)
def name(request, shared) -> str:
    return request.param


def test_counts_and_names(name):
    m, r, _ = _fitted(name)
    assert m.nobs == r["nobs"]
    assert m.ngroups == r["ngrps"]
    assert list(m.fixef().index) == r["fixef"]["names"]
    assert list(m.aliased) == list(r["dropped_fixed"] or [])
    assert len(m.theta) == r["n_theta"]
    assert m.df_residual == r["df_residual"]
    assert m.is_singular == r["singular"]


def test_criterion_at_the_theta_of_r(name):
    m, r, case = _fitted(name)
    value, _ = criterion_at(as_lmm_data(m.design), np.atleast_1d(r["theta"]), reml=case["REML"])
    assert value == pytest.approx(r["criterion"], rel=REL_CRITERION)


def test_optimum_is_no_worse_than_r(name):
    m, r, _ = _fitted(name)
    assert m.optimum is not None and m.optimum.converged
    assert m.criterion <= r["criterion"] + ABS_OPTIMUM
    assert m.loglik == pytest.approx(r["logLik"], rel=REL_LOGLIK, abs=ABS_LOGLIK)
    assert m.aic == pytest.approx(r["AIC"], rel=REL_LOGLIK, abs=ABS_LOGLIK)
    assert m.bic == pytest.approx(r["BIC"], rel=REL_LOGLIK, abs=ABS_LOGLIK)


def test_coefficients_and_standard_errors(name):
    m, r, _ = _fitted(name)
    rel = _rel(name, r)
    np.testing.assert_allclose(m.fixef(), r["fixef"]["estimate"], rtol=rel, atol=ABS_LMM)
    np.testing.assert_allclose(m.se, r["fixef"]["se"], rtol=rel, atol=ABS_LMM)
    assert m.sigma == pytest.approx(r["sigma"], rel=rel)


def test_theta_and_varcorr(name):
    m, r, case = _fitted(name)
    if "not identified" in str(case.get("notes") or "") or "over-param" in str(case.get("notes")):
        pytest.skip("theta is not identified in this case, as its notes say")
    loose = _is_loose(name, r)
    atol = ABS_THETA_SINGULAR if loose else ABS_LMM
    np.testing.assert_allclose(m.theta, np.atleast_1d(r["theta"]), rtol=_rel(name, r), atol=atol)
    for block, expected in zip(m.varcorr().blocks, r["varcorr"], strict=True):
        scale = atol * m.sigma if loose else ABS_LMM
        np.testing.assert_allclose(block.sd, expected["sd"], rtol=_rel(name, r), atol=scale)


def test_random_effects(name):
    m, r, _ = _fitted(name)
    if _is_loose(name, r):
        rtol, atol = 1e-2, 2e-3 * m.sigma
    else:
        rtol = 1e-4 if name.startswith(("chem97", "insteval")) else 2e-5
        atol = 1e-5 * m.sigma
    ranef = m.ranef()
    assert ranef.cond_sd is not None
    for expected in r["ranef"]:
        values = ranef[expected["group"]][expected["term"]]
        sds = ranef.cond_sd[expected["group"]][expected["term"]]
        assert list(values.index[:6]) == expected["levels"], expected["group"]
        np.testing.assert_allclose(values[:6], expected["condval"], rtol=rtol, atol=atol)
        np.testing.assert_allclose(sds[:6], expected["condsd"], rtol=rtol, atol=atol)
        count = expected["n_levels"]
        assert len(values) == count
        assert (values**2).sum() == pytest.approx(
            expected["sumsq"], rel=10 * rtol, abs=atol**2 * count + 1e-12
        )


def test_fitted_and_residuals(name):
    m, r, _ = _fitted(name)
    atol = (2e-3 if _is_loose(name, r) else 1e-5) * m.sigma
    np.testing.assert_allclose(m.fitted.iloc[:5], r["fitted"]["first"][:5], rtol=0, atol=5 * atol)
    np.testing.assert_allclose(m.resid.iloc[:5], r["residuals"]["first"][:5], rtol=0, atol=5 * atol)


def test_predictions(name):
    m, r, case = _fitted(name)
    expected = r.get("predict")
    if not expected or "error" in expected:
        pytest.skip("R gives no predictions for this case")
    if case.get("offset"):
        pytest.skip("an offset= argument does not travel with new data")
    new = pd.DataFrame(expected["newdata"])
    atol = (5e-3 if _is_loose(name, r) else 1e-5) * m.sigma
    got = m.predict(new, allow_new_levels=True)
    np.testing.assert_allclose(got, expected["re_form_NULL"], rtol=1e-5, atol=atol)
    got = m.predict(new, re_form=False)
    np.testing.assert_allclose(got, expected["re_form_NA"], rtol=1e-5, atol=atol)


def test_reference_files_are_read_whole(shared):
    for family in ("lmm", "lmm_large"):
        known = json.loads((shared / "reference" / f"{family}.json").read_text())["cases"]
        assert {c["id"] for c in known} <= set(CASES)
