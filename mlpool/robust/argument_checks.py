"""What the verbs of this folder are given: models, clusters, coefficients, hypotheses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlpool.argument_values import names as given_names
from mlpool.errors import NotSupportedError, OptionError, brief, nearest_names
from mlpool.hypotheses.linear_combinations import Covariance, robust_pieces
from mlpool.inference.sandwich.cluster_tests import ClusterPieces
from mlpool.inference.sandwich.heteroscedastic import CR_TYPES
from mlpool.models.fitted import FittedModel
from mlpool.uncertainty.covariance import VcovChoice, chosen_vcov
from mlpool.uncertainty.covariance_warnings import say_few_clusters

if TYPE_CHECKING:
    from collections.abc import Sequence
from mlpool.typing import ClusterLike, NamesLike, VcovLike

KINDS = ("lm", "glm", "lmer", "gls")


def check_model(model: FittedModel, verb: str) -> FittedModel:
    """Return `model`.

    Raises
    ------
    OptionError
        If it is no fitted model.
    NotSupportedError
        For a kind of model without clubSandwich's estimators.
    """
    if not isinstance(model, FittedModel):
        raise OptionError(f"{verb} needs a fitted model; got {brief(model)}.")
    if model.kind not in KINDS:
        raise NotSupportedError(f"{verb} is for {KINDS}; this is a {model.kind} model.")
    return model


def find_pieces(
    model: FittedModel,
    vcov: VcovLike | None,
    cluster: ClusterLike | None,
    *,
    warn_few: bool = False,
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
        raise OptionError(f"vcov must be one of {CR_TYPES}; got {brief(vcov)}.{hint}")
    fitted = model.vcov_choice
    if cluster is None and fitted is not None and fitted.clusters:
        cluster = list(fitted.clusters)
    choice = chosen_vcov(model, vcov, cluster)
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


def find_coefficients(model: FittedModel, coefs: NamesLike | Sequence[int] | None) -> list[int]:
    """Return the positions of named coefficients; all by default.

    Raises
    ------
    OptionError
        For unknown names.
    """
    names = model.names
    if coefs is None:
        return list(range(len(names)))
    wanted = given_names(coefs, "coefs")
    for name in wanted:
        if name not in names:
            raise OptionError(
                f"The model has no coefficient {brief(name)}; it has {', '.join(names)}."
                + nearest_names(name, names)
            )
    return [names.index(name) for name in wanted]
