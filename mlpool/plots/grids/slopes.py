"""Slopes along a moderator with their region of significance; many estimates as a caterpillar."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mlpool.plots.grammar import LINE_COLOUR, geom_options, grammar, ordered, theme_mlpool
from mlpool.tables import own_names

if TYPE_CHECKING:
    from plotnine import ggplot

    from mlpool.keywords import Aesthetics
    from mlpool.plots.grids.read_grid import GridPlot
    from mlpool.results import ResultFrame

SIGNIFICANT, NOT = "interval excludes zero", "interval includes zero"
_COLUMNS = ("Slope", "CI_low", "CI_high")


def significance_layers(
    grid: GridPlot,
    mapped: object,
    line: Aesthetics | None,
    ribbon: Aesthetics | str | None,
    pointrange: Aesthetics | None,
    join_dots: bool,
) -> list[Any]:
    """Return line and ribbon of a slope, shaded by whether its interval excludes zero.

    The places where it begins to (Johnson & Neyman 1936) are found by interpolation between the
    grid's points; with more points (``length=``) they are as exact as one likes.
    """
    del mapped, pointrange, join_dots
    g = grammar()
    columns = (grid.value, grid.low, grid.high)
    own = own_names([grid.x, *columns], ["Significance", "Piece"])
    frame = split_by_significance(grid.data, grid.x, columns)
    settings = geom_options("ribbon", ribbon, alpha=1 / 3)
    colour = geom_options("line", line, color=LINE_COLOUR, size=0.8)
    return [
        g.geom_ribbon(
            g.aes(x=grid.x, ymin=grid.low, ymax=grid.high, fill=own["Significance"],
                  group=own["Piece"]),
            data=frame, inherit_aes=False, **settings,
        ),
        g.geom_line(g.aes(x=grid.x, y=grid.value, group=grid.series), data=grid.data,
                    inherit_aes=False, **colour),
        g.scale_fill_manual(
            values={SIGNIFICANT: LINE_COLOUR, NOT: "#999999"}, limits=[SIGNIFICANT, NOT], name=""
        ),
    ]  # fmt: skip


def split_by_significance(
    data: pd.DataFrame, x: str, columns: tuple[str, str, str] = _COLUMNS
) -> pd.DataFrame:
    """Return the rows cut at the bounds of significance: columns Significance and Piece.

    Parameters
    ----------
    columns : tuple of str
        Those of the slope and its bounds.
    """
    places = np.asarray(data[x], dtype=np.float64)
    order = np.argsort(places, kind="stable")
    # value, low and high by position: the data may use any name
    points = np.column_stack([places, *(np.asarray(data[c], dtype=np.float64) for c in columns)])
    points = points[order]
    rows: list[object] = []
    pieces: list[int] = []
    piece = 0
    for i, here in enumerate(points):
        for share in _crossings(points[i - 1], here) if i else []:
            cut = points[i - 1] + share * (here - points[i - 1])
            # the cut belongs to both pieces, so that no gap is drawn
            rows += [cut, cut]
            pieces += [piece, piece + 1]
            piece += 1
        rows.append(here)
        pieces.append(piece)
    result = np.array(rows)
    of = np.array(pieces)
    middle = np.array([result[of == k].mean(axis=0) for k in range(piece + 1)])
    excludes = (middle[:, 2] > 0) | (middle[:, 3] < 0)
    names = np.where(excludes[of], SIGNIFICANT, NOT)
    frame = pd.DataFrame(dict(zip((x, *columns), result.T, strict=True)))
    own = own_names(frame.columns, ["Significance", "Piece"])
    frame[own["Piece"]] = of
    frame[own["Significance"]] = ordered(names, [SIGNIFICANT, NOT])
    return frame


def _crossings(before: Any, here: Any) -> list[float]:
    """Return where between two points a bound crosses zero, as shares of the way, in order."""
    shares = []
    for bound in (2, 3):
        a, b = float(before[bound]), float(here[bound])
        if a != 0 and a * b <= 0:
            shares.append(a / (a - b))
    return sorted(shares)


def caterpillar(
    result: ResultFrame,
    grid: GridPlot,
    *,
    line: Aesthetics | None = None,
    point: Aesthetics | None = None,
) -> ggplot:
    """Draw one estimate per level in the order of the estimates, for more levels than labels."""
    g = grammar()
    frame = grid.data.sort_values(grid.value).reset_index(drop=True)
    rank = own_names(frame.columns, ["Rank"])["Rank"]
    frame[rank] = np.arange(1, len(frame) + 1)
    plot = g.ggplot(frame, g.aes(rank, grid.value))
    if grid.kind in ("Slope", "Difference"):
        plot = plot + g.geom_hline(yintercept=0.0, linetype="dashed", color="grey")
    if grid.low in frame:
        bounds = geom_options("line", line, size=0.3, alpha=0.6, color=LINE_COLOUR)
        plot = plot + g.geom_linerange(g.aes(ymin=grid.low, ymax=grid.high), **bounds)
    plot = plot + g.geom_point(**geom_options("point", point, size=0.6, color=LINE_COLOUR))
    trend = result.metadata.get("trend") if grid.kind == "Slope" else None
    label = f"{grid.kind} of {trend}" if trend else grid.kind
    labels = {"x": f"{grid.x} in order of its estimate", "y": label}
    drawn: ggplot = plot + g.labs(**labels) + theme_mlpool()
    return drawn
