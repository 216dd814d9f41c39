"""The criterion of one grouping factor: against the dense twin, finite differences and R."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings

from mlpool.engine.factorization import cluster_elimination as elimination
from mlpool.engine.factorization.cluster_elimination import ClusterBlocks, SizeGroups
from mlpool.engine.lmm.fit import fit_at_theta, fit_lmm, prepare
from mlpool.engine.types import Control, LmmData
from tests.engine.designs import TERMS, lmm_cases, make_data, n_theta, random_data, sleepstudy
from tests.tolerances import REL_CRITERION
from tests.twins.dense_lmm import dense_fit

CONTROL = Control()


@settings(max_examples=60, deadline=None)
@given(lmm_cases())
def test_value_and_gradient_equal_the_dense_twin(case):
    data, theta, reml = case
    value, gradient = prepare(data, reml=reml, control=CONTROL).evaluate(theta)
    twin = dense_fit(data, theta, reml=reml)
    assert value == pytest.approx(twin.value, rel=1e-10)
    assert gradient == pytest.approx(twin.gradient, rel=1e-7, abs=1e-7)


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("weights", [True, False])
@pytest.mark.parametrize("terms", TERMS.values(), ids=TERMS.keys())
def test_gradient_and_hessian_equal_finite_differences(terms, weights, reml):
    objective = prepare(random_data(5, terms, weights=weights), reml=reml, control=CONTROL)
    k = n_theta(terms)
    theta = np.random.default_rng(1).uniform(0.1, 0.8, k)
    h = 1e-5
    _, gradient = objective.evaluate(theta)
    hessian = objective.hessian(theta)
    plus = [objective.evaluate(theta + h * e) for e in np.eye(k)]
    minus = [objective.evaluate(theta - h * e) for e in np.eye(k)]
    by_value = [(a[0] - b[0]) / (2 * h) for a, b in zip(plus, minus, strict=True)]
    by_gradient = [(a[1] - b[1]) / (2 * h) for a, b in zip(plus, minus, strict=True)]
    assert gradient == pytest.approx(np.array(by_value), rel=1e-6, abs=1e-5)
    assert hessian == pytest.approx(np.array(by_gradient), rel=1e-6, abs=1e-5)


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("weights", [True, False])
@pytest.mark.parametrize("terms", TERMS.values(), ids=TERMS.keys())
def test_estimates_equal_the_dense_twin(terms, weights, reml):
    data = random_data(9, terms, weights=weights)
    theta = np.random.default_rng(2).uniform(0.1, 0.8, n_theta(terms))
    fit = fit_at_theta(prepare(data, reml=reml, control=CONTROL), theta)
    twin = dense_fit(data, theta, reml=reml)
    assert fit.beta == pytest.approx(twin.beta, rel=1e-9)
    assert fit.vcov_unscaled == pytest.approx(twin.vcov_unscaled, rel=1e-8, abs=1e-12)
    assert fit.sigma == pytest.approx(twin.sigma, rel=1e-10)
    assert fit.logdet_RX2 == pytest.approx(-np.linalg.slogdet(twin.vcov_unscaled)[1], rel=1e-9)
    for ours, theirs in zip(fit.b, twin.b, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-8, abs=1e-9)
    for ours, theirs in zip(fit.cond_cov(), twin.cond_cov, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-8, abs=1e-10)


def test_maximum_likelihood_at_zero_is_least_squares():
    data = random_data(3, ([0, 1],))
    X = data.X.rows(0, data.n)
    objective = prepare(data, reml=False, control=CONTROL)
    value, gradient = objective.evaluate(np.zeros(3))
    beta, rss, *_ = np.linalg.lstsq(X, data.y, rcond=None)
    n = data.n
    assert value == pytest.approx(n * (1 + np.log(2 * np.pi * rss[0] / n)), rel=1e-12)
    assert fit_at_theta(objective, np.zeros(3)).beta == pytest.approx(beta, rel=1e-11)
    assert np.all(gradient == 0), "the deviance is even in theta"


def test_a_random_intercept_is_grouped_by_cluster_size():
    rng = np.random.default_rng(0)
    codes = np.concatenate([np.arange(500), rng.integers(0, 500, 4500)])
    X = np.column_stack([np.ones(5000), rng.normal(size=5000)])
    data = make_data(rng.normal(size=5000), X, codes, ([0],))
    objective = prepare(data, reml=True, control=CONTROL)
    blocks = objective.blocks
    assert isinstance(blocks, SizeGroups)
    assert blocks.size.tolist() == np.unique(np.bincount(codes)).tolist()
    assert isinstance(blocks.blocks, ClusterBlocks)
    Lam = np.array([[0.7]])
    grouped = blocks.eliminate(Lam, objective.total)
    one_by_one = blocks.blocks.eliminate(Lam, objective.total)
    for name in ("logdet", "S", "K", "EE", "KK", "EKE"):
        assert getattr(grouped, name) == pytest.approx(getattr(one_by_one, name), rel=1e-10), name


@pytest.mark.parametrize("terms", TERMS.values(), ids=TERMS.keys())
def test_many_columns_take_a_second_pass_to_the_same_hessian(terms, monkeypatch):
    theta = np.random.default_rng(1).uniform(0.1, 0.8, n_theta(terms))
    data = random_data(5, terms, weights=True)
    narrow = prepare(data, reml=True, control=CONTROL).hessian(theta)
    monkeypatch.setattr(elimination, "WIDE", 0)
    objective = prepare(data, reml=True, control=CONTROL)
    assert objective.hessian(theta) == pytest.approx(narrow, rel=1e-9, abs=1e-9)
    assert objective.solve(theta).parts.EKE is None


def test_no_fixed_effects_at_all(shared):
    d = sleepstudy(shared)
    codes = np.unique(d.Subject, return_inverse=True)[1]
    data = make_data(d.Reaction.to_numpy(), np.ones((180, 1)), codes, ([0],))
    data = LmmData(y=data.y, X=type(data.X)(np.empty((180, 0))), terms=data.terms)
    theta = np.array([3.0])
    twin = dense_fit(data, theta, reml=True)
    assert prepare(data, reml=True, control=CONTROL).evaluate(theta)[0] == pytest.approx(twin.value)
    assert fit_lmm(data).beta.size == 0


SLEEP_CASES = {
    "sleep_ri_reml": ([0],),
    "sleep_rs_reml": ([0, 1],),
    "sleep_rs_ml": ([0, 1],),
    "sleep_two_terms_ml": ([0], [1]),
    "sleep_0plus": ([1],),
    "sleep_weights": ([0, 1],),
}


@pytest.mark.parametrize("case", SLEEP_CASES)
def test_criterion_at_lme4s_theta(shared, case):
    cases = json.loads((shared / "reference" / "lmm.json").read_text())["cases"]
    reference = next(c for c in cases if c["id"] == case)
    d = sleepstudy(shared)
    codes = np.unique(d.Subject, return_inverse=True)[1]
    X = np.column_stack([np.ones(180), d.Days.to_numpy(float)])
    # The reference's prior weights for this case are 1 + Days %% 3.
    w = 1.0 + d.Days.to_numpy() % 3 if case == "sleep_weights" else None
    data = make_data(d.Reaction.to_numpy(), X, codes, SLEEP_CASES[case], weights=w)
    objective = prepare(data, reml=reference["REML"], control=CONTROL)
    result = reference["result"]
    value, gradient = objective.evaluate(np.array(result["theta"]))
    assert value == pytest.approx(result["criterion"], rel=REL_CRITERION)
    assert np.abs(gradient).max() < 1e-2
    fit = fit_at_theta(objective, np.array(result["theta"]))
    assert fit.beta == pytest.approx(result["fixef"]["estimate"], rel=1e-8)
    assert fit.sigma == pytest.approx(result["sigma"], rel=1e-8)


def test_weighted_clusters_are_not_grouped():
    rng = np.random.default_rng(0)
    codes = np.concatenate([np.arange(2000), rng.integers(0, 2000, 4000)])
    w = rng.uniform(0.5, 2, 6000)
    data = make_data(rng.normal(size=6000), np.ones((6000, 1)), codes, ([0],), weights=w)
    objective = prepare(data, reml=True, control=CONTROL)
    assert isinstance(objective.blocks, ClusterBlocks)
    assert fit_lmm(data).optimum.converged
