"""Closed signatures: which arguments a formula function has, and what each must be.

Names are matched first, the rest by position, as in R. Nothing that a signature does not name
reaches the function behind it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from mlpool.errors import DataError, FormulaError, brief, nearest_names
from mlpool.formula.functions.values import (
    FactorValue,
    MatrixValue,
    NumberValue,
    is_column,
    is_plain_number,
    shown,
)
from mlpool.typing import FloatArray

Kind = Literal[
    "numbers", "column", "any", "number", "whole", "flag", "flag or number", "list", "text",
    "contrasts",
]  # fmt: skip
"""What an argument must be; a column is one of the data or made of them, the rest constants."""

_MUST_BE: dict[str, str] = {
    "number": "a number", "whole": "a whole number", "flag": "TRUE or FALSE",
    "flag or number": "TRUE, FALSE or a number", "list": "constants such as c(1, 2) or 1:4",
    "text": "a text in quotes", "contrasts": "contrasts such as contr.sum",
}  # fmt: skip


class _Missing:
    """Stands for an argument without a default."""


REQUIRED = _Missing()


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument of a formula function."""

    name: str
    kind: Kind
    default: object = REQUIRED


@dataclass(frozen=True, slots=True)
class Signature:
    """The arguments of a formula function, in order; `rest` takes any number of columns."""

    parameters: tuple[Parameter, ...] = ()
    rest: Kind | None = None


def bind(
    function: str, signature: Signature, args: Sequence[object], named: Mapping[str, object]
) -> list[Any]:
    """Return the checked value of each parameter, in order, then the rest.

    Raises
    ------
    FormulaError, DataError
        Naming the argument that is unknown, missing, too many, or of another kind.
    """
    values = dict(named)
    known = [p.name for p in signature.parameters]
    for name in values:
        if name not in known:
            takes = f"it takes {', '.join(known)}" if known else "its arguments have no names"
            raise FormulaError(
                f"{function}() has no argument {brief(name)}; {takes}.{nearest_names(name, known)}"
            )
    left = [name for name in known if name not in values]
    values.update(zip(left, args, strict=False))
    rest = list(args[len(left) :])
    if rest and signature.rest is None:
        count = len(args) + len(named)
        allowed = f"{len(known)} argument{'s' * (len(known) != 1)} ({', '.join(known)})"
        raise FormulaError(f"{function}() takes {allowed}; {count} were given.")
    bound = [_value_of(function, p, values) for p in signature.parameters]
    if signature.rest is not None:
        if not rest and not known:
            raise FormulaError(f"{function}() needs one column or more.")
        bound += [_checked(function, "its argument", signature.rest, v) for v in rest]
    return bound


def numbers_of(value: Any, function: str) -> FloatArray:
    """Return the numbers of an argument in float64, whatever they are stored in.

    Raises
    ------
    DataError
        If it is a factor or text.
    FormulaError
        If it is no single column.
    """
    if isinstance(value, NumberValue):
        return np.asarray(value.array, dtype=np.float64)
    if is_plain_number(value):
        return np.asarray(float(value))
    if isinstance(value, FactorValue):
        raise DataError(f"{function}() needs numbers, but its argument is a factor (text).")
    if isinstance(value, MatrixValue) and len(value.arrays) == 1:
        return np.asarray(value.arrays[0], dtype=np.float64)
    raise FormulaError(f"{function}() needs one column of numbers; got {shown(value)}.")


def _value_of(function: str, parameter: Parameter, values: Mapping[str, object]) -> object:
    if parameter.name in values:
        name = f"{parameter.name}="
        return _checked(function, name, parameter.kind, values[parameter.name])
    if isinstance(parameter.default, _Missing):
        raise FormulaError(f"{function}() needs its argument {brief(parameter.name)}.")
    return parameter.default


def _checked(function: str, name: str, kind: Kind, value: object) -> object:
    if kind == "any":
        return value
    if kind == "numbers":
        return numbers_of(value, function)
    if kind == "column":
        if not is_column(value):
            raise FormulaError(f"{function}() needs a column; got {shown(value)}.")
        return value
    plain = _constant(value)
    if not _fits(plain, kind):
        raise FormulaError(f"{function}(): {name} must be {_MUST_BE[kind]}; got {shown(value)}.")
    if kind == "list":
        return list(plain) if isinstance(plain, list) else [plain]
    return int(plain) if kind == "whole" else plain


def _constant(value: object) -> Any:
    """Return a number that was computed from constants (``-1``, ``sqrt(4)``) as a plain one."""
    if isinstance(value, NumberValue) and np.ndim(value.array) == 0:
        return float(value.array)
    return value


def _fits(value: Any, kind: Kind) -> bool:
    if kind == "text":
        return isinstance(value, str)
    if kind == "list":
        return isinstance(value, (list, str)) or is_plain_number(value)
    if kind == "contrasts":
        return isinstance(value, str) or hasattr(value, "contrast")
    if not is_plain_number(value) or not np.isfinite(value):
        return False
    if kind == "flag":
        return value in (0, 1)
    if kind == "whole":
        return not isinstance(value, bool) and float(value).is_integer() and abs(value) < 2**53
    return True
