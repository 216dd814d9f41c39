"""Records of models whose residuals are correlated or unequal.

``y = X beta + Z b + e`` with ``Var(e) = sigma^2 D R D``: R holds the correlations within the levels
of one grouping factor, the diagonal D the ratios of standard deviations (Pinheiro & Bates 2000,
chapter 5).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from mlpool.engine.types import Diagnostic, Optimum, ReTerm
from mlpool.typing import FloatArray, IntArray, RowSource

CorrelationKind = Literal[
    "ar1", "car1", "cs", "symm", "toep", "ad", "exp", "exp_nugget", "ar", "arma11"
]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CorrelatedRows:
    """Which residuals are correlated, and how.

    Attributes
    ----------
    kind : CorrelationKind
    codes : ndarray of int (n,)
        Rows of one level are correlated, rows of different levels are not.
    points : ndarray (n,)
        Times; for ``symm``, ``toep`` and ``ad`` the place of the visit, 0 .. n_points - 1.
    n_points : int
        Number of visits; of ``cs`` the rows of the largest level.
    order : int
        Of an autoregression.
    """

    kind: CorrelationKind
    codes: IntArray
    points: FloatArray
    n_points: int
    order: int = 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UnequalRows:
    """Standard deviations of residuals relative to sigma.

    ``log d_i = loadings_i' delta + log(const + |x_i|^power)``, the second part only with `powers`.
    Rows that are alike in all of it form a class.

    Attributes
    ----------
    loadings : ndarray (C, r)
        Of every class: indicators of strata, x for exp(x delta), log|x| for |x|^delta.
    powers : ndarray (C,) or None
        x of nlme's varConstPower.
    classes : ndarray of int (n,)
        The class of every row.
    """

    loadings: FloatArray
    powers: FloatArray | None
    classes: IntArray

    @property
    def n_parameters(self) -> int:
        """Length of delta."""
        return int(self.loadings.shape[1]) + (0 if self.powers is None else 2)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ResidualData:
    """What a model with a residual covariance is fitted to.

    Attributes
    ----------
    y : ndarray (n,)
        Response less offset.
    X : RowSource (n, p)
        Possibly rank deficient.
    terms : tuple of ReTerm
        Random effects; every level of a term lies within one independent block of rows.
    correlated : CorrelatedRows or None
    unequal : UnequalRows or None
    """

    y: FloatArray
    X: RowSource
    terms: tuple[ReTerm, ...] = ()
    correlated: CorrelatedRows | None = None
    unequal: UnequalRows | None = None

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self.y.shape[0])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ResidualFit:
    """A fitted model with a residual covariance.

    Attributes
    ----------
    beta, kept, vcov_unscaled, theta, sigma, criterion, reml, n, b, cond_cov, optimum, diagnostics
        As in :class:`~mlpool.engine.types.LmmFit`; theta is relative to sigma.
    correlation : ndarray
        Parameters of the correlation as users know them (phi, rho, correlations of visits ...).
    variance : ndarray
        Log ratios, exponents and powers of the standard deviations.
    parameters : ndarray
        Where the search ended, in its own coordinates.
    fitted : ndarray (n,)
        X beta + Z b, without the offset.
    fitted_fixed : ndarray (n,)
        X beta.
    scale : ndarray (n,)
        Standard deviations of the residuals.
    """

    beta: FloatArray
    kept: IntArray
    vcov_unscaled: FloatArray
    theta: FloatArray
    sigma: float
    criterion: float
    reml: bool
    n: int
    b: tuple[FloatArray, ...]
    cond_cov: tuple[FloatArray, ...] | Callable[[], tuple[FloatArray, ...]]
    correlation: FloatArray
    variance: FloatArray
    parameters: FloatArray
    fitted: FloatArray
    fitted_fixed: FloatArray
    scale: FloatArray
    optimum: Optimum
    diagnostics: tuple[Diagnostic, ...] = ()
    engine: str = "mlpool"
    raw: None = None

    @property
    def n_covariance(self) -> int:
        """Parameters of the covariance, sigma included."""
        return len(self.parameters) + 1
