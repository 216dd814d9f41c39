"""``glance``: a model's fit in one row, columns as broom calls them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from mlpool.models import FittedModel, LinearMixedModel, ResidualModel
from mlpool.models.argument_checks import check_model
from mlpool.performance import r2
from mlpool.uncertainty.fit_records import ols_fit


def glance(m: FittedModel) -> pd.DataFrame:
    """Return fit measures as broom's and broom.mixed's ``glance`` do.

    Parameters
    ----------
    m : FittedModel

    Returns
    -------
    DataFrame
        One row. All models: ``nobs``, ``logLik``, ``AIC``, ``BIC``, ``deviance`` (of REML fits
        ``REMLcrit``), ``df.residual``; lm: ``r.squared``, ``adj.r.squared``, ``sigma``, F
        ``statistic`` with ``p.value`` and ``df``; glm: ``null.deviance``, ``df.null``; mixed:
        ``sigma``.

    Raises
    ------
    OptionError
        For something that is no model.

    See Also
    --------
    model_performance : with R2, ICC and RMSE of every kind of model.

    Examples
    --------
    >>> import mlpool
    >>> m = mlpool.lm("Reaction ~ Days", mlpool.load_data("sleepstudy"))
    >>> mlpool.glance(m)[["r.squared", "statistic", "df", "nobs"]].round(2)
       r.squared  statistic  df  nobs
    0       0.29      71.46   1   180
    """
    check_model(m, "glance()")
    if m.kind == "lm":
        row = _linear(m) | _criteria(m)
    elif m.kind == "glm":
        row = {"null.deviance": float(ols_fit(m).null_deviance), "df.null": m.nobs - _constant(m)}
        row |= _criteria(m)
    else:
        row = {"nobs": m.nobs, "sigma": m.sigma} | _criteria(m)
    return pd.DataFrame([{**row, "nobs": m.nobs} if "nobs" not in row else row])


def _criteria(m: FittedModel) -> dict[str, float]:
    row: dict[str, float] = {"logLik": m.loglik, "AIC": m.aic, "BIC": m.bic}
    if isinstance(m, LinearMixedModel | ResidualModel) and m.reml:
        row["REMLcrit"] = float(m.criterion)
    else:
        row["deviance"] = m.deviance
    return row | {"df.residual": m.df_residual}


def _constant(m: FittedModel) -> int:
    return int(m.formula.fixed.intercept)


def _linear(m: FittedModel) -> dict[str, float]:
    """Return R2 and the F test that all coefficients but the intercept are zero."""
    share, adjusted = r2(m).to_pandas()[["R2", "R2_adjusted"]].iloc[0].astype(float)
    df = len(m.names) - _constant(m)
    with np.errstate(divide="ignore", invalid="ignore"):
        # a response that is explained exactly has an infinite F, as in R
        odds = float(np.divide(share, 1.0 - share))
    ratio = odds * m.df_residual / df if df and m.df_residual else float("nan")
    return {
        "r.squared": share, "adj.r.squared": adjusted, "sigma": m.sigma, "statistic": ratio,
        "p.value": float(stats.f.sf(ratio, df, m.df_residual)), "df": df,
    }  # fmt: skip
