"""Inference about covariances of few parameters: terms of ``diag()``, ``cs()`` and ``ar1()``.

The parameters are psi of :mod:`mlpool.engine.structured.covariance_map` and, of linear models, log
sigma^2; with the deviance ``D(psi, s) = log|V| + m s + r^2(psi) e^-s (+ log|X'V^-1 X|)`` second
derivatives at the optimum are those of the profiled deviance and

    D_ss = m,     D_psi,s = -m d log r^2 / d psi,     D_psi,psi = D_profiled + D_psi,s D_s,psi / m.

Satterthwaite's df need the inverse and the derivatives of ``Phi = sigma^2 (X'V^-1 X)^-1`` (Fai &
Cornelius 1996, JSCS 54, 363-378). Intervals are symmetric in psi: log SDs, atanh of ``ar1``'s rho,
the logit of ``cs``'s between the ends of its range.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from mlpool.engine.lmm.fit import prepare
from mlpool.engine.structured.covariance_map import CovarianceMap, Structure
from mlpool.engine.structured.linear import StructuredCriterion, differences
from mlpool.engine.theta import Template
from mlpool.engine.threads import blas_threads
from mlpool.engine.types import Control, LmmData, LmmFit
from mlpool.inference.small_sample.covariance_information import CovarianceInformation
from mlpool.inference.small_sample.random_wald_glmm import Bounds, bounds_of, sigma_interval
from mlpool.typing import FloatArray

_FLAT = 1e-9
"""Eigenvalues of the Hessian, scaled to a unit diagonal, that rounding cannot tell from zero."""
_MISSING = (float("nan"),) * 3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StructuredInformation(CovarianceInformation):
    """What is known of (psi, log sigma^2); psi of terms without a structure is theta itself."""


def structured_information(data: LmmData, fit: LmmFit) -> StructuredInformation:
    """Return the information of a linear model's variance parameters."""
    with blas_threads(1):
        objective = prepare(data, reml=fit.reml, control=Control())
        criterion = StructuredCriterion(objective, data.structures, is_bounded=False)
        psi = criterion.map.psi(fit.theta)
        k, m, fixed = len(psi), objective.m, objective.fixed
        found = objective.solve(fit.theta)

        def moved(at: FloatArray) -> tuple[FloatArray, FloatArray]:
            slope = criterion.evaluate(at).gradient
            there = objective.solve(criterion.map.theta(at))
            return slope, np.append(there.Sxx_inverse.ravel(), there.pwrss)

        H, others = differences(moved, psi)
    slope = others[:, -1] / found.pwrss
    full = np.empty((k + 1, k + 1))
    full[k, k], full[k, :k], full[:k, k] = m, -m * slope, -m * slope
    full[:k, :k] = 0.5 * (H + H.T) + m * np.outer(slope, slope)
    known = full
    if criterion.has_no_residual(fit.theta):  # sigma is at its end: all that is known is psi
        known = full * np.append(np.ones(k), 0.0)[:, None] * np.append(np.ones(k), 0.0)
    units = criterion.map.psi_units()
    step = np.append(units, 1.0)
    p = len(fit.beta)
    dU = fixed.back @ others[:, :-1].reshape(k, p, p) @ fixed.back.T
    Phi = fit.sigma**2 * fit.vcov_unscaled
    dPhi = np.concatenate([fit.sigma**2 * dU / units[:, None, None], Phi[None]])
    return StructuredInformation(
        beta=fit.beta, Phi=Phi, C=2.0 * _inverse(known) * np.outer(step, step), dPhi=dPhi
    )


def _inverse(H: FloatArray) -> FloatArray:
    """Return the inverse; directions that the data do not tell anything about have none."""
    bend = np.diag(H)
    size = np.where(bend > 0, 1.0 / np.sqrt(np.where(bend > 0, bend, 1.0)), 0.0)
    values, vectors = np.linalg.eigh(H * np.outer(size, size))
    kept = values > _FLAT
    vectors = vectors[:, kept] * size[:, None]
    return np.asarray((vectors / values[kept]) @ vectors.T)


def structured_bounds(
    structures: Sequence[Structure | None],
    template: Template,
    theta: FloatArray,
    C: FloatArray,
    level: float,
) -> Bounds:
    """Return (SE, low, high) of SDs and correlations by (term, row, column).

    Parameters
    ----------
    structures : sequence of (Structure or None)
    template : Template
        Of all terms.
    theta : ndarray (k_theta,)
        Times sigma where it is relative to it.
    C : ndarray (k, k)
        Covariance of psi for that theta; of terms without a structure psi is theta itself. NaN
        for what is at the end of its range.
    level : float
    """
    z = NormalDist().inv_cdf(0.5 * (1.0 + level))
    found: Bounds = {}
    own = CovarianceMap(
        sizes=template.sizes, structures=tuple(structures), units=np.ones(template.k)
    )
    ends = np.cumsum(own.lengths)
    for t, structure in enumerate(structures):
        at = slice(ends[t] - own.lengths[t], ends[t])
        term, V, k = theta[template.term_slice(t)], C[at, at], template.sizes[t]
        if structure is None:
            single = bounds_of(Template((k,)), term, V, level)
            found |= {(t, a, b): one for (_, a, b), one in single.items()}
        else:
            psi = structure.psi(Template((k,)).matrices(term)[0])
            found |= _own_bounds(t, structure, k, psi, np.sqrt(np.diag(V)), z)
    return found


def _own_bounds(
    t: int, structure: Structure, k: int, psi: FloatArray, se: FloatArray, z: float
) -> Bounds:
    """Return those of one term, with the SEs of its psi."""
    found: Bounds = {}
    count = structure.n_sd(k)
    for i, (value, error) in enumerate(zip(psi[:count], se[:count], strict=True)):
        ends = np.exp(np.array([value - z * error, value + z * error]))
        is_known = np.isfinite(value) and error > 0
        one = (float(np.exp(value) * error), float(ends[0]), float(ends[1]))
        found[t, i, i] = one if is_known else _MISSING
    if structure.kind != "diag":
        value, error = float(psi[-1]), float(se[-1])
        low, here, high = structure.rho(np.array([value - z * error, value, value + z * error]), k)
        slope = (1.0 - here) * (here - structure.lowest(k)) / (1.0 - structure.lowest(k))
        slope = 1.0 - here**2 if structure.kind == "ar1" else slope
        is_known = np.isfinite(value) and error > 0
        found[t, 1, 0] = (float(slope * error), float(low), float(high)) if is_known else _MISSING
    return found


def linear_bounds(
    structures: Sequence[Structure | None],
    template: Template,
    fit: LmmFit,
    C: FloatArray,
    level: float,
) -> Bounds:
    """Return (SE, low, high) of the SDs and correlations of a linear model, sigma at (-1, 0, 0).

    ``log(sigma sd) = psi + log sigma^2 / 2``; entries of theta are multiplied by sigma.
    """
    J = np.zeros((len(C) - 1, len(C)))
    own = CovarianceMap(
        sizes=template.sizes, structures=tuple(structures), units=np.ones(template.k)
    )
    ends = np.cumsum(own.lengths)
    for t, structure in enumerate(structures):
        at = np.arange(ends[t] - own.lengths[t], ends[t])
        if structure is None:
            J[at, at] = fit.sigma
            J[at, -1] = fit.sigma * fit.theta[template.term_slice(t)] / 2.0
        else:
            J[at, at] = 1.0
            J[at[: structure.n_sd(template.sizes[t])], -1] = 0.5
    # a direction without information, the end of a range, has no variance in C and none here
    V = J @ C @ J.T
    known = np.diag(C)[:-1] > 0
    V = np.where(np.outer(known, known), V, np.nan)
    found = structured_bounds(structures, template, fit.sigma * fit.theta, V, level)
    error = 0.5 * float(np.sqrt(C[-1, -1]))
    found[-1, 0, 0] = sigma_interval(fit.sigma, error, level) if error > 0 else _MISSING
    return found
