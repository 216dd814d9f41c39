"""Records that enter and leave the engine. Numbers and names of sizes only: no frames, no text.

Conventions (Bates et al. 2015, J. Stat. Softw. 67(1)): ``y = X beta + Z b + e``, ``b = Lambda u``,
``Var(u) = sigma^2 I``, ``Var(e_i) = sigma^2 / w_i``. Terms are ordered as in lme4: by decreasing
number of levels, ties in formula order; theta stacks the lower triangles of the terms' templates
column by column.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from mlpool.engine.structured.covariance_map import Structure
from mlpool.typing import FloatArray, IntArray, RowSource

if TYPE_CHECKING:
    from mlpool.engine.sums.cluster_sums import CrossProducts
    from mlpool.engine.sums.cross_sums import FactorSums

Severity = Literal["info", "warning", "error"]


@dataclass(frozen=True, slots=True)
class ArrayRows:
    """An ndarray of shape (n, k) seen as a :class:`~mlpool.typing.RowSource`."""

    array: FloatArray

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.array.shape[0], self.array.shape[1]

    def rows(self, start: int, stop: int) -> FloatArray:
        """Rows ``start:stop`` as a contiguous float64 block."""
        return np.ascontiguousarray(self.array[start:stop], dtype=np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReTerm:
    """One random-effects term (z | g) as numbers.

    Attributes
    ----------
    z : RowSource of shape (n, k)
    codes : ndarray of shape (n,), integer
        Level of each row, 0 .. n_levels - 1; every level occurs.
    n_levels : int
    factor : int
        Index of the grouping factor; terms that share a factor share codes (``||``, repeated bars).
    structure : Structure or None
        How the effects of a level vary together; None: freely.
    """

    z: RowSource
    codes: IntArray
    n_levels: int
    factor: int
    structure: Structure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LmmData:
    """What a linear mixed model is fitted to. Terms are already in lme4's order.

    Attributes
    ----------
    y : ndarray of shape (n,)
        Response; the offset is *not* yet taken off.
    X : RowSource of shape (n, p)
        Fixed-effects columns, possibly rank deficient.
    terms : tuple of ReTerm
    weights : ndarray of shape (n,) or None
        Prior weights, all > 0.
    offset : ndarray of shape (n,) or None
    sums : CrossProducts or None
        Sums of the one grouping factor where they were made elsewhere: the rows are then not
        read, and need not be there.
    factor_sums : FactorSums or None
        The same of several grouping factors.
    kept : ndarray of int or None
        Columns of X that are estimated, which goes with these sums.
    """

    y: FloatArray
    X: RowSource
    terms: tuple[ReTerm, ...]
    weights: FloatArray | None = None
    offset: FloatArray | None = None
    sums: CrossProducts | None = None
    factor_sums: FactorSums | None = None
    kept: IntArray | None = None

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self.y.shape[0])

    @property
    def structures(self) -> tuple[Structure | None, ...]:
        """Of all terms."""
        return tuple(t.structure for t in self.terms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """Limits and tolerances of a fit; every one can be set by ``control={...}``.

    Attributes
    ----------
    max_evaluations : int
        Criterion evaluations before the optimiser gives up.
    gtol : float
        Largest projected gradient of the deviance divided by n that counts as zero.
    ftol : float
        Relative change of the deviance that counts as none.
    singular_tol : float
        Diagonal of theta, in the user's units, below which a fit is singular (lme4: 1e-4).
    max_dense_bytes : int
        Largest dense trailing block of crossed factors, in bytes.
    batch_rows : int
        Rows read at a time while the cross-products are made.
    blas_threads : int
        BLAS threads inside the engine (given back afterwards).
    progress : bool or None
        A progress line on stderr; None shows it on a terminal for long fits only.
    start : tuple of float or None
        Starting theta instead of moment estimates.
    memory_limit : str or None
        What DuckDB may hold of scanned files, such as ``"4GB"``; the rest spills to disk.
    solver : {"cholesky", "iterative"} or None
        How linear models with crossed factors are solved: by a dense block for all factors but the
        largest, or by conjugate gradients and seeded probes. None: iterative where that block
        would hold more than 4,000 random effects or pass `max_dense_bytes`.
    seed : int
        Of the iterative solver's probes: the same seed gives the same digits.
    theta_error : float
        The iterative solver's Monte Carlo error of theta, as a share of theta's standard error, at
        which no more probes are added.
    deviance_error : float
        The same for the error of -2 log-likelihood, in its own unit.
    """

    max_evaluations: int = 500
    # of the deviance per row, by parameters without units
    gtol: float = 1e-9
    # relative to the deviance
    ftol: float = 1e-12
    # a ratio of SDs, as lme4's ``isSingular`` has it
    singular_tol: float = 1e-4
    max_dense_bytes: int = 8_000_000_000
    batch_rows: int = 65_536
    blas_threads: int = 1
    progress: bool | None = None
    start: tuple[float, ...] | None = None
    memory_limit: str | None = None
    solver: Literal["cholesky", "iterative"] | None = None
    seed: int = 1
    theta_error: float = 0.01
    deviance_error: float = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """One finding about a fit, for ``models`` to put into words."""

    code: str
    severity: Severity
    value: float
    threshold: float
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Optimum:
    """The optimiser's story.

    Attributes
    ----------
    start, end : ndarray of shape (k,)
        theta before and after; with structured terms the parameters of their covariances.
    criterion : float
        Minimised deviance (REML or ML).
    gradient : ndarray of shape (k,)
        d deviance / d theta at the end.
    evaluations : int
    converged : bool
    method : str
    message : str
    log : tuple of (tuple of float, float)
        Every (theta, criterion) evaluated.
    """

    start: FloatArray
    end: FloatArray
    criterion: float
    gradient: FloatArray
    evaluations: int
    converged: bool
    method: str
    message: str = ""
    log: tuple[tuple[tuple[float, ...], float], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MonteCarlo:
    """What the iterative solver's probes left uncertain, and its average information.

    Attributes
    ----------
    seed : int
    probes, deviance_probes : int
        Behind the scores of theta, and behind log|V|.
    theta_error : ndarray of shape (k,)
        Monte Carlo standard errors of theta.
    theta_share : float
        The largest of them as a share of its theta's standard error.
    deviance_error : float
        Monte Carlo standard error of -2 log-likelihood.
    C : ndarray of shape (k + 1, k + 1)
        Covariance of (theta, log sigma^2) from the average information.
    dPhi : ndarray of shape (k + 1, p, p)
        Derivatives of Var(beta-hat) by them.
    """

    seed: int
    probes: int
    theta_error: FloatArray
    theta_share: float
    deviance_error: float
    deviance_probes: int
    C: FloatArray
    dPhi: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LmmFit:
    """A fitted linear mixed model.

    Attributes
    ----------
    beta : ndarray of shape (p_kept,)
    kept : ndarray of int, shape (p_kept,)
        Columns of X that were estimated; the others were aliased.
    vcov_unscaled : ndarray of shape (p_kept, p_kept)
        (R_X' R_X)^-1; times sigma^2 it is Var(beta-hat).
    theta : ndarray of shape (k,)
        In lme4's order.
    sigma : float
    criterion : float
        REML criterion or ML deviance; -2 log-likelihood, prior weights' -sum(log w) included.
    pwrss, logdet_L2, logdet_RX2 : float
        Penalised weighted residual sum of squares, log|L|^2, log|R_X|^2.
    reml : bool
    n : int
    b : tuple of ndarray, one per term, shape (n_levels, k)
        Conditional modes.
    cond_cov : tuple of ndarray or None, one per term, shape (n_levels, k, k)
        Conditional covariances of b (times sigma^2 already), as lme4's ``postVar``. May be
        computed lazily: see ``cond_cov_of``.
    optimum : Optimum or None
    diagnostics : tuple of Diagnostic
    engine : str
        ``"mlpool"`` or ``"statsmodels"``.
    raw : object
        The statsmodels results object where that engine did the work, else None.
    monte_carlo : MonteCarlo or None
        Errors of a fit by the iterative solver; None: there are none.
    """

    beta: FloatArray
    kept: IntArray
    vcov_unscaled: FloatArray
    theta: FloatArray
    sigma: float
    criterion: float
    pwrss: float
    logdet_L2: float
    logdet_RX2: float
    reml: bool
    n: int
    b: tuple[FloatArray, ...]
    cond_cov: tuple[FloatArray, ...] | Callable[[], tuple[FloatArray, ...]]
    optimum: Optimum | None = None
    diagnostics: tuple[Diagnostic, ...] = ()
    engine: str = "mlpool"
    raw: Any = field(default=None, repr=False, compare=False)
    monte_carlo: MonteCarlo | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OlsFit:
    """Complete (or no) pooling: ordinary or weighted least squares, or a GLM.

    Attributes
    ----------
    beta, kept, vcov_unscaled
        As in :class:`LmmFit`; for a GLM `vcov_unscaled` times `dispersion` is the covariance.
    sigma : float
        Residual SD (GLM: sqrt of the dispersion).
    rss : float
        Weighted residual sum of squares (GLM: residual deviance).
    loglik : float
    n : int
        Rows with non-zero weight.
    df_residual : int
    fitted : ndarray of shape (n,)
        On the response scale.
    null_deviance : float
        Of the intercept-only model (lm: total sum of squares about the mean).
    working_weights : ndarray of shape (n,) or None
        GLM only: IRLS weights at the estimate.
    working_resid : ndarray of shape (n,) or None
        GLM only: (y - mu) * d eta / d mu.
    iterations : int
    raw : object
        The statsmodels results object.
    """

    beta: FloatArray
    kept: IntArray
    vcov_unscaled: FloatArray
    sigma: float
    rss: float
    loglik: float
    n: int
    df_residual: int
    fitted: FloatArray
    null_deviance: float = float("nan")
    working_weights: FloatArray | None = None
    working_resid: FloatArray | None = None
    dispersion: float = 1.0
    iterations: int = 0
    converged: bool = True
    engine: str = "statsmodels"
    raw: Any = field(default=None, repr=False, compare=False)


class FitRecord(Protocol):
    """What the records of all engines have: the coefficients and what they rest on."""

    @property
    def beta(self) -> FloatArray:
        """Coefficients (p_kept,)."""

    @property
    def kept(self) -> IntArray:
        """Columns of X that were estimated (p_kept,)."""

    @property
    def n(self) -> int:
        """Rows."""

    @property
    def engine(self) -> str:
        """``"mlpool"`` or ``"statsmodels"``."""
