"""Z, X and residuals as combinations of the columns whose sums there are.

Where the engine has made sums, or rows lie elsewhere, what small-sample inference needs follows
from them by small matrices: (k, m) of k distinct columns for m columns of the model.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import scipy.linalg
import scipy.sparse

from mlpool.engine.sums.cluster_sums import CrossProducts
from mlpool.engine.sums.cross_sums import FactorSums
from mlpool.engine.types import LmmData, LmmFit
from mlpool.inference.small_sample.coordinates import Coordinates, covariance_root, made_coordinates
from mlpool.inference.small_sample.types import VarianceSums
from mlpool.inference.small_sample.variance_sums_several import Products, sums_of_products
from mlpool.typing import FloatArray, IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class CombinedColumns:
    """Sums and the columns that they are wanted of.

    Attributes
    ----------
    sums : CrossProducts
        Of centred distinct columns (k); the totals at least.
    z : ndarray of shape (k, q)
        Random-effects columns of all terms as combinations of these.
    w : ndarray of shape (k, p + 1)
        X and the residuals.
    n : int
    """

    sums: CrossProducts
    z: FloatArray
    w: FloatArray
    n: int

    def triangular_factor(self, columns: FloatArray) -> FloatArray:
        """Return R of the rows of combined columns (k, m); only centred columns are squared."""
        used = np.flatnonzero(np.any(columns != 0.0, axis=1))
        half = covariance_root(self.sums.total[np.ix_(used, used)]).T @ columns[used]
        return np.asarray(np.linalg.qr(half, mode="r"))

    def coordinates(self, sigma: float, sizes: list[int]) -> Coordinates:
        """Return the coordinates without units of X and of terms of `sizes` columns."""
        terms = np.split(self.z, np.cumsum(sizes)[:-1], axis=1)
        factors = [self.triangular_factor(c) for c in (self.w[:, :-1], *terms)]
        return made_coordinates(factors, self.n, sigma)

    def mapped(self, chosen: Coordinates, sigma: float) -> Self:
        """Return the sums of columns in `chosen`."""
        inverse = scipy.linalg.block_diag(*(np.linalg.inv(T) for T in chosen.slopes))
        w = np.column_stack([self.w[:, :-1] @ chosen.basis, self.w[:, -1]]) / sigma
        return replace(self, z=self.z @ inverse, w=w)

    @property
    def amplification(self) -> float:
        """By how much rounding of the sums grows in the combined columns of unit length."""
        lengths = np.sqrt(np.maximum(np.diag(self.sums.total), 0.0))
        grown = lengths @ np.abs(np.hstack([self.z, self.w[:, :-1]]))
        return float(np.max(grown)) ** 2 / self.n


def user_columns(sums: CrossProducts, fit: LmmFit) -> tuple[FloatArray, FloatArray]:
    """Return Z (k, q) and [X, residuals] (k, p + 1) as the user has them."""
    layout = sums.layout
    X = sums.uncentre(layout.x[fit.kept])
    return sums.uncentre(layout.z), np.column_stack([X, sums.residual(fit.kept, fit.beta)])


@dataclass(frozen=True, slots=True, kw_only=True)
class SeveralFactorSums(CombinedColumns):
    """Sums of several grouping factors, per level and per pair of levels, from no rows.

    Attributes
    ----------
    data : LmmData
        Whose terms they are of.
    factor_sums : FactorSums
    """

    data: LmmData
    factor_sums: FactorSums

    def variance_sums(self, roots: tuple[FloatArray, ...], sigma: float) -> VarianceSums:
        """Return all sums for several grouping factors."""
        T = self.w.T @ self.sums.total @ self.w
        made = Products(A=self._effects(), D=self._with_columns(), T=T)
        return sums_of_products(self.data, made, roots, sigma**2)

    @property
    def _columns(self) -> list[FloatArray]:
        """The columns (k, q_t) of every term."""
        sizes = [term.z.shape[1] for term in self.data.terms]
        return np.split(self.z, np.cumsum(sizes)[:-1], axis=1)

    def _with_columns(self) -> FloatArray:
        """Return D = Z'W, term by term and level by level."""
        found = []
        for term, z in zip(self.data.terms, self._columns, strict=True):
            own = self.factor_sums.factors[term.factor]
            left = np.tensordot(z[list(own.outer)], own.sums, axes=(0, 0))
            found.append(np.einsum("akj,km->jam", left, self.w).reshape(-1, self.w.shape[1]))
        return np.concatenate(found)

    def _effects(self) -> scipy.sparse.csr_array:
        """Return A = Z'Z, term by term and level by level."""
        terms, columns = self.data.terms, self._columns
        starts = np.cumsum([0, *(t.n_levels * t.z.shape[1] for t in terms)])
        rows, cols, values = [], [], []
        for a, (left, z_left) in enumerate(zip(terms, columns, strict=True)):
            for b, (right, z_right) in enumerate(zip(terms, columns, strict=True)):
                at, to, found = self._between(left.factor, right.factor)
                z_f = z_left[list(self.factor_sums.factors[left.factor].outer)]
                z_g = z_right[list(self.factor_sums.factors[right.factor].outer)]
                block = np.einsum("ac,abm,bd->mcd", z_f, found, z_g, optimize=True)
                _, q, r = block.shape
                row = starts[a] + at[:, None] * q + np.arange(q)
                col = starts[b] + to[:, None] * r + np.arange(r)
                rows.append(np.broadcast_to(row[:, :, None], block.shape).ravel())
                cols.append(np.broadcast_to(col[:, None, :], block.shape).ravel())
                values.append(block.ravel())
        entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(cols)))
        return scipy.sparse.csr_array(entries, shape=(int(starts[-1]), int(starts[-1])))

    def _between(self, f: int, g: int) -> tuple[IntArray, IntArray, FloatArray]:
        """Return the levels of two factors that meet, and the sums of their outer columns."""
        if f != g:
            pair = self.factor_sums.pair(f, g)
            return pair.rows.astype(np.int64), pair.cols.astype(np.int64), pair.values
        own = self.factor_sums.factors[f]
        levels = np.arange(own.n_levels)
        return levels, levels, own.sums[:, list(own.outer)]


def several_factors_elsewhere(data: LmmData, fit: LmmFit) -> SeveralFactorSums:
    """Return the sums of several factors that were made elsewhere, in the user's columns."""
    made = data.factor_sums
    assert made is not None
    first = made.factors[0]
    z = np.hstack([_columns_of_term(made, data, t) for t in range(len(data.terms))])
    _, w = user_columns(first, fit)
    return SeveralFactorSums(sums=first, z=z, w=w, n=fit.n, data=data, factor_sums=made)


def _columns_of_term(made: FactorSums, data: LmmData, place: int) -> FloatArray:
    """Return the columns (k, q_t) of one term among those of its factor."""
    term = data.terms[place]
    before = [t for t in data.terms[:place] if t.factor == term.factor]
    start = sum(t.z.shape[1] for t in before)
    own = made.factors[term.factor]
    return own.uncentre(own.layout.z[start : start + term.z.shape[1]])
