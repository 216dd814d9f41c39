"""Pictures are tested by the data they are built from, and by being drawn."""

from __future__ import annotations

import builtins
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import special

import mlpool
from mlpool.inference.simulation import ResponseModel, rows_of
from mlpool.plots.model_checks.panels import binned_residuals
from mlpool.refits.simulate import response_model

plotnine = pytest.importorskip("plotnine")
pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
]


@pytest.fixture(scope="module")
def schools():
    return mlpool.load_data("hsb82")


@pytest.fixture(scope="module")
def sleep():
    return mlpool.compare_pooling(
        "Reaction ~ Days + (Days | Subject)", mlpool.load_data("sleepstudy")
    )


def _build(plot):
    from copy import deepcopy

    copy = deepcopy(plot)
    copy._build()
    return [layer.data for layer in copy.layers]


def geoms(plot):
    return [type(layer.geom).__name__ for layer in plot.layers]


def layer(plot, name):
    return _build(plot)[geoms(plot).index(name)]


def draw(plot, tmp_path, **options):
    path = tmp_path / "plot.png"
    plot.save(path, dpi=40, verbose=False, **options)
    assert path.stat().st_size > 2_000


# --- poolings -----------------------------------------------------------------------------------


def test_lecture_03b_shrinkage_figure(shared, tmp_path):
    """The 20 smallest schools of heck2011: arrows from no pooling to partial pooling."""
    c = mlpool.compare_pooling("math ~ 1", shared / "data" / "heck2011.csv", group="school")
    plot = c.plot()
    assert isinstance(plot, plotnine.ggplot)
    arrows = layer(plot, "geom_segment")
    assert len(arrows) == 20
    smallest = (
        178,
        1,
        12,
        22,
        36,
        38,
        48,
        50,
        51,
        79,
        84,
        89,
        96,
        99,
        104,
        115,
        117,
        119,
        127,
        138,
    )
    frame = plot.data.set_index("Level")
    assert set(frame.index) == {str(v) for v in smallest}
    want = {
        "178": (66.0778, 63.0319), "1": (58.9968, 58.5437), "12": (54.9989, 55.9154),
        "22": (55.5354, 56.2681), "36": (51.7470, 53.7776), "50": (51.5257, 53.6321),
        "138": (57.0531, 57.2659),
    }  # fmt: skip
    for level, (no, partial) in want.items():
        assert frame.loc[level, ["No", "Partial"]].tolist() == pytest.approx(
            [no, partial], abs=5e-4
        )
    (grand,) = layer(plot, "geom_vline")["xintercept"].unique()
    assert grand == pytest.approx(57.674, abs=5e-4)
    draw(plot + plotnine.labs(title="Shrinkage"), tmp_path)


def test_shrinkage_of_a_fitted_model_is_the_same_picture(sleep):
    plot = mlpool.plot_shrinkage(sleep.partial, 5, parameter="Days")
    same = sleep.plot(parameter="Days", n=5)
    np.testing.assert_allclose(plot.data["Partial"], same.data["Partial"])
    assert len(layer(plot, "geom_segment")) == 5
    chosen = sleep.plot(groups=["308", "335"], arrows=False)
    assert set(chosen.data["Level"]) == {"308", "335"}


def test_lines_per_group_under_each_pooling(schools, tmp_path):
    c = mlpool.compare_pooling("math ~ ses", schools, group="school")
    plot = c.plot(kind="lines")
    thin, thick = (d for d, g in zip(_build(plot), geoms(plot), strict=True) if g == "geom_line")
    assert thin["group"].nunique() * 2 == len(thin) / 2  # two ends, two panels, 160 schools
    slopes = (
        plot.data.sort_values("ses")
        .groupby(["Pooling", "Level"], observed=True)
        .agg({"ses": ["first", "last"], "Fitted": ["first", "last"]})
    )
    rise = (slopes["Fitted"]["last"] - slopes["Fitted"]["first"]) / (
        slopes["ses"]["last"] - slopes["ses"]["first"]
    )
    partial = rise["Partial pooling"]
    assert partial.std() == pytest.approx(0.0, abs=1e-9)  # parallel: only intercepts vary
    assert partial.iloc[0] == pytest.approx(c.partial.fixef()["ses"])
    assert thick["y"].nunique() == 2  # complete pooling is one line
    draw(plot, tmp_path)


def test_panels_have_data_and_three_lines(sleep, tmp_path):
    plot = sleep.plot(kind="panels", n=6)
    points, lines = layer(plot, "geom_point"), layer(plot, "geom_line")
    assert len(points) == 60
    assert points["PANEL"].nunique() == 6
    assert len(lines) == 6 * 3 * 2
    model = sleep.partial.coef()["Subject"]
    own = lines[(lines["PANEL"] == 1) & (lines["color"] == "#D55E00")].sort_values("x")
    slope = np.diff(own["y"])[0] / np.diff(own["x"])[0]
    assert slope == pytest.approx(model.loc["308", "Days"])
    draw(plot, tmp_path)


def test_estimates_by_size(schools, tmp_path):
    c = mlpool.compare_pooling("math ~ 1", schools, group="school")
    plot = c.plot(kind="size")
    ranges = layer(plot, "geom_linerange")
    assert len(ranges) == 320
    no, partial = (ranges[ranges["PANEL"] == p] for p in (1, 2))
    assert np.ptp(partial["ymax"]) < np.ptp(no["ymax"])
    draw(plot, tmp_path)


def test_other_predictors_are_held_at_their_means(schools):
    c = mlpool.compare_pooling("math ~ ses + gender + (ses | school)", schools)
    lines = c.plot(kind="lines").data
    complete = lines[lines["Pooling"] == "Complete pooling"].drop_duplicates("ses")
    share = (schools["gender"].astype(str) == "F").mean()
    b = c.complete.fixef()
    want = b["(Intercept)"] + b["ses"] * complete["ses"] + b["genderF"] * share
    np.testing.assert_allclose(complete["Fitted"], want)


# --- forests, reliability, performance ------------------------------------------------------------


def test_forest(schools, tmp_path):
    m = mlpool.lm("math ~ ses * gender", schools)
    table = mlpool.model_parameters(m)
    plot = table.plot()
    data = layer(plot, "geom_pointrange")
    assert len(data) == 3
    np.testing.assert_allclose(sorted(data["ymin"]), sorted(table["CI_low"].iloc[1:]))
    assert len(layer(mlpool.plot(table, show_intercept=True), "geom_pointrange")) == 4
    draw(plot, tmp_path)
    g = mlpool.glm("I(math > 13) ~ ses", schools, family="binomial")
    ratios = mlpool.plot(mlpool.model_parameters(g, exponentiate=True))
    assert layer(ratios, "geom_hline")["yintercept"].iloc[0] == 0.0  # log10 of one
    mixed = mlpool.model_parameters(mlpool.lmer("math ~ ses + (1 | school)", schools))
    assert len(layer(mlpool.plot(mixed), "geom_pointrange")) == 1
    assert len(layer(mlpool.plot(mixed, effects="random"), "geom_point")) == 2
    draw(mlpool.plot(mixed, effects="all"), tmp_path)


def test_forest_of_several_models(schools, tmp_path):
    a, b = (
        mlpool.lm("math ~ ses", schools),
        mlpool.lmer("math ~ ses + sector + (1|school)", schools),
    )
    plot = mlpool.plot(mlpool.compare_parameters(OLS=a, mixed=b))
    data = layer(plot, "geom_pointrange")
    assert len(data) == 3
    assert data["color"].nunique() == 2
    assert "sector [Catholic]" in list(plot.data["Label"].astype(str))
    draw(plot, tmp_path)


def test_reliability_and_performance(schools, tmp_path):
    m = mlpool.lmer("math ~ ses + (ses | school)", schools)
    plot = mlpool.reliability(m).plot()
    data = layer(plot, "geom_point")
    assert data["PANEL"].nunique() == 2
    assert data["y"].between(0, 1).all()
    draw(plot, tmp_path)
    table = mlpool.compare_performance(m, mlpool.lmer("math ~ 1 + (1 | school)", schools))
    scores = mlpool.plot(table).data
    best = scores[scores["Index"] == "AIC"].set_index("Name")["Score"]
    assert best.tolist() == [1.0, 0.0]
    with pytest.raises(mlpool.NotSupportedError, match="No index differs"):
        mlpool.plot(mlpool.compare_performance(m, m))


def test_icc_strips(tmp_path):
    plot = mlpool.plot_icc(n_groups=200, group_size=20)
    means = plot.data.groupby(["ICC", "Group"], observed=True)["y"].mean()
    for share, between in zip(
        (0.05, 0.5, 0.95), means.groupby("ICC", observed=True).var(), strict=True
    ):
        assert between == pytest.approx(share + (1 - share) / 20, rel=0.3)
    again = mlpool.plot_icc(n_groups=200, group_size=20)
    np.testing.assert_array_equal(plot.data["y"], again.data["y"])
    draw(mlpool.plot_icc(), tmp_path)


# --- check_model --------------------------------------------------------------------------------


def test_panels_of_a_mixed_model(schools, tmp_path):
    m = mlpool.lmer("math ~ ses + sector + (ses | school)", schools)
    checks = mlpool.check_model(m, n_sim=10)
    names = ("pp_check", "linearity", "homogeneity", "influence", "collinearity", "qq", "reqq")
    assert tuple(checks.panels) == names
    assert checks.skipped == {}
    simulated, observed = (d for d in _build(checks["pp_check"]))
    assert simulated["group"].nunique() == 10
    step = np.diff(np.unique(observed["x"]))[0]
    assert observed["y"].sum() * step == pytest.approx(1.0, abs=0.01)  # a density
    assert len(layer(checks["linearity"], "geom_point")) == 3_000  # of 7185 rows
    assert layer(checks["qq"], "geom_point")["y"].abs().max() > 2
    assert layer(checks["reqq"], "geom_point")["PANEL"].nunique() == 2
    whole = checks.plot()
    path = tmp_path / "checks.png"
    whole.save(path, dpi=40, verbose=False)
    assert path.stat().st_size > 20_000
    assert repr(checks).startswith("Panels: pp_check, linearity, homogeneity, influence, vif, qq")
    assert checks["vif"] is checks["collinearity"]


def test_panels_of_lm_and_glm(schools, tmp_path):
    m = mlpool.lm("math ~ ses", schools)
    checks = mlpool.check_model(m, n_sim=5)
    assert checks.skipped.keys() == {"collinearity", "reqq"}
    with pytest.raises(mlpool.OptionError, match="no panel 'reqq': the model has no random"):
        checks["reqq"]
    with pytest.raises(mlpool.OptionError, match="panel must be one of"):
        checks["normality"]
    g = mlpool.glm("I(math > 13) ~ ses + sector", schools, family="binomial")
    binary = mlpool.check_model(g, panels=["pp_check", "influence"], n_sim=4)
    shares = _build(binary["pp_check"])
    assert len(shares[0]) == 8  # two values, four simulations
    draw(binary.plot(columns=1), tmp_path)
    assert isinstance(mlpool.check_model(m, "qq").plot(), plotnine.ggplot)
    mlpool.check_model(g, "homogeneity").plot().draw()


def test_singular_fits_and_crossed_factors_say_what_is_missing():
    rng = np.random.default_rng(2)
    d = {"a": np.repeat(np.arange(8), 8), "b": np.tile(np.arange(8), 8), "x": rng.normal(size=64)}
    d["y"] = d["x"] + rng.normal(size=64) + d["a"]
    m = mlpool.lmer("y ~ x + (1 | a) + (1 | b)", d)
    checks = mlpool.check_model(m, n_sim=3)
    assert set(checks.skipped) == {"collinearity"}
    y = rng.normal(size=64)
    flat = {**d, "y": y - (np.bincount(d["a"], y) / 8)[d["a"]]}
    with pytest.warns(mlpool.SingularFitWarning):
        singular = mlpool.lmer("y ~ x + (1 | a)", flat)
    assert "singular fit" in mlpool.check_model(singular, n_sim=3).skipped["reqq"]
    with pytest.raises(mlpool.NotSupportedError, match="random effects are zero"):
        mlpool.check_model(singular, "reqq")


# --- mistakes -----------------------------------------------------------------------------------


MISTAKES = [
    (lambda c: c.plot(kind="shrink"), mlpool.OptionError, "kind must be one of"),
    (lambda c: c.plot(n=0), mlpool.OptionError, "positive number of groups"),
    (lambda c: c.plot(parameter="ses"), mlpool.OptionError, "parameter must be one of"),
    (lambda c: c.plot(groups=["999"]), mlpool.OptionError, "no level '999'"),
    (lambda c: c.plot(colour="red"), mlpool.OptionError, "no option 'colour'"),
    (lambda c: mlpool.plot("x"), mlpool.NotSupportedError, "no picture of"),
    (lambda c: mlpool.plot(c.groups), mlpool.NotSupportedError, "a table with the columns Group"),
    (lambda c: mlpool.plot_shrinkage(c.complete), mlpool.NotSupportedError, "needs a linear mixed"),
    (lambda c: mlpool.plot_icc([1.2]), mlpool.OptionError, "numbers from 0 to 1"),
    (lambda c: mlpool.plot_icc(n_groups=1), mlpool.OptionError, "n_groups must be a whole number"),
    (lambda c: mlpool.check_model("m"), mlpool.OptionError, "needs a fitted model"),
    (lambda c: mlpool.check_model(c.partial, "vifs"), mlpool.OptionError, "panels must be one of"),
    (
        lambda c: mlpool.check_model(c.partial, n_sim=0),
        mlpool.OptionError,
        "n_sim must be a whole number",
    ),
    (
        lambda c: mlpool.check_model(c.partial, "qq").plot(columns=0),
        mlpool.OptionError,
        "columns must be",
    ),
    (
        lambda c: mlpool.compare_pooling(
            "Reaction ~ 1", mlpool.load_data("sleepstudy"), group="Subject"
        ).plot(kind="lines"),
        mlpool.NotSupportedError,
        "need a numeric predictor",
    ),
    (
        lambda c: mlpool.plot(mlpool.model_parameters(mlpool.lm("Reaction ~ 1", _sleep()))),
        mlpool.OptionError,
        "nothing to draw",
    ),
]


def _sleep():
    return mlpool.load_data("sleepstudy")


@pytest.mark.parametrize(("call", "error", "match"), MISTAKES)
def test_mistakes_get_one_sentence(sleep, call, error, match):
    with pytest.raises(error, match=match):
        call(sleep)


def test_without_plotnine_one_sentence_names_the_command(sleep, monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "plotnine":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(mlpool.NotSupportedError, match=r"pip install plotnine"):
        sleep.plot()


@pytest.mark.parametrize("method", ["refit", "basic"])
def test_standardized_coefficients_are_drawn(method: str, tmp_path: Path) -> None:
    m = mlpool.lm("math ~ ses + sector", mlpool.load_data("hsb82"))
    table = mlpool.standardize_parameters(m, method)
    picture = mlpool.plot(table)
    picture.save(tmp_path / "forest.png", verbose=False)
    np.testing.assert_array_equal(picture.data["Coefficient"], table["Std_Coefficient"][1:])
    assert picture.labels.y == "Std. Coef."


def test_standardized_odds_ratios_are_drawn_about_one(tmp_path: Path) -> None:
    d = mlpool.load_data("hsb82")
    m = mlpool.glm("v ~ ses", d.assign(v=d["math"] > 13), "binomial")
    picture = mlpool.plot(mlpool.standardize_parameters(m, exponentiate=True))
    picture.save(tmp_path / "forest.png", verbose=False)
    assert float(picture.layers[0]._data["yintercept"].iloc[0]) == 1.0


# --- outcomes that are no measurements ----------------------------------------------------------


@pytest.fixture(scope="module")
def outcomes() -> pd.DataFrame:
    rng = np.random.default_rng(12)
    g, x = np.repeat(np.arange(40), 20), rng.normal(size=800)
    p = 1 / (1 + np.exp(0.5 - x - 0.7 * rng.normal(size=40)[g]))
    d = pd.DataFrame({"g": g, "x": x, "z": rng.normal(size=800), "p": p})
    d["y"], d["k"] = rng.binomial(1, p), rng.binomial(12, p)
    d["word"], d["n"] = np.where(d["y"] == 1, "pass", "fail"), 12
    return d


@pytest.mark.parametrize("formula", ["y ~ x + (1 | g)", "word ~ x + z + (1 | g)", "y ~ x + z"])
def test_zero_one_outcomes_have_binned_and_quantile_residuals(formula, outcomes, tmp_path):
    verb = mlpool.glmer if "|" in formula else mlpool.glm
    checks = mlpool.check_model(verb(formula, outcomes, family="binomial"), n_sim=4)
    assert not {"linearity", "homogeneity", "qq"} & set(checks.panels)
    bins = checks["binned"].data
    assert bins["n"].sum() == 800
    assert np.mean(np.abs(bins["y"]) <= bins["half"]) > 0.85  # the model is the true one
    quantiles = checks["quantiles"].data
    inside = (quantiles["y"] >= quantiles["low"]) & (quantiles["y"] <= quantiles["high"])
    assert inside.mean() > 0.9
    draw(checks.plot(), tmp_path)


def test_binned_residuals_by_hand():
    y, mu = np.array([0.0, 1, 1, 0]), np.array([0.8, 0.6, 0.2, 0.4])
    bins = binned_residuals(y, mu)
    np.testing.assert_allclose(bins["x"], [0.3, 0.7])
    np.testing.assert_allclose(bins["y"], [(0.8 - 0.4) / 2, (-0.8 + 0.4) / 2])
    expected = [2 * np.sqrt((0.16 + 0.24) / 2 / 2), 2 * np.sqrt((0.16 + 0.24) / 2 / 2)]
    np.testing.assert_allclose(bins["half"], expected)


def test_a_wrong_mean_falls_outside_the_bins(outcomes):
    wrong = mlpool.glm("y ~ z", outcomes.assign(y=np.abs(outcomes["z"]) > 0.7), family="binomial")
    bins = mlpool.check_model(wrong, "binned")["binned"].data
    assert np.mean(np.abs(bins["y"]) <= bins["half"]) < 0.6


def test_the_predictive_check_of_several_trials_is_on_one_scale(outcomes):
    m = mlpool.glm("cbind(k, n - k) ~ x", outcomes, family="binomial")
    simulated, observed = _build(mlpool.check_model(m, "pp_check", n_sim=20)["pp_check"])
    mean = float((observed["x"] * observed["y"]).sum() / observed["y"].sum())
    assert mean == pytest.approx(outcomes["k"].mean(), abs=0.02)
    assert simulated["x"].max() > 8  # counts, not shares


def test_many_rows_are_sampled_before_they_are_drawn(monkeypatch):
    rng = np.random.default_rng(4)
    n = 60_000
    d = {"x": rng.normal(size=n), "g": np.arange(n) % 300}
    d["y"] = d["x"] + rng.normal(size=n) + rng.normal(size=300)[d["g"]]
    m = mlpool.lmer("y ~ x + (x | g)", d)
    drawn = []
    own = ResponseModel.draw
    monkeypatch.setattr(
        ResponseModel, "draw", lambda self, rng: drawn.append(len(self.eta)) or own(self, rng)
    )
    checks = mlpool.check_model(m, ["pp_check", "linearity", "influence", "qq"], n_sim=3)
    assert drawn == [30_000] * 3
    assert len(layer(checks["linearity"], "geom_point")) == 3_000
    assert len(layer(checks["influence"], "geom_point")) <= 3_003
    quantiles = checks["qq"].data
    assert len(quantiles) <= 3_000
    expected = special.ndtri((n - 0.375) / (n + 0.25))
    assert quantiles["x"].max() == pytest.approx(expected)  # the ends are always there


def test_some_rows_of_a_response_model_are_those_rows():
    m = mlpool.lmer("Reaction ~ Days + (Days | Subject)", mlpool.load_data("sleepstudy"))
    whole = response_model(m)
    rows = np.array([3, 50, 51, 179])
    some = rows_of(whole, rows)
    np.testing.assert_array_equal(some.terms[0].z.rows(0, 4), whole.terms[0].z.rows(0, 180)[rows])
    np.testing.assert_array_equal(some.eta, whole.eta[rows])
    np.testing.assert_array_equal(some.terms[0].codes, whole.terms[0].codes[rows])


def test_notebooks_show_the_panels(schools):
    png = mlpool.check_model(mlpool.lm("math ~ ses", schools), ["qq", "linearity"])._repr_png_()
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    assert len(png) > 10_000


def test_the_predictive_check_of_few_values():
    """Whole numbers are ticks; a linear model of whole responses has continuous simulations."""
    rng = np.random.default_rng(3)
    d = pd.DataFrame({"x": rng.normal(size=200)})
    d["b"], d["c"] = rng.integers(0, 2, 200), rng.poisson(np.exp(0.5 + 0.3 * d["x"]))
    for formula, family in (("b ~ x", "binomial"), ("c ~ x", "poisson")):
        m = mlpool.glm(formula, d, family=family)
        panel = mlpool.check_model(m, "pp_check", n_sim=20)["pp_check"]
        ticks = panel.scales.get_scales("x").breaks
        assert ticks == list(range(len(ticks)))
        assert len(ticks) > 1
    simulated, observed = _build(mlpool.check_model(mlpool.lm("c ~ x", d), "pp_check")["pp_check"])
    # Densities, whose area is one; shares of single draws were all but zero.
    own = observed.sort_values("x")
    assert (own["y"] * own["x"].diff().mean()).sum() == pytest.approx(1.0, abs=0.02)
    assert simulated["y"].max() > 0.1
