"""The residuals' lines of a summary: five numbers, or every residual of very small data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import narwhals as nw
import numpy as np

from mlpool.designs.counted_rows import counted_quantiles
from mlpool.designs.row_summaries import by_counts, by_queries, fact
from mlpool.models import GeneralizedLinearModel
from mlpool.models.residuals import RESID, residuals_elsewhere
from mlpool.sources.design import asked
from mlpool.sources.order_statistics import quantiles_of
from mlpool.summaries.r_matrices import vector_text
from mlpool.summaries.r_numbers import QUARTILES, five_numbers, format_numbers, zapsmall
from mlpool.typing import FloatArray

if TYPE_CHECKING:
    from mlpool.models import FittedModel

QUANTILES = ("Min", "1Q", "Median", "3Q", "Max")
_MOST_LISTED = 5
"""R lists the residuals of an lm or glm with up to this many rows."""
_DIGITS = 5


@fact("lm", "glm", "lmer", "glmer")
def residual_lines(m: FittedModel) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """Return the labels and numbers below a summary's heading of residuals.

    lm: residuals times the root of the weights; glm: deviance residuals; mixed models: scaled
    Pearson residuals.
    """
    values = _residuals(m)
    if len(values) > _MOST_LISTED or m.is_mixed:
        return QUANTILES, tuple(zapsmall(five_numbers(values), _DIGITS).tolist())
    return tuple(str(i) for i in m.design.index), tuple(values.tolist())


@by_counts(residual_lines)
def _counted_residual_lines(
    m: FittedModel, counts: FloatArray
) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """Return the quartiles of rows' residuals: those of combinations hold the root of counts."""
    values = counted_quantiles(_residuals(m) / np.sqrt(counts), counts, np.array(QUARTILES))
    return QUANTILES, tuple(zapsmall(values, _DIGITS).tolist())


@by_queries(residual_lines)
def _asked_residual_lines(m: FittedModel) -> tuple[tuple[str, ...], tuple[float, ...]]:
    rows = residuals_elsewhere(m)
    resid = nw.col(RESID) * (1.0 / m.sigma if m.is_mixed else 1.0)
    weights = asked(m.design).prior_weights
    if weights is not None:
        resid = resid * weights.sqrt()
    values = quantiles_of(rows, resid, QUARTILES)
    return QUANTILES, tuple(zapsmall(values, _DIGITS).tolist())


def quantile_text(m: FittedModel, digits: int) -> str:
    """Return the residuals' lines as R prints them."""
    labels, values = residual_lines(m)
    return vector_text(labels, format_numbers(values, digits))


def _residuals(m: FittedModel) -> FloatArray:
    if m.kind == "glmer":
        return np.asarray(m.residuals("pearson", scaled=True))
    if isinstance(m, GeneralizedLinearModel):
        return _deviance_residuals(m)
    resid = np.asarray(m.resid) / (m.sigma if m.is_mixed else 1.0)
    weights = m.design.weights
    return resid if weights is None else resid * np.sqrt(weights)


def _deviance_residuals(m: GeneralizedLinearModel) -> FloatArray:
    y, mu = m.design.y, np.asarray(m.fit.fitted)
    prior = np.ones(len(y)) if m.design.trials is None else m.design.trials
    prior = prior if m.design.weights is None else prior * m.design.weights
    unit = m.family.unit_deviance(y, mu) * prior
    return np.asarray(np.sign(y - mu) * np.sqrt(np.clip(unit, 0, None)))


@fact("lm")
def fitted_sum_of_squares(m: FittedModel) -> float:
    """Return the weighted sum of squared fitted values, which R2 without an intercept is about."""
    w = np.ones(m.nobs) if m.design.weights is None else m.design.weights
    return float(w @ np.asarray(m.fitted) ** 2)


@by_queries(fitted_sum_of_squares)
def _asked_fitted_squares(m: FittedModel) -> float:
    return float(asked(m.design).fitted_squares(m.fit.kept, m.fit.beta, about_mean=False))
