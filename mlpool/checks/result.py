"""What a check found: a sentence, its numbers, and a picture."""

from __future__ import annotations

import html
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import pandas as pd

from mlpool.errors import NotSupportedError, OptionError, brief
from mlpool.families import COUNTS
from mlpool.models import family as family_of
from mlpool.performance.explained_variance import fits_exactly
from mlpool.registry import verb
from mlpool.tables.cells import format_p
from mlpool.uncertainty.influence import unit_residuals

if TYPE_CHECKING:
    from plotnine import ggplot

    from mlpool.keywords import PlotOptions
    from mlpool.models import FittedModel

KINDS = ("lm", "glm", "lmer", "glmer", "gls")
ALPHA = 0.05
"""Below it a check warns, as easystats does."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Check:
    """What a check found; printing it gives easystats' sentence.

    Attributes
    ----------
    sentence : str
    holds : bool or None
        What ``bool(check)`` gives: whether that holds which the verb is named after
        (``check_singularity``: singular; ``check_normality``: normal; ``check_outliers``: there
        are some). None, counted as False, where it cannot be told.
    statistic, p_value : float
        Missing where there is none.
    statistic_name : str
    panel : str
        Panel of :func:`mlpool.check_model` that shows it; empty for none.
    model : FittedModel or None
    """

    sentence: str
    holds: bool | None
    statistic: float = math.nan
    p_value: float = math.nan
    statistic_name: str = "Statistic"
    panel: str = ""
    model: FittedModel | None = None

    def __bool__(self) -> bool:
        return bool(self.holds)

    def __float__(self) -> float:
        return self.p_value

    def __str__(self) -> str:
        return self.sentence

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(self.sentence)}</pre>"

    def to_pandas(self) -> pd.DataFrame:
        """Return the numbers as a frame."""
        return pd.DataFrame([{self.statistic_name: self.statistic, "p": self.p_value}])

    def plot(self, **options: Unpack[PlotOptions]) -> ggplot:
        """Return the panel of :func:`mlpool.check_model` that shows what was checked."""
        drawn: ggplot = verb("plot")(self, **options)
        return drawn

    def _ggplot(self, **options: object) -> object:
        return draw_panel(self.model, self.panel, options)


def draw_panel(model: FittedModel | None, panel: str, options: dict[str, object]) -> Any:
    """Return one panel of `check_model`.

    Raises
    ------
    NotSupportedError
        If there is none.
    OptionError
        For options, which panels do not have.
    """
    if not panel:
        raise NotSupportedError("There is no picture of this check.")
    if options:
        raise OptionError(
            f"a check's plot has no option {brief(next(iter(options)))}; add to the plot."
        )
    return verb("check_model")(model, panel)[panel]


def check_is_model(m: FittedModel, verb: str) -> None:
    """Raise a sentence unless `m` is a fitted model.

    Raises
    ------
    OptionError
    """
    if getattr(m, "kind", None) not in KINDS:
        raise OptionError(
            f"{verb} needs a fitted model, as lm(), glm(), lmer() or fit() return it; "
            f"got {brief(m)}."
        )


def is_linear(m: FittedModel) -> bool:
    """Return whether the response is normal with the identity link."""
    return m.family is None or (m.family.name == "gaussian" and m.family.link == "identity")


def check_is_linear(m: FittedModel, verb: str) -> None:
    """Raise a sentence unless `m` is a linear model.

    Raises
    ------
    OptionError, NotSupportedError
    """
    check_is_model(m, verb)
    if not is_linear(m):
        name = family_of(m).name
        hint = " Try check_overdispersion()." if name in COUNTS else ""
        raise NotSupportedError(
            f"{verb} is for residuals of linear models; those of a {name} model need not "
            f"be so.{hint}"
        )


def cannot_tell(what: str, why: str) -> str:
    """Return the sentence of a check that has nothing to go by."""
    return f"{what} cannot be told: {why}."


def p_text(p: float) -> str:
    """Return ``p = 0.123``, ``p < .001`` or ``p > .999``."""
    text = format_p(p).strip()
    return f"p {text}" if text[:1] in "<>" else f"p = {text}"


def pearson_over_sigma(m: FittedModel) -> Any:
    """Return residuals of a linear model with variance one (n,); None if there are none left."""
    if fits_exactly(m) or m.df_residual < 2:
        return None
    return unit_residuals(m)


def leaves_residuals(m: FittedModel) -> bool:
    """Return whether a model has rows left over, and does not fit all of them exactly."""
    if is_linear(m):
        return pearson_over_sigma(m) is not None
    residuals = np.asarray(m.residuals("pearson"), dtype=np.float64)
    return bool(m.df_residual >= 2 and np.isfinite(residuals).all() and residuals.any())


NO_RESIDUALS = (
    "the model leaves no residuals to look at (it has about as many parameters as rows, or fits "
    "them exactly)"
)
