"""Standard errors equal numerical differentiation; answers do not depend on coding of factors."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import mlpool

sys.path.insert(0, str(Path(__file__).parents[1]))

SLOW = settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
FORMULAS = ["y ~ x * f + z", "y ~ poly(x, 2) + f", "y ~ f * h + log(z)", "y ~ x:f + h + scale(z)"]
FAMILIES = [None, "binomial", "binomial(probit)", "binomial(cloglog)", "poisson", "Gamma(log)"]


def _data(seed: int, family: str | None) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    n = 160
    d = pd.DataFrame(
        {
            "x": rng.normal(size=n),
            "z": rng.uniform(1, 3, n),
            "f": rng.choice(["a", "b", "c"], n),
            "h": rng.choice(["u", "v"], n),
        }
    )
    eta = 0.3 * d["x"] + 0.4 * (d["f"] == "b") - 0.2 * d["z"]
    if family is None:
        d["y"] = eta + rng.normal(size=n)
    elif family.startswith("binomial"):
        d["y"] = rng.binomial(1, 1 / (1 + np.exp(-eta)))
    elif family == "poisson":
        d["y"] = rng.poisson(np.exp(eta + 1))
    else:
        d["y"] = rng.gamma(2.0, np.exp(eta) / 2)
    return d


def _model(seed: int, formula: str, family: str | None):
    d = _data(seed, family)
    return mlpool.lm(formula, d) if family is None else mlpool.glm(formula, d, family)


def _numerical_se(m, ask, value: str) -> np.ndarray:
    """Return delta-method errors from central differences of the answers in beta."""
    beta = np.asarray(m.fit.beta).copy()
    columns = []
    for j in range(len(beta)):
        ends = []
        h = 1e-5 * max(1.0, abs(beta[j]))
        for sign in (1, -1):
            m.fit.beta[j] = beta[j] + sign * h
            ends.append(np.asarray(ask(m)[value]))
        m.fit.beta[j] = beta[j]
        columns.append((ends[0] - ends[1]) / (2 * h))
    J = np.column_stack(columns)
    return np.sqrt(np.einsum("ia,ab,ib->i", J, np.asarray(m.vcov()), J))


def _writable(m):
    object.__setattr__(m.fit, "beta", np.array(m.fit.beta, dtype=float))
    return m


@SLOW
@given(
    seed=st.integers(0, 10_000),
    formula=st.sampled_from(FORMULAS),
    family=st.sampled_from(FAMILIES),
    estimate=st.sampled_from(["typical", "specific", "average", "population"]),
    predict=st.sampled_from([None, "response", "link"]),
)
def test_standard_errors_equal_numerical_differentiation(seed, formula, family, estimate, predict):
    m = _writable(_model(seed, formula, family))

    def means(model):
        return mlpool.estimate_means(model, by="f", estimate=estimate, predict=predict)

    def contrasts(model):
        return mlpool.estimate_contrasts(model, "f", estimate=estimate, predict=predict)

    table = means(m)
    value = "Probability" if "Probability" in table else "Mean"
    np.testing.assert_allclose(table["SE"], _numerical_se(m, means, value), rtol=2e-5)
    table = contrasts(m)
    np.testing.assert_allclose(
        table["SE"], _numerical_se(m, contrasts, "Difference"), rtol=2e-5, atol=1e-9
    )


@pytest.mark.slow
@SLOW
@given(
    seed=st.integers(0, 10_000),
    formula=st.sampled_from([f for f in FORMULAS if "x" in f]),
    family=st.sampled_from(FAMILIES),
    estimate=st.sampled_from(["typical", "average", "population"]),
)
def test_slopes_equal_numerical_differentiation(seed, formula, family, estimate):
    m = _writable(_model(seed, formula, family))

    def slopes(model):
        return mlpool.estimate_slopes(model, "x", by="f", estimate=estimate)

    table = slopes(m)
    np.testing.assert_allclose(table["SE"], _numerical_se(m, slopes, "Slope"), rtol=5e-5)
    if estimate != "typical":
        return
    h = 1e-4  # the slope is the difference quotient of predictions, averaged like them
    x = float(m.design.column_values("x")[0].mean())
    ends = [
        mlpool.estimate_means(m, by=["f", f"x = [{x + s * h:.17g}]"], predict="response")
        for s in (1, -1)
    ]
    value = "Probability" if "Probability" in ends[0] else "Mean"
    quotient = (ends[0][value] - ends[1][value]) / (2 * h)
    np.testing.assert_allclose(table["Slope"], quotient, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("coding", ["sum", "helmert", "poly"])
@pytest.mark.parametrize("family", [None, "binomial"])
def test_answers_do_not_depend_on_coding_or_reference_level(coding, family):
    d = _data(3, family)
    formula = "y ~ x * f + h"
    fit = (
        (lambda data, **o: mlpool.lm(formula, data, **o))
        if family is None
        else (lambda data, **o: mlpool.glm(formula, data, family, **o))
    )
    turned = d.assign(f=pd.Categorical(d["f"], categories=["c", "a", "b"]))
    first, second, third = fit(d), fit(d, contrasts={"f": coding, "h": coding}), fit(turned)
    means = mlpool.estimate_means(first, by="f").to_pandas().set_index("f")
    other = mlpool.estimate_means(second, by="f").to_pandas().set_index("f")
    last = mlpool.estimate_means(third, by="f").to_pandas().set_index("f")
    pd.testing.assert_frame_equal(means, other, rtol=1e-6)
    pd.testing.assert_frame_equal(means, last.loc[["a", "b", "c"]].set_axis(means.index), rtol=1e-6)
    slopes = mlpool.estimate_slopes(first, "x")
    np.testing.assert_allclose(slopes["SE"], mlpool.estimate_slopes(third, "x")["SE"], rtol=1e-6)


def test_a_link_s_second_derivative():
    from mlpool.estimates.scale.links import second_derivative
    from mlpool.families import Family

    eta = np.array([0.3, 0.9, 1.7])
    for name, link in [("binomial", "logit"), ("binomial", "probit"), ("binomial", "cloglog"),
                       ("poisson", "log"), ("poisson", "sqrt"), ("Gamma", "inverse"),
                       ("inverse.gaussian", "1/mu^2"), ("gaussian", "identity")]:  # fmt: skip
        family = Family(name, link)
        h = 1e-5
        numeric = (family.derivative(eta + h) - family.derivative(eta - h)) / (2 * h)
        np.testing.assert_allclose(second_derivative(link, eta), numeric, rtol=1e-7, atol=1e-9)
