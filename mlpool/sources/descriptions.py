"""What tables and grids need to know of one variable, by a few queries of the rows used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import narwhals as nw
import numpy as np

from mlpool.frames import Column, read_frame
from mlpool.frames.levels import drop_unused
from mlpool.sources.design import PushedDesign
from mlpool.sources.language.variables import Kind, keys_frame, kind_of, numbers_of
from mlpool.sources.lazy_rows import LazyRows
from mlpool.sources.order_statistics import BINS, quantiles_of
from mlpool.sources.queries import by_group, collected, distinct, engines_in_a_sentence, totals
from mlpool.typing import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberDescription:
    """A numeric variable on the rows used.

    Attributes
    ----------
    mean, sd, mad : float
        The median absolute deviation unscaled.
    quantiles : ndarray
    is_whole : bool
    n_distinct : int
        More than `most` stands for any number that is.
    distinct : ndarray
        Sorted values; empty if there are more than `most`.
    """

    mean: float
    sd: float
    mad: float
    quantiles: FloatArray
    is_whole: bool
    n_distinct: int
    distinct: FloatArray


def kind_of_variable(design: PushedDesign, name: str) -> Kind:
    """Return what a column of the rows holds."""
    return kind_of(design.own_rows, name)


@engines_in_a_sentence()
def labels_of(design: PushedDesign, name: str) -> Column:
    """Return the distinct values of a column on the rows used, as a column.

    Levels of an enumeration keep their order; those that no row has are none.
    """
    found = collected(distinct(design.own_rows.lazy.select(name).drop_nulls(), [name]))
    column = read_frame(keys_frame(found, design.own_rows)).column(name)
    if design.own_rows.schema[name] != nw.Enum:
        return column
    codes, levels = drop_unused(column.values, column.levels)
    return replace(column, values=codes, levels=levels)


@engines_in_a_sentence()
def describe_number(
    design: PushedDesign, name: str, shares: Sequence[float], most: int
) -> NumberDescription:
    """Return moments, quantiles and, where they are few, distinct values of a column."""
    rows = design.own_rows.lazy.select(numbers_of(design.own_rows, name).alias("v"))
    v = nw.col("v")
    broken = nw.when(v != v.floor()).then(nw.lit(1.0)).otherwise(nw.lit(0.0))
    found = totals(
        rows, {"mean": v.mean(), "sd": v.std(), "low": v.min(), "high": v.max(),
               "broken": broken.sum()},
    )  # fmt: skip
    quantiles = quantiles_of(rows, v, [*shares, 0.5])
    median = float(quantiles[-1])
    mad = float(quantiles_of(rows, (v - median).abs(), [0.5])[0])
    distinct = _few_values(rows, (found["low"], found["high"]), most)
    return NumberDescription(
        mean=found["mean"], sd=0.0 if np.isnan(found["sd"]) else found["sd"], mad=mad,
        quantiles=quantiles[:-1], is_whole=found["broken"] == 0.0,
        n_distinct=most + 1 if distinct is None else len(distinct),
        distinct=np.empty(0) if distinct is None else distinct,
    )  # fmt: skip


def _few_values(rows: LazyRows, ends: tuple[float, float], most: int) -> FloatArray | None:
    """Return the distinct values, sorted; None if there are more than `most`.

    Filled bins are counted first: a table of all values of a continuous column would be as long as
    the rows.
    """
    low, high = ends
    if low == high:
        return np.array([low])
    place = ((nw.col("v") - low) * (BINS / (high - low))).floor().alias("b")
    bins = by_group(rows.with_columns(place), ["b"], {})
    if len(bins.values["rows"]) > most:
        return None
    found = collected(distinct(rows, rows.collect_schema().names()).head(most + 1))
    values = np.sort(np.asarray(found["v"].to_numpy(), dtype=np.float64))
    return None if len(values) > most else values
