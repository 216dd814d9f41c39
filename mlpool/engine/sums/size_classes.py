"""Clusters of one size added up: all that a random intercept without weights asks of its clusters.

With Z_j = 1, Lambda = theta and U_j the n_j rows of the distinct columns,

    S_j = U_j'1        V_j = I + theta^2 1 1'        log|V_j| = log(1 + theta^2 n_j)
    U_j'V_j^-1 U_j = U_j'U_j - S_j S_j' theta^2 / (1 + theta^2 n_j)

so two clusters of one size differ in S_j alone, which enters as S_j S_j'. Of the clusters of size n
their number C_n and P_n = sum S_j S_j' are therefore enough, whatever theta is:

    sum log|V_j|  = sum_n C_n log(1 + theta^2 n)
    U'V^-1 U      = within + sum_n P_n / (n (1 + theta^2 n))        within = U'U - sum_n P_n / n

Derivatives in theta, and what Satterthwaite and Kenward-Roger need, are other functions of n times
C_n or P_n. A linear change of columns, U R, is R'P_n R. N rows have at most sqrt(2 N) sizes,
however many clusters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlpool.typing import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SizeClasses:
    """Clusters by their number of rows.

    Attributes
    ----------
    size, count : ndarray of shape (G,)
        Rows of each cluster of a class, and how many clusters it has.
    products : ndarray of shape (G, k, k)
        P_n, of the distinct columns about their centres.
    """

    size: FloatArray
    count: FloatArray
    products: FloatArray

    @property
    def n_clusters(self) -> int:
        """Number of clusters."""
        return int(self.count.sum())

    def combined(self, R: FloatArray) -> SizeClasses:
        """Return the classes of the columns U R, R being (k, m)."""
        return SizeClasses(size=self.size, count=self.count, products=R.T @ self.products @ R)

    def between(self) -> FloatArray:
        """Return sum P_n / n (k, k): the squares of the clusters' own means."""
        return np.asarray(np.einsum("g,gab->ab", 1.0 / self.size, self.products))

    def stand_ins(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return clusters that stand for all: k of each class, whose products add up to P_n.

        Sums over clusters of f(n_j) S_j S_j' are the same over them; of f(n_j) alone where each is
        counted `count` times.

        Returns
        -------
        size, count : ndarray of shape (G k,)
        S : ndarray of shape (k, G k)
        """
        k = self.products.shape[1]
        length = np.sqrt(np.einsum("gaa->ga", self.products))
        length = np.where(length > 0.0, length, 1.0)
        # columns of length one, so that none loses digits beside the others
        unit = self.products / (length[:, :, None] * length[:, None, :])
        values, vectors = np.linalg.eigh(unit)
        roots = length[:, :, None] * vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
        is_first = np.tile(np.arange(k) == 0, len(self.size))
        return (
            np.repeat(self.size, k),
            np.where(is_first, np.repeat(self.count, k), 0.0),
            np.ascontiguousarray(roots.transpose(1, 0, 2).reshape(k, -1)),
        )
