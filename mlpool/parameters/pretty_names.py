"""R's coefficient names as they are printed: ``ses:genderF`` becomes ``ses × gender [F]``.

Made from the records of what a column is, never by taking a name apart: a level may contain
anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from mlpool.formula.types import ColumnInfo, ColumnPart

TIMES = " × "

_BRACKETED_FUNCTIONS = ("log", "log2", "log10", "log1p", "sqrt", "exp", "expm1")
"""``log(hp)`` is printed as ``hp [log]``."""

_CONTRASTS = {".L": "linear", ".Q": "quadratic", ".C": "cubic"}
_ORDINALS = {1: "st", 2: "nd", 3: "rd"}
_CUT_LABEL = re.compile(r"^[(\[]([^,]+),([^,]+)[)\]]$")


def pretty_name(column: ColumnInfo) -> str:
    """Return the printed name of a fixed-effects column.

    Examples
    --------
    >>> part = ColumnPart(
    ...     text="gender", variable="gender", function="", kind="factor", label="F"
    ... )
    >>> pretty_name(ColumnInfo(name="genderF", parts=(part,)))
    'gender [F]'
    """
    if not column.parts:
        return column.name
    *others, last = [_pretty_part(part) for part in column.parts]
    if len(others) > 1:
        return f"({TIMES.join(others)}){TIMES}{last}"
    return TIMES.join([*others, last])


def pretty_names(columns: Iterable[ColumnInfo]) -> tuple[str, ...]:
    """Return the printed names of several columns."""
    return tuple(pretty_name(column) for column in columns)


def reference_name(part: ColumnPart, level: str) -> str:
    """Return the printed name of a factor's level that has no coefficient."""
    return f"{_spaced(part.variable)} [{level}]"


def _pretty_part(part: ColumnPart) -> str:
    if part.kind in ("factor", "boolean") and part.label:
        return f"{_spaced(part.variable)} [{_level(part)}]"
    if part.kind == "ordered" and part.label:
        return f"{_spaced(part.variable)} [{_degree_of_contrast(part.label)}]"
    if part.kind in ("poly", "basis") and part.label:
        return f"{_spaced(part.variable)} [{_degree(part.label)}]"
    return _number_name(part)


def _number_name(part: ColumnPart) -> str:
    """Return the name of a numeric expression."""
    function = part.function.rpartition(".")[2]
    is_plain_call = part.text in (
        f"{part.function}({part.variable})",
        f"{function}({part.variable})",
    )
    if function in _BRACKETED_FUNCTIONS and is_plain_call:
        return f"{_spaced(part.variable)} [{function}]"
    if function == "I" and part.text.startswith("I(") and part.text.endswith(")"):
        return part.text[2:-1]
    if not function and part.text.strip("`") == part.variable:
        return _spaced(part.variable)
    # Blanks for dots and underscores belong to names; in an expression dots may be numbers.
    return part.text if function else _spaced(part.text)


def _spaced(name: str) -> str:
    return name.replace("_", " ").replace(".", " ")


def _level(part: ColumnPart) -> str:
    """Return a level; intervals made by ``cut()`` as ``>2.5-3``."""
    match = _CUT_LABEL.match(part.label) if part.function == "cut" else None
    return f">{match[1].strip()}-{match[2].strip()}" if match else part.label


def _degree_of_contrast(label: str) -> str:
    return _CONTRASTS.get(label) or _degree(label.removeprefix("^"))


def _degree(label: str) -> str:
    """Return ``2nd degree`` for ``2``; other labels as they are."""
    if not label.isdecimal():
        return label
    n = int(label)
    ending = "th" if 10 <= n % 100 <= 20 else _ORDINALS.get(n % 10, "th")
    return f"{n}{ending} degree"
