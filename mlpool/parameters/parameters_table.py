"""From the raw frame of ``model_parameters`` to the table that is printed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from mlpool.tables import (
    Column,
    Elements,
    Note,
    RowGroup,
    TableOptions,
    TableSpec,
    glue,
    is_style,
    select_columns,
)
from mlpool.tables.cells import (
    format_bound,
    format_compact_p,
    format_counts,
    format_intervals,
    format_numbers,
    format_ps,
    interval_header,
    stars,
)

RANDOM = "Random Effects"
FIXED = "Fixed Effects"


@dataclass(frozen=True, slots=True, kw_only=True)
class ParametersLayout:
    """How the rows of one ``model_parameters`` frame are printed.

    Attributes
    ----------
    labels : tuple of str
        Printed name of each row.
    headings : tuple of str
        Heading of the table each row belongs to; an empty string for none.
    coefficient : str
        Header of the estimates, but in random-effects tables.
    statistic : {"t", "z", ""}
        The statistic's column.
    level : float or None
        Confidence level.
    footers : tuple of str
        Lines below the table.
    shows_empty_interval : bool
        Keep the interval's column although nothing is in it.
    """

    labels: tuple[str, ...]
    headings: tuple[str, ...]
    coefficient: str = "Coefficient"
    statistic: str = ""
    level: float | None = 0.95
    footers: tuple[str, ...] = ()
    shows_empty_interval: bool = False

    def describe(self, data: pd.DataFrame, options: TableOptions) -> TableSpec:
        """Return the table: one row group per heading."""
        groups = tuple(
            self._group(heading, data, options) for heading in dict.fromkeys(self.headings)
        )
        if options.select is not None and not is_style(options.select):
            groups = select_columns(groups, options.select)
        return TableSpec(groups=groups, notes=tuple(Note(line) for line in self.footers))

    def _group(self, heading: str, data: pd.DataFrame, options: TableOptions) -> RowGroup:
        rows = [i for i, own in enumerate(self.headings) if own == heading]
        part = data.iloc[rows]
        label = Column(
            name="Parameter",
            header="Parameter",
            cells=tuple(self.labels[i] for i in rows),
            kind="label",
        )
        is_covariance = heading.startswith((RANDOM, "Residual "))
        name = "Coefficient" if is_covariance else self.coefficient
        if is_style(options.select):
            columns = glue(elements(part, options, name), str(options.select))
        else:
            columns = tuple(self._columns(part, options, name))
        return RowGroup(columns=(label, *columns), heading=heading)

    def _columns(self, part: pd.DataFrame, options: TableOptions, name: str) -> list[Column]:
        cells = number_cells(part, options)
        columns = [Column(name="Coefficient", header=name, cells=cells["Coefficient"])]
        columns.append(Column(name="SE", header="SE", cells=cells["SE"]))
        if self.level is not None:
            header = interval_header(self.level)
            columns.append(Column(name="CI", header=header, cells=cells["CI"], kind="interval"))
        if self.statistic:
            df = part["df_error"]
            columns += statistic_columns(self.statistic, part[self.statistic], df, options)
        columns.append(Column(name="p", header="p", cells=cells["p"], kind="p"))
        kept = "CI" if self.shows_empty_interval else ""
        return [c for c in columns if c.name == kept or not c.is_empty]


def statistic_columns(
    name: str, values: Iterable[float], df: pd.Series, options: TableOptions
) -> list[Column]:
    """Return a statistic's column; its df stand in the header if all rows print the same."""
    cells = format_numbers(values, options.digits, zap_small=options.zap_small)
    column = Column(name=name, header=name, cells=cells)
    if name == "z":
        return [column]
    shown = format_counts(df, zap_small=options.zap_small)
    distinct = {cell for cell in shown if cell}
    if len(distinct) == 1:
        return [replace(column, header=f"{name}({distinct.pop()})")]
    return [column, Column(name=str(df.name), header="df", cells=shown)]


def number_cells(part: pd.DataFrame, options: TableOptions) -> dict[str, tuple[str, ...]]:
    """Return the cells of Coefficient, SE, CI and p; empty ones where the frame has no column."""
    digits, zap = options.digits, options.zap_small
    return {
        "Coefficient": format_numbers(values(part, "Coefficient"), digits, zap_small=zap),
        "SE": format_numbers(values(part, "SE"), digits, zap_small=zap),
        "CI": format_intervals(
            values(part, "CI_low"), values(part, "CI_high"), options.interval_digits, zap_small=zap
        ),
        "p": format_ps(values(part, "p"), options.p_digits),
    }


def elements(part: pd.DataFrame, options: TableOptions, name: str = "Coefficient") -> Elements:
    """Return the cells that a style such as ``"{estimate} ({se})"`` puts together."""
    digits, bounds, zap = options.digits, options.interval_digits, options.zap_small
    p = values(part, "p")
    return Elements(
        estimate=format_numbers(values(part, "Coefficient"), digits, zap_small=zap),
        se=format_numbers(values(part, "SE"), digits, zap_small=zap),
        low=tuple(format_bound(v, bounds, zap_small=zap) for v in values(part, "CI_low")),
        high=tuple(format_bound(v, bounds, zap_small=zap) for v in values(part, "CI_high")),
        p=tuple(format_compact_p(v, options.p_digits) for v in p),
        stars=tuple(stars(v) for v in p),
        name=name,
    )


def values(part: pd.DataFrame, column: str) -> Sequence[float]:
    """Return a column's numbers, all missing if the frame does not have it."""
    if column not in part.columns:
        return [float("nan")] * len(part)
    return [float(v) for v in np.asarray(part[column], dtype=np.float64)]
