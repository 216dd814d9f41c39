"""Intervals of every parameter: bootstrap draws, likelihood profiles, `confint`.

May import parameters' layout, models, inference. Start reading in ``bootstrap.py``.
"""

from mlpool.intervals.bootstrap import Bootstrap, bootstrap
from mlpool.intervals.parameters import bootstrap_parameters

__all__ = ["Bootstrap", "bootstrap", "bootstrap_parameters"]
