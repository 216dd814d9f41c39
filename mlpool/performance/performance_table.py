"""How performance tables are printed: lists of a few indices, and grids with three decimals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from mlpool.tables import Column, Note, RowGroup, TableOptions, TableSpec, select_columns
from mlpool.tables.cells import format_bound, format_counts, format_number, format_ps
from mlpool.tables.spec import ColumnKind, Layout

DIGITS = TableOptions(digits=3)
"""Performance tables print three decimals."""


def fixed_decimals(value: float, digits: int) -> str:
    """Return plain decimals, ``NA`` where a number is missing."""
    return "NA" if math.isnan(value) else format_bound(value, digits)


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexList:
    """A few named indices below a heading: ``Adjusted ICC: 0.138 [0.116, 0.161]``.

    Attributes
    ----------
    heading : str
    rows : tuple of (label, column)
        Printed name and raw column; ``<column>_CI_low`` and ``_CI_high`` give an interval.
    is_tight : bool
        No blank line below the heading.
    footers : tuple of str
    """

    heading: str
    rows: tuple[tuple[str, str], ...]
    is_tight: bool = False
    footers: tuple[str, ...] = ()

    def describe(self, data: pd.DataFrame, options: TableOptions) -> TableSpec:
        """Return the list of the frame's only row."""
        cells = tuple(self._cell(data, column, options) for _, column in self.rows)
        labels = tuple(label for label, _ in self.rows)
        columns = (
            Column(name="Index", header="Index", cells=labels, kind="label"),
            Column(name="Value", header="Value", cells=cells),
        )
        group = RowGroup(columns=columns, heading=self.heading)
        notes = tuple(Note(line) for line in self.footers)
        return TableSpec(groups=(group,), notes=notes, layout="list", is_tight=self.is_tight)

    def _cell(self, data: pd.DataFrame, column: str, options: TableOptions) -> str:
        text = fixed_decimals(float(data[column].iloc[0]), options.digits)
        if f"{column}_CI_low" not in data.columns:
            return text
        low, high = (float(data[f"{column}_CI_{end}"].iloc[0]) for end in ("low", "high"))
        digits = options.interval_digits
        return f"{text} [{fixed_decimals(low, digits)}, {fixed_decimals(high, digits)}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class GridColumn:
    """A raw column and how it is printed.

    Attributes
    ----------
    name, header : str
    style : {"label", "number", "one", "count", "p", "percent", "plain"}
        ``"one"``: one decimal (information criteria); ``"plain"``: never scientific.
    weights : str
        Raw column of weights printed in parentheses after the number.
    """

    name: str
    header: str
    style: str = "number"
    weights: str = ""

    def column(self, data: pd.DataFrame, options: TableOptions) -> Column:
        """Return the finished column."""
        cells = self._cells(data, options)
        if self.weights:
            shares = [compact_weight(float(v)) for v in data[self.weights]]
            cells = tuple(
                f"{cell} ({w})" if cell else "" for cell, w in zip(cells, shares, strict=True)
            )
        kinds: dict[str, ColumnKind] = {"label": "label", "p": "p"}
        return Column(
            name=self.name, header=self.header, cells=cells, kind=kinds.get(self.style, "number")
        )

    def _cells(self, data: pd.DataFrame, options: TableOptions) -> tuple[str, ...]:
        values = data[self.name]
        if self.style == "label":
            return tuple(str(v) for v in values)
        numbers = [float(v) for v in values]
        if self.style == "p":
            return format_ps(numbers, options.p_digits)
        if self.style == "count":
            return format_counts(numbers, options.digits)
        if self.style == "percent":
            return tuple("" if math.isnan(v) else f"{100 * v:.2f}%" for v in numbers)
        digits = 1 if self.style == "one" else options.digits
        zap = options.zap_small or self.style in ("one", "plain")
        return tuple(format_number(v, digits, zap_small=zap) for v in numbers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A table with a heading, columns in a fixed order and lines below.

    Attributes
    ----------
    columns : tuple of GridColumn
        Columns that the frame does not have, or that are all missing, are left out.
    heading : str
    footers : tuple of str
    layout : {"parameters", "estimates"}
        Whether labels after the first column stand right or left.
    """

    columns: tuple[GridColumn, ...]
    heading: str = ""
    footers: tuple[str, ...] = ()
    layout: Layout = "parameters"

    def describe(self, data: pd.DataFrame, options: TableOptions) -> TableSpec:
        """Return the table."""
        shown = [c.column(data, options) for c in self.columns if c.name in data.columns]
        kept = [c for c in shown if c.kind == "label" or not c.is_empty]
        groups: tuple[RowGroup, ...] = (RowGroup(columns=tuple(kept), heading=self.heading),)
        if options.select is not None:
            groups = select_columns(groups, options.select)
        notes = tuple(Note(line) for line in self.footers)
        return TableSpec(groups=groups, notes=notes, layout=self.layout)


def compact_weight(value: float) -> str:
    """Return a weight without its zero: ``<.001``, ``0.979``, ``>.999``."""
    if math.isnan(value):
        return ""
    # probabilities, printed with three digits
    return "<.001" if value < 0.001 else ">.999" if value > 0.999 else f"{value:.3f}"


def label_columns(names: Sequence[str]) -> tuple[GridColumn, ...]:
    """Return label columns headed by their own names."""
    return tuple(GridColumn(name=name, header=name, style="label") for name in names)
