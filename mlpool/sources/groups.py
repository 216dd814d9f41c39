"""Sums per level of the grouping factors, and per pair of levels that meet: a GROUP BY each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

import narwhals as nw
import numpy as np

from mlpool.engine.sums.cluster_sums import CrossProducts
from mlpool.engine.sums.columns import Layout
from mlpool.engine.sums.cross_sums import FactorSums, PairSums
from mlpool.errors import NotSupportedError, brief
from mlpool.formula.contrast_coding import GivenContrasts
from mlpool.formula.design_matrix import make_matrix
from mlpool.formula.functions.bases import State
from mlpool.formula.functions.evaluate import Evaluator
from mlpool.formula.functions.values import FactorValue, Value, without_unused
from mlpool.formula.random_terms import RandomDesign, group_codes, make_random
from mlpool.formula.types import BarTerm, ParsedFormula
from mlpool.frames import read_frame
from mlpool.sources.absent_rows import absent_rows
from mlpool.sources.clusters.asked import AskedLevels
from mlpool.sources.clusters.effects import ScannedClusters
from mlpool.sources.clusters.size_classes import size_classes, takes_sizes
from mlpool.sources.language.variables import keys_frame
from mlpool.sources.queries import Groups
from mlpool.sources.scan import Scan
from mlpool.sources.sums import PushedRows, added_up, with_clusters
from mlpool.typing import IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupedRows:
    """Rows with grouping factors, before their levels are known.

    Attributes
    ----------
    formula : ParsedFormula
    scan : Scan
    rows : PushedRows
    keys : mapping from name to narwhals.Expr
        Columns of the grouping factors.
    made : mapping from text to Value
        The formula's expressions, without rows.
    coding : dict
        Contrasts.
    states : dict
        What stateful functions learn.
    context : mapping or None
    sizes : tuple of int
        Columns of every term, in the formula's order.
    """

    formula: ParsedFormula
    scan: Scan
    rows: PushedRows
    keys: Mapping[str, nw.Expr]
    made: Mapping[str, Value]
    coding: dict[str, str | GivenContrasts]
    states: dict[str, State]
    context: Mapping[str, object] | None
    sizes: tuple[int, ...]

    def values(self, groups: Groups, bar: BarTerm) -> dict[str, Value]:
        """Evaluate a term's grouping factor on keys that the engine found."""
        frame = read_frame(keys_frame(groups.keys, self.scan))
        evaluator = Evaluator(frame, self.states, self.context)
        return {e.text: without_unused(evaluator.value(e)) for e in bar.group}


@dataclass(frozen=True, slots=True, kw_only=True)
class Grouped:
    """The rows by their grouping factors.

    Attributes
    ----------
    random : tuple of RandomDesign
        Terms in lme4's order, without codes of rows.
    values : dict
        The grouping factors' values, without rows.
    sums : CrossProducts
        Of all rows, Z in the order of the terms; with one factor also per level.
    factor_sums : FactorSums or None
        Of several factors.
    clusters : ScannedClusters or None
        Of a random intercept whose clusters were added up by size, and stay where they are.
    """

    random: tuple[RandomDesign, ...]
    values: dict[str, Value]
    sums: CrossProducts
    factor_sums: FactorSums | None = None
    clusters: ScannedClusters | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Factor:
    """One grouping factor: its terms, and sums of groups that each lie in one of its levels."""

    random: tuple[RandomDesign, ...]
    values: dict[str, Value]
    columns: tuple[str, ...]
    z: tuple[int, ...]
    groups: Groups

    @property
    def outer(self) -> tuple[int, ...]:
        """The distinct columns whose products there are per level, the constant first."""
        return tuple(sorted({0, *self.z}))

    @property
    def place(self) -> IntArray:
        """The level of every group."""
        return np.asarray(self.random[0].codes)

    @property
    def n_levels(self) -> int:
        """How many levels there are."""
        return len(self.random[0].levels)


def with_groups(grouped: GroupedRows, sums: CrossProducts) -> Grouped:
    """Ask for the sums per level of every factor, and between factors.

    Parameters
    ----------
    grouped : GroupedRows
    sums : CrossProducts
        Of all rows, Z in the order of the formula's terms.

    Raises
    ------
    NotSupportedError
        If a grouping factor is missing where its columns are not.
    """
    bars, layout, absent = grouped.formula.bars, sums.layout, absent_rows(sums.n)
    if takes_sizes(bars, layout, grouped.rows, grouped.scan):
        return _by_size(grouped, sums)
    ends = np.cumsum([0, *grouped.sizes]).tolist()
    own = [tuple(layout.z[a:b].tolist()) for a, b in pairwise(ends)]
    factors: dict[str, _Factor] = {}
    for name in dict.fromkeys(bar.group_name for bar in bars):
        terms = [(b, z) for b, z in zip(bars, own, strict=True) if b.group_name == name]
        factors[name] = _factor(grouped, sums, terms)
    each = {name: iter(factor.random) for name, factor in factors.items()}
    random = [next(each[bar.group_name]) for bar in bars]
    order = sorted(range(len(bars)), key=lambda i: -len(random[i].levels))
    values = {text: value for factor in factors.values() for text, value in factor.values.items()}
    made = Grouped(
        random=tuple(replace(random[i], codes=absent) for i in order),
        values={text: _forget_codes(value) for text, value in values.items()},
        sums=replace(sums, layout=_with_z(layout, [a for i in order for a in own[i]])),
    )
    in_order = [factors[name] for name in dict.fromkeys(r.group for r in made.random)]
    found = _sums_of(grouped, sums, in_order)
    is_one = len(in_order) == 1
    return replace(made, sums=found.factors[0]) if is_one else replace(made, factor_sums=found)


def _by_size(grouped: GroupedRows, sums: CrossProducts) -> Grouped:
    """Ask for the clusters of a random intercept by size, and leave them where they are."""
    (bar,) = grouped.formula.bars
    (column,) = bar.group[0].columns
    classes = size_classes(grouped.rows, sums.layout, grouped.keys[column])
    clusters = ScannedClusters(
        bar=bar, scan=grouped.scan, rows=grouped.rows, layout=sums.layout,
        count=classes.n_clusters,
    )  # fmt: skip
    random = RandomDesign(
        bar=bar,
        group=bar.group_name,
        levels=AskedLevels(bar.group_name, clusters.count, clusters),
        codes=absent_rows(sums.n),
        z=make_matrix(bar.terms, grouped.made, sums.n, contrasts=grouped.coding),
    )
    return Grouped(
        random=(random,), values={}, sums=replace(sums, by_size=classes), clusters=clusters
    )


def _sums_of(grouped: GroupedRows, sums: CrossProducts, factors: list[_Factor]) -> FactorSums:
    """Return the sums of every factor, and between every two of them."""
    by_level = tuple(
        with_clusters(
            replace(sums, layout=_with_z(sums.layout, list(factor.z))),
            factor.outer, factor.groups, (factor.place, factor.n_levels),
        )
        for factor in factors
    )  # fmt: skip
    pairs = {
        (f, g): _pair(grouped, sums, factors[f], factors[g])
        for g in range(len(factors))
        for f in range(g)
    }
    return FactorSums(factors=by_level, pairs=pairs)


def _with_z(layout: Layout, z: list[int]) -> Layout:
    """Return the layout with other columns of Z."""
    return replace(layout, index=(*layout.index[: layout.p], *z, layout.index[-1]), q=len(z))


def _factor(
    grouped: GroupedRows, sums: CrossProducts, terms: list[tuple[BarTerm, tuple[int, ...]]]
) -> _Factor:
    """Ask for the sums per level of one factor, given its terms and their distinct columns."""
    bars, z = [bar for bar, _ in terms], tuple(a for _, own in terms for a in own)
    outer = tuple(sorted({0, *z}))
    columns = tuple(dict.fromkeys(c for e in bars[0].group for c in e.columns))
    keys = {c: grouped.keys[c] for c in columns}
    groups = grouped.rows.by_cluster(sums.layout, keys, outer)
    values = grouped.values(groups, bars[0])
    random = make_random(bars, {**grouped.made, **values}, sums.n, contrasts=grouped.coding)
    if (np.asarray(random[0].codes) < 0).any():
        raise NotSupportedError(
            f"{brief(random[0].group)} is missing for values of its column, which scanned rows "
            "cannot have; leave these rows out by subset=."
        )
    return _Factor(random=random, values=values, columns=columns, z=z, groups=groups)


def _pair(grouped: GroupedRows, sums: CrossProducts, f: _Factor, g: _Factor) -> PairSums:
    """Return the sums of the levels that meet.

    Where the columns of one factor are among those of the other, its groups tell both levels.
    """
    if set(g.columns) <= set(f.columns):
        groups = f.groups
    elif set(f.columns) <= set(g.columns):
        groups = g.groups
    else:
        keys = {c: grouped.keys[c] for c in (*f.columns, *g.columns)}
        products = [(a, b) for a in f.outer for b in g.outer]
        groups = grouped.rows.grouped(sums.layout, keys, products)
    key = _levels(grouped, groups, f) * g.n_levels + _levels(grouped, groups, g)
    found, place = np.unique(key, return_inverse=True)
    return PairSums(
        rows=found // g.n_levels,
        cols=found % g.n_levels,
        values=added_up(groups, f.outer, g.outer, (place.ravel(), len(found))),
    )


def _levels(grouped: GroupedRows, groups: Groups, factor: _Factor) -> IntArray:
    """Return the level of a factor that each group lies in."""
    if groups is factor.groups:
        return factor.place.astype(np.int64)
    random = factor.random[0]
    values = grouped.values(groups, random.bar)
    return random.find([group_codes(e, values[e.text]) for e in random.bar.group]).astype(np.int64)


def _forget_codes(value: Value) -> Value:
    return replace(value, codes=np.empty(0, np.int32)) if isinstance(value, FactorValue) else value
