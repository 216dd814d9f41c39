"""What a table is: columns of finished cells, in groups with headings, with notes below.

A description holds strings, never numbers: ``cells.py`` has made them. Renderers only lay out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from mlpool.errors import OptionError, brief, nearest_names

ColumnKind = Literal["label", "number", "interval", "p"]
Layout = Literal["parameters", "estimates", "list", "equations", "codebook", "matrix"]

MAX_DIGITS = 15
"""More decimals than a double carries are noise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a table.

    Attributes
    ----------
    name : str
        The raw column it shows (``Coefficient``, ``CI``); equal names in several row groups are
        one column of an HTML or LaTeX table.
    header : str
        What is printed above it (``t(6868)``, ``95% CI``).
    cells : tuple of str
        Finished cells; an empty string is a missing value.
    kind : {"label", "number", "interval", "p"}
        Decides alignment, padding and brackets.
    """

    name: str
    header: str
    cells: tuple[str, ...]
    kind: ColumnKind = "number"

    @property
    def is_empty(self) -> bool:
        """Whether every cell is missing."""
        return not any(cell.strip() for cell in self.cells)


@dataclass(frozen=True, slots=True, kw_only=True)
class RowGroup:
    """Rows that share columns: a grid of its own in text, a row group in HTML.

    Attributes
    ----------
    columns : tuple of Column
        All of the same length; the first one names the rows.
    heading : str
        ``Fixed Effects``; an empty string for none.
    rules : tuple of int
        Rows above which a line is drawn.
    """

    columns: tuple[Column, ...]
    heading: str = ""
    rules: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Refuse ragged columns, which would shift cells silently.

        Raises
        ------
        ValueError
            If columns differ in length.
        """
        if len({len(c.cells) for c in self.columns}) > 1:
            sizes = {c.name: len(c.cells) for c in self.columns}
            raise ValueError(f"columns of a row group differ in length: {sizes}")

    @property
    def filled_columns(self) -> tuple[Column, ...]:
        """Columns with something in them; only fixed-width text, as R, may show an empty one."""
        return tuple(c for c in self.columns if not (self.n_rows and c.is_empty))

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.columns[0].cells) if self.columns else 0


@dataclass(frozen=True, slots=True)
class Note:
    """One sentence below a table."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSpec:
    """A whole table.

    Attributes
    ----------
    groups : tuple of RowGroup
    title : str
    notes : tuple of Note
    layout : {"parameters", "estimates", "list", "equations", "codebook", "matrix"}
        ``"parameters"``: first column left, all others right, p-values padded on the right first.
        ``"estimates"``: cells trimmed, labels left, numbers right.
        ``"list"``, ``"equations"``: indented lines ``label: value`` or ``label = value`` without
        headers, of tables with two columns.
        ``"codebook"``: as estimates, but cells as they are, rules crossed by ``+`` and one below.
        ``"matrix"``: as R prints a matrix below its title, notes under ``---``.
    is_tight : bool
        No blank line between a heading and its rows.
    """

    groups: tuple[RowGroup, ...]
    title: str = ""
    notes: tuple[Note, ...] = ()
    layout: Layout = "parameters"
    is_tight: bool = False

    @property
    def caption(self) -> str:
        """The title without the ``#`` that marks it in text only."""
        return self.title.strip().removeprefix("# ")


@dataclass(frozen=True, slots=True, kw_only=True)
class TableOptions:
    """How a table is printed; every field can be given to ``print()`` and the ``to_*`` methods.

    Attributes
    ----------
    digits : int
        Decimals of estimates, standard errors and statistics.
    ci_digits : int or None
        Decimals of interval bounds; None: `digits`.
    p_digits : int or str
        Decimals of p-values; above 3 there is no ``< .001``. ``"scientific3"``: always scientific.
    select : str, tuple of str or None
        ``"minimal"``, ``"short"``, column names, or a style such as ``"{estimate} ({se})"``.
    zap_small : bool
        Never use scientific notation.
    table_width : int or None
        Split wider tables into blocks of columns; None: never.
    """

    digits: int = 2
    ci_digits: int | None = None
    p_digits: int | str = 3
    select: str | tuple[str, ...] | None = None
    zap_small: bool = False
    table_width: int | None = None

    def __post_init__(self) -> None:
        """Check every value.

        Raises
        ------
        OptionError
            Naming the argument and what it may be.
        """
        _check_digits("digits", self.digits)
        if self.ci_digits is not None:
            _check_digits("ci_digits", self.ci_digits)
        if not _is_scientific(self.p_digits):
            _check_digits("p_digits", self.p_digits, " or 'scientific3'")
        if not isinstance(self.zap_small, bool):
            raise OptionError(f"zap_small must be True or False; got {brief(self.zap_small)}.")
        if self.table_width is not None and not _is_whole(self.table_width, 1, 100_000):
            raise OptionError(
                f"table_width must be a whole number of characters or None; "
                f"got {brief(self.table_width)}."
            )
        _check_select(self.select)

    @property
    def interval_digits(self) -> int:
        """Decimals of interval bounds."""
        return self.digits if self.ci_digits is None else self.ci_digits

    def updated(self, **changes: Any) -> TableOptions:
        """Return a copy with the given options, a list as `select` made a tuple.

        Raises
        ------
        OptionError
            For an unknown name or value.
        """
        known = [f.name for f in fields(self)]
        for name in changes:
            if name not in known:
                raise OptionError(
                    f"a table has no option {brief(name)}.{nearest_names(name, known)}"
                )
        if isinstance(changes.get("select"), list):
            changes["select"] = tuple(changes["select"])
        return replace(self, **changes)


def on_one_line(text: str) -> str:
    """Return a cell whose line breaks (of the data's labels) are blanks, as a grid needs."""
    return " ".join(text.splitlines()) if "\n" in text or "\r" in text else text


def merge_columns(groups: Sequence[RowGroup]) -> list[Column]:
    """Return one column per name over all `groups`; a new one stands after its left neighbour."""
    merged: list[Column] = []
    for group in groups:
        place = 0
        for column in group.filled_columns:
            names = [c.name for c in merged]
            if column.name in names:
                place = names.index(column.name) + 1
            else:
                merged.insert(place, column)
                place += 1
    return merged


def _check_digits(argument: str, value: object, other: str = "") -> None:
    if not _is_whole(value, 0, MAX_DIGITS):
        raise OptionError(
            f"{argument} must be a whole number from 0 to {MAX_DIGITS}{other}; got {brief(value)}."
        )


def _check_select(select: object) -> None:
    if select is None or isinstance(select, str):
        return
    if not (isinstance(select, tuple) and select and all(isinstance(s, str) for s in select)):
        raise OptionError(
            "select must be 'minimal', 'short', a list of column names, or a style such as "
            f"'{{estimate}} ({{se}})'; got {brief(select)}."
        )


def _is_scientific(value: object) -> bool:
    if not isinstance(value, str) or not value.startswith("scientific"):
        return False
    rest = value.removeprefix("scientific")
    return not rest or (rest.isdecimal() and int(rest) <= MAX_DIGITS)


def _is_whole(value: object, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
