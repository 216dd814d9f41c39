"""The simplest of the covariances that the data cannot tell apart.

Few groups say less than a covariance has numbers: three of them know nothing of an intercept's
variance beside a slope's, two factors of which one is nested in the other may share one contrast.
Then the deviance is level along a ridge, and where a search ends on it depends on the order of the
rows and on units. There the random effects that the deviance does without are set to zero, from the
last column of the last term to the first, in columns about their means and in units of their SDs,
until what is left is known. Nothing is set to zero that raises the deviance.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import numpy as np
from scipy.linalg import block_diag

from mlpool.engine.optimizer.convergence import Standards
from mlpool.engine.optimizer.diagnostics import EIGENVALUE_RATIO
from mlpool.engine.optimizer.newton import NOISE, Objective, minimise
from mlpool.engine.theta import FreeTemplate
from mlpool.engine.types import Control, Optimum
from mlpool.errors import FitError
from mlpool.typing import FloatArray

SAME = 1e-8
"""Difference of the deviance that is none: the hundredth part of what makes a valley deeper."""

Kept = tuple[tuple[int, ...], ...]
"""Columns of every term that have random effects."""


class Simplified(Objective, Protocol):
    """A criterion of the search that knows the standard columns."""

    standards: Standards

    def values(self, thetas: FloatArray) -> FloatArray:
        """Return the deviances (B,) at stacked theta (B, k); +inf where they do not exist."""


@dataclass(frozen=True)
class _Fewer:
    """A criterion as a function of the factors of some of its standard columns.

    Attributes
    ----------
    whole : Simplified
    kept : Kept
    """

    whole: Simplified
    kept: Kept

    @property
    def n(self) -> int:
        """Number of rows."""
        return self.whole.n

    @property
    def template(self) -> FreeTemplate:
        """Factors of the kept columns; terms without any are left out."""
        return FreeTemplate(tuple(len(rows) for rows in self.kept if rows))

    @property
    def scale(self) -> FloatArray:
        """Standard columns have typical sizes of one."""
        return np.ones(self.template.k)

    @cached_property
    def back(self) -> FloatArray:
        """Matrix (k, k here) that takes theta here to the whole one."""
        parts = []
        for S, rows in zip(self.whole.standards, self.kept, strict=True):
            columns = block_diag(*[np.linalg.inv(S)[:, list(rows)]] * len(rows))
            part = np.zeros((S.size, len(rows) ** 2))
            part[: columns.shape[0], : part.shape[1]] = columns if rows else 0.0
            parts.append(part)
        return np.asarray(block_diag(*parts))

    def evaluate(self, theta: FloatArray) -> tuple[float, FloatArray]:
        """Deviance and gradient."""
        value, gradient = self.whole.evaluate(self.back @ theta)
        return value, gradient @ self.back

    def hessian(self, theta: FloatArray) -> FloatArray:
        """Second derivatives at the theta that was evaluated last."""
        return np.asarray(self.back.T @ self.whole.hessian(self.back @ theta) @ self.back)

    def nearest(self, whole: FloatArray) -> FloatArray:
        """Return theta here with the covariances that the kept columns have in `whole`."""
        found = []
        factors = self.whole.template.matrices(whole)
        for S, lam, rows in zip(self.whole.standards, factors, self.kept, strict=True):
            if rows:
                root = np.asarray(np.linalg.qr((S @ lam)[list(rows)].T, mode="r"))
                found.append(root.T)
        return self.template.pack(found) if found else np.empty(0)

    def is_level(self, theta: FloatArray) -> bool:
        """Tell whether the deviance is level along some way through theta."""
        if not theta.size:
            return False
        N = self.template.directions(theta)
        self.evaluate(theta)
        values = np.linalg.eigvalsh(N.T @ self.hessian(theta) @ N)
        return bool(values[0] * EIGENVALUE_RATIO <= values[-1])


def simplest(objective: Simplified, found: Optimum, control: Control, *, searches: bool) -> Optimum:
    """Return `found`, or as deep an optimum with fewer random effects where there is a ridge.

    Parameters
    ----------
    objective : Simplified
        In the coordinates of the search.
    found : Optimum
    control : Control
    searches : bool
        Whether to search again without a column; else only what can be left out where it stands.
    """
    here = _Fewer(objective, tuple(tuple(range(k)) for k in objective.template.sizes))
    best, end = found.criterion, found.end
    slack = SAME + NOISE * objective.n
    theta = here.nearest(end)
    level = searches and here.is_level(theta)
    for kept in _without_each(objective.template.sizes):
        fewer = _Fewer(objective, _both(here.kept, kept))
        if fewer.kept == here.kept:
            continue
        less = fewer.nearest(here.back @ theta)
        if objective.values((fewer.back @ less)[None])[0] > best + slack:
            if not level:
                continue
            less = _searched(fewer, less, control)
            if objective.values((fewer.back @ less)[None])[0] > best + slack:
                continue
        here, theta = fewer, less
        end = here.back @ theta
        level = level and here.is_level(theta)
    if end is found.end:
        return found
    value, gradient = objective.evaluate(end)
    return replace(found, end=end, criterion=value, gradient=gradient)


def _without_each(sizes: tuple[int, ...]) -> Iterator[Kept]:
    """Yield all columns but one, from the last of the last term to the first."""
    for t in reversed(range(len(sizes))):
        for r in reversed(range(sizes[t])):
            yield tuple(tuple(i for i in range(k) if (s, i) != (t, r)) for s, k in enumerate(sizes))


def _both(one: Kept, other: Kept) -> Kept:
    return tuple(tuple(r for r in a if r in b) for a, b in zip(one, other, strict=True))


def _searched(fewer: _Fewer, start: FloatArray, control: Control) -> FloatArray:
    """Return the optimum from `start`, or `start` where none is found."""
    if not start.size:
        return start
    # a variance of zero is a saddle, where a search from it may begin by rounding only
    start = start + fewer.template.pack([np.eye(k) * STIR for k in fewer.template.sizes])
    try:
        found = minimise(fewer, start, control)
    except FitError:
        return start
    return found.end if found.converged else start


STIR = 1e-3
"""Relative SD, in standard columns, that a search without a column begins with at least."""
