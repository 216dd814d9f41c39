"""Starting values for theta from the sums, by two steps of Fisher scoring.

From any Sigma_0, E[sum_j E_j v v'E_j'] = sigma^2 sum_j (K_j + K_j (Sigma - Sigma_0) K_j) up to
terms of the fixed effects. Solving these moment equations for Sigma is Henderson's kind of estimate
with weights that suit Sigma_0 (Searle, Casella & McCulloch 1992, chapter 11, MINQUE), at the price
of one evaluation of the criterion each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mlpool.engine.optimizer.newton import Log
from mlpool.engine.sums.within import ROUNDING, left_within
from mlpool.engine.theta import Template, lower_factor
from mlpool.typing import FloatArray

if TYPE_CHECKING:
    from mlpool.engine.lmm.one_factor import OneFactor

FIRST_RATIO = 0.1
"""Var(b) / Var(e) of unit-scale columns assumed first: the usual size in grouped data."""
FAR_APART = 1e-4
"""Share of the response's squares left within clusters below which the first ratio is taken from
it: from 0.1 the steps would have far to go."""
STEPS = 2
"""Scoring steps: the second repairs what a poor first guess of Sigma did to the first."""
LEAST_RATIO, LEAST_SHARE = 1e-8, 1e-6
"""Smallest variance ratio to start from, absolute and as a share of the largest: just inside the
boundary, where the deviance already is the parabola in theta that Newton steps like."""


def scoring_start(objective: OneFactor) -> tuple[FloatArray, Log]:
    """Return starting values of theta (k,) and the (theta, criterion) evaluated on the way.

    The steps begin at ``Sigma_0 = 0.1 I`` in scaled columns, or where clusters lie far apart.
    """
    template = objective.template
    first = np.sqrt(_first_ratio(objective.within, objective.total))
    theta: FloatArray = np.where(template.is_diagonal, first * objective.scale, 0.0)
    log = []
    for _ in range(STEPS):
        step = _scoring_step(objective, theta)
        log.append((tuple(float(t) for t in theta), objective.solve(theta).value))
        theta = _moved(template, theta, step, objective.scale)
    return theta, tuple(log)


def _first_ratio(within: FloatArray, total: FloatArray) -> float:
    """Return the ratio of variances assumed first, from sums (p + 1, p + 1) of [X y]."""
    square, left = float(total[-1, -1]), left_within(within)
    is_far = ROUNDING**2 * square < left <= FAR_APART * square
    return square / left if is_far else FIRST_RATIO


def _scoring_step(objective: OneFactor, theta: FloatArray) -> FloatArray:
    """Change of the lower triangles of Sigma_t (k,) that solves the moment equations."""
    found, q = objective.solve(theta), objective.blocks.q
    flat = _directions(objective).reshape(-1, q * q)
    slope = flat @ objective.slope(found).ravel()
    information = flat @ found.parts.KK.transpose(1, 2, 3, 0).reshape(q * q, q * q) @ flat.T
    traces = flat @ found.parts.K.ravel()
    # Profiling out sigma costs a rank-one part of the information.
    information = information - np.outer(traces, traces) / objective.m
    # Entries of Sigma have the units of the predictors: only a unit diagonal compares them.
    size = np.sqrt(np.maximum(np.diag(information), 0.0))
    size[size == 0.0] = 1.0
    # a share of the largest eigenvalue of what has a unit diagonal
    step = np.linalg.lstsq(information / np.outer(size, size), slope / size, rcond=1e-10)[0]
    return np.asarray(-step / size, dtype=np.float64)


def _moved(
    template: Template, theta: FloatArray, step: FloatArray, scale: FloatArray
) -> FloatArray:
    """Return theta of Sigma + step, just inside the positive definite matrices."""
    matrices = zip(
        template.matrices(theta), template.matrices(step), template.matrices(scale), strict=True
    )
    return template.pack(
        [
            _inside(lam @ lam.T + change + np.tril(change, -1).T, np.diag(unit))
            for lam, change, unit in matrices
        ]
    )


def _directions(objective: OneFactor) -> FloatArray:
    """Change of Sigma in the working columns for each entry of Sigma_t's lower triangles."""
    row, col = objective.template.positions()
    left, right = objective.T.T[row], objective.T.T[col]
    outer = left[:, :, None] * right[:, None, :]
    both = outer + outer.transpose(0, 2, 1)
    return np.asarray(np.where((row == col)[:, None, None], outer, both))


def _inside(Sigma: FloatArray, scale: FloatArray) -> FloatArray:
    """Return the factor of Sigma after lifting its eigenvalues to the least ratio."""
    unit = np.outer(scale, scale)
    values, Q = np.linalg.eigh(Sigma / unit)
    floor = max(LEAST_RATIO, LEAST_SHARE * float(values.max(initial=0.0)))
    lifted = (Q * np.maximum(values, floor)) @ Q.T
    return lower_factor(lifted * unit)
