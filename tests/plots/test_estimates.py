"""What plots of ``estimate_*`` tables are built from: lines, ribbons, panels, bounds."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pandas as pd
import pytest

import mlpool

pytest.importorskip("plotnine")

from mlpool.plots.grids.slopes import NOT, SIGNIFICANT, split_by_significance


def _geoms(plot) -> list[str]:
    return [type(layer.geom).__name__ for layer in plot.layers]


def _built(plot, geom: str) -> pd.DataFrame:
    place = _geoms(plot).index(geom)
    copy = deepcopy(plot)
    copy._build()
    return copy.layers[place].data


@pytest.fixture(scope="module")
def hsb():
    return mlpool.load_data("hsb82")


@pytest.fixture(scope="module")
def cake():
    return mlpool.lm("angle ~ recipe * temperature", mlpool.load_data("cake"))


def test_relation_has_a_line_and_a_ribbon_per_level(hsb):
    m = mlpool.lm("math ~ ses + gender", hsb)
    table = mlpool.estimate_relation(m, by=["ses", "gender"])
    plot = mlpool.plot(table)
    assert _geoms(plot) == ["geom_ribbon", "geom_line"]
    line = _built(plot, "geom_line")
    assert line["group"].nunique() == 2 and len(line) == len(table)
    assert sorted(line["color"].unique()) == ["#009E73", "#D55E00"]
    without = mlpool.plot(table, ribbon="none", line={"color": "red", "alpha": 0.1})
    assert _geoms(without) == ["geom_line"]
    assert set(_built(without, "geom_line")["color"]) == {"red"}
    assert "geom_point" in _geoms(mlpool.plot(table, show_data=True))


def test_few_values_are_drawn_as_labels(hsb):
    m = mlpool.lmer("math ~ ses + (ses | school)", hsb)
    table = mlpool.estimate_relation(m, by=["ses = [0, 1]", "school = [1224, 1288]"])
    assert _geoms(table.plot()) == ["geom_line", "geom_pointrange"]


def test_means_are_joined_dots_with_intervals(cake):
    plot = mlpool.plot(mlpool.estimate_means(cake, by=["temperature", "recipe"]))
    assert _geoms(plot) == ["geom_line", "geom_pointrange"]
    assert len(_built(plot, "geom_pointrange")) == 18


def test_contrasts_are_a_forest_with_panels(cake):
    table = mlpool.estimate_contrasts(cake, "recipe", by="temperature")
    plot = mlpool.plot(table)
    assert _geoms(plot) == ["geom_hline", "geom_pointrange"]
    assert _built(plot, "geom_pointrange")["PANEL"].nunique() == 6
    labels = list(plot.data["Row"].cat.categories)
    assert labels == ["C - B", "C - A", "B - A"]
    poly = mlpool.plot(mlpool.estimate_contrasts(cake, "temperature", comparison="poly"))
    assert list(poly.data["Row"].cat.categories)[-1] == "linear"
    many = mlpool.estimate_contrasts(cake, ["recipe", "temperature"])
    assert len(_built(mlpool.plot(many), "geom_pointrange")) == 153


def test_slopes_are_shaded_where_their_interval_excludes_zero(hsb):
    m = mlpool.lm("math ~ ses * meanses", hsb)
    table = mlpool.estimate_slopes(m, "ses", by={"meanses": np.linspace(-1, 0.8, 40).tolist()})
    plot = mlpool.plot(table)
    assert _geoms(plot)[:2] == ["geom_hline", "geom_ribbon"]
    assert plot.labels.y == "Slope of ses on math"
    fine = pd.DataFrame({"x": np.linspace(-2, 2, 81)})
    fine["Slope"] = fine["x"]
    fine["CI_low"], fine["CI_high"] = fine["x"] - 0.5, fine["x"] + 0.5
    pieces = split_by_significance(fine, "x")
    by_piece = pieces.groupby("Piece").agg(low=("x", "min"), high=("x", "max"))
    np.testing.assert_allclose(by_piece["low"], [-2, -0.5, 0.5], atol=1e-12)
    np.testing.assert_allclose(by_piece["high"], [-0.5, 0.5, 2], atol=1e-12)
    names = pieces.groupby("Piece")["Significance"].first().astype(str).tolist()
    assert names == [SIGNIFICANT, NOT, SIGNIFICANT]


def test_many_levels_become_a_caterpillar(hsb):
    m = mlpool.lm("math ~ ses * school", hsb)
    plot = mlpool.plot(mlpool.estimate_slopes(m, "ses", by="school"))
    assert _geoms(plot) == ["geom_hline", "geom_linerange", "geom_point"]
    points = _built(plot, "geom_point")
    assert len(points) == 160 and points["y"].is_monotonic_increasing


def test_group_levels_have_a_panel_per_parameter(hsb):
    m = mlpool.lmer("math ~ ses + (ses | school)", hsb)
    plot = mlpool.plot(mlpool.estimate_grouplevel(m))
    assert _built(plot, "geom_point")["PANEL"].nunique() == 2
    assert len(_built(plot, "geom_linerange")) == 320
    total = mlpool.plot(mlpool.estimate_grouplevel(m, "total"))
    assert "geom_linerange" in _geoms(total), "totals have intervals too"
    assert "geom_hline" not in _geoms(total)


def test_effects_as_lme4_returns_them_are_the_same_caterpillar(hsb):
    m = mlpool.lmer("math ~ ses + (ses | school)", hsb)
    table, effects = mlpool.plot(mlpool.estimate_grouplevel(m)), mlpool.plot(mlpool.ranef(m))
    assert "geom_hline" in _geoms(effects)
    for geom, columns in (("geom_linerange", ["ymin", "ymax"]), ("geom_point", ["y"])):
        want = np.sort(_built(table, geom)[columns].to_numpy(float), axis=0)
        got = np.sort(_built(effects, geom)[columns].to_numpy(float), axis=0)
        np.testing.assert_allclose(got, want, rtol=1e-9)  # the same numbers by two ways
    totals = _geoms(mlpool.coef(m).plot(sort=False))
    assert "geom_hline" not in totals and "geom_linerange" not in totals


def test_a_table_of_one_number_has_no_picture(hsb):
    m = mlpool.lm("math ~ ses", hsb)
    with pytest.raises(mlpool.NotSupportedError, match="nothing to draw it over"):
        mlpool.plot(mlpool.estimate_slopes(m, "ses"))
