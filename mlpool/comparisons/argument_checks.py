"""What the functions of this folder check of their arguments."""

from __future__ import annotations

from collections.abc import Mapping

from mlpool.designs.same_rows import same_responses, same_rows, same_weights
from mlpool.errors import DataError, brief
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
        pair = f"{verb}: {brief(first_name)} and {brief(name)}"
        if m.nobs != first.nobs:
            raise DataError(
                f"{pair} were fitted to different rows ({first.nobs} and {m.nobs}); missing values "
                "of a variable of one model may be the reason: fit both to the same rows."
            )
        if not same_rows(m.design, first.design):
            raise DataError(
                f"{pair} were fitted to different rows of the data, though to as many; missing "
                "values of a variable of one model may be the reason: fit both to the same rows."
            )
        if not same_responses(m.design, first.design):
            raise DataError(
                f"{pair} have different responses ({first.design.response_name} and "
                f"{m.design.response_name}, or other rows of it)."
            )
        if not same_weights(m, first):
            raise DataError(f"{pair} have different weights.")
        if _distribution(m) != _distribution(first):
            raise DataError(
                f"{pair} have different families ({_distribution(first)} and {_distribution(m)})."
            )


def _distribution(m: FittedModel) -> str:
    return "gaussian" if m.family is None else str(m.family.name)
