"""Simulated clusters for teaching: populations with a known truth, samples, and studies of methods.

May import models and everything below them; the parameters and estimates folders never import it.
Start reading in ``clusters.py``.
"""

from mlpool.teaching.clusters import simulate_clusters, simulate_reversal
from mlpool.teaching.power import simulate_power
from mlpool.teaching.sampling import sampling_study, simple_random_sample, two_stage_sample
from mlpool.teaching.studies import coverage_study, design_effect_study, type_one_error_study

__all__ = [
    "coverage_study",
    "design_effect_study",
    "sampling_study",
    "simple_random_sample",
    "simulate_clusters",
    "simulate_power",
    "simulate_reversal",
    "two_stage_sample",
    "type_one_error_study",
]
