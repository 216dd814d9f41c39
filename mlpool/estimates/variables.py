"""The variables that a model's predictors are made of: what they are and which values they take."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd

from mlpool.errors import OptionError, nearest_names
from mlpool.formula.types import Expression
from mlpool.typing import FloatArray

VariableKind = Literal["numeric", "boolean", "factor"]

_FACTOR_FUNCTIONS = ("factor", "as.factor", "as_factor", "ordered", "C", "as.ordered")


@dataclass(frozen=True, kw_only=True)
class Variable:
    """One column of the data that the model's predictors use.

    Attributes
    ----------
    name : str
    kind : {"numeric", "boolean", "factor"}
    levels : tuple
        Levels of a factor in their order; of a number that the formula makes a factor, the numbers.
    values : ndarray of shape (n,)
        Numbers, or codes of `levels`, on the rows used.
    is_group : bool
        Whether it is only a grouping factor of random effects.
    """

    name: str
    kind: VariableKind
    levels: tuple[Any, ...]
    values: np.ndarray[Any, Any]
    is_group: bool = False

    @property
    def is_numeric(self) -> bool:
        """Whether it can be anywhere on a line."""
        return self.kind == "numeric"

    @cached_property
    def numbers(self) -> FloatArray:
        """The values as floats (n,)."""
        return np.asarray(self.values, dtype=np.float64)

    @cached_property
    def is_whole(self) -> bool:
        """Whether a numeric variable has whole values only."""
        return bool(np.all(self.numbers == np.floor(self.numbers)))

    @cached_property
    def distinct(self) -> FloatArray:
        """Sorted distinct values of a numeric variable."""
        return np.unique(self.numbers)

    @property
    def mean(self) -> float:
        """Mean over the rows used."""
        return float(self.numbers.mean())

    @property
    def range(self) -> tuple[float, float]:
        """Smallest and largest value."""
        return float(self.numbers.min()), float(self.numbers.max())

    def column(self, values: Iterable[Any]) -> pd.Series:
        """Return values of this variable as a column that the formula can be evaluated on."""
        if self.kind == "numeric":
            return pd.Series(np.asarray(list(values), dtype=np.float64))
        if self.kind == "boolean":
            return pd.Series(np.asarray([v in (True, "TRUE") for v in values], dtype=bool))
        first = self.levels[0] if self.levels else ""
        if isinstance(first, (int, float)):
            return pd.Series(np.asarray(list(values), dtype=np.float64))
        return pd.Series(pd.Categorical([str(v) for v in values], categories=list(self.levels)))

    def on_rows(self) -> pd.Series:
        """Return the column on the rows used."""
        if self.kind == "numeric":
            return pd.Series(self.numbers)
        return taken(self.column(self.levels), self.values)


def taken(column: pd.Series, rows: Any) -> pd.Series:
    """Return some rows of a column, repeated as often as named, numbered anew."""
    return column.take(rows).reset_index(drop=True)


def model_variables(model: Any) -> dict[str, Variable]:
    """Return the variables of a model's fixed effects and offsets, then its grouping factors."""
    design = model.design
    formula = design.formula
    fixed = [e for term in formula.fixed.terms for e in term]
    expressions = [*fixed, *formula.offsets]
    found: dict[str, Variable] = {}
    for name in _columns_of(expressions):
        found[name] = _read(design, name, expressions)
    grouping = [e for bar in formula.bars for e in bar.group]
    slopes = [e for bar in formula.bars for term in bar.terms.terms for e in term]
    for name in _columns_of(slopes):
        found.setdefault(name, _read(design, name, slopes))
    for name in _columns_of(grouping):
        if name not in found:
            found[name] = _read(design, name, (), is_group=True)
    return found


def find_variable(variables: dict[str, Variable], name: str, argument: str) -> Variable:
    """Return the variable called `name`.

    Raises
    ------
    OptionError
        If the model has none; the sentence offers the nearest spelling.
    """
    if name in variables:
        return variables[name]
    known = list(variables)
    raise OptionError(
        f"{argument} names {name!r}, which is no predictor of this model; it has "
        f"{', '.join(known) if known else 'none'}.{nearest_names(name, known)}"
    )


def _columns_of(expressions: Iterable[Expression]) -> list[str]:
    return list(dict.fromkeys(c for e in expressions for c in e.columns))


def _read(
    design: Any, name: str, expressions: Iterable[Expression], *, is_group: bool = False
) -> Variable:
    values, levels = design.column_values(name)
    if levels:
        present = np.unique(values)
        table = np.full(len(levels), -1, dtype=np.int64)
        table[present] = np.arange(len(present))
        shown = tuple(levels[i] for i in present)
        return Variable(
            name=name, kind="factor", levels=shown, values=table[values], is_group=is_group
        )
    array = np.asarray(values)
    if array.dtype.kind == "b" or _is_boolean(design, name):
        codes = array.astype(np.int64)
        return Variable(name=name, kind="boolean", levels=("FALSE", "TRUE"), values=codes)
    numbers = np.asarray(array, dtype=np.float64)
    if is_group or _is_made_factor(name, expressions):
        distinct, codes = np.unique(numbers, return_inverse=True)
        whole = bool(np.all(distinct == np.floor(distinct)))
        known = tuple(int(v) if whole else float(v) for v in distinct)
        return Variable(name=name, kind="factor", levels=known, values=codes, is_group=is_group)
    return Variable(name=name, kind="numeric", levels=(), values=numbers)


def _is_boolean(design: Any, name: str) -> bool:
    """Whether the column, which has no levels of its own, is coded as TRUE and FALSE."""
    trained = design.encoding.factors.get(name)
    return trained is not None and set(trained.levels) <= {"FALSE", "TRUE"}


def _is_made_factor(name: str, expressions: Iterable[Expression]) -> bool:
    """Whether the formula uses the column only inside ``factor()``."""
    using = [e for e in expressions if name in e.columns]
    return bool(using) and all(_outermost(e) in _FACTOR_FUNCTIONS for e in using)


def _outermost(expression: Expression) -> str:
    tree = expression.tree
    if isinstance(tree, ast.Call):
        return ast.unparse(tree.func)
    return ""


def level_text(value: Any) -> str:
    """Return a level as it is printed: ``4`` for 4.0, ``TRUE`` for True."""
    if isinstance(value, (bool, np.bool_)):
        return "TRUE" if value else "FALSE"
    if isinstance(value, (float, np.floating)):
        return f"{value:.15g}"
    return str(value)
