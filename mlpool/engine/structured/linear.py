"""Linear mixed models some of whose terms have a covariance of few parameters.

The criterion is that of the same terms without a structure, as a function of psi
(:mod:`mlpool.engine.structured.covariance_map`): d D / d psi = (d theta / d psi)' d D / d theta.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from mlpool.engine.lmm.criterion import Criterion
from mlpool.engine.lmm.user_start import user_start
from mlpool.engine.optimizer.convergence import singular_finding
from mlpool.engine.optimizer.diagnostics import identification_diagnostic, search_diagnostics
from mlpool.engine.residual.search import minimise
from mlpool.engine.structured.covariance_map import CovarianceMap, Structure
from mlpool.engine.types import Control, Diagnostic, Optimum
from mlpool.typing import FloatArray

_CENTRAL = 2e-3
"""Step of four-point differences in psi, which has no unit: their error is its fourth power."""
_END_TOL = 1e-11
"""Change of the deviance per row that is no worse."""
_LARGEST = 1e3
"""Ratio of an SD to sigma, in units of the columns', from which sigma is none."""
_BEYOND = 10.0
"""Factor on that ratio where estimates are taken: sigma^2 is then 1e-8 of the variance."""
_NO_RESIDUAL = (
    "The residual variance is zero: the structured term explains every row, as a residual "
    "structure would; write it as correlation= and leave the term out."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The criterion at one psi."""

    value: float
    gradient: FloatArray


class StructuredCriterion:
    """The criterion as a function of psi.

    Parameters
    ----------
    objective : Criterion
        Of the same terms without a structure, as a function of theta.
    structures : tuple of (Structure or None)
    is_bounded : bool
        Whether the deviance is taken as flat where sigma is none beside the random effects: then a
        search ends there.
    """

    def __init__(
        self,
        objective: Criterion,
        structures: tuple[Structure | None, ...],
        *,
        is_bounded: bool = True,
    ) -> None:
        self.objective, self.is_bounded = objective, is_bounded
        self.map = CovarianceMap(
            sizes=objective.template.sizes, structures=structures, units=objective.scale
        )
        self.n = objective.n

    def evaluate(self, psi: FloatArray) -> Place:
        """Return deviance and gradient.

        Raises
        ------
        numpy.linalg.LinAlgError
            Where the criterion does not exist.
        """
        theta, slopes = self.map.theta(psi), self.map.jacobian(psi)
        if not np.all(np.isfinite(theta)):
            raise np.linalg.LinAlgError("theta is not finite")
        shares = np.abs(theta / self.objective.scale)
        most = int(np.argmax(shares))
        if shares[most] > _LARGEST and self.is_bounded:
            # further out only sigma shrinks: the deviance is taken as flat there
            slopes = slopes - np.outer(theta, slopes[most] / theta[most])
            theta, slopes = theta * _LARGEST / shares[most], slopes * _LARGEST / shares[most]
        value, slope = self.objective.evaluate(theta)
        return Place(value=value, gradient=slopes.T @ slope)

    def has_no_residual(self, theta: FloatArray) -> bool:
        """Tell whether sigma is none beside the random effects."""
        return bool(np.max(np.abs(theta / self.objective.scale)) >= _LARGEST)


def search_structured(criterion: StructuredCriterion, control: Control) -> Optimum:
    """Return the best optimum of several starts, with `start`, `end` and the log in psi.

    Raises
    ------
    FitError
        If the criterion exists at no start.
    """
    objective, own = criterion.objective, criterion.map
    if control.start is None:
        starts = own.starts(objective.scale)
    else:
        starts = [own.inner_psi(user_start(control, objective.template))]
    found = _at_ends(criterion, minimise(criterion, starts, control))
    theta = own.theta(found.end)
    if not criterion.has_no_residual(theta):
        return found
    ratio = float(np.max(np.abs(theta / objective.scale)))
    return replace(found, end=own.psi(theta * (_BEYOND * _LARGEST / ratio)), converged=True)


def _at_ends(criterion: StructuredCriterion, found: Optimum) -> Optimum:
    """Take standard deviations of zero and correlations at their end where they are no worse."""
    best = found
    for i, at in enumerate(criterion.map.ends(found.end, criterion.objective.scale)):
        if np.isfinite(at):
            continue
        psi = best.end.copy()
        psi[i] = at
        try:
            there = criterion.evaluate(psi)
        except np.linalg.LinAlgError:
            continue
        if there.value <= found.criterion + _END_TOL * criterion.n:
            best = replace(best, end=psi, criterion=there.value, gradient=there.gradient)
    return best


def differences(
    function: Callable[[FloatArray], tuple[FloatArray, FloatArray]], psi: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return four-point differences (k, .) of both answers; zero for parameters at their end."""
    shapes = [len(one) for one in function(psi)]
    found = np.zeros((len(psi), shapes[0])), np.zeros((len(psi), shapes[1]))
    for i in np.flatnonzero(np.isfinite(psi)):
        for weight, places in ((8.0, 1.0), (-1.0, 2.0)):
            for sign in (1.0, -1.0):
                there = psi.copy()
                there[i] += sign * places * _CENTRAL
                for out, one in zip(found, function(there), strict=True):
                    out[i] += weight * sign / (12.0 * _CENTRAL) * one
    return found


def hessian_at(criterion: StructuredCriterion, psi: FloatArray) -> FloatArray:
    """Return second derivatives (k, k); zero at ends of ranges."""
    H, _ = differences(lambda at: (criterion.evaluate(at).gradient, np.empty(0)), psi)
    free = np.isfinite(psi)
    return np.asarray(0.5 * (H + H.T) * np.outer(free, free))


def structured_findings(
    criterion: StructuredCriterion, optimum: Optimum, control: Control
) -> tuple[Diagnostic, ...]:
    """Return what should be said about a fit, most serious first."""
    objective, psi = criterion.objective, optimum.end
    theta = criterion.map.theta(psi)
    if criterion.has_no_residual(theta):
        size = float(np.max(np.abs(theta / objective.scale)))
        return (
            Diagnostic(
                code="boundary", severity="info", value=size, threshold=_LARGEST,
                hint=_NO_RESIDUAL,
            ),
        )  # fmt: skip
    H = hessian_at(criterion, psi)
    free = np.diag(H) > 0
    steepest = float(np.abs(optimum.gradient[free] / np.sqrt(np.diag(H)[free])).max(initial=0.0))
    found = (
        *search_diagnostics(optimum, steepest, control),
        *singular_finding(objective.template, objective.standards, theta, control.singular_tol),
    )
    bend = np.sqrt(np.where(free, np.diag(H), 1.0))
    inner = np.isfinite(psi)
    scaled = (H / np.outer(bend, bend))[np.ix_(inner, inner)]
    return found or identification_diagnostic(scaled)
