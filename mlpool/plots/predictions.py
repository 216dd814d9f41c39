"""Plots over a grid: relations, means, slopes. The first focal variable is the x axis.

A numeric first variable gives a line with a ribbon, a factor (or a number with few values) dots
with intervals joined by a line. The second variable is the colour, the third and fourth are panels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mlpool.errors import NotSupportedError, OptionError, brief
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
from mlpool.plots.rawdata import data_layer
from mlpool.plots.slopes import caterpillar, significance_layers
from mlpool.tables import own_names

if TYPE_CHECKING:
    from plotnine import ggplot

    from mlpool.keywords import Aesthetics
    from mlpool.results import ResultFrame

FEW = 8
"""Numeric variables with fewer distinct values are drawn as labels."""

VALUES = ("Predicted", "Mean", "Probability", "Proportion", "Rate", "Slope", "Difference")
"""Names that the estimate's column may have."""

Discrete = bool | int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GridPlot:
    """What is drawn where.

    Attributes
    ----------
    data : DataFrame
        The result's rows; discrete variables are categoricals.
    kind : str
        What is estimated: ``Mean``, ``Slope`` ...
    value, low, high, series : str
        The columns of the estimates, of their bounds, and the one that tells lines apart.
    focal : tuple of str
        Variables in order: x, colour, panels.
    panels : tuple of str
        The columns of the panels' variables, copies with names that plotnine does not read.
    is_line : bool
        Whether x is numeric with many values.
    """

    data: pd.DataFrame
    kind: str
    value: str
    low: str
    high: str
    series: str
    focal: tuple[str, ...]
    panels: tuple[str, ...]
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
        return int(self.data[self.series].nunique())

    @property
    def is_numeric(self) -> bool:
        """Whether x is a place on a line."""
        return bool(pd.api.types.is_numeric_dtype(self.data[self.x]))


def read_grid(result: ResultFrame, numeric_as_discrete: Discrete = None) -> GridPlot:
    """Return the rows of an ``estimate_*`` table as a plot sees them.

    Raises
    ------
    NotSupportedError
        If the table has no focal variable to put on the x axis.
    """
    frame = result.to_pandas().reset_index(drop=True)
    names = result.metadata.get("names", {})
    focal = tuple(str(v) for v in result.metadata.get("by", ()) if str(v) in frame)
    own = [name for name in VALUES if names.get(name, name) in set(frame) - set(focal)]
    if not own or not focal:
        raise NotSupportedError(
            "This table has one number and nothing to draw it over; estimate it with by=."
        )
    few = frame[focal[0]].nunique() < FEW
    is_line = pd.api.types.is_numeric_dtype(frame[focal[0]]) and not few
    is_line, as_labels = _read_discrete(numeric_as_discrete, frame[focal[0]], is_line)
    for name in focal[0 if as_labels else 1 :]:
        frame[name] = _discrete(frame[name])
    others = list(focal[1:])
    extra = own_names(frame.columns, ["Series", *(f"Panel_{i}" for i in range(1, len(focal)))])
    frame[extra["Series"]] = (
        frame[others].astype(str).agg("\u241f".join, axis=1) if others else "all"
    )
    panels = tuple(extra[f"Panel_{i}"] for i in range(1, len(focal) - 1))
    for panel, name in zip(panels, focal[2:], strict=True):
        frame[panel] = frame[name]
    return GridPlot(
        data=frame, kind=own[0], value=names.get(own[0], own[0]), focal=focal, panels=panels,
        low=names.get("CI_low", "CI_low"), high=names.get("CI_high", "CI_high"),
        series=extra["Series"], is_line=is_line,
    )  # fmt: skip


def _read_discrete(given: Discrete, x: pd.Series, is_line: bool) -> tuple[bool, bool]:
    """Return whether x is drawn as a line, and whether its values are labels.

    Raises
    ------
    OptionError
        If `numeric_as_discrete` is neither a number nor True, False or None.
    """
    is_numeric = pd.api.types.is_numeric_dtype(x)
    if given is None:
        return is_line, not is_numeric
    if not isinstance(given, int):
        raise OptionError(
            "numeric_as_discrete must be True, False or a number of values below which numbers "
            f"are labels; got {brief(given)}."
        )
    if isinstance(given, bool):
        return is_numeric and not given, given or not is_numeric
    few = x.nunique() < given
    return is_numeric and not few, few or not is_numeric


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
        Settings of the confidence band; ``"none"`` leaves it out.
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

    Raises
    ------
    OptionError
        For settings that do not exist.
    NotSupportedError
        If the data cannot be shown on the table's scale.
    """
    if isinstance(ribbon, str) and ribbon != "none":
        raise OptionError(f"ribbon must be a dict or 'none'; got {brief(ribbon)}.")
    g = grammar()
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
    plot = g.ggplot(grid.data, g.aes(x=grid.x, y=grid.value, group=grid.series))
    if show_data:
        plot = plot + data_layer(result, grid, mapped, point)
    if grid.kind == "Slope":
        plot = plot + g.geom_hline(yintercept=0.0, linetype="dashed", color="grey")
    draw = _line_layers if grid.is_line else _dot_layers
    if grid.kind == "Slope" and grid.is_line and len(grid.focal) == 1 and ribbon != "none":
        draw = significance_layers
    for layer in draw(grid, mapped, line, ribbon, pointrange, join_dots):
        plot = plot + layer
    for part in _scales_and_panels(grid, mapped):
        plot = plot + part
    drawn: ggplot = plot + _labels(result, grid) + theme_mlpool()
    return drawn


def _line_layers(
    grid: GridPlot,
    mapped: str | None,
    line: Aesthetics | None,
    ribbon: Aesthetics | str | None,
    pointrange: Aesthetics | None,
    join_dots: bool,
) -> list[Any]:
    g = grammar()
    layers = []
    if ribbon != "none" and has_bounds(grid):
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
    if mapped:
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
        parts.append(g.scale_x_continuous(breaks=places, labels=[f"{v:g}" for v in places]))
    return parts


def percent_labels(values: Sequence[float]) -> list[str]:
    """Return axis labels in percent, without decimals where none are needed."""
    # percent that are whole but for rounding
    digits = 0 if all(abs(100 * v - round(100 * v)) < 1e-9 for v in values) else 1
    return [f"{100 * v:.{digits}f}%" for v in values]


def _labels(result: ResultFrame, grid: GridPlot) -> Any:
    g = grammar()
    response = str(result.metadata.get("response", ""))
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


def _is_mapped(grid: GridPlot, fixed_colour: bool) -> bool:
    """Whether the second variable is shown by colours: not if the user chose one, or too many."""
    if grid.colour is None or fixed_colour:
        return False
    return int(grid.data[grid.colour].nunique()) <= MAX_COLOURS


def _own_colour(given: object) -> bool:
    return isinstance(given, dict) and bool({"color", "colour"} & set(given))


def has_bounds(grid: GridPlot) -> bool:
    """Whether there are intervals to draw."""
    return grid.low in grid.data and bool(np.isfinite(grid.data[grid.low]).any())


def _discrete(values: pd.Series) -> Any:
    """Return a categorical in the table's order; numbers in numeric order, printed short."""
    if pd.api.types.is_numeric_dtype(values):
        known = sorted(set(values))
        return ordered([f"{v:g}" for v in values], [f"{v:g}" for v in known])
    if isinstance(values.dtype, pd.CategoricalDtype):
        present = set(values.astype(str))
        return ordered(values, [c for c in values.cat.categories.astype(str) if c in present])
    return ordered(values)
