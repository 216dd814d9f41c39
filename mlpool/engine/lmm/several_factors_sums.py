"""What several grouping factors contribute that does not depend on theta: sums, blocks, columns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from mlpool.engine.factorization import orthogonal
from mlpool.engine.factorization.blocks import (
    Blocks,
    Structure,
    check_core_size,
    find_structure,
    lay_out,
)
from mlpool.engine.factorization.exact_traces import DenseEffects, effect_shapes
from mlpool.engine.factorization.orthogonal import OrthogonalElimination, Triangle
from mlpool.engine.lmm.disconnected import Apart, ApartPass, Eliminated
from mlpool.engine.lmm.forward_pass import ForwardPass
from mlpool.engine.optimizer.convergence import Standards, standard_columns, standard_inverse
from mlpool.engine.sums.cluster_sums import CrossProducts, distinct_rows
from mlpool.engine.sums.columns import Rows
from mlpool.engine.sums.cross_sums import (
    GroupingFactor,
    factor_sums,
    grouping_factors,
    pair_sums,
    parent_levels,
)
from mlpool.engine.sums.working_columns import Columns, FixedColumns
from mlpool.engine.theta import Template, lower_factor
from mlpool.engine.types import Control, LmmData
from mlpool.typing import FloatArray, IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class SeveralParts:
    """Everything that does not depend on theta, REML or ML."""

    factors: tuple[GroupingFactor, ...]
    structure: Structure
    totals: CrossProducts
    columns: tuple[Columns, ...]
    blocks: Blocks
    fixed: FixedColumns
    kept: IntArray
    standards: Standards
    has_means: bool
    triangle: Triangle | None = None
    apart: Apart | None = None

    @classmethod
    def from_data(
        cls, data: LmmData, control: Control, kept: IntArray | None
    ) -> tuple[SeveralParts, IntArray]:
        """Make the sums and lay them out; returns the kept columns of X too."""
        factors = grouping_factors(data)
        structure = find_structure(factors, nested_pairs(data, factors, control.batch_rows))
        check_core_size(factors, structure.core, control.max_dense_bytes)
        parts, sums = cls.of_structure(data, factors, structure, control, kept)
        triangle = _triangle(data, parts, sums)
        return replace(parts, triangle=triangle, apart=Apart.of(parts.blocks)), parts.kept

    @classmethod
    def of_structure(
        cls,
        data: LmmData,
        factors: tuple[GroupingFactor, ...],
        structure: Structure,
        control: Control,
        kept: IntArray | None,
    ) -> tuple[SeveralParts, tuple[CrossProducts, ...]]:
        """Make the sums for a given order of elimination; returns each factor's own too."""
        step = control.batch_rows
        sums, found = _sums_of_factors(data, factors, step)
        kept = found if kept is None else kept
        columns = tuple(Columns.of(s) for s in sums)
        pairs = {
            (f, g): pair_sums(data, (factors[f], factors[g]), (sums[f], sums[g]), step)
            if data.factor_sums is None
            else data.factor_sums.pair(f, g)
            for f, g in structure.crossed_pairs
        }
        fixed = FixedColumns.of(sums[0], kept)
        parts = SeveralParts(
            factors=tuple(replace(f, codes=np.empty(0, np.int32)) for f in factors),
            structure=structure,
            totals=sums[0].without_clusters(),
            columns=columns,
            blocks=lay_out(structure, sums, pairs, columns, fixed.R),
            fixed=fixed,
            kept=kept,
            standards=_standards(factors, sums),
            has_means=all(np.isin(s.layout.z, s.layout.x[kept]).all() for s in sums),
        )
        return parts, sums

    @property
    def has_exact_curvature(self) -> bool:
        """Whether small models may keep all of Z'Z for exact second derivatives."""
        return True

    def eliminate(self, lambdas: tuple[FloatArray, ...]) -> Eliminated:
        """Eliminate at Lambda of every factor, in the order of elimination."""
        if self.triangle is not None and self.triangle.is_better(lambdas):
            return OrthogonalElimination(self.triangle, lambdas)
        if self.apart is not None and self.apart.whole is self.blocks:
            return ApartPass(self.apart, lambdas)
        return ForwardPass.of(self.blocks, lambdas)

    @property
    def sum_log_weights(self) -> float:
        """Sum of the logarithms of the prior weights."""
        return self.totals.sum_log_weights

    @property
    def looks(self) -> int:
        """Numbers that one evaluation of the deviance works through."""
        n2 = 0 if self.blocks.core is None else self.blocks.core.n2
        return sum(level.W.size * len(level.W) for level in self.blocks.levels) + n2**3 // 30

    def entries(self, template: Template, f: int) -> tuple[IntArray, IntArray, IntArray]:
        """Where a factor's entries stand in theta, and their rows and columns in its Lambda."""
        return _entries(template, self.factors[f].terms, self.factors[f].sizes)

    def block_diagonal(self, template: Template, theta: FloatArray, f: int) -> FloatArray:
        """Return Lambda (q, q) of one factor."""
        where, row, col = self.entries(template, f)
        q = sum(self.factors[f].sizes)
        Lam = np.zeros((q, q))
        Lam[row, col] = theta[where]
        return Lam

    def squares(self, template: Template, thetas: FloatArray, f: int) -> FloatArray:
        """Return Lambda (B, q, q) of one factor's working columns at stacked theta (B, k)."""
        where, row, col = self.entries(template, f)
        T = self.columns[f].T
        Lam = np.zeros((len(thetas), T.shape[1], T.shape[1]))
        Lam[:, row, col] = thetas[:, where]
        Lam = T @ Lam
        if Lam.shape[1] == Lam.shape[2]:
            return np.asarray(Lam)
        return np.stack([lower_factor(one @ one.T) for one in Lam])

    def standardized(self) -> SeveralParts:
        """Return the same sums for factors in standard columns."""
        columns = []
        for factor, c in zip(self.factors, self.columns, strict=True):
            inverse = standard_inverse(tuple(self.standards[t] for t in factor.terms))
            columns.append(Columns(c.P, c.T @ inverse))
        return replace(self, columns=tuple(columns))

    def theta_scale(self, template: Template) -> FloatArray:
        """Return typical sizes of the entries of theta."""
        scale = np.ones(template.k)
        for f in range(len(self.factors)):
            where, row, _ = self.entries(template, f)
            scale[where] = 1.0 / np.abs(self.columns[f].T).max(axis=0)[row]
        return scale


def nested_pairs(
    data: LmmData, factors: tuple[GroupingFactor, ...], batch_rows: int
) -> dict[tuple[int, int], IntArray]:
    """Return the coarse level of every fine level for the pairs of factors that are nested."""
    nested = {}
    for f, fine in enumerate(factors):
        for c, coarse in enumerate(factors):
            if f == c or not (fine.n_levels > coarse.n_levels or f < c):
                continue
            if data.factor_sums is None:
                parent = parent_levels(fine, coarse, batch_rows)
            else:
                parent = data.factor_sums.parents(f, c)
            if parent is not None:
                nested[f, c] = parent
    return nested


def _sums_of_factors(
    data: LmmData, factors: tuple[GroupingFactor, ...], batch_rows: int
) -> tuple[tuple[CrossProducts, ...], IntArray]:
    """Return the sums of every factor, and the columns of X that are estimated."""
    if data.factor_sums is None or data.kept is None:
        return factor_sums(data, factors, batch_rows)
    return data.factor_sums.factors, data.kept


@lru_cache(maxsize=256)
def _entries(
    template: Template, terms: tuple[int, ...], sizes: tuple[int, ...]
) -> tuple[IntArray, IntArray, IntArray]:
    term, row, col = template.index
    where, rows, cols, first = [], [], [], 0
    for own, size in zip(terms, sizes, strict=True):
        at = np.flatnonzero(term == own)
        where.append(at)
        rows.append(row[at] + first)
        cols.append(col[at] + first)
        first += size
    return np.concatenate(where), np.concatenate(rows), np.concatenate(cols)


def _standards(factors: tuple[GroupingFactor, ...], sums: tuple[CrossProducts, ...]) -> Standards:
    """Return every term's matrix to standard columns."""
    found: dict[int, FloatArray] = {}
    for factor, own in zip(factors, sums, strict=True):
        found.update(zip(factor.terms, standard_columns(own, factor.sizes), strict=True))
    return tuple(found[t] for t in sorted(found))


def _triangle(
    data: LmmData, parts: SeveralParts, sums: tuple[CrossProducts, ...]
) -> Triangle | None:
    """Reduce the rows of [Z X y] in working columns where they may be needed and are at hand."""
    if data.factor_sums is not None:
        return None
    blocks, shapes = parts.blocks, effect_shapes(parts.blocks)
    n_effects = sum(q * J for q, J in shapes)
    numbers = data.n * (n_effects + len(blocks.total))
    if n_effects > orthogonal.FEW or numbers > orthogonal.MANY:
        return None
    is_far = orthogonal.lie_far_apart(DenseEffects.of(blocks), blocks.total)
    if not is_far and numbers > orthogonal.HARDLY_ANY:
        return None
    found, Xy = [], np.empty(0)
    for f in (*parts.structure.chain, *parts.structure.core):
        rows = Rows.of_factor(data, data.terms[parts.factors[f].terms[0]].factor)
        ((U, codes),) = distinct_rows(rows, sums[f].layout, data.n)
        found.append((U[:, list(sums[f].outer)] @ parts.columns[f].P, codes))
        Xy = U @ parts.fixed.R
    return Triangle.of(shapes, len(parts.structure.chain), found, Xy, is_far)


def user_blocks(N: FloatArray, T: FloatArray, Lam: FloatArray) -> FloatArray:
    """Return Lambda M^-1 Lambda' (J, q, q) of the user's columns from the working columns' one."""
    if T.shape[0] == T.shape[1]:
        # An effect without variance has none: the way back through other columns only rounds it.
        back = np.linalg.inv(T) * np.any(Lam != 0.0, axis=1)[:, None]
        return np.asarray(back @ N @ back.T)
    # Working columns are orthonormal: NumPy's cut-off is a share of the largest ratio of SDs.
    # A column that occurs twice: what the working columns do not see keeps its prior variance.
    seen = np.linalg.pinv(T @ Lam)
    hidden = np.eye(len(Lam)) - seen @ (T @ Lam)
    return np.asarray(Lam @ (hidden + seen @ N @ seen.T) @ Lam.T)
