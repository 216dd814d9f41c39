"""Generalised mixed models some of whose terms have a covariance of few parameters.

Laplace's deviance as a function of x = (psi, gamma, log phi), with psi of
:mod:`mlpool.engine.structured.covariance_map` in place of theta; its gradient by the chain rule.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from scipy.linalg import block_diag

from mlpool.engine.glmm.curvature import scoring
from mlpool.engine.glmm.laplace import Laplace, State
from mlpool.engine.glmm.prepared_data import Problem
from mlpool.engine.glmm.search import Found, minimise
from mlpool.engine.glmm.starts import first_point, user_theta
from mlpool.engine.structured.covariance_map import CovarianceMap, Structure
from mlpool.engine.types import Control
from mlpool.errors import FitError
from mlpool.typing import BoolArray, FloatArray

_SHARES = (1.0, 0.3, 0.1)
"""Shares of the first standard deviations that are tried until a search arrives."""
_RIDGE = 1e-6
"""Share of the information that is added, and of one where there is none: psi has no unit."""
_END_TOL = 1e-11
"""Share of the deviance that is rounding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StructuredState(State):
    """The same with where it is.

    Attributes
    ----------
    x : ndarray (k + p + d,)
    """

    x: FloatArray


class StructuredLaplace(Laplace):
    """D as a function of x = (psi, gamma, log phi).

    Parameters
    ----------
    problem : Problem
    structures : tuple of (Structure or None)
    joint : bool
    """

    def __init__(
        self, problem: Problem, structures: tuple[Structure | None, ...], *, joint: bool = False
    ) -> None:
        super().__init__(problem, joint=joint)
        template = problem.template
        self.map = CovarianceMap(
            sizes=template.sizes, structures=structures, units=np.ones(template.k)
        )
        term = template.index[0]
        tied = np.isin(term, [t for t, s in enumerate(structures) if s is not None])
        # free terms move in the search's columns, structured ones in the user's
        self.to_search = np.where(np.outer(tied, tied), problem.theta_map, np.diag(~tied))

    @property
    def k(self) -> int:
        """Covariance parameters at the head of x."""
        return self.map.k

    @property
    def user_map(self) -> FloatArray:
        """The matrix (k, k) from the covariance parameters that are reported to those of x.

        Terms without a structure are reported by theta in the user's columns.
        """
        out, at = np.eye(self.k), 0
        template = self.problem.template
        for t, (structure, n) in enumerate(zip(self.map.structures, self.map.lengths, strict=True)):
            if structure is None:
                own = template.term_slice(t)
                out[at : at + n, at : at + n] = self.problem.theta_map[own, own]
            at += n
        return out

    def theta_slopes(self, state: State) -> FloatArray:
        """Return d theta / d (the reported covariance parameters), (k_theta, k)."""
        assert isinstance(state, StructuredState)
        return np.asarray(self.slopes_of_theta(state) @ self.user_map)

    def free(self, x: FloatArray) -> BoolArray:
        """Tell which entries of x are off the end of their range."""
        return np.asarray(np.isfinite(x))

    def split(self, x: FloatArray) -> tuple[FloatArray, FloatArray, float]:
        """Return theta, gamma and the family's parameter."""
        psi, gamma, shape = super().split(x)
        return self.to_search @ self.map.theta(psi), gamma, shape

    def state(self, x: FloatArray) -> StructuredState:
        """Find the modes at x."""
        theta, _, _ = self.split(x)
        if not np.all(np.isfinite(theta)):
            raise np.linalg.LinAlgError("theta is not finite")
        found = super().state(x)
        return StructuredState(x=x, **{f.name: getattr(found, f.name) for f in fields(found)})

    def gradient(self, state: State) -> FloatArray:
        """Return dD/dx."""
        assert isinstance(state, StructuredState)
        slope = super().gradient(state)
        head = self.problem.k
        return np.concatenate([self.slopes_of_theta(state).T @ slope[:head], slope[head:]])

    def slopes_of_theta(self, state: StructuredState) -> FloatArray:
        """Return d theta / d psi (k_theta, k) in the columns of the search."""
        return np.asarray(self.to_search @ self.map.jacobian(state.x[: self.k]))

    def curvature(self, state: State) -> FloatArray:
        """Return the Hessian that Fisher scoring takes."""
        assert isinstance(state, StructuredState)
        full = scoring(self, state.x, state)
        J = block_diag(self.slopes_of_theta(state), np.eye(len(full) - self.problem.k))
        own = J.T @ full @ J
        ridge = np.where(np.arange(len(own)) < self.k, _RIDGE * (np.diag(own) + 1.0), 0.0)
        return np.asarray(own + np.diag(ridge))


def search_structured(objective: StructuredLaplace, control: Control) -> tuple[Found, FloatArray]:
    """Return the best optimum of several starts, and its start.

    Raises
    ------
    FitError
        If no search arrives anywhere.
    """
    best: tuple[Found, FloatArray] | None = None
    failure: Exception | None = None
    log: list[tuple[tuple[float, ...], float]] = []
    for share in _SHARES:
        for start in _starts(objective, control, share):
            try:
                found = _from(objective, start, control)
            except (FitError, np.linalg.LinAlgError) as error:
                failure = error
                continue
            log += found.log
            if best is None or found.state.value < best[0].state.value:
                best = found, start
        if best is not None and best[0].converged:
            break
    if best is None:
        raise failure if isinstance(failure, FitError) else FitError(
            "The equations of the fit became singular at every start: a predictor may separate "
            "the outcomes."
        )  # fmt: skip
    best[0].log = log
    objective.accept(best[0].state)
    return _at_ends(objective, best[0]), best[1]


def _starts(objective: StructuredLaplace, control: Control, share: float) -> list[FloatArray]:
    """Return points with weak and with strong correlations, fixed effects of the plain model's."""
    problem, own = objective.problem, objective.map
    plain = Laplace(problem, joint=objective.joint)
    x, _ = first_point(problem, plain, Control(), share)
    objective.start, objective.gamma = plain.start, plain.gamma
    if control.start is not None:
        heads = [own.inner_psi(user_theta(problem, control.start))]
    else:
        heads = own.starts(np.asarray(np.linalg.solve(objective.to_search, x[: problem.k])))
    return [np.concatenate([head, x[problem.k :]]) for head in heads]


def _from(objective: StructuredLaplace, x: FloatArray, control: Control) -> Found:
    scale = np.full(len(x), np.inf)
    scale[: objective.k] = 1.0
    return minimise(objective, x, scale, objective.curvature, control)


def _at_ends(objective: StructuredLaplace, found: Found) -> Found:
    """Take standard deviations of zero and correlations at their end where they are no worse."""
    k = objective.k
    unit = np.full(objective.problem.k, objective.problem.unit)
    sizes = np.linalg.solve(objective.to_search, unit)
    slack = _END_TOL * max(1.0, abs(found.state.value))
    least = found.state.value
    for i, at in enumerate(objective.map.ends(found.x[:k], np.abs(sizes))):
        if np.isfinite(at):
            continue
        x = found.x.copy()
        x[i] = at
        try:
            state = objective.state(x)
        except (FitError, np.linalg.LinAlgError):
            continue
        if state.value <= least + slack:
            found.x, found.state, found.gradient = x, state, objective.gradient(state)
    return found
