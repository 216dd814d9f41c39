"""The wild cluster bootstrap of t and Wald statistics, from per-cluster sums.

A replicate multiplies the residuals of cluster j by one random v_j. With the bread M, the weights
W (V^-1 of a mixed model, at its estimated theta), ``s_j = X_j'W_j e_j`` the scores of the residuals
that are resampled, R the hypotheses and ``D_j = R M X_j'W_j X_j``:

    delta* = M sum_j v_j s_j          beta* - beta
    R M s*_j = v_j R M s_j - D_j delta*          scores of the replicate's own residuals

so that replicates never touch the rows. Imposing ``R beta = r`` adds ``D_j'a`` to s_j with
``a = (R M R')^-1 (R beta - r)``: for one hypothesis the squared standard error is a quadratic in a,
and p-values of every r, hence intervals, come from the same replicates.

References
----------
Cameron, Gelbach & Miller (2008), Rev. Econ. Stat. 90, 414-427; Roodman, MacKinnon, Nielsen & Webb
(2019), Stata Journal 19, 4-60, sections 4-5; Webb (2023), Can. J. Econ. 56 (six-point weights).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mlpool.errors import check_option
from mlpool.inference.sandwich.cluster_tests import ClusterPieces
from mlpool.typing import FloatArray

WEIGHTS = ("rademacher", "webb", "mammen")
"""Distributions of v_j: two points, six points, Mammen's two skew points."""

#: Numbers held at a time: replicates of a batch times clusters.
_BATCH_NUMBERS = 4_000_000
#: A replicate's statistic beats the data's if it is larger by this share: equal ones do not count.
_TIE = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class WildDraws:
    """The multipliers of all replicates, drawn batch by batch.

    Attributes
    ----------
    kind : {"rademacher", "webb", "mammen"}
    n_clusters : int
    iterations : int
    entropy : SeedSequence
        Every pass over the batches draws the same numbers.
    """

    kind: str
    n_clusters: int
    iterations: int
    entropy: np.random.SeedSequence

    @property
    def is_complete(self) -> bool:
        """Whether the 2^J sign patterns are all taken once instead of drawn."""
        return self.kind == "rademacher" and 2.0**self.n_clusters <= self.iterations

    @property
    def n_replicates(self) -> int:
        """Number of replicates."""
        return 2**self.n_clusters if self.is_complete else self.iterations

    def batches(self) -> Iterator[FloatArray]:
        """Yield v of shape (replicates of the batch, J)."""
        rng = np.random.default_rng(self.entropy)
        step = max(1, _BATCH_NUMBERS // self.n_clusters)
        for start in range(0, self.n_replicates, step):
            count = min(step, self.n_replicates - start)
            if self.is_complete:
                bits = np.arange(start, start + count)[:, None] >> np.arange(self.n_clusters)
                yield np.asarray(1.0 - 2.0 * (bits & 1), dtype=np.float64)
            else:
                yield _draw(rng, self.kind, (count, self.n_clusters))


def wild_draws(kind: str, n_clusters: int, iterations: int, rng: np.random.Generator) -> WildDraws:
    """Return the multipliers to use.

    Raises
    ------
    OptionError
        If the kind is unknown.
    """
    check_option(kind, WEIGHTS, argument="weights")
    entropy = np.random.SeedSequence(int(rng.integers(2**63)))
    return WildDraws(kind=kind, n_clusters=n_clusters, iterations=iterations, entropy=entropy)


def _draw(rng: np.random.Generator, kind: str, shape: tuple[int, int]) -> FloatArray:
    if kind == "rademacher":
        return np.asarray(1.0 - 2.0 * rng.integers(0, 2, shape), dtype=np.float64)
    if kind == "webb":
        points = np.sqrt(np.array([0.5, 1.0, 1.5]))
        return np.asarray(rng.choice(np.concatenate([-points, points]), shape), dtype=np.float64)
    root = np.sqrt(5.0)
    low, high = (1.0 - root) / 2.0, (1.0 + root) / 2.0
    return np.asarray(np.where(rng.random(shape) < high / root, low, high), dtype=np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class WildCoefficient:
    """The bootstrapped t statistic of one hypothesis as a function of the value tested.

    Attributes
    ----------
    estimate, se : float
        ``R beta`` and its CR1 standard error.
    spread : float
        ``R M R'``.
    top : tuple of ndarray (B,)
        Coefficients of 1 and a in the numerators.
    bottom : tuple of ndarray (B,)
        Coefficients of 1, a and a^2 in the squared standard errors.
    impose_null : bool
    """

    estimate: float
    se: float
    spread: float
    top: tuple[FloatArray, FloatArray]
    bottom: tuple[FloatArray, FloatArray, FloatArray]
    impose_null: bool

    def t(self, value: float = 0.0) -> float:
        """Return the statistic of ``R beta = value``."""
        return (self.estimate - value) / self.se

    def replicates(self, value: float = 0.0) -> FloatArray:
        """Return the replicates' t statistics under ``R beta = value`` (B,)."""
        a = (self.estimate - value) / self.spread if self.impose_null else 0.0
        first, second, third = self.bottom
        with np.errstate(divide="ignore", invalid="ignore"):
            top = self.top[0] + a * self.top[1]
            return np.asarray(top / np.sqrt(np.maximum(first + a * (second + a * third), 0.0)))

    def p(self, value: float = 0.0) -> float:
        """Return the share of replicates with a larger absolute t."""
        own = abs(self.t(value))
        with np.errstate(invalid="ignore"):
            return float(np.mean(np.abs(self.replicates(value)) > own * (1.0 + _TIE)))

    def interval(self, level: float) -> tuple[float, float]:
        """Return the values that are not rejected, by bisection; infinite if there is no end."""
        return self._bound(level, -1.0), self._bound(level, 1.0)

    def _bound(self, level: float, side: float) -> float:
        alpha = 1.0 - level
        inside, step = self.estimate, 2.0 * self.se
        for _ in range(40):
            outside = inside + side * step
            if self.p(outside) <= alpha:
                break
            inside, step = outside, 2.0 * step
        else:
            return side * np.inf
        # a share of the standard error
        while abs(outside - inside) > 1e-7 * self.se:
            middle = 0.5 * (inside + outside)
            if self.p(middle) <= alpha:
                outside = middle
            else:
                inside = middle
        return 0.5 * (inside + outside)


def wild_coefficient(
    pieces: ClusterPieces, row: FloatArray, draws: WildDraws, *, impose_null: bool = True
) -> WildCoefficient:
    """Bootstrap the t statistic of one linear combination of the coefficients.

    Parameters
    ----------
    pieces : ClusterPieces
        Of type CR1 (unadjusted residuals).
    row : ndarray of shape (p,)
    draws : WildDraws
    impose_null : bool
        Resample residuals of the fit with the hypothesis imposed (WCR) or not (WCU).
    """
    R = np.atleast_2d(row)
    M, D = pieces.bread, _cluster_weights(pieces, R)[:, 0]
    spread = float((R @ M @ R.T)[0, 0])
    own, shift = pieces.scores, D  # s_j and what a adds to it
    parts: list[list[FloatArray]] = [[], [], [], [], []]
    for v in draws.batches():
        move0, move1 = v @ own @ M, v @ shift @ M
        c0 = v * (own @ M @ row) - move0 @ D.T
        c1 = v * (shift @ M @ row) - move1 @ D.T
        values = (move0 @ row, move1 @ row, _dot(c0, c0), 2.0 * _dot(c0, c1), _dot(c1, c1))
        for kept, value in zip(parts, values, strict=True):
            kept.append(value)
    n0, n1, q0, q1, q2 = (np.concatenate(p) for p in parts)
    factor = pieces.factor
    return WildCoefficient(
        estimate=float(row @ pieces.beta), se=float(np.sqrt(row @ pieces.vcov @ row)),
        spread=spread, top=(n0, n1), bottom=(factor * q0, factor * q1, factor * q2),
        impose_null=impose_null,
    )  # fmt: skip


def wild_wald(
    pieces: ClusterPieces,
    L: FloatArray,
    rhs: FloatArray,
    draws: WildDraws,
    *,
    impose_null: bool = True,
) -> tuple[float, float]:
    """Bootstrap the Wald statistic of ``L beta = rhs``: return it and its p-value."""
    M, D = pieces.bread, _cluster_weights(pieces, L)
    distance = L @ pieces.beta - rhs
    own = float(distance @ np.linalg.solve(L @ pieces.vcov @ L.T, distance))
    scores = pieces.scores
    if impose_null:
        a = np.linalg.solve(L @ M @ L.T, distance)
        scores = scores + np.einsum("jqp,q->jp", D, a)
    projected = scores @ M @ L.T
    larger = 0
    for v in draws.batches():
        for part in np.array_split(v, max(1, v.size * len(L) // _BATCH_NUMBERS)):
            move = part @ scores @ M
            c = part[:, :, None] * projected - np.einsum("jqp,bp->bjq", D, move, optimize=True)
            V = pieces.factor * np.swapaxes(c, 1, 2) @ c
            top = move @ L.T
            Q = np.einsum("bq,bq->b", top, np.linalg.solve(V, top[:, :, None])[:, :, 0])
            larger += int(np.sum(own * (1.0 + _TIE) < Q))
    return own, larger / draws.n_replicates


def _cluster_weights(pieces: ClusterPieces, R: FloatArray) -> FloatArray:
    """Return ``D_j = R M X_j'W_j X_j``, shape (J, q, p)."""
    J, p = pieces.scores.shape
    left = pieces.Y @ (R @ pieces.bread).T
    out = np.empty((J, R.shape[0], p))
    for a in range(R.shape[0]):
        for b in range(p):
            out[:, a, b] = np.bincount(pieces.codes, left[:, a] * pieces.X[:, b], J)
    return out


def _dot(a: FloatArray, b: FloatArray) -> FloatArray:
    return np.asarray(np.einsum("bj,bj->b", a, b))
