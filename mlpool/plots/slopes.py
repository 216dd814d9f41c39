"""Slopes along a moderator with their region of significance; many estimates as a caterpillar."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from mlpool.plots.grammar import LINE_COLOUR, geom_options, grammar, ordered, theme_mlpool

SIGNIFICANT, NOT = "interval excludes zero", "interval includes zero"
_COLUMNS = ("Slope", "CI_low", "CI_high")


def significance_layers(
    grid: Any, mapped: Any, line: Any, ribbon: Any, pointrange: Any, join_dots: bool
) -> list[Any]:
    """Return line and ribbon of a slope, shaded by whether its interval excludes zero.

    The places where it begins to (Johnson & Neyman 1936) are found by interpolation between the
    grid's points; with more points (``length=``) they are as exact as one likes.
    """
    del mapped, pointrange, join_dots
    g = grammar()
    frame = split_by_significance(grid.data, grid.x)
    settings = geom_options("ribbon", ribbon, alpha=1 / 3)
    colour = geom_options("line", line, color=LINE_COLOUR, size=0.8)
    return [
        g.geom_ribbon(
            g.aes(x=grid.x, ymin="CI_low", ymax="CI_high", fill="Significance", group="Piece"),
            data=frame, inherit_aes=False, **settings,
        ),
        g.geom_line(g.aes(x=grid.x, y="Slope", group="Series"), data=grid.data,
                    inherit_aes=False, **colour),
        g.scale_fill_manual(
            values={SIGNIFICANT: LINE_COLOUR, NOT: "#999999"}, limits=[SIGNIFICANT, NOT], name=""
        ),
    ]  # fmt: skip


def split_by_significance(data: pd.DataFrame, x: str) -> pd.DataFrame:
    """Return the rows cut at the bounds of significance: columns Significance and Piece."""
    frame = data.sort_values(x)[[x, *_COLUMNS]].astype(float).reset_index(drop=True)
    rows: list[dict[str, Any]] = []
    piece = 0
    for i in range(len(frame)):
        here = frame.iloc[i]
        if i:
            before = frame.iloc[i - 1]
            for share in _crossings(before, here):
                cut = before + share * (here - before)
                # the cut belongs to both pieces, so that no gap is drawn
                rows.append({**cut, "Piece": piece})
                piece += 1
                rows.append({**cut, "Piece": piece})
        rows.append({**here, "Piece": piece})
    result = pd.DataFrame(rows)
    middle = result.groupby("Piece")[list(_COLUMNS)].mean()
    excludes = (middle["CI_low"] > 0) | (middle["CI_high"] < 0)
    names = np.where(excludes.loc[result["Piece"]], SIGNIFICANT, NOT)
    return result.assign(Significance=ordered(names, [SIGNIFICANT, NOT]))


def _crossings(before: pd.Series, here: pd.Series) -> list[float]:
    """Return where between two points a bound crosses zero, as shares of the way, in order."""
    shares = []
    for bound in ("CI_low", "CI_high"):
        a, b = float(before[bound]), float(here[bound])
        if a != 0 and a * b <= 0:
            shares.append(a / (a - b))
    return sorted(shares)


def caterpillar(result: Any, grid: Any, *, line: Any = None, point: Any = None) -> Any:
    """Draw one estimate per level in the order of the estimates, for more levels than labels."""
    g = grammar()
    frame = grid.data.sort_values(grid.value).reset_index(drop=True)
    frame["Rank"] = np.arange(1, len(frame) + 1)
    plot = g.ggplot(frame, g.aes("Rank", grid.value))
    if grid.value in ("Slope", "Difference"):
        plot = plot + g.geom_hline(yintercept=0.0, linetype="dashed", color="grey")
    if "CI_low" in frame:
        bounds = geom_options("line", line, size=0.3, alpha=0.6, color=LINE_COLOUR)
        plot = plot + g.geom_linerange(g.aes(ymin="CI_low", ymax="CI_high"), **bounds)
    plot = plot + g.geom_point(**geom_options("point", point, size=0.6, color=LINE_COLOUR))
    labels = {"x": f"{grid.x} in order of its estimate", "y": grid.value}
    return plot + g.labs(**labels) + theme_mlpool()
