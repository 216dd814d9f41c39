"""Random-effects terms on data: grouping codes, level labels and the columns of Z."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlpool.errors import DataError
from mlpool.formula.matrix import DesignMatrix, as_factor, is_coded, make_matrix
from mlpool.formula.types import BarTerm, Expression
from mlpool.formula.values import FactorValue, MatrixValue, Value
from mlpool.frames.levels import code_values
from mlpool.typing import IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomDesign:
    """One random-effects term on the rows used.

    Attributes
    ----------
    bar : BarTerm
    group : str
        ``school``, ``b:a``.
    levels : tuple of str
        R's labels of the levels that occur; ``b1:a1`` for interactions.
    codes : ndarray of int of shape (n,)
        Terms on the same group share this very array.
    z : DesignMatrix
    """

    bar: BarTerm
    group: str
    levels: tuple[str, ...]
    codes: IntArray
    z: DesignMatrix


def make_random(
    bars: Sequence[BarTerm], values: Mapping[str, Value], n: int, *, contrasts: Mapping[str, Any]
) -> tuple[RandomDesign, ...]:
    """Return the terms in lme4's order: decreasing number of levels, ties in formula order.

    Raises
    ------
    DataError
        If a grouping factor is not one column of labels.
    """
    coded: dict[str, tuple[IntArray, tuple[str, ...]]] = {}
    designs = []
    for bar in bars:
        if bar.group_name not in coded:
            coded[bar.group_name] = _group_codes(bar.group, values)
        codes, levels = coded[bar.group_name]
        z = make_matrix(bar.terms, values, n, contrasts=contrasts)
        designs.append(RandomDesign(bar=bar, group=bar.group_name, levels=levels, codes=codes, z=z))
    return tuple(sorted(designs, key=lambda d: -len(d.levels)))


def group_labels(expression: Expression, value: Value) -> tuple[IntArray, tuple[str, ...]]:
    """Return codes and labels of one grouping expression; numbers sort as numbers.

    Raises
    ------
    DataError
        If it has several columns (``poly``).
    """
    if isinstance(value, MatrixValue):
        raise DataError(f"{expression.text!r} has several columns and cannot be a grouping factor.")
    if is_coded(value):
        factor = as_factor(value)
        return factor.codes, factor.levels
    assert not isinstance(value, FactorValue)
    return code_values(value.array)


def _group_codes(
    group: tuple[Expression, ...], values: Mapping[str, Value]
) -> tuple[IntArray, tuple[str, ...]]:
    codes, levels = group_labels(group[0], values[group[0].text])
    for expression in group[1:]:
        other, other_levels = group_labels(expression, values[expression.text])
        combined = codes.astype(np.int64) * len(other_levels) + other
        present, compact = np.unique(combined, return_inverse=True)
        levels = tuple(
            f"{levels[c // len(other_levels)]}:{other_levels[c % len(other_levels)]}"
            for c in present
        )
        codes = compact.astype(np.int32)
    return codes, levels
