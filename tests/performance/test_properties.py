"""What needs no reference: twins, and invariance to order, scale and names."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mlpool
from mlpool.models.variance import variance_parts

sys.path.insert(0, str(Path(__file__).parents[1]))
from conftest import FRAME_KINDS


def _data(seed: int = 0, groups: int = 30):
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(groups), rng.integers(2, 12, groups))
    x = rng.normal(3.0, 2.0, len(g))
    u = rng.multivariate_normal([0, 0], [[1.0, 0.2], [0.2, 0.3]], groups)
    y = 1 + 0.5 * x + u[g, 0] + u[g, 1] * x + rng.normal(size=len(g))
    return pd.DataFrame({"y": y, "x": x, "g": g.astype(str)})


def test_parts_equal_the_dense_definition() -> None:
    """Var(X beta), mean z' G z and sigma^2 from whole matrices."""
    d = _data()
    m = mlpool.lmer("y ~ x + (x | g)", d)
    X = np.column_stack([np.ones(len(d)), d["x"]])
    G = m.varcorr().blocks[0].vcov
    parts = variance_parts(m)
    assert parts.fixed == pytest.approx(np.var(X @ m.fixef().to_numpy(), ddof=1), rel=1e-10)
    assert parts.random == pytest.approx(np.mean(np.diag(X @ G @ X.T)), rel=1e-10)
    assert parts.residual == pytest.approx(m.sigma**2)
    assert parts.dispersion == 0.0


def test_icc_and_r2_do_not_depend_on_scale_order_or_labels() -> None:
    d = _data()
    m = mlpool.lmer("y ~ x + (1 | g)", d)
    shuffled = d.sample(frac=1, random_state=1).assign(
        y=lambda d: 10 * d["y"] + 3, x=lambda d: d["x"] / 100, g=lambda d: "group " + d["g"]
    )
    again = mlpool.lmer("y ~ x + (1 | g)", shuffled)
    for verb in ("icc", "r2"):
        a, b = getattr(mlpool, verb)(m), getattr(mlpool, verb)(again)
        np.testing.assert_allclose(a.to_pandas().iloc[0], b.to_pandas().iloc[0], rtol=1e-5)


def test_fixed_variance_keeps_its_digits_far_from_zero() -> None:
    d = _data()
    near = variance_parts(mlpool.lmer("y ~ x + (1 | g)", d)).fixed
    far = variance_parts(mlpool.lmer("y ~ x + (1 | g)", d.assign(x=d["x"] + 1e7))).fixed
    assert far == pytest.approx(near, rel=1e-5)


def test_blocks_of_rows_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    from mlpool.models import variance

    module = importlib.import_module("mlpool.performance.reliability")

    d = _data()
    m = mlpool.lmer("y ~ x + (x | g)", d)
    whole, table = variance_parts(m), mlpool.reliability(m)
    monkeypatch.setattr(variance, "_BLOCK", 7)
    monkeypatch.setattr(module, "_BLOCK", 7)
    parts = variance_parts(m)
    assert parts.fixed == pytest.approx(whole.fixed, rel=1e-10)
    assert parts.random == pytest.approx(whole.random, rel=1e-10)
    again = mlpool.reliability(m)
    np.testing.assert_allclose(again["Reliability"], table["Reliability"], rtol=1e-10)


def test_reliability_of_slopes_is_that_of_each_groups_own_regression() -> None:
    """lambda = tau^2 / (tau^2 + own sampling variance), one group by hand."""
    d = _data()
    m = mlpool.lmer("y ~ x + (x || g)", d)
    table = mlpool.reliability(m).to_pandas()
    level = table["Level"].iloc[-1]
    rows = d[d["g"] == level]
    Z = np.column_stack([np.ones(len(rows)), rows["x"]])
    own = m.sigma**2 * np.diag(np.linalg.inv(Z.T @ Z))
    tau2 = np.array([b.vcov[0, 0] for b in m.varcorr().blocks])
    got = table.loc[table["Level"] == level, "Reliability"]
    np.testing.assert_allclose(got, tau2 / (tau2 + own), rtol=1e-10)


def test_partially_pooled_means_use_the_reliabilities() -> None:
    d = _data()
    m = mlpool.lmer("y ~ 1 + (1 | g)", d)
    lam = mlpool.reliability(m).to_pandas().set_index("Level")["Reliability"]
    means = d.groupby("g")["y"].mean()
    grand = float(m.fixef().iloc[0])
    expected = lam * means[lam.index] + (1 - lam) * grand
    np.testing.assert_allclose(m.coef()["g"]["(Intercept)"], expected, rtol=1e-6)


def test_bootstrap_interval_covers_the_estimate_and_follows_the_seed() -> None:
    d = _data()
    m = mlpool.lmer("y ~ x + (1 | g)", d)
    one, two = (mlpool.r2(m, ci=0.9, iterations=40, seed=s).to_pandas().iloc[0] for s in (1, 2))
    assert one["R2_marginal_CI_low"] < one["R2_marginal"] < one["R2_marginal_CI_high"]
    assert one["R2_marginal_CI_low"] != two["R2_marginal_CI_low"]
    lm = mlpool.lm("y ~ x", d)
    row = mlpool.r2(lm, ci=0.9, iterations=40, seed=1).to_pandas().iloc[0]
    assert row["R2_CI_low"] < row["R2"] < row["R2_CI_high"]


@pytest.mark.parametrize("kind", ["polars", "pyarrow"])
def test_tables_come_back_in_the_users_kind_of_frame(kind: str) -> None:
    m = mlpool.lmer("y ~ x + (1 | g)", FRAME_KINDS[kind](_data()))
    native = mlpool.model_performance(m).to_native()
    assert type(native).__module__.startswith(kind)
