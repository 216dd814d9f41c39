"""Columns of pandas frames are read without narwhals: the same as with it."""

import narwhals.stable.v1 as nw
import numpy as np
import pandas as pd
import pytest

import mlpool
from mlpool.frames import read_frame
from mlpool.frames.columns import read_column, read_pandas

COLUMNS = {
    "float64": pd.Series([1.5, np.nan, 3.0]),
    "float32": pd.Series([1.5, 2.5, 3.0], dtype="float32"),
    "float16": pd.Series([1.5, 2.5, 3.0], dtype="float16"),
    "int8": pd.Series([1, -2, 3], dtype="int8"),
    "long ids": pd.Series([2**60 + 1, 2**60, 5], dtype="uint64"),
    "big-endian": pd.Series(np.array([1.5, 2.5, 3.0], dtype=">f8")),
    "nullable": pd.Series([1, None, 3], dtype="Int64"),
    "bool": pd.Series([True, False, True]),
    "text": pd.Series(["b", "a", None]),
    "category": pd.Series(["b", "a", "b"], dtype="category"),
    "dates": pd.to_datetime(pd.Series(["2026-01-01", "2026-01-03", None])),
}


@pytest.mark.parametrize("kind", COLUMNS)
def test_a_column_is_the_same_with_and_without_narwhals(kind):
    series = COLUMNS[kind]
    ours = read_pandas("x", series)
    other = read_column("x", nw.from_native(series, series_only=True))
    assert (ours.kind, ours.levels, ours.unit) == (other.kind, other.levels, other.unit)
    assert ours.values.dtype == other.values.dtype
    np.testing.assert_array_equal(ours.values, other.values)
    np.testing.assert_array_equal(ours.is_missing, other.is_missing)
    assert (ours.labelled is None) == (other.labelled is None)


def test_names_that_are_numbers_are_read_as_text_and_held_as_they_were():
    d = pd.DataFrame({0: [1.0, 2.0, 4.0, 7.0], "x": [0.0, 1.0, 2.0, 3.0]})
    m = mlpool.lm("`0` ~ x", d)
    before = m.resid.to_numpy().copy()
    d[0] = 0.0
    np.testing.assert_array_equal(m.resid.to_numpy(), before)
    assert read_frame(d).columns == ("0", "x")


def test_narwhals_frame_is_there_when_asked_for():
    frame = read_frame(pd.DataFrame({"\ufeffx": [1.0, 2.0]}))
    assert frame.columns == ("x",)
    assert frame.column("x").values.tolist() == [1.0, 2.0]
    assert frame.data.columns == ["\ufeffx"]
