"""What was fitted, to which rows, and how intervals and p-values were made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlpool.hypotheses.linear_combinations import residual_df
from mlpool.models import GeneralizedLinearMixedModel
from mlpool.models import family as family_of
from mlpool.reporting.residuals import structure_sentences
from mlpool.reporting.words import counted, group_counts, listed
from mlpool.tables.cells import format_counts

if TYPE_CHECKING:
    from mlpool.models import FittedModel

_FAMILIES = {
    ("binomial", "logit"): "logistic",
    ("binomial", "probit"): "probit",
    ("poisson", "log"): "Poisson",
    ("nbinom1", "log"): "negative binomial",
    ("nbinom2", "log"): "negative binomial",
    ("Gamma", "log"): "Gamma",
}
_DF = {
    "satterthwaite": "Satterthwaite's degrees of freedom",
    "kenward": "Kenward and Roger's degrees of freedom and standard errors",
}


def model_sentences(m: FittedModel) -> str:
    """Say what was fitted to which rows."""
    predictors = _predictors(m)
    goal = f"of {m.design.response_name} with an intercept alone"
    if predictors:
        goal = f"to predict {m.design.response_name} from {listed(predictors)}"
    text = f"We fitted a {_kind(m)} {goal} (formula: {m.formula.text}; {_estimator(m)})."
    rows = f"It rests on {counted(m.nobs, 'row')}"
    if m.is_mixed:
        rows += f" in {group_counts(m)}"
    structure = structure_sentences(m)
    return f"{text} {rows}.{_extras(m)}" + (f" {structure}" if structure else "")


def _kind(m: FittedModel) -> str:
    mixed = "mixed model" if m.is_mixed else "model"
    if m.family is None:
        return f"linear {mixed}"
    name = _FAMILIES.get((m.family.name, m.family.link))
    return f"{name} {mixed}" if name else f"generalized linear {mixed}"


def _estimator(m: FittedModel) -> str:
    if m.kind == "lm":
        return "least squares" if m.design.weights is None else "weighted least squares"
    if m.kind in ("lmer", "gls"):
        return "restricted maximum likelihood, REML" if m.reml else "maximum likelihood, ML"
    own = family_of(m)
    family = f"family {own.name} with {own.link} link"
    if not isinstance(m, GeneralizedLinearMixedModel):
        return f"{family}, maximum {'quasi-' if own.is_quasi else ''}likelihood"
    how = {0: "with nAGQ = 0, a rough approximation", 1: "by Laplace's approximation"}.get(
        m.nAGQ, f"by adaptive Gauss-Hermite quadrature with {m.nAGQ} nodes"
    )
    return f"{family}, maximum likelihood {how}"


def _predictors(m: FittedModel) -> list[str]:
    names = [v for term in m.formula.fixed.terms for e in term for v in e.columns]
    return list(dict.fromkeys(names))


def _extras(m: FittedModel) -> str:
    out = ""
    if m.design.weights is not None and m.kind != "lm":
        out += " Rows carry prior weights."
    if m.design.offset is not None:
        out += " The linear predictor has an offset."
    return out


def method_sentences(m: FittedModel, method: str, choice: object) -> str:
    """Say how standard errors, intervals and p-values were made."""
    letter = "z" if residual_df(m) == float("inf") else "t"
    if letter == "t" and m.df_residual < 1:
        return ""
    if method == "profile":
        tests = f"intervals come from the profile likelihood, p-values from Wald {letter}-tests"
    elif method in _DF:
        tests = f"intervals and p-values come from t-tests with {_DF[method]}"
    elif letter == "z":
        tests = "intervals and p-values come from Wald z-tests"
    elif method == "normal":
        tests = "intervals and p-values come from the normal distribution (Wald)"
    else:
        df = format_counts([float(m.df_residual)])[0]
        tests = f"intervals and p-values come from t-tests with {df} residual degrees of freedom"
    if choice is None:
        return f"Its {tests}."
    return f"{_robust(choice)}; {tests}."


def _robust(choice: Any) -> str:
    """Say which robust standard errors: their type, and clusters."""
    if choice.kind == "matrix":
        return "Standard errors come from a covariance matrix that was given"
    if not choice.clusters:
        return f"Standard errors are heteroscedasticity-consistent ({choice.label})"
    named = [
        counted(n, "cluster") + ("" if name == "cluster" else f" of {name}")
        for n, name in zip(choice.n_clusters, choice.cluster_names, strict=True)
    ]
    return f"Standard errors are cluster-robust ({choice.label}, {listed(named)})"


def heading(m: FittedModel) -> str:
    """Return what the coefficients are: ``Coefficients``, ``Fixed effects, as log-odds``."""
    scale = {"logit": ", as log-odds", "log": ", on the log scale", "probit": ", as z-scores"}
    name = "Fixed effects" if m.is_mixed else "Coefficients"
    if m.family is None or m.family.link == "identity":
        return name
    return name + scale.get(m.family.link, f", on the {m.family.link} scale")
