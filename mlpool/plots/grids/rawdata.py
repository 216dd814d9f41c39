"""The model's data behind a plot of its predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mlpool.errors import NotSupportedError
from mlpool.plots.grammar import geom_options, grammar
from mlpool.plots.grids.read_grid import panel_labels
from mlpool.tables import own_names

if TYPE_CHECKING:
    from mlpool.keywords import Aesthetics
    from mlpool.models import FittedModel
    from mlpool.plots.grids.read_grid import GridPlot
    from mlpool.results import ResultFrame


def data_layer(
    result: ResultFrame, grid: GridPlot, mapped: str | None, point: Aesthetics | None
) -> Any:
    """Return the raw data as points; jittered over the levels of a factor."""
    g = grammar()
    data, response = raw_data(result, grid)
    aes = {"x": grid.x, "y": response} | ({"color": mapped} if mapped else {})
    settings = geom_options("point", point, alpha=1 / 3, **({} if mapped else {"color": "black"}))
    if grid.is_numeric:
        return g.geom_point(g.aes(**aes), data=data, inherit_aes=False, **settings)
    place = g.position_jitter(width=0.15, height=0.0, random_state=0)
    return g.geom_point(g.aes(**aes), data=data, inherit_aes=False, position=place, **settings)


def raw_data(result: ResultFrame, grid: GridPlot) -> tuple[pd.DataFrame, str]:
    """Return the rows of the model's data, the focal variables and the response, and its column.

    Raises
    ------
    NotSupportedError
        If the table is on another scale than the response, or does not know its model.
    """
    model = result.metadata.get("model")
    if model is None or result.metadata.get("scale", "response") == "link":
        raise NotSupportedError("show_data needs predictions on the scale of the response.")
    name = model.design.response_name
    if name not in model.design.frame:
        raise NotSupportedError(
            f"The response {name} is transformed: its data are not on the scale of the plot."
        )
    response = own_names([*grid.focal, *grid.panels], ["Response"])["Response"]
    data: dict[str, object] = {response: np.asarray(model.design.y, dtype=np.float64)}
    for variable in grid.focal:
        data[variable] = _values(model, grid, variable)
    for panel, variable in zip(grid.panels, grid.focal[2:], strict=True):
        data[panel] = panel_labels(pd.Series(data[variable]), variable)
    return pd.DataFrame(data).dropna(), response


def _values(model: FittedModel, grid: GridPlot, variable: str) -> Any:
    """Return a variable's values as the plot has them: numbers in colours or panels, the nearest.

    A line for the mean and one SD below and above has few data on it; those around it show how it
    fits.
    """
    values, levels = model.design.column_values(variable)
    drawn = grid.data[variable]
    if levels:
        values = np.array(levels, dtype=object)[values]
    if not isinstance(drawn.dtype, pd.CategoricalDtype):
        return np.asarray(values, dtype=np.float64)
    shown = list(drawn.cat.categories)
    if levels or not pd.api.types.is_numeric_dtype(np.asarray(values)):
        return pd.Categorical([str(v) for v in values], categories=shown)
    numbers = np.asarray(values, dtype=np.float64)
    places = np.array(grid.numbers.get(variable, ()))
    if len(places) != len(shown):
        return pd.Categorical([str(v) for v in values], categories=shown)
    nearest = np.abs(numbers[:, None] - places).argmin(axis=1)
    return pd.Categorical([shown[i] for i in nearest], categories=shown)
