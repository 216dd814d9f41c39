"""Reports and broom's frames of models with a residual structure."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mlpool

SLEEP = mlpool.load_data("sleepstudy")
DOSED = SLEEP.assign(z=np.where(pd.factorize(SLEEP["Subject"])[0] % 2 == 1, "a", "b"))


@pytest.fixture(scope="module")
def serial():
    return mlpool.lmer(
        "Reaction ~ Days + (1 | Subject)", DOSED, correlation="ar1(Days | Subject)",
        dispersion="~ z",
    )  # fmt: skip


def test_a_report_names_the_structure_and_its_estimates(serial):
    text = str(mlpool.report(serial))
    assert "linear mixed model" in text
    assert "restricted maximum likelihood" in text
    assert "correlated within Subject, as a first-order autoregression has it" in text
    assert "standard deviation depends on z (~ z)" in text
    phi = float(serial.correlation_parameters()["phi"])
    assert f"The residual correlation is phi = {phi:.2f}." in text
    assert "(ratios of SDs to that of" in text
    marginal = mlpool.report(mlpool.gls("Reaction ~ Days", SLEEP, correlation="cs(1 | Subject)"))
    assert "equally for every pair (compound symmetry)" in marginal.model
    assert marginal.random.startswith("The residual SD is ")
    assert "no agreed definition" in marginal.explained
    visits = mlpool.mmrm("Reaction ~ Days + us(Days | Subject)", SLEEP[SLEEP["Days"] < 5])
    assert "has 10 parameters" in mlpool.report(visits).random
    assert "a correlation of its own for every pair of visits" in mlpool.report(visits).model


def test_tidy_has_broom_mixeds_rows_and_the_structures(serial):
    """Numbers of r/residual_structures.R; nlme's search stops at 1e-6."""
    frame = mlpool.tidy(serial, conf_int=True)
    assert list(frame["effect"]) == ["fixed"] * 2 + ["ran_pars"] * 2 + ["cor_model", "var_model"]
    assert list(frame["term"])[2:] == ["sd__(Intercept)", "sd__Observation", "phi", "a"]
    expected = [252.933668018, 10.406337680, 31.666005163, 36.027456055, 1.081850816]
    assert frame["estimate"].to_numpy()[[0, 1, 2, 3, 5]] == pytest.approx(expected, rel=1e-5)
    assert frame["std.error"].to_numpy()[:2] == pytest.approx([10.89642131, 1.33588279], rel=1e-5)
    assert frame["estimate"].iloc[4] == pytest.approx(
        float(serial.correlation_parameters().iloc[0]), rel=1e-12
    )
    assert list(mlpool.tidy(serial, effects=["var_model"])["group"]) == ["~ z"]
    with pytest.raises(mlpool.OptionError, match="cor_model"):
        mlpool.tidy(serial, effects="ran_par")
    with pytest.raises(mlpool.NotSupportedError, match="identity"):
        mlpool.tidy(serial, exponentiate=True)
    assert set(mlpool.tidy(serial, effects="ran_vals")["level"]) == set(DOSED["Subject"])
    row = mlpool.glance(serial).iloc[0]
    assert row["REMLcrit"] == pytest.approx(-2 * serial.loglik)
    assert row["nobs"] == 180


def test_augment_has_broom_mixeds_columns(serial):
    """Numbers of r/residual_structures.R."""
    frame = mlpool.augment(serial)
    assert list(frame.columns)[-3:] == [".fitted", ".resid", ".fixed"]
    assert frame[".fitted"].to_numpy()[:2] == pytest.approx([285.2143071, 295.6206448], rel=1e-5)
    assert frame[".resid"].to_numpy()[:2] == pytest.approx([-35.65430709, -36.91594477], rel=1e-4)
    assert frame[".fixed"].to_numpy()[:2] == pytest.approx([252.9336680, 263.3400057], rel=1e-6)
    gls = mlpool.gls("Reaction ~ Days", SLEEP, correlation="ar1(Days | Subject)")
    assert mlpool.augment(gls)[".resid"].to_numpy()[:2] == pytest.approx(
        [-4.177703270, -5.499738121], rel=1e-4
    )
    assert list(mlpool.augment(gls).columns)[-2:] == [".fitted", ".resid"]
    new = mlpool.augment(serial, DOSED.head(2).assign(Subject="new"))
    assert new[".fitted"].to_numpy() == pytest.approx(new[".fixed"].to_numpy())
