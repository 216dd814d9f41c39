"""Tests that compare: terms of a model, models with each other, linear hypotheses, many p-values.

May import everything up to summaries and parameters. Start reading in ``anova.py``.
"""

from mlpool.comparisons.anova import anova
from mlpool.comparisons.drop1 import drop1
from mlpool.comparisons.effect_sizes import epsilon_squared, eta_squared, omega_squared
from mlpool.comparisons.likelihood_ratio import test_likelihoodratio
from mlpool.comparisons.linear_hypothesis import linear_hypothesis
from mlpool.comparisons.p_adjust import p_adjust
from mlpool.comparisons.ranova import ranova

__all__ = [
    "anova",
    "drop1",
    "epsilon_squared",
    "eta_squared",
    "linear_hypothesis",
    "omega_squared",
    "p_adjust",
    "ranova",
    "test_likelihoodratio",
]
