"""Tests with cluster-robust covariances: coefficients, joint hypotheses, the wild bootstrap.

May import parameters' layout, models, inference. Start reading in ``coef_test.py``.
"""

from mlpool.robust.coef_test import coef_test
from mlpool.robust.wald_test import wald_test
from mlpool.robust.wild_bootstrap import wild_bootstrap

__all__ = ["coef_test", "wald_test", "wild_bootstrap"]
