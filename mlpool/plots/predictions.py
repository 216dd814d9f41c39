"""Plots over a grid: relations, means, slopes. The first focal variable is the x axis.

A numeric first variable gives a line with a ribbon, a factor (or a number with few values) dots
with intervals joined by a line. The second variable is the colour, the third and fourth are panels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from mlpool.errors import NotSupportedError, OptionError
from mlpool.plots.grammar import (
    LINE_COLOUR,
    MAX_COLOURS,
    MAX_LABELS,
    colours,
    geom_options,
    grammar,
    ordered,
    theme_mlpool,
)
from mlpool.plots.slopes import caterpillar, significance_layers

FEW = 8
"""Numeric variables with fewer distinct values are drawn as labels."""

VALUES = ("Predicted", "Mean", "Probability", "Proportion", "Rate", "Slope", "Difference")
"""Names that the estimate's column may have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GridPlot:
    """What is drawn where.

    Attributes
    ----------
    data : DataFrame
        The result's rows; discrete variables are categoricals, ``Series`` tells lines apart.
    value : str
        The estimate's column.
    focal : tuple of str
        Variables in order: x, colour, panels.
    is_line : bool
        Whether x is numeric with many values.
    """

    data: pd.DataFrame
    value: str
    focal: tuple[str, ...]
    is_line: bool

    @property
    def x(self) -> str:
        """The variable on the x axis."""
        return self.focal[0]

    @property
    def colour(self) -> str | None:
        """The variable shown by colour."""
        return self.focal[1] if len(self.focal) > 1 else None

    @property
    def n_series(self) -> int:
        """Number of lines."""
        return int(self.data["Series"].nunique())


def read_grid(result: Any) -> GridPlot:
    """Return the rows of an ``estimate_*`` table as a plot sees them.

    Raises
    ------
    NotSupportedError
        If the table has no focal variable to put on the x axis.
    """
    frame = result.to_pandas().reset_index(drop=True)
    value = next((name for name in VALUES if name in frame), "")
    focal = tuple(str(v) for v in result.metadata.get("by", ()) if str(v) in frame)
    if not value or not focal:
        raise NotSupportedError(
            "This table has one number and nothing to draw it over; estimate it with by=."
        )
    numeric = pd.api.types.is_numeric_dtype(frame[focal[0]])
    is_line = numeric and frame[focal[0]].nunique() >= FEW
    for name in focal[0 if not is_line else 1 :]:
        frame[name] = _discrete(frame[name])
    others = list(focal[1:])
    frame["Series"] = frame[others].astype(str).agg("\u241f".join, axis=1) if others else "all"
    return GridPlot(data=frame, value=value, focal=focal, is_line=is_line)


def plot_grid(
    result: Any,
    *,
    line: dict[str, Any] | None = None,
    ribbon: dict[str, Any] | str | None = None,
    point: dict[str, Any] | None = None,
    pointrange: dict[str, Any] | None = None,
    show_data: bool = False,
    join_dots: bool = True,
) -> Any:
    """Draw an ``estimate_relation``, ``estimate_means`` or ``estimate_slopes`` table.

    Parameters
    ----------
    result : ResultFrame
    line, point, pointrange : dict, optional
        Settings of the lines, of raw data points, and of dots with intervals: ``color``,
        ``alpha``, ``size`` (or ``linewidth``), ``linetype`` ...
    ribbon : dict or "none", optional
        Settings of the confidence band; ``"none"`` leaves it out.
    show_data : bool
        Draw the data behind the lines.
    join_dots : bool
        Join the dots of neighbouring levels by a line.

    Returns
    -------
    plotnine.ggplot

    Raises
    ------
    OptionError
        For settings that do not exist.
    NotSupportedError
        If the data cannot be shown on the table's scale.
    """
    if isinstance(ribbon, str) and ribbon != "none":
        raise OptionError(f"ribbon must be a dict or 'none'; got {ribbon!r}.")
    g = grammar()
    grid = read_grid(result)
    fixed_colour = _own_colour(line) or _own_colour(pointrange)
    mapped = grid.colour if _is_mapped(grid, fixed_colour) else None
    if not grid.is_line and len(grid.focal) == 1 and len(grid.data) > MAX_LABELS:
        return caterpillar(result, grid, line=line, point=pointrange)
    plot = g.ggplot(grid.data, g.aes(x=grid.x, y=grid.value, group="Series"))
    if show_data:
        plot = plot + _data_layer(result, grid, mapped, point)
    if grid.value == "Slope":
        plot = plot + g.geom_hline(yintercept=0.0, linetype="dashed", color="grey")
    draw = _line_layers if grid.is_line else _dot_layers
    if grid.value == "Slope" and grid.is_line and len(grid.focal) == 1 and ribbon != "none":
        draw = significance_layers
    for layer in draw(grid, mapped, line, ribbon, pointrange, join_dots):
        plot = plot + layer
    for part in _scales_and_panels(grid, mapped):
        plot = plot + part
    return plot + _labels(result, grid) + theme_mlpool()


def _line_layers(
    grid: GridPlot, mapped: str | None, line: Any, ribbon: Any, pointrange: Any, join_dots: bool
) -> list[Any]:
    g = grammar()
    layers = []
    if ribbon != "none" and _has_bounds(grid.data):
        shown = {} if mapped else {"fill": LINE_COLOUR}
        aes = g.aes(ymin="CI_low", ymax="CI_high", **({"fill": mapped} if mapped else {}))
        layers.append(g.geom_ribbon(aes, **geom_options("ribbon", ribbon, alpha=1 / 3, **shown)))
    settings: dict[str, Any] = {} if mapped else {"color": LINE_COLOUR}
    thin = grid.n_series > MAX_COLOURS
    settings |= {"alpha": 0.3} if thin else {}
    aes = [g.aes(color=mapped)] if mapped else []
    layers.append(
        g.geom_line(*aes, **geom_options("line", line, size=0.4 if thin else 0.8, **settings))
    )
    return layers


def _dot_layers(
    grid: GridPlot, mapped: str | None, line: Any, ribbon: Any, pointrange: Any, join_dots: bool
) -> list[Any]:
    g = grammar()
    dodge = g.position_dodge(width=0.2 if mapped else 0.0)
    aes = [g.aes(color=mapped)] if mapped else []
    settings = {} if mapped else {"color": LINE_COLOUR}
    layers = []
    if join_dots:
        layers.append(
            g.geom_line(*aes, position=dodge, **geom_options("line", line, size=0.6, **settings))
        )
    if _has_bounds(grid.data) and ribbon != "none":
        bounds = g.aes(ymin="CI_low", ymax="CI_high", **({"color": mapped} if mapped else {}))
        layers.append(
            g.geom_pointrange(
                bounds, position=dodge, **geom_options("pointrange", pointrange, **settings)
            )
        )
    else:
        layers.append(
            g.geom_point(
                *aes, position=dodge,
                **geom_options("pointrange", pointrange, size=2.0, **settings),
            )
        )  # fmt: skip
    return layers


def _data_layer(result: Any, grid: GridPlot, mapped: str | None, point: Any) -> Any:
    """Return the raw data as points; jittered over the levels of a factor."""
    g = grammar()
    data = raw_data(result, grid)
    aes = {"x": grid.x, "y": "Response"} | ({"color": mapped} if mapped else {})
    settings = geom_options("point", point, alpha=1 / 3, **({} if mapped else {"color": "black"}))
    if grid.is_line:
        return g.geom_point(g.aes(**aes), data=data, inherit_aes=False, **settings)
    place = g.position_jitter(width=0.15, height=0.0, random_state=0)
    return g.geom_point(g.aes(**aes), data=data, inherit_aes=False, position=place, **settings)


def raw_data(result: Any, grid: GridPlot) -> pd.DataFrame:
    """Return the rows of the model's data: the focal variables and the response.

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
    data: dict[str, Any] = {"Response": np.asarray(model.design.y, dtype=np.float64)}
    for variable in grid.focal:
        values, levels = model.design.column_values(variable)
        if levels:
            values = np.array(levels, dtype=object)[values]
        discrete = variable != grid.x or not grid.is_line
        if not discrete:
            data[variable] = np.asarray(values, dtype=np.float64)
        elif levels or not pd.api.types.is_numeric_dtype(grid.data[variable]):
            shown = list(grid.data[variable].cat.categories)
            data[variable] = pd.Categorical([str(v) for v in values], categories=shown)
    return pd.DataFrame(data).dropna()


def _scales_and_panels(grid: GridPlot, mapped: str | None) -> list[Any]:
    g = grammar()
    parts: list[Any] = []
    if mapped:
        n = grid.data[mapped].nunique()
        parts += [g.scale_color_manual(values=colours(n)), g.scale_fill_manual(values=colours(n))]
    if len(grid.focal) == 3:
        parts.append(g.facet_wrap(grid.focal[2]))
    elif len(grid.focal) >= 4:
        parts.append(g.facet_grid(rows=grid.focal[2], cols=grid.focal[3]))
    if grid.value in ("Probability", "Proportion"):
        parts.append(g.scale_y_continuous(labels=percent_labels))
    return parts


def percent_labels(values: Sequence[float]) -> list[str]:
    """Return axis labels in percent, without decimals where none are needed."""
    digits = 0 if all(abs(100 * v - round(100 * v)) < 1e-9 for v in values) else 1
    return [f"{100 * v:.{digits}f}%" for v in values]


def _labels(result: Any, grid: GridPlot) -> Any:
    g = grammar()
    response = str(result.metadata.get("response", ""))
    what = {"Predicted": "Predicted value", "Slope": "Slope"}.get(grid.value, "Mean")
    if grid.value in ("Probability", "Proportion"):
        what = "Probability"
    labels = {"x": grid.x, "y": f"{what} of {response}" if response else what}
    if grid.colour:
        labels |= {"color": grid.colour, "fill": grid.colour}
    return g.labs(**labels)


def _is_mapped(grid: GridPlot, fixed_colour: bool) -> bool:
    """Whether the second variable is shown by colours: not if the user chose one, or too many."""
    if grid.colour is None or fixed_colour:
        return False
    return int(grid.data[grid.colour].nunique()) <= MAX_COLOURS


def _own_colour(given: Any) -> bool:
    return isinstance(given, dict) and bool({"color", "colour"} & set(given))


def _has_bounds(frame: pd.DataFrame) -> bool:
    return "CI_low" in frame and bool(np.isfinite(frame["CI_low"]).any())


def _discrete(values: pd.Series) -> Any:
    """Return a categorical in the table's order; numbers in numeric order, printed short."""
    if pd.api.types.is_numeric_dtype(values):
        known = sorted(set(values))
        return ordered([f"{v:g}" for v in values], [f"{v:g}" for v in known])
    if isinstance(values.dtype, pd.CategoricalDtype):
        present = set(values.astype(str))
        return ordered(values, [c for c in values.cat.categories.astype(str) if c in present])
    return ordered(values)
