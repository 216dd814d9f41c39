"""Enumerations keep the order of their levels and lose unused ones, read or scanned."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mlpool

pl = pytest.importorskip("polars")
duckdb = pytest.importorskip("duckdb")

LEVELS = ("never", "low", "mid", "high", "always")
FIRST = 2**53 + 1
"""From here floats merge neighbouring whole numbers."""


def _data() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    n = 240
    data = pd.DataFrame({"x": rng.normal(size=n), "g": rng.integers(0, 12, n)})
    data["f"] = rng.choice(LEVELS[1:-1], n)
    data["id"] = FIRST + rng.integers(0, 5, n)
    data["y"] = data["x"] + (data["f"] == "mid") + 0.2 * data["g"] + rng.normal(size=n)
    return data


def _forms() -> dict[str, object]:
    data = _data()
    frame = pl.from_pandas(data).with_columns(pl.col("f").cast(pl.Enum(LEVELS)))
    categories = data.assign(f=pd.Categorical(data["f"], categories=LEVELS))
    connection = duckdb.connect()
    connection.execute(f"CREATE TYPE level AS ENUM {LEVELS}")
    connection.register("rows", data)
    connection.execute("CREATE TABLE t AS SELECT y, x, g, id, f::level AS f FROM rows")
    return {
        "pandas": categories,
        "polars": frame,
        "polars scanned": mlpool.scan(frame.lazy()),
        "pandas scanned": mlpool.scan(categories),
        "duckdb": connection.table("t"),
        "duckdb scanned": mlpool.scan(connection.table("t")),
    }


FORMS = ("polars", "polars scanned", "pandas scanned", "duckdb", "duckdb scanned")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("formula", ["y ~ f + x", "y ~ f + x + (1 | g)"])
def test_levels_and_means_are_those_of_pandas_categories(formula: str, form: str) -> None:
    forms = _forms()
    expected, found = (mlpool.fit(formula, forms[k]) for k in ("pandas", form))
    assert list(found.names) == list(expected.names) == ["(Intercept)", "fmid", "fhigh", "x"]
    np.testing.assert_allclose(found.fixef(), expected.fixef(), rtol=1e-7)
    here, there = (mlpool.estimate_means(m, by="f") for m in (expected, found))
    assert list(there["f"]) == list(here["f"]) == ["low", "mid", "high"]
    np.testing.assert_allclose(there["Mean"], here["Mean"], rtol=1e-7)


@pytest.mark.parametrize("form", FORMS)
def test_means_of_long_ids_tell_neighbours_apart(form: str) -> None:
    forms = _forms()
    here, there = (
        mlpool.estimate_means(mlpool.fit("y ~ factor(id) + x", forms[k]), by="id")
        for k in ("pandas", form)
    )
    assert [str(v) for v in there["id"]] == [str(FIRST + i) for i in range(5)]
    np.testing.assert_allclose(there["Mean"], here["Mean"], rtol=1e-7)


ODD = ("it's; 12", 'a "b"', "Größe", "10", "9", "unused")


def _files(folder: Path, *orders: tuple[str, ...]) -> None:
    rng = np.random.default_rng(4)
    for i, levels in enumerate(orders):
        frame = pl.DataFrame({"x": rng.normal(size=200), 'e "1"': rng.choice(ODD[:-1], 200)})
        frame = frame.with_columns(pl.col('e "1"').cast(pl.Enum(levels)), y=pl.col("x") + 1.0)
        frame = frame.with_columns(y=pl.col("y") + rng.normal(size=200))
        frame.write_parquet(folder / f"{i}.parquet")


@pytest.mark.parametrize("n_files", [1, 3])
def test_enumerations_in_parquet_files_keep_their_order(tmp_path: Path, n_files: int) -> None:
    pytest.importorskip("pyarrow")
    _files(tmp_path, *[ODD] * n_files)
    formula = 'y ~ x + `e "1"`'
    here = mlpool.lm(formula, pl.read_parquet(tmp_path / "*.parquet"))
    there = mlpool.lm(formula, mlpool.scan(str(tmp_path)))
    assert [*there.names] == [*here.names]
    assert "it's; 12" not in " ".join(there.names)
    np.testing.assert_allclose(there.fixef(), here.fixef(), rtol=1e-9)


def test_files_that_enumerate_differently_are_text(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    _files(tmp_path, ODD, ODD[::-1])
    there = mlpool.lm('y ~ x + `e "1"`', mlpool.scan(str(tmp_path)))
    assert len(there.names) == 6
