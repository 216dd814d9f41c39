"""`simulate`, `refit`, `update` and `residuals(type=)`: properties and R's numbers."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mlpool

sys.path.insert(0, str(Path(__file__).parents[1]))
from twins.dense_lmm import dense_covariance

SLEEP = "Reaction ~ Days + (Days | Subject)"


def _unbalanced(n_groups: int = 6, seed: int = 3) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(n_groups), rng.integers(2, 7, n_groups))
    x = rng.normal(size=g.size)
    b = rng.normal(size=(n_groups, 2))
    y = 1 + x + b[g, 0] + b[g, 1] * x + rng.normal(size=g.size)
    return pd.DataFrame(
        {"y": y, "x": x, "g": g, "h": rng.integers(0, 4, g.size), "w": rng.uniform(0.5, 3, g.size)}
    )


# --- simulate -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("formula", "weights"),
    [
        ("y ~ x + (x | g)", None),
        ("y ~ x + (x | g)", "w"),
        ("y ~ x + (1 | g) + (1 | h) + offset(3 * w)", None),
    ],
)
@pytest.mark.filterwarnings("ignore::mlpool.SingularFitWarning")
def test_simulated_moments_are_the_models(formula: str, weights: str | None) -> None:
    data = _unbalanced()
    m = mlpool.lmer(formula, data, weights=weights)
    draws = mlpool.simulate(m, 40_000, seed=1).to_numpy()
    V = dense_covariance(m)
    mean = m.predict(re_form=False).to_numpy()
    se = np.sqrt(np.diag(V) / draws.shape[1])
    assert np.abs((draws.mean(axis=1) - mean) / se).max() < 4.5
    # the SE of a sample covariance of normal draws
    spread = np.sqrt((np.outer(np.diag(V), np.diag(V)) + V**2) / draws.shape[1])
    assert np.abs((np.cov(draws) - V) / spread).max() < 5.0


def test_kept_effects_leave_residual_noise_only() -> None:
    m = mlpool.lmer(SLEEP, mlpool.load_data("sleepstudy"))
    draws = m.simulate(4000, seed=2, re_form=None).to_numpy()
    assert draws.mean(axis=1) == pytest.approx(m.fitted.to_numpy(), abs=4.5 * m.sigma / 63)
    noise = draws - m.fitted.to_numpy()[:, None]
    assert noise.std() == pytest.approx(m.sigma, rel=0.01)
    assert abs(np.corrcoef(noise)[np.triu_indices(180, 1)]).max() < 0.1


@pytest.mark.parametrize("family", ["Gamma(log)", "inverse.gaussian(log)", "gaussian", "poisson"])
def test_glm_draws_have_the_familys_variance(family: str) -> None:
    rng = np.random.default_rng(5)
    x = rng.uniform(size=60)
    y = rng.poisson(np.exp(1 + x)) + 1.0
    weights = None if family == "poisson" else rng.uniform(0.5, 2, 60)
    m = mlpool.glm("y ~ x", {"y": y, "x": x}, family=family, weights=weights)
    draws = mlpool.simulate(m, 40_000, seed=3).to_numpy()
    mu = m.fitted.to_numpy()
    variance = m.fit.dispersion * m.family.variance(mu) / m.prior_weights
    assert draws.mean(axis=1) == pytest.approx(mu, rel=0.03)
    assert draws.var(axis=1) == pytest.approx(variance, rel=0.12)


def test_binomial_draws_are_successes_of_the_own_trials() -> None:
    cbpp = mlpool.load_data("cbpp")
    m = mlpool.glm("cbind(incidence, size - incidence) ~ period", cbpp, family="binomial")
    draws = mlpool.simulate(m, 4000, seed=4).to_numpy()
    size = cbpp["size"].to_numpy()
    assert np.array_equal(draws, np.rint(draws))
    assert (draws <= size[:, None]).all()
    p = m.fitted.to_numpy()
    assert draws.mean(axis=1) == pytest.approx(size * p, rel=0.1)
    assert draws.var(axis=1) == pytest.approx(size * p * (1 - p), rel=0.15)


def test_labels_come_back_as_labels_and_refit() -> None:
    rng = np.random.default_rng(6)
    x = rng.normal(size=80)
    y = np.where(rng.uniform(size=80) < 1 / (1 + np.exp(-x)), "yes", "no")
    m = mlpool.glm("y ~ x", {"y": y, "x": x}, family="binomial")
    drawn = mlpool.simulate(m, 2, seed=1)
    assert set(drawn["sim_1"]) == {"no", "yes"}
    again = mlpool.refit(m, drawn["sim_1"])
    numbers = mlpool.refit(m, (drawn["sim_1"] == "yes").astype(float))
    assert again.fixef().to_numpy() == pytest.approx(numbers.fixef().to_numpy())


def test_the_seed_decides_and_the_index_is_the_datas() -> None:
    data = _unbalanced().set_index(pd.Index([f"r{i}" for i in range(len(_unbalanced()))]))
    data.loc["r3", "x"] = np.nan
    with pytest.warns(mlpool.MissingDataWarning):
        m = mlpool.lm("y ~ x", data)
    a, b = m.simulate(3, seed=9), m.simulate(3, seed=9)
    pd.testing.assert_frame_equal(a, b)
    assert list(a.columns) == ["sim_1", "sim_2", "sim_3"]
    assert "r3" not in a.index
    assert not np.array_equal(a, m.simulate(3, seed=10))


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"nsim": 0}, "nsim must be a whole number, 1 or more"),
        ({"nsim": 2.5}, "nsim must be a whole number"),
        ({"nsim": True}, "nsim must be a whole number"),
        ({"seed": "abc"}, "seed must be a whole number"),
        ({"re_form": 3}, "re_form must be None or False"),
    ],
)
def test_simulate_refuses(options: dict, match: str) -> None:
    m = mlpool.lm("Reaction ~ Days", mlpool.load_data("sleepstudy"))
    with pytest.raises(mlpool.OptionError, match=match):
        mlpool.simulate(m, **options)


def test_weights_without_a_distribution_are_refused() -> None:
    rng = np.random.default_rng(1)
    data = {"y": rng.poisson(3, 30), "x": rng.normal(size=30), "w": np.full(30, 2.0)}
    poisson = mlpool.glm("y ~ x", data, family="poisson", weights="w")
    with pytest.raises(
        mlpool.NotSupportedError, match="Poisson or negative binomial response has no"
    ):
        poisson.simulate()
    data["p"] = rng.uniform(size=30)
    with pytest.warns(mlpool.MlpoolWarning, match="number of successes that is not whole"):
        binomial = mlpool.glm("p ~ x", data, family="binomial", weights=np.full(30, 1.5))
    with pytest.raises(mlpool.NotSupportedError, match="whole numbers of trials"):
        binomial.simulate()
    doubled = np.full(30, 2.0)
    counts = mlpool.glm("cbind(y, 20 - y) ~ x", data, family="binomial", weights=doubled)
    with pytest.raises(mlpool.NotSupportedError, match="no distribution to simulate"):
        counts.simulate()
    with pytest.raises(mlpool.NotSupportedError, match="simulate"):
        mlpool.simulate("no model")


# --- refit ----------------------------------------------------------------------------------


def _models() -> dict:
    sleep, cbpp = mlpool.load_data("sleepstudy"), mlpool.load_data("cbpp")
    w = np.linspace(1, 2, 180)
    return {
        "lm": mlpool.lm("Reaction ~ Days", sleep, weights=w),
        "log": mlpool.lm("log(Reaction) ~ Days", sleep),
        "glm": mlpool.glm("cbind(incidence, size - incidence) ~ period", cbpp, "binomial"),
        "lmer": mlpool.lmer(SLEEP, sleep, weights=w, REML=False),
        "crossed": mlpool.lmer(
            "diameter ~ 1 + (1 | plate) + (1 | sample)", mlpool.load_data("Penicillin")
        ),
        "statsmodels": mlpool.lmer("Reaction ~ Days + (1 | Subject)", sleep, engine="statsmodels"),
    }


@pytest.mark.parametrize("name", ["lm", "log", "glm", "lmer", "crossed", "statsmodels"])
def test_refit_to_the_own_response_changes_nothing(name: str) -> None:
    m = _models()[name]
    y = m.design.y if m.design.trials is None else m.design.y * m.design.trials
    again = mlpool.refit(m, y)
    assert type(again) is type(m)
    assert again.fixef().to_numpy() == pytest.approx(m.fixef().to_numpy(), rel=1e-8)
    assert again.se.to_numpy() == pytest.approx(m.se.to_numpy(), rel=1e-6)
    assert again.loglik == pytest.approx(m.loglik, rel=1e-12)
    assert again.fit.engine == m.fit.engine


def test_refit_is_the_fit_to_a_changed_column() -> None:
    sleep = mlpool.load_data("sleepstudy")
    m = mlpool.lmer(SLEEP, sleep)
    m.ranef()  # cached values must not survive
    new = mlpool.simulate(m, 1, seed=8)
    other = mlpool.lmer(SLEEP, sleep.assign(Reaction=new["sim_1"]))
    again = m.refit(new)
    assert again.theta == pytest.approx(other.theta, rel=1e-6)
    assert again.fitted.to_numpy() == pytest.approx(other.fitted.to_numpy(), rel=1e-6)
    assert again.ranef()["Subject"].to_numpy() == pytest.approx(
        other.ranef()["Subject"].to_numpy(), rel=1e-5, abs=1e-6
    )


def test_refit_aligns_labels_and_rows() -> None:
    data = _unbalanced()
    data.loc[2, "x"] = np.nan
    with pytest.warns(mlpool.MissingDataWarning):
        m = mlpool.lm("y ~ x", data)
    shuffled = m.design.y[::-1]
    series = pd.Series(shuffled, index=m.design.index[::-1])
    assert m.refit(series).fixef().to_numpy() == pytest.approx(m.fixef().to_numpy())
    whole = data["y"].to_numpy()
    assert m.refit(whole).fixef().to_numpy() == pytest.approx(m.fixef().to_numpy())


@pytest.mark.parametrize(
    ("y", "match"),
    [
        (np.ones(7), r"shape \(7,\); the model has 180 rows"),
        (np.r_[np.nan, np.ones(179)], "missing or infinite in 1"),
        (["a"] * 180, "must hold numbers"),
        (pd.DataFrame(np.ones((180, 2))), "2 columns; refit takes one"),
    ],
)
def test_refit_refuses(y: object, match: str) -> None:
    m = mlpool.lm("Reaction ~ Days", mlpool.load_data("sleepstudy"))
    with pytest.raises(mlpool.DataError, match=match):
        m.refit(y)


def test_refit_refuses_what_the_response_cannot_be() -> None:
    cbpp = mlpool.load_data("cbpp")
    m = mlpool.glm("cbind(incidence, size - incidence) ~ period", cbpp, "binomial")
    with pytest.raises(mlpool.DataError, match="between 0 and its trials"):
        m.refit(cbpp["size"] + 1)
    labels = mlpool.glm("y ~ 1", {"y": ["a", "b", "b"]}, family="binomial")
    with pytest.raises(mlpool.DataError, match="has the value 'c'; the model knows 'a', 'b'"):
        labels.refit(["a", "c", "b"])
    own = mlpool.lm("Reaction ~ 1", mlpool.load_data("sleepstudy"), vcov=np.eye(1))
    with pytest.raises(mlpool.NotSupportedError, match="covariance matrix of your own"):
        own.refit(own.design.y)


def test_a_singular_refit_says_so() -> None:
    m = mlpool.lmer("Reaction ~ Days + (1 | Subject)", mlpool.load_data("sleepstudy"))
    with pytest.warns(mlpool.SingularFitWarning):
        again = m.refit(np.random.default_rng(1).normal(size=180) + np.tile([-9, 9], 90))
    assert again.is_singular
    assert again.messages


# --- update ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (". ~ .", "Reaction ~ Days + (1 + Days | Subject)"),
        (". ~ . - Days", "Reaction ~ (1 + Days | Subject)"),
        ("log(.) ~ . + I(Days^2)", "log(Reaction) ~ Days + I(Days^2) + (1 + Days | Subject)"),
        (". ~ . - (Days | Subject)", "Reaction ~ Days"),
        ("~ Days + (1 | Subject)", "Reaction ~ Days + (1 | Subject)"),
        (". ~ . - 1", "Reaction ~ 0 + Days + (1 + Days | Subject)"),
    ],
)
def test_update_formula(change: str, expected: str) -> None:
    m = mlpool.lmer(SLEEP, mlpool.load_data("sleepstudy"))
    made = mlpool.update(m, change)
    assert made.formula.text == expected
    direct = mlpool.fit(expected, mlpool.load_data("sleepstudy"))
    assert made.loglik == pytest.approx(direct.loglik, rel=1e-10)


def test_update_keeps_what_was_given_and_changes_what_is_said() -> None:
    sleep = mlpool.load_data("sleepstudy")
    w = np.linspace(1, 2, 180)
    m = mlpool.lmer(SLEEP, sleep, weights=w, REML=False, contrasts=None, subset="Days > 1")
    more = m.update(". ~ . + I(Days^2)")
    assert (more.nobs, more.reml) == (m.nobs, False)
    assert more.design.weights is not None
    assert m.update(REML=True).reml
    assert m.update(weights=None).design.weights is None
    half = m.update(data=sleep.iloc[:90], weights=w[:90])
    assert half.ngroups == {"Subject": 9}


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        ({"formula": ". ~ . - (1 | Day)"}, mlpool.FormulaError, "no random-effects term of the"),
        ({"formula": ". ~ . - offset(Days)"}, mlpool.FormulaError, "no offset of the model"),
        ({"formula": "- Days"}, mlpool.FormulaError, "one '~'"),
        ({"formula": 3}, mlpool.OptionError, "formula must be a string"),
        ({"wieghts": None}, mlpool.OptionError, "Did you mean 'weights'"),
        ({"reml": True, "REML": True}, mlpool.OptionError, "not both"),
    ],
)
def test_update_refuses(call: dict, error: type, match: str) -> None:
    m = mlpool.lmer(SLEEP, mlpool.load_data("sleepstudy"))
    with pytest.raises(error, match=match):
        mlpool.update(m, **call)


# --- residuals ------------------------------------------------------------------------------

# w <- seq(1, 2, length.out = 56)
# g <- glm(cbind(incidence, size - incidence) ~ period, binomial, cbpp)
# residuals(g, t)[1:3] for t in response, pearson, deviance, working, and without type
# p <- glm(incidence ~ period, poisson, cbpp); l <- lm(incidence ~ period, cbpp, weights = w)
# r <- lme4::lmer(size ~ period + (1 | herd), cbpp, weights = w)
R_RESIDUALS: dict[str, dict[str, list[float]]] = {
    "glm": {
        "response": [-0.07656731757, 0.1698113208, 0.3733784546],
        "pearson": [-0.6922412291, 2.165964615, 4.359605301],
        "deviance": [-0.7273942051, 1.774473162, 3.086266122],
        "working": [-0.4470369851, 2.302262443, 5.65591118],
        "default": [-0.7273942051, 1.774473162, 3.086266122],
    },
    "poisson": {
        "response": [-2.066666667, 1.785714286, 2.999999974],
        "pearson": [-1.024828388, 1.620509309, 2.999999934],
        "deviance": [-1.137816946, 1.362097307, 2.256181449],
        "working": [-0.5081967213, 1.470588235, 2.999999895],
        "default": [-1.137816946, 1.362097307, 2.256181449],
    },
    "gamma": {
        "response": [-2.027250206, 1.788276465, 3.08988764],
        "pearson": [-0.4032522996, 0.815861596, 1.646796198],
        "deviance": [-0.4754125949, 0.6632491349, 1.165506666],
        "working": [0.08021329416, -0.3655720488, -0.8468858131],
        "default": [-0.4754125949, 0.6632491349, 1.165506666],
    },
    "lm": {
        "response": [-2.027250206, 1.788276465, 3.08988764],
        "pearson": [-2.027250206, 1.804460293, 3.145565771],
        "deviance": [-2.027250206, 1.804460293, 3.145565771],
        "working": [-2.027250206, 1.788276465, 3.08988764],
        "default": [-2.027250206, 1.788276465, 3.08988764],
    },
    "lmer": {
        "response": [0.388661134, 1.172457596, -0.638453725],
        "pearson": [0.388661134, 1.183068288, -0.6499583212],
        "deviance": [0.388661134, 1.183068288, -0.6499583212],
        "working": [0.388661134, 1.172457596, -0.638453725],
        "default": [0.388661134, 1.172457596, -0.638453725],
    },
}


@pytest.mark.parametrize("name", ["glm", "poisson", "gamma", "lm", "lmer"])
def test_residuals_are_rs(name: str) -> None:
    cbpp = mlpool.load_data("cbpp")
    w = np.linspace(1, 2, 56)
    m = {
        "glm": lambda: mlpool.glm("cbind(incidence, size - incidence) ~ period", cbpp, "binomial"),
        "poisson": lambda: mlpool.glm("incidence ~ period", cbpp, "poisson"),
        "gamma": lambda: mlpool.glm("I(incidence + 1) ~ period", cbpp, "Gamma", weights=w),
        "lm": lambda: mlpool.lm("incidence ~ period", cbpp, weights=w),
        "lmer": lambda: mlpool.lmer("size ~ period + (1 | herd)", cbpp, weights=w),
    }[name]()
    for kind, expected in R_RESIDUALS[name].items():
        got = m.residuals(type=None if kind == "default" else kind)
        assert got.to_numpy()[:3] == pytest.approx(expected, rel=1e-5), kind
        assert got.index.equals(m.design.index)
    pd.testing.assert_series_equal(m.resid, m.residuals("response"))
    assert m.residuals("pearson", scaled=True).to_numpy() == pytest.approx(
        m.residuals("pearson").to_numpy() / m.sigma
    )


def test_residuals_refuse_other_types() -> None:
    m = mlpool.lm("Reaction ~ Days", mlpool.load_data("sleepstudy"))
    with pytest.raises(mlpool.OptionError, match="type must be one of"):
        m.residuals("partial")
    with pytest.raises(mlpool.OptionError, match="scaled must be True or False"):
        m.residuals(scaled="yes")
