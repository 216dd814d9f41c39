"""A keyword that a verb does not have, or an argument that it needs, ends in one sentence.

Python's own message names the function that noticed, which may be an inner one, and no spelling
that works. :func:`answering` puts the sentence in its place for every public verb and every method
of a model, so that no verb has to look for such mistakes itself.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from functools import wraps
from types import FunctionType
from typing import ParamSpec, TypeVar

from mlpool.errors import MlpoolError, OptionError, brief, nearest_names

P = ParamSpec("P")
R = TypeVar("R")

_UNKNOWN = re.compile(r"got an unexpected keyword argument '(\w+)'")
_MISSING = re.compile(r"missing \d+ required")
"""Python's words for the two mistakes."""

_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)

_MOST_LISTED = 12
"""Keywords that are listed where none is near; more would hide the sentence."""


def answering(verb: Callable[P, R], name: str | None = None) -> Callable[P, R]:
    """Return the verb, which answers an unknown keyword with the nearest that it has.

    What it needs and was not given is named with the whole call.

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
            sentence = _answer(shown, verb, str(error), args, kwargs)
            if sentence is None:
                raise
        raise OptionError(sentence)

    if name is not None:
        call.__module__, call.__qualname__ = "mlpool", name
    return call


def answering_methods(owner: type) -> None:
    """Let the public methods that a class itself defines answer unknown keywords, once each."""
    for name, method in list(vars(owner).items()):
        is_public = isinstance(method, FunctionType) and not name.startswith("_")
        if is_public and not hasattr(method, "__wrapped__"):
            setattr(owner, name, answering(method))


def _answer(
    shown: str,
    verb: Callable[..., object],
    error: str,
    args: tuple[object, ...],
    kwargs: Mapping[str, object],
) -> str | None:
    """Return the sentence about a TypeError; None where the call itself was not mistaken."""
    unknown = _UNKNOWN.search(error)
    if unknown is not None and unknown[1] in kwargs:
        return _sentence(shown, unknown[1], _keywords(verb))
    if _MISSING.search(error) is None:
        return None
    parameters = list(inspect.signature(verb).parameters.values())
    given = {p.name for p, _ in zip(parameters, args, strict=False)} | set(kwargs)
    needed = [p.name for p in parameters if p.kind in _NAMED and p.default is p.empty]
    missing = [name for name in needed if name not in given]
    if not missing:
        return None
    call = ", ".join(name for name in needed if name != "self")
    return f"{shown}() needs {' and '.join(missing)}: write {shown}({call})."


def _keywords(verb: Callable[..., object]) -> list[str]:
    known = inspect.signature(verb).parameters.values()
    return [p.name for p in known if p.kind in _NAMED and p.name != "self"]


def _sentence(verb: str, unknown: str, known: list[str]) -> str:
    hint = nearest_names(unknown, known)
    if not hint and known:
        more = ", ..." if len(known) > _MOST_LISTED else ""
        hint = f" It has {', '.join(known[:_MOST_LISTED])}{more}: help(mlpool.{verb})."
    return f"{verb}() has no argument {brief(unknown)}.{hint}"
