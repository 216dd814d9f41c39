"""Refits that tests compare: by ML, or without a term, always on the rows of the model tested."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mlpool.designs.engine_data import as_lmm_data, fit_design
from mlpool.designs.row_summaries import rows_of
from mlpool.errors import (
    MissingDataWarning,
    NotSupportedError,
    OptionError,
    RankDeficiencyWarning,
    SingularFitWarning,
)
from mlpool.formula.parse import canonical_text
from mlpool.formula.types import BarTerm, Expression, Terms
from mlpool.models.extractors.log_likelihood import deviance_of
from mlpool.models.fit import fit
from mlpool.models.residual_covariance import ResidualModel
from mlpool.refits.refit import with_record
from mlpool.sources import Scan
from mlpool.sources.design import PushedDesign
from mlpool.uncertainty.fit_records import glmm_fit, linear_fit, ols_fit

if TYPE_CHECKING:
    from mlpool.models import FittedModel


def by_ml(m: FittedModel) -> Any:
    """Return the model fitted by maximum likelihood, itself if it is so already."""
    if m.kind not in ("lmer", "gls") or not m.reml:
        return m
    cache: dict[str, object] = m._cache
    if "by_ml" not in cache and isinstance(m, ResidualModel):
        cache["by_ml"] = with_record(m, m.design, m.fit_record(m.design, reml=False))
    if "by_ml" not in cache:
        if m.fit.engine == "statsmodels":
            from mlpool.engine.via_statsmodels import fit_mixedlm

            record = fit_mixedlm(as_lmm_data(m.design), reml=False)
        else:
            record = fit_design(m.design, reml=False, control=m.control)
        cache["by_ml"] = with_record(m, m.design, record)
    return cache["by_ml"]


def reml_loglik(m: FittedModel) -> float:
    """Return the restricted log-likelihood, also of an lm.

    ``-2 l = log|X'WX| + (n - p)(1 + log(2 pi RSS / (n - p))) - sum log w``
    """
    if m.kind != "lm":
        return float(m.loglik)
    n, p = m.fit.n, len(m.fit.beta)
    log_det = -float(np.linalg.slogdet(np.asarray(linear_fit(m).vcov_unscaled))[1]) if p else 0.0
    weights = m.design.weights
    log_w = 0.0 if weights is None else float(np.log(weights).sum())
    profiled = (n - p) * (1.0 + float(np.log(2 * np.pi * ols_fit(m).rss / (n - p))))
    return float(-0.5 * (log_det + profiled - log_w))


def refit_formula(m: FittedModel, text: str) -> Any:
    """Return the model of another formula on the rows of `m`, with the same options.

    What a user cannot act upon is not said: rows left out before, singular fits of terms that are
    being dropped anyway.
    """
    arguments = {
        **m.arguments, "cluster": None, "vcov": None, "na_action": "omit", "reml": m.reml,
        "control": replace(m.control, start=None),
    }  # fmt: skip
    rows = rows_of(m.design)
    if isinstance(m.design, PushedDesign):
        rows, arguments["subset"] = m.design.own_rows, None
    elif m.design.kept is not None and not isinstance(rows, Scan):
        arguments["subset"] = m.design.kept
    if "|" not in text:
        arguments["nAGQ"] = 1
        if m.kind == "lmer":
            arguments["family"] = None
            arguments["engine"] = "auto"
    with warnings.catch_warnings():
        for category in (MissingDataWarning, SingularFitWarning, RankDeficiencyWarning):
            warnings.simplefilter("ignore", category)
        again = fit(text, rows, **arguments)
    if again.nobs != m.nobs:
        raise NotSupportedError(
            f"Without a variable that is missing in some rows there are {again.nobs:,} rows, not "
            f"{m.nobs:,}, and counted combinations do not tell which: leave these out by subset=."
        )
    return again


def comparable_logliks(models: Sequence[FittedModel], *, reml: bool) -> list[float]:
    """Return log-likelihoods on one scale.

    Restricted ones if `reml`. With quadrature lme4's likelihood of glmer lacks that of the
    saturated model, and so does minus half the deviance of a glm.

    Raises
    ------
    OptionError
        If glmer fits differ in nAGQ, so that their likelihoods do.
    """
    nodes = {glmm_fit(m).n_quadrature for m in models if m.kind == "glmer"}
    if len(nodes) > 1:
        raise OptionError(
            f"The models were fitted with different nAGQ ({', '.join(map(str, sorted(nodes)))}); "
            "their likelihoods are different approximations."
        )
    if reml:
        return [reml_loglik(m) for m in models]
    quadrature = has_quadrature(models)
    return [loglik_of(m, quadrature=quadrature) for m in models]


def has_quadrature(models: Sequence[FittedModel]) -> bool:
    """Tell whether one of the models was fitted by quadrature with several nodes."""
    return any(m.kind == "glmer" and glmm_fit(m).n_quadrature > 1 for m in models)


def loglik_of(m: FittedModel, *, quadrature: bool) -> float:
    """Return a log-likelihood; that of a glm is on glmer's scale beside `quadrature`."""
    if quadrature:
        return float(-0.5 * m.deviance if m.kind == "glm" else m.loglik)
    return -0.5 * deviance_of(m)


def without_terms(terms: Terms, gone: Sequence[int], intercept: bool | None = None) -> Terms:
    """Return the terms but those at the places `gone`."""
    kept = tuple(t for i, t in enumerate(terms.terms) if i not in gone)
    has_intercept = terms.intercept if intercept is None else intercept
    parts = [":".join(e.text for e in t) for t in kept]
    parts = parts if has_intercept else ["0", *parts]
    return Terms(intercept=has_intercept, terms=kept, text=" + ".join(parts) or "1")


def formula_text(m: FittedModel, *, fixed: Terms | None = None, bars: Any = None) -> str:
    """Return the model's formula with another fixed or random part."""
    parsed = m.formula
    response: Expression | None = parsed.response
    chosen: Sequence[BarTerm] = parsed.bars if bars is None else bars
    return canonical_text(
        response, parsed.fixed if fixed is None else fixed, chosen, parsed.offsets
    )
