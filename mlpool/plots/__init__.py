"""Pictures of results: each verb returns a plotnine ggplot that can be added to.

May import everything below; plotnine is imported when the first plot is made. Start reading in
``dispatch.py``.
"""

from mlpool.plots.dispatch import plot
from mlpool.plots.grammar import theme_mlpool
from mlpool.plots.model_checks.check_model import ModelChecks, check_model
from mlpool.plots.teaching import plot_icc, plot_shrinkage

__all__ = ["ModelChecks", "check_model", "plot", "plot_icc", "plot_shrinkage", "theme_mlpool"]
