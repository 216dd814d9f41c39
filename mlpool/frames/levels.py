"""One column as R sees it: numeric, logical, factor or ordered factor, with its levels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from mlpool.errors import DataError
from mlpool.typing import AnyArray, BoolArray, IntArray

Kind = Literal["numeric", "boolean", "factor", "ordered"]

_SMALL_RANGE = 8
"""A table of codes is used where integer keys span at most this many times the row count."""


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
    """

    name: str
    kind: Kind
    values: AnyArray
    levels: tuple[str, ...] = ()
    is_missing: BoolArray | None = None

    @property
    def is_factor(self) -> bool:
        """Tell whether `values` are codes of `levels`."""
        return self.kind in ("factor", "ordered")


def level_label(value: object) -> str:
    """Return a level as R prints it: ``1`` for 1.0, ``TRUE`` for True."""
    if isinstance(value, (bool, np.bool_)):
        return "TRUE" if value else "FALSE"
    if isinstance(value, (float, np.floating)):
        return f"{value:.15g}"
    return str(value)


def code_values(values: np.ndarray[Any, Any]) -> tuple[IntArray, tuple[str, ...]]:
    """Return codes and sorted levels of an array without regard to how it is stored.

    Numbers sort as numbers, text by code point (R's C locale). NaN and None get code -1.
    """
    if values.dtype.kind in "iu" and len(values):
        table = _code_small_range(values)
        if table is not None:
            return table
    codes, uniques = pd.factorize(values, use_na_sentinel=True)
    unique_array = np.asarray(uniques)
    try:
        order = np.argsort(unique_array, kind="stable")
    except TypeError:
        order = np.argsort(np.array([str(u) for u in unique_array]), kind="stable")
    rank = np.empty(len(order) + 1, dtype=np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    rank[-1] = -1
    return rank[codes], tuple(level_label(unique_array[i]) for i in order)


def _code_small_range(values: np.ndarray[Any, Any]) -> tuple[IntArray, tuple[str, ...]] | None:
    """Code integers by a lookup table: one pass, no hashing."""
    low, high = int(values.min()), int(values.max())
    span = high - low + 1
    if span > max(_SMALL_RANGE * len(values), 1024):
        return None
    seen = np.zeros(span, dtype=bool)
    seen[values - low if low else values] = True
    present = np.flatnonzero(seen)
    labels = tuple(map(str, (present + low).tolist()))
    if len(present) == span and low == 0 and values.dtype == np.int32:
        return values, labels
    table = np.cumsum(seen, dtype=np.int32) - np.int32(1)
    codes = np.empty(len(values), dtype=np.int32)
    step = 1 << 20
    for start in range(0, len(values), step):
        block = values[start : start + step]
        np.take(table, block - low if low else block, out=codes[start : start + step])
    return codes, labels


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
    x: Any,
    levels: Sequence[Any] | None = None,
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
    series = x if isinstance(x, pd.Series) else pd.Series(x)
    known = list(levels) if levels is not None else sorted(series.dropna().unique())
    names = list(labels) if labels is not None else known
    if len(names) != len(known):
        raise DataError(f"labels has {len(names)} names for {len(known)} levels.")
    codes = pd.Index(known).get_indexer(pd.Index(series))
    values = pd.Categorical.from_codes(
        codes.tolist(), dtype=pd.CategoricalDtype(pd.Index(names), ordered=ordered)
    )
    return pd.Series(values, index=series.index, name=series.name)
