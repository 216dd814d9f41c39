"""Adaptive Gauss-Hermite quadrature for one scalar random effect per group, with its gradient.

The likelihood of level j is a one-dimensional integral, taken at K nodes x_k about the mode u with
the curvature's width s = M^-1/2, M = 1 + theta^2 sum z^2 w (Pinheiro & Bates 1995, J. Comput.
Graph. Stat. 4, 12-35):

    L_j = s sum_k c_k exp(l_j(u + s x_k) - (u + s x_k)^2 / 2)        c_k = w_k exp(x_k^2 / 2)

With weights pi_k of the terms, B0 = sum pi (l' - u_k), B1 = sum pi x_k (l' - u_k) and
C = -(1 + s B1) / (2 M), its logarithm changes by

    d log L_j = sum_k pi_k (explicit change of l_j) + B0 du + C dM

where du and dM follow the mode and its curvature by implicit differentiation. One node is
Laplace's approximation. As in lme4, the criterion is on the scale of deviances: it lacks the
saturated model's log-likelihood (binomial and Poisson).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import roots_hermitenorm

from mlpool.engine.glmm.factors import FactorRows, times
from mlpool.engine.glmm.laplace import Laplace, Slopes, State
from mlpool.engine.glmm.prepared_data import Problem
from mlpool.typing import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class QuadratureState(State):
    """A state with its nodes.

    Attributes
    ----------
    nodes : ndarray of shape (K, J)
        u of every node and level.
    shares : ndarray of shape (K, J)
        pi: each node's share of its level's integral.
    """

    nodes: FloatArray
    shares: FloatArray


class Quadrature(Laplace):
    """The deviance by K nodes as a function of (theta, gamma, log phi)."""

    def __init__(self, problem: Problem, n_nodes: int) -> None:
        super().__init__(problem)
        x, w = roots_hermitenorm(n_nodes)
        self.x = x
        self.log_c = np.log(w) - 0.5 * np.log(2.0 * np.pi) + 0.5 * x**2

    @property
    def part(self) -> FactorRows:
        """The only grouping factor."""
        return self.problem.effects.parts[0]

    def state(self, x: FloatArray) -> QuadratureState:
        """Find the modes at x and integrate about them."""
        found = super().state(x)
        problem, part = self.problem, self.part
        theta = float(found.factors[0][0, 0])
        mode = theta * found.modes.e.levels[0][0, :, 0]
        M = self._curvature(found.values.weight, theta)
        width = M**-0.5
        nodes = mode + self.x[:, None] * width
        fixed = problem.predictor(found.modes.gamma)
        terms = np.empty_like(nodes)
        for k, u in enumerate(nodes):
            rows = problem.rows.loglik(fixed + self._random(theta * u), found.shape)
            terms[k] = self.log_c[k] + part.level_sums(rows) - 0.5 * u**2
        largest = terms.max(axis=0)
        shares = np.exp(terms - largest)
        total = shares.sum(axis=0)
        log_integral = np.log(width) + largest + np.log(total)
        return QuadratureState(
            factors=found.factors,
            shape=found.shape,
            modes=found.modes,
            values=found.values,
            elimination=found.elimination,
            value=float(-2.0 * (log_integral.sum() - problem.saturated)),
            nodes=nodes,
            shares=shares / total,
        )

    def slopes(self, state: State) -> Slopes:
        """Return the derivatives by rows and levels."""
        assert isinstance(state, QuadratureState)
        part, values = self.part, state.values
        z, theta = part.columns[0], float(state.factors[0][0, 0])
        mode = theta * state.modes.e.levels[0][0, :, 0]
        M, H = (self._curvature(w, theta) for w in (values.weight, values.observed))
        node = self._node_sums(state, theta)
        C = -(1.0 + node.B1 * M**-0.5) / (2.0 * M)
        g = theta**2 * part.at_rows(C) * times(z, times(z, values.slope))
        gz = part.level_sums(times(z, g))
        E = (node.B0 + theta * gz) / H
        follow = theta * times(z, part.at_rows(E))
        fixed = node.score + g - follow * values.observed
        A, A_o = (M - 1.0) / theta if theta else 0.0 * M, (H - 1.0) / theta if theta else 0.0 * H
        pull = part.level_sums(times(z, values.score)) - A_o * mode
        by_theta = node.by_theta + 2.0 * C * A + mode * gz + E * pull
        shape = None
        if self.problem.has_shape:
            own = self.problem.rows.shape_values(state.modes.eta, state.shape)
            by_weight = theta**2 * part.at_rows(C) * times(z, times(z, own.weight))
            shape = -2.0 * (node.shape + by_weight + follow * own.score)
        return Slopes(fixed=-2.0 * fixed, random=(-2.0 * by_theta[None, None],), shape=shape)

    def _node_sums(self, state: QuadratureState, theta: float) -> _NodeSums:
        """Average the rows' derivatives over the nodes, each with its share."""
        rows, part = self.problem.rows, self.part
        z = part.columns[0]
        fixed = self.problem.predictor(state.modes.gamma)
        out = _NodeSums(n=len(fixed), J=part.n_levels)
        for x, u, share in zip(self.x, state.nodes, state.shares, strict=True):
            eta = fixed + self._random(theta * u)
            score = rows.values(eta, state.shape).score
            S = part.level_sums(times(z, score))
            each = part.at_rows(share)
            out.score += each * score
            out.by_theta += share * u * S
            out.B0 += share * (theta * S - u)
            out.B1 += share * x * (theta * S - u)
            if self.problem.has_shape:
                out.shape += each * rows.shape_values(eta, state.shape).loglik
        return out

    def _random(self, b: FloatArray) -> FloatArray:
        return times(self.part.columns[0], self.part.at_rows(b))

    def _curvature(self, w: FloatArray, theta: float) -> FloatArray:
        z = self.part.columns[0]
        return 1.0 + theta**2 * self.part.level_sums(times(z, times(z, w)))


class _NodeSums:
    """Sums over nodes while they are made."""

    def __init__(self, n: int, J: int) -> None:
        self.score, self.shape = np.zeros(n), np.zeros(n)
        self.by_theta, self.B0, self.B1 = np.zeros(J), np.zeros(J), np.zeros(J)
