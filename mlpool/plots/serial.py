"""Pictures of autocorrelations and variograms of residuals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mlpool.plots.grammar import LINE_COLOUR, grammar, theme_mlpool

if TYPE_CHECKING:
    from plotnine import ggplot

    from mlpool.checks.serial import Serial

_QUANTILE = 1.959963984540054
"""Of the normal distribution, for bands of 95 % under no correlation."""


def plot_serial(x: Serial) -> ggplot:
    """Return bars of autocorrelations with their band, or the points of a variogram."""
    g = grammar()
    if "ACF" in x.table:
        frame = x.table.assign(half=_QUANTILE / np.sqrt(x.table["n_used"]))
        bars: ggplot = (
            g.ggplot(frame, g.aes("lag", "ACF"))
            + g.geom_ribbon(g.aes(ymin="-half", ymax="half"), fill=LINE_COLOUR, alpha=0.2)
            + g.geom_segment(g.aes(xend="lag", y=0.0, yend="ACF"), color=LINE_COLOUR)
            + g.geom_point(color=LINE_COLOUR)
            + g.labs(x="Lag", y="Autocorrelation", title=f"Residuals ({x.type})")
            + theme_mlpool()
        )
        return bars
    points: ggplot = (
        g.ggplot(x.table, g.aes("dist", "variog"))
        + g.geom_point(color=LINE_COLOUR)
        + g.geom_line(color=LINE_COLOUR, alpha=0.4)
        + g.scale_y_continuous(limits=(0.0, 1.1 * float(x.table["variog"].max())))
        + g.labs(x="Distance", y="Semivariogram", title=f"Residuals ({x.type})")
        + theme_mlpool()
    )
    return points
