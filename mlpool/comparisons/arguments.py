"""What the functions of this folder check of their arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mlpool.errors import DataError
from mlpool.models.fitted import FittedModel


def check_same_data(models: Mapping[str, FittedModel], verb: str) -> None:
    """Refuse models whose likelihoods are of different data.

    Raises
    ------
    DataError
        If rows, responses, weights or families differ.
    """
    (first_name, first), *others = models.items()
    for name, m in others:
        pair = f"{verb}: {first_name!r} and {name!r}"
        if m.nobs != first.nobs:
            raise DataError(
                f"{pair} were fitted to different rows ({first.nobs} and {m.nobs}); missing values "
                "of a variable of one model may be the reason: fit both to the same rows."
            )
        if not _same_rows(m.design, first.design):
            raise DataError(
                f"{pair} were fitted to different rows of the data, though to as many; missing "
                "values of a variable of one model may be the reason: fit both to the same rows."
            )
        if not _same(m.design.y, first.design.y) or not _same(m.design.trials, first.design.trials):
            raise DataError(
                f"{pair} have different responses ({first.design.response_name} and "
                f"{m.design.response_name}, or other rows of it)."
            )
        if not _same(m.design.weights, first.design.weights):
            raise DataError(f"{pair} have different weights.")
        if _distribution(m) != _distribution(first):
            raise DataError(
                f"{pair} have different families ({_distribution(first)} and {_distribution(m)})."
            )


def _same_rows(a: Any, b: Any) -> bool:
    """Tell whether two designs left out the same rows of data of one length."""
    if a.n_read != b.n_read:
        return True  # one of them read a part of the data, whose rows its response shows
    first, second = (np.ones(d.n_read, dtype=bool) if d.kept is None else d.kept for d in (a, b))
    if not (isinstance(first, np.ndarray) and isinstance(second, np.ndarray)):
        return True  # a saved model without its rows
    return np.array_equal(first, second)


def _same(a: Any, b: Any) -> bool:
    if a is None or b is None:
        return a is b
    return np.array_equal(np.asarray(a), np.asarray(b))


def _distribution(m: FittedModel) -> str:
    return "gaussian" if m.family is None else str(m.family.name)
