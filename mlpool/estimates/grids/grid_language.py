"""The grid language: ``"ses"``, ``"ses = [quartiles]"``, ``"ses = [0, 1]"``, ``"x = 1:5"``."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mlpool.errors import OptionError, brief, nearest_names
from mlpool.estimates.grids.variables import Variable, find_variable
from mlpool.formula.language.lexer import quote_name, unquote_name
from mlpool.frames.levels import level_label
from mlpool.typing import FloatArray

if TYPE_CHECKING:
    from mlpool.typing import ByLike

LENGTH = 10
"""Points of a numeric focal variable."""

DECIMALS = 3
"""Focal values that the data give are rounded to as many decimals."""

_SPEC = re.compile(r"^\s*(?P<name>`[^`]+`|[^=\[\]]+?)\s*(?:=\s*(?P<values>.+?)\s*)?$", re.DOTALL)
_RANGE = re.compile(r"^(-?\d+(?:\.\d+)?)\s*:\s*(-?\d+(?:\.\d+)?)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Focal:
    """A variable that a grid goes through.

    Attributes
    ----------
    variable : Variable
    values : tuple
        Numbers or levels, in the order of the grid.
    text : str
        As the user wrote it (``ses = [quartiles]``), for the footer.
    is_given : bool
        Whether the user named the values, which are then never left out.
    words : tuple of str
        What the values are called where a token has words for them: ``-1 SD``, ``mean``, ``+1 SD``.
    """

    variable: Variable
    values: tuple[Any, ...]
    text: str
    is_given: bool = False
    words: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The variable's name."""
        return self.variable.name

    @property
    def rounding(self) -> float:
        """The most that rounding moved a number that the data gave, in the variable's unit."""
        if self.is_given or not self.variable.is_numeric:
            return 0.0
        return 0.5 * 10.0 ** -_decimals(np.asarray(self.values, dtype=np.float64))

    @property
    def outside(self) -> tuple[float, ...]:
        """Numeric values beyond the range of the data."""
        if not self.variable.is_numeric:
            return ()
        low, high = self.variable.range
        slack = 2.0 * self.rounding
        return tuple(v for v in self.values if v < low - slack or v > high + slack)


def read_focal(
    by: ByLike | None,
    variables: dict[str, Variable],
    *,
    argument: str = "by",
    length: int | None = LENGTH,
) -> tuple[Focal, ...]:
    """Return the focal variables that `by` names.

    Parameters
    ----------
    by : None, str, sequence of str, or mapping
        ``"ses"``, ``["ses = [sd]", "gender"]``, ``{"ses": [0, 1], "gender": None}``.
    variables : dict of Variable
    argument : str
        How the argument is called.
    length : int or None
        Points of a numeric variable without values; None: every distinct value.

    Raises
    ------
    OptionError
        For unknown variables, tokens or levels, and values that cannot be read.
    """
    if length is not None and (isinstance(length, bool) or not isinstance(length, int)):
        raise OptionError(f"length must be a whole number above 1; got {brief(length)}.")
    if length is not None and length < 2:
        raise OptionError(f"length must be a whole number above 1; got {brief(length)}.")
    focal = [
        _read_one(name, values, text, variables, argument, length)
        for name, values, text in _specs(by, argument, variables)
    ]
    names = [f.name for f in focal]
    for name in names:
        if names.count(name) > 1:
            raise OptionError(f"{argument} names {brief(name)} twice.")
    return tuple(focal)


def _specs(
    by: ByLike | None, argument: str, variables: Iterable[str]
) -> list[tuple[str, Any, str]]:
    """Return (name, values as given or None, text) of every entry."""
    if by is None:
        return []
    if isinstance(by, str):
        by = [by]
    if isinstance(by, Mapping):
        return [(str(k), v, str(k) if v is None else f"{k} = {_shown(v)}") for k, v in by.items()]
    if not isinstance(by, Iterable) or not all(isinstance(entry, str) for entry in by):
        raise OptionError(
            f"{argument} must be a name, a list of names such as ['ses = [0, 1]', 'gender'], or a "
            f"dict; got {brief(by)}."
        )
    found = []
    for entry in by:
        known = (entry, None) if entry in variables else _known_name(entry.strip(), variables)
        if known is not None:
            found.append((*known, entry.strip()))
            continue
        match = _SPEC.match(entry)
        if match is None or not match["name"].strip():
            raise OptionError(
                f"{argument}={brief(entry)} cannot be read; write 'x', 'x = [0, 1]' or "
                "'x = [quartiles]'."
            )
        found.append((unquote_name(match["name"].strip()), match["values"], entry.strip()))
    return found


def spellings(name: str) -> tuple[str, ...]:
    """Return the ways to write a variable's name: as it is, or in backticks."""
    return name, f"`{name}`", quote_name(name)


def _known_name(entry: str, variables: Iterable[str]) -> tuple[str, str | None] | None:
    """Return the variable that an entry begins with, and the values after its ``=``.

    Names may have brackets, blanks and signs, with or without backticks; the longest that fits is
    meant.
    """
    for name in sorted(variables, key=len, reverse=True):
        for spelling in spellings(name):
            rest = entry.removeprefix(spelling).strip()
            if entry.startswith(spelling) and not rest:
                return name, None
            if entry.startswith(spelling) and rest.startswith("=") and rest[1:].strip():
                return name, rest[1:].strip()
    return None


def _read_one(
    name: str,
    values: object,
    text: str,
    variables: dict[str, Variable],
    argument: str,
    length: int | None,
) -> Focal:
    variable = find_variable(variables, name, argument)
    if values is None:
        own = _default_numbers(variable, length) if variable.is_numeric else variable.levels
        return Focal(variable=variable, values=tuple(own), text=text)
    token = _token(values)
    if token is not None:
        if not variable.is_numeric:
            raise OptionError(
                f"{argument}={brief(text)}: {name} is a factor; [{token}] needs numbers."
            )
        numbers = _token_values(token, variable)
        words = _WORDS.get(token.lower(), ())
        # equal values fell together, and nobody can say which of them has which word
        words = words if len(words) == len(numbers) else ()
        return Focal(variable=variable, values=numbers, text=text, words=words)
    entries = _entries(values, text, argument)
    if variable.is_numeric:
        numbers = tuple(_number(v, text, argument) for v in entries)
        return Focal(variable=variable, values=numbers, text=text, is_given=True)
    levels = tuple(_level(v, variable, argument) for v in entries)
    return Focal(variable=variable, values=levels, text=text, is_given=True)


def _default_numbers(variable: Variable, length: int | None) -> tuple[float, ...]:
    """Return equally spaced points, or the values themselves if there are few whole ones."""
    n = variable.summary.n_distinct
    if length is None or n == 1 or (variable.summary.is_whole and n < length):
        return variable.distinct
    low, high = variable.range
    return _rounded(np.linspace(low, high, length))


def finer(focal: Sequence[Focal], points: int) -> tuple[Focal, ...]:
    """Return the variables with more points of the first, if it is a number that was spread evenly.

    Values that were named stay as they are, and so do those that are all of the data's.
    """
    first, *others = focal
    is_spread = first.variable.is_numeric and not first.is_given and len(first.values) == LENGTH
    if not is_spread or first.words:
        return tuple(focal)
    values = _rounded(np.linspace(first.values[0], first.values[-1], points))
    return (replace(first, values=values), *others)


def _rounded(values: object) -> tuple[float, ...]:
    """Round to three decimals; small variables keep three digits of their spread."""
    numbers = np.asarray(values, dtype=np.float64)
    return tuple(dict.fromkeys(float(v) + 0.0 for v in np.round(numbers, _decimals(numbers))))


def _decimals(numbers: FloatArray) -> int:
    spread = float(np.ptp(numbers)) or float(np.max(np.abs(numbers)))
    if 0.0 < spread < 10.0 ** (1 - DECIMALS):
        return DECIMALS - math.floor(math.log10(spread))
    return DECIMALS


def _around(centre: float, spread: float) -> tuple[float, ...]:
    return centre - spread, centre, centre + spread


def _pretty(low: float, high: float) -> FloatArray:
    """Return about five round numbers that cover the data, as R's ``pretty``."""
    cell = (high - low) / 5 or max(abs(high), 1.0)
    base = 10.0 ** math.floor(math.log10(cell))
    unit = base
    for factor, weight in ((2.0, 1.5), (5.0, 2.75), (10.0, 1.5)):
        if factor * base - cell < weight * (cell - unit):
            unit = factor * base
    # R's ``pretty``: in steps of the round unit
    first, last = math.floor(low / unit + 1e-7), math.ceil(high / unit - 1e-7)
    return np.asarray(np.arange(first, last + 1) * unit, dtype=np.float64)


def _quantiles(*shares: float) -> Callable[[Variable], object]:
    return lambda v: [v.quantile(share) for share in shares]


_TOKENS: dict[str, Callable[[Variable], object]] = {
    "sd": lambda v: _around(v.mean, v.summary.sd),
    "mad": lambda v: _around(v.quantile(0.5), v.summary.mad),
    "fivenum": _quantiles(0.0, 0.25, 0.5, 0.75, 1.0),
    "quartiles": _quantiles(0.25, 0.5, 0.75),
    "quartiles2": _quantiles(0.0, 0.25, 0.5, 0.75, 1.0),
    "terciles": _quantiles(1 / 3, 2 / 3),
    "terciles2": _quantiles(0.0, 1 / 3, 2 / 3, 1.0),
    "minmax": _quantiles(0.0, 1.0),
    "zeromax": lambda v: (0.0, v.quantile(1.0)),
    "range": lambda v: np.linspace(*v.range, LENGTH),
    "mean": lambda v: (v.mean,),
    "median": _quantiles(0.5),
    "pretty": lambda v: _pretty(*v.range),
}

_WORDS = {
    "sd": ("-1 SD", "mean", "+1 SD"),
    "mad": ("-1 MAD", "median", "+1 MAD"),
    "minmax": ("minimum", "maximum"),
    "quartiles": ("lower quartile", "median", "upper quartile"),
    "mean": ("mean",),
    "median": ("median",),
}
"""What the values of a token are called in legends."""


def _token(values: object) -> str | None:
    """Return the word in ``[word]``; None if the values are a list."""
    if not isinstance(values, str):
        return None
    inside = values.strip().removeprefix("[").removesuffix("]").strip()
    is_word = bool(re.fullmatch(r"[A-Za-z_][\w ]*", inside))
    return inside if is_word and inside.lower() in _TOKENS else None


def _token_values(token: str, variable: Variable) -> tuple[float, ...]:
    return _rounded(_TOKENS[token.lower()](variable))


def _entries(values: object, text: str, argument: str) -> list[object]:
    if not isinstance(values, str):
        entries = list(values) if isinstance(values, Iterable) else [values]
    else:
        inside = values.strip()
        inside = inside.removeprefix("c(").removesuffix(")") if inside[:2] == "c(" else inside
        inside = inside.removeprefix("[").removesuffix("]").strip()
        match = _RANGE.match(inside)
        if match:
            first, last = float(match[1]), float(match[2])
            step = 1.0 if last >= first else -1.0
            return list(np.arange(first, last + step / 2, step))
        entries = [part.strip() for part in inside.split(",")]
    if not entries or any(isinstance(e, str) and not e for e in entries):
        raise OptionError(f"{argument}={brief(text)} has no values between the brackets.")
    return entries


def _number(value: Any, text: str, argument: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        hint = nearest_names(value, _TOKENS)
        raise OptionError(
            f"{argument}={brief(text)}: {brief(value)} is neither a number nor one of the words "
            f"{', '.join(_TOKENS)}.{hint}"
        ) from None
    if not math.isfinite(number):
        raise OptionError(f"{argument}={brief(text)}: values must be finite numbers.")
    return number


def _level(value: object, variable: Variable, argument: str) -> object:
    text = level_label(value).strip().strip("'\"")
    for level in variable.levels:
        if level_label(level) == text:
            return level
    known = [level_label(v) for v in variable.levels]
    shown = ", ".join(known[:8]) + (", ..." if len(known) > 8 else "")
    raise OptionError(
        f"{argument}: {variable.name} has no level {brief(text)}; it has {shown}."
        + nearest_names(text, known)
    )


def _shown(values: object) -> str:
    if isinstance(values, str):
        return values
    entries = list(values) if isinstance(values, Iterable) else [values]
    return "[" + ", ".join(level_label(v) for v in entries) + "]"
