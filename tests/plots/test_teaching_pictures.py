"""What pictures must show to teach: axes, legends, bands, order, and what they are made of."""

from __future__ import annotations

import warnings
from copy import deepcopy

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2

import mlpool

pytest.importorskip("plotnine")

from mlpool.plots.grammar import whole_breaks
from mlpool.plots.model_checks.panels import vif_breaks


def _geoms(plot) -> list[str]:
    return [type(layer.geom).__name__ for layer in plot.layers]


def _built(plot, geom: str) -> pd.DataFrame:
    place = _geoms(plot).index(geom)
    copy = deepcopy(plot)
    copy._build()
    return copy.layers[place].data


def _given(plot, geom: str) -> pd.DataFrame:
    return plot.layers[_geoms(plot).index(geom)]._data


@pytest.fixture(scope="module")
def sleep():
    return mlpool.load_data("sleepstudy")


@pytest.fixture(scope="module")
def mixed(sleep):
    return mlpool.lmer("Reaction ~ Days + (Days | Subject)", sleep)


@pytest.fixture(scope="module")
def hsb():
    return mlpool.load_data("hsb82")


def test_bands_are_drawn_of_ten_lines_and_not_of_eleven(sleep):
    m = mlpool.lm("Reaction ~ Days * Subject", sleep)
    levels = list(dict.fromkeys(sleep["Subject"].astype(str)))

    def drawn(n: int, **options: object):
        by = ["Days", f"Subject = [{', '.join(levels[:n])}]"]
        return mlpool.plot(mlpool.estimate_relation(m, by=by), **options)

    assert "geom_ribbon" in _geoms(drawn(10))
    assert "geom_ribbon" not in _geoms(drawn(11))
    assert "geom_ribbon" in _geoms(drawn(11, ribbon={}))
    # ten lines have ten colours
    assert _built(drawn(10), "geom_line")["color"].nunique() == 10


def test_words_of_a_token_stand_in_the_legend_and_on_panels(hsb):
    m = mlpool.lm("math ~ ses * meanses * gender", hsb)
    legend = mlpool.plot(mlpool.estimate_relation(m, by=["ses", "meanses = [sd]"]))
    assert list(legend.data["meanses"].cat.categories) == ["-1 SD", "mean", "+1 SD"]
    panels = mlpool.plot(mlpool.estimate_relation(m, by=["ses", "gender", "meanses = [sd]"]))
    assert list(panels.data["Panel_1"].cat.categories) == [
        "meanses: -1 SD", "meanses: mean", "meanses: +1 SD"
    ]  # fmt: skip
    assert panels.facet.vars == ["Panel_1"]


def test_raw_data_stand_beside_the_words(hsb):
    m = mlpool.lm("math ~ ses * meanses", hsb)
    table = mlpool.estimate_relation(m, by=["ses", "meanses = [sd]"])
    points = _given(mlpool.plot(table, show_data=True), "geom_point")
    counts = points["meanses"].value_counts()
    places = table.to_pandas()["meanses"].unique()
    nearest = np.abs(hsb["meanses"].to_numpy()[:, None] - places).argmin(axis=1)
    assert [counts[w] for w in ("-1 SD", "mean", "+1 SD")] == np.bincount(nearest).tolist()


def test_a_number_in_colours_is_shaded_and_has_a_bar(hsb):
    m = mlpool.lm("math ~ ses * meanses", hsb)
    plot = mlpool.plot(mlpool.estimate_relation(m, by=["ses", "meanses"]))
    assert pd.api.types.is_numeric_dtype(plot.data["meanses"])
    assert _geoms(plot) == ["geom_line"]
    assert _built(plot, "geom_line")["color"].nunique() == 10
    points = mlpool.estimate_relation(m, by=["ses", "meanses"]).plot(show_data=True)
    assert _given(points, "geom_point")["meanses"].nunique() == hsb["meanses"].nunique()


def test_numeric_x_stays_a_number(hsb):
    m = mlpool.lm("math ~ ses * gender", hsb)
    table = mlpool.estimate_relation(m, by=["ses = [-1, 0, 2]", "gender"])
    dots = _built(mlpool.plot(table), "geom_pointrange")
    own = dots.groupby("color")["x"]
    assert (own.max() - own.min()).round(6).unique().tolist() == [3.0]  # not 2 steps of a label
    labels = _built(mlpool.plot(table, numeric_as_discrete=True), "geom_pointrange")
    own = labels.groupby("color")["x"]
    assert (own.max() - own.min()).round(6).unique().tolist() == [2.0]


def test_curves_have_50_points_and_straight_lines_those_of_the_table(sleep, hsb):
    straight = mlpool.lm("Reaction ~ Days", sleep)
    assert len(_built(mlpool.plot(mlpool.estimate_relation(straight)), "geom_line")) == 10
    bent = mlpool.lm("math ~ poly(ses, 3)", hsb)
    table = mlpool.estimate_relation(bent, by="ses")
    drawn = _built(mlpool.plot(table), "geom_line")
    assert len(table) == 10 and len(drawn) == 50
    again = mlpool.estimate_relation(bent, by="ses", length=50)
    np.testing.assert_allclose(drawn["y"], again["Predicted"], rtol=1e-12)  # the same estimates
    means = mlpool.estimate_means(bent, by="ses")
    assert len(_built(mlpool.plot(means), "geom_line")) == 50
    given = mlpool.estimate_relation(bent, by="ses", length=12)
    assert len(_built(mlpool.plot(given), "geom_line")) == 12
    # a small bend in a large unit is as small in any other
    tiny = mlpool.lm("I(1e-9 * math) ~ poly(ses, 3)", hsb)
    assert len(_built(mlpool.plot(mlpool.estimate_relation(tiny, by="ses")), "geom_line")) == 50


def test_contrasts_along_a_number_are_lines_with_bands(hsb):
    m = mlpool.lm("math ~ ses * gender * sector", hsb)
    table = mlpool.estimate_contrasts(m, "gender", by="ses")
    alone = mlpool.plot(table)
    assert _geoms(alone) == ["geom_hline", "geom_ribbon", "geom_line"]
    assert len(_built(alone, "geom_line")) == len(table) == 10
    panels = mlpool.estimate_contrasts(m, "gender", by=["ses", "sector"]).plot()
    assert "geom_ribbon" in _geoms(panels)
    assert set(panels.data["Panel_1"]) == {"sector: Public", "sector: Catholic"}
    cake = mlpool.lm("angle ~ recipe * temp", mlpool.load_data("cake"))
    several = mlpool.plot(
        mlpool.estimate_contrasts(cake, "recipe", by="temp", length=9), numeric_as_discrete=False
    )
    assert _built(several, "geom_line")["color"].nunique() == 3
    dots = mlpool.plot(table, numeric_as_discrete=True)
    assert "geom_pointrange" in _geoms(dots)


def test_models_are_dodged_in_the_order_of_the_legend(hsb):
    small, big = mlpool.lm("math ~ ses", hsb), mlpool.lm("math ~ ses + gender", hsb)
    table = mlpool.compare_parameters(small=small, big=big)
    plot = mlpool.plot(table)
    built = deepcopy(plot)
    built._build()
    dots = built.layers[1].data.sort_values("x", ascending=False)
    ses = dots[dots["x"].round() == dots["x"].round().max()]
    # the first model stands on top, in the first colour
    assert ses["color"].tolist() == ["#D55E00", "#009E73"]
    assert plot.guides.color.reverse


def test_levels_are_dodged_in_the_order_of_the_legend():
    """Levels stand in an order that is not the alphabet's."""
    m = mlpool.lm("distance ~ age * Sex", mlpool.load_data("Orthodont"))
    plot = mlpool.plot(mlpool.estimate_relation(m, by=["age", "Sex"]))
    assert list(plot.data["Sex"].cat.categories) == ["Male", "Female"]
    dots = _built(plot, "geom_pointrange")
    left = dots.loc[dots["x"].idxmin()]
    assert left["color"] == "#D55E00"  # the first colour


def test_an_axis_names_the_successes_of_a_pair_of_counts():
    formula = "cbind(incidence, size - incidence) ~ period"
    m = mlpool.glm(formula, mlpool.load_data("cbpp"), family="binomial")
    plot = mlpool.plot(mlpool.estimate_means(m, by="period"))
    assert plot.labels.y == "Probability of incidence"


def test_the_axis_of_vifs_begins_at_one(hsb):
    m = mlpool.lm("math ~ ses + meanses + gender", hsb)
    plot = mlpool.plot(mlpool.check_collinearity(m))
    scale = next(s for s in plot.scales if "y" in s.aesthetics)
    assert scale.limits[0] == 1.0 and scale.breaks((1.0, 11.0)) == [1.0, 5.0, 10.0]
    assert vif_breaks((1.0, 120.0))[:3] == [1.0, 25.0, 50.0]
    assert whole_breaks((9.5, 10.5)) == [10.0]
    assert whole_breaks((0.0, 48.0)) == [0.0, 10.0, 20.0, 30.0, 40.0]


def test_the_map_of_shrinkage_moves_groups_within_their_ellipses(mixed, sleep):
    plot = mlpool.plot_shrinkage(mixed, kind="map")
    assert _geoms(plot) == ["geom_path", "geom_segment", "geom_point"]
    moves = _given(plot, "geom_segment").set_index("Level")
    totals = mixed.coef()["Subject"]
    np.testing.assert_allclose(moves["x_Partial"], totals.loc[moves.index, "(Intercept)"])
    np.testing.assert_allclose(moves["y_Partial"], totals.loc[moves.index, "Days"])
    own = sleep[sleep["Subject"].astype(str) == "308"]
    slope, intercept = np.polyfit(own["Days"], own["Reaction"], 1)
    np.testing.assert_allclose(moves.loc["308", ["x_No", "y_No"]].astype(float), [intercept, slope])
    outline = _given(plot, "geom_path")
    centred = outline[["x", "y"]].to_numpy() - mixed.fixef().to_numpy()
    distance = np.einsum(
        "ij,jk,ik->i", centred, np.linalg.inv(mixed.varcorr().blocks[0].vcov), centred
    )
    np.testing.assert_allclose(distance, chi2.ppf(outline["Share"], 2))
    comparison = mlpool.compare_pooling("Reaction ~ Days + (Days | Subject)", sleep)
    few = mlpool.plot(comparison, kind="map", groups=["308", "309"], arrows=False)
    assert len(_given(few, "geom_segment")) == 2
    with pytest.raises(mlpool.OptionError, match="parameter must be one of Days"):
        mlpool.plot(comparison, kind="map", parameter="days")
    alone = mlpool.lmer("Reaction ~ Days + (1 | Subject)", sleep)
    with pytest.raises(mlpool.NotSupportedError, match="two coefficients"):
        mlpool.plot_shrinkage(alone, kind="map")


@pytest.fixture(scope="module")
def intercepts(sleep):
    return mlpool.lmer("Reaction ~ Days + (1 | Subject)", sleep, reml=False)


def test_a_profile_is_drawn_by_pairs(intercepts):
    profile = mlpool.profile(intercepts)
    plot = mlpool.plot(profile, kind="splom")
    lines = plot.data
    names = list(profile.names)
    pairs = lines[["First", "Second"]].drop_duplicates()
    assert len(pairs) == len(names) * (len(names) - 1) // 2
    # a contour touches each profile where |zeta| = r
    outer = lines[(lines["Second"] == "Days") & (lines["Confidence"] == 0.5)]
    own = outer[outer["First"] == ".sigma"]
    level = np.sqrt(chi2.ppf(0.5, 2))
    curve = profile.frame[profile.frame["Parameter"] == "Days"]
    ends = np.interp([-level, level], curve["zeta"], curve["Value"])
    np.testing.assert_allclose([own["y"].min(), own["y"].max()], ends, rtol=1e-3)  # of 121 angles
    with pytest.raises(mlpool.OptionError, match="two parameters or more"):
        mlpool.plot(profile, kind="splom", parameters="Days")


def test_contours_are_where_the_deviance_says(intercepts, sleep):
    """Both coefficients held by an offset: the deviance rises by chi-square's quantile."""
    m = intercepts
    lines = mlpool.plot(mlpool.profile(m), kind="splom").data
    contour = lines[(lines["First"] == "(Intercept)") & (lines["Second"] == "Days")]
    contour = contour[contour["Confidence"] == 0.8].iloc[[0, 15, 40, 75, 100]]
    for _, point in contour.iterrows():
        held = sleep.assign(held=point["x"] + point["y"] * sleep["Days"])
        # the response less what is held, and no coefficient left but one that is held at zero
        moved = held.assign(Reaction=held["Reaction"] - held["held"])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            free = mlpool.lmer("Reaction ~ 0 + (1 | Subject)", moved, reml=False)
        rise = 2.0 * (m.loglik - free.loglik)
        # profiles and one correlation stand for the surface: to a few per cent of the level
        np.testing.assert_allclose(rise, chi2.ppf(0.8, 2), rtol=0.05)


@pytest.mark.parametrize("kind", ["glm", "glmer"])
def test_pairs_of_generalised_models_correlate_as_their_coefficients(kind):
    cbpp = mlpool.load_data("cbpp")
    outcome = "cbind(incidence, size - incidence) ~ period"
    if kind == "glm":
        m = mlpool.glm(outcome, cbpp, family="binomial")
    else:
        m = mlpool.glmer(f"{outcome} + (1 | herd)", cbpp, family="binomial")
    from mlpool.intervals.profile_pairs import correlations

    found = correlations(m)
    p = len(m.names)
    V = np.asarray(m.vcov())
    expected = V / np.sqrt(np.outer(np.diag(V), np.diag(V)))
    # the Hessian's covariance is what vcov() of glmer gives, to its differences
    np.testing.assert_allclose(found[-p:, -p:], expected, atol=1e-6)
    assert len(found) == p + (kind == "glmer")
    np.testing.assert_allclose(np.diag(found), 1.0)


def test_components_have_pictures(mixed, hsb):
    plot = mlpool.plot(mlpool.VarCorr(mixed))
    frame = mlpool.VarCorr(mixed).to_frame()
    np.testing.assert_allclose(plot.data["sdcor"], frame["sdcor"])
    assert set(plot.data["Kind"]) == {"Standard deviation", "Correlation"}
    blank = _given(plot, "geom_blank")
    assert sorted(blank["sdcor"]) == [-1.0, 1.0]
    pastes = mlpool.lmer("strength ~ 1 + (1 | batch/cask)", mlpool.load_data("Pastes"))
    shares = mlpool.icc(pastes, by_group=True)
    bars = mlpool.plot(shares)
    np.testing.assert_allclose(bars.data["ICC"], shares["ICC"])
    random = mlpool.plot(mlpool.model_parameters(mixed), effects="random")
    assert "geom_point" in _geoms(random) and len(random.data) == 4
    both = mlpool.plot(mlpool.model_parameters(mixed), effects="all")
    # SDs without intervals are dots beside the coefficients' intervals
    assert _geoms(both)[-2:] == ["geom_pointrange", "geom_point"]
    assert len(_given(both, "geom_pointrange")) == 1 and len(_given(both, "geom_point")) == 4


@pytest.mark.parametrize("method", ["profile", "Wald", "boot"])
def test_intervals_of_confint_have_a_picture_with_estimates(intercepts, method):
    m = intercepts
    options = {"nsim": 20, "seed": 1} if method == "boot" else {}
    bounds = mlpool.confint(m, method=method, **options)
    plot = mlpool.plot(bounds)
    drawn = plot.data.set_index("Parameter")
    assert list(drawn.index) == [n for n in bounds.index]
    np.testing.assert_allclose(
        drawn.loc[["(Intercept)", "Days"], "estimate"].astype(float), m.fixef(), rtol=1e-6
    )  # ML refits end at the same optimum
    assert len(_given(plot, "geom_linerange")) == len(bounds.dropna())


def test_plot_says_what_it_can_draw_and_which_options_it_has(mixed, intercepts):
    with pytest.raises(mlpool.NotSupportedError, match=r"VarCorr, confint, profile.*help\(mlpool"):
        mlpool.plot(mlpool.r2(mixed))
    with pytest.raises(mlpool.OptionError, match="it has show_intercept, effects, point"):
        mlpool.plot(mlpool.model_parameters(mixed), colour="red")
    with pytest.raises(mlpool.OptionError, match="it has none"):
        mlpool.plot(mlpool.VarCorr(mixed), bins=3)
    with pytest.raises(mlpool.OptionError, match="it has kind, level, parameters"):
        mlpool.plot(mlpool.profile(intercepts), bins=3)
    for option in mlpool.keywords.PlotOptions.__annotations__:
        if option not in ("bins", "n_sim", "seed"):
            assert f"``{option}``" in mlpool.plot.__doc__, option
