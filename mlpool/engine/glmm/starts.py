"""Where the search for a generalised mixed model begins: a GLM and random effects of size one."""

from __future__ import annotations

import numpy as np

from mlpool.engine.glmm.conditional_modes import Modes, find_modes
from mlpool.engine.glmm.laplace import Laplace
from mlpool.engine.glmm.prepared_data import Problem
from mlpool.engine.types import Control
from mlpool.errors import FitError
from mlpool.typing import FloatArray

_FIRST_SD = 0.7
SMALLER_STARTS = (1.0, 0.3, 0.1, 0.03)
"""Shares of the first theta that are tried until every mean is possible (identity links)."""


def first_point(
    problem: Problem, objective: Laplace, control: Control, share: float
) -> tuple[FloatArray, FloatArray]:
    """Return first values and typical sizes: a GLM, then the modes at theta of size one."""
    rows = problem.rows
    gamma = _first_gamma(problem)
    shape = rows.start_shape(problem.predictor(gamma))
    none = problem.factors(np.zeros(problem.k))
    plain = find_modes(problem, none, gamma, shape, joint=True)
    shape = rows.start_shape(plain.eta)
    theta = _first_theta(problem)
    scale = np.where(problem.template.is_diagonal, theta, np.inf)
    if control.start is not None:
        theta = problem.of_user(user_theta(problem, control.start))
    theta, modes = _first_modes(problem, share * theta, plain.gamma, shape)
    objective.start, objective.gamma = modes.e, modes.gamma
    parts = [theta] if objective.joint else [theta, modes.gamma]
    if problem.has_shape:
        parts.append(np.array([np.log(shape)]))
    x = np.concatenate(parts)
    diagonal = scale[problem.template.is_diagonal]
    limits = np.full(len(x), np.inf)
    limits[: problem.k] = np.where(problem.template.is_diagonal, scale, diagonal.max(initial=1.0))
    return x, limits


def _first_gamma(problem: Problem) -> FloatArray:
    """Regress the link of responses moved a little inwards, as R's GLMs start."""
    rows = problem.rows
    y, m, name = rows.y, rows.m, rows.family.name
    if name == "binomial":
        mu = (m * y + 0.5) / (m + 1.0)
    elif name in ("poisson", "nbinom1", "nbinom2"):
        mu = np.maximum(y, 0.1) * 0.9 + 0.1 * max(float(y.mean()), 0.1)
    else:
        mu = y
    if name == "gaussian" and rows.family.link == "log":
        # Responses of zero or less have no logarithm; their means may well be positive.
        mu = np.maximum(mu, 0.1 * max(float(np.abs(y).mean()), 1e-300))
    eta = rows.family.link_of(mu)
    if problem.offset is not None:
        eta = eta - problem.offset
    # The columns are orthogonal with mean square one.
    gamma: FloatArray = problem.XT @ eta / len(eta)
    fitted = problem.predictor(gamma)
    if np.isfinite(rows.total(fitted, 1.0)):
        return gamma
    flat = np.full(len(eta), float(rows.family.link_of(np.array([np.mean(mu)]))[0]))
    if problem.offset is not None:
        flat = flat - problem.offset
    return np.asarray(problem.XT @ flat / len(eta))


def _first_theta(problem: Problem) -> FloatArray:
    """SDs of about one unit of the link scale for every column of Z."""
    theta = np.zeros(problem.k)
    for f, part in zip(problem.effects.order, problem.effects.parts, strict=True):
        where, row, col = problem.entries(f)
        size = [1.0 if z is None else float(np.sqrt(np.mean(z**2))) for z in part.columns]
        for at, r, c in zip(where, row, col, strict=True):
            theta[at] = _FIRST_SD * problem.unit / (size[r] or 1.0) if r == c else 0.0
    return theta


def _first_modes(
    problem: Problem, theta: FloatArray, gamma: FloatArray, shape: float
) -> tuple[FloatArray, Modes]:
    """Return the modes at theta, or at a smaller one where links leave the family's range."""
    for share in SMALLER_STARTS:
        try:
            return share * theta, find_modes(
                problem, problem.factors(share * theta), gamma, shape, joint=True
            )
        except (FitError, np.linalg.LinAlgError):
            continue
    return theta, find_modes(problem, problem.factors(theta), gamma, shape, joint=True)


def user_theta(problem: Problem, start: tuple[float, ...]) -> FloatArray:
    """Return the theta of ``control.start``.

    Raises
    ------
    FitError
        If it has another length.
    """
    theta = np.asarray(start, dtype=np.float64)
    if theta.shape != (problem.k,):
        raise FitError(
            f"control={{'start': ...}} has {theta.size} values; this model's theta has {problem.k}."
        )
    return theta
