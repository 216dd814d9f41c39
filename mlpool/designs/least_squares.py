"""Least squares: statsmodels on the dense matrix, or sums by level where a factor has many levels.

``y ~ x + school`` and ``y ~ ses * school`` with hundreds of schools have as many dummy columns. The
factor is then absorbed (``engine/pooling/absorbed_factor.py``): the same coefficients, standard
errors and fitted values from per-level sums, without the columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from mlpool.designs.absorbed_factors import Plan, plan_absorption
from mlpool.engine.pooling.absorbed_factor import AbsorbedFit, Addresses, fit_ols_absorbed
from mlpool.engine.pooling.cluster_regressions import gaussian_loglik
from mlpool.engine.sums.cluster_sums import CrossProducts
from mlpool.engine.sums.trend import scaled_inverse
from mlpool.engine.sums.working_columns import FixedColumns
from mlpool.engine.types import OlsFit
from mlpool.engine.via_statsmodels import fit_ols
from mlpool.errors import FitError, NotSupportedError
from mlpool.formula.design import Design
from mlpool.formula.design_matrix import check_dense
from mlpool.sources.absent_rows import absent_rows
from mlpool.sources.design import PushedDesign
from mlpool.typing import FloatArray, IntArray

MANY_LEVELS = 30
"""Levels from which absorbing a factor is faster than its dummies (benchmarks/no_pooling.py)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class AbsorbedOls:
    """Least squares with a factor absorbed; the attributes of :class:`OlsFit`.

    Attributes
    ----------
    solution : AbsorbedFit
    at : Addresses
        Where each of R's coefficients stands in `solution`.
    fitted : ndarray of shape (n,)
    null_deviance : float
    """

    solution: AbsorbedFit
    at: Addresses
    fitted: FloatArray
    null_deviance: float
    engine: str = "mlpool"
    raw: Any = None
    iterations: int = 0
    converged: bool = True

    @cached_property
    def beta(self) -> FloatArray:
        """Coefficients (p,) in R's order."""
        return self.solution.coefficients(self.at)

    @cached_property
    def kept(self) -> IntArray:
        """Every column is estimated."""
        return np.arange(self.at.column.size)

    @property
    def sigma(self) -> float:
        """Residual standard deviation."""
        return self.solution.sigma

    @property
    def rss(self) -> float:
        """Weighted residual sum of squares."""
        return self.solution.rss

    @property
    def loglik(self) -> float:
        """Log-likelihood."""
        return self.solution.loglik

    @property
    def n(self) -> int:
        """Rows."""
        return self.solution.n

    @property
    def df_residual(self) -> int:
        """Residual degrees of freedom."""
        return self.solution.df_residual

    @property
    def dispersion(self) -> float:
        """Residual variance."""
        return self.sigma**2

    @property
    def standard_errors(self) -> FloatArray:
        """Model-based standard errors (p,), each without the covariance matrix."""
        return self.solution.standard_errors(self.at)

    @cached_property
    def vcov_unscaled(self) -> FloatArray:
        """Return (X'X)^-1 of shape (p, p).

        Raises
        ------
        NotSupportedError
            If it would not fit in memory.
        """
        p = self.at.column.size
        check_dense(p, p, f"the covariance matrix of {p} coefficients")
        return self.vcov_block(np.arange(p)) / self.dispersion

    def vcov_block(self, index: IntArray) -> FloatArray:
        """Return the model-based covariance of some coefficients."""
        return self.solution.vcov(self.at.take(index))


def least_squares(design: Design, engine: str = "auto") -> OlsFit | AbsorbedOls:
    """Fit least squares to a design.

    Parameters
    ----------
    design : Design
    engine : {"auto", "mlpool", "statsmodels"}
        ``"auto"`` absorbs a factor of 30 or more levels; ``"mlpool"`` always absorbs.

    Raises
    ------
    NotSupportedError
        If ``"mlpool"`` is asked for and no factor can be absorbed, or the dense matrix would not
        fit in memory.
    """
    if isinstance(design, PushedDesign):
        return _of_sums(design)
    plan = None if engine == "statsmodels" else plan_absorption(design.X)
    if plan is not None and (engine == "mlpool" or plan.n_levels >= MANY_LEVELS):
        try:
            return _absorbed(design, plan)
        except NotSupportedError:
            # Aliased columns: only the dense fit drops the very columns that R drops.
            if engine == "mlpool":
                raise
    if engine == "mlpool":
        raise NotSupportedError(
            "engine='mlpool' fits linear models that have a factor's levels as intercepts (such as "
            "y ~ x + school); use engine='auto'."
        )
    return fit_ols(design.y, design.X.dense(), design.weights, design.offset)


def _of_sums(design: PushedDesign) -> OlsFit:
    """Fit from the sums of rows that are elsewhere."""
    sums, kept = design.sums, design.kept_columns
    if not kept.size:
        raise FitError(
            "The formula leaves no column to estimate; keep the intercept or a predictor."
        )
    if kept.size > sums.n:
        raise FitError(f"{kept.size} coefficients for {sums.n} rows are not identified.")
    fixed, p = FixedColumns.of(sums, kept), kept.size
    total = fixed.R.T @ sums.total @ fixed.R
    inverse = scaled_inverse(total[:p, :p])
    rss = float(max(total[p, p] - total[p, :p] @ inverse @ total[:p, p], 0.0))
    df = sums.n - p
    absent = absent_rows(sums.n)
    return OlsFit(
        beta=fixed.back @ (inverse @ total[:p, p]) + fixed.shift,
        kept=kept,
        vcov_unscaled=fixed.back @ inverse @ fixed.back.T,
        sigma=float(np.sqrt(rss / df)) if df > 0 else float("nan"),
        rss=rss,
        # an exact fit has the logarithm of the smallest number, not of zero: no share of anything
        loglik=gaussian_loglik(max(rss, float(np.finfo(float).tiny)), sums.n, sums.sum_log_weights),
        n=sums.n,
        df_residual=df,
        fitted=absent,
        null_deviance=_null_deviance(sums, has_intercept=bool((sums.layout.x == 0).any())),
        dispersion=rss / df if df > 0 else float("nan"),
        engine="mlpool",
    )


def _null_deviance(sums: CrossProducts, *, has_intercept: bool) -> float:
    """Return the response's sum of squares, about its mean if there is an intercept."""
    layout = sums.layout
    y = np.eye(layout.k)[layout.y] + (np.array(layout.trend) if layout.trend else 0.0)
    if has_intercept:
        first = float(sums.total[0] @ y)
        return float(y @ sums.total @ y) - first**2 / float(sums.total[0, 0])
    (y,) = sums.uncentre(np.array([layout.y])).T
    return float(y @ sums.total @ y)


def _absorbed(design: Design, plan: Plan) -> AbsorbedOls:
    solution = fit_ols_absorbed(
        design.y, plan.common, plan.codes, plan.n_levels,
        Z=plan.own if plan.own.shape[1] else None, weights=design.weights, offset=design.offset,
    )  # fmt: skip
    if not solution.is_complete:
        raise NotSupportedError("A level of the absorbed factor does not identify its own slope.")
    fitted = solution.fitted(plan.common, plan.own, plan.codes)
    target = design.y if design.offset is None else design.y - design.offset
    w = np.ones(len(target)) if design.weights is None else design.weights
    mean = float(w @ target / w.sum()) if design.X.intercept else 0.0
    return AbsorbedOls(
        solution=solution,
        at=plan.at,
        fitted=fitted if design.offset is None else fitted + design.offset,
        null_deviance=float(w @ (target - mean) ** 2),
    )
