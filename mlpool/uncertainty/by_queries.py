"""Robust covariances of models whose rows are elsewhere: sums per cluster, asked for by a query."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import block_diag

from mlpool.designs.engine_data import as_lmm_data
from mlpool.designs.least_squares import AbsorbedOls
from mlpool.engine.types import OlsFit
from mlpool.errors import NotSupportedError, brief
from mlpool.inference.sandwich.of_sums import (
    NEED_PRODUCTS,
    least_squares_clusters,
    mixed_clusters,
    vcov_of_clusters,
)
from mlpool.inference.small_sample.variance_sums import relative_factors
from mlpool.sources.design import PushedDesign, asked
from mlpool.typing import FloatArray
from mlpool.uncertainty.fit_records import lmm_fit, ols_fit

if TYPE_CHECKING:
    from mlpool.uncertainty.covariance import VcovChoice
    from mlpool.uncertainty.model_protocol import EstimatedModel


def check_same_group(design: PushedDesign, ways: tuple[str, ...]) -> None:
    """Refuse clusters of a mixed model that are not its one grouping factor.

    Raises
    ------
    NotSupportedError
    """
    if design.factor_sums is not None:
        raise NotSupportedError(
            "Cluster-robust covariances of scanned rows are of models with one grouping factor; "
            "read the rows into memory for several."
        )
    group = str(design.random[0].group)
    if ways != (group,):
        raise NotSupportedError(
            f"Clusters of a mixed model of scanned rows are its grouping factor {brief(group)}; "
            "read the rows into memory for others."
        )


def vcov_by_queries(model: EstimatedModel, choice: VcovChoice) -> FloatArray:
    """Return a robust covariance (p, p) by one more query.

    Raises
    ------
    NotSupportedError
        For types that are made of single rows or of several cluster variables.
    """
    design = asked(model.design)
    if not choice.clusters:
        return _without_clusters(design, ols_fit(model), choice.label)
    if len(choice.clusters) > 1:
        raise NotSupportedError(
            "Scanned rows have one cluster variable at a time; read them for several."
        )
    (way,) = choice.cluster_names
    has_weights = design.sums.has_weights
    if not design.random:
        sums, ols = design.clustered(way, whole=choice.kind in NEED_PRODUCTS), ols_fit(model)
        parts = least_squares_clusters(sums, ols.kept, ols.beta, ols.vcov_unscaled)
        return vcov_of_clusters(parts, choice.kind, has_weights=has_weights)
    if choice.kind in ("CR2", "HC2"):
        raise NotSupportedError(
            f"{choice.label} of a mixed model needs the rows in memory; 'CR1', 'CR1S' and 'CR3' "
            "come from sums."
        )
    fit = lmm_fit(model)
    Lambda = block_diag(*relative_factors(as_lmm_data(design), fit))
    sums = design.clustered(way, whole=True)
    parts = mixed_clusters(sums, Lambda, fit.kept, (fit.beta, fit.sigma, fit.vcov_unscaled))
    return vcov_of_clusters(parts, choice.kind, has_weights=False)


def _without_clusters(design: PushedDesign, fit: OlsFit | AbsorbedOls, label: str) -> FloatArray:
    """Return ``M X'diag(w^2 e^2) X M`` (HC0; HC1 times n / (n - p)), by one query."""
    if label not in ("HC0", "HC1"):
        raise NotSupportedError(
            f"{label} divides by leverages, for which each row is needed; 'HC0' and 'HC1' are sums."
        )
    X = design.sums.uncentre(design.sums.layout.x[fit.kept])
    meat = X.T @ design.squared_residual_total(fit.kept, fit.beta) @ X
    V = fit.vcov_unscaled @ meat @ fit.vcov_unscaled
    n, p = design.n, len(fit.beta)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(0.5 * (V + V.T) * (np.divide(n, n - p) if label == "HC1" else 1.0))
