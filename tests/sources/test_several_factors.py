"""Nested and crossed factors through queries: every number of the fit in memory."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mlpool

pytest.importorskip("narwhals", minversion="2.0")
pl = pytest.importorskip("polars")

RTOL = 1e-9
"""Sums in another order differ by 1e-16 of their size, times what solving them amplifies."""
PRINTED: tuple[Any, ...] = (
    mlpool.model_parameters, mlpool.summary, mlpool.icc, mlpool.r2, mlpool.model_performance,
    mlpool.VarCorr, mlpool.estimate_grouplevel, mlpool.anova, mlpool.compare_parameters,
)  # fmt: skip


def ratings(n: int = 6000) -> pd.DataFrame:
    """Return rows like lme4's InstEval: students rate lecturers, who teach in departments."""
    rng = np.random.default_rng(7)
    student, lecturer = rng.integers(0, 500, n), rng.integers(0, 80, n)
    department = lecturer % 7
    service, x = rng.random(n) < 0.4, rng.normal(3.0, 1.0, n)
    y = (
        3.0 + 0.2 * service - 0.1 * x + 0.4 * rng.normal(size=500)[student]
        + rng.normal(size=(80, 2))[lecturer] @ [0.5, 0.0]
        + 0.2 * rng.normal(size=80)[lecturer] * x + 0.3 * rng.normal(size=(7, 2))[
            department, service.astype(int)] + rng.normal(size=n)
    )  # fmt: skip
    return pd.DataFrame(
        {
            "y": y, "x": x, "w": rng.uniform(0.5, 2.0, n), "service": service,
            "s": student, "d": [f"lecturer {i}" for i in lecturer],
            "dept": [f"dept {i}" for i in department],
        }
    )  # fmt: skip


def pupils() -> pd.DataFrame:
    """Return rows of three levels: pupils in classes in schools; class ids name one class each."""
    rng = np.random.default_rng(8)
    n, school = 3000, rng.integers(0, 40, 3000)
    place, x = rng.integers(0, 3, n), rng.normal(5.0, 2.0, n)
    y = (
        1.0 + 0.3 * x + rng.normal(size=40)[school] + 0.5 * rng.normal(size=(40, 3))[school, place]
        + 0.2 * rng.normal(size=40)[school] * x + rng.normal(size=n)
    )  # fmt: skip
    columns = {"y": y, "x": x, "school": school, "place": place, "room": 10 * school + place}
    return pd.DataFrame(columns)


CASES: dict[str, tuple[Any, str, dict[str, Any]]] = {
    "crossed, as InstEval": (
        ratings, "y ~ service + x + (1 | s) + (1 | d) + (1 | dept:service)", {},
    ),
    "crossed slopes with weights": (
        ratings, "y ~ x + (1 | s) + (x | d)", {"weights": "w", "reml": False},
    ),
    "several terms of a factor": (
        ratings, "y ~ x + (1 | d) + (1 | s) + (0 + x | d) + (1 | dept)", {},
    ),
    "three levels": (pupils, "y ~ x + (x | school/place)", {}),
    "three levels by the rows alone": (pupils, "y ~ x + (1 | room) + (x | school)", {}),
}  # fmt: skip


def quietly(formula: str, data: Any, options: dict[str, Any]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return mlpool.lmer(formula, data, **options)


def by_duckdb(rows: pd.DataFrame) -> Any:
    return mlpool.scan(pytest.importorskip("duckdb").connect().from_df(rows))


@pytest.mark.parametrize("case", CASES)
def test_every_number_that_is_printed(case: str) -> None:
    make, formula, options = CASES[case]
    rows = make()
    want, m = quietly(formula, rows, options), quietly(formula, by_duckdb(rows), options)
    assert (m.names, m.ngroups, m.nobs) == (want.names, want.ngroups, want.nobs)
    np.testing.assert_allclose(m.fixef(), want.fixef(), rtol=RTOL)
    np.testing.assert_allclose(m.se, want.se, rtol=4 * RTOL)  # as theta, at the same optimum
    np.testing.assert_allclose([m.sigma, m.loglik], [want.sigma, want.loglik], rtol=RTOL)
    np.testing.assert_allclose(m.theta, want.theta, atol=1e-7)  # flat: the criterion's root
    for verb in PRINTED:
        assert str(verb(m)) == str(verb(want)), verb.__name__
    methods = ["satterthwaite", *(["kenward"] if want.fit.reml else [])]
    for method in methods:
        found, expected = (mlpool.model_parameters(a, ci_method=method) for a in (m, want))
        assert str(found) == str(expected)
        np.testing.assert_allclose(found["df_error"], expected["df_error"], rtol=1e-6)


def test_a_pair_without_columns_in_common_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nested by their names, factors need no query of pairs; else there is one for each pair."""
    from mlpool.sources.sums import PushedRows

    asked: list[list[str]] = []
    kept = PushedRows.grouped

    def counted(self: PushedRows, layout: Any, keys: Any, products: Any) -> Any:
        asked.append(list(keys))
        return kept(self, layout, keys, products)

    monkeypatch.setattr(PushedRows, "grouped", counted)
    source = mlpool.scan(pl.from_pandas(pupils()).lazy())
    quietly("y ~ x + (1 | school/place)", source, {})
    assert asked == [["place", "school"], ["school"]]
    asked.clear()
    quietly("y ~ x + (1 | room) + (1 | school)", source, {})
    assert asked == [["room"], ["school"], ["room", "school"]]


def test_predictions_join_every_factor() -> None:
    rows = ratings(1500)
    formula = "y ~ x + (1 | s) + (x | d)"
    want, m = quietly(formula, rows, {}), quietly(formula, by_duckdb(rows), {})
    found = m.predict().df()
    expected = pd.Series(np.asarray(want.predict(rows)), index=pd.MultiIndex.from_frame(
        rows[["y", "x", "s"]]))  # fmt: skip
    at = pd.MultiIndex.from_frame(found[["y", "x", "s"]])
    np.testing.assert_allclose(found["predicted"], expected[at], rtol=1e-8)


def test_it_travels_and_says_what_needs_rows(tmp_path: Path) -> None:
    m = quietly("y ~ x + (1 | school/place)", by_duckdb(pupils()), {})
    text = str(mlpool.summary(m))
    again = mlpool.load_model(m.save(tmp_path / "m.mlpool"))
    assert str(mlpool.summary(again)) == text
    assert str(mlpool.summary(pickle.loads(pickle.dumps(m)))) == text
    with pytest.raises(mlpool.NotSupportedError, match="models with one grouping factor"):
        m.vcov("CR1", cluster="school")
    with pytest.raises(mlpool.NotSupportedError, match="rows in memory"):
        m.simulate()


@pytest.mark.parametrize("has_gaps", [False, True])
def test_levels_are_asked_for_again_only_where_rows_are_left_out(
    has_gaps: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlpool.sources import build

    asked: list[int] = []
    kept = build.levels_used

    def counted(*given: Any) -> Any:
        asked.append(1)
        return kept(*given)

    monkeypatch.setattr(build, "levels_used", counted)
    rows = ratings(1500)
    if has_gaps:
        rows.loc[rows["dept"] == "dept 6", "x"] = np.nan
    formula = "y ~ dept + x + (1 | s)"
    m = quietly(formula, mlpool.scan(pl.from_pandas(rows).lazy()), {})
    assert len(asked) == int(has_gaps)
    want = quietly(formula, rows, {})
    assert m.names == want.names
    np.testing.assert_allclose(m.fixef(), want.fixef(), rtol=RTOL)
