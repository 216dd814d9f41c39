"""What is said about a covariance of coefficients: few clusters, negative variances, no Hessian."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from mlpool.errors import ConvergenceWarning, FewClustersWarning, user_level
from mlpool.inference.sandwich.vcov_names import FEW_CLUSTERS

if TYPE_CHECKING:
    from mlpool.uncertainty.covariance import VcovChoice


def say_few_clusters(choice: VcovChoice, kind: str = "") -> None:
    """Warn below 40 clusters; `kind` is the model's, glmer having no CR2."""
    if choice.n_clusters and min(choice.n_clusters) < FEW_CLUSTERS:
        helps = "vcov='CR2' helps"
        if choice.label in ("CR2", "CR3"):
            helps = "and their df too large: ci_method='satterthwaite' helps"
        if kind == "glmer":
            helps = "a bootstrap of clusters helps"
        warnings.warn(
            f"Cluster-robust standard errors rest on {min(choice.n_clusters)} clusters; below "
            f"{FEW_CLUSTERS} they tend to be too small ({helps}).",
            FewClustersWarning,
            stacklevel=user_level(),
        )


def say_negative_variances(names: list[str], choice: VcovChoice) -> None:
    """Warn of coefficients whose variance by several cluster variables is negative."""
    ways = " and ".join(name for name in choice.cluster_names if name != "cluster")
    warnings.warn(
        f"The covariance by clusters{' of ' + ways if ways else ''} has a negative variance for "
        f"{', '.join(names)}, so that there is no standard error; vcov_args={{'fix': True}} sets "
        "negative eigenvalues to zero, as sandwich does, or cluster by one of them.",
        FewClustersWarning,
        stacklevel=user_level(),
    )


def say_conditional_vcov() -> None:
    """Warn that standard errors take the random effects' covariance as known."""
    warnings.warn(
        "The Hessian of the deviance is not positive definite; standard errors come from the "
        "information given theta instead (vcov('conditional')).",
        ConvergenceWarning,
        stacklevel=user_level(),
    )
