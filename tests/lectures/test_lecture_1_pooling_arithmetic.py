"""EDUC 231D, lecture 4: twenty schools' V, SE, Delta, weights and empirical Bayes means.

Printed strings must match where the lecture prints more digits than its inputs lose; the inputs are
school sizes and means as printed, tau^2 = 3557.72 and sigma^2 = 5439.9.
"""

from __future__ import annotations

from pathlib import Path

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
WEIGHTS = [
    5.07, 4.80, 5.02, 5.07, 4.99, 5.07, 5.05, 4.96, 4.91, 5.10,
    5.05, 4.84, 5.04, 5.02, 4.90, 4.99, 5.05, 5.10, 4.91, 5.05,
]  # fmt: skip
EB = [
    484.20, 485.27, 533.12, 382.15, 450.31, 614.44, 379.96, 424.83, 556.06, 427.01,
    505.43, 517.73, 476.02, 469.90, 418.31, 486.18, 528.02, 527.03, 479.56, 509.58,
]  # fmt: skip
TAU2, SIGMA2 = 3557.72, 5439.9


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return mlpool.pooling_estimate(MEANS, N, TAU2, SIGMA2)


def test_naive_averages() -> None:
    assert np.average(MEANS, weights=N) == pytest.approx(482.6435, abs=5e-5)
    assert np.mean(MEANS) == pytest.approx(482.78, abs=5e-3)
    assert np.var(MEANS, ddof=1) == pytest.approx(3697.67, abs=0.15)
    assert (sum(N), len(N)) == (661, 20)


def test_sampling_variances_and_standard_errors(table: pd.DataFrame) -> None:
    assert table["V"].round(2).tolist() == V
    assert table["SE"].round(2).tolist() == SE


def test_weighted_least_squares_weights(table: pd.DataFrame) -> None:
    printed = {0: 3690.40, 1: 3897.71, 2: 3722.56, 3: 3687.24, 4: 3745.30, 17: 3664.38}
    for school, delta in printed.items():
        assert table["Delta"][school] == pytest.approx(delta, abs=0.0101)
    assert table["weight_pct"].round(2).tolist() == WEIGHTS
    assert table["weight_pct"].sum() == pytest.approx(100)


def test_precision_weighted_mean(table: pd.DataFrame) -> None:
    mean, se = mlpool.precision_weighted_mean(MEANS, table["Delta"])
    assert f"{mean:.3f} {se:.3f}" == "482.757 13.673"
    assert se == pytest.approx(13.6733, abs=1e-4)  # the lecture's variances have more digits


def test_empirical_bayes_means_and_their_variance(table: pd.DataFrame) -> None:
    assert table["EB"].tolist() == pytest.approx(EB, abs=0.01)
    for school, variance, sd in ((0, 128.15, "11.32"), (1, 311.76, "17.66"), (9, 103.72, "10.18")):
        assert table["EB_var"][school] == pytest.approx(variance, abs=0.01)
        assert f"{table['EB_var'][school] ** 0.5:.2f}" == sd
    half = 1.959964 * np.sqrt(table["EB_var"])
    np.testing.assert_allclose(table["EB_high"] - table["EB"], half, rtol=1e-6)


def test_surrogate_data_give_the_printed_model() -> None:
    """Rows with the schools' means and sizes, and the printed residual SD."""
    parts = []
    for j, (n, mean) in enumerate(zip(N, MEANS, strict=True)):
        r = np.linspace(-1, 1, n)
        r *= np.sqrt((n - 1) * 5440.8 / np.sum(r**2))
        parts.append(pd.DataFrame({"math": mean + r, "idschool": str(j)}))
    m = mlpool.lmer("math ~ 1 + (1 | idschool)", pd.concat(parts, ignore_index=True))
    row = mlpool.model_parameters(m, ci_method="satterthwaite").data.iloc[0]
    assert f"{row['Coefficient']:.3f} {row['SE']:.3f} {row['df_error']:.0f}" == "482.757 13.673 19"
    assert 35.306 - 5e-4 <= row["t"] <= 35.307 + 5e-4
    sds = mlpool.VarCorr(m).to_frame()["sdcor"].tolist()
    assert f"{sds[0]:.3f}" == "59.647"
    assert sds[1] == pytest.approx(73.756, abs=0.01)
    assert f"{m.loglik:.1f}" == "-3807.4"
    assert m.aic == pytest.approx(7620.9, abs=0.1)
    assert f"{m.bic:.1f}" == "7634.3"
    assert mlpool.icc(m)["ICC_adjusted"][0] == pytest.approx(0.395, abs=5e-4)


def test_table_of_school_means_by_sector(shared: Path) -> None:
    """The lecture's data are not public; its layout, on Heck's schools by sector."""
    heck = pd.read_csv(shared / "data" / "heck2011.csv", encoding="utf-8-sig")
    with pytest.raises(mlpool.DataError, match="'public' varies within 2 of 419 groups"):
        mlpool.table_one(heck, ["math", "ses"], by="public", group="school")
    heck = heck[~heck["school"].isin([418, 419])]
    table = mlpool.table_one(heck, ["math", "ses"], by="public", group="school")
    schools = heck.groupby("school").agg({"math": "mean", "ses": "mean", "public": "first"})
    row = table.data.query("Variable == 'math' and Group == '1'").iloc[0]
    public = schools.query("public == 1")["math"]
    assert row["Mean"] == pytest.approx(public.mean())
    assert row["SD"] == pytest.approx(public.std())
    assert row["Median"] == pytest.approx(public.median())
    header = str(table).splitlines()[0]
    assert f"1 (N={len(public)})" in header
    assert "Overall (N=417)" in header
