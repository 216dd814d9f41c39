"""Descriptions of tables, their cells, and one renderer per medium; knows nothing of models.

May import errors and typing only. Start reading in ``spec.py``; ``cells.py`` makes the strings,
``text.py``, ``markdown.py``, ``html.py``, ``latex.py``, ``typst.py`` and ``docx.py`` lay them out.
"""

from mlpool.tables.column_names import names_note, own_names
from mlpool.tables.exports import Exports
from mlpool.tables.glue import Elements, glue, is_style
from mlpool.tables.html import render_html
from mlpool.tables.latex import render_latex
from mlpool.tables.markdown import render_markdown
from mlpool.tables.rows_below import rows_below
from mlpool.tables.select import select_columns
from mlpool.tables.spec import Column, Note, RowGroup, TableOptions, TableSpec
from mlpool.tables.text import render_text

__all__ = [
    "Column",
    "Elements",
    "Exports",
    "Note",
    "RowGroup",
    "TableOptions",
    "TableSpec",
    "glue",
    "is_style",
    "names_note",
    "own_names",
    "render_html",
    "render_latex",
    "render_markdown",
    "render_text",
    "rows_below",
    "select_columns",
]
