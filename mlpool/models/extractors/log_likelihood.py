"""-2 log-likelihoods that criteria are made of: ML or REML, and of the response as observed."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import numpy as np

from mlpool.designs.residual_facts import residual_design_of
from mlpool.designs.row_summaries import by_queries, fact
from mlpool.engine.residual.fit import criterion_of
from mlpool.sources.design import asked
from mlpool.typing import FloatArray
from mlpool.uncertainty.fit_records import lmm_fit, residual_fit

if TYPE_CHECKING:
    from mlpool.models.fitted import FittedModel

_LN2, _LN10 = float(np.log(2.0)), float(np.log(10.0))


def deviance_of(m: FittedModel, estimator: str = "ML") -> float:
    """Return -2 log-likelihood at the estimates.

    Parameters
    ----------
    m : FittedModel
    estimator : {"ML", "REML"}
        Linear mixed models: which likelihood, at the model's own theta, sigma being profiled out
        of that likelihood. Other models have one only.
    """
    if m.kind == "gls" and m.reml != (estimator == "REML"):
        return other_criterion(m)
    if m.kind != "lmer":
        return -2 * float(m.loglik)
    return float(m.deviance) if estimator == "ML" else reml_criterion(m)


@fact("gls")
def other_criterion(m: FittedModel) -> float:
    """Return the criterion that a model with a residual covariance was not fitted by."""
    criterion = criterion_of(residual_design_of(m).data, reml=not m.reml)
    return float(criterion.evaluate(residual_fit(m).parameters).value)


@fact("lmer")
def sum_log_weights(m: FittedModel) -> float:
    """Return the sum of the logarithms of the prior weights; 0 without weights."""
    weights = m.design.weights
    return 0.0 if weights is None else float(np.log(weights).sum())


@by_queries(sum_log_weights)
def _counted_log_weights(m: FittedModel) -> float:
    return asked(m.design).sums.sum_log_weights


def reml_criterion(m: FittedModel) -> float:
    """Return the REML criterion at the model's theta, also of an ML fit.

    Bates et al. (2015), eq. 41: ``log|L|^2 + log|R_X|^2 + (n - p)(1 + log(2 pi r^2 / (n - p)))``.
    """
    fit = lmm_fit(m)
    if fit.reml:
        return float(fit.criterion)
    df = fit.n - len(fit.beta)
    profiled = df * (1 + np.log(2 * np.pi * fit.pwrss / df))
    return float(fit.logdet_L2 + fit.logdet_RX2 + profiled - sum_log_weights(m))


@fact("lm", "glm", "lmer", "glmer", "gls")
def log_jacobian(m: FittedModel) -> float:
    """Return ``sum log|f'(y)|`` of a response ``f(y)``; 0 for an untransformed one.

    Subtracting it twice from AIC gives the criterion of y itself, so that models of ``log(y)`` and
    of ``y`` can be compared. Known for log, log2, log10, log1p and sqrt of a column.
    """
    function = _transformation(m)
    if not function or m.design.response_levels:
        return 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.sum(_log_derivative(function, m.design.y)))


@by_queries(log_jacobian)
def _asked_log_jacobian(m: FittedModel) -> float:
    function = _transformation(m)
    if not function:
        return 0.0
    design = asked(m.design)
    v = design.response
    if function != "sqrt":
        n = float(design.n)
        mean = design.mean_of(v)  # log f'(y) is linear in f(y)
        return n * float(_log_derivative(function, np.array(mean)))
    return float(design.n * (-design.mean_of(v.log()) - _LN2))


def _transformation(m: FittedModel) -> str:
    """Return the function of one column that the response is; nothing for others."""
    if m.formula.response is None:
        return ""
    tree = m.formula.response.tree
    if not isinstance(tree, ast.Call) or not isinstance(tree.func, ast.Name):
        return ""
    if len(tree.args) != 1 or not isinstance(tree.args[0], ast.Name):
        return ""
    name = tree.func.id
    return name if name in _LOG_DERIVATIVES and not tree.keywords else ""


_LOG_DERIVATIVES = ("log", "log2", "log10", "log1p", "sqrt")


def _log_derivative(function: str, v: FloatArray) -> FloatArray:
    """Return ``log f'(y)`` where v = f(y): the model has v, also after a refit to another one."""
    match function:
        case "log2":
            return np.asarray(-v * _LN2 - np.log(_LN2))
        case "log10":
            return np.asarray(-v * _LN10 - np.log(_LN10))
        case "sqrt":
            return np.asarray(-np.log(v) - _LN2)
    # log and log1p: the inverse of e^v
    return np.asarray(-v)
