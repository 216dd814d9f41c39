"""Cluster-robust covariances of generalised linear mixed models.

With g_c the derivative of cluster c's part of the marginal log-likelihood by all parameters
(theta, beta, the family's own) and H the Hessian of the whole,

    V = f H^-1 (sum_c g_c g_c') H^-1        f = 1 (CR0), G / (G - 1) (CR1)

of which the block of beta is reported (White 1982, Econometrica 50; R's ``merDeriv`` with
``sandwich``). A cluster must hold whole levels of every grouping factor, because the likelihood of
a level does not split: factors may be nested, and crossed ones have no clusters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mlpool.designs.engine_data import n_covariance
from mlpool.engine.glmm.curvature import inverse_of_positive
from mlpool.errors import FitError, NotSupportedError, brief
from mlpool.typing import FloatArray, IntArray
from mlpool.uncertainty.fit_records import glmm_fit

if TYPE_CHECKING:
    from mlpool.uncertainty.covariance import VcovChoice
    from mlpool.uncertainty.model_protocol import EstimatedModel

_FACTORS = ("CR0", "CR1", "HC0", "HC1", "vcovCL")


def glmm_robust_vcov(model: EstimatedModel, choice: VcovChoice) -> FloatArray:
    """Return the robust covariance of beta (p, p).

    Raises
    ------
    NotSupportedError
        For several ways of clustering, other types than CR0 and CR1, crossed factors, or nAGQ = 0.
    FitError
        Where the Hessian is not positive definite.
    """
    _check_supported(model, choice)
    codes, n_clusters = choice.clusters[0], choice.n_clusters[0]
    cluster_of = [_cluster_of_levels(r.codes, len(r.levels), codes) for r in model.design.random]
    inference = glmm_fit(model).inference()
    total = np.zeros((n_clusters, len(inference.hessian)))
    for scores in glmm_fit(model).scores():
        np.add.at(total, cluster_of[scores.term], scores.values)
    half = inference.hessian / 2.0
    free = np.flatnonzero(np.any(half != 0.0, axis=0))
    inverse = np.zeros_like(half)
    found = inverse_of_positive(half[np.ix_(free, free)])
    if found is None:
        raise FitError(
            "The Hessian of the deviance is not positive definite, so that a sandwich has no bread."
        )
    inverse[np.ix_(free, free)] = found
    vcov = inverse @ (total.T @ total) @ inverse
    if choice.kind not in ("CR0", "HC0"):
        vcov = vcov * n_clusters / (n_clusters - 1.0)
    k, p = n_covariance(model.design), len(model.fit.beta)
    return np.asarray(vcov[k : k + p, k : k + p])


def _check_supported(model: EstimatedModel, choice: VcovChoice) -> None:
    if len(choice.clusters) > 1:
        raise NotSupportedError("glmer has cluster-robust standard errors for one cluster= only.")
    if choice.kind not in _FACTORS:
        raise NotSupportedError(
            f"vcov={brief(choice.label)} is not available for glmer; use 'CR0' or 'CR1'."
        )
    if glmm_fit(model).n_quadrature == 0:
        raise NotSupportedError("Cluster-robust standard errors need nAGQ=1 or more.")


def _cluster_of_levels(levels: IntArray, n_levels: int, codes: IntArray) -> IntArray:
    """Return the cluster that holds each level; that none is cut has been checked before."""
    found = np.zeros(n_levels, dtype=np.int64)
    found[levels] = codes
    return found
