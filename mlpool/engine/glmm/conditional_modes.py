"""Conditional modes of the random effects: penalised iteratively reweighted least squares.

At given theta (and beta, unless it is solved for too) the modes minimise

    h(u) = -2 log p(y | eta) + u'u        eta = X beta + offset + Z b,  b = Lambda u

u always lies in the range of Lambda'. Written u = Lambda'e the Newton step is

    b = N c    e = (I + A Sigma)^-1 c     c = Z'(w Z b + s)     A = Z'WZ, N = Lambda M^-1 Lambda'

(score s, weights w), which needs no inverse of Lambda: a singular one is no special case. At the
mode e = Z's and u'u = e'b. Bates et al. (2015, JSS 67(1), section 2) has the linear case.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from mlpool.engine.factorization.block_cholesky import Elimination, Reduced
from mlpool.engine.glmm.likelihood import RowValues
from mlpool.engine.glmm.prepared_data import Problem
from mlpool.errors import FitError
from mlpool.typing import FloatArray

MAX_STEPS, MAX_HALVINGS = 100, 40
DECREMENT = 1e-9
"""Squared length of a Newton step, in SDs of the modes, after which the next would be rounding."""
DECREMENT_CURVED = 1e-12
"""The same, in SDs, where weights are not a canonical link's: convergence is slower at first."""
DECREMENT_SCORING = 1e-17
"""The same, in SDs, where Fisher's weights stand in for negative ones: convergence is linear."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Modes:
    """The conditional modes at one theta (and beta).

    Attributes
    ----------
    b, e : Reduced
        Random effects ``b = Sigma e``, one column.
    gamma : ndarray of shape (p,)
        Fixed effects of the working columns.
    eta : ndarray of shape (n,)
    values : RowValues
        Of the rows at eta.
    penalty : float
        ``u'u``.
    steps : int
    """

    b: Reduced
    e: Reduced
    gamma: FloatArray
    eta: FloatArray
    values: RowValues
    penalty: float
    steps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Point:
    """One trial: effects, fixed effects, predictor and the penalised deviance."""

    b: Reduced
    e: Reduced
    gamma: FloatArray
    eta: FloatArray
    values: RowValues
    h: float

    @property
    def penalty(self) -> float:
        return inner(self.e, self.b)


def find_modes(  # noqa: PLR0913 - one argument per symbol of h
    problem: Problem,
    factors: tuple[FloatArray, ...],
    gamma: FloatArray,
    shape: float,
    start: Reduced | None = None,
    *,
    joint: bool = False,
) -> Modes:
    """Return the modes at given theta.

    Parameters
    ----------
    problem : Problem
    factors : tuple of ndarray (q, q)
        Lambda of every factor in the order of elimination.
    gamma : ndarray of shape (p,)
        Fixed effects (where to start, if `joint`).
    shape : float
        The family's own parameter.
    start : Reduced, optional
        e to start from; None: zero.
    joint : bool
        Solve for the fixed effects too (lme4's ``nAGQ = 0``).

    Raises
    ------
    FitError
        If the steps do not converge.
    """
    here = _starting_point(problem, factors, gamma, shape, start)
    for step in range(1, MAX_STEPS + 1):
        values = here.values
        w, limit = _weights(problem, values, here.eta, shape)
        elimination = problem.effects.eliminate(w, factors)
        towards = problem.effects.dot(here.b)
        if joint:
            towards = towards + here.gamma @ problem.XT
        b, e, new_gamma = _solve(problem, elimination, w, w * towards + values.score, joint)
        if not joint:
            new_gamma = here.gamma
        decrement = _decrement(problem, here, b, new_gamma, values.score)
        small = decrement < limit
        here = _line_search(problem, here, (b, e, new_gamma), shape, lenient=small)
        if small:
            return Modes(
                b=here.b,
                e=here.e,
                gamma=here.gamma,
                eta=here.eta,
                values=here.values,
                penalty=here.penalty,
                steps=step,
            )
    raise FitError(
        "The conditional modes of the random effects were not found: penalised least squares did "
        f"not converge in {MAX_STEPS} steps. A predictor or offset on a huge scale, or outcomes "
        "that a predictor separates completely, are the usual reasons." + problem.offset_note()
    )


def _weights(
    problem: Problem, values: RowValues, eta: FloatArray, shape: float
) -> tuple[FloatArray, float]:
    """Return the weights of a step, and the decrement that ends the search with such steps."""
    w = values.observed
    if problem.rows.is_canonical:
        return w, DECREMENT
    bad = ~(w > 0.0)
    if not bad.any():
        return w, DECREMENT_CURVED
    return np.where(bad, problem.rows.expected(eta, shape), w), DECREMENT_SCORING


def _starting_point(
    problem: Problem,
    factors: tuple[FloatArray, ...],
    gamma: FloatArray,
    shape: float,
    start: Reduced | None,
) -> _Point:
    zero = problem.zero_effects()
    e = zero if start is None else start
    here = _point(problem, problem.times_sigma(e, factors), e, gamma, shape)
    if start is not None and not np.isfinite(here.h):
        here = _point(problem, zero, zero, gamma, shape)
    if not np.isfinite(here.h):
        raise FitError(problem.nowhere(gamma))
    return here


def _point(problem: Problem, b: Reduced, e: Reduced, gamma: FloatArray, shape: float) -> _Point:
    eta = problem.predictor(gamma) + problem.effects.dot(b)
    values = problem.rows.values(eta, shape)
    h = -2.0 * values.loglik + inner(e, b)
    return _Point(b=b, e=e, gamma=gamma, eta=eta, values=values, h=h)


def _solve(
    problem: Problem, elimination: Elimination, w: FloatArray, right: FloatArray, joint: bool
) -> tuple[Reduced, Reduced, FloatArray]:
    """Solve the penalised normal equations; `right` is w times the working response."""
    if not joint:
        c = problem.effects.transposed(right[None])
        b, e = elimination.residuals(elimination.reduce(c.levels, c.core))
        return b, e, np.empty(0)
    columns = np.vstack([problem.XT * w, right])
    c = problem.effects.transposed(columns)
    reduced = elimination.reduce(c.levels, c.core)
    p = problem.p
    S = problem.XT @ columns.T - elimination.inner(keep(reduced, slice(0, p)), reduced)
    gamma = np.asarray(cho_solve(cho_factor(S[:, :p]), S[:, p])) if p else np.empty(0)
    b, e = elimination.residuals(combine(reduced, np.append(-gamma, 1.0)))
    return b, e, gamma


def _decrement(
    problem: Problem, here: _Point, b: Reduced, gamma: FloatArray, score: FloatArray
) -> float:
    """Return the gradient of h / 2 times the Newton step: its squared length in SDs."""
    slope = subtract(problem.effects.transposed(score[None]), here.e)
    value = inner(slope, subtract(b, here.b))
    if gamma is not here.gamma:
        value += float((problem.XT @ score) @ (gamma - here.gamma))
    return value


def _line_search(
    problem: Problem,
    here: _Point,
    towards: tuple[Reduced, Reduced, FloatArray],
    shape: float,
    *,
    lenient: bool,
) -> _Point:
    """Take the whole step, or half of it until h falls; near the mode rounding may win."""
    b, e, gamma = towards
    found = _point(problem, b, e, gamma, shape)
    if lenient and np.isfinite(found.h):
        return found
    # a share of half the penalised deviance, or of one of its units, is rounding
    slack = 1e-10 * (1.0 + abs(here.h))
    share = 1.0
    for _ in range(MAX_HALVINGS):
        if found.h <= here.h + slack:
            return found
        share /= 2.0
        found = _point(
            problem,
            blend(here.b, b, share),
            blend(here.e, e, share),
            here.gamma + share * (gamma - here.gamma),
            shape,
        )
    raise FitError(problem.nowhere(here.gamma))


# --- columns of all factors -------------------------------------------------------------------


def _map(function: object, *columns: Reduced) -> Reduced:
    f = function
    assert callable(f)
    levels = [f(*parts) for parts in zip(*(c.levels for c in columns), strict=True)]
    if columns[0].core is None:
        return Reduced(levels=levels, core=None)
    return Reduced(levels=levels, core=f(*(c.core for c in columns)))


def blend(a: Reduced, b: Reduced, share: float) -> Reduced:
    """Return a + share (b - a)."""
    return _map(lambda x, y: x + share * (y - x), a, b)


def subtract(a: Reduced, b: Reduced) -> Reduced:
    """Return a - b."""
    return _map(lambda x, y: x - y, a, b)


def keep(a: Reduced, columns: slice) -> Reduced:
    """Return some of the columns."""
    return _map(lambda x: x[..., columns], a)


def combine(a: Reduced, v: FloatArray) -> Reduced:
    """Return the linear combination a v, one column."""
    return _map(lambda x: (x @ v)[..., None], a)


def inner(a: Reduced, b: Reduced) -> float:
    """Return the inner product over all effects."""
    value = sum(float(np.vdot(x, y)) for x, y in zip(a.levels, b.levels, strict=True))
    if a.core is not None and b.core is not None:
        value += float(np.vdot(a.core, b.core))
    return value
