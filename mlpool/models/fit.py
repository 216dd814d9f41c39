"""`fit`: from a formula and data to a fitted model. Orchestration only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, Unpack

import numpy as np

from mlpool.designs.combined_records import (
    of_all_rows,
    record_of_rows_fitted,
    rows_fitted,
    said_of_counts,
)
from mlpool.designs.engine_data import as_lmm_data, fit_design
from mlpool.designs.glmm_data_checks import check_glmm, check_not_glmm, check_quadrature
from mlpool.designs.group_checks import check_groups, check_structured
from mlpool.designs.least_squares import least_squares
from mlpool.designs.residual_fit import fit_structure
from mlpool.engine.glm.fit import fit_glm
from mlpool.engine.glmm import fit_glmm
from mlpool.engine.types import Control
from mlpool.engine.via_statsmodels import fit_mixedlm
from mlpool.errors import (
    NotSupportedError,
    OptionError,
    brief,
    check_option,
)
from mlpool.families import Family, get_family
from mlpool.formula import parse_formula
from mlpool.formula.design import Design, build_design
from mlpool.formula.nlme_spellings import read_structure
from mlpool.formula.residual_structure import ResidualStructure
from mlpool.formula.types import ParsedFormula
from mlpool.frames import Frame
from mlpool.keywords import VcovSpellings
from mlpool.models.control import as_control, check_not_iterative
from mlpool.models.fit_messages import (
    fit_messages,
    say_broken_weights,
    say_what_was_found,
    say_what_was_left_out,
)
from mlpool.models.fitted import FittedModel
from mlpool.models.generalized_mixed import (
    GeneralizedLinearMixedModel,
    as_glmm_data,
    fitted_family,
)
from mlpool.models.mixed import LinearMixedModel
from mlpool.models.residual_covariance import ResidualModel, check_residual_request
from mlpool.models.scanned import check_scanned, is_generalized
from mlpool.models.single_level import GeneralizedLinearModel, LinearModel
from mlpool.option_spellings import also_spelt
from mlpool.sources import Scan, read_rows, showing_queries, with_memory_limit
from mlpool.sources.build import build_pushed_design
from mlpool.sources.combinations import build_combined_design
from mlpool.uncertainty.covariance import choose_vcov

if TYPE_CHECKING:
    from mlpool.typing import (
        ClusterLike,
        ColumnLike,
        ContrastsLike,
        DataLike,
        Engine,
        FamilyLike,
        NaAction,
        VcovLike,
    )

M = TypeVar("M", bound=FittedModel)

AnyModel: TypeAlias = (
    LinearModel
    | GeneralizedLinearModel
    | LinearMixedModel
    | GeneralizedLinearMixedModel
    | ResidualModel
)
"""What `fit` returns, for annotations and ``isinstance``."""

_ENGINES = ("auto", "mlpool", "statsmodels")
_GENERALIZED = (GeneralizedLinearModel, GeneralizedLinearMixedModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    """What a user asked for, checked once."""

    formula: ParsedFormula
    frame: Frame | Scan
    family: Family | None
    reml: bool
    cluster: ClusterLike | None
    vcov: VcovLike | None
    engine: str
    control: Control
    nAGQ: int
    call: str
    structure: ResidualStructure | None
    design_options: dict[str, Any]
    arguments: dict[str, object]


@also_spelt("vcov", "cluster", keywords=VcovSpellings)
def fit(
    formula: str,
    data: DataLike,
    *,
    family: FamilyLike | None = None,
    reml: bool = True,
    cluster: ClusterLike | None = None,
    vcov: VcovLike | None = None,
    weights: ColumnLike | None = None,
    offset: ColumnLike | None = None,
    contrasts: ContrastsLike | None = None,
    subset: ColumnLike | None = None,
    na_action: NaAction = "omit",
    engine: Engine = "auto",
    control: Control | Mapping[str, object] | None = None,
    context: Mapping[str, object] | None = None,
    nAGQ: int = 1,
    correlation: str | None = None,
    dispersion: str | None = None,
    **spellings: Unpack[VcovSpellings],
) -> AnyModel:
    """Fit the model that a formula describes.

    Parameters
    ----------
    formula : str
        R's and lme4's language: ``"math ~ ses + gender + (1 | school)"``. Without a bar: least
        squares, or a GLM with `family`; with bars: a mixed model.
    data : data frame, dict of arrays or path
        pandas, polars, pyarrow, DuckDB, Ibis, Dask, or a CSV, Parquet, Stata or Excel file. Never
        changed.
    family : str, optional
        ``"binomial"``, ``"poisson"``, ``"binomial(probit)"`` ...
    reml : bool
        REML (default) or ML for mixed models.
    cluster : str, Series, array or list, optional
        Clusters of robust standard errors; of a mixed model at or above its grouping factors.
    vcov : str or matrix, optional
        Type of robust covariance; ``vcovCL`` when only `cluster` is given.
    weights, offset : str, Series or array, optional
        Prior weights (inverse variances), and a part of the predictor with coefficient one. A
        pandas Series follows its row labels, here and as `cluster` and `subset`; other vectors go
        by position. Rows of weight zero are left out.
    contrasts : mapping, optional
        ``{"gender": "sum"}``, or a matrix with a row per level (a data frame names its columns).
    subset : str, Series or array of bool, optional
        Rows to use.
    na_action : {"omit", "fail"}
        What to do with missing values.
    engine : {"auto", "mlpool", "statsmodels"}
    control : Control or dict, optional
        Tolerances and limits of the optimiser; ``{"solver": "iterative", "seed": 1}`` and
        ``{"solver": "cholesky"}`` for crossed factors of lmer, by default by their size.
    context : mapping, optional
        Functions and constants that the formula may use.
    nAGQ : int
        Generalised mixed models: 1 is Laplace's approximation, more are nodes of adaptive
        Gauss-Hermite quadrature (one random effect per group), 0 is fast and rough.
    correlation : str, optional
        Of the residuals: ``"ar1(time | id)"``, or nlme's ``"corAR1(form = ~ time | id)"``.
    dispersion : str, optional
        What the residuals' SD depends on: ``"~ sex"``, or ``"varIdent(form = ~ 1 | sex)"``.
    **spellings
        ``cov_type=`` and ``clusters=``, other names of `vcov` and `cluster`; both in one dict:
        ``vcov_args=`` or ``cov_kwds=``.

    Returns
    -------
    LinearModel, GeneralizedLinearModel, LinearMixedModel, GeneralizedLinearMixedModel or
    ResidualModel

    Raises
    ------
    FormulaError, DataError, OptionError, FitError, NotSupportedError
        With one sentence.

    Examples
    --------
    >>> import mlpool
    >>> m = mlpool.fit("Reaction ~ Days + (Days | Subject)", mlpool.load_data("sleepstudy"))
    >>> round(m.sigma, 3)
    25.592
    """
    settings = as_control(control)
    frame = with_memory_limit(read_rows(data), settings.memory_limit)
    parsed = parse_formula(formula, columns=frame.columns, context=context)
    check_option(engine, _ENGINES, argument="engine")
    is_residual = correlation is not None or dispersion is not None
    options = {
        "weights": weights, "offset": offset, "contrasts": contrasts, "subset": subset,
        "na_action": na_action, "context": context,
    }  # fmt: skip
    request = _Request(
        formula=parsed,
        frame=frame,
        family=get_family(family),
        reml=as_bool(reml, "reml"),
        cluster=cluster,
        vcov=vcov,
        engine=engine,
        control=settings,
        nAGQ=nAGQ,
        call=_call_text(parsed, family, reml, weights, frame.native, nAGQ),
        structure=read_structure(correlation, dispersion) if is_residual else None,
        design_options=options,
        arguments={
            **options, "family": family, "reml": reml, "cluster": cluster, "vcov": vcov,
            "engine": engine, "control": control, "nAGQ": nAGQ, "correlation": correlation,
            "dispersion": dispersion,
        },
    )  # fmt: skip
    return _fit_requested(request)


def _fit_requested(request: _Request) -> AnyModel:
    with showing_queries(request.frame, request.control.progress):
        return _fit_by_kind(request)


def _fit_by_kind(request: _Request) -> AnyModel:
    if request.structure is not None:
        return _fit_residual(request, request.structure)
    if request.formula.bars and request.family not in (None, Family("gaussian", "identity")):
        return _fit_generalized_mixed(request)
    check_not_glmm(request.nAGQ)
    if request.formula.bars:
        return _fit_mixed(request)
    return _fit_linear(request) if request.family is None else _fit_generalized(request)


def _fit_linear(request: _Request) -> LinearModel:
    design = _design(request)
    record = least_squares(design, request.engine)
    return _finish(LinearModel, request, design, record)


def _fit_generalized(request: _Request) -> GeneralizedLinearModel:
    design = _design(
        request, binomial=request.family is not None and request.family.kin == "binomial"
    )
    assert request.family is not None
    if request.family.is_negative_binomial:
        request.family.statsmodels()
    rows = rows_fitted(design)
    say_broken_weights(rows, request.family)
    record = fit_glm(
        rows.y, rows.X.dense(), request.family,
        trials=rows.trials, weights=rows.weights, offset=rows.offset,
    )  # fmt: skip
    design, record = of_all_rows(design, record, request.family)
    return _finish(GeneralizedLinearModel, request, design, record)


def _fit_mixed(request: _Request) -> LinearMixedModel:
    design = _design(request)
    check_groups(design)
    check_structured(design, request.engine, request.control.solver)
    if request.engine == "statsmodels":
        check_not_iterative(request.control, "statsmodels' fits have their own")
        record = fit_mixedlm(as_lmm_data(design), reml=request.reml)
    else:
        record = fit_design(design, reml=request.reml, control=request.control)
    return _finish(LinearMixedModel, request, design, record)


def _fit_residual(request: _Request, structure: ResidualStructure) -> ResidualModel:
    check_not_glmm(request.nAGQ)
    check_residual_request(request.arguments)
    check_not_iterative(request.control, "residual structures are not fitted by it")
    design = _design(request)
    check_groups(design)
    record = fit_structure(design, structure, reml=request.reml, control=request.control)
    return replace(_finish(ResidualModel, request, design, record), said=structure)


def _fit_generalized_mixed(request: _Request) -> GeneralizedLinearMixedModel:
    assert request.family is not None
    check_not_iterative(request.control, "generalised models keep their dense block")
    if request.family.is_quasi:
        raise NotSupportedError(
            f"The family {request.family.name} has no likelihood, which random effects need; take "
            f"{brief(request.family.kin)}, with a term (1 | row) for overdispersion if need be."
        )
    if request.engine == "statsmodels":
        raise NotSupportedError(
            "statsmodels has no maximum likelihood for generalised mixed models; leave engine= out."
        )
    design = _design(request, binomial=request.family.name == "binomial")
    check_structured(design, request.engine, request.control.solver)
    rows = rows_fitted(design)
    check_glmm(rows, request.family)
    say_broken_weights(rows, request.family)
    nodes = check_quadrature(request.nAGQ, rows)
    record = fit_glmm(
        as_glmm_data(rows, request.family), n_quadrature=nodes, control=request.control
    )
    design, record = of_all_rows(design, record, request.family)
    family = fitted_family(request.family, record)
    return _finish(GeneralizedLinearMixedModel, replace(request, family=family), design, record)


def _design(request: _Request, *, binomial: bool = False) -> Design:
    options = dict(request.design_options)
    if isinstance(request.frame, Scan):
        check_scanned(request.family, request.formula, request.arguments)
        if is_generalized(request.family, request.formula):
            combined = build_combined_design(
                request.formula, request.frame, binomial=binomial, **options
            )
            say_what_was_left_out(combined, is_mixed=bool(request.formula.bars), is_linear=False)
            return combined
        design: Design = build_pushed_design(
            request.formula, request.frame, cluster=request.cluster, **options
        )
    else:
        also = () if request.structure is None else request.structure.columns
        design = build_design(
            request.formula, request.frame, binomial=binomial, cluster=request.cluster,
            also=also, **options,
        )  # fmt: skip
    say_what_was_left_out(
        design, is_mixed=bool(request.formula.bars), is_linear=request.family is None
    )
    return design


def _finish(kind: type[M], request: _Request, design: Design, record: Any) -> M:
    """Put the model together and say, at most once each, what the user should know."""
    all_names = design.X.names
    names = [all_names[i] for i in record.kept]
    clusters = request.cluster
    if clusters is not None and design.kept is not None and design.cluster:
        clusters = [codes for codes, _, _ in design.cluster]
    choice = choose_vcov(design, request.vcov, clusters, names)
    if choice is not None and design.cluster:
        choice = replace(choice, cluster_names=tuple(name for _, _, name in design.cluster))
    messages = fit_messages(
        rows_fitted(design), record_of_rows_fitted(design, record), request.family
    )
    model = kind(
        design=design,
        fit=record,
        control=request.control,
        call=request.call,
        family=request.family if kind in _GENERALIZED else None,
        vcov_choice=choice,
        messages=(*said_of_counts(design), *(text for text, _ in messages)),
        arguments=request.arguments,
    )
    say_what_was_found(messages, choice)
    return model


def as_bool(value: object, argument: str) -> bool:
    """Return `value`, which must be True or False.

    Raises
    ------
    OptionError
        For anything else.
    """
    if not isinstance(value, (bool, np.bool_)):
        raise OptionError(f"{argument} must be True or False; got {brief(value)}.")
    return bool(value)


def _call_text(
    parsed: ParsedFormula, family: object, reml: bool, weights: object, data: object, nodes: object
) -> str:
    plain = "lm" if get_family(family) in (None, Family("gaussian", "identity")) else "glm"
    verb = f"{plain}er" if parsed.bars else ("lm" if family is None else "glm")
    parts = [f"formula = {parsed.text}"]
    if family is not None:
        parts.append(f"family = {get_family(family)}")
    parts.append(f"data = {data}" if isinstance(data, str) else "data = data")
    if weights is not None:
        parts.append(f"weights = {weights}" if isinstance(weights, str) else "weights = weights")
    if not isinstance(nodes, int) or nodes != 1:
        parts.append(f"nAGQ = {nodes}")
    if verb == "lmer" and not reml:
        parts.append("REML = False")
    return f"{verb}({', '.join(parts)})"
