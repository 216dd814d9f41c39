"""`DesignMatrix`: named columns that are multiplied out a block of rows at a time."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mlpool.errors import NotSupportedError
from mlpool.formula.contrast_coding import Coding, full_dummies, make_coding, variable_of
from mlpool.formula.functions.values import FactorValue, MatrixValue, NumberValue, Value
from mlpool.formula.language.expression import called_name
from mlpool.formula.types import ColumnInfo, ColumnKind, ColumnPart, Expression, Terms
from mlpool.typing import AnyArray, FloatArray, IntArray

_BLOCK = 1 << 16
"""Rows multiplied at a time."""

_FEW = 16
"""Columns of a product that are made one by one, which costs less than broadcasting short rows."""

MAX_DENSE_BYTES = 8_000_000_000
"""Largest model matrix or covariance matrix that is made in full."""


@dataclass(frozen=True, slots=True, eq=False)
class NumberPart:
    """Numeric columns of one expression; views of the user's arrays where possible."""

    arrays: tuple[AnyArray, ...]

    @property
    def width(self) -> int:
        """Number of columns."""
        return len(self.arrays)

    def block(self, start: int, stop: int) -> FloatArray:
        """Return rows ``start:stop``."""
        out = np.empty((stop - start, len(self.arrays)))
        for j, array in enumerate(self.arrays):
            out[:, j] = array[start:stop]
        return out


@dataclass(frozen=True, slots=True, eq=False)
class FactorPart:
    """A factor: codes and how they are coded."""

    codes: IntArray
    coding: Coding

    @property
    def width(self) -> int:
        """Number of columns."""
        return self.coding.width

    def block(self, start: int, stop: int) -> FloatArray:
        """Return rows ``start:stop``."""
        return self.coding.rows(self.codes[start:stop])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DesignMatrix:
    """A model matrix that exists a block of rows at a time (a ``RowSource``).

    Attributes
    ----------
    n : int
        Rows.
    intercept : bool
        Whether column 0 is ones.
    terms : tuple of tuple of parts
        Each term is the product of its parts; the first part's columns vary fastest, as in R.
    columns : tuple of ColumnInfo
    """

    n: int
    intercept: bool
    terms: tuple[tuple[NumberPart | FactorPart, ...], ...]
    columns: tuple[ColumnInfo, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.n, len(self.columns)

    @property
    def names(self) -> tuple[str, ...]:
        """R's coefficient names."""
        return tuple(c.name for c in self.columns)

    def rows(self, start: int, stop: int) -> FloatArray:
        """Return rows ``start:stop`` as a C-contiguous array of shape (stop - start, p)."""
        out = np.empty((stop - start, len(self.columns)))
        at = 0
        if self.intercept:
            out[:, 0] = 1.0
            at = 1
        for parts in self.terms:
            if len(parts) == 1 and isinstance(parts[0], NumberPart):
                for array in parts[0].arrays:
                    out[:, at] = array[start:stop]
                    at += 1
                continue
            block = _product(parts, start, stop)
            out[:, at : at + block.shape[1]] = block
            at += block.shape[1]
        return out

    def dense(self) -> FloatArray:
        """Return the whole matrix (n, p).

        Raises
        ------
        NotSupportedError
            If it would not fit in memory.
        """
        n, p = self.shape
        check_dense(n, p, f"the model matrix of {n} rows and {p} columns")
        return self.rows(0, n)

    def dot(self, beta: FloatArray) -> FloatArray:
        """Return ``X beta`` (n,) without the columns of dummies."""
        out = np.empty(self.n)
        for start in range(0, self.n, _BLOCK):
            stop = min(start + _BLOCK, self.n)
            total = np.full(stop - start, beta[0] if self.intercept else 0.0)
            at = int(self.intercept)
            for parts in self.terms:
                width = math.prod(part.width for part in parts)
                total += _term_dot(parts, beta[at : at + width], start, stop)
                at += width
            out[start:stop] = total
        return out


def check_dense(rows: int, columns: int, what: str) -> None:
    """Refuse a matrix that would not fit in memory.

    Raises
    ------
    NotSupportedError
        Naming its size.
    """
    size = 8.0 * rows * columns
    if size > MAX_DENSE_BYTES:
        raise NotSupportedError(
            # bytes of a gigabyte, in which both are shown
            f"This needs {what}, {size / 1e9:.0f} GB; the limit is {MAX_DENSE_BYTES / 1e9:.0f} GB."
        )


def _product(parts: Sequence[NumberPart | FactorPart], start: int, stop: int) -> FloatArray:
    block = parts[0].block(start, stop)
    for part in parts[1:]:
        other = part.block(start, stop)
        if block.shape[1] * other.shape[1] <= _FEW:
            columns = np.empty((stop - start, block.shape[1] * other.shape[1]))
            for k in range(columns.shape[1]):
                i, j = divmod(k, block.shape[1])
                np.multiply(other[:, i], block[:, j], out=columns[:, k])
            block = columns
            continue
        block = (other[:, :, None] * block[:, None, :]).reshape(stop - start, -1)
    return block


def _term_dot(
    parts: Sequence[NumberPart | FactorPart], b: FloatArray, start: int, stop: int
) -> FloatArray:
    """One term's share of X beta; the widest factor is looked up by level, not multiplied."""
    left = list(parts)
    # The first part's columns vary fastest: transposed, axis i belongs to part i.
    share = b.reshape([part.width for part in reversed(left)]).T
    factors = [i for i, part in enumerate(left) if isinstance(part, FactorPart)]
    if factors:
        widest = max(factors, key=lambda i: left[i].width)
        part = left.pop(widest)
        assert isinstance(part, FactorPart)
        share = part.coding.per_level(np.moveaxis(share, widest, 0))[part.codes[start:stop]]
    else:
        share = np.einsum("ij,j...->i...", left.pop(0).block(start, stop), share)
    for part in left:
        share = np.einsum("ij...,ij->i...", share, part.block(start, stop))
    return share


def make_matrix(
    terms: Terms,
    values: Mapping[str, Value],
    n: int,
    *,
    contrasts: Mapping[str, object],
) -> DesignMatrix:
    """Return the matrix of `terms` over evaluated expressions.

    Parameters
    ----------
    terms : Terms
    values : mapping
        From expression text to its value on the rows used.
    n : int
        Number of rows.
    contrasts : mapping
        From expression text to contrast name.

    Raises
    ------
    DataError
        If a factor has fewer than two levels.
    """
    coded = {k: as_factor(v) if is_coded(v) else v for k, v in values.items()}
    flags = full_dummies(terms, {k: isinstance(v, FactorValue) for k, v in coded.items()})
    columns = [ColumnInfo(name="(Intercept)")] if terms.intercept else []
    built = []
    for number, (term, full) in enumerate(zip(terms.terms, flags, strict=True)):
        parts, infos = [], []
        for expression, is_full in zip(term, full, strict=True):
            part, info = _make_part(expression, coded[expression.text], is_full, contrasts)
            parts.append(part)
            infos.append(info)
        built.append(tuple(parts))
        columns += _name_columns(infos, number)
    return DesignMatrix(
        n=n, intercept=terms.intercept, terms=tuple(built), columns=_distinct(columns)
    )


def is_coded(value: Value) -> bool:
    """Tell whether a value enters a model through dummies (factors and logicals)."""
    return isinstance(value, FactorValue) or (isinstance(value, NumberValue) and value.is_logical)


def as_factor(value: Value) -> FactorValue:
    """Return a factor; a logical becomes one with levels FALSE and TRUE."""
    if isinstance(value, FactorValue):
        return value
    assert isinstance(value, NumberValue)
    codes = np.where(np.isnan(value.array), -1, value.array != 0).astype(np.int32)
    return FactorValue(codes=codes, levels=("FALSE", "TRUE"))


def _make_part(
    expression: Expression, value: Value, full: bool, contrasts: Mapping[str, object]
) -> tuple[NumberPart | FactorPart, list[ColumnPart]]:
    function = called_name(expression.tree)
    variable = variable_of(expression)

    def info(kind: ColumnKind, label: str) -> ColumnPart:
        return ColumnPart(
            text=expression.text, variable=variable, function=function, kind=kind, label=label
        )

    if isinstance(value, FactorValue):
        coding, labels = make_coding(value, expression.text, full=full, contrasts=contrasts)
        kind: ColumnKind = "ordered" if value.is_ordered and not full else "factor"
        return FactorPart(value.codes, coding), [info(kind, label) for label in labels]
    if isinstance(value, MatrixValue):
        labels = value.labels if len(value.labels) > 1 else ("",)  # R numbers several columns only
        return NumberPart(value.arrays), [info(value.kind, label) for label in labels]
    return NumberPart((value.array,)), [info("numeric", "")]


def _name_columns(infos: list[list[ColumnPart]], term: int) -> list[ColumnInfo]:
    combined: list[tuple[ColumnPart, ...]] = [()]
    for parts in infos:
        combined = [(*before, part) for part in parts for before in combined]
    return [
        ColumnInfo(name=":".join(p.text + p.label for p in parts), parts=parts, term=term)
        for parts in combined
    ]


def _distinct(columns: list[ColumnInfo]) -> tuple[ColumnInfo, ...]:
    """Give columns that R would name alike names of their own.

    Level 2 of ``wave`` and the number ``wave2`` are both ``wave2`` in R; here the level is
    ``wave[2]``.
    """
    seen = Counter(column.name for column in columns)
    if len(seen) == len(columns):
        return tuple(columns)
    renamed = [c if seen[c.name] == 1 else replace(c, name=_bracketed(c)) for c in columns]
    used: Counter[str] = Counter()
    result = []
    for column in renamed:
        used[column.name] += 1
        number = f".{used[column.name]}" if used[column.name] > 1 else ""
        result.append(replace(column, name=column.name + number))
    return tuple(result)


def _bracketed(column: ColumnInfo) -> str:
    if not column.parts:
        return column.name
    return ":".join(
        f"{p.text}[{p.label}]" if p.kind in ("factor", "ordered", "boolean") else p.text + p.label
        for p in column.parts
    )
