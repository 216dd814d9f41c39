"""``ns()``: cubic splines that are straight lines beyond their boundary knots."""

from __future__ import annotations

import numpy as np
from scipy.interpolate import BSpline

from mlpool.errors import FormulaError
from mlpool.formula.functions.bases import (
    MAX_SPLINE_COLUMNS,
    State,
    boundary_knots,
    knot_vector,
    knots_given,
)
from mlpool.formula.functions.values import MatrixValue
from mlpool.typing import FloatArray

_CUBIC = 3


def ns(  # noqa: PLR0913 - one argument per argument of the formula's function
    state: State,
    x: FloatArray,
    df: int | None,
    knots: list[object] | None,
    intercept: bool,
    boundary: list[object] | None,
) -> MatrixValue:
    """Return the basis of natural cubic splines, columns as those of R's ``splines::ns``.

    The cubic B-splines b(x) (m,) whose second derivatives are zero at both boundary knots are those
    with ``C a = 0``, C (2, m) holding the second derivatives there. An orthonormal basis of these
    a, the last m - 2 columns of Q in ``C' = QR`` (Householder), makes the columns ``b(x)' Q``.

    References
    ----------
    de Boor (2001), A Practical Guide to Splines, ch. IV (natural ends), IX (B-splines).

    Raises
    ------
    FormulaError, DataError
        For knots or a number of columns that do not fit.
    """
    skipped = int(not intercept)
    if "knots" not in state:
        inner = _inner(df, skipped) if knots is None else knots_given(knots, "ns")
        state["knots"] = knot_vector(x, inner, _CUBIC, boundary_knots(boundary, "ns"), "ns")
    places = np.array(state["knots"])
    splines = BSpline(places, np.eye(len(places) - _CUBIC - 1), _CUBIC)
    ends = places[[0, -1]]
    bent = splines.derivative(2)(ends)[:, skipped:]
    free = np.linalg.qr(bent.T, mode="complete")[0][:, 2:]
    basis = _with_straight_ends(splines, x, ends)[:, skipped:] @ free
    arrays = tuple(np.ascontiguousarray(column) for column in basis.T)
    labels = tuple(str(i + 1) for i in range(len(arrays)))
    return MatrixValue(arrays=arrays, labels=labels, kind="basis")


def _inner(df: int | None, skipped: int) -> int:
    """Return how many knots lie inside: a column takes one, the line none."""
    columns = 2 - skipped if df is None else df
    if not 2 - skipped <= columns <= MAX_SPLINE_COLUMNS:
        raise FormulaError(
            f"ns(): df must be between {2 - skipped} and {MAX_SPLINE_COLUMNS}; got {df}."
        )
    return columns - (2 - skipped)


def _with_straight_ends(splines: BSpline, x: FloatArray, ends: FloatArray) -> FloatArray:
    """Return the B-splines (n, m), going on as their tangents beyond the boundary knots."""
    inside = np.clip(x, *ends)
    beyond = (x - inside)[:, None]
    slopes = splines.derivative(1)(inside)
    return np.asarray(splines(inside) + np.where(beyond == 0, 0.0, beyond * slopes))
