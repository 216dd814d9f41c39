"""How residuals are correlated and how their variances differ, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlpool.designs.residual_facts import residual_names
from mlpool.models import ResidualModel
from mlpool.reporting.words import listed
from mlpool.tables.cells import format_number

if TYPE_CHECKING:
    from mlpool.models import FittedModel

_KINDS = {
    "ar1": "as a first-order autoregression has it",
    "car1": "as a continuous autoregression has it",
    "cs": "equally for every pair (compound symmetry)",
    "symm": "with a correlation of its own for every pair of visits",
    "toep": "with a correlation for every lag (Toeplitz)",
    "ad": "as first-order ante-dependence has it",
    "exp": "falling exponentially with distance",
    "exp_nugget": "falling exponentially with distance, with a nugget",
    "ar": "as an autoregression of higher order has it",
    "arma11": "as an ARMA(1, 1) process has it",
}
_MOST = 6
"""Parameters of a structure that a sentence names; tables have all."""


def structure_sentences(m: FittedModel) -> str:
    """Say what was allowed for: how residuals are correlated, what their SD depends on."""
    if not isinstance(m, ResidualModel):
        return ""
    term, out = m.structure.correlation, []
    if term is not None:
        text = f"Residuals are correlated within {':'.join(term.group)}, {_KINDS[term.kind]}"
        own = ", and each visit has a variance of its own" if term.by_visit else ""
        out.append(f"{text} ({term.text}){own}.")
    if m.structure.dispersion:
        columns = dict.fromkeys(
            c
            for one in m.structure.dispersion
            for c in (("the fitted values",) if one.of_fitted else one.columns)
        )
        out.append(
            f"Their standard deviation depends on {listed(list(columns))} "
            f"({m.structure.dispersion_text})."
        )
    return " ".join(out)


def parameter_sentences(m: FittedModel, digits: int) -> str:
    """Say the residual SD and the estimates of the structure; empty for other models."""
    if not isinstance(m, ResidualModel):
        return ""
    strata = residual_names(m).strata
    of = f" of {strata[0]}" if strata else ""
    out = [] if m.is_mixed else [f"The residual SD{of} is {format_number(m.sigma, digits)}."]
    correlation, ratios = m.correlation_parameters(), m.dispersion_parameters()
    for values, what in ((correlation, "residual correlation"), (ratios, "residual dispersion")):
        if not len(values):
            continue
        if len(values) > _MOST:
            out.append(f"The {what} has {len(values)} parameters (model_parameters() lists them).")
            continue
        named = [f"{n} = {format_number(float(v), digits)}" for n, v in values.items()]
        about = f" (ratios of SDs to that{of})" if values is ratios and strata else ""
        out.append(f"The {what} is {listed(named)}{about}.")
    return " ".join(out)
