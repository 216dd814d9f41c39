"""What a rank-deficient fit does not determine is said; nested factors average within their nests.

R's numbers: tests/estimates/r/not_estimable.R (R 4.2.2, emmeans 1.8.4).
"""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

import mlpool
from mlpool.hypotheses.estimability import estimable_part, not_estimable

pytestmark = pytest.mark.filterwarnings("ignore::mlpool.errors.RankDeficiencyWarning")

_MPG = (
    "21 21 22.8 21.4 18.7 18.1 14.3 24.4 22.8 19.2 17.8 16.4 17.3 15.2 10.4 10.4 14.7 32.4 30.4 "
    "33.9 21.5 15.5 15.2 13.3 19.2 27.3 26 30.4 15.8 19.7 15 21.4"
)
_WT = (
    "2.62 2.875 2.32 3.215 3.44 3.46 3.57 3.19 3.15 3.44 3.44 4.07 3.73 3.78 5.25 5.424 5.345 2.2 "
    "1.615 1.835 2.465 3.52 3.435 3.84 3.845 1.935 2.14 1.513 3.17 2.77 3.57 2.78"
)
_CYL = "6 6 4 6 8 6 8 4 4 6 6 8 8 8 8 8 8 4 4 4 4 8 8 8 8 4 4 4 8 6 8 4"


@pytest.fixture(scope="module")
def cars():
    d = pd.DataFrame({"mpg": _MPG.split(), "wt": _WT.split()}).astype(float)
    d["f"] = _CYL.split()
    d["h"] = np.where(d["f"] == "4", "a", np.where(np.arange(32) % 2 == 1, "a", "b"))
    return mlpool.lm("mpg ~ f * h + wt", d)


@pytest.fixture(scope="module")
def drugs():
    d = pd.DataFrame({
        "route": ["injection"] * 5 + ["oral"] * 9,
        "drug": ["Bov"] * 3 + ["Char"] * 2 + ["Ang"] * 4 + ["Her"] * 2 + ["Mol"] * 3,
        "resp": [34, 35, 34, 44, 43, 36, 33, 36, 32, 26, 25, 25, 24, 24],
    })  # fmt: skip
    return mlpool.lm("resp ~ route + drug", d)


@pytest.fixture(scope="module")
def birds():
    i = np.arange(42)
    d = pd.DataFrame({"nest": list("aabbbcc") * 6, "bird": [f"b{k}" for k in range(7)] * 6})
    d["x"], d["trt"] = i % 5.0, list("uuvvww") * 7
    d["y"] = d["x"] + (d["nest"] == "b") + i * 4 / 11 + i * 5 / 7
    return mlpool.lm("y ~ trt * nest + bird + x", d)


def _tests(table):
    return table.to_pandas().set_index("Term")


def test_joint_tests_of_empty_cells_test_what_can_be_estimated(cars):
    table = _tests(mlpool.joint_tests(cars))
    assert table.index.to_list() == ["f", "wt", "f:h", "(confounded)"]
    assert table["df1"].to_list() == [1, 1, 1, 2]
    # emmeans rounds F before it takes the difference that is the last row
    np.testing.assert_allclose(table["F"], [1.385, 16.530, 0.413, 52.562], atol=1.1e-3)
    np.testing.assert_allclose(table["p"][:3], [0.2500, 0.0004, 0.5261], atol=6e-5)
    assert table["Note"].to_list() == ["e", "", "e", ""]


def test_joint_tests_within_levels(cars):
    table = mlpool.joint_tests(cars, by="h").to_pandas()
    assert table["h"].astype(str).to_list() == ["a", "a", "b", "b"]
    assert table["df1"].to_list() == [2, 1, 1, 1]
    np.testing.assert_allclose(table["F"], [5.994, 16.530, 0.182, 16.530], atol=6e-4)
    np.testing.assert_allclose(table["p"], [0.0072, 0.0004, 0.6728, 0.0004], atol=6e-5)


def test_joint_tests_do_not_depend_on_the_reference_levels_or_units(cars):
    d = mlpool.estimate_expectation(cars).to_pandas()[["f", "h", "wt"]]
    d["mpg"] = np.array(_MPG.split(), dtype=float)
    expected = _tests(mlpool.joint_tests(cars))
    d["wt"] *= 1.0  # mean plus and minus one is a unit of its own: only the response's changes
    d["mpg"] *= 1e-6
    d["f"] = pd.Categorical(d["f"].astype(str), categories=["8", "4", "6"])
    d["h"] = pd.Categorical(d["h"].astype(str), categories=["b", "a"])
    found = _tests(mlpool.joint_tests(mlpool.lm("mpg ~ f * h + wt", d)))
    np.testing.assert_allclose(found["F"], expected["F"], rtol=1e-8)
    assert found["df1"].to_list() == expected["df1"].to_list()


def test_families_are_what_was_asked_whatever_the_method(cars):
    tukey = mlpool.pairs(cars, "~ f | h").to_pandas()
    holm = mlpool.pairs(cars, "~ f | h", adjust="holm").to_pandas()
    np.testing.assert_allclose(
        tukey["p"][[0, 1, 2, 5]], [0.0418, 0.0076, 0.3374, 0.9047], atol=6e-5
    )
    np.testing.assert_allclose(holm["p"][[0, 1, 2, 5]], [0.0326, 0.0084, 0.1627, 1.0], atol=6e-5)
    assert tukey["p"].isna().to_list() == [False] * 3 + [True] * 2 + [False]
    own = mlpool.estimate_contrasts(cars, "f", by="h", p_adjust="holm").to_pandas()
    np.testing.assert_allclose(own["p"], holm["p"])


def test_nested_factors_average_within_their_nests(drugs):
    table = mlpool.emmeans(drugs, "~ route")
    np.testing.assert_allclose(table["Mean"], [38.9, 28.0], atol=0.05)
    np.testing.assert_allclose(table["SE"], [0.591, 0.449], atol=6e-4)
    assert "drug is nested in route" in str(table)
    both = mlpool.estimate_means(drugs, ["route", "drug"]).to_pandas().set_index("drug")
    assert len(both) == 5 and both["Mean"].notna().all()
    tests = _tests(mlpool.joint_tests(drugs))
    assert tests.index.to_list() == ["route", "route:drug"]
    np.testing.assert_allclose(tests["F"], [215.232, 59.851], atol=1e-3)


def test_nests_weigh_the_same_however_many_levels_they_have(birds):
    table = mlpool.pairs(birds, "~ trt").to_pandas()
    np.testing.assert_allclose(table["Difference"], [-3.53, -7.52, -3.98], atol=6e-3)
    np.testing.assert_allclose(table["p"], [0.7637, 0.3014, 0.7090], atol=6e-5)
    within = mlpool.pairs(birds, "~ bird | nest").to_pandas()
    np.testing.assert_allclose(within["p"], [0.8958, 0.9904, 0.9624, 0.9904, 0.8958], atol=6e-5)
    tests = _tests(mlpool.joint_tests(birds))
    np.testing.assert_allclose(tests["F"], [1.143, 0.540, 0.989, 0.026, 3.240], atol=6e-4)


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("shift", [0.0, 1e3])
def test_aliased_slopes_and_predictions_off_the_span(unit, shift):
    rng = np.random.default_rng(0)
    d = pd.DataFrame({"a": unit * (shift + rng.normal(size=40)), "c": rng.normal(size=40)})
    d["b"] = 2.0 * d["a"]
    d["y"] = 1.0 - 4.0 * d["a"] / unit + rng.normal(size=40)
    m = mlpool.lm("y ~ a + b + c", d)
    for trend in ("a", "b"):
        table = mlpool.estimate_slopes(m, trend)
        assert np.isnan(table["Slope"]).all() and "cannot be estimated" in str(table)
    assert np.isfinite(mlpool.estimate_slopes(m, "c")["Slope"]).all()
    # rows on the span are predicted without a word, rows off it with one
    with warnings.catch_warnings():
        warnings.simplefilter("error", mlpool.RankDeficiencyWarning)
        np.testing.assert_allclose(m.predict(d), m.fitted, rtol=1e-8)
    off = d.head(2).assign(b=[2.0 * d["a"][0], 0.5 * unit * (1 + shift)])
    with pytest.warns(mlpool.RankDeficiencyWarning, match=r"1 of 2 predictions .*\(b\)"):
        m.predict(off)
    table = mlpool.estimate_expectation(m, data=off)
    assert table["Predicted"].isna().to_list() == [False, True]
    assert "1 of 2 predictions cannot be estimated" in str(table)


def test_missing_numbers_of_every_table_have_a_sentence(cars):
    tables = [
        mlpool.estimate_means(cars, ["f", "h"]), mlpool.estimate_means(cars, "f"),
        mlpool.estimate_contrasts(cars, "f"), mlpool.estimate_contrasts(cars, "f", by="h"),
        mlpool.estimate_relation(cars, by=["f", "h"], preserve_range=False),
    ]  # fmt: skip
    for table in tables:
        assert table.to_pandas().isna().any(axis=None)
        assert "cannot be estimated: the data do not determine them" in str(table)
    empty = mlpool.estimate_means(cars, ["f", "h"], estimate="average")
    assert "cannot be estimated" in str(empty)


def test_estimable_combinations_lie_in_the_row_space(cars):
    X = cars.design.X.rows(0, cars.design.n)
    rng = np.random.default_rng(1)
    rows = np.vstack([X[:3], rng.normal(size=(4, X.shape[1]))])
    in_space = [np.linalg.matrix_rank(np.vstack([X, r])) == np.linalg.matrix_rank(X) for r in rows]
    assert (~not_estimable(cars, rows)).tolist() == in_space
    part = estimable_part(cars, rows)
    # one dimension of the null space is lost
    assert len(part) == len(rows) - 1
