"""`model_performance`: information criteria, R2, ICC and errors of one model."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

import numpy as np
import pandas as pd

from mlpool.argument_values import names as given_names
from mlpool.errors import NotSupportedError, OptionError, brief, check_option, nearest_names
from mlpool.floating_point import usual_floats
from mlpool.models import MixedModel
from mlpool.models.argument_checks import backend_of, check_model
from mlpool.models.extractors.log_likelihood import deviance_of, log_jacobian
from mlpool.models.mixed_model import has_effects
from mlpool.performance.explained_variance import TOLERANCE, is_degenerate, r2_values, rmse
from mlpool.performance.performance_table import DIGITS, Grid, GridColumn
from mlpool.performance.scores import (
    has_scores,
    has_single_trials,
    log_loss,
    percent_correct,
    scoring_rules,
)
from mlpool.performance.variance_components import variance_parts
from mlpool.results import ResultFrame

if TYPE_CHECKING:
    from mlpool.models import FittedModel

COLUMNS = (
    GridColumn(name="AIC", header="AIC", style="one"),
    GridColumn(name="AICc", header="AICc", style="one"),
    GridColumn(name="BIC", header="BIC", style="one"),
    GridColumn(name="R2_conditional", header="R2 (cond.)"),
    GridColumn(name="R2_marginal", header="R2 (marg.)"),
    GridColumn(name="R2", header="R2"),
    GridColumn(name="R2_adjusted", header="R2 (adj.)"),
    GridColumn(name="R2_Tjur", header="Tjur's R2"),
    GridColumn(name="R2_Nagelkerke", header="Nagelkerke's R2"),
    GridColumn(name="ICC", header="ICC"),
    GridColumn(name="RMSE", header="RMSE"),
    GridColumn(name="Sigma", header="Sigma"),
    GridColumn(name="Log_loss", header="Log_loss"),
    GridColumn(name="Score_log", header="Score_log"),
    GridColumn(name="Score_spherical", header="Score_spherical"),
    GridColumn(name="PCP", header="PCP"),
)
"""Every index, in the order printed."""

_SINGULAR_NOTE = (
    "Singular fit: no ICC and no conditional R2; the marginal R2 leaves random effects out of "
    "account (r2(m, tolerance=0) takes the variances as estimated)."
)

_COMMON = ("AIC", "BIC", "R2", "R2_adjusted", "R2_conditional", "R2_marginal", "R2_Tjur",
           "R2_Nagelkerke", "ICC", "RMSE")  # fmt: skip


@usual_floats
def model_performance(
    m: FittedModel, metrics: str | Iterable[str] = "all", *, estimator: str = "REML"
) -> ResultFrame:
    """Return indices of how well a model fits (performance's ``model_performance``).

    Parameters
    ----------
    m : FittedModel
    metrics : "all", "common" or names
        Which indices: ``["AIC", "RMSE"]``; ``"R2"`` stands for every kind of R2.
    estimator : {"REML", "ML"}
        Likelihood behind the criteria of linear mixed models, at the model's own theta; as in R,
        the restricted one by default, for ML fits too (``m.aic`` is that of the fit).

    Returns
    -------
    ResultFrame
        One row. AIC, AICc, BIC (of a response such as ``log(y)``: those of y itself); R2 of the
        model's kind; ICC; RMSE (root mean square of the response residuals); Sigma. Logistic and
        count models: Log_loss, Score_log and Score_spherical (see
        :mod:`mlpool.performance.scores`), PCP. A singular fit has no ICC and no conditional R2.

    Raises
    ------
    OptionError
        For something that is no model, or an unknown metric.

    Examples
    --------
    >>> import mlpool
    >>> m = mlpool.lmer("Reaction ~ Days + (1 | Subject)", mlpool.load_data("sleepstudy"))
    >>> print(model_performance(m))
    # Indices of model performance
    <BLANKLINE>
    AIC    |   AICc |    BIC | R2 (cond.) | R2 (marg.) |   ICC |   RMSE |  Sigma
    ----------------------------------------------------------------------------
    1794.5 | 1794.7 | 1807.2 |      0.704 |      0.280 | 0.589 | 29.411 | 30.991
    """
    check_model(m, "model_performance()")
    check_option(estimator, ("REML", "ML"), argument="estimator")
    row = choose_metrics(indices(m, estimator), metrics)
    return ResultFrame(
        data=pd.DataFrame([row]),
        layout=Grid(
            columns=COLUMNS,
            heading="Indices of model performance",
            footers=singular_notes([m], row),
        ),
        options=DIGITS,
        metadata={"kind": "model_performance", "model": m.kind, "nobs": m.nobs},
        backend=backend_of(m),
    )


def singular_notes(models: Iterable[FittedModel], shown: Iterable[str]) -> tuple[str, ...]:
    """Return what a reader must know of R2 and ICC of singular fits, if they are shown."""
    if not {"R2_marginal", "R2_conditional", "ICC"} & set(shown):
        return ()
    found = any(has_effects(m) and is_degenerate(m, TOLERANCE) for m in models)
    return (_SINGULAR_NOTE,) if found else ()


def indices(m: FittedModel, estimator: str) -> dict[str, float]:
    """Return every index that the model has; criteria by `estimator`."""
    row: dict[str, float] = {}
    if m.family is None or not m.family.is_quasi:
        deviance = deviance_of(m, estimator) - 2 * log_jacobian(m)
        row = information_criteria(deviance, m.loglik_df, m.nobs)
    row |= _explained(m)
    row["RMSE"] = rmse(m)
    row["Sigma"] = m.sigma
    if m.family is not None:
        row |= _scores(m)
    return row


def information_criteria(deviance: float, k: int, n: int) -> dict[str, float]:
    """Return AIC, AICc and BIC of `k` parameters and `n` rows.

    References
    ----------
    Hurvich & Tsai (1989), Biometrika 76, 297-307 (AICc).
    """
    aic = deviance + 2 * k
    correction = 2 * k * (k + 1) / (n - k - 1) if n > k + 1 else float("nan")
    return {"AIC": aic, "AICc": aic + correction, "BIC": deviance + float(np.log(n)) * k}


def choose_metrics(row: dict[str, float], metrics: str | Iterable[str]) -> dict[str, float]:
    """Return the indices asked for.

    Raises
    ------
    OptionError
        For an unknown one.
    """
    if isinstance(metrics, str) and metrics == "all":
        return row
    wanted = set(_COMMON) if isinstance(metrics, str) and metrics == "common" else _names(metrics)
    if "R2" in wanted:
        wanted |= {name for name in row if name.startswith("R2")}
    chosen = {name: value for name, value in row.items() if name in wanted}
    if not chosen:
        raise OptionError(f"this model has none of the metrics {sorted(wanted)}; it has {[*row]}.")
    return chosen


def _names(metrics: str | Iterable[str]) -> set[str]:
    known = ["all", "common", *(c.name for c in COLUMNS)]
    names = given_names(metrics, "metrics")
    for name in names:
        if name not in known:
            raise OptionError(
                f"metrics must be among {', '.join(known)}; got {brief(name)}."
                + nearest_names(name, known)
            )
    return set(names)


def _explained(m: FittedModel) -> dict[str, float]:
    """Return R2 and ICC; nothing where they are not defined for the model's family."""
    try:
        row = r2_values(m)
        if m.is_mixed:
            mixed = cast("MixedModel", m)
            singular = is_degenerate(mixed, TOLERANCE)
            row["ICC"] = float("nan") if singular else variance_parts(mixed).icc
    except NotSupportedError:
        return {}
    return row


def _scores(m: FittedModel) -> dict[str, float]:
    row: dict[str, float] = {}
    bernoulli = has_single_trials(m)
    if bernoulli:
        row["Log_loss"] = log_loss(m)
    if has_scores(m):
        row["Score_log"], row["Score_spherical"] = scoring_rules(m)
    if bernoulli:
        row["PCP"] = percent_correct(m)
    return row
