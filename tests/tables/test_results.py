"""`ResultFrame`: a data frame to a program, a table to a reader."""

from __future__ import annotations

import copy
import csv
import io
import json
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import mlpool
from mlpool import model_parameters
from mlpool.errors import ColumnNotFoundError, OptionError
from mlpool.results import ResultFrame


@pytest.fixture(scope="module")
def table() -> ResultFrame:
    return model_parameters(mlpool.lm("Reaction ~ Days", mlpool.load_data("sleepstudy")))


def test_behaves_as_a_data_frame(table: ResultFrame) -> None:
    assert len(table) == 2
    assert table.shape == (2, 9)
    assert list(table) == list(table.columns) == list(table.data.columns)
    assert list(table.index) == [0, 1]
    assert table["p"].iloc[1] == table.loc[1, "p"] == table.iloc[1, -1]
    assert list(table[["SE", "p"]].columns) == ["SE", "p"]
    assert len(table[table["p"] < 1e-20]) == 1
    assert "p" in table
    assert "q" not in table
    with pytest.raises(ColumnNotFoundError, match=r"no column 'Coeficient'.*Did you mean 'Coeff"):
        table["Coeficient"]
    with pytest.raises(KeyError):
        table[["SE", "nothing"]]


def test_what_a_data_frame_has_is_there_too(table: ResultFrame) -> None:
    assert table.head(1).equals(table.data.iloc[:1]) and table.tail(1).index.tolist() == [1]
    frame: Any = table  # type checkers know head and tail, and send the others to to_pandas()
    assert len(frame.query("SE < 2")) == 1
    assert frame.sort_values("SE")["SE"].is_monotonic_increasing
    assert frame.Coefficient.equals(table["Coefficient"])
    assert frame.to_dict("list")["p"] == table["p"].tolist()
    assert [row.Parameter for row in frame.itertuples()] == table["Parameter"].tolist()
    column = frame.Coefficient
    column.iloc[0] = -1.0  # a copy: the table keeps its numbers
    assert table["Coefficient"].iloc[0] > 0
    with pytest.raises(AttributeError, match=r"no attribute 'Coeficient'.*Did you mean 'Coeff"):
        _ = frame.Coeficient
    assert not hasattr(table, "__next__") and not hasattr(table, "_private")
    again = pickle.loads(pickle.dumps(table))
    assert again.data.equals(table.data) and copy.copy(table).data is table.data


def test_numbers_are_not_rounded(table: ResultFrame) -> None:
    assert table["Coefficient"].iloc[1] == pytest.approx(10.467285959596, abs=1e-10)


def test_to_pandas_is_a_copy(table: ResultFrame) -> None:
    copy = table.to_pandas()
    copy.loc[0, "p"] = 1.0
    assert table["p"].iloc[0] < 1e-10


def test_to_native_is_what_the_user_came_with(
    make_frame: Callable[[pd.DataFrame], Any],
) -> None:
    data = make_frame(mlpool.load_data("sleepstudy"))
    native = model_parameters(mlpool.lm("Reaction ~ Days", data)).to_native()
    package = type(data).__module__.partition(".")[0]
    expected = package if package in ("polars", "pyarrow") else "pandas"
    assert type(native).__module__.partition(".")[0] == expected
    assert float(native["SE"][1].as_py() if expected == "pyarrow" else native["SE"][1]) > 1


def test_options_of_print(table: ResultFrame, capsys: pytest.CaptureFixture[str]) -> None:
    table.print()
    assert capsys.readouterr().out == str(table) + "\n" == f"{table!r}\n"
    table.print(digits=3, ci_digits=1, p_digits=5)
    assert capsys.readouterr().out.split("\n")[3].split(" | ") == [
        "Days       ", "     10.467", "1.238", "[  8.0,  12.9]", " 8.454", "9.89410e-15",
    ]  # fmt: skip
    table.print(select=["Parameter", "95% CI", "SE"])
    assert capsys.readouterr().out.split("\n")[0] == "Parameter   |           95% CI |   SE"
    table.print(table_width=40)
    assert capsys.readouterr().out.count("Parameter") == 3
    with pytest.raises(OptionError, match="digits must be a whole number"):
        table.print(digits=True)
    assert str(table).startswith("Parameter   | Coefficient |   SE |"), "options do not stick"


def test_small_numbers(table: ResultFrame) -> None:
    data = mlpool.load_data("sleepstudy").assign(y=lambda d: d["Reaction"] / 1e5)
    small = model_parameters(mlpool.lm("y ~ Days", data))
    assert "1.05e-04 | 1.24e-05 | [0.00, 0.00]" in str(small)
    plain = model_parameters(mlpool.lm("y ~ Days", data), zap_small=True)
    assert "0.00 | 0.00 | [0.00, 0.00]" in str(plain)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_tables_are_split_to_a_terminal_only(
    table: ResultFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    for stream, blocks in ((io.StringIO(), 1), (Terminal(), 3)):
        monkeypatch.setattr(sys, "stdout", stream)
        table.print()
        assert stream.getvalue().count("Parameter") == repr(table).count("Parameter") == blocks
    assert str(table).count("Parameter") == 1


def test_select(table: ResultFrame) -> None:
    assert str(table.select("minimal")).split("\n")[0].split(" | ") == [
        "Parameter  ", "Coefficient", "          95% CI", "     p",
    ]  # fmt: skip
    assert "SE" in str(table.select("short"))
    assert "95% CI" not in str(table.select("short"))
    assert list(table.select("minimal").columns) == list(table.columns)
    glued = str(table.select("{estimate}{stars} ({se})|{p}")).split("\n")
    assert glued[0] == "Parameter   | Coefficient (SE) |      p"
    assert glued[3] == "Days        | 10.47*** (1.24) | <0.001".replace("| 10", "|  10")
    assert str(table.select("se_p")).split("\n")[3] == "Days        |  10.47*** (1.24)"
    with pytest.raises(OptionError, match="Did you mean 'minimal'"):
        table.select("minimum")
    with pytest.raises(OptionError, match="select has no placeholder; use"):
        table.select("{")


def test_columns_that_only_some_parts_have() -> None:
    m = mlpool.lmer("Reaction ~ Days + (1 | Subject)", mlpool.load_data("sleepstudy"))
    text = str(model_parameters(m).select(["Parameter", "p"]))
    assert "# Random Effects\n\nParameter              \n" in text
    only = str(model_parameters(m).select(["p"]))
    assert "Random" not in only
    glued = str(model_parameters(m).select("se"))
    assert glued.endswith("SD (Residual)           |            30.99")


def test_media(table: ResultFrame) -> None:
    assert table._repr_html_() == table.to_html()
    assert "10.467" in table.to_html(digits=3)
    assert "|      10.467 | 1.238 |" in table.to_markdown(digits=3)
    assert "10.467" in table.to_latex(digits=3)
    assert "1.238" in table.to_html(engine="great_tables", digits=3)
    with pytest.raises(OptionError, match=r"no option 'digit'.*Did you mean 'digits'"):
        table.to_html(digit=3)


def test_csv_and_json_keep_every_digit(table: ResultFrame) -> None:
    rows = list(csv.DictReader(io.StringIO(table.to_csv())))
    assert [float(row["SE"]) for row in rows] == table["SE"].tolist()
    records = json.loads(table.to_json())
    assert [r["SE"] for r in records] == table["SE"].tolist()
    assert [r["p"] for r in records] == table["p"].tolist()


def test_csv_is_written_to_a_file(table: ResultFrame, tmp_path: Path) -> None:
    table.to_csv(tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_bytes().decode("utf-8") == table.to_csv()
    with pytest.raises(OSError, match="nowhere"):
        table.to_csv(tmp_path / "nowhere" / "t.csv")


def test_notebooks_and_quarto_choose_their_medium(table: ResultFrame) -> None:
    assert table._repr_latex_() == table.to_latex() and "toprule" in table._repr_latex_()
    assert table._repr_markdown_() == table.to_markdown()


def test_json_has_null_for_what_is_no_number() -> None:
    formula = "cbind(incidence, size - incidence) ~ period"
    m = mlpool.glm(formula, mlpool.load_data("cbpp"), family="binomial")
    records = json.loads(model_parameters(m, include_reference=True).to_json())
    assert {r["df_error"] for r in records} == {None}
    assert records[1]["SE"] is None


def test_other_libraries_read_it(table: ResultFrame) -> None:
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame(table)
    assert frame.columns == list(table.columns)
    assert frame["SE"].to_list() == table["SE"].tolist()


def test_pickles_and_reads_only_metadata(table: ResultFrame) -> None:
    again = pickle.loads(pickle.dumps(table))
    assert str(again) == str(table)
    assert dict(again.metadata) == dict(table.metadata)
    with pytest.raises(TypeError):
        table.metadata["ci"] = 0.5  # type: ignore[index]
    assert table.metadata["ci_method"] == "residual"
    assert table.metadata["nobs"] == 180


def test_models_show_their_table_in_notebooks() -> None:
    m = mlpool.lm("Reaction ~ Days", mlpool.load_data("sleepstudy"))
    html = m._repr_html_()
    assert html.endswith(model_parameters(m).to_html())
    assert f"{m.nobs:,} observations" in html and html.startswith("<p>lm: <code>")
