"""Clusters added up by size where the rows are: a GROUP BY the cluster, and one by its size."""

from __future__ import annotations

import ast

import narwhals as nw
import numpy as np

from mlpool.engine.sums.columns import Layout
from mlpool.engine.sums.size_classes import SizeClasses
from mlpool.formula.types import BarTerm
from mlpool.sources.lazy_rows import LazyRows
from mlpool.sources.queries import by_group
from mlpool.sources.scan import Scan
from mlpool.sources.sums import PushedRows


def takes_sizes(bars: tuple[BarTerm, ...], layout: Layout, rows: PushedRows, scan: Scan) -> bool:
    """Tell whether sizes are all that a fit asks of its clusters: one ``(1 | g)``, no weights.

    The group has to be a column, whose values are the levels; of fractions two may be one level.
    """
    if len(bars) != 1 or rows.weights is not None or tuple(layout.z.tolist()) != (0,):
        return False
    if len(bars[0].group) != 1:
        return False
    (group,) = bars[0].group
    return isinstance(group.tree, ast.Name) and not scan.schema[group.columns[0]].is_float()


def cluster_sums(rows: PushedRows, layout: Layout, key: nw.Expr) -> LazyRows:
    """Return a row per cluster: its ``size`` and the sums ``s1`` .. of its centred columns."""
    sums = [nw.col(f"u{a}").sum().alias(f"s{a}") for a in range(1, layout.k)]
    grouped = rows.centred(layout, {"key": key}).group_by("key")
    return grouped.agg(nw.len().alias("size"), *sums)


def size_classes(rows: PushedRows, layout: Layout, key: nw.Expr) -> SizeClasses:
    """Return the clusters by size, by one query whose answer has a row per size.

    Raises
    ------
    DataError
        If the rows changed since they were counted.
    """
    k = layout.k
    pairs = [(a, b) for a in range(1, k) for b in range(a, k)]
    summed = {f"{a}": nw.col(f"s{a}") for a in range(1, k)}
    summed |= {f"{a} {b}": nw.col(f"s{a}") * nw.col(f"s{b}") for a, b in pairs}
    found = by_group(cluster_sums(rows, layout, key), ["size"], summed)
    size = np.asarray(found.keys["size"].to_numpy(), dtype=np.float64)
    count = found.values["rows"]
    rows.check_rows(float(size @ count))
    products = np.empty((len(size), k, k))
    products[:, 0, 0] = size**2 * count
    for a in range(1, k):
        products[:, 0, a] = products[:, a, 0] = size * found.values[f"{a}"]
    for a, b in pairs:
        products[:, a, b] = products[:, b, a] = found.values[f"{a} {b}"]
    order = np.argsort(size)
    return SizeClasses(size=size[order], count=count[order], products=products[order])
