"""`check_model`: a panel of pictures that show whether a model's assumptions hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from mlpool.errors import NotSupportedError, OptionError, check_option
from mlpool.models.fitted import FittedModel
from mlpool.models.influence import cooks_distance, leverages
from mlpool.models.simulate import simulate
from mlpool.plots.grammar import LINE_COLOUR, grammar, ordered, theme_mlpool
from mlpool.typing import FloatArray

MOST_POINTS = 3_000
"""Rows beyond which panels show a random sample of this size; trends use all rows."""

_LINE = "#D55E00"


@dataclass(frozen=True, kw_only=True, repr=False)
class ModelChecks:
    """Pictures of a model's assumptions.

    Attributes
    ----------
    panels : dict of ggplot
        By name: ``pp_check``, ``linearity``, ``homogeneity``, ``influence``, ``collinearity``,
        ``qq``, ``reqq`` - those that the model has.
    skipped : dict of str
        Why the others are missing.
    """

    panels: dict[str, Any]
    skipped: dict[str, str]

    def __getitem__(self, name: str) -> Any:
        """Return one panel.

        Raises
        ------
        OptionError
            If the model has no such panel.
        """
        if name in self.skipped:
            raise OptionError(f"There is no panel {name!r}: {self.skipped[name]}")
        check_option(name, tuple(self.panels), argument="panel")
        return self.panels[name]

    def plot(self, *, columns: int = 2) -> Any:
        """Return all panels as one plotnine composition, `columns` beside each other."""
        if isinstance(columns, bool) or not isinstance(columns, int) or columns < 1:
            raise OptionError(f"columns must be a positive whole number; got {columns!r}.")
        g = grammar()
        small = g.theme(
            axis_title=g.element_text(size=8), axis_text=g.element_text(size=7),
            plot_title=g.element_text(size=10), plot_subtitle=g.element_text(size=8),
            legend_position="none",
        )  # fmt: skip
        plots = [panel + small for panel in self.panels.values()]
        if len(plots) == 1:
            return plots[0]
        rows = [_beside(plots[i : i + columns]) for i in range(0, len(plots), columns)]
        whole = rows[0]
        for row in rows[1:]:
            whole = whole / row
        height = 2.6 * len(rows)
        return whole & g.theme(figure_size=(4.2 * columns, height))

    def __repr__(self) -> str:
        """Name the panels."""
        lines = [f"Panels: {', '.join(self.panels)}; draw them with .plot()."]
        lines += [f"No {name}: {why}" for name, why in self.skipped.items()]
        return "\n".join(lines)


def _beside(plots: list[Any]) -> Any:
    row = plots[0]
    for plot in plots[1:]:
        row = row | plot
    return row


def check_model(
    model: Any, panels: str | Iterable[str] | None = None, *, n_sim: int = 50, seed: Any = 1
) -> ModelChecks:
    """Draw a model's assumptions, as performance's ``check_model``.

    Parameters
    ----------
    model : FittedModel
    panels : str or list of str, optional
        Which panels; all that the model has by default.
    n_sim : int
        Simulated responses of the posterior predictive check.
    seed : int, SeedSequence or Generator, optional
        Of the simulations, and of the rows shown where there are more than 3,000.

    Returns
    -------
    ModelChecks
        ``checks.plot()`` for all, ``checks["qq"]`` for one.

    Raises
    ------
    OptionError
        For unknown panels, or no model.
    """
    if not isinstance(model, FittedModel):
        raise OptionError(f"check_model needs a fitted model; got {type(model).__name__}.")
    if isinstance(n_sim, bool) or not isinstance(n_sim, int) or n_sim < 1:
        raise OptionError(f"n_sim must be a positive whole number; got {n_sim!r}.")
    wanted = tuple(_PANELS) if panels is None else _wanted(panels)
    context = _Context(model=model, n_sim=n_sim, seed=seed)
    drawn: dict[str, Any] = {}
    skipped: dict[str, str] = {}
    for name in wanted:
        try:
            drawn[name] = _PANELS[name](context)
        except NotSupportedError as error:
            skipped[name] = str(error)
    if not drawn:
        raise NotSupportedError(next(iter(skipped.values())))
    return ModelChecks(panels=drawn, skipped=skipped)


def _wanted(panels: str | Iterable[str]) -> tuple[str, ...]:
    names = (panels,) if isinstance(panels, str) else tuple(panels)
    for name in names:
        check_option(name, tuple(_PANELS), argument="panels")
    return names


@dataclass(frozen=True, slots=True, kw_only=True)
class _Context:
    model: Any
    n_sim: int
    seed: Any

    def shown(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return at most 3,000 rows, drawn at random."""
        if len(frame) <= MOST_POINTS:
            return frame
        rng = np.random.default_rng(self.seed if isinstance(self.seed, int) else 1)
        return frame.iloc[np.sort(rng.choice(len(frame), MOST_POINTS, replace=False))]


# --- residuals ----------------------------------------------------------------------------------


def _scaled_residuals(m: Any) -> FloatArray:
    """Pearson residuals over sigma; deviance residuals of families without a sigma."""
    if m.family is not None and not m.family.has_dispersion:
        return np.asarray(m.residuals("deviance"), dtype=np.float64)
    return np.asarray(m.residuals("pearson") / m.sigma, dtype=np.float64)


def _linear_scale(m: Any) -> tuple[FloatArray, str]:
    if m.family is None:
        return np.asarray(m.fitted, dtype=np.float64), "Fitted values"
    eta: FloatArray = m.family.link_of(np.asarray(m.fitted, dtype=np.float64))
    return eta, "Linear predictor"


def _linearity(c: _Context) -> Any:
    x, name = _linear_scale(c.model)
    frame = pd.DataFrame({"x": x, "y": _scaled_residuals(c.model)})
    return _cloud(
        c, frame, "Linearity", "The line should be flat and horizontal", name, "Residuals"
    )


def _homogeneity(c: _Context) -> Any:
    x, name = _linear_scale(c.model)
    frame = pd.DataFrame({"x": x, "y": np.sqrt(np.abs(_scaled_residuals(c.model)))})
    text = "The line should be flat and horizontal"
    return _cloud(c, frame, "Homogeneity of variance", text, name, "sqrt(|residuals|)")


def _cloud(c: _Context, frame: pd.DataFrame, title: str, subtitle: str, x: str, y: str) -> Any:
    g = grammar()
    return (
        g.ggplot(c.shown(frame), g.aes("x", "y"))
        + g.geom_point(alpha=0.25, size=0.8)
        + g.geom_line(data=_trend(frame), color=_LINE, size=1)
        + g.labs(title=title, subtitle=subtitle, x=x, y=y)
        + theme_mlpool()
    )


def _trend(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a lowess line (Cleveland 1979); of many rows through the means of 500 bins."""
    from statsmodels.nonparametric.smoothers_lowess import lowess

    data = frame.sort_values("x", kind="stable")
    if len(data) > MOST_POINTS:
        bins = np.arange(len(data)) * 500 // len(data)
        data = data.groupby(bins).mean()
    line = lowess(data["y"], data["x"], frac=2 / 3, it=1, delta=0.01 * np.ptp(data["x"]))
    return pd.DataFrame(line, columns=["x", "y"]).drop_duplicates("x")


def _qq(c: _Context) -> Any:
    frame = _quantiles(_scaled_residuals(c.model))
    return _qq_plot(c.shown(frame), "Normality of residuals", "Dots should fall along the line")


def _quantiles(values: FloatArray) -> pd.DataFrame:
    """Return normal quantiles and the ordered values, standardised."""
    ordered_values = np.sort(values[np.isfinite(values)])
    n = ordered_values.size
    spread = ordered_values.std(ddof=1) if n > 1 else 1.0
    place = (np.arange(1, n + 1) - 0.375) / (n + 0.25)
    y = (ordered_values - ordered_values.mean()) / (spread or 1.0)
    low, high = (special.ndtri(special.betaincinv(np.arange(1, n + 1), n - np.arange(n), q))
                 for q in (0.025, 0.975))  # fmt: skip
    return pd.DataFrame({"x": special.ndtri(place), "y": y, "low": low, "high": high})


def _qq_plot(frame: pd.DataFrame, title: str, subtitle: str) -> Any:
    g = grammar()
    return (
        g.ggplot(frame, g.aes("x", "y"))
        + g.geom_ribbon(g.aes(ymin="low", ymax="high"), fill=LINE_COLOUR, alpha=0.2)
        + g.geom_abline(slope=1.0, intercept=0.0, color=_LINE)
        + g.geom_point(size=0.8, alpha=0.5)
        + g.labs(
            title=title, subtitle=subtitle, x="Standard normal quantiles", y="Sample quantiles"
        )
        + theme_mlpool()
    )


def _random_qq(c: _Context) -> Any:
    m = c.model
    if not m.is_mixed:
        raise NotSupportedError("the model has no random effects.")
    g = grammar()
    effects = m.ranef()
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


def _influence(c: _Context) -> Any:
    g = grammar()
    m = c.model
    h = leverages(m)
    inside = h < 1.0 - 1e-9
    residuals = _scaled_residuals(m)[inside] / np.sqrt(1.0 - h[inside])
    frame = pd.DataFrame({"x": h[inside], "y": residuals, "d": cooks_distance(m)[inside]})
    p = len(m.names)
    edge = np.linspace(max(float(frame["x"].min()), 1e-6), float(frame["x"].max()), 60)
    half = np.sqrt(0.5 * p * (1.0 - edge) / edge)
    curve = pd.DataFrame({"x": np.tile(edge, 2), "y": np.concatenate([half, -half])})
    curve["side"] = np.repeat(["a", "b"], edge.size)
    limit = 1.1 * float(np.abs(frame["y"]).max())
    worst = frame.nlargest(3, "d")
    keep = c.shown(frame)
    return (
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


def _collinearity(c: _Context) -> Any:
    from mlpool.models.influence import variance_inflation

    g = grammar()
    factors = variance_inflation(c.model)
    frame = pd.DataFrame({"Term": ordered(factors.index), "VIF": factors.to_numpy()})
    return (
        g.ggplot(frame, g.aes("Term", "VIF"))
        + g.geom_hline(yintercept=[5.0, 10.0], linetype="dashed", color="grey")
        + g.geom_segment(g.aes(xend="Term", y=1.0, yend="VIF"), color=LINE_COLOUR)
        + g.geom_point(color=LINE_COLOUR, size=2.2)
        + g.scale_y_continuous(limits=(1.0, max(11.0, 1.1 * float(frame["VIF"].max()))))
        + g.labs(
            title="Collinearity", subtitle="VIF above 5 or 10 may trouble estimates", x="", y="VIF"
        )
        + theme_mlpool()
    )


# --- what the model would have seen -------------------------------------------------------------


def _predictive(c: _Context) -> Any:
    g = grammar()
    m = c.model
    draws = simulate(m, c.n_sim, seed=c.seed).to_numpy(dtype=np.float64)
    y = np.asarray(m.design.y, dtype=np.float64)
    discrete = np.unique(y).size <= 20
    frame = _shares(y, draws) if discrete else _densities(y, draws)
    simulated, observed = frame[frame["Set"] != "data"], frame[frame["Set"] == "data"]
    labels = g.labs(
        title="Posterior predictive check", subtitle="The data should look like the simulations",
        x=str(m.design.response_name), y="Share" if discrete else "Density",
    )  # fmt: skip
    plot = g.ggplot(simulated, g.aes("x", "y"))
    if discrete:
        spread = g.position_jitter(width=0.1, height=0, random_state=1)
        plot = plot + g.geom_point(alpha=0.2, size=0.8, color=LINE_COLOUR, position=spread)
        return plot + g.geom_point(data=observed, color=_LINE, size=2.4) + labels + theme_mlpool()
    plot = plot + g.geom_line(g.aes(group="Set"), alpha=0.15, size=0.4, color=LINE_COLOUR)
    return plot + g.geom_line(data=observed, color=_LINE, size=1.0) + labels + theme_mlpool()


def _densities(y: FloatArray, draws: FloatArray) -> pd.DataFrame:
    """Kernel densities from counts in 512 bins, smoothed by a normal kernel (nrd0 width)."""
    everything = np.concatenate([y, draws.ravel()])
    low, high = everything.min(), everything.max()
    pad = 0.05 * (high - low or 1.0)
    edges = np.linspace(low - pad, high + pad, 513)
    middle = 0.5 * (edges[1:] + edges[:-1])
    parts = []
    for i, column in enumerate([y, *draws.T]):
        name = "data" if i == 0 else f"sim {i}"
        parts.append(pd.DataFrame({"Set": name, "x": middle, "y": _density(column, edges)}))
    return pd.concat(parts, ignore_index=True)


def _density(values: FloatArray, edges: FloatArray) -> FloatArray:
    """Return a Gaussian kernel density on the bins; R's ``bw.nrd0`` is its width."""
    from scipy.ndimage import gaussian_filter1d

    n = values.size
    counts = np.histogram(values, edges)[0].astype(np.float64)
    quartiles = np.subtract(*np.percentile(values, [75, 25])) / 1.34
    spread = min(s for s in (values.std(ddof=1), quartiles) if s > 0) if np.ptp(values) else 1.0
    width = 0.9 * spread * n**-0.2
    step = edges[1] - edges[0]
    smooth = gaussian_filter1d(counts, max(width / step, 0.5), mode="constant")
    return np.asarray(smooth / (n * step))


def _shares(y: FloatArray, draws: FloatArray) -> pd.DataFrame:
    """Shares of every value of a discrete response."""
    values = np.unique(np.concatenate([y, draws.ravel()]))
    parts = []
    for i, column in enumerate([y, *draws.T]):
        shares = [(column == v).mean() for v in values]
        name = "data" if i == 0 else f"sim {i}"
        parts.append(pd.DataFrame({"Set": name, "x": values, "y": shares}))
    return pd.concat(parts, ignore_index=True)


_PANELS: dict[str, Callable[[_Context], Any]] = {
    "pp_check": _predictive,
    "linearity": _linearity,
    "homogeneity": _homogeneity,
    "influence": _influence,
    "collinearity": _collinearity,
    "qq": _qq,
    "reqq": _random_qq,
}
