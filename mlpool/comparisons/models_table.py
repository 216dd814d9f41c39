"""`anova` of several models: R's tables for lm and glm, lme4's for models with random effects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mlpool.comparisons.terms_table import CHISQ, DF, P_CHISQ, Table
from mlpool.comparisons.tests_table import AnovaLayout, TestColumn
from mlpool.errors import OptionError, brief
from mlpool.hypotheses.nested_models import (
    has_new_variance,
    null_mixture,
    same_fixed,
    why_not_nested,
)
from mlpool.inference.boundary import mixture_p, mixture_text
from mlpool.inference.wald import chi2_upper_p, f_upper_p
from mlpool.refits.reduced_models import by_ml, comparable_logliks
from mlpool.uncertainty.fit_records import ols_fit

if TYPE_CHECKING:
    from mlpool.models import FittedModel

P_BOUNDARY = TestColumn(name="p_boundary", header="Pr(boundary)", role="p")
_SLACK = 1e-6
"""By how much the likelihood of a larger model may stay below that of a smaller one by rounding."""
_ERRORS = 4.0
"""Monte Carlo standard errors by which it may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The likelihood ratio of one model against the one before.

    Attributes
    ----------
    chi2, df, p : float
        NaN where the models are not nested.
    p_boundary : float
        By the mixture; NaN where there is none in closed form or no boundary.
    mixture : str
        ``1/2 chi2(0) + 1/2 chi2(1)``; empty without a boundary.
    remark : str
        Why there is no test; empty where there is one.
    error : float
        Monte Carlo standard error of `chi2`, of fits by the iterative solver.
    """

    chi2: float = np.nan
    df: float = np.nan
    p: float = np.nan
    p_boundary: float = np.nan
    mixture: str = ""
    remark: str = ""
    error: float = 0.0


def ratio_step(small: tuple[str, FittedModel, float], big: tuple[str, FittedModel, float]) -> Step:
    """Compare two models by name, model and log-likelihood; the first has fewer parameters."""
    (name_a, a, loglik_a), (name_b, b, loglik_b) = small, big
    df = float(b.loglik_df - a.loglik_df)
    reason = why_not_nested((name_a, a), (name_b, b))
    if reason is not None:
        return Step(df=df, remark=f"{reason}: no test.")
    if df == 0:
        return Step(df=0.0, remark=f"{name_a} and {name_b} are the same model.")
    error = float(np.hypot(_deviance_error(a), _deviance_error(b)))
    if loglik_b < loglik_a - _SLACK * max(1.0, abs(loglik_a)) - _ERRORS * error:
        return Step(
            df=df,
            remark=f"The likelihood of {name_b} is below that of {name_a}, a special case of it: "
            "one search did not reach its optimum, so there is no test.",
        )
    chi2 = max(0.0, 2.0 * (loglik_b - loglik_a))
    step = Step(chi2=chi2, df=df, p=chi2_upper_p(chi2, df), error=error)
    if not has_new_variance(a, b):
        return step
    mixture = null_mixture(a, b)
    if mixture is None:
        return replace(step, mixture="unknown")
    return replace(step, p_boundary=mixture_p(chi2, mixture), mixture=mixture_text(mixture))


def _deviance_error(m: FittedModel) -> float:
    """Return the Monte Carlo standard error of a model's -2 log-likelihood."""
    record = getattr(m.fit, "monte_carlo", None)
    return 0.0 if record is None else float(record.deviance_error)


def error_notes(steps: Mapping[str, Step]) -> list[str]:
    """Say how far the probes of the iterative solver leave a test's statistic uncertain."""
    return [
        f"Chi2 of {name} has a Monte Carlo standard error of {step.error:.2g}."
        for name, step in steps.items()
        if step.error > 0.0 and not step.remark
    ]


def described(m: FittedModel) -> str:
    """Return a model's formula, and what it says about residuals."""
    term, dispersion = m.structure.correlation, m.structure.dispersion_text
    parts = [m.formula.text, *([] if term is None else [term.text])]
    return ", ".join([*parts, dispersion] if m.structure.dispersion else parts)


def boundary_notes(steps: Mapping[str, Step]) -> list[str]:
    """Say which mixtures are behind the column of corrected p-values."""
    notes = []
    for name, step in steps.items():
        if step.mixture == "unknown":
            notes.append(f"Boundary p of {name}: no closed form; anova(bootstrap=1000) has one.")
        elif step.mixture:
            notes.append(f"Boundary p of {name}: {step.mixture}.")
    return notes


def likelihood_table(models: Mapping[str, FittedModel], *, refit: bool, boundary: bool) -> Table:
    """Return lme4's table: models by number of parameters, likelihood ratios between neighbours.

    Raises
    ------
    OptionError
        If REML likelihoods of different fixed effects would be compared.
    """
    chosen = sorted(models.items(), key=lambda item: item[1].loglik_df)
    was_reml = any(m.reml for _, m in chosen)
    if was_reml and not refit:
        check_reml(chosen)
    else:
        chosen = [(name, by_ml(m)) for name, m in chosen]
    logliks = comparable_logliks([m for _, m in chosen], reml=was_reml and not refit)
    states = [(name, m, ll) for (name, m), ll in zip(chosen, logliks, strict=True)]
    steps = {b[0]: ratio_step(a, b) for a, b in pairwise(states)}
    rows = []
    for name, m, loglik in states:
        step, k = steps.get(name, Step()), m.loglik_df
        rows.append(
            {
                "Name": name, "npar": k, "AIC": -2 * loglik + 2 * k,
                "BIC": -2 * loglik + float(np.log(m.nobs)) * k, "logLik": loglik,
                "deviance": -2 * loglik, "Chi2": step.chi2, "df": step.df, "p": step.p,
                "p_boundary": step.p_boundary,
            }
        )  # fmt: skip
    columns = (
        TestColumn(name="npar", header="npar"),
        *(TestColumn(name=n, header=n) for n in ("AIC", "BIC", "logLik", "deviance")),
        CHISQ, DF, P_CHISQ,
    )  # fmt: skip
    notes = [s.remark for s in steps.values() if s.remark] + error_notes(steps)
    if boundary:
        columns = (*columns, P_BOUNDARY)
        notes += boundary_notes(steps)
    said = ", REML fits fitted again by ML" if was_reml and refit else ""
    title = [f"Data: {chosen[0][1].nobs} rows{said}", "Models:"]
    title += [f"{name}: {described(m)}" for name, m in chosen]
    layout = AnovaLayout(
        title="\n".join(title), labels="Name", columns=columns, footers=tuple(notes)
    )
    method = "REML" if was_reml and not refit else "ML"
    return Table(data=pd.DataFrame(rows), layout=layout, method=method)


def check_reml(chosen: list[tuple[str, FittedModel]]) -> None:
    """Refuse REML likelihoods that cannot be compared.

    Raises
    ------
    OptionError
        For ML fits, or different fixed effects.
    """
    (first_name, first), *others = chosen
    for name, m in chosen:
        if m.kind in ("lmer", "gls") and not m.reml:
            raise OptionError(f"{brief(name)} was fitted by ML and others by REML; use refit=True.")
    for name, m in others:
        if not same_fixed(first, m):
            raise OptionError(
                f"REML likelihoods of {brief(first_name)} and {brief(name)} cannot be "
                "compared: their fixed "
                "effects differ. Use refit=True (ML)."
            )


def least_squares_table(models: Mapping[str, FittedModel]) -> Table:
    """Return R's ``anova(lm1, lm2, ...)``: F tests against the residuals of the largest model."""
    chosen = list(models.items())
    df = np.array([float(m.df_residual) for _, m in chosen])
    rss = np.array([float(ols_fit(m).rss) for _, m in chosen])
    largest = int(np.argmin(df))
    if df[largest] <= 0:
        raise OptionError("The largest model has no residual degrees of freedom to test against.")
    steps, drops = -np.diff(df), -np.diff(rss)
    tested, notes = _nested_neighbours(chosen)
    scale = rss[largest] / df[largest]
    with np.errstate(divide="ignore", invalid="ignore"):
        F = np.where(tested & (steps != 0), drops / steps / scale, np.nan)
    p = f_upper_p(F, np.abs(steps), df[largest])
    data = pd.DataFrame(
        {
            "Name": [str(i + 1) for i in range(len(chosen))],
            "df_residual": df, "RSS": rss, "df": [np.nan, *steps],
            "Sum_Squares": [np.nan, *np.where(tested, drops, np.nan)],
            "F": [np.nan, *F], "p": [np.nan, *np.where(np.isnan(F), np.nan, p)],
        }
    )  # fmt: skip
    columns = (
        TestColumn(name="df_residual", header="Res.Df", role="df"),
        TestColumn(name="RSS", header="RSS"),
        DF,
        TestColumn(name="Sum_Squares", header="Sum of Sq"),
        TestColumn(name="F", header="F", role="test"),
        TestColumn(name="p", header="Pr(>F)", role="p"),
    )
    layout = AnovaLayout(
        title=listed_models("Analysis of Variance Table", chosen), labels="Name", columns=columns,
        footers=notes,
    )  # fmt: skip
    return Table(data=data, layout=layout, method="residual")


def deviances_table(models: Mapping[str, FittedModel], test: str) -> Table:
    """Return R's ``anova(glm1, glm2, ...)``: drops in deviance, by the largest's dispersion."""
    chosen = list(models.items())
    df = np.array([float(m.df_residual) for _, m in chosen])
    deviance = np.array([float(m.deviance) for _, m in chosen])
    largest = chosen[int(np.argmin(df))][1]
    steps, drops = -np.diff(df), -np.diff(deviance)
    dispersion = ols_fit(largest).dispersion
    tested, notes = _nested_neighbours(chosen)
    signs = np.sign(steps)
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = np.where(
            tested & (steps != 0),
            np.maximum(signs * drops, 0) / dispersion,
            np.nan,
        )
        F = scaled / np.abs(steps)
    data = pd.DataFrame(
        {
            "Name": [str(i + 1) for i in range(len(chosen))],
            "df_residual": df, "Deviance_residual": deviance, "df": [np.nan, *steps],
            "Deviance": [np.nan, *drops],
        }
    )  # fmt: skip
    columns: tuple[TestColumn, ...] = (
        TestColumn(name="df_residual", header="Resid. Df", role="df"),
        TestColumn(name="Deviance_residual", header="Resid. Dev"),
        DF,
        TestColumn(name="Deviance", header="Deviance"),
    )
    if test == "F":
        data["F"] = [np.nan, *F]
        p = np.asarray(f_upper_p(F, np.abs(steps), float(largest.df_residual)))
        columns = (*columns, TestColumn(name="F", header="F", role="test"))
    else:
        p = np.array([chi2_upper_p(s, abs(k)) for s, k in zip(scaled, steps, strict=True)])
    data["p"] = [np.nan, *np.where(np.isnan(scaled), np.nan, p)]
    header = "Pr(>F)" if test == "F" else "Pr(>Chi)"
    layout = AnovaLayout(
        title=listed_models("Analysis of Deviance Table", chosen),
        labels="Name",
        columns=(*columns, TestColumn(name="p", header=header, role="p")),
        footers=notes,
    )
    return Table(data=data, layout=layout, method=f"LR {test}")


def _nested_neighbours(chosen: list[tuple[str, FittedModel]]) -> tuple[Any, tuple[str, ...]]:
    """Return which neighbours are nested (either way), and a sentence for those that are not."""
    found, notes = [], []
    for a, b in pairwise(chosen):
        small, big = (a, b) if len(a[1].names) <= len(b[1].names) else (b, a)
        reason = why_not_nested(small, big)
        found.append(reason is None)
        if reason is not None:
            plain = reason.startswith(f"{small[0]} is not nested")
            notes.append(
                f"{a[0]} and {b[0]} are not nested: no test." if plain else f"{reason}: no test."
            )
    return np.array(found, dtype=bool), tuple(notes)


def listed_models(title: str, chosen: list[tuple[str, FittedModel]]) -> str:
    """Return a title with a line for each model."""
    lines = [title, ""]
    for i, (name, m) in enumerate(chosen):
        label = f"Model {i + 1}"
        own = "" if name == label else f" ({name})"
        lines.append(f"{label}{own}: {described(m)}")
    return "\n".join(lines)
