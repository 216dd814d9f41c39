"""Examples in docstrings print what they say."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import warnings

import pytest

import mlpool

_FINDER = doctest.DocTestFinder(exclude_empty=True)
MODULES = sorted(
    m.name for m in pkgutil.walk_packages(mlpool.__path__, "mlpool.") if "__main__" not in m.name
)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    if name.startswith("mlpool.plots"):
        pytest.importorskip("plotnine")
    if name == "mlpool.sklearn":
        pytest.importorskip("sklearn")
    module = importlib.import_module(name)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    lines: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mlpool.MlpoolWarning)
        for test in _FINDER.find(module, name):
            runner.run(test, out=lines.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(lines)
