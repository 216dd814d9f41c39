"""The profiled criterion for one grouping factor or a chain of nested ones, with its gradient.

Symbols, per cluster j of level l: A (q x q) = Z'Z, D (q x r) = Z'[coarser Z, X, y],
Lambda (q x q) the level's relative factor, and (DESIGN: Bates et al. 2015, eqs. 17, 34, 41)

    M = Lambda' A Lambda + I        N = Lambda M^-1 Lambda'
    S = T - sum_j D_j' N_j D_j      (what is left of the coarser columns, X and y)

A cluster of a nested factor lies in one cluster of each coarser factor, so eliminating it changes
only that cluster's A and D: every level stays block-diagonal. After the last level S is
(p + 1) x (p + 1) with blocks S_xx, S_xy, S_yy:

    beta = S_xx^-1 S_xy             v = [-beta; 1]          r^2 = v' S v
    ML deviance   = sum log|M| + n (1 + log(2 pi r^2 / n))
    REML          = sum log|M| + log|S_xx| + (n - p)(1 + log(2 pi r^2 / (n - p)))

The gradient runs the elimination backwards. With G = d deviance / d S (of the level's remainder),

    H = D G D'      d/dLambda = 2 sum_j (A - (I - A N) H) Lambda M^-1
    d/dA = N + N H N              d/dD = -2 N D G

which for one level is the formula of DESIGN section 3.1 (E = (I - A N) D, C = M^-1 Lambda' D).
n never enters: an evaluation costs O(J), or O(number of different A) where few are different.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mlpool.engine.profile import Profile, profile_out
from mlpool.engine.small import inverse_logdet, multiply, to_stack, transpose
from mlpool.engine.template import Template
from mlpool.typing import FloatArray, IntArray

_SHARED_FRACTION = 0.25
"""Clusters with equal A are pooled when there are at most this many different A per cluster."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One grouping factor of a chain.

    Attributes
    ----------
    A : ndarray (q, q, J)
    D : ndarray (q, J, r)
    template : Template
    ancestors : tuple of ndarray of int (J,)
        For each coarser level, the cluster that each cluster lies in.
    widths : tuple of int
        Number of columns of each coarser level (they stand first in D).
    """

    A: FloatArray
    D: FloatArray
    template: Template
    ancestors: tuple[IntArray, ...] = ()
    widths: tuple[int, ...] = ()


@dataclass(slots=True)
class _State:
    """What the forward pass leaves for the backward pass of one level."""

    A: FloatArray
    D: FloatArray
    lam: FloatArray
    M_inv: FloatArray
    N: FloatArray
    ND: FloatArray
    H: FloatArray | None = None


class ChainObjective:
    """Deviance and gradient of a chain of nested factors (one factor: a chain of one).

    Parameters
    ----------
    levels : sequence of Level
        Finest first.
    total : ndarray (p + 1, p + 1)
        T of the kept columns.
    n : int
    reml : bool
    k : int
        Length of theta.
    """

    def __init__(
        self, levels: tuple[Level, ...], total: FloatArray, n: int, *, reml: bool, k: int
    ) -> None:
        self.levels, self.total, self.n, self.reml, self.k = levels, total, n, reml, k
        self.p = total.shape[0] - 1
        self._pooled = _pool_equal(levels[0]) if len(levels) == 1 else None

    def evaluate(self, theta: FloatArray) -> tuple[float, FloatArray]:
        """Return the deviance (REML or ML) and its gradient with respect to theta."""
        if self._pooled is not None:
            return self._evaluate_pooled(theta)
        states, logdet, S = self._forward(theta)
        profile = profile_out(S, self.n, reml=self.reml)
        gradient = np.zeros(self.k)
        adjoints: list[tuple[FloatArray, FloatArray]] = []
        for level, state in zip(reversed(self.levels), reversed(states), strict=True):
            DG = _times_remainder(level, state.D, adjoints, profile.G)
            H = _inner(DG, state.D)
            _add_gradient_inplace(gradient, level.template, state, H)
            N_H_N = multiply(multiply(state.N, H), state.N)
            NDG = _left_multiply(state.N, DG)
            adjoints.insert(0, (state.N + N_H_N, -NDG))
        return logdet + profile.deviance, gradient

    def finish(
        self, theta: FloatArray
    ) -> tuple[Profile, float, list[FloatArray], list[FloatArray]]:
        """Return the profile, log|L|^2, and per level b (J, q) and N (J, q, q) in internal units.

        b_j = N_j (Z_j'(y - X beta) - Z_j'Z_coarser b_coarser), coarsest level first; the
        conditional covariance of level l adds what is uncertain about its ancestors.
        """
        states, logdet, S = self._forward(theta)
        profile = profile_out(S, self.n, reml=self.reml)
        v = profile.v
        modes: list[FloatArray] = []
        covariances: list[FloatArray] = []
        for level, state in zip(reversed(self.levels), reversed(states), strict=True):
            right = state.D[:, :, -(self.p + 1) :] @ v
            start = 0
            for width, ancestor, b in zip(level.widths, level.ancestors, modes, strict=True):
                right = right - np.einsum(
                    "ajk,jk->aj", state.D[:, :, start : start + width], b[ancestor]
                )
                start += width
            b_level = np.einsum("abj,bj->ja", state.N, right)
            covariances.insert(0, self._conditional(level, state, states, covariances))
            modes.insert(0, b_level)
        return profile, logdet, modes, covariances

    def _conditional(
        self, level: Level, state: _State, states: list[_State], coarser: list[Any]
    ) -> FloatArray:
        """Return the diagonal blocks of Lambda M^-1 Lambda' of one level, shape (J, q, q).

        For the coarsest level this is N. For a finer one it is N + (ND) V (ND)', V being the joint
        covariance of the cluster's ancestors.
        """
        N = to_stack(state.N)
        width = sum(level.widths)
        if width == 0:
            return N
        V = _ancestor_covariance(self.levels, states, level)
        R = np.moveaxis(state.ND[:, :, :width], 1, 0)
        return N + R @ V @ np.swapaxes(R, 1, 2)

    def _forward(self, theta: FloatArray) -> tuple[list[_State], float, FloatArray]:
        count = len(self.levels)
        A = [level.A for level in self.levels]
        D = [level.D for level in self.levels]
        S = self.total.copy()
        logdet = 0.0
        states = []
        for i, level in enumerate(self.levels):
            lam = level.template.factor(theta)
            M_inv, N, logdets = _eliminate(A[i], lam)
            logdet += float(logdets.sum())
            ND = _left_multiply(N, D[i])
            states.append(_State(A[i], D[i], lam, M_inv, N, ND))
            w = slice(sum(level.widths), None)
            for a in range(D[i].shape[0]):
                S -= D[i][a][:, w].T @ ND[a][:, w]
            for m in range(i + 1, count):
                A[m], D[m] = _update_ancestor(self.levels, i, m, D[i], ND, A[m], D[m])
        return states, logdet, (S + S.T) / 2

    def _evaluate_pooled(self, theta: FloatArray) -> tuple[float, FloatArray]:
        """Evaluate from the sums per different A: P[g, a, b] = sum_{j in g} D_ja D_jb'."""
        assert self._pooled is not None
        A, counts, P = self._pooled
        lam = self.levels[0].template.factor(theta)
        M_inv, N, logdets = _eliminate(A, lam)
        S = self.total - np.einsum("abg,gabij->ij", N, P)
        profile = profile_out((S + S.T) / 2, self.n, reml=self.reml)
        H = np.einsum("gabij,ij->abg", P, profile.G)
        state = _State(A * counts, A, lam, M_inv, N, N)
        gradient = np.zeros(self.k)
        AN = multiply(A, N)
        inner = A * counts - H + multiply(AN, H)
        d_lam = 2.0 * multiply(inner, multiply(lam[:, :, None], M_inv)).sum(axis=2)
        self.levels[0].template.gather_inplace(gradient, d_lam)
        del state
        return float(counts @ logdets) + profile.deviance, gradient


def _eliminate(A: FloatArray, lam: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return M^-1, N and log|M| of every cluster."""
    L = lam[:, :, None]
    M = multiply(multiply(transpose(L), A), L)
    for a in range(len(M)):
        M[a, a] += 1.0
    M_inv, logdet = inverse_logdet(M)
    return M_inv, multiply(multiply(L, M_inv), transpose(L)), logdet


def _left_multiply(N: FloatArray, D: FloatArray) -> FloatArray:
    """Return N D for every cluster; (q, q, J) x (q, J, r) -> (q, J, r)."""
    q = len(D)
    out = np.empty_like(D)
    for a in range(q):
        out[a] = N[a, 0][:, None] * D[0]
        for b in range(1, q):
            out[a] += N[a, b][:, None] * D[b]
    return out


def _inner(DG: FloatArray, D: FloatArray) -> FloatArray:
    """Return D G D' (q, q, J), symmetric."""
    q, J, _ = D.shape
    H = np.empty((q, q, J))
    for a in range(q):
        for b in range(a + 1):
            H[a, b] = H[b, a] = np.einsum("jk,jk->j", DG[a], D[b])
    return H


def _add_gradient_inplace(
    gradient: FloatArray, template: Template, state: _State, H: FloatArray
) -> None:
    """Add 2 sum_j (A - (I - A N) H) Lambda M^-1 to the gradient."""
    inner = state.A - H + multiply(multiply(state.A, state.N), H)
    product = multiply(inner, multiply(state.lam[:, :, None], state.M_inv))
    template.gather_inplace(gradient, 2.0 * product.sum(axis=2))


def _update_ancestor(  # noqa: PLR0913 - one argument per symbol of the formula
    levels: tuple[Level, ...],
    i: int,
    m: int,
    D: FloatArray,
    ND: FloatArray,
    A_m: FloatArray,
    D_m: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Take the eliminated level's D'ND off the A and D of coarser level m."""
    level = levels[i]
    start = sum(level.widths[: m - i - 1])
    width = level.widths[m - i - 1]
    ancestor = level.ancestors[m - i - 1]
    J = A_m.shape[2]
    A_new, D_new = A_m.copy(), D_m.copy()
    for s in range(width):
        update = np.einsum("aj,ajk->jk", D[:, :, start + s], ND[:, :, start:])
        for k in range(update.shape[1]):
            summed = np.bincount(ancestor, update[:, k], J)
            if k < width:
                A_new[s, k] -= summed
            else:
                D_new[s, :, k - width] -= summed
    return A_new, D_new


def _times_remainder(
    level: Level,
    D: FloatArray,
    adjoints: list[tuple[FloatArray, FloatArray]],
    G: FloatArray,
) -> FloatArray:
    """Return D G for every cluster, G assembled from the adjoints of its ancestors and of [X y]."""
    out = np.empty_like(D)
    first_w = sum(level.widths)
    out[:, :, first_w:] = D[:, :, first_w:] @ G
    out[:, :, :first_w] = 0.0
    start = 0
    for width, ancestor, (A_bar, D_half) in zip(
        level.widths, level.ancestors, adjoints, strict=True
    ):
        stop = start + width
        for s in range(width):
            column = D[:, :, start + s]
            for t in range(width):
                out[:, :, start + t] += column * A_bar[s, t][ancestor]
            later = D_half[s][ancestor]
            out[:, :, stop:] += column[:, :, None] * later
            out[:, :, start + s] += np.einsum("ajk,jk->aj", D[:, :, stop:], later)
        start = stop
    return out


def _ancestor_covariance(
    levels: tuple[Level, ...], states: list[_State], level: Level
) -> FloatArray:
    """Return the joint conditional covariance (J, w, w) of each cluster's ancestors' effects."""
    at = levels.index(level)
    J = level.A.shape[2]
    V = np.zeros((J, 0, 0))
    for m in range(len(levels) - 1, at, -1):
        ancestor = level.ancestors[m - at - 1]
        N = to_stack(states[m].N)[ancestor]
        width = V.shape[1]
        R = np.moveaxis(states[m].ND[:, :, :width], 1, 0)[ancestor]
        top = N + R @ V @ np.swapaxes(R, 1, 2)
        off = -R @ V
        V = np.concatenate(
            [
                np.concatenate([top, off], axis=2),
                np.concatenate([np.swapaxes(off, 1, 2), V], axis=2),
            ],
            axis=1,
        )
    return V


def _pool_equal(level: Level) -> tuple[FloatArray, FloatArray, FloatArray] | None:
    """Return (A (q, q, g), counts (g,), P (g, q, q, r, r)) when few clusters differ in A."""
    q, _, J = level.A.shape
    keys = level.A.reshape(q * q, J).T
    if q == 1:
        unique, inverse = np.unique(keys[:, 0], return_inverse=True)
        unique = unique[:, None]
    else:
        if len(np.unique(keys[:, -1])) > _SHARED_FRACTION * J:
            return None
        unique, inverse = np.unique(keys, axis=0, return_inverse=True)
    g = len(unique)
    r = level.D.shape[2]
    if g > _SHARED_FRACTION * J or g * q * q * r * r > 50_000_000:
        return None
    inverse = inverse.ravel()
    order = np.argsort(inverse, kind="stable")
    bounds = np.concatenate([[0], np.cumsum(np.bincount(inverse, minlength=g))])
    P = np.empty((g, q, q, r, r))
    D = level.D[:, order]
    for i in range(g):
        part = D[:, bounds[i] : bounds[i + 1]]
        for a in range(q):
            for b in range(q):
                P[i, a, b] = part[a].T @ part[b]
    A = np.ascontiguousarray(unique.T.reshape(q, q, g))
    return A, np.diff(bounds).astype(np.float64), P
