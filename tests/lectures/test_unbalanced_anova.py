"""Unbalanced ANOVA and empirical Bayes means (EDUC 231D, lecture 4): spec section 2, first half.

Printed strings must match where the lecture prints more digits than its inputs lose; the inputs are
school sizes and means as printed, tau^2 = 3557.715 and sigma^2 = 5439.9.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import mlpool

N = [41, 16, 33, 42, 29, 41, 37, 26, 22, 51, 38, 18, 36, 33, 21, 29, 38, 51, 22, 37]
MEANS = [
    484.25, 485.51, 535.46, 378.48, 448.60, 619.35, 375.71, 421.43, 561.16, 425.34,
    506.35, 520.70, 475.74, 469.31, 413.62, 486.36, 529.84, 528.36, 479.34, 510.69,
]  # fmt: skip
V = [
    132.68, 339.99, 164.85, 129.52, 187.58, 132.68, 147.02, 209.23, 247.27, 106.66,
    143.16, 302.22, 151.11, 164.85, 259.04, 187.58, 143.16, 106.66, 247.27, 147.02,
]  # fmt: skip
SE = [
    11.52, 18.44, 12.84, 11.38, 13.70, 11.52, 12.13, 14.46, 15.72, 10.33,
    11.96, 17.38, 12.29, 12.84, 16.09, 13.70, 11.96, 10.33, 15.72, 12.13,
]  # fmt: skip
DELTA = [
    3690.40, 3897.71, 3722.56, 3687.24, 3745.30, 3690.40, 3704.74, 3766.94, 3804.98, 3664.38,
    3700.87, 3859.93, 3708.82, 3722.56, 3816.76, 3745.30, 3700.87, 3664.38, 3804.98, 3704.74,
]  # fmt: skip
WEIGHTS = [
    5.07, 4.80, 5.02, 5.07, 4.99, 5.07, 5.05, 4.96, 4.91, 5.10,
    5.05, 4.84, 5.04, 5.02, 4.90, 4.99, 5.05, 5.10, 4.91, 5.05,
]  # fmt: skip
EB = [
    484.20, 485.27, 533.12, 382.15, 450.31, 614.44, 379.96, 424.83, 556.06, 427.01,
    505.43, 517.73, 476.02, 469.90, 418.31, 486.18, 528.02, 527.03, 479.56, 509.58,
]  # fmt: skip
TAU2, SIGMA2 = 3557.715, 5439.9


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return mlpool.pooling_estimate(MEANS, N, TAU2, SIGMA2)


def test_2_1_naive_averages() -> None:
    assert np.average(MEANS, weights=N) == pytest.approx(482.6435, abs=5e-5)
    assert np.mean(MEANS) == pytest.approx(482.78, abs=5e-3)
    assert np.var(MEANS, ddof=1) == pytest.approx(3697.67, abs=0.15)
    assert (sum(N), len(N)) == (661, 20)


def test_2_4_sampling_variances_and_standard_errors(table: pd.DataFrame) -> None:
    assert table["V"].round(2).tolist() == V
    assert table["SE"].round(2).tolist() == SE


def test_2_5_weighted_least_squares_weights(table: pd.DataFrame) -> None:
    assert table["Delta"].round(2).tolist() == DELTA
    assert table["weight_pct"].round(2).tolist() == WEIGHTS
    assert table["weight_pct"].sum() == pytest.approx(100)


def test_2_5_precision_weighted_mean(table: pd.DataFrame) -> None:
    mean, se = mlpool.precision_weighted_mean(MEANS, table["Delta"])
    assert f"{mean:.3f} {se:.3f}" == "482.757 13.673"
    assert se == pytest.approx(13.6733, abs=1e-4)  # the lecture's variances have more digits


def test_2_6_empirical_bayes_means_and_their_variance(table: pd.DataFrame) -> None:
    assert table["EB"].tolist() == pytest.approx(EB, abs=0.01)
    for school, variance, sd in ((0, 128.15, "11.32"), (1, 311.76, "17.66"), (9, 103.72, "10.18")):
        assert table["EB_var"][school] == pytest.approx(variance, abs=0.01)
        assert f"{table['EB_var'][school] ** 0.5:.2f}" == sd
    half = 1.959964 * np.sqrt(table["EB_var"])
    np.testing.assert_allclose(table["EB_high"] - table["EB"], half, rtol=1e-6)


@pytest.fixture(scope="module")
def model() -> Any:
    """Fitted to rows with the schools' means and sizes, and the printed residual SD."""
    parts = []
    for j, (n, mean) in enumerate(zip(N, MEANS, strict=True)):
        r = np.linspace(-1, 1, n)
        r *= np.sqrt((n - 1) * 5440.8 / np.sum(r**2))
        parts.append(pd.DataFrame({"math": mean + r, "idschool": f"{j:02d}"}))
    return mlpool.lmer("math ~ 1 + (1 | idschool)", pd.concat(parts, ignore_index=True))


def test_2_2_hierarchical_model(model: Any) -> None:
    m = model
    row = mlpool.model_parameters(m, ci_method="satterthwaite").data.iloc[0]
    assert f"{row['Coefficient']:.3f} {row['SE']:.3f} {row['df_error']:.0f}" == "482.757 13.673 19"
    assert 35.306 - 5e-4 <= row["t"] <= 35.307 + 5e-4
    sds = mlpool.VarCorr(m).to_frame()["sdcor"].tolist()
    assert f"{sds[0]:.3f}" == "59.647"
    assert sds[1] == pytest.approx(73.756, abs=0.01)
    assert f"{m.loglik:.1f}" == "-3807.4"
    assert m.aic == pytest.approx(7620.9, abs=0.1)
    assert f"{m.bic:.1f}" == "7634.3"


def test_2_2_table_of_the_hierarchical_model(model: Any) -> None:
    """as_flextable(m1); the made-up rows leave the last digit of t open."""
    lines = [line.rstrip() for line in str(mlpool.summary_table(model)).split("\n")]
    fixed = "      | (Intercept) |  482.757 |         13.673 | 19 |    35.30{} |  0.0000 | ***"
    assert lines[0] == "# Fixed effects"
    assert lines[4] in (fixed.format(6), fixed.format(7))
    assert lines[6:] == [
        "# Random effects",
        "",
        "group    |                 | Estimate",
        "-------------------------------------",
        "idschool | sd__(Intercept) |   59.647",
        "Residual | sd__Observation |   73.756",
        "",
        "Signif. codes: 0 <= '***' < 0.001 < '**' < 0.01 < '*' < 0.05",
        "square root of the estimated residual variance: 73.8",
        "data's log-likelihood under the model: -3,807.4",
        "Akaike Information Criterion: 7,620.9",
        "Bayesian Information Criterion: 7,634.3",
    ]


def test_2_3_implied_icc(model: Any) -> None:
    assert f"{TAU2 / (TAU2 + SIGMA2):.3f}" == "0.395"
    assert mlpool.icc(model).to_pandas()["ICC_adjusted"][0] == pytest.approx(0.395, abs=5e-4)


def test_2_6_the_fitted_model_s_group_means(model: Any) -> None:
    """coef() of the fit: the lecture's EB column."""
    np.testing.assert_allclose(model.coef()["idschool"]["(Intercept)"], EB, atol=0.01)


def test_2_6_variance_of_the_empirical_bayes_means(model: Any) -> None:
    """The fit's SEs of the total effects are the roots of the lecture's V*."""
    c = mlpool.compare_pooling("math ~ 1", model_data(model), group="idschool")
    groups = c.groups.to_pandas()
    totals = mlpool.estimate_grouplevel(model, type="total").to_pandas()
    np.testing.assert_allclose(totals["Coefficient"], EB, atol=0.01)
    for school, sd in ((0, "11.32"), (1, "17.66"), (9, "10.18")):
        assert f"{groups['Partial_SE'][school]:.2f}" == sd
        assert f"{totals['SE'][school]:.2f}" == sd
    half = 1.959964 * totals["SE"]
    np.testing.assert_allclose(totals["CI_high"] - totals["Coefficient"], half, rtol=1e-6)


def test_2_7_within_school_error_curves() -> None:
    """N(0, sigma^2 / n): schools of 16 students scatter about 1.8 times as much as those of 51."""
    sd = np.sqrt(SIGMA2 / np.array([16, 51]))
    assert [f"{v:.2f}" for v in sd] == ["18.44", "10.33"]


def model_data(m: Any) -> pd.DataFrame:
    levels = np.array(m.design.random[0].levels)
    return pd.DataFrame({"math": m.design.y, "idschool": levels[m.design.random[0].codes]})
