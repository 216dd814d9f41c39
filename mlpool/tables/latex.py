r"""LaTeX with booktabs rules; tabulate lays out the body.

The document needs ``\usepackage{booktabs}``; everything else is plain LaTeX.
"""

from __future__ import annotations

from tabulate import tabulate

from mlpool.tables.cells import in_parentheses, without_padding
from mlpool.tables.spec import Column, RowGroup, TableSpec, merge_columns

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "`": r"\textasciigrave{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"$<$",
    ">": r"$>$",
    "×": r"$\times$",
}


def render_latex(spec: TableSpec) -> str:
    r"""Return a ``table`` environment: caption, ``tabular`` with booktabs rules, notes below."""
    columns = merge_columns(spec.groups)
    rows: list[list[str]] = []
    for i, group in enumerate(spec.groups):
        rows += _rows(group, columns, spec.groups[0] if i else None)
    body = tabulate(
        rows,
        headers=[escape_latex(c.header) for c in columns],
        tablefmt="latex_raw",
        colalign=[
            "left" if i == 0 or c.kind == "label" else "right" for i, c in enumerate(columns)
        ],
        disable_numparse=True,
    )
    lines = [r"\begin{table}", r"\centering"]
    if spec.title:
        title = escape_latex(" ".join(spec.caption.split()))
        lines.append(rf"\caption{{{title}}}")
    lines.append(_with_booktabs(body))
    lines += [rf"\par\footnotesize {escape_latex(note.text)}" for note in spec.notes]
    return "\n".join([*lines, r"\end{table}"])


def escape_latex(text: str) -> str:
    """Return `text` with LaTeX's special characters made plain."""
    return "".join(_ESCAPES.get(char, char) for char in text)


def _rows(group: RowGroup, columns: list[Column], first: RowGroup | None) -> list[list[str]]:
    by_name = {c.name: c for c in group.columns}
    rows = []
    if group.heading:
        rows.append(_heading(group, columns, first))
    for row in range(group.n_rows):
        cells = [_cell(by_name.get(c.name), row) for c in columns]
        if row in group.rules:
            cells[0] = rf"\midrule {cells[0]}"
        rows.append(cells)
    return rows


def _heading(group: RowGroup, columns: list[Column], first: RowGroup | None) -> list[str]:
    """Return the heading row; headers that differ from the first group's stand in it."""
    own = {c.name: c.header for c in group.columns}
    above = {c.name: c.header for c in first.columns} if first else own
    rest = [
        escape_latex(own[c.name]) if c.name in own and own[c.name] != above.get(c.name) else ""
        for c in columns[1:]
    ]
    space = r"\addlinespace " if first else ""
    return [rf"{space}\textit{{{escape_latex(group.heading)}}}", *rest]


def _cell(column: Column | None, row: int) -> str:
    if column is None:
        return ""
    cell = column.cells[row]
    shown = cell if column.kind == "label" else without_padding(cell)
    return escape_latex(in_parentheses(shown))


def _with_booktabs(body: str) -> str:
    """Return tabulate's three plain rules as top, middle and bottom rule."""
    for rule in (r"\toprule", r"\midrule", r"\bottomrule"):
        body = body.replace(r"\hline", rule, 1)
    return body
