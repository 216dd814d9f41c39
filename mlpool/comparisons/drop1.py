"""`drop1`: what each term of the fixed part is worth, as R's ``drop1`` of every kind of model."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Unpack

import numpy as np
import pandas as pd

from mlpool.argument_values import names as given_names
from mlpool.argument_values import number
from mlpool.comparisons.deviance_table import ColumnFits, check_f
from mlpool.comparisons.terms_table import DF, F_VALUE, P_F, Table, lmer_f_table
from mlpool.comparisons.tests_table import DIGITS, AnovaLayout, TestColumn
from mlpool.errors import OptionError, brief, nearest_names
from mlpool.hypotheses.aliased_terms import beyond_rest
from mlpool.hypotheses.joint_tests import METHOD_NAMES, joint_inference
from mlpool.hypotheses.term_tests import TermColumns, terms_of
from mlpool.inference.wald import chi2_upper_p, f_upper_p
from mlpool.keywords import DroppedSpellings
from mlpool.models import GeneralizedLinearModel
from mlpool.models.argument_checks import backend_of, check_model
from mlpool.option_spellings import also_spelt, read_value
from mlpool.refits.reduced_models import (
    by_ml,
    comparable_logliks,
    formula_text,
    refit_formula,
    without_terms,
)
from mlpool.results import ResultFrame
from mlpool.typing import FloatArray
from mlpool.uncertainty.fit_records import ols_fit

if TYPE_CHECKING:
    from mlpool.models import FittedModel

_TITLE = "Single term deletions"
_DDF = ("satterthwaite", "kenward")
_P_CHI = TestColumn(name="p", header="Pr(>Chi)", role="p")


@also_spelt("ci_method", "test", keywords=DroppedSpellings)
def drop1(
    model: FittedModel,
    scope: str | Iterable[str] | None = None,
    *,
    test: str | None = None,
    ddf: str = "Satterthwaite",
    k: float = 2.0,
    **spellings: Unpack[DroppedSpellings],
) -> ResultFrame:
    """Compare a model with those that lack one term of its fixed part (R's ``drop1``).

    Parameters
    ----------
    model : FittedModel
    scope : str or list of str, optional
        Terms to drop: ``["ses:sector"]``; by default those that no other term contains.
    test : {"none", "F", "Chisq"}, optional
        Default as in R: none; for lmer lmerTest's F tests. ``"Chisq"`` fits again without the term,
        mixed models by ML.
    ddf : {"Satterthwaite", "Kenward-Roger"}
        Denominator df of lmer's F tests.
    k : float
        Penalty per parameter of AIC.
    **spellings
        ``ci_method=`` and ``df_method=`` for `ddf`, ``test_statistic=`` for `test`.

    Returns
    -------
    ResultFrame
        Parameter (``<none>`` is the model itself), df, AIC and what R's table of that kind has:
        Sum_Squares, RSS, Deviance, LRT, F, p. df is 0 where the columns of a term are combinations
        of those of the others.

    Raises
    ------
    OptionError
        For unknown terms or options.

    Examples
    --------
    >>> import mlpool
    >>> m = mlpool.lm("math ~ ses * sector + gender", mlpool.load_data("hsb82"))
    >>> drop1(m, test="F")[["Parameter", "df", "F"]].round(2)
        Parameter   df      F
    0      <none>  NaN    NaN
    1      gender  1.0  88.48
    2  ses:sector  1.0  32.13
    """
    m = check_model(model, "drop1()")
    if test is not None:
        read_value("test", test, ("none", "F", "Chisq"))
    terms, price = _chosen_terms(m, scope), number(k, "k")
    if m.kind == "lm":
        table = _lm(m, terms, test or "none", price)
    elif isinstance(m, GeneralizedLinearModel):
        table = _glm(m, terms, test or "none", price)
    elif m.kind in ("lmer", "gls") and test in (None, "F"):
        method = read_value("ci_method", ddf, _DDF, argument="ddf")
        how = joint_inference(m, vcov="model", ci_method=method)
        title = f"{_TITLE} using {METHOD_NAMES[how.method]}:"
        table = lmer_f_table(m, how, terms, f"{title}\n\nModel:\n{m.formula.text}")
    elif test == "F":
        raise OptionError("A glmer model has no denominator df; use test='Chisq'.")
    else:
        table = _refits(m, terms, test or "none", price)
    return ResultFrame(
        data=table.data,
        layout=table.layout,
        options=DIGITS,
        metadata={"kind": m.kind, "method": table.method, "test": test},
        backend=backend_of(m),
    )


def _chosen_terms(m: FittedModel, scope: str | Iterable[str] | None) -> list[TermColumns]:
    """Return the terms asked for; those within no other one by default.

    Raises
    ------
    OptionError
        If there is no such term.
    """
    terms = terms_of(m, aliased=True)
    if scope is None:
        return [t for t in terms if not any(t.is_within(u) for u in terms)]
    names = given_names(scope, "scope")
    by_set = {t.expressions: t for t in terms}
    chosen = []
    for name in names:
        wanted = frozenset(part.strip() for part in name.split(":"))
        found = next((t for t in terms if t.label == name.strip()), by_set.get(wanted))
        if found is None:
            known = [t.label for t in terms]
            raise OptionError(
                f"The model has no term {brief(name)}; it has {', '.join(known) or 'none'}."
                + nearest_names(name, known)
            )
        chosen.append(found)
    return chosen


def _lm(m: FittedModel, terms: list[TermColumns], test: str, k: float) -> Table:
    how = joint_inference(m, vcov="model", ci_method="residual")
    n, p, sigma2 = m.nobs, len(m.names), m.sigma**2
    tests = [how.wald(rows) for rows in beyond_rest(m, terms)]
    drops = np.array([t.statistic * t.df_num * sigma2 if t.df_num else 0.0 for t in tests])
    rss = np.concatenate([[ols_fit(m).rss], ols_fit(m).rss + drops])
    dfs = np.array([float(t.df_num) for t in tests])
    dev = n * np.log(rss / n)
    data = pd.DataFrame(
        {
            "Parameter": ["<none>", *(t.label for t in terms)], "df": [np.nan, *dfs],
            "Sum_Squares": [np.nan, *drops], "RSS": rss,
            "AIC": dev + k * (p - np.concatenate([[0.0], dfs])),
        }
    )  # fmt: skip
    columns: tuple[TestColumn, ...] = (
        DF,
        TestColumn(name="Sum_Squares", header="Sum of Sq"),
        TestColumn(name="RSS", header="RSS"),
        TestColumn(name="AIC", header="AIC"),
    )
    if test == "F":
        data["F"] = [np.nan, *(t.statistic for t in tests)]
        data["p"] = [np.nan, *(t.p for t in tests)]
        columns = (*columns, F_VALUE, P_F)
    elif test == "Chisq":
        data["p"] = [np.nan, *_chi2(dev[1:] - dev[0], dfs)]
        columns = (*columns, _P_CHI)
    return _table(m, data, columns, "residual")


def _glm(m: GeneralizedLinearModel, terms: list[TermColumns], test: str, k: float) -> Table:
    fits = ColumnFits(m)
    without = [fits.without([t.number]) for t in terms]
    dfs = np.array([float(len(m.names) - rank) for _, rank in without])
    deviance = np.array([m.deviance, *(value for value, _ in without)])
    dispersion = float(m.fit.dispersion)
    is_gaussian = m.family.name == "gaussian"
    scaled = m.nobs * np.log(deviance / m.nobs) if is_gaussian else deviance / dispersion
    counts = len(m.names) - np.concatenate([[0.0], dfs])
    aic = scaled + k * counts
    own = m.aic + (k - 2.0) * m.loglik_df
    data = pd.DataFrame(
        {
            "Parameter": ["<none>", *(t.label for t in terms)],
            "df": [np.nan, *dfs],
            "Deviance": deviance,
            "AIC": aic + (own - aic[0]),
        }
    )
    columns: tuple[TestColumn, ...] = (DF, TestColumn(name="Deviance", header="Deviance"))
    if m.family.is_quasi:
        data = data.drop(columns="AIC")  # without a likelihood there is none
    else:
        columns = (*columns, TestColumn(name="AIC", header="AIC"))
    if test == "Chisq":
        drops = np.maximum(scaled[1:] - scaled[0], 0.0)
        data["LRT"] = [np.nan, *drops]
        data["p"] = [np.nan, *_chi2(drops, dfs)]
        header = "LRT" if not m.family.has_dispersion else "scaled dev."
        columns = (*columns, TestColumn(name="LRT", header=header), _P_CHI)
    elif test == "F":
        check_f(m)
        steps = np.where(dfs > 0, dfs, np.nan)
        F = np.maximum(deviance[1:] - deviance[0], 0.0) / steps / (deviance[0] / m.df_residual)
        data["F"] = [np.nan, *F]
        data["p"] = [np.nan, *np.asarray(f_upper_p(F, dfs, float(m.df_residual)))]
        columns = (*columns, F_VALUE, P_F)
    return _table(m, data, columns, f"LR {test}")


def _refits(m: FittedModel, terms: list[TermColumns], test: str, k: float) -> Table:
    """Return lme4's table: every reduced model fitted again by ML."""
    full = by_ml(m)
    fixed = m.formula.fixed
    models = [
        full,
        *(
            refit_formula(full, formula_text(m, fixed=without_terms(fixed, [t.number])))
            for t in terms
        ),
    ]
    deviance = -2.0 * np.array(comparable_logliks(models, reml=False))
    counts = np.array([float(x.loglik_df) for x in models])
    data = pd.DataFrame(
        {
            "Parameter": ["<none>", *(t.label for t in terms)],
            "df": [np.nan, *(counts[0] - counts[1:])],
            "AIC": deviance + k * counts,
        }
    )
    columns: tuple[TestColumn, ...] = (
        TestColumn(name="df", header="npar"),
        TestColumn(name="AIC", header="AIC"),
    )
    if test == "Chisq":
        drops = np.maximum(deviance[1:] - deviance[0], 0.0)
        data["LRT"] = [np.nan, *drops]
        data["p"] = [np.nan, *_chi2(drops, counts[0] - counts[1:])]
        p_column = TestColumn(name="p", header="Pr(Chi)", role="p")
        columns = (*columns, TestColumn(name="LRT", header="LRT"), p_column)
    return _table(m, data, columns, "ML")


def _chi2(statistics: FloatArray, dfs: FloatArray) -> list[float]:
    return [
        chi2_upper_p(float(s), float(d)) if d > 0 else np.nan
        for s, d in zip(statistics, dfs, strict=True)
    ]


def _table(
    m: FittedModel, data: pd.DataFrame, columns: tuple[TestColumn, ...], method: str
) -> Table:
    layout = AnovaLayout(
        title=f"{_TITLE}\n\nModel:\n{m.formula.text}", labels="Parameter", columns=columns
    )
    return Table(data=data, layout=layout, method=method)
