"""Which columns of a table to show."""

from __future__ import annotations

from dataclasses import replace

from mlpool.errors import OptionError, brief, nearest_names
from mlpool.tables.spec import Column, RowGroup

SHORTHANDS: dict[str, tuple[str, ...]] = {
    "minimal": ("Parameter", "Coefficient", "CI", "p"),
    "short": ("Parameter", "Coefficient", "SE", "p"),
}
"""Names for choices of columns, as in R."""


def select_columns(
    groups: tuple[RowGroup, ...], select: str | tuple[str, ...]
) -> tuple[RowGroup, ...]:
    """Return the row groups with the chosen columns, in the order given.

    Columns go by their raw name (``CI``) or their header (``95% CI``). A group that has none of
    them but its labels keeps these.

    Raises
    ------
    OptionError
        If no group has a column of that name.
    """
    if isinstance(select, str):
        if select not in SHORTHANDS:
            known = (*SHORTHANDS, "ci", "ci_p", "ci_p2", "se", "se_p", "se_p2", "est", "coef")
            raise OptionError(
                f"select must be one of {known}, a list of columns or a style such as "
                f"'{{estimate}} ({{se}})'; got {brief(select)}.{nearest_names(select, known)}"
            )
        names = SHORTHANDS[select]
    else:
        names = select
        _check_names(groups, names)
    chosen = [_choose(group, names) for group in groups]
    return tuple(group for group in chosen if group.columns)


def _choose(group: RowGroup, names: tuple[str, ...]) -> RowGroup:
    by_name: dict[str, Column] = {}
    for column in group.columns:
        by_name |= {column.name: column, column.header: column}
    picked = dict.fromkeys(by_name[name].name for name in names if name in by_name)
    return replace(group, columns=tuple(by_name[name] for name in picked))


def _check_names(groups: tuple[RowGroup, ...], names: tuple[str, ...]) -> None:
    columns = [c for group in groups for c in group.columns]
    known = list(dict.fromkeys([c.name for c in columns] + [c.header for c in columns]))
    for name in names:
        if name not in known:
            shown = ", ".join(dict.fromkeys(c.name for c in columns))
            raise OptionError(
                f"select: the table has no column {brief(name)}; it has {shown}."
                + nearest_names(name, known)
            )
