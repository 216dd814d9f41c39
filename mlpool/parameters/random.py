"""The random-effects part of the table: standard deviations and correlations, in R's order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from mlpool.designs.engine_data import engine_structures, is_structured
from mlpool.designs.residual_facts import residual_names
from mlpool.engine.theta import Template
from mlpool.inference.profiles.lmm import ProfileIntervals
from mlpool.inference.residual.information import ResidualInformation
from mlpool.inference.small_sample.covariance_information import average_bounds
from mlpool.inference.small_sample.information import VarianceInformation
from mlpool.inference.small_sample.random_wald import RandomWald, phi_errors, random_wald_of
from mlpool.inference.small_sample.random_wald_glmm import (
    random_bounds,
    sigma_bounds,
    theta_covariance,
)
from mlpool.inference.structured import linear_bounds, structured_bounds
from mlpool.models import GeneralizedLinearMixedModel
from mlpool.models.extractors.parameter_names import covariance_places
from mlpool.typing import FloatArray
from mlpool.uncertainty.fit_records import lmm_fit
from mlpool.uncertainty.small_sample import (
    information,
    information_of,
    is_iterative,
    structured_information_of,
)

if TYPE_CHECKING:
    from mlpool.models import FittedModel, MixedModel, ResidualModel
    from mlpool.models.extractors.varcorr_block import VarCorrBlock

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
        if block.structure is not None:
            own = _structured_rows(t, block, intervals)
            sds += [(True, row) for row in own if row.name.startswith("SD")]
            cors += [(True, row) for row in own if row.name.startswith("Cor")]
            continue
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


def _structured_rows(t: int, block: VarCorrBlock, intervals: Intervals) -> list[RandomRow]:
    """Return the SDs and the one correlation of a term with a structure: ``Cor (ar1: id)``."""
    structure = block.structure
    assert structure is not None
    rows = []
    for i, j in covariance_places(len(block.names), structure):
        text = f"SD ({_short(block.names[i])}" if i == j else f"Cor ({structure.name}"
        estimate = float(block.sd[i]) if i == j else block.rho
        rows.append(_row(text, block.group, estimate, (t, i, j), intervals))
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
    if is_structured(model.design):
        return _structured_intervals(model, level)
    if isinstance(model, GeneralizedLinearMixedModel):
        return _generalized_intervals(model, level)
    if is_iterative(model):
        template = Template(tuple(r.z.shape[1] for r in model.design.random))
        return average_bounds(lmm_fit(model), template, level)
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


def _structured_intervals(model: FittedModel, level: float) -> Intervals:
    """Return those of terms of ``cs()``, ``ar1()``, ``diag()``, symmetric in log SDs and atanh."""
    template = Template(tuple(r.z.shape[1] for r in model.design.random))
    structures = engine_structures(model.design)
    if not isinstance(model, GeneralizedLinearMixedModel):
        known = structured_information_of(model)
        return linear_bounds(structures, template, lmm_fit(model), known.C, level)
    hessian = model.fit.inference().hessian
    found = structured_bounds(structures, template, model.theta, theta_covariance(hessian), level)
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


# --- residual correlation and dispersion ----------------------------------------------------

_Scale = Callable[[FloatArray], FloatArray]
"""From the scale of intervals to the one that users know."""

CORRELATION, DISPERSION = "Residual Correlation", "Residual Dispersion"
"""Headings of what is said about residuals."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResidualRow:
    """One parameter of the covariance of a model with a residual structure.

    Attributes
    ----------
    row : RandomRow
    heading : str
        Of the table it stands in; an empty string for random effects.
    """

    row: RandomRow
    heading: str = ""


def residual_rows(
    model: ResidualModel, level: float | None, ends: FloatArray | None = None
) -> list[ResidualRow]:
    """Return random effects, correlation and dispersion, with intervals on nlme's scales.

    Parameters
    ----------
    model : ResidualModel
    level : float or None
        Of Wald intervals; None: without standard errors and intervals.
    ends : ndarray (r, 2), optional
        Bounds of other intervals on nlme's scales, stacked as
        :class:`~mlpool.inference.residual.information.WaldScale` is; without standard errors.
    """
    bounds = _Bounds(model, level, ends)
    intervals: Intervals = {}
    for t, random in enumerate(model.design.random):
        q = random.z.shape[1]
        sds = [(t, i, i) for i in range(q)]
        cors = [(t, i, j) for i in range(q) for j in range(i)]
        intervals |= {place: bounds.next(np.exp) for place in sds}
        intervals |= {place: bounds.next(_tanh_half) for place in cors}
    structure = model.structure.correlation
    found = [_plain(str(n), float(v), bounds.correlation(i), CORRELATION)
             for i, (n, v) in enumerate(model.correlation_parameters().items())]  # fmt: skip
    strata = residual_names(model).strata
    for name, value in model.dispersion_parameters().items():
        transform: _Scale = _same if name in ("expon", "power") else np.exp
        shown = f"SD ratio ({name}/{strata[0]})" if strata and transform is np.exp else str(name)
        found.append(_plain(shown, float(value), bounds.next(transform), DISPERSION))
    intervals[-1, 0, 0] = bounds.next(np.exp)
    assert structure is not None or not len(model.fit.correlation)
    if model.design.random:
        rows = random_rows(model, intervals)  # type: ignore[arg-type]
    else:
        rows = [_residual(model.sigma, *intervals[-1, 0, 0])]
    return [*(ResidualRow(row=row) for row in rows), *found]


def _plain(
    name: str, estimate: float, bounds: tuple[float, float, float], heading: str
) -> ResidualRow:
    se, low, high = bounds
    row = RandomRow(
        name=name, printed=name, group="Residual", estimate=estimate, place=(-1, 0, 0), se=se,
        low=low, high=high,
    )  # fmt: skip
    return ResidualRow(row=row, heading=heading)


class _Bounds:
    """Intervals one after the other, as the Wald scale stacks the parameters."""

    def __init__(self, model: ResidualModel, level: float | None, ends: FloatArray | None) -> None:
        self._model, self._at, self._ends = model, 0, ends
        self._scale = None
        if level is not None and ends is None:
            info = information_of(model)
            assert isinstance(info, ResidualInformation)
            self._scale = info.scale
            self._z = NormalDist().inv_cdf(0.5 * (1.0 + level))

    def next(self, transform: _Scale) -> tuple[float, float, float]:
        """Return (SE, low, high) of the next parameter; the SE by the delta method."""
        if self._ends is not None:
            ends = np.array(self._ends[self._at])
            if transform is not _same:  # beyond it a number of the scale is its limit
                ends = np.clip(ends, -_LIMIT, _LIMIT)
            self._at += 1
            low, high = transform(ends)
            return np.nan, float(low), float(high)
        if self._scale is None:
            return (np.nan,) * 3
        value, se = self._scale.values[self._at], self._scale.se[self._at]
        self._at += 1
        ends = np.array([value - self._z * se, value + self._z * se])
        low, high = transform(ends)
        slope = (transform(value + _STEP) - transform(value - _STEP)) / (2.0 * _STEP)
        return float(se * np.abs(slope)), float(low), float(high)

    def correlation(self, i: int) -> tuple[float, float, float]:
        """Return those of parameter `i` of the correlation."""
        term = residual_names(self._model)
        kind = term.kind
        scales: dict[str, _Scale] = {
            "car1": _expit, "exp": np.exp, "exp_nugget": np.exp if i == 0 else _expit,
            "cs": partial(_cs, term.n_points),
        }  # fmt: skip
        if kind == "ar":  # nlme's scale of an autoregression is that of partial correlations
            self._at += 1
            return (np.nan,) * 3
        return self.next(scales.get(kind, _tanh_half))


_LIMIT = 700.0
"""Logarithm of a ratio beyond all numbers: what an infinite end of an interval stands for."""
_STEP = 1e-6
"""Step of central differences of scale functions, whose arguments have no unit."""


def _tanh_half(x: FloatArray) -> FloatArray:
    return np.tanh(np.asarray(x) / 2)


def _expit(x: FloatArray) -> FloatArray:
    return np.asarray(1.0 / (1.0 + np.exp(-x)))


def _same(x: FloatArray) -> FloatArray:
    return np.asarray(x)


def _cs(largest: int, x: FloatArray) -> FloatArray:
    """Return rho of a compound symmetry for clusters of up to `largest` rows."""
    return np.asarray((np.exp(x) - 1.0 / (largest - 1)) / (1.0 + np.exp(x)))
