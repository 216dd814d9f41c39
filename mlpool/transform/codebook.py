"""`data_codebook`: what each column holds, on one page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import narwhals.stable.v1 as nw
import numpy as np
import pandas as pd

from mlpool.errors import DataError, OptionError, brief
from mlpool.frames import Frame, read_frame
from mlpool.results import ResultFrame
from mlpool.tables import Column, RowGroup, TableOptions, TableSpec
from mlpool.transform.columns import as_names, label_codes, numbers

if TYPE_CHECKING:
    from mlpool.typing import DataLike, NamesLike

_SHOWN = ("ID", "Name", "Label", "Type", "Missings", "Values", "N")


def data_codebook(
    data: DataLike,
    select: NamesLike | None = None,
    *,
    name: str = "data",
    max_values: int = 10,
    range_at: int = 6,
) -> ResultFrame:
    """Return type, missing values and values of every column (datawizard's ``data_codebook``).

    Parameters
    ----------
    data : data frame, dict or path
    select : str or list of str, optional
        Columns; all by default. IDs are positions in the data.
    name : str
        What the data are called in the title.
    max_values : int
        Values listed per column.
    range_at : int
        Numbers with so many distinct values or more are shown as a range.

    Returns
    -------
    ResultFrame
        ID, Name, Label (from pandas' ``df.attrs["labels"]``, if there), Type, Missings, Values, N,
        one row per listed value.

    Raises
    ------
    ColumnNotFoundError, OptionError

    Examples
    --------
    >>> print(data_codebook({"x": [1.5, 2.5, None], "f": ["a", "b", "a"]}))
    data (3 rows and 2 variables, 2 shown)
    <BLANKLINE>
    ID | Name | Type      |  Missings | Values |         N
    ---+------+-----------+-----------+--------+----------
    1  | x    | numeric   | 1 (33.3%) |    1.5 | 1 (50.0%)
       |      |           |           |    2.5 | 1 (50.0%)
    ---+------+-----------+-----------+--------+----------
    2  | f    | character |  0 (0.0%) |      a | 2 (66.7%)
       |      |           |           |      b | 1 (33.3%)
    ------------------------------------------------------
    """
    for argument, value in (("max_values", max_values), ("range_at", range_at)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise OptionError(f"{argument} must be a whole number, 1 or more; got {brief(value)}.")
    frame = read_frame(data)
    names = list(frame.columns) if select is None else as_names(select, "select")
    labels = _labels(frame)
    rows: list[dict[str, object]] = []
    for column in names:
        rows += _column_rows(frame, column, labels.get(column, ""), max_values, range_at)
    title = f"{name} ({frame.n_rows} rows and {len(frame.columns)} variables, {len(names)} shown)"
    return ResultFrame(
        data=pd.DataFrame(rows),
        layout=CodebookLayout(title=title),
        metadata={"kind": "data_codebook", "name": name},
        backend=type(frame.native).__module__.partition(".")[0],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CodebookLayout:
    """A line below each variable's values.

    Attributes
    ----------
    title : str
    """

    title: str

    def describe(self, data: pd.DataFrame, options: TableOptions) -> TableSpec:
        """Return the table."""
        starts = [i for i, new in enumerate(data["Position"] == 0) if new]
        columns = []
        for name in _SHOWN:
            cells = _cells(data, name)
            if name == "Label" and not any(cells):
                continue
            kind: Any = "number" if name in ("Missings", "Values", "N") else "label"
            columns.append(Column(name=name, header=name, cells=cells, kind=kind))
        group = RowGroup(columns=tuple(columns), rules=tuple(starts[1:]))
        return TableSpec(groups=(group,), title=self.title, layout="codebook")


def _cells(data: pd.DataFrame, name: str) -> tuple[str, ...]:
    """Return a column's cells; what belongs to the variable stands in its first row only."""
    if name == "N":
        return _count_cells(data)
    if name == "Missings":
        cells = [
            f"{n:.0f} ({share:.1f}%)"
            for n, share in zip(data["Missings"], data["Missings_pct"], strict=True)
        ]
    else:
        cells = [str(v) for v in data[name]]
    if name == "Values":
        return tuple(cells)
    return tuple(c if i == 0 else "" for c, i in zip(cells, data["Position"], strict=True))


def _count_cells(data: pd.DataFrame) -> tuple[str, ...]:
    """Return ``152 (44.2%)``, percentages padded to one width; a range has its number alone."""
    shares = [f"{v:.1f}" for v in data["N_pct"]]
    width = max((len(s) for s in shares if s != "nan"), default=0)
    return tuple(
        "" if np.isnan(n) else f"{n:.0f}" if s == "nan" else f"{n:.0f} ({s.rjust(width)}%)"
        for n, s in zip(data["N"], shares, strict=True)
    )


def _column_rows(
    frame: Frame, name: str, label: str, max_values: int, range_at: int
) -> list[dict[str, Any]]:
    if name not in frame.columns:
        frame.column(name, used_as="select")  # tells the near names
    kind = _type(frame, name)
    values = _values(frame, name, kind, range_at)
    counted = sum(n for _, n, _ in values)
    missing = frame.n_rows - counted
    listed: list[tuple[str, float, bool]] = [*values[:max_values]]
    if len(values) > max_values:
        listed.append(("(...)", float("nan"), False))
    base = {
        "ID": frame.columns.index(name) + 1, "Name": name, "Label": label, "Type": kind,
        "Missings": missing, "Missings_pct": 100 * missing / max(frame.n_rows, 1),
    }  # fmt: skip
    return [
        {
            **base, "Values": text, "N": float(n),
            "N_pct": 100 * n / counted if has_share and counted else float("nan"), "Position": i,
        }
        for i, (text, n, has_share) in enumerate(listed or [("", float("nan"), False)])
    ]  # fmt: skip


_WHOLE = (
    nw.Int8, nw.Int16, nw.Int32, nw.Int64, nw.UInt8, nw.UInt16, nw.UInt32, nw.UInt64,
)  # fmt: skip
_TIMES = (nw.Date, nw.Datetime, nw.Duration)


def _type(frame: Frame, name: str) -> str:
    dtype = frame.data[:, frame.columns.index(name)].dtype
    if dtype == nw.Boolean:
        return "logical"
    if dtype in _TIMES:
        return str(dtype).partition("(")[0].lower()  # what follows is spelled anew by versions
    if dtype in _WHOLE:
        return "integer"
    if dtype.is_numeric():
        return "numeric"
    try:
        column = frame.column(name)
    except DataError:
        return str(dtype).partition("(")[0].lower()
    words = {"ordered": "ordinal", "numeric": "numeric", "boolean": "logical"}
    is_category = dtype in (nw.Categorical, nw.Enum)
    return words.get(column.kind, "categorical" if is_category else "character")


def _values(frame: Frame, name: str, kind: str, range_at: int) -> list[tuple[str, float, bool]]:
    """Return (text, count, whether a share is shown) of each value, or one range."""
    try:
        column = frame.column(name)
    except DataError:  # dates and the like: how many there are, no more
        series = frame.data[:, frame.columns.index(name)]
        return [("", float(frame.n_rows - series.null_count()), False)]
    if column.is_factor or column.kind == "boolean":
        codes, levels = label_codes(column)
        counts = np.bincount(codes[codes >= 0], minlength=len(levels))
        return [(level, float(n), True) for level, n in zip(levels, counts, strict=True)]
    x = numbers(frame, name)
    uniques, found = np.unique(x[~np.isnan(x)], return_counts=True)
    finite = np.isfinite(uniques)
    if finite.sum() < range_at:
        return [(_number(v), float(n), True) for v, n in zip(uniques, found, strict=True)]
    text = f"[{_number(uniques[finite][0])}, {_number(uniques[finite][-1])}]"
    rows = [(text, float(found[finite].sum()), bool((~finite).any()))]
    rows += [
        (_number(v), float(n), True) for v, n in zip(uniques[~finite], found[~finite], strict=True)
    ]
    return rows


def _number(value: float) -> str:
    """Return at most two decimals, without trailing zeros."""
    if not np.isfinite(value):
        return "Inf" if value > 0 else "-Inf"
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def _labels(frame: Frame) -> dict[str, str]:
    """Return variable labels that a pandas frame carries in ``attrs["labels"]``."""
    labels = getattr(frame.native, "attrs", {}).get("labels", {})
    return {str(k): str(v) for k, v in labels.items()} if isinstance(labels, dict) else {}
