"""`estimate_contrasts`: differences between marginal means, or between slopes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Unpack

import numpy as np
import pandas as pd

from mlpool.argument_values import flag, is_text
from mlpool.errors import NotSupportedError, OptionError, brief
from mlpool.estimates.delta.averages import BLOCK_NUMBERS, Answers, logarithms
from mlpool.estimates.delta.comparison_weights import Comparison, make_comparison
from mlpool.estimates.delta.delta_method import Inference, Request
from mlpool.estimates.delta.family_inference import correlations, infer_families
from mlpool.estimates.delta.multiplicity import adjusted, families_of, p_adjust_note, read_p_adjust
from mlpool.estimates.estimates_table import (
    EstimatesLayout,
    beside,
    inference_columns,
    repeated_columns,
)
from mlpool.estimates.grids.cell_weights import weights_note
from mlpool.estimates.grids.grid_language import Focal, read_focal
from mlpool.estimates.grids.nested_factors import can_exist, nesting_notes
from mlpool.estimates.grids.reference_grid import focal_grid
from mlpool.estimates.grids.variables import Variable, model_variables
from mlpool.estimates.means import averages, others_line
from mlpool.estimates.notes import interaction_notes, missing_notes, say_extrapolation, scale_footer
from mlpool.estimates.request import (
    Averaging,
    check_by,
    metadata_of,
    notes_on,
    read_averaging,
    read_request,
    robust_lines,
)
from mlpool.estimates.scale.links import Scale, is_identity, read_scale
from mlpool.estimates.scale.ratios import OF_MEANS, Ratios, read_ratios
from mlpool.estimates.scale.response_transforms import transformed_response
from mlpool.estimates.slopes import slopes_of
from mlpool.frames.levels import level_label
from mlpool.keywords import EstimateSpellings
from mlpool.models.argument_checks import check_level, check_model
from mlpool.option_spellings import also_spelt
from mlpool.results import ResultFrame
from mlpool.tables import names_note
from mlpool.typing import IntArray

if TYPE_CHECKING:
    from mlpool.models import FittedModel
    from mlpool.typing import ByLike, ClusterLike, VcovArgs, VcovLike

_TITLES = {
    "typical": "Marginal Contrasts Analysis",
    "average": "Averaged Contrasts Analysis",
    "specific": "Model-based Contrasts Analysis",
    "population": "Counterfactual Contrasts Analysis (G-computation)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """What is contrasted where."""

    contrast: tuple[Focal, ...]
    by: tuple[Focal, ...]
    trend: Variable | None
    averaging: Averaging
    scale: Scale

    @property
    def focal(self) -> tuple[Focal, ...]:
        """The grid: contrasted variables first, so that a family's rows stay together."""
        return (*self.contrast, *self.by)

    @property
    def n_compared(self) -> int:
        """Number of means (or slopes) that are compared at every value of `by`."""
        return math.prod(len(f.values) for f in self.contrast)


@also_spelt("ci_method", "vcov", "cluster", "vcov_args", "predict", keywords=EstimateSpellings)
def estimate_contrasts(
    model: FittedModel,
    contrast: ByLike | None = None,
    by: ByLike | None = None,
    *,
    comparison: object = "pairwise",
    estimate: str = "typical",
    predict: str | None = None,
    p_adjust: str | None = None,
    ci: float | None = 0.95,
    adjust_ci: bool = False,
    within_by: bool = True,
    vcov: VcovLike | None = None,
    cluster: ClusterLike | None = None,
    vcov_args: VcovArgs | None = None,
    ci_method: str | None = None,
    length: int | None = 10,
    at: dict[str, object] | None = None,
    two_valued: bool = False,
    exponentiate: bool = False,
    weights: str | None = None,
    offset: float | None = None,
    **spellings: Unpack[EstimateSpellings],
) -> ResultFrame:
    """Return differences between marginal means, or between slopes.

    Parameters
    ----------
    model : FittedModel
        Of any kind; of mixed models the fixed effects.
    contrast : str, sequence of str or dict, optional
        The factor whose levels are compared, or values of a number (``"ses = [0, 1]"``); several
        variables: their combinations. A bare number with `by=`: slopes compared between the
        levels of `by`. None: the first factor.
    by : str, sequence of str or dict, optional
        Compare within each of these, as in :func:`mlpool.estimate_means`.
    comparison : str, dict or array
        ``"pairwise"`` (later minus earlier level), ``"reference"``, ``"sequential"``,
        ``"meandev"`` (minus the mean of all), ``"meanotherdev"``, ``"helmert"``, ``"poly"``; with
        ``rev`` before the first three the other way round; ``"ratio"``: later over earlier mean
        on the response's scale, tested by the difference of their logarithms; or weights:
        ``{"A vs B, C": [1, -.5, -.5]}``.
    estimate, predict
        As in :func:`mlpool.estimate_means`.
    p_adjust : str, optional
        ``"tukey"`` (pairwise), ``"mvt"`` (the contrasts' own correlations; against one control
        Dunnett's test), ``"dunnettx"`` (emmeans' approximation of it), ``"sidak"``,
        ``"scheffe"``, or as :func:`mlpool.p_adjust`.
    ci : float or None
    adjust_ci : bool
        Widen intervals with the p-values, so that they hold together.
    within_by : bool
        Whether the contrasts of every value of `by` are a family of their own (as emmeans), or all
        rows are one, whatever the method. Tukey's and Scheffé's families are always within.
    vcov, cluster, vcov_args, ci_method, **spellings
        As in :func:`mlpool.model_parameters`.
    length : int or None
        Points of a numeric variable in `by`.
    at, two_valued, weights, offset
        As in :func:`mlpool.estimate_means`.
    exponentiate : bool
        Ratios - of odds with a logit link, of means with a log link, of geometric means of
        ``log(y)`` - with the tests of the contrasts on the link's scale.

    Returns
    -------
    ResultFrame
        Level1, Level2 (Contrast for weights and polynomials), the columns of `by`, Difference
        (Ratio if exponentiated), SE, CI_low, CI_high, t or z, df, p.

    Raises
    ------
    OptionError
        For unknown predictors, levels and comparisons, and a number without values or `by`.

    Examples
    --------
    >>> import mlpool
    >>> m = mlpool.lm("angle ~ recipe + temperature", mlpool.load_data("cake"))
    >>> print(mlpool.estimate_contrasts(m, contrast="recipe", p_adjust="holm"))
    Marginal Contrasts Analysis
    <BLANKLINE>
    Level1 | Level2 | Difference |   SE |        95% CI | t(262) |     p
    --------------------------------------------------------------------
    B      | A      |      -1.48 | 1.16 | [-3.76, 0.81] |  -1.27 | 0.574
    C      | A      |      -1.52 | 1.16 | [-3.81, 0.76] |  -1.31 | 0.574
    C      | B      |      -0.04 | 1.16 | [-2.33, 2.24] |  -0.04 | 0.970
    <BLANKLINE>
    Variable predicted: angle
    Predictors contrasted: recipe
    Predictors averaged: temperature
    p-value adjustment method: Holm (1979)
    """
    check_model(model, "estimate_contrasts()")
    of_means = is_text(comparison, "ratio")
    ratios = OF_MEANS if of_means else read_ratios(model, exponentiate, predict)
    plan = _read_plan(
        model, contrast, by, estimate=estimate,
        predict="link" if ratios and not of_means else _of_response(model, predict, of_means),
        length=length, at=at, two_valued=two_valued, weights=weights, offset=offset,
    )  # fmt: skip
    method = read_p_adjust(p_adjust)
    grid = focal_grid(plan.focal)
    labels = _labels(grid.iloc[: plan.n_compared], plan.contrast)
    compared = make_comparison("pairwise" if of_means else comparison, labels)
    _check_tukey(method, compared.name)
    request = read_request(model, check_level(ci), vcov, cluster, vcov_args, ci_method)
    answers = logarithms(_answers(model, grid, plan)) if of_means else _answers(model, grid, plan)
    result = infer_families(model, answers, compared, request)
    exist = can_exist(grid, plan.averaging.variables, plan.averaging.nests)
    exist = exist.reshape(-1, plan.n_compared)
    families = families_of(exist, compared, flag(within_by, "within_by"))
    together = partial(correlations, model, answers, compared, request)
    result = adjusted(result, families, method, flag(adjust_ci, "adjust_ci"), request.ci, together)
    kept = np.concatenate([f.rows for f in families]) if families else np.arange(0)
    return _table(
        model, plan, request, compared, grid=grid, kept=kept, method=method, ratios=ratios,
        result=ratios.of(result) if ratios else result,
    )  # fmt: skip


def _table(
    model: FittedModel,
    plan: _Plan,
    request: Request,
    compared: Comparison,
    *,
    grid: pd.DataFrame,
    kept: IntArray,
    method: str,
    ratios: Ratios | None,
    result: Inference,
) -> ResultFrame:
    """Return the rows `kept` with their layout."""
    value = "Ratio" if ratios else "Difference"
    compared_columns = _compared(compared, len(grid) // plan.n_compared)
    by_columns = repeated_columns(grid.iloc[:: plan.n_compared], plan.by, len(compared.weights))
    data, own = beside(by_columns, compared_columns | inference_columns(result, value, p=True))
    order = [own[n] for n in compared_columns] + [f.name for f in plan.by]
    data = data[order + [c for c in data.columns if c not in order]]
    estimate = plan.averaging.estimate
    layout = EstimatesLayout(
        title=_TITLES[estimate], labels=tuple(order),
        value=value, statistic=result.symbol, level=request.ci, shows_p=True,
        footers=_footers(model, plan, method, ratios) + robust_lines(model, request)
        + missing_notes(model, result.estimate[kept], "contrasts", estimate) + names_note(own),
        names=own,
    )  # fmt: skip
    return ResultFrame(
        data=data.iloc[kept].reset_index(drop=True),
        layout=layout,
        notes=notes_on(model, request, result),
        metadata=metadata_of(model, "estimate_contrasts", request, result)
        | {
            "by": tuple(f.name for f in plan.by),
            "focal": plan.by,
            "contrast": tuple(f.name for f in plan.contrast),
            "p_adjust": method,
            "scale": plan.scale.name,
            "names": own,
            "value": value,
            "trend": None if plan.trend is None else plan.trend.name,
        },
    )


def _of_response(model: FittedModel, predict: str | None, of_means: bool) -> str | None:
    """Return the scale of means whose ratios are taken: of the outcome itself, unless given."""
    if not of_means or predict is not None or not is_identity(model.family):
        return predict
    return None if transformed_response(model) is None else "response"


def _check_tukey(method: str, comparison: str) -> None:
    if method == "tukey" and comparison not in ("pairwise", "revpairwise"):
        raise OptionError(
            "p_adjust='tukey' is for pairwise comparisons; use 'sidak' or 'holm' for others."
        )


def _read_plan(
    model: FittedModel,
    contrast: ByLike | None,
    by: ByLike | None,
    *,
    estimate: str,
    predict: str | None,
    length: int | None,
    at: object,
    two_valued: bool,
    weights: str | None,
    offset: float | None,
) -> _Plan:
    variables = model_variables(model)
    if contrast is None:
        factors = [n for n, v in variables.items() if not v.is_numeric and not v.is_group]
        if not factors:
            raise OptionError("This model has no factor to contrast; name values: 'x = [0, 1]'.")
        contrast = factors[0]
    focal = read_focal(contrast, variables, argument="contrast")
    if not focal:
        raise OptionError("contrast names no predictor.")
    groups = read_focal(by, variables, length=length)
    twice = {f.name for f in focal} & {f.name for f in groups}
    if twice:
        raise OptionError(f"{brief(twice.pop())} is in contrast and in by; name it once.")
    check_by([f.name for f in (*focal, *groups)], variables, "contrasts")
    trend = _trend(focal, groups)
    if trend is not None:
        focal, groups = groups, ()
    averaging = read_averaging(
        model, estimate, variables, (*focal, *groups), two_valued=two_valued, at=at,
        weights=weights, offset=offset,
    )  # fmt: skip
    scale = read_scale(model, predict, "inverse_link" if averaging.setting else "response")
    if trend is not None and scale.predict == "inverse_link":
        scale = replace(scale, predict="response")
    return _Plan(contrast=focal, by=groups, trend=trend, averaging=averaging, scale=scale)


def _trend(focal: Sequence[Focal], by: Sequence[Focal]) -> Variable | None:
    """Return the number whose slopes are compared: one without values, between levels of `by`.

    Raises
    ------
    OptionError
        If there is nothing to compare its slope between.
    """
    # 0/1 columns and the like are compared as levels
    bare = [
        f
        for f in focal
        if f.variable.is_numeric and "=" not in f.text and f.variable.summary.n_distinct > 2
    ]
    if not bare:
        return None
    name = bare[0].name
    if len(focal) > 1 or not by:
        raise OptionError(
            f"{name} is a number: give values to compare ('{name} = [0, 1]'), by= to compare its "
            f"slopes, or use estimate_slopes(trend={brief(name)})."
        )
    return bare[0].variable


def _labels(grid: pd.DataFrame, contrast: Sequence[Focal]) -> list[str]:
    columns = [[level_label(v) for v in grid[f.name]] for f in contrast]
    return [", ".join(row) for row in zip(*columns, strict=True)]


def _answers(model: FittedModel, grid: pd.DataFrame, plan: _Plan) -> Answers:
    """Return means (or slopes) of the whole grid on the scale that differences are taken on."""
    if plan.trend is not None:
        make = slopes_of(model, plan.focal, plan.averaging, plan.trend, plan.scale)
    else:
        make = averages(model, plan.focal, plan.averaging, plan.scale)
    width = max(1, plan.averaging.n_averaged * model.design.X.shape[1])
    if len(grid) * len(model.fit.beta) > 20 * BLOCK_NUMBERS:
        raise NotSupportedError(
            f"Contrasts among {len(grid):,} means of {len(model.fit.beta):,} coefficients do not "
            "fit in memory; name fewer levels, such as contrast='school = [1, 2, 3]'."
        )
    block = max(1, BLOCK_NUMBERS // width)
    parts = [make(grid.iloc[i : i + block]) for i in range(0, len(grid), block)]
    value = np.concatenate([p.value for p in parts])
    jacobian = np.vstack([p.jacobian for p in parts])
    size = np.concatenate([p.size for p in parts if p.size is not None])
    if plan.trend is None and plan.scale.is_taken_back:
        slope = plan.scale.family.derivative(value)
        jacobian = slope[:, None] * jacobian
        value = plan.scale.back(value)
        size = np.abs(value) + np.abs(slope) * size
    return Answers(value=value, jacobian=jacobian, size=size)


def _compared(compared: Comparison, n: int) -> dict[str, object]:
    """Return what every row compares, for n values of `by`."""
    if compared.second:
        return {"Level1": list(compared.first) * n, "Level2": list(compared.second) * n}
    return {"Contrast": list(compared.first) * n}


def _footers(
    model: FittedModel, plan: _Plan, method: str, ratios: Ratios | None
) -> tuple[str, ...]:
    what = [plan.trend.name] if plan.trend is not None else [f.text for f in plan.contrast]
    lines = [f"Variable predicted: {model.design.response_name}"]
    lines.append(f"Predictors contrasted: {', '.join(what)}")
    others = others_line(plan.averaging, plan.focal)
    if others and plan.trend is None:
        lines.append(others)
    lines += weights_note(plan.averaging.weights)
    lines.append(p_adjust_note(method))
    lines += (ratios.note,) if ratios else scale_footer(plan.scale, "Contrasts")
    lines += say_extrapolation(plan.focal)
    names = [*(f.name for f in plan.focal), *([plan.trend.name] if plan.trend else [])]
    averaged = plan.averaging.averaged_names
    lines += interaction_notes(model, names, averaged, "contrasts")
    lines += nesting_notes([*names, *averaged], plan.averaging.nests)
    return tuple(lines)
