"""What the estimates are called, and notes on how standard errors and p-values were found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlpool.hypotheses.linear_combinations import Covariance, chosen_covariance
from mlpool.uncertainty.covariance import robust_source

if TYPE_CHECKING:
    from mlpool.models import FittedModel

_HEADERS: dict[tuple[str, str], tuple[str, str]] = {
    ("binomial", "logit"): ("Log-Odds", "Odds Ratio"),
    ("binomial", "log"): ("Log-Risk", "Risk Ratio"),
    ("binomial", "probit"): ("Z-Score", "Z-Score"),
    ("poisson", "log"): ("Log-Mean", "IRR"),
    ("nbinom2", "log"): ("Log-Mean", "IRR"),
    ("nbinom1", "log"): ("Log-Mean", "IRR"),
}
"""(family, link) -> header on the link scale, header of exponentiated coefficients."""

_APPROXIMATIONS = {
    "satterthwaite": " with Satterthwaite degrees of freedom",
    "kenward": " with Kenward-Roger degrees of freedom and standard errors",
}


def coefficient_header(m: FittedModel, exponentiate: bool) -> str:
    """Return the header of the estimates: ``Coefficient``, ``Log-Odds``, ``Odds Ratio`` ..."""
    if m.family is None:
        return "Coefficient"
    plain, ratio = _HEADERS.get((m.family.kin, m.family.link), ("Coefficient",) * 2)
    return ratio if exponentiate else plain


def method_notes(
    m: FittedModel, method: str, exponentiate: bool, covariance: Covariance | None = None
) -> tuple[str, ...]:
    """Return sentences on intervals and p-values, standard errors, and log and logit scales."""
    notes = []
    if method == "bootstrap":
        notes.append("Intervals are percentiles and p-values two-tailed, both of bootstrap draws.")
    else:
        notes.append(_wald_note(m, method))
    choice = None if covariance is None else chosen_covariance(m, covariance)
    if choice is not None:
        notes.append(f"Standard errors are robust ({robust_source(choice)}).")
    if m.family is not None and not exponentiate and m.family.link in ("log", "logit"):
        notes.append(
            f"The coefficients are on the {m.family.link} scale; exponentiate=True gives ratios."
        )
    return tuple(notes)


def solver_notes(m: FittedModel) -> tuple[str, ...]:
    """Return the sentence on the Monte Carlo errors of the iterative solver, where it worked."""
    record = getattr(m.fit, "monte_carlo", None)
    if record is None:
        return ()
    return (
        f"Fitted iteratively (seed {record.seed}); Monte Carlo errors: "
        f"{100 * record.theta_share:.2g}% of the variance parameters' standard errors, "
        f"{record.deviance_error:.2g} in -2 log-likelihood.",
    )


def _wald_note(m: FittedModel, method: str) -> str:
    test = "z" if m.family is not None and not m.family.has_dispersion else "t"
    if method == "profile":
        return (
            f"Intervals are from the profile likelihood, p-values two-tailed by a Wald {test}-test."
        )
    distribution = "normal" if method == "normal" or test == "z" else "t"
    return (
        f"Intervals are equal-tailed and p-values two-tailed, by a Wald {distribution} "
        f"approximation{_APPROXIMATIONS.get(method, '')}."
    )
