"""From a model to answers: marginal means, contrasts, slopes, predictions, group levels."""

from mlpool.estimates.contrasts import estimate_contrasts
from mlpool.estimates.emmeans.contrast import contrast
from mlpool.estimates.emmeans.regrid import regrid
from mlpool.estimates.emmeans_names import emmeans, emtrends, pairs
from mlpool.estimates.grouplevel import estimate_grouplevel
from mlpool.estimates.joint_tests import joint_tests
from mlpool.estimates.means import estimate_means
from mlpool.estimates.relation import (
    estimate_expectation,
    estimate_link,
    estimate_prediction,
    estimate_relation,
)
from mlpool.estimates.slopes import estimate_slopes

__all__ = [
    "contrast",
    "emmeans",
    "emtrends",
    "estimate_contrasts",
    "estimate_expectation",
    "estimate_grouplevel",
    "estimate_link",
    "estimate_means",
    "estimate_prediction",
    "estimate_relation",
    "estimate_slopes",
    "joint_tests",
    "pairs",
    "regrid",
]
