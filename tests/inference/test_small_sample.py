"""Satterthwaite, Kenward-Roger and Wald intervals of SDs against R, and against the dense twin."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mlpool.engine.types import ArrayRows, LmmData, LmmFit
from mlpool.errors import NotSupportedError, OptionError
from mlpool.inference.small_sample.information import variance_information
from mlpool.inference.small_sample.kenward_roger import kenward_roger
from mlpool.inference.small_sample.random_wald import random_wald
from mlpool.inference.small_sample.satterthwaite import (
    satterthwaite,
    satterthwaite_df,
    satterthwaite_f,
)
from tests.inference import dense
from tests.inference.lmm_designs import CASES, data_and_fit, load_case

#: pbkrtest leaves prior weights out of V (nothing in it reads them), which mlpool does not copy
_WITH_KR = (
    "sleep_ri_reml",
    "sleep_rs_reml",
    "sleep_dbar_num_reml",
    "sleep_I2",
    "sleep_missing",
    "dyestuff_reml",
    "dyestuff2_reml_singular",
    "penicillin_crossed",
    "pastes_nested_slash",
    "ortho_ri",
    "ortho_rs",
)


#: R: contestMD(fit, diag(4)[3:4, ], ddf = "Satterthwaite" | "Kenward-Roger") for ortho_rs: F, df, p
_SATTERTHWAITE_F = (6.57083376843406, 25.0, 0.00509042630026)
_KENWARD_ROGER_F = (6.30800041769663, 24.0, 0.00628758672871)


@pytest.mark.parametrize("case_id", list(CASES))
def test_satterthwaite_as_lmerTest(shared: Path, case_id: str) -> None:
    reference = load_case(shared, case_id)["result"]["satterthwaite"]["df"]
    df = satterthwaite(*data_and_fit(shared, case_id))
    # lmerTest differentiates numerically; in practice it agrees to about 1e-7, singular fits too
    np.testing.assert_allclose(df, np.array(reference, dtype=float), rtol=1e-6)


@pytest.mark.parametrize("case_id", _WITH_KR)
def test_kenward_roger_as_pbkrtest(shared: Path, case_id: str) -> None:
    reference = load_case(shared, case_id)["result"]["kenward_roger"]
    result = kenward_roger(*data_and_fit(shared, case_id))
    np.testing.assert_allclose(result.df, np.array(reference["df"], dtype=float), rtol=1e-8)
    adjusted = np.array(reference["vcov_adj"])
    assert np.abs(result.vcov - adjusted).max() < 1e-9 * np.abs(adjusted).max()


def test_kenward_roger_of_a_weighted_balanced_design_is_exact(shared: Path) -> None:
    """One slope per subject, the same days for all: 17 df whatever the (common) weights."""
    result = kenward_roger(*data_and_fit(shared, "sleep_weights"))
    np.testing.assert_allclose(result.df, [17.0, 17.0], rtol=1e-6)
    np.testing.assert_allclose(result.vcov, result.info.vcov, rtol=1e-6)


# --- the dense twin -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "case_id",
    ["sleep_rs_reml", "sleep_rs_ml", "sleep_weights", "penicillin_crossed", "pastes_nested_slash"],
)
def test_information_is_the_second_derivative(shared: Path, case_id: str) -> None:
    """Observed information and gradient by central differences of the normal density."""
    data, fit = data_and_fit(shared, case_id)
    # away from the optimum in the variance parameters; beta follows from them
    fit = _moved(data, replace(fit, theta=fit.theta * 1.2, sigma=fit.sigma * 0.9))
    info = variance_information(data, fit)
    phi = dense.covariance_parameters(data, fit)

    def value(step: np.ndarray) -> float:
        return dense.minus_twice_loglik(data, phi + step, reml=fit.reml)

    h = 1e-3 * np.maximum(np.abs(phi), 1e-2 * np.abs(phi).max())
    unit = np.diag(h)
    gradient = np.array([(value(u) - value(-u)) / (2 * s) for u, s in zip(unit, h, strict=True)])
    np.testing.assert_allclose(info.gradient, gradient, rtol=1e-3, atol=1e-4 / h.max())
    scale = np.sqrt(np.diag(info.expected_ml))
    for i in range(len(phi)):
        for j in range(i + 1):
            a, b = unit[i], unit[j]
            second = (value(a + b) - value(a - b) - value(b - a) + value(-a - b)) / (
                4 * h[i] * h[j]
            )
            # half of it: information is that of the log-likelihood, value is minus twice
            error = abs(info.observed[i, j] - 0.5 * second) / (scale[i] * scale[j])
            assert error < 5e-4, (i, j)


@pytest.mark.parametrize("case_id", ["sleep_rs_reml", "penicillin_crossed", "sleep_weights"])
def test_expected_information_is_the_trace(shared: Path, case_id: str) -> None:
    data, fit = data_and_fit(shared, case_id)
    info = variance_information(data, fit)
    parts = dense.covariance_derivatives(data)
    phi = dense.covariance_parameters(data, fit)
    V = sum(value * part for value, part in zip(phi, parts, strict=True))
    root = np.ones(data.n) if data.weights is None else np.sqrt(data.weights)
    X = root[:, None] * data.X.rows(0, data.n)
    inverse = np.linalg.inv(V)
    VX = inverse @ X
    P = inverse - VX @ np.linalg.solve(X.T @ VX, VX.T)
    for i, a in enumerate(parts):
        for j, b in enumerate(parts):
            ml = 0.5 * np.sum((inverse @ a) * (inverse @ b).T)
            reml = 0.5 * np.sum((P @ a) * (P @ b).T)
            assert info.expected_ml[i, j] == pytest.approx(ml, rel=1e-7)
            assert info.expected_reml[i, j] == pytest.approx(reml, rel=1e-7)


def test_one_factor_path_equals_several_factor_path(shared: Path) -> None:
    """The same model with its two terms' factors declared different takes the dense path."""
    data, fit = data_and_fit(shared, "sleep_dbar_num_reml")
    other = replace(data, terms=(data.terms[0], replace(data.terms[1], factor=1)))
    fast, slow = variance_information(data, fit), variance_information(other, fit)
    for name in ("P", "Q", "expected_reml", "expected_ml", "observed"):
        np.testing.assert_allclose(getattr(fast, name), getattr(slow, name), rtol=1e-8, atol=1e-12)


def _moved(data: LmmData, fit: LmmFit) -> LmmFit:
    """The fit with beta and its covariance at the fit's own variance parameters."""
    phi = dense.covariance_parameters(data, fit)
    parts = dense.covariance_derivatives(data)
    V = sum(value * part for value, part in zip(phi, parts, strict=True))
    root = np.ones(data.n) if data.weights is None else np.sqrt(data.weights)
    X, y = root[:, None] * data.X.rows(0, data.n), root * data.y
    Phi = np.linalg.inv(X.T @ np.linalg.solve(V, X))
    beta = Phi @ (X.T @ np.linalg.solve(V, y))
    return replace(fit, beta=beta, vcov_unscaled=Phi / fit.sigma**2)


# --- contrasts ----------------------------------------------------------------------------------


def test_contrasts_of_one_row(shared: Path) -> None:
    data, fit = data_and_fit(shared, "sleep_missing")
    kr = kenward_roger(data, fit)
    np.testing.assert_allclose(satterthwaite(data, fit, np.eye(2)), satterthwaite(data, fit))
    np.testing.assert_allclose(kr.contrast_df(3.0 * np.eye(2)), kr.df)
    test = satterthwaite_f(kr.info, np.array([[0.0, 1.0]]))
    t = fit.beta[1] / np.sqrt(kr.info.vcov[1, 1])
    assert test.statistic == pytest.approx(t**2)
    assert test.df_den == pytest.approx(satterthwaite(data, fit)[1])
    scaled = kr.f_test(np.array([[0.0, 1.0]]))
    assert scaled.statistic == pytest.approx(fit.beta[1] ** 2 / kr.vcov[1, 1])
    assert scaled.df_den == pytest.approx(kr.df[1])
    assert scaled.scaling == pytest.approx(1.0)


def test_joint_contrast_as_R(shared: Path) -> None:
    data, fit = data_and_fit(shared, "ortho_rs")
    L = np.eye(4)[2:]
    satt, kr = (
        satterthwaite_f(variance_information(data, fit), L),
        kenward_roger(data, fit).f_test(L),
    )
    assert satt.statistic == pytest.approx(_SATTERTHWAITE_F[0], rel=1e-5)
    assert (satt.df_num, satt.df_den) == pytest.approx((2, _SATTERTHWAITE_F[1]), rel=1e-4)
    assert satt.p == pytest.approx(_SATTERTHWAITE_F[2], rel=1e-3)
    assert kr.statistic == pytest.approx(_KENWARD_ROGER_F[0], rel=1e-5)
    assert (kr.df_num, kr.df_den) == pytest.approx((2, _KENWARD_ROGER_F[1]), rel=1e-5)
    assert kr.p == pytest.approx(_KENWARD_ROGER_F[2], rel=1e-3)


def test_redundant_rows_do_not_count(shared: Path) -> None:
    data, fit = data_and_fit(shared, "ortho_rs")
    info, kr = variance_information(data, fit), kenward_roger(data, fit)
    L = np.eye(4)[2:]
    twice = np.vstack([L, L.sum(axis=0)])
    assert satterthwaite_f(info, twice).statistic == pytest.approx(
        satterthwaite_f(info, L).statistic
    )
    assert kr.f_test(twice).df_den == pytest.approx(kr.f_test(L).df_den)
    assert kr.f_test(twice).statistic == pytest.approx(kr.f_test(L).statistic)


# --- Wald intervals of SDs ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reference_id", "case_id"),
    [
        ("revar_sleep_rs_reml", "sleep_rs_reml"),
        ("revar_sleep_rs_ml", "sleep_rs_ml"),
        ("revar_penicillin", "penicillin_crossed"),
        ("revar_ortho", "ortho_ri"),
    ],
)
def test_random_wald(shared: Path, reference_id: str, case_id: str) -> None:
    cases = json.loads((shared / "reference" / "re_wald_ci.json").read_text())["cases"]
    result = next(case for case in cases if case["id"] == reference_id)["result"]
    data, fit = data_and_fit(shared, case_id)
    reference = result["info_P" if fit.reml else "info_Vinv"]
    found = random_wald(data, fit)
    for ours, theirs in (
        ("estimate", "estimate"), ("se", "se"), ("low", "ci_low"), ("high", "ci_high")
    ):  # fmt: skip
        np.testing.assert_allclose(getattr(found, ours), reference[theirs], rtol=1e-6, err_msg=ours)
    assert not found.on_boundary.any()
    names = ["cor" if row != col else "sd" for _, row, col in found.places]
    assert names == [name.split("_")[0] for name in reference["names"]]


def test_random_wald_on_the_boundary(shared: Path) -> None:
    line = random_wald(*data_and_fit(shared, "heck_rs_reml"))
    assert line.on_boundary.tolist() == [False, True, False, False]
    assert np.isnan([line.se[1], line.low[1], line.high[1]]).all()
    assert np.isfinite(line.se[[0, 2, 3]]).all()
    zero = random_wald(*data_and_fit(shared, "dyestuff2_reml_singular"))
    assert zero.on_boundary.tolist() == [True, False]
    # without the batches sigma is the SD of 30 independent yields: SE = sigma / sqrt(2 * 29)
    assert zero.se[1] == pytest.approx(zero.estimate[1] / np.sqrt(58.0), rel=1e-8)


# --- properties and refusals --------------------------------------------------------------------


def test_rescaling_a_predictor_leaves_df_alone(shared: Path) -> None:
    data, fit = data_and_fit(shared, "heck_l2")
    scale = np.array([1.0, 10.0, 1.0, 0.1, 1.0])
    scaled = replace(data, X=ArrayRows(data.X.rows(0, data.n) * scale))
    refit = replace(
        fit,
        beta=fit.beta / scale,
        vcov_unscaled=fit.vcov_unscaled / np.outer(scale, scale),
    )
    np.testing.assert_allclose(satterthwaite(scaled, refit), satterthwaite(data, fit), rtol=1e-8)


def test_offset_is_taken_off(shared: Path) -> None:
    data, fit = data_and_fit(shared, "sleep_ri_reml")
    offset = np.linspace(0.0, 50.0, data.n)
    moved = replace(data, y=data.y + offset, offset=offset)
    np.testing.assert_allclose(satterthwaite(moved, fit), satterthwaite(data, fit))


def test_kenward_roger_needs_reml(shared: Path) -> None:
    with pytest.raises(NotSupportedError, match="refit with REML=True"):
        kenward_roger(*data_and_fit(shared, "sleep_rs_ml"))


def test_too_many_crossed_effects_are_refused(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlpool.inference.small_sample.variance_sums_several.MAX_DENSE_BYTES", 1000)
    with pytest.raises(NotSupportedError, match="24 x 6 random effects of crossed grouping"):
        satterthwaite(*data_and_fit(shared, "penicillin_crossed"))


def test_contrast_of_wrong_length(shared: Path) -> None:
    data, fit = data_and_fit(shared, "sleep_ri_reml")
    info = variance_information(data, fit)
    with pytest.raises(OptionError, match="one number per coefficient \\(2\\); this one has 3"):
        satterthwaite_df(info, np.ones((1, 3)))


def test_level_is_checked(shared: Path) -> None:
    with pytest.raises(OptionError, match="must lie between 0 and 1"):
        random_wald(*data_and_fit(shared, "sleep_ri_reml"), level=2)
