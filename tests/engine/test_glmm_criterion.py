"""Laplace and quadrature criteria against a dense twin, their gradients against differences."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlpool.engine.glmm.laplace import Laplace
from mlpool.engine.glmm.prepared_data import Problem
from mlpool.engine.glmm.quadrature import Quadrature
from mlpool.engine.types import Control

sys.path.insert(0, str(Path(__file__).parents[1]))
from engine.glmm_designs import FAMILIES, STRUCTURES, make, point
from twins.dense_glmm import integrated_deviance, laplace_deviance

REL_TWIN = 1e-7
"""The twin's second derivatives are numerical."""
REL_GRADIENT = 3e-6
"""Central differences of the criterion with steps of 1e-5."""


def _in_user_terms(problem, x):
    """theta, beta and shape of a point in working terms."""
    k, p = problem.k, problem.p
    beta = np.linalg.solve(problem.R, x[k : k + p])
    return problem.to_user(x[:k]), beta, float(np.exp(x[-1])) if problem.has_shape else 1.0


@pytest.mark.parametrize(("family", "link"), FAMILIES)
@pytest.mark.parametrize("structure", ["slope", "crossed", "all"])
def test_laplace_is_the_twins(family, link, structure):
    data = make(family, link, structure)
    problem = Problem.of(data, Control())
    x = point(problem, family)
    got = Laplace(problem).state(x).value
    expected = laplace_deviance(data, *_in_user_terms(problem, x))
    assert got == pytest.approx(expected, rel=REL_TWIN, abs=1e-6)


@pytest.mark.parametrize(("family", "link"), FAMILIES)
@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("joint", [False, True])
def test_gradient(family, link, structure, joint):
    problem = Problem.of(make(family, link, structure), Control())
    _check_gradient(Laplace(problem, joint=joint), point(problem, family, joint=joint))


@pytest.mark.parametrize(("family", "link"), FAMILIES)
def test_gradient_of_quadrature(family, link):
    problem = Problem.of(make(family, link, "intercept"), Control())
    _check_gradient(Quadrature(problem, 5), point(problem, family))


def _check_gradient(objective, x):
    state = objective.state(x)
    objective.accept(state)
    exact = objective.gradient(state)
    numerical = np.empty_like(exact)
    for i in range(len(x)):
        step = np.zeros(len(x))
        step[i] = 1e-5
        rise = objective.state(x + step).value - objective.state(x - step).value
        numerical[i] = rise / 2e-5
    scale = max(1.0, float(np.abs(numerical).max()))
    np.testing.assert_allclose(exact, numerical, rtol=0, atol=REL_GRADIENT * scale)


@pytest.mark.parametrize(
    ("family", "link"), [("binomial", "logit"), ("binomial", "cloglog"), ("poisson", "log")]
)
def test_many_nodes_are_the_integral(family, link):
    data = make(family, link, "intercept")
    problem = Problem.of(data, Control())
    x = np.array([1.2, 0.1, 0.3])
    expected = integrated_deviance(data, *_in_user_terms(problem, x))
    # As in lme4, quadrature leaves the saturated model's likelihood out; Laplace has it.
    left_out = -2 * (problem.saturated + problem.constant)
    got = Quadrature(problem, 60).state(x).value + left_out
    assert got == pytest.approx(expected, abs=1e-6)
    errors = [
        abs(Quadrature(problem, k).state(x).value + left_out - expected) for k in (2, 5, 9, 25)
    ]
    assert errors[1] < errors[0] / 3
    assert errors[3] < 1e-5
    one = Quadrature(problem, 1).state(x).value + left_out
    assert one == pytest.approx(Laplace(problem).state(x).value, abs=1e-9)


@pytest.mark.parametrize("structure", STRUCTURES)
def test_order_of_rows_does_not_matter(structure):
    values = []
    for shuffle in (False, True):
        problem = Problem.of(make("binomial", "logit", structure, shuffle=shuffle), Control())
        theta = np.where(problem.template.is_diagonal, 0.7, -0.2)
        beta = np.array([0.4, -0.3])
        objective = Laplace(problem)
        state = objective.state(np.concatenate([theta, problem.R @ beta]))
        values.append([state.value, *objective.gradient(state)[: problem.k]])
    np.testing.assert_allclose(values[0], values[1], rtol=1e-9, atol=1e-9)


@given(
    seed=st.integers(0, 10_000),
    family=st.sampled_from([f for f in FAMILIES if f[1] in ("logit", "log", "probit")]),
    structure=st.sampled_from(STRUCTURES),
    scale=st.floats(0.0, 1.5),
)
@settings(max_examples=40, deadline=None)
def test_twin_at_random_points(seed, family, structure, scale):
    data = make(*family, structure, seed)
    problem = Problem.of(data, Control())
    rng = np.random.default_rng(seed)
    x = point(problem, family[0])
    x[: problem.k] = scale * 0.5 * rng.normal(size=problem.k)
    got = Laplace(problem).state(x).value
    expected = laplace_deviance(data, *_in_user_terms(problem, x))
    assert got == pytest.approx(expected, rel=1e-6, abs=1e-5)


def test_compression_changes_nothing():
    """Rows added up have the same criterion as rows left alone."""
    data = make("binomial", "logit", "crossed")
    twice = type(data)(
        y=np.concatenate([data.y, 1 - data.y]),
        X=_stacked(data.X),
        terms=tuple(
            type(t)(
                z=_stacked(t.z), codes=np.concatenate([t.codes, t.codes]), n_levels=t.n_levels,
                factor=t.factor,
            )
            for t in data.terms
        ),
        family=data.family,
        trials=np.concatenate([data.trials, 2 * data.trials]),
    )  # fmt: skip
    problem = Problem.of(twice, Control())
    assert len(problem.rows.y) == len(data.y) == problem.n / 2
    x = np.concatenate([[0.5, 0.4, 0.1, 0.3], problem.R @ [0.2, -0.4]])
    expected = laplace_deviance(twice, *_in_user_terms(problem, x))
    assert Laplace(problem).state(x).value == pytest.approx(expected, rel=REL_TWIN)


def _stacked(source):
    from mlpool.engine.types import ArrayRows

    rows = source.rows(0, source.shape[0])
    return ArrayRows(np.vstack([rows, rows]))
