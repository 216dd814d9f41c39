"""What is said about a fit: one sentence each, at the user's own line."""

from __future__ import annotations

import warnings
from typing import Any

from mlpool.errors import (
    ConvergenceWarning,
    FewClustersWarning,
    FitError,
    MissingDataWarning,
    RankDeficiencyWarning,
    ScalingWarning,
    SingularFitWarning,
)
from mlpool.formula.design import Design
from mlpool.inference.vcov_spec import FEW_CLUSTERS
from mlpool.models.covariance import VcovChoice


def say_what_was_left_out(design: Design, *, is_mixed: bool, is_linear: bool) -> None:
    """Warn of rows with missing values and of a constant response.

    Raises
    ------
    FitError
        If the response of a mixed model is constant.
    """
    if design.n_missing:
        names = ", ".join(f"{k}: {v}" for k, v in design.missing_by.items() if v)
        warnings.warn(
            f"{design.n_missing} of {design.n_read} rows were left out because of missing values "
            f"({names}).",
            MissingDataWarning,
            stacklevel=user_level(),
        )
    if is_linear and (design.y == design.y[0]).all():
        text = f"The response {design.response_name!r} is constant"
        if is_mixed:
            raise FitError(f"{text}; there is no variance to explain.")
        warnings.warn(f"{text}.", RankDeficiencyWarning, stacklevel=user_level())


def say_what_was_found(
    messages: list[tuple[str, type[Warning]]], choice: VcovChoice | None
) -> None:
    """Warn of findings, and of few clusters behind robust standard errors."""
    for text, category in messages:
        warnings.warn(text, category, stacklevel=user_level())
    if choice is not None:
        say_few_clusters(choice)


def say_few_clusters(choice: VcovChoice) -> None:
    """Warn below 40 clusters."""
    if choice.n_clusters and min(choice.n_clusters) < FEW_CLUSTERS:
        helps = "vcov='CR2' helps"
        if choice.label in ("CR2", "CR3"):
            helps = "and their df too large: ci_method='satterthwaite' helps"
        warnings.warn(
            f"Cluster-robust standard errors rest on {min(choice.n_clusters)} clusters; below "
            f"{FEW_CLUSTERS} they tend to be too small ({helps}).",
            FewClustersWarning,
            stacklevel=user_level(),
        )


def say_not_converged(record: Any) -> None:
    """Warn when a GLM's iterations did not converge."""
    if not record.converged:
        warnings.warn(
            "The iterations of the GLM did not converge; a coefficient may be infinite (outcomes "
            "that a predictor separates completely).",
            ConvergenceWarning,
            stacklevel=user_level(),
        )


def fit_messages(design: Design, record: Any) -> list[tuple[str, type[Warning]]]:
    """Return what a user should know about a fit: aliased columns, then the worst finding."""
    found: list[tuple[str, type[Warning]]] = []
    kept = set(int(i) for i in record.kept)
    dropped = [n for i, n in enumerate(design.X.names) if i not in kept]
    if dropped:
        shown = ", ".join(dropped[:5]) + (", ..." if len(dropped) > 5 else "")
        noun = "column" if len(dropped) == 1 else "columns"
        found.append(
            (
                f"The fixed effects are rank deficient: dropped {len(dropped)} {noun} that "
                f"others determine ({shown}).",
                RankDeficiencyWarning,
            )
        )
    diagnostics = getattr(record, "diagnostics", ())
    for d in diagnostics[:1]:
        if d.code == "singular":
            found.append((_singular_text(d), SingularFitWarning))
        elif d.code in ("scale", "nearly_unidentified"):
            found.append((d.hint, ScalingWarning))
        else:
            found.append(
                (
                    f"The fit did not converge: {d.hint}; see m.optimum and control=.",
                    ConvergenceWarning,
                )
            )
    return found


def _singular_text(d: Any) -> str:
    smallest = f"smallest diagonal of theta {d.value:.2g}"
    if d.hint:
        return f"boundary (singular) fit by lme4's rule ({smallest}), but {d.hint}."
    return (
        "boundary (singular) fit: a random-effects variance is zero or a correlation is +-1 "
        f"({smallest}); a simpler random part may do."
    )


def user_level() -> int:
    """Return the stack level of the first caller outside mlpool, for warnings."""
    import sys

    level, frame = 1, sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").startswith("mlpool."):
        level += 1
        if frame.f_back is None:
            break
        frame = frame.f_back
    return level
