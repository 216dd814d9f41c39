"""What scanned rows cannot give is said in one sentence."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mlpool
from tests.sources.engines import make_rows

pytest.importorskip("narwhals", minversion="2.0")
pl = pytest.importorskip("polars")


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return make_rows()


@pytest.fixture(scope="module")
def source(rows: pd.DataFrame) -> Any:
    return mlpool.scan(pl.from_pandas(rows).lazy())


@pytest.mark.parametrize(
    ("formula", "options", "says"),
    [
        ("y ~ bs(x) + (1 | g)", {}, "bs()"),
        ("y ~ factor(x > mean(x)) + (1 | g)", {}, "mean()"),  # not of the distinct values
        ("y ~ pmin(x, w) + (1 | g)", {}, "pmin()"),
        ("y ~ ifelse(x > w, 'a', 'b') + (1 | g)", {}, "ifelse"),
        ("y ~ nothing + (1 | g)", {}, "There is no column 'nothing'"),
        ("s ~ x + (1 | g)", {}, "is text or a factor"),
        ("y ~ log(x - 100) + (1 | g)", {}, "No row is left"),
        ("y ~ log(z - 1) + (1 | g)", {}, "infinite"),
        ("y ~ x + (1 | g)", {"weights": np.ones(3)}, "weights must name a column"),
        ("y ~ x + (1 | g)", {"offset": "s"}, "not numeric"),
        ("y ~ x + (1 | g)", {"subset": "x > 1e6"}, "subset leaves no rows"),
        ("y ~ x + (1 | g)", {"subset": "x + 1"}, "true or false"),
        ("y ~ x + (1 | g)", {"na_action": "fail"}, "na_action is 'fail'"),
        ("y ~ x + (1 | g)", {"engine": "statsmodels"}, "statsmodels"),
        ("y ~ x + (1 | g)", {"contrasts": {"x": "sum"}}, "numeric"),
        ("y ~ x + (1 | g)", {"cluster": "nothing"}, "There is no column 'nothing'"),
    ],
)
def test_what_no_query_gives_is_said(
    formula: str, options: dict[str, Any], says: str, source: Any
) -> None:
    with pytest.raises(mlpool.MlpoolError, match="(?s)" + _escaped(says)) as caught:
        mlpool.lmer(formula, source, **options)
    assert "\n" not in str(caught.value)


def _escaped(text: str) -> str:
    return text.replace("(", r"\(").replace(")", r"\)")


def test_a_constant_response_is_found(rows: pd.DataFrame) -> None:
    with warnings.catch_warnings(), pytest.raises(mlpool.FitError, match="constant"):
        warnings.simplefilter("ignore")
        mlpool.lmer("y ~ x + (1 | g)", mlpool.scan(pl.from_pandas(rows.assign(y=2.0)).lazy()))


def test_rows_that_change_between_queries_are_noticed(tmp_path: Path, rows: pd.DataFrame) -> None:
    from mlpool.sources import survey as first

    kept = first.totals
    calls = []

    def grown(*args: Any) -> Any:
        calls.append(1)
        found = kept(*args)
        return {**found, "used": found["used"] + 1.0} if "used" in found else found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(first, "totals", grown)
        with pytest.raises(mlpool.DataError, match="changed between two queries"):
            mlpool.lm("y ~ z", mlpool.scan(pl.from_pandas(rows).lazy()))
    assert calls


def test_files_that_are_none(tmp_path: Path) -> None:
    pytest.importorskip("duckdb")
    (tmp_path / "empty").mkdir()
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1 this is no Parquet file PAR1")
    for path in (tmp_path / "none.parquet", tmp_path / "empty", broken, tmp_path / "*.csv"):
        with pytest.raises(mlpool.DataError) as caught:
            mlpool.lm("y ~ x", mlpool.scan(path))
        assert "\n" not in str(caught.value)


def test_an_empty_relation_and_a_name_that_is_sql() -> None:
    with pytest.raises(mlpool.DataError, match="no rows"):
        mlpool.lm(
            "y ~ x", mlpool.scan(pl.LazyFrame({"y": [], "x": []}, schema={"y": float, "x": float}))
        )
    duckdb = pytest.importorskip("duckdb")
    d = pd.DataFrame({"y": [1.0, 2.0, 4.0, 3.0], 'select "x"; --': [1.0, 2.0, 3.0, 5.0]})
    m = mlpool.lm('y ~ `select "x"; --`', mlpool.scan(duckdb.connect().from_df(d)))
    want = mlpool.lm('y ~ `select "x"; --`', d)
    np.testing.assert_allclose(m.fixef(), want.fixef(), rtol=1e-12)


def test_memory_limits_are_for_files_of_mlpools_own(tmp_path: Path, rows: pd.DataFrame) -> None:
    pytest.importorskip("duckdb")
    rows.to_parquet(tmp_path / "rows.parquet")
    assert "duckdb" in repr(mlpool.scan(tmp_path / "rows.parquet", memory_limit="1GB"))
    for limit in ("lots", "1'; drop table x"):
        with pytest.raises(mlpool.OptionError, match="memory_limit"):
            mlpool.scan(tmp_path / "rows.parquet", memory_limit=limit)
    with pytest.raises(mlpool.OptionError, match="polars"):
        mlpool.scan(pl.LazyFrame({"x": [1.0]}), memory_limit="1GB")


def test_verbs_of_rows_say_which_queries_serve(source: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        m = mlpool.lmer("y ~ x + (1 | g)", source)
    for use in (lambda: m.fitted, lambda: m.resid, m.simulate):
        with pytest.raises(mlpool.NotSupportedError, match=r"m\.predict\(\) and m\.resid"):
            use()


def test_a_model_travels_without_its_engine(source: Any, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        m = mlpool.lmer("y ~ x + s + (1 | g)", source)
    text = str(mlpool.summary(m))
    again = mlpool.load_model(m.save(tmp_path / "m.mlpool"))
    assert str(mlpool.summary(again)) == text
    assert str(mlpool.summary(pickle.loads(pickle.dumps(m)))) == text
    new = pd.DataFrame({"x": [1.0, 2.0], "s": ["low", "top"], "g": [0, 1]})
    np.testing.assert_array_equal(again.predict(new), m.predict(new))


def test_new_levels_in_lazy_rows(source: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        m = mlpool.lmer("y ~ x + s + (1 | g)", source)
    new = pd.DataFrame({"x": [1.0, 2.0], "s": ["low", "top"], "g": [0, 999]})
    lazy = pl.from_pandas(new).lazy()
    with pytest.raises(mlpool.DataError, match="999"):
        m.predict(lazy)
    found = m.predict(lazy, allow_new_levels=True).collect().sort("g")["predicted"]
    np.testing.assert_allclose(found, m.predict(new, allow_new_levels=True), rtol=1e-12)
    with pytest.raises(mlpool.DataError, match="does not know"):
        m.predict(pl.from_pandas(new.assign(s=["low", "other"])).lazy(), re_form=False)


def test_narwhals_of_old_is_too_old_to_scan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("narwhals.__version__", "1.20.0")
    lazy = pl.LazyFrame({"y": [1.0, 2.0, 4.0], "x": [0.0, 1.0, 2.0]})
    with pytest.raises(mlpool.NotSupportedError, match=r"needs narwhals 2\.0"):
        mlpool.scan(lazy)
    assert mlpool.lm("y ~ x", lazy).nobs == 3  # read into memory


def small_rows() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    g, x = rng.integers(0, 20, 300), rng.normal(size=300)
    y = 1.0 + x + rng.normal(size=20)[g] + rng.normal(size=300)
    return pd.DataFrame({"y": y, "x": x, "g": g, "row": np.arange(300)})


def one_sentence(ask: Any, says: str) -> None:
    with warnings.catch_warnings(), pytest.raises(mlpool.MlpoolError, match=says) as caught:
        warnings.simplefilter("ignore")
        ask()
    assert "\n" not in str(caught.value)


def test_a_connection_that_was_closed() -> None:
    duckdb = pytest.importorskip("duckdb")
    connection = duckdb.connect()
    relation = connection.from_df(small_rows())
    source = mlpool.scan(relation)
    m = mlpool.lmer("y ~ x + (1 | g)", source)
    connection.close()
    closed = "cannot be queried: Connection Error"
    one_sentence(lambda: mlpool.scan(relation), closed)
    one_sentence(lambda: mlpool.lmer("y ~ x + (1 | g)", source), closed)
    for ask in (
        m.predict, m.residuals, lambda: m.vcov("CR1", cluster="g"), lambda: mlpool.summary(m),
        lambda: mlpool.estimate_slopes(m, trend="x"),
    ):  # fmt: skip
        one_sentence(ask, closed)
    assert "Satterthwaite" in str(mlpool.anova(m))  # what the sums say needs no query


def test_infinite_keys_are_counted_by_rows() -> None:
    d = small_rows()
    d["g"] = np.where(d["g"] == 3, np.inf, d["g"])
    d["k"], d["u"] = d["row"] % 3, np.where(d["row"] < 50, np.inf, 1.0)
    lazy, n = mlpool.scan(pl.from_pandas(d).lazy()), int(np.isinf(d["g"]).sum())
    for data in (d, lazy):
        one_sentence(lambda rows=data: mlpool.lmer("y ~ x + (1 | g)", rows), f"infinite in {n}")
    one_sentence(lambda: mlpool.glm("k ~ u", lazy, family="poisson"), "'u' is infinite in 50 rows")


def test_names_that_are_empty_and_relations_that_are() -> None:
    duckdb = pytest.importorskip("duckdb")
    d = small_rows().rename(columns={"x": ""})
    want = mlpool.lm("y ~ g", d).fixef()
    for data in (pl.from_pandas(d).lazy(), duckdb.connect().from_df(d)):
        found = mlpool.lm("y ~ g", mlpool.scan(data)).fixef()
        np.testing.assert_allclose(found, want, rtol=1e-10)
    nothing = duckdb.connect().sql("select 1.0 y, 2.0 x, 3 g where false")
    one_sentence(lambda: mlpool.lmer("y ~ x + (1 | g)", mlpool.scan(nothing)), "have no rows")
    one_sentence(lambda: mlpool.glm("y ~ x", mlpool.scan(nothing), family="poisson"), "no rows")


def test_damaged_pages_of_a_file(tmp_path: Path) -> None:
    pytest.importorskip("duckdb")
    small_rows().to_parquet(tmp_path / "rows.parquet", index=False)
    whole = bytearray((tmp_path / "rows.parquet").read_bytes())
    whole[4:60] = b"\xff" * 56  # the head of the first page
    (tmp_path / "rows.parquet").write_bytes(bytes(whole))
    for source in (tmp_path / "rows.parquet", pl.scan_parquet(tmp_path / "rows.parquet")):
        one_sentence(lambda data=source: mlpool.lmer("y ~ x + (1 | g)", mlpool.scan(data)),
                     "cannot answer a query|cannot be queried")  # fmt: skip


@pytest.mark.parametrize("shift", [2**53, 2**63 + 1])
def test_keys_beyond_the_whole_numbers_of_floats(shift: int) -> None:
    d = small_rows()
    keys = np.array([shift + int(i) for i in d["g"]], dtype=np.uint64)
    source = mlpool.scan(pl.from_pandas(d.assign(g=keys)).lazy())
    m = mlpool.lmer("y ~ x + (1 | g)", source)
    assert m.ngroups == {"g": 20}
    np.testing.assert_allclose(m.fixef(), mlpool.lmer("y ~ x + (1 | g)", d).fixef(), rtol=1e-9)


def test_polars_keeps_the_order_of_predictions() -> None:
    rows = pl.from_pandas(small_rows())
    m = mlpool.lmer("y ~ x + (1 | g)", mlpool.scan(rows.lazy()))
    found = m.predict(rows.lazy()).collect()
    assert found["row"].to_list() == list(range(300))
    want = mlpool.lmer("y ~ x + (1 | g)", small_rows()).predict(small_rows())
    np.testing.assert_allclose(found["predicted"], want, rtol=1e-9)
