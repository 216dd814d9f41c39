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


def test_7_04b_group_summaries(dataset: Callable[[str], Any]) -> None:
    """What dplyr does in the lecture, in pandas."""
    heck = dataset("heck")
    schools = heck.groupby("school", observed=True, as_index=False).agg(
        math=("math", "mean"), n=("math", "size")
    )
    assert schools.shape == (419, 3)
    assert f"{schools['math'][0]:.1f} {schools['n'][0]}" == "59.0 12"
    assert (heck["math"] >= 50).sum() == 5514
