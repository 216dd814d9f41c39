"""Whether two models are of the same rows and responses, so that their likelihoods compare."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlpool.sources.absent_rows import AbsentRows
from mlpool.sources.combinations import CombinedDesign
from mlpool.sources.design import PushedDesign

_ROUNDING = 1e-9
"""Relative difference of means and SDs that another order of adding up can make."""


def same_rows(a: Any, b: Any) -> bool:
    """Tell whether two designs left out the same rows of data of one length."""
    if a.n_read != b.n_read:
        return True  # one of them read a part of the data, whose rows its response shows
    first, second = (np.ones(d.n_read, dtype=bool) if d.kept is None else d.kept for d in (a, b))
    if not (isinstance(first, np.ndarray) and isinstance(second, np.ndarray)):
        return True  # a saved model without its rows
    return np.array_equal(first, second)


def same_responses(a: Any, b: Any) -> bool:
    """Tell whether two designs have the same responses, trials included.

    Responses that are elsewhere are known by name, number, mean, SD and range.
    """
    scanned = (PushedDesign, CombinedDesign)
    if isinstance(a, scanned) and isinstance(b, scanned):
        first, second = a.response_summary, b.response_summary
        size = max(map(abs, first))
        # relative to each number, and to the largest where one is zero
        alike = np.allclose(first, second, rtol=_ROUNDING, atol=_ROUNDING * size)
        return a.response_name == b.response_name and bool(alike)
    return same_values(a.y, b.y) and same_values(a.trials, b.trials)


def same_values(a: object, b: object) -> bool:
    """Tell whether two vectors hold the same, or both are none."""
    if a is None or b is None:
        return a is b
    return np.array_equal(np.asarray(a), np.asarray(b))


def same_weights(a: Any, b: Any) -> bool:
    """Tell whether two models have the same prior weights; those elsewhere are known by name."""
    first, second = a.design.weights, b.design.weights
    if isinstance(first, AbsentRows) and isinstance(second, AbsentRows):
        return bool(a.arguments.get("weights") == b.arguments.get("weights"))
    return same_values(first, second)
