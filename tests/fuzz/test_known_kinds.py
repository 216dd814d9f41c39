"""Kinds of failures that random models showed, as laws of their own."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mlpool
from mlpool.inference.small_sample import variance_sums

pytestmark = pytest.mark.filterwarnings("ignore::mlpool.errors.MlpoolWarning")


def _study() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    g, x = np.repeat(np.arange(12), 12), rng.integers(0, 10, 144) * 1.0
    f = rng.choice(list("abc"), 144)
    eta = (0.5 + 0.3 * rng.normal(size=12)[g]) * (x - 4.5) + (f == "b") + rng.normal(size=12)[g]
    y = eta + rng.normal(size=144)
    b = (rng.random(144) < 1 / (1 + np.exp(-eta))).astype(int)
    return pd.DataFrame({"g": g, "x": x, "f": f, "y": y, "b": b})


@pytest.mark.parametrize("c", [1e-9, 1 / 3600, 1e9])
def test_intervals_of_slopes_sds_have_no_unit(c: float) -> None:
    d = _study()
    tables = [
        mlpool.model_parameters(
            mlpool.lmer("y ~ x + (x | g)", d.assign(x=d.x * k)), effects="random", ci_random=True
        ).to_pandas()
        for k in (1.0, c)
    ]
    shares = [t["CI_low"].to_numpy(float) / t["Coefficient"].to_numpy(float) for t in tables]
    assert np.isfinite(shares[0]).all()
    np.testing.assert_allclose(shares[1], shares[0], rtol=1e-5)


def test_correlations_of_slopes_far_from_zero_keep_their_errors() -> None:
    d = _study()
    for shift in (0.0, 1e4, 1e6):
        m = mlpool.lmer("y ~ x + (x | g)", d.assign(x=d.x + shift))
        table = mlpool.model_parameters(m, effects="random", ci_random=True).to_pandas()
        assert np.isfinite(table["SE"].to_numpy(float)).all()


@pytest.mark.parametrize("c", [1e-9, 1 / 3600, 1e9])
def test_slopes_follow_the_unit(c: float) -> None:
    d = _study()
    for fit in (
        lambda d: mlpool.glm("b ~ x + f", d, family="binomial"),
        lambda d: mlpool.glmer("b ~ x + f + (1 | g)", d, family="binomial"),
        lambda d: mlpool.lmer("y ~ x + f + (x | g)", d),
    ):
        base, other = fit(d), fit(d.assign(x=d.x * c))
        one, two = (mlpool.estimate_slopes(m, "x").to_pandas() for m in (base, other))
        assert two["Slope"].iloc[0] * c == pytest.approx(one["Slope"].iloc[0], rel=1e-5)


def test_sums_of_squares_are_the_sums(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways to small-sample inference agree where both keep their digits."""
    d = _study()
    tables = []
    for large in (variance_sums._LARGE, -1.0):
        monkeypatch.setattr(variance_sums, "_LARGE", large)
        m = mlpool.lmer("y ~ x + f + (x | g)", d)
        tables.append(
            mlpool.model_parameters(m, ci_method="kenward", effects="fixed")
            .to_pandas()[["SE", "df_error"]]
            .to_numpy(float)
        )
    np.testing.assert_allclose(tables[1], tables[0], rtol=1e-9)


@pytest.mark.parametrize("ratio", [1e2, 1e3, 1e4])
def test_slopes_within_groups_keep_exact_df_however_far_groups_lie_apart(ratio: float) -> None:
    """Balanced growth with own slopes: J - 1 df for the slope, whatever the residual."""
    rng = np.random.default_rng(2)
    d = pd.DataFrame({"g": np.repeat(np.arange(9), 6), "t": np.tile(np.arange(6.0), 9)})
    b = ratio * rng.normal(size=(9, 2))
    d["y"] = b[d.g, 0] + b[d.g, 1] * d.t + rng.normal(size=len(d))
    m = mlpool.lmer("y ~ t + (t | g)", d)
    for method in ("satterthwaite", "kenward"):
        table = mlpool.model_parameters(m, ci_method=method, effects="fixed").to_pandas()
        assert table["df_error"].to_numpy(float) == pytest.approx([8.0, 8.0], rel=1e-4)


def test_what_the_data_do_not_see_is_zero_in_any_order_of_rows() -> None:
    """Two sites that differ in x: the fixed effects take up what they vary by."""
    rng = np.random.default_rng(1)
    d = pd.DataFrame({"g": np.repeat(np.arange(10), 6), "site": np.repeat([0, 1], 30)})
    d["x"] = d.site * 1.0
    d["y"] = d.x + rng.normal(size=10)[d.g] + rng.normal(size=60)
    fits = [
        mlpool.lmer("y ~ x + (1 | g) + (1 | site)", d.iloc[order])
        for order in (np.arange(60), rng.permutation(60))
    ]
    for m in fits:
        assert m.theta[1] == 0.0
        assert m.is_singular
    np.testing.assert_allclose(fits[1].se, fits[0].se, rtol=1e-6)


def test_update_names_a_context_that_is_none() -> None:
    m = mlpool.lm("Reaction ~ Days", mlpool.load_data("sleepstudy"))
    with pytest.raises(mlpool.OptionError, match="context must be a dict of names"):
        mlpool.update(m, ". ~ .", context=pd.DataFrame({"a": []}))
