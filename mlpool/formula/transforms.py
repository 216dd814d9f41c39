"""The documented functions of formulas, on arrays.

A function that learns from the training data (``scale``, ``poly``, ``factor`` ...) writes what it
learned into ``state`` and reads it back for new data, so new rows are encoded as the old ones were.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mlpool.errors import DataError, FormulaError
from mlpool.formula.safety import CONTRASTS
from mlpool.formula.values import FactorValue, MatrixValue, NumberValue, Value
from mlpool.frames.levels import code_values, level_label

State = dict[str, Any]
Arguments = tuple[list[Any], dict[str, Any]]

_NUMPY: dict[str, Callable[..., Any]] = {
    "log2": np.log2, "log10": np.log10, "log1p": np.log1p, "exp": np.exp, "expm1": np.expm1,
    "sqrt": np.sqrt, "abs": np.abs, "sin": np.sin, "cos": np.cos, "tan": np.tan,
    "floor": np.floor, "ceiling": np.ceil, "as.integer": np.trunc,
}  # fmt: skip


def number_array(value: Any, function: str) -> np.ndarray[Any, Any]:
    """Return the numbers of an argument; a factor there is the user's mistake."""
    if isinstance(value, NumberValue):
        return value.array
    if isinstance(value, (int, float, np.number)):
        return np.asarray(float(value))
    if isinstance(value, FactorValue):
        raise DataError(f"{function}() needs numbers, but its argument is a factor (text).")
    if isinstance(value, MatrixValue) and len(value.arrays) == 1:
        return value.arrays[0]
    raise FormulaError(f"{function}() needs one column of numbers.")


def apply_function(name: str, args: list[Any], kwargs: dict[str, Any], state: State) -> Value:
    """Return the value of a call of a documented function.

    Raises
    ------
    FormulaError, DataError
        For wrong arguments.
    """
    if name in _SPECIAL:
        try:
            result: Value = _SPECIAL[name](state, *args, **kwargs)
        except TypeError:
            raise FormulaError(f"{name}() was given arguments that it does not have.") from None
        return result
    function = _NUMPY.get(name) or getattr(np, name.removeprefix("np."))
    values = [number_array(a, name) for a in args]
    options = {k: _plain(v) for k, v in kwargs.items()}
    with np.errstate(all="ignore"):
        try:
            return NumberValue(array=np.asarray(function(*values, **options), dtype=np.float64))
        except TypeError:
            raise FormulaError(f"{name}() was given arguments that it does not have.") from None


def _plain(value: Any) -> Any:
    if isinstance(value, NumberValue):
        raise FormulaError("A named argument in a formula must be a constant.")
    return value


def _identity(state: State, x: Any) -> Value:
    return (
        x
        if isinstance(x, (NumberValue, FactorValue, MatrixValue))
        else NumberValue(array=np.asarray(x))
    )


def _log(state: State, x: Any, base: float | None = None) -> Value:
    with np.errstate(all="ignore"):
        logs = np.log(number_array(x, "log"))
    return NumberValue(array=logs if base is None else logs / np.log(float(base)))


def _round(state: State, x: Any, digits: float = 0) -> Value:
    return NumberValue(array=np.round(number_array(x, "round"), int(digits)))


def _pmin(state: State, *values: Any) -> Value:
    return NumberValue(
        array=np.minimum.reduce(np.broadcast_arrays(*(number_array(v, "pmin") for v in values)))
    )


def _pmax(state: State, *values: Any) -> Value:
    return NumberValue(
        array=np.maximum.reduce(np.broadcast_arrays(*(number_array(v, "pmax") for v in values)))
    )


def _ifelse(state: State, test: Any, yes: Any, no: Any) -> Value:
    condition = number_array(test, "ifelse")
    chosen = np.where(condition != 0, number_array(yes, "ifelse"), number_array(no, "ifelse"))
    return NumberValue(array=np.where(np.isnan(condition), np.nan, chosen))


def _as_numeric(state: State, x: Any) -> Value:
    if isinstance(x, FactorValue):
        codes = x.codes.astype(np.float64) + 1.0
        codes[x.codes < 0] = np.nan
        return NumberValue(array=codes)
    return NumberValue(array=number_array(x, "as.numeric"))


def _scale(state: State, x: Any, center: bool = True, scale: bool = True) -> Value:
    array = number_array(x, "scale").astype(np.float64)
    if "center" not in state:
        state["center"] = float(np.nanmean(array)) if center else 0.0
        rest = array - state["center"]
        n = np.count_nonzero(~np.isnan(rest))
        spread = float(np.sqrt(np.nansum(rest**2) / max(n - 1, 1))) if scale else 1.0
        if spread == 0.0:
            raise DataError("scale() was given a constant column, whose SD is zero.")
        state["scale"] = spread
    return NumberValue(array=(array - state["center"]) / state["scale"])


def _center(state: State, x: Any) -> Value:
    return _scale(state, x, True, False)


def _poly(state: State, x: Any, degree: float = 1, raw: bool = False) -> Value:
    array = number_array(x, "poly").astype(np.float64)
    degree = int(degree)
    labels = tuple(str(i + 1) for i in range(degree))
    if degree < 1:
        raise FormulaError("poly() needs a degree of 1 or more.")
    if raw:
        powers = tuple(array ** (i + 1) for i in range(degree))
        return MatrixValue(arrays=powers, labels=labels, kind="poly")
    if "alpha" not in state:
        _learn_poly(array, degree, state)
    return MatrixValue(arrays=_poly_columns(array, state), labels=labels, kind="poly")


def _learn_poly(array: np.ndarray[Any, Any], degree: int, state: State) -> None:
    """Learn the three-term recurrence of R's ``poly`` (Kennedy & Gentle 1980, sec. 13.5)."""
    known = array[~np.isnan(array)]
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


def _poly_columns(array: np.ndarray[Any, Any], state: State) -> tuple[np.ndarray[Any, Any], ...]:
    alpha, norm2 = state["alpha"], state["norm2"]
    before, current = np.zeros_like(array), np.ones_like(array)
    columns = []
    for i, a in enumerate(alpha):
        ratio = norm2[i + 1] / norm2[i] if i > 0 else 0.0
        before, current = current, (array - a) * current - ratio * before
        columns.append(current / np.sqrt(norm2[i + 2]))
    return tuple(columns)


def _bs(  # noqa: PLR0913 - one argument per symbol of the formula
    state: State,
    x: Any,
    df: float | None = None,
    knots: Any = None,
    degree: float = 3,
    intercept: bool = False,
) -> Value:
    from formulaic.transforms.basis_spline import basis_spline

    array = number_array(x, "bs").astype(np.float64)
    if df is None and knots is None:
        df = int(degree) + int(intercept)
    basis = basis_spline(
        array,
        df=None if knots is not None or df is None else int(df),
        knots=None if knots is None else [float(k) for k in np.atleast_1d(knots)],
        degree=int(degree),
        include_intercept=bool(intercept),
        extrapolation="extend",
        _state=state,
    )
    columns = list(getattr(basis, "__wrapped__", basis).values())
    arrays = tuple(np.asarray(c, dtype=np.float64) for c in columns)
    labels = tuple(str(i + 1) for i in range(len(arrays)))
    return MatrixValue(arrays=arrays, labels=labels, kind="basis")


def _factor(
    state: State, x: Any, levels: Any = None, labels: Any = None, ordered: bool = False
) -> Value:
    if isinstance(x, FactorValue):
        codes, known = x.codes, x.levels
        is_ordered = x.is_ordered or bool(ordered)
    else:
        array = number_array(x, "factor")
        if isinstance(x, NumberValue) and x.is_logical:
            missing = np.isnan(array)
            codes = np.where(missing, -1, array != 0).astype(np.int32)
            known = ("FALSE", "TRUE")
        else:
            codes, known = code_values(array)
        is_ordered = bool(ordered)
    if "levels" not in state:
        present = {int(c) for c in np.unique(codes) if c >= 0}
        default = tuple(v for i, v in enumerate(known) if i in present)
        state["levels"] = (
            default if levels is None else tuple(level_label(v) for v in _list(levels))
        )
        names = state["levels"] if labels is None else tuple(level_label(v) for v in _list(labels))
        if len(names) != len(state["levels"]):
            raise FormulaError(f"factor(): {len(names)} labels for {len(state['levels'])} levels.")
        state["labels"] = names
    elif levels is None:
        _check_new_levels(codes, known, state["levels"])
    position = {v: i for i, v in enumerate(state["levels"])}
    table = np.array([position.get(v, -1) for v in known] + [-1], dtype=np.int32)
    return FactorValue(codes=table[codes], levels=state["labels"], is_ordered=is_ordered)


def _check_new_levels(codes: Any, known: tuple[str, ...], trained: tuple[str, ...]) -> None:
    present = [known[int(c)] for c in np.unique(codes) if c >= 0]
    unknown = [v for v in present if v not in trained]
    if unknown:
        raise DataError(
            f"factor() meets the level {unknown[0]!r}, which the model was not fitted with."
        )


def _ordered(state: State, x: Any, levels: Any = None, labels: Any = None) -> Value:
    return _factor(state, x, levels, labels, True)


def _contrasts(state: State, x: Any, contrast: Any = None, base: float = 1) -> Value:
    value = x if isinstance(x, FactorValue) else _factor(state, x)
    assert isinstance(value, FactorValue)
    if contrast is not None and contrast not in CONTRASTS:
        raise FormulaError(f"C() knows the contrasts {', '.join(CONTRASTS)}; got {contrast!r}.")
    return FactorValue(
        codes=value.codes,
        levels=value.levels,
        is_ordered=value.is_ordered,
        contrast=contrast,
        base=int(base),
    )


def _cbind(state: State, *columns: Any) -> Value:
    each = [number_array(c, "cbind").astype(np.float64) for c in columns]
    arrays = tuple(np.array(a) for a in np.broadcast_arrays(*each))
    return MatrixValue(
        arrays=arrays, labels=tuple(str(i + 1) for i in range(len(arrays))), kind="numeric"
    )


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _constants(state: State, *values: Any) -> Any:
    if any(isinstance(v, (NumberValue, FactorValue, MatrixValue)) for v in values):
        raise FormulaError("c() in a formula holds constants only.")
    return list(values)


_SPECIAL: dict[str, Callable[..., Any]] = {
    "I": _identity, "offset": _identity, "log": _log, "np.log": _log, "round": _round,
    "pmin": _pmin, "pmax": _pmax, "ifelse": _ifelse, "as.numeric": _as_numeric,
    "scale": _scale, "center": _center, "poly": _poly, "bs": _bs,
    "factor": _factor, "as.factor": _factor, "as_factor": _factor, "ordered": _ordered,
    "C": _contrasts, "cbind": _cbind, "c": _constants,
}  # fmt: skip
