"""What a fitted model answers to a name or keyword that it does not have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Never

from mlpool.errors import brief, nearest_names
from mlpool.r_spellings import answering_methods, r_spelling
from mlpool.registry import groups, homes

_NOT_OF_MODELS = ("fit", "data", "simulate and teach", "prepare and describe", "errors", "three")
"""How the groups of names begin that do not take a fitted model."""


class MissingNames:
    """``m.anova`` says ``mlpool.anova(m)``, and R's other names get their sentence."""

    def __init_subclass__(cls) -> None:
        """Let the methods of every kind of model answer unknown keywords."""
        super().__init_subclass__()
        for owner in cls.__mro__[:-1]:  # mixins are no kinds of models themselves
            answering_methods(owner)

    if not TYPE_CHECKING:  # type checkers keep telling wrong names

        def __getattr__(self, name: str) -> Never:
            """Raise the sentence about `name`.

            Raises
            ------
            AttributeError
            """
            if hasattr(type(self), name):  # a property that failed: its own error
                object.__getattribute__(self, name)
            raise AttributeError(missing_sentence(self, name), name=name, obj=self)


def missing_sentence(m: object, name: str) -> str:
    """Return the sentence about a name that the model `m` does not have."""
    plain = f"{brief(type(m).__name__)} object has no attribute {brief(name)}."
    if name.startswith("_"):
        return plain
    if name in _verbs():
        return f"{plain} Write mlpool.{name}(m)."
    known = [n for n in dir(type(m)) if not n.startswith("_")]
    answer = None if name in homes() else r_spelling(name)
    return answer or f"{plain}{nearest_names(name, known)}"


def _verbs() -> set[str]:
    own = {t: names for t, names in groups().items() if not t.startswith(_NOT_OF_MODELS)}
    return {name for names in own.values() for name in names}
