"""What an expression evaluates to: numbers, logicals, a factor, or several columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlpool.formula.types import ColumnKind
from mlpool.typing import AnyArray, BoolArray, IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberValue:
    """One column of numbers (a view of the user's array for a bare name).

    `is_logical` marks TRUE/FALSE, which a term codes as a factor (``xTRUE``).
    """

    array: AnyArray
    is_logical: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorValue:
    """Codes (-1 = missing) of labelled levels, with the contrasts asked for by ``C()``."""

    codes: IntArray
    levels: tuple[str, ...]
    is_ordered: bool = False
    contrast: str | None = None
    base: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixValue:
    """Several columns with labels (``poly``, ``bs``, ``cbind``)."""

    arrays: tuple[AnyArray, ...]
    labels: tuple[str, ...]
    kind: ColumnKind


Value = NumberValue | FactorValue | MatrixValue


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
        return FactorValue(
            codes=value.codes[kept],
            levels=value.levels,
            is_ordered=value.is_ordered,
            contrast=value.contrast,
            base=value.base,
        )
    if isinstance(value, MatrixValue):
        arrays = tuple(a[kept] for a in value.arrays)
        return MatrixValue(arrays=arrays, labels=value.labels, kind=value.kind)
    return NumberValue(array=value.array[kept], is_logical=value.is_logical)
