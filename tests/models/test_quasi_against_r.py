"""Quasi families, cauchit and identity links, null deviances: R's glm (tests/models/r/quasi.R)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import mlpool

R = json.loads((Path(__file__).parent / "r" / "quasi.json").read_text())
COUNTS = "cbind(incidence, size - incidence) ~ period"
MODELS = {
    "quasibinomial": (COUNTS, "quasibinomial", None),
    "quasibinomial_probit": (COUNTS, "quasibinomial(probit)", None),
    "quasipoisson": ("incidence ~ period + offset(log(size))", "quasipoisson", None),
    "quasipoisson_weights": ("incidence ~ period", "quasipoisson", "w"),
    "quasi_log_mu2": ("size ~ period", "quasi(link = 'log', variance = 'mu^2')", None),
    "quasi_constant": ("size ~ period", "quasi", None),
    "cauchit": (COUNTS, "binomial(cauchit)", None),
    "cauchit_rows": ("slow ~ Days", "binomial(cauchit)", None),
    "identity_counts": (COUNTS, "binomial(identity)", None),
    "identity_rows": ("slow ~ Days", "binomial(identity)", None),
    "no_intercept": ("incidence ~ 0 + period", "poisson", None),
    "no_intercept_offset": ("incidence ~ 0 + period + offset(log(size))", "poisson", None),
    "no_intercept_slope": ("slow ~ 0 + Days", "binomial", "w"),
    "offset_weights": ("incidence ~ period + offset(log(size))", "poisson", "w"),
    "gamma_offset": ("size ~ period + offset(w / 10)", "Gamma(log)", None),
}


def _fit(name):
    formula, family, weights = MODELS[name]
    if "Days" in formula:
        d = mlpool.load_data("sleepstudy")
        d["slow"] = (d["Reaction"] > 300).astype(int)
        d["w"] = 1 + d["Subject"].astype(int) % 3
    else:
        d = mlpool.load_data("cbpp")
        d["w"] = 1 + (np.arange(len(d)) + 1) % 3
    return mlpool.glm(formula, d, family=family, weights=weights)


@pytest.mark.parametrize("name", MODELS)
def test_as_r(name):
    m, r = _fit(name), R[name]
    se = np.atleast_1d(r["se"])
    np.testing.assert_allclose(m.params, np.atleast_1d(r["beta"]), atol=1e-4 * se.min())
    np.testing.assert_allclose(m.se, se, rtol=2e-5)
    assert m.deviance == pytest.approx(r["deviance"], rel=1e-9)
    assert m.fit.null_deviance == pytest.approx(r["null_deviance"], rel=1e-9)
    assert m.fit.dispersion == pytest.approx(r["dispersion"], rel=1e-5)
    assert m.df_residual == r["df_residual"]
    table = mlpool.model_parameters(m, ci_method="wald").to_pandas()
    np.testing.assert_allclose(table["p"], np.atleast_1d(r["p"]), rtol=1e-3)
    if m.family.has_dispersion:
        F = mlpool.anova(m).to_pandas()["F"].dropna()
        np.testing.assert_allclose(F, np.atleast_1d(r["F"]), rtol=1e-5)


def test_glmer_with_cauchit():
    m = mlpool.glmer(f"{COUNTS} + (1 | herd)", mlpool.load_data("cbpp"), family="binomial(cauchit)")
    r = R["mixed_cauchit"]
    assert m.loglik == pytest.approx(r["logLik"], abs=1e-5)
    assert m.loglik >= r["logLik"] - 1e-6
    np.testing.assert_allclose(m.theta, [r["theta"]], rtol=2e-3)
    np.testing.assert_allclose(m.params, r["beta"], rtol=2e-3)


def test_quasi_families_have_no_likelihood():
    m, plain = (
        _fit("quasibinomial"),
        mlpool.glm(COUNTS, mlpool.load_data("cbpp"), family="binomial"),
    )
    np.testing.assert_allclose(m.params, plain.params, rtol=1e-12)
    np.testing.assert_allclose(m.se, plain.se * np.sqrt(m.fit.dispersion), rtol=1e-12)
    assert np.isnan(m.loglik)
    assert np.isnan(m.aic)
    assert "AIC: NA" in str(m.summary())
    assert "t value" in str(m.summary())
    assert "AIC" not in mlpool.model_performance(m).to_pandas()
    assert "AIC" not in mlpool.drop1(m).to_pandas()
    assert "Log-Odds" in str(mlpool.model_parameters(m))
    assert "t(52)" in str(mlpool.model_parameters(m))


@pytest.mark.parametrize("family", ["quasibinomial", "quasipoisson", "quasi"])
def test_glmer_refuses_quasi_families(family):
    with pytest.raises(mlpool.NotSupportedError, match="has no likelihood, which random effects"):
        mlpool.glmer(f"{COUNTS} + (1 | herd)", mlpool.load_data("cbpp"), family=family)


def test_nothing_is_drawn_from_a_quasi_family():
    m = _fit("quasipoisson")
    with pytest.raises(mlpool.NotSupportedError, match="nothing to draw from; fit 'poisson'"):
        mlpool.simulate(m)
    with pytest.raises(mlpool.NotSupportedError, match="no quantile residuals"):
        m.residuals("quantile")


@pytest.mark.parametrize(
    ("spec", "says"),
    [("quasi(log, mu^4)", "the variances constant"), ("quasi(loglog)", "quasi has the links"),
     ("quasi(links = 'log')", "takes a link and a variance"), ("quasibinomal", "quasibinomial")],
)  # fmt: skip
def test_what_quasi_families_there_are(spec, says):
    with pytest.raises(mlpool.OptionError, match=says):
        mlpool.glm("incidence ~ 1", mlpool.load_data("cbpp"), family=spec)


@pytest.mark.parametrize("name", ["quasi_log_mu2", "cauchit", "quasipoisson"])
def test_saved_updated_and_predicted(name, tmp_path):
    m = _fit(name)
    m.save(tmp_path / "m.mlpool")
    again = mlpool.load_model(tmp_path / "m.mlpool")
    assert again.family == m.family
    np.testing.assert_array_equal(again.se, m.se)
    assert str(again.summary()) == str(m.summary())
    assert m.update(". ~ 1").family == m.family
