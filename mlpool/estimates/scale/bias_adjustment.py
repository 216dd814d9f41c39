"""Means on the response's scale for outcomes that vary around the linear predictor.

The mean of ``h(eta + e)`` with ``e ~ (0, sigma^2)`` is ``h(eta) + sigma^2 h''(eta) / 2`` to second
order; ``h(eta)`` alone is a median (of ``log(y)``: a geometric mean).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from mlpool.argument_values import plain_number
from mlpool.errors import OptionError, brief
from mlpool.estimates.scale.links import Scale, second_derivative
from mlpool.estimates.scale.response_transforms import TransformedResponse
from mlpool.families import Family
from mlpool.typing import FloatArray

if TYPE_CHECKING:
    from mlpool.models import FittedModel

_STEP = 2.0**-12
"""Of central differences of h'' on the link's scale, which has no unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BiasAdjusted:
    """A family or a transformed response whose inverse is the second-order mean.

    Attributes
    ----------
    base : Family or TransformedResponse
    sd : float
        Standard deviation around the linear predictor.

    References
    ----------
    R's ``emmeans`` (``bias.adjust = TRUE``).
    """

    base: Family | TransformedResponse
    sd: float

    @property
    def link(self) -> str:
        """Name of the link, or the response as the formula has it."""
        return str(self.base.link)

    @property
    def kin(self) -> str:
        """The family whose variance it has."""
        return str(self.base.kin)

    def inverse(self, eta: FloatArray) -> FloatArray:
        """Return ``h + sd^2 h'' / 2``."""
        return np.asarray(self.base.inverse(eta) + 0.5 * self.sd**2 * self._second(eta))

    def derivative(self, eta: FloatArray) -> FloatArray:
        """Return ``h' + sd^2 h''' / 2``."""
        eta = np.asarray(eta, dtype=np.float64)
        third = (self._second(eta + _STEP) - self._second(eta - _STEP)) / (2.0 * _STEP)
        return np.asarray(self.base.derivative(eta) + 0.5 * self.sd**2 * third)

    def _second(self, eta: FloatArray) -> FloatArray:
        if isinstance(self.base, TransformedResponse):
            return self.base.curvature(eta)
        return second_derivative(self.base.link, eta)


def adjust_for_bias(model: FittedModel, scale: Scale, asked: object) -> Scale:
    """Return the scale whose inverse is adjusted, if it was asked for.

    Parameters
    ----------
    asked : bool or float
        True: with the model's residual standard deviation, as emmeans; a number: with that.

    Raises
    ------
    OptionError
        If answers are not taken back from another scale, or no standard deviation is known.
    """
    if asked is False or asked is None:
        return scale
    if not scale.is_taken_back:
        raise OptionError(
            "bias_adjust= is for means that are taken back from a link's scale or a transformed "
            "outcome's; add type='response' (emmeans) or predict='response' (estimate_means)."
        )
    if asked is True:
        if model.family is not None:
            raise OptionError(
                "bias_adjust= of generalised models needs the standard deviation around the linear "
                "predictor, such as bias_adjust=0.6: the root of the sum of VarCorr(m)'s variances."
            )
        return replace(scale, family=BiasAdjusted(base=scale.family, sd=float(model.sigma)))
    sd = plain_number(asked)
    if sd is None or not 0.0 <= sd < np.inf:
        raise OptionError(f"bias_adjust must be True, False or a number; got {brief(asked)}.")
    return replace(scale, family=BiasAdjusted(base=scale.family, sd=sd))
