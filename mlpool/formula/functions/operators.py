"""Operators on columns and constants: arithmetic in float64, comparisons, R's three-valued logic.

A missing value is NaN, also among TRUE (1) and FALSE (0): ``NA & FALSE`` is FALSE, ``NA & TRUE``
missing, as in R (``?Logic``).
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from mlpool.errors import DataError, FormulaError, brief, nearest_names
from mlpool.formula.functions.values import (
    FactorValue,
    MatrixValue,
    NumberValue,
    is_plain_number,
    shown,
)
from mlpool.frames.levels import level_label
from mlpool.typing import FloatArray

MAX_RANGE = 100_000
"""Constants that ``from:to`` may stand for."""

_ARITHMETIC: dict[type[ast.AST], Callable[[object, object], object]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.Pow: operator.pow, ast.Mod: operator.mod, ast.FloorDiv: operator.floordiv,
}  # fmt: skip
_COMPARE: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.Gt: operator.gt,
    ast.LtE: operator.le, ast.GtE: operator.ge,
}  # fmt: skip
_SWAPPED: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.Gt, ast.Gt: ast.Lt, ast.LtE: ast.GtE, ast.GtE: ast.LtE,
}  # fmt: skip


def apply_operator(kind: type[ast.AST], left: object, right: object, text: str) -> Any:
    """Return ``left <operator> right``; `text` is the expression, for messages.

    Raises
    ------
    DataError, FormulaError
        If the operands are not what the operator takes.
    """
    if kind in _COMPARE:
        return _comparison(kind, left, right, text)
    if kind is ast.In:
        return _within(left, right, text)
    if kind is ast.MatMult:
        return _range(left, right, text)
    a, b = number_operand(left, text), number_operand(right, text)
    if kind is ast.BitAnd:
        return logical(np.where((a == 0) | (b == 0), 0.0, _missing_as(np.ones(()), a, b)))
    if kind is ast.BitOr:
        is_true = _is_true(a) | _is_true(b)
        return logical(np.where(is_true, 1.0, _missing_as(np.zeros(()), a, b)))
    with np.errstate(all="ignore"):
        result = np.asarray(_ARITHMETIC[kind](a, b), dtype=np.float64)
    return float(result) if result.ndim == 0 else NumberValue(array=result)


def negate(kind: type[ast.AST], operand: object, text: str) -> Any:
    """Return ``-operand``, ``+operand`` or ``!operand``."""
    number = number_operand(operand, text)
    if kind is ast.Not:
        return logical(np.where(np.isnan(number), np.nan, number == 0))
    signed = -number if kind is ast.USub else number
    return float(signed) if signed.ndim == 0 else NumberValue(array=signed)


def number_operand(value: Any, text: str) -> FloatArray:
    """Return an operand in float64, whatever it is stored in.

    Raises
    ------
    DataError, FormulaError
        For text, factors, lists and several columns.
    """
    if isinstance(value, NumberValue):
        return np.asarray(value.array, dtype=np.float64)
    if is_plain_number(value):
        return np.asarray(float(value))
    if isinstance(value, MatrixValue) and len(value.arrays) == 1:
        return np.asarray(value.arrays[0], dtype=np.float64)
    if isinstance(value, FactorValue):
        hint = "; write as.numeric() around text that holds numbers" if value.is_text else ""
        raise DataError(
            f"{text} does arithmetic on a factor (text); only numbers can be computed with{hint}."
        )
    raise FormulaError(f"{text} computes with {shown(value)}; only numbers can be computed with.")


def logical(array: FloatArray) -> NumberValue:
    """Return TRUE (1), FALSE (0) and missing (NaN)."""
    return NumberValue(array=np.asarray(array, dtype=np.float64), is_logical=True)


def _is_true(array: FloatArray) -> Any:
    return ~np.isnan(array) & (array != 0)


def _missing_as(otherwise: FloatArray, a: FloatArray, b: FloatArray) -> FloatArray:
    return np.where(np.isnan(a) | np.isnan(b), np.nan, otherwise)


# --- comparisons --------------------------------------------------------------------------------


def _comparison(kind: type[ast.AST], left: object, right: object, text: str) -> NumberValue:
    if isinstance(right, FactorValue) and not isinstance(left, FactorValue):
        return _comparison(_SWAPPED.get(kind, kind), right, left, text)
    if isinstance(left, FactorValue):
        return _compare_factor(kind, left, right, text)
    left, right = _as_number(left, right, text), _as_number(right, left, text)
    a, b = number_operand(left, text), number_operand(right, text)
    return logical(_missing_as(_COMPARE[kind](a, b), a, b))


def _as_number(value: object, other: object, text: str) -> object:
    """Return a text constant as the number, logical or date that it is compared with."""
    if not isinstance(value, str):
        return value
    if isinstance(other, NumberValue) and other.unit:
        return read_date(value, text)
    if isinstance(other, NumberValue) and other.is_logical and value in ("TRUE", "FALSE"):
        return value == "TRUE"
    try:
        return float(value)
    except ValueError:
        raise FormulaError(f"{text} compares a number with the text {brief(value)}.") from None


def read_date(value: str, text: str) -> float:
    """Return a date or time in days since 1970-01-01.

    Raises
    ------
    FormulaError
        If the text is no date.
    """
    moment: np.datetime64
    try:
        moment = np.datetime64(value.strip().replace(" ", "T"), "us")
    except ValueError:
        moment = np.datetime64("NaT", "us")
    if np.isnat(moment):
        raise FormulaError(f"{text}: {brief(value)} is no date; write it as '2024-01-31'.")
    return float((moment - np.datetime64("1970-01-01T00:00")) / np.timedelta64(1, "D"))


def _compare_factor(kind: type[ast.AST], left: FactorValue, right: Any, text: str) -> NumberValue:
    if isinstance(right, FactorValue):
        return _compare_factors(kind, left, right, text)
    if isinstance(right, NumberValue) and right.array.ndim == 0:
        right = float(right.array)
    if not isinstance(right, str) and not is_plain_number(right):
        raise DataError(f"{text} compares a factor with {shown(right)}; compare it with a level.")
    label = level_label(float(right)) if is_plain_number(right) else right
    if isinstance(right, bool):
        label = level_label(right)
    is_equality = kind in (ast.Eq, ast.NotEq)
    if left.is_ordered and not is_equality:
        if label not in left.levels:
            raise DataError(
                f"{text}: {brief(label)} is no level of the ordered factor, which has "
                f"{', '.join(left.levels[:6])}.{nearest_names(label, left.levels)}"
            )
        hits = [_COMPARE[kind](i, left.levels.index(label)) for i in range(len(left.levels))]
    else:
        _refuse_order(kind, left, right, text)
        hits = [_COMPARE[kind](level, label) for level in left.levels]
    table = np.array([*hits, np.nan], dtype=np.float64)
    return logical(table[left.codes])


def _refuse_order(kind: type[ast.AST], left: FactorValue, right: object, text: str) -> None:
    if kind in (ast.Eq, ast.NotEq):
        return
    if not left.is_text:
        raise DataError(
            f"{text}: the levels of an unordered factor are neither more nor less; use == or %in%, "
            "or ordered()."
        )
    if is_plain_number(right):
        raise DataError(f"{text} compares text with a number; write as.numeric() around the text.")


def _compare_factors(
    kind: type[ast.AST], left: FactorValue, right: FactorValue, text: str
) -> NumberValue:
    order = left.levels
    if left.is_ordered and right.is_ordered and left.levels != right.levels:
        raise DataError(f"{text} compares ordered factors whose levels differ.")
    if not (left.is_ordered and right.is_ordered):
        _refuse_order(kind, left, None, text)
        order = tuple(sorted({*left.levels, *right.levels}))
    place = {level: i for i, level in enumerate(order)}
    a, b = (
        np.array([*(place[v] for v in f.levels), np.nan], dtype=np.float64)[f.codes]
        for f in (left, right)
    )
    return logical(_missing_as(_COMPARE[kind](a, b), a, b))


# --- %in% and ranges ----------------------------------------------------------------------------


def _within(left: object, right: object, text: str) -> NumberValue:
    """Return whether each value is in a list; a missing one is not, as in R."""
    wanted = right if isinstance(right, list) else [right]
    if not all(isinstance(v, str) or is_plain_number(v) for v in wanted):
        raise FormulaError(f"{text}: %in% needs constants on its right, such as c('a', 'b').")
    if not isinstance(left, (FactorValue, NumberValue)):
        raise FormulaError(f"{text}: %in% needs a column on its left.")
    found = logical(np.zeros(np.shape(left.codes if isinstance(left, FactorValue) else left.array)))
    for value in dict.fromkeys(wanted):
        if isinstance(value, str) and isinstance(left, NumberValue) and not _is_readable(value):
            continue
        one = _comparison(ast.Eq, left, value, text)
        found = replace(found, array=np.fmax(found.array, one.array))
    return found


def _is_readable(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return value in ("TRUE", "FALSE") or "-" in value
    return True


def _range(left: Any, right: Any, text: str) -> list[float]:
    if not (is_plain_number(left) and is_plain_number(right)):
        raise FormulaError(
            f"{text}: ':' between columns is an interaction, which stands outside of functions; "
            "here it makes a list of two constants, as in 1:4."
        )
    if not abs(right - left) <= MAX_RANGE:
        raise FormulaError(f"{text}: a range may have {MAX_RANGE:,} values.")
    step = 1.0 if right >= left else -1.0
    return [float(v) for v in left + step * np.arange(int(abs(right - left)) + 1)]
