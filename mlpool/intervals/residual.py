"""Intervals of models with a residual structure, on the scales of nlme's ``intervals``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import ndtri

from mlpool.designs.residual_facts import residual_design_of
from mlpool.errors import OptionError, check_option
from mlpool.inference.profiles.residual import CovarianceProfiles, coefficient_bounds
from mlpool.inference.residual.information import ResidualInformation
from mlpool.intervals.parameter_selection import interval_frame, read_parm
from mlpool.models.extractors.parameter_names import random_places
from mlpool.parameters.random import residual_rows
from mlpool.uncertainty.covariance import coefficient_vcov
from mlpool.uncertainty.small_sample import information_of

if TYPE_CHECKING:
    from mlpool.intervals.bootstrap import Bootstrap
    from mlpool.models import ResidualModel
    from mlpool.typing import ClusterLike, FloatArray, VcovLike

METHODS = ("Wald", "profile", "boot")


def residual_confint(
    m: ResidualModel,
    parm: object,
    level: float,
    method: object,
    vcov: VcovLike | None,
    cluster: ClusterLike | None,
) -> pd.DataFrame:
    """Return intervals (k, 2) of the covariance's parameters and of the coefficients.

    Wald: those of the covariance are symmetric on nlme's scales: log SDs, 2 atanh of correlations,
    the logit of continuous AR(1); those of coefficients are estimate -+ normal quantile x SE.
    Profile: of the ML deviance, as lme4's.

    Raises
    ------
    OptionError
        For an unknown method or parameter, or a robust covariance with profiles.
    """
    how = check_option(method, METHODS, argument="method")
    if how == "profile" and (vcov is not None or cluster is not None):
        raise OptionError("vcov= and cluster= go with method='Wald'.")
    quantile = float(ndtri(0.5 * (1.0 + level)))
    names = parameter_rows(m)
    keep = read_parm(m, names, parm, len(names) - len(m.names))
    if how == "profile":
        bounds = _profiles(m, quantile, keep)
    else:
        beta = np.asarray(m.fit.beta)
        half = quantile * np.sqrt(np.diag(coefficient_vcov(m, vcov, cluster)))
        bounds = np.vstack([_of_rows(m, level), np.column_stack([beta - half, beta + half])])
    return interval_frame(names, bounds, level).iloc[keep]


def parameter_rows(m: ResidualModel) -> list[str]:
    """Return the names of the covariance's parameters, as tables print them, and coefficients."""
    return [one.row.printed for one in residual_rows(m, None)] + m.names


def bootstrap_confint(
    m: ResidualModel, drawn: Bootstrap, parm: object, level: float, kind: str
) -> pd.DataFrame:
    """Return a bootstrap's intervals (k, 2), rows as other methods have them."""
    table = drawn.confint(level=level, method=kind).to_numpy()
    names, places = parameter_rows(m), random_places(m)
    rows = residual_rows(m, None)
    order = [places.index(one.row.place) for one in rows if not one.heading]
    order += range(len(order), len(names))
    keep = read_parm(m, names, parm, len(names) - len(m.names))
    return interval_frame(names, table[order], level).iloc[keep]


def _of_rows(m: ResidualModel, level: float | None, ends: FloatArray | None = None) -> FloatArray:
    rows = residual_rows(m, level, ends)
    return np.array([[one.row.low, one.row.high] for one in rows]).reshape(-1, 2)


def _profiles(m: ResidualModel, quantile: float, keep: list[int]) -> FloatArray:
    """Return profile bounds of all parameters, or NaN for kinds that are not asked for."""
    data, count = residual_design_of(m).data, len(parameter_rows(m)) - len(m.names)
    info = information_of(m)
    assert isinstance(info, ResidualInformation)
    ends = np.full((len(info.scale.se), 2), np.nan)
    if any(i < count for i in keep):
        profiles = CovarianceProfiles(data, m.fit, m.control)
        ends = np.array([profiles.bounds(i, quantile, se) for i, se in enumerate(info.scale.se)])
    fixed = np.full((len(m.names), 2), np.nan)
    if any(i >= count for i in keep):
        fixed = coefficient_bounds(data, m.fit, m.control, quantile)
    return np.vstack([_of_rows(m, None, ends), fixed])
