"""``ns()``, ``cut()`` and numbers of a whole column are R's (values: r/columns.R)."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mlpool

X = [0.3, 1.1, 2.7, 3.2, 4.8, 5.5, 7.1, 8.9]
DATA = pd.DataFrame({"x": X, "y": np.arange(8.0) ** 1.5})

NATURAL = [
    [0.0, 0.0, 0.0],
    [0.00514585420410602, 0.574832337192872, -0.358510064962598],
    [-0.15324447344301004, 0.407714654114430, 0.745529819328580],
]
"""Rows 1, 4, 8 of ``ns(x, df = 3)``."""
GIVEN = [
    [-0.145572117427888, -0.166414907788774, 0.583108427260709, -0.416506019471935],
    [0.571244181724631, 0.170884205868050, 0.197460835017379, -0.140967263107652],
    [0.0, -0.543589743589744, 0.552564102564103, 0.991025641025641],
]
"""With an intercept and knots inside and at the ends; 8.9 lies beyond them."""


def test_natural_splines_have_the_columns_of_r() -> None:
    given = "ns(x, knots = c(3, 6), intercept = TRUE, Boundary.knots = c(0, 8))"
    for text, rows in {"ns(x, df = 3)": NATURAL, given: GIVEN}.items():
        matrix = mlpool.model_matrix(f"~ 0 + {text}", DATA).to_numpy()
        np.testing.assert_allclose(matrix[[0, 3, 7]], rows, atol=1e-14)  # columns are about one


def test_natural_splines_are_straight_beyond_their_ends() -> None:
    m = mlpool.lm("y ~ ns(x, 3)", DATA)
    new = m.predict(pd.DataFrame({"x": [-1.0, 5.0, 12.0]}))
    np.testing.assert_allclose(new, [-1.36808763770048, 9.33524298656512, 25.22661447778736])
    line = m.predict(pd.DataFrame({"x": [9.0, 10.0, 11.0, 12.0]}))
    np.testing.assert_allclose(np.diff(line, n=2), 0.0, atol=1e-13 * line.max())
    assert mlpool.lm("y ~ ns(x)", DATA).names == ["(Intercept)", "ns(x)"]


CLASSES = {
    "cut(x, 3)": ["(0.291,3.17]"] * 3 + ["(3.17,6.03]"] * 3 + ["(6.03,8.91]"] * 2,
    "cut(x * 1000, 4, dig.lab = 2)": [
        *["(2.9e+02,2.4e+03]"] * 2, *["(2.4e+03,4.6e+03]"] * 2, *["(4.6e+03,6.8e+03]"] * 2,
        *["(6.8e+03,8.9e+03]"] * 2,
    ],
    "cut(x, c(0.3, 3, 8), include.lowest = TRUE)": ["[0.3,3]"] * 3 + ["(3,8]"] * 4 + [None],
    "cut(x, c(0.3, 3.2, 8.9), right = FALSE, include.lowest = TRUE)":
        ["[0.3,3.2)"] * 3 + ["[3.2,8.9]"] * 5,
    "cut(x, c(-Inf, 2.71828, 3.14159, Inf))": ["(-Inf,2.72]"] * 3 + ["(3.14, Inf]"] * 5,
}  # fmt: skip


@pytest.mark.parametrize("text", CLASSES)
def test_classes_and_labels_are_those_of_r(text: str) -> None:
    wanted = CLASSES[text]
    matrix = mlpool.model_matrix(f"~ 0 + {text}", DATA.assign(y=0.0), na_action="omit")
    for label in dict.fromkeys(v for v in wanted if v):
        rows = [v == label for v in wanted if v]
        np.testing.assert_array_equal(matrix[f"{text}{label}"], rows, err_msg=label)


def test_labels_grow_until_limits_differ() -> None:
    close = pd.DataFrame({"x": [1.000005, 1.000015, 1.5], "y": [1.0, 2.0, 4.0]})
    m = mlpool.lm("y ~ 0 + cut(x, c(1, 1.00001, 1.00002, 2), dig.lab = 3)", close)
    wanted = ["(1,1.00001]", "(1.00001,1.00002]", "(1.00002,2]"]
    assert [
        name.removeprefix("cut(x, c(1, 1.00001, 1.00002, 2), dig.lab = 3)") for name in m.names
    ] == wanted


def test_classes_are_those_of_the_fit_for_new_rows() -> None:
    m = mlpool.lm("y ~ cut(x, 3)", DATA)
    new = m.predict(pd.DataFrame({"x": [1.0, 8.0, 100.0]}))
    np.testing.assert_allclose(new[:2], DATA.y.groupby([0, 0, 0, 1, 1, 1, 2, 2]).mean()[[0, 2]])
    assert np.isnan(new[2])


def test_labels_order_and_numbers_of_classes() -> None:
    named = 'y ~ cut(x, c(0, 3, 9), labels = c("low", "high"), ordered_result = TRUE)'
    np.testing.assert_allclose(mlpool.lm(named, DATA).fixef(), [6.39744018189338, 7.24260881557985])
    codes = mlpool.lm("y ~ cut(x, c(0, 3, 9), labels = FALSE)", DATA)
    step = pd.Series([1.0] * 3 + [2.0] * 5)
    np.testing.assert_allclose(codes.fixef(), np.polyfit(step, DATA.y, 1)[::-1])


def test_numbers_of_a_column_are_the_training_rows() -> None:
    text = "y ~ I((x - mean(x)) / sd(x)) + I((x > median(x)) * max(x) / min(x))"
    m = mlpool.lm(text, DATA)
    wanted = [7.3833879576882415, 6.3530056106298991, 0.0198456186033459]
    np.testing.assert_allclose(m.fixef(), wanted, rtol=1e-12)
    np.testing.assert_allclose(m.predict(DATA.head(2)), m.fitted[:2], rtol=1e-12)
    gaps = pd.concat([DATA, pd.DataFrame({"x": [np.nan], "y": [1.0]})], ignore_index=True)
    with pytest.warns(mlpool.MissingDataWarning):
        again = mlpool.lm(text.replace("mean(x)", "mean(x, na.rm = TRUE)"), gaps)
    np.testing.assert_allclose(again.fixef(), wanted, rtol=1e-12)


def test_numbers_of_a_column_are_not_those_of_its_distinct_values() -> None:
    rows = pd.DataFrame({"x": [1.0, 1.0, 1.0, 2.0, 4.0], "y": [1.0, 2.0, 4.0, 3.0, 1.0]})
    m = mlpool.lm("y ~ I(x - mean(x)) + I(var(x) * x^2 + sum(x))", rows)
    np.testing.assert_allclose(m.fitted[:3], 7 / 3)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("ns(x, df = 0)", r"df must be between 1 and 1000; got 0"),
        ("ns(x, knots = c(3, 60))", "ns.*knots must lie between 0.3 and 8.9"),
        ("cut(x, 1)", "how many classes there are, from 2 to 1000"),
        ("cut(x, c(0, 0, 1))", "breaks has a value twice"),
        ('cut(x, c("a", "b"))', "breaks must be numbers"),
        ('cut(x, c(0, 3, 9), labels = "low")', r"labels must be texts, one per class \(2\)"),
        ("I(x - mean(1))", "needs a column; got a constant"),
        ("I(x * Inf)", "infinite in 8 rows"),
        ("Inf", "Inf cannot stand in a formula"),
        ("factor(x, levels = [1, 2])", r"a list of constants is written c\(1, 2\)"),
    ],
)
def test_mistakes_are_said(text: str, sentence: str) -> None:
    with pytest.raises(mlpool.MlpoolError, match=sentence):
        mlpool.lm(f"y ~ {text}", DATA)
