"""The posterior predictive panel of `check_model`: responses beside simulated ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mlpool.argument_values import generator
from mlpool.families import COUNTS
from mlpool.inference.simulation import rows_of
from mlpool.plots.grammar import LINE_COLOUR, grammar, theme_mlpool
from mlpool.plots.model_checks.panel_data import Context
from mlpool.refits.simulate import response_model
from mlpool.typing import FloatArray, IntArray

if TYPE_CHECKING:
    from plotnine import ggplot

    from mlpool.models import FittedModel

MOST_ROWS = 30_000
"""Rows beyond which data and simulations are those of a random sample of this size."""

_LINE = "#D55E00"
_MOST_TICKS = 10


def predictive(c: Context) -> ggplot:
    """Draw responses beside simulated ones; of several trials, both as successes."""
    g = grammar()
    m = c.model
    rows = c.sample(MOST_ROWS)
    y, draws = np.asarray(m.design.y, dtype=np.float64)[rows], _draws(c, rows)
    if m.design.trials is not None:
        trials = m.design.trials[rows]
        y, draws = np.rint(y * trials), np.rint(draws * trials[:, None])
    # A linear model's simulations are continuous also where few values were observed.
    discrete = _is_discrete(m) and np.unique(y).size <= 20
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
        plot = plot + g.geom_point(data=observed, color=_LINE, size=2.4)
        plot = plot + g.scale_x_continuous(breaks=_ticks(frame["x"].to_numpy()))
    else:
        plot = plot + g.geom_line(g.aes(group="Set"), alpha=0.15, size=0.4, color=LINE_COLOUR)
        plot = plot + g.geom_line(data=observed, color=_LINE, size=1.0)
    drawn: ggplot = plot + labels + theme_mlpool()
    return drawn


def _is_discrete(m: FittedModel) -> bool:
    return m.family is not None and m.family.kin in ("binomial", *COUNTS)


def _ticks(values: FloatArray) -> list[float]:
    """Return at most about ten of the values that can occur: whole ones, or both of 0 and 1."""
    low, high = np.floor(values.min()), np.ceil(values.max())
    step = max(1.0, np.ceil((high - low) / _MOST_TICKS))
    ticks: list[float] = np.arange(low, high + 1.0, step).tolist()
    return ticks


def _draws(c: Context, rows: IntArray) -> FloatArray:
    """Return simulated responses (rows, n_sim), random effects drawn anew for each."""
    source, rng = rows_of(response_model(c.model), rows), generator(c.seed)
    return np.column_stack([source.draw(rng) for _ in range(c.n_sim)])


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
