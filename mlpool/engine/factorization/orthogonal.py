"""Several factors whose groups lie far apart: orthogonal triangles in place of cross-products.

Cross-products hold squares, and of a residual that is 1e-5 of the response nothing is left in their
differences. For models of few effects the rows are reduced to the triangle T of [Z X y] = Q T once,
and at every Lambda

    [T_Z Lambda  T_X  T_y  T_Z]      [R_M  *     *  ]
    [I           0    0    0  ]  ->  [0    R_xy  F  ]        (Householder)

has log|V| = 2 sum log diag R_M, S = [X y]'V^-1 [X y] = R_xy'R_xy, Z'V^-1 [X y] = F'R_xy and
Z'V^-1 Z = F'F (Bjorck 1996, Numerical Methods for Least Squares Problems, section 4.1): errors grow
with the ratio of SDs, not with its square.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import block_diag, lstsq, solve_triangular

from mlpool.engine.factorization.block_cholesky import Reduced
from mlpool.engine.factorization.exact_traces import DenseEffects, stacked
from mlpool.engine.profiled_deviances import STACK
from mlpool.engine.sums.within import LITTLE, left_within
from mlpool.typing import BoolArray, FloatArray, IntArray

FEW = 200
"""Most random effects that are treated so: one evaluation then takes below 50 ms."""
MANY, HARDLY_ANY = 2**24, 2**16
"""Most numbers in the rows of [Z X y] (128 MB), and up to which they are kept in any case."""
LARGE = 30.0
"""Relative SD from which they are used: up to there cross-products lose three digits."""
RIDGE = 1e-12
"""Share added to the squares of effects, which may be redundant: far below `LITTLE`."""


def lie_far_apart(dense: DenseEffects, total: FloatArray) -> bool:
    """Tell whether all effects leave so little of y that sums have lost digits of it."""
    diagonal = np.diag(dense.A)
    lifted = dense.A + np.diag(RIDGE * np.where(diagonal > 0, diagonal, 1.0))
    half = solve_triangular(np.linalg.cholesky(lifted), dense.W, lower=True)
    return bool(left_within(total - half.T @ half) <= LITTLE * total[-1, -1])


@dataclass(frozen=True, slots=True)
class Triangle:
    """The rows of [Z X y], reduced.

    Attributes
    ----------
    shapes : tuple of (int, int)
        Columns and levels of every factor, in the order of elimination.
    n_chain : int
        Factors of the chain.
    Z : ndarray (r, N)
        Level by level.
    Xy : ndarray (r, p + 1)
    n : int
        Rows.
    is_far : bool
        Whether all effects leave next to nothing of y.
    """

    shapes: tuple[tuple[int, int], ...]
    n_chain: int
    Z: FloatArray
    Xy: FloatArray
    n: int
    is_far: bool

    @classmethod
    def of(
        cls,
        shapes: tuple[tuple[int, int], ...],
        n_chain: int,
        factors: Iterable[tuple[FloatArray, IntArray]],
        Xy: FloatArray,
        is_far: bool,
    ) -> Triangle:
        """Reduce rows: working columns (n, q) and codes (n,) of every factor, and [X y]."""
        n, N = len(Xy), sum(q * J for q, J in shapes)
        rows = np.zeros((n, N + Xy.shape[1]))
        rows[:, N:] = Xy
        at = 0
        for (q, J), (z, codes) in zip(shapes, factors, strict=True):
            where = at + q * codes.astype(np.intp)
            for a in range(q):
                rows[np.arange(n), where + a] = z[:, a]
            at += q * J
        T = _triangle(rows)
        return cls(shapes, n_chain, T[:, :N], T[:, N:], n, is_far)

    @property
    def left(self) -> tuple[float, int]:
        """What all effects together leave of y, and its degrees of freedom."""
        columns = np.hstack([self.Z, self.Xy[:, :-1]])
        size = np.linalg.norm(columns, axis=0)
        columns = columns / np.where(size > 0, size, 1.0)
        # columns have length one: the cut-off of the rank is a share without units
        found, _, rank, _ = lstsq(columns, self.Xy[:, -1])
        rest = self.Xy[:, -1] - columns @ found
        return float(rest @ rest), self.n - int(rank)

    @property
    def spans(self) -> list[slice]:
        """Where every factor's effects stand."""
        ends = np.cumsum([q * J for q, J in self.shapes]).tolist()
        return [slice(end - q * J, end) for end, (q, J) in zip(ends, self.shapes, strict=True)]

    def is_better(self, factors: Iterable[FloatArray]) -> BoolArray:
        """Tell of (stacks of) Lambda where cross-products would lose more digits."""
        largest = [np.abs(lam).max(axis=(-2, -1)) for lam in factors]
        return np.asarray(self.is_far | (np.max(largest, axis=0) > LARGE))

    def scaled(self, factors: Iterable[FloatArray]) -> FloatArray:
        """Return T_Z Lambda (..., r, N) for Lambda (..., q, q) of every factor."""
        parts = []
        for (q, J), lam, span in zip(self.shapes, factors, self.spans, strict=True):
            Z = self.Z[:, span].reshape(len(self.Z), J, q)
            part = Z @ lam[..., None, :, :]
            parts.append(part.reshape(*part.shape[:-2], J * q))
        return np.concatenate(parts, axis=-1)

    def values(self, factors: list[FloatArray], m: int, reml: bool) -> FloatArray:
        """Return the deviances (B,) at stacked Lambda, one (B, q, q) per factor."""
        (r, N), k = self.Z.shape, self.Xy.shape[1]
        step = max(1, STACK // ((r + N) * (N + k)))
        out = []
        for first in range(0, len(factors[0]), step):
            G = self.scaled([lam[first : first + step] for lam in factors])
            whole = np.zeros((len(G), r + N, N + k))
            whole[:, :r, :N], whole[:, :r, N:] = G, self.Xy
            whole[:, r + np.arange(N), np.arange(N)] = 1.0
            R = _triangle(whole)
            with np.errstate(divide="ignore"):
                roots = np.log(np.abs(np.einsum("bii->bi", R)))
            value = 2.0 * roots[:, :N].sum(axis=1) + m * (
                1.0 + np.log(2.0 * np.pi / m) + 2.0 * roots[:, -1]
            )
            out.append(value + (2.0 * roots[:, N:-1].sum(axis=1) if reml else 0.0))
        found = np.concatenate([np.empty(0), *out])
        return np.where(np.isfinite(found), found, np.inf)


class OrthogonalElimination:
    """The factorisation of V at one Lambda; what it offers is what ``Elimination`` does.

    Parameters
    ----------
    triangle : Triangle
    factors : tuple of ndarray (q, q)
        Lambda of every factor.
    """

    def __init__(self, triangle: Triangle, factors: tuple[FloatArray, ...]) -> None:
        self.triangle, self.factors = triangle, factors
        (r, N), k = triangle.Z.shape, triangle.Xy.shape[1]
        whole = np.zeros((r + N, 2 * N + k))
        whole[:r, :N] = triangle.scaled(factors)
        whole[:r, N : N + k], whole[:r, N + k :] = triangle.Xy, triangle.Z
        whole[r + np.arange(N), np.arange(N)] = 1.0
        R = _triangle(whole)
        self._M, self._F = R[:N, :N], R[N:, N + k :]
        corner = R[N : N + k, N : N + k]
        sign = np.where(np.diag(corner) < 0, -1.0, 1.0)
        self._F[:k] *= sign[:, None]
        self.root: FloatArray = (sign[:, None] * corner).T
        self.logdet = 2.0 * float(np.log(np.abs(np.diag(self._M))).sum())

    def rest(self) -> Reduced:
        """Return Z'V^-1 [X y] of every factor."""
        k = len(self.root)
        return self._by_factor(self._F[:k].T @ self.root.T)

    def informations(self) -> list[FloatArray]:
        """Return the sum over levels of the diagonal blocks of Z'V^-1 Z, (q, q) per factor."""
        out = []
        for (q, _), span in zip(self.triangle.shapes, self.triangle.spans, strict=True):
            F = self._F[:, span].reshape(-1, q)
            out.append(F.T @ F)
        return out

    def covariance_blocks(self) -> list[FloatArray]:
        """Return the diagonal blocks of Lambda M^-1 Lambda', (q, q, J) per factor."""
        whole = block_diag(
            *[
                lam.T
                for (_, J), lam in zip(self.triangle.shapes, self.factors, strict=True)
                for _ in range(J)
            ]
        )
        half = solve_triangular(self._M, whole, trans="T")
        out = []
        for (q, J), span in zip(self.triangle.shapes, self.triangle.spans, strict=True):
            own = half[:, span].reshape(-1, J, q)
            out.append(np.einsum("rja,rjb->abj", own, own))
        return out

    def along(self, steps: Reduced) -> tuple[FloatArray, FloatArray]:
        """Return (Z t)'V^-1 (Z t) and (Z t)'V^-1 [X y] for columns t of random effects."""
        Ft = self._F @ stacked(steps)
        return Ft.T @ Ft, Ft[: len(self.root)].T @ self.root.T

    def projected(self, p: int) -> FloatArray:
        """Return Z'V^-1 Z without what the first p columns of X explain of it."""
        F = self._F[p:]
        return np.asarray(F.T @ F)

    def _by_factor(self, x: FloatArray) -> Reduced:
        """Split columns (N, k) of all effects into those of the chain's levels and the core."""
        levels, at = [], 0
        for q, J in self.triangle.shapes[: self.triangle.n_chain]:
            levels.append(x[at : at + q * J].reshape(J, q, -1).transpose(1, 0, 2))
            at += q * J
        is_all = self.triangle.n_chain == len(self.triangle.shapes)
        return Reduced(levels=levels, core=None if is_all else x[at:])


def _triangle(rows: FloatArray) -> FloatArray:
    """Return R of (stacks of) rows."""
    return np.asarray(np.linalg.qr(rows, mode="r"))
