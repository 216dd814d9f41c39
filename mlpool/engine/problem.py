"""From `LmmData` to sums: grouping factors, standardised columns, kept columns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise

import numpy as np

from mlpool.engine.crossprod import CrossProducts, FactorColumns, make_crossproducts
from mlpool.engine.rank import independent_from_products
from mlpool.engine.standardise import Standard, rough_standard
from mlpool.engine.template import Template, theta_starts
from mlpool.engine.types import Control, LmmData, Optimum
from mlpool.errors import FitError
from mlpool.typing import FloatArray, IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorSpec:
    """One grouping factor with all its terms.

    Attributes
    ----------
    terms : tuple of int
        Indices of its terms.
    columns : tuple of slice
        Each term's columns among the factor's.
    template : Template
    n_levels : int
    z : slice
        The factor's columns among all Z columns.
    z_scale : ndarray (q,)
    """

    terms: tuple[int, ...]
    columns: tuple[slice, ...]
    template: Template
    n_levels: int
    z: slice
    z_scale: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Sums and bookkeeping of one fit.

    Attributes
    ----------
    factors : tuple of FactorSpec
        In elimination order: largest number of random effects first (nested: finest first).
    ancestors : tuple of tuple of ndarray
        For a nested chain, each level's cluster in every coarser factor.
    is_chain : bool
    sizes : tuple of int
        Columns of each term, in lme4's order.
    sums : CrossProducts
        Over the kept columns.
    kept : ndarray of int (p,)
    standard : Standard
    n, p, k : int
    """

    factors: tuple[FactorSpec, ...]
    ancestors: tuple[tuple[IntArray, ...], ...]
    is_chain: bool
    sizes: tuple[int, ...]
    sums: CrossProducts
    kept: IntArray
    standard: Standard
    n: int
    p: int
    k: int

    @property
    def log_x_scale(self) -> float:
        """2 sum log of the kept columns' scales: what log|S_xx| lacks internally."""
        return 2.0 * float(np.log(self.standard.scale[:-1][self.kept]).sum())

    def constant(self, reml: bool) -> float:
        """Return what the internal deviance lacks: scales and prior weights."""
        m = self.n - self.p if reml else self.n
        scale = 2.0 * m * float(np.log(self.standard.y_scale))
        return scale + (self.log_x_scale if reml else 0.0) - self.sums.log_weights

    def to_internal(self, theta: FloatArray) -> FloatArray:
        """Return theta for scaled Z columns."""
        result = np.array(theta, dtype=np.float64)
        for factor in self.factors:
            factor.template.scaled_inplace(result, factor.z_scale)
        return result

    def to_user(self, theta: FloatArray) -> FloatArray:
        """Return theta for the user's Z columns."""
        result = np.array(theta, dtype=np.float64)
        for factor in self.factors:
            factor.template.scaled_inplace(result, 1.0 / factor.z_scale)
        return result

    def in_user_units(self, optimum: Optimum, theta: FloatArray, reml: bool) -> Optimum:
        """Return the optimiser's story in the user's units."""
        constant = self.constant(reml)
        log = tuple(
            (tuple(float(v) for v in self.to_user(np.array(t))), value + constant)
            for t, value in optimum.log
        )
        return replace(
            optimum,
            start=self.to_user(optimum.start),
            end=theta,
            criterion=optimum.criterion + constant,
            gradient=optimum.gradient * self.to_internal(np.ones(self.k)),
            log=log,
        )


def read_problem(data: LmmData, control: Control) -> Problem:
    """Make the sums of a model: the only step that touches n rows.

    Raises
    ------
    FitError
        If there are as many random effects as rows in a factor, or no rows.
    """
    sizes = tuple(t.z.shape[1] for t in data.terms)
    standard = rough_standard(data.y, data.X, tuple(t.z for t in data.terms), data.offset)
    factors, codes = _group_factors(data, sizes, standard)
    ancestors = _find_chain(factors, codes)
    widths = [f.z for f in factors]
    columns = tuple(
        FactorColumns(
            codes=codes[i],
            n_levels=f.n_levels,
            z=f.z,
            after=tuple(c for w in widths[i + 1 :] for c in range(w.start, w.stop))
            if ancestors
            else (),
        )
        for i, f in enumerate(factors)
    )
    read = partial(read_rows, data, factors, standard)
    sums = make_crossproducts(
        columns, read, data.n, weights=data.weights, batch_rows=control.batch_rows
    )
    p_all = data.X.shape[1]
    kept = independent_from_products(sums.total[:p_all, :p_all], data.X) if p_all else np.arange(0)
    return Problem(
        factors=factors,
        ancestors=ancestors or (),
        is_chain=ancestors is not None,
        sizes=sizes,
        sums=_keep_columns(sums, kept, p_all),
        kept=kept,
        standard=standard,
        n=data.n,
        p=len(kept),
        k=sum(s * (s + 1) // 2 for s in sizes),
    )


def read_rows(
    data: LmmData, factors: tuple[FactorSpec, ...], standard: Standard, start: int, stop: int
) -> tuple[FloatArray, FloatArray]:
    """Return (Z, [X y]) of some rows in internal units, Z's columns in the factors' order."""
    parts = []
    for factor in factors:
        for term in factor.terms:
            block = data.terms[term].z.rows(start, stop)
            scale = standard.z_scale[term]
            parts.append(block if (scale == 1.0).all() else block / scale)
    X = data.X.rows(start, stop)
    W = np.empty((stop - start, X.shape[1] + 1))
    W[:, :-1] = X
    W[:, -1] = data.y[start:stop]
    if data.offset is not None:
        W[:, -1] -= data.offset[start:stop]
    return parts[0] if len(parts) == 1 else np.hstack(parts), standard.apply(W)


def _group_factors(
    data: LmmData, sizes: tuple[int, ...], standard: Standard
) -> tuple[tuple[FactorSpec, ...], list[IntArray]]:
    """Gather the terms of each factor; order factors by number of random effects."""
    starts = theta_starts(sizes)
    by_factor: dict[int, list[int]] = {}
    for i, term in enumerate(data.terms):
        by_factor.setdefault(term.factor, []).append(i)
    order = sorted(
        by_factor.values(),
        key=lambda terms: -data.terms[terms[0]].n_levels * sum(sizes[t] for t in terms),
    )
    if _is_nested_order([data.terms[t[0]].n_levels for t in order]):
        order = sorted(order, key=lambda terms: -data.terms[terms[0]].n_levels)
    factors, codes, at = [], [], 0
    for terms in order:
        widths = [sizes[t] for t in terms]
        edges = np.concatenate([[0], np.cumsum(widths)])
        factors.append(
            FactorSpec(
                terms=tuple(terms),
                columns=tuple(slice(int(a), int(b)) for a, b in pairwise(edges)),
                template=Template.of_terms(widths, [starts[t] for t in terms]),
                n_levels=data.terms[terms[0]].n_levels,
                z=slice(at, at + int(edges[-1])),
                z_scale=np.concatenate([standard.z_scale[t] for t in terms]),
            )
        )
        codes.append(data.terms[terms[0]].codes)
        at += int(edges[-1])
        q = int(edges[-1])
        if (factors[-1].n_levels * q > data.n and q > 1) or factors[-1].n_levels >= data.n:
            raise FitError(
                f"A grouping factor has {factors[-1].n_levels} levels with {q} random "
                "effects each for "
                f"{data.n} rows; there must be fewer random effects than rows."
            )
    return tuple(factors), codes


def _is_nested_order(levels: list[int]) -> bool:
    return len(levels) > 1


def _find_chain(
    factors: tuple[FactorSpec, ...], codes: list[IntArray]
) -> tuple[tuple[IntArray, ...], ...] | None:
    """Return each factor's cluster in every coarser one, or None unless all are nested in order."""
    parents = []
    for i in range(len(factors) - 1):
        parent = np.zeros(factors[i].n_levels, dtype=np.int64)
        parent[codes[i]] = codes[i + 1]
        if not np.array_equal(parent[codes[i]], codes[i + 1]):
            return None
        parents.append(parent)
    chains = []
    for i in range(len(factors)):
        line, current = [], np.arange(factors[i].n_levels)
        for parent in parents[i:]:
            current = parent[current]
            line.append(current)
        chains.append(tuple(line))
    return tuple(chains)


def _keep_columns(sums: CrossProducts, kept: IntArray, p_all: int) -> CrossProducts:
    if len(kept) == p_all:
        return sums
    columns = np.append(kept, p_all)
    groups = []
    for group in sums.groups:
        before = group.D.shape[2] - p_all - 1
        take = np.concatenate([np.arange(before), before + columns])
        groups.append(replace(group, D=np.ascontiguousarray(group.D[:, :, take])))
    return replace(sums, groups=tuple(groups), total=sums.total[np.ix_(columns, columns)])
