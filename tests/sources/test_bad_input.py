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
