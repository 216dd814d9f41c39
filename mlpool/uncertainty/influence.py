"""Leverages, Cook's distances and variance inflation factors of fitted models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd

from mlpool.designs.absorbed_factors import plan_absorption
from mlpool.designs.engine_data import as_lmm_data
from mlpool.designs.least_squares import AbsorbedOls
from mlpool.designs.residual_facts import residual_design_of
from mlpool.engine.residual.whitening import whitened_data
from mlpool.engine.types import LmmData
from mlpool.errors import NotSupportedError
from mlpool.formula.design_matrix import check_dense
from mlpool.inference.deletion import Deletions, deletions
from mlpool.inference.hat_matrix import Smoother, absorbed_smoother, smoother
from mlpool.sources.absent_rows import SCANNED, refuse_rows
from mlpool.sources.design import PushedDesign
from mlpool.typing import FloatArray, IntArray
from mlpool.uncertainty.covariance import model_vcov
from mlpool.uncertainty.fit_records import mixed_fit, ols_fit, residual_fit

if TYPE_CHECKING:
    from mlpool.uncertainty.model_protocol import EstimatedModel

ONE_TERM = "fewer than two terms cannot be collinear."
"""Why a model has no variance inflation factors; goes without saying in lists of checks."""

MAX_COLUMNS = 3_000
"""Coefficients beyond which determinants of their correlations take minutes."""


def leverages(m: EstimatedModel) -> FloatArray:
    """Return each row's leverage, R's ``hatvalues`` (n,).

    The diagonal of the matrix that makes y into the fitted values, for mixed models at the
    estimated theta (lme4's ``hatvalues``). Generalised models: that of the last weighted least
    squares problem. lme4 weights the rows of generalised mixed models by prior weights alone; here
    they have their working weights, so that leverages add up to the effective number of parameters.
    Models with a residual structure: those of the rows freed of it, as normalized residuals are.

    Raises
    ------
    NotSupportedError
        For more than 10,000 random effects of several grouping factors.
    """
    return smoother_of(m).diagonal()


def smoother_of(m: EstimatedModel) -> Smoother:
    """Return the matrix that makes responses into fitted values, in pieces, made once per model."""
    if "smoother" not in m._cache:
        m._cache["smoother"] = _make_smoother(m)
    result: Smoother = m._cache["smoother"]
    return result


def _make_smoother(m: EstimatedModel) -> Smoother:
    n = m.design.n
    if isinstance(m.fit, AbsorbedOls):
        plan = plan_absorption(m.design.X)
        assert plan is not None
        Z = np.column_stack([np.ones(n), plan.own.rows(0, n)])
        common = plan.common.rows(0, n)
        return absorbed_smoother(common, Z, plan.codes, m.fit.solution, m.design.weights)
    check_dense(n, len(m.fit.kept), f"the {len(m.fit.kept)} columns of the fixed effects")
    return smoother(working_data(m), mixed_fit(m).theta if m.is_mixed else np.empty(0), m.fit.kept)


def working_data(m: EstimatedModel) -> LmmData:
    """Return the rows whose least squares the fit is: weighted, or freed of their correlation."""
    if m.kind == "gls":
        if "whitened" not in m._cache:
            m._cache["whitened"] = whitened_data(residual_design_of(m).data, residual_fit(m))
        return cast("LmmData", m._cache["whitened"])
    return replace(as_lmm_data(m.design), weights=working_weights(m))


def working_weights(m: EstimatedModel) -> FloatArray:
    """Return the weights of the rows (n,): prior weights, times mu'^2 / (phi V) where mu is curved.

    References
    ----------
    McCullagh & Nelder (1989), Generalized Linear Models, 2nd ed., section 2.5.
    """
    prior: FloatArray = m.prior_weights
    if m.family is None:
        return prior
    mu = np.asarray(m.fitted, dtype=np.float64)
    slope = m.family.derivative(m.family.link_of(mu))
    with np.errstate(divide="ignore", invalid="ignore"):
        weights = prior * slope**2 / m.family.variance(mu) / m.sigma**2
    return np.asarray(np.nan_to_num(weights, nan=0.0, posinf=0.0))


def cooks_distance(m: EstimatedModel) -> FloatArray:
    """Return each row's Cook's distance (n,); infinite where a leverage is one.

    Raises
    ------
    NotSupportedError
        As :func:`leverages`.
    """
    h = leverages(m)
    scaled = unit_residuals(m)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(scaled**2 * h / ((1.0 - h) ** 2 * len(m.names)))


def unit_residuals(m: EstimatedModel) -> FloatArray:
    """Return residuals (n,) of variance one in a correct model, but for their leverages.

    Pearson residuals over sigma; of models with a residual structure the normalized ones.

    Raises
    ------
    NotSupportedError
        For models of rows that are elsewhere, whose residuals are a lazy frame.
    """
    if isinstance(m.design, PushedDesign):
        refuse_rows(SCANNED)
    if m.kind == "gls":
        return np.asarray(m.residuals("normalized"), dtype=np.float64)
    scale = np.sqrt(ols_fit(m).dispersion) if m.kind == "glm" else m.sigma
    return np.asarray(m.residuals("pearson"), dtype=np.float64) / scale


def variance_inflation(m: EstimatedModel) -> pd.Series:
    """Return the (generalised) variance inflation factor of every term, without the intercept.

    ``det R_term det R_others / det R`` with R the correlations of the estimates (Fox & Monette
    1992), which for one column is 1 / (1 - R2).

    Raises
    ------
    NotSupportedError
        If there are fewer than two terms.
    """
    columns = m.columns
    if len(columns) > MAX_COLUMNS:
        raise NotSupportedError(
            f"variance inflation factors are made for at most {MAX_COLUMNS} coefficients; this "
            f"model has {len(columns)}."
        )
    keep = [i for i, c in enumerate(columns) if c.name != "(Intercept)"]
    labels = [_term_label(columns[i]) for i in keep]
    terms = list(dict.fromkeys(labels))
    if len(terms) < 2:
        raise NotSupportedError(ONE_TERM)
    V = model_vcov(m)[np.ix_(keep, keep)]
    sd = np.sqrt(np.diag(V))
    R = V / np.outer(sd, sd)
    whole = np.linalg.slogdet(R)[1]
    out = {}
    for term in terms:
        own = np.array([label == term for label in labels])
        logs = sum(np.linalg.slogdet(R[np.ix_(part, part)])[1] for part in (own, ~own))
        out[term] = float(np.exp(logs - whole))
    return pd.Series(out, name="VIF")


def _term_label(column: Any) -> str:
    return ":".join(part.text for part in column.parts)


def deletions_of(m: EstimatedModel, sets: Sequence[IntArray]) -> Deletions:
    """Return a model's coefficients without each set of rows, at the estimated theta.

    Exact for linear models; of generalised ones a step of the last weighted least squares.

    Raises
    ------
    NotSupportedError
        As :func:`leverages`, and for columns that do not fit in memory.
    """
    made = smoother_of(m)
    if made.triangle is None:  # an absorbed factor: its levels' coefficients are asked for, too
        check_dense(m.design.n, len(m.names), f"the {len(m.names)} columns of the fixed effects")
        data = replace(as_lmm_data(m.design), terms=(), weights=m.design.weights)
        made = smoother(data, np.empty(0), m.fit.kept)
    e = m.residuals("pearson").to_numpy(dtype=np.float64)
    return deletions(made, e / (m.sigma if m.family is not None else 1.0), sets)
