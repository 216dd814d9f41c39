"""Kenward and Roger's covariance and df of models with a residual covariance.

For V that is linear in some parameters the second derivatives vanish in these, and what is left,

    PhiA = Phi + 2 Phi [ sum_ij W_ij (Q_ij - P_i Phi P_j) ] Phi,

does not change when the same matrices are described by others: P, Q and W are taken by
(psi, log sigma^2), in which the model was fitted. W is the inverse of the observed information, as
SAS's ``ddfm=kr`` and R's mmrm have it; Kenward and Roger (and pbkrtest) take the expected one.

References
----------
Kenward & Roger (1997), Biometrics 53, 983-997; Kenward & Roger (2009), Comput. Stat. Data Anal. 53,
2583-2595.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mlpool.engine.residual.fit import criterion_of
from mlpool.engine.residual.slopes import moved_columns
from mlpool.engine.residual.types import ResidualData, ResidualFit
from mlpool.inference.residual.information import ResidualInformation
from mlpool.inference.small_sample.kenward_roger import KenwardRoger, adjusted_covariance
from mlpool.typing import FloatArray


def adjusted_vcov(data: ResidualData, fit: ResidualFit, info: ResidualInformation) -> FloatArray:
    """Return the adjusted covariance PhiA (p, p) of a REML fit.

    Where V is not linear in any parameters this is mmrm's "Kenward-Roger-Linear".
    """
    criterion = criterion_of(data, reml=fit.reml)
    p, k = criterion.p, len(info.C)
    # (L^-1 H_i H^-1 X) of every parameter, sigma^2 last: their products are sigma^2 Q
    sums = np.zeros((k, k, p, p))
    for moved in moved_columns(criterion, fit.parameters):
        flat = moved.reshape(k, -1, p)
        sums += np.einsum("ira,jrb->ijab", flat, flat, optimize=True)
    point = criterion.evaluate(fit.parameters)
    scale = criterion.columns.unit**2 * point.pwrss / criterion.m
    B = np.linalg.inv(criterion.columns.back)
    return adjusted_covariance(info.Phi, info.P, B.T @ sums @ B / scale, info.C)


def kenward_roger_with(adjusted: FloatArray, info: ResidualInformation) -> KenwardRoger:
    """Return what tests need of an adjusted covariance, the df of single coefficients among it."""
    result = KenwardRoger(
        vcov=adjusted, adjusted=adjusted, df=np.empty(0), vcov_varpar=info.C, info=info
    )
    return replace(result, df=result.contrast_df(np.eye(len(adjusted))))
