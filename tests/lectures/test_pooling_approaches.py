"""Approaches to clustered data (PSYC 894, lecture 03b): spec/lectures.md, section 1.

The lecture's own data, heck2011.csv; printed tables must match character by character.
"""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mlpool

Fitted = Callable[[str], Any]

NAIVE = """\
Parameter   | Coefficient |   SE |         95% CI | t(6868) |      p
--------------------------------------------------------------------
(Intercept) |       58.13 | 0.14 | [57.86, 58.41] |  418.09 | < .001
ses         |        4.23 | 0.13 | [ 3.98,  4.47] |   33.68 | < .001
gender [F]  |       -1.06 | 0.20 | [-1.45, -0.68] |   -5.42 | < .001"""

CLUSTERED = """\
Parameter   | Coefficient |   SE |         95% CI | t(6868) |      p
--------------------------------------------------------------------
(Intercept) |       58.13 | 0.17 | [57.81, 58.46] |  351.72 | < .001
ses         |        4.23 | 0.15 | [ 3.93,  4.52] |   28.27 | < .001
gender [F]  |       -1.06 | 0.21 | [-1.48, -0.65] |   -5.04 | < .001"""

SMALLEST = "178 1 12 22 36 38 48 50 51 79 84 89 96 99 104 115 117 119 127 138"

TAU2, SIGMA2 = 3.262240**2, 8.157858**2


@pytest.fixture
def heck(dataset: Callable[[str], pd.DataFrame]) -> pd.DataFrame:
    return dataset("heck")


# --- 1.1 example data set -----------------------------------------------------------------------


def test_1_1_example_dataset(heck: pd.DataFrame) -> None:
    gender = mlpool.factor(heck["female"], levels=[0, 1], labels=["M", "F"])
    assert list(gender.cat.categories) == ["M", "F"]
    assert gender.value_counts().to_dict() == {"M": 3418, "F": 3453}
    assert heck.shape == (6871, 8)
    first = heck["ses"].head(10).tolist()
    assert first == [0.586, 0.304, -0.544, -0.848, 0.001, -0.106, -0.33, -0.891, 0.207, -0.341]
    assert [f"{v:.3g}" for v in heck["math"].head(5)] == ["47.1", "63.6", "57.7", "53.9", "58"]
    assert heck["gender"].head(10).tolist() == list("FFFMMMMFMF")
    sizes = heck.groupby("school", observed=True).size()
    assert (len(sizes), sizes.min(), sizes.max()) == (419, 11, 37)
    assert ((sizes == 11).sum(), (sizes == 12).sum()) == (1, 56)


# --- 1.2 complete pooling -----------------------------------------------------------------------


def test_1_2_complete_pooling_table(fitted: Fitted) -> None:
    assert str(mlpool.model_parameters(fitted("lecture_lm"))) == NAIVE


def test_1_2_complete_pooling_standard_errors(fitted: Fitted) -> None:
    """vcov="vcovCL": the residual df and the header stay those of lm."""
    ols = fitted("lecture_lm")
    named = mlpool.model_parameters(ols, vcov="vcovCL", cluster="school")
    as_in_r = mlpool.model_parameters(ols, vcov="vcovCL", vcov_args={"cluster": "school"})
    assert str(named) == str(as_in_r) == CLUSTERED


def test_1_2_complete_pooling_unrounded(fitted: Fitted) -> None:
    ols = fitted("lecture_lm")
    np.testing.assert_allclose(ols.fixef(), [58.13304903, 4.22689694, -1.06257428], atol=5e-9)
    np.testing.assert_allclose(ols.se, [0.13904349, 0.12550704, 0.19597471], atol=5e-9)
    assert ols.sigma == pytest.approx(8.11544, abs=5e-6)
    clustered = np.sqrt(np.diag(ols.vcov(type="vcovCL", cluster="school")))
    np.testing.assert_allclose(clustered, [0.1652828, 0.1495117, 0.2108882], atol=5e-8)


def test_1_2_standard_errors_increase(fitted: Fitted) -> None:
    """The lecture's sentence: from 0.20 to 0.21, and from 0.13 to 0.15."""
    ols = fitted("lecture_lm")
    before = mlpool.model_parameters(ols).to_pandas()["SE"]
    clustered = mlpool.model_parameters(ols, vcov="vcovCL", cluster="school")
    after = clustered.to_pandas()["SE"]
    assert [f"{v:.2f}" for v in before] == ["0.14", "0.13", "0.20"]
    assert [f"{v:.2f}" for v in after] == ["0.17", "0.15", "0.21"]


# --- 1.3 no pooling -----------------------------------------------------------------------------


def test_1_3_no_pooling_a_slope(fitted: Fitted) -> None:
    """One slope and 419 intercepts."""
    additive = fitted("lecture_additive")
    table = mlpool.model_parameters(additive).to_pandas().set_index("Parameter")
    row = table.loc["ses"]
    got = row[["Coefficient", "SE", "t", "CI_low", "CI_high"]].astype(float)
    np.testing.assert_allclose(got, [3.190262, 0.1577537, 20.22306, 2.881013, 3.499512], rtol=5e-7)
    assert additive.df_residual == 6451


def test_1_3_no_pooling_a_without_dummies(heck: pd.DataFrame) -> None:
    """The same slope from compare_pooling, which eliminates the schools instead of dummies."""
    c = mlpool.compare_pooling("math ~ ses", heck, group="school")
    table = c.coefficients.to_pandas().set_index("Parameter")
    assert table.loc["ses", "No"] == pytest.approx(3.190262, abs=5e-7)
    assert table.loc["ses", "No_SE"] == pytest.approx(0.1577537, abs=5e-8)


# --- 1.3 no pooling, A and B, through estimate_* ------------------------------------------------

ADDITIVE = """\
Estimated Marginal Effects

Slope |   SE |       95% CI | t(6451) |      p
----------------------------------------------
3.19  | 0.16 | [2.88, 3.50] |   20.22 | < .001

Marginal effects estimated for ses
Type of slope was dY/dX"""


def test_1_3_no_pooling_a_table(fitted: Fitted) -> None:
    table = mlpool.estimate_slopes(fitted("lecture_additive"), trend="ses")
    assert str(table) == ADDITIVE


@pytest.fixture(scope="module")
def by_school(fitted: Fitted) -> Any:
    return mlpool.estimate_slopes(fitted("lecture_interaction"), trend="ses", by="school")


def test_1_4_no_pooling_b_frame_of_the_table(by_school: Any) -> None:
    lines = str(by_school).split("\n")
    assert lines[:4] == [
        "Estimated Marginal Effects",
        "",
        "school |     Slope |   SE |          95% CI |   t(6033) |      p",
        "----------------------------------------------------------------",
    ]
    assert lines[-3:] == ["", "Marginal effects estimated for ses", "Type of slope was dY/dX"]
    assert [line.split()[0] for line in lines[4:-3]] == [str(j) for j in range(1, 420)]
    assert lines[-4] == "419    |      6.55 | 2.42 | [  1.81, 11.30] |      2.71 |  0.007"
    assert lines[4 + 31] == "32     |      0.00 | 3.32 | [ -6.50,  6.50] |      0.00 | > .999"


NAMED = ["140", "222", "276", "289", "372", "392"]
"""Schools whose printed SEs are furthest from the analytic ones: by up to .089 (1.9 %)."""


def test_1_4_no_pooling_b_numbers(by_school: Any, shared: Path) -> None:
    """The lecture's SEs are numerical; the slopes agree in every digit (spec 0.6)."""
    printed = pd.read_csv(shared / "spec" / "heck2011_slopes_by_school.csv", dtype=str)
    rows = [line.split(" | ") for line in str(by_school).split("\n")[4:-3]]
    cells = pd.DataFrame(
        [[r[0], r[1], r[2], *r[3].strip("[] ").split(","), r[4], r[5]] for r in rows],
        columns=list(printed.columns),
    ).apply(lambda column: column.str.strip())
    assert cells["school"].tolist() == printed["school"].tolist()
    same = (cells == printed).sum()
    assert same["slope"] == 419
    for column, at_least in (
        ("se", 350),
        ("ci_low", 309),
        ("ci_high", 314),
        ("t", 402),
        ("p", 369),
    ):
        assert same[column] >= at_least, column

    raw = by_school.to_pandas()
    far = raw["school"].astype(str).isin(NAMED).to_numpy()
    for column, theirs, near, loose in (
        ("SE", "se", 0.02, 0.09),
        ("CI_low", "ci_low", 0.05, 0.18),
        ("CI_high", "ci_high", 0.05, 0.18),
        ("t", "t", 0.016, 0.016),
    ):
        gap = np.abs(raw[column].to_numpy() - printed[theirs].astype(float).to_numpy())
        # Printed numbers are rounded to two decimals.
        assert (gap <= np.where(far, loose, near) + 0.005).all(), column
    numbers = ~printed["p"].str.contains("[<>]")
    gap = np.abs(raw["p"] - pd.to_numeric(printed["p"].where(numbers)))
    assert gap.max() <= 0.008 + 0.0005


def test_1_4_no_pooling_b_scientific_numbers(by_school: Any) -> None:
    rows = [line.split(" | ") for line in str(by_school).split("\n")[4:-3]]
    assert [r[0].strip() for r in rows if "e" in r[1]] == ["42", "340", "345"]
    assert [r[0].strip() for r in rows if "e" in r[4]] == ["42", "133", "260", "340", "345"]
    assert [r[0].strip() for r in rows if ">" in r[5]] == ["32", "42"]
    assert sum("<" in r[5] for r in rows) == 8


def test_1_4_no_pooling_b_costs_little(fitted: Fitted) -> None:
    """419 slopes of 838 coefficients: below 10 s and 1 GB."""
    m = fitted("lecture_interaction")
    start = time.perf_counter()
    tracemalloc.start()
    str(mlpool.estimate_slopes(m, trend="ses", by="school"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert time.perf_counter() - start < 10
    assert peak < 500e6


def test_1_5_the_inference_dilemma(by_school: Any) -> None:
    p = by_school.to_pandas()["p"]
    assert (len(p), round(0.05 * len(p)), 0.05 * len(p)) == (419, 21, pytest.approx(20.95))
    counts = [(mlpool.p_adjust(p, method) < 0.05).sum() for method in ("none", "holm", "fdr")]
    assert counts == [68, 4, 10]


# --- 1.2 the relation, its grid and its band ----------------------------------------------------


def test_1_2_visualization_grid(fitted: Fitted) -> None:
    pred = mlpool.estimate_relation(
        fitted("lecture_lm"), by=["ses", "gender"], vcov="vcovCL", cluster="school"
    ).to_pandas()
    grid = [-2.414, -1.938, -1.461, -0.985, -0.509, -0.032, 0.444, 0.92, 1.397, 1.873]
    assert len(pred) == 19
    assert pred[pred["gender"] == "M"]["ses"].tolist() == pytest.approx(grid)
    assert pred[pred["gender"] == "F"]["ses"].tolist() == pytest.approx(grid[:-1])
    for gender, ses, expected in (
        ("M", -2.414, (47.929, 47.071, 48.788)),
        ("M", 1.397, (64.038, 63.594, 64.481)),
        ("F", -2.414, (46.867, 46.013, 47.720)),
    ):
        row = pred[(pred["gender"] == gender) & np.isclose(pred["ses"], ses)].iloc[0]
        got = [row["Predicted"], row["CI_low"], row["CI_high"]]
        assert got == pytest.approx(expected, abs=0.001)
    last = {g: pred[pred["gender"] == g]["Predicted"].iloc[-1] for g in "MF"}
    assert last == pytest.approx({"M": 66.050, "F": 62.975}, abs=0.001)


def test_1_3_and_1_4_grids_stop_where_a_school_s_data_stop(fitted: Fitted) -> None:
    for name in ("lecture_additive", "lecture_interaction"):
        grid = mlpool.estimate_relation(fitted(name), by=["ses", "school"]).to_pandas()
        assert len(grid) == 1875
        assert grid["school"].nunique() == 419


# --- 1.6-1.8 small samples and shrinkage --------------------------------------------------------


def test_1_6_small_sample_activity() -> None:
    """School A (n = 3, mean 95) is believed less than school B (n = 100, mean 72)."""
    table = mlpool.pooling_estimate([95.0, 72.0], [3, 100], tau2=25.0, sigma2=100.0, grand=70.0)
    a, b = table["lambda"]
    assert a == mlpool.shrinkage(3, 25.0, 100.0) < b == mlpool.shrinkage(100, 25.0, 100.0)
    # Both move towards 70, A by far more.
    moves = table["mean"] - table["EB"]
    assert moves[0] > 10 > 1 > moves[1] > 0


def test_1_7_shrinkage_of_the_smallest_schools(fitted: Fitted, heck: pd.DataFrame) -> None:
    """The shrinkage figure: no-pooling means and what they are pulled to."""
    null = fitted("lecture_null")
    assert f"{mlpool.fixef(null).iloc[0]:.3f}" == "57.674"
    schools = heck.groupby("school", observed=True)["math"].agg(n="size", own="mean")
    schools.index = schools.index.astype(str)
    assert list(schools.sort_values("n", kind="stable").head(20).index) == SMALLEST.split()
    pooled = mlpool.coef(null)["school"]["(Intercept)"]
    for school, own, partial in (
        ("178", 66.0778, 63.0319),
        ("1", 58.9968, 58.5437),
        ("12", 54.9989, 55.9154),
        ("22", 55.5354, 56.2681),
        ("36", 51.7470, 53.7776),
        ("50", 51.5257, 53.6321),
        ("138", 57.0531, 57.2659),
    ):
        assert schools.loc[school, "own"] == pytest.approx(own, abs=5e-4)
        assert pooled[school] == pytest.approx(partial, abs=5e-4)


def test_1_8_mechanics_of_shrinkage(fitted: Fitted, heck: pd.DataFrame) -> None:
    """lambda_j mean_j + (1 - lambda_j) grand mean is coef() of all 419 schools."""
    null = fitted("lecture_null")
    (tau, sigma) = mlpool.VarCorr(null).to_frame()["sdcor"]
    assert tau == pytest.approx(3.262240, abs=2e-6)
    assert sigma == pytest.approx(8.157858, abs=2e-6)
    schools = heck.groupby("school", observed=True)["math"].agg(["size", "mean"])
    weight = mlpool.shrinkage(schools["size"], TAU2, SIGMA2)
    grand = mlpool.fixef(null)["(Intercept)"]
    estimate = weight * schools["mean"] + (1 - weight) * grand
    pooled = mlpool.coef(null)["school"]["(Intercept)"]
    assert np.abs(estimate.to_numpy() - pooled.to_numpy()).max() < 2e-6
    np.testing.assert_allclose(
        mlpool.reliability(null).to_pandas()["Reliability"], weight, atol=2e-6
    )
