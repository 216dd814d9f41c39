"""Information of the variance parameters of a linear mixed model, observed and expected.

The parameters are ``phi = (vech Sigma_1, ..., vech Sigma_T, sigma^2)``, one vech per term (columns
of the lower triangle), in which ``V = Z Sigma Z' + sigma^2 I`` is linear: ``V_i = dV / dphi_i``.
Satterthwaite's and Kenward-Roger's methods and the Wald intervals of SDs start from here.

References
----------
Kenward & Roger (1997), Biometrics 53, 983-997; Fai & Cornelius (1996), JSCS 54, 363-378.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlpool.engine.types import LmmData, LmmFit
from mlpool.inference.kernels import inner, multiply, trace
from mlpool.inference.sums import relative_factors, variance_sums
from mlpool.inference.types import VarianceSums
from mlpool.typing import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class VarianceInformation:
    """Everything that small-sample inference needs about one fit; k parameters phi, p columns.

    Attributes
    ----------
    beta : ndarray of shape (p,)
    Phi : ndarray of shape (p, p)
        Model-based covariance of beta, ``(X'V^-1 X)^-1``.
    P : ndarray of shape (k, p, p)
        ``P_i = -X'V^-1 V_i V^-1 X``.
    Q : ndarray of shape (k, k, p, p)
        ``Q_ij = X'V^-1 V_i V^-1 V_j V^-1 X``.
    expected_reml, expected_ml : ndarray of shape (k, k)
        ``1/2 tr(P V_i P V_j)`` and ``1/2 tr(V^-1 V_i V^-1 V_j)``.
    observed : ndarray of shape (k, k)
        Second derivatives of the negative (REML or ML, as fitted) log-likelihood.
    gradient : ndarray of shape (k,)
        First derivatives of minus twice the log-likelihood; not zero on the boundary.
    lams : tuple of ndarray
        Relative factor of each term.
    sigma : float
    reml : bool
    """

    beta: FloatArray
    Phi: FloatArray
    P: FloatArray
    Q: FloatArray
    expected_reml: FloatArray
    expected_ml: FloatArray
    observed: FloatArray
    gradient: FloatArray
    lams: tuple[FloatArray, ...]
    sigma: float
    reml: bool

    @property
    def n_parameters(self) -> int:
        """Number of variance parameters k."""
        return int(self.P.shape[0])


def vech_positions(size: int) -> list[tuple[int, int]]:
    """(row, column) of the lower triangle of a (size, size) matrix, column by column."""
    cols, rows = np.triu_indices(size)
    return list(zip(rows.tolist(), cols.tolist(), strict=True))


def variance_information(data: LmmData, fit: LmmFit) -> VarianceInformation:
    """Observed and expected information of phi at the estimate, and the pieces P_i and Q_ij.

    With ``K = Z'V^-1 Z``, ``H = Z'V^-1 [X, e]`` and E_i the pattern of phi_i in Sigma:

        expected   1/2 [tr(K E_i K E_j) - 2 tr(Phi Q_ij) + tr(Phi P_i Phi P_j)]
        observed   -1/2 tr(P V_i P V_j) + y'P V_i P V_j P y

    Parameters
    ----------
    data : LmmData
    fit : LmmFit

    Returns
    -------
    VarianceInformation

    Raises
    ------
    NotSupportedError
        If several grouping factors have too many levels for a dense matrix.
    """
    sums = variance_sums(data, fit)
    lams = relative_factors(data, fit)
    patterns = _patterns([lam.shape[0] for lam in lams])
    Phi = fit.sigma**2 * fit.vcov_unscaled
    P_all = _first_order(sums, patterns)
    Q_all, tr_VV = _second_order(sums, patterns)
    p = Phi.shape[0]
    P, Q = P_all[:, :p, :p], Q_all[:, :, :p, :p]
    PhiP = Phi @ P
    tr_PP = tr_VV - 2.0 * np.einsum("ab,ijba->ij", Phi, Q) + np.einsum("iab,jba->ij", PhiP, PhiP)
    # e'V^-1 V_i V^-1 V_j V^-1 e less what the estimated beta takes up: y'P V_i P V_j P y
    cross = P_all[:, :p, p]
    quadratic = Q_all[:, :, p, p] - cross @ Phi @ cross.T
    tr_V = _traces(sums, patterns)
    trace = tr_V + np.einsum("iaa->i", PhiP) if fit.reml else tr_V
    return VarianceInformation(
        beta=fit.beta,
        Phi=Phi,
        P=P,
        Q=Q,
        expected_reml=_symmetric(0.5 * tr_PP),
        expected_ml=0.5 * tr_VV,
        observed=_symmetric(quadratic - 0.5 * (tr_PP if fit.reml else tr_VV)),
        gradient=trace + P_all[:, p, p],
        lams=lams,
        sigma=fit.sigma,
        reml=fit.reml,
    )


#: The pattern E of one phi: the ordered slot pairs (a, b) with E_ab = 1; empty for sigma^2.
_Pattern = list[tuple[int, int]]


def _patterns(sizes: list[int]) -> list[_Pattern]:
    """Slot pairs of each phi; slots run through the terms' columns."""
    out: list[_Pattern] = []
    start = 0
    for size in sizes:
        for row, col in vech_positions(size):
            a, b = start + row, start + col
            out.append([(a, a)] if a == b else [(a, b), (b, a)])
        start += size
    out.append([])
    return out


def _first_order(sums: VarianceSums, patterns: list[_Pattern]) -> FloatArray:
    """``-[X, e]'V^-1 V_i V^-1 [X, e] = -H'E_i H``, and -W'V^-2 W for sigma^2."""
    H = sums.H
    parts = [-sum(H[a].T @ H[b] for a, b in pattern) for pattern in patterns[:-1]]
    return np.stack([*parts, -sums.S2])


def _second_order(sums: VarianceSums, patterns: list[_Pattern]) -> tuple[FloatArray, FloatArray]:
    """``[X, e]'V^-1 V_i V^-1 V_j V^-1 [X, e]`` and ``tr(V^-1 V_i V^-1 V_j)``.

    ``H'E_i K E_j H`` and ``tr(K E_i K E_j)``; for sigma^2, E Z' is replaced by the identity:
    ``H'E_i H2``, ``tr(E_i K2)``, ``W'V^-3 W`` and ``tr V^-2``.
    """
    K, H, H2 = sums.K, sums.H, sums.H2
    k, m = len(patterns), sums.S2.shape[0]
    Q, tr = np.empty((k, k, m, m)), np.empty((k, k))
    for i, first in enumerate(patterns[:-1]):
        for j, second in enumerate(patterns[: i + 1]):
            pairs = [(a, b, c, d) for a, b in first for c, d in second]
            Q[i, j] = sum(H[a].T @ multiply(K[b][c], H[d]) for a, b, c, d in pairs)
            tr[i, j] = sum(inner(K[d][a], K[c][b]) for a, b, c, d in pairs)
            Q[j, i], tr[j, i] = Q[i, j].T, tr[i, j]
        Q[i, -1] = sum(H[a].T @ H2[b] for a, b in first)
        tr[i, -1] = tr[-1, i] = sum(float(sums.tr_K2[a, b]) for a, b in first)
        Q[-1, i] = Q[i, -1].T
    Q[-1, -1], tr[-1, -1] = sums.S3, sums.tr_V2
    return Q, tr


def _traces(sums: VarianceSums, patterns: list[_Pattern]) -> FloatArray:
    """``tr(V^-1 V_i)``."""
    parts = [sum(trace(sums.K[a][b]) for a, b in pattern) for pattern in patterns[:-1]]
    return np.array([*parts, sums.tr_V1])


def _symmetric(M: FloatArray) -> FloatArray:
    return np.asarray(0.5 * (M + M.T))
