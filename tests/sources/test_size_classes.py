"""A random intercept needs the sizes of its clusters; the clusters stay where the rows are."""

from __future__ import annotations

import copy
import pickle
import warnings
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
import pytest

import mlpool
from mlpool.engine.sums.size_classes import SizeClasses
from mlpool.sources.clusters import effects
from tests.sources.engines import ENGINES, SLOW, make_rows

pytest.importorskip("narwhals", minversion="2.0")
pl = pytest.importorskip("polars")
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::mlpool.MlpoolWarning"),
]

RTOL = 1e-12
"""Sums over classes instead of clusters: other orders of the same additions."""
GROUPS = ("g", "name", "long_id", "day", "flag")


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return make_rows()


@pytest.fixture
def few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effects, "MOST_LEVELS", 10)


def by_cluster(formula: str, data: Any, monkeypatch: pytest.MonkeyPatch, **options: Any) -> Any:
    """Return the fit of scanned rows by sums of every cluster."""
    with monkeypatch.context() as m:
        m.setattr("mlpool.sources.groups.takes_sizes", lambda *_: False)
        return mlpool.lmer(formula, data, **options)


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("options", [{}, {"reml": False, "offset": "e", "subset": "z < 5"}])
def test_the_fit_is_that_of_single_clusters(
    group: str, options: dict[str, Any], rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    formula, data = f"y ~ x * s + z + (1 | {group})", mlpool.scan(pl.from_pandas(rows).lazy())
    m, want = (
        mlpool.lmer(formula, data, **options),
        by_cluster(formula, data, monkeypatch, **options),
    )
    assert m.design.sums.by_size is not None
    assert m.design.sums.sums.shape[-1] == 0
    assert want.design.sums.by_size is None
    assert m.ngroups == want.ngroups
    for name in ("theta", "sigma", "criterion", "deviance"):
        np.testing.assert_allclose(getattr(m, name), getattr(want, name), rtol=RTOL)
    size = np.abs(want.fixef()).max()
    np.testing.assert_allclose(m.fixef(), want.fixef(), rtol=RTOL, atol=RTOL * size)
    np.testing.assert_allclose(m.se, want.se, rtol=RTOL)
    pd.testing.assert_frame_equal(m.ranef()[group], want.ranef()[group], rtol=0, atol=1e-11)
    pd.testing.assert_frame_equal(m.ranef().sd[group], want.ranef().sd[group], rtol=RTOL)
    pd.testing.assert_frame_equal(m.coef()[group], want.coef()[group], rtol=0, atol=1e-11)


@pytest.mark.parametrize(
    "verb",
    [
        mlpool.model_parameters, mlpool.summary, mlpool.anova, mlpool.icc, mlpool.r2,
        mlpool.estimate_grouplevel, mlpool.model_performance, mlpool.confint, mlpool.display,
        lambda m: mlpool.model_parameters(m, ci_method="kenward"),
        lambda m: mlpool.anova(m, ddf="Kenward-Roger"),
        lambda m: mlpool.vcov(m, "CR1", cluster="g"),
        lambda m: mlpool.estimate_means(m, by="s"),
        lambda m: mlpool.update(m, ". ~ . + z"),
        lambda m: mlpool.ranova(m),
        lambda m: mlpool.tidy(m, effects=["fixed", "ran_pars", "ran_vals", "ran_coefs"]),
    ],
)  # fmt: skip
def test_verbs_print_what_they_print_of_rows_in_memory(verb: Any, rows: pd.DataFrame) -> None:
    formula = "y ~ x + s + (1 | g)"
    found = str(verb(mlpool.lmer(formula, mlpool.scan(pl.from_pandas(rows).lazy()))))
    want = str(verb(mlpool.lmer(formula, rows)))
    assert found.splitlines()[3:] == want.splitlines()[3:]


@pytest.mark.parametrize(
    "engine", [pytest.param(e, marks=[pytest.mark.slow] if e in SLOW else []) for e in ENGINES]
)
def test_every_engine_keeps_many_levels_and_joins_them(
    engine: str, rows: pd.DataFrame, tmp_path: Path, few_are_many: None
) -> None:
    formula = "y ~ x + s + (1 | name)"
    source = mlpool.scan(ENGINES[engine](rows, tmp_path))
    m, want = mlpool.lmer(formula, source), mlpool.lmer(formula, rows)
    np.testing.assert_allclose(m.theta, want.theta, rtol=1e-9)
    lazy = m.ranef()
    assert type(lazy) is type(source.lazy.to_native())
    found = frame_of(lazy).set_index("name").sort_index()
    expected = want.ranef()["name"].sort_index()
    assert list(found.columns) == ["(Intercept)", "cond_sd"]
    assert list(found.index) == list(expected.index)
    np.testing.assert_allclose(found["(Intercept)"], expected["(Intercept)"], rtol=0, atol=1e-9)
    spread = want.ranef().sd["name"].sort_index()
    np.testing.assert_allclose(found["cond_sd"], spread["(Intercept)"], rtol=1e-9)
    complete = rows.dropna(subset=["x", "s"])
    for made, wanted in (
        (frame_of(m.predict())["predicted"], want.predict(complete)),
        (frame_of(m.residuals())["resid"], want.resid),
        (frame_of(m.predict(source))["predicted"].dropna(), want.predict(complete)),
    ):
        np.testing.assert_allclose(np.sort(made), np.sort(wanted), rtol=0, atol=1e-8)


def frame_of(lazy: Any) -> pd.DataFrame:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found: Any = nw.from_native(lazy).collect()
    return pd.DataFrame({c: found[c].to_list() for c in found.columns})


def test_many_levels_are_joined_to_rows_of_another_engine(
    rows: pd.DataFrame, few_are_many: None
) -> None:
    duckdb = pytest.importorskip("duckdb")
    m = mlpool.lmer("y ~ x + (1 | g)", mlpool.scan(pl.from_pandas(rows).lazy()))
    complete = rows.dropna(subset=["x"])
    want = mlpool.lmer("y ~ x + (1 | g)", rows).predict(complete)
    for elsewhere in (duckdb.connect().from_df(complete), complete):
        if elsewhere is complete:
            with pytest.raises(mlpool.NotSupportedError, match="levels of g stay where"):
                m.predict(elsewhere)
            continue
        found = frame_of(m.predict(elsewhere))["predicted"]
        np.testing.assert_allclose(np.sort(found), np.sort(want), rtol=0, atol=1e-9)


def test_new_levels_are_named_or_have_no_effect(rows: pd.DataFrame, few_are_many: None) -> None:
    m = mlpool.lmer("y ~ x + (1 | name)", mlpool.scan(pl.from_pandas(rows).lazy()))
    new = pl.LazyFrame({"x": [1.0, 2.0], "name": ["school 01", "school X"]})
    with pytest.raises(mlpool.DataError, match="name = 'school X', which was not in the data"):
        m.predict(new)
    found = m.predict(new, allow_new_levels=True).collect()["predicted"]
    alone = m.predict(new, re_form=False).collect()["predicted"]
    assert found[1] == alone[1]
    assert found[0] != alone[0]


def test_many_levels_do_not_travel(rows: pd.DataFrame, few_are_many: None, tmp_path: Path) -> None:
    m = mlpool.lmer("y ~ x + (1 | g)", mlpool.scan(pl.from_pandas(rows).lazy()))
    other = pickle.loads(pickle.dumps(m))
    assert other.ngroups == m.ngroups
    assert str(mlpool.model_parameters(other)) == str(mlpool.model_parameters(m))
    sentence = "60 levels of g stay where the rows are, since they are more than 10"
    refused = (
        other.ranef, lambda: mlpool.estimate_grouplevel(m), m.coef,
        lambda: m.save(tmp_path / "m.mlpool"), lambda: mlpool.tidy(m, effects="ran_vals"),
    )  # fmt: skip
    for verb in refused:
        with pytest.raises(mlpool.NotSupportedError, match=sentence):
            verb()


def test_few_levels_travel(rows: pd.DataFrame, tmp_path: Path) -> None:
    m = mlpool.lmer("y ~ x + (1 | name)", mlpool.scan(pl.from_pandas(rows).lazy()))
    m.save(tmp_path / "m.mlpool")
    for other in (
        pickle.loads(pickle.dumps(m)), copy.deepcopy(m), mlpool.load_model(tmp_path / "m.mlpool")
    ):  # fmt: skip
        pd.testing.assert_frame_equal(other.ranef()["name"], m.ranef()["name"])
        pd.testing.assert_frame_equal(other.ranef().sd["name"], m.ranef().sd["name"])


def test_effects_of_some_levels(rows: pd.DataFrame) -> None:
    m = mlpool.lmer("y ~ x + (1 | name)", mlpool.scan(pl.from_pandas(rows).lazy()))
    levels = ["school 07", "school 01"]
    found, whole = m.ranef(levels={"name": levels}), m.ranef()
    pd.testing.assert_frame_equal(found["name"], whole["name"].loc[levels])
    pd.testing.assert_frame_equal(found.sd["name"], whole.sd["name"].loc[levels])


def test_clusters_come_one_by_one_where_sizes_are_not_enough(rows: pd.DataFrame) -> None:
    data = mlpool.scan(pl.from_pandas(rows.assign(half=rows["g"] / 2)).lazy())
    for formula, options in (
        ("y ~ x + (1 | g)", {"weights": "w"}), ("y ~ x + (x | g)", {}), ("y ~ x + (0 + x | g)", {}),
        ("y ~ x + (1 | half)", {}), ("y ~ x + (1 | g) + (1 | s)", {}), ("y ~ x + (1 | g:s)", {}),
        ("y ~ x + (1 | factor(g))", {}),
    ):  # fmt: skip
        m = mlpool.lmer(formula, data, **options)
        assert m.design.sums.by_size is None


def test_clusters_that_change_after_the_fit_are_found_out(rows: pd.DataFrame) -> None:
    duckdb = pytest.importorskip("duckdb")
    connection = duckdb.connect()
    connection.register("given", rows)
    connection.execute("create table rows_there as select * from given")
    m = mlpool.lmer("y ~ x + (1 | g)", mlpool.scan(connection.table("rows_there")))
    connection.execute("delete from rows_there where g = 3")
    with pytest.raises(mlpool.DataError, match="rows changed since the fit: g had 60 levels"):
        m.ranef()


def test_stand_ins_have_the_sums_of_their_class() -> None:
    rng = np.random.default_rng(4)
    # units apart by ten orders of magnitude, and a column that is nothing
    S = rng.normal(size=(3, 8, 4)) * np.array([1.0, 1e6, 1e-4, 0.0])
    size, count = np.array([2.0, 3.0, 7.0]), np.full(3, 8.0)
    classes = SizeClasses(size=size, count=count, products=np.einsum("gja,gjb->gab", S, S))
    n, counts, made = classes.stand_ins()
    np.testing.assert_array_equal(n, np.repeat(size, 4))
    assert counts.sum() == classes.n_clusters == 24
    for f in (lambda n: 1.0 / n, np.log):
        want = np.einsum("g,gja,gjb->ab", f(size), S, S)
        unit = np.sqrt(np.outer(np.diag(want), np.diag(want)))
        np.testing.assert_allclose((f(n) * made) @ made.T, want, rtol=0, atol=1e-13 * unit.max())
        error = np.abs((f(n) * made) @ made.T - want)[:3, :3] / unit[:3, :3]
        assert error.max() < 1e-13
    R = rng.normal(size=(4, 2))
    np.testing.assert_allclose(
        classes.combined(R).between(), np.einsum("g,gjc,gjd->cd", 1 / size, S @ R, S @ R)
    )
