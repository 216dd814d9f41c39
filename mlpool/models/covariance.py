"""The covariance of a model's coefficients: model-based, robust, or the user's own matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mlpool.errors import NotSupportedError, OptionError
from mlpool.inference.vcov import ScoreRows, robust_vcov
from mlpool.inference.vcov_spec import VcovSpec
from mlpool.typing import FloatArray, IntArray

if TYPE_CHECKING:
    from mlpool.models.fitted import FittedModel


@dataclass(frozen=True, kw_only=True)
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
    matrix : ndarray or None
    """

    label: str
    kind: str
    clusters: tuple[IntArray, ...] = ()
    n_clusters: tuple[int, ...] = ()
    matrix: FloatArray | None = None


def choose_vcov(design: Any, vcov: Any, cluster: Any, names: list[str]) -> VcovChoice | None:
    """Return what a user's ``vcov=`` and ``cluster=`` mean; None for the model-based covariance.

    Raises
    ------
    OptionError, DataError
        For unknown types or clusters that do not fit the data.
    """
    spec = VcovSpec.from_user_input(vcov, cluster)
    if spec.is_model_based:
        return None
    if spec.matrix is not None:
        if spec.matrix.shape[0] != len(names):
            raise OptionError(
                f"vcov has shape {spec.matrix.shape}; the model has {len(names)} coefficients."
            )
        return VcovChoice(label="matrix", kind="matrix", matrix=spec.matrix)
    coded = [design.codes(way) for way in spec.cluster]
    return VcovChoice(
        label=spec.label,
        kind=spec.type,
        clusters=tuple(codes for codes, _ in coded),
        n_clusters=tuple(len(levels) for _, levels in coded),
    )


def coefficient_vcov(model: FittedModel, vcov: Any = None, cluster: Any = None) -> FloatArray:
    """Return the covariance (p, p) asked for; the one chosen at fit time by default."""
    if isinstance(vcov, str) and vcov in ("model", "const") and cluster is None:
        return model_vcov(model)
    choice = choose_vcov(model.design, vcov, cluster, model.names) or model.vcov_choice
    if choice is None:
        return model_vcov(model)
    if choice.matrix is not None:
        return choice.matrix
    return robust_vcov(score_rows(model), choice.kind, choice.clusters or None)


def model_vcov(model: FittedModel) -> FloatArray:
    """Return the model-based covariance."""
    scale = model.fit.dispersion if model.kind == "glm" else model.fit.sigma**2
    return np.asarray(model.fit.vcov_unscaled * scale)


def score_rows(model: FittedModel) -> ScoreRows:
    """Return what sandwiches need.

    Raises
    ------
    NotSupportedError
        For mixed models, whose covariance already models the clusters.
    """
    fit = model.fit
    if model.kind == "lmer":
        raise NotSupportedError(
            "Robust covariances are for lm and glm; a mixed model's standard errors already "
            "account for its clusters."
        )
    columns = model.design.X.dense()
    if columns.shape[1] > len(fit.kept):
        columns = columns[:, fit.kept]
    if model.family is not None:
        eta = model.family.link_of(fit.fitted)
        return ScoreRows(
            X=columns,
            resid=fit.working_resid,
            bread=fit.vcov_unscaled,
            weights=fit.working_weights,
            mu_eta=model.family.derivative(eta),
        )
    return ScoreRows(
        X=columns,
        resid=model.design.y - fit.fitted,
        bread=fit.vcov_unscaled,
        weights=model.design.weights,
    )
