"""Columns of the data keep their values in every table and picture, whatever they are called."""

from __future__ import annotations

import io
import warnings

import numpy as np
import pandas as pd
import pytest

import mlpool

pytestmark = pytest.mark.filterwarnings("ignore")

VALUES = [0.0, 3.0, 12.0]


def _data(name: str) -> pd.DataFrame:
    rng = np.random.default_rng(4)
    n = 90
    d = pd.DataFrame({"g": rng.choice(["u", "v"], n), "x": rng.normal(size=n)})
    v = np.resize(VALUES, n)
    d["y"] = 1 + 0.1 * v + (d["g"] == "v") + d["x"] + rng.normal(size=n)
    d["bin"] = (d["y"] > d["y"].mean()).astype(float)
    d[name] = v
    d["h"] = np.resize(list("abc"), n)
    return d


def _tables(name: str) -> dict[str, mlpool.ResultFrame]:
    d = _data(name)
    m, s = mlpool.lm(f"y ~ `{name}` * g + x", d), mlpool.lm(f"y ~ x * `{name}`", d)
    b = mlpool.glm(f"bin ~ `{name}` * g", d, "binomial")
    at = {name: VALUES}
    return {
        "means": mlpool.estimate_means(m, {**at, "g": None}),
        "means of a glm": mlpool.estimate_means(b, {**at, "g": None}),
        "relation": mlpool.estimate_relation(m, {**at, "g": None}),
        "contrasts": mlpool.estimate_contrasts(m, "g", by=at),
        "ratios": mlpool.estimate_contrasts(b, "g", by=at, exponentiate=True),
        "slopes": mlpool.estimate_slopes(s, "x", by=at),
        "expectation": mlpool.estimate_expectation(m),
        "prediction": mlpool.estimate_prediction(m),
        "link": mlpool.estimate_link(b),
        "joint tests": mlpool.joint_tests(m, by=at),
    }


OWN = sorted({str(c) for t in _tables("dose").values() for c in t.columns} - set("gx") - {"dose"})
"""Every column of the tables' own, from the tables themselves."""

ODD = [
    "z",
    "CI",
    "self",
    "name",
    "index",
    "Series",
    "Row",
    "Rate",
    "Proportion",
    "Group",
    "a b",
    "$",
]


@pytest.mark.parametrize("name", [*OWN, *ODD])
def test_a_predictor_keeps_its_values_and_the_table_its_numbers(name):
    usual = _tables("dose")
    for verb, table in _tables(name).items():
        frame = table.to_pandas()
        assert set(np.round(frame[name].astype(float), 6)) <= set(VALUES), verb
        assert frame.columns.is_unique, verb
        expected = usual[verb].to_pandas()
        own = table.metadata.get("names", {})
        for column in expected.columns.drop(["dose", "g", "x", "Term"], errors="ignore"):
            found = frame[own.get(column, column)]
            if verb == "joint tests":
                found = frame[column if column != name else f"{name}_"]
            if expected[column].dtype.kind == "f":
                np.testing.assert_allclose(found, expected[column], rtol=1e-9, err_msg=verb)
        for text in (str(table), table.to_markdown(), table.to_html(), table.to_latex()):
            assert text
        assert len(table.to_csv().splitlines()) == len(frame) + 1


@pytest.mark.slow
@pytest.mark.parametrize("name", [*OWN, *ODD, "Piece", "Significance", "Rank", "Response", "PANEL"])
def test_a_picture_draws_the_estimates_over_the_predictor(name):
    plotnine = pytest.importorskip("plotnine")
    d = _data(name)
    d[name] = np.linspace(-2, 2, len(d))
    d["y"] += d["x"] * d[name]
    m = mlpool.lm(f"y ~ x * `{name}` + g", d)
    slopes = mlpool.estimate_slopes(m, "x", by=name)
    own = slopes.metadata["names"]["Slope"]
    plot = mlpool.plot(slopes)
    assert (plot.mapping["x"], plot.mapping["y"]) == (name, own)
    assert plot.labels.y == "Slope of x on y"
    relation = mlpool.estimate_relation(m, by=["x = [-1, 0, 1]", f"{name} = [sd]", "g"])
    panels = mlpool.plot(relation, show_data=True)
    for picture in (plot, panels):
        figure = picture.draw()
        figure.savefig(io.BytesIO(), format="svg")
        import matplotlib.pyplot as plt

        plt.close(figure)
    assert isinstance(plot, plotnine.ggplot)


@pytest.mark.slow
@pytest.mark.parametrize(
    "levels",
    [["<$10", "$10-$20", ">$20"], ["$\\alpha_$", "b^{2}", "50 %"], ["a$b$c", "\\", "d\ne"]],
)
def test_dollars_are_drawn(levels):
    pytest.importorskip("plotnine")
    import matplotlib.pyplot as plt

    rng = np.random.default_rng(0)
    d = pd.DataFrame({"$in$": np.resize(levels, 90), "h": np.repeat(levels, 30)})
    d["k"], d["$y$"] = np.tile(np.repeat(levels, 10), 3), rng.normal(size=90)
    m = mlpool.lm("`$y$` ~ `$in$` + h + k", d)
    table = mlpool.estimate_means(m, ["$in$", "h", "k"])
    for picture in (
        mlpool.plot(table), mlpool.plot(mlpool.estimate_contrasts(m, "$in$", by="h")),
        mlpool.plot(mlpool.model_parameters(m)),
    ):  # fmt: skip
        figure = picture.draw()
        texts = figure.findobj(lambda artist: hasattr(artist, "get_parse_math"))
        drawn = [t.get_text() for t in texts if "$" in t.get_text()]
        assert all(t.count("$") == t.count("\\$") for t in drawn)
        assert drawn
        figure.savefig(io.BytesIO(), format="png")
        plt.close(figure)


@pytest.mark.parametrize(
    "name", ["n", "Mean", "SD", "Min", "Max", "n_Missing", "Variable", "Range"]
)
def test_groups_of_descriptions_keep_their_labels(name):
    d = pd.DataFrame({name: list("ab") * 30, "x": np.arange(60.0)})
    table = mlpool.describe_distribution(d, "x", by=name)
    assert table.to_pandas()[name].astype(str).to_list() == ["a", "b"]
    assert "names the data have" in str(table)
    usual = mlpool.describe_distribution(d.rename(columns={name: "who"}), "x", by="who")
    np.testing.assert_array_equal(
        table.to_pandas().drop(columns=name).to_numpy(), usual.to_pandas().drop(columns="who")
    )


def test_numbers_stand_at_their_own_places():
    pytest.importorskip("plotnine")
    d = pd.DataFrame({"months": np.resize([0.0, 1.0, 3.0, 12.0], 80)})
    d["y"] = 0.2 * d["months"] + np.sin(np.arange(80))
    table = mlpool.estimate_relation(mlpool.lm("y ~ months", d), "months")
    assert mlpool.plot(table).data["months"].to_list() == [0.0, 1.0, 3.0, 12.0]
    labels = mlpool.plot(table, numeric_as_discrete=True).data["months"]
    assert list(labels.cat.categories) == ["0", "1", "3", "12"]
    geoms = [type(x.geom).__name__ for x in mlpool.plot(table, numeric_as_discrete=False).layers]
    assert geoms == ["geom_ribbon", "geom_line"]
    with pytest.raises(mlpool.OptionError, match="numeric_as_discrete must be"):
        mlpool.plot(table, numeric_as_discrete="no")


def test_data_stand_with_the_nearest_value_of_a_moderator():
    pytest.importorskip("plotnine")
    m = mlpool.lm("math ~ ses * meanses", mlpool.load_data("hsb82"))
    table = mlpool.estimate_relation(m, by=["ses", "meanses = [sd]"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plot = mlpool.plot(table, show_data=True)
    points = next(x for x in plot.layers if type(x.geom).__name__ == "geom_point")._data
    assert len(points) == 7185
    places = dict(zip(["-1 SD", "mean", "+1 SD"], sorted(set(table["meanses"])), strict=True))
    values = mlpool.load_data("hsb82")["meanses"].to_numpy()
    nearest = np.abs(values[:, None] - np.array(list(places.values()))).min(axis=1)
    drawn = points["meanses"].map(places).astype(float)
    np.testing.assert_allclose(np.abs(values - drawn), nearest)
    slopes = mlpool.estimate_slopes(m, "ses", by="meanses")
    with pytest.raises(mlpool.NotSupportedError, match="of slopes"):
        mlpool.plot(slopes, show_data=True)
