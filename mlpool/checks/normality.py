"""`check_normality`: of residuals, or of random effects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import stats

from mlpool.checks.result import (
    ALPHA,
    NO_RESIDUALS,
    Check,
    cannot_tell,
    check_is_linear,
    check_is_model,
    p_text,
    pearson_over_sigma,
)
from mlpool.errors import NotSupportedError, check_option
from mlpool.floating_point import usual_floats
from mlpool.models.mixed_model import group_effects, has_effects
from mlpool.typing import FloatArray
from mlpool.uncertainty.influence import leverages

if TYPE_CHECKING:
    from mlpool.models import FittedModel

LARGE = 5_000
"""Values from which Kolmogorov and Smirnov's test stands in for Shapiro and Wilk's, as in R."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Normality(Check):
    """Whether residuals or random effects look normal.

    Attributes
    ----------
    table : DataFrame
        Effect, Test, Statistic, p: one row for residuals, or one per random effect; `p_value` and
        `statistic` are those of the smallest p.
    """

    table: pd.DataFrame

    def to_pandas(self) -> pd.DataFrame:
        """Return `table`."""
        return self.table.copy()


@usual_floats
def check_normality(m: FittedModel, *, effects: str = "fixed") -> Normality:
    """Test whether residuals, or random effects, are normally distributed (Shapiro & Wilk).

    Residuals are divided by ``sigma sqrt(1 - leverage)`` (R's ``rstandard``). From 5,000 values on
    the test is Kolmogorov and Smirnov's against the standard normal, as in easystats; random
    effects are divided by their SD for it.

    Parameters
    ----------
    m : FittedModel
        Linear for residuals; any mixed model for random effects.
    effects : {"fixed", "random"}
        Residuals (easystats' name for them), or the random effects of every group.

    Returns
    -------
    Normality
        True if nothing speaks against normality.

    Raises
    ------
    NotSupportedError
        Residuals of generalised models; random effects of models without.
    OptionError
        For other `effects`.

    References
    ----------
    Royston (1995), Applied Statistics 44, algorithm AS R94.

    Examples
    --------
    >>> import mlpool
    >>> m = mlpool.lmer("Reaction ~ Days + (Days | Subject)", mlpool.load_data("sleepstudy"))
    >>> check_normality(m, effects="random")
    OK: Random effects 'Subject: (Intercept)' appear as normally distributed (p = 0.428).
    OK: Random effects 'Subject: Days' appear as normally distributed (p = 0.898).
    """
    check_option(effects, ("fixed", "random"), argument="effects")
    if effects == "random":
        return _random(m)
    check_is_linear(m, "check_normality()")
    e = standardized(m)
    if e is None:
        row = _row("residuals", "", np.nan, np.nan)
        return _result(m, [row], [cannot_tell("Normality of residuals", NO_RESIDUALS)], "qq")
    row = _row("residuals", *_test(e))
    p = row["p"]
    if np.isnan(p):
        text = cannot_tell("Normality of residuals", "there are fewer than three different ones")
    elif p < ALPHA:
        text = f"Warning: Non-normality of residuals detected ({p_text(p)})."
    else:
        text = f"OK: residuals appear as normally distributed ({p_text(p)})."
    return _result(m, [row], [text], "qq")


def standardized(m: FittedModel) -> FloatArray | None:
    """Return a linear model's residuals / (sigma sqrt(1 - h)); None if it fits its rows exactly."""
    e = pearson_over_sigma(m)
    if e is None:
        return None
    h = leverages(m)
    with np.errstate(divide="ignore", invalid="ignore"):
        # a leverage has no unit: this close to one it leaves a row nothing but rounding
        return np.where(h < 1.0 - 1e-10, e / np.sqrt(1.0 - h), np.nan)


def _random(m: FittedModel) -> Normality:
    check_is_model(m, "check_normality()")
    if not has_effects(m):
        raise NotSupportedError("effects='random' needs a mixed model; this one has no groups.")
    rows, texts = [], []
    for group, frame in group_effects(m).items():
        for name in frame.columns:
            effect = f"{group}: {name}"
            row = _row(effect, *_test(_scaled(frame[name].to_numpy(dtype=np.float64))))
            rows.append(row)
            texts.append(_sentence(effect, row["p"]))
    return _result(m, rows, texts, "reqq")


def _scaled(values: FloatArray) -> FloatArray:
    spread = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    # a spread of this share of the largest value is rounding
    return values / spread if spread > 1e-12 * np.abs(values).max() else 0.0 * values


def _sentence(effect: str, p: float) -> str:
    if np.isnan(p):
        return cannot_tell(
            f"Normality of random effects '{effect}'", "they do not vary, or are fewer than three"
        )
    if p < ALPHA:
        return f"Warning: Non-normality for random effects '{effect}' detected ({p_text(p)})."
    return f"OK: Random effects '{effect}' appear as normally distributed ({p_text(p)})."


def _test(values: FloatArray) -> tuple[str, float, float]:
    """Return test, statistic and p of the finite values; missing if there is nothing to test."""
    x = values[np.isfinite(values)]
    # a range of this share of the largest value is rounding
    if len(x) < 3 or np.ptp(x) <= 1e-12 * np.abs(x).max():
        return "", np.nan, np.nan
    if len(x) >= LARGE:
        d, p = stats.kstest(x, "norm", method="asymp")
        return "Kolmogorov-Smirnov", float(d), float(p)
    w, p = stats.shapiro(x)
    return "Shapiro-Wilk", float(w), float(p)


def _row(effect: str, test: str, statistic: float, p: float) -> dict[str, Any]:
    return {"Effect": effect, "Test": test, "Statistic": statistic, "p": p}


def _result(m: FittedModel, rows: list[dict[str, Any]], texts: list[str], panel: str) -> Normality:
    table = pd.DataFrame(rows)
    told = [row for row in rows if not np.isnan(row["p"])]
    worst = min(told, key=lambda row: float(row["p"])) if told else None
    return Normality(
        sentence="\n".join(texts), table=table, panel=panel, model=m,
        holds=None if worst is None else bool(worst["p"] >= ALPHA),
        statistic=np.nan if worst is None else float(worst["Statistic"]),
        p_value=np.nan if worst is None else float(worst["p"]),
    )  # fmt: skip
