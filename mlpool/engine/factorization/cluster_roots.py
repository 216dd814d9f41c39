"""Every cluster's own regression on its random-effects columns, taken off the sums once.

For cluster j with A = Z'WZ = F F' (F lower triangular) and D = Z'WU,

    H = F^-1 D         sum over rows of w U'U  =  within + sum H'H

where `within` is what the clusters' own regressions on Z leave. Everything that depends on theta
then adds up from squares, and nothing is taken off sums that it nearly equals, however far the
clusters lie apart:

    [X y]'V^-1 [X y] = within + sum G'G        G = (I + F'Sigma F)^-1/2 H
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlpool.engine.factorization.sweep import ALIASED
from mlpool.engine.sums.cluster_sums import CrossProducts
from mlpool.engine.sums.working_columns import Columns
from mlpool.typing import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Regressions:
    """Every cluster's own regression of the distinct columns U on its random-effects columns.

    Attributes
    ----------
    columns : Columns
        Working columns: centred (when the factor has an intercept, which makes that exact) and
        scaled by powers of two to a mean square near 1.
    A : ndarray of shape (q_working, q_working, J)
    F : ndarray of shape (q_working, q_working, J)
        Root of A.
    H : ndarray of shape (q_working, k, J)
        F^-1 Z'WU.
    within : ndarray of shape (k, k)
        What the regressions leave of the totals.
    """

    columns: Columns
    A: FloatArray
    F: FloatArray
    H: FloatArray
    within: FloatArray

    @classmethod
    def of(cls, sums: CrossProducts) -> Regressions:
        """Take the sums apart; ``sums.within`` where it was made from rows has more digits.

        Of clusters that were added up by size there is `within` alone.
        """
        columns = Columns.of(sums)
        D = np.tensordot(columns.P, sums.sums, axes=(0, 0))
        A = np.tensordot(columns.P, D[:, list(sums.outer)], axes=(0, 1)).swapaxes(0, 1)
        A = np.ascontiguousarray((A + A.swapaxes(0, 1)) / 2)
        F = cholesky_of_clusters(A)
        H = forward(F, D)
        within = sums.within
        if within is None:
            between = squares(H) if sums.by_size is None else sums.by_size.between()
            within = without_rounding(sums.total - between, sums.total, ALIASED)
        return cls(columns=columns, A=A, F=F, H=H, within=within)


def cholesky_of_clusters(A: FloatArray) -> FloatArray:
    """Return lower triangular F (q, q, J) with A = F F'; zero columns where a column is aliased.

    A cluster with fewer rows than columns, or a slope without variation in it, has such columns:
    the ones before determine them.
    """
    q, _, J = A.shape
    F = np.zeros((q, q, J))
    for c in range(q):
        pivot = A[c, c] - np.einsum("bj,bj->j", F[c, :c], F[c, :c])
        seen = pivot > ALIASED * A[c, c]
        root = np.sqrt(np.where(seen, pivot, 1.0))
        F[c, c] = np.where(seen, root, 0.0)
        for r in range(c + 1, q):
            rest = A[r, c] - np.einsum("bj,bj->j", F[r, :c], F[c, :c])
            F[r, c] = np.where(seen, rest / root, 0.0)
    return F


def forward(F: FloatArray, D: FloatArray) -> FloatArray:
    """Return H = F^-1 D (q, k, J), zero where a column is aliased."""
    H = np.empty_like(D)
    for c in range(len(D)):
        rest = D[c].copy()
        for b in range(c):
            rest -= F[c, b] * H[b]
        seen = F[c, c] > 0
        np.divide(rest, np.where(seen, F[c, c], np.inf), out=H[c])
    return H


def backward(F: FloatArray, H: FloatArray) -> FloatArray:
    """Return the coefficients F'^-1 H = A^-1 D (q, k, J), zero where a column is aliased."""
    P = np.empty_like(H)
    for c in reversed(range(len(H))):
        rest = H[c].copy()
        for r in range(c + 1, len(H)):
            rest -= F[r, c] * P[r]
        seen = F[c, c] > 0
        np.divide(rest, np.where(seen, F[c, c], np.inf), out=P[c])
    return P


def squares(H: FloatArray) -> FloatArray:
    """Return sum H'H over clusters (k, k)."""
    k = H.shape[1]
    out = np.zeros((k, k))
    for rows in H:
        out += rows @ rows.T
    return out


def without_rounding(within: FloatArray, total: FloatArray, share: float) -> FloatArray:
    """Return `within` with exact zeros for columns of which no more than `share` is left."""
    dead = np.diag(within) <= share * np.diag(total)
    return np.where(dead[:, None] | dead, 0.0, within)
