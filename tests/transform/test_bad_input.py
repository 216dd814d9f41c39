"""Preparing data: one clear sentence for each mistake."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlpool
from mlpool.errors import ColumnNotFoundError, DataError, OptionError

DATA: dict[str, Any] = {
    "x": [1.0, 2.0, 3.0],
    "f": ["a", "b", "b"],
    "g": [1, 1, 2],
    "x_within": [0, 0, 0],
}

CASES: list[tuple[str, dict[str, Any], type[Exception], str]] = [
    ("demean", {"select": "xx", "by": "g"}, ColumnNotFoundError, r"no column 'xx' \(select\).*'x'"),
    ("demean", {"select": "x", "by": "gg"}, ColumnNotFoundError, r"no column 'gg' \(by\)"),
    ("demean", {"select": "x", "by": "g"}, DataError, "already have 'x_within'.*suffix_demean="),
    ("demean", {"select": "x*f", "by": "g"}, DataError, "'f' holds labels; 'x\\*f' needs numbers"),
    ("demean", {"select": "x", "by": "g", "nested": 1}, OptionError, "nested must be True or"),
    ("demean", {"select": 3, "by": "g"}, OptionError, "select must be a column's name"),
    ("degroup", {"select": "x", "by": "g", "center": "men"}, OptionError, "center must be one of"),
    ("center", {"select": "f"}, DataError, "'f' holds labels, not numbers"),
    ("center", {"select": "x", "reference": "a"}, OptionError, "reference must be a number"),
    ("center", {"select": "x", "robust": 1}, OptionError, "robust must be True or False"),
    ("center", {"select": "x", "append": 2}, OptionError, "append must be True, False or a suffix"),
    ("center", {"select": "x", "append": "_within"}, DataError, "already have 'x_within'"),
    ("standardize", {"select": "x", "by": "y"}, ColumnNotFoundError, r"no column 'y' \(by\)"),
    ("describe_distribution", {"select": "f"}, DataError, "holds labels"),
    ("describe_distribution", {"centrality": "mode"}, OptionError, "centrality must be one of"),
    ("describe_distribution", {"quartiles": 4}, OptionError, "quartiles must be True or False"),
    ("data_codebook", {"select": "y"}, ColumnNotFoundError, "no column 'y'"),
    ("data_codebook", {"max_values": 0}, OptionError, "max_values must be a whole number"),
    ("data_codebook", {"range_at": True}, OptionError, "range_at must be a whole number"),
    ("table_one", {"variables": "y"}, ColumnNotFoundError, r"no column 'y' \(variables\)"),
    ("table_one", {"variables": "x", "overall": 1}, OptionError, "overall must be True or False"),
    ("table_one", {"variables": "x", "overall": False}, OptionError, "overall=False needs by="),
    ("table_one", {"variables": "x", "by": "f", "group": "g"}, DataError, "varies within 1 of 2"),
]


@pytest.mark.parametrize(
    ("verb", "options", "error", "match"), CASES, ids=[f"{c[0]}-{i}" for i, c in enumerate(CASES)]
)
def test_mistakes(verb: str, options: dict[str, Any], error: type[Exception], match: str) -> None:
    data = DATA if verb != "table_one" else DATA | {"g": [1, 2, 2], "f": ["a", "b", "a"]}
    with pytest.raises(error, match=match):
        getattr(mlpool, verb)(data, **options)


def test_single_columns_take_no_select() -> None:
    with pytest.raises(OptionError, match="select= and by= need a data frame"):
        mlpool.center(np.arange(3.0), "x")
    with pytest.raises(DataError, match="values must be numbers"):
        mlpool.standardize(np.array(["a", "b"]))


def test_nothing_to_describe() -> None:
    with pytest.raises(DataError, match="no numeric columns"):
        mlpool.describe_distribution({"f": ["a", "b"]})
    with pytest.raises(DataError, match="infinite values"):
        mlpool.describe_distribution({"x": [1.0, np.inf]})
    with pytest.raises(DataError, match="level 'Overall'"):
        mlpool.table_one({"x": [1.0, 2.0], "f": ["Overall", "b"]}, "x", by="f")


ARITHMETIC: list[tuple[str, tuple[Any, ...], type[Exception], str]] = [
    ("shrinkage", (-1, 1.0, 1.0), OptionError, "n must be zero or more"),
    ("shrinkage", (3, 0.0, 0.0), OptionError, "both zero"),
    ("shrinkage", (3, -1.0, 1.0), OptionError, "tau2 must be a variance"),
    ("pooling_estimate", ([1.0], [1.0, 2.0], 1.0, 1.0), DataError, "means and n need one length"),
    ("pooling_estimate", ([1.0], [0.0], 1.0, 1.0), DataError, "at least one row"),
    ("pooling_estimate", ([1.0], [1.0], 0.0, 0.0), OptionError, "both zero"),
    ("precision_weighted_mean", ([1.0], [1.0, 2.0]), DataError, "means and Delta need one length"),
    ("precision_weighted_mean", ([1.0], [0.0]), DataError, "Delta must be positive"),
    ("variance_ratio", (1.0, 0.0), OptionError, "sigma2 must be positive"),
    ("se_pooling", (1.0, 1.0, 0, 5), OptionError, "J and n must be positive"),
    ("design_effect", (1.5, 10), OptionError, "icc must lie between"),
]


@pytest.mark.parametrize(
    ("verb", "arguments", "error", "match"), ARITHMETIC, ids=[f"{c[0]}-{c[3]}" for c in ARITHMETIC]
)
def test_arithmetic(
    verb: str, arguments: tuple[Any, ...], error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        getattr(mlpool, verb)(*arguments)
