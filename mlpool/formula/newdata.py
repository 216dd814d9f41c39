"""Encode new rows exactly as the training data were: levels, polynomial bases, scales."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mlpool.errors import DataError, brief, nearest_names
from mlpool.formula.contrast_coding import GivenContrasts
from mlpool.formula.design_matrix import DesignMatrix, as_factor, is_coded, make_matrix
from mlpool.formula.functions.evaluate import Evaluator
from mlpool.formula.functions.factors import coded
from mlpool.formula.functions.values import FactorValue, MatrixValue, Value, missing_rows
from mlpool.formula.random_terms import RandomDesign, group_codes
from mlpool.formula.types import Expression, ParsedFormula, Terms
from mlpool.frames import read_frame
from mlpool.frames.level_labels import match_names
from mlpool.typing import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    from mlpool.typing import DataLike


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """What is needed to encode new rows.

    Attributes
    ----------
    formula : ParsedFormula
    states : dict
        What stateful functions learned.
    factors : dict
        Expression text -> the trained factor (levels, contrasts) without its codes.
    contrasts : dict
    context : dict
        Functions and constants handed over by the caller.
    has_offset : bool
        Whether an offset came as an argument.
    offset_name : str
        The column that it named; an array is nothing that new data could supply.
    """

    formula: ParsedFormula
    states: dict[str, dict[str, object]]
    factors: dict[str, FactorValue]
    contrasts: dict[str, str | GivenContrasts]
    context: Mapping[str, object] | None = field(default=None, repr=False)
    has_offset: bool = False
    offset_name: str = ""

    @classmethod
    def from_training(  # noqa: PLR0913 - one argument per symbol of the formula
        cls,
        formula: ParsedFormula,
        states: dict[str, dict[str, object]],
        values: Mapping[str, Value],
        contrasts: dict[str, str | GivenContrasts],
        context: Mapping[str, object] | None,
        *,
        offset: object,
    ) -> Encoding:
        """Remember levels and states, not the rows."""
        empty = np.empty(0, dtype=np.int32)
        factors = {}
        for text, value in values.items():
            if is_coded(value):
                factors[text] = replace(as_factor(value), codes=empty)
        return cls(
            formula=formula, states=states, factors=factors, contrasts=contrasts,
            context=context, has_offset=offset is not None,
            offset_name=offset if isinstance(offset, str) else "",
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRows:
    """New rows, encoded.

    Attributes
    ----------
    matrix : DesignMatrix of shape (m, p)
    gaps : ndarray of bool of shape (m,)
        Rows with a missing predictor.
    random : tuple of (z (m, k), codes (m,))
        Per random term; code -1 marks a level that was not in the data.
    offset : ndarray of shape (m,) or None
    index : pandas.Index
    """

    matrix: DesignMatrix
    gaps: BoolArray
    random: tuple[tuple[FloatArray, IntArray], ...]
    offset: FloatArray | None
    index: pd.Index

    @property
    def X(self) -> FloatArray:
        """The fixed-effects columns (m, p), NaN in rows with a missing predictor."""
        return _with_gaps(self.matrix.dense(), self.gaps)

    def dot(self, beta: FloatArray) -> FloatArray:
        """Return ``X beta`` (m,), NaN in rows with a missing predictor."""
        return _with_gaps(self.matrix.dot(beta), self.gaps)


def encode_new_rows(
    encoding: Encoding,
    trained: DesignMatrix,
    random_designs: tuple[RandomDesign, ...],
    newdata: DataLike | None,
    *,
    allow_new_levels: bool = False,
) -> NewRows:
    """Return the rows of `newdata` in the training encoding, with the random terms given.

    Raises
    ------
    ColumnNotFoundError
        If a variable of the formula is not in `newdata`.
    DataError
        If a factor has a level that the model does not know, or a group has one and
        `allow_new_levels` is False.
    """
    frame = read_frame(newdata)
    evaluator = Evaluator(frame, copy.deepcopy(encoding.states), encoding.context)
    formula = encoding.formula

    def matrix(terms: Terms, width: int) -> tuple[DesignMatrix, BoolArray]:
        values: dict[str, Value] = {}
        gaps = np.zeros(frame.n_rows, dtype=bool)
        for expression in {e.text: e for term in terms.terms for e in term}.values():
            value = encode_value(expression, evaluator.value(expression), encoding)
            missing = missing_rows(value)
            if missing is not None:
                gaps |= missing
            values[expression.text] = value
        made = make_matrix(terms, values, frame.n_rows, contrasts=encoding.contrasts)
        if made.shape[1] != width:
            raise DataError("The new data have other columns than the model was fitted with.")
        return made, gaps

    fixed, gaps = matrix(formula.fixed, trained.shape[1])
    blocks = []
    for design in random_designs:
        z, empty = matrix(design.bar.terms, design.z.shape[1])
        codes = _new_codes(design, evaluator, allow_new_levels)
        blocks.append((_with_gaps(z.dense(), empty), codes))
    return NewRows(
        matrix=fixed,
        gaps=gaps,
        random=tuple(blocks),
        offset=_new_offset(encoding, evaluator, frame.n_rows),
        index=frame.index,
    )


def _with_gaps(values: FloatArray, gaps: BoolArray) -> FloatArray:
    values[gaps] = np.nan
    return values


def encode_value(expression: Expression, value: Value, encoding: Encoding) -> Value:
    """Return a new value of an expression in the levels that the model was fitted with.

    Raises
    ------
    DataError
        For text in place of numbers, and for a level that the model does not know.
    """
    trained = encoding.factors.get(expression.text)
    if trained is None:
        if isinstance(value, FactorValue):
            raise DataError(
                f"{brief(expression.text)} was a number when the model was fitted; the new data "
                "hold text."
            )
        return value
    if isinstance(value, MatrixValue):
        raise DataError(f"{brief(expression.text)} does not fit the model's data.")
    codes, names = coded(value, expression.text)
    table = match_names(names, trained.levels)
    present = np.unique(codes[codes >= 0])
    unknown = [names.labels[i] for i in present if table[i] < 0]
    if unknown:
        shown = ", ".join(trained.levels[:6]) + (", ..." if len(trained.levels) > 6 else "")
        hint = nearest_names(unknown[0], trained.levels)
        raise DataError(
            f"The new data have {expression.text} = {brief(unknown[0])}, a level that the model "
            "does not "
            f"know (it knows {shown}).{hint}"
        )
    return replace(trained, codes=table[codes])


def _new_codes(design: RandomDesign, evaluator: Evaluator, allow_new: bool) -> IntArray:
    each = [group_codes(e, evaluator.value(e)) for e in design.bar.group]
    result = design.find(each)
    if not allow_new and (result < 0).any():
        row = int(np.argmax(result < 0))
        first = ":".join("NA" if c[row] < 0 else names.labels[c[row]] for c, names in each)
        is_missing = any(c[row] < 0 for c, _ in each)
        what = (
            f"a row in which {design.group} is missing"
            if is_missing
            else f"{design.group} = {brief(first)}, which was not in the data"
        )
        raise DataError(
            f"The new data have {what}; "
            "allow_new_levels=True predicts it with a random effect of zero, re_form=False without "
            "random effects."
        )
    return result


def _new_offset(encoding: Encoding, evaluator: Evaluator, n: int) -> FloatArray | None:
    total: FloatArray | None = None
    for expression in encoding.formula.offsets:
        value = evaluator.value(expression)
        array = np.asarray(getattr(value, "array", 0.0), dtype=np.float64)
        total = array if total is None else total + array
    if encoding.offset_name:
        column = evaluator.frame.column(encoding.offset_name, used_as="offset")
        array = np.asarray(column.values, dtype=np.float64)
        return array if total is None else total + array
    if encoding.has_offset:
        raise DataError(
            "The model was fitted with offset= as values, which new data do not carry; give "
            "offset= a column's name, or write offset(...) in the formula."
        )
    return total
