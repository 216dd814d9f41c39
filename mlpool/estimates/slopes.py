"""`estimate_slopes`: how the outcome changes with a numeric predictor."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Unpack

import pandas as pd

from mlpool.argument_values import is_text
from mlpool.errors import OptionError, brief
from mlpool.estimates.delta.averages import Answers, average_slopes
from mlpool.estimates.delta.delta_method import Request, infer_blocks
from mlpool.estimates.emmeans.linear_estimates import LinearEstimates
from mlpool.estimates.estimates_table import (
    EstimatesLayout,
    beside,
    grid_columns,
    inference_columns,
)
from mlpool.estimates.grids.grid_language import Focal, read_focal, spellings
from mlpool.estimates.grids.nested_factors import nesting_notes
from mlpool.estimates.grids.reference_grid import focal_grid
from mlpool.estimates.grids.variables import Variable, find_variable, model_variables
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
from mlpool.estimates.scale.response_transforms import transformed_response
from mlpool.inference.p_adjust import adjust_p, adjustment_note, read_adjustment
from mlpool.keywords import EstimateSpellings
from mlpool.models.argument_checks import check_level, check_model
from mlpool.option_spellings import also_spelt
from mlpool.results import ResultFrame
from mlpool.tables import names_note
from mlpool.typing import FloatArray

if TYPE_CHECKING:
    from mlpool.models import FittedModel
    from mlpool.typing import ByLike, ClusterLike, VcovArgs, VcovLike

STEP = 2.0**-10
"""Step of differences, in SDs of the variable: without units."""


@also_spelt("ci_method", "vcov", "cluster", "vcov_args", "predict", keywords=EstimateSpellings)
def estimate_slopes(
    model: FittedModel,
    trend: str | None = None,
    by: ByLike | None = None,
    *,
    estimate: str = "typical",
    predict: str | None = None,
    ci: float | None = 0.95,
    p_adjust: str | None = None,
    vcov: VcovLike | None = None,
    cluster: ClusterLike | None = None,
    vcov_args: VcovArgs | None = None,
    ci_method: str | None = None,
    length: int | None = 10,
    at: dict[str, object] | None = None,
    two_valued: bool = False,
    **spellings: Unpack[EstimateSpellings],
) -> ResultFrame:
    """Return marginal effects: the derivative of the prediction by a numeric predictor.

    Parameters
    ----------
    model : FittedModel
        Of any kind; of mixed models the fixed effects.
    trend : str, optional
        The numeric predictor; None: the first one of the model.
    by : str, sequence of str or dict, optional
        Where the slope is taken, as in :func:`estimate_means`: ``"school"``,
        ``"ses = [quartiles]"``.
    estimate : {"typical", "specific", "average", "population"}
        The other predictors, as in :func:`estimate_means`; ``"average"`` is the average marginal
        effect over the rows of the data.
    predict : {"response", "link"}, optional
        Scale of generalised models; default ``"response"``.
    ci : float or None
    p_adjust : str, optional
        As in :func:`mlpool.p_adjust`, over all rows of the table.
    vcov, cluster, vcov_args, ci_method, **spellings
        As in :func:`mlpool.model_parameters`.
    length : int or None
        Points of a numeric variable in `by`.
    at, two_valued
        As in :func:`estimate_means`.

    Returns
    -------
    ResultFrame
        The columns of `by`, Slope, SE, CI_low, CI_high, t or z, df, p.

    Raises
    ------
    OptionError
        If `trend` is not a numeric predictor, and as :func:`estimate_means`.

    Notes
    -----
    Derivatives of the model's columns are taken by central differences, exact for columns linear
    in the variable; standard errors by the delta method with analytic derivatives of the link. A
    slope that is rounding noise is exactly zero.

    Examples
    --------
    >>> import mlpool
    >>> m = mlpool.lm("math ~ ses * gender", mlpool.load_data("hsb82"))
    >>> print(mlpool.estimate_slopes(m, trend="ses", by="gender"))
    Estimated Marginal Effects
    <BLANKLINE>
    gender | Slope |   SE |       95% CI | t(7181) |      p
    -------------------------------------------------------
    M      |  3.01 | 0.14 | [2.73, 3.29] |   21.32 | < .001
    F      |  3.22 | 0.13 | [2.96, 3.49] |   24.26 | < .001
    <BLANKLINE>
    Marginal effects estimated for ses
    Type of slope was dY/dX
    """
    check_model(model, "estimate_slopes()")
    variables = model_variables(model)
    variable = read_trend(trend, variables)
    focal = read_focal(by, variables, length=length)
    check_by([f.name for f in focal], variables, "slopes")
    others = tuple(f for f in focal if f.name != variable.name)
    averaging = read_averaging(model, estimate, variables, focal, two_valued=two_valued, at=at)
    scale = _slope_scale(model, predict)
    adjustment = read_adjustment(p_adjust)
    request = read_request(model, check_level(ci), vcov, cluster, vcov_args, ci_method)
    grid = averaging.existing(focal_grid(focal))
    make = slopes_of(model, focal, averaging, variable, scale)
    result = infer_blocks(model, grid, make, request, rows_each=4 * averaging.n_averaged, zap=True)
    result = replace(result, p=adjust_p(result.p, adjustment))
    data, own = beside(grid_columns(grid), inference_columns(result, "Slope", p=True))
    names = [variable.name, *(f.name for f in others)]
    footers = (
        f"Marginal effects estimated for {variable.name}", "Type of slope was dY/dX",
        *([adjustment_note(adjustment)] if adjustment != "none" else []),
        *scale_footer(scale, "Slopes"), *say_extrapolation(others), *robust_lines(model, request),
        *names_note(own), *_cautions(model, names, averaging, result.estimate),
    )  # fmt: skip
    layout = EstimatesLayout(
        title="Estimated Marginal Effects", labels=tuple(grid.columns), value="Slope",
        statistic=result.symbol, level=ci, shows_p=True, footers=footers, names=own,
    )  # fmt: skip
    metadata = metadata_of(model, "estimate_slopes", request, result)
    metadata |= {"by": layout.labels, "trend": variable.name, "scale": scale.name, "names": own}
    metadata["focal"] = focal
    metadata["linear"] = _linear(model, grid, scale, request, focal, averaging, variable)
    notes = notes_on(model, request, result)
    return ResultFrame(data=data, layout=layout, notes=notes, metadata=metadata)


def _linear(
    model: FittedModel, grid: pd.DataFrame, scale: Scale, request: Request,
    focal: tuple[Focal, ...], averaging: Averaging, variable: Variable,
) -> LinearEstimates:  # fmt: skip
    """Return what contrasts of the slopes are made of."""
    return LinearEstimates(
        model=model, grid=grid, scale=scale, request=request, focal=focal, averaging=averaging,
        trend=variable.name, step=step_of(variable),
    )  # fmt: skip


def _cautions(
    model: FittedModel, names: Sequence[str], averaging: Averaging, slopes: FloatArray
) -> tuple[str, ...]:
    """Return what limits the slopes: interactions averaged over, nesting, empty cells."""
    averaged = averaging.averaged_names
    return (
        *interaction_notes(model, names, averaged, "slopes"),
        *nesting_notes([*names, *averaged], averaging.nests),
        *missing_notes(model, slopes, "slopes", averaging.estimate),
    )


def _slope_scale(model: FittedModel, predict: str | None) -> Scale:
    """Return the scale of the slopes, refusing that of an outcome that the formula transforms.

    Raises
    ------
    OptionError
    """
    if any(is_text(predict, p) for p in ("response", "inverse_link")) and is_identity(model.family):
        back = transformed_response(model)
        if back is not None:
            raise OptionError(
                f"slopes are of {back.link}, which the model is linear in; on the scale of the "
                "outcome they change along it: use estimate_means(predict='response') at values."
            )
    return read_scale(
        model, "response" if is_text(predict, "inverse_link") else predict, "response"
    )


def read_trend(trend: str | None, variables: dict[str, Variable]) -> Variable:
    """Return the variable whose slope is asked for.

    Raises
    ------
    OptionError
        If it is not numeric, or the model has no numeric predictor.
    """
    if trend is None:
        numeric = [v for v in variables.values() if v.is_numeric]
        if not numeric:
            raise OptionError("This model has no numeric predictor, so there is no slope.")
        return numeric[0]
    if not isinstance(trend, str):
        raise OptionError(f"trend must be the name of a numeric predictor; got {brief(trend)}.")
    entry = trend if trend in variables else trend.strip()
    known = (name for name in variables if entry in spellings(name))
    variable = find_variable(
        variables, entry if entry in variables else next(known, entry), "trend"
    )
    if not variable.is_numeric:
        what = "holds TRUE and FALSE" if variable.kind == "boolean" else "is a factor"
        raise OptionError(
            f"{trend} {what} and has no slope; use estimate_contrasts(contrast={brief(trend)})."
        )
    return variable


def slopes_of(
    model: FittedModel,
    focal: Sequence[Focal],
    averaging: Averaging,
    variable: Variable,
    scale: Scale,
) -> Callable[[pd.DataFrame], Answers]:
    """Return the function that gives the slopes at rows of a grid."""
    step = step_of(variable)
    return lambda grid: average_slopes(
        model, averaging.rows(grid, focal), variable.name, step, scale
    )


def step_of(variable: Variable) -> float:
    """Return the step of differences: a power of two, small against the spread."""
    spread = variable.summary.sd
    size = spread if spread > 0 else max(1.0, abs(variable.mean))
    return 2.0 ** math.floor(math.log2(size)) * STEP
