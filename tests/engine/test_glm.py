"""Generalised linear models: the optimum by a general minimiser, units, edges and limits."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from mlpool.engine.glm.fit import fit_glm
from mlpool.engine.glm.mean_range import is_on_the_edge, range_of
from mlpool.errors import FitError
from mlpool.families import _LINKS, Family

FAMILIES = [
    (name, link) for name, links in _LINKS.items() if "nbinom" not in name for link in links
]


def _data(family: Family, seed: int, n: int = 60, slope: float = 0.3):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    centre = {"identity": 3.0, "inverse": 3.0, "1/mu^2": 3.0, "sqrt": 3.0}.get(family.link, 0.0)
    if family.name == "binomial":
        centre = {"log": -1.5, "identity": 0.5}.get(family.link, 0.0)
    eta = centre + slope * x
    if family == Family("binomial", "log"):
        eta = np.minimum(eta, -0.05)
    elif centre == 3.0:
        eta = np.maximum(eta, 0.1)
    mu = family.inverse(eta if family.name != "binomial" or centre != 0.5 else 0.5 + 0.1 * x)
    draws = {
        "binomial": lambda: (rng.random(n) < mu) * 1.0,
        "poisson": lambda: rng.poisson(mu) * 1.0,
        "gaussian": lambda: mu * (1.0 + 0.1 * rng.normal(size=n)),
        "Gamma": lambda: rng.gamma(4.0, mu / 4.0),
        "inverse.gaussian": lambda: rng.wald(mu, 8.0 * mu.mean()),
    }
    return draws[family.name](), np.column_stack([np.ones(n), x])


def _deviance(family, y, X, beta):
    low, high = range_of(family)
    if not (np.all(X @ beta > low) and np.all(X @ beta < high)):
        return 1e10
    with np.errstate(all="ignore"):
        mu = family.inverse(X @ beta)
        value = float(np.sum(family.unit_deviance(y, mu)))
    return value if np.isfinite(value) else 1e10


@pytest.mark.parametrize(("name", "link"), FAMILIES)
@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_nearby_is_better(name, link, seed):
    family = Family(name, link)
    y, X = _data(family, seed)
    fit = fit_glm(y, X, family)
    assert fit.converged
    size = np.sqrt(np.diag(fit.vcov_unscaled))
    found = optimize.minimize(
        lambda z: _deviance(family, y, X, fit.beta + z * size), np.zeros(2), method="Nelder-Mead",
        options={"xatol": 1e-6, "fatol": 1e-10},
    )  # fmt: skip
    # R's tolerance of the deviance is 1e-8 of its size.
    assert fit.rss <= found.fun + 1e-7 * (abs(found.fun) + 0.1)


@given(
    family=st.sampled_from(FAMILIES), seed=st.integers(0, 30), exponent=st.floats(-9, 9),
    origin=st.floats(-1e3, 1e3),
)  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_units_and_origins_of_predictors(family, seed, exponent, origin):
    made = Family(*family)
    y, X = _data(made, seed)
    factor = 10.0**exponent
    moved = np.column_stack([X[:, 0], factor * (X[:, 1] + origin)])
    plain, other = fit_glm(y, X, made), fit_glm(y, moved, made)
    assert other.converged == plain.converged
    assert other.rss == pytest.approx(plain.rss, rel=1e-7)
    if is_on_the_edge(made, plain.fitted):
        return  # standard errors have no limit there
    se, other_se = (np.sqrt(np.diag(f.vcov_unscaled))[1] for f in (plain, other))
    assert other.beta[1] * factor == pytest.approx(plain.beta[1], abs=1e-4 * se)
    assert other_se * factor == pytest.approx(se, rel=1e-4)


@pytest.mark.parametrize(
    ("family", "power"),
    [(("Gamma", "inverse"), -1), (("inverse.gaussian", "1/mu^2"), -2), (("gaussian", "log"), 0),
     (("Gamma", "identity"), 1), (("gaussian", "inverse"), -1)],
)  # fmt: skip
@pytest.mark.parametrize("unit", [1e-9, 1e9])
def test_units_of_the_response(family, power, unit):
    made = Family(*family)
    y, X = _data(made, 3)
    plain, other = fit_glm(y, X, made), fit_glm(unit * y, X, made)
    assert other.beta[1] / unit**power == pytest.approx(plain.beta[1], rel=1e-6)
    got, expected = (np.sqrt(f.vcov_unscaled[1, 1] * f.dispersion) for f in (other, plain))
    assert got / unit**power == pytest.approx(expected, rel=1e-6)
    assert other.loglik + len(y) * np.log(unit) == pytest.approx(plain.loglik, abs=1e-5)


@pytest.mark.parametrize("seed", range(12))
def test_log_binomial_means_stay_below_one(seed):
    """Steep slopes press means against one; the edge's optimum is that of a constrained search."""
    family = Family("binomial", "log")
    rng = np.random.default_rng(seed)
    x = rng.normal(size=60)
    X = np.column_stack([np.ones(60), x])
    y = (rng.random(60) < np.minimum(np.exp(-0.7 + 0.8 * x), 0.999)) * 1.0
    fit = fit_glm(y, X, family)
    assert np.isfinite(fit.loglik)
    assert np.all(X @ fit.beta < 0.0)

    def half_deviance(beta):
        eta = np.minimum(X @ beta, -1e-14)
        return -float(np.sum(np.where(y > 0, eta, np.log(-np.expm1(eta)))))

    found = optimize.minimize(
        half_deviance, np.array([-2.0, 0.0]), method="SLSQP", options={"ftol": 1e-12},
        constraints={"type": "ineq", "fun": lambda beta: -1e-10 - X @ beta},
    )  # fmt: skip
    assert fit.rss / 2.0 <= found.fun + 1e-5


def test_separated_data_stop_where_r_stops():
    """Iterations end with the deviance, not with coefficients beyond all numbers."""
    x = np.linspace(-1, 1, 40)
    X = np.column_stack([np.ones(40), x])
    for link in ("logit", "probit", "cloglog"):
        fit = fit_glm((x > 0) * 1.0, X, Family("binomial", link))
        assert fit.rss < 1e-6
        assert np.all(np.abs(fit.beta) < 1e6)
        assert np.all(np.isfinite(fit.vcov_unscaled))


def test_without_an_intercept_a_start_is_looked_for():
    """Means of an identity link without an intercept are positive for some slopes only."""
    rng = np.random.default_rng(2)
    x = np.column_stack([rng.uniform(0.1, 3, 50), rng.normal(size=50)])
    y = rng.poisson(2.0 * x[:, 0]) * 1.0
    fit = fit_glm(y, x, Family("poisson", "identity"))
    assert np.all(x @ fit.beta > 0.0)
    with pytest.raises(FitError, match=r"no starting values.*'poisson\(log\)'"):
        fit_glm(y, np.column_stack([np.tile([-1.0, 1.0], 25)]), Family("poisson", "identity"))


@pytest.mark.parametrize("family", [("gaussian", "identity"), ("Gamma", "inverse")])
def test_as_many_coefficients_as_rows(family):
    """R: residual deviance 0 on 0 degrees of freedom, standard errors NaN."""
    y = np.random.default_rng(4).gamma(3, 1, 8)
    fit = fit_glm(y, np.eye(8), Family(*family))
    assert fit.df_residual == 0
    np.testing.assert_allclose(fit.fitted, y, rtol=1e-6)
    assert np.isnan(fit.dispersion)


def test_a_session_that_raises_on_rounding():
    family = Family("binomial", "logit")
    y, X = _data(family, 1)
    with np.errstate(all="raise"), warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fit_glm(y, X * [1.0, 30.0], family).converged
