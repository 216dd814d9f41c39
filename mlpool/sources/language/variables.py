"""Columns of scanned rows: what kind each is, and its numbers as an expression."""

from __future__ import annotations

from typing import Literal

import narwhals as nw
import pandas as pd

from mlpool.errors import ColumnNotFoundError, DataError, brief, nearest_names
from mlpool.sources.lazy_rows import Answer, Native
from mlpool.sources.scan import Scan

Kind = Literal["number", "logical", "date", "text"]

_SECONDS = 86_400.0
"""Seconds of a day."""


def kind_of(rows: Scan, name: str, *, used_as: str = "") -> Kind:
    """Return what a column holds.

    Raises
    ------
    ColumnNotFoundError
        If there is none; the sentence offers the nearest names.
    DataError
        If its type cannot enter a model.
    """
    if name not in rows.schema:
        role = f" ({used_as})" if used_as else ""
        hint = nearest_names(name, rows.columns)
        if not hint:
            more = ", ..." if len(rows.columns) > 12 else ""
            hint = f" The columns are: {', '.join(rows.columns[:12])}{more}."
        raise ColumnNotFoundError(f"There is no column {brief(name)}{role} in the data.{hint}")
    dtype = rows.schema[name]
    if dtype.is_numeric():
        return "number"
    if dtype == nw.Boolean:
        return "logical"
    if dtype in (nw.Date, nw.Datetime):
        return "date"
    if dtype in (nw.String, nw.Categorical, nw.Enum):
        return "text"
    raise DataError(
        f"Column {brief(name)} has type {dtype}, which a model cannot use; turn it into numbers "
        "or text first."
    )


def numbers_of(rows: Scan, name: str) -> nw.Expr:
    """Return a column's numbers in float64, null where missing: TRUE is 1, dates are days."""
    kind, column = kind_of(rows, name), nw.col(name)
    if kind == "logical":
        return nw.when(column).then(nw.lit(1.0)).otherwise(without(column, nw.lit(0.0)))
    if kind == "date":
        return without(column, days_of(column, has_time=rows.schema[name] == nw.Datetime))
    number = column.cast(nw.Float64)
    return without_nan(number) if rows.schema[name].is_float() else number


def without(column: nw.Expr, value: nw.Expr) -> nw.Expr:
    """Return `value` where `column` has one, else null."""
    return nw.when(~column.is_null()).then(value)


def without_nan(number: nw.Expr) -> nw.Expr:
    """Return numbers with null in place of NaN, so that there is one kind of missing value."""
    return nw.when(~number.is_nan()).then(number)


def key_of(rows: Scan, name: str) -> nw.Expr:
    """Return a column as a key: null where missing, text of categories.

    Raises
    ------
    ColumnNotFoundError
        As :func:`kind_of`; any type may be a key.
    """
    if name not in rows.schema:
        kind_of(rows, name)  # says that there is none
    column = nw.col(name)
    if rows.schema[name].is_float():
        return without_nan(column)
    return column


def days_of(column: nw.Expr, *, has_time: bool) -> nw.Expr:
    """Return days since 1970-01-01 of dates, times being parts of days.

    References
    ----------
    Fliegel & Van Flandern (1968), Comm. ACM 11, 657: day numbers by arithmetic, which every engine
    has; how engines spell differences of dates is nothing they agree on.
    """
    part: dict[str, nw.Expr] = {
        name: getattr(column.dt, name)().cast(nw.Float64) for name in ("year", "month", "day")
    }
    # years that start in March, so that the leap day is the last
    early = nw.when(part["month"] <= 2.0).then(nw.lit(1.0)).otherwise(nw.lit(0.0))
    year, month = part["year"] - early, part["month"] + 12.0 * early - 3.0
    leap = (year / 4.0).floor() - (year / 100.0).floor() + (year / 400.0).floor()
    days: nw.Expr = 365.0 * year + leap + ((153.0 * month + 2.0) / 5.0).floor() + part["day"] - 1.0
    days = days - 719_468.0
    if not has_time:
        return days
    hours, minutes, seconds = (
        getattr(column.dt, name)().cast(nw.Float64) for name in ("hour", "minute", "second")
    )
    fraction = column.dt.microsecond().cast(nw.Float64) / 1e6
    part_of_day: nw.Expr = (3600.0 * hours + 60.0 * minutes + seconds + fraction) / _SECONDS
    return days + part_of_day


def keys_frame(keys: Answer, rows: Scan) -> Native:
    """Return the keys as a frame; enumerations keep their order, which Arrow does not tell."""
    enumerated = [c for c in keys.columns if rows.schema[c] == nw.Enum]
    if not enumerated:
        return keys.to_native()
    columns: dict[str, Native] = {c: keys[c].to_list() for c in keys.columns}
    for name in enumerated:
        kind = rows.schema[name]
        assert isinstance(kind, nw.Enum)
        categories = list(kind.categories)
        columns[name] = pd.Categorical(columns[name], categories=categories)
    return pd.DataFrame(columns)
