"""Labels of levels: how values print, and that no two values of a column print alike.

R's label of a number has 15 digits, and the number 1 and the text ``1`` print alike: labels are
for reading. Values that are told apart get labels of their own, and a value of new data is looked
up by what only it could be called.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from numbers import Number
from typing import TYPE_CHECKING, Any

import numpy as np

from mlpool.typing import IntArray

if TYPE_CHECKING:
    from mlpool.typing import ValueArray

_LONGEST_WHOLE = 1e20
"""Whole numbers up to here are written in full: every 64-bit integer is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What values are called.

    Attributes
    ----------
    labels : tuple of str
        One per value, no two alike.
    exact : tuple of str
        Labels that no other value of the type has; empty where `labels` are these.
    kinds : tuple of str
        Type of each value (``text``, ``number``, ``logical`` ...), or one entry for all.
    """

    labels: tuple[str, ...]
    exact: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ("text",)

    def __len__(self) -> int:
        """Return the number of values."""
        return len(self.labels)


def level_label(value: object) -> str:
    """Return a level as R prints it: ``1`` for 1.0, ``TRUE`` for True; whole numbers in full."""
    if isinstance(value, (bool, np.bool_)):
        return "TRUE" if value else "FALSE"
    if isinstance(value, (float, np.floating)):
        if value.is_integer() and abs(float(value)) < _LONGEST_WHOLE:
            return str(int(value))
        is_short = isinstance(value, (np.float32, np.float16))
        return str(value) if is_short else f"{value:.15g}"
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    return str(value)


def exact_label(value: object) -> str:
    """Return a label with all the digits of a number."""
    if isinstance(value, (float, np.floating)) and not isinstance(value, (np.float32, np.float16)):
        label = level_label(value)
        return label if float(label) == value else repr(float(value))
    return level_label(value)


def kind_of(value: object) -> str:
    """Return the kind of a value: values of two kinds are never the same."""
    if isinstance(value, str):
        return "text"
    if isinstance(value, (bool, np.bool_)):
        return "logical"
    if isinstance(value, (Number, np.number, Decimal)):
        return "number"
    return type(value).__name__


def same_number(value: object) -> object:
    """Return numbers that are equal as one object, whatever type they have."""
    if isinstance(value, (float, np.floating)):
        return int(value) if value.is_integer() else float(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else value.normalize()
    return value


def name_values(values: Sequence[Any] | ValueArray) -> Names:
    """Return labels of distinct values, no two alike."""
    if isinstance(values, np.ndarray) and values.dtype.kind in "iu":
        return Names(labels=tuple(map(str, values.tolist())), kinds=("number",))
    if isinstance(values, np.ndarray) and values.dtype == np.float64 and _are_whole(values):
        return Names(labels=tuple(map(str, values.astype(np.int64).tolist())), kinds=("number",))
    if set(map(type, values)) == {str}:
        return Names(labels=tuple(values))
    exact = tuple(exact_label(v) for v in values)
    kinds = tuple(kind_of(v) for v in values)
    labels = _told_apart([level_label(v) for v in values], exact, kinds)
    return Names(
        labels=labels,
        exact=() if exact == labels else exact,
        kinds=kinds[:1] if len(set(kinds)) == 1 else kinds,
    )


def _are_whole(values: ValueArray) -> bool:
    # whole numbers that an integer of eight bytes holds
    return bool(np.all((np.abs(values) < 2.0**62) & (values == np.floor(values))))


def _told_apart(labels: list[str], exact: Sequence[str], kinds: Sequence[str]) -> tuple[str, ...]:
    counts = Counter(labels)
    if len(counts) == len(labels):
        return tuple(labels)
    kinds_of: dict[str, set[str]] = {}
    for label, kind in zip(labels, kinds, strict=True):
        kinds_of.setdefault(label, set()).add(kind)
    spelled = [
        label if counts[label] == 1 else full + (f" ({kind})" if len(kinds_of[label]) > 1 else "")
        for label, full, kind in zip(labels, exact, kinds, strict=True)
    ]
    return distinct(spelled)


def distinct(labels: Iterable[str]) -> tuple[str, ...]:
    """Return labels with ``.1``, ``.2`` after repeated ones (R's ``make.unique``)."""
    given = tuple(labels)
    taken = set(given)
    if len(taken) == len(given):
        return given
    seen: Counter[str] = Counter()
    out = []
    for label in given:
        name = label
        while seen[label] and (name == label or name in taken):
            name = f"{label}.{seen[label]}"
            seen[label] += 1
        seen[label] += seen[label] == 0
        taken.add(name)
        out.append(name)
    return tuple(out)


def joint_labels(labels: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Return R's labels of combinations (``b1:a1``); those that would be alike in backticks.

    Parameters
    ----------
    labels : sequence of sequence of str
        One sequence per factor, each with an entry per combination.
    """
    plain = [":".join(parts) for parts in zip(*labels, strict=True)]
    counts = Counter(plain)
    if len(counts) == len(plain):
        return tuple(plain)
    quoted = [
        ":".join(f"`{part}`" if ":" in part else part for part in parts)
        for parts in zip(*labels, strict=True)
    ]
    return distinct(q if counts[p] > 1 else p for p, q in zip(plain, quoted, strict=True))


def match_names(new: Names, known: Sequence[str]) -> IntArray:
    """Return where each new value is among labels that are known, -1 for unknown ones.

    Parameters
    ----------
    new : Names
    known : sequence of str
        Labels that :class:`Names` gave to the values of the training data.

    Returns
    -------
    ndarray of int of shape (len(new) + 1,)
        The last entry, -1, is for codes of missing values.
    """
    position = {label: i for i, label in enumerate(known)}
    longer = {s for label in known if (s := _shortened(label)) != label}
    exact = new.exact or new.labels
    kinds = new.kinds * len(exact) if len(new.kinds) == 1 else new.kinds
    found = [
        _position(label, kind, position, longer) for label, kind in zip(exact, kinds, strict=True)
    ]
    return np.array([*found, -1], dtype=np.int32)


def _position(label: str, kind: str, position: dict[str, int], longer: set[str]) -> int:
    for spelling in (label, f"{label} ({kind})"):
        if spelling in position:
            return position[spelling]
    if kind != "number":
        return -1
    short = _shortened(label)
    # two values of the training data share these 15 digits: which is meant is not known
    return -1 if short in longer else position.get(short, -1)


def _shortened(label: str) -> str:
    """Return the label of a number with 15 digits; other labels, and whole numbers, as they are."""
    if len(label) <= 16 or "." not in label:
        return label
    try:
        return f"{float(label):.15g}"
    except ValueError:
        return label
