"""Three poolings as pictures: shrinkage arrows, lines per group, panels per group.

After Gelman & Hill (2007), figures 12.1 (estimates by size), 12.2 and 12.4 (panels per group).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mlpool.errors import NotSupportedError, OptionError, brief, check_option
from mlpool.plots.grammar import MAX_LABELS, grammar, ordered, theme_mlpool, whole_breaks
from mlpool.plots.shrinkage_map import map_parameters, plot_shrinkage_map
from mlpool.typing import FloatArray

if TYPE_CHECKING:
    from collections.abc import Sequence

    from plotnine import ggplot

    from mlpool.pooling.compare import PoolingComparison

KINDS = ("shrinkage", "map", "lines", "panels", "size")
"""Pictures of a comparison of poolings."""

COLOURS = {"No pooling": "#009E73", "Partial pooling": "#D55E00", "Complete pooling": "#0072B2"}
"""One colour per pooling, everywhere."""

_FRAMES = {"No pooling": "No", "Partial pooling": "Partial", "Complete pooling": "Complete"}


def plot_pooling(
    result: PoolingComparison,
    *,
    kind: str = "shrinkage",
    n: int | None = None,
    parameter: str | None = None,
    groups: Sequence[object] | None = None,
    arrows: bool = True,
) -> ggplot:
    """Draw a comparison of poolings.

    Parameters
    ----------
    result : PoolingComparison
    kind : {"shrinkage", "map", "lines", "panels", "size"}
        ``"shrinkage"``: an arrow per group from its own to its partially pooled estimate.
        ``"map"``: these arrows in the plane of intercept and slope, with ellipses that hold 50, 80
        and 95 % of the groups by the estimated covariance of the random effects.
        ``"lines"``: every group's line under each pooling, in three panels. ``"panels"``: the data
        of a few groups with their three lines. ``"size"``: estimates against the groups' sizes.
    n : int, optional
        Number of groups: the smallest 20 (shrinkage), or 8 from the smallest to the largest
        (panels); all in the other kinds.
    parameter : str, optional
        The coefficient of shrinkage and size; the intercept by default. Of a map the slope.
    groups : list of str, optional
        Levels to draw, instead of `n`.
    arrows : bool
        Whether shrinkage has arrow heads.

    Returns
    -------
    plotnine.ggplot

    Raises
    ------
    OptionError
        For unknown kinds, parameters or groups.
    NotSupportedError
        For lines and panels of a model without a numeric predictor.
    """
    check_option(kind, KINDS, argument="kind")
    if n is not None and (isinstance(n, bool) or not isinstance(n, int) or n < 1):
        raise OptionError(f"n must be a positive number of groups; got {brief(n)}.")
    if kind == "shrinkage":
        return _shrinkage(result, n, parameter, groups, arrows)
    if kind == "map":
        chosen = None if groups is None else _known(result, groups)
        if groups is None and n is not None:
            chosen = _spread(result, n)
        return plot_shrinkage_map(
            result, COLOURS, map_parameters(result, parameter), chosen, arrows
        )
    if kind == "size":
        return _by_size(result, parameter)
    if kind == "lines":
        return _lines(result)
    return _panels(result, n, groups)


# --- shrinkage ----------------------------------------------------------------------------------


def _shrinkage(
    result: PoolingComparison,
    n: int | None,
    parameter: str | None,
    groups: Sequence[object] | None,
    arrows: bool,
) -> ggplot:
    g = grammar()
    frame = _rows(result, parameter).dropna(subset=["No"])
    if groups is None:
        frame = frame.sort_values("n", kind="stable").head(20 if n is None else n)
    else:
        frame = frame[frame["Level"].isin(_known(result, groups))]
    # From below: the largest group first, and equal ones in reverse, so that "1" stands above "2".
    order = frame.iloc[::-1].sort_values("n", ascending=False, kind="stable")["Level"]
    frame = frame.assign(Row=ordered(frame["Level"], list(order)))
    dots = pd.concat(
        [frame.assign(Pooling=name, Estimate=frame[_FRAMES[name]]) for name in list(COLOURS)[:2]]
    ).assign(Pooling=lambda d: ordered(d["Pooling"], list(COLOURS)[:2]))
    head = {"arrow": g.arrow(length=0.09, type="closed", angle=25)} if arrows else {}
    plot = g.ggplot(frame, g.aes(y="Row")) + _reference(result, parameter)
    plot = (
        plot
        + g.geom_point(g.aes("Estimate", "Row", color="Pooling"), data=dots, size=2)
        + g.geom_segment(
            g.aes(x="No", xend="Partial", yend="Row"), color="#555555", size=0.5, **head
        )
        + g.scale_color_manual(values=list(COLOURS.values())[:2], name="")
        + g.labs(x=_name(result, parameter), y=result.group)
        + theme_mlpool()
        + g.theme(legend_position="top")
    )
    if len(frame) > MAX_LABELS:
        plot = plot + g.theme(axis_text_y=g.element_blank(), panel_grid_major_y=g.element_blank())
    drawn: ggplot = plot
    return drawn


def _by_size(result: PoolingComparison, parameter: str | None) -> ggplot:
    """Estimates with their SEs against the groups' sizes (Gelman & Hill 2007, figure 12.1)."""
    g = grammar()
    frame = _rows(result, parameter)
    parts = []
    for name in list(COLOURS)[:2]:
        column = _FRAMES[name]
        part = frame.assign(Pooling=name, Estimate=frame[column], SE=frame[f"{column}_SE"])
        parts.append(
            part.assign(low=part["Estimate"] - part["SE"], high=part["Estimate"] + part["SE"])
        )
    data = pd.concat(parts).dropna(subset=["Estimate"])
    data["Pooling"] = ordered(data["Pooling"], list(COLOURS)[:2])
    thin = len(frame) > MAX_LABELS
    drawn: ggplot = (
        g.ggplot(data, g.aes("n", "Estimate", color="Pooling"))
        + _reference(result, parameter, flat=True)
        + g.geom_linerange(g.aes(ymin="low", ymax="high"), alpha=0.25 if thin else 0.6)
        + g.geom_point(size=0.8 if thin else 1.8)
        + g.facet_wrap("Pooling")
        + g.scale_x_continuous(breaks=whole_breaks)
        + g.scale_color_manual(values=list(COLOURS.values())[:2])
        + g.labs(x=f"Rows per {result.group}", y=_name(result, parameter))
        + theme_mlpool()
        + g.theme(legend_position="none")
    )
    return drawn


def _reference(
    result: PoolingComparison, parameter: str | None, *, flat: bool = False
) -> list[Any]:
    """Draw a dashed line at the overall estimate of partial pooling, where there is one."""
    g = grammar()
    frame = _rows(result, parameter)
    same = frame["Complete"].nunique() == 1
    fixed = result.partial.fixef()
    name = _which(result, parameter)
    if not same or name not in fixed.index:
        return []
    line = g.geom_hline if flat else g.geom_vline
    place = {"yintercept" if flat else "xintercept": float(fixed[name])}
    return [line(linetype="dashed", color="grey", **place)]


# --- lines --------------------------------------------------------------------------------------


def _lines(result: PoolingComparison) -> ggplot:
    """Every group's line under each pooling, over the range of its own data."""
    g = grammar()
    x = _numeric_predictor(result)
    lines = _line_frame(result, x)
    complete = lines["Pooling"] == "Complete pooling"
    many = lines["Level"].nunique() > MAX_LABELS
    plot = (
        g.ggplot(lines, g.aes(x, "Fitted", group="Level", color="Pooling"))
        + g.geom_line(data=lines[~complete], alpha=0.25 if many else 0.6, size=0.4)
        + g.geom_line(data=lines[complete], size=1.0)
        + g.facet_wrap("Pooling")
        + g.scale_color_manual(values=[COLOURS[k] for k in _order(lines)])
        + g.labs(x=x, y=_response(result))
        + theme_mlpool()
        + g.theme(legend_position="none")
    )
    drawn: ggplot = plot
    return drawn


def _panels(result: PoolingComparison, n: int | None, groups: Sequence[object] | None) -> ggplot:
    """Draw the data of some groups with the three lines through them."""
    g = grammar()
    x = _numeric_predictor(result)
    levels = _known(result, groups) if groups is not None else _spread(result, n or 8)
    lines = _line_frame(result, x)
    lines = lines[lines["Level"].isin(levels)].copy()
    data = _data(result, x)
    data = data[data["Level"].isin(levels)].copy()
    counts = data["Level"].value_counts()
    titles = {level: f"{level} (n = {counts.get(level, 0)})" for level in levels}
    for frame in (lines, data):
        frame["Panel"] = ordered(frame["Level"].map(titles), [titles[v] for v in levels])
    drawn: ggplot = (
        g.ggplot(data, g.aes(x, "y"))
        + g.geom_point(alpha=0.4, size=1)
        + g.geom_line(g.aes(x, "Fitted", color="Pooling", linetype="Pooling"), data=lines, size=0.9)
        + g.facet_wrap("Panel", ncol=min(4, len(levels)))
        + g.scale_color_manual(values=[COLOURS[k] for k in _order(lines)], name="")
        + g.scale_linetype_manual(values=["dashed", "dotted", "solid"], name="")
        + g.labs(x=x, y=_response(result))
        + theme_mlpool()
        + g.theme(legend_position="top")
    )
    return drawn


def _order(lines: pd.DataFrame) -> list[str]:
    return list(lines["Pooling"].cat.categories)


def _line_frame(result: PoolingComparison, x: str) -> pd.DataFrame:
    """Return both ends of every line: Level, Pooling, x and Fitted."""
    data = _data(result, x)
    spans = data.groupby("Level", sort=False)[x].agg(["min", "max"])
    whole = (float(data[x].min()), float(data[x].max()))
    parts = []
    for pooling, column in _FRAMES.items():
        intercepts, slopes = _coefficients(result, x, column)
        levels = spans.index
        for end, position in (("min", 0), ("max", 1)):
            at = np.full(len(levels), whole[position]) if column == "Complete" else spans[end]
            at = np.asarray(at, dtype=np.float64)
            fitted = intercepts[levels].to_numpy() + slopes[levels].to_numpy() * at
            parts.append(
                pd.DataFrame({"Level": levels, "Pooling": pooling, x: at, "Fitted": fitted})
            )
    frame = pd.concat(parts, ignore_index=True).dropna(subset=["Fitted"])
    names = ["Complete pooling", "No pooling", "Partial pooling"]
    return frame.assign(Pooling=ordered(frame["Pooling"], names))


def _coefficients(result: PoolingComparison, x: str, column: str) -> tuple[pd.Series, pd.Series]:
    """Return each level's intercept, other predictors at their means, and slope of x."""
    groups = result.groups.to_pandas()
    own = groups.pivot(index="Level", columns="Parameter", values=column)
    shared = result.coefficients.to_pandas().set_index("Parameter")[column]
    intercepts = own["(Intercept)"].copy()
    slopes = own[x] if x in own else pd.Series(float(shared[x]), index=own.index)
    means = _column_means(result)
    for name in result.no.common:
        if name != x:
            intercepts += float(shared[name]) * means[name]
    for name in result.varying[1:]:
        if name != x:
            intercepts += own[name] * means[name]
    return intercepts, slopes


def _column_means(result: PoolingComparison) -> dict[str, float]:
    X: FloatArray = result.partial.design.X.dense()
    return dict(zip(result.partial.design.X.names, X.mean(axis=0), strict=True))


def _data(result: PoolingComparison, x: str) -> pd.DataFrame:
    design = result.partial.design
    values = design.X.dense()[:, design.X.names.index(x)]
    random = design.random[0]
    levels = np.array(random.levels, dtype=object)[np.asarray(random.codes)]
    return pd.DataFrame({"Level": levels, x: values, "y": design.y})


def _numeric_predictor(result: PoolingComparison) -> str:
    """Return the numeric column to draw over: a varying slope, else a shared coefficient.

    Raises
    ------
    NotSupportedError
        If there is none.
    """
    names = [*result.varying[1:], *result.no.common]
    columns = {c.name: c for c in result.partial.design.X.columns}
    for name in names:
        column = columns.get(name)
        if column is not None and all(part.kind == "numeric" for part in column.parts):
            return str(name)
    raise NotSupportedError(
        "Lines need a numeric predictor that varies within groups; use kind='shrinkage'."
    )


# --- groups -------------------------------------------------------------------------------------


def _which(result: PoolingComparison, parameter: str | None) -> str:
    if parameter is None:
        return str(result.varying[0])
    check_option(parameter, tuple(result.varying), argument="parameter")
    return parameter


def _rows(result: PoolingComparison, parameter: str | None) -> pd.DataFrame:
    frame: pd.DataFrame = result.groups.to_pandas()
    return frame[frame["Parameter"] == _which(result, parameter)]


def _known(result: PoolingComparison, groups: Sequence[object]) -> list[str]:
    wanted = [str(v) for v in ([groups] if isinstance(groups, str) else groups)]
    levels = set(result.no.levels)
    for level in wanted:
        if level not in levels:
            raise OptionError(f"{result.group} has no level {brief(level)}.")
    return wanted


def _spread(result: PoolingComparison, n: int) -> list[str]:
    """Return n groups from the smallest to the largest, evenly spaced by rank."""
    frame = _rows(result, None).sort_values("n", kind="stable")
    n = min(n, len(frame))
    return list(frame["Level"].iloc[np.linspace(0, len(frame) - 1, n).round().astype(int)])


def _name(result: PoolingComparison, parameter: str | None) -> str:
    name = _which(result, parameter)
    if name == "(Intercept)":
        alone = len(result.coefficients) == 3
        return f"{'Mean' if alone else 'Intercept'} of {_response(result)}"
    return f"Slope of {name}"


def _response(result: PoolingComparison) -> str:
    return str(result.partial.design.response_name)
