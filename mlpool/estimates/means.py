"""`estimate_means`: marginal means."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Unpack

import pandas as pd

from mlpool.estimates.delta.averages import Answers, average
from mlpool.estimates.delta.delta_method import Inference, Request, infer_blocks
from mlpool.estimates.emmeans.linear_estimates import LinearEstimates
from mlpool.estimates.estimates_table import (
    EstimatesLayout,
    beside,
    grid_columns,
    inference_columns,
)
from mlpool.estimates.grids.cell_weights import weights_note
from mlpool.estimates.grids.grid_language import Focal, read_focal
from mlpool.estimates.grids.nested_factors import nesting_notes
from mlpool.estimates.grids.reference_grid import focal_grid
from mlpool.estimates.grids.variables import model_variables
from mlpool.estimates.notes import (
    describe_setting,
    group_names,
    interaction_notes,
    missing_notes,
    say_extrapolation,
    scale_footer,
)
from mlpool.estimates.request import (
    Averaging,
    check_by,
    metadata_of,
    notes_on,
    read_averaging,
    read_request,
    robust_lines,
)
from mlpool.estimates.scale.bias_adjustment import adjust_for_bias
from mlpool.estimates.scale.links import Scale, read_scale
from mlpool.keywords import EstimateSpellings
from mlpool.models.argument_checks import check_level, check_model
from mlpool.option_spellings import also_spelt
from mlpool.results import ResultFrame
from mlpool.tables import names_note

if TYPE_CHECKING:
    from mlpool.models import FittedModel
    from mlpool.typing import ByLike, ClusterLike, VcovArgs, VcovLike

_TITLES = {
    "typical": "Estimated Marginal Means",
    "average": "Average Predictions",
    "specific": "Model-based Predictions",
    "population": "Average Counterfactual Predictions",
}


@also_spelt("ci_method", "vcov", "cluster", "vcov_args", "predict", keywords=EstimateSpellings)
def estimate_means(
    model: FittedModel,
    by: ByLike | None = None,
    *,
    estimate: str = "typical",
    predict: str | None = None,
    ci: float | None = 0.95,
    vcov: VcovLike | None = None,
    cluster: ClusterLike | None = None,
    vcov_args: VcovArgs | None = None,
    ci_method: str | None = None,
    length: int | None = 10,
    at: dict[str, object] | None = None,
    two_valued: bool = False,
    weights: str | None = None,
    offset: float | None = None,
    bias_adjust: bool | float = False,
    **spellings: Unpack[EstimateSpellings],
) -> ResultFrame:
    """Return marginal means at the levels or values of some predictors.

    Parameters
    ----------
    model : FittedModel
        Of any kind; of mixed models the fixed effects (a group of average random effects).
    by : str, sequence of str or dict, optional
        Focal predictors: ``"gender"``, ``["ses = [quartiles]", "gender"]``, ``"x = [0, 1]"``,
        ``{"x": [0, 1]}``. Words in brackets: ``sd``, ``mad``, ``fivenum``, ``quartiles``,
        ``terciles``, ``terciles2``, ``minmax``, ``zeromax``, ``mean``, ``median``, ``pretty``.
        None: every factor of the model.
    estimate : {"typical", "specific", "average", "population"}
        The other predictors: numbers at their mean and factors averaged with equal weights;
        factors at their first level; averaged over the rows of the data with those levels; or
        over all rows, each with the focal values put in (G-computation).
    predict : {"response", "inverse_link", "link", "averaged"}, optional
        Scale of generalised models. Default: ``"inverse_link"`` for typical and specific values
        (averaged on the link's scale, then taken back, as emmeans' ``type = "response"``), and
        ``"response"`` for averages over rows. Those of mixed models are of a group with random
        effects of zero; ``"averaged"`` integrates over the random effects (population averages).
    ci : float or None
        Confidence level.
    vcov, cluster, vcov_args, ci_method, **spellings
        As in :func:`mlpool.model_parameters`.
    length : int or None
        Number of points of a numeric predictor; None: all its distinct values.
    at : dict, optional
        Values to hold other predictors at: ``{"ses": 0}``; several are averaged over.
    two_valued : bool
        Average over numbers with two distinct values (0/1) as over factors, as emmeans does.
    weights : {"equal", "proportional", "outer", "cells", "flat"}, optional
        How levels that are averaged over count: the same, by how often their combinations occur,
        by how often each level occurs, by how often combinations occur with the focal levels, or
        the same where they do. As in R's ``emmeans``.
    offset : float, optional
        In place of the model's own offset, which is at the means of its variables.
    bias_adjust : bool or float
        Means, not medians, of outcomes taken back from ``log(y)`` or a link: ``h + sd^2 h'' / 2``
        with the residual standard deviation, or the one given.

    Returns
    -------
    ResultFrame
        The focal columns, Mean (Probability for binomial models), SE, CI_low, CI_high, t or z, df.

    Raises
    ------
    OptionError
        For unknown predictors, levels, words and scales.

    Notes
    -----
    Standard errors are exact: the delta method with analytic derivatives.

    References
    ----------
    Searle, Speed & Milliken (1980), The American Statistician 34; R's ``modelbased`` and
    ``emmeans``.

    Examples
    --------
    >>> import mlpool
    >>> m = mlpool.lm("math ~ ses + gender", mlpool.load_data("hsb82"))
    >>> print(mlpool.estimate_means(m, by="gender"))
    Estimated Marginal Means
    <BLANKLINE>
    gender |  Mean |   SE |         95% CI | t(7182)
    ------------------------------------------------
    M      | 13.47 | 0.11 | [13.25, 13.68] |  122.77
    F      | 12.10 | 0.10 | [11.90, 12.31] |  116.75
    <BLANKLINE>
    Variable predicted: math
    Predictors modulated: gender
    Predictors averaged: ses (0.00014)
    """
    check_model(model, "estimate_means()")
    variables = model_variables(model)
    focal = read_focal(_factors(variables) if by is None else by, variables, length=length)
    check_by([f.name for f in focal], variables, "marginal means")
    averaging = read_averaging(
        model, estimate, variables, focal, two_valued=two_valued, at=at, weights=weights,
        offset=offset,
    )  # fmt: skip
    default = "inverse_link" if averaging.setting is not None else "response"
    scale = adjust_for_bias(model, read_scale(model, predict, default), bias_adjust)
    request = read_request(model, check_level(ci), vcov, cluster, vcov_args, ci_method)
    return _means(model, focal, averaging=averaging, scale=scale, request=request)


def _means(
    model: FittedModel,
    focal: tuple[Focal, ...],
    *,
    averaging: Averaging,
    scale: Scale,
    request: Request,
) -> ResultFrame:
    """Return the table of the means at the focal values."""
    grid = averaging.existing(focal_grid(focal))
    make = averages(model, focal, averaging, scale)
    result = infer_blocks(model, grid, make, request, scale=scale, rows_each=averaging.n_averaged)
    linear = LinearEstimates(
        model=model, grid=grid, scale=scale, request=request, focal=focal, averaging=averaging
    )
    table = _table(linear, averaging, result)
    again = partial(_means, model, averaging=averaging, scale=scale, request=request)
    return replace(table, metadata={**table.metadata, "focal": focal, "again": again})


def _table(linear: LinearEstimates, averaging: Averaging, result: Inference) -> ResultFrame:
    """Return the rows of means with their layout."""
    model, grid, scale, request = linear.model, linear.grid, linear.scale, linear.request
    value = mean_name(scale)
    footers = means_footers(model, linear.focal, averaging, scale) + robust_lines(model, request)
    footers += missing_notes(model, result.estimate, "means", averaging.estimate)
    data, names = beside(grid_columns(grid), inference_columns(result, value, p=False))
    layout = EstimatesLayout(
        title=_TITLES[averaging.estimate], labels=tuple(grid.columns), value=value,
        statistic=result.symbol, level=request.ci, footers=footers + names_note(names), names=names,
    )  # fmt: skip
    metadata = metadata_of(model, "estimate_means", request, result)
    metadata |= {"by": tuple(grid.columns), "scale": scale.name, "names": names, "linear": linear}
    notes = notes_on(model, request, result)
    return ResultFrame(data=data, layout=layout, notes=notes, metadata=metadata)


def averages(
    model: FittedModel, focal: Sequence[Focal], averaging: Averaging, scale: Scale
) -> Callable[[pd.DataFrame], Answers]:
    """Return the function that gives the mean predictions of rows of a grid."""
    return lambda grid: average(model, averaging.rows(grid, focal), scale)


def mean_name(scale: Scale) -> str:
    """Return what a mean is called: a probability for binomial models on the response's scale."""
    is_probability = scale.is_response and scale.family.kin == "binomial"
    return "Probability" if is_probability else "Mean"


def means_footers(
    model: FittedModel, focal: Sequence[Focal], averaging: Averaging, scale: Scale
) -> tuple[str, ...]:
    """Return the lines below a table of means."""
    names = [f.name for f in focal]
    lines = [f"Variable predicted: {model.design.response_name}"]
    if focal:
        lines.append(f"Predictors modulated: {', '.join(f.text for f in focal)}")
    others = others_line(averaging, focal)
    if others:
        lines.append(others)
    lines += weights_note(averaging.weights)
    lines += scale_footer(scale, "Predictions")
    lines += say_extrapolation(focal)
    lines += interaction_notes(model, names, averaging.averaged_names, "means")
    lines += nesting_notes([*names, *averaging.averaged_names], averaging.nests)
    return tuple(lines)


def others_line(averaging: Averaging, focal: Sequence[Focal]) -> str:
    """Return ``Predictors averaged: x (1.2), f``, or controlled; an empty string for none."""
    groups = group_names(averaging.variables, focal)
    if averaging.estimate == "average":
        return ""
    if averaging.setting is None:
        names = [n for n in averaging.variables if n not in {f.name for f in focal}]
        return f"Predictors averaged: {', '.join(names)}" if names else ""
    shown = describe_setting(averaging.setting, averaging.variables)
    if averaging.estimate == "specific":
        return f"Predictors controlled: {shown}" if shown else ""
    shown = ", ".join(part for part in (shown, groups) if part)
    return f"Predictors averaged: {shown}" if shown else ""


def _factors(variables: Any) -> list[str]:
    return [n for n, v in variables.items() if not v.is_numeric and not v.is_group]
