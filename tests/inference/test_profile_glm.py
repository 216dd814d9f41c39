"""Profile-likelihood intervals of glm against MASS, and of separated data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mlpool.errors import FitError, OptionError
from mlpool.families import Family
from mlpool.inference.profiles.glm import GlmProblem, profile_confint_glm
from tests.inference.glm_designs import cbpp, fit, model

#: R 4.2.2, MASS 7.3-58.2: confint(glm(...)) of the models of glm.json. MASS interpolates a dozen
#: points by splines and stops IRLS at 1e-8; the agreement is about 1e-4 of the interval's width.
_REFERENCE = {
    "glm_cbpp": [
        [-1.561158762, -0.9920265530],
        [-1.769536630, -0.6204795413],
        [-1.950883107, -0.7157270970],
        [-2.680659360, -1.0375518105],
    ],
    "glm_heck": [
        [0.4669274214, 0.6127182506],
        [0.7731638752, 0.9121908239],
        [-0.4320892460, -0.2296974447],
    ],
    "glm_epil": [
        [1.7799443166, 1.9400569883],
        [-0.4669005157, -0.2277871932],
        [0.8646484964, 1.0354399605],
        [0.6688854048, 1.1253748387],
        [0.4375770463, 0.6864939525],
    ],
}


def _interval(problem: GlmProblem, level: float = 0.95) -> np.ndarray:
    beta, rows = fit(problem)
    se = np.sqrt(problem.dispersion * np.diag(rows.bread))
    return profile_confint_glm(problem, beta, se, level)


def _assert_near(found: np.ndarray, reference: object, width_share: float) -> None:
    expected = np.array(reference)
    width = np.diff(expected, axis=1)
    assert np.abs((found - expected) / width).max() < width_share


@pytest.mark.parametrize("case_id", list(_REFERENCE))
def test_as_MASS(shared: Path, case_id: str) -> None:
    problem, _ = model(shared, case_id)
    _assert_near(_interval(problem), _REFERENCE[case_id], 1e-3)


def test_probit_and_gamma_as_MASS(shared: Path) -> None:
    problem, _ = model(shared, "glm_cbpp")
    probit = _interval(replace(problem, family=Family("binomial", "probit")))
    expected = [
        [-0.9404979676, -0.6112628654],
        [-0.9308162326, -0.3388669041],
        [-1.0124467128, -0.3888136628],
        [-1.3196892649, -0.5533961011],
    ]
    _assert_near(probit, expected, 1e-3)
    d = cbpp(shared)
    gamma = GlmProblem(
        y=(d.incidence + 0.5).to_numpy(),
        X=np.column_stack([np.ones(len(d)), d["size"] / 10]),
        family=Family("Gamma", "log"),
        weights=d["size"].to_numpy(float),
        dispersion=14.3179658399268,
    )
    expected = [[-0.7865178366, 0.6717713578], [0.1867697698, 0.9177881898]]
    _assert_near(_interval(gamma), expected, 1e-3)


def test_bounds_solve_the_likelihood_equation(shared: Path) -> None:
    """The deviance minimised over the others rises by the chi-square quantile at each bound."""
    problem, _ = model(shared, "glm_cbpp")
    beta, _ = fit(problem)
    bounds = _interval(problem, level=0.9)
    base = problem.deviance(problem.X @ beta)
    for i, side in ((0, 0), (1, 1), (3, 0)):
        others = np.delete(problem.X, i, axis=1)
        fixed = bounds[i, side] * problem.X[:, i]
        c = np.delete(beta, i)
        for _ in range(100):
            eta = others @ c + fixed
            mu = problem.family.inverse(eta)
            W = problem.weights * mu * (1 - mu)
            c = c + np.linalg.solve(
                others.T @ (W[:, None] * others), others.T @ (problem.weights * (problem.y - mu))
            )
        # qchisq(0.9, 1)
        assert problem.deviance(others @ c + fixed) - base == pytest.approx(2.705543454, rel=1e-7)


def test_gaussian_profile_is_the_normal_interval() -> None:
    x = np.arange(12.0)
    y = np.sin(x) + x
    problem = GlmProblem(
        y=y,
        X=np.column_stack([np.ones(12), x]),
        family=Family("gaussian", "identity"),
        offset=0.1 * x,
        dispersion=0.7,
    )
    beta = np.linalg.lstsq(problem.X, y - problem.offset, rcond=None)[0]
    se = np.sqrt(0.7 * np.diag(np.linalg.inv(problem.X.T @ problem.X)))
    expected = np.column_stack([beta - 1.959963984540054 * se, beta + 1.959963984540054 * se])
    np.testing.assert_allclose(profile_confint_glm(problem, beta, se), expected, rtol=1e-7)


def test_intercept_only() -> None:
    problem = GlmProblem(
        y=np.array([1.0, 2, 3, 4]), X=np.ones((4, 1)), family=Family("poisson", "log")
    )
    low, high = profile_confint_glm(problem, np.log([2.5]), np.array([10**-0.5]))[0]
    for b in (low, high):
        deviance = 2 * (4 * np.exp(b) - 10 * b - 10 + 10 * np.log(2.5))
        assert deviance == pytest.approx(3.841458820694124, rel=1e-7)


def test_quasi_separation_has_an_infinite_bound() -> None:
    group = np.repeat([0.0, 1.0], 10)
    y = np.r_[np.tile([0.0, 1.0], 5), np.ones(10)]
    problem = GlmProblem(
        y=y, X=np.column_stack([np.ones(20), group]), family=Family("binomial", "logit")
    )
    bounds = profile_confint_glm(problem, np.array([0.0, 19.57]), np.array([0.632, 3400.0]))
    assert bounds[1, 1] == np.inf
    # R: uniroot on the profiled deviance
    assert bounds[1, 0] == pytest.approx(1.236871, abs=1e-5)


def test_complete_separation() -> None:
    x = np.arange(10.0)
    problem = GlmProblem(
        y=(x > 4.5).astype(float),
        X=np.column_stack([np.ones(10), x]),
        family=Family("binomial", "logit"),
    )
    bounds = profile_confint_glm(problem, np.array([-200.0, 44.6]), np.array([1e5, 2e4]))
    assert bounds[1, 1] == np.inf
    assert bounds[0, 0] == -np.inf
    assert bounds[1, 0] == pytest.approx(0.8253609, abs=1e-5)


def test_a_better_fit_is_an_error(shared: Path) -> None:
    problem, _ = model(shared, "glm_cbpp")
    beta, rows = fit(problem)
    with pytest.raises(FitError, match="found a better solution"):
        profile_confint_glm(problem, beta + 0.5, np.sqrt(np.diag(rows.bread)))


def test_level_is_checked(shared: Path) -> None:
    problem, _ = model(shared, "glm_cbpp")
    with pytest.raises(OptionError, match="must lie between 0 and 1"):
        profile_confint_glm(problem, np.zeros(4), np.ones(4), level=95)
