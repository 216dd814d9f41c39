"""R's number formatting: ``format``, ``format.pval``, ``zapsmall``, ``abbreviate``.

R chooses one number of decimals for a whole vector: as many as the element needs that shows
`digits` significant digits, without trailing zeros; scientific notation where that is shorter.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from mlpool.typing import FloatArray

_EPS = 2.220446049250313e-16
"""R's ``.Machine$double.eps``: probabilities below are printed as less than it."""


def format_numbers(values: Sequence[float], digits: int = 7, nsmall: int = 0) -> list[str]:
    """Return R's ``format(values, digits, nsmall)``: strings of one width.

    Examples
    --------
    >>> format_numbers([251.40510, 10.46729], 4)
    ['251.41', ' 10.47']
    """
    finite = [float(v) for v in values if math.isfinite(v)]
    fixed, sci = _widths(finite, digits)
    if fixed[0] <= sci[0]:
        decimals = max(fixed[1], nsmall)
        texts = [f"{v:.{decimals}f}" if math.isfinite(v) else _special(v) for v in values]
    else:
        texts = [_scientific(v, sci[1]) if math.isfinite(v) else _special(v) for v in values]
    width = max((len(t) for t in texts), default=0)
    return [t.rjust(width) for t in texts]


def format_one(value: float, digits: int = 7) -> str:
    """Return R's ``format`` of a single number."""
    return format_numbers([value], digits)[0]


def format_g(value: float, digits: int = 4) -> str:
    """Return R's ``formatC(value, digits)``: C's ``%.{digits}g``, at least digits + 1 wide."""
    return f"{value:.{digits}g}".rjust(digits + 1)


def signif(value: float, digits: int) -> float:
    """Return `value` rounded to significant digits."""
    return float(f"{value:.{digits - 1}e}") if value else 0.0


def zapsmall(values: FloatArray, digits: int) -> FloatArray:
    """Return R's ``zapsmall`` (up to R 4.3): what is tiny beside the largest becomes zero."""
    largest = float(np.max(np.abs(values), initial=0.0))
    decimals = max(0, math.floor(digits - math.log10(largest) + 0.5)) if largest > 0 else digits
    return np.asarray(np.round(values, decimals))


QUARTILES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Shares of the five numbers."""


def five_numbers(values: FloatArray) -> FloatArray:
    """Return minimum, quartiles and maximum (R's quantile type 7)."""
    return np.asarray(np.quantile(values, QUARTILES))


def format_pvalues(values: Sequence[float], digits: int, eps: float = _EPS) -> list[str]:
    """Return R's ``format.pval``."""
    p = [float(v) for v in values]
    texts = [""] * len(p)
    tiny = [i for i, v in enumerate(p) if v < eps]
    shown = [i for i, v in enumerate(p) if v >= eps]
    smallest = -4 if digits > 1 else -3
    for group in (
        [i for i in shown if _exponent(p[i]) >= smallest],
        [i for i in shown if _exponent(p[i]) < smallest],
    ):
        for i, text in zip(group, format_numbers([p[i] for i in group], digits), strict=True):
            texts[i] = text
    if tiny:
        short = max(1, digits - 2)
        separator = "" if short == 1 else " "
        if shown:
            widest = max(len(texts[i]) for i in shown)
            if short > 1 and short + 6 > widest:
                short = max(1, widest - 7)
            separator = "" if short == 1 and widest <= 6 else " "
        for i in tiny:
            texts[i] = f"<{separator}{format_one(eps, short)}"
    width = max((len(t) for t in texts), default=0)
    return [t.rjust(width) for t in texts]


def stars(p: float) -> str:
    """Return R's significance code of a p-value."""
    # R's levels of probabilities and their signs
    for limit, code in ((0.001, "***"), (0.01, "**"), (0.05, "*"), (0.1, ".")):
        if p <= limit:
            return code
    return " "


def abbreviate(names: Sequence[str], minlength: int) -> list[str]:
    """Return R's ``abbreviate(names, minlength)``; names that collide get longer ones."""
    result = [_abbreviate_one(n, minlength) for n in names]
    length = minlength
    while len(set(result)) < len(set(names)) and length < max(map(len, names)):
        length += 1
        seen = {r for r in result if result.count(r) > 1}
        result = [
            _abbreviate_one(n, length) if r in seen else r
            for n, r in zip(names, result, strict=True)
        ]
    return result


def _abbreviate_one(name: str, minlength: int) -> str:
    """Drop vowels from the end, then lower-case letters, then all but first letters."""
    text = list(name.strip())

    def is_first(i: int) -> bool:
        return text[i - 1].isspace()

    def is_last(i: int) -> bool:
        return not text[i - 1].isspace() and (i + 1 == len(text) or text[i + 1].isspace())

    rules: tuple[Callable[[int], bool], ...] = (
        lambda i: text[i] in "aeiou" and is_last(i),
        lambda i: text[i] in "aeiou" and not is_first(i),
        lambda i: text[i].islower() and is_last(i),
        lambda i: text[i].islower() and not is_first(i),
        lambda i: not is_first(i) and not text[i].isspace(),
    )
    spaces = sum(c.isspace() for c in text)
    for rule in rules:
        for i in range(len(text) - 1, 0, -1):
            if len(text) - spaces <= minlength:
                break
            if rule(i):
                del text[i]
    return "".join(c for c in text if not c.isspace()) if len(text) > minlength else "".join(text)


def _widths(values: Sequence[float], digits: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return (width, decimals) in fixed and in scientific notation, as R's ``formatReal``."""
    left, right, significant, exponent_width = 1, 0, 1, 2
    has_negative = 0
    for v in values:
        mantissa, exponent = f"{abs(v):.{digits - 1}e}".split("e")
        power = int(exponent) if v else 0
        n_significant = len(mantissa.replace(".", "").rstrip("0")) or 1
        negative = int(v < 0)
        has_negative = max(has_negative, negative)
        left = max(left, negative + (power + 1 if power >= 0 else 1))
        right = max(right, n_significant - power - 1)
        significant = max(significant, n_significant)
        exponent_width = max(exponent_width, 3 if abs(power) >= 100 else 2)
    fixed = left + right + (1 if right > 0 else 0)
    sci = has_negative + (significant + 1 if significant > 1 else 1) + exponent_width + 2
    return (fixed, right), (sci, significant - 1)


def _scientific(value: float, decimals: int) -> str:
    mantissa, exponent = f"{value:.{decimals}e}".split("e")
    return f"{mantissa}e{exponent[0]}{exponent[1:].zfill(2)}"


def _special(value: float) -> str:
    if math.isnan(value):
        return "NA"
    return "Inf" if value > 0 else "-Inf"


def _exponent(value: float) -> int:
    return math.floor(math.log10(value)) if value > 0 else 0
