"""Numbers to cells: decimals, scientific notation, intervals, p-values, stars, whole numbers.

Rounding is C's (correctly rounded decimals of the binary number, ties to even), as R's
``sprintf``. Each rule names its section in easystats' manner of printing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

_SCIENTIFIC_FROM = 1e5
"""Values of this size and above are printed in scientific notation."""

_P_SMALL, _P_LARGE = 0.001, 0.999
"""Probabilities beyond which a p-value is printed as a bound."""

_PADDING = re.compile(r"([(\[]|, ) +")

# probabilities below which stars stand, as in R's tables
_STARS = ((0.001, "***"), (0.01, "**"), (0.05, "*"))


def format_number(value: float, digits: int = 2, *, zap_small: bool = False) -> str:
    """Return a number with fixed decimals, or in scientific notation if tiny or huge.

    Scientific if ``|x| >= 1e5`` or ``0 < |x| < 10^-digits``; a missing value is empty.

    Examples
    --------
    >>> format_number(0.0126), format_number(0.00768), format_number(-0.0)
    ('0.01', '7.68e-03', '0.00')
    """
    x = float(value)
    if math.isnan(x):
        return ""
    if math.isinf(x):
        return "Inf" if x > 0 else "-Inf"
    size = abs(x)
    is_extreme = size >= _SCIENTIFIC_FROM or size < 10.0**-digits
    if x != 0.0 and is_extreme and not zap_small:
        return f"{x:.{digits}e}"
    return _without_negative_zero(f"{x:.{digits}f}")


def format_numbers(
    values: Iterable[float], digits: int = 2, *, zap_small: bool = False
) -> tuple[str, ...]:
    """Return the cells of a numeric column, each by itself."""
    return tuple(format_number(v, digits, zap_small=zap_small) for v in values)


def format_counts(
    values: Iterable[float], digits: int = 2, *, zap_small: bool = False
) -> tuple[str, ...]:
    """Return the cells of a column of counts, df or focal values.

    Without decimals if every value is whole, as any other column otherwise.
    """
    numbers = [float(v) for v in values]
    if all(math.isnan(v) or (math.isfinite(v) and v == math.floor(v)) for v in numbers):
        return tuple("" if math.isnan(v) else str(int(v)) for v in numbers)
    return format_numbers(numbers, digits, zap_small=zap_small)


def format_bound(value: float, digits: int = 2, *, zap_small: bool = False) -> str:
    """Return a bound of an interval: rounded first, so that it is never scientific for being small.

    Examples
    --------
    >>> format_bound(-0.0085), format_bound(0.0004), format_bound(1.834e10)
    ('-0.01', '0.00', '1.83e+10')
    """
    x = float(value)
    return format_number(round(x, digits) if math.isfinite(x) else x, digits, zap_small=zap_small)


def format_intervals(
    low: Sequence[float],
    high: Sequence[float],
    digits: int = 2,
    *,
    zap_small: bool = False,
) -> tuple[str, ...]:
    """Return ``[low, high]`` cells, lows and highs each padded to a common width inside.

    A row without both bounds is empty.
    """
    lows = [format_bound(v, digits, zap_small=zap_small) for v in low]
    highs = [format_bound(v, digits, zap_small=zap_small) for v in high]
    left = max(map(len, lows), default=0)
    right = max(map(len, highs), default=0)
    return tuple(
        f"[{a.rjust(left)}, {b.rjust(right)}]" if a or b else ""
        for a, b in zip(lows, highs, strict=True)
    )


def format_p(value: float, digits: int | str = 3) -> str:
    """Return a p-value.

    Up to three digits ``< .001`` and ``> .999`` stand for what decimals would hide; with more,
    or ``"scientific3"``, the number itself is printed.

    Examples
    --------
    >>> format_p(0.00096), format_p(0.0503), format_p(0.99961)
    ('< .001', '0.050', '> .999')
    """
    p = float(value)
    if math.isnan(p):
        return ""
    if isinstance(digits, str):
        return f"{p:.{int(digits.removeprefix('scientific') or 5)}e}"
    if digits > 3:
        return format_number(p, digits)
    if p < _P_SMALL:
        return "< .001"
    if p > _P_LARGE:
        return "> .999"
    return f"{p:.{digits}f}"


def format_ps(values: Iterable[float], digits: int | str = 3) -> tuple[str, ...]:
    """Return the cells of a p column, padded on the right to a common width."""
    cells = [format_p(v, digits) for v in values]
    width = max(map(len, cells), default=0)
    return tuple(cell.ljust(width) for cell in cells)


def format_compact_p(value: float, digits: int | str = 3) -> str:
    """Return a p-value without blanks and with its zero: ``<0.001``, ``>0.999``, ``0.050``."""
    return format_p(value, digits).replace(" .", "0.").replace(" ", "")


def stars(value: float) -> str:
    """Return ``***``, ``**``, ``*`` for p below .001, .01, .05, else nothing."""
    p = float(value)
    return next((mark for limit, mark in _STARS if p < limit), "")


def interval_header(level: float, kind: str = "CI") -> str:
    """Return the header of an interval column: ``95% CI``, ``99.9% CI``, ``95% PI``."""
    return f"{100 * level:g}% {kind}"


def in_parentheses(text: str) -> str:
    """Return text with parentheses for brackets, which mean links or options in other media."""
    return text.replace("[", "(").replace("]", ")")


def without_padding(cell: str) -> str:
    """Return a cell without the blanks that align it in fixed-width text: ``4.25 (4.01, 4.50)``."""
    return _PADDING.sub(r"\1", cell.strip())


def align_right(cells: Sequence[str]) -> tuple[str, ...]:
    """Return cells padded on the left to a common width; empty ones stay empty."""
    width = max(map(len, cells), default=0)
    return tuple(cell.rjust(width) if cell else "" for cell in cells)


def _without_negative_zero(text: str) -> str:
    return text[1:] if text.startswith("-") and not text.strip("-0.") else text
