"""Read whatever the user has - data frame, dict, path - without copying or changing it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import narwhals.stable.v1 as nw
import numpy as np
import pandas as pd

from mlpool.errors import ColumnNotFoundError, DataError, OptionError, brief, nearest_names
from mlpool.frames.columns import order_of_labels, read_column, read_pandas
from mlpool.frames.levels import Column
from mlpool.frames.sources import read_eagerly
from mlpool.typing import AnyArray


class Frame:
    """A user's data: names, a row index, and columns that are read when asked for.

    Attributes
    ----------
    native : object
        The user's own object; a reference, never changed.
    columns : tuple of str
    given : sequence of str
        The same as the data have them, with a byte-order mark where a file had one.
    n_rows : int
    index : pandas.Index
        Row labels of a pandas frame, 0 .. n - 1 otherwise.
    """

    def __init__(
        self,
        native: Any,
        data: nw.DataFrame[Any] | pd.DataFrame,
        names: Sequence[str] | None = None,
    ) -> None:
        self.native = native
        self._data = data
        self.given: Sequence[str] = list(data.columns) if names is None else names
        self.columns: tuple[str, ...] = tuple([c.removeprefix("\ufeff") for c in self.given])
        self.n_rows: int = len(data)
        backend = data if isinstance(data, pd.DataFrame) else nw.to_native(data)
        has_labels = isinstance(backend, pd.DataFrame)
        self.index: pd.Index = backend.index if has_labels else pd.RangeIndex(self.n_rows)
        self._cache: dict[str, Column] = {}
        self._is_part = False

    @property
    def data(self) -> nw.DataFrame[Any]:
        """The data as a narwhals frame: made when asked for, pandas' columns are read without."""
        if isinstance(self._data, pd.DataFrame):
            self._data = nw.from_native(self._data, eager_only=True)
        return self._data

    @property
    def held(self) -> nw.DataFrame[Any] | pd.DataFrame:
        """The data as they are held: of pandas its own frame."""
        return self._data

    @classmethod
    def from_columns(cls, columns: Sequence[Column], index: pd.Index) -> Frame:
        """Return a frame of columns that were read before."""
        native = pd.DataFrame({c.name: _to_series(c, index) for c in columns}, index=index)
        frame = cls(native, native)
        frame._cache, frame._is_part = {c.name: c for c in columns}, True
        return frame

    def __getstate__(self) -> dict[str, object]:
        """Pickle the columns that were read, and no others."""
        columns = [self._cache[name] for name in self.used]
        if isinstance(nw.to_native(self.data), pd.DataFrame):
            kept = Frame.from_columns(columns, self.index).native
        else:
            kept = nw.to_native(self.data[:, [self.columns.index(name) for name in self.used]])
        given = self.native
        if isinstance(given, Mapping):
            named = zip(self.columns, given.items(), strict=True)
            given = {key: value for name, (key, value) in named if name in self._cache}
        elif not isinstance(given, (str, Path)):
            given = kept
        return {"native": given, "data": kept, "columns": columns, "index": self.index}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the columns that were pickled."""
        Frame.__init__(self, state["native"], nw.from_native(state["data"], eager_only=True))
        self.index = state["index"]
        self._cache, self._is_part = {c.name: c for c in state["columns"]}, True

    @property
    def used(self) -> tuple[str, ...]:
        """Names of the columns that were read, in the order of the data."""
        return tuple(name for name in self.columns if name in self._cache)

    def __contains__(self, name: object) -> bool:
        """Tell whether there is a column of that name."""
        return name in self.columns

    def column(self, name: str, *, used_as: str = "") -> Column:
        """Return a column.

        Raises
        ------
        ColumnNotFoundError
            If there is none; the sentence offers the nearest names.
        DataError
            If its type cannot enter a model (dates, lists).
        """
        if not isinstance(name, str):
            role = used_as or "a column"  # type: ignore[unreachable]
            raise OptionError(f"{role} must be the name of a column; got {brief(name)}.")
        if name not in self._cache:
            if name not in self.columns:
                raise ColumnNotFoundError(self._unknown(name, used_as))
            position = self.columns.index(name)
            self._cache[name] = self._read(name, position)
        return self._cache[name]

    def _read(self, name: str, position: int) -> Column:
        data = self._data
        if isinstance(data, pd.DataFrame):
            return read_pandas(name, data[self.given[position]])
        order = order_of_labels(nw.to_native(data), self.given[position])
        return read_column(name, data[:, position], order=order)

    def _unknown(self, name: str, used_as: str) -> str:
        role = f" ({used_as})" if used_as else ""
        hint = nearest_names(name, self.columns)
        blank = [c for c in self.columns if c.strip() == name and c != name]
        if blank:
            hint = f" There is {brief(blank[0])}, with blanks; write `{blank[0]}` in backticks."
        elif not hint:
            shown = ", ".join(self.columns[:12]) + (", ..." if len(self.columns) > 12 else "")
            hint = f" The columns are: {shown}."
        if self._is_part:
            hint = f"{hint} A saved model keeps only the columns that it used."
        return f"There is no column {brief(name)}{role} in the data.{hint}"


def read_frame(data: object) -> Frame:
    """Return a :class:`Frame` of a data frame, a dict of arrays, or a path to a table.

    Parameters
    ----------
    data : DataFrame, Table, relation, stream, mapping, list of mappings, str or Path
        pandas, polars, pyarrow, DuckDB, Ibis, Dask (anything narwhals reads or that gives Arrow
        batches; queries are run into memory), a mapping from names to arrays, rows as dicts, or a
        file: CSV with its separator and decimal comma, Parquet, and what pandas reads by suffix
        (``.dta``, ``.sav``, ``.xlsx``).

    Raises
    ------
    DataError
        If it is none of these, is empty, or names a column twice.
    """
    if isinstance(data, Frame):
        return data
    if data is None:
        raise DataError("data is missing: pass the data frame that holds the formula's columns.")
    native = data
    data = read_eagerly(data)
    if not isinstance(native, (str, Path, Mapping)):
        native = data  # what a query gave, not the query
    if isinstance(data, pd.DataFrame):
        return _frame_of_pandas(native, data)
    if hasattr(data, "column_names"):
        _check_names(data.column_names)
    frame: nw.DataFrame[Any] = nw.from_native(data, eager_only=True)
    _check_names(frame.columns)
    if not frame.columns:
        raise DataError(_EMPTY)
    return Frame(native, frame)


_EMPTY = "The data have no columns."


def _frame_of_pandas(native: object, data: pd.DataFrame) -> Frame:
    given = data.columns.tolist()
    names = [str(c) for c in given]
    _check_names(names)
    if not names:
        raise DataError(_EMPTY)
    is_text = all(isinstance(c, str) for c in given)
    return Frame(native, data if is_text else data.set_axis(names, axis=1), names)


def _check_names(names: list[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise DataError(f"The data have two columns called {brief(name)}; rename one of them.")
        seen.add(name)


def _to_series(column: Column, index: pd.Index) -> pd.Series:
    """Return a column as pandas has it."""
    if column.is_factor:
        dtype = pd.CategoricalDtype(list(column.levels), ordered=column.kind == "ordered")
        return pd.Series(pd.Categorical.from_codes(column.values.tolist(), dtype=dtype), index)
    if column.labelled is not None:
        return pd.Series(_exact_numbers(column.labelled), index)
    if column.kind == "numeric":
        return pd.Series(column.values, index, copy=False)
    values = pd.array(column.values != 0, dtype="boolean")
    if column.is_missing is not None:
        values[column.is_missing] = pd.NA
    return pd.Series(values, index)


def _exact_numbers(column: Column) -> AnyArray:
    """Return numbers that floats cannot hold as Python's own."""
    numbers: list[object] = [None] * (len(column.levels) + 1)
    for place, label in enumerate(column.levels):
        number = Decimal(label)
        numbers[place] = int(number) if number == number.to_integral_value() else number
    out = np.empty(len(column.values), dtype=object)
    out[:] = [numbers[code] for code in column.values]
    return out
