"""Cluster-robust covariances and their df do not depend on units, nor on how rare events are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mlpool

pytestmark = pytest.mark.filterwarnings("ignore::mlpool.errors.MlpoolWarning")


def _data() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    g = np.repeat(np.arange(12), 7)
    d = pd.DataFrame({"g": g, "x": rng.normal(size=84), "u": rng.normal(size=12)[g]})
    d["y"] = 1 + 0.5 * d["x"] + rng.normal(size=12)[g] + rng.normal(size=84)
    d["w"] = rng.uniform(0.5, 2, 84)
    return d


@pytest.mark.parametrize("kind", ["CR0", "CR2", "CR3"])
@pytest.mark.parametrize("verb", [mlpool.lm, mlpool.lmer])
@pytest.mark.parametrize("weights", [None, "w"])
def test_t_and_df_have_no_unit(kind: str, verb, weights: str | None) -> None:
    d = _data()
    formula = "y ~ x + u" + (" + (x | g)" if verb is mlpool.lmer else "")

    def numbers(d: pd.DataFrame) -> np.ndarray:
        m = verb(formula, d, weights=weights)
        table = mlpool.coef_test(m, kind, cluster="g").to_pandas().iloc[1:]
        joint = mlpool.wald_test(m, ["x", "u"], kind, cluster="g").to_pandas()
        return np.r_[
            table[["t", "df_error", "p"]].to_numpy(float).ravel(),
            joint[["Statistic", "df_denom", "p"]].to_numpy(float).ravel(),
        ]

    want = numbers(d)
    assert np.isfinite(want).all()
    changes = [{"y": d.y * s} for s in (1e-9, 1e9)] + [{"x": d.x * s} for s in (1e-9, 1e9)]
    changes += [{"x": d.x + 1000.0}, {"y": d.y + 1000.0}, {"w": d.w * 1e6}, {"w": d.w * 1e-6}]
    for change in changes:
        np.testing.assert_allclose(numbers(d.assign(**change)), want, rtol=1e-5)


@pytest.mark.parametrize("intercept", [-4.0, -9.0, -16.0, -25.0])
def test_cr2_of_rare_events_is_by_definition(intercept: float) -> None:
    """``A = T^1/2 (T (I - H) T)^-1/2 T^1/2`` does not change when all of T is multiplied."""
    rng = np.random.default_rng(1)
    d = pd.DataFrame({"g": np.repeat(np.arange(15), 8), "x": rng.normal(size=120)})
    d["n"] = np.ceil(50 * np.exp(-intercept))
    p = 1 / (1 + np.exp(-(intercept + 0.4 * d.x + 0.3 * rng.normal(size=15)[d.g])))
    d["k"] = rng.poisson(d.n * p)
    d["rest"] = d.n - d.k
    m = mlpool.glm("cbind(k, rest) ~ x", d, family="binomial")
    X = np.column_stack([np.ones(120), d.x])
    mu = m.fitted.to_numpy() if hasattr(m.fitted, "to_numpy") else np.asarray(m.fitted)
    theta = mu * (1 - mu) / d.n.to_numpy()
    w = theta * d.n.to_numpy() ** 2  # working weights
    M = np.linalg.inv(X.T @ (w[:, None] * X))
    scaled = theta / theta.max()
    meat = np.zeros((2, 2))
    for g in range(15):
        own = np.flatnonzero(d.g == g)
        U = np.sqrt(w[own])[:, None] * X[own]
        G = scaled[own][:, None] * (np.eye(8) - U @ M @ U.T) * scaled[own]
        values, vectors = np.linalg.eigh(G)
        A = np.sqrt(scaled[own])[:, None] * (vectors / np.sqrt(values)) @ vectors.T
        A = A * np.sqrt(scaled[own])
        derivative = (mu * (1 - mu))[own]
        e = d.k.to_numpy()[own] / d.n.to_numpy()[own] - mu[own]
        score = (derivative[:, None] * X[own]).T @ np.diag(1 / theta[own]) @ A @ e
        meat += np.outer(score, score)
    se = np.sqrt(np.diag(M @ meat @ M))
    table = mlpool.coef_test(m, "CR2", cluster="g").to_pandas()
    np.testing.assert_allclose(table["SE"], se, rtol=1e-6)
    np.testing.assert_allclose(np.sqrt(np.diag(m.vcov("CR2", "g"))), se, rtol=1e-6)
    assert (table["df_error"] > 5).all()
