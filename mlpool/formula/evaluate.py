"""Evaluate a checked expression over columns by walking its tree; nothing reaches ``eval``."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from mlpool.errors import ColumnNotFoundError, DataError, FormulaError
from mlpool.formula.safety import CONSTANTS, is_allowed_function
from mlpool.formula.transforms import State, apply_function, number_array
from mlpool.formula.types import Expression
from mlpool.formula.values import FactorValue, MatrixValue, NumberValue, Value
from mlpool.frames import Frame

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.Pow: operator.pow, ast.Mod: operator.mod, ast.FloorDiv: operator.floordiv,
    ast.BitAnd: lambda a, b: (a != 0) & (b != 0), ast.BitOr: lambda a, b: (a != 0) | (b != 0),
}  # fmt: skip
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.Gt: operator.gt,
    ast.LtE: operator.le, ast.GtE: operator.ge,
}  # fmt: skip


class Evaluator:
    """Evaluates expressions over one frame.

    Parameters
    ----------
    frame : Frame
    states : dict
        What stateful functions learned, keyed by expression and position; empty at training.
    context : mapping
        Functions and constants that the caller handed over.
    """

    def __init__(
        self, frame: Frame, states: dict[str, State], context: Mapping[str, Any] | None = None
    ) -> None:
        self.frame, self.states, self.context = frame, states, context or {}
        self._cache: dict[str, Value] = {}

    def value(self, expression: Expression) -> Value:
        """Return the value of `expression` on all rows of the frame.

        Raises
        ------
        ColumnNotFoundError
            For a name that is no column.
        DataError, FormulaError
            If the operation does not fit the column.
        """
        if expression.text not in self._cache:
            self._calls = 0
            self._text = expression.text
            result = self._visit(expression.tree)
            self._cache[expression.text] = self._whole(result, expression)
        return self._cache[expression.text]

    def _whole(self, result: Any, expression: Expression) -> Value:
        if isinstance(result, (FactorValue, MatrixValue)):
            return result
        if isinstance(result, NumberValue):
            if result.array.ndim == 0:
                filled = np.full(self.frame.n_rows, float(result.array))
                return NumberValue(array=filled, is_logical=result.is_logical)
            if result.array.shape[0] != self.frame.n_rows:
                raise DataError(
                    f"{expression.text} gives {len(result.array)} values for "
                    f"{self.frame.n_rows} rows."
                )
            return result
        raise FormulaError(f"{expression.text} is not a column of numbers or a factor.")

    def _visit(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Name):
            return self._name(node.id)
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.BinOp):
            return self._binary(node)
        if isinstance(node, ast.Compare):
            return self._comparison(node)
        if isinstance(node, ast.UnaryOp):
            return self._unary(node)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            return self._call(node, node.func.id)
        raise FormulaError(f"{self._text} holds something that formulas do not allow.")

    def _name(self, name: str) -> Any:
        if name in self.frame:
            column = self.frame.column(name)
            if column.is_factor:
                return FactorValue(
                    codes=column.values, levels=column.levels, is_ordered=column.kind == "ordered"
                )
            return NumberValue(array=column.values, is_logical=column.kind == "boolean")
        if name in self.context:
            constant = self.context[name]
            return constant if np.isscalar(constant) else NumberValue(array=np.asarray(constant))
        if name in CONSTANTS:
            return float(CONSTANTS[name])
        self.frame.column(name)
        raise ColumnNotFoundError(f"There is no column {name!r} in the data.")

    def _binary(self, node: ast.BinOp) -> Any:
        left, right = self._visit(node.left), self._visit(node.right)
        with np.errstate(all="ignore"):
            array = _BINARY[type(node.op)](self._number(left), self._number(right))
        is_logical = isinstance(node.op, (ast.BitAnd, ast.BitOr))
        if _is_plain(left) and _is_plain(right):
            return float(array)
        return NumberValue(array=np.asarray(array, dtype=np.float64), is_logical=is_logical)

    def _comparison(self, node: ast.Compare) -> Any:
        left, right = self._visit(node.left), self._visit(node.comparators[0])
        compare = _COMPARE[type(node.ops[0])]
        if isinstance(left, FactorValue) and isinstance(right, str):
            hit = np.array([compare(level, right) for level in left.levels] + [False])
            array = np.where(left.codes < 0, np.nan, hit[left.codes])
            return NumberValue(array=array, is_logical=True)
        a, b = self._number(left), self._number(right)
        unknown = np.isnan(a) | np.isnan(b)
        array = np.where(unknown, np.nan, compare(a, b))
        return NumberValue(array=array, is_logical=True)

    def _unary(self, node: ast.UnaryOp) -> Any:
        operand = self._visit(node.operand)
        number = self._number(operand)
        if isinstance(node.op, ast.Not):
            return NumberValue(
                array=np.where(np.isnan(number), np.nan, number == 0), is_logical=True
            )
        sign = -1.0 if isinstance(node.op, ast.USub) else 1.0
        return sign * float(number) if _is_plain(operand) else NumberValue(array=sign * number)

    def _call(self, node: ast.Call, name: str) -> Any:
        self._calls += 1
        state = self.states.setdefault(f"{self._text}#{self._calls}", {})
        args = [self._visit(a) for a in node.args]
        kwargs = {k.arg: self._visit(k.value) for k in node.keywords if k.arg is not None}
        if name in self.context:
            return self._context_call(name, args, kwargs)
        if not is_allowed_function(name):
            raise FormulaError(f"{name}() is not a function that formulas know.")
        return apply_function(name, args, kwargs, state)

    def _context_call(self, name: str, args: list[Any], kwargs: dict[str, Any]) -> Value:
        function = self.context[name]
        if not callable(function):
            raise FormulaError(f"{name} in context= is not a function.")
        plain = [a.array if isinstance(a, NumberValue) else a for a in args]
        return NumberValue(array=np.asarray(function(*plain, **kwargs), dtype=np.float64))

    def _number(self, value: Any) -> Any:
        if isinstance(value, (NumberValue, MatrixValue)):
            return number_array(value, self._text)
        if isinstance(value, FactorValue):
            raise DataError(
                f"{self._text} does arithmetic on a factor (text); only numbers can be "
                "computed with."
            )
        if isinstance(value, str):
            raise FormulaError(f"{self._text} compares a number with text.")
        return np.asarray(float(value))


def _is_plain(value: Any) -> bool:
    return isinstance(value, (int, float))
