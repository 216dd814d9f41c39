"""Separated outcomes and broken weights: how far estimates run, and what is said."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

import mlpool
from mlpool.engine.glmm.likelihood import RowModel
from mlpool.families import Family


def _data():
    d = pd.DataFrame({"g": np.repeat(np.arange(10), 8), "x": np.tile(np.linspace(-1, 1, 8), 10)})
    d["y"] = (d["x"] > 0) * 1
    d["z"] = ["a", "b"] * 40
    d["half"] = np.where(d["z"] == "a", 0, (np.sin(np.arange(1, 81) * 7) > 0) * 1)
    return d


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog"])
@pytest.mark.parametrize("formula", ["y ~ x", "y ~ x + (1 | g)", "half ~ z", "half ~ z + (1 | g)"])
def test_separated_estimates_run_to_the_supremum(link, formula):
    """R's glm ends at 4.5e-9 and 55.45177; lme4 reaches the same or ends with an error."""
    fit = mlpool.glmer if "|" in formula else mlpool.glm
    how = "complete" if formula.startswith("y") else "quasi-complete"
    with pytest.warns(mlpool.ConvergenceWarning, match=f"run to infinity: {how} separation"):
        m = fit(formula, _data(), family=f"binomial({link})")
    assert f"{how} separation: " in str(mlpool.check_convergence(m))
    supremum = 0.0 if formula.startswith("y") else -40 * np.log(2)
    assert m.loglik == pytest.approx(supremum, abs=2e-7)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        se = np.asarray(m.se)
    assert np.all(se > 100.0)  # flat towards infinity, not the rounding of a Hessian


def test_cloglog_rows_without_probabilities():
    """The stable form equals the general one where that has digits, and has tails beyond."""
    eta = np.linspace(-4.0, 1.5, 23)
    y, m = np.linspace(0.0, 1.0, 23), np.linspace(1.0, 9.0, 23)
    rows = RowModel(family=Family("binomial", "cloglog"), y=y, m=m)
    stable, general = rows.values(eta, 1.0), rows._general(eta, 1.0)
    assert stable.loglik == pytest.approx(general.loglik, rel=1e-12)
    assert stable.loglik == pytest.approx(rows.total(eta, 1.0), rel=1e-12)
    for name in ("score", "weight", "observed", "slope"):
        np.testing.assert_allclose(getattr(stable, name), getattr(general, name), rtol=1e-8)
    far = np.array([-700.0, -40.0, 5.0, 60.0, 800.0])
    wide = RowModel(family=rows.family, y=np.array([1.0, 1.0, 1.0, 1.0, 0.0]), m=np.ones(5))
    found = wide.values(far, 1.0)
    np.testing.assert_allclose(found.score[:2], 1.0)
    assert np.all(np.isfinite(found.score))
    assert np.all(found.observed >= 0.0)


def test_weights_of_trials_that_are_not_whole():
    """They multiply log-likelihoods, as in glmmTMB; lme4 rounds them inside its criterion."""
    rng = np.random.default_rng(3)
    d = pd.DataFrame({"g": np.repeat(np.arange(12), 6), "x": rng.normal(size=72)})
    d["y"] = (rng.random(72) < 1 / (1 + np.exp(-0.5 * d["x"]))) * 1
    d["w"] = rng.uniform(0.3, 2.2, 72).round(3)
    for fit, formula in ((mlpool.glm, "y ~ x"), (mlpool.glmer, "y ~ x + (1 | g)")):
        with pytest.warns(mlpool.MlpoolWarning, match="successes that is not whole"):
            m = fit(formula, d, family="binomial", weights="w")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            whole = fit(formula, d, family="binomial", weights=np.full(72, 2.0))
        assert whole.nobs == m.nobs
    # Doubling a row's weight is the same as the row twice.
    twice = pd.concat([d.assign(w=d["w"] / 2)] * 2)
    with pytest.warns(mlpool.MlpoolWarning):
        again = mlpool.glmer("y ~ x + (1 | g)", twice, family="binomial", weights="w")
    np.testing.assert_allclose(again.params, m.params, atol=1e-5)
    np.testing.assert_allclose(again.theta, m.theta, atol=1e-4)


@pytest.mark.parametrize("family", ["binomial", "binomial(probit)", "binomial(cloglog)"])
def test_separated_fits_in_a_session_that_raises_on_rounding(family):
    with np.errstate(all="raise"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        m = mlpool.glm("y ~ x", _data(), family=family)
        assert "x" in str(mlpool.model_parameters(m))
        assert "x" in str(m.summary())
        mixed = mlpool.glmer("y ~ x + (1 | g)", _data(), family=family)
        assert "x" in str(mlpool.model_parameters(mixed))
