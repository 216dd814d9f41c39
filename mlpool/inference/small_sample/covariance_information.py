"""What small samples know of a model whose variance parameters have a covariance already made.

The iterative solver and residual structures hand over the covariance of their variance parameters
psi (log sigma^2 last) and the derivatives of ``Var(beta-hat)`` by them: all that Satterthwaite's df
need (Fai & Cornelius 1996, JSCS 54, 363-378).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlpool.engine.theta import Template
from mlpool.engine.types import LmmFit
from mlpool.inference.small_sample.random_wald_glmm import Bounds, bounds_of, sigma_interval
from mlpool.typing import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CovarianceInformation:
    """Covariance of the parameters (psi, log sigma^2) and how they move that of beta.

    Attributes
    ----------
    beta : ndarray (p,)
    Phi : ndarray (p, p)
        Covariance of beta.
    C : ndarray (k + 1, k + 1)
        Covariance of the parameters.
    dPhi : ndarray (k + 1, p, p)
    """

    beta: FloatArray
    Phi: FloatArray
    C: FloatArray
    dPhi: FloatArray

    @property
    def vcov(self) -> FloatArray:
        """Covariance of the coefficients (p, p)."""
        return self.Phi

    def contrasts(self, L: FloatArray) -> FloatArray:
        """Return contrasts of the coefficients in the coordinates of `Phi`: the same."""
        return L


def average_information(fit: LmmFit) -> CovarianceInformation:
    """Return the information of a fit by the iterative solver."""
    record = fit.monte_carlo
    assert record is not None
    return CovarianceInformation(
        beta=fit.beta, Phi=fit.sigma**2 * fit.vcov_unscaled, C=record.C, dPhi=record.dPhi
    )


def average_bounds(fit: LmmFit, template: Template, level: float) -> Bounds:
    """Return (SE, low, high) of the SDs and correlations of a fit by the iterative solver.

    SDs are sigma times what theta says, so their errors come from the covariance of both:
    ``d(sigma theta) = sigma d theta + sigma theta d(log sigma^2) / 2``.
    """
    record = fit.monte_carlo
    assert record is not None
    J = np.column_stack([fit.sigma * np.eye(template.k), fit.sigma * fit.theta / 2.0])
    found = bounds_of(template, fit.sigma * fit.theta, J @ record.C @ J.T, level)
    log_error = 0.5 * float(np.sqrt(record.C[-1, -1]))
    found[-1, 0, 0] = sigma_interval(fit.sigma, log_error, level)
    return found
