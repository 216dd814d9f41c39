"""Weights of zero, survey weights, and generalised mixed models that are nearly degenerate."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

import mlpool


def _data(n: int = 120) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    x = rng.normal(size=n)
    y = x + rng.normal(size=n)
    return pd.DataFrame({"x": x, "y": y, "b": (y > 0) * 1, "g": np.repeat(np.arange(n // 10), 10)})


@pytest.mark.parametrize(
    ("formula", "family"), [("y ~ x", None), ("b ~ x", "binomial"), ("y ~ x + (1 | g)", None)]
)
def test_rows_of_weight_zero_have_no_part(formula, family):
    data = _data()
    weights = np.where(np.arange(len(data)) % 7 == 0, 0.0, 1.0)
    options = {} if family is None else {"family": family}
    m = mlpool.fit(formula, data, weights=weights, **options)
    rest = mlpool.fit(formula, data[weights > 0], **options)
    assert m.nobs == rest.nobs == int(weights.sum())
    assert m.loglik == pytest.approx(rest.loglik, rel=1e-12)
    pd.testing.assert_series_equal(m.se, rest.se)


def test_survey_weights_multiply_log_likelihoods():
    """Rows twice with weights of one half are the rows themselves."""
    data = _data()
    twice = pd.concat([data, data], ignore_index=True)
    half = np.full(len(twice), 0.5)
    with pytest.warns(mlpool.MlpoolWarning, match="number of successes that is not whole"):
        m = mlpool.glmer("b ~ x + (1 | g)", twice, family="binomial", weights=half)
    plain = mlpool.glmer("b ~ x + (1 | g)", data, family="binomial")
    assert m.loglik == pytest.approx(plain.loglik, abs=1e-8)
    np.testing.assert_allclose(m.fixef(), plain.fixef(), atol=1e-5)
    np.testing.assert_allclose(m.se, plain.se, rtol=1e-4)


def test_proportions_still_need_their_trials():
    data = _data().assign(p=0.3, w=1.7)
    with pytest.raises(mlpool.DataError, match="not a whole number of successes"):
        mlpool.glmer("p ~ x + (1 | g)", data, family="binomial", weights="w")


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_two_forms_of_a_degenerate_model_say_the_same(seed):
    """Few blocks, every treatment in each twice, outcomes that blocks nearly determine."""
    rng = np.random.default_rng(seed)
    levels = ["none", "one", "two", "both"]
    data = pd.DataFrame(
        [(b, t) for b in range(10) for t in levels for _ in range(2)], columns=["block", "f"]
    )
    data["f"] = pd.Categorical(data["f"], levels)
    eta = 5.0 - 4.0 * (data["f"] != "none") - 1.5 * (data["f"] == "both")
    eta = eta + 4.0 * rng.normal(size=10)[data["block"]]
    data["y"] = (rng.random(80) < 1 / (1 + np.exp(-eta))) * 1
    made = []
    for term in ("(0 + f | block)", "(f | block)"):
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            m = mlpool.glmer(f"y ~ f + {term}", data, family="binomial")
        made.append((m.loglik, {type(w.message) for w in seen}))
    assert made[0][0] == pytest.approx(made[1][0], abs=1e-3)
    assert made[0][1] == made[1][1]
    assert made[0][1]


def test_a_session_that_raises_on_underflow():
    data = _data()
    with np.errstate(all="raise"):
        m = mlpool.glmer("b ~ x + (1 | g)", data, family="binomial")
        for verb in (
            "model_performance",
            "model_parameters",
            "check_convergence",
            "icc",
            "confint",
        ):
            assert str(getattr(mlpool, verb)(m))


@pytest.mark.parametrize("seed", [5, 6, 7])
@pytest.mark.parametrize("start", [None, (3.0, 0.0, 3.0)])
def test_searches_that_lose_their_way_begin_again(seed, start):
    """Large first SDs lead means of an inverse link through its pole."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(30), 20)
    x = rng.normal(size=600)
    y = 1 / (4.0 + 0.3 * x + 0.5 * rng.normal(size=30)[g]) + 0.02 * rng.normal(size=600)
    data = pd.DataFrame({"y": y, "x": x, "g": g})
    control = {} if start is None else {"start": start}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mlpool.SingularFitWarning)
        m = mlpool.glmer("y ~ x + (x | g)", data, family="gaussian(inverse)", control=control)
        simple = mlpool.glmer("y ~ x + (1 | g)", data, family="gaussian(inverse)")
    assert m.optimum.converged
    assert m.loglik >= simple.loglik - 1e-6
