"""Word: a table between three rules in a new document, or at the end of one that is there."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING

from mlpool.errors import NotSupportedError, OptionError, brief
from mlpool.tables.grid import Grid, GridRow, grid_of
from mlpool.tables.spec import TableSpec

if TYPE_CHECKING:
    from docx.document import Document
    from docx.table import Table, _Cell

_THICK, _THIN = 8, 4
"""Widths of rules in eighths of a point."""
_TEXT, _SMALL = 9, 8
"""Points of the cells and of the notes."""
_LETTER, _PADDING, _FEWEST = 5.7, 3, 12
"""Points of a letter in a broad type; letters of a cell's margins, and of a label at least."""


def write_docx(spec: TableSpec, target: str | PathLike[str] | Document) -> None:
    """Write a table as a Word document, or append it to a document of python-docx.

    Raises
    ------
    NotSupportedError
        If python-docx is not installed.
    OptionError
        If ``target`` is neither a path nor such a document.
    """
    try:
        import docx
    except ImportError:
        raise NotSupportedError(
            "Word documents need python-docx, which is not installed; run: pip install python-docx"
        ) from None
    if isinstance(target, str | PathLike):
        document = docx.Document()
        _append(spec, document)
        document.save(str(target))
    elif hasattr(target, "add_paragraph"):
        _append(spec, target)
    else:
        raise OptionError(
            f"to_docx() takes a path or a document of python-docx, not {brief(target)}."
        )


def _append(spec: TableSpec, document: Document) -> None:
    from docx.shared import Pt

    if spec.title:
        caption = document.add_paragraph(" ".join(spec.caption.split()), style="Caption")
        caption.paragraph_format.keep_with_next = True
    grid = grid_of(spec)
    if grid.headers:
        table = document.add_table(rows=1 + len(grid.rows), cols=len(grid.headers))
        _set_widths(table, grid, document)
        _fill(table, grid)
    for note in spec.notes:
        paragraph = document.add_paragraph()
        paragraph.paragraph_format.space_after = Pt(0)
        paragraph.add_run(note.text).font.size = Pt(_SMALL)
    document.add_paragraph()


def _set_widths(table: Table, grid: Grid, document: Document) -> None:
    """Give columns the room of their longest cell; where a page is narrow, labels are broken."""
    from docx.shared import Emu, Pt

    rows = [grid.headers, *(r.cells for r in grid.rows if not r.is_heading)]
    letters = [max(map(len, column)) for column in zip(*rows, strict=True)]
    widths = [_LETTER * (n + _PADDING) for n in letters]
    section = document.sections[-1]
    page = (section.page_width or 0) - (section.left_margin or 0) - (section.right_margin or 0)
    labels = sum(w for w, left in zip(widths, grid.is_left, strict=True) if left)
    room = max(page / Pt(1) - (sum(widths) - labels), _FEWEST * _LETTER)
    if page > 0 and labels > room:
        widths = [w * (room / labels if left else 1.0)
                  for w, left in zip(widths, grid.is_left, strict=True)]  # fmt: skip
    table.autofit = False
    for column, width in zip(table.columns, widths, strict=True):
        for cell in (column, *column.cells):
            cell.width = Emu(round(width * Pt(1)))


def _fill(table: Table, grid: Grid) -> None:
    header, *rows = (list(row.cells) for row in table.rows)
    _write_row(header, GridRow(cells=grid.headers), grid, is_bold=True)
    _rule(header, "top", _THICK)
    _rule(header, "bottom", _THIN)
    for cells, row in zip(rows, grid.rows, strict=True):
        _write_row(cells, row, grid)
        if row.has_rule:
            _rule(cells, "top", _THIN)
    _rule(rows[-1] if rows else header, "bottom", _THICK)


def _write_row(cells: list[_Cell], row: GridRow, grid: Grid, is_bold: bool = False) -> None:
    from docx.enum.text import WD_ALIGN_PARAGRAPH as ALIGN
    from docx.shared import Pt

    if row.is_heading and not any(row.cells[1:]):
        cells = [cells[0].merge(cells[-1])]
    for cell, text, left in zip(cells, row.cells, grid.is_left, strict=False):
        paragraph = cell.paragraphs[0]
        paragraph.alignment = ALIGN.LEFT if left else ALIGN.RIGHT
        paragraph.paragraph_format.space_after = Pt(0)
        paragraph.paragraph_format.keep_with_next = True  # a short table stays on its page
        indent = len(text) - len(text.lstrip(" "))
        shown = text[indent:] if left else text.replace(" ", "\u00a0")
        run = paragraph.add_run("\u00a0" * indent + (shown or "\u00a0"))  # of the text's height
        run.font.size = Pt(_TEXT)
        run.bold, run.italic = is_bold, row.is_heading


def _rule(cells: list[_Cell], edge: str, width: int) -> None:
    """Draw a line at an edge (``top``, ``bottom``) of a row's cells."""
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    for cell in cells:
        properties = cell._tc.get_or_add_tcPr()
        borders = properties.find(qn("w:tcBorders"))
        if borders is None:
            borders = OxmlElement("w:tcBorders")
            properties.append(borders)
        line = OxmlElement(f"w:{edge}")
        for name, value in {
            "val": "single",
            "sz": str(width),
            "space": "0",
            "color": "auto",
        }.items():
            line.set(qn(f"w:{name}"), value)
        borders.append(line)
