"""A formula's checked tree in narwhals' lazy language.

Numbers become arithmetic of columns. What makes labels, or reads them, must be of one column: it is
evaluated in memory on that column's distinct values by the same functions as data in memory, and
the engine looks the results up. Null is the only missing value: NaN becomes null where it arises.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any

import narwhals as nw
import numpy as np

from mlpool.errors import DataError, FormulaError, brief
from mlpool.formula.functions.bases import State
from mlpool.formula.functions.column_summaries import SUMMARIES
from mlpool.formula.functions.evaluate import Evaluator
from mlpool.formula.functions.factors import as_codes
from mlpool.formula.functions.values import (
    FactorValue,
    MatrixValue,
    NumberValue,
    Value,
    is_plain_number,
)
from mlpool.formula.language.expression import called_name
from mlpool.formula.language.safety import CONSTANTS
from mlpool.formula.types import Chain, Expression
from mlpool.frames import read_frame
from mlpool.sources.language.arithmetic import (
    Number,
    apply_pushed,
    compute,
    logarithm,
    negated,
    not_pushed,
    power,
)
from mlpool.sources.language.learned import learn_poly, learn_scale
from mlpool.sources.language.pushed_values import Pushed, PushedLabels, PushedNumbers, looked_up
from mlpool.sources.language.variables import (
    key_of,
    keys_frame,
    kind_of,
    numbers_of,
    without,
    without_nan,
)
from mlpool.sources.lazy_rows import KeyValue, Native
from mlpool.sources.queries import collected, distinct
from mlpool.sources.scan import Scan

MOST_VALUES = 50_000
"""Distinct values of a column whose labels enter fixed effects or slopes."""
_LEARNS = frozenset({"scale", "center", "poly"})
_OF_ALL_ROWS = _LEARNS | frozenset({"bs", "ns", *SUMMARIES})
"""Functions whose answer depends on every row, not on a column's distinct values."""
_LABELS = frozenset(
    {"factor", "as.factor", "as_factor", "ordered", "relevel", "C", "as.character", "cut"}
)


Visited = nw.Expr | float | PushedNumbers
"""A part of an expression: a column, a constant, or labelled columns."""


class PushedEvaluator:
    """Turns expressions of a formula into pushed values.

    Parameters
    ----------
    rows : Scan
    states : dict
        What stateful functions learn, in the form of data in memory.
    context : mapping
        Constants that the caller handed over; functions are not pushed down.
    """

    def __init__(
        self, rows: Scan, states: dict[str, State], context: Mapping[str, Any] | None = None
    ) -> None:
        self.rows, self.states, self.context = rows, states, context or {}
        self._values: dict[str, Pushed] = {}
        self._keys: dict[str, tuple[Native, tuple[KeyValue, ...]]] = {}

    def value(self, expression: Expression) -> Pushed:
        """Return what an expression is on scanned rows.

        Raises
        ------
        NotSupportedError
            If no query computes it.
        ColumnNotFoundError, DataError, FormulaError
            As in memory.
        """
        if expression.text not in self._values:
            self._text, self._calls = expression.text, 0
            self._values[expression.text] = self._of_tree(expression)
        return self._values[expression.text]

    def labels(self, expression: Expression) -> Pushed:
        """Return an expression of one column value by value, as the factor that it was."""
        self._text, self._calls = expression.text, 0
        if len(expression.columns) != 1:
            raise not_pushed(f"{expression.text}, labels of several columns")
        native, keys = self._distinct(expression.columns[0])
        value = Evaluator(read_frame(native), self.states, self.context).value(expression)
        key = key_of(self.rows, expression.columns[0])
        return PushedLabels(column=key, keys=keys, value=as_codes(value, expression.text))

    def number(self, expression: Expression) -> nw.Expr:
        """Return an expression that must be one column of numbers.

        Raises
        ------
        DataError
            If it is not.
        """
        value = self.value(expression)
        if isinstance(value, PushedLabels) or len(value.exprs) > 1:
            raise DataError(f"offset({expression.text}) must be one column of numbers.")
        return value.exprs[0]

    def _of_tree(self, expression: Expression) -> Pushed:
        tree, text = expression.tree, expression.text
        calls = {called_name(n) for n in ast.walk(tree)}
        columns = [c for c in expression.columns if c not in self.context]
        kinds = {c: kind_of(self.rows, c) for c in columns}
        is_label = bool(calls & _LABELS) or any(kinds[c] != "number" for c in columns)
        is_one = len(columns) == 1 and not _is_date(tree, kinds)
        if is_label and is_one and not calls & _OF_ALL_ROWS:
            return self._of_values(expression, columns[0])
        found = self._visit(tree)
        if isinstance(found, PushedNumbers):
            return found
        if not isinstance(found, nw.Expr):
            raise not_pushed(f"{text}, a constant")
        is_logical = self._is_logical(tree)
        # a column alone has no NaN left
        kept = found if isinstance(tree, ast.Name) else without_nan(found)
        return PushedNumbers(exprs=(kept,), is_logical=is_logical)

    def _of_values(self, expression: Expression, column: str) -> Pushed:
        """Evaluate an expression of one column on its distinct values."""
        native, keys = self._distinct(column)
        value = Evaluator(read_frame(native), self.states, self.context).value(expression)
        if isinstance(value, MatrixValue):
            raise not_pushed(f"{expression.text}, several columns of labels")
        key = key_of(self.rows, column)
        if isinstance(value, NumberValue) and not value.is_logical:
            return PushedNumbers(
                exprs=(without(key, looked_up(key, keys, np.asarray(value.array, np.float64))),)
            )
        return PushedLabels(column=key, keys=keys, value=_as_labels(value))

    def _distinct(self, column: str) -> tuple[Native, tuple[KeyValue, ...]]:
        """Return a frame of a column's distinct values, and the values."""
        if column not in self._keys:
            key = key_of(self.rows, column).alias(column)
            found = distinct(self.rows.lazy.select(key), [column])
            most = collected(found.filter(~nw.col(column).is_null()).head(MOST_VALUES + 1))
            if len(most) > MOST_VALUES:
                raise not_pushed(
                    f"{brief(column)}, of more than {MOST_VALUES:,} different values, as labels"
                )
            self._keys[column] = keys_frame(most, self.rows), tuple(most[column].to_list())
        return self._keys[column]

    # --- numbers ----------------------------------------------------------------------------

    def _visit(self, node: ast.expr) -> Visited:
        label = self._only_label(node)
        if label:
            return self._looked_up(node, label)
        if isinstance(node, ast.Name):
            return self._name(node.id)
        if isinstance(node, ast.Constant) and is_plain_number(node.value):
            return float(node.value)  # type: ignore[arg-type] # a plain number
        if isinstance(node, Chain):
            return self._chain(node)
        if isinstance(node, ast.UnaryOp):
            return negated(type(node.op), self._number(node.operand))[0]
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            return self._call(node, node.func.id)
        raise not_pushed(f"{self._text}, which mixes labels and numbers")

    def _only_label(self, node: ast.expr) -> str:
        """Return the one column of text that a comparison (or the like) reads, else nothing."""
        names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)} & set(self.rows.schema)
        is_one = len(names) == 1 and not isinstance(node, ast.Name)
        return next((n for n in names if is_one and kind_of(self.rows, n) == "text"), "")

    def _looked_up(self, node: ast.expr, column: str) -> nw.Expr:
        """Return numbers made of a column of text: ``(s == "b")`` inside of arithmetic."""
        native, keys = self._distinct(column)
        part = Expression(text=self._text, tree=node, columns=(column,))
        learned: dict[str, State] = {}
        value = Evaluator(read_frame(native), learned, self.context).value(part)
        if not isinstance(value, NumberValue) or any(learned.values()):
            raise not_pushed(f"{self._text}, which mixes labels and numbers")
        key = key_of(self.rows, column)
        return without(key, looked_up(key, keys, np.asarray(value.array, np.float64)))

    def _number(self, node: ast.expr) -> Number:
        found = self._visit(node)
        if isinstance(found, PushedNumbers):
            if len(found.exprs) > 1:
                raise FormulaError(f"{self._text} computes with several columns.")
            return found.exprs[0]
        return found if isinstance(found, nw.Expr) else float(found)

    def _name(self, name: str) -> Number:
        if name in self.rows.schema:
            if kind_of(self.rows, name) == "text":
                raise not_pushed(f"{self._text}, which mixes labels and numbers")
            return numbers_of(self.rows, name)
        if name in self.context:
            if not is_plain_number(self.context[name]):
                raise not_pushed(f"{brief(name)} of context=")
            return float(self.context[name])
        if name in CONSTANTS:
            return float(CONSTANTS[name])
        kind_of(self.rows, name)
        raise AssertionError(name)

    def _chain(self, node: Chain) -> Number:
        result = self._number(node.left)
        for operator, operand in zip(node.ops, node.comparators, strict=True):
            right = self._number(operand)
            if not (isinstance(result, nw.Expr) or isinstance(right, nw.Expr)):
                right = nw.lit(right)
            result = compute(type(operator), result, right, self._text)[0]
        return result

    def _call(self, node: ast.Call, name: str) -> Visited:
        self._calls += 1
        state = self.states.setdefault(f"{self._text}#{self._calls}", {})
        if name in self.context:
            raise not_pushed(f"{name}() of context=")
        given: list[object] = [self._visit(a) if i == 0 else _constant(a, self._text, name)
                            for i, a in enumerate(node.args)]  # fmt: skip
        named = {k.arg: _constant(k.value, self._text, name) for k in node.keywords}
        if not given:
            raise not_pushed(f"{name}() in {self._text}, whose first argument has no place")
        x, rest = given[0], given[1:]
        if name in ("I", "offset") and isinstance(x, PushedNumbers):
            return x
        if not isinstance(x, nw.Expr):
            raise not_pushed(f"{self._text}, a function of constants")
        if name in _LEARNS:
            return self._learned(name, x, _bound(name, rest, named), state)
        return self._plain(name, x, rest, named)

    def _plain(self, name: str, x: nw.Expr, rest: list[Any], named: Mapping[Any, Any]) -> nw.Expr:
        if name == "log" and (rest or named):
            base = float(rest[0] if rest else named["base"])
            if base <= 0 or base == 1:
                raise FormulaError(f"log(): base= must be positive and not 1; got {base:.15g}.")
            return logarithm(x, base)
        if name == "np.power" and len(rest) == 1:
            raised = power(x, float(rest[0]), self._text)
            assert isinstance(raised, nw.Expr)
            return raised
        if rest or named:
            raise not_pushed(f"{name}() in {self._text}")
        return apply_pushed(name, x, self._text)

    def _learned(
        self, name: str, x: nw.Expr, options: Mapping[str, Any], state: State
    ) -> nw.Expr | PushedNumbers:
        x = without_nan(x)
        if name != "poly":
            by = options.get("scale", True) if name == "scale" else False
            return learn_scale(self.rows.lazy, x, state, options.get("center", True), by)
        degree = int(options.get("degree", 1))
        labels = tuple(str(i + 1) for i in range(degree))
        if options.get("raw", False):
            powers = [power(x, float(i + 1), self._text) for i in range(degree)]
            return PushedNumbers(exprs=tuple(powers), labels=labels)  # type: ignore[arg-type] # of columns
        return PushedNumbers(exprs=learn_poly(self.rows.lazy, x, degree, state), labels=labels)

    def _is_logical(self, tree: ast.expr) -> bool:
        if isinstance(tree, Chain):
            return isinstance(tree.ops[-1], (ast.cmpop, ast.BitAnd, ast.BitOr))
        if isinstance(tree, ast.UnaryOp):
            return isinstance(tree.op, ast.Not)
        if isinstance(tree, ast.Call) and called_name(tree) == "I":
            return self._is_logical(tree.args[0])
        return False


def _constant(node: ast.expr, text: str, function: str) -> object:
    """Return a constant argument of a function."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.Constant):
        value: Any = node.operand.value
        return -value if isinstance(node.op, ast.USub) else value
    if isinstance(node, ast.Name) and node.id in CONSTANTS:
        return CONSTANTS[node.id]
    raise not_pushed(f"{function}() of several columns in {text}")


def _bound(name: str, given: Sequence[Any], named: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the options of a function that learns, by name."""
    known = {"scale": ("center", "scale"), "poly": ("degree", "raw"), "center": ()}[name]
    if len(given) > len(known) or not set(named) <= set(known):
        raise FormulaError(f"{name}() takes the arguments x{''.join(f', {k}' for k in known)}.")
    left = [k for k in known if k not in named]
    return {**dict(zip(left, given, strict=False)), **named}


def _as_labels(value: Value) -> FactorValue:
    """Return a factor; of truth values one with levels FALSE and TRUE."""
    if isinstance(value, FactorValue):
        return value
    assert isinstance(value, NumberValue)
    codes = np.where(np.isnan(value.array), -1, value.array != 0).astype(np.int32)
    return FactorValue(codes=codes, levels=("FALSE", "TRUE"))


def _is_date(tree: ast.expr, kinds: Mapping[str, str]) -> bool:
    """Tell whether an expression computes with a date, which is a number of days."""
    calls = {called_name(n) for n in ast.walk(tree)}
    return set(kinds.values()) == {"date"} and not calls & _LABELS
