"""What a reader of a report should know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlpool.checks import check_convergence, check_singularity
from mlpool.checks.result import is_linear
from mlpool.inference.sandwich.vcov_names import FEW_CLUSTERS
from mlpool.performance.explained_variance import fits_exactly
from mlpool.reporting.words import counted, listed

if TYPE_CHECKING:
    from mlpool.models import FittedModel

FEW_GROUPS = 20
"""Levels of a grouping factor below which tests that take variances as known are too bold."""

_EXACT = ("satterthwaite", "kenward")


def cautions(m: FittedModel, method: str, choice: object) -> tuple[str, ...]:
    """Return the cautions, each a sentence."""
    found = [*_fit(m), *_few(m, method, choice), *_left_out(m)]
    return tuple(found)


def _fit(m: FittedModel) -> list[str]:
    converged = check_convergence(m)
    out = [] if converged else [_without_prefix(converged.sentence)]
    if m.df_residual < 1:
        out.append("The model has as many parameters as rows; nothing is left to judge it by.")
    elif is_linear(m) and fits_exactly(m):
        out.append("The model fits its rows exactly; intervals and tests mean nothing.")
    if m.is_mixed:
        singular = check_singularity(m)
        if singular:
            out.append(_without_prefix(singular.sentence))
    return out


def _without_prefix(sentence: str) -> str:
    text = sentence.partition(": ")[2]
    return text[0].upper() + text[1:]


def _few(m: FittedModel, method: str, choice: Any) -> list[str]:
    if method in _EXACT:
        return []
    if choice is not None:
        n = min(choice.n_clusters, default=FEW_CLUSTERS)
        if n >= FEW_CLUSTERS:
            return []
        return [
            f"Cluster-robust tests rest on {counted(n, 'cluster')}; below {FEW_CLUSTERS} they tend "
            "to be too bold (vcov='CR2' with ci_method='satterthwaite' helps)."
        ]
    few = [f"{name} ({n})" for name, n in m.ngroups.items() if n < FEW_GROUPS]
    if not few:
        return []
    help_ = " (ci_method='kenward' or 'satterthwaite' helps)" if m.kind == "lmer" else ""
    return [
        f"With fewer than {FEW_GROUPS} levels of {listed(few)}, tests that take the variances as "
        f"known tend to be too bold{help_}."
    ]


def _left_out(m: FittedModel) -> list[str]:
    out = []
    if m.n_missing:
        names = [f"{name}: {n}" for name, n in m.design.missing_by.items() if n]
        out.append(
            f"{m.n_missing} of {counted(m.design.n_read, 'row')} were left out because of missing "
            f"values ({', '.join(names)})."
        )
    if m.aliased:
        shown = ", ".join(m.aliased[:5]) + (", ..." if len(m.aliased) > 5 else "")
        out.append(
            f"{counted(len(m.aliased), 'coefficient')} could not be estimated because others "
            f"determine them ({shown})."
        )
    return out
