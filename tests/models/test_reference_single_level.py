"""lm and glm of the reference files against R: coefficients, likelihoods, robust covariances."""

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
from tolerances import REL_CR23, REL_GLM, REL_OLS

_FOLDER = find_shared()


def _cases(family: str) -> dict:
    return {c["id"]: c for c in load_cases(_FOLDER, family)} if _FOLDER else {}


OLS, GLM, NOPOOL = _cases("ols"), _cases("glm"), _cases("nopooling")
CLUB = ("CR0", "CR1", "CR1p", "CR1S", "CR2", "CR3")


@cache
def _fit(name: str):
    case = {**OLS, **GLM, **NOPOOL}[name]
    data, contrasts = load_data(_FOLDER, case)
    options = {"weights": case.get("weights"), "contrasts": contrasts or None}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mlpool.MlpoolWarning)
        if case["capability"] == "glm":
            family = case["family"]
            model = mlpool.glm(
                case["formula"], data, family=(family["family"], family["link"]), **options
            )
        else:
            model = mlpool.lm(case["formula"], data, **options)
    return model, data


@pytest.mark.parametrize("name", sorted(OLS) or ["absent"])
def test_lm(name, shared):
    m, _ = _fit(name)
    r = OLS[name]["result"]["lm"]
    assert (m.nobs, m.df_residual) == (r["nobs"], r["df_residual"])
    assert list(m.fixef().index) == r["coef"]["names"]
    np.testing.assert_allclose(m.fixef(), r["coef"]["estimate"], rtol=REL_OLS, atol=1e-10)
    np.testing.assert_allclose(m.se, r["coef"]["se"], rtol=REL_OLS)
    for mine, theirs in (
        (m.sigma, r["sigma"]),
        (m.loglik, r["logLik"]),
        (m.aic, r["AIC"]),
        (m.bic, r["BIC"]),
        (m.deviance, r["deviance"]),
    ):
        assert mine == pytest.approx(theirs, rel=REL_OLS)
    np.testing.assert_allclose(m.fitted.iloc[:5], r["fitted"]["first"], rtol=REL_OLS)


@pytest.mark.parametrize("name", sorted(OLS) or ["absent"])
def test_robust_covariances_of_lm(name, shared):
    m, _ = _fit(name)
    case = OLS[name]
    compared = 0
    for kind, r in case["result"]["vcovHC"].items():
        if "error" not in r and kind in ("HC0", "HC1", "HC2", "HC3", "HC4", "HC4m", "HC5"):
            _close(m.vcov(kind), r["vcov"], REL_OLS, kind)
            compared += 1
    for kind, r in case["result"]["vcovCL"].items():
        if "error" not in r:
            tolerance = REL_CR23 if kind in ("HC2", "HC3") else REL_OLS
            _close(m.vcov(kind, cluster=case["cluster"]), r["vcov"], tolerance, kind)
            compared += 1
    for kind, r in (case["result"].get("clubSandwich") or {}).items():
        if kind in CLUB and "error" not in r:
            tolerance = REL_CR23 if kind in ("CR2", "CR3") else REL_OLS
            _close(m.vcov(kind, cluster=case["cluster"]), r["vcov"], tolerance, kind)
            compared += 1
    assert compared >= 8


@pytest.mark.parametrize("name", sorted(GLM) or ["absent"])
def test_glm(name, shared):
    m, _ = _fit(name)
    r = GLM[name]["result"]
    assert list(m.fixef().index) == r["coef"]["names"]
    np.testing.assert_allclose(m.fixef(), r["coef"]["estimate"], rtol=REL_GLM)
    np.testing.assert_allclose(m.se, r["coef"]["se"], rtol=REL_GLM)
    for mine, theirs in (
        (m.loglik, r["logLik"]),
        (m.aic, r["AIC"]),
        (m.bic, r["BIC"]),
        (m.deviance, r["deviance"]),
        (m.fit.null_deviance, r["null_deviance"]),
    ):
        assert mine == pytest.approx(theirs, rel=1e-8)
    assert m.df_residual == r["df_residual"]
    np.testing.assert_allclose(m.fitted.iloc[:5], r["fitted"]["first"], rtol=REL_GLM)


@pytest.mark.parametrize("name", sorted(GLM) or ["absent"])
def test_robust_covariances_of_glm(name, shared):
    m, _ = _fit(name)
    case = GLM[name]
    compared = 0
    for family, cluster in (("vcovHC", None), ("vcovCL", case["cluster"])):
        for kind, r in case["result"][family].items():
            if "error" not in r:
                _close(m.vcov(kind, cluster=cluster), r["vcov"], 1e-5, kind)
                compared += 1
    assert compared >= 4


@pytest.mark.parametrize(
    "name", [n for n in sorted(NOPOOL) if n.startswith("nopool")] or ["absent"]
)
def test_no_pooling(name, shared):
    m, _ = _fit(name)
    r = NOPOOL[name]["result"]
    assert m.df_residual == r["df_residual"]
    assert m.sigma == pytest.approx(r["sigma"], rel=REL_OLS)
    if "coef" in r:
        assert list(m.fixef().index) == r["coef"]["names"]
        np.testing.assert_allclose(m.fixef(), r["coef"]["estimate"], rtol=1e-7, atol=1e-8)
        np.testing.assert_allclose(m.se, r["coef"]["se"], rtol=REL_OLS)
    else:
        first = r["lm_first_coefs"]
        np.testing.assert_allclose(
            m.fixef()[first["names"]], first["estimate"], rtol=1e-7, atol=1e-8
        )
        assert len(m.fixef()) == r["n_coef"] - r["n_aliased"]
        assert m.loglik == pytest.approx(r["logLik"], rel=REL_OLS)


def _close(mine, theirs, rel: float, kind: str) -> None:
    expected = np.array(theirs, dtype=float)
    scale = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    np.testing.assert_allclose(
        mine.to_numpy() / scale, expected / scale, rtol=0, atol=10 * rel, err_msg=kind
    )
