"""A start for theta from moments of the pooled residuals: cheap, and near enough for Newton."""

from __future__ import annotations

import numpy as np

from mlpool.engine.problem import Problem
from mlpool.typing import FloatArray

_SMALLEST = 0.05
_LARGEST = 20.0


def moment_start(problem: Problem) -> FloatArray:
    """Return internal theta with diagonals from moments and zero correlations.

    With e the pooled least-squares residuals and s_j = z_j'e, E s_j^2 is about
    sigma^2 a_j + tau^2 a_j^2 (a_j = z_j'z_j), so tau^2 = sum(s_j^2 - sigma^2 a_j) / sum(a_j^2).
    Columns of one factor share what is found.
    """
    p = problem.p
    T = problem.sums.total
    beta = np.linalg.lstsq(T[:p, :p], T[:p, p], rcond=None)[0] if p else np.empty(0)
    v = np.append(-beta, 1.0)
    variance = max(float(v @ T @ v), 0.0) / max(problem.n - p, 1)
    theta = np.zeros(problem.k)
    total_share = 0.0
    shares: list[FloatArray] = []
    for factor, group in zip(problem.factors, problem.sums.groups, strict=True):
        s = group.D[:, :, -(p + 1) :] @ v
        a = np.einsum("aaj->aj", group.A)
        excess = (s**2 - variance * a).sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            tau2 = np.where(a.any(axis=1), excess / (a**2).sum(axis=1), 0.0) / factor.template.q
        share = np.clip(tau2 * a.sum(axis=1) / problem.n, 0.0, None)
        total_share += float(share.sum())
        shares.append(tau2)
    rest = max(variance - total_share, 0.1 * variance)
    for factor, tau2 in zip(problem.factors, shares, strict=True):
        relative = np.sqrt(np.clip(tau2 / rest if rest > 0 else 0.0, _SMALLEST**2, _LARGEST**2))
        template = factor.template
        is_diagonal = template.rows == template.cols
        theta[template.where[is_diagonal]] = relative[template.rows[is_diagonal]]
    return theta
