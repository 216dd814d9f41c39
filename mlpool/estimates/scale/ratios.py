"""Ratios: contrasts of logarithms and log odds, exponentiated."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from mlpool.errors import OptionError
from mlpool.estimates.delta.delta_method import Inference
from mlpool.estimates.scale.links import Scale, is_identity
from mlpool.estimates.scale.response_transforms import TransformedResponse, transformed_response
from mlpool.models import family as family_of
from mlpool.parameters.argument_checks import check_flags

if TYPE_CHECKING:
    from mlpool.models import FittedModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratios:
    """What exponentiated contrasts are.

    Attributes
    ----------
    base : float
        Of the logarithm.
    what : str
        ``"Odds ratios"``.
    scale : str
        Where the contrasts are tested: ``"logit-scale"``.
    """

    base: float
    what: str
    scale: str

    @property
    def note(self) -> str:
        """The sentence below a table."""
        return f"{self.what}; tests are of contrasts on the {self.scale}, where no effect is 0."

    def of(self, result: Inference) -> Inference:
        """Return contrasts as ratios: errors by the delta method, tests as they are."""
        factor = np.log(self.base)
        with np.errstate(over="ignore"):
            ratio = np.exp(factor * result.estimate)
            low, high = np.exp(factor * result.low), np.exp(factor * result.high)
        return replace(result, estimate=ratio, se=ratio * factor * result.se, low=low, high=high)


OF_MEANS = Ratios(base=float(np.exp(1.0)), what="Ratios", scale="log-scale")
"""Of means whose logarithms were taken after they were averaged."""


def read_ratios(
    model: FittedModel, exponentiate: object, predict: str | None = None
) -> Ratios | None:
    """Return the ratios asked for; None for differences.

    Raises
    ------
    OptionError
        If the model's contrasts are no logarithms of ratios.
    """
    check_flags(exponentiate=exponentiate)
    if not exponentiate:
        return None
    if predict not in (None, "link"):
        raise OptionError(
            "exponentiate=True makes ratios of contrasts on the link's scale; leave out predict=."
        )
    found = ratios_of(model)
    if found is None:
        scale = model.design.response_name if is_identity(model.family) else family_of(model).link
        raise OptionError(
            "exponentiate=True makes ratios of contrasts with a logit or log link, or of log(y); "
            f"those of this model are on the scale of {scale}."
        )
    return found


def ratios_on(model: FittedModel, scale: Scale) -> Ratios | None:
    """Return what exponentiated contrasts of answers are that were moved to a scale."""
    family = scale.family
    if isinstance(family, TransformedResponse) and family.link == "log":
        return OF_MEANS
    if is_identity(family) and not is_identity(model.family):
        return None
    return ratios_of(model)


def ratios_of(model: FittedModel) -> Ratios | None:
    """Return what exponentiated contrasts of a model are; None if they are nothing."""
    if is_identity(model.family):
        try:
            back = transformed_response(model)
        except OptionError:
            return None
        if back is None or back.base is None:
            return None
        return Ratios(base=back.base, what="Ratios", scale=f"scale of {back.link}")
    words = {"logit": "Odds ratios", "log": "Ratios"}
    link = family_of(model).link
    return (
        Ratios(base=float(np.exp(1.0)), what=words[link], scale=f"{link}-scale")
        if link in words
        else None
    )
