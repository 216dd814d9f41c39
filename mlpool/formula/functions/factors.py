"""Functions of formulas that make or change factors, and the numbers that factors stand for."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mlpool.errors import DataError, FormulaError, MlpoolWarning, brief, nearest_names, user_level
from mlpool.formula.functions.signatures import numbers_of
from mlpool.formula.functions.values import (
    FactorValue,
    NumberValue,
    is_column,
    is_plain_number,
    shown,
)
from mlpool.frames.level_labels import Names, match_names
from mlpool.frames.levels import LOGICAL, code_names, code_values, level_label
from mlpool.typing import FloatArray, IntArray

State = dict[str, Any]

_MARKS = frozenset({"", ".", "-", "--", "?", "na", "n/a", "nan", "null", "none", "missing"})
"""What other programs write for a missing number, in small letters."""


@dataclass(frozen=True, slots=True)
class NamedContrasts:
    """Contrasts by name, as ``contr.treatment(3, base = 2)`` gives them."""

    contrast: str
    n: int | None = None
    base: int = 1


def as_codes(value: Any, function: str) -> FactorValue:
    """Return a column as a factor: numbers sorted as numbers, logicals FALSE before TRUE.

    Raises
    ------
    FormulaError
        If it is a constant, or several columns.
    """
    if isinstance(value, FactorValue):
        return value
    if not is_column(value):
        raise FormulaError(f"{function}() needs a column; got {shown(value)}.")
    if isinstance(value, NumberValue) and value.is_logical:
        truth = np.where(np.isnan(value.array), -1, value.array != 0).astype(np.int32)
        return FactorValue(codes=truth, levels=LOGICAL.labels, kinds=LOGICAL.kinds)
    if isinstance(value, NumberValue) and value.unit:
        return date_codes(value)
    if isinstance(value, NumberValue) and value.labelled is not None:
        return value.labelled
    is_one = isinstance(value, NumberValue)  # as it is stored: float64 cannot hold every long id
    codes, names = code_names(value.array if is_one else numbers_of(value, function))
    return FactorValue(codes=codes, levels=names.labels, exact=names.exact, kinds=names.kinds)


def coded(value: object, function: str) -> tuple[IntArray, Names]:
    """Return codes (-1 = missing) of a column and what its levels are called."""
    factor = as_codes(value, function)
    return factor.codes, names_of(factor)


def names_of(value: FactorValue) -> Names:
    """Return what a factor's levels are called."""
    return Names(labels=value.levels, exact=value.exact, kinds=value.kinds)


def date_codes(value: NumberValue) -> FactorValue:
    """Return dates as a factor labelled as they are written: ``2024-01-31``."""
    codes, _ = code_values(value.array)
    known = np.unique(value.array[~np.isnan(value.array)])
    return FactorValue(codes=codes, levels=tuple(date_label(v) for v in known))


def date_label(days: float) -> str:
    """Return a date or time, in days since 1970, as it is written.

    Examples
    --------
    >>> date_label(19723.0), date_label(19723.4375)
    ('2024-01-01', '2024-01-01 10:30:00')
    """
    day = np.datetime64("1970-01-01") + np.timedelta64(int(np.floor(days)), "D")
    # microseconds of a day, which time stamps count
    microseconds = round((days - np.floor(days)) * 86_400e6)
    if microseconds == 0:
        return str(day)
    moment = str(day.astype("datetime64[us]") + np.timedelta64(microseconds, "us"))
    return moment.replace("T", " ").removesuffix(".000000")


def factor(state: State, x: object, levels: object, labels: object, ordered: object) -> FactorValue:
    """Make a factor as R's ``factor``; values that are not among `levels` become missing."""
    given = as_codes(x, "factor")
    codes = given.codes
    is_ordered = given.is_ordered if ordered is None else bool(ordered)
    if "levels" not in state:
        _learn_levels(state, given, levels, labels)
    elif levels is None:
        _check_new_levels(given, state["levels"])
    names = tuple(dict.fromkeys(state["labels"]))  # levels of one label are one level, as in R
    position = {name: i for i, name in enumerate(names)}
    place = np.array([*map(position.__getitem__, state["labels"]), -1], dtype=np.int32)
    table = place[match_names(names_of(given), state["levels"])]
    return FactorValue(codes=table[codes], levels=names, is_ordered=is_ordered)


def _learn_levels(state: State, given: FactorValue, levels: Any, labels: Any) -> None:
    present = {int(c) for c in np.unique(given.codes) if c >= 0}
    default = tuple(v for i, v in enumerate(given.levels) if i in present)
    chosen = default if levels is None else tuple(_label(v) for v in levels)
    if len(set(chosen)) < len(chosen):
        raise FormulaError("factor(): levels has a value twice.")
    names = chosen if labels is None else tuple(_label(v) for v in labels)
    if len(names) == 1 and len(chosen) > 1:
        names = tuple(f"{names[0]}{i + 1}" for i in range(len(chosen)))
    if len(names) != len(chosen):
        raise FormulaError(f"factor(): {len(names)} labels for {len(chosen)} levels.")
    state["levels"], state["labels"] = chosen, names


def _label(value: Any) -> str:
    return level_label(float(value) if is_plain_number(value) and value is not True else value)


def _check_new_levels(given: FactorValue, trained: tuple[str, ...]) -> None:
    found = match_names(names_of(given), trained)
    present = np.unique(given.codes[given.codes >= 0])
    unknown = [given.levels[int(c)] for c in present if found[c] < 0]
    if unknown:
        raise DataError(
            f"factor() meets the level {brief(unknown[0])}, which the model was not fitted with."
        )


def ordered(state: State, x: object, levels: object, labels: object) -> FactorValue:
    """Make an ordered factor."""
    return factor(state, x, levels, labels, True)


def relevel(state: State, x: object, ref: object) -> FactorValue:
    """Put one level first, which makes it the reference."""
    value = as_codes(x, "relevel")
    if value.is_ordered:
        raise FormulaError("relevel() is for unordered factors; write factor(x, ordered = FALSE).")
    label = ref if isinstance(ref, str) else _label(ref)
    if label not in value.levels:
        if "ref" in state:  # new data need not have it: their levels are found by name
            return value
        raise DataError(
            f"relevel(): there is no level {brief(label)}; there are "
            f"{', '.join(value.levels[:6])}.{nearest_names(label, value.levels)}"
        )
    state["ref"] = label
    at = value.levels.index(label)
    order = [at, *(i for i in range(len(value.levels)) if i != at)]
    table = np.array([*np.argsort(order), -1], dtype=np.int32)

    def moved(labels: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(labels[i] for i in order) if len(labels) == len(order) else labels

    return replace(
        value, codes=table[value.codes], levels=moved(value.levels), is_text=False,
        exact=moved(value.exact), kinds=moved(value.kinds),
    )  # fmt: skip


def with_contrasts(state: State, x: Any, contrast: Any, base: int | None) -> FactorValue:
    """Return a factor with contrasts of its own: R's ``C``."""
    value = as_codes(x, "C")
    named = contrast if isinstance(contrast, NamedContrasts) else NamedContrasts(contrast or "")
    present = len(np.unique(value.codes[value.codes >= 0]))
    if "contrast" not in state and named.n not in (None, present, len(value.levels)):
        raise FormulaError(
            f"{named.contrast}({named.n}) is for {named.n} levels; the factor has {present}."
        )
    state["contrast"] = named.contrast
    return replace(
        value, contrast=named.contrast or None, base=named.base if base is None else base,
        is_text=False,
    )  # fmt: skip


def as_character(state: State, x: object) -> FactorValue:
    """Return a column as text."""
    value = as_codes(x, "as.character")
    order = np.argsort(np.array(value.levels, dtype=object), kind="stable")
    rank = np.empty(len(order) + 1, dtype=np.int32)
    rank[order] = np.arange(len(order))
    rank[-1] = -1
    levels = tuple(value.levels[i] for i in order)
    return FactorValue(codes=rank[value.codes], levels=levels, is_text=True)


def as_numeric(state: State, x: object) -> NumberValue:
    """Return the numbers of a column: text is read, a factor gives its codes, as in R."""
    if isinstance(x, FactorValue) and x.is_text:
        table = np.array([*_read_numbers(x.levels), np.nan])
        return NumberValue(array=table[x.codes])
    if isinstance(x, FactorValue):
        codes = x.codes.astype(np.float64) + 1.0
        codes[x.codes < 0] = np.nan
        return NumberValue(array=codes)
    return NumberValue(array=numbers_of(x, "as.numeric"))


def as_integer(state: State, x: object) -> NumberValue:
    """Return whole parts."""
    return NumberValue(array=np.trunc(as_numeric(state, x).array))


def _read_numbers(levels: Sequence[str]) -> list[float]:
    numbers = [read_number(level) for level in levels]
    bad = [v for v, x in zip(levels, numbers, strict=True) if x is None and not is_mark(v)]
    if bad:
        warnings.warn(
            f"as.numeric(): {len(bad)} different texts are no numbers and become missing "
            f"({', '.join(repr(v) for v in bad[:3])}{', ...' if len(bad) > 3 else ''}).",
            MlpoolWarning,
            stacklevel=user_level(),
        )
    return [np.nan if x is None else x for x in numbers]


def read_number(text: str) -> float | None:
    """Return the number that a text holds, with a decimal point or comma; None if it holds none.

    Examples
    --------
    >>> read_number("2,5"), read_number(" 1e3 "), read_number("a")
    (2.5, 1000.0, None)
    """
    bare = text.strip()
    if bare.count(",") == 1 and "." not in bare:
        bare = bare.replace(",", ".")
    if "_" in bare or not bare[-1:].isascii():
        return None
    try:
        number = float(bare)
    except ValueError:
        return None
    return number if np.isfinite(number) else None


def is_mark(text: str) -> bool:
    """Tell whether a text is what other programs write for a missing number."""
    return text.strip().lower() in _MARKS


def choose(test: FloatArray, yes: object, no: object, function: str) -> FactorValue | NumberValue:
    """Return `yes` where `test` is true and `no` where it is false; missing where it is missing."""
    if any(isinstance(v, (str, FactorValue)) for v in (yes, no)):
        return _choose_text(test, yes, no, function)
    array = np.where(test != 0, numbers_of(yes, function), numbers_of(no, function))
    both = all(isinstance(v, bool) or getattr(v, "is_logical", False) for v in (yes, no))
    return NumberValue(array=np.where(np.isnan(test), np.nan, array), is_logical=both)


def _choose_text(test: FloatArray, yes: object, no: object, function: str) -> FactorValue:
    first, second = _as_text(yes, function), _as_text(no, function)
    levels = tuple(sorted({*first.levels, *second.levels}))
    place = {v: i for i, v in enumerate(levels)}
    codes = [
        np.array([*(place[v] for v in f.levels), -1], dtype=np.int32)[f.codes]
        for f in (first, second)
    ]
    chosen = np.where(np.isnan(test), -1, np.where(test != 0, *codes)).astype(np.int32)
    return FactorValue(codes=chosen, levels=levels, is_text=True)


def _as_text(value: object, function: str) -> FactorValue:
    if isinstance(value, FactorValue):
        return value
    if isinstance(value, str) or is_plain_number(value):
        label = value if isinstance(value, str) else level_label(value)
        return FactorValue(codes=np.zeros((), dtype=np.int32), levels=(label,))
    raise FormulaError(f"{function}() mixes text with {shown(value)}; give two texts.")
