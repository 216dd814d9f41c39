"""What can go wrong with a generalised mixed model, and the one sentence that says so."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

import mlpool
from mlpool.engine.glmm import conditional_modes as modes

RNG = np.random.default_rng(3)
N = 200
GROUP = np.repeat(np.arange(20), 10)
X = RNG.normal(size=N)
U = RNG.normal(size=20)
Y = (RNG.random(N) < 1 / (1 + np.exp(-X - U[GROUP]))).astype(int)
COUNT = RNG.poisson(np.exp(0.3 * X + 0.5 * U[GROUP]))
K3 = RNG.integers(0, 3, N).astype(str)
DATA = pd.DataFrame(
    {
        "g": GROUP,
        "x": X,
        "f": np.where(X > 0, "a", "b"),
        "y": Y,
        "sep": (X > 0).astype(int),
        "c": COUNT,
        "k3": K3,
        "some_zero": np.where(GROUP < 5, 0, Y),
        "quasi": np.where(K3 == "0", 0, Y),
        "no_counts": np.where(K3 == "0", 0, COUNT),
        "p": np.tile([0.25, 0.5], N // 2),
        "ten": 10,
        "one": 1,
        "zero": 0,
        "big": 1e5,
        "half": COUNT + 0.5,
        "neg": -COUNT,
        "pos": RNG.gamma(2, np.exp(0.2 * X) / 2),
        "x9": X * 1e9,
    }
)

MISTAKES = [
    ("p ~ x + (1 | g)", "binomial", {}, mlpool.DataError, "give the number of trials"),
    ("p ~ x + (1 | g)", "binomial", {"weights": "ten"}, mlpool.DataError, "whole number of succ"),
    ("c ~ x + (1 | g)", "binomial", {}, mlpool.DataError, "'c' has the value"),
    ("one ~ x + (1 | g)", "binomial", {}, mlpool.FitError, "same value 1 in every row"),
    ("zero ~ x + (1 | g)", "binomial", {}, mlpool.FitError, "no successes at all"),
    ("zero ~ x + (1 | g)", "poisson", {}, mlpool.FitError, "no successes at all"),
    ("ten ~ x + (1 | g)", "poisson", {}, mlpool.FitError, "is constant"),
    ("half ~ x + (1 | g)", "poisson", {}, mlpool.DataError, r"not whole \("),
    ("half ~ x + (1 | g)", "nbinom2", {}, mlpool.DataError, "offset\\(log\\(exposure"),
    ("neg ~ x + (1 | g)", "poisson", {}, mlpool.DataError, "has negative values"),
    ("cbind(half, 2) ~ x + (1 | g)", "binomial", {}, mlpool.DataError, "not whole numbers"),
    ("cbind(c, 9) ~ x + (1 | g)", "poisson", {}, mlpool.DataError, "only cbind\\(successes"),
    ("c ~ x + (1 | g)", "Gamma(log)", {}, mlpool.DataError, "a response above zero"),
    ("c ~ x + offset(big) + (1 | g)", "poisson", {}, mlpool.DataError, "offset reaches 1e\\+05"),
    ("y ~ x + (1 | one)", "binomial", {}, mlpool.DataError, "one level only"),
    ("y ~ x + (x | g)", "binomial", {"nAGQ": 5}, mlpool.NotSupportedError, "the term \\(x | g\\)"),
    (
        "y ~ x + (1 | g) + (1 | k3)", "binomial", {"nAGQ": 5}, mlpool.NotSupportedError,
        "has 2 terms",
    ),
    ("y ~ x + (1 | g)", "binomial", {"nAGQ": -1}, mlpool.OptionError, "nAGQ must be"),
    ("y ~ x + (1 | g)", "binomial", {"nAGQ": 2.5}, mlpool.OptionError, "nAGQ must be"),
    ("y ~ x", "binomial", {}, mlpool.OptionError, "needs a random-effects term"),
    ("y ~ x + (1 | g)", "gaussian", {}, mlpool.OptionError, "use lmer"),
    ("y ~ x + (1 | g)", "quasibinomial", {}, mlpool.NotSupportedError, "has no likelihood"),
    ("y ~ x + (1 | g)", "binomial", {"engine": "statsmodels"}, mlpool.NotSupportedError, "leave"),
    ("y ~ x + (1 | g)", "binomial", {"REML": True}, mlpool.OptionError, "no argument 'REML'"),
    (
        "y ~ x + (1 | g)", "binomial", {"control": {"start": (1.0, 2.0)}}, mlpool.FitError,
        "has 2 values; this model's theta has 1",
    ),
    ("pos ~ x + (1 | row)", "Gamma(log)", {}, mlpool.DataError, "as many levels"),
]  # fmt: skip


@pytest.mark.parametrize(("formula", "family", "options", "error", "message"), MISTAKES)
def test_one_sentence(formula, family, options, error, message):
    with pytest.raises(error, match=message):
        mlpool.glmer(formula, DATA.assign(row=np.arange(N)), family=family, **options)


@pytest.mark.parametrize(
    ("formula", "family", "named"),
    [
        ("sep ~ x + (1 | g)", "binomial", "x run to infinity"),
        ("sep ~ f + (1 | g)", "binomial", "fb run to infinity"),
        ("quasi ~ k3 + (1 | g)", "binomial", "k31, k32 run to infinity: quasi-complete sep"),
        ("no_counts ~ k3 + (1 | g)", "poisson", "k31, k32 run to infinity"),
    ],
)
def test_separation_is_named(formula, family, named):
    with pytest.warns(mlpool.ConvergenceWarning, match=named):
        m = mlpool.glmer(formula, DATA, family=family)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mlpool.ConvergenceWarning)
        assert np.all(np.isfinite(m.se))


def test_groups_without_success_are_data():
    """lme4 fits them, too: their modes are low, and finite."""
    m = mlpool.glmer("some_zero ~ x + (1 | g)", DATA, family="binomial")
    low = m.ranef()["g"]["(Intercept)"]
    assert low.iloc[:5].max() < low.iloc[5:].min() + 2.0
    assert np.all(np.isfinite(low))
    assert m.optimum.converged


def test_no_overdispersion_is_said():
    data = DATA.assign(c=np.where(DATA["c"] > 1, 1, DATA["c"]))
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        m = mlpool.glmer("c ~ x + (1 | g)", data, family="nbinom2")
        poisson = mlpool.glmer("c ~ x + (1 | g)", data, family="poisson")
    assert any("not overdispersed, and family='poisson'" in str(w.message) for w in seen)
    assert m.loglik == pytest.approx(poisson.loglik, abs=1e-3)
    np.testing.assert_allclose(m.fixef(), poisson.fixef(), atol=1e-3)


def test_few_evaluations_are_said():
    with pytest.warns(mlpool.ConvergenceWarning, match="3 evaluations were not enough"):
        m = mlpool.glmer("y ~ x + (1 | g)", DATA, family="binomial", control={"max_evaluations": 3})
    assert not m.optimum.converged


def test_modes_that_are_not_found(monkeypatch):
    monkeypatch.setattr(modes, "MAX_STEPS", 1)
    with pytest.raises(mlpool.FitError, match="did not converge in 1 steps"):
        mlpool.glmer("y ~ x + (1 | g)", DATA, family="binomial")


def test_means_outside_the_range():
    with pytest.raises(mlpool.FitError, match=r"linear predictor|became singular|modes"):
        mlpool.glmer("y ~ x + (1 | g)", DATA, family="binomial(log)")


def test_offsets_that_overflow_are_named():
    data = DATA.assign(o=300.0 * np.sign(DATA["x"]))
    with pytest.raises(mlpool.FitError, match="The offset, from -300 to 300"):
        mlpool.glmer("c ~ x + offset(o) + (1 | g)", data, family="poisson")


@pytest.mark.parametrize("family", ["binomial(probit)", "binomial(cloglog)"])
def test_overflowing_links_warn_in_words_alone(family):
    """Steps to infinity leave no warnings of NumPy's behind."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        m = mlpool.glmer("sep ~ f + (1 | g)", DATA, family=family)
        assert np.all(np.isfinite(m.se))
    assert {w.category for w in seen} <= {mlpool.ConvergenceWarning, mlpool.SingularFitWarning}
    assert any("complete separation" in str(w.message) for w in seen)


def test_identity_links_start_where_means_are_possible():
    """A first theta that takes means below zero is made smaller."""
    m = mlpool.glmer("c ~ 1 + (1 | g)", DATA, family="poisson(identity)")
    assert m.optimum.converged
    assert m.fitted.min() > 0.0


def test_quadrature_beside_laplace_is_said():
    one = mlpool.glmer("y ~ x + (1 | g)", DATA, family="binomial")
    nodes = mlpool.glmer("y ~ x + (1 | g)", DATA, family="binomial", nAGQ=7)
    with pytest.warns(mlpool.MlpoolWarning, match="fit all models with the same nAGQ"):
        mlpool.compare_performance(one, nodes, metrics=["AIC"])


def test_units_of_predictors_do_not_matter():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mlpool.MlpoolWarning)
        plain = mlpool.glmer("y ~ x + (x | g)", DATA, family="binomial")
        huge = mlpool.glmer("y ~ x9 + (x9 | g)", DATA, family="binomial")
    assert huge.loglik == pytest.approx(plain.loglik, abs=1e-6)
    assert huge.fixef().iloc[1] * 1e9 == pytest.approx(plain.fixef().iloc[1], rel=1e-4)
    assert huge.se.iloc[1] * 1e9 == pytest.approx(plain.se.iloc[1], rel=1e-3)
    np.testing.assert_allclose(
        huge.varcorr().blocks[0].sd * [1, 1e9], plain.varcorr().blocks[0].sd, rtol=1e-3
    )


def test_cluster_robust_refusals():
    m = mlpool.glmer("y ~ x + (1 | g)", DATA, family="binomial")
    with pytest.raises(mlpool.NotSupportedError, match="not available for glmer; use 'CR0'"):
        m.vcov("CR2", cluster="g")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mlpool.SingularFitWarning)
        two = mlpool.glmer("c ~ x + (1 | g) + (1 | k3)", DATA, family="poisson")
        within = DATA.assign(
            a=GROUP // 4 * 10 + np.arange(N) % 3,
            b=GROUP // 4 * 10 + np.arange(N) % 2,
            c4=GROUP // 4,
        )
        inside = mlpool.glmer("c ~ x + (1 | a) + (1 | b)", within, family="poisson")
    with pytest.raises(mlpool.NotSupportedError, match="'k3' lie in several clusters"):
        two.vcov("CR1", cluster="g")
    with pytest.raises(mlpool.NotSupportedError, match="these are crossed"):
        inside.vcov("CR1", cluster="c4")
    with pytest.raises(mlpool.NotSupportedError, match="one cluster= only"):
        m.vcov("HC1", cluster=["g", "k3"])
    with pytest.raises(mlpool.NotSupportedError, match="takes rows as independent"):
        m.vcov("HC1")
    rough = mlpool.glmer("y ~ x + (1 | g)", DATA, family="binomial", nAGQ=0)
    with pytest.raises(mlpool.NotSupportedError, match="nAGQ=1 or more"):
        rough.vcov("CR1", cluster="g")


def test_few_clusters_point_to_what_glmer_has():
    m = mlpool.glmer("y ~ x + (1 | g)", DATA, family="binomial")
    with pytest.warns(mlpool.FewClustersWarning, match="20 clusters.*bootstrap of clusters helps"):
        mlpool.model_parameters(m, vcov="CR1", cluster="g")


def test_glm_has_no_negative_binomial():
    with pytest.raises(mlpool.NotSupportedError, match="with random effects only"):
        mlpool.glm("c ~ x", DATA, family="nbinom2")


def test_nagq_is_for_generalised_mixed_models():
    with pytest.raises(mlpool.OptionError, match="nAGQ is for generalised mixed"):
        mlpool.fit("c ~ x + (1 | g)", DATA, nAGQ=3)
