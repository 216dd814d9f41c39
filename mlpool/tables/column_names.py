"""Names of a table's own columns beside those of the data, which keep theirs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def own_names(taken: Iterable[object], wanted: Iterable[str]) -> dict[str, str]:
    """Return what a table calls its own columns: a name that the data have gets underscores.

    Parameters
    ----------
    taken : iterable of str
        Columns of the data that stand in the table.
    wanted : iterable of str
        Columns of the table's own.

    Examples
    --------
    >>> own_names(["t", "SE", "SE_"], ["SE", "t", "df"])
    {'SE': 'SE__', 't': 't_', 'df': 'df'}
    """
    used = {str(name) for name in taken}
    names: dict[str, str] = {}
    for name in wanted:
        free = name
        while free in used:
            free += "_"
        used.add(free)
        names[name] = free
    return names


def names_note(names: Mapping[str, str]) -> tuple[str, ...]:
    """Return the sentence that tells renamed columns of a table from the data's; none: nothing."""
    changed = [(raw, name) for name, raw in names.items() if raw != name]
    if not changed:
        return ()
    shown = ", ".join(f"{raw} for {name}" for raw, name in changed)
    return (f"Columns of this table whose names the data have: {shown}.",)
