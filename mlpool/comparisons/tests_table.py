"""Tables of tests as R prints them (``print.anova``): headings, columns by role, stars, legend."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from mlpool.summaries.r_matrices import LEGEND
from mlpool.summaries.r_numbers import format_numbers, format_pvalues, stars, zapsmall
from mlpool.tables import Column, Note, RowGroup, TableOptions, TableSpec, select_columns

if TYPE_CHECKING:
    from mlpool.typing import ValueArray

DIGITS = TableOptions(digits=5)
"""R prints tests with two digits less than its default of 7."""

Role = Literal["number", "df", "test", "p"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TestColumn:
    """A raw column and how R prints it.

    Attributes
    ----------
    name, header : str
    role : {"number", "df", "test", "p"}
        ``"number"``: what is tiny beside the largest becomes zero; ``"df"``: as it is; ``"test"``:
        rounded to four decimals; ``"p"``: the first such column gives the stars.
    """

    __test__ = False  # pytest would take the name for a test class

    name: str
    header: str
    role: Role = "number"

    def cells(self, values: Sequence[float], digits: int) -> list[str]:
        """Return the finished cells; missing values are empty."""
        numbers = np.asarray(values, dtype=np.float64)
        known = np.isfinite(numbers) | np.isinf(numbers)
        shown = numbers[known]
        texts = iter(self._texts(shown, digits))
        return [next(texts) if ok else "" for ok in known]

    def _texts(self, shown: ValueArray, digits: int) -> list[str]:
        tests = max(1, min(5, digits - 1))
        if self.role == "p":
            return format_pvalues([float(v) for v in shown], tests)
        if self.role == "test":
            return format_numbers([float(v) for v in np.round(shown, tests)], digits)
        rounded = _zapped(shown, digits) if self.role == "number" else shown
        texts = format_numbers([float(v) for v in rounded], digits)
        lost = [i for i, (v, t) in enumerate(zip(rounded, texts, strict=True)) if _is_lost(v, t)]
        again = format_numbers([float(rounded[i]) for i in lost], max(1, digits - 1))
        for i, text in zip(lost, again, strict=True):
            texts[i] = text
        return texts


def _zapped(values: ValueArray, digits: int) -> ValueArray:
    finite = np.isfinite(values)
    result = values.copy()
    result[finite] = zapsmall(values[finite], digits)
    return result


def _is_lost(value: float, text: str) -> bool:
    return math.isfinite(value) and value != 0 and float(text) == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AnovaLayout:
    """A table of tests, one row per term, model or hypothesis.

    Attributes
    ----------
    title : str
        R's heading; lines end as R's do, so it may end in blank lines.
    labels : str
        Raw column that names the rows.
    columns : tuple of TestColumn
        Those that the frame has not are left out.
    footers : tuple of str
    """

    title: str
    labels: str
    columns: tuple[TestColumn, ...]
    footers: tuple[str, ...] = ()

    def describe(self, data: pd.DataFrame, options: TableOptions) -> TableSpec:
        """Return the table."""
        names = tuple(str(v) for v in data[self.labels])
        columns = [Column(name=self.labels, header="", cells=names, kind="label")]
        notes: list[Note] = []
        shown = [c for c in self.columns if c.name in data.columns]
        for column in shown:
            cells = column.cells(data[column.name].tolist(), options.digits)
            width = max(map(len, cells), default=0)
            padded = tuple(cell.rjust(width) if cell else "" for cell in cells)
            columns.append(Column(name=column.name, header=column.header, cells=padded))
        p_names = [c.name for c in shown if c.role == "p"]
        if p_names:
            marks = star_cells(data[p_names[0]].tolist())
            if marks:
                columns.append(Column(name="stars", header="", cells=marks))
                notes.append(Note(LEGEND))
        groups: tuple[RowGroup, ...] = (RowGroup(columns=tuple(columns)),)
        if options.select is not None:
            groups = select_columns(groups, options.select)
        notes += [Note(line) for line in self.footers]
        return TableSpec(groups=groups, title=self.title, notes=tuple(notes), layout="matrix")


def star_cells(ps: Sequence[float]) -> tuple[str, ...]:
    """Return significance codes, all of one width; none at all where no p is below .1."""
    if not any(p < 0.1 for p in ps):
        return ()
    codes = ["" if math.isnan(p) else stars(p) for p in ps]
    width = max(map(len, codes))
    return tuple(code.ljust(width) for code in codes)
