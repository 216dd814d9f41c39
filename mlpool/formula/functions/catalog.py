"""The documented functions of formulas, each with its closed signature.

Every function gets its columns in float64, whatever they are stored in, and no function writes to
them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from mlpool.errors import FormulaError, brief
from mlpool.formula.functions import bases, factors
from mlpool.formula.functions.bases import State
from mlpool.formula.functions.column_summaries import SUMMARIES, summary_of
from mlpool.formula.functions.cuts import cut
from mlpool.formula.functions.natural_splines import ns
from mlpool.formula.functions.signatures import Parameter, Signature, bind, numbers_of
from mlpool.formula.functions.values import (
    FactorValue,
    MatrixValue,
    NumberValue,
    Value,
    is_plain_number,
)
from mlpool.typing import FloatArray

_MOST_DIGITS = 300
"""Decimals that ``round()`` keeps; float64 has no more."""

_X = Parameter("x", "numbers")
_UNARY = Signature((_X,))


def apply_function(
    name: str, args: Sequence[object], named: Mapping[str, object], state: State
) -> Value | list[Any] | factors.NamedContrasts:
    """Return the value of a call of a documented function.

    Raises
    ------
    FormulaError, DataError
        For wrong arguments.
    """
    if name in _ELEMENTWISE:
        (x,) = bind(name, _UNARY, args, named)
        return NumberValue(array=np.asarray(_ELEMENTWISE[name](x), dtype=np.float64))
    signature, function = _FUNCTIONS[name]
    return function(state, *bind(name, signature, args, named))  # type: ignore[no-any-return]


def _itself(state: State, x: Any) -> Value:
    if isinstance(x, (NumberValue, FactorValue, MatrixValue)):
        return x
    if is_plain_number(x):
        return NumberValue(array=np.asarray(float(x)), is_logical=isinstance(x, bool))
    raise FormulaError(f"I() and offset() keep columns and numbers; got {bases_shown(x)}.")


def bases_shown(x: object) -> str:
    """Return what a sentence calls a value that is no column."""
    return f"the text {brief(x)}" if isinstance(x, str) else "a list of constants"


def _log(state: State, x: FloatArray, base: float | None) -> NumberValue:
    if base is not None and (base <= 0 or base == 1):
        raise FormulaError(f"log(): base= must be positive and not 1; got {base:.15g}.")
    logs = np.log(x)
    return NumberValue(array=logs if base is None else logs / np.log(float(base)))


def _round(state: State, x: FloatArray, digits: int) -> NumberValue:
    if abs(digits) > _MOST_DIGITS:
        return NumberValue(array=x if digits > 0 else np.where(np.isnan(x), x, 0.0))
    return NumberValue(array=np.round(x, digits))


def _smallest(state: State, *columns: FloatArray) -> NumberValue:
    return NumberValue(array=np.minimum.reduce(np.broadcast_arrays(*columns)))


def _largest(state: State, *columns: FloatArray) -> NumberValue:
    return NumberValue(array=np.maximum.reduce(np.broadcast_arrays(*columns)))


def _power(state: State, x: FloatArray, y: FloatArray) -> NumberValue:
    return NumberValue(array=np.power(x, y))


def _clip(state: State, x: FloatArray, low: float, high: float) -> NumberValue:
    return NumberValue(array=np.clip(x, low, high))


def _ifelse(state: State, test: Any, yes: Any, no: Any) -> FactorValue | NumberValue:
    return factors.choose(test, yes, no, "ifelse")


def _where(state: State, test: Any, yes: Any, no: Any) -> FactorValue | NumberValue:
    return factors.choose(test, yes, no, "np.where")


def _is_missing(state: State, x: object) -> NumberValue:
    array = x.codes < 0 if isinstance(x, FactorValue) else np.isnan(numbers_of(x, "is.na"))
    return NumberValue(array=np.asarray(array, dtype=np.float64), is_logical=True)


def _cbind(state: State, *columns: FloatArray) -> MatrixValue:
    arrays = tuple(np.array(a) for a in np.broadcast_arrays(*columns))
    return MatrixValue(
        arrays=arrays, labels=tuple(str(i + 1) for i in range(len(arrays))), kind="numeric"
    )


def _constants(state: State, *values: object) -> list[object]:
    found: list[object] = []
    for value in values:
        if isinstance(value, NumberValue) and np.ndim(value.array) == 0:
            value = float(value.array)
        if isinstance(value, list):
            found += value
        elif isinstance(value, str) or is_plain_number(value):
            found.append(value)
        else:
            raise FormulaError("c() in a formula holds constants only.")
    return found


def _contrasts_of(name: str) -> Callable[..., factors.NamedContrasts]:
    def named(state: State, n: int | None, base: int = 1) -> factors.NamedContrasts:
        return factors.NamedContrasts(name, n, base)

    return named


_ELEMENTWISE: dict[str, Callable[[FloatArray], object]] = {
    "log2": np.log2, "log10": np.log10, "log1p": np.log1p, "exp": np.exp, "expm1": np.expm1,
    "sqrt": np.sqrt, "abs": np.abs, "sin": np.sin, "cos": np.cos, "tan": np.tan, "tanh": np.tanh,
    "floor": np.floor, "ceiling": np.ceil, "np.abs": np.abs, "np.ceil": np.ceil, "np.cos": np.cos,
    "np.exp": np.exp, "np.expm1": np.expm1, "np.floor": np.floor, "np.log": np.log,
    "np.log10": np.log10, "np.log1p": np.log1p, "np.log2": np.log2, "np.sign": np.sign,
    "np.sin": np.sin, "np.sqrt": np.sqrt, "np.square": np.square, "np.tan": np.tan,
    "np.tanh": np.tanh,
}  # fmt: skip
"""Functions of one column. They get it alone: NumPy's own second argument is where to write to."""

_ANY = Parameter("x", "any")
_FACTOR = (
    Parameter("x", "column"), Parameter("levels", "list", None), Parameter("labels", "list", None),
)  # fmt: skip
_TEST = (Parameter("test", "numbers"), Parameter("yes", "any"), Parameter("no", "any"))
_TWO = Signature((_X, Parameter("y", "numbers")))
_N = Parameter("n", "whole", None)
_COLUMNS = Signature(rest="numbers")
_MAKES_FACTOR = (
    Signature((*_FACTOR, Parameter("ordered", "flag", None))), factors.factor,
)  # fmt: skip

_FUNCTIONS: dict[str, tuple[Signature, Callable[..., Any]]] = {
    "I": (Signature((_ANY,)), _itself),
    "offset": (Signature((_ANY,)), _itself),
    "c": (Signature(rest="any"), _constants),
    "cbind": (_COLUMNS, _cbind),
    "log": (Signature((_X, Parameter("base", "number", None))), _log),
    "round": (Signature((_X, Parameter("digits", "whole", 0))), _round),
    "np.round": (Signature((_X, Parameter("decimals", "whole", 0))), _round),
    "pmin": (_COLUMNS, _smallest),
    "pmax": (_COLUMNS, _largest),
    "np.minimum": (_TWO, _smallest),
    "np.maximum": (_TWO, _largest),
    "np.power": (_TWO, _power),
    "np.clip": (Signature((_X, Parameter("min", "number"), Parameter("max", "number"))), _clip),
    "ifelse": (Signature(_TEST), _ifelse),
    "np.where": (Signature(_TEST), _where),
    "is.na": (Signature((Parameter("x", "column"),)), _is_missing),
    "as.numeric": (Signature((_ANY,)), factors.as_numeric),
    "as.integer": (Signature((_ANY,)), factors.as_integer),
    "as.character": (Signature((Parameter("x", "column"),)), factors.as_character),
    "scale": (
        Signature((
            _X, Parameter("center", "flag or number", True),
            Parameter("scale", "flag or number", True),
        )),
        bases.scale,
    ),
    "center": (_UNARY, bases.center),
    "poly": (
        Signature((_X, Parameter("degree", "whole", 1), Parameter("raw", "flag", False))),
        bases.poly,
    ),
    "bs": (
        Signature((
            _X, Parameter("df", "whole", None), Parameter("knots", "list", None),
            Parameter("degree", "whole", 3), Parameter("intercept", "flag", False),
            Parameter("Boundary.knots", "list", None),
        )),
        bases.bs,
    ),
    "ns": (
        Signature((
            _X, Parameter("df", "whole", None), Parameter("knots", "list", None),
            Parameter("intercept", "flag", False), Parameter("Boundary.knots", "list", None),
        )),
        ns,
    ),
    "cut": (
        Signature((
            _X, Parameter("breaks", "list"), Parameter("labels", "list", None),
            Parameter("include.lowest", "flag", False), Parameter("right", "flag", True),
            Parameter("dig.lab", "whole", 3), Parameter("ordered_result", "flag", False),
        )),
        cut,
    ),
    **{
        name: (Signature((_X, Parameter("na.rm", "flag", True))), summary_of(name))
        for name in SUMMARIES
    },
    "factor": _MAKES_FACTOR,
    "as.factor": _MAKES_FACTOR,
    "as_factor": _MAKES_FACTOR,
    "ordered": (Signature(_FACTOR), factors.ordered),
    "relevel": (Signature((Parameter("x", "column"), Parameter("ref", "any"))), factors.relevel),
    "C": (
        Signature((
            Parameter("x", "column"), Parameter("contr", "contrasts", None),
            Parameter("base", "whole", None),
        )),
        factors.with_contrasts,
    ),
    "contr.treatment": (
        Signature((_N, Parameter("base", "whole", 1))), _contrasts_of("contr.treatment"),
    ),
    **{
        name: (Signature((_N,)), _contrasts_of(name))
        for name in ("contr.sum", "contr.helmert", "contr.poly", "contr.SAS", "contr.sdif")
    },
}  # fmt: skip
