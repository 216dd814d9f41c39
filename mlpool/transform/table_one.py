"""`table_one`: the first table of a paper - means, medians and shares by group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mlpool.errors import DataError, OptionError, brief
from mlpool.frames import Frame, read_frame
from mlpool.results import ResultFrame
from mlpool.tables import Column, RowGroup, TableOptions, TableSpec
from mlpool.transform.columns import as_names, label_codes, numbers, read_groups
from mlpool.transform.scale import sd
from mlpool.typing import FloatArray

if TYPE_CHECKING:
    from mlpool.typing import DataLike

_DIGITS = 3
"""Significant digits of every number, as in R's table1."""

_INDENT = "  "


def table_one(
    data: DataLike,
    variables: object,
    by: str | None = None,
    *,
    overall: bool = True,
    group: str | None = None,
    labels: Mapping[str, str] | None = None,
) -> ResultFrame:
    """Return a table of variables by group, as R's table1 prints it.

    Parameters
    ----------
    data : data frame, dict or path
    variables : str or list of str
        Numbers give mean (SD) and median [min, max]; labels give counts and percentages.
    by : str, optional
        One column per level.
    overall : bool
        A last column for all rows.
    group : str, optional
        Describe groups, not rows: first take each group's mean (``group="school"`` counts schools);
        `by` and labels must be constant in a group.
    labels : mapping, optional
        Printed names of variables and of the levels of `by`.

    Returns
    -------
    ResultFrame
        Raw: Variable, Level, Group, N, n, Missing, Mean, SD, Median, Min, Max, Share. Printed with
        three significant digits.

    Raises
    ------
    ColumnNotFoundError, DataError, OptionError

    Examples
    --------
    >>> d = {"x": [1.0, 2.0, 6.0, 8.0], "sector": ["a", "a", "b", "b"]}
    >>> print(table_one(d, "x", by="sector"))  # doctest: +NORMALIZE_WHITESPACE
                        |           a (N=2) |           b (N=2) |     Overall (N=4)
    -------------------------------------------------------------------------------
    x                   |                   |                   |
      Mean (SD)         |      1.50 (0.707) |       7.00 (1.41) |       4.25 (3.30)
      Median [Min, Max] | 1.50 [1.00, 2.00] | 7.00 [6.00, 8.00] | 4.00 [1.00, 8.00]
    """
    if not isinstance(overall, bool):
        raise OptionError(f"overall must be True or False; got {brief(overall)}.")
    if by is None and not overall:
        raise OptionError("overall=False needs by=, or the table has no columns.")
    frame = read_frame(data)
    names = as_names(variables, "variables")
    units = None if group is None else read_groups(frame, group, "group").codes
    masks = _column_groups(frame, by, units, overall)
    rows: list[dict[str, object]] = []
    for name in names:
        rows += _variable_rows(frame, name, units, masks)
    if labels is not None and not isinstance(labels, Mapping):
        raise OptionError(f"labels must be a dict of printed names; got {brief(labels)}.")
    shown = {str(name): str(label) for name, label in (labels or {}).items()}
    sizes = {title: int(mask.sum()) for title, mask in masks.items()}
    return ResultFrame(
        data=pd.DataFrame(rows),
        layout=TableOneLayout(sizes=sizes, labels=shown),
        options=TableOptions(digits=_DIGITS),
        metadata={"kind": "table_one", "by": by, "group": group},
        backend=type(frame.native).__module__.partition(".")[0],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TableOneLayout:
    """Each variable's name, and below it a row per statistic.

    Attributes
    ----------
    sizes : mapping from column to its N
    labels : mapping
        Printed names of variables and columns.
    """

    sizes: Mapping[str, int]
    labels: Mapping[str, str]

    def describe(self, data: pd.DataFrame, options: TableOptions) -> TableSpec:
        """Return the table."""
        names: list[str] = []
        cells: dict[str, list[str]] = {title: [] for title in self.sizes}
        for variable in dict.fromkeys(data["Variable"]):
            part = data[data["Variable"] == variable]
            texts = {t: _texts(part[part["Group"] == t], options.digits) for t in self.sizes}
            statistics = list(dict.fromkeys(s for by_name in texts.values() for s in by_name))
            names += [self._label(variable), *(f"{_INDENT}{s}" for s in statistics)]
            for title, by_name in texts.items():
                cells[title] += ["", *(by_name.get(s, "") for s in statistics)]
        columns = [Column(name="Variable", header="", cells=tuple(names), kind="label")]
        for title, size in self.sizes.items():
            header = f"{self._label(title)} (N={size})"
            columns.append(Column(name=title, header=header, cells=tuple(cells[title])))
        return TableSpec(groups=(RowGroup(columns=tuple(columns)),))

    def _label(self, name: str) -> str:
        return self.labels.get(name, name)


def _texts(part: pd.DataFrame, digits: int) -> dict[str, str]:
    """Return the cells of one variable in one column, by statistic."""
    texts: dict[str, str] = {}
    first = part.iloc[0]
    if first["Level"] == "" and first["n"] > 0:
        mean, spread = (significant(first[k], digits) for k in ("Mean", "SD"))
        texts["Mean (SD)"] = f"{mean} ({spread})"
        middle, low, high = (significant(first[k], digits) for k in ("Median", "Min", "Max"))
        texts["Median [Min, Max]"] = f"{middle} [{low}, {high}]"
    elif first["Level"] != "":
        for _, row in part.iterrows():
            texts[str(row["Level"])] = f"{row['n']:.0f} ({100 * row['Share']:.1f}%)"
    if first["Missing"] > 0:
        texts["Missing"] = f"{first['Missing']:.0f} ({100 * first['Missing'] / first['N']:.1f}%)"
    return texts


def significant(value: float, digits: int = _DIGITS) -> str:
    """Return a number with so many significant digits, zeros kept, integers rounded to them, too.

    Examples
    --------
    >>> significant(95.0), significant(101.4), significant(-0.09823), significant(1234.0)
    ('95.0', '101', '-0.0982', '1230')
    """
    if np.isnan(value):
        return "NA"
    if value == 0:
        return "0"
    exponent = int(f"{abs(value):.{digits - 1}e}".partition("e")[2])
    decimals = digits - 1 - exponent
    return f"{value:.{decimals}f}" if decimals >= 0 else f"{round(value, decimals):.0f}"


def _column_groups(frame: Frame, by: str | None, units: Any, overall: bool) -> dict[str, Any]:
    """Return the rows (or units) of each printed column."""
    masks: dict[str, object] = {}
    count = frame.n_rows if units is None else int(units.max()) + 1
    if by is not None:
        codes, levels = label_codes(frame.column(by, used_as="by"))
        if units is not None:
            codes = _constant_codes(codes, units, by)
        masks = {level: codes == i for i, level in enumerate(levels)}
    if overall:
        if "Overall" in masks:
            raise DataError("by has a level 'Overall'; give overall=False or rename the level.")
        masks["Overall"] = np.ones(count, dtype=bool)
    return masks


def _constant_codes(codes: Any, units: Any, name: str) -> Any:
    """Return one code per unit.

    Raises
    ------
    DataError
        If a unit has several.
    """
    inside = units >= 0
    result = np.full(int(units.max()) + 1, -1)
    result[units[inside]] = codes[inside]
    differs = result[units[inside]] != codes[inside]
    if np.any(differs):
        count = len(np.unique(units[inside][differs]))
        raise DataError(
            f"Column {brief(name)} varies within {count} of {len(result)} groups, so that "
            "group= cannot "
            "use it."
        )
    return result


def _variable_rows(
    frame: Frame, name: str, units: object, masks: Mapping[str, Any]
) -> list[dict[str, Any]]:
    column = frame.column(name, used_as="variables")
    rows: list[dict[str, object]] = []
    if column.is_factor or column.kind == "boolean":
        codes, levels = label_codes(column)
        if units is not None:
            codes = _constant_codes(codes, units, name)
        for title, mask in masks.items():
            rows += _count_rows(codes[mask], levels, {"Variable": name, "Group": title})
        return rows
    values = numbers(frame, name)
    if units is not None:
        values = _unit_means(values, units)
    return [_number_row(values[m], {"Variable": name, "Group": t}) for t, m in masks.items()]


def _unit_means(values: FloatArray, units: Any) -> FloatArray:
    used = (units >= 0) & ~np.isnan(values)
    size = int(units.max()) + 1
    counts = np.bincount(units[used], minlength=size)
    sums = np.bincount(units[used], values[used], minlength=size)
    return np.asarray(sums / np.where(counts > 0, counts, np.nan))


def _number_row(values: FloatArray, base: dict[str, object]) -> dict[str, object]:
    x = values[~np.isnan(values)]
    row = {**base, "Level": "", "N": len(values), "n": len(x), "Missing": len(values) - len(x)}
    if not len(x):
        return row
    return row | {
        "Mean": float(x.mean()), "SD": sd(x) if len(x) > 1 else float("nan"),
        "Median": float(np.median(x)), "Min": float(x.min()), "Max": float(x.max()),
    }  # fmt: skip


def _count_rows(codes: Any, levels: tuple[str, ...], base: dict[str, Any]) -> list[dict[str, Any]]:
    counts = np.bincount(codes[codes >= 0], minlength=len(levels))
    known = max(int(counts.sum()), 1)
    missing = len(codes) - int(counts.sum())
    return [
        {
            **base,
            "Level": level,
            "N": len(codes),
            "n": int(n),
            "Missing": missing,
            "Share": n / known,
        }
        for level, n in zip(levels, counts, strict=True)
    ]
