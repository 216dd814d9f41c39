"""Profiles of separated outcomes: infinite on one side, and the rest as without those rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mlpool

pytestmark = pytest.mark.filterwarnings("ignore::mlpool.errors.MlpoolWarning")


def _study() -> pd.DataFrame:
    """Ten groups of twelve; every row with z = 1 has y = 1. R reads the same numbers."""
    i = np.arange(120)
    g = i // 12
    x = np.sin(i * 1.7) * 1.4
    z = (i % 3 == 0) * 1.0
    u = np.cos(g * 2.3)
    y = ((0.5 * x + u + 2.2 * np.sin(i * 5.1 + 1)) > 0) * 1.0
    return pd.DataFrame({"g": g, "x": x, "z": z, "y": np.where(z == 1, 1.0, y)})


@pytest.mark.parametrize("link", ["logit", "probit"])
def test_others_are_profiled_as_without_the_separated_rows(link: str) -> None:
    d = _study()
    family = f"binomial({link})"
    whole = mlpool.confint(mlpool.glmer("y ~ x + z + (1 | g)", d, family=family))
    rest = mlpool.confint(mlpool.glmer("y ~ x + (1 | g)", d[d.z == 0], family=family))
    for name in rest.index:
        np.testing.assert_allclose(whole.loc[name], rest.loc[name], atol=1e-4)
    assert whole.loc["z"].iloc[1] == np.inf
    assert np.isfinite(whole.loc["z"].iloc[0])


def test_the_finite_bound_is_where_the_deviance_has_risen() -> None:
    d = _study()
    m = mlpool.glmer("y ~ x + z + (1 | g)", d, family="binomial")
    low = mlpool.confint(m).loc["z"].iloc[0]
    d["held"] = low * d.z
    held = mlpool.glmer("y ~ x + offset(held) + (1 | g)", d, family="binomial")
    assert -2 * (held.loglik - m.loglik) == pytest.approx(3.841458820694124, abs=1e-4)


@pytest.mark.parametrize("change", [{"z": 1e6}, {"z": 1e-6}, {"x": 1e-4}])
def test_bounds_have_no_unit(change: dict[str, float]) -> None:
    d = _study()
    ((name, c),) = change.items()
    f = "y ~ x + z + (1 | g)"
    base = mlpool.confint(mlpool.glmer(f, d, family="binomial"))
    other = mlpool.confint(mlpool.glmer(f, d.assign(**{name: d[name] * c}), family="binomial"))
    np.testing.assert_allclose(other.loc[name] * c, base.loc[name], rtol=1e-4)


def test_complete_separation_has_half_lines() -> None:
    d = _study()
    d["y"] = (d.x > 0.1) * 1.0
    found = mlpool.confint(mlpool.glmer("y ~ x + (1 | g)", d, family="binomial"))
    assert found.loc["x"].iloc[1] == np.inf
    assert 0.0 < found.loc["x"].iloc[0] < np.inf


def test_only_what_runs_to_infinity_is_named() -> None:
    """An intercept of calendar years has a standard error of hundreds, and is finite."""
    d = _study()
    for m in (
        mlpool.glmer("y ~ x + z + (1 | g)", d.assign(x=d.x + 2000.0), family="binomial"),
        mlpool.glm("y ~ x + z", d.assign(x=d.x + 2000.0), family="binomial"),
    ):
        (text,) = [t for t in m.messages if "infinity" in t]
        assert text.startswith("The coefficient z runs to infinity: quasi-complete")


def test_a_glm_keeps_its_findings() -> None:
    d = _study()
    with pytest.warns(mlpool.ConvergenceWarning, match="quasi-complete") as caught:
        m = mlpool.glm("y ~ x + z", d, family="binomial")
    assert len(caught) == 1
    assert "quasi-complete separation" in " ".join(m.messages)
    again = mlpool.refit(m, np.where(d.z == 1, 1 - d.x.gt(0), d.y))
    assert not again.messages
