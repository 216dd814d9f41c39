"""The lectures' figures: what they are built from (docs/gallery.md shows them)."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mlpool

plotnine = pytest.importorskip("plotnine")
pytestmark = [
    pytest.mark.filterwarnings(f"ignore::{name}")
    for name in ("UserWarning", "DeprecationWarning", "FutureWarning", "PendingDeprecationWarning")
]

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def gallery() -> ModuleType:
    pytest.importorskip("PIL")
    sys.path.insert(0, str(DOCS))
    try:
        return importlib.import_module("make_gallery")
    finally:
        sys.path.remove(str(DOCS))


def built(plot: Any) -> list[tuple[str, pd.DataFrame]]:
    """The layers' geoms and the data they draw."""
    copy = deepcopy(plot)
    copy._build()
    return [(type(layer.geom).__name__, layer.data) for layer in copy.layers]


def layer(plot: Any, geom: str, which: int = 0) -> pd.DataFrame:
    return [data for name, data in built(plot) if name == geom][which]


def slopes(lines: pd.DataFrame) -> np.ndarray:
    """Rise over run of every line."""
    ends = lines.sort_values("x").groupby(["PANEL", "group"], observed=True).agg(
        x0=("x", "first"), x1=("x", "last"), y0=("y", "first"), y1=("y", "last")
    )  # fmt: skip
    return ((ends["y1"] - ends["y0"]) / (ends["x1"] - ends["x0"])).to_numpy()


# --- the page -----------------------------------------------------------------------------------


def test_gallery_page_is_up_to_date(gallery: ModuleType) -> None:
    """To renew it: python docs/make_gallery.py."""
    assert (DOCS / "gallery.md").read_text(encoding="utf-8") == gallery.page()


def test_gallery_pictures_are_small(gallery: ModuleType) -> None:
    pictures = {p.stem: p.stat().st_size for p in (DOCS / "gallery").glob("*.png")}
    assert set(pictures) == set(gallery.FIGURES)
    assert max(pictures.values()) < 60_000


# --- 1 pooling approaches -----------------------------------------------------------------------


def test_1_shrinkage_of_the_twenty_smallest_schools(fitted: Callable[[str], Any]) -> None:
    plot = mlpool.plot_shrinkage(fitted("lecture_null"), n=20)
    arrows = layer(plot, "geom_segment")
    assert len(arrows) == 20
    assert layer(plot, "geom_vline")["xintercept"].iloc[0] == pytest.approx(57.674, abs=5e-4)
    assert layer(plot, "geom_vline")["linetype"].iloc[0] == "dashed"
    first = plot.data.set_index("Level").loc["178"]
    assert [first["No"], first["Partial"]] == pytest.approx([66.0778, 63.0319], abs=5e-4)
    # From above: the smallest school, then those of twelve students in their own order.
    rows = list(plot.data["Row"].cat.categories)[::-1]
    assert rows[:5] == ["178", "1", "12", "22", "36"]
    assert rows[-1] == "138"


def test_1_relation_of_both_genders(fitted: Callable[[str], Any]) -> None:
    pred = mlpool.estimate_relation(
        fitted("lecture_lm"), by=["ses", "gender"], vcov="vcovCL", cluster="school"
    )
    plot = mlpool.plot(pred) + plotnine.labs(y="math")
    lines, ribbons = layer(plot, "geom_line"), layer(plot, "geom_ribbon")
    ends = (
        lines.groupby("group", observed=True)["x"].agg(["min", "max"]).round(3).to_numpy().tolist()
    )
    assert sorted(ends) == [[-2.414, 1.397], [-2.414, 1.873]]
    assert lines["color"].nunique() == ribbons["fill"].nunique() == 2
    assert len(ribbons) == 19
    assert ribbons["ymin"].min() == pytest.approx(46.013, abs=0.001)
    assert (plot.labels.x, plot.labels.y, plot.labels.color) == ("ses", "math", "gender")


def test_1_approach_a_parallel_lines(fitted: Callable[[str], Any]) -> None:
    lines = mlpool.estimate_relation(fitted("lecture_additive"), by=["ses", "school"])
    plot = mlpool.plot(lines, line={"color": "red", "alpha": 0.1}, ribbon="none")
    ((name, data),) = built(plot)
    assert (name, len(data), data["group"].nunique()) == ("geom_line", 1875, 419)
    assert set(data["color"]) == {"red"}
    assert set(data["alpha"]) == {0.1}
    np.testing.assert_allclose(slopes(data), 3.190262, atol=1e-6)


def test_1_approach_b_crossing_lines(fitted: Callable[[str], Any]) -> None:
    m = fitted("lecture_interaction")
    lines = mlpool.estimate_relation(m, by=["ses", "school"])
    plot = mlpool.plot(lines, line={"color": "blue", "alpha": 0.1}, ribbon="none")
    ((_, data),) = built(plot)
    assert (len(data), data["group"].nunique()) == (1875, 419)
    own = mlpool.estimate_slopes(m, trend="ses", by="school").to_pandas()["Slope"]
    assert own.nunique() == 419
    assert [f"{own.min():.3f}", f"{own.max():.3f}"] == ["-9.629", "15.454"]
    # As printed: 78 below zero and, where 36 scores are equal, one zero (R's noise makes it 79).
    assert ((own < 0).sum(), (own == 0).sum()) == (78, 1)
    np.testing.assert_allclose(np.sort(slopes(data)), np.sort(own), atol=1e-6)


# --- 2 unbalanced ANOVA -------------------------------------------------------------------------


def test_2_intervals_of_the_empirical_bayes_means(gallery: ModuleType) -> None:
    plot = gallery.FIGURES["eb_intervals"]()
    ranges = layer(plot, "geom_pointrange").sort_values("y")
    assert len(ranges) == 20
    assert [f"{v:.2f}" for v in ranges["y"].iloc[[0, -1]]] == ["379.96", "614.44"]
    width = (ranges["ymax"] - ranges["ymin"]) / 2
    assert width.min() == pytest.approx(1.959964 * 10.18, abs=0.02)  # 51 students
    assert width.max() == pytest.approx(1.959964 * 17.66, abs=0.02)  # 16 students
    assert layer(plot, "geom_hline")["yintercept"].tolist() == [482.757]
    # From below the lowest estimate, as a caterpillar.
    assert ranges["x"].tolist() == sorted(ranges["x"])


def test_2_error_curves(gallery: ModuleType) -> None:
    curves = layer(gallery.FIGURES["error_curves"](), "geom_line")
    tops = curves.groupby("group", observed=True)["y"].max()
    sd = np.sqrt(5439.9 / np.array([16, 29, 51]))
    np.testing.assert_allclose(sorted(tops), 1 / (sd * np.sqrt(2 * np.pi)), rtol=1e-6)


def test_2_caterpillar_of_a_fitted_model(fitted: Callable[[str], Any]) -> None:
    """plot(estimate_grouplevel): a dot and an interval per school, lying on their side."""
    plot = mlpool.plot(mlpool.estimate_grouplevel(fitted("lecture_null")))
    ranges = layer(plot, "geom_linerange")
    assert len(ranges) == 419
    assert (ranges["ymin"] < ranges["ymax"]).all()
    assert type(plot.coordinates).__name__ == "coord_flip"
    first = mlpool.ranef(fitted("lecture_null"))["school"]["(Intercept)"]
    dots = layer(plot, "geom_point").sort_values("x")
    assert dots["y"].tolist() == pytest.approx(sorted(first))


def test_2_caterpillar_of_totals_has_their_intervals(fitted: Callable[[str], Any]) -> None:
    """type="total": EB means with the intervals that R leaves out, around the grand mean."""
    plot = mlpool.plot(mlpool.estimate_grouplevel(fitted("se_partial"), type="total"))
    ranges = layer(plot, "geom_linerange")
    assert len(ranges) == 20
    width = (ranges["ymax"] - ranges["ymin"]) / 2
    np.testing.assert_allclose(width, 1.959964 * 8.09, rtol=1e-3)
    assert ((ranges["ymin"] + ranges["ymax"]) / 2).mean() == pytest.approx(1628.976, abs=1e-3)


# --- 3 Gelman & Hill ----------------------------------------------------------------------------


def test_3_panels_and_sizes(gallery: ModuleType) -> None:
    panels = gallery.FIGURES["panels"]()
    assert layer(panels, "geom_point")["PANEL"].nunique() == 8
    assert len(layer(panels, "geom_line")) == 8 * 3 * 2
    sizes = layer(gallery.FIGURES["size"](), "geom_point")
    assert sizes["PANEL"].value_counts().tolist() == [160, 160]
    no, partial = (sizes[sizes["PANEL"] == p]["y"] for p in (1, 2))
    assert no.std() > partial.std()


def test_3_lines_of_three_poolings(gallery: ModuleType) -> None:
    plot = gallery.FIGURES["lines"]()
    assert [name for name, _ in built(plot)].count("geom_ribbon") == 0
    thin = layer(plot, "geom_line", 0)
    assert thin.groupby("PANEL", observed=True)["group"].nunique().tolist() == [160, 160]
    assert np.ptp(slopes(thin[thin["PANEL"] == 3])) < 1e-9  # one slope, many intercepts


# --- 4 cluster sampling -------------------------------------------------------------------------


def test_4_strips_by_group(gallery: ModuleType) -> None:
    plot = gallery.FIGURES["group_strips"]()
    assert len(layer(plot, "geom_point")) == 15
    assert layer(plot, "geom_jitter")["x"].round().nunique() == 15


@pytest.mark.slow
def test_4_sampling_distributions(gallery: ModuleType) -> None:
    bars = layer(gallery.FIGURES["sampling_distributions"](), "geom_histogram")
    assert bars.groupby("group", observed=True)["count"].sum().tolist() == [20_000, 20_000]
    spread = bars[bars["count"] > 0].groupby("group", observed=True)["x"].agg(np.ptp)
    assert spread.iloc[1] > 1.4 * spread.iloc[0]


def test_4_intervals_that_hit_and_miss(gallery: ModuleType) -> None:
    plot = gallery.FIGURES["intervals"]()
    ranges = layer(plot, "geom_linerange")
    assert ranges["PANEL"].value_counts().tolist() == [60, 60]
    missed = (ranges["ymin"] > 0) | (ranges["ymax"] < 0)
    assert set(ranges["color"][missed]) == {"#D55E00"}
    assert set(ranges["color"][~missed]) == {"#999999"}
    assert missed[ranges["PANEL"] == 1].sum() > 3 * missed[ranges["PANEL"] == 2].sum()


@pytest.mark.slow
def test_4_p_values_of_no_effect(gallery: ModuleType) -> None:
    bars = layer(gallery.FIGURES["type_one_errors"](), "geom_histogram")
    first = bars[bars["xmax"] <= 0.05 + 1e-9].set_index("PANEL")["count"]
    assert first[1] > 4 * first[2]
    assert bars.groupby("PANEL", observed=True)["count"].sum().tolist() == [200, 200]


def test_4_over_and_underconservative(gallery: ModuleType) -> None:
    pairs = slopes(layer(gallery.FIGURES["overconservative"](), "geom_line"))
    assert len(pairs) == 10
    assert (pairs > 0).all()
    means = next(d for _, d in built(gallery.FIGURES["underconservative"]()) if len(d) == 2)
    assert abs(np.diff(means["y"])[0]) > 1


def test_4_effect_reversal(gallery: ModuleType) -> None:
    plot = gallery.FIGURES["effect_reversal"]()
    inside, pooled = (layer(plot, "geom_smooth", i) for i in (0, 1))
    assert len(slopes(inside)) == 5
    np.testing.assert_allclose(slopes(inside), -1.0, rtol=1e-6)
    assert slopes(pooled)[0] > 0
    assert "ymin" not in inside or inside["ymin"].isna().all()  # no ribbon


def test_4_macro_and_micro(gallery: ModuleType) -> None:
    macro = gallery.FIGURES["macro_effect"]()
    assert len(layer(macro, "geom_point")) == 50
    assert slopes(layer(macro, "geom_smooth"))[0] < 0
    micro = slopes(layer(gallery.FIGURES["micro_effects"](), "geom_line", 0))
    assert len(micro) == 100
    assert (micro > 0).mean() > 0.85


# --- 7 other lectures ---------------------------------------------------------------------------


def test_7_strips_of_three_iccs(gallery: ModuleType) -> None:
    points = layer(gallery.FIGURES["icc_strips"](), "geom_point")
    assert points["PANEL"].value_counts().tolist() == [300, 300, 300]


def test_7_histogram_of_blups(fitted: Callable[[str], Any], gallery: ModuleType) -> None:
    """Forty bins of the lecture's schools and the curve N(57.67, 3.26)."""
    null = fitted("lecture_null")
    assert f"{null.fixef().iloc[0]:.2f}" == "57.67"
    assert f"{mlpool.VarCorr(null).to_frame()['sdcor'].iloc[0]:.2f}" == "3.26"
    plot = gallery.FIGURES["blup_histogram"]()
    bars = layer(plot, "geom_histogram")
    assert len(bars) == 40
    width = bars["xmax"] - bars["xmin"]
    assert (bars["density"] * width).sum() == pytest.approx(1.0)
    curve = next(d for name, d in built(plot) if "hist" not in name)
    assert curve["y"].max() == pytest.approx(1 / (2.935 * np.sqrt(2 * np.pi)), rel=1e-3)


def test_models(gallery: ModuleType) -> None:
    assert len(layer(gallery.FIGURES["school_effects"](), "geom_linerange")) == 160
    assert len(layer(gallery.FIGURES["marginal_means"](), "geom_pointrange")) == 4
    assert len(layer(gallery.FIGURES["contrasts"](), "geom_pointrange")) == 3
    assert layer(gallery.FIGURES["relation"](), "geom_ribbon")["group"].nunique() == 2
    assert layer(gallery.FIGURES["additive"](), "geom_line")["group"].nunique() == 160
    assert len(layer(gallery.FIGURES["coefficients"](), "geom_pointrange")) == 4
    assert len(layer(gallery.FIGURES["side_by_side"](), "geom_pointrange")) == 4
    assert len(layer(gallery.FIGURES["performance"](), "geom_point")) == 24
    curve = layer(gallery.FIGURES["reliability"](), "geom_point")
    assert curve["y"].between(0, 1).all()
