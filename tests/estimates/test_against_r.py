"""Marginal means of generalised models, and families of contrasts, against R's emmeans.

``r/make.R`` made the values from bundled data and R's mtcars, whose columns are in the file.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mlpool

R = json.loads((Path(__file__).parent / "r" / "emmeans_glm.json").read_text())


@pytest.fixture(scope="module")
def cbpp():
    d = mlpool.load_data("cbpp")
    return mlpool.glmer("cbind(incidence, size - incidence) ~ period + (1 | herd)", d, "binomial")


@pytest.fixture(scope="module")
def cars():
    return pd.DataFrame(R["mtcars"]["data"])


def _close(table, columns, expected, names, rtol=5e-4):
    for column, name in zip(columns, names, strict=True):
        np.testing.assert_allclose(table[column], expected[name], rtol=rtol, atol=1e-6)


def test_means_of_a_glmer(cbpp):
    bounds = ("asymp.LCL", "asymp.UCL")
    table = mlpool.emmeans(cbpp, "~ period", type="response")
    columns = ("Probability", "SE", "CI_low", "CI_high")
    _close(table, columns, R["cbpp"]["response"], ("prob", "SE", *bounds))
    table = mlpool.emmeans(cbpp, "~ period")
    _close(table, ("Mean", *columns[1:]), R["cbpp"]["link"], ("emmean", "SE", *bounds))


def test_differences_of_probabilities(cbpp):
    """``pairs(regrid(emm))``: differences on the response's scale."""
    expected = R["cbpp"]["difference"]
    table = mlpool.estimate_contrasts(cbpp, "period", comparison="revpairwise")
    columns = ("Difference", "SE", "CI_low", "CI_high", "z")
    names = ("estimate", "SE", "asymp.LCL", "asymp.UCL", "z.ratio")
    _close(table, columns, expected, names, rtol=2e-3)
    labels = [c.replace("period", "") for c in expected["contrast"]]
    assert list(table["Level1"] + " - " + table["Level2"]) == labels
    control = mlpool.estimate_contrasts(cbpp, "period", comparison="reference", p_adjust="sidak")
    np.testing.assert_allclose(control["p"], R["cbpp"]["sidak"]["p.value"], rtol=5e-3)
    log_odds = mlpool.estimate_contrasts(
        cbpp, "period", comparison="revpairwise", predict="link", p_adjust="scheffe"
    )
    np.testing.assert_allclose(log_odds["p"], R["cbpp"]["scheffe"]["p.value"], rtol=5e-3)


def test_means_and_trends_of_a_glm(cars):
    m = mlpool.glm("vs ~ wt + factor(am)", cars, "binomial")
    names = ("SE", "asymp.LCL", "asymp.UCL")
    table = mlpool.emmeans(m, "~ am", type="response")
    columns = ("Probability", "SE", "CI_low", "CI_high")
    _close(table, columns, R["mtcars"]["response"], ("prob", *names), rtol=1e-5)
    trend = mlpool.emtrends(m, "~ am", "wt")
    _close(trend, ("Slope", *columns[1:]), R["mtcars"]["trend"], ("wt.trend", *names), rtol=1e-5)


@pytest.mark.parametrize("adjust", ["scheffe", "sidak"])
def test_simultaneous_intervals(cars, adjust):
    m = mlpool.lm("mpg ~ wt * cyl", cars)
    table = mlpool.pairs(m, "~ cyl", adjust=adjust)
    columns = ("Difference", "SE", "CI_low", "CI_high", "t", "p")
    names = ("estimate", "SE", "lower.CL", "upper.CL", "t.ratio", "p.value")
    _close(table, columns, R[adjust], names, rtol=1e-7)


def test_polynomials(cars):
    m = mlpool.lm("mpg ~ wt * cyl", cars)
    table = mlpool.estimate_contrasts(m, "cyl", comparison="poly")
    assert list(table["Contrast"]) == R["poly"]["contrast"]
    columns, names = ("Difference", "SE", "t", "p"), ("estimate", "SE", "t.ratio", "p.value")
    _close(table, columns, R["poly"], names, rtol=1e-7)
