"""What a user may hand over - frames, queries, streams, dicts, rows - as an eager data frame."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import narwhals as nw_newest
import narwhals.stable.v1 as nw
import numpy as np
import pandas as pd

from mlpool.errors import DataError, brief
from mlpool.frames.columns import ORDERED_KEY
from mlpool.frames.files import read_path
from mlpool.frames.levels import LARGEST_EXACT

_READABLE = (
    "a data frame (pandas, polars, pyarrow, DuckDB, Ibis, Dask), a dict of arrays, a list of dicts "
    "or a path"
)


def read_eagerly(data: Any) -> Any:
    """Return a pandas, polars or pyarrow frame (or another that narwhals reads) of what was given.

    Raises
    ------
    DataError
        If it is nothing of the kind, or a query that cannot be run.
    """
    if isinstance(data, (str, Path)):
        return read_path(data)
    if isinstance(data, Mapping):
        return _from_mapping(data)
    if isinstance(data, (list, tuple)):
        return _from_rows(data)
    if isinstance(data, pd.Series):
        raise DataError(
            "data must be a data frame; a Series is one column, or one row: write d[['x']] or "
            "d.iloc[[0]], which are frames."
        )
    if isinstance(data, np.ndarray) and data.dtype.names:
        return pd.DataFrame.from_records(data)
    if type(data).__name__ == "RecordBatch" and hasattr(data, "to_struct_array"):
        import pyarrow

        return pyarrow.Table.from_batches([data])
    is_arrow = hasattr(data, "combine_chunks") and hasattr(data, "column_names")
    if is_arrow or isinstance(data, pd.DataFrame):
        return data
    try:
        nw.from_native(data, eager_only=True)
    except TypeError:
        return _from_query(data)
    return data


def _from_query(data: Any) -> Any:
    """Return the rows of a lazy frame, a database's relation, or a stream of Arrow batches."""
    try:
        if hasattr(data, "compute") and hasattr(data, "npartitions"):  # Dask
            return data.compute()
        if hasattr(data, "collect") and type(data).__name__ == "LazyFrame":  # polars
            return data.collect()
        if hasattr(data, "get_fragments") and hasattr(data, "to_table"):  # a pyarrow Dataset
            return data.to_table()
        ordered = _ordered_columns(data)
        if hasattr(data, "__arrow_c_stream__"):
            return _with_order(_from_stream(data), ordered)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            lazy = nw_newest.from_native(data)
        return _with_order(lazy.collect().to_native(), ordered)
    except (TypeError, AttributeError):
        said = getattr(data, "not_in_memory", f"data must be {_READABLE}; got {brief(data)}.")
        raise DataError(said) from None
    except DataError:
        raise
    except Exception as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"The {type(data).__name__} cannot be read: {first}") from None


def _from_stream(data: Any) -> Any:
    try:
        import pyarrow
    except ImportError:
        try:
            import polars
        except ImportError:
            raise DataError(
                f"Reading a {type(data).__name__} needs pyarrow or polars: pip install pyarrow."
            ) from None
        return polars.DataFrame(data)
    if hasattr(data, "read_all"):
        return data.read_all()
    return pyarrow.RecordBatchReader.from_stream(data).read_all()


def _ordered_columns(data: object) -> list[str]:
    """Return the columns that are enumerations in a database: their order is meant."""
    names = getattr(data, "columns", None)
    types = getattr(data, "types", None)
    if not isinstance(names, list) or types is None:
        return []
    return [n for n, t in zip(names, types, strict=False) if str(t).startswith("ENUM")]


def _with_order(table: Any, ordered: list[str]) -> Any:
    if not ordered or not hasattr(table, "replace_schema_metadata"):
        return table
    kept = dict(table.schema.metadata or {})
    return table.replace_schema_metadata({**kept, ORDERED_KEY: json.dumps(ordered).encode()})


def _from_rows(rows: Any) -> pd.DataFrame:
    if not rows:
        raise DataError("The list of rows is empty.")
    if not all(isinstance(row, Mapping) for row in rows):
        raise DataError(f"data must be {_READABLE}; got {brief(rows)} of other things.")
    names = dict.fromkeys(str(name) for row in rows for name in row)
    plain = [{str(k): v for k, v in row.items()} for row in rows]
    return pd.DataFrame({n: as_series([row.get(n) for row in plain]) for n in names})


def _from_mapping(data: Mapping[object, object]) -> pd.DataFrame:
    if data and all(isinstance(v, str) or np.isscalar(v) for v in data.values()):
        data = {k: [v] for k, v in data.items()}  # one row
    sizes = {str(k): _length(v) for k, v in data.items()}
    if None in sizes.values() or len(set(sizes.values())) > 1:
        shown = ", ".join(f"{k}: {'no array' if n is None else n}" for k, n in sizes.items())
        raise DataError(f"The dict's values must be arrays of one length; got lengths {shown}.")
    index = _common_index(data)
    series = {
        str(k): _in_order_of(index, v, str(k)) if isinstance(v, pd.Series) else _plain(v, index)
        for k, v in data.items()
    }
    return pd.DataFrame(series, index=index, copy=False)


def _common_index(data: Mapping[object, object]) -> pd.Index | None:
    """Return the row labels of the dict's first Series; None without any."""
    return next((v.index for v in data.values() if isinstance(v, pd.Series)), None)


def _in_order_of(index: pd.Index | None, series: pd.Series, name: str) -> pd.Series:
    """Return a dict's Series in the order of the first one's row labels."""
    if index is None or series.index.equals(index):
        return series
    if series.index.is_unique and index.is_unique and series.index.isin(index).all():
        return series.reindex(index)
    raise DataError(
        f"The dict's Series {brief(name)} has other row labels than its first Series; make "
        "a data frame "
        "of them, or give arrays."
    )


def _plain(values: object, index: pd.Index | None) -> pd.Series:
    series = as_series(values)
    return series if index is None else series.set_axis(index)


def _length(values: object) -> int | None:
    """Return the length of what can be a column, None of anything else."""
    if isinstance(values, (str, bytes)) or not hasattr(values, "__len__"):
        return None
    if isinstance(values, (list, tuple)):
        has_parts = any(isinstance(v, (list, dict, np.ndarray)) for v in values)
        return None if has_parts else len(values)
    return len(values) if getattr(values, "ndim", 1) == 1 else None


def as_series(values: Any) -> pd.Series:
    """Return a column of a dict; a polars Series or pyarrow array as pandas has it."""
    if isinstance(values, pd.Series):
        return values
    if isinstance(values, (list, tuple)):
        return _from_list(values)
    if isinstance(values, (np.ndarray, pd.api.extensions.ExtensionArray, pd.Index)):
        return pd.Series(values, copy=False)
    if hasattr(values, "to_pandas"):
        return _from_list(values.to_list()) if _has_gaps(values) else values.to_pandas()
    return pd.Series(values, copy=False)


def _has_gaps(values: object) -> bool:
    return bool(getattr(values, "null_count", 0))


def _from_list(values: Any) -> pd.Series:
    values = list(values)
    if any(isinstance(v, tuple) for v in values):
        out = np.empty(len(values), dtype=object)
        out[:] = values
        return pd.Series(out)
    series = pd.Series(values, copy=False)
    if series.dtype == np.float64 and len(series) and series.abs().max() > LARGEST_EXACT:
        return pd.Series(values, dtype=object)  # long ids beside a None, which floats would merge
    return series
