"""The scale of answers: the linear predictor, or the response with its derivatives.

value = h(eta)        d value / d beta = h'(eta) x        d h'(eta) / d eta = h''(eta)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mlpool.errors import OptionError, brief, check_option
from mlpool.estimates.scale.response_transforms import transformed_response
from mlpool.families import inverse_logit
from mlpool.models.prediction import mean_over_effects
from mlpool.typing import FloatArray

if TYPE_CHECKING:
    from mlpool.models import FittedModel

TYPES = {"link": "link", "linear.predictor": "link", "lp": "link", "response": "response"}
"""emmeans' words for a scale, and ours."""

PREDICT = ("response", "inverse_link", "link", "averaged")
"""Scales: averages on the response's own scale, on the link's then taken back, on the link's; of
generalised mixed models the response averaged over the random effects' distribution."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Where an answer lives.

    Attributes
    ----------
    family : Family or None
        None: linear model, the identity.
    predict : {"response", "inverse_link", "link", "averaged"}
    """

    family: Any
    predict: str

    @property
    def is_linear(self) -> bool:
        """Whether averages and derivatives are taken of the linear predictor."""
        if is_identity(self.family):
            return True
        return self.predict not in ("response", "averaged")

    @property
    def is_averaged(self) -> bool:
        """Whether responses are integrated over the random effects."""
        return not self.is_linear and self.predict == "averaged"

    @property
    def is_response(self) -> bool:
        """Whether what is printed is on another scale than the linear predictor's."""
        return not is_identity(self.family) and self.predict != "link"

    @property
    def name(self) -> str:
        """``"link"`` where answers are linear predictors, else ``"response"``."""
        return "link" if self.predict == "link" else "response"

    def value(self, eta: FloatArray, variance: FloatArray | None = None) -> FloatArray:
        """Return h(eta), averaged over ``N(0, variance)`` around eta if there is one."""
        return eta if self.is_linear else _average(self.family, self.family.inverse, eta, variance)

    def slope(self, eta: FloatArray, variance: FloatArray | None = None) -> FloatArray:
        """Return h'(eta)."""
        if self.is_linear:
            return np.ones_like(eta)
        return _average(self.family, self.family.derivative, eta, variance)

    def curvature(self, eta: FloatArray, variance: FloatArray | None = None) -> FloatArray:
        """Return h''(eta)."""
        if self.is_linear:
            return np.zeros_like(eta)
        link = self.family.link
        return _average(self.family, lambda x: second_derivative(link, x), eta, variance)

    def back(self, eta: FloatArray) -> FloatArray:
        """Return values taken back from the link's scale after averaging on it."""
        return np.asarray(self.family.inverse(eta)) if self.is_taken_back else eta

    @property
    def is_taken_back(self) -> bool:
        """Whether averages on the link's scale are printed on the response's."""
        return self.is_response and self.predict == "inverse_link"


def read_scale(model: FittedModel, predict: str | None, default: str) -> Scale:
    """Return the scale asked for.

    Raises
    ------
    OptionError
        For an unknown scale, or averages over random effects that the model does not have.
    """
    if predict is not None and not isinstance(predict, str):
        raise OptionError(f"predict must be one of {PREDICT}; got {brief(predict)}.")
    chosen = default if predict is None else predict
    if chosen == "averaged" and model.kind != "glmer":
        raise OptionError(
            "predict='averaged' integrates over the random effects of a generalised mixed model; "
            "other models have none, or the same mean without them."
        )
    chosen = check_option(chosen, PREDICT, argument="predict")
    if predict in ("response", "inverse_link") and is_identity(model.family):
        back = transformed_response(model)
        if back is not None:
            # as for links: means of a grid are averaged where the model is additive
            return Scale(family=back, predict=default if chosen == "response" else chosen)
    return Scale(family=model.family, predict=chosen)


def is_identity(family: Any) -> bool:
    """Whether the linear predictor is the mean itself."""
    return family is None or family.link == "identity"


def _average(
    family: object,
    function: Callable[[FloatArray], FloatArray],
    eta: FloatArray,
    variance: FloatArray | None,
) -> FloatArray:
    """Return a function of eta, or its mean at ``eta + N(0, variance)`` by the trapezoidal rule."""
    if variance is None:
        return np.asarray(function(eta))
    return mean_over_effects(family, eta, variance, function)


def second_derivative(link: str, eta: FloatArray) -> FloatArray:
    """Return d2 mu / d eta2 of R's inverse links."""
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        match link:
            case "logit":
                mu, rest = inverse_logit(eta), inverse_logit(-eta)
                return np.asarray(mu * rest * (rest - mu))
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
