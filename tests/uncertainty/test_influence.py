"""Leverages, Cook's distances and VIF against R's values and against matrices."""

from __future__ import annotations

import numpy as np
import pytest

import mlpool
from mlpool.uncertainty.influence import cooks_distance, leverages, variance_inflation


def test_lm_against_r():
    """R 4.2.2: lm(Reaction ~ Days, sleepstudy); hatvalues(), cooks.distance(), rows 1, 2, 10."""
    m = mlpool.lm("Reaction ~ Days", mlpool.load_data("sleepstudy"))
    np.testing.assert_allclose(
        leverages(m)[[0, 1, 9]], [0.01919192, 0.01380471, 0.01919192], atol=5e-9
    )
    h = leverages(m)
    assert h.sum() == pytest.approx(2.0)
    e = m.resid.to_numpy()
    want = e**2 * h / (2 * m.sigma**2 * (1 - h) ** 2)
    np.testing.assert_allclose(cooks_distance(m), want)


@pytest.mark.parametrize("weights", [None, "w"])
def test_mixed_leverages_make_the_fitted_values(weights):
    """h_ii is the derivative of fitted value i by response i at fixed theta."""
    d = mlpool.load_data("sleepstudy").assign(w=lambda d: 1.0 + d["Days"] % 3)
    m = mlpool.lmer("Reaction ~ Days + (Days | Subject)", d, weights=weights)
    h = leverages(m)
    assert h.sum() == pytest.approx(np.trace(_hat(m)), rel=1e-8)
    np.testing.assert_allclose(h, np.diag(_hat(m)), rtol=1e-7)


def _hat(m):
    from mlpool.models.extractors.random_effects import relative_factors

    random = m.design.random[0]
    n, J = m.nobs, len(random.levels)
    z = random.z.rows(0, n)
    k = z.shape[1]
    Z = np.zeros((n, J * k))
    for c in range(k):
        Z[np.arange(n), np.asarray(random.codes) * k + c] = z[:, c]
    (lam,) = relative_factors(m.theta, [k])
    X, w = m.design.X.dense(), m.prior_weights
    M = np.hstack([X, Z @ np.kron(np.eye(J), lam)])
    penalty = np.diag(np.r_[np.zeros(X.shape[1]), np.ones(J * k)])
    return M @ np.linalg.solve(M.T @ (w[:, None] * M) + penalty, M.T * w)


@pytest.mark.parametrize("weights", [None, "w"])
@pytest.mark.parametrize("formula", ["math ~ ses + school", "math ~ ses * school + gender"])
def test_leverages_of_an_absorbed_factor_are_those_of_its_dummies(formula, weights):
    d = mlpool.load_data("hsb82").iloc[:1500].assign(w=lambda d: 1.0 + d.index % 3)
    absorbed = mlpool.lm(formula, d, weights=weights, engine="mlpool")
    dense = mlpool.lm(formula, d, weights=weights, engine="statsmodels")
    np.testing.assert_allclose(leverages(absorbed), leverages(dense), atol=1e-10)
    inside = leverages(dense) < 1.0 - 1e-8  # a school of two rows has leverages of one
    got, want = cooks_distance(absorbed)[inside], cooks_distance(dense)[inside]
    np.testing.assert_allclose(got, want, rtol=1e-6)


def test_too_many_columns_are_refused(monkeypatch):
    d = mlpool.load_data("hsb82")
    monkeypatch.setattr("mlpool.uncertainty.influence.MAX_COLUMNS", 2)
    with pytest.raises(mlpool.NotSupportedError, match="at most 2 coefficients; this model has 3"):
        variance_inflation(mlpool.lm("math ~ ses + sector", d))


def test_vif_is_one_over_one_minus_r2():
    d = mlpool.load_data("hsb82")
    d = d.assign(twin=d["ses"] + np.random.default_rng(1).normal(size=len(d)))
    m = mlpool.lm("math ~ ses + twin + sector", d)
    vif = variance_inflation(m)
    aux = mlpool.lm("ses ~ twin + sector", d)
    r2 = 1 - aux.fit.rss / aux.fit.null_deviance
    assert vif["ses"] == pytest.approx(1 / (1 - r2))
    assert list(vif.index) == ["ses", "twin", "sector"]
    with pytest.raises(mlpool.NotSupportedError, match="fewer than two terms"):
        variance_inflation(mlpool.lm("math ~ ses", d))
