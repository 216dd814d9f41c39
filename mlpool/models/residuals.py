"""Residuals as R's ``residuals(type = )`` gives them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mlpool.errors import OptionError, check_option
from mlpool.typing import FloatArray

if TYPE_CHECKING:
    from mlpool.models.fitted import FittedModel

TYPES = ("response", "pearson", "deviance", "working")


def residuals_of(m: FittedModel, kind: str | None = None, scaled: bool = False) -> FloatArray:
    """Return residuals of shape (n,).

    Parameters
    ----------
    m : FittedModel
    kind : {"response", "pearson", "deviance", "working"}, optional
        Default as R's: ``"deviance"`` for glm (and glmer), ``"response"`` for lm and lmer.

        response
            y - mu.
        pearson
            ``(y - mu) sqrt(w / V(mu))``; of linear models ``(y - mu) sqrt(w)``.
        deviance
            ``sign(y - mu) sqrt(w d(y, mu))``; of linear models as pearson.
        working
            ``(y - mu) d eta / d mu``; of linear models y - mu.
    scaled : bool
        Divide by the residual standard deviation (lme4's ``scaled``).

    References
    ----------
    McCullagh & Nelder (1989), Generalized Linear Models, 2nd ed., section 2.4.
    """
    if not isinstance(scaled, bool):
        raise OptionError(f"scaled must be True or False; got {scaled!r}.")
    default = "response" if m.family is None else "deviance"
    kind = check_option(default if kind is None else kind, TYPES, argument="type")
    y, mu = m.design.y, m.fitted.to_numpy()
    raw = y - mu
    if kind != "response":
        raw = _transformed(m, kind, raw, mu)
    return np.asarray(raw / m.sigma) if scaled else raw


def _transformed(m: FittedModel, kind: str, raw: FloatArray, mu: FloatArray) -> FloatArray:
    prior = m.prior_weights
    if m.family is None:
        return raw if kind == "working" else raw * np.sqrt(prior)
    if kind == "working":
        return np.asarray(raw / m.family.derivative(m.family.link_of(mu)))
    if kind == "pearson":
        return np.asarray(raw * np.sqrt(prior / m.family.variance(mu)))
    units = np.maximum(prior * m.family.unit_deviance(m.design.y, mu), 0.0)
    return np.asarray(np.sign(raw) * np.sqrt(units))
