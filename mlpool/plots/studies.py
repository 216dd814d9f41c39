"""Studies as pictures: sampling distributions, intervals that hit and miss, p-values, DEFF."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mlpool.errors import OptionError, brief
from mlpool.plots.grammar import MAX_COLOURS, colours, grammar, ordered, theme_mlpool
from mlpool.plots.grids.predictions import percent_labels
from mlpool.teaching.studies import METHODS

if TYPE_CHECKING:
    from plotnine import ggplot

    from mlpool.results import ResultFrame

HIT, MISS = "#999999", "#D55E00"


def plot_sampling(result: ResultFrame, *, bins: int = 60) -> ggplot:
    """Draw a ``sampling_study``: how the means of both kinds of samples scatter about the truth.

    Parameters
    ----------
    result : ResultFrame
    bins : int

    Returns
    -------
    plotnine.ggplot
    """
    g = grammar()
    means = result.metadata["means"]
    data = pd.DataFrame(means).melt(var_name="Design", value_name="Mean")
    data["Design"] = ordered(data["Design"], list(means))
    drawn: ggplot = (
        g.ggplot(data, g.aes("Mean", fill="Design"))
        + g.geom_histogram(bins=bins, alpha=0.6, position="identity")
        + g.geom_vline(xintercept=result.metadata["mean"], linetype="dashed")
        + g.scale_fill_manual(values=["#009E73", "#D55E00"])
        + g.labs(x="Mean of a sample", y="Samples")
        + theme_mlpool()
    )
    return drawn


def plot_coverage(result: ResultFrame, *, n: int = 60) -> ggplot:
    """Draw a ``coverage_study``: intervals that hold the truth, and those that miss it.

    Parameters
    ----------
    result : ResultFrame
    n : int
        Replicates to draw, the first ones.

    Returns
    -------
    plotnine.ggplot
        A panel per method.

    Raises
    ------
    OptionError
        If `n` is no positive number.
    """
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise OptionError(f"n must be a positive number of intervals; got {brief(n)}.")
    g = grammar()
    truth = result.metadata["truth"]
    data = _by_method(result.metadata["intervals"])
    data = data[data["Replicate"] < n]
    hit = (data["CI_low"] <= truth) & (truth <= data["CI_high"])
    data["Interval"] = ordered(np.where(hit, "holds it", "misses it"), ["holds it", "misses it"])
    drawn: ggplot = (
        g.ggplot(data, g.aes("Replicate", color="Interval"))
        + g.geom_hline(yintercept=truth, linetype="dashed", color="#555555")
        + g.geom_linerange(g.aes(ymin="CI_low", ymax="CI_high"))
        + g.facet_wrap("Method", ncol=1)
        + g.scale_color_manual(values=[HIT, MISS], drop=False)
        + g.labs(x="Sample", y=f"Interval of {result.metadata['parameter']}", color="Truth")
        + theme_mlpool()
    )
    return drawn


def plot_type_one(result: ResultFrame, *, bins: int = 20) -> ggplot:
    """Draw a ``type_one_error_study``: p-values, which should be spread evenly from 0 to 1.

    Parameters
    ----------
    result : ResultFrame
    bins : int
        Bins of the histogram; with 20 the first one holds p < .05.

    Returns
    -------
    plotnine.ggplot
        A panel per method; the dashed line is what a correct method gives.
    """
    g = grammar()
    data = _by_method(result.metadata["intervals"]).dropna(subset=["p"])
    expected = data["Replicate"].nunique() / bins
    drawn: ggplot = (
        g.ggplot(data, g.aes("p"))
        + g.geom_histogram(breaks=list(np.linspace(0, 1, bins + 1)), fill=HIT, color="white")
        + g.geom_hline(yintercept=expected, linetype="dashed", color=MISS)
        + g.facet_wrap("Method")
        + g.labs(x="p-value of an effect that is not there", y="Samples")
        + theme_mlpool()
    )
    return drawn


def plot_design_effect(result: ResultFrame) -> ggplot:
    """Draw a ``design_effect_study``: 1 + ICC (n - 1) as lines, what was observed as points.

    Parameters
    ----------
    result : ResultFrame

    Returns
    -------
    plotnine.ggplot
    """
    g = grammar()
    data = result.to_pandas()
    data["ICC"] = ordered([f"{v:g}" for v in data["ICC"]])
    shades = data["ICC"].nunique()
    plot = (
        g.ggplot(data, g.aes("n", color="ICC", group="ICC"))
        + g.geom_line(g.aes(y="DEFF"))
        + g.geom_point(g.aes(y="DEFF_observed"), size=2)
        + g.labs(x="Units per cluster", y="Design effect")
        + theme_mlpool()
    )
    drawn: ggplot = (
        plot + g.scale_color_manual(values=colours(shades)) if shades <= MAX_COLOURS else plot
    )
    return drawn


def plot_power(result: ResultFrame) -> ggplot:
    """Draw a ``simulate_power`` table: power against the number of clusters.

    Parameters
    ----------
    result : ResultFrame

    Returns
    -------
    plotnine.ggplot
        A line per method, a panel per size of the clusters if there are several.
    """
    g = grammar()
    data = result.to_pandas()
    data["Method"] = ordered(data["Method"])
    data["low"] = (data["Power"] - 1.96 * data["MC_SE"]).clip(0, 1)
    data["high"] = (data["Power"] + 1.96 * data["MC_SE"]).clip(0, 1)
    plot = (
        g.ggplot(data, g.aes("Clusters", "Power", color="Method"))
        + g.geom_hline(yintercept=0.8, linetype="dashed", color="grey")
        + g.geom_line()
        + g.geom_pointrange(g.aes(ymin="low", ymax="high"))
        + g.scale_color_manual(values=colours(min(data["Method"].nunique(), MAX_COLOURS)))
        + g.scale_y_continuous(limits=(0, 1), labels=percent_labels)
        + theme_mlpool()
    )
    if data["Rows"].nunique() > 1:
        plot = plot + g.facet_wrap("Rows", labeller="label_both")
    drawn: ggplot = plot
    return drawn


def _by_method(intervals: pd.DataFrame) -> pd.DataFrame:
    """Return the replicates with the methods' own names, in their order."""
    names = list(dict.fromkeys(intervals["Method"]))
    labels = [METHODS[name].label for name in names]
    method = intervals["Method"].map(dict(zip(names, labels, strict=True)))
    return intervals.assign(Method=ordered(method, labels))
