"""What the functions of this folder check of their arguments."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlpool.errors import NotSupportedError, OptionError

KINDS = ("lm", "glm", "lmer", "glmer")


def check_model(m: Any, verb: str) -> None:
    """Raise a sentence unless `m` is a fitted model.

    Raises
    ------
    OptionError
    """
    if getattr(m, "kind", None) not in KINDS:
        raise OptionError(
            f"{verb} needs a fitted model, as lm(), glm(), lmer() or fit() return it; "
            f"got {type(m).__name__}."
        )


def check_mixed(m: Any, verb: str) -> None:
    """Raise a sentence unless `m` is a fitted model with random effects.

    Raises
    ------
    OptionError, NotSupportedError
    """
    check_model(m, verb)
    if not m.is_mixed:
        raise NotSupportedError(
            f"{verb} needs a model with random effects, such as lmer('y ~ x + (1 | school)', ...); "
            f"this is {'an lm' if m.kind == 'lm' else 'a glm'} model."
        )


def check_level(ci: object) -> float | None:
    """Return a confidence level, or None.

    Raises
    ------
    OptionError
    """
    if ci is None:
        return None
    is_number = isinstance(ci, (int, float, np.number)) and not isinstance(ci, bool)
    if not is_number or not 0.0 < float(ci) < 1.0:  # type: ignore[arg-type]
        raise OptionError(f"ci must be a level between 0 and 1 such as 0.95, or None; got {ci!r}.")
    return float(ci)  # type: ignore[arg-type]


def check_tolerance(tolerance: object) -> float:
    """Return a tolerance that is zero or more.

    Raises
    ------
    OptionError
    """
    is_number = isinstance(tolerance, (int, float, np.number)) and not isinstance(tolerance, bool)
    if not is_number or not float(tolerance) >= 0.0:  # type: ignore[arg-type]
        raise OptionError(f"tolerance must be a number, 0 or more; got {tolerance!r}.")
    return float(tolerance)  # type: ignore[arg-type]


def backend_of(m: Any) -> str:
    """Return the package that the model's data came from."""
    return type(m.design.frame.native).__module__.partition(".")[0]
