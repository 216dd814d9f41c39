"""How the tables of studies are printed: labels left, numbers with fixed decimals."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from mlpool.tables import Column, Note, RowGroup, TableOptions, TableSpec
from mlpool.tables.cells import format_counts, format_numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyLayout:
    """A plain table with a title and sentences below it.

    Attributes
    ----------
    title : str
    footers : tuple of str
    percent : tuple of str
        Columns printed in percent with one decimal.
    whole : tuple of str
        Columns of counts.
    """

    title: str
    footers: tuple[str, ...] = ()
    percent: tuple[str, ...] = ()
    whole: tuple[str, ...] = ()

    def describe(self, data: pd.DataFrame, options: TableOptions) -> TableSpec:
        """Return the table."""
        columns = tuple(self._column(data, str(name), options) for name in data.columns)
        return TableSpec(
            groups=(RowGroup(columns=columns, heading=self.title),),
            notes=tuple(Note(line) for line in self.footers),
            layout="estimates",
        )

    def _column(self, data: pd.DataFrame, name: str, options: TableOptions) -> Column:
        values = data[name]
        if values.dtype.kind not in "fiu":
            cells = tuple(str(v) for v in values)
            return Column(name=name, header=name, cells=cells, kind="label")
        if name in self.percent:
            cells = tuple("" if v != v else f"{100 * v:.1f}%" for v in values)
        elif name in self.whole:
            cells = format_counts(values, options.digits)
        else:
            cells = format_numbers(values, max(options.digits, 3), zap_small=options.zap_small)
        return Column(name=name, header=name, cells=cells)
