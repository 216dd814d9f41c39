"""Several numbers in one cell: ``57.67 (57.31, 58.04)`` from ``"{estimate} ({ci})"``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mlpool.errors import OptionError, nearest_names
from mlpool.tables.cells import align_right
from mlpool.tables.spec import Column

STYLES: dict[str, str] = {
    "est": "{estimate}",
    "coef": "{estimate}",
    "se": "{estimate} ({se})",
    "ci": "{estimate} ({ci})",
    "se_p": "{estimate}{stars} ({se})",
    "ci_p": "{estimate}{stars} ({ci})",
    "se_p2": "{estimate} ({se})|{p}",
    "ci_p2": "{estimate} ({ci})|{p}",
}
"""Names of styles, as in R; ``|`` begins a new column."""

_HEADERS = {"se": "SE", "ci": "CI", "ci_low": "CI_low", "ci_high": "CI_high", "p": "p", "stars": ""}
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_EMPTY_BRACKETS = re.compile(r"\s*[(\[][\s,]*[)\]]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Elements:
    """Finished cells that a style puts together; all of one length, empty where missing.

    Attributes
    ----------
    estimate, se, low, high : tuple of str
    p : tuple of str
        Without blanks (``<0.001``).
    stars : tuple of str
    name : str
        What the estimate is called in a header (``Coefficient``).
    """

    estimate: tuple[str, ...]
    se: tuple[str, ...]
    low: tuple[str, ...]
    high: tuple[str, ...]
    p: tuple[str, ...]
    stars: tuple[str, ...]
    name: str = "Coefficient"


def is_style(select: object) -> bool:
    """Return whether `select` is a style, not a choice of columns."""
    return isinstance(select, str) and (select in STYLES or "{" in select)


def glue(elements: Elements, style: str) -> tuple[Column, ...]:
    """Return the columns that a style makes of the elements.

    Estimates, errors and bounds are padded to a common width before they are put together; a row
    whose brackets would be empty has none.

    Raises
    ------
    OptionError
        If the style has an unknown placeholder.

    Examples
    --------
    >>> e = Elements(estimate=("4.25",), se=("0.13",), low=("",), high=("",), p=("",), stars=("",))
    >>> glue(e, "se")[0].cells
    ('4.25 (0.13)',)
    """
    patterns = STYLES.get(style, style).split("|")
    parts = _parts(elements)
    _check(patterns, tuple(parts))
    columns = []
    for pattern in patterns:
        cells = tuple(_fill(pattern, parts, row) for row in range(len(elements.estimate)))
        header = _header(pattern, elements.name)
        columns.append(Column(name=header, header=header, cells=cells))
    return tuple(columns)


def _parts(elements: Elements) -> dict[str, tuple[str, ...]]:
    low, high = align_right(elements.low), align_right(elements.high)
    return {
        "estimate": align_right(elements.estimate),
        "se": align_right(elements.se),
        "ci": tuple(f"{a}, {b}" if a or b else "" for a, b in zip(low, high, strict=True)),
        "ci_low": low,
        "ci_high": high,
        "p": elements.p,
        "stars": elements.stars,
    }


def _check(patterns: list[str], known: tuple[str, ...]) -> None:
    names = [name for pattern in patterns for name in _PLACEHOLDER.findall(pattern)]
    for name in names:
        if name not in known:
            allowed = ", ".join(f"{{{k}}}" for k in known)
            raise OptionError(
                f"select has no placeholder {{{name}}}; use {allowed}.{nearest_names(name, known)}"
            )
    if not names:
        raise OptionError("select has no placeholder; use for example '{estimate} ({se})'.")


def _fill(pattern: str, parts: dict[str, tuple[str, ...]], row: int) -> str:
    """Return one cell; empty where nothing is known."""
    used = _PLACEHOLDER.findall(pattern)
    if not any(parts[name][row] for name in used):
        return ""
    text = _PLACEHOLDER.sub(lambda match: parts[match[1]][row], pattern)
    return _EMPTY_BRACKETS.sub("", text).rstrip()


def _header(pattern: str, name: str) -> str:
    headers = {"estimate": name, **_HEADERS}
    return _PLACEHOLDER.sub(lambda match: headers[match[1]], pattern).strip()
