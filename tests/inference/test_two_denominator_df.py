"""Kenward-Roger about two denominator df, where the formulas of its paper read 0 / 0."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mlpool


def _clusters(arms: str, seed: int) -> pd.DataFrame:
    """One cluster per letter of `arms`, of the same size."""
    rng = np.random.default_rng(seed)
    n, J = int(rng.integers(3, 9)), len(arms)
    d = pd.DataFrame(
        {
            "g": np.repeat(np.arange(J), n),
            "arm": np.repeat(list(arms), n),
            "t": np.tile(range(n), J),
        }
    )
    d["y"] = 2.0 * rng.normal(size=J)[d.g] + rng.normal(size=n * J) + 0.3 * d.t
    return d


@pytest.mark.filterwarnings("ignore::mlpool.errors.SingularFitWarning")
@pytest.mark.parametrize("arms", ["xxyy", "xxyyz", "xyyy", "xxxyy"])
@pytest.mark.parametrize("terms", ["arm", "arm + t"])
def test_f_is_that_of_the_cluster_means(arms: str, terms: str) -> None:
    """Clusters of one size: the exact test is least squares of their means."""
    tried = 0
    for seed in range(12):
        d = _clusters(arms, seed)
        m = mlpool.lmer(f"y ~ {terms} + (1 | g)", d)
        if m.is_singular:
            continue
        tried += 1
        means = d.groupby(["g", "arm"])["y"].mean().reset_index()
        exact = mlpool.anova(mlpool.lm("y ~ arm", means)).to_pandas().iloc[0]
        df = len(arms) - len(set(arms))
        row = mlpool.anova(m, ddf="Kenward-Roger").to_pandas().iloc[0]
        assert [row["F"], row["df_error"]] == pytest.approx([exact["F"], df], rel=1e-6)
        assert row["p"] == pytest.approx(exact["p"], rel=1e-5)
        table = mlpool.model_parameters(m, ci_method="kenward", effects="fixed").to_pandas()
        assert table["df_error"].iloc[1] == pytest.approx(df, rel=1e-6)
    assert tried >= 6


def _whole_plots() -> pd.DataFrame:
    """Three blocks, each with two whole plots (one per level of a) of four split plots."""
    rng = np.random.default_rng(11)
    rows = [(b, a, s) for b in range(3) for a in "pq" for s in "uvwx"]
    d = pd.DataFrame(rows, columns=["block", "a", "s"])
    d["plot"] = d["block"].astype(str) + d["a"]
    plots = rng.normal(size=6)[pd.factorize(d["plot"])[0]]
    d["y"] = d["block"] + plots + (d["a"] == "q") * 2 + rng.normal(size=len(d)) / 2
    return d


def test_split_plot_has_the_f_of_its_analysis_of_variance() -> None:
    """Whole-plot factor: F of a by its plots within blocks, on (3 - 1)(2 - 1) = 2 df."""
    d = _whole_plots()
    m = mlpool.lmer("y ~ factor(block) + a + s + (1 | plot)", d)
    assert not m.is_singular
    means = d.groupby(["block", "a"])["y"].mean().reset_index()
    exact = mlpool.anova(mlpool.lm("y ~ factor(block) + a", means)).to_pandas().iloc[1]
    row = mlpool.anova(m, ddf="Kenward-Roger").to_pandas().set_index("Parameter").loc["a"]
    assert [row["F"], row["df_error"]] == pytest.approx([exact["F"], 2.0], rel=1e-6)


#: R 4.2, pbkrtest 0.5.2: anova(lmer(y ~ trt + t + (1 | g), d), ddf = "Kenward-Roger"), F and df
_FIVE = ([0.4828702972, 0.01476351951], [1.96026495, 24.18613954])
_FOUR = ([0.9983629384, 0.09209369602], [1.990379957, 17.19287092])


@pytest.mark.parametrize(("without", "expected"), [("", _FIVE), ("e", _FOUR)])
def test_unequal_clusters_as_pbkrtest(without: str, expected: tuple[list[float], ...]) -> None:
    code = np.repeat(range(5), [5, 7, 6, 4, 8])
    i = np.arange(1, len(code) + 1)
    t, u = (7 * i) % 11 / 4, np.array([1.2, -1.9, 0.4, 2.8, 0.3])[code]
    d = pd.DataFrame({"g": np.array(list("abcde"))[code], "trt": np.array(list("xxyyz"))[code]})
    d["t"], d["y"] = t, np.round(u + ((13 * i) % 17) / 5 + 0.3 * t, 3)
    m = mlpool.lmer("y ~ trt + t + (1 | g)", d[d["g"] != without])
    table = mlpool.anova(m, ddf="Kenward-Roger").to_pandas()
    np.testing.assert_allclose(table["F"], expected[0], rtol=1e-6)
    np.testing.assert_allclose(table["df_error"], expected[1], rtol=1e-6)
