"""Rows that stay where they are: time and peak memory of whole processes, beside own sums.

    python benchmarks/scale.py 10_000_000 100_000            # Parquet through DuckDB
    python benchmarks/scale.py 1_000_000 10_000 polars dask spark

Each line is a process of its own that fits ``y ~ x + s + (x | g)``; "own" is the engine's own GROUP
BY of the same sums, written by hand and run directly on the same file.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

FORMULA = "y ~ x + s + (x | g)"
PIECE = 5_000_000
SUMS = (
    "count(*), sum(x), sum(b), sum(c), sum(y), sum(x*x), sum(x*b), sum(x*c), sum(x*y)"
)  # fmt: skip
OWN = f"""
    select {SUMS} from (
        select g, x - 0.01 x, y - 0.5 y, case when s = 'b' then 1.0 else 0.0 end b,
               case when s = 'c' then 1.0 else 0.0 end c
        from read_parquet('{{path}}')) group by g
"""


def write_rows(path: Path, n: int, clusters: int) -> None:
    """Write simulated rows in pieces, so that they need not fit in memory."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(1)
    b = rng.normal(size=(clusters, 2))
    writer = None
    for start in range(0, n, PIECE):
        m = min(PIECE, n - start)
        g, x = rng.integers(0, clusters, m), rng.normal(size=m)
        s = rng.integers(0, 3, m)
        y = 1.0 + 0.5 * x + 0.2 * (s == 1) + b[g, 0] + 0.3 * b[g, 1] * x + rng.normal(size=m)
        labels = pa.DictionaryArray.from_arrays(pa.array(s), pa.array(["a", "b", "c"]))
        table = pa.table({"g": g, "x": x, "s": labels.cast(pa.string()), "y": y})
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    assert writer is not None
    writer.close()


def rows_of(engine: str, path: str) -> Any:
    """Return the file as an engine has it."""
    if engine == "polars":
        import polars

        return polars.scan_parquet(path)
    if engine == "dask":
        import dask.dataframe

        return dask.dataframe.read_parquet(path)
    if engine == "spark":
        from pyspark.sql import SparkSession

        session = (
            SparkSession.builder.master("local[2]")
            .config("spark.driver.memory", "4g")
            .config("spark.ui.enabled", "false")
            .getOrCreate()
        )
        session.sparkContext.setLogLevel("OFF")
        return session.read.parquet(path)
    return path


def one(engine: str, path: str) -> None:
    """Fit, or ask for the engine's own sums, and print seconds and peak memory."""
    warnings.simplefilter("ignore")
    if engine == "own":
        import duckdb

        start = time.perf_counter()
        connection = duckdb.connect()
        connection.execute("set preserve_insertion_order = false")
        found = connection.sql(OWN.format(path=path)).to_arrow_table()
        note = f"{found.num_rows} groups"
    else:
        import mlpool

        handle = rows_of(engine, path)
        start = time.perf_counter()
        m = mlpool.lmer(FORMULA, mlpool.scan(handle))
        note = f"sigma {m.sigma:.6f}"
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"| {engine} | {seconds:.1f} s | {peak:.2f} GB | {note} |", flush=True)


def main() -> None:
    """Make the rows and run every engine on them."""
    if sys.argv[1] == "--one":
        one(sys.argv[2], sys.argv[3])
        return
    n, clusters = int(sys.argv[1]), int(sys.argv[2])
    engines = sys.argv[3:] or ["own", "duckdb"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"
        write_rows(path, n, clusters)
        print(f"{n:,} rows, {clusters:,} clusters, {path.stat().st_size / 1e9:.2f} GB of Parquet")
        print("| engine | time | peak memory | |\n|---|---|---|---|", flush=True)
        for engine in engines:
            subprocess.run([sys.executable, __file__, "--one", engine, str(path)], check=True)


if __name__ == "__main__":
    main()
