"""How the table of bootstrap intervals is printed."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from mlpool.tables import Column, Note, RowGroup, TableOptions, TableSpec
from mlpool.tables.cells import format_intervals, format_numbers, interval_header


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalLayout:
    """Estimate, bias, standard error and interval of every parameter.

    Attributes
    ----------
    headings : tuple of str
        Heading that each row belongs to; an empty string for none.
    level : float
    footers : tuple of str
    """

    headings: tuple[str, ...]
    level: float
    footers: tuple[str, ...] = ()

    def describe(self, data: pd.DataFrame, options: TableOptions) -> TableSpec:
        """Return the table: one row group per heading."""
        groups = []
        for heading in dict.fromkeys(self.headings):
            rows = [i for i, own in enumerate(self.headings) if own == heading]
            groups.append(self._group(heading, data.iloc[rows], options))
        return TableSpec(groups=tuple(groups), notes=tuple(Note(line) for line in self.footers))

    def _group(self, heading: str, part: pd.DataFrame, options: TableOptions) -> RowGroup:
        columns = [
            Column(
                name="Parameter", header="Parameter", cells=tuple(part["Parameter"]), kind="label"
            )
        ]
        for name in ("Coefficient", "Bias", "SE"):
            cells = tuple(format_numbers(part[name], options.digits, zap_small=options.zap_small))
            columns.append(Column(name=name, header=name, cells=cells))
        low, high = part["CI_low"].tolist(), part["CI_high"].tolist()
        cells = tuple(format_intervals(low, high, options.interval_digits))
        header = interval_header(self.level)
        columns.append(Column(name="CI", header=header, cells=cells, kind="interval"))
        return RowGroup(columns=tuple(columns), heading=heading)
