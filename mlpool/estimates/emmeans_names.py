"""The spellings of R's emmeans: `emmeans`, `pairs`, `emtrends`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, Unpack, overload

import numpy as np

from mlpool.designs.engine_data import is_structured
from mlpool.errors import OptionError, brief, check_option, nearest_names
from mlpool.estimates.contrasts import estimate_contrasts
from mlpool.estimates.emmeans.contrast import ADJUST, contrast
from mlpool.estimates.grids.covariate_reduction import CovReduce, reduced_values
from mlpool.estimates.grids.emmeans_formulas import Specs, read_specs
from mlpool.estimates.grids.variables import model_variables
from mlpool.estimates.means import estimate_means
from mlpool.estimates.pairwise import MeansAndContrasts, SimpleContrasts
from mlpool.estimates.scale.links import TYPES, is_identity
from mlpool.estimates.scale.ratios import ratios_of
from mlpool.estimates.scale.response_transforms import transformed_response
from mlpool.estimates.slopes import estimate_slopes
from mlpool.keywords import ContrastsOptions, MeansOptions, SlopesOptions, spell_out
from mlpool.models.argument_checks import check_model
from mlpool.option_spellings import also_spelt, check_agree, read_value
from mlpool.results import ResultFrame
from mlpool.sources.design import PushedDesign

if TYPE_CHECKING:
    from mlpool.models import FittedModel
    from mlpool.typing import ByLike, NamesLike

_MODES = ("satterthwaite", "kenward", "normal")


@also_spelt("ci_method", "vcov", "cluster", "vcov_args")
@spell_out(MeansOptions, like=estimate_means)
def emmeans(
    model: FittedModel, specs: object, by: ByLike | None = None, *,
    at: dict[str, object] | None = None,
    lmer_df: str | None = None, type: str | None = None, level: float | None = None,
    sigma: float | None = None, cov_reduce: CovReduce | None = None,
    **options: Unpack[MeansOptions],
) -> ResultFrame | MeansAndContrasts:  # fmt: skip
    """Return estimated marginal means as emmeans does; a spelling of :func:`estimate_means`.

    Parameters
    ----------
    model : FittedModel
    specs : str or sequence of str
        ``"~ recipe"``, ``"~ recipe | temperature"``, ``"recipe"``, ``["recipe", "temperature"]``;
        ``"pairwise ~ recipe"`` gives the means and their contrasts (also ``revpairwise``,
        ``trt.vs.ctrl``, ``consec``, ``eff``, ``poly``).
    by : str or sequence of str, optional
        What may also stand after the bar of `specs`.
    at : dict, optional
        Values: ``{"extraversion": 7}``.
    lmer_df : {"satterthwaite", "kenward-roger", "asymptotic"}, optional
        Degrees of freedom of a linear mixed model; Kenward-Roger, emmeans' default, where it can
        be had.
    type : {"link", "response"}, optional
        Scale of generalised models and of transformed responses; the link's, as in R.
    level : float, optional
        Confidence level (also ``ci=``).
    sigma : float, optional
        The standard deviation that ``bias_adjust=True`` takes, if not the model's own.
    cov_reduce : bool, callable or dict, optional
        Values of numeric predictors that `at` does not name: their mean (True, the default, also
        of those in `specs`), all their values (False), or what a function returns:
        ``np.median``, ``lambda x: [x.min(), x.max()]``, ``{"ses": np.median}``.
    **options
        Of :func:`estimate_means`: ``weights=``, ``offset=``, ``bias_adjust=`` ...

    Returns
    -------
    ResultFrame
        Or, for ``"pairwise ~ ..."``, means and contrasts: ``.emmeans`` and ``.contrasts``.

    See Also
    --------
    contrast, pairs, regrid : what can be made of the table of means.

    Examples
    --------
    >>> import mlpool
    >>> m = mlpool.lm("angle ~ recipe + temperature", mlpool.load_data("cake"))
    >>> mlpool.emmeans(m, "~ recipe")["Mean"].round(2).to_list()
    [33.12, 31.64, 31.6]
    """
    check_model(model, "emmeans()")
    asked = read_specs(specs, by)
    at = _values_of_numbers(model, asked, at, cov_reduce)
    given: dict[str, object] = {**options}
    if sigma is not None:
        given["bias_adjust"] = sigma if given.get("bias_adjust", True) else False
    adjust = given.pop("adjust", None) if asked.comparison else None
    means = _means(model, asked, at, lmer_df, type, level, given)
    means = _within(means, asked.groups)
    if not asked.comparison:
        return means
    adjust = adjust or ADJUST.get(asked.comparison, "none")
    given.pop("bias_adjust", None)  # differences and ratios of medians, as in R
    contrasts = _pairs(model, asked, at, lmer_df, type, level, adjust, asked.comparison, given)
    return MeansAndContrasts(emmeans=means, contrasts=contrasts)


def _values_of_numbers(
    model: FittedModel,
    asked: Specs,
    at: dict[str, object] | None,
    cov_reduce: CovReduce | None,
) -> dict[str, object] | None:
    """Return `at` with the values of numbers that it does not name, as R's grids have them."""
    _, given = asked.with_values([], at)
    focal = [*asked.names, *asked.groups]
    return reduced_values(model_variables(model), focal, given, cov_reduce) or None


def _within(table: ResultFrame, groups: tuple[str, ...]) -> ResultFrame:
    """Return the table, contrasts of which are taken within some of its columns."""
    linear = replace(table.metadata["linear"], groups=groups)
    return replace(table, metadata={**table.metadata, "linear": linear})


@overload
def pairs(  # type: ignore[overload-overlap] # "each" is a text, too, and looked at first
    model: FittedModel | ResultFrame, specs: object = None, by: ByLike | None = None, *,
    adjust: str = "tukey",
    at: dict[str, object] | None = None, lmer_df: str | None = None, comparison: object = None,
    reverse: bool = False, type: str | None = None, level: float | None = None,
    simple: Literal["each"],
    **options: Unpack[ContrastsOptions],
) -> SimpleContrasts: ...  # fmt: skip
@overload
def pairs(
    model: FittedModel | ResultFrame, specs: object = None, by: ByLike | None = None, *,
    adjust: str = "tukey",
    at: dict[str, object] | None = None, lmer_df: str | None = None, comparison: object = None,
    reverse: bool = False, type: str | None = None, level: float | None = None,
    simple: Sequence[str] | None = None,
    **options: Unpack[ContrastsOptions],
) -> ResultFrame: ...  # fmt: skip
@also_spelt("ci_method", "vcov", "cluster", "vcov_args")
@spell_out(ContrastsOptions, like=estimate_contrasts)
def pairs(
    model: FittedModel | ResultFrame, specs: object = None, by: ByLike | None = None, *,
    adjust: str = "tukey",
    at: dict[str, object] | None = None, lmer_df: str | None = None, comparison: object = None,
    reverse: bool = False, type: str | None = None, level: float | None = None,
    simple: NamesLike | None = None,
    **options: Unpack[ContrastsOptions],
) -> ResultFrame | SimpleContrasts:  # fmt: skip
    """Return pairwise comparisons of marginal means as ``pairs(emmeans(...))`` does.

    Parameters
    ----------
    model : FittedModel or ResultFrame
        A model, or a table of means such as :func:`emmeans` returns, which needs no `specs`.
    specs, by, at, lmer_df, level
        As in :func:`emmeans`; after a bar ``|`` families of their own.
    adjust : str
        Of p-values and intervals; ``"tukey"`` as emmeans.
    comparison : str, optional
        As in :func:`estimate_contrasts`; default: earlier minus later level, as emmeans.
    reverse : bool
        Later minus earlier level.
    type : {"link", "response"}, optional
        ``"response"``: ratios, of odds with a logit link, with the tests of the link's scale.
        Contrasts on other links' scales stay there, as in R.
    simple : str or list of str, optional
        Of a table of means: comparisons of these at every combination of the others, or ``"each"``
        of the variables in turn, as :func:`contrast` takes it.
    **options
        Of :func:`estimate_contrasts`.

    Raises
    ------
    OptionError
        Without `specs` of a model; and as :func:`estimate_contrasts`.

    Examples
    --------
    >>> import mlpool
    >>> m = mlpool.lm("angle ~ recipe + temperature", mlpool.load_data("cake"))
    >>> mlpool.pairs(m, "~ recipe")["p"].round(3).to_list()
    [0.412, 0.391, 0.999]
    """
    if isinstance(model, ResultFrame):
        others = {"specs": specs, "at": at, "lmer_df": lmer_df, "comparison": comparison}
        own = [n for n, v in (others | options).items() if v is not None]
        if own:
            raise OptionError(
                f"pairs() of a table of means takes by=, adjust=, reverse=, type= and level=; "
                f"{own[0]}= belongs to the means: pairs(emmeans(m, '~ f', {own[0]}=...))."
            )
        method = "revpairwise" if reverse else "pairwise"
        return contrast(model, method, by=by, simple=simple, adjust=adjust, type=type, level=level)
    model = check_model(model, "pairs()")
    if simple is not None:
        raise OptionError(
            "simple= is for a table of means: pairs(emmeans(m, '~ f * g'), simple='f')."
        )
    if specs is None:
        raise OptionError("pairs() needs what is compared: pairs(m, '~ f').")
    asked = read_specs(specs, by)
    if reverse and comparison is not None:
        raise OptionError("give reverse=True or comparison=, not both.")
    chosen = comparison or asked.comparison or "revpairwise"
    if reverse:
        chosen = "pairwise"
    return _pairs(model, asked, at, lmer_df, type, level, adjust, chosen, {**options})


@also_spelt("ci_method", "vcov", "cluster", "vcov_args")
@spell_out(SlopesOptions, like=estimate_slopes)
def emtrends(
    model: FittedModel, specs: object, var: str, *, by: ByLike | None = None,
    at: dict[str, object] | None = None,
    lmer_df: str | None = None, type: str | None = None, level: float | None = None,
    **options: Unpack[SlopesOptions],
) -> ResultFrame | MeansAndContrasts:  # fmt: skip
    """Return trends as emmeans does; a spelling of :func:`estimate_slopes`.

    Parameters
    ----------
    model, specs, by, at, lmer_df, level
        As in :func:`emmeans`; ``"~ 1"`` for one slope, ``"pairwise ~ g"`` for slopes and their
        contrasts.
    var : str
        The numeric predictor.
    type : {"link", "response"}, optional
        Scale of generalised models: trends of the linear predictor, as in R, or of the response.
    **options
        Of :func:`estimate_slopes`.

    Examples
    --------
    >>> import mlpool
    >>> m = mlpool.lm("math ~ ses * gender", mlpool.load_data("hsb82"))
    >>> mlpool.emtrends(m, "~ gender", "ses")["Slope"].round(2).to_list()
    [3.01, 3.22]
    """
    check_model(model, "emtrends()")
    asked = read_specs(specs, by)
    focal, held = asked.with_values([*asked.names, *asked.groups], at)
    own: dict[str, object] = {**options}
    if not is_identity(model.family):
        own = _on_scale(own, type, "response")
    else:
        _read_type(type)
    adjust = own.pop("adjust", None) if asked.comparison else None
    given = _common(model, lmer_df, level, own) | {"at": held}
    given.pop("offset", None)  # estimate_slopes() has none
    slopes = _call(estimate_slopes, model, {"trend": var, "by": focal or None} | given, own)
    slopes = _within(slopes, asked.groups)
    if not asked.comparison:
        return slopes
    if asked.groups or not asked.names:
        raise OptionError("contrasts of trends are between the levels of 'pairwise ~ g'.")
    given |= {"adjust_ci": True, "p_adjust": adjust or ADJUST.get(asked.comparison, "none")}
    given |= {"contrast": var, "by": focal, "comparison": asked.comparison}
    return MeansAndContrasts(emmeans=slopes, contrasts=_call(estimate_contrasts, model, given, own))


def _means(
    model: FittedModel,
    asked: Specs,
    at: Any,
    lmer_df: object,
    type: object,
    level: object,
    options: dict[str, object],
) -> ResultFrame:
    by, held = asked.with_values([*asked.names, *asked.groups], at)
    if "predict" in options or not is_identity(model.family):
        options = _on_scale(options, type, "inverse_link")
    elif _read_type(type) == "response" and transformed_response(model) is not None:
        options = {**options, "predict": "response"}
    given = _common(model, lmer_df, level, options) | {"by": by, "at": held}
    return _call(estimate_means, model, given, options)


def _pairs(
    model: FittedModel, asked: Specs, at: Any, lmer_df: Any, type: Any, level: Any, adjust: Any,
    comparison: object, options: dict[str, object],
) -> ResultFrame:  # fmt: skip
    contrast, held = asked.with_values(asked.names, at)
    by, held = asked.with_values(asked.groups, held)
    wants = _read_type(type) == "response" and "predict" not in options
    if "predict" in options or not is_identity(model.family):
        options = _on_scale(options, None if wants else type, "link")
    if wants and ratios_of(model) is not None:
        options = {**options, "exponentiate": True}
    given = _common(model, lmer_df, level, options) | {
        "contrast": contrast, "by": by or None, "comparison": comparison, "p_adjust": adjust,
        "adjust_ci": True, "within_by": True, "at": held,
    }  # fmt: skip
    return _call(estimate_contrasts, model, given, options)


def _common(
    model: FittedModel, lmer_df: Any, level: Any, options: dict[str, Any]
) -> dict[str, Any]:
    """Return what all verbs are given: averages over 0/1 columns, df and level as emmeans."""
    method = read_mode(model, lmer_df, dict(options))
    given = {"two_valued": True, "ci_method": method, **_average_offset(model, options)}
    return given if level is None else given | {"ci": level}


def _average_offset(model: FittedModel, options: dict[str, object]) -> dict[str, float]:
    """Return the mean of the model's offset, which emmeans takes where none is given."""
    offset = None if isinstance(model.design, PushedDesign) else model.design.offset
    if offset is None or options.get("estimate", "typical") in ("average", "population"):
        return {}
    return {"offset": float(np.mean(offset))}


def _read_type(type: object) -> str:
    if type is None:
        return "link"
    return TYPES[check_option(type, TYPES, argument="type")]


def _on_scale(options: dict[str, object], type: object, response: str) -> dict[str, object]:
    """Return the options with `predict` as `type` means it: the link's scale without either.

    Raises
    ------
    OptionError
        If both are given.
    """
    if "predict" in options:
        if type is not None:
            raise OptionError("give type= or predict=, not both.")
        return options
    return {**options, "predict": response if _read_type(type) == "response" else "link"}


def _call(
    verb: Callable[..., ResultFrame],
    model: FittedModel,
    given: dict[str, Any],
    options: dict[str, object],
) -> ResultFrame:
    """Return the verb's table; options go before what emmeans' spelling sets.

    Raises
    ------
    OptionError
        For an option that the verb does not have.
    """
    known = [n for n in inspect.signature(verb).parameters if n != "model"]
    for name in options:
        if name not in known:
            raise OptionError(
                f"there is no option {brief(name)}; {verb.__name__}(), which answers, has "
                f"{', '.join(known)}.{nearest_names(name, known)}"
            )
    return verb(model, **{**given, **options})


def read_mode(model: FittedModel, lmer_df: str | None, options: dict[str, object]) -> str | None:
    """Return the source of df that emmeans' ``lmer.df`` means, unless `options` name one.

    Raises
    ------
    OptionError
        For an unknown mode, or one that contradicts the options.
    """
    method = options.pop("ci_method", None)
    check_agree("ci_method", {"ci_method": method, "lmer_df": lmer_df})
    if method is not None or model.kind != "lmer":
        return None if method is None else str(method)
    if options.get("vcov") is not None or options.get("cluster") is not None:
        return None
    if lmer_df is None:
        has_kenward = model.reml and not is_structured(model.design)
        return "kenward" if has_kenward else "satterthwaite"
    return read_value("ci_method", lmer_df, _MODES, argument="lmer_df")
