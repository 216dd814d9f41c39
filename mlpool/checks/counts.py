"""`check_overdispersion` and `check_zeroinflation` of counts and binomial models."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from mlpool.argument_values import number
from mlpool.checks.result import ALPHA, Check, cannot_tell, check_is_model
from mlpool.designs.row_summaries import of_combinations
from mlpool.errors import NotSupportedError
from mlpool.families import COUNTS
from mlpool.floating_point import usual_floats
from mlpool.models import GeneralizedLinearMixedModel, GeneralizedModel
from mlpool.models import family as family_of
from mlpool.performance.explained_variance import is_bernoulli
from mlpool.tables import Column, RowGroup, TableSpec, render_text

if TYPE_CHECKING:
    from mlpool.models import FittedModel


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class CountCheck(Check):
    """Overdispersion, or zeros.

    Attributes
    ----------
    ratio : float
        Pearson's chi-squared over its df, or predicted over observed zeros.
    df : float
        Of the chi-squared.
    observed, predicted : float
        Zeros in the data, and expected from the model (rounded).
    """

    ratio: float = math.nan
    df: float = math.nan
    observed: float = math.nan
    predicted: float = math.nan

    @property
    def dispersion_ratio(self) -> float:
        """The ratio, by easystats' name."""
        return self.ratio


@usual_floats
def check_overdispersion(m: FittedModel) -> CountCheck:
    """Test whether counts vary more than the model's family lets them.

    The sum of squared Pearson residuals is compared with the chi-squared of ``df.residual``. Those
    df are rough for mixed models, as in R: take the ratio for a hint, not the p-value for a proof.

    Parameters
    ----------
    m : FittedModel
        Poisson, negative binomial, or binomial with several trials per row.

    Returns
    -------
    CountCheck
        True if overdispersed (p < .05); `ratio`, `statistic`, `df`, `p_value`.

    Raises
    ------
    NotSupportedError
        For other families, and single trials.

    References
    ----------
    McCullagh & Nelder (1989), Generalized Linear Models, 2nd ed., section 4.5.

    Examples
    --------
    >>> import mlpool
    >>> m = mlpool.glmer("cbind(incidence, size - incidence) ~ period + (1 | herd)",
    ...                  mlpool.load_data("cbpp"), family="binomial")
    >>> round(check_overdispersion(m).ratio, 3)
    1.237
    """
    check_is_model(m, "check_overdispersion()")
    name = "normal" if m.family is None else m.family.name
    if name not in (*COUNTS, "binomial"):
        raise NotSupportedError(
            "check_overdispersion() is for Poisson and negative binomial models and binomial ones "
            f"with several trials per row; this is a {name} model."
        )
    if name == "binomial" and is_bernoulli(m):
        raise NotSupportedError("Single trials (0 or 1) cannot be overdispersed.")
    m = of_combinations(m)
    df = float(m.df_residual)
    chisq = float(np.sum(np.asarray(m.residuals("pearson"), dtype=np.float64) ** 2))
    if df < 1 or not np.isfinite(chisq):
        text = cannot_tell("Overdispersion", "the model has as many parameters as rows")
        return CountCheck(sentence=text, holds=None, model=m)
    p = float(stats.chi2.sf(chisq, df))
    found = p < ALPHA
    rows = {
        "dispersion ratio": f"{chisq / df:.3f}",
        "Pearson's Chi-Squared": f"{chisq:.3f}",
        # printed with three digits: a probability
        "p-value": "< 0.001" if p < 0.001 else f"{p:.3f}",
    }
    last = "Overdispersion detected." if found else "No overdispersion detected."
    return CountCheck(
        sentence=f"{_equations('Overdispersion test', rows)}\n\n{last}", holds=found,
        statistic=chisq, statistic_name="Chisq", p_value=p, ratio=chisq / df, df=df, model=m,
    )  # fmt: skip


@usual_floats
def check_zeroinflation(m: FittedModel, *, tolerance: float = 0.05) -> CountCheck:
    """Compare the zeros in the data with those that a model of counts expects.

    Parameters
    ----------
    m : FittedModel
        Poisson or negative binomial.
    tolerance : float
        The model is fine if predicted over observed zeros is within ``1 +- tolerance``.

    Returns
    -------
    CountCheck
        True if the model expects too few zeros; `observed`, `predicted`, `ratio`.

    Raises
    ------
    NotSupportedError
        For other families.
    OptionError
        For a tolerance that is none.

    Examples
    --------
    >>> import mlpool
    >>> d = mlpool.load_data("cbpp")
    >>> m = mlpool.glmer("incidence ~ period + (1 | herd)", d, family="poisson")
    >>> check_zeroinflation(m).observed
    22.0
    """
    check_is_model(m, "check_zeroinflation()")
    name = family_of(m).name
    if not isinstance(m, GeneralizedModel) or name not in COUNTS:
        raise NotSupportedError(
            f"check_zeroinflation() is for Poisson and negative binomial models, not {name} ones."
        )
    tolerance = number(tolerance, "tolerance", least=0.0)
    observed = float(np.sum(m.design.y == 0))
    predicted = float(np.round(_probability_of_zero(m).sum()))
    if observed == 0:
        text = "Model has no observed zeros in the response variable."
        return CountCheck(sentence=text, holds=False, observed=0.0, predicted=predicted, model=m)
    ratio = predicted / observed
    lines = "\n".join(
        [
            "# Check for zero-inflation\n",
            f"   Observed zeros: {observed:.0f}",
            f"  Predicted zeros: {predicted:.0f}",
            f"            Ratio: {ratio:.2f}",
        ]
    )
    if ratio < 1 - tolerance:
        last = "Model is underfitting zeros (probable zero-inflation)."
    elif ratio > 1 + tolerance:
        last = "Model is overfitting zeros."
    else:
        last = (
            "Model seems ok, ratio of observed and predicted zeros is within the tolerance range."
        )
    return CountCheck(
        sentence=f"{lines}\n\n{last}", holds=ratio < 1 - tolerance, ratio=ratio,
        observed=observed, predicted=predicted, model=m,
    )  # fmt: skip


def _probability_of_zero(m: GeneralizedModel) -> Any:
    mu = np.asarray(m.fitted, dtype=np.float64)
    if m.family.name == "poisson":
        return np.exp(-mu)
    theta = float(
        m.dispersion if isinstance(m, GeneralizedLinearMixedModel) else m.family.theta or 0.0
    )
    if m.family.name == "nbinom1":  # variance (1 + theta) mu
        return (1.0 + theta) ** (-mu / theta)
    return (1.0 + mu / theta) ** -theta


def _equations(heading: str, rows: dict[str, str]) -> str:
    group = RowGroup(
        columns=(
            Column(name="Index", header="Index", cells=tuple(rows), kind="label"),
            Column(name="Value", header="Value", cells=tuple(rows.values())),
        ),
        heading=heading,
    )
    return render_text(TableSpec(groups=(group,), layout="equations"))
