"""Standard errors of fixed plus random effects against Henderson's mixed-model equations."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mlpool
from mlpool.estimates.group_coefficients import total_standard_errors

pytestmark = pytest.mark.filterwarnings("ignore::mlpool.MlpoolWarning")


def _data(seed):
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(7), rng.integers(2, 9, 7))
    n = g.size
    d = pd.DataFrame({"g": [f"g{v}" for v in g], "h": [f"h{v}" for v in rng.integers(0, 4, n)]})
    d["x"], d["w"] = rng.normal(size=n), rng.uniform(0.5, 2.0, n)
    slopes = 1 + 0.7 * rng.normal(size=7)
    d["y"] = slopes[g] * d["x"] + rng.normal(size=7)[g] + rng.normal(size=n)
    return d


def _henderson(m):
    """[X Z]'W[X Z] + D^-1, inverted: the prediction error covariance of (beta, b)."""
    X, w, n = m.design.X.dense(), m.prior_weights / m.sigma**2, m.nobs
    columns, inverses, places = [X], [np.zeros((X.shape[1],) * 2)], []
    at = X.shape[1]
    for random, block in zip(m.design.random, m.varcorr().blocks, strict=True):
        z, J = random.z.rows(0, n), len(random.levels)
        k = z.shape[1]
        Z = np.zeros((n, J * k))
        for c in range(k):
            Z[np.arange(n), np.asarray(random.codes) * k + c] = z[:, c]
        columns.append(Z)
        inverses.append(np.kron(np.eye(J), np.linalg.inv(block.vcov)))
        places.append((random, at))
        at += J * k
    M = np.hstack(columns)
    left = M.T @ (w[:, None] * M)
    start = 0
    for inverse in inverses:
        size = len(inverse)
        left[start : start + size, start : start + size] += inverse
        start += size
    return np.linalg.inv(left), places


FORMULAS = ("y ~ x + (1 | g)", "y ~ x + (x | g)", "y ~ 1 + (x | g)", "y ~ x + (1 | g) + (1 | h)")


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 5_000), formula=st.sampled_from(FORMULAS), weighted=st.booleans())
def test_totals_equal_henderson(seed, formula, weighted):
    m = mlpool.fit(formula, _data(seed), weights="w" if weighted else None)
    if m.is_singular or min(np.abs(m.theta)) < 1e-3:
        return
    C, places = _henderson(m)
    got = total_standard_errors(m)
    for random, start in places:
        k = random.z.shape[1]
        for j, level in enumerate(random.levels):
            for c, name in enumerate(random.z.names):
                direction = np.zeros(len(C))
                direction[start + j * k + c] = 1.0
                if name in m.names:
                    direction[m.names.index(name)] = 1.0
                want = np.sqrt(direction @ C @ direction)
                assert got[random.group].loc[level, name] == pytest.approx(want, rel=1e-5)


def test_a_group_without_variance_has_the_fixed_effects_error():
    rng = np.random.default_rng(1)
    d = pd.DataFrame({"g": np.repeat(np.arange(8), 6), "x": rng.normal(size=48)})
    d["y"] = rng.normal(size=48)
    d["y"] -= d.groupby("g")["y"].transform("mean")
    m = mlpool.fit("y ~ 1 + (1 | g)", d)
    np.testing.assert_allclose(total_standard_errors(m)["g"], m.se.iloc[0], rtol=1e-8)
