"""`r2`: how much of the variance a model explains."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
import pandas as pd

from mlpool.argument_values import flag, number
from mlpool.floating_point import usual_floats
from mlpool.models import MixedModel
from mlpool.models.argument_checks import backend_of, check_level, check_mixed, check_model
from mlpool.performance.bootstrap import draw_models, draw_parts, percentiles
from mlpool.performance.explained_variance import R2_LABELS, TOLERANCE, r2_values
from mlpool.performance.icc import warn_if_degenerate
from mlpool.performance.performance_table import DIGITS, Grid, GridColumn, IndexList, label_columns
from mlpool.performance.r2_interval import r2_interval
from mlpool.performance.variance import has_slopes, intercept_variances
from mlpool.performance.variance_components import null_design, variance_parts
from mlpool.refits.refit import with_record
from mlpool.results import ResultFrame

if TYPE_CHECKING:
    from mlpool.models import FittedModel
    from mlpool.typing import SeedLike

_HEADINGS = {
    "R2": "R2 for Linear Regression",
    "R2_conditional": "R2 for Mixed Models",
    "R2_Tjur": "R2 for Logistic Regression",
    "R2_Nagelkerke": "R2 for Generalized Linear Regression",
}
_SLOPES_NOTE = "The model has random slopes; R2 of a level uses its intercepts' variances alone."


@usual_floats
def r2(
    m: FittedModel,
    *,
    by_group: bool = False,
    ci: float | None = None,
    iterations: int = 100,
    seed: SeedLike | None = None,
    tolerance: float = TOLERANCE,
) -> ResultFrame:
    """Return R2 (performance's ``r2``): of linear, logistic, other generalised and mixed models.

    Linear models: R2 and adjusted R2. Logistic models of single trials: Tjur's. Other generalised
    models: Nagelkerke's. Mixed models: Nakagawa's marginal (fixed effects) and conditional (fixed
    and random effects) R2.

    Parameters
    ----------
    m : FittedModel
    by_group : bool
        Mixed models: variance explained at each level, ``1 - var / var of the model without
        predictors``, for the residual (Level 1) and each intercept.
    ci : float, optional
        Confidence level. Linear models: from the distribution of R2 with normal predictors, as in
        performance; others: percentiles of a parametric bootstrap. The table names which.
    iterations, seed
        Number of refits and seed of the bootstrap.
    tolerance : float
        A diagonal of theta below it makes a fit singular: the conditional R2 is missing and the
        marginal one leaves the random variance out. 0 takes the variances as they are.

    Returns
    -------
    ResultFrame
        R2, R2_adjusted; R2_conditional, R2_marginal; R2_Tjur; R2_Nagelkerke; or Level, R2.

    Raises
    ------
    NotSupportedError
        Binomial models with several trials per row; families without a known variance; by_group
        without random effects.
    OptionError
        For a level, number or tolerance that is none.

    References
    ----------
    Nakagawa & Schielzeth (2013); Johnson (2014); Nakagawa, Johnson & Schielzeth (2017); Tjur
    (2009), The American Statistician 63; Nagelkerke (1991), Biometrika 78; Gurland (1968),
    J. R. Stat. Soc. B 30 (intervals of linear models); Raudenbush & Bryk
    (2002), Hierarchical Linear Models (levels).

    Examples
    --------
    >>> import mlpool
    >>> m = mlpool.lmer("Reaction ~ Days + (Days | Subject)", mlpool.load_data("sleepstudy"))
    >>> print(r2(m))
    # R2 for Mixed Models
    <BLANKLINE>
      Conditional R2: 0.799
         Marginal R2: 0.279
    """
    check_model(m, "r2()")
    level, limit = check_level(ci), number(tolerance, "tolerance", least=0.0)
    if flag(by_group, "by_group"):
        return _by_level(m)
    if m.is_mixed:
        warn_if_degenerate(cast("MixedModel", m), limit, "the conditional R2")
    row = r2_values(m, limit)
    names = list(row)
    if level is not None:
        row |= _interval(m, row, level, iterations, seed)
    layout = IndexList(
        heading=_HEADINGS[names[0]],
        rows=tuple((R2_LABELS[name], name) for name in names),
        is_tight=not m.is_mixed,
        footers=() if level is None else (_how(m, iterations),),
    )
    return ResultFrame(
        data=pd.DataFrame([row]),
        layout=layout,
        options=DIGITS,
        metadata={"kind": "r2", "ci": level, "tolerance": limit},
        backend=backend_of(m),
    )


def _is_analytic(m: FittedModel) -> bool:
    return m.family is None or (m.family.name == "gaussian" and m.family.link == "identity")


def _how(m: FittedModel, iterations: int) -> str:
    if not m.is_mixed and _is_analytic(m):
        return "Intervals from the distribution of R2 with normal predictors."
    return f"Percentile intervals of {iterations} parametric bootstrap samples."


def _interval(
    m: FittedModel, row: dict[str, float], level: float, iterations: int, seed: SeedLike | None
) -> dict[str, float]:
    names = list(row)
    if not m.is_mixed and _is_analytic(m):
        return _analytic_interval(m, row, level)
    if m.is_mixed:
        parts = draw_parts(m, iterations, seed)
        draws = np.array([(p.r2_conditional, p.r2_marginal) for p in parts])
    else:
        draws = np.array([list(r2_values(a).values()) for a in draw_models(m, iterations, seed)])
    bounds = percentiles(draws, level)
    found = {"CI": level}
    for i, name in enumerate(names):
        is_known = not np.isnan(row[name])
        found[f"{name}_CI_low"] = float(bounds[0, i]) if is_known else np.nan
        found[f"{name}_CI_high"] = float(bounds[1, i]) if is_known else np.nan
    return found


def _analytic_interval(m: FittedModel, row: dict[str, float], level: float) -> dict[str, float]:
    """Return bounds of R2 and of its adjusted form, which takes its place, as in performance."""
    intercept = int(bool(m.formula.fixed.intercept))
    p = int(m.nobs - m.df_residual) - intercept
    found = {"CI": level}
    for name, value in row.items():
        low, high = r2_interval(value, p, m.nobs + 1 - intercept, level)
        found |= {f"{name}_CI_low": low, f"{name}_CI_high": high}
    return found


def _by_level(m: FittedModel) -> ResultFrame:
    m = check_mixed(m, "r2(by_group=True)")
    design = null_design(m)
    null = with_record(m, design, m.fit_record(design))
    own, without = intercept_variances(m), intercept_variances(null)
    levels = {"Level 1": _share(variance_parts(m).residual, variance_parts(null).residual)}
    levels |= {group: _share(own[group], without[group]) for group in own}
    columns = (*label_columns(["Level"]), GridColumn(name="R2", header="R2", style="plain"))
    footers = (_SLOPES_NOTE,) if has_slopes(m) else ()
    return ResultFrame(
        data=pd.DataFrame({"Level": list(levels), "R2": list(levels.values())}),
        layout=Grid(columns=columns, heading="Explained Variance by Level", footers=footers),
        options=DIGITS,
        metadata={"kind": "r2_by_level"},
        backend=backend_of(m),
    )


def _share(variance: float, null: float) -> float:
    """Return the share of a level's variance that predictors take away; missing if it has none."""
    return 1.0 - variance / null if null > 0 else float("nan")
