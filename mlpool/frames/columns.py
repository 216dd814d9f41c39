"""One series of any data-frame library as a :class:`Column`."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC
from typing import TYPE_CHECKING, Any, Literal

import narwhals.stable.v1 as nw
import numpy as np
import pandas as pd

from mlpool.errors import DataError, brief
from mlpool.frames.level_labels import Names, level_label, name_values
from mlpool.frames.levels import LARGEST_EXACT, Column, Kind, code_names
from mlpool.typing import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    from mlpool.typing import ValueArray

LabelOrder = Literal["sorted", "given", "ordered"]
"""Of an Arrow dictionary: no order, that of levels, that of an ordered factor."""

ORDERED_KEY = b"mlpool_ordered"
"""Metadata of a table made here: names of columns whose dictionaries are in a meant order."""


def read_column(name: str, series: nw.Series[Any], *, order: LabelOrder = "given") -> Column:
    """Return a column of numbers, logicals or labels.

    Parameters
    ----------
    name : str
    series : narwhals Series
    order : {"sorted", "given", "ordered"}
        What the order of an Arrow dictionary says; see :func:`order_of_labels`.

    Raises
    ------
    DataError
        If its type cannot enter a model (lists, complex numbers).
    """
    series = _in_native_order(series)
    dtype = series.dtype
    stored = getattr(nw.to_native(series), "dtype", None)
    if dtype == nw.Decimal or dtype == getattr(nw, "Binary", None):
        return _objects(name, np.array(series.to_list(), dtype=object))
    if dtype.is_numeric() or (isinstance(stored, np.dtype) and stored.kind == "f"):
        return _numeric(name, series)
    if dtype == nw.Boolean:
        return _boolean(name, series)
    if dtype in (nw.Categorical, nw.Enum):
        return _categorical(name, series, order)
    if dtype in (nw.String, nw.Object, nw.Unknown):
        return _text(name, series)
    if dtype in (nw.Date, nw.Datetime, nw.Duration):
        return _days(name, series, is_date=dtype != nw.Duration)
    raise DataError(
        f"Column {brief(name)} has type {dtype}, which a model cannot use; turn it into numbers "
        "or text first."
    )


def read_pandas(name: str, series: pd.Series) -> Column:
    """Return a column of a pandas frame: NumPy's own numbers as they are.

    Raises
    ------
    DataError
        As :func:`read_column`.
    """
    stored = series.dtype
    if isinstance(stored, np.dtype) and stored.kind in "fiu" and stored.isnative:
        return _numbers(name, series.to_numpy(copy=False))
    return read_column(name, nw.from_native(series, series_only=True))


def _in_native_order(series: nw.Series[Any]) -> nw.Series[Any]:
    """Return numbers whose bytes are in the order of the machine (FITS files have another)."""
    native = nw.to_native(series)
    stored = getattr(native, "dtype", None)
    if not isinstance(stored, np.dtype) or stored.isnative:
        return series
    values = native.to_numpy().astype(stored.newbyteorder("="))
    return nw.from_native(pd.Series(values, name=native.name), series_only=True)


def _boolean(name: str, series: nw.Series[Any]) -> Column:
    mask = np.asarray(series.is_null().to_numpy(), dtype=bool)
    missing = mask if mask.any() else None
    filled = series.fill_null(False) if missing is not None else series
    values = filled.to_numpy().astype(np.float64)
    if missing is not None:
        values[missing] = np.nan
    return Column(name=name, kind="boolean", values=values, is_missing=missing)


def _numeric(name: str, series: nw.Series[Any]) -> Column:
    native = nw.to_native(series)
    if isinstance(native, pd.Series) and isinstance(native.dtype, np.dtype):
        return _numbers(name, native.to_numpy(copy=False))
    missing = np.asarray(series.is_null().to_numpy(), dtype=bool)
    if not missing.any():
        return _numbers(name, series.to_numpy())
    # not by a cast to floats, in which long ids become one, and which pyarrow refuses
    present = series.drop_nulls().to_numpy()
    values = np.full(len(missing), np.nan)
    values[~missing] = present
    return _numbers(name, values, present=present, missing=missing)


def _numbers(
    name: str,
    values: ValueArray,
    *,
    present: ValueArray | None = None,
    missing: BoolArray | None = None,
) -> Column:
    if values.dtype.kind not in "fiu":
        values = values.astype(np.float64)
    mask = None
    if values.dtype.kind == "f" and np.isnan(np.min(values, initial=0.0)):
        mask = np.isnan(values)
    labelled = None
    whole = values if present is None else present
    if whole.dtype.kind in "iu" and len(whole) and _is_long(whole):
        codes, names = code_names(whole)
        if missing is not None:
            spread = np.full(len(missing), -1, dtype=np.int32)
            spread[~missing] = codes
            codes = spread
        labelled = _factor(name, codes, names)
    return Column(name=name, kind="numeric", values=values, is_missing=mask, labelled=labelled)


def _is_long(whole: IntArray) -> bool:
    return int(whole.max()) > LARGEST_EXACT or int(whole.min()) < -LARGEST_EXACT


def _categorical(name: str, series: nw.Series[Any], order: LabelOrder) -> Column:
    native = nw.to_native(series)
    if isinstance(native, pd.Series) and not hasattr(native, "cat"):
        import pyarrow  # pandas keeps Arrow's dictionaries without its own categories

        return _dictionary(name, pyarrow.chunked_array([pyarrow.array(native.array)]), "sorted")
    if isinstance(native, pd.Series):
        kind: Kind = "ordered" if native.cat.ordered else "factor"
        codes = native.cat.codes.to_numpy().astype(np.int32, copy=False)
        return _factor(name, codes, name_values(_objects_of(native.cat.categories)), kind)
    if hasattr(native, "combine_chunks"):
        return _dictionary(name, native, order)
    labels = series.to_list()
    if series.dtype == nw.Categorical:  # polars' own order is that of appearance anywhere
        known = sorted({v for v in labels if v is not None})
    else:
        known = series.cat.get_categories().to_list()
    return _factor(name, _positions(labels, known), name_values(known))


def _dictionary(name: str, array: Any, order: LabelOrder) -> Column:
    """Return a column of a pyarrow dictionary, whose chunks may number their labels differently."""
    whole = array.unify_dictionaries() if hasattr(array, "unify_dictionaries") else array
    chunks = whole.chunks if hasattr(whole, "chunks") else [whole]
    known = chunks[0].dictionary.to_pylist() if chunks else []
    codes = [c.indices.cast("int32").fill_null(-1).to_numpy(zero_copy_only=False) for c in chunks]
    table = np.array([-1 if v is None else i for i, v in enumerate(known)] + [-1], dtype=np.int32)
    joined = table[np.concatenate(codes)] if codes else np.zeros(0, dtype=np.int32)
    present = [v for v in known if v is not None]
    if len(present) < len(known):
        joined = (np.cumsum([v is not None for v in known] + [False]) - 1)[joined]
    if order == "sorted":
        rank, names = code_names(_object_array(present))
        joined = np.append(rank, np.int32(-1))[joined]
        return _factor(name, joined, names)
    kind: Kind = "ordered" if order == "ordered" else "factor"
    return _factor(name, joined, name_values(present), kind)


def _positions(labels: list[object], known: list[object]) -> IntArray:
    position = {label: i for i, label in enumerate(known)}
    return np.array([-1 if v is None else position[v] for v in labels], dtype=np.int32)


def _objects_of(index: pd.Index) -> ValueArray:
    """Return categories as they are; of numbers and text as an array of these."""
    if isinstance(index.dtype, np.dtype) and index.dtype.kind in "iuf":
        return np.asarray(index)
    return _object_array(list(index))


def _object_array(values: list[object]) -> ValueArray:
    out = np.empty(len(values), dtype=object)
    out[:] = values
    return out


def _text(name: str, series: nw.Series[Any]) -> Column:
    native = nw.to_native(series)
    if isinstance(native, pd.Series):
        if isinstance(native.dtype, pd.SparseDtype):
            dense: object = pd.Series(native.to_numpy())
            return read_column(name, nw.from_native(dense, series_only=True))
        if native.dtype == object:
            return _objects(name, native.to_numpy())
        if getattr(native.dtype, "kind", "") == "c":
            raise _is_complex(name)
        codes, names = code_names(native.array)
        return replace(_factor(name, codes, names), is_text=True)
    values = series.to_numpy()
    if series.dtype == nw.String:
        codes, names = code_names(values)
        return replace(_factor(name, codes, names), is_text=True)
    return _objects(name, np.asarray(values, dtype=object))


def _objects(name: str, values: ValueArray) -> Column:
    """Return a column of Python objects: numbers, logicals, or labels."""
    inferred = pd.api.types.infer_dtype(values, skipna=True)
    mask = np.asarray(pd.isna(values), dtype=bool)
    missing = mask if mask.any() else None
    if inferred in ("integer", "floating", "mixed-integer-float", "decimal"):
        numbers = _as_floats(values, mask)
        codes, names = code_names(values)
        as_floats = [level_label(v) for v in np.unique(numbers[~mask])]
        is_merged = sorted(as_floats) != sorted(names.labels)
        return Column(
            name=name, kind="numeric", values=numbers, is_missing=missing,
            labelled=_factor(name, codes, names) if is_merged else None,
        )  # fmt: skip
    if inferred == "boolean":
        flags = np.full(len(values), np.nan)
        flags[~mask] = values[~mask].astype(bool)
        return Column(name=name, kind="boolean", values=flags, is_missing=missing)
    if inferred in ("date", "datetime"):
        days = np.array(
            [np.datetime64("NaT", "us") if m else v for v, m in zip(values, mask, strict=True)]
        )
        return _in_days(name, days.astype("datetime64[us]"), is_date=True)
    if inferred == "complex":
        raise _is_complex(name)
    if inferred not in ("string", "empty", "mixed", "mixed-integer", "categorical", "bytes"):
        raise DataError(
            f"Column {brief(name)} holds {inferred} values, which a model cannot use; turn it into "
            "numbers or text first."
        )
    codes, names = code_names(values)
    return replace(_factor(name, codes, names), is_text=True)


def _days(name: str, series: nw.Series[Any], *, is_date: bool) -> Column:
    """Return dates in days since 1970-01-01, times as parts of days, durations in days."""
    if is_date and getattr(series.dtype, "time_zone", None) is not None:
        series = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    native: Any = nw.to_native(series)
    values = np.asarray(native.to_numpy())
    if values.dtype.kind not in "mM":
        values = pd.Series(native.to_pandas()).to_numpy()
    return _in_days(name, values.astype("M8[us]" if is_date else "m8[us]"), is_date=is_date)


def _naive(moment: Any) -> Any:
    """Return a date or time without its time zone, by universal time."""
    if getattr(moment, "tzinfo", None) is None:
        return moment
    return moment.astimezone(UTC).replace(tzinfo=None)


def _in_days(name: str, values: ValueArray, *, is_date: bool) -> Column:
    mask = np.isnat(values)
    start = np.datetime64(0, "us") if is_date else np.timedelta64(0, "us")
    numbers = (values - start) / np.timedelta64(1, "D")
    return Column(
        name=name, kind="numeric", values=numbers, is_missing=mask if mask.any() else None,
        unit="D" if is_date else "",
    )  # fmt: skip


def _is_complex(name: str) -> DataError:
    return DataError(
        f"Column {brief(name)} holds complex numbers, which a model cannot use; take their "
        "real and "
        "imaginary parts."
    )


def _as_floats(values: ValueArray, mask: BoolArray) -> FloatArray:
    numbers = np.full(len(values), np.nan)
    numbers[~mask] = [float(v) for v in values[~mask]]
    return numbers


def _factor(name: str, codes: Any, names: Names, kind: Kind = "factor") -> Column:
    mask = codes < 0
    return Column(
        name=name, kind=kind, values=codes, levels=names.labels, exact=names.exact,
        kinds=names.kinds, is_missing=mask if mask.any() else None,
    )  # fmt: skip


def order_of_labels(native: object, name: str) -> LabelOrder:
    """Return what the order of an Arrow column's dictionary says.

    Arrow's own dictionaries are a way of storing text, in order of appearance; those of pandas,
    of polars' Enum and of databases' enumerations were ordered by hand.
    """
    schema: Any = getattr(native, "schema", None)
    if not hasattr(schema, "field"):
        return "given"
    field = schema.field(name)
    if any(b"ENUM" in key for key in (field.metadata or {})):
        return "given"
    if getattr(field.type, "ordered", False):
        return "ordered"
    metadata = schema.metadata or {}
    described = json.loads(metadata.get(b"pandas", b"{}")).get("columns", [])
    is_given = name in json.loads(metadata.get(ORDERED_KEY, b"[]")) or any(
        c.get("field_name") == name and c.get("pandas_type") == "categorical" for c in described
    )
    return "given" if is_given else "sorted"
