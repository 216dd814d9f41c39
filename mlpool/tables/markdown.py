"""Markdown pipe tables in the layout of R's ``print_md()``.

Not tabulate's ``pipe``: that aligns numbers right by colons, R centres all but the first column.
"""

from __future__ import annotations

from mlpool.tables.cells import in_parentheses, without_padding
from mlpool.tables.spec import Column, RowGroup, TableSpec, on_one_line


def render_markdown(spec: TableSpec) -> str:
    """Return the table as Markdown; headings become ``Table:`` captions, brackets parentheses."""
    title = _escape(" ".join(spec.caption.split())) if "\n" in spec.title else spec.caption
    parts = [f"Table: {title}"] if title else []
    for group in spec.groups:
        if group.heading:
            parts.append(f"Table: {group.heading}")
        parts.append(_grid(group))
    parts += [_escape(note.text) for note in spec.notes]
    return "\n\n".join(parts)


def _grid(group: RowGroup) -> str:
    columns = [_lines(column, i == 0) for i, column in enumerate(group.filled_columns)]
    header, *rows = ["|" + "|".join(line) + "|" for line in zip(*columns, strict=True)]
    rule = "|" + "|".join(_rule(lines[0], i == 0) for i, lines in enumerate(columns)) + "|"
    return "\n".join([header, rule, *rows])


def _lines(column: Column, is_first: bool) -> list[str]:
    """Return header and cells, padded: first column left without a leading blank, others right."""
    # A p-value keeps its trailing blank, as in R; labels may contain blanks that are their own.
    is_padded = column.kind in ("interval", "number")
    cells = [in_parentheses(without_padding(c) if is_padded else c) for c in column.cells]
    lines = [_escape(on_one_line(line)) for line in (column.header, *cells)]
    size = max(map(len, lines))
    return [f"{x.ljust(size)} " if is_first else f" {x.rjust(size)} " for x in lines]


def _rule(line: str, is_first: bool) -> str:
    return ":" + "-" * (len(line) - 1) if is_first else ":" + "-" * (len(line) - 2) + ":"


def _escape(text: str) -> str:
    """Return text in which bars, stars and backticks are themselves."""
    for mark in ("\\", "|", "*", "`"):
        text = text.replace(mark, "\\" + mark)
    return text
