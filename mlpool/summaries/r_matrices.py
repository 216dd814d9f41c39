"""How R prints matrices of strings, named vectors and coefficient tables."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from mlpool.summaries.r_numbers import format_numbers, format_pvalues, stars
from mlpool.typing import FloatArray

LEGEND = "Signif. codes:  0 ‘***’ 0.001 ‘**’ 0.01 ‘*’ 0.05 ‘.’ 0.1 ‘ ’ 1"
WIDTH = 100
"""Columns of a line before named vectors wrap."""


def matrix_text(
    cells: Sequence[Sequence[str]],
    header: Sequence[str],
    rows: Sequence[str],
    *,
    right: bool,
) -> str:
    """Return ``print(matrix, quote = FALSE)``: row names left, cells right or left aligned."""
    widths = [
        max(len(h), *(len(row[j]) for row in cells)) if cells else len(h)
        for j, h in enumerate(header)
    ]
    first = max((len(r) for r in rows), default=0)

    def line(name: str, values: Sequence[str]) -> str:
        justified = [
            v.rjust(w) if right else v.ljust(w) for v, w in zip(values, widths, strict=True)
        ]
        return " ".join([name.ljust(first), *justified])

    return "\n".join([line("", header), *(line(r, c) for r, c in zip(rows, cells, strict=True))])


def vector_text(names: Sequence[str], cells: Sequence[str], *, gap: int = 1) -> str:
    """Return the print of a named vector: names over values, right aligned, wrapped at WIDTH."""
    if not names:
        return "No coefficients"  # as R prints a model of nothing but offsets
    width = max(max(map(len, names)), max(map(len, cells)))
    per_line = max(1, (WIDTH + gap - 1) // (width + gap))
    lines = []
    for start in range(0, len(names), per_line):
        for part in (names[start : start + per_line], cells[start : start + per_line]):
            lines.append("".join(p.rjust(width) + " " * gap for p in part))
    return "\n".join(lines)


def coefficient_text(  # noqa: PLR0913 - one argument per symbol of the formula
    table: FloatArray,
    names: Sequence[str],
    header: Sequence[str],
    *,
    digits: int = 4,
    n_estimates: int = 2,
    has_p: bool = False,
) -> str:
    """Return R's ``printCoefmat``.

    Parameters
    ----------
    table : ndarray (p, c)
        Estimate, standard error, then other columns (df), the statistic, and the p-value if
        `has_p`. Rows of NaN are aliased coefficients.
    names, header : sequence of str
    digits : int
    n_estimates : int
        Leading columns that share their decimals (lmerTest counts df among them).
    has_p : bool
    """
    count = table.shape[1]
    p_at = count - 1 if has_p else None
    test_at = [count - 1 - int(has_p)]
    cells = [[""] * count for _ in names]
    for row, texts in zip(cells, _estimates(table[:, :n_estimates], digits), strict=True):
        row[:n_estimates] = texts
    for j in range(n_estimates, count):
        if j == p_at:
            texts = _pvalues(table[:, j], digits)
        elif j in test_at:
            texts = _formatted(np.round(table[:, j], max(1, min(5, digits - 1))), digits)
        else:
            texts = _formatted(table[:, j], digits)
        for row, text in zip(cells, texts, strict=True):
            row[j] = text
    _show_small(cells, table, p_at, test_at, digits)
    columns = list(header)
    legend = ""
    if p_at is not None and (table[:, p_at] < 0.1).any():
        codes = ["" if math.isnan(p) else stars(p) for p in table[:, p_at]]
        width = max(map(len, codes))
        for row, code in zip(cells, codes, strict=True):
            row.append(code.ljust(width))
        columns.append("")
        legend = f"\n---\n{LEGEND}"
    return matrix_text(cells, columns, names, right=True) + legend


def _estimates(block: FloatArray, digits: int) -> list[list[str]]:
    """Format estimates and standard errors together, so that they share their decimals."""
    size = np.abs(block[np.isfinite(block) & (block != 0)])
    smallest = 1 + math.floor(math.log10(float(size.min()))) if len(size) else 1
    rounded = np.round(block, max(1, digits - smallest))
    texts = _formatted(rounded.ravel(), digits)
    width = block.shape[1]
    return [texts[width * i : width * (i + 1)] for i in range(len(block))]


def _formatted(values: FloatArray, digits: int) -> list[str]:
    texts = format_numbers([v for v in values if not math.isnan(v)], digits)
    shown = iter(texts)
    return ["NA" if math.isnan(v) else next(shown) for v in values]


def _pvalues(values: FloatArray, digits: int) -> list[str]:
    known = format_pvalues([v for v in values if not math.isnan(v)], max(1, min(5, digits - 1)))
    shown = iter(known)
    return ["NA" if math.isnan(v) else next(shown) for v in values]


def _show_small(
    cells: list[list[str]],
    table: FloatArray,
    p_at: int | None,
    test_at: Sequence[int],
    digits: int,
) -> None:
    """Give numbers that rounding turned into zero their own format, as printCoefmat does."""
    wrong = [
        (i, j)
        for i in range(table.shape[0])
        for j in range(table.shape[1])
        if j != p_at and j not in test_at and math.isfinite(table[i, j])
        and table[i, j] != 0 and float(cells[i][j]) == 0
    ]  # fmt: skip
    texts = format_numbers([float(table[i, j]) for i, j in wrong], max(1, digits - 1))
    for (i, j), text in zip(wrong, texts, strict=True):
        cells[i][j] = text
