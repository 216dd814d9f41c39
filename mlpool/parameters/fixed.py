"""The coefficients' part of the table: standard errors, statistics, df, p-values, intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mlpool.errors import NotSupportedError, OptionError, nearest_names
from mlpool.inference.profile import ProfileIntervals
from mlpool.inference.wald import WaldTable, wald
from mlpool.models.covariance import choose_vcov
from mlpool.models.messages import say_few_clusters
from mlpool.models.uncertainty import denominator_df, profile_intervals
from mlpool.typing import FloatArray

CI_METHODS: dict[str, tuple[str, ...]] = {
    "lm": ("residual", "wald", "normal"),
    "glm": ("profile", "wald", "residual", "normal"),
    "lmer": ("residual", "wald", "normal", "satterthwaite", "kenward", "kr", "profile"),
    "glmer": ("wald", "residual", "normal"),
}
"""Ways to df and intervals per kind of model; the first is the default."""

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
    cluster: Any = None
    label: str | None = None

    @property
    def is_given(self) -> bool:
        """Whether the user asked for another covariance than the model's."""
        return self.type is not None or self.cluster is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedEffects:
    """Coefficients with what is inferred about them.

    Attributes
    ----------
    table : WaldTable
        On the link scale; `df` is what is printed.
    statistic : {"t", "z"}
    """

    table: WaldTable
    statistic: str


def read_covariance(model: Any, vcov: Any, cluster: Any, vcov_args: Any) -> Covariance:
    """Return what ``vcov=``, ``cluster=`` and ``vcov_args=`` mean together.

    ``vcov_args={"cluster": ..., "type": ...}`` is R's spelling; its type replaces the default type
    of ``vcovCL`` or ``vcovHC``.

    Raises
    ------
    OptionError
        For unknown entries of `vcov_args`, or a cluster given twice.
    """
    if vcov_args is not None:
        vcov, cluster = _merge_arguments(vcov, cluster, vcov_args)
    label: str | None = model.vcov_type
    if isinstance(vcov, str) and vcov in ("model", "const"):
        label = None
    elif isinstance(vcov, str):
        label = vcov
    elif vcov is not None:
        label = "matrix"
    elif cluster is not None:
        label = "vcovCL"
    return Covariance(type=vcov, cluster=cluster, label=label)


def _merge_arguments(vcov: Any, cluster: Any, vcov_args: Any) -> tuple[Any, Any]:
    if not isinstance(vcov_args, Mapping):
        raise OptionError("vcov_args must be a dict such as {'cluster': 'school'}.")
    known = ("cluster", "type")
    for name in vcov_args:
        if name not in known:
            raise OptionError(
                f"vcov_args knows {known}; got {name!r}.{nearest_names(str(name), known)}"
            )
    if "cluster" in vcov_args:
        if cluster is not None:
            raise OptionError("give the cluster once: as cluster= or in vcov_args, not both.")
        cluster = vcov_args["cluster"]
    if "type" in vcov_args:
        if vcov not in (None, "vcovCL", "vcovHC"):
            raise OptionError(f"vcov={vcov!r} is a type already; drop 'type' from vcov_args.")
        vcov = vcov_args["type"]
    return vcov, cluster


def fixed_effects(
    model: Any,
    level: float,
    method: str,
    covariance: Covariance,
    profile: ProfileIntervals | None = None,
) -> FixedEffects:
    """Return the coefficients' table.

    Parameters
    ----------
    model : FittedModel
    level : float
        Confidence level.
    method : str
        From :func:`read_method`.
    covariance : Covariance
    profile : ProfileIntervals, optional
        A mixed model's profile intervals, for ``"profile"``.
    """
    if method in ("satterthwaite", "kenward"):
        return _small_sample(model, level, method)
    b, se = _estimates(model, covariance)
    df = residual_df(model)
    statistic = "z" if np.isinf(df) else "t"
    table = wald(b, se, df, level)
    if method == "normal":
        table = replace(wald(b, se, np.inf, level), df=table.df)
    if method == "profile":
        bounds = profile_intervals(model, level) if profile is None else profile.fixed
        table = replace(table, low=bounds[:, 0], high=bounds[:, 1])
    return FixedEffects(table=table, statistic=statistic)


def residual_df(model: Any) -> float:
    """Residual df; infinite for families without a dispersion, whose statistic is a z."""
    if model.family is not None and not model.family.has_dispersion:
        return float("inf")
    return float(model.df_residual)


def read_method(model: Any, ci_method: str | None, covariance: Covariance) -> str:
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
    if not isinstance(ci_method, str) or ci_method.lower() not in allowed:
        raise _unknown_method(model.kind, ci_method)
    method = {"kr": "kenward"}.get(ci_method.lower(), ci_method.lower())
    if is_robust and method in ("profile", "satterthwaite", "kenward"):
        raise OptionError(
            f"ci_method={method!r} has its own standard errors; it takes no vcov= or cluster=."
        )
    return method


def _unknown_method(kind: str, ci_method: object) -> Exception:
    allowed = CI_METHODS[kind]
    everywhere = {m for methods in CI_METHODS.values() for m in methods} | set(_ELSEWHERE)
    if isinstance(ci_method, str) and ci_method.lower() in everywhere:
        return NotSupportedError(
            f"ci_method={ci_method!r} is not available for {kind} models; use one of {allowed}."
        )
    hint = nearest_names(ci_method, allowed) if isinstance(ci_method, str) else ""
    return OptionError(f"ci_method must be one of {allowed}; got {ci_method!r}.{hint}")


def _estimates(model: Any, covariance: Covariance) -> tuple[FloatArray, FloatArray]:
    b = np.asarray(model.fixef(), dtype=np.float64)
    if not covariance.is_given:
        return b, np.asarray(model.se, dtype=np.float64)
    variances = np.diag(np.asarray(model.vcov(covariance.type, covariance.cluster)))
    return b, np.sqrt(np.where(variances >= 0, variances, np.nan))


def _small_sample(model: Any, level: float, method: str) -> FixedEffects:
    """Satterthwaite df, or Kenward-Roger df and standard errors."""
    df, se, _ = denominator_df(model, method)
    b = np.asarray(model.fixef(), dtype=np.float64)
    return FixedEffects(table=wald(b, se, df, level), statistic="t")


def warn_few_clusters(model: Any, covariance: Covariance) -> None:
    """Warn, as fitting does, when cluster-robust errors rest on few clusters."""
    if covariance.is_given:
        choice = choose_vcov(model.design, covariance.type, covariance.cluster, model.names)
        if choice is not None:
            say_few_clusters(choice)
