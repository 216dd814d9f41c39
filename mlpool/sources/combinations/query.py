"""GROUP BY all variables of a model: distinct combinations, and how many rows have each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import narwhals as nw

from mlpool.errors import DataError, NotSupportedError
from mlpool.sources.language.variables import key_of, keys_frame, kind_of
from mlpool.sources.lazy_rows import LazyRows, Native
from mlpool.sources.queries import by_group, distinct, totals
from mlpool.sources.scan import Scan
from mlpool.typing import FloatArray

MOST_COMBINATIONS = 5_000_000
"""Combinations that are fitted in memory: some GB for a handful of variables."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Combinations:
    """Distinct rows.

    Attributes
    ----------
    frame : object
        A row per combination, of the columns asked for.
    counts : ndarray of shape (combinations,)
    n_read : int
        Rows there are, those outside of a subset too.
    """

    frame: Native
    counts: FloatArray
    n_read: int


def combinations(rows: Scan, names: Sequence[str], wanted: nw.Expr | None) -> Combinations:
    """Ask for the distinct combinations of columns among the rows wanted.

    Parameters
    ----------
    rows : Scan
    names : sequence of str
    wanted : narwhals.Expr or None
        1 where a row is wanted.

    Raises
    ------
    DataError
        If there is no row.
    NotSupportedError
        If the rows hardly have a combination twice.
    """
    for name in names:
        kind_of(rows, name)
    n_read = int(totals(rows.lazy, {"rows": nw.len()})["rows"])
    if not n_read:
        raise DataError("The data have no rows.")
    inside = rows.lazy if wanted is None else rows.lazy.filter(wanted == 1.0)
    places = {f"k{i}": key_of(rows, name) for i, name in enumerate(names)}
    made = inside.select(*(key.alias(place) for place, key in places.items()))
    found = int(totals(distinct(made, list(places)), {"rows": nw.len()})["rows"])
    if not found:
        raise DataError("subset leaves no rows.")
    if found > MOST_COMBINATIONS:
        raise NotSupportedError(
            f"The {n_read:,} rows have {found:,} combinations of {', '.join(names)}, and "
            f"{MOST_COMBINATIONS:,} is the most that a generalised model of scanned rows is fitted "
            "to: round or group a variable that differs from row to row, or read the rows."
        )
    groups = by_group(made, list(places), {})
    named = groups.keys.rename(dict(zip(places, names, strict=True)))
    return Combinations(frame=keys_frame(named, rows), counts=groups.values["rows"], n_read=n_read)


def rows_used(
    rows: Scan, names: Sequence[str], wanted: nw.Expr | None, weights: object
) -> LazyRows:
    """Return the rows wanted that have all of the columns, and weights that are not zero."""
    lazy = rows.lazy if wanted is None else rows.lazy.filter(wanted == 1.0)
    for name in names:
        lazy = lazy.filter(~key_of(rows, name).is_null())
    return lazy.filter(key_of(rows, weights) != 0) if isinstance(weights, str) else lazy
