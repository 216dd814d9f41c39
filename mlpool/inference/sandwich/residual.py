"""Cluster-robust pieces of models with a residual covariance (mmrm's empirical covariances).

The working covariance is the model's own V, which is block-diagonal over clusters that hold whole
levels of the correlation and of every random effect: clubSandwich's estimators apply as they do to
mixed models. CR0 is mmrm's "Empirical", CR3 its "Empirical-Jackknife".

References
----------
Bell & McCaffrey (2002), Survey Methodology 28; Pustejovsky & Tipton (2018), JBES 36; clubSandwich's
``vcovCR`` for ``gls`` and ``lme``.
"""

from __future__ import annotations

import numpy as np

from mlpool.engine.residual.rows import covariance_at, independent_rows
from mlpool.engine.residual.types import ResidualData, ResidualFit
from mlpool.inference.sandwich.cluster_tests import ClusterPieces
from mlpool.inference.sandwich.mixed import check_clusters, pieces_of
from mlpool.typing import FloatArray, IntArray


def residual_pieces(
    data: ResidualData, fit: ResidualFit, codes: IntArray, kind: str
) -> ClusterPieces:
    """Return what cluster-robust inference about the coefficients needs.

    Parameters
    ----------
    data : ResidualData
    fit : ResidualFit
    codes : ndarray of int (n,)
        Clusters 0 .. J - 1, none of which cuts through dependent rows.
    kind : {"CR0", "CR1", "CR1p", "CR1S", "CR2", "CR3"}

    Raises
    ------
    NotSupportedError
        For fewer than two clusters, or CR2 with a cluster of more than 3,000 rows.
    FitError
        If CR3 meets a coefficient that rests on one cluster alone, or CR1p too few clusters.
    """
    check_clusters(codes)
    covariance = covariance_at(data, fit)

    def inverse_times(X: FloatArray) -> FloatArray:
        out = np.empty_like(X)
        for rows in independent_rows(data):
            out[rows] = np.linalg.solve(covariance(rows), X[rows])
        return out

    X = data.X.rows(0, data.n)[:, fit.kept]
    return pieces_of(
        fit.beta, fit.sigma**2 * fit.vcov_unscaled, X, data.y - X @ fit.beta, codes, kind,
        inverse_times=inverse_times, blocks=covariance,
    )  # fmt: skip
