"""`describe_distribution`: mean, spread, range and shape of columns, also by group."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mlpool.errors import DataError, MissingDataWarning, OptionError, brief, check_option
from mlpool.frames import Frame, read_frame
from mlpool.results import ResultFrame
from mlpool.tables import (
    Column,
    Note,
    RowGroup,
    TableOptions,
    TableSpec,
    names_note,
    own_names,
    select_columns,
)
from mlpool.tables.cells import format_bound, format_counts
from mlpool.transform.columns import as_names, numbers, numeric_names, read_groups
from mlpool.transform.scale import mad, sd
from mlpool.typing import FloatArray

if TYPE_CHECKING:
    from mlpool.typing import ByLike, DataLike, NamesLike

_COUNTS = ("n", "n_Missing")


def describe_distribution(
    data: DataLike,
    select: NamesLike | None = None,
    by: ByLike | None = None,
    *,
    centrality: str = "mean",
    quartiles: bool = False,
) -> ResultFrame:
    """Return mean, SD, IQR, range, skewness and kurtosis of columns, as datawizard does.

    Parameters
    ----------
    data : data frame, dict, path or Series
    select : str or list of str, optional
        Columns; every numeric one by default.
    by : str or list of str, optional
        Describe each group; the first variable varies fastest.
    centrality : {"mean", "median"}
        ``"median"`` gives Median and MAD for Mean and SD.
    quartiles : bool
        Add the 25 % and 75 % quantiles.

    Returns
    -------
    ResultFrame
        Variable, Mean, SD, IQR, Min, Max, Skewness, Kurtosis, n, n_Missing, grouping columns first.
        The IQR is from quantiles of R's type 6, quartiles are of type 7; skewness and (excess)
        kurtosis are type 2, as in SAS and SPSS (type 1 below three and four values); they are
        missing for a column of one value.

    Raises
    ------
    ColumnNotFoundError, DataError, OptionError

    References
    ----------
    Hyndman & Fan (1996), The American Statistician 50, 361-365; Joanes & Gill (1998), The
    Statistician 47, 183-189.

    Examples
    --------
    >>> print(describe_distribution({"x": [1.0, 2.0, 2.0, 3.0, 10.0]}))
    Variable | Mean |   SD | IQR |         Range | Skewness | Kurtosis | n | n_Missing
    ----------------------------------------------------------------------------------
    x        | 3.60 | 3.65 |   5 | [1.00, 10.00] |     2.03 |     4.27 | 5 |         0
    """
    check_option(centrality, ("mean", "median"), argument="centrality")
    if not isinstance(quartiles, bool):
        raise OptionError(f"quartiles must be True or False; got {brief(quartiles)}.")
    if isinstance(data, pd.Series):
        data = data.to_frame(name=str(data.name) if data.name is not None else "x")
    frame = read_frame(data)
    grouping = [] if by is None else as_names(by, "by")
    names = numeric_names(frame, select, skip=grouping)
    rows, groups = [], []
    for labels, mask in _pieces(frame, grouping):
        for name in names:
            values = numbers(frame, name)
            described = _describe(values if mask is None else values[mask], centrality, quartiles)
            groups.append(labels)
            rows.append({"Variable": name, **described})
    table = pd.DataFrame(rows)
    own = own_names(grouping, [*table.columns, "Range", "Quartiles"])
    labels_of_rows = pd.DataFrame(groups, index=table.index)
    described_rows = pd.concat([labels_of_rows, table.rename(columns=own)], axis=1)
    return ResultFrame(
        data=described_rows,
        layout=DistributionLayout(labels=(*grouping, own["Variable"]), names=own),
        metadata={"kind": "describe_distribution", "by": grouping},
        backend=type(frame.native).__module__.partition(".")[0],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DistributionLayout:
    """How the rows are printed: Min and Max as one range.

    Attributes
    ----------
    labels : tuple of str
        Grouping columns and Variable.
    names : mapping
        What the table's own columns are called where the data have a column of the usual name.
    """

    labels: tuple[str, ...]
    names: Mapping[str, str] = field(default_factory=dict)

    def describe(self, data: pd.DataFrame, options: TableOptions) -> TableSpec:
        """Return the table."""
        usual = {raw: name for name, raw in self.names.items()}
        columns = [
            Column(
                name=n, header=usual[n] if i == len(self.labels) - 1 and n in usual else n,
                cells=tuple(map(str, data[n])), kind="label",
            )
            for i, n in enumerate(self.labels)
        ]  # fmt: skip
        numbers = data[[c for c in data.columns if c not in self.labels]].rename(columns=usual)
        for name in numbers.columns:
            if name not in ("Max", "Q3"):
                column = _number_column(numbers, name, options)
                raw = self.names.get(column.name, column.name)
                columns.append(replace(column, name=raw))
        group = RowGroup(columns=tuple(columns))
        groups: tuple[RowGroup, ...] = (group,)
        if options.select is not None:
            groups = select_columns(groups, options.select)
        notes = tuple(Note(line) for line in names_note(self._shown(numbers)))
        return TableSpec(groups=groups, notes=notes)

    def _shown(self, numbers: pd.DataFrame) -> dict[str, str]:
        shown = {"Variable", *numbers.columns, *(("Range",) if "Min" in numbers else ())}
        return {name: raw for name, raw in self.names.items() if name in shown}


def _number_column(data: pd.DataFrame, name: str, options: TableOptions) -> Column:
    pairs = {"Min": ("Range", "Max", "[{}, {}]"), "Q1": ("Quartiles", "Q3", "{}, {}")}
    if name not in pairs:
        cells = format_counts(data[name], options.digits, zap_small=options.zap_small)
        return Column(name=name, header=name, cells=cells)
    header, other, pattern = pairs[name]
    cells = tuple(
        "" if np.isnan(low) else pattern.format(*(format_bound(v, options.digits) for v in pair))
        for low, pair in zip(data[name], zip(data[name], data[other], strict=True), strict=True)
    )
    return Column(name=header, header=header, cells=cells)


def _pieces(frame: Frame, grouping: list[str]) -> Iterator[tuple[dict[str, str], Any]]:
    """Yield labels and rows of each group; None for all rows."""
    if not grouping:
        yield {}, None
        return
    # Read from the last variable to the first, so that the first one varies fastest.
    groups = read_groups(frame, grouping[::-1], "by")
    outside = int(np.sum(groups.codes < 0))
    if outside:
        text = f"{outside} of {frame.n_rows} rows are left out: {', '.join(grouping)} is missing."
        warnings.warn(text, MissingDataWarning, stacklevel=4)
    order = np.argsort(groups.codes, kind="stable")
    starts = np.searchsorted(groups.codes[order], np.arange(groups.count + 1))
    for i, labels in enumerate(groups.labels):
        yield dict(zip(grouping, labels[::-1], strict=True)), order[starts[i] : starts[i + 1]]


def _describe(values: FloatArray, centrality: str, quartiles: bool) -> dict[str, float]:
    x = values[~np.isnan(values)]
    nan = float("nan")
    row: dict[str, float] = {}
    if np.isinf(x).any():
        raise DataError("A column holds infinite values; they have no mean or spread.")
    if centrality == "mean":
        row |= {"Mean": float(x.mean()) if len(x) else nan, "SD": sd(x) if len(x) else nan}
    else:
        row |= {"Median": float(np.median(x)) if len(x) else nan, "MAD": mad(x) if len(x) else nan}
    low, high = np.quantile(x, [0.25, 0.75], method="weibull") if len(x) else (nan, nan)
    row["IQR"] = float(high - low)
    row |= {"Min": float(x.min()) if len(x) else nan, "Max": float(x.max()) if len(x) else nan}
    if quartiles:
        low, high = np.quantile(x, [0.25, 0.75]) if len(x) else (nan, nan)
        row |= {"Q1": float(low), "Q3": float(high)}
    row |= {"Skewness": skewness(x), "Kurtosis": kurtosis(x)}
    return row | {"n": len(x), "n_Missing": len(values) - len(x)}


def skewness(x: FloatArray) -> float:
    """Return type-2 skewness, ``g1 sqrt(n (n - 1)) / (n - 2)`` (type 1, g1, below 3 values)."""
    n, m2 = len(x), _moment(x, 2)
    if not m2 > 0:
        return float("nan")
    g1 = float(_moment(x, 3) / m2**1.5)
    return g1 * float(np.sqrt(n * (n - 1))) / (n - 2) if n > 2 else g1


def kurtosis(x: FloatArray) -> float:
    """Return type-2 excess kurtosis (type 1, g2, below 4 values).

    ``((n + 1) g2 + 6) (n - 1) / ((n - 2) (n - 3))``.
    """
    n, m2 = len(x), _moment(x, 2)
    if not m2 > 0:
        return float("nan")
    g2 = float(_moment(x, 4) / m2**2 - 3.0)
    return ((n + 1) * g2 + 6.0) * (n - 1) / ((n - 2) * (n - 3)) if n > 3 else g2


def _moment(x: FloatArray, power: int) -> float:
    return float(np.mean((x - x.mean()) ** power)) if len(x) else float("nan")
