"""Functions of formulas that learn from the training rows: scale, center, poly, bs.

What was learned is written into ``state`` and read back for new data, so that new rows are encoded
as the old ones were.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from scipy.interpolate import BSpline

from mlpool.errors import DataError, FormulaError, MlpoolWarning, user_level
from mlpool.formula.functions.values import MatrixValue, NumberValue, is_plain_number
from mlpool.typing import FloatArray

State = dict[str, Any]

MAX_DEGREE = 100
"""Largest degree of ``poly()``, powers included."""
MAX_SPLINE_DEGREE = 20
MAX_SPLINE_COLUMNS = 1000

_FLAT = 8 * np.finfo(np.float64).eps
"""A column whose spread is this share of its largest value or less is constant but for rounding."""


def scale(state: State, x: FloatArray, center: object, by: object) -> NumberValue:
    """Subtract the mean (or `center`) and divide by the SD (or `by`), as R's ``scale``."""
    if "center" not in state:
        known = _known(x, "scale")
        state["center"] = _given(center, lambda: float(known.mean()), 0.0)
        rest = known - state["center"]

        def spread() -> float:
            root = float(np.sqrt(np.sum(rest**2) / max(len(rest) - 1, 1)))
            if root <= _FLAT * np.abs(known).max():
                raise DataError("scale() was given a constant column, whose SD is zero.")
            return root

        state["scale"] = _given(by, spread, 1.0)
        if state["scale"] == 0.0:
            raise FormulaError("scale() cannot divide by zero.")
    return NumberValue(array=(x - state["center"]) / state["scale"])


def _given(value: Any, computed: Any, otherwise: float) -> float:
    """Return a number that was given, what TRUE asks for, or what FALSE leaves."""
    if value is True:
        return float(computed())
    return otherwise if value is False else float(value)


def center(state: State, x: FloatArray) -> NumberValue:
    """Subtract the mean."""
    return scale(state, x, True, False)


def poly(state: State, x: FloatArray, degree: int, raw: object) -> MatrixValue:
    """Return orthogonal polynomials as R's ``poly``, or powers."""
    if not 1 <= degree <= MAX_DEGREE:
        raise FormulaError(f"poly() needs a degree between 1 and {MAX_DEGREE}; got {degree}.")
    labels = tuple(str(i + 1) for i in range(degree))
    if raw:
        with np.errstate(all="ignore"):
            powers = tuple(x ** (i + 1) for i in range(degree))
        return MatrixValue(arrays=powers, labels=labels, kind="poly")
    if "alpha" not in state:
        _learn_poly(x, degree, state)
    return MatrixValue(arrays=_poly_columns(x, state), labels=labels, kind="poly")


def _learn_poly(x: FloatArray, degree: int, state: State) -> None:
    """Learn the three-term recurrence of R's ``poly`` (Kennedy & Gentle 1980, sec. 13.5)."""
    known = _known(x, "poly")
    if len(np.unique(known)) <= degree:
        raise DataError(f"poly() of degree {degree} needs more than {degree} different values.")
    alpha, norm2 = [], [1.0, float(len(known))]
    before, current = np.zeros_like(known), np.ones_like(known)
    for _ in range(degree):
        alpha.append(float((known * current**2).sum() / norm2[-1]))
        ratio = norm2[-1] / norm2[-2] if len(alpha) > 1 else 0.0
        before, current = current, (known - alpha[-1]) * current - ratio * before
        norm2.append(float((current**2).sum()))
    state["alpha"], state["norm2"] = alpha, norm2


def _poly_columns(x: FloatArray, state: State) -> tuple[FloatArray, ...]:
    alpha, norm2 = state["alpha"], state["norm2"]
    before, current = np.zeros_like(x), np.ones_like(x)
    columns = []
    for i, a in enumerate(alpha):
        ratio = norm2[i + 1] / norm2[i] if i > 0 else 0.0
        before, current = current, (x - a) * current - ratio * before
        columns.append(current / np.sqrt(norm2[i + 2]))
    return tuple(columns)


def bs(  # noqa: PLR0913 - one argument per argument of the formula's function
    state: State,
    x: FloatArray,
    df: int | None,
    knots: list[object] | None,
    degree: int,
    intercept: Any,
    boundary: list[object] | None,
) -> MatrixValue:
    """Return the B-spline basis of R's ``splines::bs``; its ends go on beyond the range."""
    fewest = degree + int(intercept)
    if not 1 <= degree <= MAX_SPLINE_DEGREE:
        raise FormulaError(f"bs(): degree must be between 1 and {MAX_SPLINE_DEGREE}.")
    if "knots" not in state:
        if knots is None:
            n_inner = _enough(fewest if df is None else df, fewest) - fewest
            inner: int | list[float] = n_inner
        else:
            inner = knots_given(knots, "bs")
        state["knots"] = knot_vector(x, inner, degree, boundary_knots(boundary, "bs"), "bs")
    places = np.array(state["knots"])
    basis = BSpline(places, np.eye(len(places) - degree - 1), degree)(x)
    arrays = tuple(np.ascontiguousarray(column) for column in basis.T[int(not intercept) :])
    labels = tuple(str(i + 1) for i in range(len(arrays)))
    return MatrixValue(arrays=arrays, labels=labels, kind="basis")


def knot_vector(
    x: FloatArray,
    inner: int | list[float],
    degree: int,
    boundary: tuple[float, float] | None,
    function: str,
) -> list[float]:
    """Return all knots: those inside (given, or so many quantiles), the ends degree + 1 times.

    Raises
    ------
    DataError, FormulaError
        For a constant column, and knots that do not lie between the ends.
    """
    known = _known(x, function)
    if len(np.unique(known)) < 2:
        raise DataError(f"{function}() was given a constant column.")
    low, high = boundary or (float(known.min()), float(known.max()))
    places = _quantiles(known, inner, (low, high), function) if isinstance(inner, int) else inner
    if places and not low <= places[0] <= places[-1] <= high:
        raise FormulaError(f"{function}(): knots must lie between {low:g} and {high:g}.")
    return [low] * (degree + 1) + places + [high] * (degree + 1)


def _quantiles(known: FloatArray, n: int, ends: tuple[float, float], function: str) -> list[float]:
    within = known[(known >= ends[0]) & (known <= ends[1])]
    if not len(within):
        raise DataError(f"{function}() was given no value between its Boundary.knots.")
    return [float(q) for q in np.quantile(within, np.linspace(0, 1, n + 2)[1:-1])]


def _enough(df: int, fewest: int) -> int:
    """Return a number of columns that the degree allows; R warns and takes the smallest, too."""
    if not 1 <= df <= MAX_SPLINE_COLUMNS:
        raise FormulaError(f"bs(): df must be between 1 and {MAX_SPLINE_COLUMNS}; got {df}.")
    if df < fewest:
        warnings.warn(
            f"bs(): df = {df} is too small for the degree; {fewest} is used.",
            MlpoolWarning,
            stacklevel=user_level(),
        )
    return max(df, fewest)


def knots_given(knots: list[Any], function: str) -> list[float]:
    """Return the knots that were given, in order.

    Raises
    ------
    FormulaError
        If they are no numbers.
    """
    if len(knots) > MAX_SPLINE_COLUMNS or not all(
        is_plain_number(k) and np.isfinite(k) for k in knots
    ):
        raise FormulaError(f"{function}(): knots must be numbers such as c(1, 2).")
    return sorted(float(k) for k in knots)


def boundary_knots(boundary: list[Any] | None, function: str) -> tuple[float, float] | None:
    """Return the boundary knots that were given, lower first, else None.

    Raises
    ------
    FormulaError
        If they are not two numbers.
    """
    if boundary is None:
        return None
    if len(boundary) != 2 or not all(is_plain_number(b) for b in boundary):
        raise FormulaError(f"{function}(): Boundary.knots must be two numbers: c(0, 10).")
    low, high = sorted(float(b) for b in boundary)
    return low, high


def _known(x: FloatArray, function: str) -> FloatArray:
    """Return the values that are there.

    Raises
    ------
    FormulaError, DataError
        For a constant, and for a column without any value.
    """
    if x.ndim == 0:
        raise FormulaError(f"{function}() needs a column; got a constant.")
    known = np.asarray(x[~np.isnan(x)])
    if not len(known):
        raise DataError(f"{function}() was given a column without any value.")
    return known
