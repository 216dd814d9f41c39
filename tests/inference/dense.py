"""The slow obvious twin: information of the variance parameters with V written out (n x n)."""

from __future__ import annotations

import numpy as np

from mlpool.engine.types import LmmData, LmmFit


def covariance_derivatives(data: LmmData) -> list[np.ndarray]:
    """Return dV/dphi, phi = (vech Sigma by term and column, sigma^2); rows scaled by sqrt(w)."""
    root = np.ones(data.n) if data.weights is None else np.sqrt(data.weights)
    out = []
    for term in data.terms:
        z = root[:, None] * term.z.rows(0, data.n)
        same = term.codes[:, None] == term.codes[None, :]
        k = z.shape[1]
        for col in range(k):
            for row in range(col, k):
                part = np.outer(z[:, row], z[:, col])
                out.append(same * (part if row == col else part + part.T))
    return [*out, np.eye(data.n)]


def covariance_parameters(data: LmmData, fit: LmmFit) -> np.ndarray:
    phi, start = [], 0
    for term in data.terms:
        k = term.z.shape[1]
        lam = np.zeros((k, k))
        places = [(row, col) for col in range(k) for row in range(col, k)]
        for i, place in enumerate(places):
            lam[place] = fit.theta[start + i]
        start += len(places)
        S = fit.sigma**2 * lam @ lam.T
        phi += [S[place] for place in places]
    return np.array([*phi, fit.sigma**2])


def minus_twice_loglik(data: LmmData, phi: np.ndarray, *, reml: bool) -> float:
    """Up to a constant, from the multivariate normal density."""
    V = sum(value * part for value, part in zip(phi, covariance_derivatives(data), strict=True))
    root = np.ones(data.n) if data.weights is None else np.sqrt(data.weights)
    X = root[:, None] * data.X.rows(0, data.n)
    y = root * (data.y if data.offset is None else data.y - data.offset)
    inverse = np.linalg.inv(V)
    XVX = X.T @ inverse @ X
    e = y - X @ np.linalg.solve(XVX, X.T @ inverse @ y)
    value = np.linalg.slogdet(V)[1] + e @ inverse @ e
    return float(value + (np.linalg.slogdet(XVX)[1] if reml else 0.0))
