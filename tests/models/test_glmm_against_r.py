"""Kinds of response, links, families and nAGQ against lme4 and glmmTMB on bundled data.

The values are those of ``tests/models/r/glmer.R``, which lies beside them.
"""

from __future__ import annotations

import json
import sys
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mlpool

sys.path.insert(0, str(Path(__file__).parents[1]))
from tolerances import ABS_GLMM, ABS_GLMM_LOGLIK, ABS_THETA_SINGULAR, REL_GLMM, REL_GLMM_SE

VALUES = json.loads((Path(__file__).parent / "r" / "glmer.json").read_text())
CBPP = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
MODELS = {
    "logical": ("few", "high ~ ses + sector + (1 | school)", "binomial", {}),
    "labels": ("few", "minority ~ ses + (1 | school)", "binomial", {}),
    "labels_reversed": ("few", "reversed ~ ses + (1 | school)", "binomial", {}),
    "proportions_probit": (
        "cbpp", "prop ~ period + (1 | herd)", "binomial(probit)", {"weights": "size"}
    ),
    "cloglog_offset": (
        "cbpp", "prop ~ period + offset(log(size) / 4) + (1 | herd)", "binomial(cloglog)",
        {"weights": "size"},
    ),
    "binomial_log": (
        "cbpp", "cbind(incidence, size - incidence) ~ 1 + (1 | herd)", "binomial(log)", {}
    ),
    "poisson_offset": (
        "cbpp", "incidence ~ period + offset(log(size)) + (1 | herd)", "poisson", {}
    ),
    "poisson_weights": (
        "cbpp", "incidence ~ period + offset(log(size)) + (1 | herd)", "poisson", {"weights": "w"}
    ),
    "poisson_sqrt": ("few", "count ~ ses + (1 | school)", "poisson(sqrt)", {}),
    "observation_level": ("cbpp", CBPP + " + (1 | obs)", "binomial", {}),
    "slopes": ("few", "high ~ ses + sector + (ses | school)", "binomial", {}),
    "slopes_independent": ("few", "high ~ ses + sector + (ses || school)", "binomial", {}),
    "quick": ("cbpp", CBPP, "binomial", {"nAGQ": 0}),
    "quick_slopes": ("few", "high ~ ses + sector + (ses | school)", "binomial", {"nAGQ": 0}),
    "nodes_2": ("cbpp", CBPP, "binomial", {"nAGQ": 2}),
    "nodes_25": ("cbpp", CBPP, "binomial", {"nAGQ": 25}),
    "nodes_60": ("cbpp", CBPP, "binomial", {"nAGQ": 60}),
    "nodes_slope": ("few", "high ~ ses + (0 + ses | school)", "binomial", {"nAGQ": 9}),
    "nodes_poisson": (
        "cbpp", "incidence ~ period + offset(log(size)) + (1 | herd)", "poisson", {"nAGQ": 15}
    ),
    "nbinom2": ("few", "count ~ ses + sector + (1 | school)", "nbinom2", {}),
    "nbinom2_slopes": ("few", "count ~ ses + (ses | school)", "nbinom2", {}),
    "nbinom2_sqrt": ("few", "count ~ ses + (1 | school)", "nbinom2(sqrt)", {}),
    "nbinom1": ("few", "count ~ ses + (1 | school)", "nbinom1", {}),
    "Gamma_log": ("sleep", "Reaction ~ Days + (1 | Subject)", "Gamma(log)", {}),
    "Gamma_log_slopes": ("sleep", "Reaction ~ Days + (Days | Subject)", "Gamma(log)", {}),
    "Gamma_inverse": ("sleep", "I(Reaction / 300) ~ Days + (1 | Subject)", "Gamma(inverse)", {}),
    "gaussian_log": ("sleep", "I(Reaction / 300) ~ Days + (1 | Subject)", "gaussian(log)", {}),
}  # fmt: skip
ON_BOUNDARY = ("slopes", "quick_slopes")
"""Correlations of -1, where R stops at a theta of about 1e-9 and standard errors do not exist."""
GLMMTMB = [name for name in MODELS if "dispersion" in VALUES[name]]


@cache
def _data(name: str) -> pd.DataFrame:
    if name == "sleep":
        return mlpool.load_data("sleepstudy")
    if name == "cbpp":
        d = mlpool.load_data("cbpp")
        rows = np.arange(len(d))
        return d.assign(prop=d["incidence"] / d["size"], obs=rows, w=1.0 + (rows + 1) % 3)
    d = mlpool.load_data("hsb82")
    d = d[d["school"].isin(sorted(d["school"].unique(), key=int)[:60])]
    return d.assign(
        school=d["school"].astype(str),
        high=d["math"] > 13,
        reversed=d["minority"].cat.reorder_categories(["Yes", "No"]),
        count=np.maximum(0, np.rint(d["math"] / 2)),
    )


@cache
def _fitted(name: str):
    data, formula, family, options = MODELS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mlpool.SingularFitWarning)
        return mlpool.glmer(formula, _data(data), family=family, **options)


@pytest.mark.parametrize("name", MODELS)
def test_estimates(name):
    m, r = _fitted(name), VALUES[name]
    assert m.optimum.converged
    assert m.loglik_df == r["df"]
    assert list(m.fixef().index) == [n.replace("TRUE", "True") for n in r["names"]]
    assert m.loglik == pytest.approx(r["loglik"], abs=ABS_GLMM_LOGLIK)
    on_boundary = name in ON_BOUNDARY
    slack = ABS_THETA_SINGULAR if on_boundary else 0.0
    largest = float(np.max(r["se"]))
    np.testing.assert_allclose(m.fixef(), r["beta"], rtol=REL_GLMM, atol=REL_GLMM * largest + slack)
    got = np.concatenate([block.sd for block in m.varcorr().blocks])
    np.testing.assert_allclose(got, r["sds"], rtol=REL_GLMM, atol=ABS_GLMM + slack)


@pytest.mark.parametrize("name", [name for name in MODELS if name not in ON_BOUNDARY])
def test_standard_errors(name):
    m, r = _fitted(name), VALUES[name]
    np.testing.assert_allclose(m.se, r["se"], rtol=REL_GLMM_SE)
    if "vcov_conditional" in r:
        scale = np.outer(r["se"], r["se"])
        np.testing.assert_allclose(
            m.vcov("conditional") / scale, r["vcov_conditional"] / scale, atol=REL_GLMM_SE
        )


@pytest.mark.parametrize("name", MODELS)
def test_modes_and_means(name):
    m, r = _fitted(name), VALUES[name]
    slack = ABS_THETA_SINGULAR if name in ON_BOUNDARY else 5 * ABS_GLMM
    ranef = m.ranef()
    group = next(iter(ranef))
    np.testing.assert_allclose(ranef[group].iloc[:6, 0], r["ranef"], rtol=REL_GLMM, atol=slack)
    if "cond_sd" in r:
        got = ranef.cond_sd[group].iloc[:6, 0]
        np.testing.assert_allclose(got, r["cond_sd"], rtol=REL_GLMM + slack)
    np.testing.assert_allclose(m.fitted[:6], r["fitted"], rtol=REL_GLMM + slack)
    for kind in ("pearson", "deviance", "working"):
        if kind in r:
            got = m.residuals(kind)[:6]
            np.testing.assert_allclose(got, r[kind], rtol=REL_GLMM, atol=5 * slack)


@pytest.mark.parametrize("name", GLMMTMB)
def test_dispersion(name):
    """glmmTMB's sigma(): theta of negative binomials, else the square root of the dispersion."""
    m, r = _fitted(name), VALUES[name]
    own = m.dispersion if m.family.is_negative_binomial else m.sigma
    assert own == pytest.approx(r["dispersion"], rel=REL_GLMM)


def test_glmer_nb():
    """lme4's own negative binomial takes expected weights in the determinant: theta differs."""
    m, r = _fitted("nbinom2"), VALUES["glmer_nb"]
    assert m.loglik == pytest.approx(r["loglik"], abs=0.05)
    assert m.dispersion == pytest.approx(r["theta_nb"], rel=0.01)
    np.testing.assert_allclose(m.fixef(), r["beta"], rtol=5e-3)


def test_order_of_two_labels_turns_signs():
    plain, turned = _fitted("labels"), _fitted("labels_reversed")
    np.testing.assert_allclose(plain.fixef(), -turned.fixef(), rtol=1e-6)
    assert plain.loglik == pytest.approx(turned.loglik, abs=1e-8)


def test_one_response_in_four_spellings():
    """cbind(), proportions with weights, rows of 0 and 1, and logical rows: one likelihood.

    Rows of 0 and 1 lack the binomial coefficients, which the data alone determine.
    """
    cbpp = _data("cbpp")
    ones = cbpp.loc[np.repeat(cbpp.index, cbpp["size"])].reset_index(drop=True)
    order = np.concatenate([np.arange(s) for s in cbpp["size"]])
    ones["y"] = (order < ones["incidence"]).astype(int)
    ones["yes"] = ones["y"] == 1
    counts = mlpool.glmer(CBPP, cbpp, family="binomial")
    others = [
        mlpool.glmer("prop ~ period + (1 | herd)", cbpp, family="binomial", weights="size"),
        mlpool.glmer("y ~ period + (1 | herd)", ones, family="binomial"),
        mlpool.glmer("yes ~ period + (1 | herd)", ones, family="binomial"),
    ]
    from scipy.special import gammaln

    size, hits = cbpp["size"], cbpp["incidence"]
    constant = float(np.sum(gammaln(size + 1) - gammaln(hits + 1) - gammaln(size - hits + 1)))
    for m, left_out in zip(others, (0.0, constant, constant), strict=True):
        np.testing.assert_allclose(m.fixef(), counts.fixef(), rtol=1e-6)
        np.testing.assert_allclose(m.se, counts.se, rtol=1e-6)
        np.testing.assert_allclose(m.theta, counts.theta, rtol=1e-6)
        assert m.loglik + left_out == pytest.approx(counts.loglik, abs=1e-8)
    assert others[1].fit.n_compressed == len(cbpp) < others[1].nobs


def test_more_nodes_than_lme4_allows():
    m = mlpool.glmer(CBPP, _data("cbpp"), family="binomial", nAGQ=150)
    assert m.loglik == pytest.approx(VALUES["nodes_60"]["loglik"], abs=1e-8)


GLMMTMB_INTERVALS = {
    # confint() of glmmTMB 1.1.5: SDs are exponentiated Wald intervals of their logarithms.
    ("cbpp", CBPP, "binomial"): {"SD (Intercept)": (0.3724432155, 1.1075515366)},
    ("sleep", "Reaction ~ Days + (1 | Subject)", "Gamma(log)"): {
        "SD (Intercept)": (0.08810050572, 0.1761830594),
        "SD (Observations)": (0.08668708186, 0.1077393348),
    },
    ("sleep", "Reaction ~ Days + (Days | Subject)", "Gamma(log)"): {
        "SD (Intercept)": (0.06760970429, 0.15045637251),
        "SD (Days)": (0.01159498392, 0.02643765358),
        "SD (Observations)": (0.07204568183, 0.09073651124),
    },
}


@pytest.mark.parametrize("key", GLMMTMB_INTERVALS)
def test_wald_intervals_of_sds(key):
    data, formula, family = key
    m = mlpool.glmer(formula, _data(data), family=family)
    frame = mlpool.model_parameters(m, ci_random=True).to_pandas().set_index("Parameter")
    for name, bounds in GLMMTMB_INTERVALS[key].items():
        row = frame.loc[name]
        np.testing.assert_allclose([row["CI_low"], row["CI_high"]], bounds, rtol=1e-3)
        half = np.log(bounds[1] / bounds[0]) / (2 * 1.959963985)
        assert row["SE"] == pytest.approx(row["Coefficient"] * half, rel=2e-3)
    if "(Days |" in formula:
        # glmmTMB's correlation is theta / sqrt(1 + theta^2) with a Wald interval of theta.
        low, high = (r / np.sqrt(1 - r**2) for r in (-0.51891657004, 0.48169455847))
        row = frame.loc["Cor (Intercept~Days)"]
        assert row["SE"] == pytest.approx((high - low) / (2 * 1.959963985), rel=0.02)


def test_wald_intervals_on_the_boundary():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mlpool.MlpoolWarning)
        m = _fitted("slopes")
        frame = mlpool.model_parameters(m, ci_random=True).to_pandas().set_index("Parameter")
    assert np.isnan(frame.loc["Cor (Intercept~ses)", "SE"])
    assert frame.loc["SD (Intercept)", "SE"] > 0
