"""What callers give: numbers, sizes, seeds, yes or no. Read once, refused in one sentence.

Every function takes the value and the argument's name, and returns the value in its plain type.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np

from mlpool.errors import OptionError, brief
from mlpool.typing import FloatArray

if TYPE_CHECKING:
    from mlpool.typing import SeedLike

MOST = 10**9
"""More replicates, draws or rows than anybody waits for: a slip of the keyboard."""


def plain_number(value: object) -> float | None:
    """Return a real number (also a fraction or a 0-d array) as float; None for anything else."""
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if isinstance(value, (bool, np.bool_)):
        return None
    if not isinstance(value, (int, float, np.integer, np.floating, Decimal)):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def number(
    value: object, argument: str, *, least: float = -math.inf, most: float = math.inf
) -> float:
    """Return a finite number between two bounds.

    Raises
    ------
    OptionError
    """
    found = plain_number(value)
    if found is None or not math.isfinite(found) or not least <= found <= most:
        bounds = {
            (False, False): "", (True, False): f", {least:g} or more",
            (True, True): f" from {least:g} to {most:g}", (False, True): f", {most:g} or less",
        }[math.isfinite(least), math.isfinite(most)]  # fmt: skip
        raise OptionError(f"{argument} must be a number{bounds}; got {brief(value)}.")
    return found


def level(value: object, argument: str) -> float:
    """Return a share strictly between 0 and 1.

    Raises
    ------
    OptionError
    """
    found = plain_number(value)
    if found is None or not 0.0 < found < 1.0:
        raise OptionError(
            f"{argument} must be a number between 0 and 1, such as 0.95; got {brief(value)}."
            if argument != "alpha"
            else f"alpha must be a number between 0 and 1, such as 0.05; got {brief(value)}."
        )
    return found


def whole_number(value: object, argument: str, *, least: int, most: int = MOST) -> int:
    """Return a whole number from `least`; a whole float is none, as R's ``1e3`` may be meant.

    Raises
    ------
    OptionError
    """
    is_whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if isinstance(value, (float, np.floating)) and math.isfinite(value) and value == int(value):
        is_whole = True
    if not is_whole or not least <= value <= most:  # type: ignore[operator] # a number
        until = "" if not is_whole or value < most else f" and at most {most:,}"  # type: ignore[operator]
        raise OptionError(
            f"{argument} must be a whole number, {least} or more{until}; got {brief(value)}."
        )
    return int(value)  # type: ignore[call-overload,no-any-return] # by now


def flag(value: object, argument: str) -> bool:
    """Return True or False.

    Raises
    ------
    OptionError
    """
    if not isinstance(value, (bool, np.bool_)):
        raise OptionError(f"{argument} must be True or False; got {brief(value)}.")
    return bool(value)


def is_text(value: object, text: str) -> bool:
    """Return whether a value is this text; arrays and frames compare with text cell by cell."""
    return isinstance(value, str) and value == text


def numbers(value: object, argument: str) -> FloatArray:
    """Return numbers, one or many, as an array of float64.

    Raises
    ------
    OptionError
        For text, missing values, and what is no number at all.
    """
    one = plain_number(value)
    try:
        array = np.asarray(value if one is None else one)
        array = array.astype(np.float64) if array.dtype.kind in "iufO" else np.array(math.nan)
    except (TypeError, ValueError, OverflowError):
        array = np.array(math.nan)
    if not np.all(np.isfinite(array)):
        raise OptionError(f"{argument} must be a number or a list of numbers; got {brief(value)}.")
    return array


def names(value: object, argument: str) -> list[str]:
    """Return one name or several as a list.

    Raises
    ------
    OptionError
        If anything in it is no text.
    """
    if isinstance(value, str):
        return [value]
    is_many = isinstance(value, Iterable) and not isinstance(value, bytes)
    if getattr(value, "ndim", 1) != 1:
        is_many = False
    listed = list(value) if is_many else [None]  # type: ignore[call-overload] # if many
    if not all(isinstance(one, str) for one in listed):
        raise OptionError(f"{argument} must be a name or a list of names; got {brief(value)}.")
    return [str(one) for one in listed]


def generator(seed: SeedLike | None) -> np.random.Generator:
    """Return a random generator.

    Raises
    ------
    OptionError
        If `seed` is none of what NumPy takes.
    """
    try:
        return np.random.default_rng(seed)
    except (TypeError, ValueError):
        raise _no_seed(seed) from None


def seed_sequence(seed: SeedLike | None) -> np.random.SeedSequence:
    """Return a seed's sequence, whose children the replicates draw from.

    Raises
    ------
    OptionError
        If `seed` is none of what NumPy takes.
    """
    if isinstance(seed, np.random.SeedSequence):
        return seed
    if isinstance(seed, np.random.Generator):
        own = seed.bit_generator.seed_seq
        return own.spawn(1)[0]  # type: ignore[attr-defined,no-any-return] # a Generator
    try:
        return np.random.SeedSequence(seed)  # type: ignore[arg-type] # refused here
    except (TypeError, ValueError):
        raise _no_seed(seed) from None


def _no_seed(seed: object) -> OptionError:
    return OptionError(f"seed must be a whole number such as 1, or None; got {brief(seed)}.")
