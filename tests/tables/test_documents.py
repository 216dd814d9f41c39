"""Tables as Word, Typst and Excel files."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import mlpool
from mlpool.errors import NotSupportedError, OptionError
from mlpool.results import ResultFrame
from mlpool.tables import Column, Note, RowGroup, TableSpec
from mlpool.tables.docx import write_docx
from mlpool.tables.typst import render_typst


def column(name: str, header: str, *cells: str, kind: str = "number") -> Column:
    return Column(name=name, header=header, cells=cells, kind=kind)  # type: ignore[arg-type]


SPEC = TableSpec(
    groups=(
        RowGroup(
            columns=(
                column("P", "Parameter", "(Intercept)", "a-b [x*y]", kind="label"),
                column("C", "Odds Ratio", "-0.25", "10.37"),
                column("CI", "95% CI", "[-0.39, -0.16]", "[9.20, 11.67]", kind="interval"),
            ),
            heading="Fixed Effects",
            rules=(1,),
        ),
        RowGroup(
            columns=(column("P", "Parameter", "  SD_1", kind="label"), column("C", "SD", "0.64")),
            heading="Random Effects",
        ),
    ),
    title="# Herds & #cows",
    notes=(Note("n = 56"), Note("REML")),
)


def test_typst() -> None:
    assert render_typst(SPEC).split("\n") == [
        "#figure(",
        "  table(",
        "    columns: 3,",
        "    align: (left, right, right,),",
        "    stroke: none,",
        "    table.hline(),",
        "    table.header([Parameter], [Odds Ratio], [95% CI]),",
        "    table.hline(stroke: 0.5pt),",
        "    table.cell(colspan: 3, align: left)[_Fixed Effects_],",
        "    [(Intercept)], [\u22120.25], [(\u22120.39, \u22120.16)],",
        "    table.hline(stroke: 0.5pt),",
        r"    [a\-b (x\*y)], [10.37], [(9.20, 11.67)],",
        "    table.hline(stroke: 0.5pt),",
        "    [_Random Effects_], [SD], [],",
        r"    [~~SD\_1], [0.64], [],",
        "    table.hline(),",
        "  ),",
        r"  caption: [Herds & \#cows],",
        ")",
        "#text(size: 0.9em)[n \\= 56 \\",
        "  REML]",
    ]


def edges(cell: Any) -> set[str]:
    return {line.tag.split("}")[1] for line in cell._tc.xpath("./w:tcPr/w:tcBorders/*")}


def test_word(tmp_path: Path) -> None:
    docx = pytest.importorskip("docx")
    write_docx(SPEC, tmp_path / "t.docx")
    document = docx.Document(str(tmp_path / "t.docx"))
    (table,) = document.tables
    assert [[c.text for c in row.cells] for row in table.rows] == [
        ["Parameter", "Odds\u00a0Ratio", "95%\u00a0CI"],
        ["Fixed Effects"] * 3,  # one cell over all columns
        ["(Intercept)", "\u22120.25", "(\u22120.39,\u00a0\u22120.16)"],
        ["a-b (x*y)", "10.37", "(9.20,\u00a011.67)"],
        ["Random Effects", "SD", "\u00a0"],
        ["\u00a0\u00a0SD_1", "0.64", "\u00a0"],
    ]
    assert [edges(row.cells[0]) for row in table.rows] == [
        {"top", "bottom"}, set(), set(), {"top"}, {"top"}, {"bottom"},
    ]  # fmt: skip
    texts = [p.text for p in document.paragraphs]
    assert texts == ["Herds & #cows", "n = 56", "REML", ""]
    section = document.sections[0]
    room = section.page_width - section.left_margin - section.right_margin
    assert sum(c.width for c in table.columns) <= room
    write_docx(SPEC, document)
    assert len(document.tables) == 2


def test_word_goes_to_a_path_or_a_document(table: ResultFrame) -> None:
    pytest.importorskip("docx")
    with pytest.raises(OptionError, match=r"takes a path or a document of python-docx, not 5"):
        table.to_docx(5)  # type: ignore[arg-type] # what is refused


def test_numbers_keep_their_room_where_labels_are_long(tmp_path: Path) -> None:
    docx = pytest.importorskip("docx")
    group = RowGroup(
        columns=(column("P", "P", "long " * 60, kind="label"), column("C", "C", "1.00"))
    )
    document = docx.Document()
    write_docx(TableSpec(groups=(group,)), document)
    label, number = document.tables[0].columns
    section = document.sections[0]
    room = section.page_width - section.left_margin - section.right_margin
    assert label.width + number.width == pytest.approx(room, abs=2)  # each is rounded to an EMU
    assert number.width == docx.shared.Pt(5.7 * 7)


@pytest.fixture(scope="module")
def table() -> ResultFrame:
    m = mlpool.lm("Reaction ~ Days", mlpool.load_data("sleepstudy"))
    return mlpool.model_parameters(m)


def test_excel_has_the_numbers_unrounded(table: ResultFrame, tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    table.to_excel(tmp_path / "t.xlsx")
    back = pd.read_excel(tmp_path / "t.xlsx")
    assert list(back.columns) == list(table.columns)
    assert back["SE"].tolist() == pytest.approx(table["SE"].tolist(), rel=1e-15)  # 16 digits


def test_print_options_reach_documents(table: ResultFrame) -> None:
    assert "10.467" in table.to_typst(digits=3)
    falling = mlpool.lm("y ~ x", pd.DataFrame({"x": [0.0, 1.0, 2.0], "y": [2.0, 1.0, 0.5]}))
    assert "$-$0.75" in mlpool.model_parameters(falling).to_latex()


@pytest.mark.parametrize(("package", "suffix"), [("docx", "docx"), ("openpyxl", "xlsx")])
def test_what_is_missing_is_told(
    table: ResultFrame, package: str, suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def refuse(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.split(".")[0] == package:
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    write = table.to_docx if suffix == "docx" else table.to_excel
    with pytest.raises(NotSupportedError, match=r"run: pip install (python-docx|openpyxl)"):
        write(tmp_path / f"t.{suffix}")


@pytest.mark.filterwarnings("ignore:ChainedAssignmentError:FutureWarning")  # of pyreadstat 1.2
def test_files_of_excel_and_spss_are_data(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    pyreadstat = pytest.importorskip("pyreadstat")
    data = pd.DataFrame({"y": [1.0, 2.5, 3.0, 5.0], "g": [1.0, 1.0, 2.0, 2.0]})
    data.to_excel(tmp_path / "d.xlsx", index=False)
    labels = {"g": {1.0: "control", 2.0: "treated"}}
    pyreadstat.write_sav(data, tmp_path / "d.sav", variable_value_labels=labels)
    assert mlpool.lm("y ~ g", tmp_path / "d.xlsx").names == ["(Intercept)", "g"]
    labelled = mlpool.lm("y ~ g", tmp_path / "d.sav")
    assert labelled.names == ["(Intercept)", "gtreated"]
    assert labelled.fixef()["gtreated"] == pytest.approx(2.25)
