"""A table as one grid of cells in proportional type, as documents have it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from mlpool.tables.cells import in_parentheses, without_padding
from mlpool.tables.spec import Column, RowGroup, TableSpec, merge_columns

_MINUS = re.compile(r"(?<![\w.)])-(?=[\d.])")
"""A hyphen that is a minus sign, where a number begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GridRow:
    """One row.

    Attributes
    ----------
    cells : tuple of str
        As many as the grid has columns; negative numbers have a minus sign.
    is_heading : bool
        Whether it names the rows that follow.
    has_rule : bool
        Whether a line is drawn above it.
    """

    cells: tuple[str, ...]
    is_heading: bool = False
    has_rule: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A table whose row groups share their columns.

    Attributes
    ----------
    headers : tuple of str
    is_left : tuple of bool
        Whether a column's cells stand on its left; numbers stand on the right.
    rows : tuple of GridRow
    """

    headers: tuple[str, ...]
    is_left: tuple[bool, ...]
    rows: tuple[GridRow, ...]


def grid_of(spec: TableSpec) -> Grid:
    """Return all row groups of a table in one grid.

    Headers that differ from those of the first group stand in the heading row of their group.

    See Also
    --------
    mlpool.tables.spec.merge_columns : which columns there are.
    """
    columns = merge_columns(spec.groups)
    rows: list[GridRow] = []
    for i, group in enumerate(spec.groups):
        rows += _rows(group, columns, spec.groups[0] if i else group)
    return Grid(
        headers=tuple(c.header for c in columns),
        is_left=tuple(i == 0 or c.kind == "label" for i, c in enumerate(columns)),
        rows=tuple(rows),
    )


def _rows(group: RowGroup, columns: list[Column], first: RowGroup) -> Iterator[GridRow]:
    own = {c.name: c for c in group.columns}
    if group.heading:
        above = {c.name: c.header for c in first.columns}
        changed = (
            own[c.name].header if c.name in own and own[c.name].header != above.get(c.name) else ""
            for c in columns[1:]
        )
        yield GridRow(cells=(group.heading, *changed), is_heading=True, has_rule=first is not group)
    for row in range(group.n_rows):
        cells = tuple(_cell(own.get(c.name), row) for c in columns)
        yield GridRow(cells=cells, has_rule=row in group.rules)


def _cell(column: Column | None, row: int) -> str:
    if column is None:
        return ""
    cell = column.cells[row]
    if column.kind == "label":
        return in_parentheses(cell)
    return _MINUS.sub("\u2212", in_parentheses(without_padding(cell).strip()))
