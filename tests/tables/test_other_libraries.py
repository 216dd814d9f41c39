"""Result tables are data to other libraries, and every medium takes tables of any length."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

import mlpool


@pytest.fixture(scope="module")
def table():
    m = mlpool.lm("math ~ ses * sector", mlpool.load_data("hsb82"))
    return mlpool.estimate_relation(m, by=["ses", "sector"])


def test_frames_of_other_packages_take_the_raw_columns(table):
    narwhals = pytest.importorskip("narwhals")
    columns = list(table.columns)
    assert list(narwhals.from_native(table, eager_only=True).columns) == columns
    assert list(pd.DataFrame(dict(table))) == columns
    np.testing.assert_array_equal(np.asarray(table["SE"]), np.asarray(table)[:, 3].astype(float))
    assert table.__dataframe__().num_rows() == len(table)


def test_pandas_constructor_takes_columns_and_types(table):
    frame = pd.DataFrame(table)
    pd.testing.assert_frame_equal(frame, table.to_pandas())
    frame.iloc[0, frame.columns.get_loc("SE")] = -1.0
    assert table["SE"].iloc[0] > 0  # the frame is the user's, the table is not
    assert list(pd.DataFrame(table, columns=["SE", "ses"])) == ["SE", "ses"]
    assert not isinstance(table, pd.DataFrame)


def test_pictures_of_other_packages_take_the_table(table):
    seaborn = pytest.importorskip("seaborn")
    import matplotlib.pyplot as plt

    axes = seaborn.lineplot(data=table, x="ses", y="Predicted", hue="sector")
    line = axes.get_lines()[0]
    own = table.to_pandas()
    first = own[own["sector"] == own["sector"].iloc[0]]
    np.testing.assert_allclose(line.get_ydata(), first["Predicted"])
    plt.close("all")


def test_altair_takes_the_table(table):
    altair = pytest.importorskip("altair")
    chart = altair.Chart(table).mark_line().encode(x="ses:Q", y="Predicted:Q", color="sector:N")
    rows = next(iter(chart.to_dict()["datasets"].values()))
    assert [row["Predicted"] for row in rows] == table["Predicted"].to_list()


def test_polars_takes_the_numbers_unrounded(table):
    polars = pytest.importorskip("polars")
    pytest.importorskip("pyarrow")
    frame = polars.DataFrame(table)
    assert frame.columns == list(table.columns)
    assert frame["SE"].to_list() == table["SE"].to_list()
    assert frame["sector"].to_list() == [str(v) for v in table["sector"]]


def test_great_tables_takes_a_table_made_before_it_was_imported(table):
    great_tables = pytest.importorskip("great_tables")
    html = great_tables.GT(table).as_raw_html()
    assert "Predicted" in html and "sector" in html


def test_a_table_is_data_for_a_model_again(table):
    again = mlpool.lm("Predicted ~ ses", table)
    assert again.nobs == len(table)


def test_other_plots_take_the_table_as_it_is(table):
    plotnine = pytest.importorskip("plotnine")
    assert len(plotnine.ggplot(table).data) == len(table)


@pytest.mark.parametrize("engine", ["inline", "great_tables"])
def test_a_table_too_long_to_print_says_so_in_every_medium(engine):
    if engine == "great_tables":
        pytest.importorskip("great_tables")
    d = {"x": np.arange(6_000.0), "y": np.sin(np.arange(6_000.0))}
    table = mlpool.estimate_expectation(mlpool.lm("y ~ x", d))
    for text in (table.to_html(engine=engine), table.to_markdown(), table.to_latex(), str(table)):
        assert "too long to print" in text


def test_great_tables_takes_a_table_without_rows():
    pytest.importorskip("great_tables")
    d = {"x": np.arange(9.0), "y": np.arange(9.0) ** 2}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mlpool.MlpoolWarning)
        table = mlpool.check_collinearity(mlpool.lm("y ~ x", d))
    assert len(table) == 0
    assert "fewer than two terms" in table.to_html(engine="great_tables")


def test_labels_with_line_breaks_stay_on_their_line():
    d = pd.DataFrame({"g": ["a\nb", "c"] * 20, "y": np.arange(40.0)})
    table = mlpool.estimate_means(mlpool.lm("y ~ g", d), "g")
    lines = str(table).splitlines()
    assert any(line.startswith("a b ") for line in lines)
    assert sum("|" in line for line in lines) == 3
    assert sum("|" in line for line in table.to_markdown().splitlines()) == 4
