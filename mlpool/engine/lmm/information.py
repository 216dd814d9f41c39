"""The curvature of the deviance in theta: exact for small models, else average information.

With P = V^-1 - V^-1 X S_xx^-1 X'V^-1, V_i = dV / d theta_i, a_i = y'P V_i P y and
a_ij = y'P V_i P V_j P y,

    H_ij = 2 (m / r^2) a_ij - (m / r^4) a_i a_j - tr(P V_i P V_j) + 2 tr(G dLambda_i dLambda_j')

(V^-1 in place of P in the trace for ML). All but the traces needs one forward pass over k further
columns. The last part makes it exact at theta = 0, where the others vanish: it tells true
boundaries from false ones. For many random effects (m / r^2) a_ij stands for the traces, which is
the average of observed and expected information (Gilmour, Thompson & Cullis 1995, Biometrics 51).

What the average leaves out is learnt from the gradients at successive points by symmetric rank-one
updates (Nocedal & Wright 2006, section 6.2), so that the last steps converge like Newton's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mlpool.engine.factorization.block_cholesky import Reduced
from mlpool.engine.factorization.exact_traces import stacked
from mlpool.engine.factorization.orthogonal import OrthogonalElimination
from mlpool.engine.lmm.criterion import Solution
from mlpool.typing import FloatArray

if TYPE_CHECKING:
    from mlpool.engine.lmm.disconnected import Eliminated
    from mlpool.engine.lmm.several_factors import SeveralFactors

SAFE = 1e-8
"""Smallest cosine between a step and what it shows for an update (Nocedal & Wright, eq. 6.26)."""


class Secant:
    """What gradients at successive points say about the error of a model of the curvature.

    Parameters
    ----------
    k : int
    """

    def __init__(self, k: int) -> None:
        self._correction = np.zeros((k, k))
        self._last: tuple[FloatArray, FloatArray, FloatArray] | None = None

    def corrected(self, theta: FloatArray, gradient: FloatArray, model: FloatArray) -> FloatArray:
        """Return the model plus the correction learnt so far, with this point taken in."""
        if self._last is not None and not np.array_equal(theta, self._last[0]):
            before, old_gradient, old_model = self._last
            step = theta - before
            # The trapezoid rule: the mean of the models at both ends acts along the step.
            seen = (old_model + model) @ step / 2.0 + self._correction @ step
            rest = gradient - old_gradient - seen
            size = float(rest @ step)
            if abs(size) > SAFE * float(np.linalg.norm(rest) * np.linalg.norm(step)):
                self._correction = self._correction + np.outer(rest, rest) / size
        self._last = (np.array(theta), gradient, model)
        return model + self._correction


def curvature(
    objective: SeveralFactors, theta: FloatArray, found: Solution[Eliminated]
) -> FloatArray:
    """Return H (k, k) at the solution `found` of `theta`.

    1. directions t_i with V_i P y = Z t_i;  2. their products with all columns;  3. the forward
    pass;  4. a_ij with X projected out;  5. traces;  6. the bend of Sigma in theta.
    """
    slopes, E = objective.slopes(found)
    steps = _steps(objective, theta, found, E)
    S, Sw = found.parts.along(steps)
    p, along = objective.p, Sw @ found.v
    a = S - Sw[:, :p] @ found.Sxx_inverse @ Sw[:, :p].T
    a *= objective.m / found.pwrss
    H = 2.0 * a - np.outer(along, along) * (objective.m / found.pwrss**2)
    H -= a if objective.dense is None else _traces(objective, theta, found, E)
    for f, G in zip(objective.order, slopes, strict=True):
        where, row, col = objective.parts.entries(objective.template, f)
        T = objective.parts.columns[f].T
        bend = 2.0 * (T.T @ G @ T)[np.ix_(row, row)]
        H[np.ix_(where, where)] += np.where(col[:, None] == col[None, :], bend, 0.0)
    return np.asarray((H + H.T) / 2)


def _steps(
    objective: SeveralFactors, theta: FloatArray, found: Solution[Eliminated], E: Reduced
) -> Reduced:
    """t_i = dSigma_i Z'P y for every theta, one column each."""
    core = objective.blocks.core
    levels = [
        np.zeros((*level.A.shape[1:], objective.template.k)) for level in objective.blocks.levels
    ]
    rest = None if core is None else np.zeros((core.n2, objective.template.k))
    for i, (f, e) in enumerate(zip(objective.order, objective.by_factor(E), strict=True)):
        h = e @ found.v
        where, row, col = objective.parts.entries(objective.template, f)
        T = objective.parts.columns[f].T
        Lam = T @ objective.parts.block_diagonal(objective.template, theta, f)
        for at, r, c in zip(where, row, col, strict=True):
            half = np.outer(T[:, r], Lam[:, c])
            t = (half + half.T) @ h
            if i < len(levels):
                levels[i][:, :, at] = t
            elif core is not None and rest is not None:
                rest[core.places[i - len(levels)].span, at] = t.T.ravel()
    return Reduced(levels=levels, core=rest)


def _traces(
    objective: SeveralFactors, theta: FloatArray, found: Solution[Eliminated], E: Reduced
) -> FloatArray:
    """Return tr(P V_i P V_j) of all pairs of theta (k, k)."""
    dense = objective.dense
    assert dense is not None
    if isinstance(found.parts, OrthogonalElimination):
        B = found.parts.projected(objective.p if objective.reml else 0)
    else:
        E_x = stacked(E)[:, : objective.p] if objective.reml else None
        B = dense.projected(objective.factors(theta), E_x, found.Sxx_inverse)
    entries, slopes = [], []
    for f in objective.order:
        where, row, col = objective.parts.entries(objective.template, f)
        T = objective.parts.columns[f].T
        Lam = T @ objective.parts.block_diagonal(objective.template, theta, f)
        half = np.einsum("ai,bi->iab", T[:, row], Lam[:, col])
        entries.append(where)
        slopes.append(half + half.transpose(0, 2, 1))
    out = np.zeros((objective.template.k, objective.template.k))
    for f, (rows, S) in enumerate(zip(entries, slopes, strict=True)):
        for g, (cols, U) in enumerate(zip(entries, slopes, strict=True)):
            Q = dense.products(B, f, g)
            # einsum("iab,abcd,jcd->ij") as products of matrices: its plan costs more than they.
            pairs = Q.reshape(S[0].size, U[0].size)
            out[np.ix_(rows, cols)] = S.reshape(len(S), -1) @ pairs @ U.reshape(len(U), -1).T
    return out
