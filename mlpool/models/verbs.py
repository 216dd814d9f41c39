"""R's spellings of `fit`: `lm`, `glm`, `lmer`, `glmer`."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Unpack, overload

from mlpool.errors import OptionError, brief, nearest_names
from mlpool.formula import parse_formula
from mlpool.keywords import FitOptions, MixedOptions, spell_out
from mlpool.models.fit import as_bool, fit
from mlpool.models.generalized_mixed import GeneralizedLinearMixedModel
from mlpool.models.mixed import LinearMixedModel
from mlpool.models.residual_covariance import ResidualModel
from mlpool.models.single_level import GeneralizedLinearModel, LinearModel
from mlpool.sources import read_rows

if TYPE_CHECKING:
    from mlpool.typing import DataLike, FamilyLike

_RESIDUAL = ("correlation", "dispersion")
"""Arguments of models with a residual covariance: lmer, gls, mmrm, lme."""


@spell_out(FitOptions, like=fit)
def lm(formula: str, data: DataLike, **options: Unpack[FitOptions]) -> LinearModel:
    """Fit a linear model (R's ``lm``): complete pooling, or no pooling with a factor.

    Takes the arguments of :func:`fit` but ``family`` and ``reml``.

    Raises
    ------
    OptionError
        If the formula has a random-effects term.
    """
    check_arguments("lm", options, {"family", "reml", "REML", "nAGQ", *_RESIDUAL})
    rows = read_rows(data)
    parsed = parse_formula(formula, columns=rows.columns, context=options.get("context"))
    if parsed.bars:
        raise OptionError(
            f"lm() fits no random effects such as ({parsed.bars[0].text}); use lmer() or fit()."
        )
    result = fit(formula, rows, **options)
    assert isinstance(result, LinearModel)
    return result


@spell_out(FitOptions, like=fit)
def glm(
    formula: str,
    data: DataLike,
    family: FamilyLike = "gaussian",
    **options: Unpack[FitOptions],
) -> GeneralizedLinearModel:
    """Fit a generalised linear model (R's ``glm``).

    Raises
    ------
    OptionError
        If the formula has a random-effects term.
    """
    check_arguments("glm", options, {"reml", "REML", "nAGQ", *_RESIDUAL})
    rows = read_rows(data)
    parsed = parse_formula(formula, columns=rows.columns, context=options.get("context"))
    if parsed.bars:
        raise OptionError(
            f"glm() fits no random effects such as ({parsed.bars[0].text}); use glmer() or fit()."
        )
    result = fit(formula, rows, family=family, **options)
    assert isinstance(result, GeneralizedLinearModel)
    return result


@overload
def lmer(
    formula: str,
    data: DataLike,
    REML: bool | None = None,
    *,
    correlation: str,
    dispersion: str | None = None,
    **options: Unpack[MixedOptions],
) -> ResidualModel: ...


@overload
def lmer(
    formula: str,
    data: DataLike,
    REML: bool | None = None,
    *,
    correlation: str | None = None,
    dispersion: str,
    **options: Unpack[MixedOptions],
) -> ResidualModel: ...


@overload
def lmer(
    formula: str,
    data: DataLike,
    REML: bool | None = None,
    *,
    correlation: None = None,
    dispersion: None = None,
    **options: Unpack[MixedOptions],
) -> LinearMixedModel: ...


@spell_out(MixedOptions, like=fit)
def lmer(
    formula: str,
    data: DataLike,
    REML: bool | None = None,
    *,
    correlation: str | None = None,
    dispersion: str | None = None,
    **options: Unpack[MixedOptions],
) -> LinearMixedModel | ResidualModel:
    """Fit a linear mixed model (lme4's ``lmer``): partial pooling.

    ``REML=`` and ``reml=`` mean the same; the other arguments are those of :func:`fit`, such as
    ``cluster=`` and ``vcov=`` for cluster-robust standard errors.

    Parameters
    ----------
    formula : str
    data : data frame, dict of arrays or path
    REML : bool, optional
    correlation, dispersion : str, optional
        Correlated or unequal residuals beside the random effects, as :func:`gls` takes them:
        ``correlation="ar1(time | id)"``, ``dispersion="~ sex"``; nlme's spellings are read, too.
    **options
        The other arguments of :func:`fit`.

    Returns
    -------
    LinearMixedModel, or ResidualModel with a correlation or dispersion

    Raises
    ------
    OptionError
        If the formula has no random-effects term.
    """
    check_arguments("lmer", options, {"family", "nAGQ"})
    if REML is not None:
        options["reml"] = as_bool(REML, "REML")
    rows = read_rows(data)
    parsed = parse_formula(formula, columns=rows.columns, context=options.get("context"))
    if not parsed.bars:
        raise OptionError(
            "lmer() needs a random-effects term such as (1 | school); use lm() without one."
        )
    result = fit(formula, rows, correlation=correlation, dispersion=dispersion, **options)
    assert isinstance(result, LinearMixedModel | ResidualModel)
    return result


@spell_out(FitOptions, like=fit)
def glmer(
    formula: str,
    data: DataLike,
    family: FamilyLike,
    nAGQ: int = 1,
    **options: Unpack[FitOptions],
) -> GeneralizedLinearMixedModel:
    """Fit a generalised linear mixed model by maximum likelihood (lme4's ``glmer``).

    Parameters
    ----------
    formula : str
        With random-effects terms. Binomial responses: 0 and 1, two labels, a logical,
        ``cbind(successes, failures)``, or a proportion with ``weights=`` for the trials.
    data : data frame, dict of arrays or path
    family : str
        ``"binomial"``, ``"binomial(probit)"``, ``"poisson"``, ``"Gamma(log)"``, ``"nbinom2"``
        (theta estimated, as glmmTMB) ...
    nAGQ : int
        1: Laplace's approximation; more: nodes of adaptive Gauss-Hermite quadrature for one random
        effect per group; 0: beta from the penalised deviance, fast and rough.
    **options
        The other arguments of :func:`fit`; ``cluster=`` gives cluster-robust standard errors.

    Raises
    ------
    OptionError
        If the formula has no random-effects term, or the family is normal with identity link.

    Examples
    --------
    >>> import mlpool
    >>> m = mlpool.glmer(
    ...     "cbind(incidence, size - incidence) ~ period + (1 | herd)",
    ...     mlpool.load_data("cbpp"), family="binomial",
    ... )
    >>> round(m.loglik, 3)
    -92.026
    """
    check_arguments("glmer", options, {"reml", "REML", "family", "nAGQ", *_RESIDUAL})
    rows = read_rows(data)
    parsed = parse_formula(formula, columns=rows.columns, context=options.get("context"))
    if not parsed.bars:
        raise OptionError(
            "glmer() needs a random-effects term such as (1 | school); use glm() without one."
        )
    result = fit(formula, rows, family=family, nAGQ=nAGQ, **options)
    if not isinstance(result, GeneralizedLinearMixedModel):
        raise OptionError(
            "glmer() is for other families than the normal with identity link; use lmer()."
        )
    return result


def check_arguments(verb: str, options: Mapping[str, object], excluded: set[str]) -> None:
    """Refuse arguments that `fit` does not have, or that make no sense for a verb.

    Raises
    ------
    OptionError
        With the nearest spelling.
    """
    known = [p for p in inspect.signature(fit).parameters if p not in ("formula", "data")]
    known = [p for p in known if p not in excluded]
    for name in options:
        if name not in known:
            raise OptionError(
                f"{verb}() has no argument {brief(name)}.{nearest_names(name, known)}"
            )
