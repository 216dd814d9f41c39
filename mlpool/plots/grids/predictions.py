"""Plots over a grid: relations, means, slopes. The first focal variable is the x axis.

A numeric first variable gives a line with a ribbon, a factor (or a number with few values) dots
with intervals joined by a line. The second variable is the colour, the third and fourth are panels.
What is drawn where is read in ``read_grid.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mlpool.errors import NotSupportedError, OptionError, brief
from mlpool.plots.grammar import (
    LINE_COLOUR,
    MAX_COLOURS,
    MAX_LABELS,
    SHADE,
    colours,
    geom_options,
    grammar,
    theme_mlpool,
)
from mlpool.plots.grids.rawdata import data_layer
from mlpool.plots.grids.read_grid import Discrete, GridPlot, read_grid, smooth
from mlpool.plots.grids.slopes import caterpillar, significance_layers

if TYPE_CHECKING:
    from plotnine import ggplot

    from mlpool.keywords import Aesthetics
    from mlpool.results import ResultFrame

RIBBONS = MAX_COLOURS
"""Bands of more lines than this cover each other: they are drawn only when they are asked for."""

MAX_TICKS = 5
"""Values of x beyond this have ticks at round numbers instead of their own."""


def plot_grid(
    result: ResultFrame,
    *,
    line: Aesthetics | None = None,
    ribbon: Aesthetics | str | None = None,
    point: Aesthetics | None = None,
    pointrange: Aesthetics | None = None,
    show_data: bool = False,
    join_dots: bool = True,
    numeric_as_discrete: Discrete = None,
) -> ggplot:
    """Draw an ``estimate_relation``, ``estimate_means`` or ``estimate_slopes`` table.

    Parameters
    ----------
    result : ResultFrame
    line, point, pointrange : dict, optional
        Settings of the lines, of raw data points, and of dots with intervals: ``color``,
        ``alpha``, ``size`` (or ``linewidth``), ``linetype`` ...
    ribbon : dict or "none", optional
        Settings of the confidence band; ``"none"`` leaves it out. By default up to ten lines have
        one; a dict, also an empty one, gives it to any number.
    show_data : bool
        Draw the data behind the lines. Data of a number in colours or panels stand with the value
        drawn that is nearest.
    join_dots : bool
        Join the dots of neighbouring levels by a line.
    numeric_as_discrete : bool or int, optional
        How a number on the x axis is drawn: True: as labels at equal distances; False: as a line;
        a number: as labels if it has fewer values. Default: fewer than eight values are dots at
        their own places.

    Returns
    -------
    plotnine.ggplot
        Lines that bend (of logistic models, polynomials, splines) are estimated at 50 points of x
        where the table has ten.

    Raises
    ------
    OptionError
        For settings that do not exist.
    NotSupportedError
        If the data cannot be shown on the table's scale.
    """
    if isinstance(ribbon, str) and ribbon != "none":
        raise OptionError(f"ribbon must be a dict or 'none'; got {brief(ribbon)}.")
    result = smooth(result)
    grid = read_grid(result, numeric_as_discrete)
    if show_data and grid.kind in ("Slope", "Difference"):
        raise NotSupportedError(
            "show_data needs predictions: the axis of this plot is of slopes, which data have not."
        )
    fixed_colour = _own_colour(line) or _own_colour(pointrange)
    mapped = grid.colour if _is_mapped(grid, fixed_colour) else None
    is_many = not grid.is_numeric and len(grid.focal) == 1 and len(grid.data) > MAX_LABELS
    if is_many:
        return caterpillar(result, grid, line=line, point=pointrange)
    g = grammar()
    plot = g.ggplot(grid.data, g.aes(x=grid.x, y=grid.value, group=grid.series))
    if show_data:
        plot = plot + data_layer(result, grid, mapped, point)
    if grid.kind == "Slope":
        plot = plot + g.geom_hline(yintercept=0.0, linetype="dashed", color="grey")
    draw = _line_layers if grid.is_line else _dot_layers
    alone = grid.is_line and len(grid.focal) == 1
    if grid.kind == "Slope" and alone and wants_ribbon(grid, ribbon):
        draw = significance_layers
    for layer in draw(grid, mapped, line, ribbon, pointrange, join_dots):
        plot = plot + layer
    for part in _scales_and_panels(grid, mapped):
        plot = plot + part
    drawn: ggplot = plot + _labels(result, grid) + theme_mlpool()
    return drawn


def draw_lines(
    grid: GridPlot,
    mapped: str | None,
    line: Aesthetics | None,
    ribbon: Aesthetics | str | None,
) -> list[Any]:
    """Return the layers of lines with their bands.

    Parameters
    ----------
    grid : GridPlot
    mapped : str or None
        The column shown by colour.
    line, ribbon
        As in :func:`plot_grid`.
    """
    g = grammar()
    layers = []
    if wants_ribbon(grid, ribbon):
        shown = {} if mapped else {"fill": LINE_COLOUR}
        aes = g.aes(ymin=grid.low, ymax=grid.high, **({"fill": mapped} if mapped else {}))
        layers.append(g.geom_ribbon(aes, **geom_options("ribbon", ribbon, alpha=1 / 3, **shown)))
    settings: dict[str, object] = {} if mapped else {"color": LINE_COLOUR}
    thin = grid.n_series > MAX_COLOURS
    settings |= {"alpha": 0.3} if thin else {}
    aes = [g.aes(color=mapped)] if mapped else []
    layers.append(
        g.geom_line(*aes, **geom_options("line", line, size=0.4 if thin else 0.8, **settings))
    )
    return layers


def _line_layers(
    grid: GridPlot,
    mapped: str | None,
    line: Aesthetics | None,
    ribbon: Aesthetics | str | None,
    pointrange: Aesthetics | None,
    join_dots: bool,
) -> list[Any]:
    del pointrange, join_dots  # of dots
    return draw_lines(grid, mapped, line, ribbon)


def _dot_layers(
    grid: GridPlot,
    mapped: str | None,
    line: Aesthetics | None,
    ribbon: Aesthetics | str | None,
    pointrange: Aesthetics | None,
    join_dots: bool,
) -> list[Any]:
    g = grammar()
    dodge = g.position_dodge(width=0.2 * gap(grid) if mapped else 0.0)
    aes = [g.aes(color=mapped)] if mapped else []
    settings = {} if mapped else {"color": LINE_COLOUR}
    layers = []
    if join_dots:
        layers.append(
            g.geom_line(*aes, position=dodge, **geom_options("line", line, size=0.6, **settings))
        )
    if has_bounds(grid) and ribbon != "none":
        bounds = g.aes(ymin=grid.low, ymax=grid.high, **({"color": mapped} if mapped else {}))
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


def gap(grid: GridPlot) -> float:
    """Return the distance of neighbours on the x axis: one of labels."""
    if not grid.is_numeric:
        return 1.0
    places = np.unique(grid.data[grid.x].to_numpy(dtype=np.float64))
    return float(np.diff(places).min()) if len(places) > 1 else 1.0


def _scales_and_panels(grid: GridPlot, mapped: str | None) -> list[Any]:
    g = grammar()
    parts: list[object] = []
    if mapped and grid.has_shades:
        parts += [g.scale_color_gradient(*SHADE), g.scale_fill_gradient(*SHADE)]
    elif mapped:
        n = grid.data[mapped].nunique()
        parts += [g.scale_color_manual(values=colours(n)), g.scale_fill_manual(values=colours(n))]
    if len(grid.panels) == 1:
        parts.append(g.facet_wrap(grid.panels[0]))
    elif grid.panels:
        parts.append(g.facet_grid(rows=grid.panels[0], cols=grid.panels[1]))
    if grid.kind in ("Probability", "Proportion"):
        parts.append(g.scale_y_continuous(labels=percent_labels))
    if grid.is_numeric and not grid.is_line:
        places = np.unique(grid.data[grid.x].to_numpy(dtype=np.float64)).tolist()
        if len(places) <= MAX_TICKS and not grid.panels:
            parts.append(g.scale_x_continuous(breaks=places, labels=[f"{v:g}" for v in places]))
    return parts


def percent_labels(values: Sequence[float]) -> list[str]:
    """Return axis labels in percent, without decimals where none are needed."""
    # percent that are whole but for rounding
    digits = 0 if all(abs(100 * v - round(100 * v)) < 1e-9 for v in values) else 1
    return [f"{100 * v:.{digits}f}%" for v in values]


def _labels(result: ResultFrame, grid: GridPlot) -> Any:
    g = grammar()
    response = _outcome(str(result.metadata.get("response", "")))
    trend = str(result.metadata.get("trend") or "")
    of = response
    what = {"Predicted": "Predicted value", "Slope": "Slope"}.get(grid.kind, "Mean")
    if grid.kind == "Slope" and trend:
        of = f"{trend} on {response}" if response else trend
    if grid.kind in ("Probability", "Proportion"):
        what = "Probability"
    labels = {"x": grid.x, "y": f"{what} of {of}" if of else what}
    if grid.colour:
        labels |= {"color": grid.colour, "fill": grid.colour}
    return g.labs(**labels)


def _outcome(response: str) -> str:
    """Return what an axis calls a response: of ``cbind(successes, failures)`` the first."""
    if not response.startswith("cbind("):
        return response
    return response.removeprefix("cbind(").partition(",")[0].strip()


def _is_mapped(grid: GridPlot, fixed_colour: bool) -> bool:
    """Whether the second variable is shown by colours: not if the user chose one, or too many."""
    if grid.colour is None or fixed_colour:
        return False
    return grid.has_shades or int(grid.data[grid.colour].nunique()) <= MAX_COLOURS


def _own_colour(given: object) -> bool:
    return isinstance(given, dict) and bool({"color", "colour"} & set(given))


def wants_ribbon(grid: GridPlot, ribbon: Aesthetics | str | None) -> bool:
    """Whether bands are drawn: those asked for, else those of lines that are told apart."""
    if ribbon == "none" or not has_bounds(grid):
        return False
    return ribbon is not None or (grid.n_series <= RIBBONS and not grid.has_shades)


def has_bounds(grid: GridPlot) -> bool:
    """Whether there are intervals to draw."""
    return grid.low in grid.data and bool(np.isfinite(grid.data[grid.low]).any())
