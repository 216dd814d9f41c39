"""Gelman & Hill (2007), chapter 12, as lecture notes: spec/lectures.md, section 3.

The notes have no data; what they state is checked on the schools of the pooling lecture.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mlpool

Fitted = Callable[[str], Any]


@pytest.fixture
def heck(dataset: Callable[[str], pd.DataFrame]) -> pd.DataFrame:
    return dataset("heck")


# --- 3.1, 3.2 partial pooling as a weighted mean ------------------------------------------------


def weighted_mean(n: Any, own: Any, sigma2_y: float, sigma2_alpha: float, overall: float) -> Any:
    """The notes' formula as it is written there."""
    return (n / sigma2_y * own + overall / sigma2_alpha) / (n / sigma2_y + 1 / sigma2_alpha)


def variances(m: Any) -> tuple[float, float]:
    sigma2_alpha, sigma2_y = mlpool.VarCorr(m).to_frame()["vcov"]
    return float(sigma2_y), float(sigma2_alpha)


def test_3_1_partial_pooling_without_predictors(fitted: Fitted, heck: pd.DataFrame) -> None:
    m = fitted("lecture_null")
    schools = heck.groupby("school", observed=True)["math"].agg(["size", "mean"])
    sigma2_y, sigma2_alpha = variances(m)
    grand = m.fixef()["(Intercept)"]
    formula = weighted_mean(schools["size"], schools["mean"], sigma2_y, sigma2_alpha, grand)
    helper = mlpool.pooling_estimate(schools["mean"], schools["size"], sigma2_alpha, sigma2_y)
    blups = m.coef()["school"]["(Intercept)"].to_numpy()
    assert len(blups) == 419
    np.testing.assert_allclose(formula, blups, atol=1e-6)
    np.testing.assert_allclose(helper["EB"], blups, atol=1e-6)


def test_3_2_partial_pooling_with_a_predictor(fitted: Fitted, heck: pd.DataFrame) -> None:
    m = fitted("m1")
    schools = heck.groupby("school", observed=True).agg(
        n=("math", "size"), y=("math", "mean"), x=("ses", "mean")
    )
    mu, beta = m.fixef()
    sigma2_y, sigma2_alpha = variances(m)
    own = schools["y"] - beta * schools["x"]
    formula = weighted_mean(schools["n"], own, sigma2_y, sigma2_alpha, mu)
    np.testing.assert_allclose(formula, m.coef()["school"]["(Intercept)"], atol=1e-6)


# --- 3.3 formulas -------------------------------------------------------------------------------


def columns(formula: str, data: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(mlpool.model_matrix(formula, data))


def test_3_3_operators_of_formulas() -> None:
    rng = np.random.default_rng(1)
    data = pd.DataFrame(rng.normal(size=(12, 5)), columns=list("yabcx"))
    short = columns("y ~ (a + b + c)^2 - a:b", data)
    # R sorts terms by order: the interactions keep the order in which the power makes them.
    long = columns("y ~ a + b + c + a:c + b:c", data)
    assert list(short.columns) == ["(Intercept)", "a", "b", "c", "a:c", "b:c"]
    pd.testing.assert_frame_equal(short, long)
    written = columns("y ~ a + b + c + b:c + a:c", data)
    pd.testing.assert_frame_equal(short, written[list(short.columns)])
    assert list(columns("y ~ x - 1", data).columns) == ["x"]
    pd.testing.assert_frame_equal(columns("y ~ x - 1", data), columns("y ~ x + 0", data))


def test_3_3_without_intercept_every_group_has_a_dummy(heck: pd.DataFrame) -> None:
    m = mlpool.lm("math ~ school - 1", heck)
    assert len(m.fixef()) == 419
    means = heck.groupby("school", observed=True)["math"].mean()
    np.testing.assert_allclose(m.fixef(), means, rtol=1e-10)


# --- 3.4 variances ------------------------------------------------------------------------------


def test_3_4_example_line_and_variance_ratio() -> None:
    """sigma_y 0.76 and sigma_alpha 0.33: the ratio is 0.19, worth about five measurements."""
    assert f"{mlpool.variance_ratio(0.33**2, 0.76**2):.2f}" == "0.19"
    assert f"{mlpool.equivalent_n(0.33**2, 0.76**2):.2f}" == "5.30"
    # With that many measurements the group's mean and the model's weigh the same.
    n = mlpool.equivalent_n(0.33**2, 0.76**2)
    assert mlpool.shrinkage(n, 0.33**2, 0.76**2) == pytest.approx(0.5)


def test_3_5_intraclass_correlation() -> None:
    """Through a fitted model whose variances are the notes' (balanced data, built exactly)."""
    data = exact_groups(sd_between=0.33, sd_within=0.76)
    m = mlpool.lmer("y ~ 1 + (1 | county)", data)
    assert mlpool.VarCorr(m).to_frame()["sdcor"].tolist() == pytest.approx([0.33, 0.76], abs=1e-6)
    assert f"{mlpool.icc(m).to_pandas()['ICC_adjusted'][0]:.3f}" == "0.159"
    assert m.fixef().iloc[0] == pytest.approx(1.46)


def exact_groups(*, sd_between: float, sd_within: float, groups: int = 20, n: int = 10) -> Any:
    """Balanced data whose REML estimates are the given ones."""
    rng = np.random.default_rng(12)
    e = rng.normal(size=(groups, n))
    e -= e.mean(axis=1, keepdims=True)
    e *= sd_within * np.sqrt(groups * (n - 1) / (e**2).sum())
    u = rng.normal(size=groups)
    u -= u.mean()
    u *= np.sqrt((sd_between**2 + sd_within**2 / n) * (groups - 1) / (u**2).sum())
    county = np.repeat(np.arange(1, groups + 1), n).astype(str)
    return pd.DataFrame({"y": 1.46 + (u[:, None] + e).ravel(), "county": county})


@given(st.floats(1, 1e4), st.floats(1, 1e4), st.floats(1e-3, 1e3), st.floats(1e-3, 1e3))
def test_3_6_limits_of_pooling(n: float, m: float, s2: float, t2: float) -> None:
    assert mlpool.shrinkage(n, 1e12 * s2, s2) == pytest.approx(1, abs=1e-9)  # no pooling
    assert mlpool.shrinkage(n, 1e-12 * s2, s2) == pytest.approx(0, abs=1e-7)  # complete pooling
    small, large = sorted((n, m))
    assert mlpool.shrinkage(small, t2, s2) <= mlpool.shrinkage(large, t2, s2)


# --- 3.7 commands -------------------------------------------------------------------------------


def test_3_7_fixef_ranef_and_coef(fitted: Fitted) -> None:
    m = fitted("lecture_null")
    assert mlpool.fixef(m)["(Intercept)"] == pytest.approx(57.67423, abs=5e-6)
    effects = mlpool.ranef(m)["school"]["(Intercept)"]
    assert effects.loc[["1", "2", "3"]].tolist() == pytest.approx(
        [0.8694458, 4.0252793, -7.4986204], abs=2e-6
    )
    lines = mlpool.coef(m)["school"]["(Intercept)"]
    assert lines.head(6).tolist() == pytest.approx(
        [58.54368, 61.69951, 50.17561, 63.51779, 50.68150, 60.08809], abs=6e-6
    )
    np.testing.assert_allclose(lines, mlpool.fixef(m)["(Intercept)"] + effects)


def test_3_7_display(fitted: Fitted) -> None:
    lines = str(mlpool.display(fitted("lecture_null"))).split("\n")
    assert lines[1:9] == [
        "            coef.est coef.se",
        "(Intercept)    57.67    0.19",
        "",
        "Error terms:",
        " Groups   Name        Std.Dev.",
        " school   (Intercept) 3.26    ",
        " Residual             8.16    ",
        "---",
    ]
    assert lines[9] == "number of obs: 6871, groups: school, 419"


# --- 3.8 five ways to write the model -----------------------------------------------------------


def test_3_8_five_ways(heck: pd.DataFrame) -> None:
    """Varying coefficients, local and large regressions, error terms, correlated errors."""
    some = heck[heck["school"].astype(int) <= 40].copy()
    some["school"] = some["school"].cat.remove_unused_categories()
    m = mlpool.lmer("math ~ ses + public + (1 | school)", some)
    beta, se = m.fixef().to_numpy(), m.se.to_numpy()
    y = some["math"].to_numpy()
    X = np.column_stack([np.ones(len(some)), some["ses"], some["public"]])
    Z = pd.get_dummies(some["school"]).to_numpy(float)
    sigma2_y, sigma2_alpha = variances(m)

    # (5) correlated errors, V = Z G Z' + sigma^2 I: generalised least squares
    V = sigma2_alpha * Z @ Z.T + sigma2_y * np.eye(len(y))
    information = X.T @ np.linalg.solve(V, X)
    gls = np.linalg.solve(information, X.T @ np.linalg.solve(V, y))
    np.testing.assert_allclose(beta, gls, rtol=1e-6)
    np.testing.assert_allclose(se, np.sqrt(np.diag(np.linalg.inv(information))), rtol=1e-6)

    # (3) one regression on predictors and dummies, whose coefficients have a prior N(0, sigma_a^2)
    W = np.column_stack([X, Z])
    penalty = np.diag(np.r_[np.zeros(3), np.full(Z.shape[1], sigma2_y / sigma2_alpha)])
    big = np.linalg.solve(W.T @ W + penalty, W.T @ y)
    np.testing.assert_allclose(big[:3], beta, rtol=1e-6)
    np.testing.assert_allclose(big[3:], m.ranef()["school"]["(Intercept)"], atol=1e-6)

    # (1), (4): a coefficient that varies is the fixed one plus the group's error
    varying = m.coef()["school"]["(Intercept)"].to_numpy()
    np.testing.assert_allclose(varying, beta[0] + big[3:], rtol=1e-6)
    codes = some["school"].cat.codes.to_numpy()
    line = varying[codes] + X[:, 1:] @ beta[1:]
    np.testing.assert_allclose(line, m.fitted, rtol=1e-6)

    # (2) local regressions with the common slopes, shrunk towards the second level's line
    frame = pd.DataFrame({"r": y - X[:, 1] * beta[1], "w": X[:, 2], "j": codes})
    local = frame.groupby("j").agg(n=("r", "size"), own=("r", "mean"), w=("w", "mean"))
    second_level = beta[0] + beta[2] * local["w"]
    weight = mlpool.shrinkage(local["n"], sigma2_alpha, sigma2_y)
    alpha = weight * local["own"] + (1 - weight) * second_level
    np.testing.assert_allclose(alpha, varying + beta[2] * local["w"], rtol=1e-6)


def test_3_9_data_are_passed_by_name(heck: pd.DataFrame) -> None:
    """R finds vectors in the workspace; here they go into a dict."""
    y, county = heck["math"].to_numpy(), heck["school"].to_numpy().astype(str)
    m = mlpool.lmer("y ~ 1 + (1 | county)", {"y": y, "county": county})
    assert m.fixef().iloc[0] == pytest.approx(57.67423, abs=5e-6)
