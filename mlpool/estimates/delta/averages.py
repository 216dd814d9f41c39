"""From rows to predict to answers: weighted averages of predictions and their Jacobians.

An answer ``g(beta) = sum_i w_i h(x_i'beta + o_i)`` has the Jacobian ``sum_i w_i h'(eta_i) x_i'``,
which is all that the delta method needs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from mlpool.errors import NotSupportedError, OptionError
from mlpool.estimates.grids.reference_grid import GridRows
from mlpool.estimates.scale.links import Scale
from mlpool.hypotheses.estimability import not_estimable
from mlpool.models import MixedModel
from mlpool.models.prediction import random_variance
from mlpool.typing import FloatArray

if TYPE_CHECKING:
    from mlpool.models import FittedModel

BLOCK_NUMBERS = 20_000_000
"""Numbers of the model matrix that are made at a time."""

ROUNDING = 4.0 * np.finfo(np.float64).eps
"""Changes of a column below this share of its values are rounding: it stands still there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """Values and Jacobians.

    Attributes
    ----------
    value : ndarray of shape (r,)
        NaN for answers without rows, or that the data do not determine.
    jacobian : ndarray of shape (r, p)
    size : ndarray of shape (r,), optional
        Sum of the magnitudes that were added up to the value, against which its rounding is
        judged, whatever the units.
    """

    value: FloatArray
    jacobian: FloatArray
    size: FloatArray | None = None


def average(model: FittedModel, rows: GridRows, scale: Scale) -> Answers:
    """Return the weighted average of the predictions of every answer."""
    beta = np.asarray(model.fit.beta)
    value, size = np.zeros(rows.n_answers), np.zeros(rows.n_answers)
    jacobian = np.zeros((rows.n_answers, len(beta)))
    for part, X, eta in predicted_blocks(model, rows.frame, rows.offset):
        weight, answer = rows.weight[part], rows.answer[part]
        spread = (
            random_variance(model, with_groups(model, rows.frame.iloc[part]))
            if scale.is_averaged and isinstance(model, MixedModel)
            else None
        )
        mean, slope = scale.value(eta, spread), scale.slope(eta, spread)
        value += np.bincount(answer, weight * mean, rows.n_answers)
        added = np.abs(mean) + np.abs(slope) * (np.abs(X) @ np.abs(beta))
        size += np.bincount(answer, np.abs(weight) * added, rows.n_answers)
        _add_rows(jacobian, answer, weight * slope, X)
    return _only_known(model, Answers(value=value, jacobian=jacobian, size=size), rows)


def average_slopes(
    model: FittedModel, rows: GridRows, trend: str, step: float, scale: Scale
) -> Answers:
    """Return the weighted average of d prediction / d trend of every answer.

    With the derivative x' of the row x, which central differences give (exactly for columns that
    are linear in the variable, to the fifth order for others),

        d h(eta) / dv = h'(eta) x'beta     Jacobian: h'(eta) x' + h''(eta) (x'beta) x

    Parameters
    ----------
    step : float
        Small against the variable's spread, a power of two.
    """
    beta = np.asarray(model.fit.beta)
    kept = np.asarray(model.fit.kept)
    value, size = np.zeros(rows.n_answers), np.zeros(rows.n_answers)
    jacobian = np.zeros((rows.n_answers, len(beta)))
    total = np.zeros((rows.n_answers, model.design.X.shape[1])) if model.aliased else None
    centre = np.asarray(rows.frame[trend], dtype=np.float64)
    for part, X, eta in predicted_blocks(model, rows.frame, rows.offset):
        frame = rows.frame.iloc[part]
        at = centre[part]
        near = _difference(model, frame, trend, at, step)
        far = _difference(model, frame, trend, at, 2.0 * step)
        full, drift = ((4.0 * n - f) / 3.0 for n, f in zip(near, far, strict=True))
        D = full if total is None else full[:, kept]
        d_eta = D @ beta + drift
        weight, answer = rows.weight[part], rows.answer[part]
        if total is not None:
            _add_rows(total, answer, weight, full)
        spread = _spread_of_slopes(model, frame, trend, scale)
        slope = scale.slope(eta, spread)
        value += np.bincount(answer, weight * slope * d_eta, rows.n_answers)
        added = np.abs(slope) * (np.abs(D) @ np.abs(beta) + np.abs(drift))
        size += np.bincount(answer, np.abs(weight) * added, rows.n_answers)
        _add_rows(jacobian, answer, weight * slope, D)
        if not scale.is_linear:
            _add_rows(jacobian, answer, weight * scale.curvature(eta, spread) * d_eta, X)
    made = Answers(value=value, jacobian=jacobian, size=size)
    answers = _only_known(model, made, rows, total)
    # on another scale the slope depends on where the row is
    return answers if scale.is_linear else _only_known(model, answers, rows)


def logarithms(answers: Answers) -> Answers:
    """Return the logarithms of answers, whose differences are logarithms of ratios.

    Raises
    ------
    OptionError
        If an answer is not positive.
    """
    known = answers.value[~np.isnan(answers.value)]
    if np.any(known <= 0.0):
        raise OptionError(
            f"ratios need means above 0 on the response-scale; the smallest is {known.min():.3g}."
        )
    return Answers(
        value=np.log(answers.value), jacobian=answers.jacobian / answers.value[:, None],
        size=np.abs(np.log(answers.value)) + 1.0,
    )  # fmt: skip


def with_groups(model: FittedModel, frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with some value in every grouping column: which one does not matter."""
    needed = {c for r in model.design.random for part in r.bar.group for c in part.columns}
    for name in sorted(needed):
        if name not in frame:
            frame = with_column(frame, name, "0")
    return frame


def with_column(frame: pd.DataFrame, name: str, values: Any) -> pd.DataFrame:
    """Return the frame with a column set; ``assign()`` cannot take one called ``self``."""
    changed = frame.copy(deep=False)
    changed[name] = values
    return changed


def _spread_of_slopes(
    model: FittedModel, frame: pd.DataFrame, trend: str, scale: Scale
) -> FloatArray | None:
    """Return the random effects' variance where responses are integrated over them.

    Raises
    ------
    NotSupportedError
        If the variable has a random slope: the variance then changes with it, too.
    """
    if not scale.is_averaged or not isinstance(model, MixedModel):
        return None
    for random in model.design.random:
        if any(trend in e.columns for term in random.bar.terms.terms for e in term):
            raise NotSupportedError(
                f"{trend} has a random slope, and slopes of responses averaged over it are not "
                "made; use estimate_means(predict='averaged') at two values."
            )
    return random_variance(model, with_groups(model, frame))


def _difference(
    model: FittedModel, frame: pd.DataFrame, trend: str, at: FloatArray, step: float
) -> tuple[FloatArray, FloatArray]:
    """Return the central difference quotients of the rows, all columns, and of the offset."""
    high, low = at + step, at - step
    up = model.design.new(with_column(frame, trend, high), random=False)
    down = model.design.new(with_column(frame, trend, low), random=False)
    width = high - low
    change = up.X - down.X
    change[np.abs(change) <= ROUNDING * (np.abs(up.X) + np.abs(down.X))] = 0.0
    quotient = change / width[:, None]
    none = np.zeros(len(at))
    if up.offset is None or down.offset is None:
        return quotient, none
    return quotient, (up.offset - down.offset) / width


def predicted_blocks(
    model: FittedModel, frame: pd.DataFrame, offset: float | None = None
) -> Iterator[tuple[slice, FloatArray, FloatArray]]:
    """Yield (slice, X of the estimated coefficients, eta) over blocks of rows.

    `offset` stands in the place of the model's own.
    """
    kept = np.asarray(model.fit.kept)
    beta = np.asarray(model.fit.beta)
    width = max(1, model.design.X.shape[1])
    size = max(1, BLOCK_NUMBERS // width)
    for start in range(0, len(frame), size):
        part = slice(start, min(start + size, len(frame)))
        new = model.design.new(_readable(frame.iloc[part]), random=False)
        X = new.X
        X = X if len(kept) == X.shape[1] else X[:, kept]
        own = new.offset if offset is None else offset
        eta = X @ beta
        yield part, X, eta if own is None else eta + own


def _readable(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame, a column that no formula reads in one of none: rows have to be counted."""
    return frame if len(frame.columns) else with_column(frame, " ", 0.0)


def _add_rows(total: FloatArray, answer: Any, weight: FloatArray, X: FloatArray) -> None:
    """Add weighted rows to the rows of their answers."""
    first, last = int(answer[0]), int(answer[-1]) + 1
    place = sparse.csr_array(
        (weight, (answer - first, np.arange(len(answer)))), shape=(last - first, len(answer))
    )
    total[first:last] += place @ X


def all_columns(model: FittedModel, rows: GridRows) -> FloatArray:
    """Return the weighted average of the rows of every answer over all columns of X (r, full)."""
    full = model.design.X.shape[1]
    total = np.zeros((rows.n_answers, full))
    size = max(1, BLOCK_NUMBERS // full)
    for start in range(0, len(rows.frame), size):
        part = slice(start, min(start + size, len(rows.frame)))
        X = model.design.new(_readable(rows.frame.iloc[part]), random=False).X
        _add_rows(total, rows.answer[part], rows.weight[part], X)
    return total


def _only_known(
    model: FittedModel, answers: Answers, rows: GridRows, derivatives: FloatArray | None = None
) -> Answers:
    """Make answers missing that have no rows, or that are not estimable.

    `derivatives` are averaged derivatives of rows over all columns, of which slopes are made.
    """
    count = np.bincount(rows.answer, minlength=rows.n_answers)
    unknown = count == 0
    if model.aliased and derivatives is None:
        unknown |= not_estimable(model, all_columns(model, rows))
    elif derivatives is not None:
        unknown |= not_estimable(model, derivatives)
    if unknown.any():
        answers.value[unknown] = np.nan
        answers.jacobian[unknown] = np.nan
    return answers
