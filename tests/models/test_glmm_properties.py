"""What must hold of every generalised mixed model: invariances, draws, averages, robust SEs."""

from __future__ import annotations

import pickle
import sys
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats

import mlpool
from mlpool.models.generalized_mixed import as_glmm_data
from mlpool.models.prediction import mean_over_effects

sys.path.insert(0, str(Path(__file__).parents[1]))
from twins.dense_glmm import laplace_deviance

FAMILIES = (
    "binomial", "binomial(probit)", "binomial(cloglog)", "poisson", "poisson(sqrt)", "nbinom2",
    "nbinom1", "Gamma(log)", "Gamma(inverse)", "inverse.gaussian(log)", "inverse.gaussian",
    "gaussian(log)",
)  # fmt: skip


def _mean(family: str, eta: np.ndarray) -> np.ndarray:
    made = mlpool.families.get_family(family)
    shift = {"inverse": 3.0, "1/mu^2": 3.0, "sqrt": 3.0}.get(made.link, 0.0)
    return made.inverse(eta + shift)


@cache
def _data(family: str, groups: int = 24, size: int = 12, seed: int = 11) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    n = groups * size
    g = np.repeat(np.arange(groups), size)
    x = rng.normal(size=n)
    mu = _mean(family, 0.2 + 0.3 * x + 0.4 * rng.normal(size=groups)[g])
    draws = {
        "binomial": lambda: rng.random(n) < mu,
        "poisson": lambda: rng.poisson(mu),
        "nbinom2": lambda: rng.negative_binomial(2.0, 2.0 / (2.0 + mu)),
        "nbinom1": lambda: rng.negative_binomial(mu / 0.7, 1 / 1.7),
        "Gamma": lambda: rng.gamma(4.0, mu / 4.0),
        "inverse.gaussian": lambda: rng.wald(mu, 6.0),
        "gaussian": lambda: mu + 0.3 * rng.normal(size=n),
    }
    y = draws[family.split("(")[0]]()
    return pd.DataFrame({"y": y, "x": x, "g": g, "big": g // 4, "k": rng.integers(0, 6, n)})


@cache
def _fitted(family: str, formula: str = "y ~ x + (1 | g)"):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mlpool.SingularFitWarning)
        return mlpool.glmer(formula, _data(family), family=family)


def _again(data, family, formula="y ~ x + (1 | g)", **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mlpool.SingularFitWarning)
        return mlpool.glmer(formula, data, family=family, **options)


# --- invariances ----------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_order_of_rows_and_names_of_levels_do_not_matter(family):
    m = _fitted(family)
    d = _data(family)
    other = d.assign(g=[f"group {99 - v}" for v in d["g"]]).sample(frac=1.0, random_state=5)
    turned = _again(other, family)
    assert turned.loglik == pytest.approx(m.loglik, abs=1e-7)
    np.testing.assert_allclose(turned.fixef(), m.fixef(), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(turned.se, m.se, rtol=1e-4)
    mine, theirs = m.ranef()["g"]["(Intercept)"], turned.ranef()["g"]["(Intercept)"]
    got = [theirs[f"group {99 - int(v)}"] for v in mine.index]
    np.testing.assert_allclose(got, mine, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(turned.fitted[d.index], m.fitted, rtol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_units_of_x_scale_its_slope(family):
    formula = "y ~ x + (x | g)"
    m = _again(_data(family), family, formula)
    d = _data(family)
    scaled = _again(d.assign(x=d["x"] * 1000.0), family, formula)
    assert scaled.loglik == pytest.approx(m.loglik, abs=1e-6)
    assert scaled.fixef().iloc[1] * 1000 == pytest.approx(m.fixef().iloc[1], rel=1e-3, abs=1e-6)
    np.testing.assert_allclose(scaled.fitted, m.fitted, rtol=1e-3)
    np.testing.assert_allclose(
        scaled.varcorr().blocks[0].sd * [1, 1000], m.varcorr().blocks[0].sd, rtol=1e-2, atol=2e-4
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_an_offset_moves_the_intercept_alone(family):
    """A constant and a multiple of x in the offset are taken from their coefficients."""
    m = _fitted(family)
    moved = _again(_data(family), family, "y ~ x + offset(0.1 - 0.2 * x) + (1 | g)")
    assert moved.loglik == pytest.approx(m.loglik, abs=1e-6)
    np.testing.assert_allclose(
        moved.fixef() + np.array([0.1, -0.2]), m.fixef(), rtol=1e-3, atol=1e-5
    )
    np.testing.assert_allclose(moved.se, m.se, rtol=1e-3)
    np.testing.assert_allclose(moved.fitted, m.fitted, rtol=1e-4)


@pytest.mark.parametrize("family", ["binomial", "poisson", "nbinom2", "Gamma(log)"])
def test_order_and_spelling_of_terms_do_not_matter(family):
    one = _again(_data(family), family, "y ~ x + (1 | g) + (1 | k)")
    two = _again(_data(family), family, "y ~ (1 | k) + x + (1 | g)")
    assert one.loglik == pytest.approx(two.loglik, abs=1e-7)
    np.testing.assert_allclose(one.theta, two.theta, atol=1e-4)
    nested = _again(_data(family), family, "y ~ x + (1 | big / g)")
    split = _again(_data(family), family, "y ~ x + (1 | g) + (1 | big)")
    assert nested.loglik == pytest.approx(split.loglik, abs=1e-7)


@pytest.mark.parametrize("family", ["binomial", "poisson"])
def test_weights_count_rows(family):
    """A weight of two is the row twice; for counts the factorials are counted twice, too."""
    d = _data(family)
    w = 1 + (np.arange(len(d)) % 3 == 0)
    twice = d.loc[np.repeat(d.index, w)].reset_index(drop=True)
    weighted = _again(d.assign(w=w), family, weights="w")
    repeated = _again(twice, family)
    np.testing.assert_allclose(weighted.fixef(), repeated.fixef(), rtol=1e-5)
    np.testing.assert_allclose(weighted.se, repeated.se, rtol=1e-5)
    assert weighted.loglik == pytest.approx(repeated.loglik, abs=1e-7)


@pytest.mark.parametrize("family", ["binomial", "poisson"])
def test_added_up_rows_are_the_rows(family, monkeypatch):
    """Compression is exact: the same estimates as from every row on its own."""
    from mlpool.engine.glmm import identical_rows

    d = _data(family).assign(x=lambda d: np.round(d["x"]))
    short = _again(d, family)
    assert short.fit.n_compressed < 0.7 * len(d)
    monkeypatch.setattr(identical_rows, "FAMILIES", ())
    full = _again(d, family)
    assert full.fit.n_compressed == len(d)
    assert short.loglik == pytest.approx(full.loglik, abs=1e-8)
    np.testing.assert_allclose(short.fixef(), full.fixef(), rtol=1e-5)
    np.testing.assert_allclose(short.vcov(), full.vcov(), rtol=1e-4, atol=1e-8)
    np.testing.assert_allclose(short.fitted, full.fitted, rtol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_estimate_is_the_twins_optimum(family):
    """No small step in any parameter lowers the dense twin's deviance."""
    m = _fitted(family)
    data = as_glmm_data(m.design, m.family)
    shape = m.dispersion
    point = np.concatenate([m.theta, m.fit.beta, [np.log(shape)]])

    def deviance(x):
        k = len(m.theta)
        return laplace_deviance(data, x[:k], x[k:-1], float(np.exp(x[-1])))

    best = deviance(point)
    assert best == pytest.approx(m.criterion, abs=1e-5)
    has_shape = m.loglik_df == len(point)
    for i in range(len(point) - (not has_shape)):
        for step in (-0.01, 0.01):
            moved = point.copy()
            moved[i] += step
            assert deviance(moved) > best - 1e-6, (i, step)


def test_fits_pickle_with_their_second_derivatives():
    m = _fitted("binomial")
    again = pickle.loads(pickle.dumps(m))
    np.testing.assert_allclose(again.se, m.se)
    np.testing.assert_allclose(again.vcov("CR1", cluster="g"), m.vcov("CR1", cluster="g"))


# --- draws, averages, residuals -------------------------------------------------------------

WITH_DRAWS = [f for f in FAMILIES if f not in ("inverse.gaussian", "Gamma(inverse)")]


@pytest.mark.parametrize("family", FAMILIES)
def test_draws_about_the_modes_have_the_familys_moments(family):
    m = _fitted(family)
    draws = mlpool.simulate(m, 3_000, seed=4, re_form=None).to_numpy(dtype=float)
    mu = m.fitted.to_numpy()
    phi = m.sigma**2 if m.family.has_dispersion else 1.0
    variance = phi * m.family.variance(mu)
    z = (draws.mean(axis=1) - mu) / np.sqrt(variance / draws.shape[1])
    assert np.abs(z).max() < 5.0
    assert np.mean(draws.var(axis=1) / variance) == pytest.approx(1.0, rel=0.02)


@pytest.mark.parametrize("family", WITH_DRAWS)
def test_population_averages_are_means_of_new_draws(family):
    """Two ways to one number: integration, and simulation with new random effects."""
    m = _fitted(family)
    draws = mlpool.simulate(m, 3_000, seed=5).to_numpy(dtype=float)
    average = m.predict(type="response", averaged=True).to_numpy()
    z = (draws.mean(axis=1) - average) / (draws.std(axis=1) / np.sqrt(draws.shape[1]))
    assert np.abs(z).max() < 5.0
    typical = m.predict(type="response", re_form=False).to_numpy()
    if m.family.link == "log":
        sd = m.varcorr().blocks[0].sd[0]
        np.testing.assert_allclose(average, typical * np.exp(sd**2 / 2), rtol=1e-9)
    assert not np.allclose(average, typical)


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog"])
@pytest.mark.parametrize("sd", [0.0, 0.5, 3.0])
def test_averages_are_integrals(link, sd):
    family = mlpool.families.Family("binomial", link)
    eta = np.array([-3.0, 0.0, 1.5])
    got = mean_over_effects(family, eta, np.full(3, sd**2))
    for value, centre in zip(got, eta, strict=True):
        expected, _ = integrate.quad(
            lambda z, centre=centre: float(family.inverse(np.array([centre + sd * z]))[0])
            * stats.norm.pdf(z),
            -12, 12, epsabs=1e-12, limit=300,
        )  # fmt: skip
        assert value == pytest.approx(expected, abs=1e-9)
    if link == "probit":
        np.testing.assert_allclose(got, stats.norm.cdf(eta / np.hypot(1, sd)), atol=1e-9)


def test_averages_of_new_rows_with_slopes():
    m = _again(_data("binomial(probit)"), "binomial(probit)", "y ~ x + (x | g) + (1 | k)")
    new = pd.DataFrame({"x": [-1.0, 2.0], "g": ["new", 3], "k": [1, 2]})
    got = m.predict(new, type="response", averaged=True, allow_new_levels=True)
    blocks = {b.group: b.vcov for b in m.varcorr().blocks}
    z = np.column_stack([np.ones(2), new["x"]])
    variance = np.einsum("ia,ab,ib->i", z, blocks["g"], z) + blocks["k"][0, 0]
    expected = stats.norm.cdf((z @ m.fixef().to_numpy()) / np.sqrt(1 + variance))
    np.testing.assert_allclose(got, expected, atol=1e-8)


def test_averages_that_do_not_exist():
    m = _again(_data("inverse.gaussian"), "inverse.gaussian")
    with pytest.raises(mlpool.NotSupportedError, match="does not exist with the link 1/mu"):
        mean_over_effects(m.family, np.array([1.0]), np.array([1.0]))
    for options in ({"type": "link"}, {"type": "response", "re_form": False}):
        with pytest.raises(mlpool.OptionError, match="averaged=True gives mean responses"):
            m.predict(averaged=True, **options)


def test_draws_out_of_range_are_refused():
    rng = np.random.default_rng(2)
    d = _data("Gamma(log)").assign(y=lambda d: d["y"] * np.exp(rng.normal(size=24))[d["g"]])
    m = _again(d, "Gamma(identity)", "y ~ 1 + (1 | g)")
    with pytest.raises(mlpool.DataError, match="outside the range of the family Gamma"):
        mlpool.simulate(m, 50, seed=1)


_DISTRIBUTIONS = {
    "binomial": lambda m, mu: stats.binom(1, mu),
    "poisson": lambda m, mu: stats.poisson(mu),
    "nbinom2": lambda m, mu: stats.nbinom(m.dispersion, m.dispersion / (m.dispersion + mu)),
    "nbinom1": lambda m, mu: stats.nbinom(mu / m.dispersion, 1 / (1 + m.dispersion)),
    "Gamma": lambda m, mu: stats.gamma(1 / m.dispersion, scale=mu * m.dispersion),
    "inverse.gaussian": lambda m, mu: stats.invgauss(mu * m.dispersion, scale=1 / m.dispersion),
    "gaussian": lambda m, mu: stats.norm(mu, m.sigma),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_quantile_residuals_are_normal_scores(family):
    m = _fitted(family)
    got = m.residuals("quantile", seed=7).to_numpy()
    y, f = m.design.y, _DISTRIBUTIONS[m.family.name](m, m.fitted.to_numpy())
    low, high = f.cdf(y), f.cdf(y)
    if m.family.name in ("binomial", "poisson", "nbinom1", "nbinom2"):
        low = f.cdf(y - 1)
    share = np.random.default_rng(7).random(len(y))
    if (low == high).all():
        share = 0.0
    np.testing.assert_allclose(stats.norm.cdf(got), low + share * (high - low), atol=1e-10)
    np.testing.assert_array_equal(got, m.residuals("quantile", seed=7))
    assert stats.kstest(got, "norm").pvalue > 1e-3


def test_quantile_residuals_of_counts_of_trials_and_linear_models():
    cbpp = mlpool.load_data("cbpp")
    m = mlpool.glmer(
        "cbind(incidence, size - incidence) ~ period + (1 | herd)", cbpp, family="binomial"
    )
    got = stats.norm.cdf(m.residuals("quantile", seed=1))
    f = stats.binom(cbpp["size"], m.fitted)
    assert np.all((got > f.cdf(cbpp["incidence"] - 1) - 1e-12) & (got < f.cdf(cbpp["incidence"])))
    sleep = mlpool.lmer("Reaction ~ Days + (Days | Subject)", mlpool.load_data("sleepstudy"))
    np.testing.assert_allclose(sleep.residuals("quantile"), sleep.residuals(scaled=True))


def test_quantile_residuals_keep_the_far_tails():
    from mlpool.inference.quantile_residuals import quantile_residuals

    family = mlpool.families.Family("poisson", "log")
    y, mu = np.array([0.0, 200.0, 0.0]), np.array([400.0, 1.0, 5000.0])
    rng = np.random.default_rng(1)
    low, high, least = quantile_residuals(family, y, mu, 1.0, np.ones(3), rng)
    assert low < -27 and high > 27 and np.isfinite(least)


def test_quantile_residuals_that_are_refused():
    m = _fitted("poisson")
    with pytest.raises(mlpool.OptionError, match="seed= is for type='quantile'"):
        m.residuals("pearson", seed=1)
    with pytest.raises(mlpool.OptionError, match="scale of one already"):
        m.residuals("quantile", scaled=True)
    weighted = _again(_data("poisson").assign(w=2.0), "poisson", weights="w")
    with pytest.raises(mlpool.NotSupportedError, match="no quantile residuals"):
        weighted.residuals("quantile")


# --- variance by source ---------------------------------------------------------------------


def test_variance_of_each_distribution():
    """Nakagawa et al. (2017): lognormal approximation of log links, else the delta method."""
    nb2, nb1 = _fitted("nbinom2"), _fitted("nbinom1")
    for m, per_mean in ((nb2, 1.0), (nb1, 1.0 + nb1.dispersion)):
        null = _again(_data(str(m.family).split("(")[0]), m.family.name, "y ~ 1 + (1 | g)")
        excess = 1 / m.dispersion if m is nb2 else 0.0
        expected = np.log1p(per_mean / np.exp(null.fixef().iloc[0]) + excess)
        assert mlpool.get_variance(m).var_distribution == pytest.approx(expected, rel=1e-5)
    inverse = _fitted("Gamma(inverse)")
    null = _again(_data("Gamma(inverse)"), "Gamma(inverse)", "y ~ 1 + (1 | g)")
    expected = inverse.dispersion * null.fixef().iloc[0] ** 2
    assert mlpool.get_variance(inverse).var_distribution == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_icc_and_r2_follow_the_parts(family):
    m = _fitted(family)
    v = mlpool.get_variance(m)
    total = v.var_fixed + v.var_random + v.var_residual
    assert v.var_residual > 0.0
    icc = mlpool.icc(m).to_pandas().iloc[0]
    assert icc["ICC_adjusted"] == pytest.approx(v.var_random / (v.var_random + v.var_residual))
    r2 = mlpool.r2(m).to_pandas().iloc[0]
    assert r2["R2_marginal"] == pytest.approx(v.var_fixed / total)
    assert r2["R2_conditional"] == pytest.approx((v.var_fixed + v.var_random) / total)


def test_binomial_log_has_no_latent_error():
    d = _data("binomial").assign(y=lambda d: d["y"] & (d["k"] == 0))
    m = _again(d, "binomial(log)", "y ~ 1 + (1 | g)")
    with pytest.raises(mlpool.NotSupportedError, match="logit, probit and cloglog"):
        mlpool.icc(m)


# --- cluster-robust standard errors ---------------------------------------------------------


@pytest.mark.parametrize(
    ("family", "formula", "cluster"),
    [
        ("binomial", "y ~ x + (1 | g)", "g"),
        ("poisson", "y ~ x + (1 | g)", "big"),
        ("nbinom2", "y ~ x + (1 | g)", "g"),
        ("Gamma(log)", "y ~ x + (x | g)", "big"),
        ("binomial(cloglog)", "y ~ x + (1 | g) + (1 | big)", "big"),
        ("poisson", "y ~ x + (x | g) + (1 | big)", "big"),
    ],
)
def test_robust_covariance_is_the_twins(family, formula, cluster):
    """Derivatives of each cluster's own dense deviance, sandwiched by the Hessian."""
    d = _data(family).assign(
        y=lambda d: d["y"] if family != "poisson" else d["y"] + (d["big"] % 2) * 3
    )
    m = _again(d, family, formula)
    codes = d[cluster].to_numpy()
    k, p = len(m.theta), len(m.fit.beta)
    has_shape = m.loglik_df > k + p
    point = np.concatenate([m.theta, m.fit.beta, [np.log(m.dispersion)]])
    scores = np.zeros((codes.max() + 1, k + p + has_shape))
    for c in range(codes.max() + 1):
        data = _rows_of(as_glmm_data(m.design, m.family), np.flatnonzero(codes == c))
        for i in range(k + p + has_shape):
            step = np.zeros_like(point)
            step[i] = 1e-4
            rise = [
                laplace_deviance(data, x[:k], x[k : k + p], float(np.exp(x[-1])))
                for x in (point + step, point - step)
            ]
            scores[c, i] = -0.5 * (rise[0] - rise[1]) / 2e-4
    free = [i for i in range(scores.shape[1]) if i >= k or m.theta[i] != 0.0]
    H = m.fit.inference().hessian[np.ix_(free, free)] / 2.0
    inverse = np.linalg.inv(H)
    V = inverse @ (scores[:, free].T @ scores[:, free]) @ inverse
    first = sum(i < k for i in free)
    expected = V[first : first + p, first : first + p]
    got = m.vcov("CR0", cluster=cluster).to_numpy()
    np.testing.assert_allclose(got, expected, rtol=2e-3, atol=2e-3 * np.abs(expected).max())
    G = len(scores)
    np.testing.assert_allclose(m.vcov("CR1", cluster=cluster), got * G / (G - 1))


def _rows_of(data, rows):
    """The data of some rows; levels that do not occur there stay, and change nothing."""
    from dataclasses import replace

    from mlpool.engine.types import ArrayRows

    return replace(
        data,
        y=data.y[rows],
        X=ArrayRows(data.X.rows(0, data.n)[rows]),
        terms=tuple(
            replace(t, z=ArrayRows(t.z.rows(0, data.n)[rows]), codes=t.codes[rows])
            for t in data.terms
        ),
    )
