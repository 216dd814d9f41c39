"""Typst: a ``figure`` with a ``table`` between three rules, notes below."""

from __future__ import annotations

import re

from mlpool.tables.grid import GridRow, grid_of
from mlpool.tables.spec import TableSpec

_MARKUP = re.compile(r"([\\*_`$#\[\]@<>~/=+-])")
"""What is markup somewhere in Typst's content; escaped it is itself everywhere."""


def render_typst(spec: TableSpec) -> str:
    """Return the table as Typst, whose rules are those of booktabs.

    References
    ----------
    Typst's reference of ``table`` and ``figure``: https://typst.app/docs/reference/model/table/
    """
    grid = grid_of(spec)
    align = ", ".join("left" if left else "right" for left in grid.is_left)
    lines = [
        "#figure(" if spec.title else "#align(center,",
        "  table(",
        f"    columns: {len(grid.headers)},",
        f"    align: ({align},),",
        "    stroke: none,",
        "    table.hline(),",
        f"    table.header({_cells(grid.headers)}),",
        "    table.hline(stroke: 0.5pt),",
    ]
    for row in grid.rows:
        lines += [f"    {line}" for line in _row(row, len(grid.headers))]
    lines += ["    table.hline(),", "  ),"]
    if spec.title:
        lines.append(f"  caption: [{escape_typst(' '.join(spec.caption.split()))}],")
    lines.append(")")
    if spec.notes:
        notes = " \\\n  ".join(escape_typst(note.text) for note in spec.notes)
        lines.append(f"#text(size: 0.9em)[{notes}]")
    return "\n".join(lines)


def escape_typst(text: str) -> str:
    r"""Return `text` with Typst's markup made plain; blanks at the start stay.

    Examples
    --------
    >>> escape_typst("a_b [95% CI]")
    'a\\_b \\[95% CI\\]'
    """
    indent = len(text) - len(text.lstrip(" "))
    return "~" * indent + _MARKUP.sub(r"\\\1", text[indent:])


def _row(row: GridRow, width: int) -> list[str]:
    lines = ["table.hline(stroke: 0.5pt),"] if row.has_rule else []
    if not row.is_heading:
        return [*lines, _cells(row.cells) + ","]
    heading = f"_{escape_typst(row.cells[0])}_"
    if not any(row.cells[1:]):
        return [*lines, f"table.cell(colspan: {width}, align: left)[{heading}],"]
    return [*lines, f"[{heading}], {_cells(row.cells[1:])},"]


def _cells(cells: tuple[str, ...]) -> str:
    return ", ".join(f"[{escape_typst(cell)}]" for cell in cells)
