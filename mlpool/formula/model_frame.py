"""R's ``model.frame``: the variables of a formula, evaluated on the rows that a fit used."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from mlpool.formula.design import Design, all_expressions, given_answers
from mlpool.formula.functions.evaluate import Evaluator
from mlpool.formula.functions.values import (
    FactorValue,
    NumberValue,
    Value,
    take_rows,
    without_unused,
)


def model_frame_of(design: Design) -> pd.DataFrame:
    """Return response, predictors, grouping factors and offsets of the rows used.

    Columns are called as the formula spells them (``log(y)``); several columns of one expression,
    such as ``poly(x, 2)``, as ``poly(x, 2).1``. Prior weights and an offset given beside the
    formula are ``(weights)`` and ``(offset)``.
    """
    evaluator = Evaluator(design.frame, {}, design.encoding.context)
    parsed = design.formula
    given = {} if parsed.response is None else given_answers(design.frame, parsed.response)
    named = {e.text: e for e in all_expressions(replace(parsed, offsets=()))}
    named |= {f"offset({e.text})": e for e in parsed.offsets}
    columns: dict[str, object] = {}
    for text, expression in named.items():
        value = given[text] if text in given else evaluator.value(expression)
        columns |= dict(_columns(text, without_unused(take_rows(value, design.kept))))
    if design.weights is not None:
        columns["(weights)"] = np.array(design.weights)
    if design.encoding.has_offset:
        columns["(offset)"] = np.array(design.offset)
    return pd.DataFrame(columns, index=design.index)


def _columns(text: str, value: Value) -> Iterator[tuple[str, object]]:
    if isinstance(value, FactorValue):
        levels = pd.Index(value.levels)
        codes = np.asarray(value.codes, dtype=np.int64)
        yield text, pd.Categorical.from_codes(codes, levels, ordered=value.is_ordered)
    elif isinstance(value, NumberValue):
        yield text, _numbers(value)
    else:
        for label, array in zip(value.labels, value.arrays, strict=True):
            yield f"{text}.{label}", np.array(array)


def _numbers(value: NumberValue) -> object:
    if value.unit == "D":
        return pd.to_datetime(value.array, unit="D", origin="unix")
    return np.array(value.array, dtype=bool) if value.is_logical else np.array(value.array)
