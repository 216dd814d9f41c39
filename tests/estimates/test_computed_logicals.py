"""Logical columns that a formula computes with are averaged as logicals, as R's emmeans does."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest

import mlpool

# formula, means of late = FALSE and TRUE and the slope of Days with their standard errors:
# r/computed_logicals.R (emmeans 1.8.4 on lme4's fits)
BY_EMMEANS = {
    "Reaction ~ Days + I(late * Days) + (1 | Subject)": (
        (297.605667975, 299.297337397), (9.40804858264, 9.32534991828),
        10.2633742918, 0.993960889864,
    ),
    "Reaction ~ Days + I(!late) + (1 | Subject)": (
        (298.193160635, 299.242264074), (9.39301506026, 10.78658709737),
        10.3337637037, 1.33774608614,
    ),
    "Reaction ~ Days + I(2 * late - 1) + as.numeric(late):Days + (1 | Subject)": (
        (297.580672520, 279.234318981), (9.40763936126, 20.55741664954),
        12.987878869, 2.67889003328,
    ),
    "Reaction ~ Days * as.integer(late)": (
        (297.580672520, 279.234318981), (5.3351446133, 28.6975902954),
        12.987878869, 4.13258524738,
    ),
}  # fmt: skip


def _sleepstudy() -> pd.DataFrame:
    data = mlpool.load_data("sleepstudy")
    return data.assign(late=data["Days"] > 6)


def _means_and_slope(formula: str, data: object) -> tuple[np.ndarray, ...]:
    m = mlpool.fit(formula, data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mlpool.MlpoolWarning)
        means = mlpool.estimate_means(m, by="late")
        slope = mlpool.estimate_slopes(m, trend="Days")
    assert list(means["late"]) == ["FALSE", "TRUE"]
    return tuple(
        np.asarray(t[c], dtype=float)
        for t, c in ((means, "Mean"), (means, "SE"), (slope, "Slope"), (slope, "SE"))
    )


@pytest.mark.parametrize("formula", BY_EMMEANS)
def test_means_and_slopes_are_those_of_emmeans(formula: str) -> None:
    mean, mean_se, slope, slope_se = _means_and_slope(formula, _sleepstudy())
    expected = BY_EMMEANS[formula]
    np.testing.assert_allclose(mean, expected[0], rtol=1e-6)
    np.testing.assert_allclose(mean_se, expected[1], rtol=1e-5)
    np.testing.assert_allclose(slope, expected[2], rtol=1e-6)
    np.testing.assert_allclose(slope_se, expected[3], rtol=1e-5)


@pytest.mark.parametrize("formula", BY_EMMEANS)
def test_rows_read_in_pieces_give_the_same(formula: str) -> None:
    data = _sleepstudy()
    here = _means_and_slope(formula, data)
    elsewhere = _means_and_slope(formula, mlpool.scan(pl.from_pandas(data).lazy()))
    for mine, theirs in zip(here, elsewhere, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-7)


def test_a_logical_that_is_only_computed_with_has_no_slope() -> None:
    m = mlpool.lm("Reaction ~ Days + I(late * Days)", _sleepstudy())
    with pytest.raises(mlpool.OptionError, match="late holds TRUE and FALSE and has no slope"):
        mlpool.estimate_slopes(m, trend="late")


def test_a_comparison_of_a_number_leaves_it_a_number() -> None:
    m = mlpool.lm("Reaction ~ I(Days > 4)", _sleepstudy())
    means = mlpool.estimate_means(m, by="Days = [4, 5]")
    level, step = m.params
    np.testing.assert_allclose(means["Mean"], [level, level + step])
    assert list(mlpool.estimate_slopes(m, trend="Days")["Slope"]) == [0.0]
