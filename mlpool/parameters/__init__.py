"""Tables of parameters in easystats' manner: ``model_parameters`` and ``compare_parameters``.

May import everything up to models. Start reading in ``parameters.py``; ``layout.py`` says how its
frame is printed.
"""

import sys

from mlpool.parameters.compare import compare_parameters
from mlpool.parameters.parameters import model_parameters
from mlpool.parameters.standardize import standardize_parameters
from mlpool.registry import CallableFolder

__all__ = ["compare_parameters", "model_parameters", "standardize_parameters"]

sys.modules[__name__].__class__ = CallableFolder  # R's parameters(m)
