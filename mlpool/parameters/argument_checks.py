"""Checks of what a user asks the tables for, and where else the question belongs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlpool.argument_values import is_text
from mlpool.errors import OptionError, brief
from mlpool.registry import verb

if TYPE_CHECKING:
    from mlpool.models import FittedModel
    from mlpool.results import ResultFrame

MIXED = ("lmer", "glmer")
"""Kinds of models with random effects."""

DEFAULT_LEVEL = 0.95
"""Used inside where no intervals are shown."""

KINDS = ("lm", "glm", *MIXED)


_ELSEWHERE = {
    "standardize": "is a function here: standardize_parameters(m, method='refit')",
}
"""Arguments of R's function that have another name or place."""


def of_tests(table: ResultFrame, ci: float | None) -> ResultFrame:
    """Return the table of `anova` with shares of variance: a verb of a room beside this one."""
    shares: ResultFrame = verb("anova_parameters")(table, ci)
    return shares


def refuse_elsewhere(**given: object) -> None:
    """Refuse arguments of R's that have another name here, naming it.

    Raises
    ------
    OptionError
    """
    for name, value in given.items():
        if value is not None:
            raise OptionError(f"{name}= {_ELSEWHERE[name]}.")


def check_flags(**flags: object) -> None:
    """Refuse anything but True and False.

    Raises
    ------
    OptionError
        Naming the argument.
    """
    for name, value in flags.items():
        if not isinstance(value, bool):
            raise OptionError(f"{name} must be True or False; got {brief(value)}.")


def wants_ratio(m: FittedModel, exponentiate: object) -> bool:
    """Return whether coefficients are to be exponentiated.

    Raises
    ------
    OptionError
    """
    if is_text(exponentiate, "nongaussian"):
        return m.family is not None and m.family.kin != "gaussian"
    if not isinstance(exponentiate, bool):
        raise OptionError(
            f"exponentiate must be True, False or 'nongaussian'; got {brief(exponentiate)}."
        )
    return exponentiate


def wants_ci_random(ci_random: object) -> bool:
    """Return whether random effects get intervals; None means no, as in the lectures.

    Raises
    ------
    OptionError
    """
    if ci_random is not None and not isinstance(ci_random, bool):
        raise OptionError(f"ci_random must be True, False or None; got {brief(ci_random)}.")
    return bool(ci_random)
