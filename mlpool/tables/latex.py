r"""LaTeX with booktabs rules; tabulate lays out the body.

The document needs ``\usepackage{booktabs}``; everything else is plain LaTeX.
"""

from __future__ import annotations

from tabulate import tabulate

from mlpool.tables.grid import GridRow, grid_of
from mlpool.tables.spec import TableSpec

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
    "\u2212": "$-$",
}


def render_latex(spec: TableSpec) -> str:
    r"""Return a ``table`` environment: caption, ``tabular`` with booktabs rules, notes below."""
    grid = grid_of(spec)
    body = tabulate(
        [_cells(row, i == 0) for i, row in enumerate(grid.rows)],
        headers=[escape_latex(header) for header in grid.headers],
        tablefmt="latex_raw",
        colalign=["left" if left else "right" for left in grid.is_left],
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


def _cells(row: GridRow, is_first: bool) -> list[str]:
    first, *rest = (escape_latex(cell) for cell in row.cells)
    if row.is_heading:
        space = "" if is_first else r"\addlinespace "
        return [rf"{space}\textit{{{first}}}", *rest]
    return [rf"\midrule {first}" if row.has_rule else first, *rest]


def _with_booktabs(body: str) -> str:
    """Return tabulate's three plain rules as top, middle and bottom rule."""
    for rule in (r"\toprule", r"\midrule", r"\bottomrule"):
        body = body.replace(r"\hline", rule, 1)
    return body
