"""Samples are samples, and their means vary as the theory of cluster sampling says."""

import numpy as np
import pandas as pd
import pytest

from mlpool import sampling_study, simple_random_sample, simulate_clusters, two_stage_sample
from mlpool.errors import ColumnNotFoundError, DataError, OptionError


@pytest.fixture(scope="module")
def population() -> pd.DataFrame:
    return simulate_clusters(1000, 100, icc=0.2, intercept=2.0, seed=5)


def test_simple_sample_has_distinct_units(population: pd.DataFrame) -> None:
    sample = simple_random_sample(population, 500, seed=1)
    assert len(sample) == sample.index.nunique() == 500


def test_two_stage_sample_has_the_stages(population: pd.DataFrame) -> None:
    sample = two_stage_sample(population, "cluster", 10, 7, seed=1)
    sizes = sample.groupby("cluster").size()
    assert len(sizes) == 10
    assert set(sizes) == {7}
    assert sample.index.nunique() == 70


def test_variance_ratio_is_the_design_effect(population: pd.DataFrame) -> None:
    study = sampling_study(
        population, "y", "cluster", n_clusters=10, n_per_cluster=10, draws=20_000, seed=2
    )
    ratio = float(study["DEFF"].iloc[1])
    assert ratio == pytest.approx(study.metadata["deff_expected"], rel=0.1)
    assert ratio > 1
    # Both designs are unbiased: within 4 Monte Carlo standard errors.
    error = np.sqrt(study["Variance"] / 20_000)
    assert (study["Bias"].abs() < 4 * error).all()


def test_study_draws_what_the_samplers_draw() -> None:
    """The vectorised draws have the distribution of ``two_stage_sample``, unequal sizes too."""
    small = simulate_clusters(6, [3, 4, 5, 6, 7, 8], icc=0.5, seed=8)
    study = sampling_study(small, "y", "cluster", n_clusters=2, n_per_cluster=3, draws=40_000,
                           seed=1)  # fmt: skip
    singles = [two_stage_sample(small, "cluster", 2, 3, seed=s)["y"].mean() for s in range(4000)]
    means = study.metadata["means"]["Two-stage"]
    assert np.mean(singles) == pytest.approx(means.mean(), abs=4 * means.std() / np.sqrt(4000))
    assert np.std(singles) == pytest.approx(means.std(), rel=0.06)


def test_table_text(population: pd.DataFrame) -> None:
    study = sampling_study(population, "y", "cluster", draws=50, seed=1)
    lines = str(study).splitlines()
    assert lines[0] == "# Sampling distribution of the mean"
    assert lines[2].startswith("Design        |")
    assert lines[-1].startswith("Design effect 1 + ICC (n - 1) = ")


def test_mistakes(population: pd.DataFrame) -> None:
    with pytest.raises(DataError, match="cannot be drawn from 100000"):
        simple_random_sample(population, 100_001)
    with pytest.raises(DataError, match="1001 clusters cannot be drawn from 1000"):
        two_stage_sample(population, "cluster", 1001, 2)
    with pytest.raises(DataError, match="the smallest has 100"):
        two_stage_sample(population, "cluster", 10, 101)
    with pytest.raises(ColumnNotFoundError, match=r"no column 'clster'.*cluster"):
        two_stage_sample(population, "clster", 10, 10)
    with pytest.raises(DataError, match="missing in 1 rows"):
        two_stage_sample(pd.DataFrame({"g": ["a", None, "b"]}), "g", 1, 1)
    with pytest.raises(OptionError, match="whole number, 2 or more"):
        sampling_study(population, "y", "cluster", draws=1)
