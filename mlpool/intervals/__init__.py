"""Intervals of every parameter: bootstrap draws, likelihood profiles, `confint`.

May import parameters' layout, models, inference. Start reading in ``bootstrap.py``.
"""

from mlpool.intervals.bootstrap import Bootstrap, bootstrap
from mlpool.intervals.bootstrap_parameters import bootstrap_parameters
from mlpool.intervals.confint import confint
from mlpool.intervals.profile import Profile, profile

__all__ = ["Bootstrap", "Profile", "bootstrap", "bootstrap_parameters", "confint", "profile"]
