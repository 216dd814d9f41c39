"""demean, degroup, center, standardize: values of R's datawizard, properties, kinds of frames.

R: ``demean(sleepstudy, c("Reaction", "Days"), "Subject")``, ``degroup(..., center = "median")``,
``standardize(sleepstudy[, 1:2], robust = TRUE)``; datawizard 0.6.5.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mlpool
from mlpool.errors import MlpoolWarning


@pytest.fixture(scope="module")
def sleep() -> pd.DataFrame:
    return mlpool.load_data("sleepstudy")


def test_demean_is_datawizards(sleep: pd.DataFrame) -> None:
    made = mlpool.demean(sleep, ["Reaction", "Days"], "Subject", append=False)
    assert list(made) == ["Reaction_between", "Days_between", "Reaction_within", "Days_within"]
    squares = [16289871.157983, 3645.0, 317336.161117, 1485.0]
    assert (made**2).sum().tolist() == pytest.approx(squares, rel=1e-11)
    assert made.iloc[0].tolist() == pytest.approx([342.13383, 4.5, -92.57383, -4.5])


def test_degroup_about_the_median(sleep: pd.DataFrame) -> None:
    made = mlpool.degroup(sleep, "Reaction", "Subject", center="median", append=False)
    assert (made**2).sum().tolist() == pytest.approx([15866900.135205, 332257.853317], rel=1e-11)


def test_other_centres() -> None:
    data = {"x": [4.0, 1.0, 1.0, 9.0], "g": list("aaab")}
    for centre, expected in {"mode": 1.0, "min": 1.0, "max": 4.0}.items():
        made = mlpool.degroup(data, "x", "g", center=centre)
        assert made["x_between"].tolist() == [expected] * 3 + [9.0], centre


def test_every_kind_of_frame(make_frame: Callable[..., Any]) -> None:
    data = pd.DataFrame({"x": [1.0, 3.0, np.nan, 9.0], "g": ["a", "a", "b", "b"]})
    made = mlpool.demean(make_frame(data), "x", "g")
    assert type(made) is type(make_frame(data))
    columns = {k: np.asarray(made[k], dtype=float) for k in ("x_between", "x_within")}
    np.testing.assert_allclose(columns["x_between"], [2, 2, 9, 9])
    np.testing.assert_allclose(columns["x_within"], [-1, 1, np.nan, 0])


def test_factors_become_dummies_and_products_are_split_after_multiplying() -> None:
    data = pd.DataFrame(
        {"f": list("abcabc"), "two": list("uvuvuv"), "x": [1.0, 2, 3, 4, 5, 6],
         "z": [2.0, 1, 2, 1, 2, 1], "g": [1, 1, 1, 2, 2, 2]}
    )  # fmt: skip
    made = mlpool.demean(data, ["f", "two", "x*z"], "g", append=False)
    assert made.attrs["demean"]["within"] == [
        "f_a_within", "f_b_within", "f_c_within", "two_within", "x_z_within"
    ]  # fmt: skip
    assert made["two_between"].tolist() == pytest.approx([1 / 3] * 3 + [2 / 3] * 3)
    assert made["x_z_between"][0] == pytest.approx((2 + 2 + 6) / 3)


def test_nested_and_crossed_groups_add_up() -> None:
    rng = np.random.default_rng(1)
    data = {"x": rng.normal(size=60), "L3": np.repeat([1, 2, 3], 20), "L2": np.tile([1, 2], 30)}
    nested = mlpool.demean(data, "x", "L3/L2", append=False)
    assert nested.keys() == {"x_L3_between", "x_L2_between", "x_within"}
    np.testing.assert_allclose(sum(nested.values()), data["x"])
    by_hand = pd.DataFrame(data).groupby(["L3", "L2"])["x"].transform("mean")
    np.testing.assert_allclose(nested["x_L3_between"] + nested["x_L2_between"], by_hand)
    crossed = mlpool.demean(data, "x", ["L3", "L2"], append=False)
    np.testing.assert_allclose(sum(crossed.values()), data["x"])
    same = mlpool.demean(data, "x", ["L3", "L2"], nested=True, append=False)
    assert all(np.array_equal(same[k], nested[k]) for k in nested)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30), st.integers(1, 5))
def test_parts_add_up_and_do_not_correlate(values: list[float], n_groups: int) -> None:
    data = {"x": np.array(values), "g": np.arange(len(values)) % n_groups}
    made = mlpool.demean(data, "x", "g", append=False)
    size = max(np.abs(values)) + 1
    np.testing.assert_allclose(made["x_between"] + made["x_within"], values, atol=1e-9 * size)
    assert abs(made["x_between"] @ made["x_within"]) <= 1e-8 * size**2
    by_hand = pd.DataFrame(data).groupby("g")["x"].transform("mean")
    np.testing.assert_allclose(made["x_between"], by_hand, atol=1e-9 * size)


def test_within_and_between_parts_in_a_model(sleep: pd.DataFrame) -> None:
    """The slope of the within part is the fixed-effects (no-pooling) slope."""
    rng = np.random.default_rng(2)
    subject = sleep["Subject"].cat.codes.to_numpy()
    data = sleep.assign(x=rng.normal(size=len(sleep)) + rng.normal(size=18)[subject])
    made = mlpool.demean(data, "x", "Subject")
    m = mlpool.lmer("Reaction ~ x_within + x_between + (1 | Subject)", made)
    no_pooling = mlpool.lm("Reaction ~ x + Subject", data)
    assert m.fixef()["x_within"] == pytest.approx(no_pooling.fixef()["x"], rel=1e-8)


def test_center_and_standardize_are_rs(sleep: pd.DataFrame) -> None:
    robust = mlpool.standardize(sleep, ["Reaction", "Days"], robust=True)
    squares = (robust[["Reaction", "Days"]] ** 2).sum().tolist()
    assert squares == pytest.approx([166.264809615, 108.093217626], rel=1e-10)
    doubled = mlpool.standardize(sleep, two_sd=True)
    assert doubled["Days"][0] == pytest.approx(-0.781170450495, rel=1e-11)
    z = mlpool.standardize(sleep, append=True)
    assert list(z) == [*sleep.columns, "Reaction_z", "Days_z"]
    assert z.attrs["center"]["Days"] == 4.5
    assert z["Days_z"].std() == pytest.approx(1.0)
    assert "Days_z" not in sleep
    np.testing.assert_allclose(mlpool.center(sleep, "Days")["Days"], sleep["Days"] - 4.5)
    np.testing.assert_allclose(mlpool.center(sleep, "Days", robust=True)["Days"], z["Days"] - 4.5)


def test_center_about_groups_and_a_reference(sleep: pd.DataFrame) -> None:
    by_group = mlpool.center(sleep, "Reaction", by="Subject")["Reaction"]
    split = mlpool.demean(sleep, "Reaction", "Subject")["Reaction_within"]
    np.testing.assert_allclose(by_group, split)
    assert mlpool.center(sleep, "Days", reference=9)["Days"].max() == 0
    scaled = mlpool.standardize(sleep, "Reaction", by="Subject")
    spread = scaled.groupby("Subject", observed=True)["Reaction"].std()
    np.testing.assert_allclose(spread, 1.0)
    robust = mlpool.standardize(sleep, "Reaction", by="Subject", robust=True)
    middle = robust.groupby("Subject", observed=True)["Reaction"].median()
    np.testing.assert_allclose(middle, 0.0, atol=1e-12)


def test_a_single_column() -> None:
    series = pd.Series([1.0, 2.0, 6.0], index=[5, 6, 7], name="v")
    assert mlpool.center(series).tolist() == [-2.0, -1.0, 3.0]
    assert mlpool.center(series).index.tolist() == [5, 6, 7]
    assert mlpool.standardize(np.array([1.0, 2.0, 3.0])).tolist() == [-1.0, 0.0, 1.0]


def test_columns_without_spread_are_said() -> None:
    with pytest.warns(MlpoolWarning, match="Column 'x' has a spread of 0 and is only centred"):
        assert mlpool.standardize({"x": [0.1, 0.1, 0.1]})["x"].tolist() == [0, 0, 0]
    with pytest.warns(MlpoolWarning, match="a spread of 0 in 1 of 2 groups"):
        mlpool.standardize({"x": [1.0, 1.0, 2.0, 3.0], "g": list("aabb")}, "x", by="g")
