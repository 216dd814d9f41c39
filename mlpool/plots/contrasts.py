"""Contrasts: a dot and an interval per difference, in panels by the other variables."""

from __future__ import annotations

from typing import Any

from mlpool.plots.grammar import (
    LINE_COLOUR,
    MAX_LABELS,
    geom_options,
    grammar,
    ordered,
    theme_mlpool,
)


def plot_contrasts(result: Any, *, point: dict[str, Any] | None = None) -> Any:
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
    if "Contrast" in frame:
        labels = frame["Contrast"].astype(str)
    else:
        labels = frame["Level1"].astype(str) + " - " + frame["Level2"].astype(str)
    frame["Row"] = ordered(labels, list(dict.fromkeys(labels))[::-1])
    by = [name for name in result.metadata.get("by", ()) if name in frame]
    settings = geom_options("point", point, color=LINE_COLOUR)
    has_bounds = "CI_low" in frame
    aes = {"ymin": "CI_low", "ymax": "CI_high"} if has_bounds else {}
    layer = g.geom_pointrange if has_bounds else g.geom_point
    plot = g.ggplot(frame, g.aes("Row", "Difference", **aes))
    plot = plot + g.geom_hline(yintercept=0.0, linetype="dashed", color="grey")
    plot = plot + layer(**settings) + g.coord_flip()
    if by:
        for name in by:
            frame[name] = ordered(f"{v:g}" if isinstance(v, float) else v for v in frame[name])
        plot = plot + g.facet_wrap(by, labeller="label_both")
    response = str(result.metadata.get("response", ""))
    plot = plot + g.labs(x="", y=f"Difference in {response}" if response else "Difference")
    plot = plot + theme_mlpool()
    if frame["Row"].nunique() > MAX_LABELS:
        plot = plot + g.theme(axis_text_y=g.element_blank(), panel_grid_major_y=g.element_blank())
    return plot
