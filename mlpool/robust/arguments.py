"""What the verbs of this folder are given: models, clusters, coefficients, hypotheses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mlpool.errors import NotSupportedError, OptionError, nearest_names
from mlpool.inference.cluster_tests import ClusterPieces
from mlpool.inference.vcov import CR_TYPES
from mlpool.models.contrasts import Covariance, robust_pieces
from mlpool.models.covariance import VcovChoice, choose_vcov
from mlpool.models.fitted import FittedModel
from mlpool.models.messages import say_few_clusters
from mlpool.typing import FloatArray

KINDS = ("lm", "glm", "lmer")


def check_model(model: Any, verb: str) -> FittedModel:
    """Return `model`.

    Raises
    ------
    OptionError
        If it is no fitted model.
    NotSupportedError
        For a kind of model without clubSandwich's estimators.
    """
    if not isinstance(model, FittedModel):
        raise OptionError(f"{verb} needs a fitted model; got {type(model).__name__}.")
    if model.kind not in KINDS:
        raise NotSupportedError(f"{verb} is for {KINDS}; this is a {model.kind} model.")
    return model


def find_pieces(
    model: FittedModel, vcov: Any, cluster: Any, *, warn_few: bool = False
) -> tuple[ClusterPieces, VcovChoice]:
    """Return the pieces of a cluster-robust covariance, and the choice they come from.

    A model that was fitted with clusters keeps them; `vcov` alone changes the type.

    Raises
    ------
    OptionError
        If `vcov` is none of clubSandwich's types, or no cluster is known.
    """
    if not isinstance(vcov, str) or vcov not in CR_TYPES:
        hint = nearest_names(vcov, CR_TYPES) if isinstance(vcov, str) else ""
        raise OptionError(f"vcov must be one of {CR_TYPES}; got {vcov!r}.{hint}")
    fitted = model.vcov_choice
    if cluster is None and fitted is not None and fitted.clusters:
        cluster = list(fitted.clusters)
    choice = choose_vcov(model.design, vcov, cluster, model.names)
    assert choice is not None
    if fitted is not None and fitted.cluster_names and choice.cluster_names[0] == "cluster":
        choice = _renamed(choice, fitted.cluster_names)
    pieces = robust_pieces(model, Covariance(type=vcov, cluster=cluster, label=vcov))
    if warn_few:
        say_few_clusters(choice)
    return pieces, choice


def _renamed(choice: VcovChoice, names: tuple[str, ...]) -> VcovChoice:
    from dataclasses import replace

    return replace(choice, cluster_names=names)


def source_note(choice: VcovChoice, *, type_: str | None = None) -> str:
    """Say which covariance and which clusters: ``Cluster-robust (CR2): 160 clusters of school.``"""
    name, count = choice.cluster_names[0], choice.n_clusters[0]
    of = "" if name == "cluster" else f" of {name}"
    return f"Cluster-robust ({type_ or choice.label}): {count} clusters{of}."


def find_coefficients(model: FittedModel, coefs: Any) -> list[int]:
    """Return the positions of named coefficients; all by default.

    Raises
    ------
    OptionError
        For unknown names.
    """
    names = model.names
    if coefs is None:
        return list(range(len(names)))
    wanted = [coefs] if isinstance(coefs, str) else list(coefs)
    for name in wanted:
        if name not in names:
            raise OptionError(
                f"The model has no coefficient {name!r}; it has {', '.join(names)}."
                + nearest_names(str(name), names)
            )
    return [names.index(name) for name in wanted]


def read_hypotheses(model: FittedModel, constraints: Any) -> tuple[FloatArray, FloatArray]:
    """Return L (q, p) and the values tested (q,).

    Parameters
    ----------
    constraints : sequence of coefficient names (each is zero), or matrix of shape (q, p)

    Raises
    ------
    OptionError
        For unknown names, or a matrix of another width.
    """
    p = len(model.names)
    is_names = isinstance(constraints, str) or (
        isinstance(constraints, Sequence) and all(isinstance(c, str) for c in constraints)
    )
    if is_names:
        L = np.eye(p)[find_coefficients(model, constraints)]
    else:
        try:
            L = np.atleast_2d(np.asarray(constraints, dtype=np.float64))
        except (TypeError, ValueError) as error:
            raise OptionError(
                "constraints are names of coefficients or a matrix with one column per "
                f"coefficient; got {type(constraints).__name__}."
            ) from error
    if L.ndim != 2 or L.shape[1] != p or L.shape[0] == 0:
        raise OptionError(
            f"constraints need one number per coefficient ({p}); got shape {L.shape}."
        )
    if np.linalg.matrix_rank(L) < len(L):
        raise OptionError("The hypotheses depend on each other; drop the redundant ones.")
    return L, np.zeros(len(L))
