"""The least deviance of a generalised linear mixed model with one parameter held.

A parameter is held by a linear path through x = (theta, gamma, log phi), x = x0(v) + N(v) z, and
the deviance is minimised over z.

    SD of a column     the term's columns are reordered so that it is the first: theta_1 = SD
    correlation        the two columns come first: row 2 of Lambda is SD_2 (r, sqrt(1 - r^2))
    coefficient        gamma = R beta: gamma moves along a tangent on which the others yield
    sigma              log phi = 2 log sigma

Reordering a term's columns changes neither the model nor its deviance.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.linalg import null_space, solve_triangular

from mlpool.engine.glmm.curvature import scoring
from mlpool.engine.glmm.fit import make_objective, x_of
from mlpool.engine.glmm.laplace import Laplace, State
from mlpool.engine.glmm.prepared_data import Problem
from mlpool.engine.glmm.search import minimise
from mlpool.engine.glmm.types import GlmmData, GlmmFit
from mlpool.engine.rank import TOLERANCE
from mlpool.engine.theta import Template, lower_form
from mlpool.engine.threads import blas_threads
from mlpool.engine.types import ArrayRows, Control
from mlpool.errors import FitError
from mlpool.typing import FloatArray, IntArray

_FLAT, _FAR = 50.0, 10.0
"""Standard errors, in typical differences on the link scale (log odds, log means), from which the
likelihood is flat: no link tells means apart there; and a step towards where it is not."""

_NOTHING = 1e-7
"""Information of a row on a typical difference that is none: its mean is the response's in as many
digits, as only separated outcomes' are."""


class Model:
    """The criterion, its minimum, and minima on paths. Made when it is first needed.

    Parameters
    ----------
    data : GlmmData
    fit : GlmmFit
    control : Control
    orders : dict from int to list of int
        New order of the columns of some terms.
    """

    def __init__(
        self, data: GlmmData, fit: GlmmFit, control: Control, orders: dict[int, list[int]]
    ) -> None:
        self._given = (data, fit, replace(control, progress=False), orders)
        self.template = Template(tuple(term.z.shape[1] for term in data.terms))
        factors = [
            lower_form(lam[orders[t]]) if t in orders else lam
            for t, lam in enumerate(self.template.matrices(fit.theta))
        ]
        self.factors, self.beta, self.dispersion = factors, fit.beta, fit.dispersion
        self.flat = np.empty((len(fit.beta), 0))
        self._made: tuple[Laplace, FloatArray, FloatArray, float, FloatArray] | None = None

    @property
    def made(self) -> tuple[Laplace, FloatArray, FloatArray, float, FloatArray]:
        """The objective, x and typical sizes, the least deviance, a covariance of x."""
        if self._made is None:
            with blas_threads(1):
                self._made = self._make()
        return self._made

    def _make(self) -> tuple[Laplace, FloatArray, FloatArray, float, FloatArray]:
        data, fit, control, orders = self._given
        terms = tuple(
            replace(term, z=ArrayRows(np.ascontiguousarray(term.z.rows(0, data.n)[:, orders[t]])))
            if t in orders
            else term
            for t, term in enumerate(data.terms)
        )
        problem = Problem.of(replace(data, terms=terms), control, fit.kept)
        objective = make_objective(problem, fit.n_quadrature)
        theta = problem.of_user(self.template.pack(self.factors))
        parts = [theta, problem.R @ fit.beta]
        if problem.has_shape:
            parts.append(np.array([np.log(fit.dispersion)]))
        x = np.concatenate(parts)
        state = objective.state(x)
        objective.accept(state)
        self.flat = _flat_directions(problem, state)
        covariance = np.linalg.inv(self._information(objective, x, state))
        sizes = np.full(len(x), np.inf)
        sizes[: problem.k] = problem.unit
        return objective, x, sizes, state.value, np.asarray(covariance)

    @cached_property
    def theta_map(self) -> FloatArray:
        """What takes the user's theta, with gamma and log phi as they are, to x (k, k)."""
        objective, x, _, _, _ = self.made
        M = np.eye(len(x))
        k = objective.problem.k
        M[:k, :k] = objective.problem.theta_map
        return M

    def index(self, term: int, row: int, column: int) -> int:
        """Return the place of an entry of Lambda in theta."""
        own, rows, columns = self.template.index
        return int(np.flatnonzero((own == term) & (rows == row) & (columns == column))[0])

    def minimum(self, path: Path, value: float, z: FloatArray) -> Minimum:
        """Minimise over z while a parameter has a value.

        Raises
        ------
        FitError, LinAlgError
            Where the deviance does not exist.
        """
        objective, x, sizes, _, _ = self.made
        x0, N = path(value)
        ways, still = np.eye(N.shape[1]), np.zeros(N.shape[1])
        if self.flat.shape[1] and not path.is_flat:
            if self.flat.shape[1] == objective.problem.p:
                raise FitError("Complete separation leaves nothing to tell a variance by.")
            ways, still = self._ways_that_count(x0, N)
        z, x0, N = ways.T @ (z - still), x0 + N @ still, N @ ways
        held = _Held(objective, x0, N)
        is_free = np.isinf(sizes)
        limits = np.where(is_free, 0.0, sizes) @ np.abs(N)
        limits[(N[is_free] != 0.0).any(axis=0)] = np.inf

        def curvature(state: State) -> FloatArray:
            at = x_of(objective, state, x)
            if path.is_flat:
                return np.asarray(N.T @ scoring(objective, at, state) @ N)
            return np.asarray(N.T @ (2.0 * self._information(objective, at, state)) @ N)

        with blas_threads(1):
            found = minimise(held, z, limits, curvature, self._given[2])
            gradient = objective.gradient(found.state)
        return Minimum(found.state.value, still + ways @ found.x, gradient, found.converged)

    def _information(self, objective: Laplace, x: FloatArray, state: State) -> FloatArray:
        """Return the information (k, k).

        Flat directions get as much as tells them from others and leaves these their digits, which
        their own variances (of millions of millions) would not.
        """
        if not self.flat.shape[1]:
            return scoring(objective, x, state) / 2.0
        problem = objective.problem
        # the basis is orthonormal: the cut-off is a share of one
        rest = np.asarray(null_space(self.flat.T))
        found = scoring(objective, x, state, rest) / 2.0
        own = slice(problem.k, problem.k + problem.p)
        found[own, own] += self.flat @ self.flat.T / (2.0 * _FLAT * problem.unit) ** 2
        return found

    def _ways_that_count(self, x0: FloatArray, N: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return a basis of the z that leave flat directions alone, and a z where these stay.

        Along these the deviance is where it ends at infinity, and a search would only get lost.
        """
        problem = self.made[0].problem
        own = slice(problem.k, problem.k + problem.p)
        moved = self.flat.T @ N[own]
        left = self.flat.T @ (self.made[1][own] - x0[own])
        # both bases are orthonormal: cut-offs are shares of one
        return np.asarray(null_space(moved)), np.asarray(np.linalg.pinv(moved) @ left)


def _flat_directions(problem: Problem, state: State) -> FloatArray:
    """Return an orthonormal basis (p, f) of how gamma moves separated outcomes, and nothing else.

    Rows of separated outcomes have run to where their means say nothing of the predictor any more;
    the likelihood is flat along what the other rows do not see.
    """
    is_seen = state.values.weight * problem.unit**2 > _NOTHING
    # columns have a mean square of one: the cut-off is a share without units
    return np.asarray(null_space(problem.XT[:, is_seen].T, rcond=TOLERANCE))


@dataclass(frozen=True, slots=True)
class Minimum:
    """The least deviance with a parameter held, where it is, its slope by x, and whether sure."""

    deviance: float
    z: FloatArray
    gradient: FloatArray
    converged: bool


class _Held:
    """The deviance as a function of z."""

    def __init__(self, objective: Laplace, x0: FloatArray, N: FloatArray) -> None:
        self._objective, self._x0, self._N = objective, x0, N

    def state(self, z: FloatArray) -> State:
        return self._objective.state(self._x0 + self._N @ z)

    def gradient(self, state: State) -> FloatArray:
        return np.asarray(self._N.T @ self._objective.gradient(state))

    def accept(self, state: State) -> None:
        self._objective.accept(state)


# --- paths --------------------------------------------------------------------------------------


class Path(ABC):
    """How x follows a held value: x = x0(value) + N(value) z."""

    def __init__(self, model: Model) -> None:
        self.model = model

    @abstractmethod
    def __call__(self, value: float) -> tuple[FloatArray, FloatArray]:
        """Return x0 (k,) and N (k, k - 1)."""

    def se(self) -> float:
        """Return the parameter's standard error, roughly; NaN if unknown."""
        return float("nan")

    @property
    def is_flat(self) -> bool:
        """Whether the likelihood hardly changes on the way: a coefficient that runs to infinity."""
        return False

    def holds(self, value: float, z: FloatArray) -> bool:
        """Tell whether the parameter has its value at z, not another one of the same path."""
        return True


class SdPath(Path):
    """Holds the SD of a term's first column."""

    def __init__(self, model: Model, term: int) -> None:
        super().__init__(model)
        self._at = model.index(term, 0, 0)

    def __call__(self, value: float) -> tuple[FloatArray, FloatArray]:
        """Return x0 and N."""
        M, at = self.model.theta_map, self._at
        x0 = np.zeros(len(M))
        # The map is lower triangular: no other entry of the user's theta has a part in this one.
        x0[at] = M[at, at] * value
        return x0, np.delete(np.eye(len(M)), at, axis=1)

    def se(self) -> float:
        """Return the SD's standard error."""
        at = self._at
        return float(np.sqrt(self.model.made[4][at, at]) / self.model.theta_map[at, at])


class CorrelationPath(Path):
    """Holds the correlation of a term's first two columns."""

    def __init__(self, model: Model, term: int) -> None:
        super().__init__(model)
        self._first = model.index(term, 0, 0)
        self._at: IntArray = np.array([model.index(term, 1, 0), model.index(term, 1, 1)])

    def __call__(self, value: float) -> tuple[FloatArray, FloatArray]:
        """Return x0 and N: z holds the second column's SD in the first place of its row."""
        M = self.model.theta_map
        N = np.delete(np.eye(len(M)), self._at[1], axis=1)
        N[self._at, int(self._at[0])] = np.array([value, np.sqrt(1.0 - value**2)])
        return np.zeros(len(M)), M @ N

    def holds(self, value: float, z: FloatArray) -> bool:
        """Tell whether both SDs have one sign: with two signs the correlation is ``-value``."""
        return float(z[self._first]) * float(z[self._at[0]]) > 0.0


class SigmaPath(Path):
    """Holds the root of the dispersion."""

    def __call__(self, value: float) -> tuple[FloatArray, FloatArray]:
        """Return x0 and N."""
        _, x, _, _, _ = self.model.made
        x0 = np.zeros(len(x))
        x0[-1] = 2.0 * np.log(value)
        return x0, np.delete(np.eye(len(x)), len(x) - 1, axis=1)

    def se(self) -> float:
        """Return sigma's standard error."""
        return float(0.5 * np.sqrt(self.model.dispersion * self.model.made[4][-1, -1]))


class FixedPath(Path):
    """Holds a coefficient, r'gamma with r the i-th row of R^-1.

    While it moves, the others yield along the tangent V r / r'V r, and z is what they deviate from
    that in directions orthogonal to r: the origin of a predictor (calendar years) and its unit
    change nothing.
    """

    def __init__(self, model: Model, i: int) -> None:
        super().__init__(model)
        self._i = i

    def __call__(self, value: float) -> tuple[FloatArray, FloatArray]:
        """Return x0 and N."""
        _, x, _, _, _ = self.model.made
        own, _, tangent, across = self._directions
        x0 = np.zeros(len(x))
        x0[own] = x[own] + (value - float(self.model.beta[self._i])) * tangent
        N = np.delete(np.eye(len(x)), own.start, axis=1)
        N[own, own.start : own.stop - 1] = across
        return x0, N

    @cached_property
    def _directions(self) -> tuple[slice, FloatArray, FloatArray, FloatArray]:
        """Where gamma stands, r, the tangent, an orthonormal basis of the rest (p, p - 1)."""
        objective, _, _, _, V = self.model.made
        problem = objective.problem
        own = slice(problem.k, problem.k + problem.p)
        unit = np.zeros(problem.p)
        unit[self._i] = 1.0
        r = solve_triangular(problem.R, unit, trans="T")
        pull = V[own, own] @ r
        across = np.linalg.qr(r[:, None], mode="complete")[0][:, 1:]
        return own, r, pull / float(r @ pull), across

    def se(self) -> float:
        """Return the coefficient's standard error at given theta, no further than links tell.

        A coefficient that runs to infinity has one of millions: a step of that length leaves
        everything that the data know behind.
        """
        return self._wald if not self.is_flat else self._reach * _FAR

    @property
    def is_flat(self) -> bool:
        """Whether the coefficient runs to infinity."""
        return not self._wald < self._reach * _FLAT

    @cached_property
    def _wald(self) -> float:
        own, r, _, _ = self._directions
        return float(np.sqrt(r @ self.model.made[4][own, own] @ r))

    @cached_property
    def _reach(self) -> float:
        """Return what moves the predictor by a typical difference; columns have mean square one."""
        tangent = self._directions[2]
        return float(self.model.made[0].problem.unit / np.linalg.norm(tangent))
