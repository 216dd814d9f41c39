"""What an expression evaluates to: numbers, logicals, a factor, or several columns."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mlpool.formula.types import ColumnKind
from mlpool.frames import Column
from mlpool.frames.levels import drop_unused
from mlpool.typing import AnyArray, BoolArray, IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberValue:
    """One column of numbers (a view of the user's array for a bare name).

    `is_logical` marks TRUE/FALSE, which a term codes as a factor (``xTRUE``); `unit` is "D" for
    dates, in days since 1970-01-01. `labelled` is the same column as a factor where floats would
    merge its numbers (ids of 16 and more digits).
    """

    array: AnyArray
    is_logical: bool = False
    unit: str = ""
    labelled: FactorValue | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorValue:
    """Codes (-1 = missing) of labelled levels, with the contrasts asked for by ``C()``.

    `is_text` marks a column of text, which R keeps apart from factors. `exact` and `kinds` are
    what only each level may be called, as in :class:`Names`.
    """

    codes: IntArray
    levels: tuple[str, ...]
    is_ordered: bool = False
    contrast: str | None = None
    base: int = 1
    is_text: bool = False
    exact: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ("text",)


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixValue:
    """Several columns with labels (``poly``, ``bs``, ``cbind``)."""

    arrays: tuple[AnyArray, ...]
    labels: tuple[str, ...]
    kind: ColumnKind


Value = NumberValue | FactorValue | MatrixValue


def is_plain_number(value: object) -> bool:
    """Tell whether a value is a constant number (TRUE is 1)."""
    return isinstance(value, (bool, int, float, np.number))


def is_column(value: object) -> bool:
    """Tell whether a value has one entry per row."""
    if isinstance(value, NumberValue):
        return np.ndim(value.array) > 0
    return isinstance(value, (FactorValue, MatrixValue))


def shown(value: object) -> str:
    """Return a value as a sentence names it.

    Examples
    --------
    >>> shown("a"), shown(2.0), shown([1.0, 2.0])
    ("'a'", '2', 'a list of constants')
    """
    if isinstance(value, FactorValue):
        return "a column of text" if value.is_text else "a factor"
    if isinstance(value, MatrixValue):
        return f"{len(value.arrays)} columns"
    if isinstance(value, NumberValue):
        return "a column" if np.ndim(value.array) else f"{float(value.array):.15g}"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if is_plain_number(value):
        return f"{value:.15g}"
    return repr(value) if isinstance(value, str) else "a list of constants"


def value_of(column: Column) -> NumberValue | FactorValue:
    """Return what a bare column name evaluates to."""
    if column.is_factor:
        return FactorValue(
            codes=column.values, levels=column.levels, is_ordered=column.kind == "ordered",
            is_text=column.is_text, exact=column.exact, kinds=column.kinds,
        )  # fmt: skip
    labelled = None if column.labelled is None else value_of(column.labelled)
    assert not isinstance(labelled, NumberValue)
    return NumberValue(
        array=column.values, is_logical=column.kind == "boolean", unit=column.unit,
        labelled=labelled,
    )  # fmt: skip


def without_unused(value: Value) -> Value:
    """Drop the levels that no row has, as R's ``model.frame(drop.unused.levels = TRUE)``."""
    if isinstance(value, FactorValue):
        codes, levels = drop_unused(value.codes, value.levels)
        return replace(value, codes=codes, levels=levels, exact=(), kinds=("text",))
    if isinstance(value, NumberValue) and value.labelled is not None:
        labelled = without_unused(value.labelled)
        assert isinstance(labelled, FactorValue)
        return replace(value, labelled=labelled)
    return value


def missing_rows(value: Value) -> BoolArray | None:
    """Return the rows without a value, or None when every row has one."""
    if isinstance(value, FactorValue):
        mask = value.codes < 0
        return mask if mask.any() else None
    arrays = value.arrays if isinstance(value, MatrixValue) else (value.array,)
    result: BoolArray | None = None
    for array in arrays:
        if array.dtype.kind == "f" and len(array) and np.isnan(array.min()):
            mask = np.isnan(array)
            result = mask if result is None else result | mask
    return result


def take_rows(value: Value, kept: BoolArray | None) -> Value:
    """Return the value on the kept rows only; without a mask nothing is copied."""
    if kept is None:
        return value
    if isinstance(value, FactorValue):
        return replace(value, codes=value.codes[kept])
    if isinstance(value, MatrixValue):
        arrays = tuple(a[kept] for a in value.arrays)
        return MatrixValue(arrays=arrays, labels=value.labels, kind=value.kind)
    labelled = value.labelled
    if labelled is not None:
        labelled = replace(labelled, codes=labelled.codes[kept])
    return replace(value, array=value.array[kept], labelled=labelled)
