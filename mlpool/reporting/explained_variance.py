"""How much of the variance a model explains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mlpool.errors import NotSupportedError
from mlpool.inference.wald import f_upper_p
from mlpool.models.mixed_model import MixedModel, has_effects
from mlpool.performance import icc, r2
from mlpool.performance.explained_variance import r2_mixed
from mlpool.reporting.words import p_value, share, statistic

if TYPE_CHECKING:
    from mlpool.models import FittedModel


def explained_sentences(m: FittedModel, choice: object, digits: int) -> str:
    """Say R2, the F-test of an lm with its model-based covariance, and the ICC."""
    try:
        values = r2(m).to_pandas().iloc[0]
    except NotSupportedError as error:
        return f"R2 is left out: {error}"
    if has_effects(m):
        return _mixed(m, values, digits)
    if "R2_Tjur" in values:
        return f"Tjur's R2 is {share(values['R2_Tjur'], digits)}."
    if "R2_Nagelkerke" in values:
        return f"Nagelkerke's R2 is {share(values['R2_Nagelkerke'], digits)}."
    return _linear(m, values, choice, digits)


def _linear(m: FittedModel, values: Any, choice: Any, digits: int) -> str:
    if np.isnan(values["R2"]):
        return "R2 cannot be told, because the response does not vary."
    slopes = len(m.names) - int("(Intercept)" in m.names)
    if not slopes:
        return ""
    text = f"It explains a share of {share(values['R2'], digits)} of the variance (R2"
    if not np.isnan(values["R2_adjusted"]):
        text += f"; adjusted {share(values['R2_adjusted'], digits)}"
    if choice is None and m.df_residual > 0 and values["R2"] < 1.0:
        f = values["R2"] / slopes / ((1.0 - values["R2"]) / m.df_residual)
        text += f"; {_f_test(f, slopes, m.df_residual)}"
    return f"{text})."


def _f_test(f: float, slopes: int, df: int) -> str:
    return f"{statistic(f'F({slopes}, {df})', f, 0.0).replace('(0)', '')}, " + p_value(
        float(f_upper_p(f, slopes, df))
    )


def _mixed(m: MixedModel, values: Any, digits: int) -> str:
    marginal, conditional = values["R2_marginal"], values["R2_conditional"]
    if np.isnan(conditional):
        return (
            "Because the fit is singular, the conditional R2 and the intraclass correlation cannot "
            f"be told; the marginal R2 (Nakagawa's, of the fixed effects) is "
            f"{_of_singular(m, marginal, digits)}."
        )
    row = icc(m).to_pandas().iloc[0]
    adjusted = f"The intraclass correlation is {share(row['ICC_adjusted'], digits)}"
    if not len(m.names) - int("(Intercept)" in m.names):
        return f"{adjusted} (adjusted ICC), the share of the variance that lies between groups."
    return (
        f"Fixed and random effects together explain a share of {share(conditional, digits)} of "
        f"the variance (Nakagawa's conditional R2), fixed effects alone {share(marginal, digits)} "
        f"(marginal R2). {adjusted} (adjusted ICC; unadjusted "
        f"{share(row['ICC_unadjusted'], digits)})."
    )


def _of_singular(m: MixedModel, marginal: float, digits: int) -> str:
    """Return the marginal R2 of the variances as estimated, and performance's if it is another."""
    own, without = share(r2_mixed(m, 0.0)[1], digits), share(marginal, digits)
    if own == without:
        return own
    return f"{own} with the variances as estimated ({without} without the random effects')"
