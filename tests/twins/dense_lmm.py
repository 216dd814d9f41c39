"""The profiled criterion of a linear mixed model, slow and obvious: one dense n x n covariance.

``y ~ N(X beta, sigma^2 V)`` with ``V = W^-1 + sum over terms of Z_t lambda_t lambda_t' Z_t'`` (rows
of the same level only). Everything else follows from V; nothing is eliminated or updated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlpool.designs.engine_data import as_lmm_data
from mlpool.engine.types import LmmData


@dataclass(frozen=True)
class DenseFit:
    """What the dense computation gives at one theta."""

    value: float
    gradient: np.ndarray
    beta: np.ndarray
    vcov_unscaled: np.ndarray
    sigma: float
    b: tuple[np.ndarray, ...]
    cond_cov: tuple[np.ndarray, ...]


def lambdas(data: LmmData, theta: np.ndarray) -> list[np.ndarray]:
    """Lower triangles of the terms, filled column by column."""
    found, at = [], 0
    for term in data.terms:
        k = term.z.shape[1]
        lam = np.zeros((k, k))
        for col in range(k):
            for row in range(col, k):
                lam[row, col] = theta[at]
                at += 1
        found.append(lam)
    return found


def dense_covariance(model) -> np.ndarray:
    """Return Var(y) (n, n) of a fitted model, sigma^2 included."""
    data = as_lmm_data(model.design)
    V = np.diag(np.ones(data.n) if data.weights is None else 1 / data.weights)
    for term, lam in zip(data.terms, lambdas(data, model.theta), strict=True):
        z = term.z.rows(0, data.n)
        V = V + (z @ lam @ lam.T @ z.T) * (term.codes[:, None] == term.codes[None, :])
    return model.sigma**2 * V


def dense_fit(data: LmmData, theta: np.ndarray, *, reml: bool) -> DenseFit:
    """Evaluate the criterion, its gradient and the estimates at theta."""
    n = data.n
    X = data.X.rows(0, n)
    p = X.shape[1]
    y = data.y if data.offset is None else data.y - data.offset
    w = np.ones(n) if data.weights is None else data.weights
    Z = [term.z.rows(0, n) for term in data.terms]
    same = [term.codes[:, None] == term.codes[None, :] for term in data.terms]
    lams = lambdas(data, theta)
    V = np.diag(1 / w)
    for z, alike, lam in zip(Z, same, lams, strict=True):
        V = V + (z @ lam @ lam.T @ z.T) * alike
    Vi = np.linalg.inv(V)
    XVX = X.T @ Vi @ X
    Phi = np.linalg.inv(XVX)
    beta = Phi @ X.T @ Vi @ y
    r = y - X @ beta
    pwrss = r @ Vi @ r
    m = n - p if reml else n
    value = np.linalg.slogdet(V)[1] + m * (1 + np.log(2 * np.pi * pwrss / m))
    middle = Vi
    if reml:
        value += np.linalg.slogdet(XVX)[1]
        middle = Vi - Vi @ X @ Phi @ X.T @ Vi
    gradient = []
    for z, alike, lam in zip(Z, same, lams, strict=True):
        k = lam.shape[0]
        for col in range(k):
            for row in range(col, k):
                step = np.zeros((k, k))
                step[row, col] = 1
                dV = (z @ (step @ lam.T + lam @ step.T) @ z.T) * alike
                gradient.append(np.sum(middle * dV) - m / pwrss * (r @ Vi @ dV @ Vi @ r))
    sigma = np.sqrt(pwrss / m)
    b, cond = _modes(data, Z, lams, (Vi, r))
    return DenseFit(
        value=float(value),
        gradient=np.array(gradient),
        beta=beta,
        vcov_unscaled=Phi,
        sigma=float(sigma),
        b=b,
        cond_cov=tuple(c * sigma**2 for c in cond),
    )


def _modes(data, Z, lams, solved):
    """E(b | y) and Var(b | y) / sigma^2 with beta and theta taken as known."""
    Vi, r = solved
    b, cond = [], []
    for term, z, lam in zip(data.terms, Z, lams, strict=True):
        G = lam @ lam.T
        modes = np.empty((term.n_levels, lam.shape[0]))
        covariances = np.empty((term.n_levels, *lam.shape))
        for j in range(term.n_levels):
            zj = np.where((term.codes == j)[:, None], z, 0.0)
            modes[j] = G @ zj.T @ Vi @ r
            covariances[j] = G - G @ zj.T @ Vi @ zj @ G
        b.append(modes)
        cond.append(covariances)
    return tuple(b), tuple(cond)
