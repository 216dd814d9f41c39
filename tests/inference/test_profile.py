"""Profile-likelihood intervals of mixed models against lme4."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import mlpool
from mlpool.engine.lmm.fit import fit_at, fit_lmm
from mlpool.errors import FitError, MlpoolWarning, OptionError
from mlpool.inference.profiles.likelihood_roots import solve_distance
from mlpool.inference.profiles.lmm import ProfileIntervals, profile_confint
from tests.inference.lmm_designs import data_and_fit

#: R interpolates by splines: the README allows 2e-3 of the width; smooth profiles agree to 1e-4
_OF_WIDTH = 2e-4


def _bounds(intervals: ProfileIntervals) -> np.ndarray:
    return np.vstack([intervals.random, intervals.fixed])


@pytest.mark.parametrize(
    ("reference_id", "case_id", "reml", "level"),
    [
        ("ci_sleep_rs_ml", "sleep_rs_ml", False, 0.95),
        ("ci_sleep_rs_ml", "sleep_rs_ml", False, 0.9),
        ("ci_sleep_rs_reml", "sleep_rs_reml", True, 0.95),
        ("ci_sleep_ri_ml", "sleep_ri_reml", False, 0.95),
        ("ci_dyestuff_ml", "dyestuff_reml", False, 0.95),
        ("ci_penicillin_ml", "penicillin_crossed", False, 0.95),
        ("ci_heck_ses", "heck_ses_reml", False, 0.95),
    ],
)
def test_as_lme4(shared: Path, reference_id: str, case_id: str, reml: bool, level: float) -> None:
    cases = json.loads((shared / "reference" / "confint.json").read_text())["cases"]
    case = next(case for case in cases if case["id"] == reference_id)
    table = case["result"]["profile"][f"level_{level:g}"]
    expected = np.column_stack([table["low"], table["high"]])
    data, _ = data_and_fit(shared, case_id)
    found = profile_confint(data, fit_lmm(data, reml=reml), level)
    error = np.abs(_bounds(found) - expected) / np.diff(expected, axis=1)
    assert error.max() < _OF_WIDTH, table["names"]
    names = ["sd" if row == col else "cor" for _, row, col in found.places[:-1]]
    assert names == [name.split("_")[0] for name in table["names"][: len(names)]]
    assert found.places[-1] == (-1, 0, 0)


def test_zero_variance_as_lme4(shared: Path) -> None:
    """R: confint(lmer(Yield ~ 1 + (1 | Batch), Dyestuff2, REML = FALSE))."""
    data, _ = data_and_fit(shared, "dyestuff2_reml_singular")
    found = profile_confint(data, fit_lmm(data, reml=False))
    expected = [[0.0, 2.084043], [2.892831, 4.815833], [4.3121, 7.019092]]
    np.testing.assert_allclose(_bounds(found), expected, atol=1e-3)


def test_nested_factor_whose_variance_may_be_zero(shared: Path) -> None:
    """R: confint(lmer(strength ~ 1 + (1 | batch/cask), Pastes, REML = FALSE))."""
    data, _ = data_and_fit(shared, "pastes_nested_slash")
    found = profile_confint(data, fit_lmm(data, reml=False))
    expected = [
        [2.1579337, 4.053589],
        [0.0, 2.946591],
        [0.6520234, 1.085448],
        [58.6636504, 61.443016],
    ]
    np.testing.assert_allclose(_bounds(found), expected, atol=1e-3)


@pytest.mark.slow
def test_likelihood_with_several_minima_as_lme4(shared: Path) -> None:
    """R: confint(lmer(distance ~ age * Sex + (1 + age | Subject), REML = FALSE))."""
    data, _ = data_and_fit(shared, "ortho_rs")
    found = profile_confint(data, fit_lmm(data, reml=False))
    expected = [
        [0.001260871, 4.14832113],
        [-1.0, 1.0],
        [0.0, 0.33857989],
        [1.097026490, 1.58851374],
        [14.349298887, 18.33195115],
        [0.616237842, 0.95251217],
        [-2.087706165, 4.15191077],
        [-0.568249847, -0.04140922],
    ]
    np.testing.assert_allclose(_bounds(found), expected, atol=1e-3)


@pytest.mark.slow
def test_correlation_of_minus_one(shared: Path) -> None:
    """R: confint(lmer(math ~ ses + (1 + ses | school), heck2011, REML = FALSE))."""
    data, _ = data_and_fit(shared, "heck_rs_ml")
    found = profile_confint(data, fit_lmm(data, reml=False))
    np.testing.assert_allclose(found.random[1], [-1.0, -0.6587527], atol=2e-3)
    expected = [[57.4362972, 57.9563503], [3.6716229, 4.2520840]]
    np.testing.assert_allclose(found.fixed, expected, atol=1e-3)


def test_prior_weights_as_lme4(shared: Path) -> None:
    data, _ = data_and_fit(shared, "sleep_weights")
    found = profile_confint(data, fit_lmm(data, reml=False))
    # R: the same call on lme4 (random parameters; its fixed effects ignore the weights)
    expected = [
        [16.130347523, 39.524104987],
        [-0.575136719, 0.483599058],
        [4.349418401, 9.563504079],
        [28.458446510, 35.865321268],
    ]
    np.testing.assert_allclose(found.random, expected, rtol=1e-4)
    assert found.fixed[0, 0] < 249.9 < found.fixed[0, 1]


def test_a_better_fit_is_an_error(shared: Path) -> None:
    data, _ = data_and_fit(shared, "sleep_ri_reml")
    far = fit_at(data, np.array([3.0]), reml=False)
    with pytest.raises(FitError, match="found a better solution"):
        profile_confint(data, replace(far, reml=False))


def test_level_is_checked(shared: Path) -> None:
    with pytest.raises(OptionError, match="must lie between 0 and 1"):
        profile_confint(*data_and_fit(shared, "sleep_ri_reml"), level=95)


# --- roots --------------------------------------------------------------------------------------


@pytest.mark.parametrize("has_slope", [True, False])
@pytest.mark.parametrize("guess", [1e-3, 1.0, 50.0])
def test_solve_distance(has_slope: bool, guess: float) -> None:
    def zeta(t: float) -> tuple[float, float]:
        return np.sinh(t), np.cosh(t) if has_slope else np.nan

    assert solve_distance(zeta, 2.0, guess) == pytest.approx(np.arcsinh(2.0), abs=1e-9)


def test_solve_distance_of_a_flat_function_is_infinite() -> None:
    assert solve_distance(lambda t: (1.0 - np.exp(-t), np.nan), 2.0, 1.0) == np.inf
    assert solve_distance(lambda t: (0.0, 0.0), 2.0, 1.0) == np.inf


def test_profiles_scale_with_a_slopes_predictor() -> None:
    """A slope per dollar is a slope per 50,000 dollars, bound by bound."""
    rng = np.random.default_rng(3)
    g, x = np.repeat(np.arange(16), 12), rng.lognormal(0.0, 0.6, 192)
    b = rng.normal(size=(16, 2))
    y = 2 + b[g, 0] + x * (0.5 + b[g, 1]) + rng.normal(size=192)
    d = {"y": y, "g": g, "x": x, "income": 5e4 * x}
    one = mlpool.confint(mlpool.lmer("y ~ x + (x | g)", d, REML=False)).to_numpy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MlpoolWarning)  # of the predictor's size
        two = mlpool.confint(mlpool.lmer("y ~ income + (income | g)", d, REML=False)).to_numpy()
    scale = np.array([1.0, 1.0, 5e4, 1.0, 1.0, 5e4])  # SDs, correlation, sigma, fixed effects
    np.testing.assert_allclose(two * scale[:, None], one, rtol=1e-3, atol=1e-4)
