"""Every engine gives the model of the rows in memory, whatever the formula is made of."""

from __future__ import annotations

import warnings
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
import pytest

import mlpool
from tests.sources.engines import ENGINES, SLOW, make_rows

pytest.importorskip("narwhals", minversion="2.0")
pytestmark = [
    # what engines and the libraries below them say about themselves
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

RTOL = 1e-9
"""Of every number: sums in another order differ by 1e-16 of their size, times what solving them
amplifies, 1e5 at most here."""

CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "slopes": ("y ~ x + s + (x | g)", {}),
    "text keys, interaction": ("y ~ x * s + (1 | name)", {"reml": False}),
    "long ids": ("y ~ x + (1 | long_id)", {}),
    "dates as keys": ("y ~ z + (1 | day)", {}),
    "factor slopes, contrasts": ("y ~ s + x + (0 + flag | g)", {"contrasts": {"s": "sum"}}),
    "weights, offset, uncorrelated": (
        "y ~ factor(z) + flag + (x || g)", {"weights": "w", "offset": "e"},
    ),
    "arithmetic": ("log(y + 50) ~ I(x^2) + sqrt(abs(x)) + I(x > 3) + exp(-z) + (1 | g)", {}),
    "learned": ("y ~ poly(x, 3) + scale(z) + center(w):s + (1 | g)", {}),
    "subset": ("y ~ x + ordered(s, levels = c('low', 'mid', 'top')) + (1 | g)",
               {"subset": "s != 'mid' & z < 5"}),
    "nested keys": ("y ~ x + (1 | name:flag)", {}),
    "crossed": ("y ~ x + (x | name) + (1 | z)", {"weights": "w"}),
    "nested": ("y ~ s + (1 | g/flag)", {}),
    "dates as numbers": ("y ~ I(day > 19790) + z + (1 | g)", {}),
}  # fmt: skip
SINGLE: dict[str, tuple[str, dict[str, Any]]] = {
    "lm": ("y ~ x * s + flag", {}),
    "lm with weights and offset": ("y ~ poly(x, 2) + offset(e)", {"weights": "w"}),
    "lm without intercept": ("y ~ 0 + s + x", {}),
    "lm with an aliased column": ("y ~ x + I(2 * x - 3) + s", {}),
}
FEW = ("slopes", "weights, offset, uncorrelated", "learned", "crossed", "dates as keys")
"""What every engine is asked: numbers and text, labels of numbers and logicals, what learns, pairs
of levels, dates."""
KEYS = ("text keys, interaction", "long ids", "subset", "nested", "lm with weights and offset")
"""What engines of one process are asked beside: keys of every type, and rows left out by labels."""
EVERY_CASE = "polars_lazy"
"""The engine that is asked everything; the program is the same for all."""


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return make_rows()


@pytest.fixture(scope="module")
def sources(rows: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The engines' handles, made when first asked for."""

    class Made(dict[str, Any]):
        def __missing__(self, name: str) -> Any:
            self[name] = ENGINES[name](rows, tmp_path_factory.mktemp(name))
            return self[name]

    return Made()


def quietly(fit: Any, formula: str, data: Any, options: dict[str, Any]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fit(formula, data, **options)


@pytest.fixture(scope="module")
def in_memory(rows: pd.DataFrame) -> Any:
    known: dict[str, Any] = {}

    def fit(case: str) -> Any:
        if case not in known:
            verb = mlpool.lm if case in SINGLE else mlpool.lmer
            known[case] = quietly(verb, *_placed(case, rows))
        return known[case]

    return fit


def _placed(case: str, data: Any) -> tuple[str, Any, dict[str, Any]]:
    formula, options = {**CASES, **SINGLE}[case]
    return formula, data, options


def engine_cases() -> list[Any]:
    found = []
    for name in ENGINES:
        marks = [pytest.mark.slow] if name in SLOW else []
        for case in (*CASES, *SINGLE):
            if name == EVERY_CASE or case in FEW or (case in KEYS and name not in SLOW):
                found.append(pytest.param(name, case, marks=marks, id=f"{name}: {case}"))
    return found


@pytest.mark.parametrize(("engine", "case"), engine_cases())
def test_every_engine_gives_the_model_in_memory(
    engine: str, case: str, sources: Any, in_memory: Any
) -> None:
    want = in_memory(case)
    verb = mlpool.lm if case in SINGLE else mlpool.lmer
    m = quietly(verb, *_placed(case, mlpool.scan(sources[engine])))
    assert m.names == want.names
    assert m.aliased == want.aliased
    assert (m.nobs, m.n_missing, m.ngroups) == (want.nobs, want.n_missing, want.ngroups)
    missing = {k: v for k, v in want.design.missing_by.items() if v}
    assert m.design.missing_by == missing
    size = np.abs(want.fixef()).max()
    np.testing.assert_allclose(m.fixef(), want.fixef(), rtol=RTOL, atol=RTOL * size)
    np.testing.assert_allclose(m.se, want.se, rtol=RTOL)
    np.testing.assert_allclose([m.sigma, m.loglik], [want.sigma, want.loglik], rtol=RTOL)
    if case not in SINGLE:
        np.testing.assert_allclose(m.theta, want.theta, rtol=1e-7, atol=RTOL)
        assert list(m.ranef()) == list(want.ranef())
        for group, expected in want.ranef().items():
            effects = m.ranef()[group]
            assert list(effects.index) == list(expected.index)
            np.testing.assert_allclose(effects, expected, rtol=0, atol=1e-8 * want.sigma)


@pytest.mark.parametrize("engine", [e for e in ENGINES if e not in SLOW])
def test_tables_print_the_same(engine: str, sources: Any, in_memory: Any) -> None:
    want = in_memory("slopes")
    m = quietly(mlpool.lmer, *_placed("slopes", mlpool.scan(sources[engine])))
    for verb in (
        mlpool.model_parameters, mlpool.summary, mlpool.icc, mlpool.r2, mlpool.model_performance,
        mlpool.VarCorr, mlpool.estimate_grouplevel, mlpool.compare_parameters, mlpool.display,
    ):  # fmt: skip
        assert str(verb(m)).split("data = ")[0] == str(verb(want)).split("data = ")[0]
        assert str(verb(m)).splitlines()[2:] == str(verb(want)).splitlines()[2:]
    assert str(mlpool.estimate_means(m, by="s")) == str(mlpool.estimate_means(want, by="s"))
    assert str(mlpool.estimate_slopes(m, trend="x")) == str(mlpool.estimate_slopes(want, trend="x"))
    kenward = {"ci_method": "kenward"}
    assert str(mlpool.model_parameters(m, **kenward)) == str(
        mlpool.model_parameters(want, **kenward)
    )


@pytest.mark.parametrize(
    "engine", [pytest.param(e, marks=[pytest.mark.slow] if e in SLOW else []) for e in ENGINES]
)
def test_predictions_and_residuals_stay_where_the_rows_are(
    engine: str, sources: Any, in_memory: Any, rows: pd.DataFrame
) -> None:
    want = in_memory("slopes")
    source = mlpool.scan(sources[engine])
    m = quietly(mlpool.lmer, *_placed("slopes", source))
    lazy = m.predict(source)
    assert type(lazy) is type(source.lazy.to_native())
    found = _collected(lazy)
    complete = rows.dropna(subset=["x", "s"])
    expected = want.predict(complete).to_numpy()
    assert len(found) == len(rows)
    known = found[~np.isnan(found["predicted"])]
    np.testing.assert_allclose(np.sort(known["predicted"]), np.sort(expected), rtol=1e-8)
    residuals = _collected(m.residuals())
    np.testing.assert_allclose(
        np.sort(residuals["resid"]), np.sort(want.resid), atol=1e-8 * want.sigma
    )
    assert {"fitted", "resid", "y"} <= set(residuals.columns)


def _collected(lazy: Any) -> pd.DataFrame:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found: Any = nw.from_native(lazy).collect()
    names = [c for c in ("y", "predicted", "fitted", "resid") if c in found.columns]
    return pd.DataFrame({c: np.array(found[c].to_list(), dtype=float) for c in names})


@pytest.mark.parametrize("kind", ["CR0", "CR1", "CR1S", "CR2", "CR3", "vcovCL", "HC0", "HC3"])
def test_cluster_robust_covariances_come_from_sums(
    kind: str, sources: Any, rows: pd.DataFrame
) -> None:
    want = quietly(mlpool.lm, "y ~ x * s", rows, {})
    m = quietly(mlpool.lm, "y ~ x * s", mlpool.scan(sources["polars_lazy"]), {})
    clustered = m.vcov(kind, cluster="name").to_numpy()
    np.testing.assert_allclose(clustered, want.vcov(kind, cluster="name"), rtol=1e-8, atol=1e-14)
    for plain in ("HC0", "HC1"):
        np.testing.assert_allclose(m.vcov(plain), want.vcov(plain), rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("kind", ["CR0", "CR1", "CR1S", "CR1p", "CR3"])
def test_mixed_models_have_cluster_robust_covariances(
    kind: str, sources: Any, rows: pd.DataFrame
) -> None:
    options = {"weights": "w"}
    want = quietly(mlpool.lmer, "y ~ x + s + (x | g)", rows, options)
    source = mlpool.scan(sources["polars_lazy"])
    m = quietly(mlpool.lmer, "y ~ x + s + (x | g)", source, options)
    np.testing.assert_allclose(
        m.vcov(kind, cluster="g"), want.vcov(kind, cluster="g"), rtol=1e-8, atol=1e-14
    )
