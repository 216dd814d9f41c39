"""Conditional modes of the random effects of one grouping factor and their covariances.

Bates et al. (2015, JSS 67(1), eq. 56-58): ``b | y ~ N(Lambda u, sigma^2 Lambda M^-1 Lambda')`` with
``u = Lambda'Z'V^-1 (y - X beta)`` and ``M = Lambda'Z'Z Lambda + I``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mlpool.engine.factorization.cluster_elimination import SizeGroups
from mlpool.engine.lmm.one_factor import OneFactor, Solution
from mlpool.typing import FloatArray

PIECE = 65_536
"""Clusters whose covariances are inverted at a time."""


def conditional_modes(
    objective: OneFactor, theta: FloatArray, found: Solution
) -> tuple[FloatArray, ...]:
    """Return b of every term, shape (n_levels, k_t)."""
    Lam = objective.Lambda(theta)
    _, E = objective.blocks.apply(Lam)
    u = Lam.T @ np.einsum("aij,i->aj", E, found.v)
    b = (objective.template.block_diagonal(theta) @ u).T
    ends = np.cumsum(objective.template.sizes)
    return tuple(
        np.ascontiguousarray(b[:, end - k : end])
        for end, k in zip(ends, objective.template.sizes, strict=True)
    )


def conditional_covariances(
    objective: OneFactor, theta: FloatArray, sigma: float
) -> Callable[[], tuple[FloatArray, ...]]:
    """Return a function that makes Var(b | y) of every term, (n_levels, k_t, k_t), when asked."""
    template, Lam = objective.template, objective.Lambda(theta)
    blocks = objective.blocks
    A = blocks.blocks.A if isinstance(blocks, SizeGroups) else blocks.A
    return _LazyCovariances(A, Lam, template.matrices(theta), sigma)


class _LazyCovariances:
    """A picklable closure over what the covariances need (not over the whole objective)."""

    def __init__(
        self, A: FloatArray, Lam: FloatArray, terms: tuple[FloatArray, ...], sigma: float
    ) -> None:
        self._A, self._Lam, self._terms, self._sigma = A, Lam, terms, sigma
        self._made: tuple[FloatArray, ...] | None = None

    def __call__(self) -> tuple[FloatArray, ...]:
        if self._made is None:
            self._made = self._make()
        return self._made

    def _make(self) -> tuple[FloatArray, ...]:
        Lam, J = self._Lam, self._A.shape[2]
        made = tuple(np.empty((J, lam.shape[0], lam.shape[0])) for lam in self._terms)
        for first in range(0, J, PIECE):
            A = np.moveaxis(self._A[..., first : first + PIECE], 2, 0)
            M = Lam.T @ A @ Lam + np.eye(Lam.shape[1])
            inverse = np.linalg.inv(M)
            start = 0
            for lam, out in zip(self._terms, made, strict=True):
                own = slice(start, start + lam.shape[0])
                out[first : first + PIECE] = self._sigma**2 * (lam @ inverse[:, own, own] @ lam.T)
                start = own.stop
        return made
