"""Leverages, Cook's distances and variance inflation factors of fitted models."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from mlpool.errors import NotSupportedError
from mlpool.inference.mixed_sandwich import inverse_diagonal, score_rows
from mlpool.models.covariance import model_vcov
from mlpool.models.data import as_lmm_data
from mlpool.typing import FloatArray


def leverages(m: Any) -> FloatArray:
    """Return each row's leverage, R's ``hatvalues`` (n,).

    For a mixed model the diagonal of the matrix that makes y into the fitted values at the
    estimated theta (lme4's ``hatvalues``): ``I - s2 W^-1/2 (V^-1 - V^-1 X M X'V^-1) W^-1/2``.

    Raises
    ------
    NotSupportedError
        For mixed models with several grouping factors, and generalised ones.
    """
    if m.kind == "lmer":
        data = as_lmm_data(m.design)
        inverse_rows, _ = score_rows(data, m.fit)
        own = inverse_diagonal(data, m.fit)
        taken = np.einsum("ia,ab,ib->i", inverse_rows, model_vcov(m), inverse_rows)
        return np.asarray(1.0 - m.fit.sigma**2 * (own - taken))
    if m.kind not in ("lm", "glm"):
        raise NotSupportedError("leverages of generalised mixed models are not available.")
    X = m.design.X.dense()[:, m.fit.kept]
    weights = m.fit.working_weights if m.kind == "glm" else m.design.weights
    if weights is not None:
        X = np.sqrt(weights)[:, None] * X
    Q = np.linalg.qr(X)[0]
    return np.asarray(np.einsum("ij,ij->i", Q, Q))


def cooks_distance(m: Any) -> FloatArray:
    """Return each row's Cook's distance (n,); infinite where a leverage is one.

    Raises
    ------
    NotSupportedError
        As :func:`leverages`.
    """
    h = leverages(m)
    scale = np.sqrt(m.fit.dispersion) if m.kind == "glm" else m.sigma
    scaled = np.asarray(m.residuals("pearson"), dtype=np.float64) / scale
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(scaled**2 * h / ((1.0 - h) ** 2 * len(m.names)))


def variance_inflation(m: Any) -> pd.Series:
    """Return the (generalised) variance inflation factor of every term, without the intercept.

    ``det R_term det R_others / det R`` with R the correlations of the estimates (Fox & Monette
    1992), which for one column is 1 / (1 - R2).

    Raises
    ------
    NotSupportedError
        If there are fewer than two terms.
    """
    columns = m.columns
    keep = [i for i, c in enumerate(columns) if c.name != "(Intercept)"]
    labels = [_term_label(columns[i]) for i in keep]
    terms = list(dict.fromkeys(labels))
    if len(terms) < 2:
        raise NotSupportedError("fewer than two terms cannot be collinear.")
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
