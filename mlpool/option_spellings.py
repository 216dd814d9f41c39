"""The options that many verbs have: their names, other fields' spellings, and their values.

One table for all verbs: R's packages and Python's call one choice by many names, and whoever knows
one of them is understood everywhere. ``docs/developer/options.md`` is made from this table.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import ParamSpec, TypeVar

from mlpool.errors import OptionError, brief, nearest_names
from mlpool.keywords import spell_out

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One choice that verbs offer.

    Attributes
    ----------
    meaning : str
        What is chosen, in half a sentence.
    names : tuple of str
        What the argument is called; the first is the name in pages and messages.
    values : mapping
        Value -> its other spellings. Case does not matter, nor do ``_``, ``-``, ``.`` and spaces.
        Empty where values are no words.
    """

    meaning: str
    names: tuple[str, ...]
    values: Mapping[str, tuple[str, ...]]

    @property
    def name(self) -> str:
        """The usual name."""
        return self.names[0]

    def value(self, given: object) -> object:
        """Return a value by its usual spelling; what is unknown as it is."""
        return self._spellings().get(_plain(given), given) if isinstance(given, str) else given

    def _spellings(self) -> dict[str, str]:
        return {_plain(s): value for value, others in self.values.items() for s in (value, *others)}


def _plain(text: str) -> str:
    return "".join(c for c in text.lower() if c not in "_-. ")


OPTIONS = {
    "ci_method": Option(
        meaning="degrees of freedom, and how intervals are made",
        names=("ci_method", "ddf", "df_method"),
        values={
            "residual": (),
            "wald": (),
            "normal": ("asymptotic", "z"),
            "satterthwaite": ("satterth", "sat"),
            "kenward": ("kenward-roger", "kr"),
            "profile": (),
            "lme4": (),
        },
    ),
}
"""The vocabulary: usual name -> option. What a verb's values mean is in the verb's own page."""


def read_value(
    option: str, given: object, allowed: Sequence[str], *, argument: str | None = None
) -> str:
    """Return a value of an option by its usual spelling.

    Parameters
    ----------
    option : str
        Key of `OPTIONS`.
    given : object
    allowed : sequence of str
        The usual spellings that this verb, or kind of model, takes.
    argument : str, optional
        What the verb calls the option.

    Raises
    ------
    OptionError
        Naming the values that are taken.
    """
    found = OPTIONS[option].value(given)
    if isinstance(found, str) and found in allowed:
        return found
    raise OptionError(
        f"{argument or option} must be one of {tuple(allowed)}; got {brief(given)}."
        f"{nearest_names(given, allowed)}"
    )


def also_spelt(
    *options: str, keywords: type | None = None
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a verb take an option by any of its names.

    The verb works with the first of an option's names in its signature; the wrapper hands over
    under it whatever was given under another one.

    Parameters
    ----------
    *options : str
        Keys of `OPTIONS`.
    keywords : TypedDict, optional
        The other names where the verb has them as ``**spellings: Unpack[...]``, shown to ``help``.

    Raises
    ------
    OptionError
        When the verb is called by names that disagree, or by one that it does not have.
    """

    def mark(function: Callable[P, R]) -> Callable[P, R]:
        marked = function if keywords is None else spell_out(keywords, default=None)(function)
        signature = inspect.signature(marked)
        own = {
            name: next(n for n in signature.parameters if n in OPTIONS[key].names)
            for key in options
            for name in OPTIONS[key].names
        }
        option_of = {own[name]: key for key in options for name in OPTIONS[key].names}
        kinds = {p.kind for p in signature.parameters.values()}
        known = None if inspect.Parameter.VAR_KEYWORD in kinds else tuple(signature.parameters)
        places = {name: i for i, name in enumerate(signature.parameters)}

        @wraps(marked)
        def call(*args: P.args, **given: P.kwargs) -> R:
            if known is not None:
                _check_names(given, known, marked.__name__)
            for name in [n for n in given if own.get(n, n) != n]:
                value, taken = given.pop(name), own[name]
                stands = places[taken] < len(args)
                first = args[places[taken]] if stands else given.get(taken)
                check_agree(option_of[taken], {taken: first, name: value})
                if not stands and value is not None:
                    given[taken] = value
            return function(*args, **given)

        return call

    return mark


def _check_names(given: Iterable[str], known: Sequence[str], verb: str) -> None:
    for name in given:
        if name not in known:
            raise OptionError(
                f"{verb}() has no argument {brief(name)}.{nearest_names(name, known)}"
            )


def check_agree(option: str, given: Mapping[str, object]) -> None:
    """Refuse two names of an option that say different things.

    Parameters
    ----------
    option : str
        Key of `OPTIONS`.
    given : mapping
        Two names of the argument -> what was given; None for nothing.

    Raises
    ------
    OptionError
    """
    (name, first), (other, second) = given.items()
    if first is None or second is None:
        return
    one, two = OPTIONS[option].value(first), OPTIONS[option].value(second)
    if one is not two and not (isinstance(one, str) and isinstance(two, str) and one == two):
        raise OptionError(
            f"{name}={brief(first)} and {other}={brief(second)} are one choice and disagree; give "
            f"{name}= alone."
        )
