"""broom's three data frames of a model: ``tidy``, ``glance`` and ``augment``.

May import intervals, parameters and everything below. Start reading in ``tidy.py``.
"""

from mlpool.broom.augment import augment
from mlpool.broom.glance import glance
from mlpool.broom.tidy import tidy

__all__ = ["augment", "glance", "tidy"]
