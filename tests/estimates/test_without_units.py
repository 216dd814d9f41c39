"""Slopes and contrasts in any unit, and groups whose names have colons."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import mlpool

UNITS = [(1e-9, 1.0), (1e9, 1.0), (1.0, 1e-9), (1.0, 1e9), (1e-9, 1e9), (1e-6, 1e-6)]


def _data() -> pd.DataFrame:
    rng = np.random.default_rng(21)
    n = 240
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=n) + 2.0,
            "f": np.array(list("abc"))[rng.integers(0, 3, n)],
            "school": np.repeat([f"s{i}" for i in range(12)], 20),
        }
    )
    own = np.repeat(rng.normal(size=12), 20)
    frame["y"] = frame.x + (frame.f == "b") * 0.7 + own + rng.normal(size=n)
    return frame


DATA = _data()
FORMULAS = {"lm": "y ~ x * f", "lmer": "y ~ x * f + (1 | school)"}


def _tests(model: Any) -> np.ndarray[Any, Any]:
    tables = (
        mlpool.estimate_slopes(model, "x"),
        mlpool.estimate_slopes(model, "x", by="f"),
        mlpool.estimate_contrasts(model, "f"),
        mlpool.estimate_contrasts(model, "x", by="f"),
        mlpool.estimate_contrasts(model, "f", estimate="average"),
    )
    return np.concatenate([t.to_pandas()[["t", "p"]].to_numpy().ravel() for t in tables])


@pytest.mark.parametrize("kind", sorted(FORMULAS))
@pytest.mark.parametrize(("of_y", "of_x"), UNITS)
def test_slopes_and_contrasts_have_no_unit(kind: str, of_y: float, of_x: float) -> None:
    fit = getattr(mlpool, kind)
    want = _tests(fit(FORMULAS[kind], DATA))
    got = _tests(fit(FORMULAS[kind], DATA.assign(y=DATA.y * of_y, x=DATA.x * of_x)))
    assert np.abs(want).min() > 0
    np.testing.assert_allclose(got, want, rtol=1e-6)


@pytest.mark.parametrize("of_y", [1e-9, 1.0, 1e9])
def test_what_is_rounding_is_zero_in_every_unit(of_y: float) -> None:
    data = DATA.assign(y=DATA.y * of_y)
    model = mlpool.lm("y ~ I(f == 'a') + poly(x, 2)", data)
    table = mlpool.estimate_contrasts(model, "f").to_pandas()
    of_b_and_c = [{a, b} == {"b", "c"} for a, b in zip(table.Level1, table.Level2, strict=True)]
    assert table["Difference"][of_b_and_c].tolist() == [0.0]
    assert (table["Difference"] == 0.0).sum() == 1
    flat = mlpool.lm("y ~ I((x - 2)^2)", data)
    assert mlpool.estimate_slopes(flat, "x", by="x = [2]").to_pandas()["Slope"].item() == 0.0


@pytest.mark.parametrize("name", ["a:b", "a b", "a(b)", "a`b", "a/b"])
def test_groups_of_any_name_are_told_apart_by_the_grid(name: str) -> None:
    written = "`" + name.replace("`", "\\`") + "`"
    plain = mlpool.lmer("y ~ x + (1 | school:f)", DATA)
    odd = mlpool.lmer(f"y ~ x + (1 | {written}:f)", DATA.rename(columns={"school": name}))
    want = mlpool.estimate_relation(plain, by=["x = [0, 1]", "school", "f"], include_random=True)
    got = mlpool.estimate_relation(odd, by=["x = [0, 1]", name, "f"], include_random=True)
    columns = ["Predicted", "SE"]
    np.testing.assert_allclose(got.to_pandas()[columns], want.to_pandas()[columns], rtol=1e-9)
    rows = DATA.rename(columns={"school": name}).iloc[::5]
    of_rows = mlpool.estimate_expectation(odd, data=rows).to_pandas()
    np.testing.assert_allclose(of_rows["Predicted"], np.asarray(odd.fitted)[::5], rtol=1e-9)
    assert name in of_rows.columns
    with pytest.raises(mlpool.OptionError, match="add 'f' to by="):
        mlpool.estimate_relation(odd, by=["x", name], include_random=True)


def test_include_random_names_a_group_as_the_formula_or_as_the_data_do() -> None:
    odd = mlpool.lmer("y ~ x + (1 | `a:b`)", DATA.rename(columns={"school": "a:b"}))
    by = ["x = [0]", "a:b"]
    want = mlpool.estimate_relation(odd, by=by, include_random=True).to_pandas()
    for spelled in ("`a:b`", "a:b"):
        got = mlpool.estimate_relation(odd, by=by, include_random=spelled).to_pandas()
        pd.testing.assert_frame_equal(got, want)


@pytest.mark.parametrize("of_x", [1e-9, 1.0, 1e9])
def test_grids_stay_inside_the_data_of_their_groups_in_every_unit(of_x: float) -> None:
    data = DATA.assign(x=(DATA.x + 3.0 * (DATA.f == "b")) * of_x)
    model = mlpool.lm("y ~ x * f", data)
    grid = mlpool.estimate_relation(model, by=["x", "f"]).to_pandas()
    for level, part in data.groupby("f"):
        own = grid["x"][grid["f"] == level]
        rounding = 1e-3 * of_x
        assert own.min() >= part["x"].min() - rounding
        assert own.max() <= part["x"].max() + rounding
    with pytest.warns(mlpool.ExtrapolationWarning):
        mlpool.estimate_relation(model, by={"x": [data["x"].max() * 1.1], "f": None})
