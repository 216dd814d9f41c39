"""Numbers and lists in running text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlpool.tables.cells import format_bound, format_counts, format_number, format_p

if TYPE_CHECKING:
    from mlpool.models import FittedModel


def listed(items: Sequence[str]) -> str:
    """Return ``a``, ``a and b``, ``a, b and c``."""
    *first, last = items
    return f"{', '.join(first)} and {last}" if first else last


def counted(n: int, noun: str) -> str:
    """Return ``1 row``, ``2 rows``."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def interval(low: float, high: float, digits: int) -> str:
    """Return ``[7.42, 13.52]``."""
    return f"[{format_bound(low, digits)}, {format_bound(high, digits)}]"


def statistic(letter: str, value: float, df: float, digits: int = 2) -> str:
    """Return ``t(174) = 6.77``, ``z = 2.10``."""
    where = "" if letter == "z" else f"({format_counts([df])[0]})"
    return f"{letter}{where} = {format_number(value, digits)}"


def p_value(p: float) -> str:
    """Return ``p = 0.012``, ``p < .001``."""
    text = format_p(p).strip()
    return f"p {text}" if text[:1] in "<>" else f"p = {text}"


def share(value: float, digits: int) -> str:
    """Return a share of variance with plain decimals."""
    return format_bound(value, digits)


def group_counts(m: FittedModel) -> str:
    """Return ``18 levels of Subject and 4 levels of plate``."""
    return listed([f"{counted(n, 'level')} of {name}" for name, n in m.ngroups.items()])
