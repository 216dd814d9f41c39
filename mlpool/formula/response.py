"""The left-hand side: numbers, or successes and failures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlpool.errors import DataError, brief
from mlpool.formula.functions.values import FactorValue, MatrixValue, Value
from mlpool.formula.types import Expression
from mlpool.typing import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """y of shape (n,), binomial denominators or None, and the levels of a factor response."""

    y: FloatArray
    trials: FloatArray | None = None
    levels: tuple[str, ...] = ()


def read_response(expression: Expression, value: Value, *, binomial: bool) -> Response:
    """Return the response of a model.

    Parameters
    ----------
    expression : Expression
    value : Value
        On the rows used.
    binomial : bool
        Allow a factor (first level = failure), a logical, or ``cbind(successes, failures)``.

    Raises
    ------
    DataError
        For text where numbers are needed, or counts that are negative or not whole.
    """
    if isinstance(value, FactorValue):
        return _factor_response(expression, value, binomial)
    if isinstance(value, MatrixValue):
        return _cbind_response(expression, value, binomial)
    return Response(y=np.asarray(value.array, dtype=np.float64))


def _factor_response(expression: Expression, value: FactorValue, binomial: bool) -> Response:
    shown = ", ".join(repr(v) for v in value.levels[:3])
    if not binomial:
        raise DataError(
            f"The response {brief(expression.text)} is text or a factor (levels {shown}); a "
            "linear model "
            "needs numbers. For two outcomes use family='binomial'."
        )
    if len(value.levels) < 2:
        raise DataError(f"The response {brief(expression.text)} has one level only ({shown}).")
    return Response(y=(value.codes > 0).astype(np.float64), levels=value.levels)


def _cbind_response(expression: Expression, value: MatrixValue, binomial: bool) -> Response:
    if not binomial or len(value.arrays) != 2:
        raise DataError(
            f"The response {brief(expression.text)} has {len(value.arrays)} columns; only "
            "cbind(successes, failures) with family='binomial' can have two."
        )
    successes, failures = value.arrays
    if (successes < 0).any() or (failures < 0).any():
        raise DataError(f"{expression.text} holds negative counts.")
    trials = successes + failures
    with np.errstate(invalid="ignore", divide="ignore"):
        y = np.where(trials > 0, successes / trials, 0.0)
    return Response(y=y, trials=trials)
