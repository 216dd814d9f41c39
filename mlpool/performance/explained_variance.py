"""R2 of every kind of model, as numbers; tables of them are made above."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import narwhals as nw
import numpy as np

from mlpool.designs.counted_rows import counted_mean
from mlpool.designs.row_summaries import by_counts, by_queries, fact, same_by_counts
from mlpool.errors import NotSupportedError
from mlpool.models.residuals import RESID, residuals_elsewhere
from mlpool.performance.variance_components import smallest_diagonal, variance_parts
from mlpool.sources.design import asked
from mlpool.sources.queries import totals
from mlpool.typing import FloatArray
from mlpool.uncertainty.fit_records import ols_fit

if TYPE_CHECKING:
    from mlpool.models import FittedModel, MixedModel

TOLERANCE = 1e-5
"""Diagonal of theta, predictors in SDs, below which variances count as zero, as in easystats."""

R2_LABELS = {
    "R2": "R2",
    "R2_adjusted": "adj. R2",
    "R2_conditional": "Conditional R2",
    "R2_marginal": "Marginal R2",
    "R2_Tjur": "Tjur's R2",
    "R2_Nagelkerke": "Nagelkerke's R2",
}
"""What the kinds of R2 are called in print."""


def r2_values(m: FittedModel, tolerance: float = TOLERANCE) -> dict[str, float]:
    """Return R2 by easystats' names.

    Linear models: R2, R2_adjusted. Logistic models of single trials: R2_Tjur. Other generalised
    models: R2_Nagelkerke. Mixed models: R2_conditional, R2_marginal.

    Raises
    ------
    NotSupportedError
        For binomial models of several trials per row, and families without a known variance.
    """
    if m.is_mixed:
        conditional, marginal = r2_mixed(cast("MixedModel", m), tolerance)
        return {"R2_conditional": conditional, "R2_marginal": marginal}
    if m.kind == "gls":
        raise NotSupportedError(
            "R2 of a model with correlated or unequal residuals and no random effects has no "
            "agreed definition; compare such models by AIC or likelihood ratios."
        )
    if m.family is None or m.family.kin == "gaussian":
        r2, adjusted = r2_linear(m)
        return {"R2": r2, "R2_adjusted": adjusted}
    if m.family.kin == "binomial" and not is_bernoulli(m):
        raise NotSupportedError(
            "R2 of a binomial model is defined for single trials (0 or 1); this one has several "
            "trials per row."
        )
    if m.family.kin == "binomial" and m.family.link == "logit":
        return {"R2_Tjur": r2_tjur(m)}
    return {"R2_Nagelkerke": r2_nagelkerke(m)}


@same_by_counts
@fact("glm", "glmer")
def is_bernoulli(m: FittedModel) -> bool:
    """Return whether every response is one trial, 0 or 1."""
    y = m.design.y
    return bool(m.design.trials is None and np.all((y == 0) | (y == 1)))


@fact("lm", "glm", when=lambda m: m.family is None or m.family.kin == "gaussian")
def r2_linear(m: FittedModel) -> tuple[float, float]:
    """Return R2 and its adjusted form, about the mean if the model has an intercept."""
    y, weights = m.design.y, m.design.weights
    w = np.ones(len(y)) if weights is None else weights
    fitted = np.asarray(m.fitted)
    has_intercept = bool(m.formula.fixed.intercept)
    centre = np.average(fitted, weights=w) if has_intercept else 0.0
    explained = float(w @ (fitted - centre) ** 2)
    residual = float(w @ (y - fitted) ** 2)
    if explained + residual <= 0:
        return float("nan"), float("nan")
    r2 = explained / (explained + residual)
    if m.df_residual < 1:
        return r2, float("nan")
    return r2, 1.0 - (1.0 - r2) * (m.nobs - has_intercept) / m.df_residual


@fact("glm", when=lambda m: m.family.kin == "binomial" and is_bernoulli(m))
def r2_tjur(m: FittedModel) -> float:
    """Return the difference of the mean fitted probabilities of successes and failures.

    References
    ----------
    Tjur (2009), The American Statistician 63, 366-372.
    """
    y, mu = m.design.y, np.asarray(m.fitted)
    return float(mu[y == 1].mean() - mu[y == 0].mean())


def r2_nagelkerke(m: FittedModel) -> float:
    """Return ``(1 - exp((D - D0) / n)) / (1 - exp(-D0 / n))`` of deviances D and null D0.

    References
    ----------
    Nagelkerke (1991), Biometrika 78, 691-692.
    """
    deviance, null, n = ols_fit(m).rss, ols_fit(m).null_deviance, m.nobs
    return float(np.expm1((deviance - null) / n) / np.expm1(-null / n))


@fact("lm", "glm", "lmer", "glmer", "gls")
def rmse(m: FittedModel) -> float:
    """Return the root mean square of the response residuals."""
    return float(np.sqrt(np.mean(np.asarray(m.resid) ** 2)))


@by_counts(r2_tjur)
def _counted_r2_tjur(m: FittedModel, counts: FloatArray) -> float:
    y, mu = m.design.y, np.asarray(m.fitted)
    success, failure = (counted_mean(mu[y == k], counts[y == k]) for k in (1, 0))
    return success - failure


@by_counts(rmse)
def _counted_rmse(m: FittedModel, counts: FloatArray) -> float:
    return float(np.sqrt(counted_mean((m.design.y - np.asarray(m.fitted)) ** 2, counts)))


@same_by_counts
@fact("lm", "glm", "lmer", "glmer", "gls")
def fits_exactly(m: FittedModel) -> bool:
    """Return whether the residuals of a linear model are rounding errors, or sigma is missing."""
    scale = float(np.abs(np.asarray(m.design.y)).max(initial=0.0))
    # a share of the largest response is rounding of it
    return not float(m.sigma) > 1e-12 * scale


@by_queries(r2_linear)
def _asked_r2_linear(m: FittedModel) -> tuple[float, float]:
    """Return R2 from the sums: the fit about its mean and the residual sum of squares."""
    has_intercept = bool(m.formula.fixed.intercept)
    explained = asked(m.design).fitted_squares(m.fit.kept, m.fit.beta, about_mean=has_intercept)
    if explained + ols_fit(m).rss <= 0:
        return float("nan"), float("nan")
    r2 = explained / (explained + ols_fit(m).rss)
    if m.df_residual < 1:
        return r2, float("nan")
    return r2, 1.0 - (1.0 - r2) * (m.nobs - has_intercept) / m.df_residual


@by_queries(rmse)
def _asked_rmse(m: FittedModel) -> float:
    rows = residuals_elsewhere(m)
    squares = nw.col(RESID) * nw.col(RESID)
    return float(np.sqrt(totals(rows, {"mean": squares.mean()})["mean"]))


@by_queries(fits_exactly)
def _asked_whether_exact(m: FittedModel) -> bool:
    # a share of the largest response is rounding of it
    return not float(m.sigma) > 1e-12 * asked(m.design).largest_response


def r2_mixed(m: MixedModel, tolerance: float = TOLERANCE) -> tuple[float, float]:
    """Return Nakagawa's conditional and marginal R2.

    Of a singular fit the conditional one is missing and the marginal one leaves the random
    variance out, as in easystats; ``tolerance=0`` takes the variances as they are.
    """
    parts = variance_parts(m)
    if is_degenerate(m, tolerance):
        return float("nan"), parts.fixed / (parts.fixed + parts.residual)
    return parts.r2_conditional, parts.r2_marginal


def is_degenerate(m: MixedModel, tolerance: float) -> bool:
    """Return whether a diagonal of theta, predictors in SDs, lies below `tolerance`."""
    return smallest_diagonal(m) < tolerance
