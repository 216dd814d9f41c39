"""R's rule for aliased columns, from dense columns and from sums."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlpool.engine.rank import (
    independent_columns,
    independent_from_products,
    independent_of_sums,
)
from mlpool.engine.sums.cluster_sums import CrossProducts
from mlpool.engine.sums.columns import Rows
from mlpool.engine.types import ArrayRows


def from_sums(X, weights=None):
    n = len(X)
    rows = Rows(
        y=np.arange(n, dtype=float), X=ArrayRows(X), Z=(), codes=np.arange(n) % 5, n_levels=5,
        weights=weights,
    )  # fmt: skip
    return independent_of_sums(CrossProducts.from_rows(rows), rows.X)


RNG = np.random.default_rng(0)
ONE, A, B = np.ones(60), RNG.normal(size=60), RNG.normal(size=60)
GROUP = np.arange(60) % 3
DUMMIES = (GROUP[:, None] == np.arange(3)).astype(float)

DESIGNS = {
    "full rank": ([ONE, A, B], [0, 1, 2]),
    "multiple": ([ONE, A, 2 * A], [0, 1]),
    "first of two equal is kept": ([ONE, A, A, B], [0, 1, 3]),
    "constant": ([ONE, A, 7 * ONE], [0, 1]),
    "zero column": ([ONE, 0 * ONE, A], [0, 2]),
    "all dummies and intercept": ([ONE, *DUMMIES.T], [0, 1, 2]),
    "all dummies without intercept": ([*DUMMIES.T, A], [0, 1, 2, 3]),
    "intercept last": ([*DUMMIES.T, ONE], [0, 1, 2]),
    "sum": ([ONE, A, B, A + B + 3], [0, 1, 2]),
    "nearly, kept": ([ONE, A, A + 1e-6 * B], [0, 1, 2]),
    "nearly, dropped": ([ONE, A, A + 1e-9 * B], [0, 1]),
    "tiny and huge": ([ONE, 1e-12 * A, 1e12 * B], [0, 1, 2]),
    "far from zero": ([ONE, 1e6 + A, B], [0, 1, 2]),
    "too far from zero": ([ONE, 1e9 + A, B], [0, 2]),
}


@pytest.mark.parametrize(("columns", "kept"), DESIGNS.values(), ids=DESIGNS.keys())
def test_kept_columns(columns, kept):
    X = np.column_stack(columns)
    assert independent_columns(X).tolist() == kept
    assert from_sums(X).tolist() == kept
    assert from_sums(X, weights=RNG.uniform(0.5, 2, 60)).tolist() == kept


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 4), st.integers(1, 8))
def test_sums_and_columns_agree_on_random_ranks(seed, rank, p):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(40, rank)) @ rng.integers(-2, 3, (rank, p))
    X = np.column_stack([np.ones(40), X])
    kept = independent_columns(X)
    assert from_sums(X).tolist() == kept.tolist()
    assert len(kept) == np.linalg.matrix_rank(X)


@pytest.mark.parametrize("name", ["full rank", "multiple", "all dummies and intercept", "sum"])
def test_plain_products_agree(name):
    columns, kept = DESIGNS[name]
    X = np.column_stack(columns)
    assert independent_from_products(X.T @ X, ArrayRows(X)).tolist() == kept


def test_more_columns_than_rows():
    X = RNG.normal(size=(4, 7))
    assert independent_columns(X).tolist() == [0, 1, 2, 3]
    assert from_sums(X).tolist() == [0, 1, 2, 3]


def column_by_column(X):
    """The rule as R states it: keep a column unless nothing of its length is left."""
    kept, Q = [], np.empty((len(X), 0))
    for j, column in enumerate(X.T / np.linalg.norm(X, axis=0)[:, None]):
        rest = column - Q @ (Q.T @ column)
        rest -= Q @ (Q.T @ rest)
        if len(kept) < len(X) and np.linalg.norm(rest) > 1e-7:
            Q = np.column_stack([Q, rest / np.linalg.norm(rest)])
            kept.append(j)
    return kept


@pytest.mark.parametrize("p", [63, 64, 65, 150, 230])
@pytest.mark.parametrize("seed", range(4))
def test_wide_matrices_keep_the_columns_that_one_at_a_time_keeps(seed, p):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(200, p))
    for j in rng.choice(np.arange(3, p), p // 4, replace=False):
        X[:, j] = X[:, rng.choice(j, 3)] @ rng.normal(size=3)
    for j in rng.choice(np.arange(1, p), p // 8, replace=False):
        X[:, j] = X[:, j - 1] + 10.0 ** -rng.uniform(3.0, 6.0) * rng.normal(size=200)
    np.testing.assert_array_equal(independent_columns(X), column_by_column(X))
