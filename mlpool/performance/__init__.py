"""How good a model is: variance components, ICC, R2, criteria, and checks of its assumptions.

May import models and everything below. Start reading in ``icc.py``; the numbers behind ICC and R2
are in ``mlpool/performance/variance_components.py``.
"""

import sys

from mlpool.performance.compare import compare_performance
from mlpool.performance.criteria import model_performance
from mlpool.performance.icc import icc
from mlpool.performance.r2 import r2
from mlpool.performance.reliability import reliability
from mlpool.performance.variance import VarianceComponents, get_variance
from mlpool.registry import CallableFolder

__all__ = [
    "VarianceComponents",
    "compare_performance",
    "get_variance",
    "icc",
    "model_performance",
    "r2",
    "reliability",
]

sys.modules[__name__].__class__ = CallableFolder  # R's performance(m)
