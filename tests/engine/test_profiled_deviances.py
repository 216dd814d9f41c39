"""The deviance at many theta at once is the deviance at each of them."""

from __future__ import annotations

import numpy as np
import pytest

from mlpool.engine.lmm.fit import criterion_at, prepare
from mlpool.engine.types import Control
from tests.engine import designs, several_designs


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("name", designs.TERMS)
def test_one_factor(name: str, reml: bool) -> None:
    terms = designs.TERMS[name]
    data = designs.random_data(1, terms, weights=True)
    thetas = np.random.default_rng(2).uniform(0, 1.5, (7, designs.n_theta(terms)))
    thetas[3] = 0.0
    made = prepare(data, reml=reml, control=Control()).values(thetas)
    each = [criterion_at(data, theta, reml=reml)[0] for theta in thetas]
    np.testing.assert_allclose(made, each, rtol=1e-11)


def test_intercepts_of_equal_clusters() -> None:
    data = designs.random_data(1, designs.TERMS["intercept"])
    thetas = np.array([[0.0], [0.5], [3.0]])
    made = prepare(data, reml=True, control=Control()).values(thetas)
    each = [criterion_at(data, theta)[0] for theta in thetas]
    np.testing.assert_allclose(made, each, rtol=1e-11)


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("name", several_designs.SPECS)
def test_several_factors(name: str, reml: bool) -> None:
    spec = several_designs.SPECS[name]
    data = several_designs.several_data(spec, 3, weights=True)
    thetas = np.stack([several_designs.random_theta(spec, seed) for seed in range(5)])
    thetas[2] = 0.0
    made = prepare(data, reml=reml, control=Control()).values(thetas)
    each = [criterion_at(data, theta, reml=reml)[0] for theta in thetas]
    np.testing.assert_allclose(made, each, rtol=1e-11)


def test_where_there_is_no_deviance_it_is_infinite() -> None:
    data = designs.random_data(1, designs.TERMS["intercept"])
    objective = prepare(data, reml=True, control=Control())
    values = objective.values(np.array([[1.0], [np.nan], [1e200]]))
    assert np.isfinite(values[0])
    assert np.isinf(values[1:]).all()
