"""Checks of a model's fit and assumptions: each returns a sentence with its numbers.

May import models and everything below (pictures when they are asked for). Start reading in
``result.py``, then ``residuals.py``.
"""

from mlpool.checks.all_fit import AllFit, all_fit
from mlpool.checks.autocorrelation import check_autocorrelation
from mlpool.checks.collinearity import CollinearityTable, check_collinearity
from mlpool.checks.convergence import Convergence, Singularity, check_convergence, check_singularity
from mlpool.checks.counts import (
    CountCheck,
    check_overdispersion,
    check_zeroinflation,
)
from mlpool.checks.heterogeneity_bias import HeterogeneityBias, check_heterogeneity_bias
from mlpool.checks.heteroscedasticity import check_heteroscedasticity
from mlpool.checks.influence import Influence, influence
from mlpool.checks.influence_measures import cooks_distance, dfbeta, dfbetas
from mlpool.checks.normality import Normality, check_normality
from mlpool.checks.outliers import Outliers, check_outliers
from mlpool.checks.result import Check
from mlpool.checks.serial import ACF, Serial, Variogram

__all__ = [
    "ACF",
    "AllFit",
    "Check",
    "CollinearityTable",
    "Convergence",
    "CountCheck",
    "HeterogeneityBias",
    "Influence",
    "Normality",
    "Outliers",
    "Serial",
    "Singularity",
    "Variogram",
    "all_fit",
    "check_autocorrelation",
    "check_collinearity",
    "check_convergence",
    "check_heterogeneity_bias",
    "check_heteroscedasticity",
    "check_normality",
    "check_outliers",
    "check_overdispersion",
    "check_singularity",
    "check_zeroinflation",
    "cooks_distance",
    "dfbeta",
    "dfbetas",
    "influence",
]
