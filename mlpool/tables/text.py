"""Fixed-width text in easystats' grid: cells joined by bars, a rule below the header."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mlpool.tables.spec import Column, Layout, RowGroup, TableSpec, on_one_line

_SEPARATOR = " | "
_LIST_SEPARATORS = {"list": ": ", "equations": " = "}


def render_text(spec: TableSpec, width: int | None = None) -> str:
    """Return the table as text without colours or a final line end.

    Parameters
    ----------
    spec : TableSpec
    width : int, optional
        Wider grids are split by columns into blocks that repeat the first column.

    Returns
    -------
    str
    """
    if spec.layout == "matrix":
        return _matrices(spec)
    parts = [spec.title] if spec.title else []
    for group in spec.groups:
        body = _list(group, spec.layout) if spec.layout in _LIST_SEPARATORS else ""
        body = body or _grid(group, spec.layout, width)
        if group.heading and spec.is_tight:
            body = f"# {group.heading}\n{body}"
        elif group.heading:
            parts.append(f"# {group.heading}")
        parts.append(body)
    if spec.notes:
        parts.append("\n".join(note.text for note in spec.notes))
    return "\n\n".join(parts)


def _matrices(spec: TableSpec) -> str:
    """Return R's print of matrices: first column left, others right, one blank between."""
    parts = [spec.title] if spec.title else []
    for group in spec.groups:
        columns = [_lines(c, i == 0, spec.layout) for i, c in enumerate(group.columns)]
        parts += [" ".join(line) for line in zip(*columns, strict=True)]
    return "\n".join([*parts, *(["---"] if spec.notes else []), *(n.text for n in spec.notes)])


def _list(group: RowGroup, layout: Layout) -> str:
    """Return lines ``label: value``; labels end at one place, and so do values after ``=``."""
    labels, values = (column.cells for column in group.columns[:2])
    left = max(map(len, labels), default=0)
    right = max(map(len, values), default=0) if layout == "equations" else 0
    separator = _LIST_SEPARATORS[layout]
    return "\n".join(
        f"  {label.rjust(left)}{separator}{value.rjust(right)}"
        for label, value in zip(labels, values, strict=True)
    )


def _grid(group: RowGroup, layout: Layout, width: int | None) -> str:
    columns = [_lines(c, i == 0, layout) for i, c in enumerate(group.columns)]
    blocks = _blocks(columns, width)
    lines = _crossed_lines if layout == "codebook" else _block_lines
    return "\n\n".join("\n".join(lines(block, group.rules)) for block in blocks)


def _lines(column: Column, is_first: bool, layout: Layout) -> list[str]:
    """Return header and cells of one column, all equally wide."""
    estimates = layout in ("estimates", "codebook")
    cells = [cell.strip() if layout == "estimates" else cell for cell in column.cells]
    lines = [on_one_line(line) for line in (column.header, *cells)]
    size = max(map(len, lines))
    if is_first or (estimates and column.kind == "label"):
        return [line.ljust(size) for line in lines]
    return [line.rjust(size) for line in lines]


def _blocks(columns: list[list[str]], width: int | None) -> list[list[list[str]]]:
    """Return the columns of each block; a block has the first column and at least one more."""
    if width is None or len(columns) < 3:
        return [columns]
    first, *rest = columns
    blocks, block, used = [], [first], len(first[0])
    for column in rest:
        needed = len(_SEPARATOR) + len(column[0])
        if len(block) > 1 and used + needed > width:
            blocks.append(block)
            block, used = [first], len(first[0])
        block.append(column)
        used += needed
    return [*blocks, block]


def _block_lines(columns: Sequence[Sequence[str]], rules: Sequence[int]) -> Iterator[str]:
    for i, line in enumerate(zip(*columns, strict=True)):
        text = _SEPARATOR.join(line)
        if i == 1 or (i > 1 and i - 1 in rules):
            yield "-" * len(text)
        yield text
    if len(columns[0]) == 1:
        yield "-" * len(_SEPARATOR.join(c[0] for c in columns))


def _crossed_lines(columns: Sequence[Sequence[str]], rules: Sequence[int]) -> Iterator[str]:
    """Yield lines whose rules cross the bars between columns, and a plain rule at the end."""
    crossed = "-+-".join("-" * len(column[0]) for column in columns)
    for i, line in enumerate(zip(*columns, strict=True)):
        if i == 1 or (i > 1 and i - 1 in rules):
            yield crossed
        yield _SEPARATOR.join(line)
    yield "-" * len(crossed)
