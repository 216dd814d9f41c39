"""Cells that go on in rows below: standard errors under their estimates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mlpool.tables.spec import Column


def rows_below(columns: Sequence[Column]) -> tuple[Column, ...]:
    r"""Return columns whose cells with line breaks go on in rows below.

    Examples
    --------
    >>> a = Column(name="a", header="a", cells=("x", "y"), kind="label")
    >>> b = Column(name="b", header="b", cells=("1.0*\n(0.5)", "2.0"))
    >>> [column.cells for column in rows_below([a, b])]
    [('x', '', 'y'), ('1.0*', '(0.5)', '2.0 ')]
    """
    split = [[cell.split("\n") for cell in column.cells] for column in columns]
    heights = [max(map(len, row)) for row in zip(*split, strict=True)]
    out = []
    for column, cells in zip(columns, split, strict=True):
        lines = [part for cell, n in zip(cells, heights, strict=True) for part in _filled(cell, n)]
        shown = lines if column.kind == "label" or max(heights, default=1) == 1 else _padded(lines)
        out.append(replace(column, cells=tuple(shown)))
    return tuple(out)


def _filled(cell: list[str], n: int) -> list[str]:
    return [*cell, *[""] * (n - len(cell))]


def _padded(lines: Sequence[str]) -> list[str]:
    """Return cells whose last digits stand below each other, marks behind them."""
    ends = [
        max((i + 1 for i, char in enumerate(line) if char.isdigit()), default=0) for line in lines
    ]
    behind = max((len(line) - end for line, end in zip(lines, ends, strict=True) if end), default=0)
    return [line + " " * (behind - (len(line) - end)) if end else line
            for line, end in zip(lines, ends, strict=True)]  # fmt: skip
