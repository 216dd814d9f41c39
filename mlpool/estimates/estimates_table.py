"""How ``estimate_*`` tables are printed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from mlpool.estimates.delta.delta_method import Inference
from mlpool.estimates.grids.grid_language import Focal
from mlpool.frames.levels import level_label
from mlpool.parameters.parameters_table import elements, statistic_columns
from mlpool.tables import (
    Column,
    Note,
    RowGroup,
    TableOptions,
    TableSpec,
    glue,
    is_style,
    own_names,
    select_columns,
)
from mlpool.tables.cells import (
    format_counts,
    format_intervals,
    format_numbers,
    format_ps,
    interval_header,
)

Names = dict[str, str]

MAX_PRINTED = 5_000
"""Rows above which a table is not laid out as text."""

_MINIMAL = "{estimate} ({ci})|{p}"


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimatesLayout:
    """How one table of estimates is printed.

    Attributes
    ----------
    title : str
    labels : tuple of str
        Raw columns that say what a row is about, in order.
    value : str
        The estimates' column (``Mean``, ``Slope``, ``Predicted``).
    statistic : {"t", "z", ""}
    level : float or None
    extra : tuple of str
        Further columns of numbers after the interval (``Residuals``).
    shows_p, shows_uncertainty : bool
    footers : tuple of str
    names : mapping
        What the table's own columns are called where the data have a column of the usual name.
    """

    title: str
    labels: tuple[str, ...]
    value: str
    statistic: str = ""
    level: float | None = 0.95
    extra: tuple[str, ...] = ()
    shows_p: bool = False
    shows_uncertainty: bool = True
    footers: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)

    def raw(self, name: str) -> str:
        """Return the raw column of one of the table's own columns."""
        return self.names.get(name, name)

    def own(self, data: pd.DataFrame) -> pd.DataFrame:
        """Return the table's own columns by their usual names."""
        labels = set(self.labels)
        usual = {raw: name for name, raw in self.names.items()}
        return data[[c for c in data.columns if c not in labels]].rename(columns=usual)

    def describe(self, data: pd.DataFrame, options: TableOptions) -> TableSpec:
        """Return the table, or a sentence in its place where it would fill hundreds of pages."""
        notes = tuple(Note(line) for line in self.footers)
        if len(data) > MAX_PRINTED:
            text = (
                f"A table of {len(data):,} rows and {data.shape[1]} columns, too long to print: "
                "take to_pandas(), or a part of it such as table[table['p'] < .05]."
            )
            return TableSpec(groups=(), title=self.title, notes=(Note(text), *notes))
        labels = [label_column(name, data[name], options) for name in self.labels if name in data]
        select = _MINIMAL if options.select == "minimal" else options.select
        if is_style(select):
            columns = [
                *labels,
                *glue(
                    elements(
                        self.own(data).rename(columns={self.value: "Coefficient"}),
                        options,
                        self.value,
                    ),
                    str(select),
                ),
            ]
        else:
            columns = [*labels, *self._columns(self.own(data), options)]
        groups: tuple[RowGroup, ...] = (
            RowGroup(columns=tuple(c for c in columns if c.kind == "label" or not c.is_empty)),
        )
        if select is not None and not is_style(select):
            groups = select_columns(groups, select)
        return TableSpec(groups=groups, title=self.title, notes=notes, layout="estimates")

    def _columns(self, data: pd.DataFrame, options: TableOptions) -> list[Column]:
        digits, zap = options.digits, options.zap_small

        def numbers(name: str) -> Column:
            cells = format_numbers(data[name], digits, zap_small=zap)
            return Column(name=self.raw(name), header=name, cells=cells)

        value = numbers(self.value)
        # an estimate that cannot be had is said in its place, not by a blank
        columns = [replace(value, cells=tuple(cell or "NA" for cell in value.cells))]
        if not self.shows_uncertainty:
            return columns
        columns.append(numbers("SE"))
        if self.level is not None:
            cells = format_intervals(
                list(data["CI_low"]), list(data["CI_high"]), options.interval_digits, zap_small=zap
            )
            header = interval_header(self.level)
            columns.append(Column(name=self.raw("CI"), header=header, cells=cells, kind="interval"))
        columns += [numbers(name) for name in self.extra if name in data]
        if self.statistic:
            df = _whole(data["df"])
            statistic = statistic_columns(self.statistic, data[self.statistic], df, options)
            columns += [replace(c, name=self.raw(c.name)) for c in statistic]
        if self.shows_p:
            cells = format_ps(data["p"], options.p_digits)
            columns.append(Column(name=self.raw("p"), header="p", cells=cells, kind="p"))
        return columns


def _whole(df: pd.Series) -> pd.Series:
    """Return finite df; those that are whole but for rounding as whole numbers."""
    values = np.where(np.isfinite(df), df, np.nan)
    nearest = np.round(values)
    # degrees of freedom count: they have no unit
    return pd.Series(np.where(np.abs(values - nearest) < 1e-4, nearest, values), name=df.name)


def label_column(name: str, values: pd.Series, options: TableOptions) -> Column:
    """Return a column that says what a row is about: numbers right, levels left."""
    if pd.api.types.is_bool_dtype(values) or not pd.api.types.is_numeric_dtype(values):
        cells = tuple("" if v is None else level_label(v) for v in values)
        return Column(name=name, header=name, cells=cells, kind="label")
    cells = format_counts(values, options.digits, zap_small=options.zap_small)
    return Column(name=name, header=name, cells=cells)


def beside(
    labels: Mapping[str, object], numbers: Mapping[str, object]
) -> tuple[pd.DataFrame, Names]:
    """Return a frame of labels and numbers, and what the numbers' columns are called in it.

    Parameters
    ----------
    labels : mapping
        Columns of the data: they keep their names.
    numbers : mapping
        The table's own columns.
    """
    names = own_names(labels, [*numbers, "CI"])
    frame = pd.DataFrame({**labels, **{names[name]: v for name, v in numbers.items()}})
    return frame, names


def inference_columns(result: Inference, value: str, *, p: bool) -> dict[str, Any]:
    """Return the raw columns of estimates: value, SE, bounds, statistic, df and p."""
    columns = {
        value: result.estimate,
        "SE": result.se,
        "CI_low": result.low,
        "CI_high": result.high,
        result.symbol: result.statistic,
        "df": result.df,
    }
    if p:
        columns["p"] = result.p
    return columns


def grid_columns(grid: pd.DataFrame) -> dict[str, Any]:
    """Return the focal columns as numbers or categoricals in their order."""
    columns: dict[str, object] = {}
    for name in grid.columns:
        values = grid[name]
        first = values.iloc[0] if len(values) else 0.0
        # whole numbers here are levels of a factor that the formula or a bar makes
        if isinstance(first, (float, np.floating)):
            columns[str(name)] = np.asarray(values, dtype=np.float64)
        else:
            columns[str(name)] = ordered_labels([level_label(v) for v in values])
    return columns


def repeated_columns(grid: pd.DataFrame, focal: Sequence[Focal], times: int) -> dict[str, Any]:
    """Return the columns of some focal variables, every row of the grid so many times."""
    rows = np.repeat(np.arange(len(grid)), times)
    return grid_columns(grid[[f.name for f in focal]].iloc[rows])


def ordered_labels(labels: Iterable[str]) -> Any:
    """Return labels as a categorical in order of appearance."""
    texts = list(labels)
    return pd.Categorical(texts, categories=list(dict.fromkeys(texts)))
