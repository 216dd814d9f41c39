"""Judging an optimum in units that are the data's own, and what should be said about it.

theta has the units of the predictors, and a correlation between intercepts and slopes depends on
where a predictor's zero lies. So "small", "flat" and "singular" are decided for the factor of the
same model in columns about their means, in units of their SDs (a column of a term without
intercept: in units of its root mean square), with weights that average one.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from mlpool.engine.optimizer.diagnostics import (
    EIGENVALUE_RATIO,
    identification_diagnostic,
    search_diagnostics,
    singular_diagnostic,
)
from mlpool.engine.sums.cluster_sums import CrossProducts
from mlpool.engine.theta import Template, block_diagonal_of, lower_form
from mlpool.engine.types import Control, Diagnostic, Optimum
from mlpool.typing import FloatArray, IntArray

Standards = tuple[FloatArray, ...]
"""Per term the matrix (k, k) that takes its factor from a criterion's columns to standard ones."""


class Judged(Protocol):
    """A criterion that can be seen in standard columns."""

    template: Template
    standards: Standards

    def standardized(self, theta: FloatArray, at: FloatArray) -> Judged:
        """Return the criterion in standard columns, which knows `at` for the user's theta."""

    def evaluate(self, theta: FloatArray) -> tuple[float, FloatArray]:
        """Return deviance and gradient."""

    def hessian(self, theta: FloatArray) -> FloatArray:
        """Return second derivatives."""


def standard_columns(sums: CrossProducts, sizes: tuple[int, ...]) -> Standards:
    """Return the matrices of all terms (sizes) whose columns are those of the sums' layout."""
    z = sums.layout.z
    ends = np.cumsum(sizes)
    return tuple(_standard(sums, z[end - k : end]) for end, k in zip(ends, sizes, strict=True))


def _standard(sums: CrossProducts, z: IntArray) -> FloatArray:
    """Return S with Z Lambda = Z_standard S Lambda for one term."""
    R = sums.uncentre(z)
    weight = sums.total[0, 0]
    square = np.einsum("ac,ab,bc->c", R, sums.total, R) / weight
    mean = sums.total[0] @ R / weight
    S = np.eye(z.size)
    constant = np.flatnonzero(z == 0)
    if constant.size:
        about = R - np.outer(np.eye(len(R))[0], mean)
        variance = np.einsum("ac,ab,bc->c", about, sums.total, about) / weight
        square = np.where((z != 0) & (variance > 0), variance, square)
        S[constant[0]] = np.where(z == 0, S[constant[0]], mean)
    units = np.sqrt(np.where(square > 0, square, 1.0) * weight / sums.n)
    units[constant] = np.sqrt(weight / sums.n)
    return np.asarray(S * units[:, None])


def standard_theta(template: Template, standards: Standards, theta: FloatArray) -> FloatArray:
    """Return theta (k,) of the same covariances in standard columns."""
    factors = zip(standards, template.matrices(theta), strict=True)
    return template.pack([lower_form(S @ lam) for S, lam in factors])


def standard_inverse(standards: Standards) -> FloatArray:
    """Return the block-diagonal matrix that takes factors back to the user's columns."""
    return block_diagonal_of([np.asarray(np.linalg.inv(S)) for S in standards])


def smallest_diagonal(template: Template, standards: Standards, theta: FloatArray) -> float:
    """Return the smallest diagonal entry of the standard theta: what singularity is judged by."""
    inside = standard_theta(template, standards, theta)
    return float(inside[template.is_diagonal].min(initial=np.inf))


def singular_finding(
    template: Template, standards: Standards, theta: FloatArray, tol: float
) -> tuple[Diagnostic, ...]:
    """Judge as lme4's ``isSingular``, in standard columns: a diagonal entry below `tol`."""
    return singular_diagnostic(smallest_diagonal(template, standards, theta), tol)


def findings_of(objective: Judged, optimum: Optimum, control: Control) -> tuple[Diagnostic, ...]:
    """Return what should be said about a fit, most serious first."""
    template, standards = objective.template, objective.standards
    theta = standard_theta(template, standards, optimum.end)
    standard = objective.standardized(theta, optimum.end)
    _, gradient = standard.evaluate(theta)
    H = standard.hessian(theta)
    inside = ~(template.is_diagonal & (theta <= 0))
    bend = np.diag(H)
    size = np.sqrt(np.where(bend > bend.max(initial=0.0) / EIGENVALUE_RATIO, bend, np.inf))
    steepest = float(np.abs(gradient / size)[inside].max(initial=0.0))
    found = (
        *search_diagnostics(optimum, steepest, control),
        *singular_finding(template, standards, optimum.end, control.singular_tol),
    )
    return found or identification_diagnostic(H / np.outer(size, size))
