"""HTML: one self-contained ``<table>`` with inline styles, which notebooks and mail keep."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from html import escape
from typing import Any

from mlpool.errors import NotSupportedError, check_option
from mlpool.tables.cells import in_parentheses, without_padding
from mlpool.tables.spec import Column, RowGroup, TableSpec, merge_columns

_LINE = "1px solid currentColor"
_FAINT = "1px solid rgba(128,128,128,0.35)"
_TABLE = (
    "border-collapse:collapse;border:none;color:inherit;width:auto;margin:0.5em 0;font-size:0.95em;"
    "border-top:2px solid currentColor;border-bottom:2px solid currentColor"
)
_CAPTION = "caption-side:top;text-align:left;font-weight:bold;padding:0.25em 0"
_SHORT = 60
"""Characters of a title that fit on a line of a notebook."""

_CELL = "padding:0.25em 0.75em;border:none;background:transparent;vertical-align:top"
_NUMBER = f"{_CELL};text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums"
_LABEL = f"{_CELL};text-align:left;font-weight:normal"


def render_html(spec: TableSpec, engine: str = "inline") -> str:
    """Return the table as HTML.

    Parameters
    ----------
    spec : TableSpec
    engine : {"inline", "great_tables"}
        ``"great_tables"`` lays it out with that package, which must be installed.

    Returns
    -------
    str

    Raises
    ------
    OptionError
        For another engine.
    NotSupportedError
        If great_tables is asked for and not installed.
    """
    check_option(engine, ("inline", "great_tables"), argument="engine")
    if engine == "great_tables":
        return _great_tables(spec)
    title, groups = _caption(spec)
    columns = merge_columns(groups)
    lines = [f'<table class="mlpool" style="{_TABLE}">']
    if title:
        # A short title stays on its line, also above a table that is narrower.
        wrap = "pre-line" if "\n" in title else "nowrap" if len(title) <= _SHORT else "normal"
        style = f"{_CAPTION};white-space:{wrap}"
        lines.append(f'<caption style="{style}">{escape(title)}</caption>')
    if columns:  # a table too long to print has its sentences only
        lines.append(_head(groups[0], columns))
    for i, group in enumerate(groups):
        lines += _body(group, columns, groups[0] if i else None)
    lines += _foot(spec, len(columns))
    return "\n".join([*lines, "</table>"])


def _caption(spec: TableSpec) -> tuple[str, tuple[RowGroup, ...]]:
    """Return title and groups; the heading of a lone group is the title, as a reader expects."""
    if len(spec.groups) == 1 and spec.groups[0].heading and not spec.title:
        return spec.groups[0].heading, (replace(spec.groups[0], heading=""),)
    return spec.caption, spec.groups


def _head(group: RowGroup, columns: list[Column]) -> str:
    shown = {c.name: c.header for c in group.columns}
    cells = [
        _th(shown.get(c.name, c.header), _style(i, c) + f";font-weight:bold;border-bottom:{_LINE}")
        for i, c in enumerate(columns)
    ]
    return f'<thead><tr style="background:transparent">{"".join(cells)}</tr></thead>'


def _body(group: RowGroup, columns: list[Column], first: RowGroup | None) -> Iterator[str]:
    """Yield a ``<tbody>``: its heading row, with headers that differ from the first, and rows."""
    by_name = {c.name: c for c in group.columns}
    yield "<tbody>"
    if group.heading:
        yield _heading_row(group, columns, first)
    for row in range(group.n_rows):
        edge = f";border-top:{_LINE}" if row in group.rules else ""
        cells = [
            _cell(by_name.get(c.name), row, _style(i, c) + edge, is_label=i == 0)
            for i, c in enumerate(columns)
        ]
        yield f'<tr style="background:transparent">{"".join(cells)}</tr>'
    yield "</tbody>"


def _heading_row(group: RowGroup, columns: list[Column], first: RowGroup | None) -> str:
    above = {c.name: c.header for c in first.columns} if first else {}
    own = {c.name: c.header for c in group.columns}
    changed = [
        own[c.name]
        if above and own.get(c.name, "") != above.get(c.name, "") and c.name in own
        else ""
        for c in columns
    ]
    edge = f"border-top:{_LINE};border-bottom:{_FAINT}" if first else f"border-bottom:{_FAINT}"
    style = f"{_LABEL};font-style:italic;{edge}"
    if not any(changed[1:]):
        return (
            f'<tr style="background:transparent"><th colspan="{len(columns)}" scope="rowgroup" '
            f'style="{style}">{escape(group.heading)}</th></tr>'
        )
    cells = [f'<th scope="rowgroup" style="{style}">{escape(group.heading)}</th>']
    cells += [_th(h, f"{_NUMBER};font-weight:bold;{edge}") for h in changed[1:]]
    return f'<tr style="background:transparent">{"".join(cells)}</tr>'


def _cell(column: Column | None, row: int, style: str, *, is_label: bool) -> str:
    text = "" if column is None else _shown(column, column.cells[row])
    if is_label:
        indent = len(text) - len(text.lstrip())  # a browser would drop the blanks
        style += f";padding-left:{0.75 + 0.5 * indent:g}em" if indent else ""
        text = text.strip()
        return f'<th scope="row" style="{style}">{escape(text)}</th>'
    return f'<td style="{style}">{escape(text)}</td>'


def _foot(spec: TableSpec, n_columns: int) -> Iterator[str]:
    if not spec.notes:
        return
    yield "<tfoot>"
    for i, note in enumerate(spec.notes):
        style = f"{_LABEL};font-size:0.9em" + (f";border-top:{_LINE}" if i == 0 else "")
        yield f'<tr><td colspan="{max(n_columns, 1)}" style="{style}">{escape(note.text)}</td></tr>'
    yield "</tfoot>"


def _th(text: str, style: str) -> str:
    return f'<th scope="col" style="{style}">{escape(text)}</th>'


def _style(position: int, column: Column) -> str:
    return _LABEL if position == 0 or column.kind == "label" else _NUMBER


def _shown(column: Column, cell: str) -> str:
    """Return a cell for proportional type: no padding, brackets as parentheses."""
    return in_parentheses(cell if column.kind == "label" else without_padding(cell))


def _great_tables(spec: TableSpec) -> str:
    """Return the same table laid out by great_tables."""
    try:
        from great_tables import GT
    except ImportError as error:
        raise NotSupportedError(
            "engine='great_tables' needs that package: pip install great_tables."
        ) from error
    import pandas as pd

    columns = merge_columns(spec.groups)
    # names of its own: a column of the user's data may be called as anything that is needed here
    names = [f"c{i}" for i in range(len(columns))]
    rows: list[dict[str, Any]] = []
    for group in spec.groups:
        by_name = {c.name: c for c in group.columns}
        for row in range(group.n_rows):
            cells = [
                _shown(c, by_name[c.name].cells[row]) if c.name in by_name else "" for c in columns
            ]
            rows.append(dict(zip(names, cells, strict=True)) | {"group": group.heading})
    frame = pd.DataFrame(rows, columns=[*names, "group"])
    with_groups = len(frame) > 0 and any(group.heading for group in spec.groups)
    table = GT(
        frame if with_groups else frame.drop(columns="group"),
        rowname_col=names[0] if names else None,
        groupname_col="group" if with_groups else None,
    )
    labels = {name: c.header for name, c in zip(names, columns, strict=True)}
    if columns:
        headers: dict[str, Any] = {name: labels[name] for name in names[1:]}
        table = table.cols_label(**headers).tab_stubhead(labels[names[0]])
        table = table.cols_align("right", columns=names[1:])
    if spec.title:
        table = table.tab_header(title=" ".join(spec.caption.split()))
    for note in spec.notes:
        table = table.tab_source_note(note.text)
    return str(table.as_raw_html())
