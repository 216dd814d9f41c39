"""The examples in docstrings print what they show."""

from __future__ import annotations

import doctest
import importlib

import pytest

MODULES = [
    "mlpool.transform.codebook",
    "mlpool.transform.demean",
    "mlpool.transform.describe",
    "mlpool.transform.pooling",
    "mlpool.transform.scale",
    "mlpool.transform.table_one",
    "mlpool.parameters.standardize",
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted > 0
    assert result.failed == 0
