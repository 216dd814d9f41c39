"""Evaluate a checked expression over columns by walking its tree; nothing reaches ``eval``."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mlpool.errors import ColumnNotFoundError, DataError, FormulaError, brief
from mlpool.formula.functions.bases import State
from mlpool.formula.functions.catalog import apply_function
from mlpool.formula.functions.operators import apply_operator, negate
from mlpool.formula.functions.values import (
    FactorValue,
    MatrixValue,
    NumberValue,
    Value,
    is_plain_number,
    shown,
    value_of,
)
from mlpool.formula.language.safety import CODINGS, CONSTANTS, is_allowed_function
from mlpool.formula.types import Chain, Expression
from mlpool.frames import Frame
from mlpool.frames.levels import code_values

if TYPE_CHECKING:
    from mlpool.typing import ValueArray


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
        self, frame: Frame, states: dict[str, State], context: Mapping[str, object] | None = None
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
            with np.errstate(all="ignore"):
                result = self._visit(expression.tree)
            self._cache[expression.text] = self._whole(result)
        return self._cache[expression.text]

    def _whole(self, result: Any) -> Value:
        """Return a value with one entry per row; a constant is repeated."""
        if is_plain_number(result):
            result = NumberValue(array=np.asarray(float(result)))
        if isinstance(result, FactorValue):
            return replace(result, codes=self._wide(result.codes))
        if isinstance(result, MatrixValue):
            return replace(result, arrays=tuple(self._wide(a) for a in result.arrays))
        if isinstance(result, NumberValue):
            return replace(result, array=self._wide(result.array))
        what = shown(result) if isinstance(result, (str, list)) else "contrasts"
        raise FormulaError(f"{self._text} is {what}, not a column of numbers or a factor.")

    def _wide(self, array: ValueArray) -> ValueArray:
        n = self.frame.n_rows
        if array.ndim == 0:
            return np.full(n, array)
        if array.shape != (n,):
            given = " x ".join(map(str, array.shape))
            raise DataError(f"{self._text} gives {given} values for {n} rows.")
        return array

    def _visit(self, node: ast.expr) -> object:
        if isinstance(node, ast.Name):
            return self._name(node.id)
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, Chain):
            result = self._visit(node.left)
            for operator, operand in zip(node.ops, node.comparators, strict=True):
                result = apply_operator(type(operator), result, self._visit(operand), self._text)
            return result
        if isinstance(node, ast.UnaryOp):
            return negate(type(node.op), self._visit(node.operand), self._text)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            return self._call(node, node.func.id)
        raise FormulaError(f"{self._text} holds something that formulas do not allow.")

    def _name(self, name: str) -> object:
        if name in self.frame:
            column = self.frame.column(name)
            return value_of(column)
        if name in self.context:
            return self._given(self.context[name], name)
        if name in CONSTANTS:
            return CONSTANTS[name]
        if name in CODINGS and name not in self.frame:
            raise FormulaError(
                f"There is no column {brief(name)}; contrasts are named as in R: "
                f"C(f, {CODINGS[name]})."
            )
        self.frame.column(name)
        raise ColumnNotFoundError(f"There is no column {brief(name)} in the data.")

    def _given(self, value: object, name: str) -> Any:
        """Return a value of `context` or of a function in it; arrays are copied."""
        if isinstance(value, str) or is_plain_number(value):
            return value
        array = np.asarray(value)
        if array.dtype.kind in "fiub":
            is_logical = array.dtype.kind == "b"
            return NumberValue(array=array.astype(np.float64), is_logical=is_logical)
        if array.dtype.kind in "UO" and array.ndim == 1 and all(_is_label(v) for v in array):
            codes, levels = code_values(array.astype(object))
            return FactorValue(codes=codes, levels=levels, is_text=True)
        raise FormulaError(f"{name} in context= is no column of numbers, text or a function.")

    def _call(self, node: ast.Call, name: str) -> object:
        self._calls += 1
        state = self.states.setdefault(f"{self._text}#{self._calls}", {})
        args = [self._visit(a) for a in node.args]
        named = {k.arg: self._visit(k.value) for k in node.keywords if k.arg is not None}
        if name in self.context:
            return self._context_call(name, args, named)
        if not is_allowed_function(name):
            raise FormulaError(f"{name}() is not a function that formulas know.")
        return apply_function(name, args, named, state)

    def _context_call(self, name: str, args: list[object], named: dict[str, object]) -> Value:
        function = self.context[name]
        if not callable(function):
            raise FormulaError(f"{name} in context= is not a function.")
        given = {key: _as_array(value) for key, value in named.items()}
        result = function(*[_as_array(a) for a in args], **given)
        if isinstance(result, str):
            raise FormulaError(f"{name}() of context= returned the text {brief(result)}.")
        value: Value = self._given(result, f"What {name}() returned")
        return NumberValue(array=np.asarray(value)) if is_plain_number(value) else value


def _is_label(value: object) -> bool:
    return isinstance(value, str) or value is None or value != value


def _as_array(value: object) -> object:
    """Return what a user's own function gets: copies in float64, texts as objects."""
    if isinstance(value, NumberValue):
        return np.array(value.array, dtype=np.float64)
    if isinstance(value, FactorValue):
        return np.array([*value.levels, None], dtype=object)[value.codes]
    return value
