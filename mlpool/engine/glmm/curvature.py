"""Second derivatives of the deviance: a guess by scoring, and differences of gradients."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.linalg import block_diag

from mlpool.engine.factorization.dense_core import _blocks
from mlpool.engine.factorization.small_matrices import multiply
from mlpool.engine.glmm.laplace import Laplace, State, conditional_vcov, information_blocks
from mlpool.engine.glmm.prepared_data import Problem
from mlpool.typing import BoolArray, FloatArray

STEP = 3e-3
"""Steps of differences in SDs of the estimates: errors of order 1e-5 of the second derivative."""
RIDGE = 1e-6
"""Share of the information that is added, and of one per squared unit where there is none."""
_SHAPE_STEP = 1e-3
"""Step in the logarithm of the dispersion, which has no unit."""


def scoring(
    objective: Laplace, x: FloatArray, state: State, known: FloatArray | None = None
) -> FloatArray:
    """Return the Hessian that Fisher scoring takes, block-diagonal in theta, gamma and log phi.

    Parameters
    ----------
    objective : Laplace
    x : ndarray
    state : State
        At x.
    known : ndarray of shape (p, q), optional
        Orthonormal directions of gamma that the data know of: along others there is nothing.
    """
    problem = objective.problem
    parts = [_theta_information(problem, state)]
    if not objective.joint and problem.p:
        basis = np.eye(problem.p) if known is None else known
        own = problem if known is None else replace(problem, XT=basis.T @ problem.XT)
        vcov = conditional_vcov(own, problem.effects, state)
        parts.append(np.asarray(2.0 * basis @ np.linalg.inv(vcov) @ basis.T, dtype=np.float64))
    if problem.has_shape:
        parts.append(np.array([[_shape_curvature(objective, x, state)]]))
    return np.asarray(block_diag(*parts))


def _theta_information(problem: Problem, state: State) -> FloatArray:
    """Return sum_j tr(K_j dSigma_a K_j dSigma_b) for every pair of entries of one factor."""
    out = np.zeros((problem.k, problem.k))
    for f, lam, K in zip(
        problem.effects.order, state.factors, _level_information(problem, state), strict=True
    ):
        where, row, col = problem.entries(f)
        q = lam.shape[0]
        D = np.zeros((len(where), q, q))
        for i, (r, c) in enumerate(zip(row, col, strict=True)):
            D[i, r] += lam[:, c]
            D[i, :, r] += lam[:, c]
        # K twice, summed over levels, once for all pairs of directions.
        KK = np.einsum("abj,cdj->abcd", K, K, optimize=True)
        own = np.einsum("abcd,mbc,nda->mn", KK, D, D, optimize=True)
        out[np.ix_(where, where)] = (own + own.T) / 2.0 + np.diag(
            RIDGE * (np.diag(own) + problem.unit**-2)
        )
    return out


def _level_information(problem: Problem, state: State) -> list[FloatArray]:
    """K of every level; for the core's factors as if each were the only one."""
    found = information_blocks(state.elimination)[: problem.effects.n_chain]
    core = state.elimination.core
    if core is None:
        return found
    for place, lam in zip(problem.effects.places, core.factors, strict=True):
        S = _blocks(core.S, place)
        M = multiply(S, np.repeat((lam @ lam.T)[:, :, None], S.shape[2], axis=2))
        inverse = np.linalg.inv(np.eye(place.q) + np.moveaxis(M, 2, 0))
        found.append(multiply(np.moveaxis(inverse.astype(np.float64), 0, 2), S))
    return found


def _shape_curvature(objective: Laplace, x: FloatArray, state: State) -> float:
    """Return the second derivative by log phi from two gradients, or a positive stand-in."""
    moved = x.copy()
    moved[-1] += _SHAPE_STEP
    later = objective.gradient(objective.state(moved))[-1]
    second = (later - objective.gradient(state)[-1]) / _SHAPE_STEP
    # of the deviance by a logarithm: without units; one is an SD of the logarithm of 1.4
    return float(second) if second > 1e-3 else 1.0


def difference_hessian(
    objective: Laplace, x: FloatArray, guess: FloatArray, free: BoolArray
) -> FloatArray:
    """Return the Hessian from central differences of exact gradients.

    Parameters
    ----------
    objective : Laplace
    x : ndarray of shape (k,)
    guess : ndarray of shape (k, k)
        Inverse of an approximate Hessian: it says how long steps should be.
    free : ndarray of bool of shape (k,)
        Parameters that are not on a boundary; rows and columns of the others are zero.
    """
    at = np.flatnonzero(free)
    out = np.zeros((len(x), len(x)))
    if not len(at):
        return out
    L = np.linalg.cholesky(guess[np.ix_(at, at)] * 2.0)
    changes = np.empty((len(at), len(at)))
    for j in range(len(at)):
        step = np.zeros(len(x))
        step[at] = STEP * L[:, j]
        up = objective.gradient(objective.state(x + step))
        down = objective.gradient(objective.state(x - step))
        changes[:, j] = (up - down)[at] / (2.0 * STEP)
    # changes = H L: solved from the right.
    own = np.linalg.solve(L.T, changes.T)
    out[np.ix_(at, at)] = (own + own.T) / 2.0
    return out


def inverse_of_positive(H: FloatArray) -> FloatArray | None:
    """Return the inverse of a positive definite matrix (m, m), None for any other.

    The diagonal is made one first: parameters in units apart by many powers of ten are not a
    matrix without digits.
    """
    size = np.sqrt(np.abs(np.diag(H)))
    if not len(H):
        return H
    if not np.all(size > 0) or not np.all(np.isfinite(H)):
        return None
    scaled = H / np.outer(size, size)
    if float(np.linalg.eigvalsh((scaled + scaled.T) / 2.0)[0]) <= 0.0:
        return None
    return np.asarray(np.linalg.inv(scaled) / np.outer(size, size), dtype=np.float64)
