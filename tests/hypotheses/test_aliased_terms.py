"""Terms whose columns other terms determine: Df 0, whatever the coding and the order of terms."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mlpool
from mlpool.hypotheses.term_tests import adjusted_rows

pytestmark = pytest.mark.filterwarnings("ignore::mlpool.errors.MlpoolWarning")


@pytest.fixture(scope="module")
def cars() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    d = pd.DataFrame({"wt": rng.normal(3, 1, 60), "hp": rng.normal(150, 50, 60)})
    d["wt2"] = 2 * d["wt"]
    d["dose"] = np.tile([0.0, 1.0, 2.0, 4.0], 15)
    d["arm"] = d["dose"].map({0.0: "none", 1.0: "low", 2.0: "mid", 4.0: "high"})
    d["g"] = np.repeat(np.arange(15), 4)
    d["y"] = 37 - 4 * d["wt"] - 0.03 * d["hp"] + rng.normal(size=15)[d["g"]] + rng.normal(size=60)
    d["k"] = rng.poisson(np.exp(0.3 + 0.2 * d["wt"]))
    d["b"] = (d["wt"] + rng.normal(size=60) > 3).astype(int)
    return d


def test_dropping_one_of_two_equal_columns_changes_nothing(cars: pd.DataFrame) -> None:
    m = mlpool.lm("y ~ wt + wt2 + hp", cars)
    table = mlpool.drop1(m, test="F").to_pandas().set_index("Parameter")
    for term in ("wt", "wt2"):
        assert table.loc[term, "df"] == 0
        assert table.loc[term, "RSS"] == pytest.approx(m.fit.rss)
        assert np.isnan(table.loc[term, "F"])
    smaller = mlpool.lm("y ~ wt", cars)
    assert table.loc["hp", "RSS"] == pytest.approx(smaller.fit.rss)
    assert table.loc["hp", "df"] == 1


@pytest.mark.parametrize("formula", ["y ~ dose + arm + hp", "y ~ arm + dose + hp"])
def test_drop1_is_the_fit_without_the_term(cars: pd.DataFrame, formula: str) -> None:
    m = mlpool.lm(formula, cars)
    table = mlpool.drop1(m).to_pandas().set_index("Parameter")
    for term in ("dose", "arm", "hp"):
        refit = mlpool.update(m, f". ~ . - {term}")
        assert table.loc[term, "RSS"] == pytest.approx(refit.fit.rss, rel=1e-10)
        assert table.loc[term, "df"] == m.df_residual * -1 + refit.df_residual
    assert list(table.loc[["dose", "arm", "hp"], "df"]) == [0, 2, 1]


def test_drop1_of_generalised_models(cars: pd.DataFrame) -> None:
    m = mlpool.glm("k ~ dose + arm + wt", cars, family="poisson")
    table = mlpool.drop1(m, test="Chisq").to_pandas().set_index("Parameter")
    for term, df in (("dose", 0), ("arm", 2), ("wt", 1)):
        refit = mlpool.update(m, f". ~ . - {term}")
        assert table.loc[term, "df"] == df
        assert table.loc[term, "Deviance"] == pytest.approx(refit.deviance, rel=1e-8)
        assert table.loc[term, "AIC"] == pytest.approx(refit.aic, rel=1e-8)
    assert np.isnan(table.loc["dose", "p"])
    terms = mlpool.anova(m, type="III").to_pandas().set_index("Parameter")
    assert list(terms["df"]) == [0, 2, 1]
    assert np.isnan(terms.loc["dose", "p"])
    assert terms.loc["arm", "Chi2"] == pytest.approx(table.loc["arm", "LRT"], rel=1e-8)


@pytest.mark.parametrize("type_", ["II", "III"])
@pytest.mark.parametrize("verb", [mlpool.lm, mlpool.lmer, mlpool.glmer])
def test_no_coding_or_order_changes_a_test(cars: pd.DataFrame, verb, type_: str) -> None:
    outcome = "b" if verb is mlpool.glmer else "y"
    options = {"family": "binomial"} if verb is mlpool.glmer else {}
    bar = "" if verb is mlpool.lm else " + (1 | g)"
    found = []
    for fixed in ("dose + arm + hp", "arm + dose + hp", "hp + dose + arm"):
        for coding in (None, {"arm": "contr.sum"}, {"arm": "contr.helmert"}):
            m = verb(f"{outcome} ~ {fixed}{bar}", cars, contrasts=coding, **options)
            table = mlpool.anova(m, type=type_).to_pandas().set_index("Parameter")
            found.append(table.loc[["dose", "arm", "hp"]])
    statistic = "Chi2" if "Chi2" in found[0] else "F"
    assert list(found[0]["df"]) == [0, 2, 1]
    for table in found:
        np.testing.assert_array_equal(table["df"], found[0]["df"])
        np.testing.assert_allclose(table[statistic], found[0][statistic], rtol=1e-4)
        np.testing.assert_allclose(table["p"], found[0]["p"], rtol=1e-3)
        assert np.isnan(table.loc["dose", "p"])


def test_drop1_of_mixed_models_says_df_zero(cars: pd.DataFrame) -> None:
    m = mlpool.lmer("y ~ wt + wt2 + hp + (1 | g)", cars)
    plain = mlpool.lmer("y ~ wt + hp + (1 | g)", cars)
    table = mlpool.drop1(m).to_pandas().set_index("Parameter")
    assert list(table.loc[["wt", "wt2"], "df"]) == [0, 0]
    want = mlpool.drop1(plain).to_pandas().set_index("Parameter").loc["hp"]
    np.testing.assert_allclose(
        table.loc["hp", ["F", "df_error", "p"]].to_numpy(float),
        want[["F", "df_error", "p"]].to_numpy(float), rtol=1e-6,
    )  # fmt: skip


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_what_is_aliased_has_no_unit(cars: pd.DataFrame, scale: float) -> None:
    d = cars.assign(dose=scale * (cars["dose"] + 2000), hp=cars["hp"] / scale)
    table = mlpool.anova(mlpool.lm("y ~ dose + arm + hp", d), type="III").to_pandas()
    want = mlpool.anova(mlpool.lm("y ~ arm + hp", cars), type="III").to_pandas()
    assert list(table["df"].iloc[1:4]) == [0, 2, 1]
    assert table["F"].iloc[3] == pytest.approx(want["F"].iloc[2], rel=1e-6)


def test_a_singular_covariance_takes_away_what_it_explains() -> None:
    """The pseudo-inverse, in any units: a column that another one copies changes no test."""
    rng = np.random.default_rng(1)
    A = rng.normal(size=(4, 3))
    for unit in (1.0, 1e-8, 1e8):
        B = A * [1.0, unit, 1.0]
        copied = np.column_stack([B, B[:, 1] / unit])
        one, two = copied[:, :3].T @ copied[:, :3], copied.T @ copied
        L1 = adjusted_rows(one, np.array([0]), np.array([1, 2]))
        L2 = adjusted_rows(two, np.array([0]), np.array([1, 2, 3]))
        np.testing.assert_allclose(L2 @ two @ L2.T, L1 @ one @ L1.T, rtol=1e-9)
