"""Figures that lectures draw by hand: shrinkage of a fitted model, strips of three ICCs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mlpool.argument_values import generator, numbers, whole_number
from mlpool.errors import NotSupportedError, OptionError, brief, check_option
from mlpool.models import LinearMixedModel
from mlpool.plots.grammar import LINE_COLOUR, grammar, ordered, theme_mlpool
from mlpool.plots.pooling import plot_pooling

if TYPE_CHECKING:
    from plotnine import ggplot

    from mlpool.models import FittedModel
    from mlpool.typing import SeedLike


def plot_shrinkage(
    model: FittedModel,
    n: int | None = None,
    *,
    parameter: str | None = None,
    kind: str = "shrinkage",
) -> ggplot:
    """Draw how far partial pooling moves the groups' own estimates.

    Parameters
    ----------
    model : LinearMixedModel
        With one grouping factor.
    n : int, optional
        Number of groups; the smallest 20 by default, in a map all.
    parameter : str, optional
        The coefficient; the intercept by default. Of a map the slope.
    kind : {"shrinkage", "map"}
        One coefficient, or the plane of intercept and slope with ellipses.

    Returns
    -------
    plotnine.ggplot
        One arrow per group from no pooling to partial pooling; a dashed line at the overall
        estimate, or ellipses of the groups that the model believes in.

    Raises
    ------
    NotSupportedError
        For models without random effects or with several grouping factors.
    """
    from mlpool.pooling.compare import comparison_of

    if not isinstance(model, LinearMixedModel):
        raise NotSupportedError("plot_shrinkage needs a linear mixed model, as lmer() fits it.")
    check_option(kind, ("shrinkage", "map"), argument="kind")
    return plot_pooling(comparison_of(model), kind=kind, n=n, parameter=parameter)


def plot_icc(
    icc: Sequence[float] = (0.05, 0.5, 0.95),
    *,
    n_groups: int = 10,
    group_size: int = 30,
    seed: SeedLike | None = 1,
) -> ggplot:
    """Draw simulated groups at several intraclass correlations: what an ICC looks like.

    Parameters
    ----------
    icc : sequence of float
        Shares of the variance between groups, each from 0 to 1; the total variance is 1.
    n_groups, group_size : int
    seed : int, SeedSequence or Generator, optional

    Returns
    -------
    plotnine.ggplot
        A panel per ICC: points by group, group means as bars, the overall mean dashed.

    Raises
    ------
    OptionError
        For shares outside 0 .. 1, or fewer than two groups or rows.
    """
    shares = [float(v) for v in numbers(icc, "icc").ravel()]
    if not shares or any(not 0.0 <= v <= 1.0 for v in shares):
        raise OptionError(f"icc must hold numbers from 0 to 1; got {brief(icc)}.")
    n_groups = whole_number(n_groups, "n_groups", least=2, most=10_000)
    group_size = whole_number(group_size, "group_size", least=2, most=10_000)
    g = grammar()
    rng = generator(seed)
    codes = np.repeat(np.arange(n_groups), group_size)
    between, within = rng.normal(size=n_groups), rng.normal(size=codes.size)
    shares = list(dict.fromkeys(shares))
    names = [f"ICC = {v:.2f}" for v in shares]
    parts = [
        pd.DataFrame(
            {"ICC": name, "Group": codes + 1,
             "y": np.sqrt(share) * between[codes] + np.sqrt(1.0 - share) * within}
        )
        for name, share in zip(names, shares, strict=True)
    ]  # fmt: skip
    data = pd.concat(parts, ignore_index=True)
    data["ICC"] = ordered(data["ICC"], names)
    means = data.groupby(["ICC", "Group"], observed=True, as_index=False)["y"].mean()
    data["Group"], means["Group"] = ordered(data["Group"]), ordered(means["Group"])
    drawn: ggplot = (
        g.ggplot(data, g.aes("Group", "y"))
        + g.geom_hline(yintercept=0.0, linetype="dashed", color="grey")
        + g.geom_point(
            alpha=0.35, size=1.0, position=g.position_jitter(width=0.15, height=0, random_state=1)
        )
        + g.geom_point(data=means, color=LINE_COLOUR, shape="_", size=6, stroke=1.4)
        + g.facet_wrap("ICC")
        + g.labs(x="Group", y="y")
        + theme_mlpool()
    )
    return drawn
