"""Clusters up to 1e8 residual SDs apart keep all digits of the residuals."""

from __future__ import annotations

import time

import numpy as np
import pytest

from mlpool.engine.lmm.fit import fit_lmm
from mlpool.engine.types import ArrayRows, LmmData, ReTerm
from mlpool.errors import FitError
from mlpool.typing import FloatArray

J, SIZE = 12, 8
CODES = np.repeat(np.arange(J), SIZE)
RATIOS = [1e2, 1e4, 1e6, 1e8]


def _data(y: FloatArray, X: FloatArray, Z: FloatArray) -> LmmData:
    term = ReTerm(z=ArrayRows(Z), codes=CODES, n_levels=J, factor=0)
    return LmmData(y=y, X=ArrayRows(X), terms=(term,))


def _balanced(ratio: float, rng: np.random.Generator) -> FloatArray:
    """Random intercepts, rounded as stored numbers are."""
    return ratio * rng.normal(size=J)[CODES] + rng.normal(size=J * SIZE)


@pytest.mark.parametrize("ratio", [*RATIOS, 1e10])
def test_balanced_anova_has_its_closed_form(ratio: float) -> None:
    """Searle, Casella & McCulloch (1992), section 3.8: REML is the ANOVA estimate."""
    y, one = _balanced(ratio, np.random.default_rng(3)), np.ones((J * SIZE, 1))
    fit = fit_lmm(_data(y, one, one))
    exact = y.astype(np.longdouble).reshape(J, SIZE)
    means = exact.mean(axis=1)
    within = float(((exact - means[:, None]) ** 2).sum() / (J * (SIZE - 1)))
    between = float(SIZE * ((means - means.mean()) ** 2).sum() / (J - 1))
    assert fit.sigma == pytest.approx(np.sqrt(within), rel=1e-8)
    sd = np.sqrt((between - within) / SIZE)
    assert fit.theta[0] * fit.sigma == pytest.approx(sd, rel=1e-8)
    se = fit.sigma * np.sqrt(fit.vcov_unscaled[0, 0])
    assert se == pytest.approx(np.sqrt(between / (J * SIZE)), rel=1e-8)
    assert fit.optimum.evaluations < 20
    assert not fit.diagnostics


@pytest.mark.parametrize("ratio", RATIOS[2:])
def test_a_slope_is_the_one_within_clusters(ratio: float) -> None:
    """Of clusters far apart only the rows within tell of a slope, whatever their means say."""
    rng = np.random.default_rng(3)
    b, e = rng.normal(size=J)[CODES], rng.normal(size=J * SIZE)
    x = rng.normal(size=J * SIZE) + b
    y = ratio * b + 3.0 * x + e
    X = np.column_stack([np.ones(J * SIZE), x])
    fit = fit_lmm(_data(y, X, X[:, :1]))
    about = (x.reshape(J, SIZE) - x.reshape(J, SIZE).mean(axis=1, keepdims=True)).ravel()
    # Means and slopes of order `ratio` round to `ratio` eps.
    slope = about @ (3.0 * x + e) / (about @ about)
    assert fit.beta[1] == pytest.approx(slope, abs=10 * ratio * np.finfo(float).eps + 1 / ratio)
    se = fit.sigma * np.sqrt(fit.vcov_unscaled[1, 1])
    assert se == pytest.approx(fit.sigma / np.sqrt(about @ about), rel=1e-6)
    assert not fit.diagnostics


@pytest.mark.parametrize("ratio", RATIOS)
def test_the_residual_sd_of_random_slopes_is_that_of_separate_regressions(ratio: float) -> None:
    rng = np.random.default_rng(4)
    x, e = rng.normal(size=J * SIZE), rng.normal(size=J * SIZE)
    b = ratio * rng.normal(size=(J, 2))
    X = np.column_stack([np.ones(J * SIZE), x])
    fit = fit_lmm(_data(b[CODES, 0] + b[CODES, 1] * x + e, X, X))
    left = 0.0
    for j in range(J):
        rows = slice(SIZE * j, SIZE * (j + 1))
        own, rest = X[rows], e[rows]
        left += float(((rest - own @ np.linalg.lstsq(own, rest)[0]) ** 2).sum())
    # What a finite ratio adds is of the order of its inverse square; y rounds to `ratio` eps.
    share = 10 / ratio**2 + 1000 * ratio * np.finfo(float).eps
    assert fit.sigma == pytest.approx(np.sqrt(left / (J * (SIZE - 2))), rel=share)
    assert not fit.diagnostics


@pytest.mark.parametrize("slope", [0.0, 0.3])
def test_what_clusters_explain_exactly_is_refused_without_a_search(slope: float) -> None:
    rng = np.random.default_rng(5)
    X = np.column_stack([np.ones(J * SIZE), rng.normal(size=J * SIZE)])
    y = 1e3 + rng.normal(size=J)[CODES] + slope * X[:, 1]
    start = time.process_time()
    with pytest.raises(FitError, match="explain the response exactly"):
        fit_lmm(_data(y, X, X[:, :1]))
    assert time.process_time() - start < 0.5
