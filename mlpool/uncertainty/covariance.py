"""The covariance of a model's coefficients: model-based, robust, or the user's own matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mlpool.designs.row_summaries import fact
from mlpool.errors import OptionError, brief
from mlpool.formula.supplied_vectors import as_ways
from mlpool.inference.sandwich.heteroscedastic import (
    CR_TYPES,
    robust_vcov,
    without_negative,
)
from mlpool.inference.sandwich.vcov_names import VcovSpec
from mlpool.sources.design import PushedDesign
from mlpool.typing import FloatArray, IntArray
from mlpool.uncertainty.by_queries import vcov_by_queries
from mlpool.uncertainty.cluster_robust import (
    check_mixed_choice,
    check_residual_choice,
    outermost_group,
    residual_group,
    robust_mixed_vcov,
)
from mlpool.uncertainty.cluster_robust_glmm import glmm_robust_vcov
from mlpool.uncertainty.covariance_warnings import say_conditional_vcov, say_negative_variances
from mlpool.uncertainty.fit_records import glmm_fit, linear_fit, ols_fit
from mlpool.uncertainty.score_rows import score_rows

if TYPE_CHECKING:
    from mlpool.formula.design import Design
    from mlpool.typing import ClusterLike, VcovLike
    from mlpool.uncertainty.model_protocol import EstimatedModel

_NEED_CLUSTERS = ("vcovCL", *CR_TYPES)


@dataclass(frozen=True, kw_only=True, eq=False)
class VcovChoice:
    """A robust covariance chosen by the user.

    Attributes
    ----------
    label : str
        As the user wrote it (``vcovCL``), for messages.
    kind : str
        Canonical type; ``matrix`` for a matrix.
    clusters : tuple of ndarray of int (n,)
    n_clusters : tuple of int
    cluster_names : tuple of str
        Columns; ``cluster`` for arrays.
    matrix : ndarray or None
    fix : bool
        Whether negative eigenvalues are set to zero.
    """

    label: str
    kind: str
    clusters: tuple[IntArray, ...] = ()
    n_clusters: tuple[int, ...] = ()
    cluster_names: tuple[str, ...] = ()
    matrix: FloatArray | None = None
    fix: bool = False


def choose_vcov(
    design: Design, vcov: VcovLike | None, cluster: ClusterLike | None, names: list[str]
) -> VcovChoice | None:
    """Return what a user's ``vcov=`` and ``cluster=`` mean; None for the model-based covariance.

    Raises
    ------
    OptionError, DataError
        For unknown types or clusters that do not fit the data.
    NotSupportedError
        For a mixed model with clusters that share levels of a grouping factor.
    """
    cluster = as_ways(cluster)
    if cluster is None and design.random and isinstance(vcov, str) and vcov in _NEED_CLUSTERS:
        cluster = outermost_group(design)
    spec = VcovSpec.from_user_input(in_name_order(vcov, names), cluster)
    if spec.is_model_based:
        return None
    if spec.matrix is not None:
        if spec.matrix.shape[0] != len(names):
            raise OptionError(
                f"vcov has shape {spec.matrix.shape}; the model has {len(names)} coefficients."
            )
        return VcovChoice(label="matrix", kind="matrix", matrix=np.array(spec.matrix))
    coded = [_codes(design, way) for way in spec.cluster]
    choice = VcovChoice(
        label=spec.label,
        kind=spec.type,
        clusters=tuple(codes for codes, _ in coded),
        n_clusters=tuple(len(levels) for _, levels in coded),
        cluster_names=tuple(w if isinstance(w, str) else "cluster" for w in spec.cluster),
        fix=spec.fix,
    )
    if design.random:
        check_mixed_choice(design, choice)
    return choice


def in_name_order(vcov: object, names: list[str]) -> Any:
    """Return a labelled covariance in the order of the coefficients; others as they are.

    Raises
    ------
    OptionError
        If its labels are not the coefficients' names.
    """
    columns = list(getattr(vcov, "columns", ()))
    if not columns or not all(isinstance(c, str) for c in columns):
        return vcov
    rows = list(vcov.index) if hasattr(vcov, "index") else columns
    is_numbered = rows == list(range(len(rows)))
    for labels in (columns,) if is_numbered else (columns, rows):
        if len(set(map(str, labels))) < len(labels):
            raise OptionError("vcov has a label twice; give vcov.to_numpy() to go by position.")
        if sorted(map(str, labels)) != sorted(names):
            other = next((n for n in labels if n not in names), labels[0])
            raise OptionError(
                f"vcov is labelled with {brief(other)}, which is no coefficient of this model "
                f"({', '.join(names)}); give vcov.to_numpy() to go by position."
            )
    at = [columns.index(name) for name in names]
    matrix = np.asarray(vcov)
    return matrix[np.ix_(at if is_numbered else [rows.index(name) for name in names], at)]


def _codes(design: Design, way: Any) -> tuple[IntArray, tuple[str, ...]]:
    """Return codes and levels of a column, of an array, or of a grouping factor such as ``b:a``."""
    for random in design.random:
        if isinstance(way, str) and way == random.group:
            return random.codes, tuple(random.levels)
    if isinstance(design, PushedDesign):
        return design.clusters_of(way)
    codes, levels = design.codes(way)
    return codes, levels


def coefficient_vcov(
    model: EstimatedModel, vcov: VcovLike | None = None, cluster: ClusterLike | None = None
) -> FloatArray:
    """Return the covariance (p, p) asked for; the one chosen at fit time by default."""
    if isinstance(vcov, str) and cluster is None:
        if vcov in ("model", "const"):
            return model_vcov(model)
        if vcov == "conditional" and model.kind == "glmer":
            return np.asarray(glmm_fit(model).vcov_conditional)
    choice = chosen_vcov(model, vcov, cluster)
    if choice is not None:
        return _robust_vcov(model, choice)
    return model_vcov(model) if model.vcov_choice is None else fitted_vcov(model)


def chosen_vcov(
    model: EstimatedModel, vcov: VcovLike | None, cluster: ClusterLike | None
) -> VcovChoice | None:
    """Return what ``vcov=`` and ``cluster=`` mean for a fitted model; None for its own covariance.

    Raises
    ------
    OptionError, DataError, NotSupportedError
        As :func:`choose_vcov`.
    """
    if model.kind != "gls":
        return choose_vcov(model.design, vcov, cluster, model.names)
    if cluster is None and isinstance(vcov, str) and vcov in _NEED_CLUSTERS:
        cluster = residual_group(model)
    choice = choose_vcov(model.design, vcov, cluster, model.names)
    if choice is not None:
        check_residual_choice(model, choice)
    return choice


@fact("lm", "glm", "lmer", "glmer", when=lambda m: m.vcov_choice is not None)
def fitted_vcov(model: EstimatedModel) -> FloatArray:
    """Return the robust covariance that was chosen when the model was fitted."""
    assert model.vcov_choice is not None
    return _robust_vcov(model, model.vcov_choice)


def _robust_vcov(model: EstimatedModel, choice: VcovChoice) -> FloatArray:
    if choice.matrix is not None:
        return choice.matrix
    found = _sandwich(model, choice)
    if choice.fix:
        return without_negative(found)
    names = [name for name, v in zip(model.names, np.diag(found), strict=True) if v < 0]
    if names:
        say_negative_variances(names, choice)
    return found


def _sandwich(model: EstimatedModel, choice: VcovChoice) -> FloatArray:
    if isinstance(model.design, PushedDesign):
        return vcov_by_queries(model, choice)
    if model.kind in ("lmer", "gls"):
        return robust_mixed_vcov(model, choice)
    if model.kind == "glmer":
        return glmm_robust_vcov(model, choice)
    return robust_vcov(score_rows(model), choice.kind, choice.clusters or None)


def robust_source(choice: VcovChoice) -> str:
    """Say which robust covariance, and of how many clusters: ``CR2, 160 clusters of school``."""
    if not choice.clusters:
        return choice.label
    counts = " x ".join(str(count) for count in choice.n_clusters)
    named = [name for name in choice.cluster_names if name != "cluster"]
    return f"{choice.label}, {counts} clusters" + (f" of {' x '.join(named)}" if named else "")


def _full_hessian_vcov(model: EstimatedModel) -> FloatArray:
    """Return the covariance from the full Hessian; say so where it is not positive definite."""
    found = glmm_fit(model).inference()
    if not found.is_positive and model._cache.setdefault("said_conditional", False) is False:
        model._cache["said_conditional"] = True
        say_conditional_vcov()
    return np.asarray(found.vcov)


def model_vcov(model: EstimatedModel) -> FloatArray:
    """Return the model-based covariance; of glmer that from the full Hessian."""
    if model.kind == "glmer":
        return _full_hessian_vcov(model)
    scale = ols_fit(model).dispersion if model.kind == "glm" else linear_fit(model).sigma ** 2
    return np.asarray(linear_fit(model).vcov_unscaled * scale)
