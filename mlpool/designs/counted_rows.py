"""Means and quantiles of rows of which each stands for several alike."""

from __future__ import annotations

import numpy as np

from mlpool.typing import FloatArray


def counted_mean(x: FloatArray, counts: FloatArray) -> float:
    """Return the mean of x (m,) repeated `counts` times."""
    return float(np.average(x, weights=counts))


def counted_sd(x: FloatArray, counts: FloatArray) -> float:
    """Return the standard deviation of x (m,) repeated `counts` times; 0 of one row."""
    n, about = float(counts.sum()), x - counted_mean(x, counts)
    return float(np.sqrt(counts @ about**2 / (n - 1.0))) if n > 1 else 0.0


def counted_quantiles(x: FloatArray, counts: FloatArray, probs: FloatArray) -> FloatArray:
    """Return quantiles (R's type 7) of x (m,) repeated `counts` times, nothing being repeated."""
    order = np.argsort(x)
    ends = np.cumsum(counts[order])
    place = (ends[-1] - 1.0) * np.asarray(probs, dtype=np.float64)
    below = np.floor(place)
    low, high = (
        x[order][np.searchsorted(ends, at, side="right").clip(max=len(x) - 1)]
        for at in (below, np.minimum(below + 1.0, ends[-1] - 1.0))
    )
    return np.asarray(low + (place - below) * (high - low))
