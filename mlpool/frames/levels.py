"""One column as R sees it: numeric, logical, factor or ordered factor, with its levels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from mlpool.errors import DataError, OptionError, brief
from mlpool.frames.level_labels import Names, kind_of, name_values, same_number
from mlpool.frames.level_labels import level_label as level_label
from mlpool.typing import AnyArray, BoolArray, IntArray

if TYPE_CHECKING:
    from mlpool.typing import ValueArray

Kind = Literal["numeric", "boolean", "factor", "ordered"]

_SMALL_RANGE = 8
"""A table of codes is used where integer keys span at most this many times the row count."""

LARGEST_EXACT = 2**53
"""Whole numbers beyond this are not all told apart as floats."""

LOGICAL = Names(labels=("FALSE", "TRUE"), kinds=("logical",))
"""What logical values are called."""

_FIRST = ("logical", "number", "text")
"""In this order kinds of values are sorted where a column has several; others come after."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of the data.

    Attributes
    ----------
    name : str
    kind : {"numeric", "boolean", "factor", "ordered"}
    values : ndarray of shape (n,)
        Numbers (a view of the user's array where possible), or codes with -1 for missing.
    levels : tuple of str
        Labels as R prints them; empty unless the column is a factor.
    is_missing : ndarray of bool or None
        None when nothing is missing.
    exact : tuple of str
        What only each level may be called, as in :class:`Names`; empty where `levels` are it.
    kinds : tuple of str
        Type of each level, or one for all.
    labelled : Column or None
        The column as a factor, where it holds numbers that are not alike but would be as floats:
        ids of 16 and more digits.
    is_text : bool
        Whether labels came as text, not as categories that somebody declared.
    unit : {"", "D"}
        "D" for dates: days since 1970-01-01, times being parts of days.
    """

    name: str
    kind: Kind
    values: AnyArray
    levels: tuple[str, ...] = ()
    is_missing: BoolArray | None = None
    exact: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ("text",)
    labelled: Column | None = None
    is_text: bool = False
    unit: str = ""

    @property
    def is_factor(self) -> bool:
        """Tell whether `values` are codes of `levels`."""
        return self.kind in ("factor", "ordered")

    def coded(self) -> tuple[IntArray, Names]:
        """Return codes (-1 = missing) and what the levels are called, of any kind of column."""
        if self.labelled is not None:
            return self.labelled.coded()
        if self.is_factor:
            return self.values, Names(labels=self.levels, exact=self.exact, kinds=self.kinds)
        if self.kind == "boolean":
            codes = np.where(np.isnan(self.values), -1, self.values != 0).astype(np.int32)
            return codes, LOGICAL
        return code_names(self.values)


def code_values(values: object) -> tuple[IntArray, tuple[str, ...]]:
    """Return codes and labels of sorted levels, whatever type the values are stored in.

    Numbers sort as numbers, text by code point (R's C locale). NaN and None get code -1. Distinct
    values have distinct labels.
    """
    codes, names = code_names(values)
    return codes, names.labels


def code_names(values: Any) -> tuple[IntArray, Names]:
    """Return codes and sorted levels of an array, with all that the levels may be called."""
    dtype = getattr(values, "dtype", None)
    if getattr(dtype, "kind", "") in "iu" and isinstance(values, np.ndarray) and len(values):
        table = _code_small_range(values)
        if table is not None:
            return table
    if isinstance(values, pd.arrays.NumpyExtensionArray):  # which pandas 2 deprecates here
        values = values.to_numpy()
    if is_object(dtype):
        values = _comparable(np.asarray(values, dtype=object))
    codes, uniques = pd.factorize(values, use_na_sentinel=True)
    known = _as_plain(uniques)
    order = _sorted_order(known)
    rank = np.empty(len(order) + 1, dtype=np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    rank[-1] = -1
    return rank[codes], name_values(known[order])


def is_object(dtype: object) -> bool:
    """Return whether a column's type is that of any Python objects."""
    return isinstance(dtype, np.dtype) and dtype.kind == "O"


def _comparable(values: ValueArray) -> ValueArray:
    """Return objects such that those of two kinds differ: True is not 1, though Python says so."""
    found = pd.api.types.infer_dtype(values, skipna=True)
    if found in ("string", "empty", "bytes"):
        return values
    out = np.empty(len(values), dtype=object)
    for i, (value, is_gap) in enumerate(zip(values, pd.isna(values), strict=True)):
        out[i] = None if is_gap else _keyed(value)
    return out


@dataclass(frozen=True, slots=True)
class _Keyed:
    """A value with its kind, which makes True and 1 differ, and lists comparable."""

    kind: str
    key: object
    value: object = field(compare=False)


def _keyed(value: object) -> _Keyed:
    kind = kind_of(value)
    key = same_number(value) if kind == "number" else value
    try:
        hash(key)
    except TypeError:
        key = repr(value)
    return _Keyed(kind, key, value)


def _as_plain(uniques: Any) -> ValueArray:
    if not is_object(getattr(uniques, "dtype", None)):
        return np.asarray(uniques)
    out = np.empty(len(uniques), dtype=object)
    for i, one in enumerate(uniques):
        out[i] = one.value if isinstance(one, _Keyed) else one
    return out


def _sorted_order(known: ValueArray) -> IntArray:
    """Return the order of distinct values: sorted where they can be, else by kind and label."""
    kinds = {kind_of(v) for v in known} if known.dtype == object else {""}
    if len(kinds) == 1:
        try:
            return np.argsort(known, kind="stable")
        except TypeError:
            pass
    by_kind = {kind: [i for i, v in enumerate(known) if kind_of(v) == kind] for kind in kinds}
    order: list[int] = []
    for kind in sorted(kinds, key=lambda k: (_FIRST.index(k) if k in _FIRST else len(_FIRST), k)):
        at = by_kind[kind]
        if kind == "number":
            at.sort(key=lambda i: float(known[i]))
        else:
            at.sort(key=lambda i: level_label(known[i]))
        order += at
    return np.array(order, dtype=np.int64)


def _code_small_range(values: ValueArray) -> tuple[IntArray, Names] | None:
    """Code integers by a lookup table: one pass, no hashing."""
    low, high = int(values.min()), int(values.max())
    span = high - low + 1
    if span > max(_SMALL_RANGE * len(values), 1024):
        return None
    # differences are made in a type that holds them: int8 cannot hold 100 - (-100)
    wide = np.uint64 if values.dtype == np.uint64 else np.int64
    step = 1 << 20
    seen = np.zeros(span, dtype=bool)
    blocks = [slice(start, start + step) for start in range(0, len(values), step)]

    def places(block: slice) -> IntArray:
        part = values[block]
        return (part.astype(wide) - wide(low)).astype(np.int64) if low else part

    for block in blocks:
        seen[places(block)] = True
    present = np.flatnonzero(seen)
    names = Names(labels=tuple(str(low + i) for i in present.tolist()), kinds=("number",))
    if len(present) == span and low == 0 and values.dtype == np.int32:
        return values, names
    table = np.cumsum(seen, dtype=np.int32) - np.int32(1)
    codes = np.empty(len(values), dtype=np.int32)
    for block in blocks:
        np.take(table, places(block), out=codes[block])
    return codes, names


def drop_unused(codes: IntArray, levels: Sequence[str]) -> tuple[IntArray, tuple[str, ...]]:
    """Return codes and levels without the levels that no row has."""
    counts = np.bincount(codes[codes >= 0], minlength=len(levels)) if len(codes) else np.zeros(0)
    used = np.flatnonzero(counts)
    if len(used) == len(levels):
        return codes, tuple(levels)
    table = np.full(len(levels) + 1, -1, dtype=np.int32)
    table[used] = np.arange(len(used), dtype=np.int32)
    return table[codes], tuple(levels[int(i)] for i in used)


def factor(
    x: object,
    levels: Sequence[object] | None = None,
    labels: Sequence[str] | None = None,
    *,
    ordered: bool = False,
) -> pd.Series:
    """Make a factor as R's ``factor()`` does.

    Parameters
    ----------
    x : Series or array
    levels : sequence, optional
        Values in the order of the levels; values not listed become missing. Default: sorted.
    labels : sequence of str, optional
        Names of the levels.
    ordered : bool
        An ordered factor is coded by polynomial contrasts.

    Returns
    -------
    Series
        Of categorical dtype, on the index of `x`.

    Raises
    ------
    DataError
        If `labels` and `levels` differ in length.

    Examples
    --------
    >>> list(factor([0, 1, 0], levels=[0, 1], labels=["M", "F"]))
    ['M', 'F', 'M']
    """
    for argument, given in (("levels", levels), ("labels", labels)):
        if given is not None and (
            isinstance(given, (str, bytes))
            or not isinstance(given, Iterable)
            or getattr(given, "ndim", 1) == 0  # an array of no length
        ):
            raise OptionError(f"{argument} must be a list of values; got {brief(given)}.")
    if not isinstance(ordered, (bool, np.bool_)):
        raise OptionError(f"ordered must be True or False; got {brief(ordered)}.")
    series = x if isinstance(x, pd.Series) else pd.Series(x)
    known = list(levels) if levels is not None else _sorted_values(series)
    names = list(labels) if labels is not None else known
    if len(names) != len(known):
        raise DataError(f"labels has {len(names)} names for {len(known)} levels.")
    codes = pd.Index(known).get_indexer(pd.Index(series))
    values = pd.Categorical.from_codes(
        codes.tolist(), dtype=pd.CategoricalDtype(pd.Index(names), ordered=ordered)
    )
    return pd.Series(values, index=series.index, name=series.name)


def _sorted_values(series: pd.Series) -> list[object]:
    try:
        return sorted(series.dropna().unique())
    except TypeError:
        raise DataError(
            "factor() cannot sort values of several kinds; give levels=, or turn them into text."
        ) from None
