"""What the functions of this folder check of their arguments."""

from __future__ import annotations

from typing import Any

from mlpool.errors import OptionError
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


def backend_of(m: FittedModel) -> str:
    """Return the package that the model's data came from."""
    return type(m.design.frame.native).__module__.partition(".")[0]
