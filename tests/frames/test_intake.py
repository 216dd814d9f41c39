"""Reading frames, dicts and files: kinds, levels, missing values, mistakes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mlpool.errors import ColumnNotFoundError, DataError
from mlpool.frames import factor, read_frame


@pytest.fixture
def df() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "x": [1.0, np.nan, 3.0],
            "i": [3, 1, 2],
            "s": ["b", None, "a"],
            "c": pd.Categorical(["u", "v", "u"], categories=["v", "u"]),
            "t": [True, False, True],
        }
    )


def test_kinds_and_levels(df, make_frame):
    frame = read_frame(make_frame(df))
    kinds = {name: frame.column(name).kind for name in frame.columns}
    assert kinds == {"x": "numeric", "i": "numeric", "s": "factor", "c": "factor", "t": "boolean"}
    assert frame.column("s").levels == ("a", "b")
    assert list(frame.column("s").values) == [1, -1, 0]
    assert frame.column("c").levels == ("v", "u")
    assert list(frame.column("x").is_missing) == [False, True, False]


def test_csv_with_byte_order_mark_and_none_as_a_level(tmp_path):
    path = tmp_path / "d.csv"
    path.write_bytes("\ufeffy,r\r\n1,None\r\n2,NA\r\n3,x\r\n".encode())
    frame = read_frame(path)
    assert frame.columns == ("y", "r")
    assert frame.column("r").levels == ("None", "x")
    assert list(frame.column("r").values) == [0, -1, 1]


def test_parquet(tmp_path, df):
    pytest.importorskip("pyarrow")
    path = tmp_path / "d.parquet"
    df.to_parquet(path)
    np.testing.assert_array_equal(read_frame(str(path)).column("i").values, [3, 1, 2])


def test_byte_order_mark_in_a_frame():
    assert read_frame(pd.DataFrame({"\ufeffy": [1.0]})).columns == ("y",)


def test_mistakes(tmp_path, df):
    empty = tmp_path / "e.csv"
    empty.touch()
    duplicate = pd.DataFrame(np.ones((2, 2)), columns=["a", "a"])
    cases = [
        (None, "data is missing"),
        (3, "must be a data frame"),
        (tmp_path / "none.csv", "no file"),
        (tmp_path, "is a folder"),
        (empty, "is empty"),
        (duplicate, "two columns called 'a'"),
        ({"a": [1], "b": [1, 2]}, "one length"),
        (pd.DataFrame(), "no columns"),
    ]
    for data, match in cases:
        with pytest.raises(DataError, match=match):
            read_frame(data)
    with pytest.raises(ColumnNotFoundError, match="write `female ` in backticks"):
        read_frame(pd.DataFrame({"female ": [1]})).column("female")
    with pytest.raises(DataError, match="holds interval values"):
        intervals = [pd.Interval(0, 1)] * len(df)
        read_frame(df.assign(d=pd.Series(intervals, dtype=object))).column("d")


def test_factor_is_r_factor():
    f = factor(pd.Series([0, 1, 0, 2], name="z"), levels=[0, 1], labels=["M", "F"])
    assert list(f.cat.categories) == ["M", "F"]
    assert f.isna().tolist() == [False, False, False, True]
    with pytest.raises(DataError, match="labels has 1 names for 2 levels"):
        factor([0, 1], labels=["a"])
