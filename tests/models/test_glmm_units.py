"""Generalised mixed models do not depend on the unit or the origin of anything."""

from __future__ import annotations

import warnings
from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mlpool
from mlpool.families import get_family

REL = 2e-5
"""Searches end where the deviance would fall by 1e-11: coefficients are then known to about 3e-6
of their standard errors, second derivatives by differences to 1e-5."""

PREDICTOR_UNITS = ((1e-9, 0.0), (1e9, 0.0), (3.0, 2015.0), (1.0, 1e3), (1e6, 1e9))
"""Factor and origin: tiny, huge, calendar years, a thousand SDs away, time stamps."""
RESPONSE_UNITS = (1e-9, 1e6)
#: Power of the response's unit that the link's scale has.
RESPONSES = {
    "Gamma(log)": 0, "Gamma(inverse)": -1, "Gamma(identity)": 1, "inverse.gaussian(log)": 0,
    "inverse.gaussian": -2, "inverse.gaussian(identity)": 1, "gaussian(log)": 0,
    "gaussian(inverse)": -1,
}  # fmt: skip


@cache
def _data(family: str, seed: int = 5) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    n, groups = 360, 30
    g = np.repeat(np.arange(groups), n // groups)
    x = rng.normal(size=n)
    made = get_family(family)
    centre = {"identity": 5.0, "inverse": 5.0, "1/mu^2": 6.0}.get(made.link, 0.2)
    spread = 0.8 if made.link in ("log", "logit") and made.name != "gaussian" else 0.3
    u, slope = rng.normal(size=(2, groups))
    mu = made.inverse(centre + 0.3 * x + 0.5 * u[g] + spread * slope[g] * x)
    draws = {
        "binomial": lambda: (rng.random(n) < mu) * 1.0,
        "poisson": lambda: rng.poisson(mu) * 1.0,
        "nbinom2": lambda: rng.negative_binomial(2.0, 2.0 / (2.0 + mu)) * 1.0,
        "Gamma": lambda: rng.gamma(5.0, mu / 5.0),
        "inverse.gaussian": lambda: rng.wald(mu, 9.0 * mu.mean()),
        "gaussian": lambda: mu * (1.0 + 0.1 * rng.normal(size=n)),
    }
    return pd.DataFrame({"y": draws[made.name](), "x": x, "g": g})


def _fit(formula: str, data: pd.DataFrame, family: str, **options: object):
    """The model and what it said."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        m = mlpool.glmer(formula, data, family=family, **options)
        numbers = {
            "loglik": m.loglik, "x": m.fixef()["x"], "se": m.se["x"],
            "fitted": m.predict(type="response").to_numpy(),
        }  # fmt: skip
    return m, numbers, [str(w.message) for w in seen]


def _close(got: object, expected: object, rel: float = REL) -> None:
    size = float(np.max(np.abs(expected)))
    np.testing.assert_allclose(got, expected, rtol=0.0, atol=rel * size)


@pytest.mark.parametrize("family", ["binomial", "poisson", "nbinom2", "Gamma(log)"])
@pytest.mark.parametrize("formula", ["y ~ x + (1 | g)", "y ~ x + (x | g)", "y ~ x + (0 + x | g)"])
def test_a_predictors_unit_and_origin(family, formula):
    data = _data(family)
    base, expected, said = _fit(formula, data, family)
    for factor, origin in PREDICTOR_UNITS:
        if "0 + x" in formula and origin:
            continue  # the origin is part of that model
        m, got, messages = _fit(formula, data.assign(x=factor * data["x"] + origin), family)
        assert messages == said, (factor, origin)
        assert m.is_singular == base.is_singular
        assert bool(mlpool.check_convergence(m)) == bool(mlpool.check_convergence(base))
        _close(got["loglik"], expected["loglik"], 1e-9)
        for name in ("x", "se"):
            _close(got[name] * factor, expected[name])
        _close(got["fitted"], expected["fitted"])


@pytest.mark.parametrize(("factor", "origin"), PREDICTOR_UNITS)
def test_profiles_follow_units_and_origins(factor, origin):
    data = _data("binomial")
    base, _, _ = _fit("y ~ x + (x | g)", data, "binomial")
    m, _, _ = _fit("y ~ x + (x | g)", data.assign(x=factor * data["x"] + origin), "binomial")
    expected, got = mlpool.confint(base), mlpool.confint(m)
    _close(got.loc["x"] * factor, expected.loc["x"], 1e-4)
    # The slope's standard deviation has the predictor's unit, too.
    _close(got.loc[".sig03"] * factor, expected.loc[".sig03"], 1e-4)


@pytest.mark.parametrize(("factor", "origin"), PREDICTOR_UNITS)
def test_wald_intervals_of_a_slopes_sd_follow_units(factor, origin):
    data = _data("poisson")
    base, _, _ = _fit("y ~ x + (x | g)", data, "poisson")
    m, _, _ = _fit("y ~ x + (x | g)", data.assign(x=factor * data["x"] + origin), "poisson")

    def interval(model):
        found = mlpool.model_parameters(model, effects="random", ci_random=True).to_pandas()
        row = found[found["Parameter"].str.contains("SD") & found["Parameter"].str.contains("x")]
        return row[["Coefficient", "CI_low", "CI_high"]].to_numpy(dtype=float)[0]

    _close(interval(m) * factor, interval(base), 1e-3)


@pytest.mark.parametrize("family", RESPONSES)
@pytest.mark.parametrize("formula", ["y ~ x + (1 | g)", "y ~ x + (x | g)"])
def test_a_responses_unit(family, formula):
    data, power = _data(family), RESPONSES[family]
    base, expected, said = _fit(formula, data, family)
    for unit in RESPONSE_UNITS:
        m, got, messages = _fit(formula, data.assign(y=data["y"] * unit), family)
        assert messages == said, unit
        assert m.is_singular == base.is_singular
        # A density has one over the response's unit.
        _close(got["loglik"] + len(data) * np.log(unit), expected["loglik"], 1e-8)
        for name in ("x", "se"):
            _close(got[name] / unit**power, expected[name])
        _close(got["fitted"] / unit, expected["fitted"])


@given(exponent=st.floats(-6.0, 6.0), sds=st.floats(-1e3, 1e3))
@settings(max_examples=6, deadline=None)
def test_any_unit_and_origin(exponent, sds):
    data = _data("binomial")
    factor = 10.0**exponent
    moved = data.assign(x=factor * (data["x"] + sds))
    base, expected, said = _fit("y ~ x + (x | g)", data, "binomial")
    m, got, messages = _fit("y ~ x + (x | g)", moved, "binomial")
    assert (messages, m.is_singular) == (said, base.is_singular)
    _close(got["x"] * factor, expected["x"])
    _close(got["se"] * factor, expected["se"])


def test_an_intercept_far_from_the_data_is_no_separation():
    rng = np.random.default_rng(25)
    year = rng.integers(2010, 2021, 100)
    g = np.repeat(np.arange(10), 10)
    p = 1 / (1 + np.exp(-(0.25 * (year - 2015) + rng.normal(size=10)[g])))
    data = pd.DataFrame({"y": (rng.random(100) < p) * 1, "x": year, "g": g})
    m, _, said = _fit("y ~ x + (1 | g)", data, "binomial")
    assert said == []
    assert mlpool.check_convergence(m)
    assert mlpool.check_convergence(mlpool.glm("y ~ x", data, family="binomial"))


def test_separation_is_seen_in_any_unit_and_origin():
    data = _data("binomial").iloc[::6].copy()
    data["y"] = (data["x"] > 0) * 1.0
    for factor, origin in PREDICTOR_UNITS:
        moved = data.assign(x=factor * data["x"] + origin)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            m = mlpool.glm("y ~ x", moved, family="binomial")
        assert "x" in str(mlpool.check_convergence(m)), (factor, origin)
        assert not mlpool.check_convergence(m)
