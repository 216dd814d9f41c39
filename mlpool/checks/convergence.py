"""`check_singularity` and `check_convergence`: whether an estimate can be taken as it is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mlpool.argument_values import number
from mlpool.checks.result import Check, check_is_model
from mlpool.floating_point import usual_floats
from mlpool.models.fit_messages import separated_coefficients, separation
from mlpool.models.mixed_model import has_effects
from mlpool.performance.variance_components import standard_factors
from mlpool.uncertainty.fit_records import ols_fit

if TYPE_CHECKING:
    from mlpool.models import FittedModel

SINGULAR = 1e-4
"""lme4's tolerance of ``isSingular``."""

_PROBLEMS = {
    "max_evaluations": "the limit on evaluations was reached",
    "gradient": "the gradient of the deviance is not zero",
    "poisson_limit": "theta of the negative binomial runs to its limit",
}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Singularity(Check):
    """Whether a covariance of random effects is singular.

    Attributes
    ----------
    smallest : float
        Smallest diagonal of theta, predictors about their mean and in SDs; missing for models
        without random effects.
    tolerance : float
    terms : DataFrame
        Group, Parameter, SD, theta (that diagonal), Singular.
    """

    smallest: float = math.nan
    tolerance: float = SINGULAR
    terms: pd.DataFrame

    def to_pandas(self) -> pd.DataFrame:
        """Return `terms`."""
        return self.terms.copy()


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Convergence(Check):
    """Whether the optimiser arrived.

    Attributes
    ----------
    gradient : float
        Largest derivative of the deviance by a parameter inside its bounds; missing where there was
        nothing to optimise, or another engine fitted.
    evaluations : int or None
    problems : tuple of str
    """

    gradient: float = math.nan
    evaluations: int | None = None
    problems: tuple[str, ...] = ()

    def to_pandas(self) -> pd.DataFrame:
        """Return the numbers as a frame."""
        row = {"Converged": self.holds, "Gradient": self.gradient, "Evaluations": self.evaluations}
        return pd.DataFrame([row])


@usual_floats
def check_singularity(m: FittedModel, *, tolerance: float = SINGULAR) -> Singularity:
    """Tell whether a fit is singular: a random-effect variance zero, or a correlation +-1.

    Parameters
    ----------
    m : FittedModel
        Models without random effects are never singular.
    tolerance : float
        A diagonal of theta below it counts as zero, as in lme4's ``isSingular`` (1e-4); easystats'
        own default is 1e-5. Slopes' predictors are taken about their mean and in SDs, so that
        dollars or calendar years are not called singular for their size.

    Returns
    -------
    Singularity
        True if singular.

    Raises
    ------
    OptionError
        For something that is no model, or a tolerance that is none.

    Examples
    --------
    >>> import mlpool
    >>> m = mlpool.lmer("Reaction ~ Days + (Days | Subject)", mlpool.load_data("sleepstudy"))
    >>> check_singularity(m)
    OK: The fit is not singular (smallest diagonal of theta 0.437, predictors in SDs).
    """
    check_is_model(m, "check_singularity()")
    terms = _terms(m, number(tolerance, "tolerance", least=0.0))
    if not m.is_mixed:
        text = "OK: A model without random effects cannot be singular."
        return Singularity(
            sentence=text, holds=False, terms=terms.drop(columns="Share"), model=m,
            tolerance=tolerance,
        )  # fmt: skip
    smallest = float(terms["theta"].min())
    found = terms[terms["Singular"]]
    text = (
        f"OK: The fit is not singular (smallest diagonal of theta {smallest:.3g}, predictors in "
        "SDs)."
    )
    if len(found):
        what = _what(found, float(tolerance))
        text = f"Warning: Singular fit: {what}; a simpler random part may do."
    return Singularity(
        sentence=text, holds=bool(len(found)), smallest=smallest, tolerance=float(tolerance),
        terms=terms.drop(columns="Share"), panel="reqq", model=m,
    )  # fmt: skip


def _terms(m: FittedModel, tolerance: float) -> pd.DataFrame:
    """Return one row per random coefficient; Share: its SD over sigma, predictors in SDs."""
    rows = []
    blocks = m.varcorr().blocks if has_effects(m) else ()
    factors = standard_factors(m) if has_effects(m) else []
    for block, factor in zip(blocks, factors, strict=True):
        shares, diagonals = np.linalg.norm(factor, axis=1), np.diag(factor)
        for i, name in enumerate(block.names):
            sd, own = float(np.sqrt(block.vcov[i, i])), float(diagonals[i])
            rows.append((block.group, name, sd, own, own < tolerance, float(shares[i])))
    names = ["Group", "Parameter", "SD", "theta", "Singular", "Share"]
    return pd.DataFrame(rows, columns=names)


def _what(found: pd.DataFrame, tolerance: float) -> str:
    """Name the terms: one that varies is determined by the terms before it."""
    texts = []
    for name, group, share in zip(found["Parameter"], found["Group"], found["Share"], strict=True):
        why = "does not vary"
        if float(share) > tolerance:
            why = "is determined by the terms before it (a correlation of +-1)"
        texts.append(f"{name} of {group} {why}")
    return " and ".join(texts)


@usual_floats
def check_convergence(m: FittedModel) -> Convergence:
    """Tell whether the optimiser arrived at an optimum.

    Parameters
    ----------
    m : FittedModel

    Returns
    -------
    Convergence
        True if it converged. mlpool's gradients are exact, so that a warning is no false alarm.

    Raises
    ------
    OptionError
        For something that is no model.

    Examples
    --------
    >>> import mlpool
    >>> m = mlpool.lm("Reaction ~ Days", mlpool.load_data("sleepstudy"))
    >>> check_convergence(m)
    OK: The estimates are the exact solution of least squares.
    """
    check_is_model(m, "check_convergence()")
    problems = _problems(m)
    optimum = m.optimum
    gradient = _largest_gradient(m) if optimum is not None else math.nan
    if problems:
        text = f"Warning: The fit did not converge: {'; '.join(problems)}."
    elif m.kind == "lm":
        text = "OK: The estimates are the exact solution of least squares."
    elif optimum is None:
        text = "OK: The fit converged."
    else:
        text = (
            f"OK: The fit converged after {optimum.evaluations} evaluations "
            f"(largest gradient {gradient:.1e})."
        )
    return Convergence(
        sentence=text, holds=not problems, gradient=gradient, problems=tuple(problems),
        evaluations=None if optimum is None else int(optimum.evaluations), model=m,
    )  # fmt: skip


def _problems(m: FittedModel) -> list[str]:
    found = [
        _PROBLEMS.get(d.code, d.hint or d.code)
        for d in getattr(m.fit, "diagnostics", ())
        if d.severity != "info"
    ]
    if m.kind == "glm" and not ols_fit(m).converged:
        found.append("the iterations of the GLM went on to their limit")
    separated = separated_coefficients(m) if m.family is not None else ()
    if separated:
        found.append(f"{separation(m)} separation: {', '.join(separated)} run to infinity")
    if m.optimum is not None and not m.optimum.converged and not found:
        found.append(m.optimum.message or "the optimiser gave up")
    return found


def _largest_gradient(m: FittedModel) -> float:
    """Return the largest |derivative| of parameters that do not stand at zero, their bound."""
    optimum = m.optimum
    assert optimum is not None
    gradient, end = np.asarray(optimum.gradient), np.asarray(optimum.end)
    return float(np.abs(gradient[end != 0.0]).max(initial=0.0))
