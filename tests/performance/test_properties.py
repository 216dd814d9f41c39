"""What needs no reference: twins, and invariance to order, scale and names."""

from __future__ import annotations

import importlib
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mlpool
from mlpool.errors import MlpoolWarning
from mlpool.performance.r2_interval import r2_cdf, r2_interval
from mlpool.performance.variance_components import variance_parts

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
    from mlpool.performance import variance_components as variance

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


# --- units, and the caller's floating-point settings --------------------------------------------


@pytest.fixture(scope="module")
def growth() -> pd.DataFrame:
    rng = np.random.default_rng(21)
    g, t = np.repeat(np.arange(25), 8), np.tile(np.arange(8.0), 25)
    y = 5 + 0.3 * t + rng.normal(size=25)[g] + 0.4 * rng.normal(size=25)[g] * t
    return pd.DataFrame({"g": g, "t": t, "y": y + rng.normal(size=200)})


@pytest.mark.parametrize(
    ("unit", "origin"), [(5e4, 0), (1e-6, 0), (1e9, 0), (1, 2000), (365, -9e4)]
)
def test_r2_and_icc_depend_on_no_unit_and_no_origin(
    growth: pd.DataFrame, unit: float, origin: float
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MlpoolWarning)
        one = mlpool.lmer("y ~ t + (t | g)", growth)
        two = mlpool.lmer("y ~ t + (t | g)", growth.assign(t=growth["t"] * unit + origin))
        names = ["R2_conditional", "R2_marginal", "ICC", "RMSE"]
        expected = mlpool.model_performance(one).to_pandas()[names].iloc[0]
        found = mlpool.model_performance(two).to_pandas()[names].iloc[0]
        np.testing.assert_allclose(found, expected, rtol=2e-4)
        first, second = mlpool.check_singularity(one), mlpool.check_singularity(two)
    assert not second
    assert second.smallest == pytest.approx(first.smallest, rel=1e-3)


def test_tables_of_singular_fits_say_what_the_marginal_r2_leaves_out() -> None:
    rng = np.random.default_rng(3)
    d = pd.DataFrame({"g": np.repeat(np.arange(12), 5), "x": rng.normal(size=60)})
    d["y"] = 2 * d["x"] + rng.normal(size=12)[d["g"]] * (1 + d["x"]) + 0.5 * rng.normal(size=60)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MlpoolWarning)
        m = mlpool.lmer("y ~ x + (x | g)", d)
        assert m.is_singular
        out, whole = (
            float(mlpool.r2(m, **o)["R2_marginal"].iloc[0]) for o in ({}, {"tolerance": 0})
        )
        report = mlpool.report(m).explained
    assert out > whole + 0.05
    for table in (mlpool.model_performance(m), mlpool.compare_performance(a=m, b=m)):
        assert "the marginal R2 leaves random effects out of account" in str(table)
    assert "random effects out" not in str(mlpool.model_performance(m, ["AIC", "RMSE"]))
    assert f"is {whole:.2f} with the variances as estimated ({out:.2f} without" in report


@pytest.mark.parametrize("kind", ["glm", "glmer", "lmer"])
def test_settings_of_floating_point_errors_change_nothing(kind: str) -> None:
    d = mlpool.load_data("hsb82").iloc[:1500]
    d = d.assign(b=(d["math"] > 13).astype(int))
    formula = {
        "glm": "b ~ ses",
        "glmer": "b ~ ses + (1 | school)",
        "lmer": "math ~ ses + (1 | school)",
    }
    options = {} if kind == "lmer" else {"family": "binomial"}
    m = getattr(mlpool, kind)(formula[kind], d, **options)
    again = getattr(mlpool, kind)(formula[kind], d, **options)
    expected = str(mlpool.model_performance(again))
    with np.errstate(all="raise"):
        assert str(mlpool.model_performance(m)) == expected


def test_the_interval_of_a_linear_models_r2_is_performances() -> None:
    """performance 0.10.2: ``r2(lm(Reaction ~ Days, sleepstudy), ci = .95)``."""
    m = mlpool.lm("Reaction ~ Days", mlpool.load_data("sleepstudy"))
    row = mlpool.r2(m, ci=0.95).to_pandas().iloc[0]
    names = ["R2_CI_low", "R2_CI_high", "R2_adjusted_CI_low", "R2_adjusted_CI_high"]
    expected = [0.177245503, 0.398061600, 0.173627282, 0.394060607]
    # R stops its search for the bounds at differences of 1.2e-4.
    np.testing.assert_allclose(row[names].to_numpy(dtype=float), expected, atol=1.2e-4)
    assert "from the distribution of R2" in str(mlpool.r2(m, ci=0.95))


def test_the_distribution_of_r2_is_that_of_simulated_ones() -> None:
    rng = np.random.default_rng(1)
    n, p, rho2, many = 12, 3, 0.4, 20_000
    X = rng.normal(size=(many, n, p))
    y = np.sqrt(rho2) * X[:, :, 0] + np.sqrt(1 - rho2) * rng.normal(size=(many, n))
    X, y = X - X.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True)
    b = np.linalg.solve(np.einsum("sni,snj->sij", X, X), np.einsum("sni,sn->si", X, y)[..., None])
    rss = ((y - np.einsum("sni,si->sn", X, b[..., 0])) ** 2).sum(axis=1)
    found = 1 - rss / (y**2).sum(axis=1)
    for q in (0.3, 0.5, 0.7, 0.9):
        assert r2_cdf(q, rho2, p, n) == pytest.approx(float(np.mean(found <= q)), abs=0.012)


@pytest.mark.parametrize(("r2", "p", "n"), [(0.5, 3, 10**6), (0.9999, 1, 10**6), (0.99, 1, 4)])
def test_bounds_of_r2_are_where_its_distribution_has_the_level(r2: float, p: int, n: int) -> None:
    low, high = r2_interval(r2, p, n, 0.9)
    assert low < r2 < high
    assert r2_cdf(r2, low, p, n) == pytest.approx(0.95, abs=1e-6)
    assert r2_cdf(r2, high, p, n) == pytest.approx(0.05, abs=1e-6)


def test_where_r2_has_no_interval() -> None:
    assert r2_interval(0.01, 1, 5, 0.95)[0] == 0.0
    assert all(
        np.isnan(r2_interval(*args, 0.95)).all()
        for args in ((1.0, 1, 9), (0.5, 3, 4), (-0.1, 1, 9))
    )


@pytest.mark.parametrize(("unit", "origin"), [(1e-9, 0.0), (1e9, 0.0), (1.0, 1e5), (1e3, 1.7e9)])
def test_reliability_of_slopes_knows_no_unit_and_no_origin(unit: float, origin: float) -> None:
    data = mlpool.load_data("sleepstudy")
    plain = mlpool.reliability(mlpool.lmer("Reaction ~ Days + (Days | Subject)", data))
    other = data.assign(Days=data["Days"] * unit + origin)
    moved = mlpool.reliability(mlpool.lmer("Reaction ~ Days + (Days | Subject)", other))
    is_slope = plain["Parameter"] == "Days"
    np.testing.assert_allclose(
        moved["Reliability"][is_slope], plain["Reliability"][is_slope], rtol=1e-5
    )


def test_models_have_the_class_of_their_r_function() -> None:
    d = _data(1)
    order = "corAR1(form = ~ 1 | g)"
    table = mlpool.compare_performance(
        lme=mlpool.lme("y ~ x", d, random="~ 1 | g", correlation=order, method="ML"),
        gls=mlpool.gls("y ~ x", d, correlation=order, method="ML"),
        lm=mlpool.lm("y ~ x", d),
    ).to_pandas()
    assert [*table["Model"]] == ["lme", "gls", "lm"]
