"""Which factor of a design can be absorbed, and where each of R's coefficients is then found."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mlpool.engine.pooling.absorbed_factor import Addresses
from mlpool.formula.contrast_coding import Dummies
from mlpool.formula.design_matrix import DesignMatrix, FactorPart, NumberPart
from mlpool.formula.types import ColumnInfo
from mlpool.typing import FloatArray, IntArray

Part = FactorPart | NumberPart


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a design is split for absorption.

    Attributes
    ----------
    codes : ndarray of int of shape (n,)
    n_levels : int
    common : DesignMatrix
        Columns shared by all levels.
    own : DesignMatrix
        Columns whose slopes differ between levels (without the constant).
    at : Addresses
        Of every column of the design.
    """

    codes: IntArray
    n_levels: int
    common: DesignMatrix
    own: DesignMatrix
    at: Addresses


@dataclass(frozen=True, slots=True, kw_only=True)
class _Crossing:
    """An interaction with the absorbed factor.

    Attributes
    ----------
    term, twin : int
        Its term; the term of its other parts, or -1.
    parts : tuple
        Its parts, the factor among them at `place`.
    left_out : int
        Reference level; -1 if every level has its own slope.
    """

    term: int
    twin: int
    parts: tuple[Part, ...]
    place: int
    left_out: int

    @property
    def others(self) -> tuple[Part, ...]:
        """The parts beside the factor."""
        return self.parts[: self.place] + self.parts[self.place + 1 :]

    @property
    def width(self) -> int:
        """Columns of the other parts' product."""
        return math.prod(part.width for part in self.others)


def plan_absorption(X: DesignMatrix) -> Plan | None:
    """Return how to absorb the widest factor of a design, None if its terms do not allow it.

    They do if the factor is a term by itself under treatment contrasts (or, without an intercept,
    with all its dummies), and so in every interaction.
    """
    main = _widest_factor(X)
    if main < 0:
        return None
    part = X.terms[main][0]
    assert isinstance(part, FactorPart)
    crossings = []
    for term, parts in enumerate(X.terms):
        if term != main and any(_is_factor(p, part) for p in parts):
            crossing = _read_crossing(X, term, part)
            if crossing is None:
                return None
            crossings.append(crossing)
    return _make_plan(X, main, part, crossings)


def _widest_factor(X: DesignMatrix) -> int:
    """Return the term of the factor with most levels; -1 if none can be absorbed."""
    best, most = -1, 0
    for term, parts in enumerate(X.terms):
        part = parts[0]
        if len(parts) > 1 or not isinstance(part, FactorPart):
            continue
        coding = part.coding
        fits = isinstance(coding, Dummies) and (coding.left_out >= 0) == X.intercept
        if fits and part.width > most:
            best, most = term, part.width
    return best


def _is_factor(part: Part, factor: FactorPart) -> bool:
    return isinstance(part, FactorPart) and part.codes is factor.codes


def _read_crossing(X: DesignMatrix, term: int, factor: FactorPart) -> _Crossing | None:
    parts = X.terms[term]
    places = [i for i, p in enumerate(parts) if _is_factor(p, factor)]
    mine = parts[places[0]]
    assert isinstance(mine, FactorPart)
    if len(places) > 1 or not isinstance(mine.coding, Dummies):
        return None
    others = parts[: places[0]] + parts[places[0] + 1 :]
    twins = [i for i, own in enumerate(X.terms) if _are_same(own, others)]
    left_out = mine.coding.left_out
    if bool(twins) != (left_out >= 0):
        return None
    twin = twins[0] if twins else -1
    return _Crossing(term=term, twin=twin, parts=parts, place=places[0], left_out=left_out)


def _are_same(first: tuple[Part, ...], second: tuple[Part, ...]) -> bool:
    if len(first) != len(second):
        return False
    for a, b in zip(first, second, strict=True):
        if isinstance(a, FactorPart):
            same = isinstance(b, FactorPart) and a.codes is b.codes and a.coding is b.coding
            same = same or (isinstance(b, FactorPart) and _is_factor(b, a) and _same_coding(a, b))
        else:
            same = isinstance(b, NumberPart) and all(
                x is y for x, y in zip(a.arrays, b.arrays, strict=True)
            )
        if not same:
            return False
    return True


def _same_coding(a: FactorPart, b: FactorPart) -> bool:
    """Whether two codings have the same columns; contrast matrices are compared by value."""
    if isinstance(a.coding, Dummies) or isinstance(b.coding, Dummies):
        return a.coding == b.coding
    return np.array_equal(a.coding.matrix, b.coding.matrix)


def _make_plan(X: DesignMatrix, main: int, factor: FactorPart, crossings: list[_Crossing]) -> Plan:
    coding = factor.coding
    assert isinstance(coding, Dummies)
    own_from = dict(zip(range(len(crossings)), _starts(crossings), strict=True))
    twins = {c.twin: own_from[i] for i, c in enumerate(crossings) if c.twin >= 0}
    crossed = {c.term: i for i, c in enumerate(crossings)}
    rows: list[FloatArray] = []
    common: list[int] = []
    if X.intercept:
        rows.append(np.array([[-1, 0, coding.left_out, -1]]))
    at = 0
    for term, parts in enumerate(X.terms):
        width = math.prod(part.width for part in parts)
        if term == main:
            rows.append(_own(np.zeros(width, int), _levels(coding), coding.left_out))
        elif term in crossed:
            crossing = crossings[crossed[term]]
            rows.append(_crossed_rows(crossing, own_from[crossed[term]], coding.n_levels))
        elif term in twins:
            base = next(c.left_out for c in crossings if c.twin == term)
            column = twins[term] + np.arange(width)
            rows.append(_own(column, np.full(width, base), -1))
        else:
            rows.append(
                np.column_stack([at + np.arange(width), *(np.full(width, -1) for _ in range(3))])
            )
            at += width
            common.append(term)
    table = np.vstack(rows).astype(np.int64)
    return Plan(
        codes=factor.codes,
        n_levels=coding.n_levels,
        common=_part_of(X, [X.terms[t] for t in common]),
        own=_part_of(X, [c.others for c in crossings]),
        at=Addresses(
            common=table[:, 0], column=table[:, 1], plus=table[:, 2], minus=table[:, 3]
        ),
    )  # fmt: skip


def _starts(crossings: list[_Crossing]) -> list[int]:
    """First absorbed column of each crossing; column 0 is the constant."""
    widths = [c.width for c in crossings]
    return [1 + sum(widths[:i]) for i in range(len(widths))]


def _levels(coding: Dummies) -> IntArray:
    return (
        np.delete(np.arange(coding.n_levels), coding.left_out)
        if coding.left_out >= 0
        else (np.arange(coding.n_levels))
    )


def _own(column: IntArray, plus: IntArray, minus: int) -> FloatArray:
    """Rows (common, column, plus, minus) of coefficients of the absorbed columns."""
    return np.column_stack([np.full(len(plus), -1), column, plus, np.full(len(plus), minus)])


def _crossed_rows(crossing: _Crossing, start: int, n_levels: int) -> FloatArray:
    """Rows of an interaction's columns: the first part's columns vary fastest."""
    levels = _levels(Dummies(n_levels, crossing.left_out))
    widths = [p.width for p in crossing.parts]
    index = np.unravel_index(np.arange(math.prod(widths)), widths, order="F")
    others = [index[i] for i in range(len(widths)) if i != crossing.place]
    shape = [p.width for p in crossing.others]
    within = np.ravel_multi_index(others, shape, order="F")
    return _own(start + within, levels[index[crossing.place]], crossing.left_out)


def _part_of(X: DesignMatrix, terms: list[tuple[Part, ...]]) -> DesignMatrix:
    """Return a matrix of some terms; its columns need no names."""
    width = sum(math.prod(part.width for part in parts) for parts in terms)
    return DesignMatrix(
        n=X.n, intercept=False, terms=tuple(terms), columns=(ColumnInfo(name=""),) * width
    )
