"""`compare_performance`: the indices of several models side by side, with weights and ranks."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mlpool.designs.same_rows import same_responses, same_rows
from mlpool.errors import MlpoolWarning, user_level
from mlpool.floating_point import usual_floats
from mlpool.models.argument_checks import backend_of, name_models
from mlpool.performance.criteria import COLUMNS, choose_metrics, indices, singular_notes
from mlpool.performance.performance_table import DIGITS, Grid, GridColumn
from mlpool.results import ResultFrame
from mlpool.typing import FloatArray
from mlpool.uncertainty.fit_records import glmm_fit

if TYPE_CHECKING:
    from mlpool.models import FittedModel

_CRITERIA = ("AIC", "AICc", "BIC")
_SMALLER_IS_BETTER = ("AIC", "AICc", "BIC", "RMSE", "Sigma", "Log_loss")
_R_NAMES = {"lm": "lm", "glm": "glm", "lmer": "lmerMod", "glmer": "glmerMod"}
_SCORE = GridColumn(name="Performance_Score", header="Performance-Score", style="percent")


@usual_floats
def compare_performance(
    *models: FittedModel | Mapping[str, FittedModel],
    names: Iterable[str] | None = None,
    metrics: str | Iterable[str] = "all",
    rank: bool = False,
    **named_models: FittedModel,
) -> ResultFrame:
    """Return indices of several models, with weights of the information criteria.

    Criteria of REML fits are those of maximum likelihood at the REML estimates, so that models with
    different fixed effects can be compared.

    Parameters
    ----------
    *models : FittedModel or dict
        Models called ``Model 1``, ``Model 2`` ..., or one dict from names to models.
    names : list of str, optional
        Names of all models, in order.
    metrics
        As in :func:`model_performance`.
    rank : bool
        Sort by the mean of all indices, each scaled to run from 0 (worst) to 1 (best); weights
        stand for the criteria.
    **named_models : FittedModel
        ``compare_performance(null=m0, ses=m1)``.

    Returns
    -------
    ResultFrame
        Name, Model, the criteria with their weights (``AIC_wt``), the other indices, and with
        `rank` Performance_Score.

    Raises
    ------
    OptionError
        For fewer than two models, or names that do not fit.

    Warns
    -----
    MlpoolWarning
        If the models differ in their response or rows, or quadrature (nAGQ > 1) stands
        beside Laplace's approximation.

    References
    ----------
    Burnham & Anderson (2002), Model Selection and Multimodel Inference, section 2.9 (weights).

    Examples
    --------
    >>> import mlpool
    >>> d = mlpool.load_data("sleepstudy")
    >>> m0 = mlpool.lmer("Reaction ~ 1 + (1 | Subject)", d)
    >>> m1 = mlpool.lmer("Reaction ~ Days + (1 | Subject)", d)
    >>> print(compare_performance(m0=m0, m1=m1, metrics=["AIC", "BIC", "RMSE"]))
    # Comparison of Model Performance Indices
    <BLANKLINE>
    Name |   Model |  AIC (weights) |  BIC (weights) |   RMSE
    ---------------------------------------------------------
    m0   | lmerMod | 1916.6 (<.001) | 1926.1 (<.001) | 42.280
    m1   | lmerMod | 1802.1 (>.999) | 1814.9 (>.999) | 29.411
    """
    chosen = name_models(models, names, named_models, "compare_performance()")
    _warn_different_data(chosen)
    _warn_different_nodes(chosen)
    rows = []
    for name, m in chosen.items():
        row = choose_metrics(indices(m, "ML"), metrics)
        rows.append({"Name": name, "Model": _r_name(m), **row})
    data = _with_weights(pd.DataFrame(rows))
    layout = Grid(
        columns=_columns(data),
        heading="Comparison of Model Performance Indices",
        footers=singular_notes(chosen.values(), data.columns),
    )
    if rank:
        data = _ranked(data)
        layout = replace(layout, columns=_rank_columns(data))
    return ResultFrame(
        data=data,
        layout=layout,
        options=DIGITS,
        metadata={"kind": "compare_performance", "rank": rank, "models": list(chosen)},
        backend=backend_of(next(iter(chosen.values()))),
    )


def _warn_different_data(models: Mapping[str, FittedModel]) -> None:
    rows = {m.nobs for m in models.values()}
    responses = {m.design.response_name for m in models.values()}
    first, *others = models.values()
    if len(rows) == len(responses) == 1 and not all(_is_of_same_data(first, m) for m in others):
        warnings.warn(
            "The models were not fitted to the same data, though to as many rows (other rows, or "
            f"other values of {first.design.response_name}); their criteria cannot be compared.",
            MlpoolWarning,
            stacklevel=user_level(),
        )
    elif len(rows) > 1 or len(responses) > 1:
        warnings.warn(
            "The models were not fitted to the same data "
            f"(rows: {sorted(rows)}; responses: {sorted(responses)}); their criteria cannot be "
            "compared.",
            MlpoolWarning,
            stacklevel=user_level(),
        )


def _is_of_same_data(a: FittedModel, b: FittedModel) -> bool:
    return same_rows(a.design, b.design) and same_responses(a.design, b.design)


def _warn_different_nodes(models: Mapping[str, FittedModel]) -> None:
    """Say that quadrature leaves out a constant that Laplace's approximation has."""
    is_quadrature = {m.kind == "glmer" and glmm_fit(m).n_quadrature > 1 for m in models.values()}
    if len(is_quadrature) > 1:
        warnings.warn(
            "Log-likelihoods with nAGQ > 1 lack the saturated model's, as in lme4, and cannot be "
            "compared with the others; fit all models with the same nAGQ.",
            MlpoolWarning,
            stacklevel=user_level(),
        )


def _r_name(m: FittedModel) -> str:
    """Return the class that R's model has: nlme's for residual structures."""
    if m.kind == "gls":
        return "lme" if m.is_mixed else "gls"
    return _R_NAMES[m.kind]


def _with_weights(data: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with a column of Akaike weights after each criterion."""
    for name in _CRITERIA:
        if name in data.columns:
            position = list(data.columns).index(name) + 1
            weights = criterion_weights(data[name].to_numpy(dtype=float))
            data.insert(position, f"{name}_wt", weights)
    return data


def criterion_weights(values: FloatArray) -> FloatArray:
    """Return ``exp(-d / 2)`` normalised to sum 1, d the distance from the smallest value.

    Examples
    --------
    >>> criterion_weights(np.array([100.0, 102.0])).round(3)
    array([0.731, 0.269])
    """
    relative = np.exp(-0.5 * (values - np.nanmin(values)))
    return np.asarray(relative / np.nansum(relative))


def _ranked(data: pd.DataFrame) -> pd.DataFrame:
    """Return the rows sorted by the mean of their scaled indices; weights replace criteria."""
    data = data.drop(columns=[c for c in _CRITERIA if c in data.columns])
    scores = []
    for name in data.columns.drop(["Name", "Model"]):
        values = data[name].to_numpy(dtype=float)
        known = values[~np.isnan(values)]
        spread = np.ptp(known) if len(known) else 0.0
        if spread > 0:
            scaled = (values - known.min()) / spread
            scores.append(1.0 - scaled if name in _SMALLER_IS_BETTER else scaled)
    total = np.nanmean(scores, axis=0) if scores else np.full(len(data), np.nan)
    data = data.assign(Performance_Score=total)
    data = data.sort_values("Performance_Score", ascending=False, kind="stable")
    return data.reset_index(drop=True)


def _columns(data: pd.DataFrame) -> tuple[GridColumn, ...]:
    """Return the printed columns: criteria with weights, the ICC behind Sigma."""
    found = [*_LABELS]
    for column in _icc_last():
        weights = f"{column.name}_wt"
        if weights in data.columns:
            header = f"{column.header} (weights)"
            found.append(replace(column, header=header, weights=weights))
        else:
            found.append(column)
    return tuple(found)


def _rank_columns(data: pd.DataFrame) -> tuple[GridColumn, ...]:
    weights = [
        GridColumn(name=f"{name}_wt", header=f"{name} weights")
        for name in _CRITERIA
        if f"{name}_wt" in data.columns
    ]
    return (*_LABELS, *_icc_last(), *weights, _SCORE)


_LABELS = (
    GridColumn(name="Name", header="Name", style="label"),
    GridColumn(name="Model", header="Model", style="label"),
)


def _icc_last() -> list[GridColumn]:
    order = [c for c in COLUMNS if c.name != "ICC"]
    icc = next(c for c in COLUMNS if c.name == "ICC")
    position = [c.name for c in order].index("Sigma") + 1
    return [*order[:position], icc, *order[position:]]
