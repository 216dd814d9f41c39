"""What an expression of a formula is on scanned rows: numbers, or labels by a column's values."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import narwhals as nw
import numpy as np

from mlpool.formula.functions.values import FactorValue
from mlpool.formula.types import Expression
from mlpool.sources.language.variables import without
from mlpool.sources.lazy_rows import KeyValue
from mlpool.sources.scan import Scan
from mlpool.typing import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class PushedNumbers:
    """Numbers that the engine computes: one column, or the labelled columns of ``poly``."""

    exprs: tuple[nw.Expr, ...]
    labels: tuple[str, ...] = ()
    is_logical: bool = False

    @property
    def known(self) -> nw.Expr:
        """Whether each row has a value."""
        return ~self.exprs[0].is_null()


@dataclass(frozen=True, slots=True, kw_only=True)
class PushedLabels:
    """A function of one column, known for each of its distinct values.

    Attributes
    ----------
    column : narwhals.Expr
    keys : tuple
        The column's distinct values.
    value : FactorValue
        The result for each of them.
    is_complete : bool
        Whether no row lacks a value, so that queries need not look.
    """

    column: nw.Expr
    keys: tuple[KeyValue, ...]
    value: FactorValue
    is_complete: bool = False

    @property
    def known(self) -> nw.Expr:
        """Whether each row has a label."""
        gone = [k for k, code in zip(self.keys, self.value.codes, strict=True) if code < 0]
        known = ~self.column.is_null()
        return known & ~self.column.is_in(gone) if gone else known

    def numbers(self, per_level: FloatArray) -> nw.Expr:
        """Return each row's number, given the numbers of the levels."""
        codes = np.asarray(self.value.codes)
        results = np.append(np.asarray(per_level, dtype=np.float64), np.nan)[codes]
        found = looked_up(self.column, self.keys, results)
        return found if self.is_complete else without(self.column, found)


Pushed = PushedNumbers | PushedLabels


def complete(expression: Expression, value: Pushed, rows: Scan) -> Pushed:
    """Return the value of an expression on rows of which none lacks it: queries need not look."""
    if isinstance(value, PushedLabels):
        return replace(value, is_complete=True)
    is_column = isinstance(expression.tree, ast.Name)
    name = expression.columns[0] if is_column and expression.columns else ""
    if name not in rows.schema or not rows.schema[name].is_numeric():
        return value
    return replace(value, exprs=(nw.col(name).cast(nw.Float64),))


def looked_up(column: nw.Expr, keys: Sequence[KeyValue], results: FloatArray) -> nw.Expr:
    """Return a column with each of its values replaced by a number; NaN is null.

    Where the column is null the answer is any number.
    """
    counts = Counter(results[~np.isnan(results)].tolist())
    if not counts:
        return nw.lit(None, nw.Float64)
    by_frequency = [number for number, _ in counts.most_common()]
    found = nw.lit(by_frequency[0])
    for number in by_frequency[1:]:
        wanted = [k for k, r in zip(keys, results, strict=True) if r == number]
        found = nw.when(_is_any(column, wanted)).then(nw.lit(number)).otherwise(found)
    gone = [k for k, r in zip(keys, results, strict=True) if np.isnan(r)]
    if gone:
        found = nw.when(~column.is_in(gone)).then(found)
    return found


def _is_any(column: nw.Expr, wanted: Sequence[KeyValue]) -> nw.Expr:
    """Return whether a column is one of some values; of a single one engines answer faster."""
    if len(wanted) == 1 and isinstance(wanted[0], (str, int, float)):
        return column == wanted[0]
    return column.is_in(list(wanted))
