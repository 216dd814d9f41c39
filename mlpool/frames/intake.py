"""Read whatever the user has - data frame, dict, path - without copying or changing it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import narwhals.stable.v1 as nw
import numpy as np
import pandas as pd

from mlpool.errors import ColumnNotFoundError, DataError, nearest_names
from mlpool.frames.levels import Column, Kind, code_values, level_label
from mlpool.typing import BoolArray

_MISSING_WORDS = ("NA", "")
"""What R writes for a missing value; the word None is a level like any other."""


class Frame:
    """A user's data: names, a row index, and columns that are read when asked for.

    Attributes
    ----------
    native : object
        The user's own object; a reference, never changed.
    columns : tuple of str
    n_rows : int
    index : pandas.Index
        Row labels of a pandas frame, 0 .. n - 1 otherwise.
    """

    def __init__(self, native: Any, data: nw.DataFrame[Any]) -> None:
        self.native = native
        self._data = data
        self.columns: tuple[str, ...] = tuple(c.removeprefix("\ufeff") for c in data.columns)
        self.n_rows: int = len(data)
        backend = nw.to_native(data)
        is_pandas = isinstance(backend, pd.DataFrame)
        self.index: pd.Index = backend.index if is_pandas else pd.RangeIndex(self.n_rows)
        self._cache: dict[str, Column] = {}
        self._is_part = False

    @property
    def data(self) -> nw.DataFrame[Any]:
        """The data as a narwhals frame."""
        return self._data

    @classmethod
    def from_columns(cls, columns: Sequence[Column], index: pd.Index) -> Frame:
        """Return a frame of columns that were read before."""
        native = pd.DataFrame({c.name: _to_series(c, index) for c in columns}, index=index)
        frame = cls(native, nw.from_native(native, eager_only=True))
        frame._cache, frame._is_part = {c.name: c for c in columns}, True
        return frame

    def __getstate__(self) -> dict[str, Any]:
        """Pickle the columns that were read, and no others."""
        columns = [self._cache[name] for name in self.used]
        native = nw.to_native(self._data)
        if isinstance(native, pd.DataFrame):
            kept = Frame.from_columns(columns, self.index).native
        else:
            kept = nw.to_native(self._data[:, [self.columns.index(name) for name in self.used]])
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
        if name not in self._cache:
            if name not in self.columns:
                raise ColumnNotFoundError(self._unknown(name, used_as))
            position = self.columns.index(name)
            self._cache[name] = _read_column(name, self._data[:, position])
        return self._cache[name]

    def _unknown(self, name: str, used_as: str) -> str:
        role = f" ({used_as})" if used_as else ""
        hint = nearest_names(name, self.columns)
        blank = [c for c in self.columns if c.strip() == name and c != name]
        if blank:
            hint = f" There is {blank[0]!r}, with blanks; write `{blank[0]}` in backticks."
        elif not hint:
            shown = ", ".join(self.columns[:12]) + (", ..." if len(self.columns) > 12 else "")
            hint = f" The columns are: {shown}."
        if self._is_part:
            hint = f"{hint} A saved model keeps only the columns that it used."
        return f"There is no column {name!r}{role} in the data.{hint}"


def read_frame(data: Any) -> Frame:
    """Return a :class:`Frame` of a data frame, a dict of arrays, or a path to CSV or Parquet.

    Parameters
    ----------
    data : DataFrame, Table, mapping, str or Path
        pandas, polars, pyarrow (anything narwhals reads), a mapping from names to arrays, or a
        file ending in ``.csv``, ``.csv.gz``, ``.tsv`` or ``.parquet``.

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
    if isinstance(data, (str, Path)):
        data = _read_path(Path(data))
    if isinstance(data, Mapping):
        data = _from_mapping(data)
    if isinstance(data, pd.DataFrame):
        _check_names([str(c) for c in data.columns])
        if not all(isinstance(c, str) for c in data.columns):
            data = data.set_axis([str(c) for c in data.columns], axis=1)
    frame = _to_narwhals(data)
    _check_names(frame.columns)
    if not frame.columns:
        raise DataError("The data have no columns.")
    return Frame(native, frame)


def _to_narwhals(data: Any) -> nw.DataFrame[Any]:
    if type(data).__name__ == "LazyFrame" and hasattr(data, "collect"):
        data = data.collect()
    try:
        frame: nw.DataFrame[Any] = nw.from_native(data, eager_only=True)
    except TypeError:
        kind = type(data).__name__
        raise DataError(
            "data must be a data frame (pandas, polars, pyarrow), a dict of arrays or a "
            f"path; got {kind}."
        ) from None
    return frame


def _check_names(names: list[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise DataError(f"The data have two columns called {name!r}; rename one of them.")
        seen.add(name)


def _from_mapping(data: Mapping[Any, Any]) -> pd.DataFrame:
    lengths = {str(k): np.ndim(v) and len(v) for k, v in data.items()}
    if any(np.ndim(v) != 1 for v in data.values()) or len(set(lengths.values())) > 1:
        shown = ", ".join(f"{k}: {n}" for k, n in lengths.items())
        raise DataError(f"The dict's values must be arrays of one length; got lengths {shown}.")
    series = {
        str(k): v if isinstance(v, pd.Series) else pd.Series(v, copy=False) for k, v in data.items()
    }
    return pd.DataFrame({k: s.reset_index(drop=True) for k, s in series.items()}, copy=False)


def _read_path(path: Path) -> pd.DataFrame:
    if not path.exists():
        raise DataError(f"There is no file {str(path)!r}.")
    if path.is_dir():
        raise DataError(f"{str(path)!r} is a folder; name a CSV or Parquet file.")
    if path.stat().st_size == 0:
        raise DataError(f"The file {str(path)!r} is empty.")
    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(path)
        return pd.read_csv(
            path,
            sep="\t" if ".tsv" in path.suffixes else ",",
            encoding="utf-8-sig",
            keep_default_na=False,
            na_values=list(_MISSING_WORDS),
        )
    except pd.errors.EmptyDataError:
        raise DataError(f"The file {str(path)!r} is empty.") from None
    except ImportError:
        raise DataError("Reading Parquet needs pyarrow: pip install pyarrow.") from None
    except (pd.errors.ParserError, UnicodeDecodeError, OSError, ValueError) as error:
        first = str(error).splitlines()[0]
        raise DataError(f"The file {str(path)!r} cannot be read as a table: {first}") from None


def _read_column(name: str, series: nw.Series[Any]) -> Column:
    dtype = series.dtype
    if dtype.is_numeric():
        return _numeric(name, series)
    if dtype == nw.Boolean:
        missing = _missing_mask(series)
        filled = series.fill_null(False) if missing is not None else series
        values = filled.to_numpy().astype(np.float64)
        if missing is not None:
            values[missing] = np.nan
        return Column(name=name, kind="boolean", values=values, is_missing=missing)
    if dtype in (nw.Categorical, nw.Enum):
        return _categorical(name, series)
    if dtype in (nw.String, nw.Object, nw.Unknown):
        return _text(name, series)
    raise DataError(
        f"Column {name!r} has type {dtype}, which a model cannot use; turn it into numbers "
        "or text first."
    )


def _numeric(name: str, series: nw.Series[Any]) -> Column:
    native = nw.to_native(series)
    if isinstance(native, pd.Series) and isinstance(native.dtype, np.dtype):
        values = native.to_numpy(copy=False)
    else:
        missing = series.is_null().to_numpy()
        if np.asarray(missing).any():
            values = series.cast(nw.Float64).to_numpy()
        else:
            values = series.to_numpy()
    if values.dtype.kind not in "fiu":
        values = values.astype(np.float64)
    mask: BoolArray | None = None
    if values.dtype.kind == "f" and np.isnan(np.min(values, initial=0.0)):
        mask = np.isnan(values)
    return Column(name=name, kind="numeric", values=values, is_missing=mask)


def _categorical(name: str, series: nw.Series[Any]) -> Column:
    native = nw.to_native(series)
    if not isinstance(native, pd.Series):
        is_ordered = bool(getattr(getattr(native, "type", None), "ordered", False))
        levels_known = _categories(series, native)
        native = pd.Series(
            pd.Categorical(series.to_list(), categories=levels_known, ordered=is_ordered)
        )
    kind: Kind = "ordered" if native.cat.ordered else "factor"
    levels = tuple(level_label(c) for c in native.cat.categories)
    codes = native.cat.codes.to_numpy().astype(np.int32, copy=False)
    return _factor(name, codes, levels, kind)


def _categories(series: nw.Series[Any], native: Any) -> list[Any]:
    """Return levels in the user's order; a polars Categorical has none: they are sorted."""
    if hasattr(native, "combine_chunks"):  # a pyarrow dictionary keeps its order
        chunk = native.combine_chunks()
        chunk = chunk.chunk(0) if hasattr(chunk, "chunk") else chunk
        return list(chunk.dictionary.to_pylist())
    categories = series.cat.get_categories().to_list()
    return sorted(categories) if series.dtype == nw.Categorical else categories


def _text(name: str, series: nw.Series[Any]) -> Column:
    native = nw.to_native(series)
    if isinstance(native, pd.Series) and native.dtype == object:
        return _object(name, native)
    codes, levels = code_values(
        native.array if isinstance(native, pd.Series) else series.to_numpy()  # type: ignore[arg-type]
    )
    return _factor(name, codes, levels)


def _object(name: str, series: pd.Series) -> Column:
    inferred = pd.api.types.infer_dtype(series, skipna=True)
    if inferred in ("integer", "floating", "mixed-integer-float", "decimal"):
        values = pd.to_numeric(series).to_numpy(dtype=np.float64)
        mask = np.isnan(values)
        return Column(
            name=name, kind="numeric", values=values, is_missing=mask if mask.any() else None
        )
    if inferred == "boolean":
        mask = series.isna().to_numpy()
        values = np.where(mask, np.nan, series.eq(True).to_numpy())
        return Column(
            name=name, kind="boolean", values=values, is_missing=mask if mask.any() else None
        )
    if inferred not in ("string", "empty", "mixed", "mixed-integer", "categorical"):
        raise DataError(
            f"Column {name!r} holds {inferred} values, which a model cannot use; turn it into "
            "numbers or text first."
        )
    mask = series.isna().to_numpy()
    text = series.map(level_label).to_numpy(dtype=object)
    text[mask] = None
    codes, levels = code_values(text)
    return _factor(name, codes, levels)


def _factor(name: str, codes: Any, levels: tuple[str, ...], kind: Kind = "factor") -> Column:
    mask = codes < 0
    return Column(
        name=name, kind=kind, values=codes, levels=levels, is_missing=mask if mask.any() else None
    )


def _to_series(column: Column, index: pd.Index) -> pd.Series:
    """Return a column as pandas has it."""
    if column.is_factor:
        dtype = pd.CategoricalDtype(list(column.levels), ordered=column.kind == "ordered")
        return pd.Series(pd.Categorical.from_codes(column.values.tolist(), dtype=dtype), index)
    if column.kind == "numeric":
        return pd.Series(column.values, index, copy=False)
    values = pd.array(column.values != 0, dtype="boolean")
    if column.is_missing is not None:
        values[column.is_missing] = pd.NA
    return pd.Series(values, index)


def _missing_mask(series: nw.Series[Any]) -> BoolArray | None:
    mask = np.asarray(series.is_null().to_numpy(), dtype=bool)
    return mask if mask.any() else None
