"""Profiles where a correlation is +-1, against dense likelihoods, and of uncentred predictors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.stats import chi2

import mlpool
from mlpool.inference.profiles.lmm_surface import Surface

pytestmark = pytest.mark.filterwarnings("ignore::mlpool.MlpoolWarning")

RISE = float(chi2.ppf(0.95, 1))


def _aligned(seed: int) -> pd.DataFrame:
    """Rows whose groups' intercepts and slopes are one number, so that r is estimated as +-1."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(8), 6)
    x = np.tile(np.linspace(-1.0, 1.0, 6), 8)
    b = rng.normal(size=8)[g]
    return pd.DataFrame({"g": g, "x": x, "y": 1.0 + 0.5 * x + b * (1.0 + 0.6 * x)}).assign(
        y=lambda d: d["y"] + rng.normal(size=48)
    )


def _dense_rise(d: pd.DataFrame, m: Any, which: int, value: float) -> float:
    """Return how far -2 log-likelihood rises with one SD held, the others at their best."""
    y, x, g = (d[c].to_numpy() for c in "yxg")
    same = (g[:, None] == g).astype(float)
    X = np.column_stack([np.ones(len(y)), x])

    def deviance(z: Any) -> float:
        z = np.clip(z, -20.0, 20.0)  # far beyond what 48 rows leave possible
        sd = np.exp(z[:2])
        sd[which] = value
        z_i = np.stack([np.full(len(y), sd[0]), sd[1] * x])
        r = np.tanh(z[2])
        V = same * (z_i.T @ np.array([[1.0, r], [r, 1.0]]) @ z_i)
        V[np.diag_indices(len(y))] += np.exp(2.0 * z[3])
        L = np.linalg.cholesky(V)
        M = np.linalg.solve(L, np.column_stack([X, y]))
        beta = np.linalg.lstsq(M[:, :2], M[:, 2], rcond=None)[0]
        rest = M[:, 2] - M[:, :2] @ beta
        logs = 2.0 * np.log(np.diag(L)).sum()
        return float(len(y) * np.log(2.0 * np.pi) + logs + rest @ rest)

    ends = []
    for r in (-3.0, 0.0, 1.0, 3.0):
        z = np.array([0.0, -0.5, r, 0.0])
        for _ in range(3):
            z = minimize(
                deviance, z, method="Nelder-Mead", options={"maxiter": 4000, "fatol": 1e-9}
            ).x
        ends.append(deviance(z))
    return min(ends) - float(m.criterion)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 4])
@pytest.mark.parametrize("which", [0, 1])
def test_bounds_beside_a_correlation_of_one_are_those_of_the_dense_likelihood(
    seed: int, which: int
) -> None:
    d = _aligned(seed)
    m = mlpool.lmer("y ~ x + (x | g)", d, REML=False)
    assert abs(m.varcorr().blocks[0].cor[0, 1]) > 0.9999
    row = [".sig01", ".sig03"][which]
    for bound in mlpool.confint(m, "theta_").loc[row]:
        if bound > 0.0:
            # Nelder-Mead ends within 0.005 of the least deviance beside its edge.
            assert _dense_rise(d, m, which, float(bound)) == pytest.approx(RISE, abs=0.005)


@pytest.mark.parametrize("kind", ["lmer", "glmer"])
@pytest.mark.slow
def test_profiles_of_calendar_years_are_those_of_centred_ones(kind: str) -> None:
    """All but what is a value at year zero: intercepts, their SDs and their correlations."""
    rng = np.random.default_rng(7)
    g, year = np.repeat(np.arange(12), 9), np.tile(np.arange(-4.0, 5.0), 12)
    eta = 0.6 * rng.normal(size=12)[g] + (0.1 + 0.15 * rng.normal(size=12)[g]) * year
    d = pd.DataFrame({"g": g, "year": year, "y": eta + rng.normal(size=108)})
    d["c"] = rng.poisson(np.exp(0.8 + eta))
    far = d.assign(year=d["year"] + 2012.0)
    if kind == "lmer":
        found = [mlpool.confint(mlpool.lmer("y ~ year + (year | g)", f)) for f in (d, far)]
        rows = [".sig03", ".sigma", "year"]
    else:
        found = [
            mlpool.confint(mlpool.glmer("c ~ year + (1 | g)", f, family="poisson"))
            for f in (d, far)
        ]
        rows = [".sig01", "year"]
    closest = 2e-6 if kind == "lmer" else 2e-4
    np.testing.assert_allclose(found[1].loc[rows], found[0].loc[rows], rtol=closest)


def test_profiles_of_calendar_years_take_no_more_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """SDs and correlations of uncentred slopes move together: searches once took 20 times more."""
    taken = []
    fit = Surface.fit
    monkeypatch.setattr(Surface, "fit", lambda self, psi: taken.append(1) or fit(self, psi))
    d = mlpool.load_data("sleepstudy")
    counts = []
    for origin in (-4.5, 0.0, 2000.0):
        m = mlpool.lmer("Reaction ~ Days + (Days | Subject)", d.assign(Days=d["Days"] + origin))
        taken.clear()
        bounds = mlpool.confint(m, [".sig01", ".sig03", ".sigma"], method="profile")
        assert np.all(np.isfinite(bounds.loc[[".sig01", ".sigma"]]))
        counts.append(len(taken))
    assert max(counts) < 2 * min(counts)
