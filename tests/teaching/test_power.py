"""Power by simulation: seeded, between its limits, and near what theory says."""

from __future__ import annotations

import math

import pandas as pd
import pytest
from scipy import stats

import mlpool


def test_power_is_near_the_normal_theory_of_clusters():
    J, n, effect = 60, 10, 0.5
    table = mlpool.simulate_power(
        "w", n_clusters=J, n_per_cluster=n, n_sims=200, effect_w=effect, icc=0.2, seed=1,
        progress=False,
    )  # fmt: skip
    intervals = table.metadata["intervals"]
    ncp = effect / float(intervals["SE"].mean())
    critical = stats.t.ppf(0.975, J - 2)
    theory = 1 - stats.nct.cdf(critical, J - 2, ncp) + stats.nct.cdf(-critical, J - 2, ncp)
    power = float(table["Power"].iloc[0])
    assert abs(power - theory) < 4 * math.sqrt(theory * (1 - theory) / 200) + 0.02
    assert table["MC_SE"].iloc[0] == pytest.approx(math.sqrt(power * (1 - power) / 200))


def test_more_clusters_more_power_and_the_seed_repeats():
    ask = {"n_clusters": [6, 40], "n_per_cluster": [5], "n_sims": 30, "slope": 0.4, "seed": 2,
           "progress": False, "methods": ["lm", "satterthwaite"]}  # fmt: skip
    first, second = mlpool.simulate_power("x", **ask), mlpool.simulate_power("x", **ask)
    pd.testing.assert_frame_equal(first.to_pandas(), second.to_pandas())
    wide = first.to_pandas().pivot(index="Method", columns="Clusters", values="Power")
    assert (wide[40] >= wide[6]).all()
    assert str(first).startswith("# Power")


def test_picture_has_a_line_per_method():
    pytest.importorskip("plotnine")
    table = mlpool.simulate_power(
        "w", n_clusters=[6, 12], n_sims=5, effect_w=1.0, methods=["lm", "CR1"], seed=1,
        progress=False,
    )  # fmt: skip
    plot = table.plot()
    assert [type(layer.geom).__name__ for layer in plot.layers] == [
        "geom_hline", "geom_line", "geom_pointrange",
    ]  # fmt: skip
    assert plot.data["Method"].nunique() == 2


@pytest.mark.parametrize(
    ("parameter", "options", "message"),
    [
        ("w", {}, r"Power needs an effect to find: give effect_w="),
        ("z", {"slope": 1}, r"parameter must be one of \('x', 'w'\)"),
        ("x", {"slope": 1, "n_clusters": 1}, r"n_clusters must be whole numbers from 2"),
        ("x", {"slope": 1, "n_per_cluster": []}, r"n_per_cluster has no numbers"),
        ("x", {"slope": 1, "methods": ["lmm"]}, r"There is no method 'lmm'"),
    ],
)
def test_mistakes(parameter, options, message):
    with pytest.raises(mlpool.OptionError, match=message):
        mlpool.simulate_power(parameter, n_sims=2, progress=False, **options)
