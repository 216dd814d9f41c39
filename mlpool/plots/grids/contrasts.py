"""Contrasts: a dot and an interval per difference, or a line with a band along a number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

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
from mlpool.plots.grids.predictions import draw_lines, wants_ribbon
from mlpool.plots.grids.read_grid import Discrete, GridPlot, arrange, panel_labels, read_discrete
from mlpool.plots.grids.slopes import significance_layers
from mlpool.tables import own_names

if TYPE_CHECKING:
    from plotnine import ggplot

    from mlpool.estimates.grids.grid_language import Focal
    from mlpool.keywords import Aesthetics
    from mlpool.results import ResultFrame


def plot_contrasts(
    result: ResultFrame,
    *,
    point: Aesthetics | None = None,
    line: Aesthetics | None = None,
    ribbon: Aesthetics | str | None = None,
    numeric_as_discrete: Discrete = None,
) -> ggplot:
    """Draw an ``estimate_contrasts`` table.

    Contrasts by a number are lines along it, each with its band; of one contrast alone the band
    tells where its interval excludes zero. Other contrasts are dots with intervals.

    Parameters
    ----------
    result : ResultFrame
    point : dict, optional
        Settings of the dots and intervals.
    line, ribbon, numeric_as_discrete
        As in :func:`mlpool.plots.grids.predictions.plot_grid`.

    Returns
    -------
    plotnine.ggplot
    """
    frame = result.to_pandas().reset_index(drop=True)
    by = [name for name in result.metadata.get("by", ()) if name in frame]
    if by and read_discrete(numeric_as_discrete, frame[by[0]])[0]:
        return _along_a_number(result, frame, by, line, ribbon)
    return _dots(result, frame, by, point)


def _compared(result: ResultFrame, frame: pd.DataFrame, by: list[str]) -> pd.Series:
    """Return what every row compares: ``B - A``."""
    names = result.metadata.get("names", {})
    own = {name: str(names.get(name, name)) for name in ("Contrast", "Level1", "Level2")}
    if own["Contrast"] in set(frame) - set(by):
        return frame[own["Contrast"]].astype(str)
    sign = " / " if _kind(result) == "Ratio" else " - "
    return frame[own["Level1"]].astype(str) + sign + frame[own["Level2"]].astype(str)


def _kind(result: ResultFrame) -> str:
    return str(result.metadata.get("value", "Difference"))


def _along_a_number(
    result: ResultFrame,
    frame: pd.DataFrame,
    by: list[str],
    line: Aesthetics | None,
    ribbon: Aesthetics | str | None,
) -> ggplot:
    """Draw a line per contrast over the first variable of `by`, the others in panels."""
    g = grammar()
    column = own_names(frame.columns, ["Contrast"])["Contrast"]
    frame[column] = _compared(result, frame, by)
    n = frame[column].nunique()
    grid = arrange(
        frame, (by[0], column, *by[1:]), _kind(result), result, numeric_as_discrete=False
    )
    nothing = 1.0 if grid.kind == "Ratio" else 0.0
    plot = g.ggplot(grid.data, g.aes(x=grid.x, y=grid.value, group=grid.series))
    plot = plot + g.geom_hline(yintercept=nothing, linetype="dashed", color="grey")
    for layer in _line_layers(grid, line, ribbon, n):
        plot = plot + layer
    if grid.kind == "Ratio":
        plot = plot + g.scale_y_log10()
    if grid.panels:
        plot = plot + g.facet_wrap(list(grid.panels))
    labels = {"x": grid.x, "y": _label(result, grid.kind)}
    labels |= {"color": "Contrast", "fill": "Contrast"} if n > 1 else {}
    drawn: ggplot = plot + g.labs(**labels) + theme_mlpool()
    return drawn


def _line_layers(
    grid: GridPlot, line: Aesthetics | None, ribbon: Aesthetics | str | None, n: int
) -> list[Any]:
    """Return lines with bands: by contrast, or by significance where one line stands alone."""
    g = grammar()
    if n == 1 and not grid.panels and grid.kind != "Ratio" and wants_ribbon(grid, ribbon):
        return significance_layers(grid, None, line, ribbon, None, True)
    mapped = grid.colour if 1 < n <= MAX_COLOURS else None
    layers = draw_lines(grid, mapped, line, ribbon)
    if mapped:
        shades = colours(n)
        layers += [g.scale_color_manual(values=shades), g.scale_fill_manual(values=shades)]
    return layers


def _dots(
    result: ResultFrame, frame: pd.DataFrame, by: list[str], point: Aesthetics | None
) -> ggplot:
    g = grammar()
    names = result.metadata.get("names", {})
    kind = _kind(result)
    labels = _compared(result, frame, by)
    free = own_names(frame.columns, ["Row", *(f"Panel_{i}" for i, _ in enumerate(by))])
    row = free["Row"]
    frame[row] = ordered(labels, list(dict.fromkeys(labels))[::-1])
    panels = []
    words = {f.name: dict(zip(f.values, f.words, strict=False)) for f in _focal(result)}
    for i, name in enumerate(by):
        shown = [f"{v:g}" if isinstance(v, float) else str(v) for v in frame[name]]
        called = words.get(name, {})
        shown = [called.get(v, text) for v, text in zip(frame[name], shown, strict=True)]
        panels.append(free[f"Panel_{i}"])
        frame[panels[-1]] = panel_labels(pd.Series(ordered(shown)), name)
    settings = geom_options("point", point, color=LINE_COLOUR)
    low, high = (str(names.get(name, name)) for name in ("CI_low", "CI_high"))
    has_bounds = low in set(frame) - set(by)
    aes = {"ymin": low, "ymax": high} if has_bounds else {}
    layer = g.geom_pointrange if has_bounds else g.geom_point
    plot = g.ggplot(frame, g.aes(row, str(names.get(kind, kind)), **aes))
    nothing = 1.0 if kind == "Ratio" else 0.0
    plot = plot + g.geom_hline(yintercept=nothing, linetype="dashed", color="grey")
    plot = plot + layer(**settings) + g.coord_flip()
    if kind == "Ratio":
        plot = plot + g.scale_y_log10()
    if panels:
        plot = plot + g.facet_wrap(panels)
    plot = plot + g.labs(x="", y=_label(result, kind))
    plot = plot + theme_mlpool()
    if frame[row].nunique() > MAX_LABELS:
        plot = plot + g.theme(axis_text_y=g.element_blank(), panel_grid_major_y=g.element_blank())
    drawn: ggplot = plot
    return drawn


def _focal(result: ResultFrame) -> tuple[Focal, ...]:
    return tuple(result.metadata.get("focal", ()))


def _label(result: ResultFrame, kind: str) -> str:
    response = str(result.metadata.get("response", ""))
    trend = result.metadata.get("trend")
    what = f"{kind} of slopes of {trend}" if trend else kind
    if not response:
        return what
    word = "on" if trend else "of" if kind == "Ratio" else "in"
    return f"{what} {word} {response}"
