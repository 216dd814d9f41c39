"""Contrasts: a dot and an interval per difference, in panels by the other variables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlpool.plots.grammar import (
    LINE_COLOUR,
    MAX_LABELS,
    geom_options,
    grammar,
    ordered,
    theme_mlpool,
)
from mlpool.tables import own_names

if TYPE_CHECKING:
    from plotnine import ggplot

    from mlpool.keywords import Aesthetics
    from mlpool.results import ResultFrame


def plot_contrasts(result: ResultFrame, *, point: Aesthetics | None = None) -> ggplot:
    """Draw an ``estimate_contrasts`` table.

    Parameters
    ----------
    result : ResultFrame
    point : dict, optional
        Settings of the dots and intervals.

    Returns
    -------
    plotnine.ggplot
    """
    g = grammar()
    frame = result.to_pandas().reset_index(drop=True)
    names = result.metadata.get("names", {})

    def own(name: str) -> str:
        return str(names.get(name, name))

    by = [name for name in result.metadata.get("by", ()) if name in frame]
    kind = str(result.metadata.get("value", "Difference"))
    if own("Contrast") in set(frame) - set(by):
        labels = frame[own("Contrast")].astype(str)
    else:
        sign = " / " if kind == "Ratio" else " - "
        labels = frame[own("Level1")].astype(str) + sign + frame[own("Level2")].astype(str)
    free = own_names(frame.columns, ["Row", *(f"Panel_{i}" for i, _ in enumerate(by))])
    row = free["Row"]
    frame[row] = ordered(labels, list(dict.fromkeys(labels))[::-1])
    panels = []
    for i, name in enumerate(by):
        shown = [f"{v:g}" if isinstance(v, float) else str(v) for v in frame[name]]
        panels.append(free[f"Panel_{i}"])
        frame[panels[-1]] = ordered(f"{name}: {v}" for v in shown)
    settings = geom_options("point", point, color=LINE_COLOUR)
    has_bounds = own("CI_low") in set(frame) - set(by)
    aes = {"ymin": own("CI_low"), "ymax": own("CI_high")} if has_bounds else {}
    layer = g.geom_pointrange if has_bounds else g.geom_point
    plot = g.ggplot(frame, g.aes(row, own(kind), **aes))
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


def _label(result: ResultFrame, kind: str) -> str:
    response = str(result.metadata.get("response", ""))
    trend = result.metadata.get("trend")
    what = f"{kind} of slopes of {trend}" if trend else kind
    if not response:
        return what
    word = "on" if trend else "of" if kind == "Ratio" else "in"
    return f"{what} {word} {response}"
