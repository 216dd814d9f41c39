"""One answer to "estimate, covariance and df" for linear combinations of a model's coefficients.

Tables, marginal means, slopes and tests all ask here, so that ``vcov=``, ``cluster=`` and the
choice of degrees of freedom mean the same everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mlpool.errors import NotSupportedError, OptionError, brief, nearest_names
from mlpool.formula.supplied_vectors import as_ways
from mlpool.inference.sandwich.cluster_tests import ClusterPieces
from mlpool.inference.sandwich.heteroscedastic import CR_TYPES
from mlpool.inference.sandwich.vcov_names import VcovSpec
from mlpool.inference.small_sample.satterthwaite import satterthwaite_df
from mlpool.option_spellings import OPTIONS, merge_vcov_args
from mlpool.typing import FloatArray, IntArray
from mlpool.uncertainty.cluster_robust import cluster_pieces
from mlpool.uncertainty.covariance import VcovChoice, chosen_vcov
from mlpool.uncertainty.small_sample import information_of, kenward_roger_result

if TYPE_CHECKING:
    from mlpool.typing import ClusterLike, VcovArgs, VcovLike
    from mlpool.uncertainty.model_protocol import EstimatedModel

CI_METHODS: dict[str, tuple[str, ...]] = {
    "lm": ("residual", "wald", "normal", "satterthwaite"),
    "glm": ("profile", "wald", "residual", "normal", "satterthwaite"),
    "lmer": ("residual", "wald", "normal", "satterthwaite", "kenward", "profile"),
    "glmer": ("wald", "residual", "normal", "profile"),
    "gls": ("satterthwaite", "residual", "wald", "normal", "kenward"),
}
"""Ways to df and intervals per kind of model; the first is the default.

Satterthwaite's df of an lm or glm are those of a cluster-robust covariance (clubSandwich's).
"""

_ELSEWHERE = ("profile", "boot", "betwithin", "ml1", "uniroot", "quantile", "hdi", "eti", "bci")
"""R has these for some models; mlpool has them not, or not for this kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Covariance:
    """The standard errors asked for.

    Attributes
    ----------
    type, cluster : object
        As :meth:`FittedModel.vcov` takes them; both None: as fitted.
    label : str or None
        Name of a robust covariance, also of one chosen when the model was fitted.
    """

    type: Any = None
    cluster: ClusterLike | None = None
    label: str | None = None

    @property
    def is_given(self) -> bool:
        """Whether the user asked for another covariance than the model's."""
        return self.type is not None or self.cluster is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContrastParts:
    """What is inferred about ``L beta``.

    Attributes
    ----------
    estimate : ndarray of shape (r,)
    vcov : ndarray of shape (r, r)
    df : ndarray of shape (r,)
        Infinite for z statistics.
    statistic : {"t", "z"}
        How the statistic is called.
    method : str
        ``residual``, ``wald``, ``normal``, ``satterthwaite`` or ``kenward``.
    covariance : str or None
        Name of the robust covariance used.
    """

    estimate: FloatArray
    vcov: FloatArray
    df: FloatArray
    statistic: str
    method: str
    covariance: str | None

    @property
    def se(self) -> FloatArray:
        """Standard errors (r,); NaN where a variance is negative."""
        variance = np.diag(self.vcov)
        return np.sqrt(np.where(variance >= 0, variance, np.nan))


def contrast_inference(
    model: EstimatedModel,
    L: object,
    *,
    vcov: VcovLike | None = None,
    cluster: ClusterLike | None = None,
    vcov_args: VcovArgs | None = None,
    ci_method: str | None = None,
) -> ContrastParts:
    """Return estimate, covariance and df of ``L beta`` for any model.

    Parameters
    ----------
    model : FittedModel
    L : array of shape (r, p)
        One linear combination of the estimated coefficients per row.
    vcov, cluster, vcov_args
        As in :func:`mlpool.model_parameters`.
    ci_method : str, optional
        Where df come from; None: the residual df (z for models without a dispersion). A GLM's
        ``"profile"`` is a matter of single coefficients and means Wald here.

    Returns
    -------
    ContrastParts

    Raises
    ------
    OptionError
        For unknown methods or covariances, or rows of `L` of another length.
    """
    rows = np.atleast_2d(np.asarray(L, dtype=np.float64))
    beta = np.asarray(model.fixef(), dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] != len(beta):
        raise OptionError(
            f"a contrast needs one number per coefficient ({len(beta)}); this one has "
            f"{rows.shape[-1]}."
        )
    asked, method = _asked(model, vcov, cluster, vcov_args, ci_method)
    used, V = _vcov_of(model, rows, asked, method)
    return ContrastParts(
        estimate=rows @ beta,
        vcov=np.asarray(rows[:, used] @ V @ rows[:, used].T),
        df=_df_of(model, rows, asked, method),
        statistic=_symbol(model, method),
        method=method,
        covariance=asked.label,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RowParts:
    """What is inferred about every row of ``L beta`` by itself, without their covariances.

    Attributes
    ----------
    se, df : ndarray of shape (r,)
    statistic, method, covariance
        As in :class:`ContrastParts`.
    """

    se: FloatArray
    df: FloatArray
    statistic: str
    method: str
    covariance: str | None


def row_inference(
    model: EstimatedModel,
    L: FloatArray,
    *,
    vcov: VcovLike | None = None,
    cluster: ClusterLike | None = None,
    vcov_args: VcovArgs | None = None,
    ci_method: str | None = None,
) -> RowParts:
    """Return :func:`contrast_inference` of many rows, of which no r x r matrix is made."""
    asked, method = _asked(model, vcov, cluster, vcov_args, ci_method)
    used, V = _vcov_of(model, L, asked, method)
    part = L if len(used) == L.shape[1] else L[:, used]
    variance = np.einsum("ia,ia->i", part @ V, part)
    return RowParts(
        se=np.sqrt(np.where(variance >= 0, variance, np.nan)),
        df=_df_of(model, L, asked, method),
        statistic=_symbol(model, method),
        method=method,
        covariance=asked.label,
    )


def _asked(
    model: EstimatedModel,
    vcov: VcovLike | None,
    cluster: ClusterLike | None,
    vcov_args: VcovArgs | None,
    ci_method: str | None,
) -> tuple[Covariance, str]:
    asked = read_covariance(model, vcov, cluster, vcov_args)
    method = read_method(model, ci_method, asked)
    return asked, "wald" if method == "profile" else method


def _symbol(model: EstimatedModel, method: str) -> str:
    return "z" if np.isinf(residual_df(model)) and method != "satterthwaite" else "t"


def _vcov_of(
    model: EstimatedModel, L: FloatArray, asked: Covariance, method: str
) -> tuple[IntArray, FloatArray]:
    """Return the coefficients that L uses and their covariance; of most models, of all of them."""
    everything = np.arange(L.shape[1])
    if method == "kenward":
        return everything, np.asarray(kenward_roger_result(model).vcov)
    block = getattr(model.fit, "vcov_block", None)
    if asked.is_given or model.vcov_choice is not None or block is None:
        full = model.vcov(asked.type, asked.cluster) if asked.is_given else model.vcov()
        return everything, np.asarray(full)
    used = np.flatnonzero(np.any(L != 0.0, axis=0))
    return used, np.asarray(block(used))


def _df_of(model: EstimatedModel, L: FloatArray, asked: Covariance, method: str) -> FloatArray:
    if method == "kenward":
        return kenward_roger_result(model).contrast_df(L)
    if method == "satterthwaite" and asked.label is not None:
        return robust_pieces(model, asked).df(L)
    if method == "satterthwaite":
        return satterthwaite_df(information_of(model), L)
    return np.full(len(L), np.inf if method == "normal" else residual_df(model))


def robust_pieces(model: EstimatedModel, asked: Covariance) -> ClusterPieces:
    """Return the pieces of the cluster-robust covariance asked for (or chosen at fit time).

    Raises
    ------
    OptionError
        If it is not one of clubSandwich's with one cluster variable.
    """
    choice = chosen_covariance(model, asked)
    assert choice is not None
    return cluster_pieces(model, choice)


def chosen_covariance(model: EstimatedModel, asked: Covariance) -> VcovChoice | None:
    """Return the robust covariance asked for, else the one chosen when the model was fitted."""
    if not asked.is_given:
        choice: VcovChoice | None = model.vcov_choice
        return choice
    return chosen_vcov(model, asked.type, asked.cluster)


def residual_df(model: EstimatedModel) -> float:
    """Residual df; infinite for families without a dispersion, whose statistic is a z."""
    if model.family is not None and not model.family.has_dispersion:
        return float("inf")
    return float(model.df_residual)


def read_covariance(
    model: EstimatedModel,
    vcov: VcovLike | None,
    cluster: ClusterLike | None,
    vcov_args: VcovArgs | None = None,
) -> Covariance:
    """Return what ``vcov=``, ``cluster=`` and ``vcov_args=`` mean together.

    ``vcov_args={"cluster": ..., "type": ...}`` is R's spelling; its type replaces the default type
    of ``vcovCL`` or ``vcovHC``. ``"fix": True`` sets negative eigenvalues to zero (sandwich's).

    Raises
    ------
    OptionError
        For unknown entries of `vcov_args`, or a cluster given twice.
    """
    fix = False
    if vcov_args is not None:
        vcov, cluster, fix = merge_vcov_args(vcov, cluster, vcov_args)
    label: str | None = model.vcov_type
    if isinstance(vcov, str) and vcov in ("model", "const"):
        label = None
    elif isinstance(vcov, str):
        label = vcov
    elif vcov is not None:
        label = "matrix"
    elif cluster is not None:
        label = "vcovCL"
    if fix:
        vcov, cluster = _fixed(model, vcov, cluster), None
    return Covariance(type=vcov, cluster=cluster, label=label)


def read_method(model: EstimatedModel, ci_method: str | None, covariance: Covariance) -> str:
    """Return the method to use: the kind's default, Wald if the covariance is robust.

    Raises
    ------
    OptionError
        For an unknown method, or one that excludes the covariance.
    NotSupportedError
        For a method that this kind of model has in R only.
    """
    allowed = CI_METHODS[model.kind]
    is_robust = covariance.label is not None
    if ci_method is None:
        return "wald" if is_robust and allowed[0] == "profile" else allowed[0]
    method = OPTIONS["ci_method"].value(ci_method)
    if not isinstance(method, str) or method not in allowed:
        raise _unknown_method(model.kind, ci_method)
    if is_robust and method in ("profile", "kenward"):
        raise OptionError(
            f"ci_method={brief(method)} has its own standard errors; it takes no vcov= or cluster=."
        )
    if method == "satterthwaite" and covariance.label not in (
        CR_TYPES if model.kind not in ("lmer", "gls") else (None, *CR_TYPES)
    ):
        raise OptionError(
            "ci_method='satterthwaite' goes with clubSandwich's covariances: vcov='CR2' (or "
            "'CR0' ... 'CR3') and a cluster."
        )
    return method


def _fixed(model: EstimatedModel, vcov: VcovLike | None, cluster: ClusterLike | None) -> VcovSpec:
    """Return the covariance asked for, or chosen at fit time, without negative eigenvalues.

    Raises
    ------
    OptionError
        Without clusters, whose sandwiches alone can have some.
    """
    chosen = model.vcov_choice
    if cluster is None and chosen is not None and chosen.clusters:
        vcov, cluster = chosen.label if vcov is None else vcov, list(chosen.clusters)
    spec = VcovSpec.from_user_input(vcov, as_ways(cluster))
    if not spec.cluster:
        raise OptionError("vcov_args={'fix': True} is for cluster-robust covariances: cluster=.")
    return replace(spec, fix=True)


def _unknown_method(kind: str, ci_method: object) -> Exception:
    allowed = CI_METHODS[kind]
    everywhere = {m for methods in CI_METHODS.values() for m in methods} | set(_ELSEWHERE)
    named = OPTIONS["ci_method"].value(ci_method)
    if isinstance(named, str) and named.lower() in everywhere:
        return NotSupportedError(
            f"ci_method={brief(ci_method)} is not available for {kind} models; use one of "
            f"{allowed}."
        )
    hint = nearest_names(ci_method, allowed) if isinstance(ci_method, str) else ""
    return OptionError(f"ci_method must be one of {allowed}; got {brief(ci_method)}.{hint}")
