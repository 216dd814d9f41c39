"""Residuals as R's ``residuals(type = )`` gives them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from narwhals import col

from mlpool.argument_values import generator
from mlpool.errors import NotSupportedError, OptionError, brief, check_option
from mlpool.families import COUNTS
from mlpool.inference.quantile_residuals import quantile_residuals
from mlpool.models.prediction import lazily
from mlpool.sources.design import PushedDesign, asked
from mlpool.sources.lazy_rows import LazyRows, Native
from mlpool.sources.predictions import refuse_taken
from mlpool.typing import FloatArray
from mlpool.uncertainty.fit_records import mixed_fit

if TYPE_CHECKING:
    from mlpool.models.fitted import FittedModel
    from mlpool.typing import SeedLike

FITTED, RESID = "fitted by the model", "left by the model"
"""Columns of rows elsewhere, under names that no column of theirs has."""
TYPES = ("response", "pearson", "deviance", "working", "quantile")


def residuals_elsewhere(m: FittedModel) -> LazyRows:
    """Return the rows used of a model fitted by queries, with columns `FITTED` and `RESID`."""
    effects = dict(enumerate(mixed_fit(m).b)) if m.is_mixed else {}
    design = asked(m.design)
    rows = lazily(m, design.own_rows, effects, name=FITTED)
    return rows.with_columns((design.response - col(FITTED)).alias(RESID))


def residuals_as_held(
    m: FittedModel, kind: str | None, scaled: bool, seed: SeedLike | None
) -> pd.Series | Native:
    """Return residuals by the rows' labels, or with the rows where these are elsewhere."""
    if isinstance(m.design, PushedDesign):
        return residual_rows(m, kind, scaled)
    return pd.Series(residuals_of(m, kind, scaled, seed), index=m.design.index, name="resid")


def residual_rows(m: FittedModel, kind: str | None, scaled: bool) -> Native:
    """Return the rows used with fitted values and residuals, as their own engine has them.

    Raises
    ------
    NotSupportedError
        For quantile residuals.
    DataError
        If the rows have a column of either name.
    """
    kind = check_option("response" if kind is None else kind, TYPES, argument="type")
    if kind == "quantile":
        raise NotSupportedError("Quantile residuals need the rows in memory; read them first.")
    refuse_taken(asked(m.design).own_rows, ("fitted", "resid"))
    rows, resid = residuals_elsewhere(m), col(RESID)
    weights = asked(m.design).prior_weights
    if kind in ("pearson", "deviance") and weights is not None:
        resid = resid * weights.sqrt()
    if scaled:
        resid = resid * (1.0 / m.sigma)
    named = rows.with_columns(col(FITTED).alias("fitted"), resid.alias("resid"))
    return named.drop(FITTED, RESID).to_native()


def residuals_of(
    m: FittedModel, kind: str | None = None, scaled: bool = False, seed: SeedLike | None = None
) -> FloatArray:
    """Return residuals of shape (n,).

    Parameters
    ----------
    m : FittedModel
    kind : {"response", "pearson", "deviance", "working", "quantile"}, optional
        Default as R's: ``"deviance"`` for glm (and glmer), ``"response"`` for lm and lmer.

        response
            y - mu.
        pearson
            ``(y - mu) sqrt(w / V(mu))``; of linear models ``(y - mu) sqrt(w)``.
        deviance
            ``sign(y - mu) sqrt(w d(y, mu))``; of linear models as pearson.
        working
            ``(y - mu) d eta / d mu``; of linear models y - mu.
        quantile
            Randomised quantile residuals, standard normal when the model is true: ``Phi^-1(F(y))``
            at the fitted means, placed at random within the steps of F for counts and successes.
    scaled : bool
        Divide by the residual standard deviation (lme4's ``scaled``).
    seed : int or Generator, optional
        Of quantile residuals.

    Raises
    ------
    OptionError
        For an unknown type, or a seed or scale where there is none.
    NotSupportedError
        For quantile residuals of counts with prior weights, which have no distribution.

    References
    ----------
    McCullagh & Nelder (1989), Generalized Linear Models, 2nd ed., section 2.4; Dunn & Smyth (1996),
    J. Comput. Graph. Stat. 5, 236-244.
    """
    if not isinstance(scaled, bool):
        raise OptionError(f"scaled must be True or False; got {brief(scaled)}.")
    default = "response" if m.family is None else "deviance"
    kind = check_option(default if kind is None else kind, TYPES, argument="type")
    y, mu = m.design.y, m.fitted.to_numpy()
    if kind == "quantile":
        return _quantile(m, y, mu, scaled, seed)
    if seed is not None:
        raise OptionError("seed= is for type='quantile'; other residuals are not random.")
    raw = residuals_at(m, kind, y, mu)
    return np.asarray(raw / m.sigma) if scaled else raw


def residuals_at(m: FittedModel, kind: str, y: FloatArray, mu: FloatArray) -> FloatArray:
    """Return residuals that are not random, of responses and means (..., n), with m's weights."""
    raw = np.asarray(y - mu)
    if kind == "response":
        return raw
    prior = m.prior_weights
    if m.family is None:
        return raw if kind == "working" else raw * np.sqrt(prior)
    if kind == "working":
        return np.asarray(raw / m.family.derivative(m.family.link_of(mu)))
    if kind == "pearson":
        return np.asarray(raw * np.sqrt(prior / m.family.variance(mu)))
    units = np.maximum(prior * m.family.unit_deviance(y, mu), 0.0)
    return np.asarray(np.sign(raw) * np.sqrt(units))


def _quantile(
    m: FittedModel, y: FloatArray, mu: FloatArray, scaled: bool, seed: SeedLike | None
) -> FloatArray:
    if scaled:
        raise OptionError("Quantile residuals have a scale of one already; leave scaled= out.")
    if m.family is not None and m.family.is_quasi:
        raise NotSupportedError(
            f"The family {m.family.name} has no distribution and so no quantile residuals; take "
            "type='pearson'."
        )
    prior = m.prior_weights
    if m.family is not None and m.family.name in COUNTS and np.any(prior != 1.0):
        raise NotSupportedError(
            "A Poisson or negative binomial response with prior weights has no distribution and "
            "so no quantile residuals; take type='pearson'."
        )
    has_scale = m.family is None or m.family.has_dispersion
    phi = float(m.sigma**2) if has_scale else 1.0
    return quantile_residuals(m.family, y, mu, phi, prior, generator(seed))
