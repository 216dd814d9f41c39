"""Power by simulation: seeded, between its limits, and near what theory says."""

from __future__ import annotations

import math

import numpy as np
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


def test_power_of_a_model_is_that_of_its_t_tests():
    rng = np.random.default_rng(3)
    d = pd.DataFrame({"x": rng.normal(size=40), "z": rng.normal(size=40)})
    d["y"] = 0.4 * d["x"] + rng.normal(size=40)
    m = mlpool.lm("y ~ x + z", d)
    table = mlpool.simulate_power(m, n_sims=200, alpha=0.1, seed=5, progress=False)
    assert list(table["Parameter"]) == ["x", "z"]
    critical = stats.t.ppf(0.95, 37)
    for row in table.to_pandas().itertuples():
        ncp = m.fixef()[row.Parameter] / m.se[row.Parameter]
        theory = 1 - stats.nct.cdf(critical, 37, ncp) + stats.nct.cdf(-critical, 37, ncp)
        found = round(200 * row.Power)
        assert stats.binomtest(found, 200, theory).pvalue > 0.001
        exact = stats.binomtest(found, 200).proportion_ci(0.95, method="exact")
        assert (row.CI_low, row.CI_high) == pytest.approx((exact.low, exact.high))


def test_power_of_a_mixed_model_draws_new_groups_and_tests_terms_together():
    m = mlpool.glmer(
        "cbind(incidence, size - incidence) ~ period + (1 | herd)", mlpool.load_data("cbpp"),
        "binomial",
    )  # fmt: skip
    ask = {"n_sims": 4, "seed": 1, "progress": False}
    table = mlpool.simulate_power(m, **ask)
    assert list(table["Parameter"]) == ["period"]
    assert math.isnan(table["Coefficient"].iloc[0])
    again = mlpool.simulate_power(m, ["period4", "period"], **ask)
    assert list(again.metadata["p"]["period"]) == list(table.metadata["p"]["period"])
    by_hand = mlpool.model_parameters(
        m.refit(
            m.simulate(seed=np.random.default_rng(np.random.SeedSequence(1).spawn(1)[0]))["sim_1"]
        )
    )
    p = float(by_hand.to_pandas().set_index("Parameter").loc["period4", "p"])
    assert again.metadata["p"]["period4"].iloc[0] == pytest.approx(p)
    assert "simulated from the model" in str(table)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((), {"n_clusters": 5}, "takes no n_clusters="),
        (("q",), {}, "parameter must name terms or coefficients of the model"),
        ((), {"ci_method": "boot"}, "ci_method"),
        ((), {"n_sims": 0}, "n_sims must be a whole number, 1 or more"),
        ((), {"alpha": 1}, "alpha must be a number between 0 and 1"),
    ],
)
def test_what_has_no_power_of_a_model(arguments, options, message):
    m = mlpool.lm("dist ~ speed", {"dist": [1.0, 2.0, 4.0, 5.0], "speed": [1.0, 2.0, 3.0, 5.0]})
    with pytest.raises(mlpool.MlpoolError, match=message):
        mlpool.simulate_power(m, *arguments, **options)
    with pytest.raises(mlpool.OptionError, match="needs a fitted model"):
        mlpool.simulate_power(3)
