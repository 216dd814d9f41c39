"""Whether two models are of the same rows and responses, so that their likelihoods compare."""

from __future__ import annotations

from typing import Any

import numpy as np


def same_rows(a: Any, b: Any) -> bool:
    """Tell whether two designs left out the same rows of data of one length."""
    if a.n_read != b.n_read:
        return True  # one of them read a part of the data, whose rows its response shows
    first, second = (np.ones(d.n_read, dtype=bool) if d.kept is None else d.kept for d in (a, b))
    if not (isinstance(first, np.ndarray) and isinstance(second, np.ndarray)):
        return True  # a saved model without its rows
    return np.array_equal(first, second)


def same_values(a: object, b: object) -> bool:
    """Tell whether two vectors hold the same, or both are none."""
    if a is None or b is None:
        return a is b
    return np.array_equal(np.asarray(a), np.asarray(b))
