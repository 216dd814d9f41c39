"""`plot`: which picture belongs to which result."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Unpack

from mlpool.errors import NotSupportedError, OptionError, brief
from mlpool.keywords import PlotOptions, spell_out
from mlpool.models.extractors.random_effects import GroupFrames
from mlpool.models.fitted import FittedModel
from mlpool.parameters.parameters_table import ParametersLayout
from mlpool.plots.coefficients import plot_comparison, plot_grouplevel, plot_parameters, plot_ranef
from mlpool.plots.contrasts import plot_contrasts
from mlpool.plots.model_checks.check_model import ModelChecks, check_model
from mlpool.plots.performance import plot_performance, plot_reliability
from mlpool.plots.plain_labels import as_written
from mlpool.plots.pooling import plot_pooling
from mlpool.plots.predictions import VALUES, plot_grid
from mlpool.plots.studies import (
    plot_coverage,
    plot_design_effect,
    plot_power,
    plot_sampling,
    plot_type_one,
)
from mlpool.pooling.compare import PoolingComparison
from mlpool.results import ResultFrame

if TYPE_CHECKING:
    from plotnine import ggplot


@spell_out(PlotOptions)
def plot(x: object, **options: Unpack[PlotOptions]) -> ggplot:
    """Draw a result; add to it as to any plotnine plot.

    Parameters
    ----------
    x : result or model
        ``model_parameters`` and ``compare_parameters`` (forest plots), ``estimate_*`` (lines with
        ribbons, dots with intervals, caterpillars), ``ranef``, ``compare_pooling``
        (``kind="shrinkage"``, ``"lines"``, ``"panels"``, ``"size"``), ``compare_performance``,
        ``reliability``, studies such as ``coverage_study``, or a fitted model (its
        :func:`mlpool.check_model` panels).
    **options
        Of that kind of plot: ``line={"color": "red", "alpha": 0.1}``, ``ribbon="none"``,
        ``point=``, ``show_data=True`` ...

    Returns
    -------
    plotnine.ggplot
        Not yet drawn: ``mlpool.plot(x) + labs(y="math")``.

    Raises
    ------
    NotSupportedError
        If plotnine is missing, or there is no picture of `x`.
    OptionError
        For options the plot does not have.

    Examples
    --------
    >>> import mlpool
    >>> m = mlpool.lm("Reaction ~ Days", mlpool.load_data("sleepstudy"))
    >>> type(mlpool.plot(mlpool.model_parameters(m))).__name__
    'ggplot'
    """
    draw = _find(x)
    drawn: ggplot
    try:
        drawn = as_written(draw(x, **options))
    except TypeError as error:
        name = str(error).partition("unexpected keyword argument ")[2]
        own = (f"{draw.__name__}()", "._ggplot()", "check_model()", "plot()")
        if not name or not any(place in str(error) for place in own):
            raise
        raise OptionError(f"this plot has no option {name}; see help(mlpool.plot).") from None
    return drawn


_BY_KIND: dict[str, Callable[..., ggplot]] = {
    "compare_performance": plot_performance,
    "reliability": plot_reliability,
    "sampling_study": plot_sampling,
    "coverage_study": plot_coverage,
    "type_one_error_study": plot_type_one,
    "design_effect_study": plot_design_effect,
    "simulate_power": plot_power,
}


def _find(x: object) -> Callable[..., ggplot]:
    if isinstance(x, PoolingComparison):
        return plot_pooling
    if isinstance(x, ModelChecks):
        return _plot_checks
    if isinstance(x, FittedModel):
        return _plot_model
    if isinstance(x, GroupFrames):
        return plot_ranef
    own = getattr(x, "_ggplot", None)
    if callable(own):
        return lambda _, **options: own(**options)
    if isinstance(x, ResultFrame):
        found = _find_table(x)
        if found is not None:
            return found
    raise NotSupportedError(
        f"There is no picture of {_what(x)}; plot() draws tables of parameters, estimates, "
        "poolings and performance, and models."
    )


def _find_table(x: ResultFrame) -> Callable[..., ggplot] | None:
    kind = x.metadata.get("kind")
    if kind in _BY_KIND:
        return _BY_KIND[kind]
    if "models" in x.metadata and "Parameter" in x:
        return plot_comparison
    if kind == "estimate_contrasts":
        return plot_contrasts
    if {"Group", "Level", "Coefficient"} <= set(x.columns):
        return plot_grouplevel
    if isinstance(x.layout, ParametersLayout):
        return plot_parameters
    if any(name in x for name in VALUES):
        return plot_grid
    return None


def _plot_checks(checks: ModelChecks, **options: Any) -> ggplot:
    drawn: ggplot = checks.plot(**options)
    return drawn


def _plot_model(model: FittedModel, **options: Any) -> ggplot:
    drawn: ggplot = check_model(model, **options).plot()
    return drawn


def _what(x: object) -> str:
    if isinstance(x, ResultFrame):
        return f"a table with the columns {', '.join(map(str, x.columns))}"
    return brief(x)
