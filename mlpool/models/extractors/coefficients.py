"""R's extractor functions, as functions of a fitted model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack, overload

import pandas as pd

from mlpool.errors import NotSupportedError, brief
from mlpool.inference.wald import wald
from mlpool.keywords import VcovTypeSpellings
from mlpool.models.argument_checks import (
    GroupCoefficients,
    check_mixed,
    check_model,
    group_coefficients,
)
from mlpool.models.extractors.asked_levels import AskedLevels
from mlpool.models.extractors.random_effects import GroupFrames, VarCorr
from mlpool.models.fitted import FittedModel
from mlpool.option_spellings import also_spelt
from mlpool.sources.lazy_rows import Native

if TYPE_CHECKING:
    from mlpool.typing import ClusterLike, VcovLike


def fixef(m: FittedModel) -> pd.Series:
    """Return the (fixed) coefficients by R's names."""
    return check_model(m, "fixef()").fixef()


def ranef(m: FittedModel, levels: AskedLevels | None = None) -> GroupFrames | Native:
    """Return the conditional modes of the random effects, with `.cond_sd`.

    Of more than 1,000,000 levels of scanned rows a lazy frame of the rows' own engine.

    Parameters
    ----------
    m : model
    levels : mapping from group to levels, optional
        Those alone, in the order given. Their conditional SDs are exact with either solver of
        crossed factors, at the price of one solution each; those of all levels that the iterative
        solver gives are means over probes.

    Raises
    ------
    NotSupportedError
        For models without random effects.
    DataError
        If the model has no such level.

    Examples
    --------
    >>> import mlpool
    >>> m = mlpool.lmer("Reaction ~ Days + (Days | Subject)", mlpool.load_data("sleepstudy"))
    >>> mlpool.ranef(m, levels={"Subject": ["308", "309"]}).cond_sd["Subject"].round(2)
             (Intercept)  Days
    Subject
    308            12.07   2.3
    309            12.07   2.3
    """
    return check_mixed(m, "ranef()").ranef(levels)


@overload
def coef(m: FittedModel) -> pd.Series | GroupFrames: ...
@overload
def coef(m: GroupCoefficients) -> pd.DataFrame: ...
def coef(m: FittedModel | GroupCoefficients) -> pd.Series | pd.DataFrame | GroupFrames:
    """Return the coefficients: a Series (lm, glm), or per group (lmer, lm_list)."""
    own = group_coefficients(m)
    return check_model(m, "coef()").coef() if own is None else own.coef()


@also_spelt("vcov", "cluster", keywords=VcovTypeSpellings, called={"vcov": "type"})
def vcov(
    m: FittedModel,
    type: VcovLike | None = None,
    cluster: ClusterLike | None = None,
    **spellings: Unpack[VcovTypeSpellings],
) -> pd.DataFrame:
    """Return the covariance of the coefficients; see :meth:`FittedModel.vcov`.

    Its `type` is what other verbs call ``vcov=``, and may be called so here.
    """
    return check_model(m, "vcov()").vcov(type, cluster)


def varcorr(m: FittedModel) -> VarCorr:
    """Return the random effects' SDs and correlations (lme4's ``VarCorr``).

    Raises
    ------
    NotSupportedError
        For models without random effects.
    """
    return check_mixed(m, "VarCorr()").varcorr()


def standard_error(m: FittedModel) -> pd.DataFrame:
    """Return columns Parameter, SE."""
    check_model(m, "standard_error()")
    return pd.DataFrame({"Parameter": m.names, "SE": m.se.to_numpy()})


def p_value(m: FittedModel) -> pd.DataFrame:
    """Return columns Parameter, p (t with residual df; z for glm)."""
    check_model(m, "p_value()")
    table = wald(m.fixef().to_numpy(), m.se.to_numpy(), wald_df(m))
    return pd.DataFrame({"Parameter": m.names, "p": table.p})


def get_parameters(m: FittedModel) -> pd.DataFrame:
    """Return columns Parameter, Estimate."""
    check_model(m, "get_parameters()")
    return pd.DataFrame({"Parameter": m.names, "Estimate": m.fixef().to_numpy()})


def wald_df(m: FittedModel) -> float:
    """Return the df of Wald tests: residual, or infinite for families without a dispersion."""
    is_z = m.family is not None and not m.family.has_dispersion
    return float("inf") if is_z else float(m.df_residual)


def require_kind(model: object, kinds: tuple[str, ...], what: str) -> None:
    """Raise a sentence unless `model` is one of these kinds.

    Raises
    ------
    NotSupportedError
    """
    if getattr(model, "kind", None) not in kinds:
        if getattr(model, "kind", None) == "gls":
            raise NotSupportedError(
                f"{what} does not serve models with a residual correlation or dispersion; "
                "confint(m, method='profile') has their bounds."
            )
        raise NotSupportedError(
            f"{what} needs a model of kind {' or '.join(kinds)}; got {brief(model)}."
        )
