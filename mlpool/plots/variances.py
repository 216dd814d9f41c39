"""Pictures of variance components: SDs and correlations, ICCs by group, intervals of confint."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mlpool.plots.grammar import LINE_COLOUR, grammar, ordered, theme_mlpool

if TYPE_CHECKING:
    from plotnine import ggplot

    from mlpool.models.extractors.random_effects import VarCorr
    from mlpool.results import ResultFrame

_ROW = 0.55
"""Inches of one interval."""


def plot_varcorr(components: VarCorr) -> ggplot:
    """Draw ``VarCorr(m)``: standard deviations from zero, correlations from -1 to 1.

    Parameters
    ----------
    components : VarCorr

    Returns
    -------
    plotnine.ggplot
    """
    g = grammar()
    frame = components.to_frame()
    is_sd = frame["var2"].isna()
    sd, cor = "Standard deviation", "Correlation"
    first = frame["grp"].where(frame["var1"].isna(), frame["grp"] + ": " + frame["var1"].fillna(""))
    label = first.where(is_sd, first + ", " + frame["var2"].fillna(""))
    frame = frame.assign(
        Label=ordered(label, list(dict.fromkeys(label))[::-1]),
        Kind=ordered(np.where(is_sd, sd, cor), [sd, cor]),
        Start=0.0,
    )
    plot = (
        g.ggplot(frame, g.aes("Label", "sdcor"))
        + g.geom_hline(yintercept=0.0, color="grey")
        + g.geom_segment(g.aes(xend="Label", y="Start", yend="sdcor"), color=LINE_COLOUR, size=1.2)
        + g.geom_point(color=LINE_COLOUR, size=2.5)
        + g.coord_flip()
        + g.labs(x="", y="")
        + theme_mlpool()
    )
    if not is_sd.all():
        ends = frame[~is_sd].iloc[:1]
        ends = pd.concat([ends.assign(sdcor=end) for end in (-1.0, 1.0)])
        # the panel of correlations shows all of their range
        plot = plot + g.geom_blank(data=ends) + g.facet_wrap("Kind", ncol=1, scales="free")
    else:
        plot = plot + g.labs(y=sd)
    drawn: ggplot = plot
    return drawn


def plot_icc_by_group(result: ResultFrame) -> ggplot:
    """Draw ``icc(m, by_group=True)``: each factor's share of the variance.

    Parameters
    ----------
    result : ResultFrame

    Returns
    -------
    plotnine.ggplot
    """
    g = grammar()
    frame = result.to_pandas()
    frame = frame.assign(Group=ordered(frame["Group"], list(frame["Group"])[::-1]))
    drawn: ggplot = (
        g.ggplot(frame, g.aes("Group", "ICC"))
        + g.geom_col(fill=LINE_COLOUR, width=0.6)
        + g.scale_y_continuous(limits=(0.0, 1.0))
        + g.coord_flip()
        + g.labs(x="", y="Share of the variance (ICC)")
        + theme_mlpool()
    )
    return drawn


def is_intervals(x: object) -> bool:
    """Whether x is what :func:`mlpool.confint` returns: columns ``2.5 %`` and ``97.5 %``."""
    return (
        isinstance(x, pd.DataFrame)
        and x.shape[1] == 2
        and all(isinstance(name, str) and name.endswith(" %") for name in x.columns)
    )


def plot_intervals(bounds: pd.DataFrame) -> ggplot:
    """Draw ``confint(m)``: an interval per parameter, each on a scale of its own.

    Parameters
    ----------
    bounds : DataFrame
        Its ``attrs["estimate"]`` has the estimates, where it has any.

    Returns
    -------
    plotnine.ggplot
        Dashed at zero in the panels of coefficients whose interval includes it.
    """
    g = grammar()
    estimate = bounds.attrs.get("estimate", {})
    names = [str(name) for name in bounds.index]
    frame = pd.DataFrame({
        "Parameter": ordered(names, names), "Row": "",
        "low": bounds.iloc[:, 0].to_numpy(dtype=np.float64),
        "high": bounds.iloc[:, 1].to_numpy(dtype=np.float64),
        "estimate": [float(estimate.get(name, np.nan)) for name in bounds.index],
    })  # fmt: skip
    finite = np.isfinite(frame["low"]) & np.isfinite(frame["high"])
    frame = frame[finite | np.isfinite(frame["estimate"])]
    crossing = frame[(frame["low"] < 0) & (frame["high"] > 0)]
    level = f"{bounds.columns[0]} to {bounds.columns[1]}"
    drawn: ggplot = (
        g.ggplot(frame, g.aes("Row"))
        + g.geom_hline(g.aes(yintercept=0.0), crossing, linetype="dashed", color="grey")
        + g.geom_linerange(
            g.aes(ymin="low", ymax="high"), frame[finite], color=LINE_COLOUR, size=1.0
        )
        + g.geom_point(
            g.aes(y="estimate"), frame.dropna(subset=["estimate"]), color=LINE_COLOUR, size=2.2
        )
        + g.facet_wrap("Parameter", ncol=1, scales="free")
        + g.coord_flip()
        + g.labs(x="", y=level)
        + theme_mlpool()
        + g.theme(
            figure_size=(5.5, max(2.0, _ROW * len(frame) * 1.8)),
            panel_grid_major_y=g.element_blank(),
        )
    )
    return drawn
