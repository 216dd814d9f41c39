"""`fit_residual`: a model with correlated or unequal residuals, from arrays to a record.

1. Working columns;  2. blocks and patterns;  3. minimise the profiled deviance from one or a few
starts;  4. estimates, random effects and residuals.
"""

from __future__ import annotations

import numpy as np

from mlpool.engine.residual.columns import working_columns
from mlpool.engine.residual.correlations import BOUNDARY
from mlpool.engine.residual.criterion import ResidualCriterion
from mlpool.engine.residual.rows import random_effects
from mlpool.engine.residual.search import minimise
from mlpool.engine.residual.types import ResidualData, ResidualFit
from mlpool.engine.threads import blas_threads
from mlpool.engine.types import Control, Diagnostic, Optimum
from mlpool.errors import FitError
from mlpool.typing import FloatArray

_NO_CONSTANT = (
    "The constant of constpower() ended where it is nothing beside the power of the covariate, or "
    "everything: ~ power(x), or no dispersion, says the same."
)
_FAR = 230.0
"""Logarithm of sigma's ratio to the data's SDs whose square is no longer a number (1e-200)."""
_NO_SIGMA = (
    "sigma belongs to a covariate of zero (of a power: of one), so far from the data that it is no "
    "number; subtract the mean of the covariate of dispersion= (a power: divide by it)."
)
_AT_THE_END = (
    "The residual correlation ended at the end of its range ({}): the data want none, or a perfect "
    "one, so its standard error and interval say nothing."
)


def fit_residual(
    data: ResidualData, *, reml: bool = True, control: Control | None = None
) -> ResidualFit:
    """Fit a linear model with a residual covariance by REML or ML.

    Parameters
    ----------
    data : ResidualData
    reml : bool
    control : Control, optional

    Returns
    -------
    ResidualFit

    Raises
    ------
    FitError
        If the data leave nothing for the covariance.
    NotSupportedError
        If too many rows depend on each other.

    References
    ----------
    Pinheiro & Bates (2000), Mixed-Effects Models in S and S-PLUS, chapter 5.
    """
    control = control or Control()
    with blas_threads(control.blas_threads):
        criterion = criterion_of(data, reml=reml)
        return _estimates(criterion, minimise(criterion, _starts(criterion), control), control)


def criterion_of(data: ResidualData, *, reml: bool) -> ResidualCriterion:
    """Return the criterion of the data, with all that evaluations share."""
    return ResidualCriterion(data, working_columns(data), reml=reml)


def _starts(criterion: ResidualCriterion) -> list[FloatArray]:
    """Return one start, or more where correlation and random effects explain the same.

    A random intercept and an autocorrelation both say that rows of a cluster resemble each other:
    one start gives most of it to the first, the other to the second. Random slopes that are large
    beside the residuals are missed by both, and have a third.
    """
    delta, template = criterion.variances.start(), criterion.template
    unit = np.where(template.is_diagonal, 1.0, 0.0)
    if criterion.structure is None:
        return [np.concatenate([unit, delta])]
    weak, strong = criterion.structure.starts()
    if not template.k:
        middle = 0.5 * (weak + strong)
        return [np.concatenate([middle, delta])]
    pairs = [(1.0, weak), (0.1, strong)]
    if max(template.sizes) > 1:
        pairs.append((3.0, weak))
    return [np.concatenate([size * unit, phi, delta]) for size, phi in pairs]


def _estimates(criterion: ResidualCriterion, optimum: Optimum, control: Control) -> ResidualFit:
    data, psi = criterion.data, _with_inverse(criterion, optimum.end)
    at = criterion.evaluate(psi)
    beta, unscaled = criterion.beta(at.S)
    sigma = criterion.user_sigma(psi, at.pwrss)
    _, phi, delta = criterion.split(psi)
    working2 = float(criterion.columns.unit**2 * at.pwrss / criterion.m)
    fixed = criterion.fixed_part(data.y, at.S)
    effects = random_effects(criterion, psi, data.y - fixed)
    fitted = fixed.copy()
    for term, b in zip(data.terms, effects.b, strict=True):
        fitted += np.einsum("iq,iq->i", term.z.rows(0, data.n), b[term.codes])
    structure = criterion.structure
    return ResidualFit(
        beta=beta,
        kept=criterion.columns.kept,
        vcov_unscaled=unscaled * working2 / sigma**2,
        theta=criterion.user_theta(psi),
        sigma=sigma,
        criterion=at.value,
        reml=criterion.reml,
        n=data.n,
        b=effects.b,
        cond_cov=tuple(V * working2 for V in effects.cond_cov),
        correlation=np.empty(0) if structure is None else np.asarray(structure.natural(phi)),
        variance=np.asarray(criterion.variances.natural(delta)),
        parameters=psi,
        fitted=fitted,
        fitted_fixed=fixed,
        scale=_scale(criterion, delta) * np.sqrt(working2),
        optimum=optimum,
        diagnostics=_findings(criterion, optimum, control),
    )


def _with_inverse(criterion: ResidualCriterion, psi: FloatArray) -> FloatArray:
    """Return psi where covariances have inverses, and sigma is a number.

    Raises
    ------
    FitError
        If it is none.
    """
    theta, phi, delta = criterion.split(psi)
    if not abs(float(criterion.variances.log_centre(delta))) < _FAR:
        raise FitError(_NO_SIGMA)
    if criterion.structure is not None:
        phi = criterion.structure.with_inverse(phi)
    return np.concatenate([theta, phi, delta])


def _scale(criterion: ResidualCriterion, delta: FloatArray) -> FloatArray:
    return np.asarray(np.exp(criterion.variances.log_sd(delta))[criterion.variances.classes])


def _findings(
    criterion: ResidualCriterion, optimum: Optimum, control: Control
) -> tuple[Diagnostic, ...]:
    """Return what should be said: a stopped search, a boundary."""
    theta, phi, delta = criterion.split(optimum.end)
    found = []
    structure = criterion.structure
    lost = criterion.variances.lost_constant(delta)
    is_inside = not lost and (structure is None or not structure.is_at_end(phi))
    if not optimum.converged and is_inside:
        found.append(
            Diagnostic(
                code="max_evaluations", severity="warning", value=float(optimum.evaluations),
                threshold=float(control.max_evaluations), hint=optimum.message,
            )
        )  # fmt: skip
    smallest = min(
        (
            float(np.linalg.svd(lam, compute_uv=False)[-1])
            for lam in criterion.template.matrices(theta)
        ),
        default=np.inf,
    )
    # working columns have mean square one: the smallest axis of a covariance has no unit
    if smallest < control.singular_tol:
        found.append(
            Diagnostic(
                code="singular", severity="info", value=smallest, threshold=control.singular_tol
            )
        )
    elif lost:
        found.append(
            Diagnostic(
                code="boundary", severity="info", value=float(np.abs(delta).max()),
                threshold=BOUNDARY, hint=_NO_CONSTANT,
            )
        )  # fmt: skip
    elif structure is not None and not is_inside:
        ends = ", ".join(f"{v:.3g}" for v in structure.natural(phi))
        found.append(
            Diagnostic(
                code="boundary", severity="info", value=float(np.abs(phi).max()),
                threshold=BOUNDARY, hint=_AT_THE_END.format(ends),
            )
        )  # fmt: skip
    return tuple(found)
