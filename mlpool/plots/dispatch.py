"""`plot`: which picture belongs to which result."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Unpack

from mlpool.checks.serial import Serial
from mlpool.errors import NotSupportedError, OptionError, brief
from mlpool.keywords import PlotOptions, spell_out
from mlpool.models.extractors.random_effects import GroupFrames, VarCorr
from mlpool.models.fitted import FittedModel
from mlpool.parameters.parameters_table import ParametersLayout
from mlpool.plots.coefficients import plot_comparison, plot_grouplevel, plot_parameters, plot_ranef
from mlpool.plots.grids.contrasts import plot_contrasts
from mlpool.plots.grids.predictions import plot_grid
from mlpool.plots.grids.read_grid import VALUES
from mlpool.plots.model_checks.check_model import ModelChecks, check_model
from mlpool.plots.performance import plot_performance, plot_reliability
from mlpool.plots.plain_labels import as_written
from mlpool.plots.pooling import plot_pooling
from mlpool.plots.serial import plot_serial
from mlpool.plots.studies import (
    plot_coverage,
    plot_design_effect,
    plot_power,
    plot_sampling,
    plot_type_one,
)
from mlpool.plots.variances import (
    is_intervals,
    plot_icc_by_group,
    plot_intervals,
    plot_varcorr,
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
        What can be drawn, and the options that it has:

        - ``estimate_relation``, ``estimate_means``, ``estimate_slopes`` and their kin (lines with
          bands, dots with intervals): ``line``, ``ribbon``, ``point``, ``pointrange``,
          ``show_data``, ``join_dots``, ``numeric_as_discrete``.
        - ``estimate_contrasts`` (dots, or lines along a number): ``point``, ``line``, ``ribbon``,
          ``numeric_as_discrete``.
        - ``estimate_grouplevel``, ``ranef``, ``coef`` (caterpillars): ``sort``, ``line``,
          ``point``.
        - ``model_parameters``, ``standardize_parameters`` (forest plots): ``effects``,
          ``show_intercept``, ``point``; ``compare_parameters``: ``show_intercept``.
        - ``VarCorr``, ``confint``, ``icc(m, by_group=True)``, ``reliability``,
          ``compare_performance`` and studies such as ``coverage_study``: none.
        - ``compare_pooling``: ``kind`` (``"shrinkage"``, ``"map"``, ``"lines"``, ``"panels"``,
          ``"size"``), ``n``, ``parameter``, ``groups``, ``arrows``.
        - ``profile``: ``kind`` (``"zeta"``, ``"density"``, ``"splom"``), ``level``,
          ``parameters``; ``bootstrap``: ``kind`` (``"histogram"``, ``"density"``), ``level``,
          ``method``, ``parameters``.
        - A fitted model (the panels of :func:`mlpool.check_model`): ``panels``, ``columns`` ...;
          each of the ``check_*`` that has a picture: none.
    **options
        Of that kind of plot: ``line={"color": "red", "alpha": 0.1}``, ``ribbon="none"``,
        ``show_data=True`` ... Settings of layers are plotnine's: ``color``, ``fill``, ``alpha``,
        ``size``, ``linetype``, ``shape``.

    Returns
    -------
    plotnine.ggplot
        Not yet drawn: ``mlpool.plot(x) + labs(y="math")``.

    Raises
    ------
    NotSupportedError
        If plotnine is missing, or there is no picture of `x`.
    OptionError
        For options the plot does not have; it says which it has.

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
        has = f"it has {', '.join(known)}" if (known := _options_of(draw, x)) else "it has none"
        raise OptionError(f"this plot has no option {name}; {has}.") from None
    return drawn


def _options_of(draw: Callable[..., ggplot], x: object) -> list[str]:
    """Return the options of a picture."""
    asked: Callable[..., object] = draw
    if isinstance(x, FittedModel):
        asked = check_model
    elif draw is _plot_checks:
        asked = ModelChecks.plot
    elif callable(own := getattr(x, "_ggplot", None)) and not isinstance(x, ResultFrame):
        asked = own
    known = inspect.signature(asked).parameters.values()
    return [p.name for p in known if p.kind is p.KEYWORD_ONLY or p.default is not p.empty]


_BY_KIND: dict[str, Callable[..., ggplot]] = {
    "compare_performance": plot_performance,
    "icc_by_group": plot_icc_by_group,
    "reliability": plot_reliability,
    "sampling_study": plot_sampling,
    "coverage_study": plot_coverage,
    "type_one_error_study": plot_type_one,
    "design_effect_study": plot_design_effect,
    "simulate_power": plot_power,
}


def _find(x: object) -> Callable[..., ggplot]:
    pictures: tuple[tuple[type, Callable[..., ggplot]], ...] = (
        (PoolingComparison, plot_pooling), (ModelChecks, _plot_checks), (FittedModel, _plot_model),
        (GroupFrames, plot_ranef), (VarCorr, plot_varcorr), (Serial, plot_serial),
    )  # fmt: skip
    for kind, draw in pictures:
        if isinstance(x, kind):
            return draw
    if is_intervals(x):
        return plot_intervals
    own = getattr(x, "_ggplot", None)
    if callable(own):
        return lambda _, **options: own(**options)
    if isinstance(x, ResultFrame):
        found = _find_table(x)
        if found is not None:
            return found
    raise NotSupportedError(
        f"There is no picture of {_what(x)}; plot() draws model_parameters, compare_parameters, "
        "estimate_relation, estimate_means, estimate_slopes, estimate_contrasts, "
        "estimate_grouplevel, ranef, VarCorr, confint, profile, bootstrap, compare_pooling, "
        "compare_performance, reliability, icc(m, by_group=True), check_model, the check_*, "
        "ACF and studies; help(mlpool.plot) lists the options of each."
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
