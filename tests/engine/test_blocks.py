"""Blocks of several grouping factors: which form the chain, and that they hold Z'[Z X y]."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mlpool.engine.factorization import core_rows as corerows
from mlpool.engine.factorization.blocks import check_core_size, find_structure
from mlpool.engine.factorization.core_rows import CoreRows, mirrored
from mlpool.engine.lmm.several_factors_sums import SeveralParts
from mlpool.engine.sums import cross_sums as crosssums
from mlpool.engine.sums.cross_sums import (
    GroupingFactor,
    factor_sums,
    grouping_factors,
    pair_sums,
    parent_levels,
)
from mlpool.engine.sums.working_columns import Columns
from mlpool.engine.types import Control
from mlpool.errors import FitError
from tests.engine.several_designs import SPECS, several_data


def factor(n_levels: int, columns: int = 1) -> GroupingFactor:
    return GroupingFactor(
        terms=(0,), sizes=(columns,), codes=np.arange(n_levels), n_levels=n_levels
    )


def nested(*pairs: tuple[int, int]) -> dict[tuple[int, int], np.ndarray]:
    return {pair: np.zeros(1, dtype=int) for pair in pairs}


@pytest.mark.parametrize(
    ("levels", "pairs", "chain", "core"),
    [
        ((30, 10), ((0, 1),), (0, 1), ()),
        ((10, 30), ((1, 0),), (1, 0), ()),
        ((100, 20, 5), ((0, 1), (1, 2), (0, 2)), (0, 1, 2), ()),
        ((24, 6), (), (0,), (1,)),
        ((6, 24, 50), (), (2,), (1, 0)),
        ((100, 40, 60), ((0, 1),), (0, 1), (2,)),
        # The chain 0-1 has more random effects than factor 2 alone, but 2-1 has still more.
        ((50, 10, 60), ((0, 1), (2, 1)), (2, 1), (0,)),
        ((12, 12), ((0, 1),), (0, 1), ()),
    ],
)
def test_the_chain_leaves_the_smallest_core(levels, pairs, chain, core):
    found = find_structure([factor(n) for n in levels], nested(*pairs))
    assert (found.chain, found.core) == (chain, core)
    assert set(found.parents) <= set(pairs)


def test_slopes_count_when_the_core_is_chosen():
    found = find_structure([factor(30, 1), factor(20, 3)], {})
    assert (found.chain, found.core) == ((1,), (0,))


def test_pairs_of_the_core_are_needed_and_no_others():
    found = find_structure([factor(100), factor(40), factor(30), factor(20)], nested((0, 1)))
    assert found.crossed_pairs == ((0, 2), (1, 2), (0, 3), (1, 3), (2, 3))


def test_a_core_that_does_not_fit_is_refused_by_size():
    factors = [factor(200_000), factor(120_000)]
    with pytest.raises(FitError, match=r"120,000 x 120,000 \(429\.2 GiB"):
        check_core_size(factors, (1,), 8_000_000_000)
    check_core_size(factors, (), 0)


def test_nesting_is_found_only_where_it_is():
    data = several_data(SPECS["everything"])
    by_name = dict(
        zip(("class", "school", "town", "tester", "month"), grouping_factors(data), strict=True)
    )
    parent = parent_levels(by_name["class"], by_name["school"], 11)
    assert parent.tolist() == [j // 3 for j in range(12)]
    assert parent_levels(by_name["school"], by_name["class"], 11) is None
    assert parent_levels(by_name["class"], by_name["tester"], 11) is None


@pytest.mark.parametrize("weights", [True, False])
@pytest.mark.parametrize("dense_pairs", [4, 0])
@pytest.mark.parametrize("batch_rows", [9, 1000])
def test_pair_sums_are_the_sums_over_rows_that_meet(monkeypatch, batch_rows, dense_pairs, weights):
    monkeypatch.setattr(crosssums, "DENSE_PAIRS", dense_pairs)
    data = several_data(SPECS["crossed, slope second"], 3, weights=weights)
    factors = grouping_factors(data)
    sums, _ = factor_sums(data, factors, batch_rows)
    pair = pair_sums(data, factors, sums, batch_rows)
    w = np.ones(data.n) if data.weights is None else data.weights
    x = data.X.rows(0, data.n)[:, 1]
    centre = dict(
        zip(sums[1].outer, np.array(sums[1].layout.centre)[list(sums[1].outer)], strict=True)
    )
    columns = {0: np.ones(data.n), 1: x - centre[sums[1].outer[1]]}
    f, g = data.terms[0].codes, data.terms[1].codes
    met = sorted(set(zip(f.tolist(), g.tolist(), strict=True)))
    assert list(zip(pair.rows.tolist(), pair.cols.tolist(), strict=True)) == met
    for b, column in columns.items():
        table = np.zeros((12, 5))
        np.add.at(table, (f, g), w * column)
        assert pair.values[0, b] == pytest.approx(table[pair.rows, pair.cols], abs=1e-12)


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS.keys())
def test_blocks_hold_the_products_of_the_working_columns(spec):
    data = several_data(spec, 2, weights=True)
    parts, _ = SeveralParts.from_data(data, Control(), None)
    root = np.sqrt(data.weights)[:, None]
    U = [np.asarray(z) for z in working_columns(data, parts)]
    Z = [u * root for u in U]
    chain, core = parts.structure.chain, parts.structure.core
    for i, f in enumerate(chain):
        level, codes = parts.blocks.levels[i], data.terms[parts.factors[f].terms[0]].codes
        for j in range(level.A.shape[2]):
            own = codes == j
            assert level.A[:, :, j] == pytest.approx(Z[f][own].T @ Z[f][own], abs=1e-10)
            for U_up, coarse in zip(level.up, chain[i + 1 :], strict=True):
                assert U_up[:, j] == pytest.approx(Z[f][own].T @ Z[coarse][own], abs=1e-10)
    if core:
        full = np.hstack([spread(data, parts, Z, g) for g in core])
        assert parts.blocks.core.A.toarray() == pytest.approx(full.T @ full, abs=1e-10)
        for i, f in enumerate(chain):
            rows = parts.blocks.levels[i].C
            C = rows.matrix(rows.values).toarray().reshape(rows.q, rows.J, rows.n2)
            own = spread(data, parts, Z, f)
            expected = (own.T @ full).reshape(rows.J, rows.q, rows.n2).transpose(1, 0, 2)
            assert pytest.approx(expected, abs=1e-10) == C


def working_columns(data, parts) -> list[np.ndarray]:
    """Z T^+ of every factor: the working columns, from the definition Z = Z_working T."""
    out = []
    for f, columns in zip(parts.factors, parts.columns, strict=True):
        z = np.hstack([data.terms[t].z.rows(0, data.n) for t in f.terms])
        out.append(z @ np.linalg.pinv(columns.T))
    return out


def spread(data, parts, Z: list[np.ndarray], f: int) -> np.ndarray:
    """Z of one factor as n x (levels x columns)."""
    codes, q = data.terms[parts.factors[f].terms[0]].codes, Z[f].shape[1]
    out = np.zeros((data.n, parts.factors[f].n_levels * q))
    for a in range(q):
        out[np.arange(data.n), codes * q + a] = Z[f][:, a]
    return out


def test_working_columns_are_centred_where_there_is_an_intercept():
    data = several_data(SPECS["crossed, slope first"], 2)
    sums, _ = factor_sums(data, grouping_factors(data), 1000)
    with_intercept = Columns.of(sums[0])
    assert with_intercept.T.shape == (2, 2)
    assert with_intercept.T[0, 1] == pytest.approx(3, abs=0.5)
    without = replace(data, terms=(data.terms[0], replace(data.terms[1], z=data.X)))
    sums, _ = factor_sums(without, grouping_factors(without), 1000)
    assert Columns.of(sums[1]).T.shape == (3, 3)


# --- products with the core -----------------------------------------------------------------


def random_rows(q: int, J: int = 9, n2: int = 14, share: float = 0.4) -> CoreRows:
    rng = np.random.default_rng(q)
    pattern = rng.random((J, n2)) < share
    pattern[np.arange(J), rng.integers(0, n2, J)] = True
    row, col = np.nonzero(pattern)
    return CoreRows(
        n2=n2,
        indptr=np.append(0, np.cumsum(np.bincount(row, minlength=J))),
        cols=col,
        values=rng.normal(size=(q, row.size)),
    )


@pytest.mark.parametrize("way", ["laid out", "sparse", "full", "full in pieces"])
@pytest.mark.parametrize("q", [1, 2, 3])
def test_products_with_the_core_are_right_whichever_way(monkeypatch, q, way):
    monkeypatch.setattr(corerows, "FULL", 2.0 if way in ("laid out", "sparse") else 0.0)
    if way == "sparse":
        monkeypatch.setattr(corerows, "PAIR_LIMIT", 0)
    if way == "full in pieces":
        monkeypatch.setattr(corerows, "CHUNK", 30)
    rows = random_rows(q)
    assert rows.can_lay_out == (way == "laid out")
    rng = np.random.default_rng(1)
    N = rng.normal(size=(q, q, rows.J))
    N = N + N.transpose(1, 0, 2)
    X = rng.normal(size=(rows.n2, rows.n2))
    X = X + X.T
    C = rows.matrix(rows.values).toarray().reshape(q, rows.J, rows.n2)
    gram = np.einsum("ajk,abj,bjl->kl", C, N, C)
    assert np.tril(rows.gram(N)) == pytest.approx(np.tril(gram), abs=1e-12)
    assert np.tril(rows.gram(N, rows.values)) == pytest.approx(np.tril(gram), abs=1e-12)
    lower = np.asfortranarray(np.tril(X))
    form = np.einsum("ajk,kl,bjl->abj", C, X, C)
    assert rows.quadratic(lower) == pytest.approx(form, abs=1e-12)
    assert lower == pytest.approx(np.tril(X))
    at = (rows.rows, rows.cols)
    times = np.stack([(c @ X)[at] for c in C])
    assert rows.times(lower, rows.values) == pytest.approx(times, abs=1e-12)


def test_mirrored_reads_the_lower_triangle_only():
    X = np.array([[1.0, 99.0], [2.0, 3.0]])
    assert mirrored(X).tolist() == [[1.0, 2.0], [2.0, 3.0]]
