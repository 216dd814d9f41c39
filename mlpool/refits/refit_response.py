"""The data of a model whose response was replaced: what verbs that fit again read.

`refit` and bootstraps give a model another response. Verbs that fit again (`update`, `drop1`,
`ranova`, `standardize` ...) start from formula and data, so the data have to hold it, too.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mlpool.errors import NotSupportedError
from mlpool.formula.design import Design
from mlpool.formula.functions.values import FactorValue, MatrixValue, NumberValue, Value
from mlpool.formula.types import Expression, ParsedFormula
from mlpool.frames import Frame, HeldFrame, read_frame, with_answer, with_columns
from mlpool.typing import FloatArray

if TYPE_CHECKING:
    from mlpool.models import FittedModel


def with_response(m: FittedModel, y: FloatArray, every: FloatArray | None = None) -> Design:
    """Return a model's design with another response, in its data as well.

    A left side that is one column, used nowhere else, replaces that column. Any other left side
    (``log(y)``, ``cbind(k, n - k)``) is remembered by its text.

    Parameters
    ----------
    m : FittedModel
    y : ndarray of shape (n,)
        On the rows used, as the engine has it (binomial: proportions).
    every : ndarray of shape (n_read,), optional
        The response on every row of the data, where it is known.
    """
    design: Design = m.design
    response = design.formula.response
    assert response is not None
    column = _own_column(m, response)
    if column is not None and not design.response_levels and design.trials is None:
        values = _on_every_row(design, y) if every is None else every
        frame: Frame = with_answer(design.frame, response.text, None, {column: values})
    else:
        frame = with_answer(design.frame, response.text, _answer(design, y))
    return replace(design, y=y, frame=frame)


def check_left_side(frame: Frame, before: ParsedFormula, after: ParsedFormula) -> None:
    """Refuse another left side where the data's columns do not hold the response.

    Raises
    ------
    NotSupportedError
        Naming the left side that the response was given for.
    """
    given = frame.answers if isinstance(frame, HeldFrame) else {}
    if before.response is None or after.response is None or before.response.text not in given:
        return
    if after.response.text != before.response.text and _is_shared(before.response, after.response):
        raise NotSupportedError(
            f"The model was fitted to another response by refit(), for which the data have no "
            f"columns: keep the left side {before.response.text}, or give data=."
        )


def scaled_data(
    m: FittedModel,
    columns: dict[str, FloatArray],
    rescale: Callable[[FloatArray, str], FloatArray] | None,
) -> Any:
    """Return a model's data with columns replaced, and its response, where data hold it by text.

    Parameters
    ----------
    m : FittedModel
    columns : mapping from name to ndarray of shape (n_read,)
    rescale : callable, optional
        What is done to a response of numbers; nothing if None.
    """
    frame = m.design.frame
    made = with_columns(frame, columns)
    for text, answer in (frame.answers if isinstance(frame, HeldFrame) else {}).items():
        if rescale is not None and isinstance(answer, NumberValue):
            numbers = np.asarray(answer.array, dtype=np.float64)
            answer = replace(answer, array=rescale(numbers, text))
        made = with_answer(read_frame(made), text, answer)
    return made


def holds_answer(m: FittedModel) -> bool:
    """Return whether a model's response is held by its text, not by its columns."""
    frame = m.design.frame
    return isinstance(frame, HeldFrame) and m.response.text in frame.answers


def _is_shared(before: Expression, after: Expression) -> bool:
    return bool(set(before.columns) & set(after.columns))


def _own_column(m: FittedModel, response: Expression) -> str | None:
    """Return the column that is the response and nothing else of the model."""
    if not isinstance(response.tree, ast.Name) or len(response.columns) != 1:
        return None
    name = response.columns[0]
    formula = m.formula
    others = [e for term in formula.fixed.terms for e in term] + list(formula.offsets)
    for bar in formula.bars:
        others += [*bar.group, *(e for term in bar.terms.terms for e in term)]
    if any(name in e.columns for e in others):
        return None
    arguments = (m.arguments.get(k) for k in ("weights", "offset", "cluster", "subset"))
    texts = [t for one in arguments for t in (one if isinstance(one, (list, tuple)) else [one])]
    return None if any(isinstance(t, str) and name in t for t in texts) else name


def _on_every_row(design: Design, values: FloatArray) -> FloatArray:
    """Return values on the rows of the data; missing where rows were not used."""
    if design.kept is None:
        return values
    every = np.full(design.n_read, np.nan)
    every[design.kept] = values
    return every


def _answer(design: Design, y: FloatArray) -> Value:
    """Return what the left side evaluates to on the rows of the data."""
    if design.trials is not None:
        successes = np.rint(y * design.trials)
        arrays = (successes, design.trials - successes)
        every = tuple(_on_every_row(design, one) for one in arrays)
        return MatrixValue(arrays=every, labels=("1", "2"), kind="numeric")
    if not design.response_levels:
        return NumberValue(array=_on_every_row(design, y))
    codes = _on_every_row(design, y)
    whole = np.where(np.isnan(codes), -1, codes).astype(np.int32)
    return FactorValue(codes=whole, levels=design.response_levels)
