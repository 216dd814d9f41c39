"""Kenward and Roger's small-sample covariance and degrees of freedom of the fixed effects.

    W    = (expected information of phi)^-1
    PhiA = Phi + 2 Phi [ sum_ij W_ij (Q_ij - P_i Phi P_j) ] Phi

(the second derivatives R_ij are zero because V is linear in phi), and for a contrast L of rank r,
with ``Theta = L'(L Phi L')^-1 L``,

    A1 = sum_ij W_ij tr(Theta Phi P_i Phi) tr(Theta Phi P_j Phi)
    A2 = sum_ij W_ij tr(Theta Phi P_i Phi Theta Phi P_j Phi)

References
----------
Kenward & Roger (1997), Biometrics 53, 983-997; Halekoh & Hojsgaard (2014), J. Stat. Softw. 59(9)
(pbkrtest).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlpool.engine.types import LmmData, LmmFit
from mlpool.errors import NotSupportedError
from mlpool.inference.information import VarianceInformation, variance_information
from mlpool.inference.satterthwaite import FTest
from mlpool.inference.wald import f_upper_p
from mlpool.typing import FloatArray

#: pbkrtest: below this ratio of eigenvalues the information is inverted as Moore-Penrose.
_CONDITION_TOL = 1e-10


@dataclass(frozen=True, slots=True, kw_only=True)
class KenwardRoger:
    """Kenward-Roger results of one fit.

    Attributes
    ----------
    vcov : ndarray of shape (p, p)
        Adjusted covariance PhiA.
    df : ndarray of shape (p,)
        Degrees of freedom of each coefficient.
    vcov_varpar : ndarray of shape (k, k)
        Covariance W of the variance parameters.
    info : VarianceInformation
    """

    vcov: FloatArray
    df: FloatArray
    vcov_varpar: FloatArray
    info: VarianceInformation

    def contrast_df(self, L: FloatArray) -> FloatArray:
        """Degrees of freedom of each row of `L` on its own."""
        return np.array([_scaling(self, row[None, :])[0] for row in np.atleast_2d(L)])

    def f_test(self, L: FloatArray, rhs: FloatArray | None = None) -> FTest:
        """Scaled F test of ``L beta = rhs``, zeros by default (pbkrtest's ``KRmodcomp``)."""
        L = np.atleast_2d(np.asarray(L, dtype=np.float64))
        df, scale = _scaling(self, L)
        rank = int(np.linalg.matrix_rank(L))
        estimate = L @ self.info.beta - (0.0 if rhs is None else rhs)
        F = scale * float(estimate @ np.linalg.pinv(L @ self.vcov @ L.T) @ estimate) / rank
        return FTest(
            statistic=F, df_num=rank, df_den=df, p=float(f_upper_p(F, rank, df)), scaling=scale
        )


def kenward_roger(data: LmmData, fit: LmmFit) -> KenwardRoger:
    """Adjust the covariance and find the degrees of freedom of a REML fit.

    Parameters
    ----------
    data : LmmData
    fit : LmmFit

    Returns
    -------
    KenwardRoger

    Raises
    ------
    NotSupportedError
        If the fit is by maximum likelihood, or several grouping factors have too many levels.
    """
    return kenward_roger_of(variance_information(data, fit))


def kenward_roger_of(info: VarianceInformation) -> KenwardRoger:
    """Adjust the covariance and find the degrees of freedom from a REML fit's information.

    Raises
    ------
    NotSupportedError
        If the fit is by maximum likelihood.
    """
    if not info.reml:
        raise NotSupportedError(
            "Kenward-Roger degrees of freedom rest on a REML fit; refit with REML=True."
        )
    Phi, P, Q = info.Phi, info.P, info.Q
    W = _inverse(info.expected_reml)
    PPhiP = np.einsum("iab,bc,jcd->ijad", P, Phi, P)
    Lambda = np.einsum("ij,ijab->ab", W, Q - PPhiP)
    adjusted = Phi + 2.0 * Phi @ Lambda @ Phi
    result = KenwardRoger(
        vcov=0.5 * (adjusted + adjusted.T), df=np.empty(0), vcov_varpar=W, info=info
    )
    df = result.contrast_df(np.eye(Phi.shape[0]))
    return KenwardRoger(vcov=result.vcov, df=df, vcov_varpar=W, info=info)


def _scaling(result: KenwardRoger, L: FloatArray) -> tuple[float, float]:
    """Denominator df m and scale lambda of ``F = lambda / r (L beta)'(L PhiA L')^-1 (L beta)``.

    Kenward & Roger (1997), section 3: with B = (A1 + 6 A2) / (2 r),
    g = ((r + 1) A1 - (r + 4) A2) / ((r + 2) A2), d = 3 r + 2 (1 - g), c1 = g / d,
    c2 = (r - g) / d, c3 = (r + 2 - g) / d:

        E* = 1 / (1 - A2 / r)       V* = 2 / r (1 + c1 B) / ((1 - c2 B)^2 (1 - c3 B))
        rho = V* / (2 E*^2)         m = 4 + (r + 2) / (r rho - 1)       lambda = m / (E* (m - 2))
    """
    info = result.info
    r = int(np.linalg.matrix_rank(L))
    Theta = L.T @ np.linalg.pinv(L @ info.Phi @ L.T) @ L
    T = Theta @ info.Phi @ info.P @ info.Phi
    W = result.vcov_varpar
    t = np.einsum("iaa->i", T)
    A1 = float(t @ W @ t)
    A2 = float(np.einsum("ij,iab,jba->", W, T, T))
    if A2 <= 0.0:
        return np.inf, 1.0
    B = (A1 + 6.0 * A2) / (2.0 * r)
    g = ((r + 1) * A1 - (r + 4) * A2) / ((r + 2) * A2)
    d = 3.0 * r + 2.0 * (1.0 - g)
    c1, c2, c3 = g / d, (r - g) / d, (r + 2 - g) / d
    V0, V1, V2 = 1.0 + c1 * B, 1.0 - c2 * B, 1.0 - c3 * B
    E = 1.0 / (1.0 - A2 / r)
    V = 2.0 / r * V0 / (V1**2 * V2)
    rho = V / (2.0 * E**2)
    m = 4.0 + (r + 2.0) / (r * rho - 1.0)
    return m, m / (E * (m - 2.0))


def _inverse(information: FloatArray) -> FloatArray:
    """Inverse of the expected information; Moore-Penrose where it is singular, as pbkrtest."""
    scale = 1.0 / np.sqrt(np.diag(information))
    values, vectors = np.linalg.eigh(information * np.outer(scale, scale))
    kept = np.abs(values) > _CONDITION_TOL * np.abs(values).max()
    inverse = (vectors[:, kept] / values[kept]) @ vectors[:, kept].T
    return np.asarray(inverse * np.outer(scale, scale))
