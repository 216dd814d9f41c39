"""While queries run: Ctrl-C, a line on the terminal, memory that is bounded, and disk beyond it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
import pytest

import mlpool
from mlpool.sources.running.cancelling import ctrl_c_cancels

pytest.importorskip("narwhals", minversion="2.0")
duckdb = pytest.importorskip("duckdb")
pl = pytest.importorskip("polars")

LONG = {
    "duckdb": """
        import duckdb
        rows = duckdb.connect().sql(
            "select sin(a.range * b.range) y, a.range x from range(200000) a, range(200000) b")
        def again(): return rows.query("rows", "select 1").fetchall()
    """,
    "polars": """
        import polars as pl
        a, b = pl.LazyFrame({"x": range(200000)}), pl.LazyFrame({"b": range(200000)})
        rows = a.join(b, how="cross").with_columns((pl.col("x") * pl.col("b")).sin().alias("y"))
        def again(): return a.head(1).collect()
    """,
    "dask": """
        import dask.dataframe, pandas as pd, time
        def slowly(d):
            time.sleep(1.0)
            return d
        d = pd.DataFrame({"x": range(40), "y": 1.0})
        made = dask.dataframe.from_pandas(d, npartitions=40)
        rows = made.map_partitions(slowly, meta=made._meta)
        def again(): return made["x"].sum().compute()
    """,
    "spark": """
        from tests.sources.engines import spark_session
        session = spark_session()
        rows = session.range(400000000000).selectExpr("sin(id) y", "id x")
        def again():
            assert session.sparkContext.statusTracker().getActiveJobsIds() == []
            return session.range(10).count()
    """,
}
"""Rows by whose queries an engine is busy for minutes; ``again`` asks it something short."""
PROGRAM = """
import textwrap, time, warnings, mlpool
warnings.simplefilter("ignore")
exec(textwrap.dedent({setting!r}))
print("ready", flush=True)
try:
    mlpool.lm("y ~ x", mlpool.scan(rows))
except KeyboardInterrupt:
    began = time.process_time()
    time.sleep(0.5)
    used = time.process_time() - began
    again()
    print("free" if used < 0.4 else "busy", flush=True)
"""


@pytest.mark.parametrize(
    "engine",
    [pytest.param(e, marks=[pytest.mark.slow] if e in ("dask", "spark") else []) for e in LONG],
)
@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is no signal there")
def test_ctrl_c_ends_the_query(engine: str) -> None:
    pytest.importorskip({"spark": "pyspark", "dask": "dask.dataframe"}.get(engine, engine))
    if engine == "spark" and shutil.which("java") is None:
        pytest.skip("Spark needs Java, which is not installed")
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(setting=LONG[engine])],
        stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    try:
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
        time.sleep(2.0 if engine == "spark" else 0.7)
        program.send_signal(signal.SIGINT)
        said, _ = program.communicate(timeout=30)
    finally:
        program.kill()
    assert said == "free\n"
    # Python ends by the signal where this came while text was executed, though it was caught
    assert program.returncode in (0, -signal.SIGINT)


def test_what_an_engine_raises_of_ctrl_c_is_ctrl_c() -> None:
    rows = nw.from_native(duckdb.sql("select 1 x"))

    def interrupted() -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5.0)
        except KeyboardInterrupt:
            raise RuntimeError("Query interrupted") from None  # as DuckDB does

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), ctrl_c_cancels(rows):
        interrupted()
    with pytest.raises(RuntimeError, match="no such table"), ctrl_c_cancels(rows):
        raise RuntimeError("no such table")
    assert signal.getsignal(signal.SIGINT) is before


def test_a_handler_that_goes_on_is_left_to_it() -> None:
    """A program may take Ctrl-C as "stop after this fit"; then the query is answered."""
    rows, heard = nw.from_native(duckdb.sql("select 1 x")), []
    before = signal.signal(signal.SIGINT, lambda *_: heard.append(1))
    try:
        with ctrl_c_cancels(rows):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.01)
    finally:
        signal.signal(signal.SIGINT, before)
    assert heard == [1]


def test_queries_in_another_thread_are_answered() -> None:
    rows, found = duckdb.connect().sql("select range % 7 y, range x from range(50)"), []
    thread = threading.Thread(target=lambda: found.append(mlpool.lm("y ~ x", mlpool.scan(rows))))
    thread.start()
    thread.join()
    assert found[0].nobs == 50


def test_the_line_says_which_query_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tqdm")
    from mlpool.sources.running import progress

    monkeypatch.setattr(progress, "_INTERVAL", 0.01)
    duckdb.sql("select sin(range) y, range x from range(3000000)").write_parquet(
        str(tmp_path / "rows.parquet")
    )
    mlpool.lm("y ~ x", mlpool.scan(tmp_path / "rows.parquet"))
    assert capsys.readouterr().err == ""  # no terminal
    mlpool.lm("y ~ x", mlpool.scan(tmp_path / "rows.parquet"), control={"progress": True})
    said = capsys.readouterr().err
    assert "query 1 (totals)" in said
    assert "query 2 (totals)" in said
    assert "%" in said  # DuckDB tells how much is done
    mlpool.lm("y ~ x", mlpool.scan(tmp_path / "rows.parquet"), control={"progress": False})
    assert capsys.readouterr().err == ""


@pytest.mark.slow
def test_the_line_counts_dasks_tasks(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = pytest.importorskip("dask.dataframe")
    from mlpool.sources.running import progress

    monkeypatch.setattr(progress, "_INTERVAL", 0.01)

    def slowly(d: pd.DataFrame) -> pd.DataFrame:
        time.sleep(0.02)
        return d

    made = frames.from_pandas(
        pd.DataFrame({"x": np.arange(9.0), "y": np.arange(9.0) % 4}), npartitions=3
    )
    rows = made.map_partitions(slowly, meta=made._meta)
    with pytest.importorskip("dask").config.set(scheduler="threads"):
        mlpool.lm("y ~ x", mlpool.scan(rows), control={"progress": True})
    assert "%|" in capsys.readouterr().err


def many_groups(folder: Path) -> Path:
    """Write rows whose groups outgrow a small memory: 1,000,000 of two rows each."""
    duckdb.sql(
        "select sin(range) y, cos(range) x, hash(range // 2) % 10000000000 g from range(2000000)"
    ).write_parquet(str(folder / "rows.parquet"))
    return folder / "rows.parquet"


class Watch(threading.Thread):
    """The most bytes that lay in folders of a kind while it ran."""

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self.folder, self.most, self.is_over = folder, 0, threading.Event()

    def run(self) -> None:
        while not self.is_over.wait(0.005):
            sizes = []
            for file in self.folder.glob("mlpool-spill-*/*"):
                try:
                    sizes.append(file.stat().st_size)
                except OSError:  # removed meanwhile
                    continue
            self.most = max(self.most, sum(sizes))

    def __exit__(self, *_: object) -> None:
        self.is_over.set()
        self.join()

    def __enter__(self) -> Watch:
        self.start()
        return self


def clustered(path: Path, limit: str | None) -> Any:
    m = mlpool.lm("y ~ x", mlpool.scan(path, memory_limit=limit))
    return m.vcov("CR1", cluster="g").to_numpy()


def test_what_memory_does_not_hold_goes_to_disk_and_away_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, spill = many_groups(tmp_path), tmp_path / "it's temporary"
    spill.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(spill))
    with Watch(spill) as watch:
        found = clustered(path, "80MB")
    assert watch.most > 1_000_000
    assert list(spill.iterdir()) == []
    with Watch(spill) as watch:
        want = clustered(path, None)
    assert watch.most == 0
    np.testing.assert_allclose(found, want, rtol=1e-9)


@pytest.mark.parametrize("kind", ["not writable", "none"])
def test_no_room_for_spilling_is_said(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, blocked = many_groups(tmp_path), tmp_path / "a file"
    blocked.touch()  # no folder can be made below it, whoever asks
    monkeypatch.setattr(tempfile, "tempdir", str(blocked))
    if kind == "none":
        monkeypatch.setattr(tempfile, "gettempdir", _no_folder)
    with pytest.raises(mlpool.DataError, match=r"cannot spill to disk .* set TMPDIR") as caught:
        clustered(path, "80MB")
    assert "\n" not in str(caught.value)
    assert clustered(path, None).shape == (2, 2)  # nowhere to spill is no fault where memory does


def _no_folder() -> str:
    raise FileNotFoundError("No usable temporary directory found")


def test_too_little_memory_with_room_for_spilling_is_said(tmp_path: Path) -> None:
    with pytest.raises(mlpool.DataError, match=r"although the rest goes to disk .*: raise memory"):
        clustered(many_groups(tmp_path), "16MB")


def test_files_of_a_dataset_are_read_by_an_engine_of_mlpools_own(tmp_path: Path) -> None:
    dataset = pytest.importorskip("pyarrow.dataset")
    duckdb.sql("select sin(range) y, range x from range(50)").write_parquet(str(tmp_path / "a.pq"))
    rows = dataset.dataset(tmp_path / "a.pq")
    assert mlpool.lm("y ~ x", mlpool.scan(rows, memory_limit="100MB")).nobs == 50
    with pytest.raises(mlpool.OptionError, match="set it in duckdb"):
        mlpool.scan(duckdb.sql("select 1 x"), memory_limit="100MB")
