"""Markdown, HTML and LaTeX of one description."""

from __future__ import annotations

import builtins
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from mlpool.errors import NotSupportedError, OptionError
from mlpool.tables import (
    Column,
    Note,
    RowGroup,
    TableSpec,
    render_html,
    render_latex,
    render_markdown,
    render_text,
)


def column(name: str, header: str, *cells: str, kind: str = "number") -> Column:
    return Column(name=name, header=header, cells=cells, kind=kind)  # type: ignore[arg-type]


@pytest.fixture
def spec() -> TableSpec:
    fixed = RowGroup(
        columns=(
            column("Parameter", "Parameter", "(Intercept)", "a<b [F]", kind="label"),
            column("Coefficient", "Odds Ratio", "0.25", "10.37"),
            column("CI", "95% CI", "[0.16,  0.39]", "[9.20, 11.67]", kind="interval"),
            column("p", "p", "< .001", "0.001 ", kind="p"),
        ),
        heading="Fixed Effects",
    )
    random = RowGroup(
        columns=(
            column("Parameter", "Parameter", "SD (Intercept: herd)", kind="label"),
            column("Coefficient", "Coefficient", "0.64"),
        ),
        heading="Random Effects",
    )
    return TableSpec(groups=(fixed, random), title="Herds & cows", notes=(Note("n = 56_a"),))


def test_markdown(spec: TableSpec) -> None:
    assert render_markdown(spec).split("\n") == [
        "Table: Herds & cows",
        "",
        "Table: Fixed Effects",
        "",
        "|Parameter   | Odds Ratio |        95% CI |      p |",
        "|:-----------|:----------:|:-------------:|:------:|",
        "|(Intercept) |       0.25 |  (0.16, 0.39) | < .001 |",
        "|a<b (F)     |      10.37 | (9.20, 11.67) | 0.001  |",
        "",
        "Table: Random Effects",
        "",
        "|Parameter            | Coefficient |",
        "|:--------------------|:-----------:|",
        "|SD (Intercept: herd) |        0.64 |",
        "",
        "n = 56_a",
    ]


def test_markdown_escapes_what_would_be_markup() -> None:
    group = RowGroup(columns=(column("P", "a|b"), column("m", "m")))
    assert render_markdown(TableSpec(groups=(group,))).startswith("|a\\|b | m |")
    starred = RowGroup(columns=(column("P", "P", "x"), column("m", "m", "0.87***")))
    assert "0.87\\*\\*\\*" in render_markdown(TableSpec(groups=(starred,)))


class Rows(HTMLParser):
    """Collects the text of cells by row, and every tag that is opened and closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.open: list[str] = []
        self.attributes: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.open.append(tag)
        self.attributes.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data


def test_html_is_one_well_formed_table(spec: TableSpec) -> None:
    page = Rows(render_html(spec))
    assert page.open == []
    assert [tag for tag, _ in page.attributes].count("table") == 1
    assert page.rows == [
        ["Parameter", "Odds Ratio", "95% CI", "p"],
        ["Fixed Effects"],
        ["(Intercept)", "0.25", "(0.16, 0.39)", "< .001"],
        ["a<b (F)", "10.37", "(9.20, 11.67)", "0.001"],
        ["Random Effects", "Coefficient", "", ""],
        ["SD (Intercept: herd)", "0.64", "", ""],
        ["n = 56_a"],
    ]
    tags = {tag for tag, _ in page.attributes}
    assert not tags & {"style", "script", "link"}, "self-contained: inline styles only"
    assert all(a.get("scope") for tag, a in page.attributes if tag == "th")
    assert "a&lt;b (F)" in render_html(spec)


def test_html_of_a_lone_group_has_its_heading_as_caption() -> None:
    name = Column(name="name", header="", cells=("math", "  Mean <SD>"), kind="label")
    group = RowGroup(heading="Table 1", columns=(name,))
    text = render_html(TableSpec(groups=(group,)))
    page = Rows(text)
    assert page.open == []
    assert ">Table 1</caption>" in text
    assert page.rows == [[""], ["math"], ["Mean <SD>"]]
    assert text.count("padding-left:1.75em") == 1, "blanks before a label are an indent"
    two = render_html(TableSpec(groups=(group,), title="# Above"))
    assert ">Above</caption>" in two, "the mark of a title in text is no part of it"
    assert render_markdown(TableSpec(groups=(group,), title="# Above")).startswith("Table: Above\n")
    assert "\\caption{Above}" in render_latex(TableSpec(groups=(group,), title="# Above"))
    assert "nowrap" in two.split("</caption>")[0]
    assert (
        "nowrap" not in render_html(TableSpec(groups=(group,), title="x" * 80)).split("<thead")[0]
    )
    assert ["Table 1"] in Rows(two).rows


def test_html_by_great_tables(spec: TableSpec) -> None:
    pytest.importorskip("great_tables")
    text = render_html(spec, engine="great_tables")
    for cell in ("Fixed Effects", "Random Effects", "(9.20, 11.67)", "n = 56_a", "Herds"):
        assert cell in text
    bare = RowGroup(columns=(column("P", "P", "x"), column("m", "m", "1.00")))
    assert "1.00" in render_html(TableSpec(groups=(bare,)), engine="great_tables")


def test_missing_great_tables_is_told(spec: TableSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("great_tables"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(NotSupportedError, match="engine='great_tables' needs that package"):
        render_html(spec, engine="great_tables")


def test_unknown_engine(spec: TableSpec) -> None:
    with pytest.raises(OptionError, match=r"engine must be one of .*Did you mean 'great_tables'"):
        render_html(spec, engine="great_table")


def test_latex(spec: TableSpec) -> None:
    text = render_latex(spec)
    lines = [re.sub(r" +", " ", line).strip() for line in text.split("\n")]
    assert lines == [
        r"\begin{table}",
        r"\centering",
        r"\caption{Herds \& cows}",
        r"\begin{tabular}{lrrr}",
        r"\toprule",
        r"Parameter & Odds Ratio & 95\% CI & p \\",
        r"\midrule",
        r"\textit{Fixed Effects} & & & \\",
        r"(Intercept) & 0.25 & (0.16, 0.39) & $<$ .001 \\",
        r"a$<$b (F) & 10.37 & (9.20, 11.67) & 0.001 \\",
        r"\addlinespace \textit{Random Effects} & Coefficient & & \\",
        r"SD (Intercept: herd) & 0.64 & & \\",
        r"\bottomrule",
        r"\end{tabular}",
        r"\par\footnotesize n = 56\_a",
        r"\end{table}",
    ]


def test_latex_rules_and_special_characters() -> None:
    group = RowGroup(
        columns=(column("P", "a_b^c~d", r"x × {y}\#"), column("m", "m$", "1")), rules=(0,)
    )
    text = render_latex(TableSpec(groups=(group,)))
    assert r"a\_b\textasciicircum{}c\textasciitilde{}d" in text
    assert r"\midrule x $\times$ \{y\}\textbackslash{}\#" in text
    assert r"m\$" in text


def test_empty_columns_are_for_fixed_width_text_only() -> None:
    group = RowGroup(
        columns=(column("P", "P", "x"), column("CI", "95% CI", ""), column("m", "m", "1"))
    )
    spec = TableSpec(groups=(group,))
    assert "95% CI" in render_text(spec)
    for render in (render_markdown, render_html, render_latex):
        assert "CI" not in render(spec)
