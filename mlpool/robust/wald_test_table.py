"""How the result of one joint test is printed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from mlpool.tables import Column, Note, RowGroup, TableOptions, TableSpec
from mlpool.tables.cells import format_numbers, format_ps


@dataclass(frozen=True, slots=True, kw_only=True)
class TestLayout:
    """Statistic, df and p of joint tests.

    Attributes
    ----------
    statistic : {"F", "Chi2"}
    footers : tuple of str
    """

    __test__ = False  # pytest would take the name for a test class

    statistic: str
    footers: tuple[str, ...] = ()

    def describe(self, data: pd.DataFrame, options: TableOptions) -> TableSpec:
        """Return the table."""
        columns = [
            Column(name="Test", header="Test", cells=tuple(data["Test"]), kind="label"),
            self._numbers(data, "Statistic", self.statistic, options),
            Column(name="df_num", header="df_num", cells=tuple(f"{v:g}" for v in data["df_num"])),
        ]
        if any(math.isfinite(v) for v in data["df_denom"]):
            columns.append(self._numbers(data, "df_denom", "df_denom", options))
        ps = format_ps(data["p"], options.p_digits)
        columns.append(Column(name="p", header="p", cells=tuple(ps), kind="p"))
        return TableSpec(
            groups=(RowGroup(columns=tuple(columns)),),
            notes=tuple(Note(line) for line in self.footers),
        )

    @staticmethod
    def _numbers(data: pd.DataFrame, name: str, header: str, options: TableOptions) -> Column:
        cells = tuple(format_numbers(data[name], options.digits))
        return Column(name=name, header=header, cells=cells)
