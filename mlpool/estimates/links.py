"""The scale of answers: the linear predictor, or the response with its derivatives.

value = h(eta)        d value / d beta = h'(eta) x        d h'(eta) / d eta = h''(eta)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mlpool.errors import OptionError, check_option
from mlpool.typing import FloatArray

PREDICT = ("response", "inverse_link", "link")
"""Scales: averages on the response's own scale, on the link's then taken back, on the link's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Where an answer lives.

    Attributes
    ----------
    family : Family or None
        None: linear model, the identity.
    predict : {"response", "inverse_link", "link"}
    """

    family: Any
    predict: str

    @property
    def is_linear(self) -> bool:
        """Whether averages and derivatives are taken of the linear predictor."""
        return self.family is None or self.family.link == "identity" or self.predict != "response"

    @property
    def is_response(self) -> bool:
        """Whether what is printed is on another scale than the linear predictor's."""
        is_identity = self.family is None or self.family.link == "identity"
        return not is_identity and self.predict != "link"

    @property
    def name(self) -> str:
        """``"link"`` where answers are linear predictors, else ``"response"``."""
        return "link" if self.predict == "link" else "response"

    def value(self, eta: FloatArray) -> FloatArray:
        """Return h(eta)."""
        return eta if self.is_linear else np.asarray(self.family.inverse(eta))

    def slope(self, eta: FloatArray) -> FloatArray:
        """Return h'(eta)."""
        return np.ones_like(eta) if self.is_linear else np.asarray(self.family.derivative(eta))

    def curvature(self, eta: FloatArray) -> FloatArray:
        """Return h''(eta)."""
        return np.zeros_like(eta) if self.is_linear else second_derivative(self.family.link, eta)

    def back(self, eta: FloatArray) -> FloatArray:
        """Return values taken back from the link's scale after averaging on it."""
        return np.asarray(self.family.inverse(eta)) if self.is_taken_back else eta

    @property
    def is_taken_back(self) -> bool:
        """Whether averages on the link's scale are printed on the response's."""
        return self.is_response and self.predict == "inverse_link"


def read_scale(model: Any, predict: str | None, default: str) -> Scale:
    """Return the scale asked for.

    Raises
    ------
    OptionError
        For an unknown scale.
    """
    if predict is not None and not isinstance(predict, str):
        raise OptionError(f"predict must be one of {PREDICT}; got {predict!r}.")
    chosen = default if predict is None else predict
    return Scale(family=model.family, predict=check_option(chosen, PREDICT, argument="predict"))


def second_derivative(link: str, eta: FloatArray) -> FloatArray:
    """Return d2 mu / d eta2 of R's inverse links."""
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        match link:
            case "logit":
                mu = 0.5 * (1.0 + np.tanh(0.5 * eta))
                return np.asarray(mu * (1.0 - mu) * (1.0 - 2.0 * mu))
            case "probit":
                return np.asarray(-eta * np.exp(-0.5 * eta**2) / np.sqrt(2.0 * np.pi))
            case "cloglog":
                return np.asarray(np.exp(eta - np.exp(eta)) * (1.0 - np.exp(eta)))
            case "log":
                return np.asarray(np.exp(eta))
            case "inverse":
                return np.asarray(2.0 / eta**3)
            case "sqrt":
                return np.full_like(eta, 2.0)
            case "1/mu^2":
                return np.asarray(0.75 * eta**-2.5)
    return np.zeros_like(eta)
