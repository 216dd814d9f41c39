"""The text grid: alignment, rules, titles, footers, splitting."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpool.tables import Column, Note, RowGroup, TableSpec, render_text
from mlpool.tables.cells import format_intervals, format_ps


def column(header: str, *cells: str, kind: str = "number") -> Column:
    return Column(name=header, header=header, cells=cells, kind=kind)  # type: ignore[arg-type]


def parameters() -> RowGroup:
    return RowGroup(
        columns=(
            column("Parameter", "(Intercept)", "bill dep", kind="label"),
            column("Coefficient", "-6424.77", "22.63"),
            column(
                "95% CI", *format_intervals([-7408.0, -3.49], [-5442.0, 48.76]), kind="interval"
            ),
            column("p", *format_ps([0.0, 0.089]), kind="p"),
        )
    )


def test_first_column_left_others_right_p_padded() -> None:
    assert render_text(TableSpec(groups=(parameters(),))).split("\n") == [
        "Parameter   | Coefficient |               95% CI |      p",
        "---------------------------------------------------------",
        "(Intercept) |    -6424.77 | [-7408.00, -5442.00] | < .001",
        "bill dep    |       22.63 | [   -3.49,    48.76] | 0.089 ",
    ]


def test_estimates_are_trimmed_and_labels_left() -> None:
    group = RowGroup(
        columns=(
            column("Level1", "Chinstrap", "Gentoo", kind="label"),
            column("Level2", "Adelie", "Chinstrap", kind="label"),
            column("Difference", "32.43", "1342.93"),
            column("p", *format_ps([0.631, 0.0]), kind="p"),
        )
    )
    assert render_text(TableSpec(groups=(group,), layout="estimates")).split("\n") == [
        "Level1    | Level2    | Difference |      p",
        "-------------------------------------------",
        "Chinstrap | Adelie    |      32.43 |  0.631",
        "Gentoo    | Chinstrap |    1342.93 | < .001",
    ]


def test_first_column_is_left_even_if_numeric() -> None:
    group = RowGroup(columns=(column("Slope", "3.19"), column("SE", "0.16")))
    spec = TableSpec(
        groups=(group,),
        title="Estimated Marginal Effects",
        notes=(Note("Marginal effects estimated for ses"), Note("Type of slope was dY/dX")),
        layout="estimates",
    )
    assert render_text(spec).split("\n") == [
        "Estimated Marginal Effects",
        "",
        "Slope |   SE",
        "------------",
        "3.19  | 0.16",
        "",
        "Marginal effects estimated for ses",
        "Type of slope was dY/dX",
    ]


def test_slope_table_of_the_lecture_is_rebuilt_from_its_cells(shared: Path) -> None:
    """421 lines, character by character; t may be scientific, intervals are printed strings."""
    source = (shared / "spec" / "heck2011_slopes_by_school.csv").read_text().splitlines()
    rows = list(csv.DictReader(source))
    lecture = sorted((shared / "lectures").glob("000_*"))[0].read_text().split("\n")
    start = next(i for i, line in enumerate(lecture) if line.startswith("school |     Slope"))
    group = RowGroup(
        columns=(
            column("school", *(r["school"] for r in rows), kind="label"),
            column("Slope", *(r["slope"] for r in rows)),
            column("SE", *(r["se"] for r in rows)),
            column(
                "95% CI",
                *format_intervals(
                    [float(r["ci_low"]) for r in rows], [float(r["ci_high"]) for r in rows]
                ),
                kind="interval",
            ),
            column("t(6033)", *(r["t"] for r in rows)),
            column("p", *(r["p"] for r in rows), kind="p"),
        )
    )
    ours = render_text(TableSpec(groups=(group,), layout="estimates")).split("\n")
    assert len(ours) == 421
    assert [line.rstrip() for line in ours] == lecture[start : start + 421]


def test_headings_and_rules() -> None:
    group = RowGroup(
        columns=(column("Parameter", "x", "Observations"), column("m", "1.00", "180")),
        heading="Fixed Effects",
        rules=(1,),
    )
    assert render_text(TableSpec(groups=(group, group))).split("\n")[:8] == [
        "# Fixed Effects",
        "",
        "Parameter    |    m",
        "-------------------",
        "x            | 1.00",
        "-------------------",
        "Observations |  180",
        "",
    ]


def test_wide_tables_are_split_by_columns() -> None:
    names = "Name Model AIC_(weights) AICc_(weights) BIC_(weights) R2 R2_(adj.) RMSE Sigma"
    cells = ["lm1", "lm", "231.5_(<.001)", "231.7_(<.001)", "243.5_(<.001)", "0.619", "0.614"]
    headers = [n.replace("_", " ") for n in names.split()]
    values = [c.replace("_", " ") for c in [*cells, "0.510", "0.515"]]
    group = RowGroup(columns=tuple(map(column, headers, values)))
    assert render_text(TableSpec(groups=(group,)), width=80).split("\n") == [
        "Name | Model | AIC (weights) | AICc (weights) | BIC (weights) |    R2",
        "---------------------------------------------------------------------",
        "lm1  |    lm | 231.5 (<.001) |  231.7 (<.001) | 243.5 (<.001) | 0.619",
        "",
        "Name | R2 (adj.) |  RMSE | Sigma",
        "--------------------------------",
        "lm1  |     0.614 | 0.510 | 0.515",
    ]
    assert "\n\n" not in render_text(TableSpec(groups=(group,)))


def test_table_without_rows() -> None:
    group = RowGroup(columns=(column("Parameter"), column("p")))
    assert render_text(TableSpec(groups=(group,))) == "Parameter | p\n-------------"


def test_ragged_columns_are_refused() -> None:
    with pytest.raises(ValueError, match="columns of a row group differ in length"):
        RowGroup(columns=(column("a", "1"), column("b", "1", "2")))


cell = st.text(st.characters(exclude_categories=["C", "Z"]), max_size=12)


@given(
    st.integers(0, 5).flatmap(
        lambda n: st.lists(st.lists(cell, min_size=n, max_size=n), min_size=2, max_size=6)
    ),
    st.sampled_from(["parameters", "estimates"]),
    st.none() | st.integers(1, 60),
)
def test_lines_of_a_block_are_equally_long(
    cells: list[list[str]], layout: str, width: int | None
) -> None:
    columns = tuple(column(f"c{i}", *values) for i, values in enumerate(cells))
    spec = TableSpec(groups=(RowGroup(columns=columns),), layout=layout)  # type: ignore[arg-type]
    blocks = render_text(spec, width).split("\n\n")
    seen = 0
    for block in blocks:
        lines = block.split("\n")
        assert len({len(line) for line in lines}) == 1
        assert set(lines[1]) == {"-"}
        fits = width is None or len(lines[0]) <= width
        assert fits or lines[0].count(" | ") == 1
        seen += lines[0].count(" | ")
    assert seen == len(cells) - 1
