"""Random-effects terms on data: grouping codes, level labels and the columns of Z."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mlpool.errors import DataError, brief
from mlpool.formula.design_matrix import DesignMatrix, make_matrix
from mlpool.formula.functions.factors import coded
from mlpool.formula.functions.values import MatrixValue, Value
from mlpool.formula.types import BarStructure, BarTerm, Expression
from mlpool.frames.level_labels import Names, joint_labels, match_names
from mlpool.typing import IntArray

Parts = tuple[tuple[str, ...], ...]
"""Per factor of an interaction, its label at every level of the interaction."""
_LABELS = ("factor", "ordered", "boolean")
_DIAGONAL = BarStructure(kind="diag", is_homogeneous=False)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RandomDesign:
    """One random-effects term on the rows used.

    Attributes
    ----------
    bar : BarTerm
    group : str
        ``school``, ``b:a``.
    levels : sequence of str
        R's labels of the levels that occur; ``b1:a1`` for interactions.
    codes : ndarray of int of shape (n,)
        Terms on the same group share this very array.
    z : DesignMatrix
    parts : tuple of tuple of str
        Of an interaction: each factor's label at every level, by which new rows are found. Empty
        for one factor.
    structure : BarStructure or None
        None: the effects vary together freely, or there is one.
    """

    bar: BarTerm
    group: str
    levels: Sequence[str]
    codes: IntArray
    z: DesignMatrix
    parts: Parts = ()
    structure: BarStructure | None = None

    def find(self, coded: Sequence[tuple[IntArray, Names]]) -> IntArray:
        """Return the level of each new row (m,), -1 for one that was not in the data.

        Parameters
        ----------
        coded : sequence of (codes (m,), Names)
            The new rows' values of each factor of the group.
        """
        if len(coded) == 1 or not self.parts:
            codes, names = _joined(coded)
            return np.asarray(match_names(names, self.levels)[codes])
        rows = np.zeros(len(coded[0][0]), dtype=np.int64)
        levels = np.zeros(len(self.levels), dtype=np.int64)
        is_known = np.ones(len(rows), dtype=bool)
        for (codes, names), part in zip(coded, self.parts, strict=True):
            number = {label: i for i, label in enumerate(dict.fromkeys(part))}
            found = match_names(names, tuple(number))[codes]
            is_known &= found >= 0
            rows = rows * len(number) + found
            levels = levels * len(number) + np.array([number[label] for label in part])
        order = np.argsort(levels)
        place = np.minimum(np.searchsorted(levels[order], rows), len(order) - 1)
        is_known &= levels[order][place] == rows
        return np.where(is_known, order[place], -1).astype(np.int32)


def _joined(coded: Sequence[tuple[IntArray, Names]]) -> tuple[IntArray, Names]:
    """Return the combinations of several factors' levels that occur, with R's labels."""
    codes, names = coded[0]
    if len(coded) == 1:
        return codes, names
    codes, parts = _combine(coded)
    return codes, Names(labels=joint_labels(parts))


def make_random(
    bars: Sequence[BarTerm], values: Mapping[str, Value], n: int, *, contrasts: Mapping[str, object]
) -> tuple[RandomDesign, ...]:
    """Return the terms in lme4's order: decreasing number of levels, ties in formula order.

    Raises
    ------
    DataError
        If a grouping factor is not one column of labels, or columns do not suit a structure.
    """
    known: dict[str, tuple[IntArray, tuple[str, ...], Parts]] = {}
    designs = []
    for bar in bars:
        if bar.group_name not in known:
            known[bar.group_name] = _group_codes(bar.group, values)
        codes, levels, parts = known[bar.group_name]
        z = make_matrix(bar.terms, values, n, contrasts=contrasts)
        designs.append(
            RandomDesign(
                bar=bar, group=bar.group_name, levels=levels, codes=codes, z=z, parts=parts,
                structure=structure_on(bar, z),
            )
        )  # fmt: skip
    return tuple(sorted(designs, key=lambda d: -len(d.levels)))


def structure_on(bar: BarTerm, z: DesignMatrix) -> BarStructure | None:
    """Return the structure of a term's effects; None where they vary together freely.

    Raises
    ------
    DataError
        If the columns are none that the structure is about.
    """
    structure = bar.structure
    if structure is None:
        return _DIAGONAL if bar.diagonal and z.shape[1] > 1 else None
    if structure.kind == "ar1":
        _check_times(bar, z)
    elif structure.is_homogeneous and not _is_indicator(z):
        raise DataError(
            f"{bar.label} gives one standard deviation to effects that differ in unit "
            f"({', '.join(z.names)}); hom=TRUE goes with the levels of a factor, {structure.kind}"
            f"(0 + f | {bar.group_name}, hom=TRUE)."
        )
    if z.shape[1] < 2 and structure.kind != "diag":
        raise DataError(
            f"{bar.label} has one effect per level of {bar.group_name} and so nothing to "
            f"correlate; ({bar.text}) is the same model."
        )
    return structure if z.shape[1] > 1 else None


def _check_times(bar: BarTerm, z: DesignMatrix) -> None:
    """Refuse an autoregression over anything but the levels of one factor."""
    name = bar.terms.terms[0][0].text if bar.terms.terms else "time"
    kinds = [part.kind for column in z.columns for part in column.parts]
    if bar.terms.terms and not all(kind in _LABELS for kind in kinds):
        raise DataError(
            f"{bar.label} needs a factor of times, which {brief(name)} is not; write ar1(0 + "
            f"factor({name}) | {bar.group_name})."
        )
    if bar.terms.intercept:
        raise DataError(
            f"{bar.label} has an intercept, which is no point in time; write ar1(0 + {name} | "
            f"{bar.group_name}) with a factor of times."
        )
    if len(bar.terms.terms) != 1 or len(bar.terms.terms[0]) != 1:
        raise DataError(
            f"{bar.label} needs one factor, whose levels are the points in time; "
            f"ar1(0 + {name} | {bar.group_name}) is one."
        )


def _is_indicator(z: DesignMatrix) -> bool:
    """Tell whether the columns are the levels of factors, without an intercept."""
    return all(c.parts and all(p.kind in _LABELS for p in c.parts) for c in z.columns)


def group_codes(expression: Expression, value: Value) -> tuple[IntArray, Names]:
    """Return codes and names of one grouping expression; numbers sort as numbers.

    Raises
    ------
    DataError
        If it has several columns (``poly``).
    """
    if isinstance(value, MatrixValue):
        raise DataError(
            f"{brief(expression.text)} has several columns and cannot be a grouping factor."
        )
    return coded(value, expression.text)


def _group_codes(
    group: tuple[Expression, ...], values: Mapping[str, Value]
) -> tuple[IntArray, tuple[str, ...], Parts]:
    each = [group_codes(expression, values[expression.text]) for expression in group]
    if len(each) == 1:
        return each[0][0], each[0][1].labels, ()
    codes, parts = _combine(each)
    return codes, joint_labels(parts), parts


def _combine(each: Sequence[tuple[IntArray, Names]]) -> tuple[IntArray, Parts]:
    """Return codes of the combinations that occur, sorted, and each factor's label there."""
    first, names = each[0]
    codes: IntArray = first
    parts: Parts = (names.labels,)
    for other, new in each[1:]:
        joint = np.where((codes < 0) | (other < 0), -1, codes.astype(np.int64) * len(new) + other)
        present, compact = np.unique(joint, return_inverse=True)
        has_gap = bool(len(present)) and present[0] < 0
        pairs = [divmod(c, len(new)) for c in present[int(has_gap) :].tolist()]
        parts = (
            *(tuple(part[left] for left, _ in pairs) for part in parts),
            tuple(new.labels[right] for _, right in pairs),
        )
        codes = compact.ravel().astype(np.int32) - np.int32(has_gap)
    return codes, parts
