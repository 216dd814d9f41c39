"""Records that enter and leave the fit of a generalised linear mixed model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mlpool.engine.types import Diagnostic, Optimum, ReTerm
from mlpool.families import Family
from mlpool.typing import FloatArray, IntArray, RowSource


@dataclass(frozen=True, slots=True, kw_only=True)
class GlmmData:
    """What a generalised linear mixed model is fitted to. Terms are in lme4's order.

    Attributes
    ----------
    y : ndarray of shape (n,)
        Response; of binomial models the proportion of successes.
    X : RowSource of shape (n, p)
    terms : tuple of ReTerm
    family : Family
    trials : ndarray of shape (n,) or None
        Denominators of ``cbind(successes, failures)``.
    weights : ndarray of shape (n,) or None
        Prior weights, all > 0; of binomial proportions the denominators.
    offset : ndarray of shape (n,) or None
        On the link scale.
    """

    y: FloatArray
    X: RowSource
    terms: tuple[ReTerm, ...]
    family: Family
    trials: FloatArray | None = None
    weights: FloatArray | None = None
    offset: FloatArray | None = None

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self.y.shape[0])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Inference:
    """Second derivatives at the estimate.

    Attributes
    ----------
    hessian : ndarray of shape (k + p + d, k + p + d)
        Of the deviance, in (theta, beta, log dispersion).
    vcov : ndarray of shape (p, p)
        Covariance of beta from the whole Hessian; the conditional one where that is not positive
        definite.
    is_positive : bool
        Whether the Hessian (boundary parameters apart) is positive definite.
    """

    hessian: FloatArray
    vcov: FloatArray
    is_positive: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelScores:
    """Derivatives of the log-likelihood by the levels of one factor.

    Attributes
    ----------
    term : int
        A term of the factor, in lme4's order.
    values : ndarray of shape (n_levels, k + p + d)
        By (theta, beta, log dispersion).
    """

    term: int
    values: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GlmmFit:
    """A fitted generalised linear mixed model.

    Attributes
    ----------
    beta : ndarray of shape (p_kept,)
    kept : ndarray of int, shape (p_kept,)
        Columns of X that were estimated; the others were aliased.
    vcov_conditional : ndarray of shape (p_kept, p_kept)
        Covariance of beta at given theta (lme4's ``use.hessian = FALSE``).
    inference : callable
        Makes the second derivatives when they are first asked for; picklable.
    scores : callable
        Makes the derivatives of each level's part of the log-likelihood, for models whose factors
        are nested.
    theta : ndarray of shape (k,)
        In lme4's order.
    dispersion : float
        phi of Gamma, inverse Gaussian and normal models, theta of the negative binomials
        (glmmTMB's ``sigma()``), else 1.
    deviance : float
        The minimised criterion: -2 log-likelihood by Laplace or quadrature.
    penalty : float
        Squared length of the spherical random effects, ``|u|^2``.
    logdet : float
        ``log|Lambda'Z'WZ Lambda + I|``.
    n : int
        Rows.
    n_quadrature : int
        0, 1 (Laplace) or the number of nodes.
    b : tuple of ndarray, one per term, shape (n_levels, k_t)
        Conditional modes.
    cond_cov : tuple of ndarray, one per term, shape (n_levels, k_t, k_t)
    optimum : Optimum
        In (theta, beta, log dispersion).
    n_compressed : int
        Rows after identical ones were added up.
    inner_iterations : int
        Steps of penalised iteratively reweighted least squares in all.
    diagnostics : tuple of Diagnostic
    engine : str
    """

    beta: FloatArray
    kept: IntArray
    vcov_conditional: FloatArray
    inference: Callable[[], Inference]
    scores: Callable[[], tuple[LevelScores, ...]]
    theta: FloatArray
    dispersion: float
    deviance: float
    penalty: float
    logdet: float
    n: int
    n_quadrature: int
    b: tuple[FloatArray, ...]
    cond_cov: tuple[FloatArray, ...]
    optimum: Optimum
    n_compressed: int
    inner_iterations: int
    diagnostics: tuple[Diagnostic, ...] = ()
    engine: str = "mlpool"
