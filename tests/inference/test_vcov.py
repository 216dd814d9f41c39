"""Sandwich covariances against sandwich and clubSandwich, and what they must refuse."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mlpool.errors import FitError, NotSupportedError, OptionError
from mlpool.families import Family
from mlpool.inference.sandwich.heteroscedastic import ScoreRows, cluster_counts, robust_vcov
from mlpool.inference.wald import standard_errors
from tests.inference import glm_designs
from tests.inference.ols_designs import IDS, codes_of, design, load_case

#: sandwich 1e-8 (direct solutions); CR2 and CR3 1e-7 (eigenvalues), as the reference README says
_TOL = {"CR2": 1e-7, "CR3": 1e-7, "HC2": 1e-8, "HC3": 1e-8}


def _assert_close(V: np.ndarray, reference: object, tol: float, what: str) -> None:
    R = np.array(reference, dtype=float)
    scale = np.sqrt(np.outer(np.diag(R), np.diag(R)))
    assert np.abs((V - R) / scale).max() < tol, what


@pytest.mark.parametrize("case_id", IDS)
def test_design_is_the_reference_model(shared: Path, case_id: str) -> None:
    _, beta, _ = design(shared, case_id)
    estimate = load_case(shared, case_id)["result"]["lm"]["coef"]["estimate"]
    np.testing.assert_allclose(beta, estimate, rtol=1e-8)


@pytest.mark.parametrize("case_id", IDS)
def test_without_clusters_as_vcovHC(shared: Path, case_id: str) -> None:
    rows, _, _ = design(shared, case_id)
    reference = load_case(shared, case_id)["result"]["vcovHC"]
    assert set(reference) == {"HC0", "HC1", "HC2", "HC3", "HC4", "HC4m", "HC5"}
    for kind, value in reference.items():
        _assert_close(robust_vcov(rows, kind), value["vcov"], 1e-8, kind)


@pytest.mark.parametrize("case_id", IDS)
def test_with_clusters_as_vcovCL(shared: Path, case_id: str) -> None:
    rows, _, d = design(shared, case_id)
    case = load_case(shared, case_id)
    codes = codes_of(d, case["cluster"])
    assert cluster_counts([codes]) == (case["result"]["n_clusters"],)
    for kind, value in case["result"]["vcovCL"].items():
        _assert_close(robust_vcov(rows, kind, [codes]), value["vcov"], 1e-8, kind)
    for kind, value in case["result"]["vcovCL_cadjust_false"].items():
        V = robust_vcov(rows, kind, [codes], cadjust=False)
        _assert_close(V, value["vcov"], 1e-8, f"{kind} without G/(G-1)")
    np.testing.assert_array_equal(
        robust_vcov(rows, "vcovCL", [codes]), robust_vcov(rows, "HC1", [codes])
    )


@pytest.mark.parametrize("case_id", IDS)
def test_with_clusters_as_clubSandwich(shared: Path, case_id: str) -> None:
    rows, _, d = design(shared, case_id)
    case = load_case(shared, case_id)
    codes = codes_of(d, case["cluster"])
    for kind, value in case["result"]["clubSandwich"].items():
        V = robust_vcov(rows, kind, [codes])
        _assert_close(V, value["vcov"], _TOL.get(kind, 1e-8), kind)


@pytest.mark.parametrize("case_id", ["ols_penicillin_twoway", "ols_daily"])
def test_two_ways_as_vcovCL(shared: Path, case_id: str) -> None:
    rows, _, d = design(shared, case_id)
    reference = load_case(shared, case_id)["result"]["vcovCL_multiway"]
    codes = [codes_of(d, column) for column in reference["clusters"]]
    for kind in ("HC0", "HC1"):
        _assert_close(robust_vcov(rows, kind, codes), reference[kind]["vcov"], 1e-8, kind)
    V = robust_vcov(rows, "HC1", codes, multi0=True)
    _assert_close(V, reference["HC1_multi0"]["vcov"], 1e-8, "multi0")


def test_large_clusters_take_the_low_rank_path(shared: Path) -> None:
    """CR2 and CR3 from p x p matrices equal the n_g x n_g definition."""
    rows, _, _ = design(shared, "ols_heck_multi")
    codes = np.arange(rows.n) % 3
    root = np.sqrt(rows.row_weights)
    for kind, power in (("CR2", -0.5), ("CR3", -1.0)):
        scores = []
        for g in range(3):
            X = (root[:, None] * rows.X)[codes == g]
            values, vectors = np.linalg.eigh(np.eye(len(X)) - X @ rows.bread @ X.T)
            adjusted = vectors @ (values**power * (vectors.T @ (root * rows.resid)[codes == g]))
            scores.append(X.T @ adjusted)
        S = np.array(scores)
        expected = rows.bread @ S.T @ S @ rows.bread
        _assert_close(robust_vcov(rows, kind, [codes]), expected, 1e-9, kind)


def test_equal_weights_change_nothing(shared: Path) -> None:
    rows, _, d = design(shared, "ols_sleep")
    codes = codes_of(d, "Subject")
    doubled = ScoreRows(
        X=rows.X, resid=rows.resid, bread=rows.bread / 2, weights=np.full(rows.n, 2.0)
    )
    for kind in ("HC0", "HC2", "HC3", "CR1p", "CR2", "CR3"):
        _assert_close(
            robust_vcov(doubled, kind, [codes]), robust_vcov(rows, kind, [codes]), 1e-10, kind
        )


def test_codes_may_be_any_integers(shared: Path) -> None:
    rows, _, d = design(shared, "ols_sleep")
    codes = d["Subject"].to_numpy()
    np.testing.assert_allclose(
        robust_vcov(rows, "CR2", [codes]), robust_vcov(rows, "CR2", [codes_of(d, "Subject")])
    )


# --- generalised linear models ----------------------------------------------------------------


@pytest.mark.parametrize("case_id", ["glm_cbpp", "glm_heck", "glm_epil"])
def test_glm_as_sandwich(shared: Path, case_id: str) -> None:
    rows, codes = glm_designs.score_rows(shared, case_id)
    cases = json.loads((shared / "reference" / "glm.json").read_text())["cases"]
    result = next(case for case in cases if case["id"] == case_id)["result"]
    for kind, value in result["vcovHC"].items():
        # R stops its iterations at a relative change of 1e-8, so its working weights are that far
        _assert_close(robust_vcov(rows, kind), value["vcov"], 1e-6, kind)
    for kind, value in result["vcovCL"].items():
        _assert_close(robust_vcov(rows, kind, [codes]), value["vcov"], 1e-6, kind)


#: R 4.2.2, sandwich 3.0-2, clubSandwich 0.5.8:
#: m <- glm(cbind(incidence, size - incidence) ~ period, data = cbpp, family = binomial,
#:          epsilon = 1e-15)
#: sqrt(diag(vcovCL(m, ~ herd, type = ))), vcovHC(m, type = ), vcovCR(m, cbpp$herd, type = )
_CBPP_CLUSTERED = {
    "HC2": [0.286713607626366, 0.461971509325489, 0.515158940184845, 0.408988322909396],
    "HC3": [0.298962211394278, 0.485733755019335, 0.535700212468249, 0.431659330444031],
    "CR0": [0.275026064652086, 0.439569642929138, 0.495650088900312, 0.387960892240988],
    "CR1": [0.284679022706802, 0.454997807276721, 0.513046583752622, 0.401577675160854],
    "CR1p": [0.321161251422821, 0.513306754358687, 0.578794606323686, 0.453040717478358],
    "CR1S": [0.292775774938101, 0.467938713411201, 0.527638495134999, 0.412999222510858],
    "CR2": [0.286713607626366, 0.461971509325489, 0.515158940184026, 0.408988322909395],
    "CR3": [0.298962211394278, 0.485733755019335, 0.5357002124674, 0.43165933044403],
}
_CBPP_ROWS = {
    "HC4": [0.288993860578113, 0.427133587579374, 0.530441126312039, 0.465592191199157],
    "HC4m": [0.30049482828432, 0.445072884038329, 0.547900077885318, 0.48318585908004],
    "HC5": [0.281875225493781, 0.41278355040108, 0.519018100568829, 0.445185714865679],
}
#: glm(incidence + 0.5 ~ I(size / 10), family = Gamma(link = "log"), weights = size, data = cbpp,
#: epsilon = 1e-15)
_GAMMA = {
    "HC0": ([0.368725833557734, 0.205116952960146], False),
    "HC3": ([0.446742814664028, 0.258004848317928], False),
    "HC1": ([0.404426951707196, 0.225599085537781], True),
    "CR1": ([0.400733477523119, 0.223538776760465], True),
    "CR2": ([0.430269074954424, 0.242840920929601], True),
    "CR3": ([0.480428866532854, 0.274270449019604], True),
}


def test_glm_with_clusters_as_sandwich_and_clubSandwich(shared: Path) -> None:
    rows, codes = glm_designs.score_rows(shared, "glm_cbpp")
    for kind, se in _CBPP_CLUSTERED.items():
        found = standard_errors(robust_vcov(rows, kind, [codes]))
        np.testing.assert_allclose(found, se, rtol=1e-8, err_msg=kind)
    for kind, se in _CBPP_ROWS.items():
        np.testing.assert_allclose(
            standard_errors(robust_vcov(rows, kind)), se, rtol=1e-8, err_msg=kind
        )


def test_glm_with_dispersion_and_prior_weights(shared: Path) -> None:
    d = glm_designs.cbpp(shared)
    X = np.column_stack([np.ones(len(d)), d["size"] / 10])
    rows = glm_designs.fit_rows(
        (d.incidence + 0.5).to_numpy(), X, Family("Gamma", "log"), d["size"].to_numpy(float)
    )
    for kind, (se, clustered) in _GAMMA.items():
        clusters = [d.herd.to_numpy()] if clustered else None
        found = standard_errors(robust_vcov(rows, kind, clusters))
        np.testing.assert_allclose(found, se, rtol=1e-8, err_msg=kind)


# --- refusals ---------------------------------------------------------------------------------


def _small_rows() -> ScoreRows:
    X = np.column_stack([np.ones(6), np.arange(6.0)])
    y = np.array([1.0, 3.0, 2.0, 5.0, 4.0, 6.0])
    bread = np.linalg.inv(X.T @ X)
    return ScoreRows(X=X, resid=y - X @ (bread @ (X.T @ y)), bread=bread)


def test_unknown_types_name_the_nearest() -> None:
    rows, codes = _small_rows(), np.array([0, 0, 1, 1, 2, 2])
    with pytest.raises(OptionError, match="Did you mean 'HC3'"):
        robust_vcov(rows, "hc3")
    with pytest.raises(OptionError, match="type with a cluster must be one of"):
        robust_vcov(rows, "HC4", [codes])
    with pytest.raises(OptionError, match="type without a cluster must be one of"):
        robust_vcov(rows, "CR2")


def test_clubsandwich_types_take_one_cluster() -> None:
    codes = np.array([0, 0, 1, 1, 2, 2])
    with pytest.raises(OptionError, match="CR2 takes one cluster variable"):
        robust_vcov(_small_rows(), "CR2", [codes, codes])


def test_one_cluster_is_refused() -> None:
    with pytest.raises(NotSupportedError, match="at least two clusters"):
        robust_vcov(_small_rows(), "HC1", [np.zeros(6, dtype=int)])


def test_cr1p_needs_more_clusters_than_coefficients() -> None:
    with pytest.raises(FitError, match="CR1p divides by clusters - coefficients, here 2 - 2"):
        robust_vcov(_small_rows(), "CR1p", [np.array([0, 0, 0, 1, 1, 1])])


def test_leverage_of_one_is_named() -> None:
    X = np.column_stack([np.ones(5), [0, 0, 0, 0, 1.0]])
    bread = np.linalg.inv(X.T @ X)
    rows = ScoreRows(X=X, resid=np.array([1.0, -1, 2, -2, 0]), bread=bread)
    with pytest.raises(FitError, match="leverage of row 5 of the model is 1"):
        robust_vcov(rows, "HC3")
    with pytest.raises(FitError, match="leverage of row 5"):
        robust_vcov(rows, "HC2", [np.arange(5)])
    assert np.isfinite(robust_vcov(rows, "HC1")).all()


def test_cluster_dummies_allow_cr2_but_not_cr3() -> None:
    codes = np.repeat([0, 1, 2], 4)
    X = np.column_stack([np.eye(3)[codes], np.tile([0.0, 1, 3, 2], 3)])
    y = np.sin(np.arange(12.0))
    bread = np.linalg.inv(X.T @ X)
    rows = ScoreRows(X=X, resid=y - X @ (bread @ (X.T @ y)), bread=bread)
    assert robust_vcov(rows, "CR2", [codes])[3, 3] > robust_vcov(rows, "CR0", [codes])[3, 3]
    with pytest.raises(FitError, match="rests on one cluster"):
        robust_vcov(rows, "CR3", [codes])


def test_glm_cr2_refuses_huge_clusters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlpool.inference.sandwich.residual_adjustments._MAX_FULL_ROWS", 2)
    rows = _small_rows()
    glm = ScoreRows(
        X=rows.X,
        resid=rows.resid,
        bread=rows.bread,
        weights=np.ones(6),
        mu_eta=np.ones(6),
    )
    with pytest.raises(NotSupportedError, match="one has 3 rows"):
        robust_vcov(glm, "CR2", [np.array([0, 0, 0, 1, 1, 1])])
