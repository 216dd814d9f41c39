"""Where every public name lives: the lines of ``__init__.pyi``, read when a first name is used.

One table serves the package's names (``mlpool.summary``) and the methods that are verbs of rooms
above their own (``m.summary()``): a method asks for its verb by name, so that no module imports
what imports it.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import get_data
from types import ModuleType
from typing import Any

METHODS = {
    "anova_parameters": "mlpool.comparisons.effect_sizes",
    "notebook_html": "mlpool.summaries",
    "plot_curves": "mlpool.plots.intervals",
    "plot_pairs": "mlpool.plots.intervals",
    "plot_draws": "mlpool.plots.intervals",
    "print_text": "mlpool.summaries",
    "save_model": "mlpool.files.model_file",
    "standardize_model": "mlpool.refits.standardized",
    "varcorr_text": "mlpool.summaries",
}
"""Verbs of methods that are no public names: verb -> where it lives."""


@cache
def groups() -> dict[str, dict[str, str]]:
    """Return the public names by the comment above them: title -> name -> where it lives."""
    found: dict[str, dict[str, str]] = {}
    for line in _stub().splitlines():
        if line.startswith("# "):
            names = found[line[2:]] = {}
        elif line.startswith("from "):
            _, module, _, name, _, alias = line.split()
            assert name == alias
            names[name] = module
    return found


def _stub() -> str:
    data = get_data("mlpool", "__init__.pyi")
    assert data is not None
    return data.decode("utf-8")


@cache
def homes() -> dict[str, str]:
    """Return the public names in their order: name -> where it lives."""
    return {name: module for names in groups().values() for name, module in names.items()}


def verb(name: str) -> Any:
    """Return the function (or class) of a public name, or of a method in `METHODS`."""
    module = METHODS.get(name) or homes()[name]
    if module == "mlpool":  # a folder that is called like R's function: see there
        return import_module(f"mlpool.{name}")
    return getattr(import_module(module), name)


class CallableFolder(ModuleType):
    """A folder that is R's function of its name when it is called: ``mlpool.performance(m)``.

    Importing the folder puts the module where the function would be.
    """

    def __call__(self, m: object, **options: object) -> Any:
        """Return what the verb ``model_<name of the folder>`` returns, with its options."""
        public = f"model_{self.__name__.rpartition('.')[2]}"
        return getattr(import_module("mlpool"), public)(m, **options)
