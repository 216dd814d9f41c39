"""Which models are special cases of others: whatever units, zeros, offsets and links."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mlpool
from mlpool.hypotheses.nested_models import is_nested

pytestmark = pytest.mark.filterwarnings("ignore::mlpool.errors.MlpoolWarning")


@pytest.fixture(scope="module")
def growth() -> pd.DataFrame:
    rng = np.random.default_rng(11)
    g, t = np.repeat(np.arange(20), 8), np.tile(np.arange(8.0), 20)
    y = 50 + 3 * rng.normal(size=20)[g] + (0.8 + 0.5 * rng.normal(size=20))[g] * t
    d = pd.DataFrame({"y": y + 2 * rng.normal(size=160), "g": g, "t": t, "z": rng.normal(size=160)})
    d["b"] = (d["z"] + rng.normal(size=160) > 0).astype(int)
    return d


@pytest.mark.parametrize(
    ("scale", "shift"), [(1.0, 2000.0), (1e-9, 0.0), (1e9, 0.0), (86400.0, 1.7e9), (1.0, 1e5)]
)
def test_growth_models_are_nested_in_every_calendar(
    growth: pd.DataFrame, scale: float, shift: float
) -> None:
    def models(d: pd.DataFrame):
        bars = ("(1 | g)", "(t | g)")
        return [mlpool.lmer(f"y ~ t + {bar}", d, REML=False) for bar in bars]

    want = mlpool.anova(*models(growth)).to_pandas().iloc[1]
    moved = growth.assign(t=scale * growth["t"] + shift)
    got = mlpool.anova(*models(moved)).to_pandas().iloc[1]
    assert [got["Chi2"], got["df"]] == pytest.approx([want["Chi2"], want["df"]], rel=1e-4)
    small, big = mlpool.lm("y ~ z", moved), mlpool.lm("y ~ z + t", moved)
    assert is_nested(small, big)
    assert not is_nested(mlpool.lm("y ~ t", moved), mlpool.lm("y ~ z", moved))
    slope = mlpool.lmer("y ~ t + (0 + z | g)", moved)
    assert not is_nested(models(moved)[0], slope)


def test_offsets_that_differ_have_no_test(growth: pd.DataFrame) -> None:
    plain = mlpool.lm("y ~ 1", growth)
    table = mlpool.anova(plain, mlpool.lm("y ~ z + offset(0.3 * t)", growth))
    assert np.isnan(table.to_pandas()["p"].iloc[1])
    assert "different offsets: no test" in str(table)
    mixed = mlpool.lmer("y ~ 1 + (1 | g)", growth)
    given = mlpool.lmer("y ~ z + (1 | g)", growth, offset=0.3 * growth["t"])
    table = mlpool.anova(mixed, given)
    assert np.isnan(table.to_pandas()["p"].iloc[1])
    assert "different offsets: no test" in str(table)


def test_an_offset_in_the_span_of_the_larger_model_is_a_hypothesis(growth: pd.DataFrame) -> None:
    """``y ~ 1 + offset(t)`` is ``y ~ t`` with a slope of one."""
    one, free = mlpool.lm("y ~ 1 + offset(t)", growth), mlpool.lm("y ~ t", growth)
    F = mlpool.anova(one, free).to_pandas()["F"].iloc[1]
    assert mlpool.linear_hypothesis(free, "t = 1")["F"].iloc[0] == pytest.approx(F, rel=1e-8)


@pytest.mark.parametrize("verb", [mlpool.glm, mlpool.glmer])
def test_links_that_differ_have_no_test(growth: pd.DataFrame, verb) -> None:
    bar = " + (1 | g)" if verb is mlpool.glmer else ""
    small = verb(f"b ~ 1{bar}", growth, family="binomial(cloglog)")
    big = verb(f"b ~ z{bar}", growth, family="binomial")
    table = mlpool.anova(small, big)
    assert np.isnan(table.to_pandas()["p"].iloc[1])
    assert "different links (cloglog and logit): no test" in str(table)


def test_other_rows_are_refused(growth: pd.DataFrame) -> None:
    """As many rows, and the same response by chance, but not the same observations."""
    d = growth.assign(b=1.0 * (growth["t"] > 3), u=growth["z"], v=growth["t"])
    d.loc[0, "u"] = np.nan
    d.loc[1, "v"] = np.nan
    a, b = mlpool.lm("b ~ u", d), mlpool.lm("b ~ u + v", d.assign(u=growth["z"]))
    with pytest.raises(mlpool.DataError, match="different rows"):
        mlpool.anova(a, b)
