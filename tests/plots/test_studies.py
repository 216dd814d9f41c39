"""Pictures of teaching studies show every replicate, under the methods' own names."""

from __future__ import annotations

from copy import deepcopy

import pytest

import mlpool

plotnine = pytest.importorskip("plotnine")
pytestmark = [
    pytest.mark.filterwarnings(f"ignore::{name}")
    for name in ("UserWarning", "DeprecationWarning", "FutureWarning", "PendingDeprecationWarning")
]
DESIGN = {"n_clusters": 6, "n_per_cluster": 5, "seed": 1}


def layers(plot):
    copy = deepcopy(plot)
    copy._build()
    return [layer.data for layer in copy.layers]


def test_intervals_by_method_and_number():
    study = mlpool.coverage_study("(Intercept)", n_sims=12, methods=["lm", "lmer"], **DESIGN)
    plot = mlpool.plot(study, n=10)
    truth, ranges = layers(plot)
    assert truth["yintercept"].unique().tolist() == [0.0]
    assert len(ranges) == 20
    assert list(plot.data["Method"].cat.categories) == ["OLS, naive", "Mixed, residual df"]
    table = study.to_pandas().set_index("Method")["Coverage"]
    every = study.plot(n=12).data
    share = (every["Interval"] == "holds it").groupby(every["Method"], observed=True).mean()
    assert share.to_dict() == pytest.approx(table.to_dict())
    with pytest.raises(mlpool.OptionError, match="n must be a positive number of intervals"):
        mlpool.plot(study, n=0)


def test_p_values_fill_the_first_bin_as_often_as_the_table_says():
    study = mlpool.type_one_error_study("w", n_sims=20, methods=["lm"], icc=0.6, **DESIGN)
    bars, expected = layers(mlpool.plot(study))
    assert len(bars) == 20
    assert bars["count"].iloc[0] == pytest.approx(20 * study["Rejected"].iloc[0])
    assert expected["yintercept"].iloc[0] == 1.0


def test_means_of_all_draws():
    population = mlpool.simulate_clusters(30, 10, icc=0.4, seed=2)
    study = mlpool.sampling_study(
        population, "y", "cluster", n_clusters=5, n_per_cluster=4, draws=300, seed=3
    )
    bars, truth = layers(mlpool.plot(study, bins=25))
    counts = bars.groupby("group", observed=True)["count"].agg(["size", "sum"])
    assert counts.to_numpy().tolist() == [[25, 300], [25, 300]]
    assert truth["xintercept"].iloc[0] == pytest.approx(population["y"].mean())


def test_design_effects_expected_and_observed():
    study = mlpool.design_effect_study(icc=(0.1, 0.3), n_per_cluster=(5, 20), draws=50, seed=4)
    lines, points = layers(mlpool.plot(study))
    assert lines.sort_values(["group", "x"])["y"].tolist() == pytest.approx([1.4, 2.9, 2.2, 6.7])
    assert sorted(points["y"]) == pytest.approx(sorted(study["DEFF_observed"]))
    many = mlpool.design_effect_study(icc=[i / 20 for i in range(10)], draws=5, seed=4)
    assert layers(mlpool.plot(many))[0]["group"].nunique() == 10
