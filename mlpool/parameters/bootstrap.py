"""Bootstrap of a linear model's coefficients by resampling cases (rows)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlpool.errors import FitError, NotSupportedError, OptionError
from mlpool.typing import FloatArray

_RANK_TOL = 1e-10
"""A draw whose cross-products have a smaller reciprocal condition lost a column."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BootstrapTable:
    """Summaries of the draws, each of shape (p,), and the number of draws that could be used."""

    estimate: FloatArray
    low: FloatArray
    high: FloatArray
    p: FloatArray
    n_used: int


def bootstrap_table(model: Any, iterations: int, seed: Any, level: float) -> BootstrapTable:
    """Return medians, percentile intervals and two-sided p-values of resampled coefficients.

    Raises
    ------
    NotSupportedError
        For models other than lm.
    OptionError
        If `iterations` is no whole number above 1.
    FitError
        If hardly any draw has full rank.
    """
    if model.kind != "lm":
        raise NotSupportedError(
            f"bootstrap=True resamples the rows of lm models; it is not available for "
            f"{model.kind} models."
        )
    if isinstance(iterations, bool) or not isinstance(iterations, int) or iterations < 2:
        raise OptionError(f"iterations must be a whole number above 1; got {iterations!r}.")
    draws = resample_cases(model, iterations, np.random.default_rng(seed))
    if len(draws) < 2:
        raise FitError(
            "The bootstrap found no resample in which every coefficient can be estimated; the "
            "model has too many coefficients for its rows."
        )
    tail = (1.0 - level) / 2.0
    below, above = (draws <= 0.0).mean(axis=0), (draws >= 0.0).mean(axis=0)
    return BootstrapTable(
        estimate=np.median(draws, axis=0),
        low=np.quantile(draws, tail, axis=0),
        high=np.quantile(draws, 1.0 - tail, axis=0),
        p=np.minimum(2.0 * np.minimum(below, above), 1.0),
        n_used=len(draws),
    )


def resample_cases(model: Any, iterations: int, rng: np.random.Generator) -> FloatArray:
    """Return the coefficients (draws, p) of resamples of full rank.

    Drawing rows with replacement is weighting them by their counts c, so each draw solves
    ``X' diag(c w) X beta = X' diag(c w) y``.
    """
    design = model.design
    columns = design.X.dense()[:, model.fit.kept]
    y = design.y if design.offset is None else design.y - design.offset
    weights = np.ones(design.n) if design.weights is None else design.weights
    # Columns of unit length: the condition of a draw then tells of lost columns, not of units.
    scale = np.sqrt((columns**2).sum(axis=0))
    x = columns / scale
    draws = []
    for _ in _progress(range(iterations)):
        counts = np.bincount(rng.integers(0, design.n, design.n), minlength=design.n) * weights
        weighted = x * counts[:, None]
        gram = weighted.T @ x
        if np.linalg.cond(gram) < 1.0 / _RANK_TOL:
            draws.append(np.linalg.solve(gram, weighted.T @ y) / scale)
    return np.array(draws)


def _progress(steps: range) -> Iterable[int]:
    """Return the steps, with a progress bar on a terminal if tqdm is installed."""
    try:
        from tqdm import tqdm
    except ImportError:
        return steps
    return tqdm(steps, desc="bootstrap", leave=False, disable=None)
