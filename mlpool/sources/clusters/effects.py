"""Levels and effects of clusters that stay where the rows are, asked for when they are looked at.

With r = y - X beta, the conditional mode of a random intercept and its variance are (Bates et al.
2015, J. Stat. Softw. 67(1), eqs. 56-58)

    b_j = theta^2 / (1 + theta^2 n_j) * sum of r over cluster j
    Var(b_j | y) = sigma^2 theta^2 / (1 + theta^2 n_j)

which is one GROUP BY. Up to a million of them are brought here; more are a lazy frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

import narwhals as nw
import numpy as np

from mlpool.engine.sums.columns import Layout
from mlpool.errors import DataError, NotSupportedError
from mlpool.formula.functions.evaluate import Evaluator
from mlpool.formula.functions.values import without_unused
from mlpool.formula.random_terms import group_codes
from mlpool.formula.types import BarTerm
from mlpool.frames import read_frame
from mlpool.sources.language.variables import key_of, keys_frame
from mlpool.sources.lazy_rows import Answer, LazyRows
from mlpool.sources.queries import collected, distinct, engines_in_a_sentence
from mlpool.sources.scan import Scan
from mlpool.sources.sums import PushedRows
from mlpool.sources.tables import joined
from mlpool.typing import FloatArray, IntArray

MOST_LEVELS = 1_000_000
"""Levels whose labels and effects are brought into memory when they are asked for."""
MODE, SD = "(Intercept)", "cond_sd"
"""Columns of the lazy frame of effects, beside the group."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScannedClusters:
    """The levels of a random intercept, where the rows are.

    Attributes
    ----------
    bar : BarTerm
        Its group is one column.
    scan : Scan
    rows : PushedRows
    layout : Layout
        Of the columns whose combinations effects are made of.
    count : int
        How many clusters there are.
    """

    bar: BarTerm
    scan: Scan
    rows: PushedRows
    layout: Layout
    count: int

    @property
    def column(self) -> str:
        """The column that is the group."""
        return self.bar.group[0].columns[0]

    @property
    def are_many(self) -> bool:
        """Whether they stay where they are for good."""
        return self.count > MOST_LEVELS

    @engines_in_a_sentence()
    def levels(self) -> tuple[str, ...]:
        """Return the labels of the levels, in their order."""
        self._refuse_many()
        key = key_of(self.scan, self.column).alias(self.column)
        keys = distinct(self.rows.rows.select(key), [self.column])
        return self._coded(collected(keys, "levels"))[1]

    def effects(self, combination: FloatArray, theta: float, sigma: float) -> LazyRows:
        """Return a row per cluster, lazily: its key, mode and conditional SD.

        Parameters
        ----------
        combination : ndarray of shape (k,)
            The residuals as a combination of the distinct columns about their centres.
        theta : float
            SD of the effects over `sigma`.
        sigma : float
        """
        rest = nw.lit(float(combination[0]))
        for a in np.flatnonzero(combination[1:]) + 1:
            rest = rest + float(combination[a]) * nw.col(f"u{a}")
        rows = self.rows.centred(self.layout, {"key": key_of(self.scan, self.column)})
        made = rows.select("key", rest.alias("rest")).group_by("key")
        sums = made.agg(nw.len().alias("size"), nw.col("rest").sum())
        variance = theta**2 / (1.0 + theta**2 * nw.col("size").cast(nw.Float64))
        return sums.select(
            nw.col("key").alias(self.column),
            (variance * nw.col("rest")).alias(MODE),
            (sigma * variance.sqrt()).alias(SD),
        )

    @engines_in_a_sentence()
    def modes(self, lazy: LazyRows) -> tuple[FloatArray, FloatArray]:
        """Return the modes and variances (levels,) of :meth:`effects`, in the levels' order."""
        self._refuse_many()
        found = collected(lazy, "effects of groups")
        codes, _ = self._coded(found.select(self.column))
        b, sd = np.empty((2, self.count))
        b[codes] = np.asarray(found[MODE].to_numpy(), dtype=np.float64)
        sd[codes] = np.asarray(found[SD].to_numpy(), dtype=np.float64)
        return b, sd**2

    def holds(self, rows: Scan) -> bool:
        """Tell whether these are the rows that the clusters are of, where no level is new."""
        return rows.lazy is self.rows.rows

    def shares_engine(self, rows: Scan, effects: LazyRows) -> bool:
        """Tell whether the engine that has the clusters can join them to these rows."""
        if self.holds(rows):
            return True
        if rows.engine != self.scan.engine:
            return False
        try:
            joined(rows.lazy.select(self.column), effects, [self.column]).collect_schema()
        except Exception:  # whatever an engine says of two connections, or of keys of two types
            return False
        return True

    def _coded(self, keys: Answer) -> tuple[IntArray, tuple[str, ...]]:
        """Return the level of every key that the engine found, and the levels."""
        if len(keys) != self.count:
            raise DataError(
                f"The rows changed since the fit: {self.bar.group_name} had {self.count} levels, "
                f"now {len(keys)}; fit again when nothing writes to them."
            )
        (group,) = self.bar.group
        evaluator = Evaluator(read_frame(keys_frame(keys, self.scan)), {}, None)
        codes, names = group_codes(group, without_unused(evaluator.value(group)))
        return codes, names.labels

    def _refuse_many(self) -> None:
        if self.are_many:
            refuse_many(self.bar.group_name, self.count)


def refuse_many(group: str, count: int) -> NoReturn:
    """Say where the effects of many levels are.

    Raises
    ------
    NotSupportedError
        Always.
    """
    raise NotSupportedError(many_levels(group, count))


def many_levels(group: str, count: int) -> str:
    """Return the sentence that says so."""
    return (
        f"The {count:,} levels of {group} stay where the rows are, since they are more than "
        f"{MOST_LEVELS:,}: m.ranef() gives their effects as a lazy frame, and m.predict() of lazy "
        "rows joins them, in the session that fitted the model."
    )
