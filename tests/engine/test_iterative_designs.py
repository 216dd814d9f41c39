"""Whole fits by the iterative solver where designs are richer, and exact blocks of asked levels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mlpool.engine.lmm.fit import fit_lmm
from mlpool.engine.lmm.forward_pass import ForwardPass
from mlpool.engine.types import ArrayRows, LmmData, ReTerm
from tests.engine.several_designs import SPECS, n_theta, several_data
from tests.engine.test_iterative import (
    EXACT,
    ITERATIVE,
    ROUNDING,
    SEVERAL,
    assert_same_beta,
    criterion_of,
    errors,
)

KINDS = ("weights", "slope of the first", "slope of the second", "three factors", "nested, crossed")


def design(kind: str) -> LmmData:
    """4,000 rows of 300 users and 80 items, and what `kind` adds."""
    n, rng = 4_000, np.random.default_rng(KINDS.index(kind))
    u = np.append(np.arange(300), rng.integers(0, 300, n - 300))
    i = np.append(np.arange(80), rng.integers(0, 80, n - 80))
    X = np.column_stack([np.ones(n), rng.normal(size=n)])
    y = X[:, 1] + rng.normal(size=300)[u] + 0.7 * rng.normal(size=80)[i] + rng.normal(size=n)
    one, both = ArrayRows(X[:, :1]), ArrayRows(X)
    terms = [
        ReTerm(z=one, codes=u, n_levels=300, factor=0),
        ReTerm(z=one, codes=i, n_levels=80, factor=1),
    ]
    weights = None
    if kind == "weights":
        weights = rng.uniform(0.2, 5.0, n)
    elif kind == "slope of the first":
        y += 0.5 * rng.normal(size=300)[u] * X[:, 1]
        terms[0] = replace(terms[0], z=both)
    elif kind == "slope of the second":
        y += 0.5 * rng.normal(size=80)[i] * X[:, 1]
        terms[1] = replace(terms[1], z=both)
    elif kind == "three factors":
        w = rng.integers(0, 25, n)
        y += 0.5 * rng.normal(size=25)[w]
        terms.append(ReTerm(z=one, codes=w, n_levels=25, factor=2))
    else:
        school = u // 10
        y += 0.6 * rng.normal(size=30)[school]
        terms.append(ReTerm(z=one, codes=school, n_levels=30, factor=2))
    return LmmData(y=y, X=both, terms=tuple(terms), weights=weights)


@pytest.mark.parametrize("kind", KINDS)
def test_a_rich_design_is_fitted_as_by_the_dense_solver(kind: str):
    data = design(kind)
    exact, found = (fit_lmm(data, control=control) for control in (EXACT, ITERATIVE))
    assert found.monte_carlo is not None and found.monte_carlo.theta_share <= 0.01
    assert np.abs(errors(found, exact)).max() < 4.5
    assert_same_beta(found, exact)
    assert found.vcov_unscaled == pytest.approx(exact.vcov_unscaled, rel=1e-3)
    for a, b in zip(found.b, exact.b, strict=True):
        assert a == pytest.approx(b, abs=1e-3 * b.std())


def test_weights_of_two_are_rows_twice():
    data = design("weights")
    twice = replace(data, weights=np.full(data.n, 2.0))
    halved, plain = (fit_lmm(d, control=ITERATIVE) for d in (twice, replace(data, weights=None)))
    # the same model in other units of sigma: its square is that of a row of weight one
    assert halved.sigma == pytest.approx(np.sqrt(2.0) * plain.sigma, rel=1e-6)
    assert halved.theta == pytest.approx(plain.theta / np.sqrt(2.0), rel=1e-5)


@pytest.mark.parametrize("name", SEVERAL)
@pytest.mark.parametrize("is_singular", [False, True])
def test_blocks_of_asked_levels_are_those_of_the_dense_core(name: str, is_singular: bool):
    objective = criterion_of(several_data(SPECS[name], 3))
    theta = objective.template.canonical(np.random.default_rng(5).normal(size=n_theta(SPECS[name])))
    if is_singular:
        theta[-1] = 0.0
    factors = objective.factors(theta)
    dense = ForwardPass.of(objective.blocks, factors).covariance_blocks()
    found = objective.parts.eliminate(factors)
    for place, blocks in enumerate(dense):
        levels = np.array([blocks.shape[2] - 1, 0, 1, 0])
        asked = found.covariance_of(place, levels)
        size = np.abs(blocks).max()
        assert asked == pytest.approx(blocks[..., levels], abs=ROUNDING * size)
        assert found.covariance_of(place, levels[:0]).shape == (*blocks.shape[:2], 0)


def test_many_asked_levels_are_solved_in_pieces():
    objective = criterion_of(design("slope of the second"))
    factors = objective.factors(np.full(objective.template.k, 0.5))
    dense = ForwardPass.of(objective.blocks, factors).covariance_blocks()
    found = objective.parts.eliminate(factors)
    for place, blocks in enumerate(dense):
        levels = np.arange(blocks.shape[2])
        assert found.covariance_of(place, levels) == pytest.approx(blocks, rel=1e-8, abs=1e-10)
