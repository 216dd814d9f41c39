"""A keyword that a verb does not have ends in one sentence, whichever verb it is.

Python's own message names the function that noticed, which may be an inner one, and no spelling
that works. :func:`answering` puts the sentence in its place for every public verb and every method
of a model, so that no verb has to look for unknown keywords itself.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from functools import wraps
from types import FunctionType
from typing import ParamSpec, TypeVar

from mlpool.errors import MlpoolError, OptionError, brief, nearest_names

P = ParamSpec("P")
R = TypeVar("R")

_PYTHONS_WORDS = re.compile(r"got an unexpected keyword argument '(\w+)'")

_MOST_LISTED = 12
"""Keywords that are listed where none is near; more would hide the sentence."""


def answering(verb: Callable[P, R], name: str | None = None) -> Callable[P, R]:
    """Return the verb, which answers an unknown keyword with the nearest that it has.

    Parameters
    ----------
    verb : callable
    name : str, optional
        As users write it; default: the function's own.

    Returns
    -------
    callable
        The same in all else: signature, docstring, answers and other errors. A public name (with
        `name`) is one of the package `mlpool`, by which it is pickled.
    """
    shown = name or verb.__name__

    @wraps(verb)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return verb(*args, **kwargs)
        except MlpoolError:
            raise
        except TypeError as error:
            found = _PYTHONS_WORDS.search(str(error))
            if found is None or found[1] not in kwargs:
                raise
            unknown = found[1]
        raise OptionError(_sentence(shown, unknown, _keywords(verb)))

    if name is not None:
        call.__module__, call.__qualname__ = "mlpool", name
    return call


def answering_methods(owner: type) -> None:
    """Let the public methods that a class itself defines answer unknown keywords, once each."""
    for name, method in list(vars(owner).items()):
        is_public = isinstance(method, FunctionType) and not name.startswith("_")
        if is_public and not hasattr(method, "__wrapped__"):
            setattr(owner, name, answering(method))


def _keywords(verb: Callable[..., object]) -> list[str]:
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    known = inspect.signature(verb).parameters.values()
    return [p.name for p in known if p.kind in kinds and p.name != "self"]


def _sentence(verb: str, unknown: str, known: list[str]) -> str:
    hint = nearest_names(unknown, known)
    if not hint and known:
        more = ", ..." if len(known) > _MOST_LISTED else ""
        hint = f" It has {', '.join(known[:_MOST_LISTED])}{more}: help(mlpool.{verb})."
    return f"{verb}() has no argument {brief(unknown)}.{hint}"
