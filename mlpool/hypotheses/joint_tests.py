"""Joint tests of ``L beta = rhs`` for any model, covariance and choice of df.

What :mod:`mlpool.hypotheses.linear_combinations` is for one linear combination at a time, this is
for several together; `vcov=`, `cluster=` and `ci_method=` mean the same in both.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from mlpool.hypotheses.linear_combinations import (
    Covariance,
    chosen_covariance,
    read_covariance,
    read_method,
    residual_df,
    robust_pieces,
)
from mlpool.inference.sandwich.heteroscedastic import CR_TYPES
from mlpool.inference.small_sample.independent_hypotheses import independent_rows
from mlpool.inference.small_sample.satterthwaite import FTest, satterthwaite_f
from mlpool.inference.wald import f_upper_p
from mlpool.typing import FloatArray
from mlpool.uncertainty.covariance import robust_source
from mlpool.uncertainty.small_sample import information_of, kenward_roger_result

if TYPE_CHECKING:
    from mlpool.typing import ClusterLike, VcovArgs, VcovLike
    from mlpool.uncertainty.model_protocol import EstimatedModel

METHOD_NAMES = {
    "satterthwaite": "Satterthwaite's method",
    "kenward": "Kenward-Roger's method",
    "residual": "residual degrees of freedom",
    "normal": "the normal distribution",
}
"""How tables call the source of denominator df."""


_NO_VARIANCE = 1e-14
"""Share of the sum of a combination's variances, had they no covariances, that is rounding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JointInference:
    """What joint tests of one model need, prepared once for many hypotheses.

    Attributes
    ----------
    beta : ndarray of shape (p,)
    vcov : ndarray of shape (p, p)
        Kenward-Roger's is the adjusted one.
    method : {"residual", "normal", "satterthwaite", "kenward"}
    df : float
        Denominator df of the residual method; infinite for chi-square tests.
    covariance : str or None
        The robust covariance, as ``CR2, 160 clusters of school``.
    source : object
        What Satterthwaite's, Kenward-Roger's and the HTZ test work with.
    """

    beta: FloatArray
    vcov: FloatArray
    method: str
    df: float
    covariance: str | None
    source: Any = field(default=None, repr=False)

    @property
    def is_f(self) -> bool:
        """Whether tests are F tests; else chi-square."""
        return self.method in ("satterthwaite", "kenward") or np.isfinite(self.df)

    def test(self, L: FloatArray, rhs: FloatArray | None = None) -> FTest:
        """Test ``L beta = rhs`` (zeros by default); NaN where the covariance lacks rank.

        Rows that follow from others are left out; df_num is what is left.

        A chi-square statistic is df_num times the F with infinite df_den.
        """
        L = np.atleast_2d(np.asarray(L, dtype=np.float64))
        if not np.any(L):
            return untestable()
        if self.method == "kenward":
            return self.source.f_test(L, rhs)  # type: ignore[no-any-return]
        if self.method == "satterthwaite" and self.covariance is None:
            return satterthwaite_f(self.source, L, rhs)
        if self.method == "satterthwaite":
            return self.source.htz(L, rhs)  # type: ignore[no-any-return]
        return self.wald(L, rhs)

    def wald(self, L: FloatArray, rhs: FloatArray | None = None) -> FTest:
        """Wald test ``F = (L b - rhs)'(L V L')^-1 (L b - rhs) / r`` on r and `df`."""
        L, values = independent_rows(L, rhs, self.vcov)
        distance = L @ self.beta - values
        V = L @ self.vcov @ L.T
        rank = len(L)
        if rank == 0:
            return untestable(self.df)
        scale = np.sqrt(np.clip(np.diag(V), 0.0, None))
        # a variance that is rounding of the coefficients' own is none
        parts = (L**2) @ np.clip(np.diag(self.vcov), 0.0, None)
        scale = np.where(scale**2 > _NO_VARIANCE * parts, scale, 0.0)
        standardized = V / np.outer(scale, scale) if np.all(scale > 0) else np.zeros_like(V)
        # correlations have no unit, so the cut-off has none
        if np.linalg.matrix_rank(standardized, hermitian=True) < rank:
            return FTest(statistic=np.nan, df_num=rank, df_den=self.df, p=np.nan)
        distance = distance / scale
        F = float(distance @ np.linalg.solve(standardized, distance)) / rank
        return FTest(statistic=F, df_num=rank, df_den=self.df, p=float(f_upper_p(F, rank, self.df)))


def untestable(df_den: float = np.nan) -> FTest:
    """Return the test of no hypothesis: zero numerator df, no statistic."""
    return FTest(statistic=np.nan, df_num=0, df_den=df_den, p=np.nan)


def joint_inference(
    model: EstimatedModel,
    *,
    vcov: VcovLike | None = None,
    cluster: ClusterLike | None = None,
    vcov_args: VcovArgs | None = None,
    ci_method: str | None = None,
) -> JointInference:
    """Prepare joint tests of a model's coefficients.

    Parameters
    ----------
    model : FittedModel
    vcov, cluster, vcov_args
        As in :func:`mlpool.model_parameters`.
    ci_method : str, optional
        As there; by default Satterthwaite's for lmer (the HTZ test beside a clubSandwich
        covariance), else the residual df (chi-square for models without a dispersion).

    Raises
    ------
    OptionError, NotSupportedError
        As :func:`mlpool.hypotheses.linear_combinations.read_method`.
    """
    asked = read_covariance(model, vcov, cluster, vcov_args)
    if ci_method is None and model.kind == "lmer" and asked.label in (None, *CR_TYPES):
        choice = chosen_covariance(model, asked)
        several = choice is not None and len(choice.clusters) > 1
        ci_method = None if several else "satterthwaite"
    method = read_method(model, ci_method, asked)
    method = "residual" if method in ("profile", "wald") else method
    beta = np.asarray(model.fixef(), dtype=np.float64)
    if method == "kenward":
        result = kenward_roger_result(model)
        return _made(beta, result.vcov, method, np.inf, None, result)
    label = _source_of(model, asked)
    if method == "satterthwaite":
        if label is None:
            info = information_of(model)
            return _made(beta, info.vcov, method, np.inf, None, info)
        pieces = robust_pieces(model, asked)
        return _made(beta, pieces.vcov, method, np.inf, label, pieces)
    V = np.asarray(model.vcov(asked.type, asked.cluster) if asked.is_given else model.vcov())
    df = np.inf if method == "normal" else residual_df(model)
    return _made(beta, V, "normal" if np.isinf(df) else method, df, label, None)


def _made(
    beta: FloatArray, V: FloatArray, method: str, df: float, label: str | None, source: object
) -> JointInference:
    return JointInference(beta=beta, vcov=V, method=method, df=df, covariance=label, source=source)


def _source_of(model: EstimatedModel, asked: Covariance) -> str | None:
    """Return the name of the robust covariance, None for the model-based one."""
    if asked.label is None:
        return None
    choice = chosen_covariance(model, asked)
    return asked.label if choice is None else robust_source(choice)
