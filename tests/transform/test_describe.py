"""describe_distribution, data_codebook and table_one: R's numbers and layouts.

R: ``describe_distribution(sleepstudy[, 1:2])`` of datawizard 0.6.5; the lecture's codebook layout;
``significant()`` as table1's ``signif_pad``.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mlpool
from mlpool.errors import MissingDataWarning
from mlpool.transform.table_one import significant


@pytest.fixture(scope="module")
def sleep() -> pd.DataFrame:
    return mlpool.load_data("sleepstudy")


def test_describe_is_datawizards(sleep: pd.DataFrame) -> None:
    table = mlpool.describe_distribution(sleep, quartiles=True)
    reaction, days = (table.data.iloc[i] for i in (0, 1))
    expected = {
        "Mean": 298.507891667, "SD": 56.32875712524, "IQR": 82.62175, "Min": 194.3322,
        "Max": 466.3535, "Q1": 255.375825, "Q3": 336.752075, "Skewness": 0.591192918545,
        "Kurtosis": 0.0992764911896, "n": 180, "n_Missing": 0,
    }  # fmt: skip
    assert {k: reaction[k] for k in expected} == pytest.approx(expected, rel=1e-11)
    assert days["IQR"] == 5.0
    assert days["Kurtosis"] == pytest.approx(-1.2248533708827, rel=1e-12)
    robust = mlpool.describe_distribution(sleep["Reaction"], centrality="median")
    assert robust["Median"][0] == pytest.approx(288.6508)
    assert robust["MAD"][0] == pytest.approx(59.33928588)


def test_describe_by_group(sleep: pd.DataFrame) -> None:
    data = sleep.assign(late=sleep["Days"] > 4, odd=sleep["Days"] % 2)
    table = mlpool.describe_distribution(data, "Reaction", by=["late", "odd"])
    assert table["late"].tolist() == ["FALSE", "TRUE", "FALSE", "TRUE"]
    assert table["odd"].tolist() == ["0", "0", "1", "1"]
    by_hand = data.groupby(["odd", "late"])["Reaction"]
    np.testing.assert_allclose(table["Mean"], by_hand.mean())
    np.testing.assert_allclose(table["SD"], by_hand.std())
    np.testing.assert_allclose(table["Skewness"], by_hand.skew())
    assert str(table).splitlines()[0].startswith("late  | odd | Variable |   Mean |    SD")


def test_describe_counts_missing_values() -> None:
    data = {"x": [1.0, np.nan, 3.0, 8.0], "g": ["a", "a", None, "b"]}
    table = mlpool.describe_distribution(data, "x")
    assert (table["n"][0], table["n_Missing"][0]) == (3, 1)
    with pytest.warns(MissingDataWarning, match="1 of 4 rows are left out: g is missing"):
        grouped = mlpool.describe_distribution(data, "x", by="g")
    assert grouped["n"].tolist() == [1, 1]
    assert np.isnan(grouped["Skewness"][0])
    assert grouped["SD"].tolist() == [0.0, 0.0]
    empty = mlpool.describe_distribution({"x": [np.nan, np.nan]})
    assert np.isnan(empty["Mean"][0])


def test_shape_statistics_of_few_values() -> None:
    table = mlpool.describe_distribution({"x": [1.0, 2.0], "y": [3.0, 3.0]})
    assert table["Skewness"][0] == 0.0
    assert np.isnan(table["Skewness"][1])


CODEBOOK = """\
penguins (4 rows and 3 variables, 3 shown)

ID | Name    | Type        |  Missings |       Values |         N
---+---------+-------------+-----------+--------------+----------
1  | species | categorical |  0 (0.0%) |       Adelie | 2 (50.0%)
   |         |             |           |       Gentoo | 2 (50.0%)
---+---------+-------------+-----------+--------------+----------
2  | mass    | numeric     | 1 (25.0%) | [3000, 3750] |         3
---+---------+-------------+-----------+--------------+----------
3  | wild    | logical     |  0 (0.0%) |        FALSE | 1 (25.0%)
   |         |             |           |         TRUE | 3 (75.0%)
-----------------------------------------------------------------"""


def test_codebook() -> None:
    data = pd.DataFrame(
        {"species": pd.Categorical(["Adelie", "Gentoo"] * 2), "mass": [3000.0, 3750, 3500, np.nan],
         "wild": [True, True, False, True]}
    )  # fmt: skip
    table = mlpool.data_codebook(data, name="penguins", range_at=3)
    assert "\n".join(line.rstrip() for line in str(table).splitlines()) == CODEBOOK


def test_codebook_of_odd_columns() -> None:
    data = pd.DataFrame(
        {"when": pd.to_datetime(["2020-01-01", None]), "many": ["b", "a"], "x": [np.inf, -0.001]}
    )
    data.attrs["labels"] = {"x": "a number"}
    text = str(mlpool.data_codebook(data, max_values=1))
    assert "(...)" in text
    assert "a number" in text
    assert "datetime" in text
    assert mlpool.data_codebook(data, "many").data["ID"].tolist() == [2, 2]


def test_codebook_range_keeps_infinite_values_apart() -> None:
    table = mlpool.data_codebook({"x": [*np.arange(8.0), np.inf]})
    assert table["Values"].tolist() == ["[0, 7]", "Inf"]
    assert table["N"].tolist() == [8, 1]


@pytest.mark.parametrize(
    ("value", "text"),
    [(94.6, "94.6"), (8.33, "8.33"), (101.4, "101"), (95.0, "95.0"), (68.5, "68.5"),
     (117.0, "117"), (-0.0982, "-0.0982"), (0.517, "0.517"), (-1.28, "-1.28"), (1234.0, "1230"),
     (9.999, "10.0"), (0.0, "0"), (float("nan"), "NA")],
)  # fmt: skip
def test_three_significant_digits(value: float, text: str) -> None:
    assert significant(value) == text


def test_table_one_of_groups() -> None:
    data = pd.DataFrame(
        {"school": [1, 1, 2, 2, 3, 3], "y": [1.0, 3, 5, 7, 10, np.nan],
         "sector": ["pub", "pub", "pub", "pub", "priv", "priv"]}
    )  # fmt: skip
    table = mlpool.table_one(data, ["y", "sector"], by="sector", group="school")
    assert set(table["N"]) == {1, 2, 3}
    row = table.data.query("Variable == 'y' and Group == 'Overall'").iloc[0]
    assert row["Mean"] == pytest.approx((2 + 6 + 10) / 3)
    text = str(table)
    assert "pub (N=2)" in text
    assert "4.00 [2.00, 6.00]" in text
    assert "2 (66.7%)" in text


def test_table_one_says_missing_values_and_takes_labels() -> None:
    data = {"x": [1.0, np.nan, 3.0], "f": ["a", None, "a"]}
    text = str(mlpool.table_one(data, ["x", "f"], labels={"x": "Score", "Overall": "All"}))
    assert text.count("Missing") == 2
    assert "1 (33.3%)" in text
    assert text.splitlines()[2].startswith("Score")
    assert "All (N=3)" in text
    assert "priv" not in text
    nothing = str(mlpool.table_one({"x": [np.nan, np.nan]}, "x"))
    assert "2 (100.0%)" in nothing


def test_tables_in_other_media(sleep: pd.DataFrame) -> None:
    table = mlpool.table_one(sleep, "Reaction")
    assert "|Reaction" in table.to_markdown()
    assert "<table" in table.to_html()
    assert "tabular" in table.to_latex()
    assert "<table" in mlpool.data_codebook(sleep).to_html()
    assert "Skewness" in mlpool.describe_distribution(sleep).to_markdown()
