"""Simulated clusters have the sizes, variances and effects that were asked for."""

import math

import numpy as np
import pytest

import mlpool
from mlpool import simulate_clusters, simulate_reversal
from mlpool.errors import OptionError, SingularFitWarning
from mlpool.teaching.sampling import intraclass_correlation


def test_same_seed_same_data_and_no_global_state() -> None:
    np.random.seed(1)  # noqa: NPY002  # shows that the global generator plays no part
    first = simulate_clusters(5, 4, seed=3)
    np.random.seed(2)  # noqa: NPY002
    assert first.equals(simulate_clusters(5, 4, seed=3))
    assert not first.equals(simulate_clusters(5, 4, seed=4))


@pytest.mark.parametrize(
    ("sizes", "expected"), [(4, {4}), ([2, 3, 9], {2, 3, 9}), (np.array([1, 2, 1]), {1, 2})]
)
def test_sizes(sizes: object, expected: set[int]) -> None:
    data = simulate_clusters(3, sizes, seed=0)
    assert set(data.groupby("cluster").size()) == expected


def test_range_of_sizes_reaches_both_ends() -> None:
    sizes = simulate_clusters(300, (2, 5), seed=0).groupby("cluster").size()
    assert set(sizes) == {2, 3, 4, 5}


def test_icc_is_the_correlation_of_pairs_in_a_cluster() -> None:
    data = simulate_clusters(20_000, 2, icc=0.3, seed=1)
    pairs = data["y"].to_numpy().reshape(-1, 2)
    assert np.corrcoef(pairs.T)[0, 1] == pytest.approx(0.3, abs=0.02)
    codes = data["cluster"].to_numpy() - 1
    assert intraclass_correlation(data["y"].to_numpy(), codes) == pytest.approx(0.3, abs=0.02)
    assert data.attrs["truth"]["icc"] == pytest.approx(0.3)


def test_joint_model_recovers_what_was_simulated() -> None:
    data = simulate_clusters(
        200, 40, intercept=1.0, slope=0.5, effect_w=-0.4, slope_w=0.3, sd_intercept=0.8,
        sd_slope=0.5, cor=0.4, sigma=1.2, seed=0,
    )  # fmt: skip
    m = mlpool.fit("y ~ x * w + (x | cluster)", data)
    truth = {"(Intercept)": 1.0, "x": 0.5, "w": -0.4, "x:w": 0.3}
    for name, value in truth.items():
        assert abs(m.fixef()[name] - value) < 3 * m.se[name]
    sd = m.varcorr().blocks[0].sd
    assert sd == pytest.approx([0.8, 0.5], rel=0.15)
    assert m.varcorr().blocks[0].cor[0, 1] == pytest.approx(0.4, abs=0.2)
    assert m.sigma == pytest.approx(1.2, rel=0.03)


def test_contextual_effect_shows_in_within_and_between() -> None:
    data = simulate_clusters(
        300, 20, slope=-1.0, slope_between=2.0, sd_x_between=1.0, sd_intercept=0.2, seed=2
    )
    m = mlpool.fit("y ~ x_within + x_between + (1 | cluster)", data)
    assert m.fixef()["x_within"] == pytest.approx(-1.0, abs=0.05)
    assert m.fixef()["x_between"] == pytest.approx(2.0, abs=0.1)


def test_binomial_outcomes_follow_the_logit() -> None:
    data = simulate_clusters(50, 2000, intercept=0.7, sd_intercept=0.0, family="binomial", seed=3)
    assert set(data["y"]) == {0, 1}
    assert data["y"].mean() == pytest.approx(1 / (1 + math.exp(-0.7)), abs=0.01)


def test_binary_w_splits_the_clusters() -> None:
    data = simulate_clusters(10, 3, binary_w=True, seed=1)
    assert data.groupby("cluster")["w"].first().sum() == 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_clusters": 0}, "n_clusters must be a whole number, 1 or more; got 0"),
        ({"n_per_cluster": [1, 2]}, "lists 2 sizes for 20 clusters"),
        ({"n_per_cluster": (5, 2)}, "needs 1 <= low <= high"),
        ({"n_per_cluster": 0}, "whole numbers from 1"),
        ({"n_per_cluster": 2.5}, "whole numbers from 1"),
        ({"icc": 1.0}, "icc must be at least 0 and below 1"),
        ({"icc": 0.1, "sd_intercept": 1.0}, "Give icc or sd_intercept, not both"),
        ({"sigma": -1.0}, "sigma must be"),
        ({"cor": 1.5}, "cor must be a number from -1 to 1"),
        ({"family": "poisson"}, "family"),
    ],
)
def test_what_cannot_be_simulated(options: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        simulate_clusters(**options)  # type: ignore[arg-type]


def test_reversal_is_exact_in_every_cluster() -> None:
    data = simulate_reversal(6, 30, slope_within=-1.5, slope_between=1.0, seed=4)
    pooled = np.polyfit(data["x"], data["y"], 1)[0]
    assert pooled > 0
    assert pooled == pytest.approx(data.attrs["truth"]["slope_pooled"])
    for _, part in data.groupby("cluster"):
        assert np.polyfit(part["x"], part["y"], 1)[0] == pytest.approx(-1.5)
    with pytest.warns(SingularFitWarning):  # the clusters lie on their line exactly
        m = mlpool.fit("y ~ x_within + x_between + (1 | cluster)", data)
    assert m.fixef()["x_within"] == pytest.approx(-1.5)
    assert m.fixef()["x_between"] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"slope_within": 1.0}, "opposite signs"),
        ({"spread": 0.1}, "too close for a reversal"),
        ({"n_clusters": 1}, "2 clusters of 3 units"),
    ],
)
def test_no_reversal(options: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        simulate_reversal(**options)  # type: ignore[arg-type]
