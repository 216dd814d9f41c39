"""How `influence` is printed: the deletions with the largest distances."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from mlpool.performance.performance_table import Grid, GridColumn
from mlpool.tables import TableOptions, TableSpec

SHOWN = 10
"""Deletions that are printed; the frame has them all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InfluenceLayout:
    """The largest Cook's distances with their DFBETAS.

    Attributes
    ----------
    label : str
        Column that says what was left out.
    names : tuple of str
        Coefficients.
    footer : str
        How the values came about.
    """

    label: str
    names: tuple[str, ...]
    footer: str

    def describe(self, data: pd.DataFrame, options: TableOptions) -> TableSpec:
        """Return the table."""
        first = data.sort_values("Cooks_Distance", ascending=False, kind="stable").head(SHOWN)
        footers = [self.footer] if self.footer else []
        if len(data) > SHOWN:
            footers.insert(0, f"The {SHOWN} largest of {len(data)}; to_pandas() has all.")
        columns = (
            GridColumn(name=self.label, header=self.label, style="label"),
            GridColumn(name="Rows", header="Rows", style="count"),
            GridColumn(name="Cooks_Distance", header="Cook's D"),
            *(GridColumn(name=f"DFBETAS_{n}", header=n) for n in self.names),
        )
        grid = Grid(heading="Influence (DFBETAS)", columns=columns, footers=tuple(footers))
        return grid.describe(first, options)
