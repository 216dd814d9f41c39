"""Findings about a finished fit, as records; ``models`` puts at most one of them into words."""

from __future__ import annotations

import numpy as np

from mlpool.engine.theta import Template
from mlpool.engine.types import Control, Diagnostic, Optimum
from mlpool.typing import FloatArray

GRADIENT_TOL = 2e-3
"""lme4's tolerance for the gradient (``checkConv``), here of the deviance in scaled theta."""
EIGENVALUE_RATIO = 1e6
"""Largest ratio of eigenvalues of the scaled Hessian that passes as identified."""


def search_diagnostics(
    optimum: Optimum, gradient: float, control: Control
) -> tuple[Diagnostic, ...]:
    """Return what should be said about a search: that it was stopped, that it is not flat.

    Parameters
    ----------
    optimum : Optimum
    gradient : float
        The largest entry that counts, in units that are the data's own.
    control : Control
    """
    found = []
    if not optimum.converged:
        found.append(
            Diagnostic(
                code="max_evaluations",
                severity="warning",
                value=float(optimum.evaluations),
                threshold=float(control.max_evaluations),
                hint=optimum.message,
            )
        )
    if gradient > GRADIENT_TOL:
        found.append(
            Diagnostic(code="gradient", severity="warning", value=gradient, threshold=GRADIENT_TOL)
        )
    return tuple(found)


def singular_diagnostic(value: float, tol: float, hint: str = "") -> tuple[Diagnostic, ...]:
    """Judge as lme4's ``isSingular``: the smallest diagonal entry of theta below `tol`."""
    if not value < tol:
        return ()
    return (Diagnostic(code="singular", severity="info", value=value, threshold=tol, hint=hint),)


def diagnose(
    optimum: Optimum, template: Template, scale: FloatArray, control: Control
) -> tuple[Diagnostic, ...]:
    """Return what should be said about an optimum, most serious first.

    Parameters
    ----------
    optimum : Optimum
    template : Template
    scale : ndarray of shape (k,)
        Typical sizes of theta: the gradient is judged in units of them, and they tell a variance
        of zero from one that the units of a predictor make small.
    control : Control
    """
    inside = ~(template.is_diagonal & (optimum.end <= 0))
    largest = float(np.abs(optimum.gradient * scale)[inside].max(initial=0.0))
    relative = largest / max(1.0, abs(optimum.criterion))
    return (
        *search_diagnostics(optimum, relative, control),
        *_singular(optimum.end, template, scale, control.singular_tol),
    )


def _singular(
    theta: FloatArray, template: Template, scale: FloatArray, tol: float
) -> tuple[Diagnostic, ...]:
    """Judge as lme4's ``isSingular``: a diagonal entry of theta, in the user's units, below 1e-4.

    A predictor in tiny units (grams for tonnes) makes its entry small by itself: the hint says so.
    """
    value = float(theta[template.is_diagonal].min(initial=np.inf))
    if not value < tol:
        return ()
    in_typical_units = float((theta / scale)[template.is_diagonal].min())
    hint = ""
    if in_typical_units >= tol:
        hint = (
            "only by the size of a predictor's values: in units of its standard deviation the "
            f"entry is {in_typical_units:.2g}, so rescaling it will do"
        )
    return singular_diagnostic(value, tol, hint)


def identification_diagnostic(hessian: FloatArray) -> tuple[Diagnostic, ...]:
    """Return a finding when the scaled Hessian (k, k) says that theta is nearly unidentified."""
    if hessian.size == 0:
        return ()
    values = np.linalg.eigvalsh(hessian)
    if values[0] * EIGENVALUE_RATIO > values[-1]:
        return ()
    ratio = float(values[-1] / values[0]) if values[0] > 0 else float("inf")
    hint = (
        "The model is nearly unidentified: the data hardly tell some of the random-effects "
        f"variances and covariances apart (ratio of curvatures {ratio:.2g})."
    )
    return (
        Diagnostic(
            code="nearly_unidentified",
            severity="info",
            value=ratio,
            threshold=EIGENVALUE_RATIO,
            hint=hint,
        ),
    )
