"""The distinct columns of [X Z y] as expressions: what the sums are made of.

In memory equal columns are found by looking at rows; here a column is known by what it is made of:
an expression of the formula, and for factors the numbers of their levels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import narwhals as nw
import numpy as np

from mlpool.engine.sums.columns import Layout
from mlpool.formula.design_matrix import DesignMatrix, FactorPart, NumberPart
from mlpool.formula.types import Terms
from mlpool.sources.language.pushed_values import Pushed, PushedLabels, PushedNumbers
from mlpool.typing import FloatArray

Identity = tuple[object, ...]
"""What a column is made of: per part its expression, and column or numbers by level."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PushedColumn:
    """One distinct column.

    Attributes
    ----------
    expr : narwhals.Expr
    centre : float
        What is taken off before products are made.
    factor : str
        The expression of a column that is a factor's alone, else an empty string.
    per_level : ndarray
        Its numbers by level.
    """

    expr: nw.Expr
    centre: float
    factor: str = ""
    per_level: FloatArray | None = None

    def is_apart(self, other: PushedColumn) -> bool:
        """Tell whether no row has a value other than zero in both columns."""
        if not self.factor or self.factor != other.factor:
            return False
        assert self.per_level is not None and other.per_level is not None
        return not np.any(self.per_level * other.per_level)


@dataclass(frozen=True, slots=True, kw_only=True)
class PushedColumns:
    """The distinct columns, the constant first and the response last.

    Attributes
    ----------
    columns : tuple of PushedColumn
        Without the constant.
    index : tuple of int
        Distinct column (0 is the constant) of every column of [X Z y].
    p, q : int
        Columns of X and of all Z.
    """

    columns: tuple[PushedColumn, ...]
    index: tuple[int, ...]
    p: int
    q: int

    def layout(self) -> Layout:
        """Return the layout of the sums, centred at the means."""
        centre = (0.0, *(c.centre for c in self.columns))
        return Layout(self.index, centre, self.p, self.q)


def distinct_columns(
    matrices: list[tuple[DesignMatrix, Terms]],
    values: Mapping[str, Pushed],
    centres: Mapping[str, tuple[float, ...]],
    response: PushedColumn,
) -> PushedColumns:
    """Return the distinct columns of X (first of `matrices`), the Zs and the response."""
    known: dict[Identity, int] = {(): 0}
    columns: list[PushedColumn] = []
    index = []
    for matrix, terms in matrices:
        for identity, column in columns_of(matrix, terms, values, centres):
            if identity not in known:
                assert column is not None
                columns.append(column)
                known[identity] = len(columns)
            index.append(known[identity])
    columns.append(response)
    p = matrices[0][0].shape[1]
    return PushedColumns(
        columns=tuple(columns), index=(*index, len(columns)), p=p, q=len(index) - p
    )


def columns_of(
    matrix: DesignMatrix,
    terms: Terms,
    values: Mapping[str, Pushed],
    centres: Mapping[str, tuple[float, ...]] | None = None,
) -> list[tuple[Identity, PushedColumn | None]]:
    """Return the columns of a model matrix and what each is made of; None is the constant.

    Without `centres` columns stay as they are.
    """
    found: list[tuple[Identity, PushedColumn | None]] = [((), None)] if matrix.intercept else []
    for term, parts in zip(terms.terms, matrix.terms, strict=True):
        combined: list[tuple[Identity, PushedColumn | None]] = [((), None)]
        for expression, part in zip(term, parts, strict=True):
            text = expression.text
            own = _part_columns(text, part, values[text], (centres or {}).get(text))
            combined = [
                ((*before, identity), column if made is None else _product(made, column))
                for identity, column in own
                for before, made in combined
            ]
        # a product is the same in any order of its parts
        found += [(tuple(sorted(identity, key=repr)), column) for identity, column in combined]
    return found


def _part_columns(
    text: str, part: NumberPart | FactorPart, value: Pushed, centres: tuple[float, ...] | None
) -> list[tuple[Identity, PushedColumn]]:
    if isinstance(part, FactorPart):
        codes = np.arange(len(value.value.levels) if isinstance(value, PushedLabels) else 2)
        return [
            ((text, tuple(column.tolist())), _of_levels(text, value, column))
            for column in part.coding.rows(codes).T
        ]
    assert isinstance(value, PushedNumbers)
    at = centres or (0.0,) * len(value.exprs)
    return [
        ((text, i), PushedColumn(expr=expr, centre=centre))
        for i, (expr, centre) in enumerate(zip(value.exprs, at, strict=True))
    ]


def _of_levels(text: str, value: Pushed, per_level: FloatArray) -> PushedColumn:
    """Return a column of a factor; truth values that were computed are 0 and 1 already."""
    if isinstance(value, PushedLabels):
        expr = value.numbers(per_level)
    else:
        low, high = (float(v) for v in per_level)
        expr = low + (high - low) * value.exprs[0]
    return PushedColumn(expr=expr, centre=0.0, factor=text, per_level=per_level)


def _product(a: PushedColumn, b: PushedColumn) -> PushedColumn:
    # about the product of means, numbers lose no digits; a factor's column is small anyway
    return PushedColumn(expr=a.expr * b.expr, centre=a.centre * b.centre)
