"""A factor of many levels is absorbed and nothing else changes: dense least squares is the twin."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mlpool
from mlpool.designs.least_squares import AbsorbedOls
from mlpool.errors import NotSupportedError, RankDeficiencyWarning
from mlpool.hypotheses.linear_combinations import contrast_inference

FORMULAS = [
    "y ~ x + g",
    "y ~ g + x",
    "y ~ g",
    "y ~ 0 + g",
    "y ~ 0 + x + g",
    "y ~ x * g",
    "y ~ g * x",
    "y ~ 0 + g + g:x",
    "y ~ g + g:x",
    "y ~ g + x:g + z",
    "y ~ 0 + g + x + x:g",
    "y ~ f * g + z",
    "y ~ g * f",
    "y ~ x * g + z * g + f",
    "y ~ poly(x, 2) * g",
    "y ~ g + x:f + z",
    "y ~ x:f + g + x:f:g",
    "y ~ C(g, contr.treatment, base = 3) * x",
]


def data(seed: int = 1, levels: int = 8, per_level: int = 12) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    n = levels * per_level
    g = rng.permutation(np.repeat(np.arange(levels), per_level))
    d = pd.DataFrame(
        {
            "g": pd.Categorical.from_codes(g, [f"g{i}" for i in range(levels)]),
            "f": pd.Categorical.from_codes(rng.integers(0, 3, n), list("abc")),
            "x": 100 + rng.normal(size=n),
            "z": rng.normal(size=n) * 1e-3,
            "w": rng.uniform(0.5, 2.0, n),
            "o": rng.normal(size=n),
        }
    )
    d["y"] = 3 + 0.5 * d["x"] + g + rng.normal(size=n)
    return d


def assert_same(formula: str, d: pd.DataFrame, **options: Any) -> None:
    absorbed = mlpool.lm(formula, d, engine="mlpool", **options)
    dense = mlpool.lm(formula, d, engine="statsmodels", **options)
    assert isinstance(absorbed.fit, AbsorbedOls)
    assert absorbed.names == dense.names
    # Slopes on an uncentred x make coefficients that cancel; their scale is that of their SE.
    scale = dense.se.to_numpy()
    assert np.abs(absorbed.fixef() - dense.fixef()).to_numpy() / scale == pytest.approx(0, abs=1e-6)
    assert absorbed.se.to_numpy() == pytest.approx(scale, rel=1e-7)
    correlation = (absorbed.vcov() - dense.vcov()).to_numpy() / np.outer(scale, scale)
    assert np.abs(correlation).max() < 1e-6
    for name in ("sigma", "loglik", "deviance", "aic", "bic", "df_residual", "nobs"):
        assert getattr(absorbed, name) == pytest.approx(getattr(dense, name), rel=1e-9), name
    assert absorbed.fit.null_deviance == pytest.approx(dense.fit.null_deviance)
    assert absorbed.fitted.to_numpy() == pytest.approx(dense.fitted.to_numpy())
    new = d.drop(columns="y").iloc[::5]
    if not options.get("offset"):
        assert absorbed.predict(new).to_numpy() == pytest.approx(dense.predict(new).to_numpy())
    robust = [m.vcov("vcovCL", "g").to_numpy() / np.outer(scale, scale) for m in (absorbed, dense)]
    assert np.abs(robust[0] - robust[1]).max() < 1e-6


@pytest.mark.parametrize("formula", FORMULAS)
def test_every_number_is_that_of_the_dense_fit(formula: str) -> None:
    assert_same(formula, data())


@pytest.mark.parametrize("formula", FORMULAS[:6])
def test_weights_and_offset(formula: str) -> None:
    assert_same(formula, data(2), weights="w", offset="o")


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    levels=st.integers(2, 12),
    per_level=st.integers(6, 20),
    formula=st.sampled_from(FORMULAS[:10]),
)
def test_random_designs(seed: int, levels: int, per_level: int, formula: str) -> None:
    assert_same(formula, data(seed, levels, per_level))


def test_many_levels_are_absorbed_by_themselves() -> None:
    few, many = data(levels=29, per_level=4), data(levels=30, per_level=4)
    assert not isinstance(mlpool.lm("y ~ x + g", few).fit, AbsorbedOls)
    m = mlpool.lm("y ~ x + g", many)
    assert isinstance(m.fit, AbsorbedOls)
    dense = mlpool.lm("y ~ x + g", many, engine="statsmodels")
    assert str(m.summary()) == str(dense.summary())
    assert str(mlpool.model_parameters(m)) == str(mlpool.model_parameters(dense))
    assert m.statsmodels.params == pytest.approx(m.fixef().to_numpy())


@pytest.mark.parametrize(
    "formula", ["y ~ x * g", "y ~ const + g", "y ~ lvl + g", "y ~ x + x2 + g", "y ~ lvl * x + g"]
)
def test_aliased_columns_are_those_that_dense_fits_drop(formula: str) -> None:
    """A level with constant x, a constant, a predictor of the level itself, collinear columns."""
    d = data(levels=30, per_level=5)
    codes = d["g"].cat.codes.to_numpy()
    d["lvl"] = np.sin(codes)
    d["const"] = 2.0
    d["x2"] = 3 * d["x"] - 1
    if formula == "y ~ x * g":
        d.loc[codes == 4, "x"] = 1.0
    with pytest.warns(RankDeficiencyWarning):
        m = mlpool.lm(formula, d)
    with pytest.warns(RankDeficiencyWarning):
        dense = mlpool.lm(formula, d, engine="statsmodels")
    assert m.aliased == dense.aliased
    assert m.fixef().to_numpy() == pytest.approx(dense.fixef().to_numpy())


@pytest.mark.parametrize("formula", ["y ~ x", "y ~ x:g", "y ~ C(g, contr.sum) + x", "y ~ f:g + x"])
def test_what_cannot_be_absorbed(formula: str) -> None:
    with pytest.raises(NotSupportedError, match="levels as intercepts"):
        mlpool.lm(formula, data(), engine="mlpool")


def test_two_factors_absorb_the_wider() -> None:
    d = data(levels=12, per_level=30)
    m = mlpool.lm("y ~ f + g", d, engine="mlpool")
    assert m.fit.solution.n_levels == 12
    assert_same("y ~ f + g", d)


def test_missing_rows_and_unused_levels() -> None:
    d = data(levels=40, per_level=5)
    d.loc[d["g"] == "g3", "x"] = np.nan
    with pytest.warns(mlpool.MissingDataWarning):
        m = mlpool.lm("y ~ x + g", d)
    assert isinstance(m.fit, AbsorbedOls)
    assert "gg3" not in m.names
    assert m.nobs == 195


@pytest.mark.slow
def test_a_hundred_thousand_levels() -> None:
    """Dense columns would take 240 GB; every coefficient and its error come from the sums."""
    rng = np.random.default_rng(5)
    J, n = 100_000, 300_000
    g = np.repeat(np.arange(J), n // J)
    x = rng.normal(size=n)
    effects = rng.normal(size=J)
    y = 2.0 * x + effects[g] + rng.normal(size=n)
    m = mlpool.lm("y ~ x + factor(g)", {"y": y, "x": x, "g": g})
    assert m.fixef()["x"] == pytest.approx(2.0, abs=5 * m.se["x"])
    assert len(m.names) == J + 1
    assert m.df_residual == n - J - 1
    table = mlpool.model_parameters(m, keep="^x$")
    assert table["SE"].iloc[0] == pytest.approx(m.se["x"])
    assert m.predict({"x": [0.0], "g": [7]}).iloc[0] == pytest.approx(m.fixef().iloc[[0, 8]].sum())
    L = np.zeros((1, J + 1))
    L[0, [1, 9]] = 1.0
    parts = contrast_inference(m, L)
    assert parts.se[0] ** 2 == pytest.approx(m.fit.vcov_block(np.array([1, 9])).sum())
    with pytest.raises(NotSupportedError, match="covariance matrix of 100001 coefficients, 80 GB"):
        m.vcov()
    with pytest.raises(NotSupportedError, match="model matrix of 300000 rows"):
        m.vcov("vcovCL", "g")


def test_an_ordered_factor_crossed_with_a_factor_is_fitted():
    """Contrast matrices are compared by value when absorption looks for a factor's own slopes."""
    cake = mlpool.load_data("cake")
    assert cake["temperature"].cat.ordered
    m = mlpool.lm("angle ~ recipe * temperature", cake)
    cells = cake.groupby(["recipe", "temperature"], observed=True)["angle"].transform("mean")
    np.testing.assert_allclose(m.fitted, cells, rtol=1e-10)


@pytest.mark.parametrize("formula", ["y ~ z + id", "y ~ id + z", "y ~ z * id", "y ~ 0 + id + z"])
def test_an_id_of_every_row_is_refused_at_once(formula: str) -> None:
    n = 7185
    rng = np.random.default_rng(1)
    data = pd.DataFrame(
        {"y": rng.normal(size=n), "z": rng.normal(size=n), "id": [f"p{i}" for i in range(n)]}
    )
    with pytest.raises(mlpool.FitError, match="7185 rows leave no residual degrees of freedom"):
        mlpool.lm(formula, data)


@pytest.mark.parametrize("formula", ["y ~ x + g", "y ~ x * g"])
def test_strong_effects_cost_an_absorbed_fit_no_digits(formula: str) -> None:
    rng = np.random.default_rng(3)
    g, x, noise = np.repeat(np.arange(40), 6), rng.normal(size=240), rng.normal(size=240)
    o, w = 1e4 * rng.normal(size=240), rng.uniform(0.5, 2, 240)
    data = pd.DataFrame({"y": noise + o, "x": x, "g": g.astype(str), "o": o, "w": w})
    flat = mlpool.lm(formula, data, offset="o", weights="w")
    strong = mlpool.lm(
        formula, data.assign(y=data["y"] + 1e6 * x + 1e6 * np.cos(g)), offset="o", weights="w"
    )
    assert isinstance(strong.fit, AbsorbedOls)
    # 1e6 itself rounds to 1e-10 of the noise
    assert strong.sigma == pytest.approx(flat.sigma, rel=1e-9)
    assert strong.se.to_numpy() == pytest.approx(flat.se.to_numpy(), rel=1e-8)
    at = strong.fixef().index.get_loc("x")
    assert strong.fixef().iloc[at] - 1e6 == pytest.approx(flat.fixef().iloc[at], abs=1e-8)
