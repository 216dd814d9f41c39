"""What a generalised linear mixed model asks of its data, checked before anything is computed."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlpool.errors import DataError, FitError, NotSupportedError, OptionError, brief
from mlpool.families import COUNTS, Family
from mlpool.formula.design import Design

LARGEST_ETA = 500.0
"""Offsets beyond this overflow the inverse of the links below."""
_EXPONENTIAL = ("log", "logit", "probit", "cloglog", "cauchit")
"""Links whose scale has no unit; the offset of others has that of the response."""


def check_glmm(design: Design, family: Family) -> None:
    """Refuse data that the family cannot have.

    Raises
    ------
    DataError
        For responses outside the family's range, counts that are not whole, proportions without
        weights, huge offsets, or a grouping factor of one level.
    FitError
        If the response does not vary at all.
    """
    _check_levels(design, family)
    _check_response(design, family)
    if design.offset is not None and family.link in _EXPONENTIAL:
        largest = float(np.abs(design.offset).max())
        if largest > LARGEST_ETA:
            raise DataError(
                f"The offset reaches {largest:.4g} in size; on the {family.link} scale means would "
                "overflow. An exposure enters as offset(log(exposure))."
            )


def check_quadrature(value: Any, design: Design) -> int:
    """Return nAGQ as a whole number that this model can have.

    Raises
    ------
    OptionError, NotSupportedError
    """
    is_whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not is_whole or value < 0:
        raise OptionError(
            f"nAGQ must be 0, 1 (Laplace) or a number of quadrature nodes; got {brief(value)}."
        )
    is_scalar = len(design.random) == 1 and design.random[0].z.shape[1] == 1
    if value > 1 and not is_scalar:
        raise NotSupportedError(
            f"nAGQ={value} integrates over one random effect per group; this model has "
            f"{_describe(design)}. Use nAGQ=1 (Laplace's approximation)."
        )
    return int(value)


def check_not_glmm(value: object) -> None:
    """Refuse nAGQ for other models.

    Raises
    ------
    OptionError
    """
    if not isinstance(value, (int, np.integer)) or value != 1:
        raise OptionError(
            "nAGQ is for generalised mixed models: give family= and a random-effects term."
        )


def _describe(design: Design) -> str:
    terms = [r.bar.label for r in design.random]
    return f"{len(terms)} terms: {', '.join(terms)}" if len(terms) > 1 else f"the term {terms[0]}"


def _check_levels(design: Design, family: Family) -> None:
    for random in design.random:
        levels, n = len(random.levels), design.n
        if levels < 2:
            raise DataError(
                f"The grouping factor {brief(random.group)} has one level only; a variance "
                "between groups needs two or more."
            )
        if levels >= n and family.has_dispersion:
            raise DataError(
                f"The grouping factor {brief(random.group)} has as many levels ({levels}) "
                "as there are "
                f"rows; the {family.name} family's dispersion cannot be told from its variance."
            )


def _check_response(design: Design, family: Family) -> None:
    y, name = design.y, design.response_name
    if family.name == "binomial":
        _check_binomial(design)
    elif design.trials is not None:
        raise DataError(f"{name} needs family='binomial'.")
    elif family.name in COUNTS:
        _check_counts(design, family)
    elif family.name in ("Gamma", "inverse.gaussian") and (y <= 0).any():
        raise DataError(
            f"The {family.name} family needs a response above zero; {brief(name)} has "
            f"{int((y <= 0).sum())} values that are not."
        )
    if (y == y[0]).all():
        if family.name == "binomial" or y[0] == 0:
            what = "no successes at all" if y[0] == 0 else f"the same value {y[0]:g} in every row"
            raise FitError(f"The response {brief(name)} has {what}: there is nothing to estimate.")
        raise FitError(f"The response {brief(name)} is constant; there is no variance to explain.")


def _check_binomial(design: Design) -> None:
    y, name = design.y, design.response_name
    if (y < 0).any() or (y > 1).any():
        at = float(y[(y < 0) | (y > 1)][0])
        raise DataError(
            f"A binomial response is 0 or 1, two labels, a proportion with weights= or "
            f"cbind(successes, failures); {brief(name)} has the value {at:g}."
        )
    if design.trials is not None:
        hits = y * design.trials
        if _is_broken(hits) or _is_broken(design.trials):
            raise DataError(f"{name} holds counts that are not whole numbers.")
        return
    fractions = (y > 0) & (y < 1)
    if fractions.any() and design.weights is None:
        raise DataError(
            f"{brief(name)} holds proportions ({float(y[fractions][0]):.4g}, ...): give the "
            "number of "
            "trials of each row as weights=, or write cbind(successes, failures)."
        )
    # Survey weights of 0/1 responses multiply log-likelihoods; they need not be whole numbers.
    if fractions.any() and design.weights is not None and _is_broken(y * design.weights):
        raise DataError(
            f"{brief(name)} times its weights is not a whole number of successes in every "
            "row: weights= "
            "must be the number of trials."
        )


def _check_counts(design: Design, family: Family) -> None:
    y, name = design.y, design.response_name
    if (y < 0).any():
        raise DataError(
            f"The {family.name} family needs counts; {brief(name)} has negative values."
        )
    if _is_broken(y):
        # what `_is_broken` found is further from a whole number than this
        at = float(y[np.abs(y - np.rint(y)) > 1e-6][0])
        raise DataError(
            f"The {family.name} family needs counts; {brief(name)} has values that are not whole "
            f"({at:g}). A rate enters as a count with offset(log(exposure))."
        )


def _is_broken(values: Any) -> bool:
    """Return whether any value is no whole number."""
    # counts have no unit; of large ones floats (and files) keep a share
    return bool(np.any(np.abs(values - np.rint(values)) > 1e-6 * np.maximum(1.0, np.abs(values))))
