"""``print`` and ``summary`` of models with correlated or unequal residuals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mlpool.argument_values import flag
from mlpool.designs.residual_facts import residual_names
from mlpool.hypotheses.linear_combinations import contrast_inference
from mlpool.inference.wald import wald
from mlpool.summaries.mixed import correlation_text, model_lines, varcorr_text
from mlpool.summaries.r_matrices import coefficient_text, vector_text
from mlpool.summaries.r_numbers import format_numbers, format_one
from mlpool.summaries.summary_text import Summary

if TYPE_CHECKING:
    from mlpool.models import ResidualModel

_DIGITS = 4
_MOST_CORRELATIONS = 20
"""Correlations of more fixed effects than this are left out, as lme4 does."""


def print_residual(m: ResidualModel) -> str:
    """Return a short text: criteria, covariance, coefficients."""
    lines = [*_head(m), "", *_criteria(m), "", *_covariance(m, variances=False), ""]
    lines += [
        "Fixed Effects:",
        vector_text(m.names, format_numbers(list(m.fixef()), _DIGITS), gap=2),
    ]
    return "\n".join(lines + _warnings(m))


def summarise_residual(m: ResidualModel, correlation: bool | None = None) -> Summary:
    """Return the summary: criteria, covariance, coefficients with Satterthwaite's df.

    Parameters
    ----------
    m : ResidualModel
    correlation : bool, optional
        Whether to print the correlations of the fixed effects; None: up to 20 of them.
    """
    parts = contrast_inference(m, np.eye(len(m.names)))
    w = wald(parts.estimate, parts.se, parts.df)
    header = ["Estimate", "Std. Error", "df", "t value", "Pr(>|t|)"]
    table = np.column_stack([parts.estimate, parts.se, parts.df, w.statistic, w.p])
    lines = [*_head(m), "t-tests use Satterthwaite's method", "", *_criteria(m), ""]
    lines += [*_covariance(m, variances=True), "", "Fixed effects:"]
    lines.append(
        coefficient_text(table, m.names, header, digits=_DIGITS, n_estimates=3, has_p=True)
    )
    p = len(m.names)
    correlation = None if correlation is None else flag(correlation, "correlation")
    if p > 1 and (correlation or (correlation is None and p <= _MOST_CORRELATIONS)):
        lines += ["", "Correlation of Fixed Effects:", correlation_text(m)]
    return Summary(
        text="\n".join(lines + _warnings(m)),
        coefficients=pd.DataFrame(table, index=m.names, columns=header),
        sigma=m.sigma,
        varcor=m.varcorr() if m.is_mixed else None,
        ngrps=dict(m.ngroups),
    )


def _head(m: ResidualModel) -> list[str]:
    what = "Linear mixed model" if m.is_mixed else "Generalized least squares"
    lines = [f"{what} fit by {'REML' if m.reml else 'maximum likelihood'}", *model_lines(m)]
    if m.structure.correlation is not None:
        lines.append(f"Correlation: {m.structure.correlation.text}")
    if m.structure.dispersion:
        lines.append(f"Dispersion: {m.structure.dispersion_text}")
    return lines


def _criteria(m: ResidualModel) -> list[str]:
    values = [m.aic, m.bic, m.loglik, m.criterion]
    names = ["AIC", "BIC", "logLik", "REML" if m.reml else "deviance", "df.resid"]
    cells = format_numbers([round(v, 1) for v in values], 7)
    return [vector_text(names, [c.strip() for c in cells] + [str(m.df_residual)])]


def _covariance(m: ResidualModel, *, variances: bool) -> list[str]:
    """Return random effects, correlation and dispersion of the residuals."""
    lines = []
    if m.is_mixed:
        shown = ("Variance", "Std.Dev.") if variances else ("Std.Dev.",)
        lines += ["Random effects:", varcorr_text(m.varcorr(), digits=_DIGITS, comp=shown)]
    else:
        lines.append(f"Residual standard deviation: {format_one(m.sigma, _DIGITS)}")
    groups = "; ".join(f"{g}, {k}" for g, k in m.ngroups.items())
    lines.append(f"Number of obs: {m.nobs}" + (f", groups:  {groups}" if groups else ""))
    if m.structure.correlation is not None:
        lines += ["", "Correlation of residuals:", _named(m.correlation_parameters())]
    found = m.dispersion_parameters()
    if len(found):
        strata = residual_names(m).strata
        about = f" (SD of each stratum over that of {strata[0]})" if strata else ""
        lines += ["", f"Dispersion of residuals{about}:", _named(found)]
    return lines


def _named(values: pd.Series) -> str:
    return vector_text([str(n) for n in values.index], format_numbers(list(values), _DIGITS), gap=2)


def _warnings(m: ResidualModel) -> list[str]:
    lines = []
    if m.aliased:
        lines.append(f"\nDropped, since other columns determine them: {', '.join(m.aliased)}")
    if m.is_singular:
        lines.append("\nThe fit is singular: a variance is zero or a correlation is +-1.")
    return lines
