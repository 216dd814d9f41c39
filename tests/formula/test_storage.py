"""Columns are computed with in float64, whatever they are stored in."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mlpool

N = 60
RNG = np.random.default_rng(11)
WHOLE = pd.DataFrame({"y": RNG.normal(size=N), "a": RNG.integers(50, 120, N)})
WHOLE["b"] = RNG.integers(50, 120, N)

EXPRESSIONS = (
    "I(a * b)", "I(a + b)", "I(a - b)", "I(-a)", "I(a^2)", "I(a %% 7)", "I(a %/% 7)", "abs(a - b)",
    "log(a)", "log10(a)", "sqrt(a)", "exp(a / 50)", "np.square(a)", "np.power(a, 2)", "pmin(a, b)",
    "ifelse(a > 60, a * b, 0)", "np.where(a > b, a * a, b)", "round(a * b, -2)", "poly(a, 3)",
    "poly(a, 3, raw = TRUE)", "scale(a)", "center(a)", "offset(a * b)", "a:b", "bs(a, df = 4)",
    "factor(a)", "I(a > b & a < 100)",
)  # fmt: skip
STORAGES = (
    "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "float32",
    "Int8", "UInt16", "Int64", "Float32", "Float64", "uint8[pyarrow]", "int64[pyarrow]",
    "double[pyarrow]", "object", "Sparse[int64]",
    "Sparse[float64]",
)  # fmt: skip


def matrix(formula: str, data: object) -> np.ndarray:
    return mlpool.model_matrix(formula, data).to_numpy()


@pytest.mark.parametrize("storage", STORAGES)
def test_every_storage_type_gives_the_numbers_of_float64(storage):
    if "pyarrow" in storage:
        pytest.importorskip("pyarrow")
    stored = WHOLE.assign(a=WHOLE["a"].astype(storage), b=WHOLE["b"].astype(storage))
    plain = WHOLE.astype({"a": float, "b": float})
    for expression in EXPRESSIONS:
        if "offset" not in expression:
            left, right = matrix(f"~ {expression}", stored), matrix(f"~ {expression}", plain)
            np.testing.assert_allclose(left, right, rtol=1e-14, atol=1e-14, err_msg=expression)
    for expression in ("I(a - b)", "offset(a * b)", "a * b"):
        got, want = (mlpool.lm(f"y ~ {expression}", d).fixef().to_numpy() for d in (stored, plain))
        np.testing.assert_allclose(got, want, rtol=1e-9, err_msg=expression)


@pytest.mark.parametrize("storage", STORAGES)
def test_responses_of_every_storage_type(storage):
    if "pyarrow" in storage:
        pytest.importorskip("pyarrow")
    stored = WHOLE.assign(a=WHOLE["a"].astype(storage), b=WHOLE["b"].astype(storage))
    plain = WHOLE.astype({"a": float, "b": float})
    for left in ("a", "a - b", "log(a)", "I(a * b)"):
        got, want = (mlpool.lm(f"{left} ~ y", d).fixef().to_numpy() for d in (stored, plain))
        np.testing.assert_allclose(got, want, rtol=1e-12, err_msg=left)


def test_polars_integers_and_decimals():
    pl = pytest.importorskip("polars")
    plain = WHOLE.astype({"a": float, "b": float})
    for dtype in (pl.UInt8, pl.Int8, pl.UInt32, pl.Float32, pl.Decimal(10, 2)):
        stored = pl.from_pandas(WHOLE).with_columns(pl.col("a", "b").cast(dtype))
        for expression in ("I(a - b)", "I(a * b)", "log(a)", "abs(a - b)"):
            got, want = matrix(f"~ {expression}", stored), matrix(f"~ {expression}", plain)
            np.testing.assert_allclose(got, want, rtol=1e-14, err_msg=f"{expression} {dtype}")


def test_products_of_large_integers_do_not_overflow():
    data = pd.DataFrame({"x": np.array([3, 4, 5, 6]) * 10**9})
    want = data["x"].to_numpy(dtype=float) ** 2
    np.testing.assert_array_equal(matrix("~ 0 + I(x * x)", data)[:, 0], want)
    np.testing.assert_array_equal(matrix("~ 0 + x:I(x)", data)[:, 0], want)


def test_logical_columns_compute_as_zero_and_one():
    flags = np.tile([True, False, True], 20)
    for storage in ("bool", "boolean", "object"):
        data = WHOLE.assign(p=pd.Series(flags).astype(storage), q=~flags)
        np.testing.assert_array_equal(matrix("~ 0 + I(p + q)", data)[:, 0], np.ones(N))
        np.testing.assert_array_equal(matrix("~ 0 + I(p - q)", data)[:, 0], 2.0 * flags - 1.0)
        np.testing.assert_array_equal(matrix("~ 0 + I(p * 3)", data)[:, 0], 3.0 * flags)


def test_decimals_are_numbers():
    from decimal import Decimal

    data = WHOLE.assign(a=[Decimal(int(v)) for v in WHOLE["a"]])
    assert mlpool.lm("y ~ a", data).names == ["(Intercept)", "a"]


def test_complex_numbers_are_refused_by_name():
    data = WHOLE.assign(z=WHOLE["a"].to_numpy() * 1j)
    with pytest.raises(mlpool.DataError, match="'z' holds complex numbers"):
        mlpool.lm("y ~ z", data)


def test_functions_get_copies():
    """Neither a second argument nor a user's own function can write into a column."""
    data = WHOLE.astype({"a": float, "b": float})
    before = data.copy()

    def overwrite(x):
        x[:] = 0.0
        return x

    mlpool.model_matrix("~ overwrite(a) + b", data, context={"overwrite": overwrite})
    for text in ("exp(a, b)", "np.log1p(a, b)", "exp(a, where = FALSE)", "np.abs(a, out = b)"):
        with pytest.raises(mlpool.FormulaError, match=r"has no argument|takes 1 argument"):
            mlpool.lm(f"y ~ {text}", data)
    pd.testing.assert_frame_equal(data, before)
