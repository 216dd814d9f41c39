"""``cut()``: a column of numbers as classes, with R's limits and labels (``?cut``)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from mlpool.errors import DataError, FormulaError
from mlpool.formula.functions.bases import State
from mlpool.formula.functions.values import FactorValue, NumberValue, is_plain_number
from mlpool.typing import FloatArray, IntArray

MOST_CLASSES = 1000
_MOST_DIGITS = 12
"""Digits up to which labels grow until they differ, as in R."""


def cut(  # noqa: PLR0913 - one argument per argument of the formula's function
    state: State,
    x: FloatArray,
    breaks: list[object],
    labels: list[object] | None,
    include_lowest: bool,
    right: bool,
    digits: int,
    is_ordered: bool,
) -> FactorValue | NumberValue:
    """Return the class of every value; values outside of all classes are missing.

    One number in `breaks` asks for that many classes of equal width. The limits are learned from
    the training rows, so that new rows fall into the same classes.

    Raises
    ------
    FormulaError, DataError
        For limits and labels that do not go together, and a column without any value.
    """
    if "breaks" not in state:
        state["breaks"] = _limits(x, breaks)
        state["labels"] = _labels(
            state["breaks"], labels, bool(right), bool(include_lowest), digits
        )
    limits = np.array(state["breaks"])
    codes = _classes(x, limits, bool(right), bool(include_lowest))
    if labels == [False]:
        return NumberValue(array=np.where(codes < 0, np.nan, codes + 1.0))
    return FactorValue(codes=codes, levels=state["labels"], is_ordered=bool(is_ordered))


def _classes(x: FloatArray, limits: FloatArray, right: bool, closed: bool) -> IntArray:
    """Return the class (0, 1, ...) of every value (n,), -1 outside; `right` limits belong in."""
    codes = np.searchsorted(limits, x, side="left" if right else "right") - 1
    if closed:
        codes = np.where(x == (limits[0] if right else limits[-1]), 0 if right else len(limits) - 2,
                         codes)  # fmt: skip
    outside = np.isnan(x) | (codes < 0) | (codes > len(limits) - 2)
    return np.asarray(np.where(outside, -1, codes), dtype=np.int32)


def _limits(x: FloatArray, breaks: list[object]) -> list[float]:
    """Return the limits of the classes, in order."""
    numbers = [float(b) for b in breaks if is_plain_number(b)]  # type: ignore[arg-type] # as asked
    if len(numbers) < len(breaks) or any(math.isnan(v) for v in numbers):
        raise FormulaError("cut(): breaks must be numbers such as c(0, 10, 20).")
    if len(numbers) == 1:
        return _equal_widths(x, numbers[0])
    if len(set(numbers)) < len(numbers):
        raise FormulaError("cut(): breaks has a value twice.")
    return sorted(numbers)


def _equal_widths(x: FloatArray, count: float) -> list[float]:
    """Return limits of so many classes; the outer ones are 0.1 % of the range further out."""
    if not (count.is_integer() and 2 <= count <= MOST_CLASSES):
        raise FormulaError(
            f"cut(): one number in breaks is how many classes there are, from 2 to {MOST_CLASSES}."
        )
    known = x[~np.isnan(x)]
    if x.ndim == 0 or not len(known):
        raise DataError("cut() was given a column without any value.")
    low, high = float(known.min()), float(known.max())
    if low == high:
        reach = abs(low) / 1000
        return [float(v) for v in np.linspace(low - reach, high + reach, int(count) + 1)]
    inner = np.linspace(low, high, int(count) + 1)[1:-1]
    reach = (high - low) / 1000
    return [low - reach, *(float(v) for v in inner), high + reach]


def _labels(
    limits: Sequence[float], labels: list[object] | None, right: bool, closed: bool, digits: int
) -> tuple[str, ...]:
    """Return a label per class: those given, or intervals such as ``(0,10]``."""
    n = len(limits) - 1
    if labels is not None and labels != [False]:
        if len(labels) != n or not all(isinstance(v, str) for v in labels):
            raise FormulaError(f"cut(): labels must be texts, one per class ({n}), or FALSE.")
        return tuple(str(v) for v in labels)
    texts = _different(limits, digits)
    opening, closing = ("(", "]") if right else ("[", ")")
    made = [f"{opening}{a},{b}{closing}" for a, b in pairwise(texts)]
    if closed:
        at = 0 if right else n - 1
        made[at] = f"[{made[at][1:-1]}]"
    return tuple(made)


def _different(limits: Sequence[float], digits: int) -> list[str]:
    """Return the limits with as many digits as tell them apart."""
    for shown in range(digits, max(_MOST_DIGITS, digits) + 1):
        texts = [_number(v, shown) for v in limits]
        if len(set(texts)) == len(texts):
            return texts
    return [f"Range_{i + 1}" for i in range(len(limits))]


def _number(value: float, digits: int) -> str:
    if math.isinf(value):
        return " Inf" if value > 0 else "-Inf"  # R's blank
    return f"{value:.{digits}g}"
