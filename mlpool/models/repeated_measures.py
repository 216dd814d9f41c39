"""R's spellings of models with a residual covariance: nlme's `gls` and `lme`, mmrm's `mmrm`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Unpack

from mlpool.errors import OptionError, brief, check_option
from mlpool.formula.nlme_spellings import bars_of, split_mmrm
from mlpool.keywords import StructureOptions, spell_out
from mlpool.models.fit import as_bool, fit
from mlpool.models.mixed import LinearMixedModel
from mlpool.models.residual_covariance import ResidualModel
from mlpool.models.verbs import check_arguments

if TYPE_CHECKING:
    from mlpool.typing import DataLike

_NOT_HERE = {"family", "nAGQ", "engine", "cluster", "vcov", "weights"}


@spell_out(StructureOptions, like=fit)
def gls(
    formula: str,
    data: DataLike,
    correlation: str | None = None,
    dispersion: str | None = None,
    REML: bool | None = None,
    *,
    weights: str | None = None,
    method: str | None = None,
    **options: Unpack[StructureOptions],
) -> ResidualModel:
    """Fit a linear model with correlated or unequal residuals (nlme's ``gls``).

    Parameters
    ----------
    formula : str
        Without random effects.
    data : data frame, dict of arrays or path
    correlation : str, optional
        ``"ar1(time | id)"``, ``"car1(...)"``, ``"cs(1 | id)"``, ``"us(visit | id)"``, ``"toep"``,
        ``"ad"``, ``"exp"``, heterogeneous ``"ar1h"``, ``"csh"``, ``"toeph"``, ``"adh"``; or nlme's
        ``"corAR1(form = ~ time | id)"``, ``"corSymm(form = ~ visit | id)"`` ...
    dispersion : str, optional
        ``"~ sex"`` (an SD per level; of a number x, exp(x delta)), ``"~ power(x)"``; or nlme's
        ``"varIdent(form = ~ 1 | sex)"``, ``"varPower(form = ~ x)"``, ``"varComb(...)"``.
    REML : bool, optional
        REML (default) or ML; ``reml=`` is the same.
    weights : str, optional
        nlme's name of `dispersion`: ``"varIdent(form = ~ 1 | sex)"``.
    method : {"REML", "ML"}, optional
        nlme's name of `REML`.
    **options
        The other arguments of :func:`fit`.

    Returns
    -------
    ResidualModel

    Raises
    ------
    OptionError
        If the formula has random effects, or the same is said twice under two names.

    See Also
    --------
    lmer : with random effects beside the residual structure.
    mmrm : with an unstructured matrix of visits.

    Examples
    --------
    >>> import mlpool
    >>> d = mlpool.load_data("sleepstudy")
    >>> m = mlpool.gls("Reaction ~ Days", d, correlation="corAR1(form = ~ Days | Subject)")
    >>> round(float(m.correlation_parameters()["phi"]), 4)
    0.8
    """
    check_arguments("gls", options, _NOT_HERE - {"weights"})
    if weights is not None:
        if dispersion is not None:
            raise OptionError("give dispersion= or weights= (nlme's name of the same), not both.")
        dispersion = _as_structure(weights)
    if method is not None:
        if REML is not None:
            raise OptionError("give REML= or method= (nlme's name of the same), not both.")
        said = check_option(method, ("REML", "ML"), argument="method")
        options = _with_reml(options, said == "REML")
    result = fit(
        formula, data, correlation=correlation, dispersion=dispersion or "~ 1",
        **_with_reml(options, REML),
    )  # fmt: skip
    assert isinstance(result, ResidualModel)
    if result.design.random:
        bar = result.design.random[0].bar.label
        raise OptionError(f"gls() fits no random effects such as {bar}; use lmer().")
    return result


@spell_out(StructureOptions, like=fit)
def mmrm(
    formula: str,
    data: DataLike,
    REML: bool | None = None,
    **options: Unpack[StructureOptions],
) -> ResidualModel:
    """Fit a mixed model for repeated measures (R's ``mmrm``): a covariance matrix of visits.

    Parameters
    ----------
    formula : str
        ``"y ~ arm * visit + us(visit | id)"``; instead of ``us`` also ``ad``, ``adh``, ``ar1``,
        ``ar1h``, ``cs``, ``csh``, ``toep``, ``toeph``, ``sp_exp``.
    data : data frame, dict of arrays or path
        A row per patient and visit; rows with a missing response are left out.
    REML : bool, optional
        REML (default) or ML; ``reml=`` is the same.
    **options
        The other arguments of :func:`fit`.

    Returns
    -------
    ResidualModel

    Raises
    ------
    FormulaError
        Without one covariance term.

    Examples
    --------
    >>> import mlpool
    >>> d = mlpool.load_data("sleepstudy").query("Days < 4")
    >>> m = mlpool.mmrm("Reaction ~ Days + us(Days | Subject)", d)
    >>> m.loglik_df
    12
    """
    check_arguments("mmrm", options, {*_NOT_HERE, "correlation", "dispersion"})
    fixed, term = split_mmrm(formula)
    result = fit(fixed, data, correlation=term, **_with_reml(options, REML))
    assert isinstance(result, ResidualModel)
    if result.design.random:
        bar = result.design.random[0].bar.label
        raise OptionError(f"mmrm() fits no random effects such as {bar}; use lmer().")
    return result


@spell_out(StructureOptions, like=fit)
def lme(
    fixed: str,
    data: DataLike,
    random: str | Mapping[str, str],
    correlation: str | None = None,
    weights: str | None = None,
    method: str = "REML",
    **options: Unpack[StructureOptions],
) -> LinearMixedModel | ResidualModel:
    """Fit a linear mixed model as nlme spells it (R's ``lme``).

    Parameters
    ----------
    fixed : str
        The fixed part: ``"distance ~ age * Sex"``.
    data : data frame, dict of arrays or path
    random : str or dict
        ``"~ age | Subject"``, or a dict from groups, outermost first, to formulas:
        ``{"school": "~ 1", "class": "pdDiag(~ ses)"}``.
    correlation, weights : str, optional
        nlme's ``"corAR1(form = ~ time | id)"`` and ``"varIdent(form = ~ 1 | Sex)"``; here
        ``weights`` is what :func:`lmer` calls ``dispersion``.
    method : {"REML", "ML"}
    **options
        The other arguments of :func:`fit`.

    Returns
    -------
    LinearMixedModel, or ResidualModel with a correlation or weights

    Raises
    ------
    FormulaError, OptionError
        For a `random` that is not read.

    Examples
    --------
    >>> import mlpool
    >>> d = mlpool.load_data("sleepstudy")
    >>> m = mlpool.lme("Reaction ~ Days", d, random="~ Days | Subject")
    >>> round(m.sigma, 3)
    25.592
    """
    check_arguments("lme", options, _NOT_HERE | {"reml", "dispersion"})
    how = check_option(method, ("REML", "ML"), argument="method")
    if not isinstance(fixed, str):
        raise OptionError(f"fixed must be a formula such as 'y ~ x'; got {brief(fixed)}.")
    options["reml"] = how == "REML"
    result = fit(
        f"{fixed} + {bars_of(random)}", data, correlation=correlation,
        dispersion=None if weights is None else _as_structure(weights), **options,
    )  # fmt: skip
    assert isinstance(result, LinearMixedModel | ResidualModel)
    return result


def _as_structure(weights: object) -> str:
    """Return nlme's ``weights=``, which are a structure, not a column of numbers.

    Raises
    ------
    OptionError
    """
    if isinstance(weights, str) and ("(" in weights or "~" in weights):
        return weights
    raise OptionError(
        "weights= of gls() and lme() is a variance structure such as "
        f"'varIdent(form = ~ 1 | sex)', as in nlme; got {brief(weights)}."
    )


def _with_reml(options: StructureOptions, REML: bool | None) -> StructureOptions:
    """Return the options with R's ``REML=`` under its own name here."""
    if REML is not None:
        if "reml" in options:
            raise OptionError("give reml= or REML=, not both.")
        options["reml"] = as_bool(REML, "REML")
    return options
