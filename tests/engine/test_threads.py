"""BLAS threads are capped inside the engine and given back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController, threadpool_limits

from mlpool.engine.lmm.fit import fit_lmm
from mlpool.engine.threads import blas_threads
from tests.engine.designs import random_data


def current():
    return [p["num_threads"] for p in ThreadpoolController().info() if p["user_api"] == "blas"]


@pytest.fixture
def two_threads():
    with threadpool_limits(2, user_api="blas"):
        if not current() or max(current()) < 2:
            pytest.skip("BLAS has one thread here")
        yield current()


def test_threads_are_capped_and_given_back(two_threads):
    with blas_threads(1):
        assert set(current()) == {1}
        with blas_threads(1):
            assert set(current()) == {1}
        assert set(current()) == {1}
    assert current() == two_threads


def test_threads_are_given_back_after_an_exception(two_threads):
    with pytest.raises(RuntimeError, match="inside"), blas_threads(1):
        raise RuntimeError("inside")
    assert current() == two_threads


def test_fits_in_two_python_threads_give_the_same_numbers():
    data = [random_data(seed, ([0, 1],)) for seed in range(6)]
    alone = [fit_lmm(d) for d in data]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(fit_lmm, data))
    for a, b in zip(alone, together, strict=True):
        assert np.array_equal(a.theta, b.theta)
        assert np.array_equal(a.beta, b.beta)
        assert a.criterion == b.criterion
