"""The second query: centred sums of [1 X Z y] in all and per cluster, as the engine takes them.

A cluster's sums need products with its random-effects columns only; products of all pairs are asked
for in one plain aggregate, which no engine has to hash. Between the two stands least squares: what
X explains is taken off the response, so that a strong trend costs no digits
(``engine/sums/trend.py``).
"""

from __future__ import annotations

import operator
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import reduce

import narwhals as nw
import numpy as np

from mlpool.engine.rank import independent_of_sums
from mlpool.engine.sums.cluster_sums import CrossProducts, recentre
from mlpool.engine.sums.columns import Layout
from mlpool.engine.sums.trend import (
    PASSES,
    least_squares_trend,
    missed_trend,
    retrended,
    solve_scaled,
)
from mlpool.errors import DataError, NotSupportedError
from mlpool.sources.columns import PushedColumns
from mlpool.sources.lazy_rows import LazyRows
from mlpool.sources.queries import Groups, by_group, totals
from mlpool.typing import FloatArray, IntArray

MOST_SUMS = 5_000
"""Sums that one query asks for; engines plan more for longer than they scan."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PushedRows:
    """The rows used, with their distinct columns and weights.

    Attributes
    ----------
    rows : narwhals.LazyFrame
    columns : PushedColumns
    weights : narwhals.Expr or None
    n : int
        Rows that the survey counted.
    sum_log_weights : float
    """

    rows: LazyRows
    columns: PushedColumns
    weights: nw.Expr | None
    n: int
    sum_log_weights: float = 0.0

    def total(
        self, layout: Layout, *, weighted: bool = True, factor: nw.Expr | None = None
    ) -> FloatArray:
        """Return the sums of products (k, k) of all pairs of distinct columns.

        Parameters
        ----------
        layout : Layout
        weighted : bool
            Whether prior weights multiply the products.
        factor : narwhals.Expr, optional
            What multiplies them instead, of the centred columns ``u1`` ... and the weights ``w``.
        """
        if factor is None and weighted and self.weights is not None:
            factor = nw.col("w")
        k = layout.k
        pairs = [(a, b) for a in range(k) for b in range(a, k) if not self._is_zero(layout, a, b)]
        products = {name: each.sum() for name, each in _products(pairs, factor).items()}
        found = totals(self.centred(layout), {"rows": nw.len(), **products})
        total = np.zeros((k, k))
        found["0 0"] = found.get("0 0", found["rows"])
        for a, b in pairs:
            total[a, b] = total[b, a] = found[f"{a} {b}"]
        self.check_rows(found["rows"])
        return total

    def residual(self, sums: CrossProducts, kept: IntArray, beta: FloatArray) -> nw.Expr:
        """Return y - X beta of least squares as an expression of the centred columns.

        The fit was taken off the response before the sums were made: what is left beside the
        summed response is a constant where there is no intercept, and rounding.
        """
        left = sums.residual(kept, beta)
        return nw.col(f"u{sums.layout.y}") + float(left[0])

    def by_cluster(self, layout: Layout, keys: dict[str, nw.Expr], outer: Iterable[int]) -> Groups:
        """Return the sums of each cluster: products of `outer` with all distinct columns."""
        return self.grouped(layout, keys, [(a, b) for a in outer for b in range(layout.k)])

    def grouped(
        self, layout: Layout, keys: dict[str, nw.Expr], products: Iterable[tuple[int, int]]
    ) -> Groups:
        """Return sums per combination of `keys`, products of columns a <= b named ``"a b"``."""
        pairs = sorted({(min(a, b), max(a, b)) for a, b in products})
        wanted = [pair for pair in pairs if not self._is_zero(layout, *pair)]
        places = {f"k{i}": key for i, key in enumerate(keys.values())}
        rows = self.centred(layout, places)
        groups = by_group(
            rows, list(places), _products(wanted, None if self.weights is None else nw.col("w"))
        )
        groups.values.setdefault("0 0", groups.values["rows"])
        self.check_rows(float(groups.values["rows"].sum()))
        return Groups(groups.keys.rename(dict(zip(places, keys, strict=True))), groups.values)

    def centred(self, layout: Layout, keys: dict[str, nw.Expr] | None = None) -> LazyRows:
        """Return the rows with the columns u1 .. u(k-1), centred, and the weights."""
        made = {
            f"u{i}": (c.expr - centre if centre else c.expr).alias(f"u{i}")
            for i, (c, centre) in enumerate(
                zip(self.columns.columns, layout.centre[1:], strict=True), start=1
            )
        }
        chosen = [*(key.alias(name) for name, key in (keys or {}).items()), *made.values()]
        if self.weights is not None:
            chosen.append(self.weights.alias("w"))
        rows = self.rows.select(*chosen)
        if not layout.trend:
            return rows
        y = nw.col(f"u{layout.y}")
        for a in np.flatnonzero(layout.trend):
            y = y - float(layout.trend[a]) * nw.col(f"u{a}")
        return rows.with_columns(y.alias(f"u{layout.y}"))

    def _is_zero(self, layout: Layout, a: int, b: int) -> bool:
        if a == 0 or a == b or layout.y in (a, b):
            return False
        left, right = self.columns.columns[a - 1], self.columns.columns[b - 1]
        return left.is_apart(right)

    def check_rows(self, found: float) -> None:
        """Refuse rows of another number than the survey's.

        Raises
        ------
        DataError
        """
        if found != self.n:
            raise DataError(
                f"The rows changed between two queries: {self.n} were used at first, then "
                f"{found:.0f}; fit again when nothing writes to them."
            )


def _products(pairs: list[tuple[int, int]], factor: nw.Expr | None) -> dict[str, nw.Expr]:
    if len(pairs) > MOST_SUMS:
        raise NotSupportedError(
            f"The model needs {len(pairs):,} sums of products per query, and {MOST_SUMS:,} is "
            "the limit: leave out columns, or read the rows into memory."
        )
    products: dict[str, nw.Expr] = {}
    for a, b in pairs:
        factors = [nw.col(f"u{c}") for c in (a, b) if c]
        factors += [] if factor is None else [factor]
        if factors:  # else a count of rows, which is there
            products[f"{a} {b}"] = reduce(operator.mul, factors)
    return products


def total_sums(rows: PushedRows) -> tuple[CrossProducts, IntArray]:
    """Return the sums of all rows about the least-squares fit, and the columns that it keeps.

    The sums have no clusters yet; queries are repeated while the fit explains nearly everything,
    as passes over rows in memory are.
    """
    sums = _without_clusters(rows, rows.columns.layout())
    kept = independent_of_sums(sums, _Remainders(rows, sums))
    for _ in range(PASSES - 1):
        beta = missed_trend(sums, kept)
        if beta is None:
            break
        sums = _without_clusters(rows, retrended(sums.layout, kept, beta))
    beta = least_squares_trend(sums, kept)
    return recentre(sums, retrended(sums.layout, kept, beta)), kept


def _without_clusters(rows: PushedRows, layout: Layout) -> CrossProducts:
    return CrossProducts(
        layout=layout,
        outer=(0,),
        sums=np.zeros((1, layout.k, 0)),
        total=rows.total(layout),
        n=rows.n,
        sum_log_weights=rows.sum_log_weights,
        has_weights=rows.weights is not None,
    )


def with_clusters(
    sums: CrossProducts, outer: tuple[int, ...], groups: Groups, to: tuple[IntArray, int]
) -> CrossProducts:
    """Return sums with those of every cluster.

    Parameters
    ----------
    sums : CrossProducts
        Of all rows.
    outer : tuple of int
        Distinct columns whose products there are per cluster, the constant first.
    groups : Groups
    to : (ndarray of int of shape (groups,), int)
        Cluster of every group, and how many there are.
    """
    inner = tuple(range(sums.layout.k))
    return replace(sums, outer=outer, sums=added_up(groups, outer, inner, to))


def added_up(
    groups: Groups, outer: tuple[int, ...], inner: tuple[int, ...], to: tuple[IntArray, int]
) -> FloatArray:
    """Return the sums (outer, inner, m) of products, groups gathered in m places.

    Parameters
    ----------
    groups : Groups
    outer, inner : tuple of int
        Distinct columns; a product that was not asked for is zero.
    to : (ndarray of int of shape (groups,), int)
        Place of every group, and m.
    """
    found = np.zeros((len(outer), len(inner), to[1]))
    for i, a in enumerate(outer):
        for j, b in enumerate(inner):
            values = groups.values.get(f"{min(a, b)} {max(a, b)}")
            if values is not None:
                found[i, j] = np.bincount(to[0], values, to[1])
    return found


@dataclass(frozen=True, slots=True)
class _Remainders:
    """Says by a query what is left of a column after others; the rows themselves stay away."""

    pushed: PushedRows
    sums: CrossProducts

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of X."""
        return self.pushed.n, self.sums.layout.p

    def share_left(self, kept: IntArray, column: int) -> float:
        """Return the share of a column's length that its least-squares fit on others leaves."""
        layout = self.sums.layout
        x = layout.x[[*kept.tolist(), column]]
        raw = self.sums.uncentre(x)
        G = raw.T @ self.sums.total @ raw
        left = raw @ np.append(-solve_scaled(G[:-1, :-1], G[:-1, -1]), 1.0)
        rest = nw.lit(float(left[0]))
        for a in np.flatnonzero(left[1:]) + 1:
            rest = rest + float(left[a]) * nw.col(f"u{a}")
        rows = self.pushed.centred(layout).with_columns(rest.alias("rest"))
        square = nw.col("rest") * nw.col("rest")
        square = square if self.pushed.weights is None else square * nw.col("w")
        found = totals(rows, {"left": square.sum()})
        return float(np.sqrt(found["left"] / G[-1, -1]))
