"""Sums per cluster: against plain loops, merging, shared columns, centring, bad input."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlpool.engine.sums import columns
from mlpool.engine.sums.cluster_sums import CrossProducts, merge, recentre
from mlpool.engine.sums.columns import Rows
from mlpool.engine.types import ArrayRows
from mlpool.errors import DataError, FitError


def rows_of(seed=0, n=200, J=9, *, weights=False, offset=False):
    rng = np.random.default_rng(seed)
    X = np.column_stack([np.ones(n), rng.normal(5, 2, n), rng.integers(0, 2, n).astype(float)])
    return Rows(
        y=rng.normal(100, 3, n),
        X=ArrayRows(X),
        Z=(ArrayRows(X[:, :2]),),
        codes=rng.integers(0, J, n),
        n_levels=J,
        weights=rng.uniform(0.5, 2, n) if weights else None,
        offset=rng.normal(size=n) if offset else None,
    )


def part(rows, select):
    take = {
        "y": rows.y[select],
        "X": ArrayRows(rows.X.array[select]),
        "Z": tuple(ArrayRows(z.array[select]) for z in rows.Z),
        "codes": rows.codes[select],
    }
    if rows.weights is not None:
        take["weights"] = rows.weights[select]
    return replace(rows, **take)


def raw(sums):
    """Per-cluster and total sums of the user's columns [X y], centring undone."""
    inner = np.append(sums.layout.x, sums.layout.y)
    R = sums.uncentre(inner)
    everywhere = np.einsum("ca,cbj,bd->adj", R[list(sums.outer)], sums.sums, R)
    return everywhere, R.T @ sums.total @ R


@pytest.mark.parametrize("weights", [False, True])
@pytest.mark.parametrize("batch_rows", [7, 64, 10_000])
def test_sums_equal_a_loop_over_clusters(weights, batch_rows):
    rows = rows_of(weights=weights, offset=True)
    sums = CrossProducts.from_rows(rows, batch_rows=batch_rows, every_column=True)
    by_cluster, total = raw(sums)
    W = np.column_stack([rows.X.array, rows.y - rows.offset])
    w = np.ones(len(W)) if rows.weights is None else rows.weights
    assert total == pytest.approx((W * w[:, None]).T @ W, rel=1e-12)
    for j in range(rows.n_levels):
        own = rows.codes == j
        expected = (W[own] * w[own, None]).T @ W[own]
        assert by_cluster[..., j] == pytest.approx(expected, rel=1e-10)
    assert sums.sum_log_weights == pytest.approx(np.log(w).sum())


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.lists(st.integers(1, 199), min_size=1, max_size=3, unique=True))
def test_pieces_add_up_in_any_order(seed, cuts):
    rows = rows_of(seed, weights=True)
    whole = CrossProducts.from_rows(rows)
    ends = [0, *sorted(cuts), 200]
    pieces = [
        CrossProducts.from_rows(part(rows, slice(a, b)), layout=whole.layout)
        for a, b in pairwise(ends)
    ]
    forward, backward = pieces[0], pieces[-1]
    for piece in pieces[1:]:
        forward = merge(forward, piece)
    for piece in pieces[-2::-1]:
        backward = merge(piece, backward)
    for result in (forward, backward):
        assert result.sums == pytest.approx(whole.sums, rel=1e-11, abs=1e-9)
        assert result.total == pytest.approx(whole.total, rel=1e-11, abs=1e-9)
        assert result.n == whole.n
        assert result.sum_log_weights == pytest.approx(whole.sum_log_weights)


def test_pieces_with_other_centres_are_recentred():
    rows = rows_of()
    first = CrossProducts.from_rows(part(rows, slice(0, 90)))
    moved = replace(first.layout, centre=(0.0, 11.0, -3.0, 7.5))
    second = CrossProducts.from_rows(part(rows, slice(90, 200)), layout=moved)
    whole = CrossProducts.from_rows(rows, layout=first.layout)
    assert merge(first, second).sums == pytest.approx(whole.sums, rel=1e-9, abs=1e-8)
    assert merge(first, second).total == pytest.approx(whole.total, rel=1e-9, abs=1e-8)
    back = recentre(recentre(first, moved), first.layout)
    assert back.total == pytest.approx(first.total, rel=1e-9, abs=1e-8)


def test_batches_give_the_sums_of_the_whole_and_levels_may_appear_late():
    rows = rows_of()
    order = np.argsort(rows.codes, kind="stable")
    early = part(rows, order[:80])
    early = replace(early, n_levels=int(early.codes.max()) + 1)
    result = CrossProducts.from_batches([early, part(rows, order[80:])])
    whole = CrossProducts.from_rows(rows, layout=result.layout)
    assert result.n_levels == rows.n_levels
    assert result.sums == pytest.approx(whole.sums, rel=1e-11, abs=1e-9)


def test_shared_columns_are_summed_once():
    layout = CrossProducts.from_rows(rows_of()).layout
    assert layout.index == (0, 1, 2, 0, 1, 3)
    assert layout.z.tolist() == [0, 1]


def test_columns_that_agree_only_on_the_sample_are_kept_apart(monkeypatch):
    monkeypatch.setattr(columns, "SAMPLE_SPOTS", 1)
    monkeypatch.setattr(columns, "SAMPLE_LENGTH", 10)
    rows = rows_of(n=300)
    Z = rows.X.array[:, :2].copy()
    Z[250, 1] += 1.0
    Z[280, 0] = 0.0
    rows = replace(rows, Z=(ArrayRows(Z),))
    sums = CrossProducts.from_rows(rows, batch_rows=32)
    assert len(set(sums.layout.index)) == 6
    _, total = raw(sums)
    W = np.column_stack([rows.X.array, rows.y])
    assert total == pytest.approx(W.T @ W, rel=1e-12)


def test_centring_keeps_the_digits_of_a_column_far_from_zero():
    rng = np.random.default_rng(1)
    x = rng.normal(size=5000)
    rows = replace(rows_of(n=5000), X=ArrayRows(np.column_stack([np.ones(5000), 1e6 + x])), Z=())
    sums = CrossProducts.from_rows(rows)
    total = sums.total
    about_mean = total[1, 1] - total[0, 1] ** 2 / total[0, 0]
    assert about_mean == pytest.approx(np.sum((x - x.mean()) ** 2), rel=1e-9)


@pytest.mark.parametrize("weight", [0.0, -1.0, np.nan])
def test_bad_weights_are_refused(weight):
    rows = rows_of(weights=True)
    rows.weights[3] = weight
    with pytest.raises(DataError, match="Weights must be positive"):
        CrossProducts.from_rows(rows)


def test_codes_out_of_range_are_refused():
    rows = rows_of()
    with pytest.raises(DataError, match="codes must lie between 0 and 4"):
        CrossProducts.from_rows(replace(rows, n_levels=5))


def test_no_rows_are_refused():
    rows = rows_of()
    with pytest.raises(FitError, match="no rows"):
        CrossProducts.from_rows(part(rows, slice(0, 0)))
    with pytest.raises(FitError, match="no rows"):
        CrossProducts.from_batches([])


@pytest.mark.parametrize(
    ("column", "name"), [("y", "the response"), (1, "column 2 of the fixed effects")]
)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_named(column, name, value):
    rows = rows_of()
    if column == "y":
        rows.y[5] = value
    else:
        rows.X.array[5, column] = value
    with pytest.raises(FitError, match=f"Missing, infinite or overflowing values in .*{name}"):
        CrossProducts.from_rows(rows)


def test_infinite_weights_are_refused():
    rows = rows_of(weights=True)
    rows.weights[3] = np.inf
    with pytest.raises(DataError, match="Weights must be positive"):
        CrossProducts.from_rows(rows)


def test_pieces_of_other_data_do_not_merge():
    rows = rows_of()
    other = replace(rows, X=ArrayRows(rows.X.array[:, :2]))
    with pytest.raises(DataError, match="Only sums of the same columns"):
        merge(CrossProducts.from_rows(rows), CrossProducts.from_rows(other))
    layout = CrossProducts.from_rows(rows).layout
    Z = rows.X.array[:, :2] + np.array([0.0, 1.0])
    with pytest.raises(DataError, match="differ from those of the first piece"):
        CrossProducts.from_rows(replace(rows, Z=(ArrayRows(Z),)), layout=layout)
