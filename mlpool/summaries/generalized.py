"""``print`` and ``summary`` of ``glmer`` as lme4 prints them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mlpool.argument_values import flag
from mlpool.inference.wald import wald
from mlpool.summaries.mixed import (
    BOTH,
    correlation_text,
    criterion_line,
    model_lines,
    size_line,
    varcorr_text,
    warning_lines,
)
from mlpool.summaries.r_matrices import coefficient_text, vector_text
from mlpool.summaries.r_numbers import format_numbers, signif
from mlpool.summaries.residuals import quantile_text
from mlpool.summaries.summary_text import Summary

if TYPE_CHECKING:
    from mlpool.models import GeneralizedLinearMixedModel

_DIGITS = 4
_MOST_CORRELATIONS = 20


def print_generalized(m: GeneralizedLinearMixedModel) -> str:
    """Return lme4's ``print(m)``."""
    lines = [*_title(m), criterion_line(m, summary=False)]
    lines += ["Random effects:", varcorr_text(m.varcorr(), digits=_DIGITS), size_line(m)]
    lines += [
        "Fixed Effects:",
        vector_text(m.names, format_numbers(list(m.fixef()), _DIGITS), gap=2),
    ]
    return "\n".join(lines + warning_lines(m, summary=False))


def summarise_generalized(
    m: GeneralizedLinearMixedModel, correlation: bool | None = None
) -> Summary:
    """Return lme4's ``summary(m)``.

    Parameters
    ----------
    m : GeneralizedLinearMixedModel
    correlation : bool, optional
        Whether to print the correlations of the fixed effects; None: up to 20 of them.
    """
    w = wald(m.fixef().to_numpy(), m.se.to_numpy(), np.inf)
    table = np.column_stack([w.estimate, w.se, w.statistic, w.p])
    letter = "t" if m.family.has_dispersion else "z"
    header = ["Estimate", "Std. Error", f"{letter} value", "Pr(>|z|)"]
    lines = [*_title(m), "", criterion_line(m, summary=True), "", "Scaled residuals: "]
    lines += [quantile_text(m, _DIGITS), ""]
    lines += ["Random effects:", varcorr_text(m.varcorr(), digits=_DIGITS, comp=BOTH)]
    lines += [
        size_line(m),
        "",
        "Fixed effects:",
        coefficient_text(table, m.names, header, digits=_DIGITS, has_p=True),
    ]
    p = len(m.names)
    correlation = None if correlation is None else flag(correlation, "correlation")
    if p > 1 and (correlation or (correlation is None and p <= _MOST_CORRELATIONS)):
        lines += ["", "Correlation of Fixed Effects:", correlation_text(m)]
    said = warning_lines(m, summary=True)
    return Summary(
        text="\n".join(lines + said) + "\n" * bool(said),
        coefficients=pd.DataFrame(table, index=m.names, columns=header),
        sigma=m.sigma,
        varcor=m.varcorr(),
        ngrps=dict(m.ngroups),
    )


def _title(m: GeneralizedLinearMixedModel) -> list[str]:
    nodes = m.nAGQ
    how = "Laplace Approximation"
    if nodes != 1:
        how = f"Adaptive Gauss-Hermite Quadrature, nAGQ = {nodes}"
    return [
        f"Generalized linear mixed model fit by maximum likelihood ({how}) ['glmerMod']",
        f" Family: {_family_name(m)}  ( {m.family.link} )",
        *model_lines(m),
    ]


def _family_name(m: GeneralizedLinearMixedModel) -> str:
    if m.family.name == "nbinom2":
        return f"Negative Binomial({signif(m.dispersion, 5):g})"
    if m.family.name == "nbinom1":
        return f"nbinom1({signif(m.dispersion, 5):g})"
    return str(m.family.name)
