"""Tables of parameters in easystats' manner: ``model_parameters`` and ``compare_parameters``.

May import everything up to models. Start reading in ``parameters.py``; ``layout.py`` says how its
frame is printed.
"""

from mlpool.parameters.compare import compare_parameters
from mlpool.parameters.parameters import model_parameters
from mlpool.parameters.standardize import standardize_parameters

__all__ = ["compare_parameters", "model_parameters", "standardize_parameters"]
