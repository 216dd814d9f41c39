"""Standard errors, degrees of freedom and intervals of answers, by the delta method."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import stats

from mlpool.estimates.delta.averages import BLOCK_NUMBERS, Answers
from mlpool.estimates.scale.links import Scale
from mlpool.hypotheses.linear_combinations import row_inference
from mlpool.typing import FloatArray

if TYPE_CHECKING:
    from mlpool.models import FittedModel
    from mlpool.typing import ClusterLike, VcovArgs, VcovLike

BLOCK_ROWS = 100_000
"""Answers whose errors are made at a time."""

ZERO = 1e-12
"""Estimates below this share of the sum of what they are made of are rounding: exactly zero."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the user asked about uncertainty.

    Attributes
    ----------
    ci : float or None
        Confidence level; None: no interval.
    vcov, cluster, vcov_args, ci_method
        As in :func:`mlpool.model_parameters`.
    """

    ci: float | None = 0.95
    vcov: VcovLike | None = None
    cluster: ClusterLike | None = None
    vcov_args: VcovArgs | None = None
    ci_method: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Inference:
    """Answers with their uncertainty, each an array of shape (r,).

    Attributes
    ----------
    estimate, se, df, statistic, p, low, high : ndarray
        `low` and `high` are NaN without a level.
    critical : ndarray
        Half widths of the intervals in standard errors.
    symbol : {"t", "z"}
        What the statistic is called.
    method : str
        Where the df come from.
    covariance : str or None
        Name of a robust covariance.
    """

    estimate: FloatArray
    se: FloatArray
    df: FloatArray
    statistic: FloatArray
    p: FloatArray
    low: FloatArray
    high: FloatArray
    critical: FloatArray
    symbol: str = "t"
    method: str = "residual"
    covariance: str | None = None


def infer(
    model: FittedModel,
    answers: Answers,
    request: Request,
    *,
    scale: Scale | None = None,
    zap: bool = False,
) -> Inference:
    """Return the uncertainty of answers.

    Parameters
    ----------
    model : FittedModel
    answers : Answers
    request : Request
    scale : Scale, optional
        Where averages of the link's scale are taken back to the response's: interval bounds are
        taken back, the standard error is the delta method's, test and df are the link scale's.
    zap : bool
        Make estimates exactly zero that are rounding noise (slopes and contrasts).
    """
    estimate = answers.value.copy()
    if zap:
        estimate[_is_noise(answers)] = 0.0
    se, df, symbol, method, covariance = _uncertainty(model, answers.jacobian, request)
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.where(se > 0, estimate / se, np.nan)
    p = 2.0 * t_or_normal_sf(np.abs(statistic), df)
    critical = np.full(len(se), np.nan)
    if request.ci is not None:
        critical = critical_values(request.ci, df)
    low, high = estimate - critical * se, estimate + critical * se
    result = Inference(
        estimate=estimate, se=se, df=df, statistic=statistic, p=p, low=low, high=high,
        symbol=symbol, method=method, covariance=covariance, critical=critical,
    )  # fmt: skip
    return result if scale is None else taken_back(result, scale)


def taken_back(result: Inference, scale: Scale) -> Inference:
    """Return answers of the link's scale on the response's, where the scale asks for it."""
    if not scale.is_taken_back:
        return result
    ends = np.stack([scale.back(result.low), scale.back(result.high)])
    return replace(
        result,
        estimate=scale.back(result.estimate),
        se=np.abs(scale.family.derivative(result.estimate)) * result.se,
        low=ends.min(axis=0),
        high=ends.max(axis=0),
    )


def infer_blocks(
    model: FittedModel,
    grid: pd.DataFrame,
    make: Callable[[pd.DataFrame], Answers],
    request: Request,
    *,
    scale: Scale | None = None,
    rows_each: int = 1,
    zap: bool = False,
) -> Inference:
    """Return :func:`infer` of the answers of a grid, so many rows at a time as memory is good for.

    Parameters
    ----------
    make : callable
        The answers of some rows of the grid.
    rows_each : int
        Rows of the model matrix behind one answer.
    """
    width = max(1, rows_each * model.design.X.shape[1])
    size = max(1, min(BLOCK_ROWS, BLOCK_NUMBERS // width))
    parts = [
        infer(model, make(grid.iloc[start : start + size]), request, scale=scale, zap=zap)
        for start in range(0, max(len(grid), 1), size)
    ]
    return joined(parts)


def joined(parts: Sequence[Inference]) -> Inference:
    """Return several tables of answers, made in the same way, as one."""
    arrays: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("estimate", "se", "df", "statistic", "p", "low", "high", "critical")
    }
    return replace(parts[0], **arrays)


def critical_values(level: float, df: FloatArray) -> FloatArray:
    """Return two-sided quantiles of t, or of the normal where df are infinite."""
    upper = 0.5 * (1.0 + level)
    finite = np.isfinite(df)
    out = np.full(len(df), stats.norm.ppf(upper))
    out[finite] = stats.t.ppf(upper, df[finite])
    out[np.isnan(df)] = np.nan
    return out


def t_or_normal_sf(x: FloatArray, df: FloatArray) -> FloatArray:
    """Return upper tail probabilities of t, or of the normal where df are infinite."""
    out = np.asarray(stats.norm.sf(x))
    finite = np.isfinite(df)
    out[finite] = stats.t.sf(x[finite], df[finite])
    out[np.isnan(df)] = np.nan
    return out


def _uncertainty(
    model: FittedModel, jacobian: FloatArray, request: Request
) -> tuple[FloatArray, FloatArray, str, str, str | None]:
    """Return se, df, and the names of statistic, method and covariance."""
    r = len(jacobian)
    se, df = np.full(r, np.nan), np.full(r, np.nan)
    known = np.flatnonzero(np.isfinite(jacobian).all(axis=1))
    parts = None
    # an empty table still says which covariance it would have
    for start in range(0, max(len(known), 1), BLOCK_ROWS):
        rows = known[start : start + BLOCK_ROWS]
        parts = row_inference(
            model, jacobian[rows], vcov=request.vcov, cluster=request.cluster,
            vcov_args=request.vcov_args, ci_method=request.ci_method,
        )  # fmt: skip
        se[rows], df[rows] = parts.se, parts.df
    assert parts is not None
    return se, df, parts.statistic, parts.method, parts.covariance


def _is_noise(answers: Answers) -> Any:
    return (
        np.zeros(len(answers.value), dtype=bool)
        if answers.size is None
        else (np.abs(answers.value) < ZERO * answers.size)
    )
