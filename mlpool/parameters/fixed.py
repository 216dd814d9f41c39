"""The coefficients' part of the table: standard errors, statistics, df, p-values, intervals."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from mlpool.hypotheses.linear_combinations import Covariance, residual_df, robust_pieces
from mlpool.inference.profiles.lmm import ProfileIntervals
from mlpool.inference.wald import WaldTable, wald
from mlpool.models import GeneralizedLinearModel, LinearMixedModel, ResidualModel
from mlpool.refits.likelihood_profiles import profile_bounds
from mlpool.typing import FloatArray
from mlpool.uncertainty.covariance import chosen_vcov
from mlpool.uncertainty.covariance_warnings import say_few_clusters
from mlpool.uncertainty.small_sample import denominator_df, profile_intervals

if TYPE_CHECKING:
    from mlpool.models import FittedModel


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedEffects:
    """Coefficients with what is inferred about them.

    Attributes
    ----------
    table : WaldTable
        On the link scale; `df` is what is printed.
    statistic : {"t", "z"}
    """

    table: WaldTable
    statistic: str


def fixed_effects(
    model: FittedModel,
    level: float,
    method: str,
    covariance: Covariance,
    profile: ProfileIntervals | None = None,
) -> FixedEffects:
    """Return the coefficients' table.

    Parameters
    ----------
    model : FittedModel
    level : float
        Confidence level.
    method : str
        From :func:`read_method`.
    covariance : Covariance
    profile : ProfileIntervals, optional
        A mixed model's profile intervals, for ``"profile"``.
    """
    if method == "satterthwaite" and covariance.label is not None:
        b, se = _estimates(model, covariance)
        own_df = robust_pieces(model, covariance).df(np.eye(len(b)))
        return FixedEffects(table=wald(b, se, own_df, level), statistic="t")
    if method in ("satterthwaite", "kenward") and isinstance(
        model, LinearMixedModel | ResidualModel
    ):
        return _small_sample(model, level, method)
    b, se = _estimates(model, covariance)
    df = residual_df(model)
    statistic = "z" if np.isinf(df) else "t"
    table = wald(b, se, df, level)
    if method == "normal":
        table = replace(wald(b, se, np.inf, level), df=table.df)
    if method == "profile":
        bounds = _profile_bounds(model, level) if profile is None else profile.fixed
        table = replace(table, low=bounds[:, 0], high=bounds[:, 1])
    return FixedEffects(table=table, statistic=statistic)


def _profile_bounds(model: FittedModel, level: float) -> FloatArray:
    if isinstance(model, GeneralizedLinearModel):
        return profile_intervals(model, level)
    return profile_bounds(model, level).fixed


def _estimates(model: FittedModel, covariance: Covariance) -> tuple[FloatArray, FloatArray]:
    b = np.asarray(model.fixef(), dtype=np.float64)
    if not covariance.is_given:
        return b, np.asarray(model.se, dtype=np.float64)
    variances = np.diag(np.asarray(model.vcov(covariance.type, covariance.cluster)))
    return b, np.sqrt(np.where(variances >= 0, variances, np.nan))


def _small_sample(model: FittedModel, level: float, method: str) -> FixedEffects:
    """Satterthwaite df, or Kenward-Roger df and standard errors."""
    df, se, _ = denominator_df(model, method)
    b = np.asarray(model.fixef(), dtype=np.float64)
    return FixedEffects(table=wald(b, se, df, level), statistic="t")


def warn_few_clusters(model: FittedModel, covariance: Covariance, method: str) -> None:
    """Warn, as fitting does, when cluster-robust errors rest on few clusters.

    Satterthwaite's df answer to few clusters themselves.
    """
    if covariance.is_given and method != "satterthwaite":
        choice = chosen_vcov(model, covariance.type, covariance.cluster)
        if choice is not None:
            say_few_clusters(choice, model.kind)
