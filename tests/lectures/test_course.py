"""Other lectures of the same course (PSYC 894): spec/lectures.md, section 7."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mlpool

Fitted = Callable[[str], Any]

SIDE_BY_SIDE = """\
Parameter    |      fit_ols |     fit_null
------------------------------------------
(Intercept)  | 57.73 (0.11) | 57.67 (0.19)
------------------------------------------
Observations |         6871 |         6871"""


@pytest.mark.slow
def test_7_03a_type_one_errors() -> None:
    """The lecture's R draws gave 59.4 % and 6.4 %."""
    study = mlpool.type_one_error_study(
        "w", n_sims=500, methods=["lm", "satterthwaite"], n_clusters=20, n_per_cluster=30,
        sd_intercept=1.0, sigma=1.0, binary_w=True, sd_x_within=0.0, seed=2026,
    )  # fmt: skip
    naive, mixed = study.to_pandas()["Rejected"]
    assert naive > 0.5
    assert 0.03 <= mixed <= 0.09


def test_7_05a_null_model_side_by_side(fitted: Fitted, dataset: Callable[[str], Any]) -> None:
    ols = mlpool.lm("math ~ 1", dataset("heck"))
    table = mlpool.compare_parameters(fit_ols=ols, fit_null=fitted("lecture_null"), select="se")
    assert str(table) == SIDE_BY_SIDE


@pytest.mark.slow
def test_7_05a_variance_and_icc(fitted: Fitted) -> None:
    m = fitted("lecture_null")
    variance = mlpool.get_variance(m)
    share = float(mlpool.icc(m).to_pandas()["ICC_adjusted"][0])
    assert f"{share:.7f}" == "0.1378652"
    assert "0.138" in str(mlpool.icc(m))
    between, within = mlpool.VarCorr(m).to_frame()["vcov"]
    assert between / (between + within) == pytest.approx(share)
    assert "var.random" in str(variance)
    row = mlpool.icc(m, ci=0.95, seed=1).to_pandas().iloc[0]
    low, high = (float(v) for v in row[[c for c in row.index if c.startswith("ICC_adjusted_CI")]])
    assert (low, high) == pytest.approx((0.116, 0.161), abs=0.01)


def test_7_05a_residuals(fitted: Fitted) -> None:
    first = fitted("lecture_null").resid.head(6)
    printed = [-11.403679471, 5.066320529, -0.833679471, -4.643679471, -0.533679471, 1.326320529]
    np.testing.assert_allclose(first, printed, atol=1e-6)


def test_7_05a_group_effects_and_their_standard_errors(fitted: Fitted) -> None:
    """The rows of the lecture's estimate_grouplevel tables, from ranef() and coef()."""
    m = fitted("lecture_null")
    effects = mlpool.ranef(m)
    table = pd.DataFrame(
        {"b": effects["school"]["(Intercept)"], "se": effects.cond_sd["school"]["(Intercept)"]}
    )
    for school, printed in (
        ("1", "0.87 1.91 [-2.87, 4.61]"),
        ("2", "4.03 1.86 [0.38, 7.67]"),
        ("3", "-7.50 1.66 [-10.75, -4.25]"),
    ):
        b, se = table.loc[school]
        half = 1.959964 * se
        assert f"{b:.2f} {se:.2f} [{b - half:.2f}, {b + half:.2f}]" == printed
    for school, effect in (("60", "-3.54"), ("120", "3.86"), ("300", "-0.52")):
        assert f"{table.loc[school, 'b']:.2f}" == effect
    total = mlpool.coef(m)["school"]["(Intercept)"]
    for school, estimate in (
        ("1", "58.54"), ("61", "59.24"), ("121", "58.09"), ("181", "58.31"), ("241", "61.96"),
        ("301", "55.01"), ("361", "56.24"),
    ):  # fmt: skip
        assert f"{total[school]:.2f}" == estimate


GROUPLEVEL = {
    "random": (
        "Group  | Level | Parameter   | Coefficient |   SE |          95% CI",
        "-------------------------------------------------------------------",
        "school | 1     | (Intercept) |        0.87 | 1.91 | [ -2.87,  4.61]",
        "school | 2     | (Intercept) |        4.03 | 1.86 | [  0.38,  7.67]",
        "school | 3     | (Intercept) |       -7.50 | 1.66 | [-10.75, -4.25]",
    ),
    "total": (
        "Group  | Level | Parameter   | Coefficient",
        "------------------------------------------",
        "school | 1     | (Intercept) |       58.54",
    ),
}


@pytest.mark.parametrize("kind", GROUPLEVEL)
def test_7_05a_grouplevel_tables(kind: str, fitted: Fitted) -> None:
    lines = str(mlpool.estimate_grouplevel(fitted("lecture_null"), type=kind)).split("\n")
    assert tuple(lines[: len(GROUPLEVEL[kind])]) == GROUPLEVEL[kind]
    assert len(lines) == 2 + 419
    cells = {line.split(" | ")[1].strip(): line.split(" | ")[3].strip() for line in lines[2:]}
    printed = {
        "random": {"60": "-3.54", "120": "3.86", "300": "-0.52"},
        "total": {"61": "59.24", "121": "58.09", "181": "58.31", "241": "61.96", "301": "55.01",
                  "361": "56.24"},
    }[kind]  # fmt: skip
    assert {school: cells[school] for school in printed} == printed


def test_7_04b_group_summaries(dataset: Callable[[str], Any]) -> None:
    """What dplyr does in the lecture, in pandas."""
    heck = dataset("heck")
    schools = heck.groupby("school", observed=True, as_index=False).agg(
        math=("math", "mean"), n=("math", "size")
    )
    assert schools.shape == (419, 3)
    assert f"{schools['math'][0]:.1f} {schools['n'][0]}" == "59.0 12"
    assert (heck["math"] >= 50).sum() == 5514


# --- regression by R's own small data sets ------------------------------------------------------

SPEED = [
    4, 4, 7, 7, 8, 9, 10, 10, 10, 11, 11, 12, 12, 12, 12, 13, 13, 13, 13, 14, 14, 14, 14, 15, 15,
    15, 16, 16, 17, 17, 17, 18, 18, 18, 18, 19, 19, 19, 20, 20, 20, 20, 20, 22, 23, 24, 24, 24, 24,
    25,
]  # fmt: skip
DISTANCE = [
    2, 10, 4, 22, 16, 10, 18, 26, 34, 17, 28, 14, 20, 24, 28, 26, 34, 34, 46, 26, 36, 60, 80, 20,
    26, 54, 32, 40, 32, 40, 50, 42, 56, 76, 84, 36, 46, 68, 32, 48, 52, 56, 64, 66, 54, 70, 92, 93,
    120, 85,
]  # fmt: skip
FERTILITY = [
    80.2, 83.1, 92.5, 85.8, 76.9, 76.1, 83.8, 92.4, 82.4, 82.9, 87.1, 64.1, 66.9, 68.9, 61.7, 68.3,
    71.7, 55.7, 54.3, 65.1, 65.5, 65, 56.6, 57.4, 72.5, 74.2, 72, 60.5, 58.3, 65.4, 75.5, 69.3,
    77.3, 70.5, 79.4, 65, 92.2, 79.3, 70.4, 65.7, 72.7, 64.4, 77.6, 67.6, 35, 44.7, 42.8,
]  # fmt: skip
EDUCATION = [
    12, 9, 5, 7, 15, 7, 7, 8, 7, 13, 6, 12, 7, 12, 5, 2, 8, 28, 20, 9, 10, 3, 12, 6, 1, 8, 3, 10,
    19, 8, 2, 6, 2, 6, 3, 9, 3, 13, 12, 11, 13, 32, 7, 7, 53, 29, 29,
]  # fmt: skip
CATHOLIC = {2, 3, 6, 7, 8, 9, 10, 11, 31, 32, 33, 34, 35, 36, 37, 38, 46, 47}
"""Rows of swiss with more than half Catholics."""


def test_7_02b_cars_with_hc3() -> None:
    m = mlpool.lm("dist ~ speed", {"dist": DISTANCE, "speed": SPEED})
    table = mlpool.model_parameters(m, vcov="HC3").to_pandas()
    assert [f"{v:.2f}" for v in table["SE"]] == ["5.93", "0.43"]
    assert [f"{v:.2f}" for v in table["t"]] == ["-2.96", "9.20"]


@pytest.fixture(scope="module")
def swiss() -> pd.DataFrame:
    kind = ["Catholic" if i + 1 in CATHOLIC else "Protestant" for i in range(47)]
    return pd.DataFrame(
        {"Fertility": FERTILITY, "Education": EDUCATION, "Religion": pd.Categorical(kind)}
    )


def test_7_lab_02_swiss(swiss: pd.DataFrame) -> None:
    text = str(mlpool.model_parameters(mlpool.lm("Fertility ~ Education", swiss))).split("\n")
    assert " t(45) " in text[0]
    assert text[2].startswith("(Intercept) |       79.61 |")
    row = [cell.strip() for cell in text[3].split(" | ")]
    assert [row[i] for i in (0, 1, 3, 4, 5)] == [
        "Education", "-0.86", "[-1.15, -0.57]", "-5.95", "< .001",
    ]  # fmt: skip


def test_7_lab_02_swiss_interaction(swiss: pd.DataFrame) -> None:
    m = mlpool.lm("Fertility ~ Education * Religion", swiss)
    table = mlpool.model_parameters(m)
    assert [f"{v:.2f}" for v in table["Coefficient"]] == ["89.22", "-1.40", "-15.77", "0.80"]
    assert f"{table['p'].iloc[3]:.3f}" == "0.008"
    assert " t(43) " in str(table).split("\n")[0]
