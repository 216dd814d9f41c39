"""What the functions of this folder check of their arguments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from mlpool.errors import DataError, NotSupportedError, OptionError
from mlpool.models.fitted import FittedModel


def check_model(m: Any, verb: str) -> FittedModel:
    """Return `m`.

    Raises
    ------
    OptionError
        If it is no fitted model.
    """
    if not isinstance(m, FittedModel):
        raise OptionError(
            f"{verb} needs a fitted model, as lm(), glm(), lmer() or fit() return it; "
            f"got {type(m).__name__}."
        )
    return m


def check_mixed(m: Any, verb: str) -> FittedModel:
    """Return `m`.

    Raises
    ------
    OptionError
        If it is no fitted model.
    NotSupportedError
        If it has no random effects.
    """
    model = check_model(m, verb)
    if not model.is_mixed:
        raise NotSupportedError(
            f"{verb} needs a model with random effects, such as lmer('y ~ x + (1 | school)', ...); "
            f"this is {'an lm' if model.kind == 'lm' else 'a glm'} model."
        )
    return model


def backend_of(m: FittedModel) -> str:
    """Return the package that the model's data came from."""
    return type(m.design.frame.native).__module__.partition(".")[0]


def name_models(
    models: tuple[Any, ...], names: Iterable[str] | None, named: Mapping[str, Any], verb: str
) -> dict[str, FittedModel]:
    """Return models by name: ``Model 1``, ``Model 2`` ... unless named.

    Raises
    ------
    OptionError
        For fewer than two models, names that do not fit, or something that is no model.
    """
    if len(models) == 1 and isinstance(models[0], Mapping):
        found = {str(k): v for k, v in models[0].items()} | dict(named)
    else:
        found = {f"Model {i + 1}": m for i, m in enumerate(models)} | dict(named)
    if names is not None:
        given = [str(n) for n in names]
        if len(given) != len(found) or len(set(given)) != len(given):
            raise OptionError(
                f"names must give each of the {len(found)} models a name of its own; got {given}."
            )
        found = dict(zip(given, found.values(), strict=True))
    if len(found) < 2:
        raise OptionError(f"{verb} compares two models or more; got {len(found)}.")
    return {name: check_model(m, verb) for name, m in found.items()}


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


def _same(a: Any, b: Any) -> bool:
    if a is None or b is None:
        return a is b
    return np.array_equal(np.asarray(a), np.asarray(b))


def _distribution(m: FittedModel) -> str:
    return "gaussian" if m.family is None else str(m.family.name)
