"""`influence`: what a model would be without each row, or without each group.

Mixed models are fitted again without each (lme4's ``influence``), or left at their theta, where the
coefficients follow from the fit by :mod:`mlpool.inference.deletion`. Linear models need no refit;
generalised ones have R's one-step values for rows, and refits for groups.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mlpool.argument_values import flag
from mlpool.checks.influence_table import InfluenceLayout
from mlpool.errors import ConvergenceWarning, FitError, OptionError, brief, user_level
from mlpool.models.argument_checks import check_model
from mlpool.models.extractors.coefficients import require_kind
from mlpool.models.extractors.parameter_names import parameter_names, parameter_values
from mlpool.progress import Progress
from mlpool.refits.repeated_fits import ModelRefits
from mlpool.refits.row_resampling import take_rows
from mlpool.results import ResultFrame
from mlpool.typing import FloatArray, IntArray
from mlpool.uncertainty import influence as at_fixed_theta
from mlpool.uncertainty.covariance import model_vcov

if TYPE_CHECKING:
    from mlpool.models import FittedModel
    from mlpool.typing import ClusterLike


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Influence(ResultFrame):
    """A table with a row per deletion: how many rows, Cook's distance, and every DFBETAS.

    Attributes
    ----------
    dfbeta : DataFrame
        Coefficients of all rows less those without each row or group.
    dfbetas : DataFrame
        The same in standard errors.
    cooks_distance : Series
    without : DataFrame
        The parameters of the fits without each row or group: of mixed models that were fitted
        again SDs and correlations, too.
    is_refit : bool
    """

    dfbeta: pd.DataFrame = field(repr=False)
    dfbetas: pd.DataFrame = field(repr=False)
    cooks_distance: pd.Series = field(repr=False)
    without: pd.DataFrame = field(repr=False)
    is_refit: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Deleted:
    """What is left out: labels, the rows of each, and what a label names."""

    labels: pd.Index
    rows: Sequence[IntArray]
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Changes:
    """What deletions change: (J, p) differences and their units, and parameters (J, k)."""

    dfbeta: FloatArray
    se: FloatArray
    without: pd.DataFrame
    is_refit: bool = False


def influence(
    m: FittedModel, group: ClusterLike | None = None, *, refit: bool | None = None
) -> Influence:
    """Return how much each row, or each group, moves the coefficients.

    Parameters
    ----------
    m : FittedModel
    group : str, Series or array, optional
        A grouping factor or any column: its levels are left out one at a time; None: single rows.
    refit : bool, optional
        Fit mixed models again without each (the default, as in lme4), or keep theta and sigma as
        they are: then the coefficients need no search. Linear models are exact either way. Single
        rows of generalised linear models have one step of weighted least squares, as in R, and
        True fits again; groups are fitted again, and False takes the step.

    Returns
    -------
    Influence
        ``.cooks_distance``, ``.dfbeta``, ``.dfbetas``, ``.without``. The change is that of all rows
        less that of the others, as R's ``dfbeta`` of a linear model has it and influence.ME; lme4's
        own ``dfbeta`` has the other sign.

    Raises
    ------
    OptionError
        For something that is no model, or fewer than two groups.
    NotSupportedError
        For models with a residual structure, and as :func:`hatvalues`.

    Warns
    -----
    ConvergenceWarning
        Naming deletions after which the model cannot be fitted: their values are missing.

    See Also
    --------
    check_outliers : the rows whose distance is large, in a sentence.

    Notes
    -----
    Cook's distance of a deletion is ``d' V^-1 d / p`` with d the change and V the covariance of all
    rows (influence.ME; lme4 multiplies by (J - p) / J, J being the number of deletions). DFBETAS
    are changes in standard errors of the fit without (influence.ME, lme4); of single-level models
    of the fit's own covariance with the residual SD of the others (R).

    References
    ----------
    Belsley, Kuh & Welsch (1980), Regression Diagnostics, chapter 2; Nieuwenhuis, te Grotenhuis &
    Pelzer (2012), R Journal 4(2), 38-47.

    Examples
    --------
    >>> import mlpool
    >>> m = mlpool.lmer("Reaction ~ Days + (Days | Subject)", mlpool.load_data("sleepstudy"))
    >>> found = mlpool.influence(m, group="Subject")
    >>> found.cooks_distance.nlargest(2).round(3).to_dict()
    {'309': 0.149, '335': 0.129}
    """
    model = check_model(m, "influence()")
    require_kind(model, ("lm", "glm", "lmer", "glmer"), "influence()")
    wanted = None if refit is None else flag(refit, "refit")
    deleted = _deleted(model, group)
    if model.kind == "lm":
        found = _linear(model, deleted)
    elif model.kind == "glm":
        again = group is not None if wanted is None else wanted
        found = _again(model, deleted) if again else _one_step(model, deleted)
    else:
        found = _again(model, deleted) if wanted is not False else _fixed_theta(model, deleted)
    return _made(model, deleted, found, single=group is None and not found.is_refit)


# --- what is left out ---------------------------------------------------------------------------


def _deleted(m: FittedModel, group: ClusterLike | None) -> _Deleted:
    if group is None:
        rows = list(np.arange(m.design.n)[:, None])
        return _Deleted(labels=m.design.index, rows=rows, name="Row")
    codes, levels, name = _codes(m, group)
    counts = np.bincount(codes, minlength=len(levels))
    used = np.flatnonzero(counts)
    if len(used) < 2:
        raise OptionError(f"influence() of groups needs two or more; {name} has {len(used)}.")
    parts = np.split(np.argsort(codes, kind="stable"), np.cumsum(counts)[:-1])
    labels = pd.Index([levels[int(j)] for j in used], name=name)
    return _Deleted(labels=labels, rows=[parts[j] for j in used], name=name)


def _codes(m: FittedModel, group: ClusterLike) -> tuple[IntArray, Sequence[str], str]:
    for random in m.design.random:
        if isinstance(group, str) and group == random.group:
            return np.asarray(random.codes), random.levels, group
    codes, levels = m.design.codes(group)
    return codes, levels, group if isinstance(group, str) else "Group"


# --- what it changes ----------------------------------------------------------------------------


def _linear(m: FittedModel, deleted: _Deleted) -> _Changes:
    """Exact changes of least squares; SDs of the residuals without the rows."""
    found = at_fixed_theta.deletions_of(m, deleted.rows)
    left = m.df_residual - np.array([len(rows) for rows in deleted.rows])
    with np.errstate(divide="ignore", invalid="ignore"):
        sigma = np.sqrt(np.where(left > 0, np.maximum(m.deviance - found.fall, 0.0) / left, np.nan))
    unscaled = np.sqrt(np.diag(model_vcov(m))) / m.sigma
    without = _coefficients(m, deleted, found.change).assign(sigma=sigma)
    return _Changes(dfbeta=found.change, se=sigma[:, None] * unscaled, without=without)


def _one_step(m: FittedModel, deleted: _Deleted) -> _Changes:
    """One step of weighted least squares; of rows with deviance residuals, as R takes it."""
    found = at_fixed_theta.deletions_of(m, deleted.rows)
    change = found.change
    unscaled = np.sqrt(np.diag(model_vcov(m))) / m.sigma
    if max(len(rows) for rows in deleted.rows) == 1:
        e = m.residuals("deviance").to_numpy(dtype=np.float64)
        pearson = m.residuals("pearson").to_numpy(dtype=np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            change = change * np.where(pearson == 0.0, 1.0, e / pearson)[:, None]
            fall = e**2 / (1.0 - at_fixed_theta.leverages(m))
        sigma = np.sqrt((m.deviance - fall) / max(m.df_residual - 1, 1))
        se = sigma[:, None] * unscaled
    else:
        se = np.sqrt(np.einsum("jaa->ja", found.vcov_unscaled))
    return _Changes(dfbeta=change, se=se, without=_coefficients(m, deleted, change))


def _fixed_theta(m: FittedModel, deleted: _Deleted) -> _Changes:
    found = at_fixed_theta.deletions_of(m, deleted.rows)
    scale = m.sigma if m.family is None else 1.0
    se = scale * np.sqrt(np.einsum("jaa->ja", found.vcov_unscaled))
    without = _coefficients(m, deleted, found.change)
    return _Changes(dfbeta=found.change, se=se, without=without)


def _again(m: FittedModel, deleted: _Deleted) -> _Changes:
    """Fit without each; what cannot be fitted is missing."""
    p, everyone = len(m.names), np.arange(m.design.n)
    refits = ModelRefits(m, _all_values)
    values = np.full((len(deleted.rows), len(_all_values(m))), np.nan)
    failed = []
    with Progress("influence", " rows", total=len(deleted.rows)) as advance:
        for j, rows in enumerate(deleted.rows):
            left = np.delete(everyone, rows)
            part = take_rows(m.design, left, np.zeros_like(left), np.zeros_like(everyone))
            try:
                values[j] = refits.design(part)[0]
            except FitError:
                failed.append(str(deleted.labels[j]))
            advance(1)
    _say_failed(failed, deleted)
    without = pd.DataFrame(
        values[:, p:], index=deleted.labels, columns=parameter_names(m, old=False)
    )
    estimate = m.fixef().to_numpy()
    return _Changes(
        dfbeta=estimate - without[m.names].to_numpy(), se=values[:, :p], without=without,
        is_refit=True,
    )  # fmt: skip


def _all_values(m: FittedModel) -> FloatArray:
    """Return standard errors of the coefficients, then all parameters."""
    return np.concatenate([np.sqrt(np.diag(model_vcov(m))), parameter_values(m)])


def _say_failed(failed: list[str], deleted: _Deleted) -> None:
    if not failed:
        return
    shown = ", ".join(failed[:5]) + (", ..." if len(failed) > 5 else "")
    what = "rows" if deleted.name == "Row" else f"levels of {brief(deleted.name)}"
    warnings.warn(
        f"Without {len(failed)} of the {len(deleted.rows)} {what} ({shown}) the model cannot be "
        "fitted, or a coefficient is lost; their influence is missing (NaN).",
        ConvergenceWarning,
        stacklevel=user_level(),
    )


def _coefficients(m: FittedModel, deleted: _Deleted, change: FloatArray) -> pd.DataFrame:
    return pd.DataFrame(m.fixef().to_numpy() - change, index=deleted.labels, columns=m.names)


# --- the table ----------------------------------------------------------------------------------


def _made(m: FittedModel, deleted: _Deleted, found: _Changes, *, single: bool) -> Influence:
    change = pd.DataFrame(found.dfbeta, index=deleted.labels, columns=m.names)
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = pd.DataFrame(found.dfbeta / found.se, index=deleted.labels, columns=m.names)
    if single:
        distance = at_fixed_theta.cooks_distance(m)
    else:
        distance = np.einsum("ja,ab,jb->j", found.dfbeta, np.linalg.inv(model_vcov(m)),
                             found.dfbeta) / len(m.names)  # fmt: skip
    cooks = pd.Series(distance, index=deleted.labels, name="cooksd")
    counts = [len(rows) for rows in deleted.rows]
    frame = pd.DataFrame({deleted.name: deleted.labels.to_numpy(), "Rows": counts})
    frame["Cooks_Distance"] = cooks.to_numpy()
    frame[[f"DFBETAS_{name}" for name in m.names]] = scaled.to_numpy()
    layout = InfluenceLayout(label=deleted.name, names=tuple(m.names), footer=_how(m, found))
    return Influence(
        data=frame, layout=layout, dfbeta=change, dfbetas=scaled, cooks_distance=cooks,
        without=found.without, is_refit=found.is_refit,
        metadata={"kind": "influence", "group": deleted.name, "model": m},
    )  # fmt: skip


def _how(m: FittedModel, found: _Changes) -> str:
    if found.is_refit:
        return "Fitted again without each."
    if m.is_mixed:
        return "Without refits: variances of the random effects as in the model of all rows."
    return "" if m.kind == "lm" else "One step of weighted least squares without each."
