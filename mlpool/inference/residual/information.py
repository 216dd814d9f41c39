"""What small samples know of the parameters of a residual covariance.

The parameters are psi, in which the criterion was minimised, and ``s = log sigma^2``; with the
deviance ``D(psi, s) = log|H| + m s + r^2(psi) e^-s (+ log|X'H^-1 X|)`` the second derivatives at
the optimum are those of the profiled deviance, which :mod:`mlpool.engine.residual.search` gives,
and

    D_ss = m,     D_psi,s = -m d log r^2 / d psi,     D_psi,psi = D_profiled + D_psi,s D_s,psi / m.

Satterthwaite's df need their inverse and the derivatives of ``Phi = sigma^2 (X'H^-1 X)^-1``; Wald
intervals are symmetric on nlme's scales, to which the inverse is carried by the delta method.

References
----------
Fai & Cornelius (1996), JSCS 54, 363-378; Pinheiro & Bates (2000), Mixed-Effects Models in S and
S-PLUS, section 2.4.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mlpool.engine.residual.criterion import ResidualCriterion
from mlpool.engine.residual.fit import criterion_of
from mlpool.engine.residual.search import derivatives_at
from mlpool.engine.residual.types import ResidualData, ResidualFit
from mlpool.inference.small_sample.covariance_information import CovarianceInformation
from mlpool.typing import FloatArray

_FLAT = 1e-9
"""Eigenvalues of the Hessian, scaled to a unit diagonal, that rounding cannot tell from zero."""
_STEP = 1e-5
"""Step of central differences of closed formulas in psi, which has no unit: errors of 1e-10."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WaldScale:
    """Parameters where their intervals are symmetric (nlme's scales) and their SEs there.

    Stacked: log SDs and 2 atanh of correlations of each random term, the residual correlation,
    the residual variances (log ratios, powers), log sigma.

    Attributes
    ----------
    values, se : ndarray (r,)
    """

    values: FloatArray
    se: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ResidualInformation(CovarianceInformation):
    """The same with the parameters as intervals see them.

    Attributes
    ----------
    scale : WaldScale
    """

    scale: WaldScale

    @property
    def P(self) -> FloatArray:
        """``-X'V^-1 V_i V^-1 X`` of every parameter (k + 1, p, p)."""
        K = np.linalg.inv(self.Phi)
        return np.asarray(-K @ self.dPhi @ K)


def residual_information(data: ResidualData, fit: ResidualFit) -> ResidualInformation:
    """Return the information of a fit's variance parameters."""
    criterion = criterion_of(data, reml=fit.reml)
    psi, m = fit.parameters, criterion.m
    at, moved = criterion.evaluate(psi), derivatives_at(criterion, psi)
    k, p = len(psi), criterion.p
    slope = moved.pwrss / at.pwrss
    H = np.empty((k + 1, k + 1))
    H[k, k], H[k, :k], H[:k, k] = m, -m * slope, -m * slope
    H[:k, :k] = moved.hessian + m * np.outer(slope, slope)
    Phi = fit.sigma**2 * fit.vcov_unscaled
    # d Phi = -Phi (X' dH^-1 X / sigma^2) Phi, carried from working columns to those of X
    inverse = np.linalg.inv(at.S[:p, :p]) if p else np.empty((0, 0))
    working = criterion.columns.unit**2 * at.pwrss / m
    back = criterion.columns.back
    dPhi = np.array(
        [-working * back @ inverse @ dS[:p, :p] @ inverse @ back.T for dS in moved.S]
    ).reshape(k, p, p)
    C = 2.0 * _inverse(H)
    return ResidualInformation(
        beta=fit.beta,
        Phi=Phi,
        C=C,
        dPhi=np.concatenate([dPhi, Phi[None]]),
        scale=_wald_scale(criterion, np.append(psi, np.log(working)), C),
    )


def _inverse(H: FloatArray) -> FloatArray:
    """Return the inverse; directions that the data do not tell anything about have none."""
    bend = np.diag(H)
    size = np.where(bend > 0, 1.0 / np.sqrt(np.where(bend > 0, bend, 1.0)), 0.0)
    values, vectors = np.linalg.eigh(H * np.outer(size, size))
    kept = values > _FLAT
    vectors = vectors[:, kept] * size[:, None]
    return np.asarray((vectors / values[kept]) @ vectors.T)


def _wald_scale(criterion: ResidualCriterion, at: FloatArray, C: FloatArray) -> WaldScale:
    def stacked(full: FloatArray) -> FloatArray:
        return wald_scale_of(criterion, full[:-1], float(full[-1]))

    with np.errstate(divide="ignore", invalid="ignore"):
        J = _jacobian(stacked, at)
        variance = np.einsum("ri,ij,rj->r", J, C, J)
        return WaldScale(values=stacked(at), se=np.sqrt(np.where(variance > 0, variance, np.nan)))


def wald_scale_of(criterion: ResidualCriterion, psi: FloatArray, log_variance: float) -> FloatArray:
    """Return all parameters on nlme's scales, in the order of :class:`WaldScale`."""
    _, phi, delta = criterion.split(psi)
    log_sigma = 0.5 * log_variance + float(criterion.variances.log_centre(delta))
    out: list[FloatArray] = []
    for lam in criterion.template.matrices(criterion.user_theta(psi)):
        V = lam @ lam.T
        sd = np.sqrt(np.diag(V))
        lower = np.tril_indices(len(V), -1)
        out += [np.log(sd) + log_sigma, 2.0 * np.arctanh((V / np.outer(sd, sd))[lower])]
    if criterion.structure is not None:
        out.append(np.asarray(criterion.structure.wald_scale(phi)))
    return np.concatenate([*out, criterion.variances.natural(delta), [log_sigma]])


def _jacobian(function: Callable[[FloatArray], FloatArray], at: FloatArray) -> FloatArray:
    columns = [
        (function(at + _STEP * unit) - function(at - _STEP * unit)) / (2.0 * _STEP)
        for unit in np.eye(len(at))
    ]
    return np.array(columns).T
