"""Forest plots of coefficients, and caterpillars of group-level effects."""

from __future__ import annotations

from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mlpool.errors import OptionError
from mlpool.parameters.parameters_table import ParametersLayout
from mlpool.plots.grammar import (
    LINE_COLOUR,
    MAX_COLOURS,
    MAX_LABELS,
    colours,
    geom_options,
    grammar,
    ordered,
    theme_mlpool,
)

if TYPE_CHECKING:
    from plotnine import ggplot

    from mlpool.keywords import Aesthetics
    from mlpool.models.extractors.random_effects import GroupFrames
    from mlpool.results import ResultFrame


def plot_parameters(
    result: ResultFrame,
    *,
    show_intercept: bool = False,
    effects: str = "fixed",
    point: Aesthetics | None = None,
) -> ggplot:
    """Draw a forest plot of ``model_parameters``: a dot and an interval per coefficient.

    Parameters
    ----------
    result : ResultFrame
        Of :func:`mlpool.model_parameters` or :func:`mlpool.standardize_parameters`.
    show_intercept : bool
        The intercept is left out by default: its scale hides the others.
    effects : {"fixed", "random", "all"}
        Which rows of a mixed model to draw.
    point : dict, optional
        Settings of the dots and intervals (``color``, ``size`` ...).

    Returns
    -------
    plotnine.ggplot

    Raises
    ------
    OptionError
        If no row is left to draw.
    """
    g = grammar()
    frame, labels = _rows(result, show_intercept, effects)
    is_ratio = bool(result.metadata.get("exponentiate"))
    frame = frame.assign(Label=ordered(labels, list(dict.fromkeys(labels))[::-1]))
    plot = (
        g.ggplot(frame, g.aes(x="Label", y="Coefficient"))
        + g.geom_hline(yintercept=1.0 if is_ratio else 0.0, linetype="dashed", color="grey")
        + _estimates(frame, geom_options("point", point, color=LINE_COLOUR))
        + g.coord_flip()
        + g.labs(x="", y=_estimate_name(result))
        + theme_mlpool()
    )
    if is_ratio:
        plot = plot + g.scale_y_log10()
    if effects == "all":
        plot = plot + g.facet_wrap("Effects", scales="free", ncol=1)
    drawn: ggplot = plot
    return drawn


def _estimates(frame: pd.DataFrame, settings: dict[str, Any]) -> list[Any]:
    """Return dots, with intervals where there are any: SDs and sigma may have none."""
    g = grammar()
    if not _has_intervals(frame):
        return [g.geom_point(**settings)]
    known = np.isfinite(frame["CI_low"]) & np.isfinite(frame["CI_high"])
    bounds = g.aes(ymin="CI_low", ymax="CI_high")
    layers = [g.geom_pointrange(bounds, data=frame[known], **settings)]
    return layers if known.all() else [*layers, g.geom_point(data=frame[~known], **settings)]


def plot_comparison(result: ResultFrame, *, show_intercept: bool = False) -> ggplot:
    """Draw the coefficients of several models beside each other, one colour per model.

    Parameters
    ----------
    result : ResultFrame
        Of :func:`mlpool.compare_parameters`.
    show_intercept : bool

    Returns
    -------
    plotnine.ggplot
    """
    g = grammar()
    frame = long_comparison(result)
    if not show_intercept:
        frame = frame[frame["Parameter"] != "(Intercept)"]
    names = list(dict.fromkeys(frame["Label"]))
    models = list(result.metadata["models"])
    # turned on its side, a dodge begins below: reversed, models stand as in the legend
    frame = frame.assign(
        Label=ordered(frame["Label"], names[::-1]), Model=ordered(frame["Model"], models[::-1])
    )
    plot = (
        g.ggplot(frame, g.aes("Label", "Coefficient", ymin="CI_low", ymax="CI_high", color="Model"))
        + g.geom_hline(yintercept=0.0, linetype="dashed", color="grey")
        + g.geom_pointrange(position=g.position_dodge(width=0.5))
        + g.coord_flip()
        + g.labs(x="", y="Coefficient")
        + theme_mlpool()
    )
    plot = plot + g.guides(color=g.guide_legend(reverse=True))
    if len(models) <= MAX_COLOURS:
        plot = plot + g.scale_color_manual(values=colours(len(models))[::-1])
    drawn: ggplot = plot
    return drawn


def plot_grouplevel(
    result: ResultFrame,
    *,
    sort: bool = True,
    line: Aesthetics | None = None,
    point: Aesthetics | None = None,
) -> ggplot:
    """Draw group-level estimates as a caterpillar: levels on one axis, intervals along the other.

    Parameters
    ----------
    result : ResultFrame
        Of :func:`mlpool.estimate_grouplevel`.
    sort : bool
        Order the levels by their estimate (with several parameters: by the first).
    line, point : dict, optional
        Settings of the intervals and of the dots.

    Returns
    -------
    plotnine.ggplot
    """
    random = result.metadata.get("type", "random") == "random"
    return _caterpillar(_with_levels(result.to_pandas(), sort), random, line, point)


def plot_ranef(
    effects: GroupFrames,
    *,
    sort: bool = True,
    line: Aesthetics | None = None,
    point: Aesthetics | None = None,
) -> ggplot:
    """Draw ``ranef(m)`` with 95% intervals by the conditional SDs, or ``coef(m)`` as points.

    Parameters
    ----------
    effects : GroupFrames
    sort, line, point
        As in :func:`plot_grouplevel`.

    Returns
    -------
    plotnine.ggplot
    """
    frame = pd.concat([_long(group, effects) for group in effects], ignore_index=True)
    return _caterpillar(_with_levels(frame, sort), effects.cond_sd is not None, line, point)


def _long(group: str, effects: GroupFrames) -> pd.DataFrame:
    """Return a row per level and term, in the columns of ``estimate_grouplevel``."""
    values, spread = effects[group], effects.cond_sd
    levels = np.repeat(values.index.astype(str), values.shape[1])
    terms = np.tile(values.columns.astype(str), len(values))
    frame = pd.DataFrame({"Group": group, "Level": levels, "Parameter": terms})
    frame["Coefficient"] = values.to_numpy().ravel()
    if spread is not None:
        half = NormalDist().inv_cdf(0.975) * spread[group].to_numpy().ravel()
        frame["CI_low"], frame["CI_high"] = frame["Coefficient"] - half, frame["Coefficient"] + half
    return frame


def _caterpillar(
    frame: pd.DataFrame, around_zero: bool, line: Aesthetics | None, point: Aesthetics | None
) -> ggplot:
    g = grammar()
    parameters = list(dict.fromkeys(frame["Parameter"]))
    several_groups = frame["Group"].nunique() > 1
    colour = {"color": "Parameter"} if len(parameters) > 1 else {}
    fixed = {} if colour else {"color": LINE_COLOUR}
    bounds = "CI_low" in frame
    plot = g.ggplot(frame, g.aes("Row", "Coefficient", **colour))
    if around_zero:
        plot = plot + g.geom_hline(yintercept=0.0, linetype="dashed", color="grey")
    dodge = {"position": g.position_dodge(width=0.5)} if colour else {}
    thin = len(set(frame["Level"])) > MAX_LABELS
    if bounds:
        plot = plot + g.geom_linerange(
            g.aes(ymin="CI_low", ymax="CI_high"),
            **geom_options("line", line, size=0.3 if thin else 0.6, alpha=0.6, **fixed),
            **dodge,
        )
    plot = plot + g.geom_point(
        **geom_options("point", point, size=0.6 if thin else 1.8, **fixed), **dodge
    )
    labels = dict(zip(frame["Row"].astype(str), frame["Level"].astype(str), strict=True))
    plot = plot + g.scale_x_discrete(labels=lambda rows: [labels.get(str(r), "") for r in rows])
    plot = plot + g.coord_flip() + g.labs(x="Level", y="Coefficient") + theme_mlpool()
    panels = (["Group"] if several_groups else []) + (["Parameter"] if colour else [])
    if panels:
        plot = plot + g.facet_wrap(panels, scales="free" if several_groups else "free_x")
        plot = plot + g.theme(legend_position="none")
    if colour and len(parameters) <= MAX_COLOURS:
        plot = plot + g.scale_color_manual(values=colours(len(parameters)))
    if thin:
        plot = plot + g.theme(axis_text_y=g.element_blank(), panel_grid_major_y=g.element_blank())
    drawn: ggplot = plot
    return drawn


def long_comparison(result: ResultFrame) -> Any:
    """Return ``compare_parameters`` with one row per model and coefficient."""
    frame = result.to_pandas()
    parts = []
    for model in result.metadata["models"]:
        own = {c: f"{c}.{model}" for c in ("Coefficient", "CI_low", "CI_high")}
        part = pd.DataFrame(
            {name: frame[column] for name, column in own.items() if column in frame}
        )
        part.insert(0, "Parameter", frame["Parameter"].to_numpy())
        part.insert(1, "Label", list(getattr(result.layout, "labels", frame["Parameter"])))
        part["Model"] = str(model)
        parts.append(part)
    long = pd.concat(parts, ignore_index=True)
    return long[np.isfinite(long["Coefficient"])]


def _rows(
    result: ResultFrame, show_intercept: bool, effects: str
) -> tuple[pd.DataFrame, list[str]]:
    frame = result.to_pandas().rename(columns={"Std_Coefficient": "Coefficient"})
    assert isinstance(result.layout, ParametersLayout)
    labels = pd.Series(result.layout.labels, index=frame.index)
    keep = pd.Series(True, index=frame.index)
    if "Effects" in frame and effects != "all":
        keep &= frame["Effects"] == effects
    if not show_intercept:
        keep &= labels != "(Intercept)"
    if not keep.any():
        raise OptionError(
            "There is nothing to draw: the table has no such coefficients but the intercept; use "
            "show_intercept=True."
        )
    return frame[keep], list(labels[keep])


def _has_intervals(frame: pd.DataFrame) -> bool:
    return "CI_low" in frame and bool(np.isfinite(frame["CI_low"]).any())


def _estimate_name(result: ResultFrame) -> str:
    return str(getattr(result.layout, "coefficient", "Coefficient"))


def _with_levels(frame: pd.DataFrame, sort: bool) -> pd.DataFrame:
    """Add ``Row``: group and level as one categorical, in level order or by the first estimate."""
    frame = frame.reset_index(drop=True)
    keys = frame["Group"].astype(str) + "\u241f" + frame["Level"].astype(str)
    first = frame["Parameter"] == frame.groupby("Group")["Parameter"].transform("first")
    order = frame[first].assign(key=keys[first])
    if sort:
        order = order.sort_values(["Group", "Coefficient"], kind="stable")
    levels = list(dict.fromkeys(order["key"])) if sort else list(dict.fromkeys(keys))[::-1]
    return frame.assign(Row=pd.Categorical(keys, categories=levels))
