"""How models compare on every index, and how far groups' own estimates are trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mlpool.errors import NotSupportedError
from mlpool.plots.grammar import (
    LINE_COLOUR,
    MAX_COLOURS,
    colours,
    grammar,
    ordered,
    theme_mlpool,
    whole_breaks,
)

if TYPE_CHECKING:
    from plotnine import ggplot

    from mlpool.results import ResultFrame

SMALLER_IS_BETTER = ("AIC", "AICc", "BIC", "RMSE", "Sigma", "Log_loss", "deviance")
"""Indices that are turned round, so that the outside of the picture is the better side."""

_NOT_INDICES = ("Name", "Model", "Performance_Score", "AIC_wt", "AICc_wt", "BIC_wt")


def plot_performance(result: ResultFrame) -> ggplot:
    """Draw `compare_performance`: every index from the worst (0) to the best (1) model.

    Parameters
    ----------
    result : ResultFrame

    Returns
    -------
    plotnine.ggplot

    Raises
    ------
    NotSupportedError
        If no index differs between the models.
    """
    g = grammar()
    frame = _scaled(result.to_pandas())
    if frame.empty:
        raise NotSupportedError("No index differs between these models: there is nothing to draw.")
    n = frame["Name"].nunique()
    plot = (
        g.ggplot(frame, g.aes("Index", "Score", color="Name", group="Name"))
        + g.geom_line(alpha=0.6)
        + g.geom_point(size=2.5)
        + g.scale_y_continuous(limits=(0, 1), breaks=[0, 1], labels=["worst", "best"])
        + g.labs(x="", y="", color="Model")
        + theme_mlpool()
    )
    drawn: ggplot = plot + g.scale_color_manual(values=colours(n)) if n <= MAX_COLOURS else plot
    return drawn


def _scaled(frame: pd.DataFrame) -> pd.DataFrame:
    names = frame["Name"].astype(str)
    parts = []
    for column in frame.columns:
        values = frame[column]
        if column in _NOT_INDICES or not pd.api.types.is_numeric_dtype(values):
            continue
        numbers = values.to_numpy(dtype=np.float64)
        span = np.ptp(numbers)
        if not np.isfinite(numbers).all() or span == 0.0:
            continue
        score = (numbers - numbers.min()) / span
        score = 1.0 - score if column in SMALLER_IS_BETTER else score
        parts.append(pd.DataFrame({"Name": names, "Index": column, "Score": score}))
    if not parts:
        return pd.DataFrame()
    data = pd.concat(parts, ignore_index=True)
    return data.assign(Index=ordered(data["Index"]), Name=ordered(data["Name"]))


def plot_reliability(result: ResultFrame) -> ggplot:
    """Draw the reliability lambda_j of every group against its size.

    Parameters
    ----------
    result : ResultFrame
        Of :func:`mlpool.reliability`.

    Returns
    -------
    plotnine.ggplot
    """
    g = grammar()
    frame = result.to_pandas().dropna(subset=["Reliability"])
    many = frame["Parameter"].nunique() > 1
    plot = (
        g.ggplot(frame, g.aes("n", "Reliability"))
        + g.geom_point(color=LINE_COLOUR, alpha=0.6)
        + g.scale_x_continuous(breaks=whole_breaks)
        + g.scale_y_continuous(limits=(0, 1))
        + g.labs(x=f"Rows per {frame['Group'].iloc[0]}", y="Reliability")
        + theme_mlpool()
    )
    drawn: ggplot = plot + g.facet_wrap("Parameter") if many else plot
    return drawn
