"""`anova` of one model: a test of each term of the fixed part, as R's packages print it.

lm: base R (type I) and car (II, III); glm: base R's analysis of deviance (I) and car's
likelihood-ratio tests (II, III); lmer: lmerTest; glmer: car's Wald tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mlpool.comparisons.tests_table import AnovaLayout, TestColumn
from mlpool.errors import OptionError, brief
from mlpool.hypotheses.aliased_terms import beyond_rest, beyond_some, has_aliased
from mlpool.hypotheses.column_factors import column_factor
from mlpool.hypotheses.joint_tests import METHOD_NAMES, JointInference
from mlpool.hypotheses.term_tests import (
    TermColumns,
    adjusted_rows,
    intercept_columns,
    least_squares_rows,
    left_out,
    terms_of,
    treatment_coded,
    type_three,
)
from mlpool.inference.small_sample.satterthwaite import FTest
from mlpool.typing import FloatArray
from mlpool.uncertainty.fit_records import ols_fit

if TYPE_CHECKING:
    from mlpool.models import FittedModel

ROMAN = {1: "I", 2: "II", 3: "III"}

DF = TestColumn(name="df", header="Df", role="df")
SUM_SQUARES = TestColumn(name="Sum_Squares", header="Sum Sq")
MEAN_SQUARE = TestColumn(name="Mean_Square", header="Mean Sq")
F_VALUE = TestColumn(name="F", header="F value", role="test")
CHISQ = TestColumn(name="Chi2", header="Chisq", role="test")
P_F = TestColumn(name="p", header="Pr(>F)", role="p")
P_CHISQ = TestColumn(name="p", header="Pr(>Chisq)", role="p")


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows and how they are printed, before they become a ResultFrame."""

    data: pd.DataFrame
    layout: AnovaLayout
    method: str
    covariance: str | None = None


def hypotheses_of_terms(
    model: FittedModel, how: JointInference, type_: int, terms: tuple[TermColumns, ...]
) -> list[FloatArray]:
    """Return L of each term: lmerTest's for lmer, car's for every other model."""
    is_mixed = model.kind in ("lmer", "gls")
    if type_ == 3:
        own = beyond_rest(model, terms)
        return type_three(model, terms, own) if is_mixed else own
    if has_aliased(model):
        V = None if is_mixed else how.vcov
        return beyond_some(model, terms, type_, V, by_containment=is_mixed)
    out = [left_out(terms, t, type_, by_containment=is_mixed) for t in terms]
    if is_mixed and any(map(len, out)):
        R = column_factor(model.design, np.asarray(model.fit.kept))
        return [least_squares_rows(R, t.columns, o) for t, o in zip(terms, out, strict=True)]
    return [adjusted_rows(how.vcov, t.columns, o) for t, o in zip(terms, out, strict=True)]


def lm_table(model: FittedModel, how: JointInference, type_: int) -> Table:
    """Return sums of squares and F tests; with a robust covariance F (or chi-square) alone."""
    terms = terms_of(model, aliased=type_ > 1)
    L = hypotheses_of_terms(model, how, type_, terms)
    labels = [t.label for t in terms]
    if type_ == 3 and len(intercept_columns(model)):
        labels = ["(Intercept)", *labels]
        L = [np.eye(len(how.beta))[intercept_columns(model)], *L]
    tests = [how.test(rows) for rows in L]
    if how.covariance is not None or how.method != "residual":
        return _wald_table(model, how, type_, labels, tests)
    sigma2 = model.sigma**2
    data = pd.DataFrame(
        {
            "Parameter": [*labels, "Residuals"],
            "df": [*(t.df_num for t in tests), float(model.df_residual)],
            "Sum_Squares": [*(t.statistic * t.df_num * sigma2 for t in tests), ols_fit(model).rss],
            "Mean_Square": [*(t.statistic * sigma2 for t in tests), sigma2],
            "F": [*(t.statistic for t in tests), np.nan],
            "p": [*(t.p for t in tests), np.nan],
        }
    )
    title = "Analysis of Variance Table"
    columns: tuple[TestColumn, ...] = (DF, SUM_SQUARES, MEAN_SQUARE, F_VALUE, P_F)
    if type_ > 1:
        title = f"Anova Table (Type {ROMAN[type_]} tests)"
        columns = (SUM_SQUARES, DF, F_VALUE, P_F)
    layout = AnovaLayout(
        title=f"{title}\n\n{_response(model)}",
        labels="Parameter",
        columns=columns,
        footers=_coding_note(model, type_, terms),
    )
    return Table(data=data, layout=layout, method=how.method)


def lmer_table(model: FittedModel, how: JointInference, type_: int) -> Table:
    """Return lmerTest's table: sums of squares belong to F and sigma, and df to `how`."""
    terms = terms_of(model, aliased=type_ > 1)
    tests = [how.test(rows) for rows in hypotheses_of_terms(model, how, type_, terms)]
    if not how.is_f or how.covariance is not None:
        return _wald_table(model, how, type_, [t.label for t in terms], tests)
    title = f"Type {ROMAN[type_]} Analysis of Variance Table with {METHOD_NAMES[how.method]}"
    return _f_table(model, how, [t.label for t in terms], tests, title)


def lmer_f_table(
    model: FittedModel, how: JointInference, terms: Sequence[TermColumns], title: str
) -> Table:
    """Return F tests of the terms beyond all others."""
    tests = [how.test(rows) for rows in beyond_rest(model, terms)]
    return _f_table(model, how, [t.label for t in terms], tests, title)


def _f_table(
    model: FittedModel, how: JointInference, labels: list[str], tests: list[FTest], title: str
) -> Table:
    sigma2 = model.sigma**2
    data = pd.DataFrame(
        {
            "Parameter": labels,
            "Sum_Squares": [t.statistic * t.df_num * sigma2 for t in tests],
            "Mean_Square": [t.statistic * sigma2 for t in tests],
            "df": [t.df_num for t in tests],
            "df_error": [t.df_den for t in tests],
            "F": [t.statistic for t in tests],
            "p": [t.p for t in tests],
        }
    )
    columns: tuple[TestColumn, ...] = (
        TestColumn(name="df", header="NumDF"),
        TestColumn(name="df_error", header="DenDF"),
        F_VALUE,
        P_F,
    )
    if model.kind == "gls":  # no sum of squares belongs to residuals that differ
        data = data.drop(columns=["Sum_Squares", "Mean_Square"])
    else:
        columns = (SUM_SQUARES, MEAN_SQUARE, *columns)
    layout = AnovaLayout(title=title, labels="Parameter", columns=columns)
    return Table(data=data, layout=layout, method=how.method)


def sequential_table(model: FittedModel, how: JointInference) -> Table:
    """Return lme4's table: sequential sums of squares in the model's metric, without df and p."""
    terms = terms_of(model)
    out = [left_out(terms, t, 1, by_containment=False) for t in terms]
    L = [adjusted_rows(how.vcov, t.columns, o) for t, o in zip(terms, out, strict=True)]
    F = [how.wald(rows).statistic for rows in L]
    counts = [len(t.columns) for t in terms]
    sigma2 = model.sigma**2
    data = pd.DataFrame(
        {
            "Parameter": [t.label for t in terms],
            "npar": counts,
            "Sum_Squares": [f * k * sigma2 for f, k in zip(F, counts, strict=True)],
            "Mean_Square": [f * sigma2 for f in F],
            "F": F,
        }
    )
    columns = (TestColumn(name="npar", header="npar"), SUM_SQUARES, MEAN_SQUARE, F_VALUE)
    layout = AnovaLayout(title="Analysis of Variance Table", labels="Parameter", columns=columns)
    return Table(data=data, layout=layout, method="lme4")


def wald_chisq_table(model: FittedModel, how: JointInference, type_: int) -> Table:
    """Return car's Wald chi-square tests of glmer, or of glm with a covariance of the user's."""
    terms = terms_of(model, aliased=type_ > 1)
    L = hypotheses_of_terms(model, how, type_, terms)
    labels = [t.label for t in terms]
    if type_ == 3 and len(intercept_columns(model)):
        labels = ["(Intercept)", *labels]
        L = [np.eye(len(how.beta))[intercept_columns(model)], *L]
    return _wald_table(model, how, type_, labels, [how.test(rows) for rows in L])


def _wald_table(
    model: FittedModel, how: JointInference, type_: int, labels: list[str], tests: list[FTest]
) -> Table:
    """Return chi-square or F tests whose footer names the covariance."""
    data = pd.DataFrame({"Parameter": labels, "df": [t.df_num for t in tests]})
    if how.is_f:
        data["df_error"] = [t.df_den for t in tests]
        data["F"] = [t.statistic for t in tests]
        columns: tuple[TestColumn, ...] = (
            TestColumn(name="df", header="NumDF"),
            TestColumn(name="df_error", header="DenDF"),
            F_VALUE,
            P_F,
        )
        kind = "HTZ tests" if how.method == "satterthwaite" else "Wald F tests"
        title = f"Analysis of Variance Table (Type {ROMAN[type_]} {kind})"
    else:
        data.insert(1, "Chi2", [t.statistic * t.df_num for t in tests])
        columns = (CHISQ, DF, P_CHISQ)
        title = f"Analysis of Deviance Table (Type {ROMAN[type_]} Wald chisquare tests)"
    data["p"] = [t.p for t in tests]
    footers = () if how.covariance is None else (f"Covariance: {how.covariance}.",)
    layout = AnovaLayout(
        title=f"{title}\n\n{_response(model)}",
        labels="Parameter",
        columns=columns,
        footers=footers + _coding_note(model, type_, terms_of(model)),
    )
    return Table(data=data, layout=layout, method=how.method, covariance=how.covariance)


def _response(model: FittedModel) -> str:
    return f"Response: {model.design.response_name}"


def _coding_note(model: FittedModel, type_: int, terms: tuple[TermColumns, ...]) -> tuple[str, ...]:
    """Say which factors' treatment coding a type III test of own columns rests on."""
    if type_ != 3 or model.kind in ("lmer", "gls"):
        return ()
    factors = treatment_coded(model, terms)
    if not factors:
        return ()
    named = ", ".join(f"{brief(f)}: 'sum'" for f in factors)
    return (
        "Type III tests of terms within an interaction are at the reference level of "
        f"{', '.join(factors)};\nfit with contrasts={{{named}}} to test them on average.",
    )


def check_has_terms(model: FittedModel) -> None:
    """Refuse least squares without residual df, whose F tests do not exist.

    Raises
    ------
    OptionError
    """
    if model.kind == "lm" and model.df_residual <= 0:
        raise OptionError("The model has no residual degrees of freedom; F tests need some.")
