"""Families: what users write, and the four functions against statsmodels."""

from __future__ import annotations

import numpy as np
import pytest

from mlpool.errors import NotSupportedError, OptionError
from mlpool.families import _LINKS, Family, get_family

_ALL = [
    (name, link)
    for name, links in _LINKS.items()
    for link in links
    if not name.startswith("nbinom")
]


@pytest.mark.parametrize(
    ("spec", "name", "link"),
    [
        ("binomial", "binomial", "logit"),
        ("binomial(probit)", "binomial", "probit"),
        ("binomial(link = 'cloglog')", "binomial", "cloglog"),
        ('binomial("log")', "binomial", "log"),
        ("poisson()", "poisson", "log"),
        (("poisson", "sqrt"), "poisson", "sqrt"),
        ("gamma", "Gamma", "inverse"),
        ("inverse.gaussian", "inverse.gaussian", "1/mu^2"),
        ("inverse_gaussian(log)", "inverse.gaussian", "log"),
        (Family("gaussian", "log"), "gaussian", "log"),
    ],
)
def test_reads_what_users_write(spec: object, name: str, link: str) -> None:
    family = get_family(spec)
    assert family == Family(name, link)
    assert str(family) == f"{name}({link})"


def test_logistic_means_keep_the_digits_of_rare_events() -> None:
    eta = np.array([-35.0, -25.0, -10.0, 0.0, 5.0])
    mu = Family("binomial", "logit").inverse(eta)
    np.testing.assert_allclose(np.log(mu) - np.log1p(-mu), eta, rtol=1e-12, atol=1e-15)


def test_none_is_no_family() -> None:
    assert get_family(None) is None


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("binomal", "Did you mean 'binomial'"),
        ("logit", r"'logit' is a link: write 'binomial\(logit\)'"),
        ("poisson(logit)", "family poisson has the links log, identity, sqrt"),
        (("binomial", "probbit"), "Did you mean 'probit'"),
        ("binomial(probit", "is not known"),
        (3, "pair \\(name, link\\) or a Family; got 3"),
    ],
)
def test_unknown_names_are_refused(spec: object, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        get_family(spec)


def test_negative_binomials() -> None:
    y, mu = np.array([0.0, 1.0, 7.0]), np.array([0.5, 2.0, 4.0])
    nb2, nb1 = Family("nbinom2", "log", 3.0), Family("nbinom1", "log", 0.5)
    np.testing.assert_allclose(nb2.variance(mu), mu + mu**2 / 3.0)
    np.testing.assert_allclose(nb1.variance(mu), 1.5 * mu)
    at_mean = nb2.unit_deviance(mu, mu)
    np.testing.assert_allclose(at_mean, 0.0, atol=1e-14)
    assert np.all(nb2.unit_deviance(y, mu) > 0)
    with pytest.raises(NotSupportedError, match="not defined for nbinom1"):
        nb1.unit_deviance(y, mu)
    with pytest.raises(NotSupportedError, match="with random effects only"):
        nb2.statsmodels()


@pytest.mark.parametrize(
    ("spec", "kin"),
    [("quasibinomial", "binomial"), ("quasipoisson(sqrt)", "poisson"), ("quasi", "gaussian"),
     ("quasi(variance = 'mu^3', link = 'log')", "inverse.gaussian"), ("quasi(log)", "gaussian"),
     ('quasi(link="logit", variance="mu(1-mu)")', "binomial")],
)  # fmt: skip
def test_quasi_families_have_the_variance_of_their_kin(spec: str, kin: str) -> None:
    family = get_family(spec)
    assert family is not None
    assert family.has_dispersion
    assert family.is_quasi
    mu = _points(kin)
    np.testing.assert_array_equal(family.variance(mu), Family(kin, _LINKS[kin][0]).variance(mu))
    assert get_family(str(family)) == family


def _points(name: str) -> np.ndarray:
    return np.linspace(0.05, 0.95, 7) if name == "binomial" else np.linspace(0.2, 4.0, 7)


@pytest.mark.parametrize(("name", "link"), _ALL)
def test_functions_agree_with_statsmodels(name: str, link: str) -> None:
    family, mu = Family(name, link), _points(name)
    sm = family.statsmodels()
    eta = family.link_of(mu)
    np.testing.assert_allclose(eta, sm.link(mu), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(family.inverse(eta), mu, rtol=1e-12)
    np.testing.assert_allclose(family.derivative(eta), 1.0 / sm.link.deriv(mu), rtol=1e-9)
    np.testing.assert_allclose(family.variance(mu), sm.variance(mu), rtol=1e-12)
    y = mu[::-1]
    total = np.sum(family.unit_deviance(y, mu))
    np.testing.assert_allclose(total, sm.deviance(y, mu), rtol=1e-10)


def test_deviance_of_certain_outcomes_is_finite() -> None:
    y, mu = np.array([0.0, 1.0]), np.array([0.25, 0.25])
    found = Family("binomial", "logit").unit_deviance(y, mu)
    np.testing.assert_allclose(found, [-2 * np.log(0.75), -2 * np.log(0.25)])


def test_extreme_linear_predictors_stay_inside() -> None:
    mu = Family("binomial", "logit").inverse(np.array([-1e4, 1e4]))
    assert 0 < mu[0] < mu[1] < 1


def test_dispersion_and_default_links() -> None:
    assert not Family("poisson", "log").has_dispersion
    assert Family("Gamma", "log").has_dispersion
    assert Family("Gamma", "inverse").is_default_link
    assert not Family("Gamma", "log").is_default_link
