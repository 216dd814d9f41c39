"""The random-effects part of the table: standard deviations and correlations, in R's order."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from mlpool.engine.theta import Template
from mlpool.inference.profiles.lmm import ProfileIntervals
from mlpool.inference.small_sample.information import VarianceInformation
from mlpool.inference.small_sample.random_wald import RandomWald, phi_errors, random_wald_of
from mlpool.inference.small_sample.random_wald_glmm import random_bounds, sigma_bounds
from mlpool.models import GeneralizedLinearMixedModel
from mlpool.typing import FloatArray
from mlpool.uncertainty.small_sample import information

if TYPE_CHECKING:
    from mlpool.models import FittedModel, MixedModel

_INTERCEPT = "(Intercept)"

Place = tuple[int, int, int]
"""Term, row and column of a parameter in its covariance; the residual's is (-1, 0, 0)."""

Intervals = dict[Place, tuple[float, float, float]]
"""Standard error and bounds of each place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomRow:
    """One standard deviation or correlation.

    Attributes
    ----------
    name : str
        Raw name: ``SD (Intercept)``, ``Cor (Intercept~ses)``, ``SD (Observations)``.
    printed : str
        ``SD (Intercept: school)``, ``SD (Residual)``.
    group : str
        Grouping factor, or ``Residual``.
    estimate : float
    place : (int, int, int)
        Term, row and column in its covariance; the residual's is (-1, 0, 0).
    se, low, high : float
        NaN where they were not asked for or do not exist.
    """

    name: str
    printed: str
    group: str
    estimate: float
    place: Place
    se: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")


def random_rows(model: MixedModel, intervals: Intervals | None = None) -> list[RandomRow]:
    """Return the rows: intercept SDs, slope SDs, their correlations, the residual.

    Parameters
    ----------
    model : FittedModel
        A mixed model.
    intervals : mapping, optional
        (SE, low, high) of each place; None: no standard errors and intervals.
    """
    intervals = intervals or {}
    varcorr = model.varcorr()
    sds: list[tuple[bool, RandomRow]] = []
    cors: list[tuple[bool, RandomRow]] = []
    for t, block in enumerate(varcorr.blocks):
        for i, name in enumerate(block.names):
            row = _row(f"SD ({_short(name)}", block.group, block.sd[i], (t, i, i), intervals)
            sds.append((name != _INTERCEPT, row))
            for j in range(i):
                pair = f"{_short(block.names[j])}~{_short(name)}"
                row = _row(f"Cor ({pair}", block.group, block.cor[i, j], (t, i, j), intervals)
                cors.append((block.names[j] != _INTERCEPT, row))
    rows = [row for part in (sds, cors) for _, row in sorted(part, key=lambda entry: entry[0])]
    if varcorr.sigma is not None:
        values = (varcorr.sigma, *intervals.get((-1, 0, 0), (np.nan,) * 3))
        rows.append(_residual(*(float(v) for v in values)))
    return rows


def _row(
    start: str,
    group: str,
    estimate: float,
    place: Place,
    intervals: Intervals,
) -> RandomRow:
    se, low, high = intervals.get(place, (np.nan, np.nan, np.nan))
    return RandomRow(
        name=f"{start})", printed=f"{start}: {group})", group=group, estimate=float(estimate),
        place=place, se=se, low=low, high=high,
    )  # fmt: skip


def _residual(estimate: float, se: float, low: float, high: float) -> RandomRow:
    return RandomRow(
        name="SD (Observations)", printed="SD (Residual)", group="Residual", estimate=estimate,
        place=(-1, 0, 0), se=se, low=low, high=high,
    )  # fmt: skip


def _short(name: str) -> str:
    return "Intercept" if name == _INTERCEPT else name


def wald_intervals(model: FittedModel, level: float) -> Intervals:
    """Return (SE, low, high) of each place; a correlation's with the SDs taken as known, as in R.

    ``se(r) = se(S_ab) / (sd_a sd_b)``, interval ``tanh(atanh r -+ z se / (1 - r^2))``. The delta
    method on all three parameters would give a slightly larger error; easystats does not use it.
    """
    if isinstance(model, GeneralizedLinearMixedModel):
        return _generalized_intervals(model, level)
    info = information(model)
    result = random_wald_of(info, level)
    sd = {p: float(e) for p, e in zip(result.places, result.estimate, strict=True)}
    covariance_se = _covariance_errors(info, result)
    z = NormalDist().inv_cdf(0.5 * (1.0 + level))
    found = {}
    for i, place in enumerate(result.places):
        term, row, column = place
        found[place] = (float(result.se[i]), float(result.low[i]), float(result.high[i]))
        if row != column and not result.on_boundary[i]:
            r = float(result.estimate[i])
            se = float(covariance_se[i]) / (sd[term, row, row] * sd[term, column, column])
            half = z * se / (1.0 - r**2)
            low, high = np.tanh(np.arctanh(r) - half), np.tanh(np.arctanh(r) + half)
            found[place] = (se, float(low), float(high))
    return found


def _generalized_intervals(model: GeneralizedLinearMixedModel, level: float) -> Intervals:
    """Return those of a generalised mixed model, from the Hessian of its standard errors."""
    hessian = model.fit.inference().hessian
    template = Template(tuple(r.z.shape[1] for r in model.design.random))
    found = random_bounds(template, model.theta, hessian, level)
    if model.family.has_dispersion:
        found[-1, 0, 0] = sigma_bounds(model.sigma, hessian, level)
    return found


def bounds_only(profile: ProfileIntervals) -> Intervals:
    """Return profile bounds by place; a profile has no standard errors."""
    bounds = zip(profile.places, profile.random, strict=True)
    return {place: (float("nan"), float(low), float(high)) for place, (low, high) in bounds}


def _covariance_errors(info: VarianceInformation, result: RandomWald) -> FloatArray:
    """Return standard errors of the variances and covariances; NaN for those that are zero."""
    is_sd = np.array([row == column for _, row, column in result.places])
    zero = np.isnan(result.estimate) | (result.on_boundary & is_sd)
    return np.where(zero, np.nan, phi_errors(info, np.eye(len(zero)), ~zero))
