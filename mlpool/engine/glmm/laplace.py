"""Laplace's approximation of the deviance and its exact gradient.

    D(theta, beta, phi) = -2 log p(y | eta-hat) + u'u + log|M|      M = Lambda'Z'W Z Lambda + I

at the conditional modes u (Bates et al. 2015, JSS 67(1); Breslow & Clayton 1993, JASA 88). With
d_i = z_i'Lambda M^-1 Lambda'z_i, the slope g = w' d of log|M| by eta, and how the modes move
(implicit differentiation of their equation, H = Lambda'Z'Wo Z Lambda + I),

    v = Lambda H^-1 Lambda' Z'g     r = g - Wo Z v     t = Z'r     e = Z's
    dD/dbeta   = X'(r - 2 s)
    dD/dLambda = [2 sum_j K_j - 2 e e' + t e' + e t'] Lambda         K = Z'W(I - Z N Z'W)Z
    dD/dlog phi = -2 d loglik + d'(dw) + (Z v)'(ds)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from mlpool.engine.factorization.block_cholesky import Elimination, Reduced
from mlpool.engine.factorization.small_matrices import multiply, transpose
from mlpool.engine.glmm.conditional_modes import Modes, combine, find_modes, keep
from mlpool.engine.glmm.likelihood import RowValues
from mlpool.engine.glmm.prepared_data import Problem
from mlpool.engine.glmm.random_effects import Effects
from mlpool.errors import FitError
from mlpool.typing import BoolArray, FloatArray

LOST = 1e-6
"""A squared length below zero, relative to the log-likelihood, that is no rounding of a mode: on
the edge of the range weights are infinite and modes have no digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Everything at one point of the parameter space.

    Attributes
    ----------
    factors : tuple of ndarray
        Lambda, in the order of elimination.
    shape : float
    modes : Modes
    values : RowValues
    elimination : Elimination
        With the determinant's weights.
    value : float
        D, the constant included.
    """

    factors: tuple[FloatArray, ...]
    shape: float
    modes: Modes
    values: RowValues
    elimination: Elimination
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Slopes:
    """Derivatives of D before they are summed over rows and levels.

    Attributes
    ----------
    fixed : ndarray of shape (n,)
        By each row's fixed part of eta.
    random : tuple of ndarray (q, q, J)
        dD/dLambda per level; of the core's factors summed, (q, q, 1).
    shape : ndarray of shape (n,) or None
    """

    fixed: FloatArray
    random: tuple[FloatArray, ...]
    shape: FloatArray | None


class Laplace:
    """D as a function of x = (theta, gamma, log phi), or of (theta, log phi) if `joint`.

    Parameters
    ----------
    problem : Problem
    joint : bool
        Take for gamma what minimises the penalised deviance (lme4's ``nAGQ = 0``).
    """

    def __init__(self, problem: Problem, *, joint: bool = False) -> None:
        self.problem, self.joint = problem, joint
        self.gamma = np.zeros(problem.p)
        self.start: Reduced | None = None
        self.steps = 0

    @property
    def k(self) -> int:
        """Covariance parameters at the head of x."""
        return self.problem.k

    def free(self, x: FloatArray) -> BoolArray:
        """Tell which entries of x are off their boundary: columns with a zero diagonal are not."""
        template = self.problem.template
        term, _, col = template.index
        out = np.ones(len(x), dtype=np.bool_)
        for i in np.flatnonzero(template.is_diagonal & (x[: template.k] == 0.0)):
            out[: template.k][(term == term[i]) & (col == col[i])] = False
        return out

    @property
    def user_map(self) -> FloatArray:
        """The matrix (k, k) from the user's covariance parameters to those of x."""
        return self.problem.theta_map

    def theta_slopes(self, state: State) -> FloatArray:
        """Return d theta / d (the user's covariance parameters), (k_theta, k)."""
        return self.problem.theta_map

    def split(self, x: FloatArray) -> tuple[FloatArray, FloatArray, float]:
        """Return theta, gamma and the family's parameter."""
        k, p = self.k, 0 if self.joint else self.problem.p
        shape = 1.0
        if self.problem.has_shape:
            shape = float(np.exp(np.clip(x[k + p], *self.problem.rows.shape_limits)))
        return x[:k], self.gamma if self.joint else x[k : k + p], shape

    def state(self, x: FloatArray) -> State:
        """Find the modes at x."""
        theta, gamma, shape = self.split(x)
        problem = self.problem
        factors = problem.factors(theta)
        modes = find_modes(problem, factors, gamma, shape, self.start, joint=self.joint)
        values = modes.values
        elimination = problem.effects.eliminate(values.weight, factors)
        self.steps += modes.steps
        if modes.penalty < -LOST * (1.0 + abs(values.loglik)):
            raise FitError(problem.nowhere(gamma))
        value = -2.0 * (values.loglik + problem.constant) + modes.penalty + elimination.logdet
        return State(
            factors=factors, shape=shape, modes=modes, values=values, elimination=elimination,
            value=float(value),
        )  # fmt: skip

    def evaluate(self, x: FloatArray) -> tuple[float, FloatArray]:
        """Return D and its gradient by x."""
        state = self.state(x)
        return state.value, self.gradient(state)

    def accept(self, state: State) -> None:
        """Start the next search for modes here."""
        self.start, self.gamma = state.modes.e, state.modes.gamma

    def gradient(self, state: State) -> FloatArray:
        """Return dD/dx."""
        problem = self.problem
        slopes = self.slopes(state)
        out = [theta_gradient(problem, [G.sum(axis=2) for G in slopes.random])]
        if not self.joint:
            out.append(problem.XT @ slopes.fixed)
        if slopes.shape is not None:
            low, high = np.exp(problem.rows.shape_limits)
            inside = low < state.shape < high
            out.append(np.array([slopes.shape.sum() if inside else 0.0]))
        return np.concatenate(out)

    def slopes(self, state: State) -> Slopes:
        """Return the derivatives by rows and levels."""
        return slopes_of(self.problem, state, joint=self.joint)


def slopes_of(problem: Problem, state: State, *, joint: bool = False) -> Slopes:
    """Return the derivatives of D by rows and levels."""
    effects, values = problem.effects, state.values
    d = effects.row_variances(state.elimination)
    g = values.slope * d
    observed = state.elimination
    if not problem.rows.has_one_weight:
        observed = effects.eliminate(values.observed, state.factors)
    v, t, from_fixed = _implicit(problem, observed, values.observed, g, joint)
    moved = effects.dot(v) + from_fixed
    r = g - values.observed * moved
    shape = None
    if problem.has_shape:
        by_shape = problem.rows.shape_values(state.modes.eta, state.shape)
        shape = -2.0 * by_shape.loglik + d * by_shape.weight + moved * by_shape.score
    e = effects.by_factor(state.modes.e)
    random = []
    for lam, K, own, later in zip(
        state.factors,
        information_blocks(state.elimination),
        e,
        effects.by_factor(t),
        strict=True,
    ):
        cross = later[:, None] * own[None]
        change = cross + transpose(cross) - 2.0 * own[:, None] * own[None]
        if K.shape[2] == 1 and change.shape[2] != 1:
            change = change.sum(axis=2, keepdims=True)
        random.append(np.einsum("abj,bc->acj", 2.0 * K + change, lam))
    return Slopes(fixed=r - 2.0 * values.score, random=tuple(random), shape=shape)


def _implicit(
    problem: Problem, observed: Elimination, w: FloatArray, g: FloatArray, joint: bool
) -> tuple[Reduced, Reduced, FloatArray]:
    """Return v, t = Z'r and what moving fixed effects add to the predictor."""
    if not joint:
        c = problem.effects.transposed(g[None])
        v, t = observed.residuals(observed.reduce(c.levels, c.core))
        return v, t, np.zeros(len(g))
    columns = np.vstack([problem.XT * w, g])
    c = problem.effects.transposed(columns)
    reduced = observed.reduce(c.levels, c.core)
    p = problem.p
    S = problem.XT @ columns.T - observed.inner(keep(reduced, slice(0, p)), reduced)
    gamma = np.asarray(cho_solve(cho_factor(S[:, :p]), S[:, p])) if p else np.empty(0)
    v, t = observed.residuals(combine(reduced, np.append(-gamma, 1.0)))
    return v, t, gamma @ problem.XT


def theta_gradient(problem: Problem, slopes: list[FloatArray]) -> FloatArray:
    """Return dD/dtheta from dD/dLambda (q, q) of every factor."""
    out = np.empty(problem.k)
    for f, slope in zip(problem.effects.order, slopes, strict=True):
        where, row, col = problem.entries(f)
        out[where] = slope[row, col]
    return out


def information_blocks(elimination: Elimination) -> list[FloatArray]:
    """Return K of every level of the chain's factors (q, q, J); summed for the core's."""
    selected = elimination.select()
    out = []
    for done, form in zip(elimination.levels, selected.quadratic, strict=True):
        out.append(done.K - multiply(multiply(done.R, form), transpose(done.R)))
    if elimination.core is not None:
        out += [
            elimination.core.information(i)[:, :, None] for i in range(len(elimination.core.places))
        ]
    return out


def conditional_vcov(problem: Problem, effects: Effects, state: State) -> FloatArray:
    """Return (X'V^-1 X)^-1 of the working columns at given theta (lme4's RX)."""
    w = state.values.weight
    columns = problem.XT * w
    if problem.p == 0:
        return np.empty((0, 0))
    c = effects.transposed(columns)
    reduced = state.elimination.reduce(c.levels, c.core)
    S = problem.XT @ columns.T - state.elimination.inner(reduced, reduced)
    S = (S + S.T) / 2.0
    if not np.all(np.isfinite(S)):
        raise np.linalg.LinAlgError("the information is not finite")
    V = _inverse(S)
    if not np.all(np.isfinite(V)):
        raise np.linalg.LinAlgError("the information has no digits")
    return V


def _inverse(S: FloatArray) -> FloatArray:
    try:
        return np.asarray(cho_solve(cho_factor(S), np.eye(len(S))))
    except np.linalg.LinAlgError:
        # Separated outcomes leave directions without information: their variance is enormous.
        values, vectors = np.linalg.eigh(S)
        # rounding of the largest eigenvalue; the smallest number keeps zero from a division by zero
        floor = np.finfo(np.float64).eps * max(float(values[-1]), np.finfo(np.float64).tiny)
        # Without any information it overflows, which the caller refuses: no event of NumPy's.
        with np.errstate(over="ignore", invalid="ignore"):
            return np.asarray((vectors / np.maximum(values, floor)) @ vectors.T)
