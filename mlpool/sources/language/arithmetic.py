"""Arithmetic, comparisons and functions of one column as expressions that no engine stumbles over.

Engines differ where numbers end: the logarithm of zero is minus infinity, null or an error. Every
expression here is asked only where it has a value and gives NumPy's elsewhere, so that rows are
left out, and infinite values refused, as in memory.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable

import narwhals as nw

from mlpool.errors import NotSupportedError

Number = nw.Expr | float
"""A column, or a constant of the formula."""

_LARGEST_EXPONENT = 709.0
"""exp() beyond overflows."""
_MOST_FACTORS = 8
"""Whole powers up to here are products, which are exact where engines' own powers are not."""


def compute(kind: type[ast.AST], a: Number, b: Number, text: str) -> tuple[Number, bool]:
    """Return ``a <operator> b`` and whether it is true or false.

    Raises
    ------
    NotSupportedError
        For operators that are not pushed down.
    """
    if kind in _COMPARE:
        return _truth(_COMPARE[kind](a, b)), True
    if kind is ast.BitAnd:
        return _truth(_is_true(a) & _is_true(b)), True
    if kind is ast.BitOr:
        return _truth(_is_true(a) | _is_true(b)), True
    if kind is ast.Div:
        return _divide(a, b), False
    if kind is ast.Pow:
        return power(a, b, text), False
    if kind not in _ARITHMETIC:
        raise not_pushed(f"an operator in {text}")
    return _ARITHMETIC[kind](a, b), False


def negated(kind: type[ast.AST], a: Number) -> tuple[Number, bool]:
    """Return ``-a``, ``+a`` or ``!a``, and whether it is true or false."""
    if kind is ast.Not:
        return _truth(_same(a, 0.0)), True
    return (-a if kind is ast.USub else a), False


def apply_pushed(name: str, x: nw.Expr, text: str) -> nw.Expr:
    """Return a function of one column.

    Raises
    ------
    NotSupportedError
        For functions that are not pushed down.
    """
    function = _FUNCTIONS.get(name.removeprefix("np."))
    if function is None:
        raise not_pushed(f"{name}() in {text}")
    return function(x)


def logarithm(x: nw.Expr, base: float = math.e) -> nw.Expr:
    """Return log(x): minus infinity at zero, null below."""
    logs = nw.when(x > 0.0).then(x.log(math.e))
    at_zero = nw.when(x == 0.0).then(nw.lit(-math.inf)).otherwise(logs)
    return at_zero if base == math.e else at_zero / math.log(base)


def power(a: Number, b: Number, text: str) -> Number:
    """Return ``a ** b`` for a constant b.

    Raises
    ------
    NotSupportedError
        For an exponent that is a column.
    """
    if isinstance(b, nw.Expr):
        raise not_pushed(f"a power that differs between rows in {text}")
    if not isinstance(a, nw.Expr):
        return float(a**b)
    if float(b).is_integer() and 0 <= b <= _MOST_FACTORS:
        product: Number = 1.0
        for _ in range(int(b)):
            product = a * product
        return product if isinstance(product, nw.Expr) else without_null(a, 1.0)
    if float(b).is_integer():
        return _divide(1.0, power(a, -b, text)) if b < 0 else a**b
    rest = nw.when(a > 0.0).then(a**b)
    return nw.when(a == 0.0).then(nw.lit(0.0 if b > 0 else math.inf)).otherwise(rest)


def without_null(x: nw.Expr, value: float) -> nw.Expr:
    """Return a constant where x has a value."""
    return nw.when(~x.is_null()).then(nw.lit(value))


def not_pushed(what: str) -> NotSupportedError:
    """Return the error that says what a query cannot compute."""
    return NotSupportedError(
        f"Scanned rows cannot have {what}: no query computes it. Make the column where the rows "
        "are, or read them into memory."
    )


def _divide(a: Number, b: Number) -> Number:
    if not isinstance(b, nw.Expr):
        return a / b if b != 0.0 else a * math.inf
    return nw.when(b != 0.0).then(a / b).otherwise(_times_infinity(a, b))


def _times_infinity(a: Number, b: nw.Expr) -> nw.Expr:
    """Return a / 0: infinite, or null for 0 / 0."""
    if not isinstance(a, nw.Expr):
        return without_null(b, a * math.inf) if a != 0.0 else nw.lit(None, nw.Float64)
    below = nw.when(a < 0.0).then(nw.lit(-math.inf))
    return (
        nw.when((a > 0.0) & (b == 0.0))
        .then(nw.lit(math.inf))
        .otherwise(nw.when(b == 0.0).then(below))
    )


def _truth(test: nw.Expr) -> nw.Expr:
    """Return 1 for true, 0 for false and null for unknown."""
    return nw.when(test).then(nw.lit(1.0)).otherwise(nw.when(~test).then(nw.lit(0.0)))


def _is_true(a: Number) -> nw.Expr:
    return _not_same(a, 0.0)


def _same(a: Number, b: float) -> nw.Expr:
    return a == b if isinstance(a, nw.Expr) else nw.lit(a == b)


def _not_same(a: Number, b: float) -> nw.Expr:
    return a != b if isinstance(a, nw.Expr) else nw.lit(a != b)


def _exp(x: nw.Expr) -> nw.Expr:
    too_large = nw.when(x >= _LARGEST_EXPONENT).then(nw.lit(math.inf))
    return nw.when(x < _LARGEST_EXPONENT).then(x.exp()).otherwise(too_large)


def _sqrt(x: nw.Expr) -> nw.Expr:
    return nw.when(x >= 0.0).then(x.sqrt())


def _sign(x: nw.Expr) -> nw.Expr:
    below = nw.when(x < 0.0).then(nw.lit(-1.0)).otherwise(nw.when(x == 0.0).then(nw.lit(0.0)))
    return nw.when(x > 0.0).then(nw.lit(1.0)).otherwise(below)


_COMPARE: dict[type[ast.AST], Callable[[Number, Number], nw.Expr]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt,
    ast.Gt: operator.gt, ast.LtE: operator.le, ast.GtE: operator.ge,
}  # fmt: skip

_ARITHMETIC: dict[type[ast.AST], Callable[[Number, Number], Number]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul,
}  # fmt: skip
_FUNCTIONS: dict[str, Callable[[nw.Expr], nw.Expr]] = {
    "log": logarithm,
    "log2": lambda x: logarithm(x, 2.0),
    "log10": lambda x: logarithm(x, 10.0),
    "log1p": lambda x: logarithm(1.0 + x),
    "exp": _exp,
    "sqrt": _sqrt,
    "abs": lambda x: x.abs(),
    "floor": lambda x: x.floor().cast(nw.Float64),
    "ceiling": lambda x: x.ceil().cast(nw.Float64),
    "ceil": lambda x: x.ceil().cast(nw.Float64),
    "sign": _sign,
    "square": lambda x: x * x,
    "I": lambda x: x,
    "offset": lambda x: x,
    "as.numeric": lambda x: x,
}
"""Functions of one column; what is not here would need functions that not every engine has."""
