"""A worker that dies during a query: its partitions are read again, and the answer is the same."""

from __future__ import annotations

import os
import signal
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mlpool
from tests.sources.engines import make_rows

pytest.importorskip("narwhals", minversion="2.0")
frames = pytest.importorskip("dask.dataframe")
distributed = pytest.importorskip("distributed")
pytestmark = [
    pytest.mark.slow,
    # what Dask says of its own plans and of sockets that a dead worker leaves
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
FORMULA = "y ~ x + s + (x | g)"


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return make_rows()


@pytest.fixture
def client() -> Iterator[Any]:
    """Return a client of two worker processes of this test alone."""
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster) as connected,
    ):
        yield connected


def quietly(data: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return mlpool.lmer(FORMULA, data)


def test_a_worker_that_is_killed(client: Any, rows: pd.DataFrame, tmp_path: Path) -> None:
    started = str(tmp_path / "started")

    def slowly(part: pd.DataFrame) -> pd.DataFrame:
        Path(started).touch()
        time.sleep(0.2)
        return part

    made = frames.from_pandas(rows, npartitions=4)
    lazy = made.map_partitions(slowly, meta=made._meta)
    first, killed = sorted(client.run(os.getpid).values()), []

    def kill() -> None:
        while not Path(started).exists():
            time.sleep(0.01)
        os.kill(first[0], signal.SIGKILL)
        killed.append(first[0])

    killer = threading.Thread(target=kill)
    killer.start()
    m = quietly(mlpool.scan(lazy))
    killer.join()
    assert killed
    assert set(client.run(os.getpid).values()) != set(first)  # it is gone
    want = quietly(rows)
    np.testing.assert_allclose(m.fixef(), want.fixef(), rtol=1e-9)
    np.testing.assert_allclose(m.se, want.se, rtol=1e-9)
    np.testing.assert_allclose([m.sigma, m.loglik], [want.sigma, want.loglik], rtol=1e-9)


def test_workers_that_die_of_the_rows_are_said(
    client: Any, rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fatal(part: pd.DataFrame) -> pd.DataFrame:
        os.kill(os.getpid(), signal.SIGKILL)
        return part

    made = frames.from_pandas(rows, npartitions=2)
    lazy = made.map_partitions(fatal, meta=made._meta)
    monkeypatch.setattr(client.cluster.scheduler, "allowed_failures", 0)
    with pytest.raises(mlpool.DataError, match=r"cannot answer a query.*died") as caught:
        quietly(mlpool.scan(lazy))
    assert "\n" not in str(caught.value)
