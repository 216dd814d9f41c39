"""Wald intervals of models with a residual structure (nlme's ``intervals``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import ndtri

from mlpool.errors import NotSupportedError, OptionError, brief
from mlpool.intervals.parameter_selection import interval_frame, read_parm
from mlpool.parameters.random import residual_rows
from mlpool.uncertainty.covariance import coefficient_vcov

if TYPE_CHECKING:
    from mlpool.models import ResidualModel
    from mlpool.typing import ClusterLike, VcovLike


def residual_confint(
    m: ResidualModel,
    parm: object,
    level: float,
    method: object,
    vcov: VcovLike | None,
    cluster: ClusterLike | None,
) -> pd.DataFrame:
    """Return intervals (k, 2) of the covariance's parameters and of the coefficients.

    Those of the covariance are symmetric on nlme's scales: log SDs, 2 atanh of correlations, the
    logit of continuous AR(1); those of coefficients are estimate -+ normal quantile x SE.

    Raises
    ------
    OptionError
        For an unknown method or parameter.
    NotSupportedError
        For profiles and bootstraps.
    """
    if method in ("profile", "boot", "bootstrap"):
        raise NotSupportedError(
            f"confint(method={brief(method)}) does not serve models with a residual correlation or "
            "dispersion yet; method='Wald' does, on nlme's scales."
        )
    if method not in (None, "Wald", "wald"):
        raise OptionError(f"method must be 'Wald' for these models; got {brief(method)}.")
    rows = [one.row for one in residual_rows(m, level)]
    names = [row.printed for row in rows] + m.names
    beta = np.asarray(m.fit.beta)
    half = ndtri(0.5 * (1.0 + level)) * np.sqrt(np.diag(coefficient_vcov(m, vcov, cluster)))
    bounds = np.vstack(
        [
            np.array([[row.low, row.high] for row in rows]),
            np.column_stack([beta - half, beta + half]),
        ]
    )
    keep = read_parm(m, names, parm, len(rows))
    return interval_frame(names, bounds, level).iloc[keep]
