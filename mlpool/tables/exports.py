"""What every table can be written as: Markdown, HTML, LaTeX, Typst, Word."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, Unpack

from mlpool.tables.docx import write_docx
from mlpool.tables.html import render_html
from mlpool.tables.latex import render_latex
from mlpool.tables.markdown import render_markdown
from mlpool.tables.spec import TableSpec
from mlpool.tables.typst import render_typst

if TYPE_CHECKING:
    from docx.document import Document

    from mlpool.keywords import PrintOptions


class Exports:
    """The ``to_*`` methods of a table that can describe itself."""

    def table(self, **options: Unpack[PrintOptions]) -> TableSpec:
        """Return the description that the renderers lay out."""
        raise NotImplementedError

    def to_markdown(self, **options: Unpack[PrintOptions]) -> str:
        """Return Markdown as R's ``print_md()``; options as in ``print``."""
        return render_markdown(self.table(**options))

    def to_html(self, *, engine: str = "inline", **options: Unpack[PrintOptions]) -> str:
        """Return one self-contained HTML table.

        Parameters
        ----------
        engine : {"inline", "great_tables"}
        **options
            As in ``print``.
        """
        return render_html(self.table(**options), engine)

    def to_latex(self, **options: Unpack[PrintOptions]) -> str:
        """Return LaTeX with booktabs rules; options as in ``print``."""
        return render_latex(self.table(**options))

    def to_typst(self, **options: Unpack[PrintOptions]) -> str:
        """Return Typst, a figure with a table between three rules; options as in ``print``."""
        return render_typst(self.table(**options))

    def to_docx(
        self, path: str | PathLike[str] | Document, **options: Unpack[PrintOptions]
    ) -> None:
        """Write a Word document with this table.

        Parameters
        ----------
        path : str, Path or docx.Document
            The file; or a document of python-docx, at whose end the table is put.
        **options
            As in ``print``.

        Raises
        ------
        NotSupportedError
            If python-docx is not installed.
        OptionError
            If ``path`` is neither a path nor such a document.
        OSError
            If the file cannot be written.
        """
        write_docx(self.table(**options), path)

    def _repr_html_(self) -> str:
        return self.to_html()

    def _repr_latex_(self) -> str:
        return self.to_latex()

    def _repr_markdown_(self) -> str:
        return self.to_markdown()
