"""Predictions on a grid or on rows of data, and the tables they make."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mlpool.argument_values import is_text
from mlpool.errors import OptionError, brief
from mlpool.estimates.delta.delta_method import Inference, Request
from mlpool.estimates.delta.row_predictions import (
    Drawn,
    group_columns,
    groups_of_rows,
    predict_frame,
)
from mlpool.estimates.estimates_table import EstimatesLayout, grid_columns
from mlpool.estimates.grids.grid_language import Focal, read_focal
from mlpool.estimates.grids.reference_grid import (
    expand,
    focal_grid,
    inside_observed,
    make_setting,
    observed_frame,
)
from mlpool.estimates.grids.variables import Variable, model_variables
from mlpool.estimates.notes import (
    describe_setting,
    missing_notes,
    say_extrapolation,
    scale_footer,
)
from mlpool.estimates.request import metadata_of, notes_on, robust_lines
from mlpool.estimates.scale.links import Scale, read_scale
from mlpool.estimates.scale.response_transforms import TransformedResponse
from mlpool.frames import read_frame
from mlpool.frames.level_labels import match_names
from mlpool.results import ResultFrame
from mlpool.tables import names_note, own_names

if TYPE_CHECKING:
    from mlpool.models import FittedModel
    from mlpool.typing import ByLike, DataLike, ReForm

TITLE = "Model-based Predictions"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One verb's question.

    Attributes
    ----------
    verb : str
    scale : Scale
    interval : {"confidence", "prediction"}
    groups : tuple of str
        Grouping factors whose random effects are in the predictions.
    drawn : Drawn
        How many responses are drawn for intervals that have no formula.
    why : str
        Why random effects are left out where they would be included.
    """

    verb: str
    scale: Scale
    interval: str
    groups: tuple[str, ...]
    drawn: Drawn
    why: str = ""


def predictions(
    verb: str,
    model: FittedModel,
    by: ByLike | None,
    data: DataLike | None,
    predict: str | None,
    interval: str,
    request: Request,
    include_random: ReForm,
    *,
    preserve_range: bool,
    length: int | None,
    on_data: bool,
    drawn: Drawn | None = None,
) -> ResultFrame:
    """Return the table of one verb: predictions on a grid, or on rows of data.

    Raises
    ------
    OptionError
        If a grid and rows are both given, or random effects do not fit the grid.
    """
    if by is not None and data is not None:
        raise OptionError("give by= (a grid) or data= (rows to predict), not both.")
    if is_text(predict, "averaged"):
        raise OptionError(
            "relations are of one group at a time; estimate_means(predict='averaged') and "
            "m.predict(averaged=True) integrate over the random effects."
        )
    variables = model_variables(model)
    scale = read_scale(model, predict, "inverse_link")
    if scale.predict == "response":
        scale = replace(scale, predict="inverse_link")
    is_grid = by is not None or (data is None and not on_data)
    if by is None and is_grid:
        by = [n for n, v in variables.items() if not v.is_group]
    focal = read_focal(by, variables, length=length) if is_grid else ()
    groups, why = _groups(model, include_random, focal), ""
    if not is_grid and include_random is None:
        groups, why = groups_of_rows(model, data, request)
    asked = Asked(
        verb=verb, scale=scale, interval=interval, groups=groups, drawn=drawn or Drawn(), why=why
    )
    if is_grid:
        return _on_grid(model, variables, focal, asked, request, preserve_range)
    return _on_rows(model, variables, data, asked, request)


def _groups(
    model: FittedModel, include_random: ReForm, focal: tuple[Focal, ...]
) -> tuple[str, ...]:
    """Return the grouping factors whose random effects are in the predictions.

    Raises
    ------
    OptionError
        For a name that is no grouping factor, or a factor in `by` whose effects are left out.
    """
    known = tuple(dict.fromkeys(r.group for r in model.design.random))
    in_by = {f.name for f in focal if f.variable.is_group}
    if include_random is None:
        return tuple(g for g, columns in group_columns(model).items() if set(columns) <= in_by)
    if isinstance(include_random, str):
        columns = group_columns(model)
        named = [g for g in known if include_random in (g, ":".join(columns[g]))]
        if not named:
            raise OptionError(
                f"include_random names {brief(include_random)}; the grouping factors are "
                f"{', '.join(known) or 'none'}."
            )
        return tuple(named)
    if not isinstance(include_random, bool):
        raise OptionError(
            f"include_random must be True, False or a grouping factor; got {brief(include_random)}."
        )
    if in_by and not include_random:
        name = in_by.pop()
        raise OptionError(
            f"by names the grouping factor {brief(name)}, but include_random=False leaves "
            "its effects "
            "out: every group would have the same predictions."
        )
    return known if include_random else ()


def _on_grid(
    model: FittedModel,
    variables: dict[str, Variable],
    focal: tuple[Focal, ...],
    asked: Asked,
    request: Request,
    preserve_range: bool,
) -> ResultFrame:
    _check_groups_named(asked.groups, group_columns(model), focal)
    grid = focal_grid(focal)
    if preserve_range:
        grid = grid[inside_observed(grid, focal)].reset_index(drop=True)
        if len(grid) == 0:
            raise OptionError("No row of the grid lies in the data; take preserve_range=False.")
    setting = make_setting(variables, focal, averages=False)
    frame = expand(grid, variables, setting).frame
    result = predict_frame(
        model, frame, request, asked.scale, asked.groups, asked.interval, asked.drawn
    )
    lines = [f"Variable predicted: {model.design.response_name}"]
    lines += [f"Predictors modulated: {', '.join(f.text for f in focal)}"] if focal else []
    shown = describe_setting(setting, variables)
    lines += [f"Predictors controlled: {shown}"] if shown else []
    lines += _scale_lines(model, asked)
    lines += say_extrapolation(focal)
    table = _table(
        model, pd.DataFrame(grid_columns(grid)), result, asked, request, tuple(lines),
        by=tuple(grid.columns),
    )  # fmt: skip
    again = partial(
        _on_grid, model, variables, asked=asked, request=request, preserve_range=preserve_range
    )
    return replace(table, metadata={**table.metadata, "focal": focal, "again": again})


def _check_groups_named(
    groups: tuple[str, ...], columns: dict[str, tuple[str, ...]], focal: tuple[Focal, ...]
) -> None:
    """Refuse random effects of groups that the grid does not tell apart.

    Raises
    ------
    OptionError
        Naming what to add to `by`, or the random effects that can be had without it.
    """
    named = {f.name for f in focal}
    for group in groups:
        absent = [name for name in columns[group] if name not in named]
        if not absent:
            continue
        can = [g for g in groups if set(columns[g]) <= named]
        other = f", or take include_random={brief(can[0])}" if can else ""
        raise OptionError(
            f"include_random asks for the effects of {group}, and the grid does not say of which: "
            f"add {' and '.join(map(repr, absent))} to by={other}."
        )


def _on_rows(
    model: FittedModel,
    variables: dict[str, Variable],
    data: DataLike | None,
    asked: Asked,
    request: Request,
) -> ResultFrame:
    residuals = None
    named = {c for g in asked.groups for c in group_columns(model)[g]}
    if data is None:
        frame = observed_frame(variables)
        for name, variable in variables.items():
            if variable.is_group:
                frame[name] = variable.on_rows()
        index = model.design.index
    else:
        read = read_frame(data)
        index = read.index
        frame = _columns(read, variables, named)
    result = predict_frame(
        model, frame, request, asked.scale, asked.groups, asked.interval, asked.drawn
    )
    is_outcome = not isinstance(asked.scale.family, TransformedResponse)
    if (
        data is None
        and asked.scale.name == "response"
        and is_outcome
        and asked.interval == "confidence"
    ):
        residuals = model.design.y - result.estimate
    lines = [f"Variable predicted: {model.design.response_name}", *_scale_lines(model, asked)]
    shown = frame[[n for n, v in variables.items() if not v.is_group or n in named]]
    return _table(
        model, shown.set_axis(index), result, asked, request, tuple(lines),
        by=tuple(shown.columns), residuals=residuals,
    )  # fmt: skip


def _columns(frame: Any, variables: dict[str, Variable], needed: set[str]) -> pd.DataFrame:
    columns = {}
    for name, variable in variables.items():
        if variable.is_group and name not in needed:
            continue
        column = frame.column(name)
        if column.is_factor or column.labelled is not None or variable.is_group:
            codes, labels = column.coded()
            # as the model calls them: two of its levels may print alike where the new data's do not
            known = tuple(str(v) for v in variable.levels)
            named = [
                known[i] if i >= 0 else label
                for i, label in zip(match_names(labels, known), labels.labels, strict=False)
            ]
            table = np.array([*named, None], dtype=object)
            columns[name] = pd.Series(table[codes], dtype=object)
        else:
            columns[name] = pd.Series(np.asarray(column.values))
    return pd.DataFrame(columns, index=pd.RangeIndex(frame.n_rows))


def _scale_lines(model: FittedModel, asked: Asked) -> list[str]:
    lines = list(scale_footer(asked.scale, "Predictions"))
    if model.is_mixed and asked.groups:
        lines.append(f"Random effects included: {', '.join(asked.groups)}")
    elif model.is_mixed:
        new = ", intervals hold those of new groups" if asked.interval == "prediction" else ""
        why = f" ({asked.why})" if asked.why else ""
        lines.append(f"Population level: random effects are zero{new}{why}.")
    if asked.interval == "prediction":
        lines.append("Intervals are prediction intervals.")
    return lines


def _table(
    model: FittedModel,
    columns: pd.DataFrame,
    result: Inference,
    asked: Asked,
    request: Request,
    lines: tuple[str, ...],
    *,
    by: tuple[str, ...],
    residuals: Any = None,
) -> ResultFrame:
    numbers = {
        "Predicted": result.estimate, "SE": result.se, "CI_low": result.low,
        "CI_high": result.high,
    }  # fmt: skip
    if residuals is not None:
        numbers["Residuals"] = residuals
    names = own_names(columns.columns, [*numbers, "CI"])
    data = columns.copy()
    for name, values in numbers.items():
        data[names[name]] = values
    lines = (*lines, *missing_notes(model, result.estimate, "predictions"))
    if np.isnan(result.se).any() and not np.isnan(result.estimate).any():
        lines = (
            *lines,
            "Standard errors with the effects of several terms are not made for this many levels.",
        )
    # with random effects the errors are the model's own
    lines = lines if asked.groups else (*lines, *robust_lines(model, request))
    layout = EstimatesLayout(
        title=TITLE, labels=by, value="Predicted", level=request.ci, extra=("Residuals",),
        footers=lines + names_note(names), names=names,
    )  # fmt: skip
    return ResultFrame(
        data=data,
        layout=layout,
        notes=notes_on(model, request, result),
        metadata=metadata_of(model, asked.verb, request, result)
        | {"by": by, "scale": asked.scale.name, "groups": asked.groups,
           "interval": asked.interval, "names": names},
    )  # fmt: skip
