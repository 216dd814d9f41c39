"""``print`` and ``summary`` of ``lm`` and ``glm`` as R prints them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mlpool.inference.wald import f_upper_p, wald
from mlpool.summaries.r_matrices import coefficient_text, matrix_text, vector_text
from mlpool.summaries.r_numbers import (
    format_g,
    format_numbers,
    format_one,
    format_pvalues,
    signif,
)
from mlpool.summaries.residuals import fitted_sum_of_squares, quantile_text, residual_lines
from mlpool.summaries.summary_text import Summary
from mlpool.typing import FloatArray
from mlpool.uncertainty.covariance import robust_source
from mlpool.uncertainty.fit_records import ols_fit

if TYPE_CHECKING:
    from mlpool.models import FittedModel, GeneralizedLinearModel

_DIGITS = 4


def print_single(m: FittedModel) -> str:
    """Return R's ``print(lm)`` / ``print(glm)``."""
    names, values = _all_coefficients(m)
    numbers = format_numbers([v for v in values if not np.isnan(v)], _DIGITS)
    shown = iter(numbers)
    cells = ["NA" if np.isnan(v) else next(shown) for v in values]
    call = ["Call:", m.call] if m.kind == "lm" else [f"Call:  {m.call}"]
    lines = ["", *call, "", "Coefficients:", vector_text(names, cells, gap=2), ""]
    if m.kind == "glm":
        n = m.nobs
        has_intercept = "(Intercept)" in m.names
        lines += [
            f"Degrees of Freedom: {n - int(has_intercept)} Total (i.e. Null);  "
            f"{m.df_residual} Residual",
            f"Null Deviance:\t    {format_one(signif(ols_fit(m).null_deviance, _DIGITS))} ",
            f"Residual Deviance: {format_one(signif(m.deviance, _DIGITS))} \t"
            f"AIC: {format_one(signif(m.aic, _DIGITS))}",
        ]
    return "\n".join(lines)


def summarise_lm(m: FittedModel) -> Summary:
    """Return R's ``summary(lm)``."""
    table, frame = _coefficients(m, "t")
    r2, adjusted, f, dfs = _fit_measures(m)
    lines = [
        "",
        "Call:",
        m.call,
        "",
        "Weighted Residuals:" if m.design.weights is not None else "Residuals:",
    ]
    lines += [_residual_block(m), "", _coefficient_heading(m)]
    lines += [_table_text(m, table, "t"), ""]
    lines += [*_robust_line(m), _sigma_line(m)]
    if m.n_missing:
        noun = "observation" if m.n_missing == 1 else "observations"
        lines.append(f"  ({m.n_missing} {noun} deleted due to missingness)")
    if f is not None:
        p = float(f_upper_p(f, dfs[0], dfs[1]))
        lines += [
            f"Multiple R-squared:  {format_g(r2)},\tAdjusted R-squared:  {format_g(adjusted)} ",
            f"F-statistic: {format_g(f)} on {dfs[0]} and {dfs[1]} DF,  "
            f"p-value: {format_pvalues([p], _DIGITS)[0]}",
        ]
    lines.append("")
    return Summary(
        text="\n".join(lines),
        coefficients=frame,
        sigma=m.sigma,
        r_squared=r2,
        adj_r_squared=adjusted,
        fstatistic=None if f is None else (f, *dfs),
    )


def summarise_glm(m: GeneralizedLinearModel) -> Summary:
    """Return R's ``summary(glm)``."""
    letter = "t" if m.family.has_dispersion else "z"
    table, frame = _coefficients(m, letter)
    n, has_intercept = m.nobs, "(Intercept)" in m.names
    null, rest = m.fit.null_deviance, m.deviance
    texts = format_numbers([signif(null, 5), signif(rest, 5)], 5)
    df_texts = [str(n - int(has_intercept)), str(m.df_residual)]
    width = max(map(len, df_texts))
    dispersion = m.fit.dispersion
    lines = ["", "Call:", m.call, "", "Deviance Residuals: "]
    lines += [_deviance_block(m), "", _coefficient_heading(m)]
    lines += [_table_text(m, table, letter), "", *_robust_line(m)]
    lines += [
        f"(Dispersion parameter for {m.family.name} family taken to be {format_one(dispersion)})",
        "",
        f"    Null deviance: {texts[0]}  on {df_texts[0].rjust(width)}  degrees of freedom",
        f"Residual deviance: {texts[1]}  on {df_texts[1].rjust(width)}  degrees of freedom",
    ]
    if m.n_missing:
        lines.append(f"  ({m.n_missing} observations deleted due to missingness)")
    lines += [
        f"AIC: {format_one(m.aic, 5)}",
        "",
        f"Number of Fisher Scoring iterations: {m.fit.iterations}",
        "",
    ]
    return Summary(text="\n".join(lines), coefficients=frame, sigma=m.sigma)


def _deviance_block(m: FittedModel) -> str:
    labels, values = residual_lines(m)
    return vector_text(labels, format_numbers(values, _DIGITS), gap=2)


def _residual_block(m: FittedModel) -> str:
    if m.df_residual == 0:
        return f"ALL {m.nobs} residuals are 0: no residual degrees of freedom!"
    return quantile_text(m, _DIGITS)


def _sigma_line(m: FittedModel) -> str:
    sigma = format_one(signif(m.sigma, _DIGITS)) if np.isfinite(m.sigma) else "NaN"
    return f"Residual standard error: {sigma} on {m.df_residual} degrees of freedom"


def _robust_line(m: FittedModel) -> list[str]:
    if m.vcov_choice is None:
        return []
    return [f"Standard errors: {robust_source(m.vcov_choice)}"]


def _coefficient_heading(m: FittedModel) -> str:
    if not m.aliased:
        return "Coefficients:"
    return f"Coefficients: ({len(m.aliased)} not defined because of singularities)"


def _fit_measures(m: FittedModel) -> tuple[float, float, float | None, tuple[int, int]]:
    """Return R2, adjusted R2, F (None for an intercept alone) and its df."""
    has_intercept = "(Intercept)" in m.names
    total, rss, df = ols_fit(m).null_deviance, ols_fit(m).rss, m.df_residual
    n = m.nobs
    slopes = len(m.names) - int(has_intercept)
    if not has_intercept:
        total = fitted_sum_of_squares(m) + rss
    r2 = 1 - rss / total if total > 0 else float("nan")
    adjusted = 1 - (1 - r2) * (n - int(has_intercept)) / df if df > 0 else float("nan")
    if slopes == 0 or df <= 0:
        return r2, adjusted, None, (slopes, df)
    if m.vcov_choice is None:
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = float(np.divide((total - rss) / slopes, rss / df))
        return r2, adjusted, ratio, (slopes, df)
    keep = [i for i, name in enumerate(m.names) if name != "(Intercept)"]
    b = m.fixef().to_numpy()[keep]
    vcov = m.vcov().to_numpy()[np.ix_(keep, keep)]
    se = np.sqrt(np.diag(vcov))
    se[~(se > 0)] = 1.0
    t, correlations = b / se, vcov / np.outer(se, se)
    # correlations have no unit, so the cut-off has none
    wald = float(t @ np.linalg.lstsq(correlations, t, rcond=None)[0])
    return r2, adjusted, wald / slopes, (slopes, df)


def _coefficients(m: FittedModel, letter: str) -> tuple[FloatArray, pd.DataFrame]:
    df = m.df_residual if letter == "t" else np.inf
    w = wald(m.fixef().to_numpy(), m.se.to_numpy(), df)
    table = np.column_stack([w.estimate, w.se, w.statistic, w.p])
    frame = pd.DataFrame(table, index=m.names, columns=_header(letter))
    return table, frame


def _table_text(m: FittedModel, table: FloatArray, letter: str) -> str:
    """Return the coefficient table, with R's rows of NA for aliased coefficients."""
    names, _ = _all_coefficients(m)
    full = np.full((len(names), table.shape[1]), np.nan)
    full[[names.index(n) for n in m.names]] = table
    return coefficient_text(full, names, _header(letter), digits=_DIGITS, has_p=True)


def _all_coefficients(m: FittedModel) -> tuple[list[str], list[float]]:
    known = m.fixef()
    names = list(m.design.X.names)
    return names, [float(known.get(n, np.nan)) for n in names]


def _header(letter: str) -> list[str]:
    return ["Estimate", "Std. Error", f"{letter} value", f"Pr(>|{letter}|)"]


__all__ = ["matrix_text", "print_single", "summarise_glm", "summarise_lm"]
