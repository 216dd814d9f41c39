"""``bs()`` is R's B-spline basis, inside its range and beyond (values: r/splines.R)."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mlpool

X = [0.3, 1.1, 2.7, 3.2, 4.8, 5.5, 7.1, 8.9]
DATA = pd.DataFrame({"x": X, "y": np.arange(8.0) ** 1.5})

QUANTILES = {
    1: [0.54701697601830, 0.1222093274321, 0.00467021662589, 0.0, 0.0],
    4: [0.00171663939062, 0.3615236030430, 0.55404284145004, 0.082716916116385, 0.0],
    6: [0.0, 0.0309354544779, 0.29515351586826, 0.545439003158636, 0.128472026495160],
    7: [0.0, 0.0, 0.0, 0.0, 1.0],
}
"""Rows of ``bs(x, df = 5)``."""

GIVEN = {
    0: [0.81, 0.185, 0.005, 0.0, 0.0],
    3: [0.0, 0.4355555555556, 0.5625396825397, 0.00190476190476, 0.0],
    7: [0.0, 0.0, 0.0432142857143, 0.43116071428571, 0.525625],
}
"""Rows with knots at 3 and 6, degree 2, an intercept, between 0 and 10."""

BEYOND = [
    [-1.6537938188694, 0.194051351865, -0.00802844488621, 0.0],
    [0.1636819681902, 0.468176681385, 0.35964149067203, 0.00849985975231],
    [-0.0822038388097, 0.992831880713, -4.26255623508821, 4.35192819318481],
]
"""``bs(x, df = 4)`` at -1, 5 and 12."""


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("bs(x, df = 5)", QUANTILES),
        (
            "bs(x, knots = c(3, 6), degree = 2, intercept = TRUE, Boundary.knots = c(0, 10))",
            GIVEN,
        ),
    ],
)
def test_columns_are_those_of_r(text: str, rows: dict[int, list[float]]) -> None:
    matrix = mlpool.model_matrix(f"~ 0 + {text}", DATA).to_numpy()
    for row, values in rows.items():
        np.testing.assert_allclose(matrix[row], values, atol=1e-12)  # R printed twelve digits


def test_the_ends_go_on_beyond_the_range() -> None:
    m = mlpool.lm("y ~ bs(x, df = 4)", DATA)
    beta = m.fixef().to_numpy()
    got = m.predict(pd.DataFrame({"x": [-1.0, 5.0, 12.0]}))
    np.testing.assert_allclose(got, beta[0] + np.array(BEYOND) @ beta[1:], rtol=1e-10)


def test_columns_add_to_one_and_keep_missing_values() -> None:
    data = pd.DataFrame({"x": [*X, np.nan], "y": range(9)})
    basis = mlpool.model_matrix("~ 0 + bs(x, df = 6, intercept = TRUE)", data.dropna()).to_numpy()
    np.testing.assert_allclose(basis.sum(axis=1), 1.0, rtol=1e-14)
    with pytest.warns(mlpool.MissingDataWarning):
        assert mlpool.lm("y ~ bs(x, df = 3)", data).nobs == 8


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("bs(x, knots = c(3, 60))", "knots must lie between 0.3 and 8.9"),
        ("bs(x, df = 5, Boundary.knots = c(100, 200))", "no value between its Boundary.knots"),
    ],
)
def test_knots_outside_are_said(text: str, sentence: str) -> None:
    with pytest.raises(mlpool.MlpoolError, match=sentence):
        mlpool.lm(f"y ~ {text}", DATA)
