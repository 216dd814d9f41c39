"""Every public verb about a model of scanned rows: memory's answer, or one sentence. No third."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mlpool
from tests.invariance.studies import KINDS, Study, make_study
from tests.invariance.verbs import VERBS, Row

pytest.importorskip("narwhals", minversion="2.0")
pl = pytest.importorskip("polars")

NEED_ROWS = {
    # of each row
    "fitted", "hatvalues", "cooks_distance", "augment", "model_frame", "simulate", "refit",
    "estimate_expectation", "estimate_prediction", "wild_bootstrap", "bootstrap",
    "bootstrap_parameters", "influence", "dfbeta", "dfbetas", "all_fit",
    # of residuals in some order, or of each cluster by itself
    "check_heteroscedasticity", "check_normality", "check_outliers", "check_autocorrelation",
    "check_zeroinflation", "check_heterogeneity_bias", "compare_pooling", "lm_list", "reliability",
    "ACF", "Variogram",
    # of data before there is a model
    "model_matrix", "demean", "degroup", "center", "describe_distribution", "data_codebook",
    "table_one", "plot_shrinkage",
}  # fmt: skip
"""Verbs that answer a model of scanned rows in a sentence."""
ROWS_FOR = {
    "model_parameters 4: lm", "model_parameters 4: glm",  # HC3
    "model_parameters 5: lmer", "model_parameters 5: nested",  # CR2
    "coef_test 0: lm", "coef_test 0: lmer", "wald_test 0: lm", "wald_test 0: lmer",  # CR2
    "anova 4: lmer",  # by simulation
    "standardize_parameters 1: lm", "standardize 0: data",
    "estimate_means 2: lm", "estimate_means 2: nested",  # averages over rows
}  # fmt: skip
"""Questions of other verbs for which rows are needed."""
ON_A_GRID = {"estimate_relation", "estimate_link", "plot"}
"""Verbs that the table asks with a grid made of the study's data: it is made of rows in memory."""
NOTES = {"check_model"}
"""Verbs that say in their answer what they left out, in sentences."""
LAZY = {"resid": "resid", "residuals": "resid", "predict": "predicted"}
"""Verbs that answer with the engine's own frame, and the column of it that memory's answer is."""


def questions() -> Iterator[Any]:
    for name, rows in VERBS.items():
        for number, row in enumerate(rows):
            for kind in row.kinds or ("data",):
                marks = [pytest.mark.slow] if row.slow else []
                yield pytest.param(name, number, kind, marks=marks, id=f"{name} {number}: {kind}")


class Models(dict[str, Any]):
    """A study's models, fitted when first asked for."""

    def __init__(self, study: Study) -> None:
        self.study = study

    def __missing__(self, kind: str) -> Any:
        self[kind] = None if kind == "data" else KINDS[kind](self.study)
        return self[kind]


@pytest.fixture(scope="module")
def in_memory() -> Models:
    return Models(make_study())


@pytest.fixture(scope="module")
def scanned() -> Models:
    study = make_study()
    return Models(replace(study, data=mlpool.scan(pl.from_pandas(study.data).lazy())))


@pytest.mark.filterwarnings("ignore::mlpool.MlpoolWarning")
@pytest.mark.parametrize(("name", "number", "kind"), list(questions()))
def test_it_is_memorys_answer_or_one_sentence(
    name: str, number: int, kind: str, in_memory: Models, scanned: Models
) -> None:
    row = VERBS[name][number]
    model, study = scanned[kind], scanned.study if name not in ON_A_GRID else in_memory.study
    if name in LAZY:
        found = getattr(mlpool, name)(model).collect()[LAZY[name]].to_numpy()
        want = getattr(mlpool, name)(in_memory[kind], *_new(name, in_memory.study))
        np.testing.assert_allclose(found, want, rtol=1e-7, atol=1e-9)
        return
    try:
        found = row.ask(model, study)
    except mlpool.MlpoolError as error:
        assert name in NEED_ROWS or f"{name} {number}: {kind}" in ROWS_FOR, str(error)
        _is_a_sentence_that_helps(str(error))
        return
    assert name not in NEED_ROWS, "it answers now: take it off the list"
    assert f"{name} {number}: {kind}" not in ROWS_FOR, "it answers now: take it off the list"
    if name in NOTES:
        assert "No linearity: This needs the rows in memory" in str(mlpool.check_model(model))
        return
    _same(found, row.ask(in_memory[kind], in_memory.study), row)


def _new(name: str, study: Study) -> tuple[Any, ...]:
    return (study.data,) if name == "predict" else ()


def _is_a_sentence_that_helps(said: str) -> None:
    assert "\n" not in said
    assert said[0].isupper() or said[0] in "'`cl"
    assert said.endswith(".")
    assert any(w in said for w in ("in memory", "the rows", "hand over", "HC0", "read the")), said


def _same(found: Any, want: Any, row: Row) -> None:
    if row.text:
        assert _lines(found) == _lines(want)
        return
    here, there = (_frame(answer) for answer in (found, want))
    if not isinstance(there, pd.DataFrame):
        np.testing.assert_allclose(here, there, rtol=1e-6)
        return
    pd.testing.assert_frame_equal(here, there, check_exact=False, rtol=1e-6, atol=1e-8)


def _lines(text: str) -> list[str]:
    """Return a text without the number of steps, which begin elsewhere for counted rows."""
    return [line for line in str(text).splitlines() if "Fisher Scoring" not in line]


def _frame(answer: Any) -> Any:
    made = answer.to_pandas() if hasattr(answer, "to_pandas") else answer
    return made.to_frame() if isinstance(made, pd.Series) else made


def test_a_list_of_verbs_that_need_rows_is_of_verbs() -> None:
    for names in (NEED_ROWS, {one.split()[0] for one in ROWS_FOR}, ON_A_GRID, NOTES, set(LAZY)):
        assert names <= set(VERBS)


@pytest.mark.parametrize("kind", ["glm", "count", "glmer"])
@pytest.mark.parametrize("scale", ["link", "response"])
def test_generalised_models_predict_where_the_rows_are(
    kind: str, scale: str, in_memory: Models, scanned: Models
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        want = in_memory[kind].predict(in_memory.study.data, type=scale)
        model = scanned[kind]
    for data in (None, scanned.study.data, pl.from_pandas(in_memory.study.data).lazy()):
        lazy = model.predict(data, type=scale)
        assert isinstance(lazy, pl.LazyFrame)
        np.testing.assert_allclose(lazy.collect()["predicted"], want, rtol=1e-7)


def test_what_no_query_predicts(scanned: Models) -> None:
    data = scanned.study.data
    with pytest.raises(mlpool.NotSupportedError, match="integrates at each row"):
        scanned["glmer"].predict(data, type="response", averaged=True)
    probit = mlpool.glm("b ~ x", data, family="binomial(probit)")
    assert probit.predict(data).collect().height == 144
    with pytest.raises(mlpool.NotSupportedError, match="link probit; predict with type='link'"):
        probit.predict(data, type="response")


@pytest.mark.parametrize(
    "family",
    [
        "binomial(logit)", "binomial(cloglog)", "binomial(log)", "binomial(identity)",
        "poisson(log)", "poisson(identity)", "poisson(sqrt)",
    ],
)  # fmt: skip
def test_means_of_every_link_are_those_of_the_family(family: str) -> None:
    rows = make_study().data
    response = "b" if family.startswith("b") else "c"
    rows = rows.assign(c=rows["c"] + 1)
    lazy = mlpool.scan(pl.from_pandas(rows).lazy())
    m = mlpool.glm(f"{response} ~ f", lazy, family=family)
    want = mlpool.glm(f"{response} ~ f", rows, family=family).predict(rows, type="response")
    found = m.predict(type="response").collect()["predicted"]
    np.testing.assert_allclose(found, want, rtol=1e-6)


@pytest.mark.parametrize(
    "family", ["binomial(log)", "binomial(identity)", "poisson(identity)", "poisson(sqrt)"]
)
def test_means_of_counted_rows_on_the_edge_are_said(family: str) -> None:
    y = np.array([1, 1, 1, 1, 0, 1, 0, 1] if family == "binomial(log)" else [0] * 4 + [0, 1, 1, 1])
    rows = pd.DataFrame({"y": np.tile(y, 20), "s": np.tile(np.repeat(["a", "b"], 4), 20)})
    found = []
    for data in (rows, mlpool.scan(pl.from_pandas(rows).lazy())):
        with pytest.warns(mlpool.MlpoolWarning, match="on the edge of the family's range"):
            m = mlpool.glm("y ~ s", data, family=family)
        found.append(m.messages[-1])
    assert found[0] == found[1]


def test_predictions_of_counted_rows_are_of_the_rows_used() -> None:
    rows = make_study().data
    rows["w"] = np.arange(144) % 3
    rows["x"] = rows["x"].astype(float)
    rows.loc[::10, "x"] = np.nan
    options: dict[str, Any] = {"family": "poisson", "weights": "w", "subset": "f != 'mid'"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        m = mlpool.glm(
            "c ~ x", mlpool.scan(pl.from_pandas(rows, nan_to_null=True).lazy()), **options
        )
        want = mlpool.glm("c ~ x", rows, **options).predict()
    np.testing.assert_allclose(m.predict().collect()["predicted"], want, rtol=1e-7)


@pytest.mark.parametrize("robust", [False, True])
@pytest.mark.parametrize("kind", ["lm", "lmer", "glm"])
def test_z_scores_are_made_where_the_rows_are(
    kind: str, robust: bool, in_memory: Models, scanned: Models
) -> None:
    found, want = (
        mlpool.standardize_parameters(models[kind], robust=robust, two_sd=True).to_pandas()
        for models in (scanned, in_memory)
    )
    pd.testing.assert_frame_equal(found, want, rtol=1e-6, atol=1e-8)


def test_z_scores_of_weights_are_refused(scanned: Models) -> None:
    m = mlpool.lm("y ~ f", scanned.study.data, weights="c", subset="c > 0")
    with pytest.raises(mlpool.NotSupportedError, match=r"write scale\(x\) in the formula"):
        mlpool.standardize_parameters(m)
    subset = [
        mlpool.standardize_parameters(mlpool.lm("y ~ x", data, subset="x > 2")).to_pandas()
        for data in (scanned.study.data, make_study().data)
    ]
    pd.testing.assert_frame_equal(*subset, rtol=1e-6)
