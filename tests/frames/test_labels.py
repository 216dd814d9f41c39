"""Distinct values have distinct labels, whatever type they are stored in."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import mlpool
from mlpool.frames import read_frame
from mlpool.frames.level_labels import distinct, joint_labels, match_names
from mlpool.frames.levels import code_names, code_values

LONG = [2**60 + k for k in (0, 3, 1, 3, 0, 2)]


def objects(*values: Any) -> np.ndarray:
    out = np.empty(len(values), dtype=object)
    out[:] = values
    return out


def test_small_integers_do_not_wrap() -> None:
    """The span of int8 codes is wider than int8."""
    for kind in (np.int8, np.int16, np.int32, np.int64, np.float64):
        values = np.array([-100, 100, -100, 0, 127, -128], dtype=kind)
        codes, levels = code_values(values)
        assert levels == ("-128", "-100", "0", "100", "127")
        assert [levels[c] for c in codes] == [str(int(v)) for v in values]


def test_unsigned_integers_beyond_int64() -> None:
    values = np.array([2**63 + 5, 2**63, 2**64 - 1, 2**63], dtype=np.uint64)
    codes, levels = code_values(values)
    assert levels == tuple(map(str, sorted({int(v) for v in values})))
    assert codes.tolist() == [1, 0, 2, 0]
    near = np.array([2**64 - 1, 2**64 - 3], dtype=np.uint64)
    assert code_values(near)[1] == (str(2**64 - 3), str(2**64 - 1))


@pytest.mark.parametrize(
    "make",
    [
        lambda v: np.array(v, dtype=np.int64),
        lambda v: np.array(v, dtype=np.uint64),
        lambda v: objects(*v),
        lambda v: objects(*map(str, v)),
        lambda v: objects(*map(Decimal, v)),
    ],
)
def test_long_ids_have_the_same_labels_in_every_type(make: Any) -> None:
    codes, levels = code_values(make(LONG))
    assert levels == tuple(str(v) for v in sorted(set(LONG)))
    assert [int(levels[c]) for c in codes] == LONG


def test_floats_that_share_fifteen_digits_are_told_apart() -> None:
    ids = np.array([1e16, 1e16 + 2, 1e16 + 4])
    assert code_values(ids)[1] == ("10000000000000000", "10000000000000002", "10000000000000004")
    tenths = np.array([0.3, 0.1 + 0.2])
    assert code_values(tenths)[1] == ("0.3", "0.30000000000000004")
    assert code_values(tenths[1:])[1] == ("0.3",), "R's label, where it says which"


def test_zeros_of_both_signs_are_one_level() -> None:
    for values in (np.array([-0.0, 0.0, 1.0]), np.array([0.0, -0.0, 1.0])):
        assert code_values(values)[1] == ("0", "1")


def test_the_same_text_of_other_types_is_another_level() -> None:
    values = objects(1, "1", True, "TRUE", 1.0, None, b"1", (1, 2), "None", np.nan, "nan", "")
    codes, levels = code_values(values)
    assert len(set(levels)) == len(levels) == 9
    assert codes[0] == codes[4], "1 and 1.0 are one number"
    assert codes[5] == codes[9] == -1
    assert {levels[codes[0]], levels[codes[1]]} == {"1 (number)", "1 (text)"}
    shuffled = values[::-1]
    again, labels = code_values(shuffled)
    assert labels == levels
    assert again[::-1].tolist() == codes.tolist()


def test_new_values_are_found_by_what_only_they_are_called() -> None:
    _, trained = code_names(objects(1, "1", True, 2.5, "x"))

    def label(value: Any) -> str:
        _, new = code_names(objects(value))
        place = match_names(new, trained.labels)[0]
        return trained.labels[place] if place >= 0 else ""

    assert label(1) == "1 (number)"
    assert label(1.0) == "1 (number)"
    assert label("1") == "1 (text)"
    assert label(True) == "TRUE"
    assert label("2.5") == "2.5"
    assert label("y") == ""
    close = np.array([0.3, 0.1 + 0.2, 0.7])
    labels = code_values(close)[1]
    for i, v in enumerate(close):
        assert match_names(code_names(np.array([v]))[1], labels)[0] == i
    third = np.nextafter(close[1], 1.0)
    assert match_names(code_names(np.array([third]))[1], labels)[0] == -1


def test_labels_of_combinations() -> None:
    assert joint_labels([["a", "b"], ["x", "x"]]) == ("a:x", "b:x")
    assert joint_labels([["a:b", "a", "q"], ["c", "b:c", "z"]]) == ("`a:b`:c", "a:`b:c`", "q:z")
    assert distinct(["a", "a", "a.1", "a"]) == ("a", "a.2", "a.1", "a.3")


MISSING = [*LONG, None]


@pytest.mark.parametrize(
    "column",
    [
        pd.Series(MISSING, dtype="Int64"),
        pd.Series(MISSING, dtype=object),
        pd.Series(MISSING, dtype="int64[pyarrow]"),
        pl.Series(MISSING, dtype=pl.Int64),
        pl.Series(MISSING, dtype=pl.UInt64),
        pa.array(MISSING),
        pa.array(MISSING, type=pa.uint64()),
        MISSING,
    ],
    ids=["Int64", "object", "pandas-arrow", "polars", "polars-unsigned", "arrow", "uint64", "list"],
)
def test_long_ids_beside_a_missing_one(column: Any) -> None:
    """As floats these would be one or two groups."""
    data: Any = {"i": column}
    if isinstance(column, pl.Series):
        data = pl.DataFrame({"i": column})
    elif isinstance(column, pd.Series):
        data = pd.DataFrame({"i": column})
    elif isinstance(column, (pa.Array, pa.ChunkedArray)):
        data = pa.table({"i": column})
    codes, names = read_frame(data).column("i").coded()
    assert names.labels == tuple(str(v) for v in sorted(set(LONG)))
    assert codes[-1] == -1
    assert [int(names.labels[c]) for c in codes[:-1]] == LONG


def test_long_ids_of_a_csv_beside_a_missing_one(tmp_path: Any) -> None:
    file = tmp_path / "ids.csv"
    file.write_text("i,x\n" + "".join(f"{v},1.5\n" for v in LONG) + ",2\n")
    codes, names = read_frame(file).column("i").coded()
    assert [int(names.labels[c]) for c in codes[:-1]] == LONG


TEXT = ["b", "a", None, "c", "a"]


@pytest.mark.parametrize(
    "data",
    [
        pd.DataFrame({"f": TEXT}),
        pd.DataFrame({"f": pd.Series(TEXT, dtype="string")}),
        pd.DataFrame({"f": pd.Series(TEXT, dtype="string[pyarrow]")}),
        pd.DataFrame({"f": pd.Series(TEXT, dtype="category")}),
        pl.DataFrame({"f": pl.Series(TEXT, dtype=pl.String)}),
        pl.DataFrame({"f": pl.Series(TEXT, dtype=pl.Categorical)}),
        pa.table({"f": pa.array(TEXT)}),
        pa.table({"f": pa.array(TEXT).dictionary_encode()}),
        pa.table({"f": pa.chunked_array([pa.array(TEXT[:2]).dictionary_encode(),
                                         pa.array(TEXT[2:]).dictionary_encode()])}),
        pa.Table.from_pandas(pd.DataFrame({"f": pd.Series(TEXT, dtype="category")})),
        pl.DataFrame({"f": pl.Series(TEXT, dtype=pl.Categorical)}).to_arrow(),
        [{"f": v} for v in TEXT],
    ],
)  # fmt: skip
def test_text_has_sorted_levels_however_it_is_stored(data: Any) -> None:
    column = read_frame(data).column("f")
    assert column.kind == "factor"
    assert column.levels == ("a", "b", "c")
    assert column.values.tolist() == [1, 0, -1, 2, 0]


def test_odd_columns_of_numbers_stay_numbers() -> None:
    x = np.array([0.5, 1.25, -3.0])
    for column in (
        pd.Series(x.astype(np.longdouble)),
        pd.Series(x.astype(np.float16)),
        pd.Series([Decimal(str(v)) for v in x]),
        pd.Series(x, dtype="double[pyarrow]"),
        pd.Series([0.5, 1.25, -3], dtype=object),
    ):
        found = read_frame(pd.DataFrame({"x": column})).column("x")
        assert found.kind == "numeric"
        np.testing.assert_array_equal(found.values, x)


def test_dictionaries_of_arrow_inside_pandas() -> None:
    kind = pd.ArrowDtype(pa.dictionary(pa.int32(), pa.string()))
    found = read_frame(pd.DataFrame({"f": pd.Series(TEXT).astype(kind)})).column("f")
    assert found.levels == ("a", "b", "c")
    assert found.values.tolist() == [1, 0, -1, 2, 0]


def test_categories_that_no_row_has() -> None:
    for known in (["z", "a", "b", "c"], ["a", "b", "c", "q"]):
        data = pd.DataFrame(
            {"f": pd.Categorical(["a", "b", "c", "a"], categories=known), "y": [1.0, 2, 4, 3]}
        )
        assert mlpool.lm("y ~ f", data).names == ["(Intercept)", "fb", "fc"]
    for kind in (None, pd.CategoricalDtype([]), pd.CategoricalDtype(["a"])):
        gone = pd.DataFrame({"f": pd.Series([None] * 3, dtype=kind), "y": [1.0, 2, 4]})
        with pytest.raises(mlpool.DataError, match="No row is left"):
            mlpool.lm("y ~ f", gone)


ORDER = ["c", "a", "b"]


@pytest.mark.parametrize(
    "data",
    [
        pd.DataFrame({"f": pd.Categorical(TEXT, categories=ORDER)}),
        pl.DataFrame({"f": pl.Series(TEXT, dtype=pl.Enum(ORDER))}),
        pl.DataFrame({"f": pl.Series(TEXT, dtype=pl.Enum(ORDER))}).to_arrow(),
        pa.Table.from_pandas(pd.DataFrame({"f": pd.Categorical(TEXT, categories=ORDER)})),
    ],
)
def test_an_order_made_by_hand_is_kept(data: Any) -> None:
    if isinstance(data, pa.Table) and not (data.schema.metadata or data.schema.field("f").metadata):
        pytest.skip("this polars does not tell in Arrow that a column was an Enum")
    column = read_frame(data).column("f")
    assert column.kind == "factor"
    assert column.levels == ("c", "a", "b")
    assert column.values.tolist() == [2, 1, -1, 0, 1]
