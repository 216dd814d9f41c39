"""Data before and beside a fit: centring, within and between parts, descriptions, arithmetic.

May import frames, tables, results and what they may. Start reading in ``demean.py``; the arithmetic
of partial pooling is in ``pooling.py``.
"""

from mlpool.transform.codebook import data_codebook
from mlpool.transform.demean import degroup, demean
from mlpool.transform.describe import describe_distribution
from mlpool.transform.pooling import (
    deft,
    design_effect,
    effective_n,
    equivalent_n,
    pooling_estimate,
    precision_weighted_mean,
    se_pooling,
    shrinkage,
    variance_ratio,
)
from mlpool.transform.scale import center, standardize
from mlpool.transform.table_one import table_one

__all__ = [
    "center",
    "data_codebook",
    "deft",
    "degroup",
    "demean",
    "describe_distribution",
    "design_effect",
    "effective_n",
    "equivalent_n",
    "pooling_estimate",
    "precision_weighted_mean",
    "se_pooling",
    "shrinkage",
    "standardize",
    "table_one",
    "variance_ratio",
]
