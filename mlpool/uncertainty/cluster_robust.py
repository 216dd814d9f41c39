"""Cluster-robust covariances and small-sample df of every kind of model.

A mixed model's V is its working covariance: where clusters hold whole levels of every grouping
factor, V is block-diagonal over them, and clubSandwich's estimators apply. Crossed factors share
no such clusters; several cluster variables, one above each factor, do (inclusion-exclusion).
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from mlpool.designs.engine_data import as_lmm_data
from mlpool.designs.residual_facts import residual_design_of
from mlpool.engine.residual.types import ResidualData
from mlpool.errors import NotSupportedError, OptionError, brief
from mlpool.inference.sandwich.cluster_tests import ClusterPieces
from mlpool.inference.sandwich.heteroscedastic import CR_TYPES
from mlpool.inference.sandwich.mixed import mixed_pieces, splits_levels
from mlpool.inference.sandwich.mixed import score_rows as mixed_score_rows
from mlpool.inference.sandwich.residual import residual_pieces
from mlpool.inference.sandwich.single_level import single_level_pieces
from mlpool.sources.design import PushedDesign
from mlpool.typing import FloatArray, IntArray
from mlpool.uncertainty.by_queries import check_same_group
from mlpool.uncertainty.fit_records import lmm_fit, residual_fit
from mlpool.uncertainty.score_rows import score_rows

if TYPE_CHECKING:
    from mlpool.formula.design import Design
    from mlpool.uncertainty.covariance import VcovChoice
    from mlpool.uncertainty.model_protocol import EstimatedModel

_AS_CR = {"HC0": "CR1", "HC1": "CR1S", "HC2": "CR2", "HC3": "CR3"}
"""vcovCL's types by clubSandwich's names; the same numbers for unweighted least squares."""

_MOST_KEPT = 2_000_000
"""Rows times coefficients up to which a model keeps the pieces of its last robust covariance."""


def outermost_group(design: Design) -> str:
    """Return the grouping factor with the fewest levels: clubSandwich's default cluster."""
    return str(min(design.random, key=lambda r: len(r.levels)).group)


def check_mixed_choice(design: Design, choice: VcovChoice) -> None:
    """Refuse clusters within which a mixed model's rows are not independent of other clusters.

    Raises
    ------
    NotSupportedError
        If a type is for independent rows, or a cluster cuts through levels of a grouping factor.
    """
    if choice.kind == "matrix":
        return
    if not choice.clusters:
        raise NotSupportedError(
            f"vcov={brief(choice.label)} takes rows as independent, and a mixed model's are "
            "not; use a "
            "cluster-robust type such as 'CR2'."
        )
    if isinstance(design, PushedDesign):
        check_same_group(design, choice.cluster_names)
        return
    for random in design.random:
        if all(splits_levels(codes, np.asarray(random.codes)) for codes in choice.clusters):
            raise NotSupportedError(_cut(random.group, choice))
    if len(choice.clusters) > 1 and choice.kind in ("HC2", "HC3"):
        raise NotSupportedError(
            f"vcov={brief(choice.label)} of a mixed model takes one cluster variable; for "
            "several use "
            "'vcovCL' or 'HC0'."
        )


def _cut(group: str, choice: VcovChoice) -> str:
    names = " and ".join(repr(name) for name in choice.cluster_names)
    return (
        f"Rows of one level of the grouping factor {brief(group)} lie in several clusters "
        f"of {names}, "
        ""
        f"so clusters are not independent; cluster at or above {brief(group)}, or by "
        "several columns, "
        "one for each crossed factor."
    )


def robust_mixed_vcov(model: EstimatedModel, choice: VcovChoice) -> FloatArray:
    """Return the cluster-robust covariance of a linear mixed model's coefficients (p, p)."""
    kind = _AS_CR.get(choice.kind, choice.kind)
    if len(choice.clusters) == 1:
        return cluster_pieces(model, choice, kind).vcov
    return _several_ways(model, choice.clusters, kind)


def cluster_pieces(
    model: EstimatedModel, choice: VcovChoice, kind: str | None = None
) -> ClusterPieces:
    """Return what Satterthwaite df and HTZ tests of a cluster-robust covariance need.

    Raises
    ------
    OptionError
        If the covariance is none of clubSandwich's with one cluster variable.
    """
    kind = choice.kind if kind is None else kind
    if kind not in CR_TYPES or len(choice.clusters) != 1:
        raise OptionError(
            "Satterthwaite df and HTZ tests go with one cluster variable and one of "
            f"{CR_TYPES}, as in vcov='CR2'; got {brief(choice.label)}."
        )
    codes = _dense(choice.clusters[0])
    kept = model._cache.get("cluster_pieces")
    if kept is not None and kept[0] == kind and np.array_equal(kept[1].codes, codes):
        result: ClusterPieces = kept[1]
        return result
    result = _pieces(model, codes, kind)
    if codes.size * len(result.beta) <= _MOST_KEPT:
        model._cache["cluster_pieces"] = (kind, result)
    return result


def _pieces(model: EstimatedModel, codes: IntArray, kind: str) -> ClusterPieces:
    if model.kind == "lmer":
        return mixed_pieces(as_lmm_data(model.design), lmm_fit(model), codes, kind)
    if model.kind == "gls":
        return residual_pieces(residual_data_of(model), residual_fit(model), codes, kind)
    return single_level_pieces(score_rows(model), np.asarray(model.fit.beta), codes, kind)


def residual_data_of(model: EstimatedModel) -> ResidualData:
    """Return the rows of a model with a residual covariance, as its engine has them."""
    return residual_design_of(model).data


def residual_group(model: EstimatedModel) -> str | None:
    """Return the default cluster of a model with a residual covariance: its outermost group."""
    if model.design.random:
        return outermost_group(model.design)
    term = model.structure.correlation
    return None if term is None else str(term.group[0])


def check_residual_choice(model: EstimatedModel, choice: VcovChoice) -> None:
    """Refuse clusters that cut through correlated rows, and types for independent rows.

    Raises
    ------
    NotSupportedError
    """
    if choice.kind == "matrix":
        return
    if len(choice.clusters) != 1:
        raise NotSupportedError(
            f"vcov={brief(choice.label)} of a model with a residual structure takes "
            "one cluster variable, as in vcov='CR2', cluster='id'."
        )
    term, data = model.structure.correlation, residual_data_of(model)
    if term is None or data.correlated is None:
        return
    if splits_levels(_dense(choice.clusters[0]), np.asarray(data.correlated.codes)):
        raise NotSupportedError(
            f"Clusters of {brief(choice.cluster_names[0])} cut through the correlated rows of "
            f"{term.text}; cluster at or above {brief(':'.join(term.group))}."
        )


def _several_ways(model: EstimatedModel, clusters: tuple[IntArray, ...], kind: str) -> FloatArray:
    """Cameron, Gelbach & Miller (2011): ``sum_S (-1)^(|S|+1) V_S`` over the cluster variables."""
    data, fit = as_lmm_data(model.design), lmm_fit(model)
    inverse_rows, e = mixed_score_rows(data, fit)
    rows = inverse_rows * e[:, None]
    p = rows.shape[1]
    meat = np.zeros((p, p))
    for size in range(1, len(clusters) + 1):
        for subset in combinations(clusters, size):
            codes = _dense(*subset)
            n_clusters = int(codes.max()) + 1
            sums = np.column_stack([np.bincount(codes, column, n_clusters) for column in rows.T])
            factor = 1.0 if kind == "CR0" else n_clusters / (n_clusters - 1)
            meat += (-1) ** (size + 1) * factor * (sums.T @ sums)
    if kind == "CR1S":
        meat *= (data.n - 1) / (data.n - p)
    bread = fit.sigma**2 * fit.vcov_unscaled
    return np.asarray(0.5 * bread @ (meat + meat.T) @ bread)


def _dense(*clusters: IntArray) -> IntArray:
    """Return codes 0 .. J - 1 of the combinations that occur."""
    codes = np.asarray(clusters[0], dtype=np.int64)
    for other in clusters[1:]:
        codes = codes * (int(np.max(other)) + 1) + other
    return np.asarray(np.unique(codes, return_inverse=True)[1]).ravel()
