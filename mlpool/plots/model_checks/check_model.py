"""`check_model`: a panel of pictures that show whether a model's assumptions hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlpool.argument_values import generator, names, whole_number
from mlpool.errors import NotSupportedError, OptionError, brief, check_option
from mlpool.floating_point import usual_floats
from mlpool.models.fitted import FittedModel
from mlpool.plots.grammar import grammar
from mlpool.plots.model_checks.panel_data import Context
from mlpool.plots.model_checks.panels import (
    binned,
    collinearity,
    homogeneity,
    influence,
    linearity,
    qq,
    random_qq,
)
from mlpool.plots.model_checks.predictive import predictive
from mlpool.uncertainty.influence import ONE_TERM

if TYPE_CHECKING:
    from plotnine import ggplot

    from mlpool.typing import SeedLike


@dataclass(frozen=True, kw_only=True, repr=False)
class ModelChecks:
    """Pictures of a model's assumptions.

    Attributes
    ----------
    panels : dict of ggplot
        By name: ``pp_check``, ``linearity``, ``homogeneity``, ``influence``, ``collinearity``
        (also ``vif``, as it is printed), ``qq``, ``reqq`` - those that the model has. Outcomes of
        0 and 1 have ``binned`` (residuals averaged by fitted probability) and ``quantiles``
        (randomised quantile residuals) for ``linearity``, ``homogeneity`` and ``qq``, which can be
        asked for.
    skipped : dict of str
        Why the others are missing.
    """

    panels: dict[str, ggplot]
    skipped: dict[str, str]

    def __getitem__(self, name: str) -> ggplot:
        """Return one panel.

        Raises
        ------
        OptionError
            If the model has no such panel.
        """
        name = _long(name)
        if name in self.skipped:
            raise OptionError(f"There is no panel {brief(name)}: {self.skipped[name]}")
        check_option(name, tuple(self.panels), argument="panel")
        return self.panels[name]

    def plot(self, *, columns: int = 2) -> Any:
        """Return all panels as one plotnine composition, `columns` beside each other."""
        if isinstance(columns, bool) or not isinstance(columns, int) or columns < 1:
            raise OptionError(f"columns must be a positive whole number; got {brief(columns)}.")
        g = grammar()
        small = g.theme(
            axis_title=g.element_text(size=8), axis_text=g.element_text(size=7),
            plot_title=g.element_text(size=10), plot_subtitle=g.element_text(size=8),
            legend_position="none",
        )  # fmt: skip
        plots = [panel + small for panel in self.panels.values()]
        if len(plots) == 1:
            return plots[0]
        rows = [_beside(plots[i : i + columns]) for i in range(0, len(plots), columns)]
        whole = rows[0]
        for row in rows[1:]:
            whole = whole / row
        height = 2.6 * len(rows)
        return whole & g.theme(figure_size=(4.2 * columns, height))

    def _repr_png_(self) -> bytes:
        """Return the panels as a picture, which notebooks show."""
        from io import BytesIO

        out = BytesIO()
        self.plot().save(out, format="png", dpi=100, verbose=False)
        return out.getvalue()

    def __repr__(self) -> str:
        """Name the panels."""
        named = {name: short for short, name in _SHORT.items()}
        shown = ", ".join(named.get(name, name) for name in self.panels)
        lines = [f"Panels: {shown}; draw them with .plot()."]
        lines += [
            f"No {named.get(name, name)}: {why}"
            for name, why in self.skipped.items()
            if why != ONE_TERM
        ]
        return "\n".join(lines)


def _beside(plots: list[Any]) -> Any:
    row = plots[0]
    for plot in plots[1:]:
        row = row | plot
    return row


@usual_floats
def check_model(
    model: FittedModel,
    panels: str | Iterable[str] | None = None,
    *,
    n_sim: int = 50,
    seed: SeedLike | None = 1,
) -> ModelChecks:
    """Draw a model's assumptions, as performance's ``check_model``.

    Residuals of generalised models are randomised quantile residuals. More than 3,000 rows are
    sampled before anything is drawn (30,000 for simulated responses); trends, bins and quantiles
    are those of all rows.

    Parameters
    ----------
    model : FittedModel
    panels : str or list of str, optional
        Which panels; all that the model has by default.
    n_sim : int
        Simulated responses of the posterior predictive check.
    seed : int, SeedSequence or Generator, optional
        Of the simulations, and of the rows shown where there are more than 3,000.

    Returns
    -------
    ModelChecks
        ``checks.plot()`` for all, ``checks["qq"]`` for one; notebooks show all.

    Raises
    ------
    OptionError
        For unknown panels, or no model.
    """
    if not isinstance(model, FittedModel):
        raise OptionError(f"check_model needs a fitted model; got {brief(model)}.")
    count = whole_number(n_sim, "n_sim", least=1, most=10_000)
    generator(seed)
    context = Context(model=model, n_sim=count, seed=seed)
    wanted = (
        (_ZERO_OR_ONE if context.is_zero_or_one else _USUAL) if panels is None else _wanted(panels)
    )
    drawn: dict[str, ggplot] = {}
    skipped: dict[str, str] = {}
    for name in wanted:
        try:
            drawn[name] = _PANELS[name](context)
        except NotSupportedError as error:
            skipped[name] = str(error)
    if not drawn:
        raise NotSupportedError(next(iter(skipped.values())))
    return ModelChecks(panels=drawn, skipped=skipped)


def _wanted(panels: str | Iterable[str]) -> tuple[str, ...]:
    wanted = tuple(_long(name) for name in names(panels, "panels"))
    if not wanted:
        raise OptionError(f"panels is empty; name some of {', '.join(_PANELS)}.")
    for name in wanted:
        check_option(name, tuple(_PANELS), argument="panels")
    return wanted


def _long(name: str) -> str:
    return _SHORT.get(name, name) if isinstance(name, str) else name


_PANELS: dict[str, Callable[[Context], ggplot]] = {
    "pp_check": predictive,
    "linearity": linearity,
    "homogeneity": homogeneity,
    "binned": binned,
    "influence": influence,
    "collinearity": collinearity,
    "qq": qq,
    "quantiles": qq,
    "reqq": random_qq,
}
_SHORT = {"vif": "collinearity"}
"""Names that are printed, as easystats', and taken: a text with "collinearity" has "linearity"."""
_USUAL = ("pp_check", "linearity", "homogeneity", "influence", "collinearity", "qq", "reqq")
_ZERO_OR_ONE = ("pp_check", "binned", "influence", "collinearity", "quantiles", "reqq")
