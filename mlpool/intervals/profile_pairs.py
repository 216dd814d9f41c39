"""Pairs of profiled parameters: contours of the likelihood, lme4's ``splom`` of a profile.

In units of zeta each parameter is straight and about normal; what is left between two of them is
their correlation at the estimate. The contour that holds two parameters with confidence c is

    zeta_i = r cos(t),   zeta_j = r cos(t - arccos(rho)),   r^2 = -2 log(1 - c)

(chi-square with 2 df), taken back to the parameters by their own profiles: it touches each profile
where |zeta| = r, as the exact contour does. lme4 interpolates the profiles' traces in place of rho,
which shows how a correlation turns far from the estimate.

References
----------
Bates & Watts (1988), Nonlinear Regression Analysis and Its Applications, section 6.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mlpool.engine.glmm.curvature import inverse_of_positive
from mlpool.inference.small_sample.random_wald import random_correlations
from mlpool.models import GeneralizedLinearMixedModel
from mlpool.models.extractors.parameter_names import SdScale
from mlpool.typing import FloatArray
from mlpool.uncertainty.small_sample import information

if TYPE_CHECKING:
    from mlpool.models import FittedModel

CONFIDENCE = (0.5, 0.8, 0.9, 0.95)
"""Of the contours."""

_TURN = 121
"""Points of a contour, the first twice."""


def pair_contours(points: pd.DataFrame, names: list[str], correlation: FloatArray) -> pd.DataFrame:
    """Return the contours of every pair: columns First, Second, Confidence, x, y.

    Parameters
    ----------
    points : DataFrame
        Parameter, Value, zeta.
    names : list of str
    correlation : ndarray of shape (k, k)
    """
    t = np.linspace(0.0, 2.0 * np.pi, _TURN)
    own = {name: points[points["Parameter"] == name].sort_values("Value") for name in names}
    parts = []
    for i, first in enumerate(names):
        for j in range(i):
            second, rho = names[j], correlation[i, j]
            if not np.isfinite(rho):
                continue
            for share in CONFIDENCE:
                r = np.sqrt(-2.0 * np.log(1.0 - share))
                zeta = r * np.cos(t), r * np.cos(t - np.arccos(rho))
                x, y = (_back(own[n], z) for n, z in zip((second, first), zeta, strict=True))
                found = {"First": second, "Second": first, "Confidence": share, "x": x, "y": y}
                parts.append(pd.DataFrame(found))
    return pd.concat(parts, ignore_index=True)


def _back(own: pd.DataFrame, zeta: FloatArray) -> FloatArray:
    """Return the values where a profile has these zeta; its last value where it ends before."""
    z = np.maximum.accumulate(own["zeta"].to_numpy(dtype=np.float64))
    return np.asarray(np.interp(zeta, z, own["Value"].to_numpy(dtype=np.float64)))


def correlations(m: FittedModel) -> FloatArray:
    """Return the correlations (k, k) of all parameters' estimates, NaN at a boundary.

    SDs, correlations and sigma of ``lmer`` do not correlate with its coefficients (the information
    has a block for each); those of ``glmer`` do, by the Hessian of its deviance.
    """
    fixed = np.asarray(m.vcov(), dtype=np.float64)
    if not m.is_mixed:
        return _scaled(fixed)
    if m.kind == "lmer":
        random = random_correlations(information(m))
        k = len(random)
        out = np.zeros((k + len(fixed), k + len(fixed)))
        out[:k, :k], out[k:, k:] = random, _scaled(fixed)
        return out
    assert isinstance(m, GeneralizedLinearMixedModel)  # profiles are of three kinds of models
    return _of_glmer(m)


def _of_glmer(m: GeneralizedLinearMixedModel) -> FloatArray:
    """Return them by the Hessian of theta, beta and a dispersion's logarithm."""
    hessian = m.fit.inference().hessian
    theta = np.asarray(m.fit.theta, dtype=np.float64)
    k, p = len(theta), len(m.fit.beta)
    free = np.flatnonzero(np.any(hessian != 0.0, axis=0))
    V = np.full(hessian.shape, np.nan)
    inverse = inverse_of_positive(hessian[np.ix_(free, free)] / 2.0)
    if inverse is not None:
        V[np.ix_(free, free)] = inverse
    scale = SdScale.of(m)
    n_random = len(scale.stack(m.fit.beta, theta, m.sigma)) - p
    J = np.zeros((n_random + p, len(hessian)))
    J[n_random:, k : k + p] = np.eye(p)
    # theta has no unit of its own: a step of the cube root of rounding, for central differences
    step = np.finfo(float).eps ** (1 / 3)
    for c in range(k):
        moved = np.zeros(k)
        moved[c] = step * max(1.0, abs(float(theta[c])))
        ends = [scale.stack(m.fit.beta, theta + s * moved, m.sigma)[:n_random] for s in (1, -1)]
        J[:n_random, c] = (ends[0] - ends[1]) / (2.0 * moved[c])
    if scale.has_sigma:
        J[:n_random, -1] = 0.0
        J[n_random - 1, -1] = 1.0
    return _scaled(J @ V @ J.T)


def _scaled(V: FloatArray) -> FloatArray:
    """Return correlations of a covariance matrix."""
    sd = np.sqrt(np.diag(V))
    with np.errstate(divide="ignore", invalid="ignore"):
        cor = np.clip(V / np.outer(sd, sd), -1.0, 1.0)
    return np.asarray(cor)
