"""The arithmetic of the lectures: shrinkage, design effects, standard errors of the poolings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mlpool

sizes = st.floats(1, 1e4)
variances = st.floats(1e-3, 1e3)


def test_6_gelman_and_hill_ratio() -> None:
    """Seed 2: sigma_y 0.76, sigma_alpha 0.33."""
    assert f"{mlpool.variance_ratio(0.33**2, 0.76**2):.2f}" == "0.19"
    assert f"{mlpool.equivalent_n(0.33**2, 0.76**2):.2f}" == "5.30"
    assert pytest.approx(0.159, abs=5e-4) == 0.33**2 / (0.33**2 + 0.76**2)
    assert mlpool.equivalent_n(0.0, 1.0) == np.inf


def test_6_icc_by_hand() -> None:
    """Course A/03a: tau 1.20, sigma 4.60, 30 persons of 100 rows."""
    icc = 1.20**2 / (1.20**2 + 4.60**2)
    assert f"{icc:.8f}" == "0.06371681"
    assert f"{mlpool.design_effect(icc, 100):.6f}" == "7.307965"
    assert f"{mlpool.deft(icc, 100):.6f}" == "2.703325"
    assert f"{mlpool.effective_n(3000, icc, 100):.3f}" == "410.511"


def test_6_standard_errors_of_the_poolings() -> None:
    """Seed 4: psi 366.2307, theta 785.8655, 20 groups of 10."""
    se = mlpool.se_pooling(366.230697, 785.865456, 20, 10)
    printed = {"ols": "2.400100", "mixed": "4.716022", "nopool": "1.982253"}
    assert {k: f"{se[k]:.6f}" for k in printed} == printed
    assert f"{se['nopool_group']:.6f}" == "8.864905"


def test_6_empirical_bayes_means_are_the_blups(fitted: object) -> None:
    """Seed 0 and 2: all 419 schools, to 2e-6."""
    m = fitted("lecture_null")  # type: ignore[operator]
    data = pd.DataFrame({"y": m.design.y, "school": m.design.random[0].codes})
    groups = data.groupby("school")["y"]
    tau2, sigma2 = 3.262240**2, 8.157858**2
    table = mlpool.pooling_estimate(groups.mean(), groups.size(), tau2, sigma2)
    blups = m.coef()["school"]["(Intercept)"]
    assert np.abs(table["EB"].to_numpy() - blups.to_numpy()).max() < 2e-6


def test_6_empirical_bayes_intercepts_with_a_predictor(fitted: object) -> None:
    """Seed 2: the same with mean minus slope times the group's x, as coef()'s intercepts."""
    m = fitted("m1")  # type: ignore[operator]
    x = m.design.X.dense()[:, 1]
    data = pd.DataFrame({"y": m.design.y, "x": x, "school": m.design.random[0].codes})
    groups = data.groupby("school")
    beta = m.fixef()
    table = mlpool.pooling_estimate(
        groups["y"].mean(), groups.size(), float(m.theta[0] * m.sigma) ** 2, m.sigma**2,
        grand=beta["(Intercept)"], beta=beta["ses"], xbar=groups["x"].mean().to_numpy(),
    )  # fmt: skip
    expected = m.coef()["school"]["(Intercept)"].to_numpy()
    np.testing.assert_allclose(table["EB"].to_numpy(), expected, atol=1e-6)


SCHOOLS = {178: (66.0778, 63.0319), 1: (58.9968, 58.5437), 12: (54.9989, 55.9154),
           22: (55.5354, 56.2681), 36: (51.7470, 53.7776), 50: (51.5257, 53.6321),
           138: (57.0531, 57.2659)}  # fmt: skip


def test_6_shrinkage_of_the_smallest_schools(shared: Path) -> None:
    """Seed 0, the shrinkage figure: no-pooling means and what they shrink to."""
    heck = pd.read_csv(shared / "data" / "heck2011.csv", encoding="utf-8-sig")
    groups = heck.groupby("school")["math"]
    table = mlpool.pooling_estimate(groups.mean(), groups.size(), 3.262240**2, 8.157858**2)
    for school, (own, pooled) in SCHOOLS.items():
        row = table.loc[school]
        assert row["mean"] == pytest.approx(own, abs=5e-4)
        assert row["EB"] == pytest.approx(pooled, abs=5e-4)


@given(sizes, sizes, variances, variances)
def test_6_larger_groups_shrink_less(a: float, b: float, tau2: float, sigma2: float) -> None:
    """Seed 0: school A with n = 3 shrinks more than school B with n = 100."""
    small, large = sorted((a, b))
    assert mlpool.shrinkage(small, tau2, sigma2) <= mlpool.shrinkage(large, tau2, sigma2)
    assert 0 <= mlpool.shrinkage(small, tau2, sigma2) <= 1


def test_6_limits_of_pooling() -> None:
    assert mlpool.shrinkage(5, 0.0, 2.0) == 0
    assert mlpool.shrinkage(5, 2.0, 0.0) == 1
    assert mlpool.shrinkage([0, 10], 1.0, 10.0).tolist() == [0.0, 0.5]
    table = mlpool.pooling_estimate([1.0, 5.0], [4, 4], tau2=0.0, sigma2=1.0)
    assert table["EB"].tolist() == [3.0, 3.0]
    assert table["EB_var"].tolist() == pytest.approx([0.125, 0.125])


@given(st.floats(0, 1), sizes)
def test_6_design_effects_agree(icc: float, n: float) -> None:
    effect = mlpool.design_effect(icc, n)
    assert mlpool.deft(icc, n) ** 2 == pytest.approx(effect)
    assert mlpool.effective_n(1000, icc, n) * effect == pytest.approx(1000)
    assert mlpool.design_effect(icc, np.array([n, 1.0]))[1] == 1.0
