"""Rows that stay where they are: time and peak memory of whole processes, beside own sums.

    python benchmarks/scale.py 10_000_000 100_000            # Parquet through DuckDB
    python benchmarks/scale.py 1_000_000 10_000 polars own:dask dask own:spark spark memory
    python benchmarks/scale.py --intercepts 40_000_000 100_000 1_000_000 10_000_000

Each line is a process of its own that fits ``y ~ x + s + (x | g)``; "own" is an engine's own GROUP
BY of the same sums, written by hand and run directly on the same file, "memory" the fit of the rows
as a pandas frame, and "lazy" that of this frame scanned. With ``--intercepts`` it is
``y ~ x + (1 | g)`` for several numbers of clusters, DuckDB holding 3 GB at most; "driver" is what
Python itself holds at its peak.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
import tracemalloc
import warnings
from pathlib import Path
from typing import Any

FORMULA, INTERCEPTS = "y ~ x + s + (x | g)", "y ~ x + (1 | g)"
LIMIT = "3GB"
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
    if engine in ("memory", "lazy"):
        import pandas

        return pandas.read_parquet(path)
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


def own(engine: str, handle: Any, path: str) -> int:
    """Ask an engine for the same sums without mlpool; return the number of groups."""
    if engine == "dask":
        made = handle.assign(x=handle.x - 0.01, y=handle.y - 0.5)
        made = made.assign(b=(made.s == "b").astype(float), c=(made.s == "c").astype(float))
        for name in "xbcy":
            made[f"x{name}"] = made.x * made[name]
        names = ["x", "b", "c", "y", "xx", "xb", "xc", "xy"]
        asked = made.groupby("g").agg({"s": "count"} | dict.fromkeys(names, "sum"))
        return len(asked.compute())
    if engine == "spark":
        handle.createOrReplaceTempView("own_rows")
        text = OWN.replace("read_parquet('{path}')", "own_rows")
        return len(handle.sparkSession.sql(text).toPandas())
    import duckdb

    connection = duckdb.connect()
    connection.execute("set preserve_insertion_order = false")
    return int(connection.sql(OWN.format(path=path)).to_arrow_table().num_rows)


def one(engine: str, path: str) -> None:
    """Fit, or ask for the engine's own sums, and print seconds and peak memory."""
    warnings.simplefilter("ignore")
    _, is_own, name = engine.rpartition("own")
    import mlpool

    handle = rows_of(name.lstrip(":") if is_own else engine, path)
    start, used = time.perf_counter(), time.process_time()
    if is_own:
        note = f"{own(name.lstrip(':'), handle, path)} groups"
    else:
        m = mlpool.lmer(FORMULA, handle if engine == "memory" else mlpool.scan(handle))
        note = f"sigma {m.sigma:.6f}"
    print(f"| {engine} | {_spent(start, used)} | {note} |", flush=True)


def intercepts(path: str) -> None:
    """Fit random intercepts and print what it took, Python's own memory beside the process's."""
    import mlpool

    mlpool.lmer(
        "y ~ x + (1 | g)", mlpool.scan({"y": [0.0, 1, 3, 5], "x": [1, 2, 3, 1], "g": [1, 1, 2, 2]})
    )
    tracemalloc.start()
    start, used = time.perf_counter(), time.process_time()
    m = mlpool.lmer(INTERCEPTS, mlpool.scan(path, memory_limit=LIMIT))
    spent, driver = _spent(start, used), tracemalloc.get_traced_memory()[1] / 1e6
    sizes = len(m.design.sums.by_size.size)
    print(
        f"| {m.ngroups['g']:,} | {spent} | {driver:.1f} MB | {sizes} | {m.theta[0]:.6f} |",
        flush=True,
    )


def _spent(start: float, used: float) -> str:
    """Return seconds by the clock, of the processor, and the peak memory of the process."""
    seconds, processor = time.perf_counter() - start, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return f"{seconds:.1f} s | {processor:.1f} s | {peak:.2f} GB"


def all_intercepts(n: int, sizes: list[int]) -> None:
    """Make rows of every number of clusters, one set after another, and fit them."""
    print(f"{n:,} rows, DuckDB holds {LIMIT} at most")
    print("| clusters | time | processor | peak memory | driver | sizes | theta |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for clusters in sizes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "rows.parquet"
            write_rows(path, n, clusters)
            command = [sys.executable, __file__, "--one-intercept", str(path)]
            subprocess.run(command, check=True)


def main() -> None:
    """Make the rows and run every engine on them."""
    if sys.argv[1] == "--one":
        one(sys.argv[2], sys.argv[3])
        return
    if sys.argv[1] == "--one-intercept":
        intercepts(sys.argv[2])
        return
    if sys.argv[1] == "--intercepts":
        all_intercepts(int(sys.argv[2]), [int(a) for a in sys.argv[3:]])
        return
    n, clusters = int(sys.argv[1]), int(sys.argv[2])
    engines = sys.argv[3:] or ["own", "duckdb"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"
        write_rows(path, n, clusters)
        print(f"{n:,} rows, {clusters:,} clusters, {path.stat().st_size / 1e9:.2f} GB of Parquet")
        print("| engine | time | processor | peak memory | |\n|---|---|---|---|---|", flush=True)
        for engine in engines:
            subprocess.run([sys.executable, __file__, "--one", engine, str(path)], check=True)


if __name__ == "__main__":
    main()
