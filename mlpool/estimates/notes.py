"""Sentences below tables of estimates: what was averaged, held, adjusted, or may mislead."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from mlpool.errors import ExtrapolationWarning, brief
from mlpool.estimates.grids.grid_language import Focal
from mlpool.estimates.grids.reference_grid import Setting
from mlpool.estimates.grids.variables import Variable
from mlpool.estimates.scale.bias_adjustment import BiasAdjusted
from mlpool.estimates.scale.links import Scale
from mlpool.estimates.scale.response_transforms import TransformedResponse
from mlpool.frames.levels import level_label
from mlpool.typing import FloatArray

if TYPE_CHECKING:
    from mlpool.models import FittedModel


def describe_setting(setting: Setting, variables: Mapping[str, Variable]) -> str:
    """Return ``body_mass (4.2e+03), gender (M), school`` for what is held or averaged."""
    parts = []
    for name, variable in variables.items():
        if name in setting.held:
            value = setting.held[name]
            text = f"{value:.2g}" if variable.is_numeric else level_label(value)
            parts.append(f"{name} ({text})")
        elif name in setting.averaged:
            parts.append(name)
    return ", ".join(parts)


def group_names(variables: Mapping[str, Variable], focal: Sequence[Focal] = ()) -> str:
    """Return the grouping factors of random effects that are not focal."""
    used = {f.name for f in focal}
    return ", ".join(n for n, v in variables.items() if v.is_group and n not in used)


def missing_notes(
    model: FittedModel, estimates: FloatArray, what: str, way: str = ""
) -> tuple[str, ...]:
    """Return the sentence that says why some estimates of a table are missing.

    Parameters
    ----------
    what : str
        Plural: ``"means"``.
    way : str
        The way of averaging.
    """
    missing, total = int(np.isnan(estimates).sum()), len(estimates)
    if not missing:
        return ()
    count = f"{missing} of {total} {what} cannot be estimated"
    if model.aliased:
        shown = ", ".join(model.aliased[:4]) + (", ..." if len(model.aliased) > 4 else "")
        return (
            f"{count}: the data do not determine them (empty cells, or coefficients that were "
            f"dropped: {shown}).",
        )
    if way == "average":
        return (f"{count}: no row of the data has these values.",)
    return (f"{count}: the model's predictions are no numbers there.",)


def scale_footer(scale: Scale, what: str) -> tuple[str, ...]:
    """Return the sentence that tells on which scale answers are."""
    family = scale.family
    if family is None or family.link == "identity":
        return ()
    if isinstance(family, BiasAdjusted):
        return (
            f"{what} are taken back from {family.link} to the response-scale and adjusted for a "
            f"standard deviation of {family.sd:.3g}.",
        )
    if scale.is_averaged:
        return (f"{what} are on the response-scale, averaged over the random effects.",)
    if isinstance(family, TransformedResponse):
        means = " (geometric means)" if family.base and what == "Predictions" else ""
        return (f"{what} are taken back from {family.link} to the response-scale{means}.",)
    if scale.predict == "link":
        return (f"{what} are on the {family.link}-scale.",)
    in_points = what == "Contrasts" and family.kin == "binomial"
    return (f"{what} are on the response-scale{' (in %-points)' if in_points else ''}.",)


def say_extrapolation(focal: Sequence[Focal]) -> tuple[str, ...]:
    """Warn of values outside the data and return the sentences."""
    lines = []
    for f in focal:
        if f.outside:
            low, high = f.variable.range
            values = ", ".join(f"{v:g}" for v in f.outside[:5])
            more = ", ..." if len(f.outside) > 5 else ""
            lines.append(
                f"{f.name} = {values}{more} lies outside the data ({low:.4g} to {high:.4g}): "
                "an extrapolation."
            )
    for line in lines:
        warnings.warn(line, ExtrapolationWarning, stacklevel=4)
    return tuple(lines)


def interaction_notes(
    model: FittedModel, focal: Sequence[str], averaged: Sequence[str], what: str
) -> tuple[str, ...]:
    """Return a sentence for every averaged variable that interacts with a focal one."""
    lines = []
    for other in averaged:
        partners = [f for f in focal if _interact(model, f, other)]
        if partners:
            lines.append(
                f"{partners[0]} interacts with {other}, over which {what} are averaged: look at "
                f"by={brief(other)} before reading them alone."
            )
    return tuple(lines)


def _interact(model: FittedModel, first: str, second: str) -> bool:
    for term in model.formula.fixed.terms:
        inside = [set(e.columns) for e in term]
        for i, a in enumerate(inside):
            for j, b in enumerate(inside):
                if (i != j and first in a and second in b) or {first, second} <= a:
                    return True
    return False
