"""The engines that rows may lie in, each with the same rows."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

N, GROUPS = 3000, 60


def make_rows() -> pd.DataFrame:
    """Return rows of every type of column: skewed groups, gaps of both kinds, weights, dates."""
    rng = np.random.default_rng(20)
    g = np.minimum(rng.geometric(0.06, N) - 1, GROUPS - 1)
    x = rng.normal(3.0, 1.0, N)
    s = rng.choice(["low", "mid", "top"], N)
    d = pd.DataFrame(
        {
            "g": g,
            "name": [f"school {i:02d}" for i in g],
            "long_id": 9_007_199_254_740_993 + g.astype(np.int64),
            "day": pd.Timestamp("2024-02-27") + pd.to_timedelta(g, unit="D"),
            "x": x,
            "z": rng.integers(1, 6, N),
            "s": s,
            "flag": rng.random(N) < 0.4,
            "w": rng.uniform(0.5, 2.0, N),
            "e": rng.normal(0.0, 0.3, N),
        }
    )
    b = rng.normal(size=(GROUPS, 3))
    d["y"] = (
        20.0 + 0.5 * x + 0.3 * (s == "mid") - 0.2 * d["z"] + d["e"]
        + b[g, 0] + 0.3 * b[g, 1] * x + b[g, 2] * d["flag"] + rng.normal(size=N)
    )  # fmt: skip
    d.loc[::97, "x"] = np.nan
    d.loc[::89, "s"] = None
    return d


def duckdb_file(d: pd.DataFrame, folder: Path) -> Any:
    pytest.importorskip("duckdb")
    d.to_parquet(folder / "rows.parquet", index=False)
    return str(folder / "rows.parquet")


def duckdb_folder(d: pd.DataFrame, folder: Path) -> Any:
    pytest.importorskip("duckdb")
    d.to_parquet(folder / "hive", partition_cols=["z"], index=False)
    return folder / "hive"


def duckdb_csv(d: pd.DataFrame, folder: Path) -> Any:
    pytest.importorskip("duckdb")
    d.to_csv(folder / "rows.csv", index=False)
    return folder / "rows.csv"


def duckdb_relation(d: pd.DataFrame, folder: Path) -> Any:
    return pytest.importorskip("duckdb").connect().from_df(d)


def polars_lazy(d: pd.DataFrame, folder: Path) -> Any:
    return pytest.importorskip("polars").from_pandas(d, nan_to_null=False).lazy()


def arrow_dataset(d: pd.DataFrame, folder: Path) -> Any:
    pytest.importorskip("duckdb")
    dataset = pytest.importorskip("pyarrow.dataset")
    for i, part in enumerate(np.array_split(np.arange(len(d)), 3)):
        (folder / "arrow").mkdir(exist_ok=True)
        d.iloc[part].to_parquet(folder / "arrow" / f"{i}.parquet", index=False)
    return dataset.dataset(folder / "arrow")


def ibis_table(d: pd.DataFrame, folder: Path) -> Any:
    ibis = pytest.importorskip("ibis")
    pytest.importorskip("duckdb")
    d.to_parquet(folder / "ibis.parquet", index=False)
    return ibis.duckdb.connect().read_parquet(folder / "ibis.parquet")


def dask_frame(d: pd.DataFrame, folder: Path) -> Any:
    frames = pytest.importorskip("dask.dataframe")
    dask_client()
    return frames.from_pandas(d, npartitions=3)


def spark_frame(d: pd.DataFrame, folder: Path) -> Any:
    session = spark_session()
    d = d.assign(day=d["day"].astype("datetime64[us]"))
    d.to_parquet(folder / "spark.parquet", index=False)
    return session.read.parquet(str(folder / "spark.parquet"))


@cache
def dask_client() -> Any:
    """Return a cluster of two worker processes, started once, on ports that are free."""
    distributed = pytest.importorskip("distributed")
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
    )
    return distributed.Client(cluster)


@cache
def spark_session() -> Any:
    """Return Spark with two threads, started once."""
    sql = pytest.importorskip("pyspark.sql")
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java, which is not installed")
    builder = sql.SparkSession.builder.master("local[2]")
    settings = {"spark.ui.enabled": "false", "spark.sql.shuffle.partitions": "2",
                "spark.driver.bindAddress": "127.0.0.1", "spark.driver.host": "127.0.0.1",
                "spark.sql.session.timeZone": "UTC"}  # fmt: skip
    for key, value in settings.items():
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    return session


ENGINES: dict[str, Callable[[pd.DataFrame, Path], Any]] = {
    one.__name__: one
    for one in (
        duckdb_file, duckdb_folder, duckdb_csv, duckdb_relation, polars_lazy, arrow_dataset,
        ibis_table, dask_frame, spark_frame,
    )
}  # fmt: skip
SLOW = {"dask_frame", "spark_frame"}
