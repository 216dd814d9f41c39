"""The space of two coefficients: where partial pooling moves each group, and the ellipses it fits.

Every group is a point, its own intercept and slope; an arrow leads to the partially pooled one.
Ellipses hold 50, 80 and 95 % of the groups that the model believes in: normal, with the estimated
covariance of the random effects, about the fixed effects.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mlpool.errors import NotSupportedError, OptionError, brief
from mlpool.plots.grammar import MAX_LABELS, grammar, ordered, theme_mlpool
from mlpool.typing import FloatArray

if TYPE_CHECKING:
    from collections.abc import Sequence

    from plotnine import ggplot

    from mlpool.pooling.compare import PoolingComparison

SHARES = (0.5, 0.8, 0.95)
"""Of the groups within each ellipse."""

_TURN = 121
"""Points of an ellipse, the first twice."""


def plot_shrinkage_map(
    result: PoolingComparison,
    colours: dict[str, str],
    parameters: Sequence[str],
    levels: Sequence[str] | None,
    arrows: bool,
) -> ggplot:
    """Draw every group's two coefficients without and with partial pooling.

    Parameters
    ----------
    result : PoolingComparison
    colours : dict
        Of the poolings.
    parameters : sequence of str
        The two coefficients: x, y.
    levels : sequence of str, optional
        Groups to draw; all by default.
    arrows : bool
        Whether lines have arrow heads.
    """
    g = grammar()
    x, y = parameters
    moves = _moves(result, x, y)
    if levels is not None:
        moves = moves[moves["Level"].isin(list(levels))]
    names = list(colours)
    dots = pd.concat([
        pd.DataFrame({"Level": moves["Level"], "x": moves[f"x_{k}"], "y": moves[f"y_{k}"],
                      "Pooling": name})
        for k, name in (("No", names[0]), ("Partial", names[1]))
    ])  # fmt: skip
    centre = pd.DataFrame({"x": [_complete(result, x)], "y": [_complete(result, y)],
                           "Pooling": [names[2]]})  # fmt: skip
    dots = pd.concat([dots, centre]).assign(Pooling=lambda d: ordered(d["Pooling"], names))
    head = {"arrow": g.arrow(length=0.07, type="closed", angle=25)} if arrows else {}
    many = len(moves) > MAX_LABELS
    plot = (
        g.ggplot(dots, g.aes("x", "y"))
        + g.geom_path(
            g.aes("x", "y", group="Share"), data=ellipses(result, x, y), color="#BBBBBB", size=0.5
        )
        + g.geom_segment(
            g.aes(x="x_No", y="y_No", xend="x_Partial", yend="y_Partial"),
            data=moves, color="#777777", size=0.4, alpha=0.5 if many else 1.0, **head,
        )
        + g.geom_point(g.aes(color="Pooling"), size=1.2 if many else 2.2)
        + g.scale_color_manual(values=list(colours.values()), limits=names)
        + g.labs(
            x=_title(x), y=_title(y),
            caption="Ellipses: 50, 80 and 95 % of groups, by the random effects' covariance",
        )
        + theme_mlpool()
        + g.theme(legend_position="top")
    )  # fmt: skip
    drawn: ggplot = plot
    return drawn


def map_parameters(result: PoolingComparison, parameter: str | None) -> tuple[str, str]:
    """Return the two coefficients of the map: the first, and `parameter` or the second.

    Raises
    ------
    NotSupportedError
        If groups differ in one coefficient only.
    OptionError
        For a coefficient that groups do not differ in.
    """
    varying = [str(name) for name in result.varying]
    if len(varying) < 2:
        raise NotSupportedError(
            "A map needs groups that differ in two coefficients, as in (x | g); this model has "
            f"{varying[0]} alone: use kind='shrinkage'."
        )
    if parameter is None:
        return varying[0], varying[1]
    if parameter not in varying[1:]:
        raise OptionError(
            f"parameter must be one of {', '.join(varying[1:])}, drawn over {varying[0]}; got "
            f"{brief(parameter)}."
        )
    return varying[0], parameter


def ellipses(result: PoolingComparison, x: str, y: str) -> pd.DataFrame:
    """Return the outlines of :data:`SHARES`: columns Share, x, y.

    With S the covariance of the two random effects, ``mu + sqrt(q) S^(1/2) (cos t, sin t)``, q the
    quantile of chi-square with 2 df, ``-2 log(1 - share)``.
    """
    fixed = result.partial.fixef()
    mu = np.array([float(fixed.get(name, 0.0)) for name in (x, y)])
    S = _covariance(result, x, y)
    values, vectors = np.linalg.eigh(S)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    t = np.linspace(0.0, 2.0 * np.pi, _TURN)
    circle = np.vstack([np.cos(t), np.sin(t)])
    parts = []
    for share in SHARES:
        at = mu[:, None] + np.sqrt(-2.0 * np.log(1.0 - share)) * (root @ circle)
        parts.append(pd.DataFrame({"Share": share, "x": at[0], "y": at[1]}))
    return pd.concat(parts, ignore_index=True)


def _covariance(result: PoolingComparison, x: str, y: str) -> FloatArray:
    """Return the covariance (2, 2) of two random effects; zero between terms."""
    S = np.zeros((2, 2))
    for block in result.partial.varcorr().blocks:
        for i, a in enumerate((x, y)):
            for j, b in enumerate((x, y)):
                if a in block.names and b in block.names:
                    S[i, j] += block.vcov[block.names.index(a), block.names.index(b)]
    return S


def _moves(result: PoolingComparison, x: str, y: str) -> pd.DataFrame:
    """Return a row per group with both coefficients under both poolings."""
    groups = result.groups.to_pandas()
    wide = {
        f"{axis}_{k}": groups[groups["Parameter"] == name].set_index("Level")[k]
        for axis, name in (("x", x), ("y", y))
        for k in ("No", "Partial")
    }
    return pd.DataFrame(wide).dropna().rename_axis("Level").reset_index()


def _complete(result: PoolingComparison, name: str) -> float:
    return float(result.complete.fixef().get(name, np.nan))


def _title(name: str) -> str:
    return "Intercept" if name == "(Intercept)" else f"Slope of {name}"
