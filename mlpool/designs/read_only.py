"""What a model holds cannot be written to: arrays behind read-only views, mappings without setters.

Results are the user's to change in place; the numbers that later tables are made of are not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, NoReturn, TypeVar, cast

import numpy as np
import pandas as pd

from mlpool.errors import OptionError
from mlpool.formula.newdata import Encoding
from mlpool.formula.types import BarTerm, ParsedFormula

if TYPE_CHECKING:
    from mlpool.typing import ValueArray

T = TypeVar("T")


class ReadOnlyDict(dict[str, object]):
    """A dict that refuses to be changed."""

    def _refuse(self, *args: object, **options: object) -> NoReturn:
        raise OptionError("A fitted model cannot be changed; m.update(...) makes another one.")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (dict(self),)


def read_only(value: T) -> T:
    """Return a record, tuple or array behind which no array can be written to.

    Arrays become views, since the same memory may be the user's own; nothing is copied, and a
    record that is read-only already is returned as it is. What was one array stays one: terms of
    a design are told to be of the same variable by it.
    """
    made: object = _guarded(value, {})
    return cast(T, made)


_PLAIN = frozenset((str, int, float, bool, type(None), pd.Index, pd.DataFrame, pd.Series))


_WITHOUT_ARRAYS = (Encoding, ParsedFormula, BarTerm)
"""Records that are not looked into: what a formula says is text, and encodings share theirs."""


@cache
def _held(kind: type) -> tuple[str, ...]:
    """Fields of a record's class that may hold arrays."""
    return tuple(f.name for f in fields(kind) if f.init and f.name != "raw")


def _guarded(value: object, seen: dict[int, object]) -> object:
    if type(value) in _PLAIN:
        return value
    if isinstance(value, np.ndarray):
        if id(value) not in seen:
            seen[id(value)] = _view(value)
        return seen[id(value)]
    if type(value) is dict:
        return ReadOnlyDict(value)
    if type(value) is tuple:
        if _is_plain(value):
            return value
        parts = tuple(_guarded(one, seen) for one in value)
        return parts if any(a is not b for a, b in zip(parts, value, strict=True)) else value
    if not is_dataclass(value) or isinstance(value, (type, *_WITHOUT_ARRAYS)):
        return value
    changed = {}
    for name in _held(type(value)):
        found = getattr(value, name)
        made = found if type(found) in _PLAIN else _guarded(found, seen)
        if made is not found:
            changed[name] = made
    return replace(value, **changed) if changed else value


def _is_plain(values: tuple[object, ...]) -> bool:
    """Tell whether no array can be behind any of the values, such as the log of a search."""
    return all(
        kind in _PLAIN or (kind is tuple and _is_plain(cast("tuple[object, ...]", one)))
        for one, kind in zip(values, map(type, values), strict=True)
    )


def kept_arguments(arguments: Mapping[str, object]) -> ReadOnlyDict:
    """Return what a model was fitted with; arrays are copied, since the user's may change."""
    return ReadOnlyDict({name: _kept(value) for name, value in arguments.items()})


def _kept(value: object) -> object:
    if isinstance(value, np.ndarray):
        return _view(value.copy()) if value.flags.writeable else value
    if isinstance(value, pd.Series):
        return value.copy()
    if isinstance(value, list):
        return tuple(_kept(one) for one in value)
    return ReadOnlyDict(value) if type(value) is dict else value


def _view(array: ValueArray) -> ValueArray:
    if not array.flags.writeable:
        return array
    view = array.view()
    view.flags.writeable = False
    return view
