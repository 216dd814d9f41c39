"""The examples of this folder's public functions run and print what they show."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import mlpool.comparisons

MODULES = [
    "mlpool.models.hypotheses",
    *(f"mlpool.comparisons.{m.name}" for m in pkgutil.iter_modules(mlpool.comparisons.__path__)),
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert result.failed == 0
