"""Complete, no and partial pooling side by side, and every group's own regression.

May import models, performance and the table layers. Start reading in ``compare.py``.
"""

from mlpool.pooling.compare import PoolingComparison, compare_pooling
from mlpool.pooling.lm_list import lm_list
from mlpool.pooling.lm_list_table import LmList

__all__ = ["LmList", "PoolingComparison", "compare_pooling", "lm_list"]
