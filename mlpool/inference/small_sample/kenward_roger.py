"""Kenward and Roger's small-sample covariance and degrees of freedom of the fixed effects.

    W    = (expected information of phi)^-1, over what is identified
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

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from mlpool.engine.types import LmmData, LmmFit
from mlpool.errors import NotSupportedError
from mlpool.inference.identified import identified_inverse
from mlpool.inference.small_sample.coordinates import covariance_root
from mlpool.inference.small_sample.independent_hypotheses import principal_axes, rank_of
from mlpool.inference.small_sample.information import VarianceInformation, standard_information
from mlpool.inference.small_sample.satterthwaite import FTest
from mlpool.inference.wald import f_upper_p
from mlpool.typing import FloatArray

_EXACT_TOL = 1e-6
"""Relative distance of A1 from r A2 within which F is taken as exact: rounding, which the formulas
for m and lambda blow up near two denominator df, where both are 0 / 0."""
_NEAR_TWO = 1e-2
"""Distance of the df from two within which F is not scaled (pbkrtest's): its mean is infinite."""


class SmallSampleSource(Protocol):
    """What df need to know: covariance parameters and how they move the covariance of beta."""

    @property
    def beta(self) -> FloatArray:
        """Coefficients (p,)."""

    @property
    def Phi(self) -> FloatArray:
        """``(X'V^-1 X)^-1``, shape (p, p)."""

    @property
    def P(self) -> FloatArray:
        """``-X'V^-1 V_i V^-1 X``, shape (k, p, p)."""

    @property
    def vcov(self) -> FloatArray:
        """`Phi` of the model's own coefficients."""

    def contrasts(self, L: FloatArray) -> FloatArray:
        """Return contrasts of the model's coefficients as contrasts of those here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KenwardRoger:
    """Kenward-Roger results of one fit.

    Attributes
    ----------
    vcov : ndarray of shape (p, p)
        Adjusted covariance PhiA of the model's coefficients.
    adjusted : ndarray of shape (p, p)
        The same in the coordinates of `info`.
    df : ndarray of shape (p,)
        Degrees of freedom of each coefficient.
    vcov_varpar : ndarray of shape (k, k)
        Covariance W of the variance parameters, in the coordinates of `info`.
    info : SmallSampleSource
    """

    vcov: FloatArray
    adjusted: FloatArray
    df: FloatArray
    vcov_varpar: FloatArray
    info: SmallSampleSource

    def contrast_df(self, L: FloatArray) -> FloatArray:
        """Degrees of freedom of each row of `L` on its own."""
        return np.array([_scaling(self, row[None, :])[0] for row in np.atleast_2d(L)])

    def f_test(self, L: FloatArray, rhs: FloatArray | None = None) -> FTest:
        """Scaled F test of ``L beta = rhs``, zeros by default (pbkrtest's ``KRmodcomp``)."""
        L = np.atleast_2d(np.asarray(L, dtype=np.float64))
        df, scale = _scaling(self, L)
        rank, here = rank_of(L, self.info.vcov), self.info.contrasts(L)
        estimate = here @ self.info.beta - (0.0 if rhs is None else rhs)
        U, S = principal_axes(here, self.adjusted, rank)
        z = (U.T @ estimate) / S
        F = scale * float(z @ z) / rank
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
    return kenward_roger_of(standard_information(data, fit))


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
    W = identified_inverse(info.expected_reml, info.expected_ml)
    adjusted = adjusted_covariance(info.Phi, info.P, info.Q, W)
    vcov = adjusted if info.basis is None else info.basis @ adjusted @ info.basis.T
    result = KenwardRoger(vcov=vcov, adjusted=adjusted, df=np.empty(0), vcov_varpar=W, info=info)
    return replace(result, df=result.contrast_df(np.eye(info.Phi.shape[0])))


def adjusted_covariance(Phi: FloatArray, P: FloatArray, Q: FloatArray, W: FloatArray) -> FloatArray:
    """Return PhiA (p, p) of P (k, p, p), Q (k, k, p, p) and W (k, k)."""
    PPhiP = np.einsum("iab,bc,jcd->ijad", P, Phi, P)
    Lambda = np.einsum("ij,ijab->ab", W, Q - PPhiP)
    adjusted = Phi + 2.0 * Phi @ Lambda @ Phi
    return np.asarray(0.5 * (adjusted + adjusted.T))


def _scaling(result: KenwardRoger, L: FloatArray) -> tuple[float, float]:
    """Denominator df m and scale lambda of ``F = lambda / r (L beta)'(L PhiA L')^-1 (L beta)``.

    Kenward & Roger (1997), section 3: with B = (A1 + 6 A2) / (2 r),
    g = ((r + 1) A1 - (r + 4) A2) / ((r + 2) A2), d = 3 r + 2 (1 - g), c1 = g / d,
    c2 = (r - g) / d, c3 = (r + 2 - g) / d:

        E* = 1 / (1 - A2 / r)       V* = 2 / r (1 + c1 B) / ((1 - c2 B)^2 (1 - c3 B))
        rho = V* / (2 E*^2)         m = 4 + (r + 2) / (r rho - 1)       lambda = m / (E* (m - 2))

    Where A1 = r A2, as for one row and wherever F is exact, this is m = 2 r / A2 and lambda = 1,
    also where it reads 0 / 0 (m = 2).
    """
    r, A1, A2 = _pieces(result, L)
    if A2 <= 0.0:
        return np.inf, 1.0
    if r == 1 or abs(A1 - r * A2) <= _EXACT_TOL * r * A2:
        return 2.0 * r / A2, 1.0
    B = (A1 + 6.0 * A2) / (2.0 * r)
    g = ((r + 1) * A1 - (r + 4) * A2) / ((r + 2) * A2)
    d = 3.0 * r + 2.0 * (1.0 - g)
    c1, c2, c3 = g / d, (r - g) / d, (r + 2 - g) / d
    V0, V1, V2 = 1.0 + c1 * B, 1.0 - c2 * B, 1.0 - c3 * B
    with np.errstate(divide="ignore", invalid="ignore"):
        rho = np.divide(1.0 - A2 / r, V1) ** 2 * np.divide(V0, V2) / r
        m = float(4.0 + np.divide(r + 2.0, r * rho - 1.0))
    if not abs(m - 2.0) >= _NEAR_TWO:
        return m, 1.0
    return m, m * (1.0 - A2 / r) / (m - 2.0)


def _pieces(result: KenwardRoger, L: FloatArray) -> tuple[int, float, float]:
    """Return r, A1 and A2 of a contrast matrix.

    In an orthonormal basis of the rows of ``L F``, Phi = F F', Theta is the identity.
    """
    info = result.info
    r = rank_of(L, info.vcov)
    F = covariance_root(info.Phi)
    here = np.linalg.svd(_unit_rows(info.contrasts(L) @ F), full_matrices=False)[2][:r]
    T = here @ F.T @ info.P @ F @ here.T
    W = result.vcov_varpar
    t = np.einsum("iaa->i", T)
    return r, float(t @ W @ t), float(np.einsum("ij,iab,jba->", W, T, T))


def _unit_rows(rows: FloatArray) -> FloatArray:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths > 0, lengths, 1.0))
