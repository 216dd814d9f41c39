"""Every public verb of models with a residual structure: the right number, or one sentence.

A structure that says nothing (``dispersion="~ 1"``) makes the model that lm and lmer fit: what a
verb answers must be what it answers for these. Structures that say something have an answer or a
sentence for every verb, and nothing else.
"""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mlpool
from tests.invariance.studies import make_study
from tests.invariance.verbs import VERBS, Row

STUDY = make_study()
DATA = STUDY.data.assign(t=STUDY.data.groupby("g").cumcount())
PAIRS = {"lm": "y ~ x + f", "nested": "y ~ x + f + (1 | h/g)", "lmer": "y ~ x + f + (x | g)"}
STRUCTURES: dict[str, Any] = {
    "gls": lambda: mlpool.gls("y ~ x + f", DATA, correlation="ar1(t | g)", dispersion="~ f"),
    "mmrm": lambda: mlpool.mmrm("y ~ x + f + us(t | g)", DATA[DATA["t"] < 4]),
    "lmer": lambda: mlpool.lmer(
        "y ~ x + f + (1 | h/g)", DATA, correlation="corAR1(form = ~ t | h/g)"
    ),
    "lme": lambda: mlpool.lme(
        "y ~ x + f", DATA, random="~ x | g", weights="varIdent(form = ~ 1 | f)"
    ),
}
_IS_LIKE = {"gls": {"lm"}, "mmrm": {"lm"}, "lmer": {"nested", "lmer"}, "lme": {"lmer"}}
ASKED = [
    pytest.param(verb, row, id=f"{verb}-{i}", marks=[pytest.mark.slow] if row.slow else [])
    for verb, rows in VERBS.items()
    for i, row in enumerate(rows)
    if {"lm", "lmer", "nested"} & set(row.kinds)
]
OTHERS = {
    "augment": "broom.mixed has no influence of nlme's models",
    "bootstrap": "draws follow another order of random numbers",
    "bootstrap_parameters": "draws follow another order of random numbers",
    "confint": "models with a residual structure have Wald intervals of the covariance, too",
    "deviance": "that of a REML fit is refused",
    "load_model": "its table has the degrees of freedom of model_parameters",
    "profile": "profiles of a residual covariance are on nlme's scales",
}
"""Verbs whose answers differ, and why."""
BY_KENWARD = {"emmeans", "contrast", "pairs", "regrid", "emtrends", "joint_tests"}
"""Verbs that have Kenward-Roger errors of lmer by default, as R's. They are asked of lm, and of
lmer with Satterthwaite's df, which leave the errors as they are."""
SATTERTHWAITE: dict[str, Any] = {
    "emmeans": lambda m: mlpool.emmeans(m, "f", lmer_df="satterthwaite"),
    "pairs": lambda m: mlpool.pairs(m, "f", lmer_df="satterthwaite"),
    "emtrends": lambda m: mlpool.emtrends(m, "f", "x", lmer_df="satterthwaite"),
    "joint_tests": lambda m: mlpool.joint_tests(m, lmer_df="satterthwaite"),
}
OF_REML = {
    "AIC", "BIC", "logLik", "glance", "df_residual", "model_performance", "compare_performance",
    "anova", "drop1", "check_heteroscedasticity", "model_parameters",
}  # fmt: skip
"""Verbs that count parameters or take a likelihood: gls is fitted by REML, lm is not."""
OF_INFORMATION = (("model_parameters", 2), ("model_parameters", 3), ("anova", 2))
"""Rows of Kenward and Roger, and of errors of SDs: from the observed information (SAS's) beside a
structure, from the expected one (pbkrtest's) of lmer."""
BY_DF = {
    "CI_low", "CI_high", "df", "df_error", "p", "DenDF", "Df", "Pr(>F)", "Sum_Squares",
    "Mean_Square", "df2", "npar",
}  # fmt: skip
"""Columns of Satterthwaite's df, which models with a structure have by default, and of sums of
squares, which they do not have."""


@cache
def twins(kind: str) -> tuple[Any, Any]:
    formula = PAIRS[kind]
    plain = mlpool.fit(formula, STUDY.data)
    return plain, mlpool.fit(formula, STUDY.data, dispersion="~ 1")


@cache
def structured(kind: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mlpool.MlpoolWarning)
        return STRUCTURES[kind]()


def numbers(answer: Any, *, fixed: bool = False) -> list[float]:
    """Return all numbers of an answer that do not depend on df, in order.

    ``fixed=True`` leaves out the rows of SDs: a table of gls ends with sigma's, one of lm does not.
    """
    if isinstance(answer, dict):
        return [v for one in answer.values() for v in numbers(one, fixed=fixed)]
    if hasattr(answer, "to_pandas"):
        answer = answer.to_pandas()
    if isinstance(answer, pd.DataFrame):
        if fixed and "Effects" in answer:
            answer = answer[answer["Effects"] == "fixed"]
        answer = answer.select_dtypes("number")
        # compare_parameters names the model after the column: "df_error.Model 1"
        answer = answer[[c for c in answer if str(c).partition(".Model ")[0] not in BY_DF]]
    if isinstance(answer, str) or answer is None:
        return []
    return np.asarray(answer, dtype=np.float64).ravel().tolist()


@pytest.mark.filterwarnings("ignore::mlpool.MlpoolWarning")
@pytest.mark.parametrize("kind", PAIRS)
@pytest.mark.parametrize(("verb", "row"), ASKED)
def test_a_structure_that_says_nothing_changes_no_number(verb: str, row: Row, kind: str) -> None:
    differs = OF_REML if kind == "lm" else BY_KENWARD
    if kind not in row.kinds or verb in OTHERS or verb in differs:
        pytest.skip(OTHERS.get(verb, "not asked of this kind, or differs by design"))
    plain, twin = twins(kind)
    try:
        found = numbers(row.ask(twin, STUDY), fixed=kind == "lm")
    except (mlpool.NotSupportedError, mlpool.OptionError) as error:
        assert_one_sentence(str(error))
        return
    if any(row is VERBS[name][i] for name, i in OF_INFORMATION):
        return
    expected = numbers(row.ask(plain, STUDY), fixed=kind == "lm")
    assert len(found) == len(expected)
    # two searches for the same optimum; df of models whose variances are near zero magnify it
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore::mlpool.MlpoolWarning")
@pytest.mark.parametrize("kind", ["nested", "lmer"])
@pytest.mark.parametrize("ask", SATTERTHWAITE.values(), ids=SATTERTHWAITE)
def test_means_without_kenward_roger_errors_are_those_of_lmer(ask: Any, kind: str) -> None:
    plain, twin = (numbers(ask(m)) for m in twins(kind))
    assert plain
    # two searches for the same optimum, as above
    np.testing.assert_allclose(twin, plain, rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore::mlpool.MlpoolWarning")
@pytest.mark.parametrize("kind", STRUCTURES)
@pytest.mark.parametrize(("verb", "row"), ASKED)
def test_every_verb_answers_or_says_one_sentence(verb: str, row: Row, kind: str) -> None:
    if verb == "augment" or not _IS_LIKE[kind] & set(row.kinds):
        pytest.skip("not asked of this kind")
    try:
        answer = row.ask(structured(kind), STUDY)
    except mlpool.MlpoolError as error:
        assert_one_sentence(str(error))
        return
    assert answer is not None


def assert_one_sentence(text: str) -> None:
    assert text.endswith("."), text
    assert "\n" not in text, text
    assert not any(word in text for word in ("Traceback", "ndarray", "KeyError")), text
