"""Satterthwaite's degrees of freedom for the fixed effects of a linear mixed model.

For one contrast l: ``df = 2 (l'Phi l)^2 / (g' C g)`` with g the derivatives of ``l'Phi l`` by the
variance parameters and C their covariance, the inverse of the observed information. As lmerTest,
the parameters here are (theta, sigma^2): they stay regular on the boundary, where a theta_kk of
zero simply drops out because the likelihood is even in it.

References
----------
Fai & Cornelius (1996), JSCS 54, 363-378; Kuznetsova, Brockhoff & Christensen (2017), J. Stat.
Softw. 82(13), section 2 (lmerTest).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlpool.engine.types import LmmData, LmmFit
from mlpool.errors import OptionError
from mlpool.inference.information import (
    VarianceInformation,
    variance_information,
    vech_positions,
)
from mlpool.inference.wald import f_upper_p
from mlpool.typing import FloatArray

#: lmerTest: eigenvalues of the Hessian below this are no information.
_HESSIAN_TOL = 1e-8
#: lmerTest: eigenvalues of the contrast's covariance below this share of the largest are zero.
_RANK_TOL = 1e-8


@dataclass(frozen=True, slots=True, kw_only=True)
class FTest:
    """A joint test of the rows of a contrast matrix.

    Attributes
    ----------
    statistic : float
        F.
    df_num, df_den : float
    p : float
    scaling : float
        Factor by which F was multiplied (Kenward-Roger's lambda; 1 for Satterthwaite).
    """

    statistic: float
    df_num: float
    df_den: float
    p: float
    scaling: float = 1.0


def satterthwaite(data: LmmData, fit: LmmFit, L: FloatArray | None = None) -> FloatArray:
    """Satterthwaite degrees of freedom, from the data and the fit.

    Parameters
    ----------
    data : LmmData
    fit : LmmFit
    L : ndarray of shape (r, p), optional
        Contrasts, one per row; by default every coefficient.

    Returns
    -------
    ndarray of shape (r,) or (p,)

    Raises
    ------
    NotSupportedError
        If several grouping factors have too many levels for a dense matrix.
    """
    return satterthwaite_df(variance_information(data, fit), L)


def satterthwaite_df(info: VarianceInformation, L: FloatArray | None = None) -> FloatArray:
    """Satterthwaite degrees of freedom of contrasts (rows of `L`; default: coefficients)."""
    rows = _contrasts(info, L)
    C, dPhi = _theta_covariance(info)
    variance = np.einsum("ra,ab,rb->r", rows, info.Phi, rows)
    g = np.einsum("ra,iab,rb->ri", rows, dPhi, rows)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(2.0 * variance**2 / np.einsum("ri,ij,rj->r", g, C, g))


def satterthwaite_f(
    info: VarianceInformation, L: FloatArray, rhs: FloatArray | None = None
) -> FTest:
    """F test of ``L beta = rhs`` (zeros by default), lmerTest's ``contestMD``.

    The covariance of L beta is taken apart into independent contrasts with df nu_m; with
    ``E = sum nu_m / (nu_m - 2)`` the denominator has ``2 E / (E - r)`` degrees of freedom.
    """
    L = _contrasts(info, L)
    values, vectors = np.linalg.eigh(L @ info.Phi @ L.T)
    kept = values > _RANK_TOL * values.max()
    rank = int(kept.sum())
    rotated = vectors[:, kept].T @ L
    distance = L @ info.beta - (0.0 if rhs is None else rhs)
    t2 = (vectors[:, kept].T @ distance) ** 2 / values[kept]
    df = _joint_df(satterthwaite_df(info, rotated))
    statistic = float(t2.sum() / rank)
    return FTest(
        statistic=statistic, df_num=rank, df_den=df, p=float(f_upper_p(statistic, rank, df))
    )


def _joint_df(nu: FloatArray) -> float:
    """Denominator df of an F statistic from the df of its independent parts (Fai-Cornelius)."""
    if np.ptp(nu) < 1e-8:
        return float(nu.mean())
    if np.any(nu <= 2.0):
        return 2.0
    E = float(np.sum(nu / (nu - 2.0)))
    return 2.0 * E / (E - nu.size)


def _contrasts(info: VarianceInformation, L: FloatArray | None) -> FloatArray:
    p = info.Phi.shape[0]
    if L is None:
        return np.eye(p)
    rows = np.atleast_2d(np.asarray(L, dtype=np.float64))
    if rows.shape[1] != p:
        raise OptionError(
            f"a contrast needs one number per coefficient ({p}); this one has {rows.shape[1]}."
        )
    return rows


def _theta_covariance(info: VarianceInformation) -> tuple[FloatArray, FloatArray]:
    """Covariance of (theta, sigma^2) and the derivatives of Phi by them.

    With phi = phi(psi), psi = (theta, sigma^2), and D the deviance:

        d2D/dpsi2 = J'(2 observed) J + sum_m dD/dphi_m d2phi_m/dpsi2,   J = dphi/dpsi
        dPhi/dpsi_i = sum_m J_mi (-Phi P_m Phi)

    The second term vanishes inside the parameter space, where dD/dphi = 0.
    """
    J, curvature = _phi_by_theta(info)
    hessian = J.T @ (2.0 * info.observed) @ J + curvature
    values, vectors = np.linalg.eigh(0.5 * (hessian + hessian.T))
    scale = _HESSIAN_TOL * max(1.0, float(np.abs(values).max()) * 1e-6)
    kept = values > scale
    # the deviance is twice the negative log-likelihood: the covariance is twice its inverse
    C = 2.0 * (vectors[:, kept] / values[kept]) @ vectors[:, kept].T
    dPhi = -np.einsum("mi,ab,mbc,cd->iad", J, info.Phi, info.P, info.Phi)
    return C, dPhi


def _phi_by_theta(info: VarianceInformation) -> tuple[FloatArray, FloatArray]:
    """J = dphi/d(theta, sigma^2) and ``sum_m dD/dphi_m d2phi_m`` for phi = sigma^2 vech(lam lam').

    With E_i the unit matrix of theta_i: ``dphi/dtheta_i = sigma^2 vech(E_i lam' + lam E_i')``,
    ``d2phi/dtheta_i dtheta_j = sigma^2 vech(E_i E_j' + E_j E_i')`` and
    ``d2phi/dtheta_i dsigma^2 = vech(E_i lam' + lam E_i')``.
    """
    k = info.n_parameters
    s2 = info.sigma**2
    J, curvature = np.zeros((k, k)), np.zeros((k, k))
    J[-1, -1] = 1.0
    start = 0
    for lam in info.lams:
        places = vech_positions(lam.shape[0])
        index = np.arange(start, start + len(places))
        rows = np.array([r for r, _ in places])
        cols = np.array([c for _, c in places])
        g = info.gradient[index]
        units = [np.zeros_like(lam) for _ in places]
        for unit, (r, c) in zip(units, places, strict=True):
            unit[r, c] = 1.0
        first = [E @ lam.T + lam @ E.T for E in units]
        for i, d_i in zip(index, first, strict=True):
            J[index, i] = s2 * d_i[rows, cols]
            curvature[i, -1] = curvature[-1, i] = g @ d_i[rows, cols]
        J[index, -1] = (lam @ lam.T)[rows, cols]
        for i, E in zip(index, units, strict=True):
            for j, F in zip(index, units, strict=True):
                curvature[i, j] = s2 * (g @ (E @ F.T + F @ E.T)[rows, cols])
        start += len(places)
    return J, curvature
