"""The variables that a model's predictors are made of: what they are and which values they take."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from mlpool.designs.counted_rows import counted_mean, counted_quantiles, counted_sd
from mlpool.designs.row_summaries import by_counts, fact
from mlpool.errors import OptionError, brief, nearest_names
from mlpool.formula.language.expression import column_expression
from mlpool.formula.types import Expression
from mlpool.frames.level_labels import level_label
from mlpool.sources.descriptions import describe_number, kind_of_variable, labels_of
from mlpool.sources.design import PushedDesign
from mlpool.typing import FloatArray

if TYPE_CHECKING:
    from mlpool.formula.design import Design
    from mlpool.models import FittedModel
    from mlpool.typing import ValueArray

VariableKind = Literal["numeric", "boolean", "factor"]

_FACTOR_FUNCTIONS = ("factor", "as.factor", "as_factor", "ordered", "C", "as.ordered")


QUANTILES = (0.0, 0.25, 1 / 3, 0.5, 2 / 3, 0.75, 1.0)
"""Shares whose quantiles are remembered of every number."""

FEW_VALUES = 100
"""Up to so many distinct values are remembered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VariableSummary:
    """What is remembered of one column of the data that the model's predictors use.

    Attributes
    ----------
    name : str
    kind : {"numeric", "boolean", "factor"}
    levels : tuple
        Levels of a factor in their order; of a number that the formula makes a factor, the
        numbers. Those of grouping factors are read when they are needed.
    is_group : bool
        Whether it is only a grouping factor of random effects.
    mean, sd, mad : float
        Of numbers; the standard deviation with n - 1, the scaled median absolute deviation.
    quantiles : tuple of float
        At `QUANTILES`.
    is_whole : bool
        Whether a numeric variable has whole values only.
    n_distinct : int
    distinct : tuple of float
        Sorted distinct values of a number; empty if there are more than a hundred.
    """

    name: str
    kind: VariableKind
    levels: tuple[str | int | float, ...] = ()
    is_group: bool = False
    mean: float = math.nan
    sd: float = math.nan
    mad: float = math.nan
    quantiles: tuple[float, ...] = ()
    is_whole: bool = False
    n_distinct: int = 0
    distinct: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Variable:
    """A predictor: its summary, and its rows when they are needed.

    Attributes
    ----------
    summary : VariableSummary
    design : Design
    """

    summary: VariableSummary
    design: Design

    @property
    def name(self) -> str:
        """The column's name."""
        return self.summary.name

    @property
    def kind(self) -> VariableKind:
        """What it is."""
        return self.summary.kind

    @property
    def is_group(self) -> bool:
        """Whether it is only a grouping factor of random effects."""
        return self.summary.is_group

    @property
    def is_numeric(self) -> bool:
        """Whether it can be anywhere on a line."""
        return self.kind == "numeric"

    @property
    def levels(self) -> tuple[Any, ...]:
        """Levels in their order."""
        return self._coded[1] if self.is_group else self.summary.levels

    @property
    def values(self) -> ValueArray:
        """Numbers, or codes of `levels`, on the rows used (n,)."""
        return self._coded[0]

    @property
    def mean(self) -> float:
        """Mean over the rows used."""
        return self.summary.mean

    @property
    def range(self) -> tuple[float, float]:
        """Smallest and largest value."""
        return self.summary.quantiles[0], self.summary.quantiles[-1]

    @property
    def numbers(self) -> FloatArray:
        """The values as floats (n,)."""
        return np.asarray(self.values, dtype=np.float64)

    @property
    def distinct(self) -> tuple[float, ...]:
        """Sorted distinct values of a numeric variable."""
        if self.summary.n_distinct > FEW_VALUES:
            return tuple(np.unique(self.numbers).tolist())
        return self.summary.distinct

    def quantile(self, share: float) -> float:
        """Return one of the quantiles that are remembered."""
        return self.summary.quantiles[QUANTILES.index(share)]

    @cached_property
    def _coded(self) -> tuple[ValueArray, tuple[object, ...]]:
        return _read_rows(self.design, self.name, self.kind)

    def column(self, values: Iterable[object]) -> pd.Series:
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


def model_variables(model: FittedModel) -> dict[str, Variable]:
    """Return the variables of a model's fixed effects and offsets, then its grouping factors."""
    return {
        name: Variable(summary=summary, design=model.design)
        for name, summary in variable_summaries(model).items()
    }


@fact("lm", "glm", "lmer", "glmer", "gls")
def variable_summaries(m: FittedModel) -> dict[str, VariableSummary]:
    """Return what is remembered of a model's variables, by name."""
    return _summaries(m, None)


@by_counts(variable_summaries)
def _counted_summaries(m: FittedModel, counts: FloatArray) -> dict[str, VariableSummary]:
    return _summaries(m, counts)


def _summaries(m: FittedModel, counts: FloatArray | None) -> dict[str, VariableSummary]:
    design, formula = m.design, m.design.formula
    fixed = [e for term in formula.fixed.terms for e in term]
    slopes = [e for bar in formula.bars for term in bar.terms.terms for e in term]
    grouping = [e for bar in formula.bars for e in bar.group]
    # constants that the caller handed over are no columns
    given = set(design.encoding.context or ())
    found: dict[str, VariableSummary] = {}
    named = design.encoding.offset_name
    offsets = [*formula.offsets, *([column_expression(named)] if named else [])]
    for expressions in ([*fixed, *offsets], slopes):
        for name in _columns_of(expressions):
            if name not in found and name not in given:
                found[name] = _summarise(design, name, _kind_of(design, name, expressions), counts)
    for name in _columns_of(grouping):
        if name not in found:
            found[name] = VariableSummary(name=name, kind="factor", is_group=True)
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
        f"{argument} names {brief(name)}, which is no predictor of this model; it has "
        f"{', '.join(known) if known else 'none'}.{nearest_names(name, known)}"
    )


def _columns_of(expressions: Iterable[Expression]) -> list[str]:
    return list(dict.fromkeys(c for e in expressions for c in e.columns))


def _kind_of(design: Design, name: str, expressions: Iterable[Expression]) -> VariableKind:
    if isinstance(design, PushedDesign):
        return _kind_elsewhere(design, name, expressions)
    column = design.frame.column(name)
    if column.levels:
        return "factor"
    # the column says so itself where the formula only computes with it: I(b * x)
    if column.kind == "boolean" or _is_boolean(design, name):
        return "boolean"
    return "factor" if _is_made_factor(name, expressions) else "numeric"


def _kind_elsewhere(
    design: PushedDesign, name: str, expressions: Iterable[Expression]
) -> VariableKind:
    kind = kind_of_variable(design, name)
    if kind == "text":
        return "factor"
    if kind == "logical" or _is_boolean(design, name):
        return "boolean"
    return "factor" if _is_made_factor(name, expressions) else "numeric"


def _read_rows(design: Design, name: str, kind: VariableKind) -> tuple[ValueArray, tuple[Any, ...]]:
    """Return numbers, or codes and the levels that occur, on the rows used."""
    values, levels = design.column_values(name)
    if levels:
        present = np.unique(values)
        table = np.full(len(levels), -1, dtype=np.int64)
        table[present] = np.arange(len(present))
        return table[values], tuple(levels[i] for i in present)
    if kind == "boolean":
        return np.asarray(values).astype(np.int64), ("FALSE", "TRUE")
    numbers = np.asarray(values, dtype=np.float64)
    if kind == "numeric":
        return numbers, ()
    codes, labels = design.column_codes(name)
    if labels != tuple(level_label(v) for v in np.unique(numbers)):
        return codes, labels  # ids that floats would merge, or numbers that print alike
    distinct, codes = np.unique(numbers, return_inverse=True)
    whole = bool(np.all(distinct == np.floor(distinct)))
    return codes, tuple(int(v) if whole else float(v) for v in distinct)


def _summarise_elsewhere(design: PushedDesign, name: str, kind: VariableKind) -> VariableSummary:
    """Return what queries say of a variable."""
    if kind == "boolean":
        return VariableSummary(name=name, kind=kind, levels=("FALSE", "TRUE"))
    if kind == "factor":
        column = labels_of(design, name)
        labels = column.coded()[1].labels
        # ids that floats would merge are labels
        is_labelled = column.is_factor or column.labelled is not None
        numbers = [] if is_labelled else np.unique(column.values).tolist()
        if labels != tuple(level_label(v) for v in numbers):
            return VariableSummary(name=name, kind=kind, levels=labels)
        whole = all(float(v).is_integer() for v in numbers)
        levels = tuple(int(v) if whole else float(v) for v in numbers)
        return VariableSummary(name=name, kind=kind, levels=levels)
    found = describe_number(design, name, QUANTILES, FEW_VALUES)
    return VariableSummary(
        name=name, kind=kind, mean=found.mean, sd=found.sd, mad=1.4826 * found.mad,
        quantiles=tuple(found.quantiles.tolist()), is_whole=found.is_whole,
        n_distinct=found.n_distinct, distinct=tuple(found.distinct.tolist()),
    )  # fmt: skip


def _summarise(
    design: Design, name: str, kind: VariableKind, counts: FloatArray | None
) -> VariableSummary:
    if isinstance(design, PushedDesign):
        return _summarise_elsewhere(design, name, kind)
    values, levels = _read_rows(design, name, kind)
    if kind != "numeric":
        return VariableSummary(name=name, kind=kind, levels=levels)
    x = np.asarray(values, dtype=np.float64)
    distinct, place = np.unique(x, return_inverse=True)
    if counts is not None:
        return _summarise_counted(
            name, distinct, np.bincount(place.ravel(), counts).astype(np.float64)
        )
    return VariableSummary(
        name=name,
        kind=kind,
        mean=float(x.mean()),
        sd=float(x.std(ddof=1)) if len(x) > 1 else 0.0,
        mad=1.4826 * float(np.median(np.abs(x - np.median(x)))),
        quantiles=tuple(np.quantile(x, QUANTILES).tolist()),
        is_whole=bool(np.all(distinct == np.floor(distinct))),
        n_distinct=len(distinct),
        distinct=tuple(distinct.tolist()) if len(distinct) <= FEW_VALUES else (),
    )


def _summarise_counted(name: str, x: FloatArray, counts: FloatArray) -> VariableSummary:
    """Summarise a number that takes the values x (m,) in so many rows."""
    (median,) = counted_quantiles(x, counts, np.array([0.5]))
    (mad,) = counted_quantiles(np.abs(x - median), counts, np.array([0.5]))
    return VariableSummary(
        name=name,
        kind="numeric",
        mean=counted_mean(x, counts),
        sd=counted_sd(x, counts),
        mad=1.4826 * float(mad),
        quantiles=tuple(counted_quantiles(x, counts, np.array(QUANTILES)).tolist()),
        is_whole=bool(np.all(x == np.floor(x))),
        n_distinct=len(x),
        distinct=tuple(x.tolist()) if len(x) <= FEW_VALUES else (),
    )


def _is_boolean(design: Design, name: str) -> bool:
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
