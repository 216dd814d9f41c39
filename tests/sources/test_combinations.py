"""Generalised models on counted combinations: the numbers of single rows in memory."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mlpool
from mlpool.designs.counted_rows import counted_mean, counted_quantiles, counted_sd
from tests.sources.engines import ENGINES, SLOW

pytest.importorskip("narwhals", minversion="2.0")
pl = pytest.importorskip("polars")
pytestmark = [
    # what engines and the libraries below them say about themselves
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

N = 8000
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "0 and 1": ("y ~ x + s", {"family": "binomial"}),
    "text, probit, interaction": ("answer ~ x * s + flag", {"family": "binomial(probit)"}),
    "successes and failures": ("cbind(hits, size - hits) ~ x + s", {"family": "binomial"}),
    "proportions": ("share ~ x + s", {"family": "binomial", "weights": "size"}),
    "counts, offset": ("k ~ x + s + offset(e)", {"family": "poisson"}),
    "quasi": ("k ~ log(x + 1) + s", {"family": "quasipoisson"}),
    "mixed": ("y ~ x + s + (1 | g)", {"family": "binomial"}),
    "mixed proportions": ("share ~ x + (1 | g)", {"family": "binomial", "weights": "size"}),
    "mixed counts, slopes": ("k ~ x + (x | g)", {"family": "poisson"}),
    "crossed, quadrature off, subset": (
        "y ~ pmin(x, 4) + (1 | g) + (1 | s)", {"family": "binomial", "subset": "flag", "nAGQ": 0},
    ),
}  # fmt: skip
PRINTED: tuple[Any, ...] = (
    mlpool.model_parameters, mlpool.summary, mlpool.model_performance, mlpool.r2, mlpool.tidy,
    mlpool.confint,
)  # fmt: skip


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    g, x = rng.integers(0, 30, N), rng.integers(0, 8, N) * 1.0
    s = rng.choice(["a", "b", "c"], N)
    eta = -0.5 + 0.2 * x + 0.3 * (s == "b") + 0.8 * rng.normal(size=30)[g]
    y = (rng.random(N) < 1.0 / (1.0 + np.exp(-eta))).astype(int)
    size = rng.integers(1, 4, N)
    hits = rng.binomial(size, 1.0 / (1.0 + np.exp(-eta / 2.0)))
    d = pd.DataFrame(
        {
            "x": x, "s": s, "g": g, "flag": rng.random(N) < 0.6, "y": y,
            "answer": np.where(y == 1, "yes", "no"), "size": size, "hits": hits,
            "share": hits / size, "k": rng.poisson(np.exp(eta / 3.0)), "e": np.round(g % 3 / 7, 3),
        }
    )  # fmt: skip
    d.loc[::97, "x"] = np.nan
    d.loc[::89, "s"] = None
    return d


def quietly(formula: str, data: Any, options: dict[str, Any]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return mlpool.fit(formula, data, **options)


def scanned(rows: pd.DataFrame) -> Any:
    return mlpool.scan(pl.from_pandas(rows, nan_to_null=False).lazy())


@pytest.mark.parametrize("case", CASES)
def test_every_number_is_that_of_single_rows(case: str, rows: pd.DataFrame) -> None:
    formula, options = CASES[case]
    want, m = quietly(formula, rows, options), quietly(formula, scanned(rows), options)
    assert (m.names, m.nobs, m.df_residual) == (want.names, want.nobs, want.df_residual)
    missing = {k: v for k, v in want.design.missing_by.items() if v}
    assert (m.n_missing, m.design.missing_by) == (want.n_missing, missing)
    np.testing.assert_allclose(m.fixef(), want.fixef(), rtol=1e-9)
    np.testing.assert_allclose(m.se, want.se, rtol=1e-9)
    np.testing.assert_allclose(m.deviance, want.deviance, rtol=1e-10)
    np.testing.assert_allclose(m.loglik, want.loglik, rtol=1e-10)
    assert m.messages[0] == (
        f"{m.nobs:,} rows have {len(m.design.counts):,} combinations of the model's variables; "
        "each was fitted once, with its count."
    )
    verbs = list(PRINTED)
    if not m.is_mixed:
        verbs += [mlpool.anova, mlpool.drop1, lambda a: mlpool.confint(a, level=0.8)]
    elif case != "crossed, quadrature off, subset":
        np.testing.assert_allclose(m.theta, want.theta, rtol=1e-7)
        verbs += [mlpool.icc, mlpool.VarCorr, mlpool.estimate_grouplevel]
    if "s" in formula.split("~")[1].split():
        verbs += [lambda a: mlpool.estimate_means(a, by="s"), mlpool.estimate_contrasts]
    for verb in verbs:
        # scoring stops after other numbers of iterations where combinations are counts already
        found, expected = (_without_iterations(_said(verb, a)) for a in (m, want))
        assert found == expected


def _said(verb: Any, m: Any) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return str(verb(m))
    except mlpool.NotSupportedError as refused:
        assert "single rows" not in str(refused)
        return str(refused)


def _without_iterations(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if "iterations" not in line)


def test_overdispersion_and_summaries_of_predictors(rows: pd.DataFrame) -> None:
    options = {"family": "poisson"}
    want = quietly("k ~ x + s", rows, options)
    m = quietly("k ~ x + s", scanned(rows), options)
    assert str(mlpool.check_overdispersion(m)) == str(mlpool.check_overdispersion(want))
    for by in ("x = [quartiles]", "x = [sd]", "x = [mad]"):
        assert str(mlpool.estimate_means(m, by=by)) == str(mlpool.estimate_means(want, by=by))


@pytest.mark.parametrize(
    "engine", [pytest.param(e, marks=[pytest.mark.slow] if e in SLOW else []) for e in ENGINES]
)
def test_every_engine_counts_alike(engine: str, rows: pd.DataFrame, tmp_path: Path) -> None:
    formula, options = CASES["mixed"]
    some = rows[:2000]
    data = ENGINES[engine](some.assign(z=1, day=pd.Timestamp("2024-01-01")), tmp_path)
    m = quietly(formula, mlpool.scan(data), options)
    want = quietly(formula, some, options)
    np.testing.assert_allclose(m.fixef(), want.fixef(), rtol=1e-8)
    assert m.n_missing == want.n_missing


def test_it_travels(rows: pd.DataFrame, tmp_path: Path) -> None:
    m = quietly(*_with(CASES["mixed"], scanned(rows)))
    text = str(mlpool.summary(m))
    again = mlpool.load_model(m.save(tmp_path / "m.mlpool"))
    assert str(mlpool.summary(again)) == text
    assert str(mlpool.model_performance(again)) == str(mlpool.model_performance(m))
    assert str(mlpool.summary(pickle.loads(pickle.dumps(m)))) == text
    new = pd.DataFrame({"x": [1.0, 2.0], "s": ["a", "c"], "g": [0, 1]})
    np.testing.assert_array_equal(again.predict(new), m.predict(new))


def _with(case: tuple[str, dict[str, Any]], data: Any) -> tuple[str, Any, dict[str, Any]]:
    return case[0], data, case[1]


def test_single_rows_are_refused(rows: pd.DataFrame) -> None:
    m = quietly(*_with(CASES["0 and 1"], scanned(rows)))
    mixed = quietly(*_with(CASES["mixed"], scanned(rows)))
    for ask in (
        lambda: m.fitted, lambda: m.resid, lambda: m.vcov("HC1"), lambda: mixed.fitted,
        lambda: mlpool.simulate(m, 1), lambda: m.residuals("pearson"),
        lambda: mixed.vcov("CR1", cluster="g"),
        lambda: mlpool.check_zeroinflation(quietly(*_with(CASES["quasi"], scanned(rows)))),
    ):  # fmt: skip
        with pytest.raises(mlpool.NotSupportedError) as caught:
            ask()
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("formula", "options", "says"),
    [
        ("y ~ scale(x)", {"family": "binomial"}, "learns from all rows"),
        ("y ~ I(x - mean(x))", {"family": "binomial"}, "learns from all rows"),
        ("k ~ x", {"family": "Gamma"}, "binomial or Poisson"),
        ("k ~ x", {"family": "gaussian"}, "write lm()"),
        ("y ~ x", {"family": "binomial", "cluster": "g"}, "Robust standard errors"),
        ("y ~ x", {"family": "binomial", "weights": np.ones(3)}, "weights must name a column"),
        ("y ~ x", {"family": "binomial", "na_action": "fail"}, "83 rows have missing values (x"),
        ("y ~ x", {"family": "binomial", "subset": "x > 100"}, "subset leaves no rows"),
        ("y ~ z", {"family": "binomial"}, "There is no column 'z'"),
        ("y ~ x", {"family": "binomial", "engine": "statsmodels"}, "statsmodels"),
    ],
)
def test_what_is_refused(
    formula: str, options: dict[str, Any], says: str, rows: pd.DataFrame
) -> None:
    with pytest.raises(mlpool.MlpoolError) as caught:
        quietly(formula, scanned(rows), options)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_rows_that_hardly_compress(rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlpool.sources.combinations import query

    monkeypatch.setattr(query, "MOST_COMBINATIONS", 5)
    with pytest.raises(mlpool.NotSupportedError, match=r"8,000 rows have \d+ combinations of y, x"):
        quietly("y ~ x", scanned(rows), {"family": "binomial"})


def test_counted_statistics_are_those_of_repeated_numbers() -> None:
    rng = np.random.default_rng(5)
    for m in (1, 2, 7, 40):
        x, counts = rng.normal(size=m), rng.integers(1, 6, m).astype(float)
        repeated = np.repeat(x, counts.astype(int))
        probs = np.array([0.0, 0.1, 0.25, 1 / 3, 0.5, 0.9, 1.0])
        np.testing.assert_allclose(
            counted_quantiles(x, counts, probs), np.quantile(repeated, probs), atol=1e-15
        )
        np.testing.assert_allclose(counted_mean(x, counts), repeated.mean(), atol=1e-15)
        sd = repeated.std(ddof=1) if len(repeated) > 1 else 0.0
        np.testing.assert_allclose(counted_sd(x, counts), sd, atol=1e-15)
