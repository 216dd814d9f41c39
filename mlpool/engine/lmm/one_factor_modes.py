"""Conditional modes of the random effects of one grouping factor and their covariances.

Bates et al. (2015, JSS 67(1), eq. 56-58): ``b | y ~ N(Lambda u, sigma^2 Lambda M^-1 Lambda')`` with
``u = Lambda'Z'V^-1 (y - X beta)`` and ``M = Lambda'Z'Z Lambda + I``.
"""

from __future__ import annotations

import numpy as np

from mlpool.engine.factorization.cluster_elimination import ClusterBlocks
from mlpool.typing import FloatArray

PIECE = 65_536
"""Clusters whose covariances are inverted at a time."""


def spherical_modes(blocks: ClusterBlocks, Lam: FloatArray, v: FloatArray) -> FloatArray:
    """Return u (q, n_levels) at Lambda, with v = [-beta; 1]."""
    _, E = blocks.apply(Lam)
    return np.asarray(Lam.T @ np.einsum("aij,i->aj", E, v))


class ConditionalCovariances:
    """Makes Var(b | y) of every term when asked: a call that pickles.

    It keeps what the covariances need, not the whole criterion.
    """

    def __init__(
        self,
        blocks: ClusterBlocks,
        Lam: FloatArray,
        terms: tuple[FloatArray, ...],
        sigma: float,
    ) -> None:
        self._F = blocks.F
        self._Lam, self._terms, self._sigma = Lam, terms, sigma
        self._made: tuple[FloatArray, ...] | None = None

    def __call__(self) -> tuple[FloatArray, ...]:
        """Return them, (n_levels, k_t, k_t) per term, made at the first call."""
        if self._made is None:
            self._made = self._make()
        return self._made

    def _make(self) -> tuple[FloatArray, ...]:
        Lam, J = self._Lam, self._F.shape[2]
        made = tuple(np.empty((J, lam.shape[0], lam.shape[0])) for lam in self._terms)
        for first in range(0, J, PIECE):
            half = Lam.T @ np.moveaxis(self._F[..., first : first + PIECE], 2, 0)
            M = half @ half.swapaxes(1, 2) + np.eye(Lam.shape[1])
            inverse = np.linalg.inv(M)
            start = 0
            for lam, out in zip(self._terms, made, strict=True):
                own = slice(start, start + lam.shape[0])
                out[first : first + PIECE] = self._sigma**2 * (lam @ inverse[:, own, own] @ lam.T)
                start = own.stop
        return made
