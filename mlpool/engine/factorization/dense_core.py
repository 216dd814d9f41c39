"""The dense core: Cholesky factor, solutions and inverse of what is left of the crossed factors.

S = A - C'N C (n2 x n2, lower triangle), M = Lambda'S Lambda + I = L L'. Only lower triangles are
read and written; the diagonal blocks of factors with several columns are kept whole.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import blas, lapack, solve_triangular

from mlpool.engine.factorization.blocks import Core, Place
from mlpool.engine.factorization.core_rows import mirrored
from mlpool.typing import FloatArray

WELL_CONDITIONED = 1e-3
"""Smallest diagonal of Lambda by which a block of I - M^-1 may be divided without losing digits."""


class DenseCore:
    """The core at one Sigma.

    Parameters
    ----------
    core : Core
    gram : ndarray (n2, n2), Fortran order
        C'N C, lower triangle; overwritten.
    factors : tuple of ndarray (q, q)
        Lambda of each of the core's factors.

    Attributes
    ----------
    logdet : float
        log|M|.
    """

    def __init__(self, core: Core, gram: FloatArray, factors: tuple[FloatArray, ...]) -> None:
        self.places, self.factors, self.n2 = core.places, factors, core.n2
        S = np.negative(gram, out=gram)
        flat = S.reshape(-1, order="F")
        position, value = core.lower
        flat[position] += value
        _complete_blocks_inplace(S, self.places)
        self.S = S
        M = congruence(S, self.places, factors)
        np.einsum("ii->i", M)[...] += 1.0
        self._L, info = lapack.dpotrf(M, lower=1, overwrite_a=1, clean=0)
        if info != 0:
            raise np.linalg.LinAlgError("the core is not positive definite")
        self.logdet = 2.0 * float(np.log(np.einsum("ii->i", self._L)).sum())
        self._M_inverse: FloatArray | None = None
        self._N: FloatArray | None = None

    def solve(self, x: FloatArray) -> FloatArray:
        """Return N x = Lambda M^-1 Lambda'x for columns x (n2, k)."""
        right = np.asfortranarray(self._times_factor(x, transposed=True))
        u, _ = lapack.dpotrs(self._L, right, lower=1)
        return self._times_factor(u, transposed=False)

    def multiply(self, x: FloatArray) -> FloatArray:
        """Return S x for columns x (n2, k)."""
        return np.asarray(blas.dsymm(1.0, self.S, np.asfortranarray(x), lower=1))

    def inverse(self) -> FloatArray:
        """Return N = Lambda M^-1 Lambda' (n2, n2), lower triangle."""
        if self._N is None:
            turned = tuple(f.T for f in self.factors)
            self._N = congruence(self._inverse_of_M(), self.places, turned)
        return self._N

    def diagonal_blocks(self, place: int) -> FloatArray:
        """Return the diagonal blocks of N of one factor, (q, q, J)."""
        where, lam = self.places[place], self.factors[place]
        blocks = _blocks(self._inverse_of_M(), where)
        return np.asarray(np.einsum("ac,cdj,bd->abj", lam, blocks, lam, optimize=True))

    def information(self, place: int) -> FloatArray:
        """Return the sum over levels of the diagonal blocks of Z'V^-1 Z = S - S N S, (q, q)."""
        where, lam = self.places[place], self.factors[place]
        if float(np.abs(np.diag(lam)).min()) > WELL_CONDITIONED:
            # Lambda'(S - S N S) Lambda = I - M^-1.
            rest = where.n_levels * np.eye(where.q) - _blocks(self._inverse_of_M(), where).sum(
                axis=2
            )
            half = solve_triangular(lam, rest, lower=True, trans="T")
            return np.asarray(solve_triangular(lam, half.T, lower=True, trans="T"))
        S, N = mirrored(self.S)[where.span], mirrored(self.inverse())
        shape = (where.n_levels, where.q, self.n2)
        explained = np.einsum("jak,jbk->ab", (S @ N).reshape(shape), S.reshape(shape))
        total = np.asarray(_blocks(self.S, where).sum(axis=2) - explained)
        return np.asarray((total + total.T) / 2)

    def _inverse_of_M(self) -> FloatArray:
        if self._M_inverse is None:
            inverse, _ = lapack.dpotri(self._L, lower=1)
            _complete_blocks_inplace(inverse, self.places)
            self._M_inverse = inverse
        return self._M_inverse

    def _times_factor(self, x: FloatArray, *, transposed: bool) -> FloatArray:
        out = np.empty_like(x)
        for place, lam in zip(self.places, self.factors, strict=True):
            part = x[place.span].reshape(place.n_levels, place.q, -1)
            out[place.span] = ((lam.T if transposed else lam) @ part).reshape(-1, x.shape[1])
        return out


def congruence(
    S: FloatArray, places: tuple[Place, ...], factors: tuple[FloatArray, ...]
) -> FloatArray:
    """Return F'S F for a block-diagonal F, in Fortran order; lower triangles only."""
    if len(places) == 1 and places[0].q == 1:
        return np.asarray(S * factors[0][0, 0] ** 2)
    if all(place.q == 1 for place in places):
        d = np.concatenate(
            [np.full(p.n_levels, f[0, 0]) for p, f in zip(places, factors, strict=True)]
        )
        out: FloatArray = S * d[:, None]
        out *= d
        return out
    n2 = len(S)
    # Columns of S are rows of its transpose, which is in C order.
    turned = np.empty((n2, n2))
    for place, f in zip(places, factors, strict=True):
        part = S.T[:, place.span].reshape(n2, place.n_levels, place.q)
        turned[:, place.span] = (part @ f).reshape(n2, -1)
    for place, f in zip(places, factors, strict=True):
        part = turned[place.span].reshape(place.n_levels, place.q, n2)
        turned[place.span] = (f.T @ part).reshape(-1, n2)
    return turned.T


def _complete_blocks_inplace(S: FloatArray, places: tuple[Place, ...]) -> None:
    """Fill the upper triangles of the diagonal blocks from the lower ones."""
    for place in places:
        base = place.start + np.arange(place.n_levels) * place.q
        for a in range(place.q):
            for b in range(a):
                S[base + b, base + a] = S[base + a, base + b]


def _blocks(S: FloatArray, place: Place) -> FloatArray:
    """Return the diagonal blocks of one factor, (q, q, J)."""
    base = place.start + np.arange(place.n_levels) * place.q
    out = np.empty((place.q, place.q, place.n_levels))
    for a, b in np.ndindex(place.q, place.q):
        out[a, b] = S[base + a, base + b]
    return out
