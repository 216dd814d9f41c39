"""How the comparison of poolings is printed."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pandas as pd

from mlpool.performance.performance_table import Grid, GridColumn, label_columns
from mlpool.tables import TableOptions, TableSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolingLayout:
    """A grid of estimates and standard errors under each pooling.

    Attributes
    ----------
    grid : Grid
    """

    grid: Grid

    def describe(self, data: pd.DataFrame, options: TableOptions) -> TableSpec:
        """Return the table."""
        return self.grid.describe(data, options)

    def with_footers(self, footers: tuple[str, ...]) -> PoolingLayout:
        """Return the layout with sentences below the table."""
        return replace(self, grid=replace(self.grid, footers=footers))

    def without(self, name: str) -> PoolingLayout:
        """Return the layout without a column."""
        columns = tuple(c for c in self.grid.columns if c.name != name)
        return replace(self, grid=replace(self.grid, columns=columns))


COEFFICIENTS = PoolingLayout(
    grid=Grid(
        heading="Three Poolings",
        columns=(
            GridColumn(name="Label", header="Parameter", style="label"),
            GridColumn(name="Complete", header="Complete"),
            GridColumn(name="Complete_SE", header="SE"),
            GridColumn(name="Complete_SE_robust", header="CL SE"),
            GridColumn(name="No", header="No"),
            GridColumn(name="No_SE", header="SE"),
            GridColumn(name="Partial", header="Partial"),
            GridColumn(name="Partial_SE", header="SE"),
        ),
    )
)
"""Coefficients and standard deviations."""

GROUPS = PoolingLayout(
    grid=Grid(
        heading="Group Estimates",
        layout="estimates",
        columns=(
            *label_columns(["Group", "Level"]),
            GridColumn(name="n", header="n", style="count"),
            *label_columns(["Parameter"]),
            GridColumn(name="Complete", header="Complete"),
            GridColumn(name="No", header="No"),
            GridColumn(name="No_SE", header="SE"),
            GridColumn(name="Partial", header="Partial"),
            GridColumn(name="Partial_SE", header="SE"),
            GridColumn(name="Reliability", header="lambda", style="plain"),
        ),
    )
)
"""Every group's coefficients and how far its own are trusted."""
