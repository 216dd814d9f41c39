"""R's three-valued logic, comparisons and choices, row by row."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

import mlpool

NAN = float("nan")
PAIRS = list(itertools.product((1.0, 0.0, NAN), repeat=2))
DATA = pd.DataFrame(PAIRS, columns=["p", "q"])
SIZES = ["low", "mid", "high"]
SIZED = pd.DataFrame(
    {"o": pd.Categorical([*SIZES, None], SIZES, ordered=True), "t": [*"bca", None]}
)


def column(text: str, data: pd.DataFrame) -> list[float]:
    """Return what an expression is in every row, NaN where it is missing."""
    rows = data.assign(row=np.arange(len(data)))
    kept = mlpool.model_matrix(f"~ 0 + row + as.numeric({text})", rows).to_numpy()
    out = np.full(len(data), NAN)
    out[kept[:, 0].astype(int)] = kept[:, 1]
    return out.tolist()


def expect(text: str, data: pd.DataFrame, want: list[float]) -> None:
    np.testing.assert_array_equal(column(text, data), want, err_msg=text)


def test_and_or_not_are_those_of_r():
    # ?Logic: the table of outer(x, x, "&") and outer(x, x, "|") for x = c(TRUE, FALSE, NA)
    expect("p > 0 & q > 0", DATA, [1, 0, NAN, 0, 0, 0, NAN, 0, NAN])
    expect("p > 0 | q > 0", DATA, [1, 1, 1, 1, 0, NAN, 1, NAN, NAN])
    expect("!(p > 0)", DATA, [0, 0, 0, 1, 1, 1, NAN, NAN, NAN])


def test_and_or_satisfy_de_morgan_with_missing_values():
    left, right = column("!(p > 0 & q > 0)", DATA), column("!(p > 0) | !(q > 0)", DATA)
    np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("function", ["ifelse", "np.where"])
def test_a_missing_test_chooses_nothing(function):
    expect(f"{function}(p > 0, 5, 7)", DATA, [5, 5, 5, 7, 7, 7, NAN, NAN, NAN])
    expect(f"{function}(p > 0, q, 9)", DATA, [1, 0, NAN, 9, 9, 9, NAN, NAN, NAN])


def test_ifelse_of_text_makes_levels():
    data = pd.DataFrame({"y": [1.0, 2, 4, 3, 5, 9], "x": [-1.0, 2, 3, -4, 5, -6]})
    m = mlpool.lm('y ~ ifelse(x > 0, "hi", "lo")', data)
    assert m.names == ["(Intercept)", 'ifelse(x > 0, "hi", "lo")lo']
    assert m.predict(data.iloc[[0]]).iloc[0] == pytest.approx(data["y"][data["x"] < 0].mean())
    logical = mlpool.lm("y ~ ifelse(x > 0, TRUE, FALSE)", data)
    assert logical.names[1] == "ifelse(x > 0, TRUE, FALSE)TRUE"


def test_ordered_factors_compare_by_their_order():
    expect('o < "high"', SIZED, [1, 1, 0, NAN])
    expect('o >= "mid"', SIZED, [0, 1, 1, NAN])
    expect('"mid" <= o', SIZED, [0, 1, 1, NAN])
    expect('o != "mid"', SIZED, [1, 0, 1, NAN])
    with pytest.raises(mlpool.DataError, match="'medium' is no level"):
        column('o > "medium"', SIZED)


def test_text_compares_as_text_and_unordered_factors_do_not():
    expect('t > "a"', SIZED, [1, 1, 0, NAN])
    with pytest.raises(mlpool.DataError, match="neither more nor less"):
        column('t > "a"', SIZED.astype({"t": "category"}))


def test_factors_of_numbers_compare_with_numbers():
    data = pd.DataFrame({"k": pd.Categorical([1, 2, 10])})
    expect("k == 2", data, [0, 1, 0])
    expect("k != 10", data, [1, 1, 0])
    expect('k == "10"', data, [0, 0, 1])


def test_in_is_true_or_false():
    expect('t %in% c("a", "b")', SIZED, [1, 0, 1, 0])
    expect("p %in% 1:4", DATA, [1, 1, 1, 0, 0, 0, 0, 0, 0])
    expect('!(t %in% "a")', SIZED, [1, 1, 0, 1])


def test_text_is_read_as_numbers():
    data = pd.DataFrame(
        {"t": ["1.5", "2,5", " -3 ", "1e2", "."], "f": pd.Categorical(list("cbcba"))}
    )
    expect("t", data, [1.5, 2.5, -3, 100, NAN])
    expect("as.integer(t)", data, [1, 2, -3, 100, NAN])
    expect("f", data, [3, 2, 3, 2, 1])  # R: the codes of a factor
    with pytest.warns(mlpool.MlpoolWarning, match="'many'"):
        expect("t", data.replace({"t": {".": "many"}}), [1.5, 2.5, -3, 100, NAN])
    codes = pd.DataFrame({"f": pd.Categorical(["10", "20", "10"])})
    expect("as.character(f)", codes, [10, 20, 10])


def test_rows_that_a_subset_keeps():
    data = pd.DataFrame({"y": np.arange(30.0) % 7, "x": np.arange(30.0), "z": np.arange(30.0) - 15})
    data.loc[:4, "z"] = np.nan
    assert mlpool.lm("y ~ x", data, subset="z > -100 & x > -1").nobs == 25
    assert mlpool.lm("y ~ x", data, subset="z > 0 | x > 100").nobs == int((data["z"] > 0).sum())
    assert mlpool.lm("y ~ x", data, subset="z > -100 | x > -1").nobs == 30


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("scale(x, center = 5, scale = 2)", lambda x: (x - 5) / 2),
        ("scale(x, 5, 1)", lambda x: x - 5),
        ("scale(x, center = 5, scale = FALSE)", lambda x: x - 5),
        ("scale(x, scale = 2)", lambda x: (x - x.mean()) / 2),
        ("scale(x, center = 0)", lambda x: x / np.sqrt((x**2).sum() / (len(x) - 1))),
        ("scale(x, FALSE, F)", lambda x: x),
    ],
)
def test_scale_by_numbers(text, want):
    x = np.array([3.0, 4.0, 7.0, 10.0])
    got = mlpool.model_matrix(f"~ {text}", {"x": x}).iloc[:, 1]
    np.testing.assert_allclose(got, want(x))
