"""What `scale`, `center` and `poly` learn from all rows, by queries instead of passes.

The states have the form that the functions of formulas leave behind in memory
(``formula/functions/bases.py``), so that new data are encoded alike.
"""

from __future__ import annotations

import math

import narwhals as nw

from mlpool.errors import DataError, FormulaError
from mlpool.formula.functions.bases import State
from mlpool.sources.lazy_rows import LazyRows
from mlpool.sources.queries import totals

Given = bool | float
"""An argument of ``scale()``: whether to learn it, or the number itself."""
_FLAT = 8 * 2.0**-52
"""As in memory: a spread of this share of the largest value is rounding."""


def learn_scale(rows: LazyRows, x: nw.Expr, state: State, center: Given, by: Given) -> nw.Expr:
    """Return ``(x - centre) / scale`` and remember both.

    Raises
    ------
    DataError
        For a column without values or spread.
    FormulaError
        For a scale of zero.
    """
    if "center" not in state:
        _learn_scale(rows, x, state, (center, by))
    return (x - float(state["center"])) / float(state["scale"])


def _learn_scale(rows: LazyRows, x: nw.Expr, state: State, given: tuple[Given, Given]) -> None:
    center, by = given
    found = totals(
        rows,
        {"n": (~x.is_null()).cast(nw.Float64).sum(), "mean": x.mean(), "sd": x.std(),
         "low": x.min(), "high": x.max()},
    )  # fmt: skip
    n = found["n"]
    if not n:
        raise DataError("scale() was given a column without any value.")
    state["center"] = found["mean"] if center is True else float(center)
    if by is True:
        apart = found["mean"] - state["center"]
        about_mean = (n - 1.0) * found["sd"] ** 2 if n > 1 else 0.0
        state["scale"] = math.sqrt((about_mean + n * apart**2) / max(n - 1.0, 1.0))
        if state["scale"] <= _FLAT * max(abs(found["low"]), abs(found["high"])):
            raise DataError("scale() was given a constant column, whose SD is zero.")
    else:
        state["scale"] = 1.0 if by is False else float(by)
    if state["scale"] == 0.0:
        raise FormulaError("scale() cannot divide by zero.")


def learn_poly(rows: LazyRows, x: nw.Expr, degree: int, state: State) -> tuple[nw.Expr, ...]:
    """Return the columns of R's ``poly``, learning the recurrence a degree per query.

    Sums of powers would take one query and lose half of the digits by the sixth degree; each step
    of the recurrence is a sum of squares about what the steps before left.

    References
    ----------
    Kennedy & Gentle (1980), Statistical Computing, sec. 13.5.

    Raises
    ------
    DataError
        For a column of fewer different values than the degree needs.
    """
    if "alpha" not in state:
        _learn_poly(rows, x, degree, state)
    columns: list[nw.Expr] = []
    for i in range(degree):
        current = _next(x, state, i)
        columns.append(current / math.sqrt(state["norm2"][i + 2]))
    return tuple(columns)


def _next(x: nw.Expr, state: State, degree: int) -> nw.Expr:
    """Return the polynomial of a degree (less one) by the three-term recurrence."""
    alpha: list[float] = state["alpha"]
    norm2: list[float] = state["norm2"]
    before: nw.Expr | float = 1.0
    current: nw.Expr = x - alpha[0]
    for i in range(1, degree + 1):
        ratio = norm2[i + 1] / norm2[i]
        before, current = current, (x - alpha[i]) * current - ratio * before
    return current


def _learn_poly(rows: LazyRows, x: nw.Expr, degree: int, state: State) -> None:
    known = (~x.is_null()).cast(nw.Float64).sum()
    count = totals(rows, {"n": known, "mean": x.mean(), "low": x.min(), "high": x.max()})
    if not count["n"]:
        raise DataError("poly() was given a column without any value.")
    rounding = (_FLAT * max(abs(count["low"]), abs(count["high"]))) ** 2
    state["alpha"], state["norm2"] = [count["mean"]], [1.0, count["n"]]
    for i in range(degree):
        current = _next(x, state, i)
        squares = current * current
        found = totals(rows, {"norm": squares.sum(), "at": (x * squares).sum()})
        if not found["norm"] > state["norm2"][-1] * rounding:
            state.clear()
            raise DataError(f"poly() of degree {degree} needs more than {degree} different values.")
        state["norm2"].append(found["norm"])
        if i + 1 < degree:
            state["alpha"].append(found["at"] / found["norm"])
