"""Factors to columns: R's contrasts, R's rule for when to use them, R's column names."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from mlpool.errors import DataError, OptionError, brief, nearest_names
from mlpool.formula.functions.values import FactorValue
from mlpool.formula.language.safety import CONTRASTS
from mlpool.formula.types import Expression, Terms
from mlpool.frames.levels import level_label
from mlpool.typing import FloatArray, IntArray

_POLY_NAMES = (".L", ".Q", ".C")


_FEW = 8
"""Columns that are compared one by one, which costs less than looking rows up."""


@dataclass(frozen=True, slots=True)
class Dummies:
    """One 0/1 column per level, but for one level left out: a rule, since its matrix can be huge.

    Attributes
    ----------
    n_levels : int
    left_out : int
        Position of the reference level; -1 for none.
    """

    n_levels: int
    left_out: int = -1

    @property
    def width(self) -> int:
        """Number of columns."""
        return self.n_levels - (self.left_out >= 0)

    def rows(self, codes: IntArray) -> FloatArray:
        """Return the columns of rows with these levels; a code of -1 gives zeros."""
        if self.width <= _FEW:
            levels = [k for k in range(self.n_levels) if k != self.left_out]
            few = np.empty((len(codes), self.width))
            for j, level in enumerate(levels):
                np.equal(codes, level, out=few[:, j])
            return few
        out = np.zeros((len(codes), self.width))
        at = np.where(codes > self.left_out, codes - (self.left_out >= 0), codes)
        filled = np.flatnonzero((codes >= 0) & (codes != self.left_out))
        out[filled, at[filled]] = 1.0
        return out

    def per_level(self, b: FloatArray) -> FloatArray:
        """Return ``coding @ b``: what coefficients b (width, ...) add at each level."""
        if self.left_out < 0:
            return b
        return np.insert(b, self.left_out, 0.0, axis=0)


@dataclass(frozen=True, slots=True)
class Contrasts:
    """Any other coding: a matrix of shape (levels, columns)."""

    matrix: FloatArray

    @property
    def width(self) -> int:
        """Number of columns."""
        return int(self.matrix.shape[1])

    def rows(self, codes: IntArray) -> FloatArray:
        """Return the columns of rows with these levels."""
        return self.matrix[codes]

    def per_level(self, b: FloatArray) -> FloatArray:
        """Return ``coding @ b``: what coefficients b (width, ...) add at each level."""
        return np.asarray(np.tensordot(self.matrix, b, axes=1))


Coding = Dummies | Contrasts


@dataclass(frozen=True, slots=True)
class GivenContrasts:
    """A user's own contrast matrix.

    Attributes
    ----------
    matrix : ndarray of shape (levels, columns)
    labels : tuple of str
        What is appended to the factor's name, a column each.
    levels : tuple of str
        Levels that the rows belong to; empty where they are in the factor's order.
    """

    matrix: FloatArray
    labels: tuple[str, ...]
    levels: tuple[str, ...] = ()

    def of(self, levels: tuple[str, ...], text: str) -> tuple[FloatArray, tuple[str, ...]]:
        """Return the matrix and labels for a factor, completed to a column less than levels.

        R completes a matrix of too few columns, too: fewer would test another model.

        Raises
        ------
        OptionError
            If it does not fit the levels, or its columns determine each other.
        """
        k = len(levels)
        matrix = self.matrix
        if self.levels and set(self.levels) >= set(levels):
            matrix = matrix[[self.levels.index(v) for v in levels]]
        if matrix.shape[0] != k or matrix.shape[1] > k - 1:
            raise OptionError(
                f"The contrasts of {brief(text)} need a row for each of its {k} levels and at most "
                f"{k - 1} columns; got {matrix.shape[0]} x {matrix.shape[1]}."
            )
        with_mean = np.column_stack([np.ones(k), matrix])
        size = np.linalg.norm(with_mean, axis=0)
        # the cut-off is a share of lengths of one, whatever unit the user's numbers have
        if np.linalg.matrix_rank(with_mean / np.where(size > 0, size, 1.0)) < with_mean.shape[1]:
            raise OptionError(f"The contrasts of {brief(text)} determine each other or the mean.")
        if matrix.shape[1] < k - 1:
            rest = np.linalg.qr(with_mean, mode="complete")[0][:, with_mean.shape[1] :]
            matrix = np.column_stack([matrix, rest])
        more = (str(i + 1) for i in range(len(self.labels), k - 1))
        return matrix, (*self.labels, *more)


def read_contrasts(given: object) -> str | GivenContrasts:
    """Return contrasts as a user gives them: a name, or a matrix with a row per level.

    Raises
    ------
    OptionError
        For unknown names, and for what is no matrix of numbers.
    """
    if isinstance(given, str):
        return contrast_name(given)
    try:
        matrix = np.array(given, dtype=np.float64)
    except (TypeError, ValueError):
        matrix = np.zeros(0)
    if matrix.ndim == 1 and matrix.size:
        matrix = matrix[:, None]
    if matrix.ndim != 2 or not matrix.size or not np.all(np.isfinite(matrix)):
        raise OptionError(
            f"contrasts must be one of {CONTRASTS} or a matrix with a row per level; got "
            f"{brief(given)}."
        )
    labels = tuple(str(i + 1) for i in range(matrix.shape[1]))
    rows: tuple[str, ...] = ()
    if isinstance(given, pd.DataFrame):
        columns: Any = given.columns
        index: Any = given.index
        if not isinstance(columns, pd.RangeIndex):
            labels = tuple(str(c) for c in columns)
        if not isinstance(index, pd.RangeIndex):
            rows = tuple(level_label(v) for v in index)
    return GivenContrasts(matrix=matrix, labels=labels, levels=rows)


def contrast_name(name: object) -> str:
    """Return ``contr.<name>`` for a user's spelling.

    Raises
    ------
    OptionError
        For unknown contrasts.
    """
    if isinstance(name, str):
        full = name.replace("_", ".")
        full = full if full.startswith("contr.") else f"contr.{full}"
        if full in CONTRASTS:
            return full
    hint = nearest_names(name, CONTRASTS)
    raise OptionError(f"contrasts must be one of {CONTRASTS}; got {brief(name)}.{hint}")


def make_coding(
    factor: FactorValue, text: str, *, full: bool, contrasts: Mapping[str, object]
) -> tuple[Coding, tuple[str, ...]]:
    """Return what codes a factor, and R's column suffixes.

    Parameters
    ----------
    factor : FactorValue
    text : str
        The expression, to look it up in `contrasts`.
    full : bool
        One dummy per level instead of contrasts.
    contrasts : mapping
        From expression to contrast name; ``C()`` in the formula goes before.

    Raises
    ------
    DataError
        If a factor with fewer than two levels needs contrasts.
    """
    levels = factor.levels
    if full:
        return Dummies(len(levels)), levels
    if len(levels) < 2:
        only = f"only {brief(levels[0])}" if levels else "none"
        raise DataError(
            f"The factor {brief(text)} has fewer than two levels in the rows used ({only}); "
            "drop it."
        )
    default = "contr.poly" if factor.is_ordered else "contr.treatment"
    asked = factor.contrast or contrasts.get(text) or default
    if isinstance(asked, GivenContrasts):
        matrix, labels = asked.of(levels, text)
        return Contrasts(matrix), labels
    name = contrast_name(asked)
    if name in ("contr.treatment", "contr.SAS"):
        return _treatment(levels, factor.base if name == "contr.treatment" else len(levels))
    matrix, labels = _contrast_matrix(name, levels)
    return Contrasts(matrix), labels


def _treatment(levels: tuple[str, ...], base: int) -> tuple[Dummies, tuple[str, ...]]:
    k = len(levels)
    if not 1 <= base <= k:
        raise OptionError(f"base must be between 1 and {k}; got {base}.")
    return Dummies(k, base - 1), levels[: base - 1] + levels[base:]


def _contrast_matrix(name: str, levels: tuple[str, ...]) -> tuple[FloatArray, tuple[str, ...]]:
    k = len(levels)
    numbers = tuple(str(i + 1) for i in range(k - 1))
    if name == "contr.sum":
        return np.vstack([np.eye(k - 1), -np.ones(k - 1)]), numbers
    if name == "contr.helmert":
        matrix = np.triu(-np.ones((k, k - 1)))
        matrix[np.arange(1, k), np.arange(k - 1)] = np.arange(1, k)
        return matrix, numbers
    if name == "contr.sdif":  # successive differences (Venables & Ripley 2002, sec. 6.2)
        column = np.arange(1, k)
        below = np.arange(k)[:, None] >= column
        steps = tuple(f"{b}-{a}" for a, b in pairwise(levels))
        return np.where(below, column, column - k) / k, steps
    scores = np.arange(k, dtype=np.float64)
    scores -= scores.mean()
    q, r = np.linalg.qr(np.vander(scores, k, increasing=True))
    matrix = (q * np.sign(np.diag(r)))[:, 1:]
    labels = tuple(_POLY_NAMES[i] if i < 3 else f"^{i + 1}" for i in range(k - 1))
    return matrix, labels


def full_dummies(terms: Terms, is_factor: Mapping[str, bool]) -> list[tuple[bool, ...]]:
    """Return for each term which of its factors get one dummy per level (R's ``terms.formula``).

    A factor is coded by contrasts where the rest of its term is part of an earlier term (an empty
    rest always is): ``TermCode`` in R's model.c, which asks for less than the rest being a term by
    itself. Without an intercept the first factor met gets all its dummies.
    """
    names = [frozenset(e.text for e in term) for term in terms.terms]
    earlier: dict[frozenset[str], None] = {}
    result = []
    for term, own in zip(terms.terms, names, strict=True):
        result.append(
            [is_factor[e.text] and not _is_covered(own - {e.text}, earlier) for e in term]
        )
        earlier[own] = None
    if not terms.intercept:
        for term, flags in zip(terms.terms, result, strict=True):
            at = [i for i, e in enumerate(term) if is_factor[e.text]]
            if at:
                flags[at[0]] = True
                break
    return [tuple(flags) for flags in result]


def _is_covered(rest: frozenset[str], earlier: Collection[frozenset[str]]) -> bool:
    return not rest or rest in earlier or any(rest <= term for term in earlier)


def variable_of(expression: Expression) -> str:
    """Return the one bare variable inside an expression, else its text."""
    return expression.columns[0] if len(expression.columns) == 1 else expression.text
