"""Pictures of profiles of the likelihood, by one and by two, and of bootstrap draws."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from mlpool.plots.grammar import LINE_COLOUR, grammar, ordered, theme_mlpool

if TYPE_CHECKING:
    from plotnine import ggplot

_HEIGHT, _WIDTH = 2.4, 3.0
"""Inches of one panel."""
_WIDEST = 4
"""Panels beside each other, at most."""
BINS = 30
_PAIR = 1.5
"""Inches of a panel of two parameters."""


def plot_curves(
    lines: pd.DataFrame,
    marks: pd.DataFrame,
    names: list[str],
    *,
    label: str,
    level: float,
    kind: str,
) -> ggplot:
    """Draw a curve per parameter with its estimate and interval.

    Parameters
    ----------
    lines, marks : DataFrame
        Parameter, x, y: the curve; the interval's ends and the estimate.
    names : list of str
        Panels in this order.
    label : str
        Of the vertical axis.
    level : float
    kind : {"zeta", "density"}
    """
    g = grammar()
    lines, marks = lines.copy(), marks.copy()
    lines["Parameter"] = ordered(lines["Parameter"], names)
    marks["Parameter"] = ordered(marks["Parameter"], names)
    picture = (
        g.ggplot(lines, g.aes("x", "y"))
        + g.geom_hline(yintercept=0.0, color="grey", size=0.4)
        + g.geom_segment(
            marks, g.aes(x="x", xend="x", y="y"), yend=0.0, color="grey", linetype="dashed"
        )
        + g.geom_line(color=LINE_COLOUR, size=0.9)
        + g.geom_point(marks, color=LINE_COLOUR, size=1.8)
        + g.labs(x="", y=label, caption=f"Dashed: estimate and {100 * level:g} % interval")
    )
    drawn: ggplot = picture + _panels(g, len(names))
    return drawn


def plot_pairs(lines: pd.DataFrame, names: list[str], estimate: pd.Series) -> ggplot:
    """Draw contours of pairs of parameters, a triangle of panels.

    Parameters
    ----------
    lines : DataFrame
        First (x axis), Second (y axis), Confidence, x, y.
    names : list of str
        Rows and columns in this order.
    estimate : Series
        By parameter: a dot in every panel.
    """
    g = grammar()
    lines = lines.copy()
    pairs = lines[["First", "Second"]].drop_duplicates()
    dots = pairs.assign(
        x=estimate.loc[pairs["First"]].to_numpy(), y=estimate.loc[pairs["Second"]].to_numpy()
    )
    for frame in (lines, dots):
        frame["First"] = ordered(frame["First"], names[:-1])
        frame["Second"] = ordered(frame["Second"], names[1:])
    shares = ", ".join(f"{100 * v:g}" for v in sorted(set(lines["Confidence"])))
    side = max(4.0, _PAIR * (len(names) - 1))
    drawn: ggplot = (
        g.ggplot(lines, g.aes("x", "y"))
        + g.geom_path(g.aes(group="Confidence"), color=LINE_COLOUR, size=0.5)
        + g.geom_point(dots, color=LINE_COLOUR, size=1.2)
        + g.facet_grid(rows="Second", cols="First", scales="free")
        + g.labs(x="", y="", caption=f"Contours: {shares} % confidence of two parameters")
        + theme_mlpool()
        + g.theme(figure_size=(side, side), axis_text=g.element_text(size=7))
    )
    return drawn


def plot_draws(
    draws: pd.DataFrame,
    estimate: pd.Series,
    bounds: pd.DataFrame,
    *,
    kind: str,
    level: float,
) -> ggplot:
    """Draw the distribution of every parameter's draws, its interval shaded below.

    Parameters
    ----------
    draws : DataFrame
        Parameter, x.
    estimate : Series
        By parameter.
    bounds : DataFrame
        Lower and upper bound by parameter.
    kind : {"histogram", "density"}
    level : float
    """
    g = grammar()
    names = list(bounds.index)
    draws = draws.assign(Parameter=ordered(draws["Parameter"], names))
    ends = pd.DataFrame({
        "Parameter": ordered(names, names), "low": bounds.iloc[:, 0].to_numpy(),
        "high": bounds.iloc[:, 1].to_numpy(), "estimate": estimate.loc[names].to_numpy(),
    })  # fmt: skip
    both = ends.melt("Parameter", ["low", "high"], value_name="x").dropna()
    layer = (
        g.geom_histogram(bins=BINS, fill=LINE_COLOUR, alpha=0.5)
        if kind == "histogram"
        else g.geom_density(fill=LINE_COLOUR, color=LINE_COLOUR, alpha=0.35)
    )
    picture = (
        g.ggplot(draws, g.aes("x"))
        + layer
        + g.geom_segment(
            ends.dropna(), g.aes(x="low", xend="high"), y=0.0, yend=0.0, size=2.0, color="#D55E00"
        )
        + g.geom_vline(both, g.aes(xintercept="x"), linetype="dashed", color="#D55E00")
        + g.geom_vline(ends, g.aes(xintercept="estimate"), color="black", size=0.5)
        + g.labs(
            x="", y="replicates" if kind == "histogram" else "density",
            caption=f"Black: estimate of the model; dashed: {100 * level:g} % interval",
        )
    )  # fmt: skip
    drawn: ggplot = picture + _panels(g, len(names))
    return drawn


def _panels(g: Any, n: int) -> list[Any]:
    """Return facets with scales of their own, in a figure of a size to match."""
    rows_wanted = -(-n // _WIDEST)
    columns = -(-n // max(rows_wanted, 1))
    rows = -(-n // max(columns, 1))
    size = (_WIDTH * max(columns, 1), _HEIGHT * rows + 0.4)
    return [
        g.facet_wrap("Parameter", scales="free", ncol=columns),
        theme_mlpool(),
        g.theme(figure_size=size),
    ]
