"""Eliminate every cluster's random effects from its sums, one column of Lambda at a time.

For cluster j with A = Z'WZ (q x q), D = Z'W[X y] (q x k) and Sigma = Lambda Lambda', the criterion
and all its derivatives need, summed over clusters,

    K = (I + A Sigma)^-1 A        E = (I + A Sigma)^-1 D        log|I + A Sigma|

Sigma is a sum of rank-one matrices lambda lambda' over the columns of Lambda, and for each
(Sherman & Morrison 1950)

    d = 1 + lambda'K lambda    K <- K - (K lambda)(K lambda)'/d    E <- E - (K lambda)(lambda'E)/d

which needs no factorisation, no bound and no distinction between singular and regular Lambda. All
arrays have clusters on the last axis and are worked through in pieces that stay in the cache.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mlpool.typing import FloatArray, IntArray

CACHE_NUMBERS = 65_536
"""Numbers of E per piece of clusters: 512 kB, so that a piece and its temporaries stay in L2."""
WIDE = 64
"""Entries of E above which second derivatives are worth a second pass: see ``weighted``."""
FEW_SIZES = 0.25
"""A scalar factor is grouped by cluster size when its sizes are fewer than this share of J."""
PROBE = 1024
"""Clusters looked at before all are sorted: with weights nearly every A is another."""


@dataclass(frozen=True, slots=True)
class Eliminated:
    """Sums over clusters after elimination; q random-effects columns, k = p + 1 columns [X y].

    Attributes
    ----------
    logdet : float
        sum log|I + A Sigma|.
    S : ndarray of shape (k, k)
        [X y]'W[X y] - sum D'Sigma E, the Schur complement.
    K : ndarray of shape (q, q)
        sum K.
    EE : ndarray of shape (q, k, q, k)
        sum E[a, i] E[b, l].
    KK : ndarray of shape (q, q, q, q)
        sum K[a, b] K[c, d].
    EKE : ndarray of shape (q, k, q, k, q, q) or None
        sum E[a, i] E[b, l] K[c, d]; None when there are many columns.
    """

    logdet: float
    S: FloatArray
    K: FloatArray
    EE: FloatArray
    KK: FloatArray
    EKE: FloatArray | None


@dataclass(frozen=True, slots=True)
class ClusterBlocks:
    """The blocks of all clusters.

    Attributes
    ----------
    A : ndarray of shape (q, q, J)
    D : ndarray of shape (q, k, J)
    """

    A: FloatArray
    D: FloatArray

    @property
    def q(self) -> int:
        """Random-effects columns."""
        return int(self.A.shape[0])

    def apply(self, Lam: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return K (q, q, J) and E (q, k, J) of every cluster."""
        _, _, K, E = _sweep(self.A, self.D, Lam)
        return K, E

    def eliminate(self, Lam: FloatArray, total: FloatArray) -> Eliminated:
        """Eliminate with Lambda (q, any) and sum over clusters."""
        q, k, J = self.D.shape
        step = max(256, CACHE_NUMBERS // (q * k))
        rows, cols = np.triu_indices(q)
        logdet, S = 0.0, total.copy()
        K_sum, EE = np.zeros((q, q)), np.zeros((q * k, q * k))
        KK = np.zeros((rows.size, rows.size))
        pairs = rows.size if q * k <= WIDE else 0
        EKE = np.zeros((pairs, q * k, q * k))
        for first in range(0, J, step):
            part = slice(first, first + step)
            part_logdet, part_S, K, E = _sweep(self.A[..., part], self.D[..., part], Lam)
            logdet += part_logdet
            S -= part_S
            upper = K[rows, cols]
            flat = E.reshape(q * k, -1)
            K_sum += K.sum(axis=2)
            EE += flat @ flat.T
            KK += upper @ upper.T
            for pair in range(pairs):
                EKE[pair] += (flat * upper[pair]) @ flat.T
        return _unfold(logdet, S, (K_sum, EE, KK, EKE), (q, k))

    def schur(self, Lam: FloatArray, total: FloatArray) -> tuple[float, FloatArray]:
        """Return log-determinant and S alone."""
        logdet, taken, _, _ = _sweep(self.A, self.D, Lam)
        return logdet, total - taken

    def weighted(self, Lam: FloatArray, W: FloatArray) -> FloatArray:
        """Return sum (E W E')[a, b] K[c, d], shape (q, q, q, q), for symmetric W (k, k).

        With many columns a second pass over the clusters is cheaper than carrying every pair of
        columns through the first one.
        """
        q, k, J = self.D.shape
        step = max(256, CACHE_NUMBERS // (q * k))
        total = np.zeros((q * q, q * q))
        for first in range(0, J, step):
            part = slice(first, first + step)
            _, _, K, E = _sweep(self.A[..., part], self.D[..., part], Lam)
            F = np.einsum("aij,bij->abj", E, np.matmul(W, E))
            total += F.reshape(q * q, -1) @ K.reshape(q * q, -1).T
        return total.reshape(q, q, q, q)


def _sweep(
    A: FloatArray, D: FloatArray, Lam: FloatArray
) -> tuple[float, FloatArray, FloatArray, FloatArray]:
    """Return log-determinant, sum D'Sigma E, K and E after all columns of Lambda."""
    q, k, J = D.shape
    K, E = A.copy(), D.copy()
    logdet, taken = 0.0, np.zeros((k, k))
    for lam in Lam.T:
        if not lam.any():
            continue
        u = (lam @ K.reshape(q, q * J)).reshape(q, J)
        s = (lam @ E.reshape(q, k * J)).reshape(k, J)
        d = lam @ u
        d += 1.0
        logdet += float(np.log(d).sum())
        s_over_d = s / d
        taken += s_over_d @ s.T
        if q == 1:
            # The same numbers without the cancellation of 1 - lambda^2 A / d.
            K /= d
            E /= d
            continue
        for a in range(q):
            E[a] -= u[a] * s_over_d
            K[a] -= (u[a] / d) * u
    return logdet, taken, K, E


def _unfold(
    logdet: float,
    S: FloatArray,
    moments: tuple[FloatArray, FloatArray, FloatArray, FloatArray],
    shape: tuple[int, int],
) -> Eliminated:
    """Give the stacked upper triangles their full symmetric form."""
    q, k = shape
    K_sum, EE, KK, EKE = moments
    pair = np.zeros((q, q), dtype=np.intp)
    rows, cols = np.triu_indices(q)
    pair[rows, cols] = pair[cols, rows] = np.arange(rows.size)
    return Eliminated(
        logdet=logdet,
        S=(S + S.T) / 2,
        K=(K_sum + K_sum.T) / 2,
        EE=EE.reshape(q, k, q, k),
        KK=KK[pair][:, :, pair],
        EKE=np.moveaxis(EKE[pair], (0, 1), (2, 3)).reshape(q, k, q, k, q, q) if len(EKE) else None,
    )


@dataclass(frozen=True, slots=True)
class SizeGroups:
    """A random intercept without weights: clusters of one size share everything but D.

    The cost of an evaluation depends on the number of distinct sizes (at most sqrt(2n)), not on
    the number of clusters.

    Attributes
    ----------
    size, count : ndarray of shape (G,)
        A of the clusters of each group, and how many there are.
    DD : ndarray of shape (G, k, k)
        sum of D'D over the clusters of each group.
    blocks : ClusterBlocks
        The clusters one by one, for conditional modes.
    """

    size: FloatArray
    count: FloatArray
    DD: FloatArray
    blocks: ClusterBlocks = field(repr=False)

    @property
    def q(self) -> int:
        """Always one random-effects column."""
        return 1

    def apply(self, Lam: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return K (1, 1, J) and E (1, k, J) of every cluster."""
        return self.blocks.apply(Lam)

    def weighted(self, Lam: FloatArray, W: FloatArray) -> FloatArray:
        """Return sum (E W E') K, shape (1, 1, 1, 1), for symmetric W (k, k)."""
        return self.blocks.weighted(Lam, W)

    def schur(self, Lam: FloatArray, total: FloatArray) -> tuple[float, FloatArray]:
        """Return log-determinant and S alone."""
        variance, k = float(np.sum(Lam**2)), len(total)
        d = 1.0 + variance * self.size
        S = total - ((variance / d) @ self.DD.reshape(-1, k * k)).reshape(k, k)
        return float(self.count @ np.log(d)), S

    def eliminate(self, Lam: FloatArray, total: FloatArray) -> Eliminated:
        """Eliminate with Lambda (1, any) and sum over clusters."""
        variance = float(np.sum(Lam**2))
        k = total.shape[0]
        d = 1.0 + variance * self.size
        K = self.size / d
        DD = self.DD.reshape(-1, k * k)
        EE, EKE = (w @ DD for w in (1 / d**2, K / d**2))
        return Eliminated(
            logdet=float(self.count @ np.log(d)),
            S=total - ((variance / d) @ DD).reshape(k, k),
            K=np.array([[self.count @ K]]),
            EE=EE.reshape(1, k, 1, k),
            KK=np.full((1, 1, 1, 1), self.count @ K**2),
            EKE=EKE.reshape(1, k, 1, k, 1, 1),
        )


def group_by_size(blocks: ClusterBlocks) -> ClusterBlocks | SizeGroups:
    """Group a scalar factor by its distinct A when these are few; else return `blocks`."""
    if blocks.q != 1:
        return blocks
    A = blocks.A[0, 0]
    if A.size > PROBE and np.unique(A[:PROBE]).size > PROBE // 2:
        return blocks
    sizes, which = _distinct(A)
    if sizes.size > max(FEW_SIZES * A.size, 1):
        return blocks
    D = blocks.D[0]
    k = D.shape[0]
    DD = np.empty((sizes.size, k, k))
    for a in range(k):
        for b in range(a + 1):
            DD[:, a, b] = DD[:, b, a] = np.bincount(which, D[a] * D[b], sizes.size)
    count = np.bincount(which, minlength=sizes.size).astype(np.float64)
    return SizeGroups(sizes, count, DD, blocks)


def _distinct(A: FloatArray) -> tuple[FloatArray, IntArray]:
    """Distinct values of A and the position of each; by counting where A holds whole numbers."""
    if A.size and A.max() < 2**24 and not bool(np.any(A % 1.0)):
        whole = A.astype(np.int64)
        present = np.flatnonzero(np.bincount(whole))
        rank = np.zeros(int(whole.max()) + 1, dtype=np.intp)
        rank[present] = np.arange(present.size)
        return present.astype(np.float64), rank[whole]
    sizes, which = np.unique(A, return_inverse=True)
    return sizes, which
