"""Satterthwaite's degrees of freedom for the fixed effects of a linear mixed model.

For one contrast l: ``df = 2 (l'Phi l)^2 / (g' C g)`` with g the derivatives of ``l'Phi l`` by the
variance parameters and C their covariance, the inverse of the observed information. The parameters
are theta and log sigma^2, whose Hessian has no unit. As lmerTest's (theta, sigma^2) they stay
regular on the boundary, where a theta_kk of zero simply drops out because the likelihood is even in
it. Directions of theta are orthonormal in coordinates without units
(:mod:`mlpool.inference.small_sample.coordinates`), which changes no df: they depend on the
directions' span.

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
from mlpool.inference.identified import identified_inverse
from mlpool.inference.small_sample.covariance_information import CovarianceInformation
from mlpool.inference.small_sample.independent_hypotheses import independent_contrasts
from mlpool.inference.small_sample.information import (
    VarianceInformation,
    standard_information,
    vech_positions,
)
from mlpool.inference.wald import f_upper_p
from mlpool.typing import FloatArray

_SAME_DF = 1e-10
"""Relative differences between df that are rounding."""


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
    return satterthwaite_df(standard_information(data, fit), L)


def satterthwaite_df(
    info: VarianceInformation | CovarianceInformation, L: FloatArray | None = None
) -> FloatArray:
    """Satterthwaite degrees of freedom of contrasts (rows of `L`; default: coefficients).

    Infinite where the variance parameters do not move a contrast's variance.
    """
    return _df_here(info, info.contrasts(_contrasts(info, L)))


def _df_here(info: VarianceInformation | CovarianceInformation, rows: FloatArray) -> FloatArray:
    """Degrees of freedom of contrasts of the coefficients in the coordinates of `info`."""
    if isinstance(info, CovarianceInformation):
        C, dPhi = info.C, info.dPhi
    else:
        C, dPhi = _theta_covariance(info)
    variance = np.einsum("ra,ab,rb->r", rows, info.Phi, rows)
    with np.errstate(divide="ignore", invalid="ignore"):
        g = np.einsum("ra,iab,rb->ri", rows, dPhi, rows) / variance[:, None]
        return np.asarray(2.0 / np.einsum("ri,ij,rj->r", g, C, g))


def satterthwaite_f(
    info: VarianceInformation | CovarianceInformation, L: FloatArray, rhs: FloatArray | None = None
) -> FTest:
    """F test of ``L beta = rhs`` (zeros by default), lmerTest's ``contestMD``.

    The covariance of L beta is taken apart into independent contrasts with df nu_m; with
    ``E = sum nu_m / (nu_m - 2)`` the denominator has ``2 E / (E - r)`` degrees of freedom. Rows
    that follow from others are left out, as R does.
    """
    found = independent_contrasts(info, _contrasts(info, L), rhs)
    rank = len(found.rows)
    df = _joint_df(_df_here(info, found.rows))
    statistic = float(found.z @ found.z) / rank
    return FTest(
        statistic=statistic, df_num=rank, df_den=df, p=float(f_upper_p(statistic, rank, df))
    )


def _joint_df(nu: FloatArray) -> float:
    """Denominator df of an F statistic from the df of its independent parts (Fai-Cornelius).

    ``2 E / (E - r)`` with ``E - r = sum 2 / (nu_m - 2)``, which has no cancellation.
    """
    if np.isnan(nu).any():
        return float("nan")
    if nu.max() == nu.min() or nu.max() - nu.min() <= _SAME_DF * nu.max():
        return float(nu.mean())
    if np.any(nu <= 2.0):
        return 2.0
    beyond = float(np.sum(2.0 / (nu - 2.0)))
    return 2.0 * (nu.size + beyond) / beyond


def _contrasts(
    info: VarianceInformation | CovarianceInformation, L: FloatArray | None
) -> FloatArray:
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
    """Covariance of psi = (theta, log sigma^2) and the derivatives of Phi by them.

    With phi = phi(psi) and D the deviance:

        d2D/dpsi2 = J'(2 observed) J + sum_m dD/dphi_m d2phi_m/dpsi2,   J = dphi/dpsi
        dPhi/dpsi_i = sum_m J_mi (-Phi P_m Phi)

    The second term vanishes inside the parameter space, where dD/dphi = 0. Directions of which the
    data say nothing have no covariance (:mod:`mlpool.inference.identified`).
    """
    J, curvature = _phi_by_psi(info)
    hessian = J.T @ (2.0 * info.observed) @ J + curvature
    # the deviance is twice the negative log-likelihood: the covariance is twice its inverse
    C = 2.0 * identified_inverse(0.5 * (hessian + hessian.T), J.T @ (2.0 * info.expected_ml) @ J)
    dPhi = -np.einsum("mi,ab,mbc,cd->iad", J, info.Phi, info.P, info.Phi)
    return C, dPhi


def _directions(info: VarianceInformation) -> list[list[FloatArray]]:
    """Return, per term, the directions (k, k) in which its root of Sigma may move.

    Column c of lambda is free from row c on; the map to the coordinates of `info` turns these
    entries into a span, of which an orthonormal basis is taken.
    """
    out = []
    for t, lam in enumerate(info.lams):
        k = lam.shape[0]
        T = np.eye(k) if info.slopes is None else info.slopes[t]
        own = []
        for c in range(k):
            for d in np.linalg.qr(T[:, c:])[0].T:
                direction = np.zeros((k, k))
                direction[:, c] = d
                own.append(direction)
        out.append(own)
    return out


def _phi_by_psi(info: VarianceInformation) -> tuple[FloatArray, FloatArray]:
    """J = dphi/dpsi and ``sum_m dD/dphi_m d2phi_m`` for phi = sigma^2 (vech(lam lam'), 1).

    With E_i the direction of theta_i: ``dphi/dtheta_i = sigma^2 vech(E_i lam' + lam E_i')``,
    ``d2phi/dtheta_i dtheta_j = sigma^2 vech(E_i E_j' + E_j E_i')``, and by log sigma^2 every
    derivative is what it is of.
    """
    k, s2, gradient = info.n_parameters, info.sigma2, info.gradient
    J, curvature = np.zeros((k, k)), np.zeros((k, k))
    start = 0
    for lam, units in zip(info.roots, _directions(info), strict=True):
        rows, cols = np.array(vech_positions(lam.shape[0])).T
        index = np.arange(start, start + len(units))
        J[index, -1] = s2 * (lam @ lam.T)[rows, cols]
        for i, E in zip(index, units, strict=True):
            J[index, i] = s2 * (E @ lam.T + lam @ E.T)[rows, cols]
            for j, F in zip(index, units, strict=True):
                curvature[i, j] = s2 * (gradient[index] @ (E @ F.T + F @ E.T)[rows, cols])
        start += len(units)
    J[-1, -1] = s2
    curvature[-1] = curvature[:, -1] = gradient @ J
    return J, curvature
