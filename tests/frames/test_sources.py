"""What can be handed over as data, and files as programs of all countries write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import mlpool
from mlpool.frames import read_frame
from mlpool.frames.files import read_path

FORMULA = "math ~ ses + sector + (1 | school)"


@pytest.fixture(scope="module")
def schools() -> pd.DataFrame:
    d = mlpool.load_data("hsb82").astype({"school": str, "sector": str})
    return d.loc[:1500, ["math", "ses", "sector", "school"]]


@pytest.fixture(scope="module")
def expected(schools: pd.DataFrame) -> Any:
    return mlpool.lmer(FORMULA, schools)


def duckdb_relation(d: pd.DataFrame) -> Any:
    connection = pytest.importorskip("duckdb").connect()
    return connection.from_df(d)


def ibis_table(d: pd.DataFrame) -> Any:
    return pytest.importorskip("ibis").memtable(d)


def dask_frame(d: pd.DataFrame) -> Any:
    return pytest.importorskip("dask.dataframe").from_pandas(d, npartitions=2)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize(
    "make",
    [
        duckdb_relation,
        ibis_table,
        dask_frame,
        pl.from_pandas,
        lambda d: pl.from_pandas(d).lazy(),
        lambda d: pa.Table.from_pandas(d, preserve_index=False),
        lambda d: pa.RecordBatch.from_pandas(d, preserve_index=False),
        lambda d: pa.Table.from_pandas(d).to_reader(max_chunksize=100),
        lambda d: d.to_dict("records"),
        lambda d: d.to_dict("list"),
        lambda d: d.to_records(index=False),
        lambda d: {c: pl.Series(c, d[c].to_numpy()) for c in d},
    ],
)
def test_every_source_gives_the_same_fit(make: Any, schools: pd.DataFrame, expected: Any) -> None:
    m = mlpool.lmer(FORMULA, make(schools))
    assert m.names == expected.names
    np.testing.assert_array_equal(m.fixef().to_numpy(), expected.fixef().to_numpy())
    np.testing.assert_array_equal(m.ranef()["school"], expected.ranef()["school"])


def test_enumerations_of_a_database_keep_their_order() -> None:
    connection = pytest.importorskip("duckdb").connect()
    connection.sql("create type mood as enum ('sad', 'ok', 'happy')")
    relation = connection.sql("select 'ok'::mood as m union all select 'happy'::mood")
    assert read_frame(relation).column("m").levels == ("sad", "ok", "happy")


@pytest.mark.parametrize(
    "data",
    [3, "a" * 5000, "no/such/file.csv", [], [1, 2], object(), np.zeros((3, 2)), pd.Series([1.0]),
     {"y": [1, 2], "x": [[1], [2, 3]]}, {"y": [1, 2], "x": 3}, {"y": "ab"}, {},
     pd.DataFrame(), pl.DataFrame(), "https://example.org/d.csv", "a\0b.csv",
     pa.table([pa.array([1]), pa.array([2])], names=["a", "a"])],
)  # fmt: skip
def test_what_is_no_table_is_refused_in_one_sentence(data: Any) -> None:
    with pytest.raises(mlpool.DataError) as caught:
        mlpool.lm("y ~ x", data)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def write(d: pd.DataFrame, path: Path, **options: Any) -> str:
    d.to_csv(path, index=False, **options)
    return str(path)


def test_separators_and_decimal_commas(tmp_path: Path, schools: pd.DataFrame) -> None:
    want = mlpool.lm("math ~ ses + sector", schools).fixef()
    files = [
        write(schools, tmp_path / "a.csv"),
        write(schools, tmp_path / "b.csv", sep=";", decimal=","),
        write(schools, tmp_path / "c.csv", sep=";"),
        write(schools, tmp_path / "d.csv", sep="\t"),
        write(schools, tmp_path / "e.tsv", sep="\t"),
        write(schools, tmp_path / "f.txt", sep="|"),
        write(schools, tmp_path / "g.csv", encoding="utf-16"),
        write(schools, tmp_path / "h.csv.gz"),
    ]
    for file in files:
        np.testing.assert_allclose(
            mlpool.lm("math ~ ses + sector", file).fixef(), want, rtol=1e-12, err_msg=file
        )


def test_a_column_of_its_own_stays_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "one.csv"
    file.write_text("y\n1\n2\n")
    assert read_frame(file).columns == ("y",)


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252"])
def test_other_encodings_are_read_as_windows_1252_and_named(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "latin.csv"
    file.write_bytes("größe;y\n1,5;2\n2,5;3\n".encode(encoding))
    with pytest.warns(mlpool.MlpoolWarning, match="read as Windows-1252"):
        frame = read_frame(file)
    assert frame.columns == ("größe", "y")
    np.testing.assert_array_equal(frame.column("größe").values, [1.5, 2.5])


def test_bytes_of_no_known_encoding_are_told(tmp_path: Path) -> None:
    file = tmp_path / "odd.csv"
    file.write_bytes(b"a\x81\x8d,y\n1,2\n")  # neither UTF-8 nor a letter of Windows-1252
    with pytest.raises(mlpool.DataError, match="encoding='latin-1'"):
        read_frame(file)


def test_stata_files_and_what_reads_others(tmp_path: Path, schools: pd.DataFrame) -> None:
    file = tmp_path / "d.dta"
    labelled = schools.assign(sector=pd.Categorical(schools["sector"], ordered=True))
    labelled.to_stata(file, write_index=False)
    found = mlpool.lm("math ~ ses + sector", file)
    plain = mlpool.lm("math ~ ses + sector", schools)
    np.testing.assert_allclose(found.fixef(), plain.fixef(), rtol=1e-6)
    for name, call in [("d.xlsx", "read_excel"), ("d.sav", "read_spss"), ("d.rds", "write.csv")]:
        (tmp_path / name).write_bytes(b"no table")
        with pytest.raises(mlpool.DataError, match=call):
            read_frame(tmp_path / name)


@pytest.mark.filterwarnings("ignore:ChainedAssignmentError:FutureWarning")  # pyreadstat's own
def test_labels_of_spss_come_in_the_order_of_their_codes(tmp_path: Path) -> None:
    """Levels of R's ``haven::as_factor(haven::read_sav(file))``."""
    pyreadstat = pytest.importorskip("pyreadstat")
    n = np.arange(60)
    d = pd.DataFrame({
        "y": np.sin(n), "e": np.tile([3.0, 1.0, 2.0], 20), "s": np.tile(["m", "f"], 30),
        "h": np.tile([1.0, 2.0, 7.0, np.nan], 15), "x": np.cos(n),
    })  # fmt: skip
    labels = {
        "e": {1: "primary", 2: "lower secondary", 3: "higher", 9: "other"},
        "s": {"m": "Man", "f": "A woman"},
        "h": {7: "never", 1: "often"},
    }
    file = tmp_path / "d.sav"
    pyreadstat.write_sav(d, str(file), variable_value_labels=labels)
    found = read_path(file)
    assert [*found["e"].cat.categories] == ["primary", "lower secondary", "higher", "other"]
    assert [*found["s"].cat.categories] == ["A woman", "Man"]
    assert [*found["h"].cat.categories] == ["often", 2.0, "never"]
    assert (
        found["e"]
        .astype(str)
        .map({v: k for k, v in labels["e"].items()})
        .equals(d["e"].astype(int))
    )
    assert found["h"].isna().sum() == 15
    m = mlpool.lm("y ~ e + x", file)
    assert [*m.names] == ["(Intercept)", "elower secondary", "ehigher", "x"]
