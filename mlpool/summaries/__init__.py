"""R's own printed texts of models: ``print(m)``, ``summary(m)``, ``VarCorr(m)``.

May import everything up to models. Start reading in ``mixed.py`` and ``single.py``.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Unpack

from mlpool.errors import OptionError, brief, nearest_names
from mlpool.keywords import SummaryOptions, spell_out
from mlpool.models import (
    GeneralizedLinearMixedModel,
    GeneralizedLinearModel,
    LinearMixedModel,
    ResidualModel,
)
from mlpool.models.argument_checks import check_model
from mlpool.option_spellings import also_spelt
from mlpool.summaries.display import display
from mlpool.summaries.flextable import summary_table
from mlpool.summaries.generalized import print_generalized, summarise_generalized
from mlpool.summaries.mixed import print_mixed, summarise_mixed, varcorr_text
from mlpool.summaries.residual_structure import print_residual, summarise_residual
from mlpool.summaries.single_level import print_single, summarise_glm, summarise_lm
from mlpool.summaries.summary_text import Summary

if TYPE_CHECKING:
    from mlpool.models import FittedModel

__all__ = [
    "Summary",
    "display",
    "notebook_html",
    "print_text",
    "summarise",
    "summary",
    "summary_table",
    "varcorr_text",
]


_ARGUMENTS = {
    "lmer": ("ddf", "correlation"),
    "glmer": ("correlation",),
    "gls": ("correlation",),
}
"""What summaries of kinds of models can be asked for."""


def print_text(m: FittedModel) -> str:
    """Return what R prints for a model's name."""
    if isinstance(m, GeneralizedLinearMixedModel):
        return print_generalized(m)
    if isinstance(m, ResidualModel):
        return print_residual(m)
    return print_mixed(m) if isinstance(m, LinearMixedModel) else print_single(m)


def notebook_html(m: FittedModel) -> str:
    """Return what a notebook shows of a model: formula, rows and groups, and its coefficients."""
    what = [f"{m.kind}: <code>{escape(m.formula.text)}</code>", f"{m.nobs:,} observations"]
    what += [f"{n:,} groups of {escape(group)}" for group, n in m.ngroups.items()]
    return f"<p>{'; '.join(what)}</p>{m.parameters().to_html()}"


def summarise(m: FittedModel, **options: Unpack[SummaryOptions]) -> Summary:
    """Return R's summary of a model.

    Raises
    ------
    OptionError
        For arguments that the model's summary does not have.
    """
    known = _ARGUMENTS.get(m.kind, ())
    for name in options:
        if name not in known:
            raise OptionError(
                f"summary() of {m.kind} has no argument {brief(name)}.{nearest_names(name, known)}"
            )
    if isinstance(m, LinearMixedModel):
        return summarise_mixed(m, options.get("ddf"), options.get("correlation"))
    if isinstance(m, ResidualModel):
        return summarise_residual(m, options.get("correlation"))
    if isinstance(m, GeneralizedLinearMixedModel):
        return summarise_generalized(m, options.get("correlation"))
    return summarise_glm(m) if isinstance(m, GeneralizedLinearModel) else summarise_lm(m)


@also_spelt("ci_method")
@spell_out(SummaryOptions, default=None)
def summary(m: FittedModel, **options: Unpack[SummaryOptions]) -> Summary:
    """Return R's ``summary(m)``; printing it gives R's text."""
    return summarise(check_model(m, "summary()"), **options)
