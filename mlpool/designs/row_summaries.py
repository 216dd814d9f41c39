"""What a model remembers of its rows: the few numbers that its tables and texts print.

A function of a model that reads rows to make a few numbers is marked with :func:`fact`: the numbers
are made once and kept with the model. A saved model has its facts instead of its rows, so that it
prints the same text.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any, Protocol, TypeVar, cast

from mlpool.errors import FitError, NotSupportedError
from mlpool.formula.design import Design
from mlpool.frames import Frame
from mlpool.sources import Scan
from mlpool.sources.absent_rows import NOT_SAVED, refuse_rows
from mlpool.sources.combinations import CombinedDesign
from mlpool.sources.design import PushedDesign
from mlpool.typing import FloatArray


class Remembers(Protocol):
    """A model, of which facts need its kind and what it keeps."""

    @property
    def kind(self) -> str:
        """``lm``, ``glm``, ``lmer`` or ``glmer``."""

    @property
    def design(self) -> Design:
        """What it was fitted to."""

    @property
    def _cache(self) -> dict[str, Any]:
        """What was made once."""


M = TypeVar("M", bound=Remembers)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Fact:
    """A function of a model, and which models have it."""

    make: Callable[[Any], Any]
    kinds: tuple[str, ...]
    applies: Callable[[object], bool]


_FACTS: dict[str, _Fact] = {}
_ASKED: dict[str, Callable[[Any], Any]] = {}
"""Fact -> function that makes it of rows that are elsewhere."""
_COUNTED: dict[str, Callable[[Any, FloatArray], Any]] = {}
"""Fact -> function that makes it of counted combinations of rows."""


def fact(
    *kinds: str, when: Callable[[Any], bool] = lambda m: True
) -> Callable[[Callable[[M], T]], Callable[[M], T]]:
    """Mark a function of a model whose value is kept with the model and saved with it.

    Parameters
    ----------
    *kinds : str
        Kinds of models that have the fact.
    when : callable, optional
        Whether a model of these kinds has it.
    """

    def mark(make: Callable[[M], T]) -> Callable[[M], T]:
        name = make.__name__

        @wraps(make)
        def remembered(m: M) -> T:
            known = facts_of(m)
            if name not in known:
                known[name] = _maker(name, make, m)(m)
            value: T = known[name]
            return value

        _FACTS[name] = _Fact(remembered, kinds, when)
        return remembered

    return mark


def by_queries(of: Callable[[M], T]) -> Callable[[Callable[[M], T]], Callable[[M], T]]:
    """Mark how a fact is made of rows that are elsewhere; without it, it is made as of any rows."""

    def mark(make: Callable[[M], T]) -> Callable[[M], T]:
        _ASKED[of.__name__] = make
        return make

    return mark


def by_counts(
    of: Callable[[M], T],
) -> Callable[[Callable[[M, FloatArray], T]], Callable[[M, FloatArray], T]]:
    """Mark how a fact is made of a model of combinations (m,) and their counts (m,)."""

    def mark(make: Callable[[M, FloatArray], T]) -> Callable[[M, FloatArray], T]:
        _COUNTED[of.__name__] = make
        return make

    return mark


def same_by_counts(of: Callable[[M], T]) -> Callable[[M], T]:
    """Mark a fact that weighted combinations give as single rows do."""
    _COUNTED[of.__name__] = lambda m, counts: of(m)
    return of


def of_combinations(m: M) -> M:
    """Return the model on the combinations that it was fitted to, the model itself without."""
    if not isinstance(m.design, CombinedDesign):
        return m
    changed: Any = {"design": m.design.cells, "fit": m.design.record, "_cache": {}}
    made: M = replace(cast(Any, m), **changed)
    return made


def rows_of(design: Design) -> Frame | Scan:
    """Return what a model can be fitted to again: its data, or where they lie.

    Raises
    ------
    NotSupportedError
        If the model came from a file or another session and has no data.
    """
    if not isinstance(design, (PushedDesign, CombinedDesign)):
        return design.frame
    if design.scan is None:
        refuse_rows(NOT_SAVED)
    return design.scan


def _maker(name: str, make: Callable[[M], T], m: M) -> Callable[[M], T]:
    design = m.design
    if isinstance(design, CombinedDesign) and name in _COUNTED:
        return lambda model: _COUNTED[name](of_combinations(model), design.counts)
    return _ASKED.get(name, make) if isinstance(design, PushedDesign) else make


def facts_of(m: Remembers) -> dict[str, Any]:
    """Return the facts that a model remembers so far; adding to them is remembering."""
    known: dict[str, object] = m._cache.setdefault("facts", {})
    return known


def make_facts(m: Remembers) -> dict[str, Any]:
    """Make every fact that a model can have, and return them.

    What a model does not have for reasons of its own (a family without a known variance, a matrix
    too large) is left out.
    """
    for one in _FACTS.values():
        if m.kind in one.kinds and one.applies(m):
            try:
                one.make(m)
            except (NotSupportedError, FitError):
                continue
    return dict(facts_of(m))


def maker_of(name: str) -> Callable[[Any], Any] | None:
    """Return the function that makes a fact; None if there is no such fact."""
    return _FACTS[name].make if name in _FACTS else None
