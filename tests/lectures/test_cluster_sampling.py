"""Cluster sampling and effect reversal (Hoff, STA 610, introduction): spec/lectures.md, section 4.

The lecture's figures come from code and seeds that are not shown: its constructions are rebuilt
with fixed seeds, and what it says about them is checked.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import mlpool
from mlpool.teaching.sampling import intraclass_correlation


@pytest.fixture(scope="module")
def population() -> pd.DataFrame:
    """100 neighbourhoods of 100 locations, mean about 2."""
    return mlpool.simulate_clusters(100, 100, intercept=2.0, icc=0.3, sd_x_within=0.0, seed=610)


# --- 4.1 two-stage and simple random samples ----------------------------------------------------


def test_4_1_two_stage_sampling(population: pd.DataFrame) -> None:
    mu = population["y"].mean()
    two = [mlpool.two_stage_sample(population, "cluster", 10, 10, seed=s) for s in (1, 2)]
    simple = [mlpool.simple_random_sample(population, 100, seed=s) for s in (1, 2)]
    for sample in two:
        assert sample.groupby("cluster").size().tolist() == [10] * 10
    assert all(len(sample) == 100 for sample in simple)
    # Means of samples differ from mu; the ones of clusters by more (next test: always so).
    assert all(sample["y"].mean() != mu for sample in two + simple)


@pytest.mark.slow
def test_4_1_variability_of_the_sample_mean(population: pd.DataFrame) -> None:
    """Two-stage over simple variance is DEFF = 1 + ICC (n - 1), within 10 %."""
    study = mlpool.sampling_study(population, "y", "cluster", draws=20_000, seed=1)
    table = study.to_pandas().set_index("Design")
    ratio = table.loc["Two-stage", "Variance"] / table.loc["Simple random", "Variance"]
    rho = intraclass_correlation(population["y"].to_numpy(), population["cluster"].to_numpy() - 1)
    assert ratio > 1
    # Clusters are drawn without replacement: 10 of 100 leave 90 % of the variance between them.
    deff = 0.9 * rho * 10 + (1 - rho)
    assert ratio == pytest.approx(deff, rel=0.1)
    assert ratio == pytest.approx(1 + rho * 9, rel=0.12)
    assert abs(table["Bias"]).max() < 0.01


def test_4_2_dependence_is_heterogeneity() -> None:
    """The correlation of pairs in the same group is the ICC."""
    data = mlpool.simulate_clusters(20_000, 2, icc=0.3, sd_x_within=0.0, seed=3)
    pairs = data["y"].to_numpy().reshape(-1, 2)
    assert np.corrcoef(pairs.T)[0, 1] == pytest.approx(0.3, abs=0.02)


# --- 4.3 intervals ------------------------------------------------------------------------------


def interval(y: np.ndarray) -> tuple[float, float]:
    """mean +- t(n - 1) s / sqrt(n), as an intercept's interval."""
    row = mlpool.model_parameters(mlpool.lm("y ~ 1", {"y": y})).to_pandas().iloc[0]
    return float(row["CI_low"]), float(row["CI_high"])


def test_4_3_interval_of_a_simple_random_sample() -> None:
    y = np.random.default_rng(4).normal(2.0, 1.0, size=25)
    half = 2.063899 * y.std(ddof=1) / 5
    assert interval(y) == pytest.approx((y.mean() - half, y.mean() + half), rel=1e-6)


def test_4_3_coverage_of_independent_data() -> None:
    """95 % of the intervals of simple random samples hold the mean."""
    y = np.random.default_rng(5).normal(2.0, 1.0, size=(20_000, 25))
    half = 2.063899 * y.std(axis=1, ddof=1) / 5
    assert np.mean(np.abs(y.mean(axis=1) - 2.0) <= half) == pytest.approx(0.95, abs=0.01)
    for sample, margin in zip(y[:5], half[:5], strict=True):  # lm's interval is that one
        assert np.ptp(interval(sample)) == pytest.approx(2 * margin, rel=1e-6)


@pytest.mark.slow
def test_4_4_ignoring_heterogeneity() -> None:
    """The naive interval misses far too often; the random-intercept one keeps its level."""
    study = mlpool.coverage_study(
        "(Intercept)", n_sims=500, methods=["lm", "satterthwaite"], n_clusters=10,
        n_per_cluster=10, icc=0.3, sd_x_within=0.0, seed=6,
    )  # fmt: skip
    naive, mixed = study.to_pandas()["Coverage"]
    assert naive < 0.8
    assert mixed == pytest.approx(0.95, abs=0.02)
    table = study.to_pandas()
    assert table["SE_mean"][0] < 0.7 * table["SD_estimate"][0]  # s / sqrt(n) is too small
    assert table["SE_mean"][1] == pytest.approx(table["SD_estimate"][1], rel=0.1)


# --- 4.5 group-specific inference ---------------------------------------------------------------


def test_4_5_group_specific_estimates() -> None:
    """theta_j by its mean or by w mean_j + (1 - w) mean: the weights are shrinkage factors."""
    data = mlpool.simulate_clusters(12, (3, 30), icc=0.4, sd_x_within=0.0, seed=7)
    c = mlpool.compare_pooling("y ~ 1", data.astype({"cluster": "str"}), group="cluster")
    groups = c.groups.to_pandas()
    grand = c.partial.fixef().iloc[0]
    w = groups["Reliability"]
    np.testing.assert_allclose(groups["Partial"], w * groups["No"] + (1 - w) * grand, rtol=1e-6)


def test_4_5_is_the_variance_between_groups_zero() -> None:
    """The null lies on the boundary: the p-value is half that of chi-squared with 1 df."""
    data = mlpool.simulate_clusters(20, 6, icc=0.3, sd_x_within=0.0, seed=13)
    m = mlpool.lmer("y ~ 1 + (1 | cluster)", data)
    table = mlpool.test_likelihoodratio(one=mlpool.lm("y ~ 1", data), groups=m, boundary=True)
    row = table.to_pandas().iloc[1]
    assert 0 < row["Chi2"] < 40
    assert row["p"] == pytest.approx(stats.chi2.sf(row["Chi2"], 1))
    assert row["p_boundary"] == pytest.approx(row["p"] / 2)


# --- 4.6 what ignoring groups does to an effect -------------------------------------------------


def test_4_6_overconservative_analysis() -> None:
    """Pairs in groups that differ a lot: without the groups the effect of x drowns."""
    rng = np.random.default_rng(8)
    group = np.repeat(np.arange(10), 2)
    x = np.tile([0, 1], 10)
    y = 3 * rng.normal(size=10)[group] + 0.8 * x + 0.3 * rng.normal(size=20)
    data = pd.DataFrame({"y": y, "x": x, "group": group.astype(str)})
    naive = mlpool.model_parameters(mlpool.lm("y ~ x", data)).to_pandas().iloc[1]
    m = mlpool.lmer("y ~ x + (1 | group)", data)
    own = mlpool.model_parameters(m, effects="fixed").to_pandas().iloc[1]
    assert naive["Coefficient"] == pytest.approx(own["Coefficient"])  # balanced
    assert naive["SE"] > 3 * own["SE"]
    assert abs(naive["t"]) < 2 < abs(own["t"])


@pytest.mark.slow
def test_4_7_underconservative_analysis() -> None:
    """Two conditions given to whole groups, no effect: lm rejects far too often."""
    study = mlpool.type_one_error_study(
        "w", n_sims=400, methods=["lm", "satterthwaite"], n_clusters=12, n_per_cluster=10,
        icc=0.3, binary_w=True, sd_x_within=0.0, seed=9,
    )  # fmt: skip
    naive, mixed = study.to_pandas()["Rejected"]
    assert naive > 0.2
    assert mixed == pytest.approx(0.05, abs=0.025)


def test_4_8_effect_reversal() -> None:
    """Simpson's paradox: up in the population, down in every group."""
    data = mlpool.simulate_reversal(6, 30, seed=10).astype({"cluster": "str"})
    assert mlpool.lm("y ~ x", data).fixef()["x"] > 0
    own = mlpool.lm("y ~ x * cluster", data).fixef()
    slopes = own["x"] + np.r_[0.0, own[own.index.str.startswith("x:")]]
    assert len(slopes) == 6
    assert (slopes < 0).all()
    parts = mlpool.demean(data[["y", "x", "cluster"]], select="x", by="cluster")
    # The construction puts the means on one line: no variance between clusters is left.
    with pytest.warns(mlpool.SingularFitWarning):
        m = mlpool.lmer("y ~ x_within + x_between + (1 | cluster)", parts)
    assert m.fixef()["x_within"] < 0 < m.fixef()["x_between"]


# --- 4.9 macro and micro, joint estimation ------------------------------------------------------


@pytest.fixture(scope="module")
def states() -> pd.DataFrame:
    """50 states: richer people (x) lean one way, richer states (w) the other."""
    return mlpool.simulate_clusters(
        50, 60, slope=0.5, effect_w=-0.8, slope_w=0.2, sd_intercept=0.5, sd_slope=0.15,
        sigma=1.0, seed=2004,
    ).astype({"cluster": "str"})  # fmt: skip


def test_4_9_macro_and_micro_effects(states: pd.DataFrame) -> None:
    """y ~ SES, y ~ GDP, Y ~ GDP and y ~ GDP + SES, with states as groups."""
    micro = mlpool.lmer("y ~ x + (1 | cluster)", states).fixef()
    macro_micro = mlpool.lmer("y ~ w + (1 | cluster)", states).fixef()
    both = mlpool.lmer("y ~ w + x + (1 | cluster)", states).fixef()
    aggregated = states.groupby("cluster", as_index=False)[["y", "w"]].mean()
    macro = mlpool.lm("y ~ w", aggregated)
    assert len(aggregated) == macro.nobs == 50
    assert micro["x"] > 0 > macro.fixef()["w"]
    assert both["x"] == pytest.approx(micro["x"], abs=0.01)
    # States of one size: the effect on people is the effect on states' means.
    assert macro_micro["w"] == pytest.approx(macro.fixef()["w"], abs=1e-6)


def test_4_10_joint_estimation_recovers_the_truth(states: pd.DataFrame) -> None:
    m = mlpool.lmer("y ~ x * w + (x | cluster)", states)
    truth = pd.Series({"(Intercept)": 0.0, "x": 0.5, "w": -0.8, "x:w": 0.2})
    assert ((m.fixef() - truth).abs() < 2 * m.se).all()


@pytest.mark.slow
def test_4_10_joint_estimation_of_votes() -> None:
    data = mlpool.simulate_clusters(
        50, 60, slope=0.5, effect_w=-0.8, slope_w=0.2, sd_intercept=0.5, sd_slope=0.15,
        family="binomial", seed=11,
    ).astype({"cluster": "str"})  # fmt: skip
    m = mlpool.glmer("y ~ x * w + (1 | cluster)", data, family="binomial")
    truth = pd.Series({"(Intercept)": 0.0, "x": 0.5, "w": -0.8, "x:w": 0.2})
    assert ((m.fixef() - truth).abs() < 2.5 * m.se).all()
