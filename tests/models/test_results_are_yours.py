"""Results are the user's, the model is not: what a model gives may be changed in place.

Every public attribute, method and verb is asked, what it returned is overwritten, and asked again.
Models are values, too: they can be keys, are compared, copied and pickled.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import pickle
import warnings
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import mlpool
from mlpool.formula.newdata import Encoding

SLEEP = mlpool.load_data("sleepstudy").iloc[:120].reset_index(drop=True)
CBPP = mlpool.load_data("cbpp")

MAKE: dict[str, Callable[[], Any]] = {
    "lm": lambda: mlpool.lm("Reaction ~ Days", SLEEP, weights=np.linspace(1, 2, 120)),
    "lm robust": lambda: mlpool.lm("Reaction ~ Days", SLEEP, cluster="Subject"),
    "lm absorbed": lambda: mlpool.lm("math ~ ses + school", mlpool.load_data("hsb82")),
    "glm": lambda: mlpool.glm("cbind(incidence, size - incidence) ~ period", CBPP, "binomial"),
    "lmer": lambda: mlpool.lmer("Reaction ~ Days + (Days | Subject)", SLEEP),
    "glmer": lambda: mlpool.glmer(
        "cbind(incidence, size - incidence) ~ period + (1 | herd)", CBPP, "binomial"
    ),
}
NAMES = """
    fixef coef vcov standard_error p_value get_parameters AIC BIC logLik sigma nobs predict fitted
    resid weights family formula model_parameters summary anova r2 model_performance
    estimate_expectation report confint
"""
VERBS: dict[str, Callable[[Any], Any]] = {name: getattr(mlpool, name) for name in NAMES.split()}
VERBS |= {
    "simulate": lambda m: mlpool.simulate(m, 1, seed=1),
    "emmeans": lambda m: mlpool.emmeans(m, "period") if m.kind.startswith("g") else None,
    "estimate_relation": lambda m: mlpool.estimate_relation(m, by=m.formula.fixed.terms[0][0].text),
    "drop1": lambda m: mlpool.drop1(m) if len(m.names) < 9 else None,
    "tidy": lambda m: m.tidy(),
    "conf_int": lambda m: m.conf_int(),
    "cov_params": lambda m: m.cov_params(),
    "residuals": lambda m: m.residuals("pearson"),
}
MIXED: dict[str, Callable[[Any], Any]] = {
    "ranef": mlpool.ranef, "VarCorr": mlpool.VarCorr, "icc": mlpool.icc, "ngrps": mlpool.ngrps,
    "estimate_grouplevel": mlpool.estimate_grouplevel, "isSingular": mlpool.isSingular,
} | {
    f"getME {name}": lambda m, name=name: mlpool.getME(m, name)
    for name in ("X", "Z", "theta", "beta", "b", "y", "mu", "Lambda", "cnms", "flist")
}  # fmt: skip


@pytest.fixture(scope="module")
def model() -> Callable[[str], Any]:
    @lru_cache
    def make(name: str) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return MAKE[name]()

    return make


def attributes(m: Any) -> dict[str, Callable[[Any], Any]]:
    """Return the public attributes of a model, and the fields of its two records."""
    kind = type(m)
    names = [n for n in dir(kind) if not n.startswith("_")]
    found: dict[str, Callable[[Any], Any]] = {
        n: lambda m, n=n: getattr(m, n)
        for n in names
        if n != "statsmodels" and not callable(getattr(kind, n))
    }
    found |= {n: lambda m, n=n: getattr(m, n) for n in m.__dict__ if not n.startswith("_")}
    for record in ("fit", "design"):
        for one in dataclasses.fields(getattr(m, record)):
            found[f"{record}.{one.name}"] = lambda m, r=record, n=one.name: getattr(
                getattr(m, r), n
            )
    return found


def said(ask: Callable[[Any], Any], m: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ask(m)
        except mlpool.MlpoolError as sentence:
            return str(sentence)


def frozen_copy(value: Any) -> Any:
    """Return a value's numbers and texts, apart from it."""
    if isinstance(value, mlpool.models.FittedModel):
        return str(value)
    if hasattr(value, "to_pandas"):
        return value.to_pandas().to_string()
    if isinstance(value, (pd.Series, pd.DataFrame)):
        return value.to_string()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if sp.issparse(value):
        return value.toarray().tolist()
    if isinstance(value, Mapping):
        return {str(k): frozen_copy(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [frozen_copy(v) for v in value]
    if dataclasses.is_dataclass(value):
        return {f.name: frozen_copy(getattr(value, f.name)) for f in dataclasses.fields(value)}
    return repr(value) if isinstance(value, (int, float, str, type(None))) else None


def spoil(value: Any) -> None:
    """Overwrite a value in place, wherever it lets itself be."""
    if hasattr(value, "data") and isinstance(value.data, pd.DataFrame):
        value = value.data
    with contextlib.suppress(ValueError, TypeError, AttributeError):  # read-only
        if isinstance(value, (pd.Series, pd.DataFrame)):
            spoil_pandas(value)
        elif isinstance(value, np.ndarray):
            value[...] = 3
        elif sp.issparse(value):
            value.data[:] = 3
        elif isinstance(value, (Mapping, list, tuple)):
            for one in value.values() if isinstance(value, Mapping) else value:
                spoil(one)
            value.clear()
        elif dataclasses.is_dataclass(value) and not isinstance(value, Encoding):
            # what new data are encoded with is handed to nobody
            for one in dataclasses.fields(value):
                spoil(getattr(value, one.name))


def spoil_pandas(value: Any) -> None:
    if isinstance(value, pd.DataFrame):
        for column in value.columns:
            spoil(value[column].to_numpy())
        value.loc[:, :] = value.iloc[0].to_list()
    else:
        spoil(value.to_numpy())
        value.iloc[:] = value.iloc[0]


@pytest.mark.parametrize("name", MAKE)
def test_what_a_model_gives_can_be_overwritten(name: str, model: Callable[[str], Any]) -> None:
    m = model(name)
    asked = attributes(m) | VERBS | (MIXED if m.is_mixed else {})
    before = {what: frozen_copy(said(ask, m)) for what, ask in asked.items()}
    for ask in asked.values():
        value = said(ask, m)
        if not isinstance(value, str):
            spoil(value)
    after = {what: frozen_copy(said(ask, m)) for what, ask in asked.items()}
    for what, value in before.items():
        assert after[what] == value, f"{name}: {what}"
    assert str(m.summary()) == str(fitted_anew(name).summary())


def fitted_anew(name: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return MAKE[name]()


def test_the_users_arrays_stay_writable() -> None:
    y, x = np.arange(9.0), np.arange(9.0) ** 2
    w = np.ones(9)
    mlpool.lm("y ~ x", {"y": y, "x": x}, weights=w, offset=w)
    y[0], x[0], w[0] = 1.0, 2.0, 3.0


@pytest.mark.parametrize("name", MAKE)
def test_models_are_keys_and_copies(name: str, model: Callable[[str], Any]) -> None:
    m = model(name)
    copies = [copy.copy(m), copy.deepcopy(m), pickle.loads(pickle.dumps(m))]
    assert {m: "found"}[m] == "found"
    assert m in [0, "a", m] and m not in copies
    for one in copies:
        assert (one == m) is False and (m != one) is True
        assert str(one.summary()) == str(m.summary())
    asked = {"optimum": lambda m: m.optimum, "fit": lambda m: m.fit, "design": lambda m: m.design}
    asked |= {name: VERBS[name] for name in ("model_parameters", "summary", "r2", "report")}
    asked |= {name: MIXED[name] for name in ("ranef", "VarCorr", "icc")} if m.is_mixed else {}
    for what, ask in asked.items():
        value, other = said(ask, m), said(ask, copies[1])
        assert isinstance(value == other, bool), what
        assert isinstance(hash(value), int), what


def test_what_a_model_was_fitted_with_cannot_be_changed(model: Callable[[str], Any]) -> None:
    with pytest.raises(mlpool.OptionError, match=r"m\.update\(\.\.\.\) makes another"):
        model("lmer").arguments["reml"] = False


@pytest.mark.parametrize("name", MAKE)
def test_names_of_statsmodels(name: str, model: Callable[[str], Any]) -> None:
    m = model(name)
    pd.testing.assert_series_equal(m.params, m.fixef())
    pd.testing.assert_series_equal(m.bse, m.se)
    np.testing.assert_allclose(m.tvalues, m.fixef() / m.se)
    assert list(m.pvalues.index) == m.names and m.pvalues.between(0, 1).all()
    assert m.cov_params().equals(m.vcov()) and m.llf == m.loglik and m.df_resid == m.df_residual
    wald = mlpool.confint(m, m.names, level=0.9, method="wald")
    np.testing.assert_allclose(m.conf_int(alpha=0.1), wald)
    assert m.fittedvalues.equals(m.fitted) and m.converged is True
    if m.family is None:
        assert 0 < m.rsquared < 1
    assert m.tidy(conf_int=True).equals(mlpool.tidy(m, conf_int=True))
    assert m.glance().equals(mlpool.glance(m)) and m.augment().equals(mlpool.augment(m))
    if m.is_mixed:
        assert list(m.random_effects) == list(m.ranef())
    else:
        with pytest.raises(mlpool.NotSupportedError, match="ranef"):
            _ = m.random_effects


def test_names_of_statsmodels_give_its_numbers(model: Callable[[str], Any]) -> None:
    m = model("lm")
    theirs = m.statsmodels
    for mine, other in [
        (m.params, theirs.params), (m.bse, theirs.bse), (m.tvalues, theirs.tvalues),
        (m.pvalues, theirs.pvalues), (m.conf_int(), theirs.conf_int()),
        (m.rsquared, theirs.rsquared), (m.df_resid, theirs.df_resid),
    ]:  # fmt: skip
        np.testing.assert_allclose(mine, other, rtol=1e-8)


@pytest.mark.parametrize("name", MAKE)
def test_names_of_r(name: str, model: Callable[[str], Any]) -> None:
    m = model(name)
    assert mlpool.AIC(m) == m.aic and mlpool.BIC(m) == m.bic and mlpool.logLik(m) == m.loglik
    assert pytest.approx(m.bic) == mlpool.AIC(m, k=np.log(m.nobs))
    assert mlpool.AIC(m, m).shape == (2, 2)
    assert mlpool.sigma(m) == m.sigma and mlpool.nobs(m) == m.nobs
    assert mlpool.formula(m) == m.formula.text
    assert mlpool.fitted(m).equals(m.fitted) and mlpool.resid(m).equals(m.residuals())
    assert mlpool.predict(m).equals(m.predict())
    assert mlpool.weights(m).to_numpy() == pytest.approx(m.prior_weights)
    assert mlpool.family(m).name == ("binomial" if m.kind in ("glm", "glmer") else "gaussian")
    if m.is_mixed:
        assert mlpool.isSingular(m) is m.is_singular and mlpool.isREML(m) is m.reml
        assert mlpool.ngrps(m) == m.ngroups
    else:
        with pytest.raises(mlpool.NotSupportedError, match="ngrps"):
            mlpool.ngrps(m)


def test_parts_by_lme4s_names_fit_each_other() -> None:
    """``X beta + Z b`` is the fitted value; ``sigma^2 Z Lambda Lambda' Z'`` has VarCorr's terms."""
    d = mlpool.load_data("Penicillin")
    m = mlpool.lmer("diameter ~ 1 + (1 | plate) + (1 | sample)", d)
    part = {n: mlpool.getME(m, n) for n in ("X", "Z", "beta", "b", "mu", "Lambda", "sigma", "q")}
    np.testing.assert_allclose(part["X"] @ part["beta"] + part["Z"] @ part["b"], part["mu"])
    assert part["Z"].shape == (144, 30) and part["q"] == 30
    V = part["sigma"] ** 2 * (part["Z"] @ part["Lambda"] @ part["Lambda"].T @ part["Z"].T)
    total = sum(float(block.vcov[0, 0]) for block in m.varcorr().blocks)
    np.testing.assert_allclose(V.diagonal(), total)
    slopes = mlpool.lmer("Reaction ~ Days + (Days | Subject)", SLEEP)
    X, Z, beta, b, mu = (mlpool.getME(slopes, n) for n in ("X", "Z", "beta", "b", "mu"))
    np.testing.assert_allclose(X @ beta + Z @ b, mu)
    with pytest.raises(mlpool.OptionError, match=r"no part 'Lamda'.*Lambda"):
        mlpool.getME(m, "Lamda")


@pytest.mark.parametrize("verb", ["AIC", "sigma", "formula", "getME", "ngrps", "predict"])
def test_what_is_no_model(verb: str) -> None:
    with pytest.raises(mlpool.OptionError, match="needs a fitted model"):
        getattr(mlpool, verb)(3, *(["X"] if verb == "getME" else []))


@pytest.mark.filterwarnings("ignore::mlpool.FewClustersWarning")
@pytest.mark.parametrize("verb", ["lmer", "glmer"])
def test_mixed_verbs_take_clusters_as_fit_does(verb: str) -> None:
    if verb == "lmer":
        d = mlpool.load_data("hsb82")
        one = mlpool.lmer("math ~ ses + (1 | school)", d, cluster="school", vcov="CR2")
        other = mlpool.fit("math ~ ses + (1 | school)", d, cluster="school", vcov="CR2")
    else:
        text = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
        one = mlpool.glmer(text, CBPP, "binomial", cluster="herd")
        other = mlpool.fit(text, CBPP, family="binomial", cluster="herd")
    assert one.vcov_type is not None and one.se.equals(other.se)
