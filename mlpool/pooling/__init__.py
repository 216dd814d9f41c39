"""Three answers to one question: complete, no and partial pooling side by side.

May import models, performance and the table layers. Start reading in ``compare.py``.
"""

from mlpool.pooling.compare import PoolingComparison, compare_pooling

__all__ = ["PoolingComparison", "compare_pooling"]
