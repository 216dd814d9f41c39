"""Eliminate every cluster's random effects from its sums, one column of Lambda at a time.

For cluster j with A = Z'WZ = F F' (q x q), H = F^-1 Z'W[X y] (q x k; see
:mod:`mlpool.engine.factorization.cluster_roots`) and Sigma = Lambda Lambda', the criterion and all
its derivatives need, summed over clusters,

    K = (I + A Sigma)^-1 A = F F'        E = K A^-1 D = F G        S = within + G'G        log|..|

with F and G after elimination. Sigma is a sum of rank-one matrices lambda lambda' over the columns
of Lambda, and for each (Potter's square-root form of Sherman & Morrison's formula; Kaminski, Bryson
& Schmidt 1971, IEEE Trans. Autom. Control 16)

    f = F'lambda    d = 1 + f'f    c = 1 / (d + sqrt(d))    F <- F - c F f f'    G <- G - c f f'G

which needs no factorisation of Sigma, no bound and no distinction between singular and regular
Lambda, and keeps K and S positive semi-definite. All arrays have clusters on the last axis and are
worked through in pieces that stay in the cache.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mlpool.engine.factorization.cluster_roots import squares
from mlpool.engine.factorization.small_matrices import multiply, transpose, triangle
from mlpool.engine.sums.size_classes import SizeClasses
from mlpool.typing import FloatArray, IntArray

CACHE_NUMBERS = 65_536
"""Numbers of G per piece of clusters: 512 kB, so that a piece and its temporaries stay in L2."""
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
        [X y]'V^-1 [X y], the Schur complement.
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
    F : ndarray of shape (q, q, J)
        Root of A.
    H : ndarray of shape (q, k, J)
        F^-1 D.
    """

    F: FloatArray
    H: FloatArray

    @property
    def q(self) -> int:
        """Random-effects columns."""
        return int(self.F.shape[0])

    @property
    def numbers(self) -> int:
        """Numbers that one elimination works through."""
        return self.H.size * self.q

    @property
    def n_effects(self) -> int:
        """Random effects that the clusters' rows tell from others."""
        return int(np.count_nonzero(np.einsum("aaj->aj", self.F)))

    def apply(self, Lam: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return K (q, q, J) and E (q, k, J) of every cluster."""
        _, F, G = _sweep(self.F, self.H, Lam)
        return multiply(F, transpose(F)), _product(F, G)

    def eliminate(self, Lam: FloatArray, within: FloatArray) -> Eliminated:
        """Eliminate with Lambda (q, any) and sum over clusters."""
        q, k, J = self.H.shape
        step = max(256, CACHE_NUMBERS // (q * k))
        rows, cols = triangle(q)
        logdet, S = 0.0, within.copy()
        K_sum, EE = np.zeros((q, q)), np.zeros((q * k, q * k))
        KK = np.zeros((rows.size, rows.size))
        pairs = rows.size if q * k <= WIDE else 0
        EKE = np.zeros((pairs, q * k, q * k))
        for first in range(0, J, step):
            part = slice(first, first + step)
            part_logdet, F, G = _sweep(self.F[..., part], self.H[..., part], Lam)
            logdet += part_logdet
            S += squares(G)
            K, E = multiply(F, transpose(F)), _product(F, G)
            upper = K[rows, cols]
            flat = E.reshape(q * k, -1)
            K_sum += K.sum(axis=2)
            EE += flat @ flat.T
            KK += upper @ upper.T
            for pair in range(pairs):
                EKE[pair] += (flat * upper[pair]) @ flat.T
        return _unfold(logdet, S, (K_sum, EE, KK, EKE), (q, k))

    def schur(self, Lam: FloatArray, within: FloatArray) -> tuple[float, FloatArray]:
        """Return log-determinant and S alone."""
        logdet, _, G = _sweep(self.F, self.H, Lam)
        return logdet, within + squares(G)

    def weighted(self, Lam: FloatArray, W: FloatArray) -> FloatArray:
        """Return sum (E W E')[a, b] K[c, d], shape (q, q, q, q), for symmetric W (k, k).

        With many columns a second pass over the clusters is cheaper than carrying every pair of
        columns through the first one.
        """
        q, k, J = self.H.shape
        step = max(256, CACHE_NUMBERS // (q * k))
        total = np.zeros((q * q, q * q))
        for first in range(0, J, step):
            part = slice(first, first + step)
            _, F, G = _sweep(self.F[..., part], self.H[..., part], Lam)
            K, E = multiply(F, transpose(F)), _product(F, G)
            weighted = np.einsum("aij,bij->abj", E, np.matmul(W, E))
            total += weighted.reshape(q * q, -1) @ K.reshape(q * q, -1).T
        return total.reshape(q, q, q, q)


def _sweep(F: FloatArray, H: FloatArray, Lam: FloatArray) -> tuple[float, FloatArray, FloatArray]:
    """Return log-determinant, F and G after all columns of Lambda."""
    q, _, J = H.shape
    F, G = F.copy(), H.copy()
    logdet = 0.0
    for lam in Lam.T:
        if not lam.any():
            continue
        f = (lam @ F.reshape(q, q * J)).reshape(q, J)
        d = np.einsum("aj,aj->j", f, f)
        d += 1.0
        logdet += float(np.log(d).sum())
        root = np.sqrt(d)
        if q == 1:
            # The same numbers without a difference.
            F /= root
            G /= root
            continue
        share = f / (d + root)
        along = f[0] * G[0]
        for a in range(1, q):
            along += f[a] * G[a]
        into = _product(F, f[:, None])[:, 0]
        for a in range(q):
            G[a] -= share[a] * along
            F[a] -= into[a] * share
    return logdet, F, G


def _product(F: FloatArray, G: FloatArray) -> FloatArray:
    """Return F_j G_j; (q, q, J) x (q, k, J) -> (q, k, J)."""
    out = F[:, 0, None] * G[0]
    for b in range(1, len(G)):
        out += F[:, b, None] * G[b]
    return np.asarray(out)


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
    rows, cols = triangle(q)
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
    HH : ndarray of shape (G, k, k)
        sum of H'H over the clusters of each group.
    blocks : ClusterBlocks or None
        The clusters one by one, for conditional modes; None if they were never apart.
    """

    size: FloatArray
    count: FloatArray
    HH: FloatArray
    blocks: ClusterBlocks | None = field(repr=False)

    @classmethod
    def of_classes(cls, classes: SizeClasses) -> SizeGroups:
        """Return the groups of clusters that were added up by size already: H = S / sqrt(n)."""
        HH = classes.products / classes.size[:, None, None]
        return cls(classes.size, classes.count, HH, None)

    @property
    def q(self) -> int:
        """Always one random-effects column."""
        return 1

    @property
    def numbers(self) -> int:
        """Numbers that one elimination works through."""
        return self.HH.size

    @property
    def n_effects(self) -> int:
        """Random effects: one for each cluster."""
        return int(self.count.sum())

    def schur(self, Lam: FloatArray, within: FloatArray) -> tuple[float, FloatArray]:
        """Return log-determinant and S alone."""
        variance, k = float(np.sum(Lam**2)), len(within)
        d = 1.0 + variance * self.size
        S = within + ((1.0 / d) @ self.HH.reshape(-1, k * k)).reshape(k, k)
        return float(self.count @ np.log(d)), S

    def eliminate(self, Lam: FloatArray, within: FloatArray) -> Eliminated:
        """Eliminate with Lambda (1, any) and sum over clusters."""
        variance = float(np.sum(Lam**2))
        k = within.shape[0]
        d = 1.0 + variance * self.size
        K = self.size / d
        S, EE, EKE = np.stack([1.0 / d, K / d, K**2 / d]) @ self.HH.reshape(-1, k * k)
        return Eliminated(
            logdet=float(self.count @ np.log(d)),
            S=within + S.reshape(k, k),
            K=np.array([[self.count @ K]]),
            EE=EE.reshape(1, k, 1, k),
            KK=np.full((1, 1, 1, 1), self.count @ K**2),
            EKE=EKE.reshape(1, k, 1, k, 1, 1),
        )


def group_by_size(A: FloatArray, blocks: ClusterBlocks) -> ClusterBlocks | SizeGroups:
    """Group a scalar factor by its distinct A when these are few; else return `blocks`."""
    if blocks.q != 1:
        return blocks
    A = A[0, 0]
    if A.size > PROBE and np.unique(A[:PROBE]).size > PROBE // 2:
        return blocks
    sizes, which = _distinct(A)
    if sizes.size > max(FEW_SIZES * A.size, 1):
        return blocks
    H = blocks.H[0]
    k = H.shape[0]
    HH = np.empty((sizes.size, k, k))
    for a in range(k):
        for b in range(a + 1):
            HH[:, a, b] = HH[:, b, a] = np.bincount(which, H[a] * H[b], sizes.size)
    count = np.bincount(which, minlength=sizes.size).astype(np.float64)
    return SizeGroups(sizes, count, HH, blocks)


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
