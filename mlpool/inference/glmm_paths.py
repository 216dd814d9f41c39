"""The least deviance of a generalised linear mixed model with one parameter held.

A parameter is held by a linear path through x = (theta, gamma, log phi), x = x0(v) + N(v) z, and
the deviance is minimised over z.

    SD of a column     the term's columns are reordered so that it is the first: theta_1 = SD
    correlation        the two columns come first: row 2 of Lambda is SD_2 (r, sqrt(1 - r^2))
    coefficient        gamma = R beta: gamma moves along a column of R
    sigma              log phi = 2 log sigma

Reordering a term's columns changes neither the model nor its deviance.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

import numpy as np

from mlpool.engine.glmm.curvature import scoring
from mlpool.engine.glmm.fit import make_objective, x_of
from mlpool.engine.glmm.laplace import Laplace, State
from mlpool.engine.glmm.problem import Problem
from mlpool.engine.glmm.search import minimise
from mlpool.engine.glmm.types import GlmmData, GlmmFit
from mlpool.engine.theta import Template, lower_form
from mlpool.engine.threads import blas_threads
from mlpool.engine.types import ArrayRows, Control
from mlpool.typing import FloatArray, IntArray


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
        theta = self.template.pack(self.factors) / problem.scale
        parts = [theta, problem.R @ fit.beta]
        if problem.has_shape:
            parts.append(np.array([np.log(fit.dispersion)]))
        x = np.concatenate(parts)
        state = objective.state(x)
        objective.accept(state)
        covariance = np.linalg.inv(scoring(objective, x, state) / 2.0)
        sizes = np.full(len(x), np.inf)
        sizes[: problem.k] = 1.0
        return objective, x, sizes, state.value, np.asarray(covariance)

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
        held = _Held(objective, x0, N)
        is_free = np.isinf(sizes)
        limits = np.where(is_free, 0.0, sizes) @ np.abs(N)
        limits[(N[is_free] != 0.0).any(axis=0)] = np.inf
        with blas_threads(1):
            found = minimise(
                held, z, limits,
                lambda s: N.T @ scoring(objective, x_of(objective, s, x), s) @ N,
                self._given[2],
            )  # fmt: skip
            gradient = objective.gradient(found.state)
        return Minimum(found.state.value, found.x, gradient, found.converged)


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
        objective, x, _, _, _ = self.model.made
        x0 = np.zeros(len(x))
        x0[self._at] = value / objective.problem.scale[self._at]
        return x0, np.delete(np.eye(len(x)), self._at, axis=1)

    def se(self) -> float:
        """Return the SD's standard error."""
        objective, _, _, _, V = self.model.made
        return float(np.sqrt(V[self._at, self._at]) * objective.problem.scale[self._at])


class CorrelationPath(Path):
    """Holds the correlation of a term's first two columns."""

    def __init__(self, model: Model, term: int) -> None:
        super().__init__(model)
        self._first = model.index(term, 0, 0)
        self._at: IntArray = np.array([model.index(term, 1, 0), model.index(term, 1, 1)])

    def __call__(self, value: float) -> tuple[FloatArray, FloatArray]:
        """Return x0 and N: z holds the second column's SD in the first place of its row."""
        objective, x, _, _, _ = self.model.made
        N = np.delete(np.eye(len(x)), self._at[1], axis=1)
        scale = objective.problem.scale[self._at]
        N[self._at, int(self._at[0])] = np.array([value, np.sqrt(1.0 - value**2)]) / scale
        return np.zeros(len(x)), N

    def holds(self, value: float, z: FloatArray) -> bool:
        """Tell whether both SDs have one sign: with two signs the correlation is ``-value``."""
        x0, N = self(value)
        first = float((x0 + N @ z)[self._first])
        return first * float(z[self._at[0]]) > 0.0


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
    """Holds a coefficient: gamma = R beta."""

    def __init__(self, model: Model, i: int) -> None:
        super().__init__(model)
        self._i = i

    def __call__(self, value: float) -> tuple[FloatArray, FloatArray]:
        """Return x0 and N."""
        objective, x, _, _, _ = self.model.made
        problem = objective.problem
        N = np.eye(len(x))
        own = slice(problem.k, problem.k + problem.p)
        N[own, own] = problem.R
        at = problem.k + self._i
        return value * N[:, at], np.delete(N, at, axis=1)

    def se(self) -> float:
        """Return the coefficient's standard error at given theta."""
        objective, _, _, _, V = self.model.made
        problem = objective.problem
        row = np.linalg.solve(problem.R, np.eye(problem.p))[self._i]
        own = slice(problem.k, problem.k + problem.p)
        return float(np.sqrt(row @ V[own, own] @ row))
