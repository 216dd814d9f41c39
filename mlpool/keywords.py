"""The keyword arguments that verbs hand on to others, name by name.

Editors and type checkers read ``**options: Unpack[FitOptions]`` (PEP 692); :func:`spell_out` shows
the same names to ``help``. Tests hold both to the verb that takes the arguments in the end.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict, TypeVar

if TYPE_CHECKING:
    from mlpool.engine.types import Control
    from mlpool.typing import (
        ClusterLike,
        ColumnLike,
        ContrastsLike,
        Engine,
        FamilyLike,
        NaAction,
        NamesLike,
        ReForm,
        SeedLike,
        VcovArgs,
        VcovLike,
    )

F = TypeVar("F", bound=Callable[..., object])


def spell_out(
    keywords: type, like: Callable[..., object] | None = None, *, default: object = ...
) -> Callable[[F], F]:
    """Let ``help`` and ``inspect.signature`` show a function's ``**options`` one by one.

    Parameters
    ----------
    keywords : TypedDict
        Names of the options.
    like : callable, optional
        The function that takes them, which has their defaults.
    default : object
        What is shown of others.
    """
    known = {} if like is None else dict(inspect.signature(like).parameters)

    def mark(function: F) -> F:
        own = inspect.signature(function)
        named = [p for p in own.parameters.values() if p.kind is not p.VAR_KEYWORD]
        shown = [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=known[name].default if name in known else default,
                annotation=hint.__forward_arg__ if hasattr(hint, "__forward_arg__") else hint,
            )
            for name, hint in keywords.__annotations__.items()
            if name not in own.parameters
        ]
        function.__signature__ = own.replace(parameters=[*named, *shown])  # type: ignore[attr-defined]
        return function

    return mark


class MatrixOptions(TypedDict, total=False):
    """Those of :func:`mlpool.model_matrix`."""

    contrasts: ContrastsLike | None
    subset: ColumnLike | None
    na_action: NaAction
    context: Mapping[str, Any] | None


class RowOptions(MatrixOptions, total=False):
    """What every verb that fits rows takes, one model or several."""

    weights: ColumnLike | None
    offset: ColumnLike | None
    engine: Engine
    control: Control | Mapping[str, Any] | None


class PoolingOptions(RowOptions, total=False):
    """Those of :func:`mlpool.compare_pooling`."""

    reml: bool


class FitOptions(RowOptions, total=False):
    """What every verb that fits a model takes; see :func:`mlpool.fit`."""

    cluster: ClusterLike | None
    vcov: VcovLike | None
    cov_type: VcovLike | None
    clusters: ClusterLike | None
    vcov_args: VcovArgs | None
    cov_kwds: VcovArgs | None


class MixedOptions(FitOptions, total=False):
    """Those of :func:`mlpool.lmer`."""

    reml: bool


class StructureOptions(MatrixOptions, total=False):
    """Those of :func:`mlpool.gls` and its kin."""

    offset: ColumnLike | None
    control: Control | Mapping[str, Any] | None
    reml: bool


class UpdateOptions(MixedOptions, total=False):
    """Those of :func:`mlpool.update`: all of :func:`mlpool.fit`."""

    REML: bool
    correlation: str | None
    dispersion: str | None
    family: FamilyLike | None
    nAGQ: int


class PrintOptions(TypedDict, total=False):
    """How a table is printed; see :class:`mlpool.tables.TableOptions`."""

    digits: int | None
    ci_digits: int | None
    p_digits: int | str | None
    select: str | list[str] | tuple[str, ...] | None
    zap_small: bool | None
    table_width: int | None


class DfSpellings(TypedDict, total=False):
    """Other names of ``ci_method=``: lmerTest's and that of older versions of R's parameters."""

    ddf: str | None
    df_method: str | None


class CiMethodSpellings(TypedDict, total=False):
    """Other names of ``ddf=``."""

    ci_method: str | None
    df_method: str | None


class VcovArgsSpellings(TypedDict, total=False):
    """Other names of ``vcov=``, ``cluster=`` and ``vcov_args=``: statsmodels' and estimatr's."""

    cov_type: VcovLike | None
    clusters: ClusterLike | None
    cov_kwds: VcovArgs | None


class VcovSpellings(VcovArgsSpellings, total=False):
    """Those of a verb without a ``vcov_args=`` of its own, which stands for vcov and cluster."""

    vcov_args: VcovArgs | None


class InferenceSpellings(DfSpellings, VcovArgsSpellings, total=False):
    """Other names of what tables of coefficients take; see ``option_spellings``."""


class VcovTypeSpellings(VcovSpellings, total=False):
    """Other names of what :func:`mlpool.vcov` takes."""

    vcov: VcovLike | None


class ClusterSpellings(TypedDict, total=False):
    """Other names of ``cluster=``."""

    clusters: ClusterLike | None


class TestSpellings(TypedDict, total=False):
    """Other names of ``test=``: car's."""

    test_statistic: str | None


class ClusterTestSpellings(VcovSpellings, TestSpellings, total=False):
    """Other names of what clubSandwich's tests take."""


class HypothesisSpellings(InferenceSpellings, TestSpellings, total=False):
    """Other names of what :func:`mlpool.linear_hypothesis` takes."""


class DroppedSpellings(CiMethodSpellings, TestSpellings, total=False):
    """Other names of what :func:`mlpool.drop1` takes."""


class EstimateSpellings(InferenceSpellings, total=False):
    """Other names of what every ``estimate_*`` takes: ``predict=`` is ``type=`` in R's predict."""

    type: str | None


class ParametersOptions(InferenceSpellings, total=False):
    """Those of :func:`mlpool.model_parameters`."""

    ci: float | None
    ci_method: str | None
    vcov: VcovLike | None
    vcov_args: VcovArgs | None
    cluster: ClusterLike | None
    effects: str
    exponentiate: bool | str
    bootstrap: bool
    iterations: int
    seed: SeedLike | None
    digits: int
    ci_digits: int | None
    p_digits: int | str
    select: str | list[str] | tuple[str, ...] | None
    zap_small: bool
    ci_random: bool | None
    group_level: bool
    include_reference: bool
    include_info: bool
    summary: bool
    wb_component: bool
    p_adjust: str | None
    verbose: bool
    keep: str | list[str] | None
    drop: str | list[str] | None
    table_width: int | None
    standardize: str | None


class IntervalOptions(TypedDict, total=False):
    """Those of :func:`mlpool.confint`."""

    oldNames: bool
    nsim: int
    boot_type: str
    type: str
    seed: SeedLike | None
    n_jobs: int | None
    vcov: VcovLike | None
    cluster: ClusterLike | None
    cov_type: VcovLike | None
    clusters: ClusterLike | None
    vcov_args: VcovArgs | None
    cov_kwds: VcovArgs | None


class SummaryOptions(TypedDict, total=False):
    """Those of :func:`mlpool.summary` of mixed models."""

    ddf: str | None
    correlation: bool | None
    ci_method: str | None
    df_method: str | None


class ResidualOptions(TypedDict, total=False):
    """Those of a model's ``residuals``."""

    scaled: bool
    seed: SeedLike | None


class PredictOptions(TypedDict, total=False):
    """Those of a model's ``predict``: `type` of generalised models, the others of mixed ones."""

    type: str
    re_form: ReForm
    allow_new_levels: bool
    averaged: bool


class UncertaintyOptions(TypedDict, total=False):
    """What every ``estimate_*`` takes: the scale, the intervals, and points of a number."""

    predict: str | None
    ci: float | None
    vcov: VcovLike | None
    cluster: ClusterLike | None
    vcov_args: VcovArgs | None
    ci_method: str | None
    length: int | None


class EstimateOptions(UncertaintyOptions, InferenceSpellings, total=False):
    """What ``estimate_means`` and its kin take."""

    estimate: str


class MeansOptions(EstimateOptions, total=False):
    """Those of :func:`mlpool.estimate_means` that emmeans' spellings hand on."""

    two_valued: bool
    adjust: str | None
    weights: str | None
    offset: float | None
    bias_adjust: bool | float


class SlopesOptions(EstimateOptions, total=False):
    """Those of :func:`mlpool.estimate_slopes` that emmeans' spellings hand on."""

    two_valued: bool
    adjust: str | None
    p_adjust: str | None


class ContrastsOptions(EstimateOptions, total=False):
    """Those of :func:`mlpool.estimate_contrasts` that emmeans' spellings hand on."""

    two_valued: bool
    p_adjust: str | None
    adjust_ci: bool
    within_by: bool
    exponentiate: bool
    weights: str | None
    offset: float | None


class ExpectationOptions(UncertaintyOptions, EstimateSpellings, total=False):
    """Those of :func:`mlpool.estimate_relation`."""

    include_random: bool | str | None
    preserve_range: bool
    estimate: str | None


class PredictionOptions(ExpectationOptions, total=False):
    """Those of :func:`mlpool.estimate_prediction`, whose intervals may be drawn."""

    iterations: int
    seed: SeedLike | None


class SampleOptions(TypedDict, total=False):
    """Those of :func:`mlpool.simulate_clusters`, which studies hand on."""

    n_clusters: Any
    n_per_cluster: Any
    intercept: float
    slope: float
    slope_between: float | None
    effect_w: float
    slope_w: float
    sd_intercept: float | None
    sd_slope: float
    cor: float
    sigma: float
    icc: float | None
    sd_x_within: float
    sd_x_between: float
    binary_w: bool
    family: str


class PowerOptions(SampleOptions, DfSpellings, total=False):
    """Those of :func:`mlpool.simulate_power` of designs."""

    methods: Sequence[str]
    random_slope: bool


Aesthetics: TypeAlias = "dict[str, Any]"
"""What a plotnine geom is given: ``{"color": "red", "alpha": 0.1}``."""


class PlotOptions(TypedDict, total=False):
    """Those of :func:`mlpool.plot`; which of them depends on what is drawn."""

    line: Aesthetics | None
    ribbon: Aesthetics | str | None
    point: Aesthetics | None
    pointrange: Aesthetics | None
    show_data: bool
    join_dots: bool
    numeric_as_discrete: bool | int | None
    show_intercept: bool
    effects: str
    sort: bool
    kind: str
    n: int | None
    parameter: str | None
    groups: Sequence[Any] | None
    arrows: bool
    bins: int
    columns: int
    panels: str | Sequence[str] | None
    n_sim: int
    seed: SeedLike | None
    level: float
    method: str
    parameters: NamesLike | None
