"""Panels of `check_model` that are drawn from residuals, leverages and random effects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import special

from mlpool.errors import NotSupportedError
from mlpool.models.mixed_model import group_effects, has_effects
from mlpool.plots.grammar import LINE_COLOUR, grammar, ordered, theme_mlpool
from mlpool.plots.model_checks.panel_data import MOST_POINTS, Context
from mlpool.typing import FloatArray, IntArray
from mlpool.uncertainty.influence import leverages, unit_residuals

if TYPE_CHECKING:
    from plotnine import ggplot

    from mlpool.models import FittedModel

_LINE = "#D55E00"
_ENDS = 100
"""Order statistics at either end of a QQ plot that are always drawn."""

_MOST_BINS = 100
_ALL_LEVERAGE = 1e-10
"""A leverage, which has no unit, this close to one leaves a row no residual but rounding."""

_NO_LEVERAGE = 1e-6
"""Where the lines of equal distance begin if a row has a leverage of zero: a share of one."""


# --- residuals ----------------------------------------------------------------------------------


def _linear_scale(m: FittedModel) -> tuple[FloatArray, str]:
    if m.family is None:
        return np.asarray(m.fitted, dtype=np.float64), "Fitted values"
    eta: FloatArray = m.family.link_of(np.asarray(m.fitted, dtype=np.float64))
    return eta, "Linear predictor"


def linearity(c: Context) -> ggplot:
    """Draw residuals over fitted values."""
    x, name = _linear_scale(c.model)
    frame = pd.DataFrame({"x": x, "y": c.residuals})
    return _cloud(
        c, frame, "Linearity", "The line should be flat and horizontal", name, "Residuals"
    )


def homogeneity(c: Context) -> ggplot:
    """Draw roots of absolute residuals over fitted values."""
    x, name = _linear_scale(c.model)
    frame = pd.DataFrame({"x": x, "y": np.sqrt(np.abs(c.residuals))})
    text = "The line should be flat and horizontal"
    return _cloud(c, frame, "Homogeneity of variance", text, name, "sqrt(|residuals|)")


def _cloud(c: Context, frame: pd.DataFrame, title: str, subtitle: str, x: str, y: str) -> ggplot:
    g = grammar()
    drawn: ggplot = (
        g.ggplot(c.shown(frame), g.aes("x", "y"))
        + g.geom_point(alpha=0.25, size=0.8)
        + g.geom_line(data=_trend(frame), color=_LINE, size=1)
        + g.labs(title=title, subtitle=subtitle, x=x, y=y)
        + theme_mlpool()
    )
    return drawn


def _trend(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a lowess line (Cleveland 1979); of many rows through the means of 500 bins."""
    from statsmodels.nonparametric.smoothers_lowess import lowess

    data = frame.sort_values("x", kind="stable")
    if len(data) > MOST_POINTS:
        bins = np.arange(len(data)) * 500 // len(data)
        data = data.groupby(bins).mean()
    line = lowess(data["y"], data["x"], frac=2 / 3, it=1, delta=0.01 * np.ptp(data["x"]))
    return pd.DataFrame(line, columns=["x", "y"]).drop_duplicates("x")


def binned(c: Context) -> ggplot:
    """Draw mean residuals of 0/1 outcomes by fitted probability, with two standard errors.

    Gelman & Hill (2007), Data Analysis Using Regression, section 5.6; the errors are those of the
    model, ``sqrt(mean of mu (1 - mu) / rows of the bin)``.
    """
    if not c.is_zero_or_one:
        raise NotSupportedError("binned residuals are for outcomes of 0 and 1.")
    g = grammar()
    frame = binned_residuals(
        np.asarray(c.model.design.y, dtype=np.float64), np.asarray(c.model.fitted, dtype=np.float64)
    )
    drawn: ggplot = (
        g.ggplot(frame, g.aes("x", "y"))
        + g.geom_ribbon(g.aes(ymin="-half", ymax="half"), fill=LINE_COLOUR, alpha=0.2)
        + g.geom_hline(yintercept=0.0, color=_LINE)
        + g.geom_point(size=1.2, alpha=0.7)
        + g.labs(
            title="Binned residuals",
            subtitle="About 95 % of the dots should lie inside the band",
            x="Estimated probability", y="Mean residual",
        )
        + theme_mlpool()
    )  # fmt: skip
    return drawn


def binned_residuals(y: FloatArray, mu: FloatArray) -> pd.DataFrame:
    """Return mean fitted value, mean residual, its two standard errors and rows of each bin.

    Parameters
    ----------
    y, mu : ndarray of shape (n,)
        Outcomes (0 or 1) and their probabilities. There are about sqrt(n) bins of equal size, at
        most 100.
    """
    n = y.size
    k = max(1, min(int(np.sqrt(n)), _MOST_BINS))
    order = np.argsort(mu, kind="stable")
    starts = np.arange(k) * n // k
    rows = np.diff([*starts, n])
    x, residual, variance = (
        np.add.reduceat(v[order], starts) / rows for v in (mu, y - mu, mu * (1.0 - mu))
    )
    return pd.DataFrame({"x": x, "y": residual, "half": 2.0 * np.sqrt(variance / rows), "n": rows})


def qq(c: Context) -> ggplot:
    """Draw quantiles of the residuals over normal ones."""
    title = "Normality of residuals" if c.model.family is None else "Quantile residuals"
    return _qq_plot(_quantiles(c.residuals), title, "Dots should fall along the line")


def _quantiles(values: FloatArray) -> pd.DataFrame:
    """Return normal quantiles and the ordered values, standardised, with bands of 95 %."""
    ordered_values = np.sort(values[np.isfinite(values)])
    n = ordered_values.size
    spread = ordered_values.std(ddof=1) if n > 1 else 1.0
    rank = _ranks(n)
    y = (ordered_values[rank - 1] - ordered_values.mean()) / (spread or 1.0)
    low, high = (special.ndtri(special.betaincinv(rank, n + 1 - rank, q)) for q in (0.025, 0.975))
    x = special.ndtri((rank - 0.375) / (n + 0.25))
    return pd.DataFrame({"x": x, "y": y, "low": low, "high": high})


def _ranks(n: int) -> IntArray:
    """Return which order statistics are drawn: all, or both ends and an even choice between."""
    if n <= MOST_POINTS:
        return np.arange(1, n + 1)
    even = np.linspace(1, n, MOST_POINTS - 2 * _ENDS).round().astype(np.int64)
    ends = np.arange(1, _ENDS + 1)
    return np.unique(np.concatenate([ends, even, n + 1 - ends]))


def _qq_plot(frame: pd.DataFrame, title: str, subtitle: str) -> ggplot:
    g = grammar()
    drawn: ggplot = (
        g.ggplot(frame, g.aes("x", "y"))
        + g.geom_ribbon(g.aes(ymin="low", ymax="high"), fill=LINE_COLOUR, alpha=0.2)
        + g.geom_abline(slope=1.0, intercept=0.0, color=_LINE)
        + g.geom_point(size=0.8, alpha=0.5)
        + g.labs(
            title=title, subtitle=subtitle, x="Standard normal quantiles", y="Sample quantiles"
        )
        + theme_mlpool()
    )
    return drawn


def random_qq(c: Context) -> ggplot:
    """Draw quantiles of the random effects over normal ones."""
    m = c.model
    if not has_effects(m):
        raise NotSupportedError("the model has no random effects.")
    g = grammar()
    effects = group_effects(m)
    parts = []
    for group, frame in effects.items():
        for name in frame.columns:
            values = frame[name].to_numpy(dtype=np.float64)
            if np.ptp(values) > 0:
                part = _quantiles(values)
                part["Term"] = f"{group}: {name}"
                parts.append(part)
    if not parts:
        raise NotSupportedError("all random effects are zero (a singular fit).")
    data = pd.concat(parts, ignore_index=True)
    data["Term"] = ordered(data["Term"])
    plot = _qq_plot(data, "Normality of random effects", "Dots should fall along the line")
    return plot + g.facet_wrap("Term") if len(parts) > 1 else plot


# --- rows that matter ---------------------------------------------------------------------------


def influence(c: Context) -> ggplot:
    """Draw standardised residuals over leverages, with lines of Cook's distance 0.5."""
    g = grammar()
    m = c.model
    frame = _influential_rows(m)
    if frame["y"].isna().all():
        raise NotSupportedError("every row has a leverage of one, so that none has a residual.")
    p = len(m.names)
    edge = np.linspace(float(frame["x"].min()) or _NO_LEVERAGE, float(frame["x"].max()), 60)
    half = np.sqrt(0.5 * p * (1.0 - edge) / edge)
    curve = pd.DataFrame({"x": np.tile(edge, 2), "y": np.concatenate([half, -half])})
    curve["side"] = np.repeat(["a", "b"], edge.size)
    limit = 1.1 * float(np.abs(frame["y"]).max())
    worst = frame.nlargest(3, "d")
    keep = c.shown(frame).dropna()
    drawn: ggplot = (
        g.ggplot(pd.concat([keep, worst]), g.aes("x", "y"))
        + g.geom_point(alpha=0.25, size=0.8)
        + g.geom_point(data=worst, color=_LINE, size=1.4)
        + g.geom_line(g.aes(group="side"), data=curve[np.abs(curve["y"]) <= limit], color=_LINE)
        + g.labs(
            title="Influential observations",
            subtitle="Points should lie inside the lines (D = 0.5)",
            x="Leverage", y="Standardised residuals",
        )
        + theme_mlpool()
    )  # fmt: skip
    return drawn


def _influential_rows(m: FittedModel) -> pd.DataFrame:
    """Return leverage, standardised Pearson residual and Cook's distance of every row.

    Rows with a leverage of one have no residual: they are missing.
    """
    h = leverages(m)
    residuals = unit_residuals(m)
    inside = h < 1.0 - _ALL_LEVERAGE
    left = np.where(inside, 1.0 - h, np.nan)
    y = residuals / np.sqrt(left)
    return pd.DataFrame(
        {"x": np.where(inside, h, np.nan), "y": y, "d": y**2 * h / left / len(m.names)}
    )


def collinearity(c: Context) -> ggplot:
    """Draw variance inflation factors."""
    from mlpool.uncertainty.influence import variance_inflation

    g = grammar()
    factors = variance_inflation(c.model)
    frame = pd.DataFrame({"Term": ordered(factors.index), "VIF": factors.to_numpy()})
    drawn: ggplot = (
        g.ggplot(frame, g.aes("Term", "VIF"))
        + g.geom_hline(yintercept=[5.0, 10.0], linetype="dashed", color="grey")
        + g.geom_segment(g.aes(xend="Term", y=1.0, yend="VIF"), color=LINE_COLOUR)
        + g.geom_point(color=LINE_COLOUR, size=2.2)
        + g.scale_y_continuous(
            limits=(1.0, max(11.0, 1.1 * float(frame["VIF"].max()))), breaks=vif_breaks
        )
        + g.labs(
            title="Collinearity", subtitle="VIF above 5 or 10 may trouble estimates", x="", y="VIF"
        )
        + theme_mlpool()
    )
    return drawn


def vif_breaks(limits: tuple[float, float]) -> list[float]:
    """Return ticks of VIFs: 1, which is none at all, then 5 or its multiples up to the limit."""
    step = 5.0 * max(1, round((limits[1] - 1.0) / 25.0))
    return [1.0, *np.arange(step, limits[1], step).tolist()]
