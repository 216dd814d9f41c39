"""From a tree of JSON values and arrays back to a model; every field is checked on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np
import pandas as pd

from mlpool.engine.glmm.types import GlmmFit, Inference, LevelScores
from mlpool.errors import ModelFileError, NotSupportedError
from mlpool.files.bounds import damaged
from mlpool.files.registry import RECORDS, ROW_FIELDS, fits, hints_of, is_required, saved_fields
from mlpool.formula.functions.values import FactorValue, MatrixValue, NumberValue
from mlpool.formula.types import ParsedFormula
from mlpool.frames import Frame, with_answer
from mlpool.frames.levels import Column
from mlpool.sources.absent_rows import AbsentFrame, AbsentRows, refuse_rows

if TYPE_CHECKING:
    from mlpool.typing import ValueArray

_SCORES = AbsentRows | tuple[LevelScores, ...] | str
"""Left out with the rows, kept, or a sentence on why the model has none."""
_GIVEN = ("arguments", "context")
"""Fields of what a user handed over, which may be of any kind."""
_MOST = 2**62
"""Numbers of rows stay below it, so that they are numbers to NumPy, too."""
_FLOATS = {"nan": float("nan"), "inf": float("inf"), "-inf": float("-inf")}


class Kept:
    """A value that was made before the model was saved, behind the call that made it."""

    def __init__(self, value: object) -> None:
        self._value = value

    def __call__(self) -> Any:
        """Return the value.

        Raises
        ------
        NotSupportedError
            If it was left out with the rows, or the model has none.
        """
        if isinstance(self._value, AbsentRows):
            refuse_rows()
        if isinstance(self._value, str):
            raise NotSupportedError(self._value)
        return self._value


class Decoder:
    """Builds what a tree describes.

    Parameters
    ----------
    arrays : sequence of ndarray
    formula : ParsedFormula
    context : mapping
        Functions that the loader hands over.
    """

    def __init__(
        self,
        arrays: Sequence[ValueArray],
        formula: ParsedFormula,
        context: Mapping[str, Any],
    ) -> None:
        self.arrays, self.formula, self.context = arrays, formula, context
        self._in_rows = False
        self._tags = {
            "float": self._float, "tuple": self._tuple, "dict": self._dict, "array": self._array,
            "rows": self._rows, "formula": self._formula, "bar": self._bar, "index": self._index,
            "frame": self._frame, "function": self._function,
        }  # fmt: skip

    def value(self, node: Any) -> Any:
        """Return the value of a tree.

        Raises
        ------
        ModelFileError
            For anything that the format does not have.
        """
        if node is None or isinstance(node, (bool, int, float, str)):
            return node
        if isinstance(node, list):
            return [self.value(one) for one in node]
        if set(node) == {"record", "fields"}:
            return self._record(node["record"], node["fields"])
        if len(node) != 1 or (tag := next(iter(node))) not in self._tags:
            raise damaged(f"it has a value tagged {', '.join(map(repr, list(node)[:3]))}")
        return self._tags[tag](node[tag])

    def _record(self, name: object, tree: object) -> Any:
        if not isinstance(name, str):
            raise damaged("a record in it has no type")
        kind = RECORDS.get(name)
        if kind is None:
            raise damaged(f"it names the type {name!r}, which model files do not have")
        if not isinstance(tree, dict):
            raise damaged("a record in it has no fields")
        hints, values = hints_of(kind), {}
        for one in saved_fields(kind):
            if one.name not in tree:
                if is_required(one):
                    raise damaged(f"its part '{one.name}' is missing")
                continue
            before = self._in_rows
            self._in_rows = one.name in _GIVEN or one.name in ROW_FIELDS.get(kind, ())
            value = self.value(tree[one.name])
            self._in_rows = before
            if kind is GlmmFit and one.name in ("inference", "scores"):
                value = self._kept(value, one.name)
            if not fits(value, hints[one.name]):
                raise damaged(f"its part '{one.name}' is not what it should be")
            values[one.name] = value
        if unknown := set(tree) - {one.name for one in saved_fields(kind)}:
            raise damaged(f"it has {sorted(unknown)[0]!r} where models have none")
        return kind(**values)

    def _kept(self, value: object, name: str) -> Kept:
        expected = Inference if name == "inference" else _SCORES
        if not fits(value, expected):
            raise damaged(f"its part '{name}' is not what it should be")
        return Kept(value)

    def _float(self, node: object) -> float:
        if not isinstance(node, str):
            raise damaged("a number in it is none")
        if node not in _FLOATS:
            raise damaged(f"{node!r} is no number")
        return _FLOATS[node]

    def _tuple(self, node: object) -> tuple[Any, ...]:
        return tuple(self.value(one) for one in _list(node))

    def _dict(self, node: object) -> dict[str, Any]:
        if not isinstance(node, dict):
            raise damaged("a mapping is none")
        return {key: self.value(one) for key, one in node.items()}

    def _array(self, node: object) -> ValueArray:
        return self.arrays[_position(node, len(self.arrays), "array")]

    def _rows(self, node: object) -> AbsentRows:
        if not self._in_rows:
            raise damaged("numbers that do not belong to rows are left out")
        return AbsentRows(tuple(_count(one) for one in _list(node)) or (0,))

    def _formula(self, node: object) -> ParsedFormula:
        return self.formula

    def _bar(self, node: object) -> Any:
        bars = self.formula.bars
        return bars[_position(node, len(bars), "random-effects term")]

    def _function(self, node: object) -> Any:
        if not isinstance(node, str):
            raise damaged("the name of a function is none")
        if node not in self.context:
            raise ModelFileError(
                f"the model uses the function {node!r} that was handed over in context=, and files "
                f"hold no functions; give it again: load_model(path, context={{{node!r}: ...}})."
            )
        return self.context[node]

    def _index(self, node: object) -> Any:
        tree = _mapping(node)
        name, limits = tree.get("name"), tree.get("range")
        values = self.value(tree.get("values"))
        if name is None or isinstance(name, str):
            if _is_range(limits):
                start, stop, step = limits
                return pd.RangeIndex(start, stop, step, name=name)
            if fits(values, list[str]):
                return pd.Index(np.array(values, dtype=object), name=name)
            if isinstance(values, np.ndarray) and values.ndim == 1:
                return pd.Index(values, name=name)
        raise damaged("its row labels are none")

    def _frame(self, node: object) -> Frame:
        tree = _mapping(node)
        names, n_rows = _list(tree.get("names")), _count(tree.get("n_rows"))
        if not all(isinstance(name, str) for name in names):
            raise damaged("a column's name is none")
        if "columns" not in tree:
            return AbsentFrame(tuple(names), n_rows)
        columns = [self.value(one) for one in _list(tree["columns"])]
        index = self.value(tree.get("index"))
        if not all(isinstance(c, Column) for c in columns) or not isinstance(index, pd.Index):
            raise damaged("its columns are none")
        for column in columns:
            _check_column(column, n_rows)
        if len(index) != n_rows:
            raise damaged("its row labels do not fit its rows")
        frame = Frame.from_columns(columns, index)
        for text, answer in _mapping(tree.get("answers", {})).items():
            frame = with_answer(frame, text, _checked_answer(self.value(answer), n_rows))
        return frame


def _checked_answer(value: object, n_rows: int) -> Any:
    """Return a response that a model was fitted to again, if it has one value per row."""
    arrays: tuple[Any, ...] = ()
    if isinstance(value, NumberValue):
        arrays = (value.array,)
    elif isinstance(value, MatrixValue):
        arrays = value.arrays
    elif isinstance(value, FactorValue):
        arrays = (value.codes,)
        if isinstance(value.codes, np.ndarray) and value.codes.size:
            arrays = (
                arrays if -1 <= value.codes.min() <= value.codes.max() < len(value.levels) else ()
            )
    is_right = all(isinstance(a, np.ndarray) and a.shape == (n_rows,) for a in arrays)
    if not arrays or not is_right:
        raise damaged("its response does not fit its rows")
    return value


def _is_range(limits: object) -> TypeGuard[list[int]]:
    return (
        isinstance(limits, list)
        and len(limits) == 3
        # a bool is an int, too, which pandas refuses
        and all(type(one) is int and abs(one) < _MOST for one in limits)
        and limits[2] != 0
    )


def _check_column(column: Column, n_rows: int) -> None:
    values, missing = column.values, column.is_missing
    is_right = isinstance(values, np.ndarray) and values.shape == (n_rows,)
    if is_right and column.is_factor:
        is_right = values.dtype.kind in "iu" and fits(column.levels, tuple[str, ...])
        is_right = is_right and bool(np.all((values >= -1) & (values < len(column.levels))))
        is_right = is_right and len(set(column.levels)) == len(column.levels)
    if missing is not None:
        is_right = is_right and isinstance(missing, np.ndarray) and missing.shape == (n_rows,)
    if not is_right:
        raise damaged(f"its column {column.name!r} does not fit its rows")


def _position(node: object, count: int, what: str) -> int:
    if not isinstance(node, int) or isinstance(node, bool):
        raise damaged(f"the place of its {what} is no whole number")
    if not 0 <= node < count:
        raise damaged(f"it has no {what} {node}")
    return node


def _count(node: object) -> int:
    if not isinstance(node, int) or isinstance(node, bool) or not 0 <= node < _MOST:
        raise damaged("a place in it is no number of rows")
    return node


def _list(node: object) -> list[Any]:
    if not isinstance(node, list):
        raise damaged("a list is none")
    return node


def _mapping(node: object) -> dict[str, Any]:
    if not isinstance(node, dict):
        raise damaged("a mapping is none")
    return node
