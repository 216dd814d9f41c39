"""Multilevel models with R's formulas: complete, no and partial pooling.

The public names are said once, in ``__init__.pyi``, in groups; each is imported when it is first
used, so that ``import mlpool`` stays cheap. Start reading in ``mlpool/models/fit.py``.
"""

from types import FunctionType

from mlpool import registry
from mlpool.datasets import datasets as datasets  # the folder of this name would hide it
from mlpool.r_spellings import answering, missing_name

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """Import a public name when it is first used (PEP 562)."""
    if name == "__all__":
        return [*registry.homes(), "__version__"]
    names = registry.homes()
    if name not in names:
        hidden = f"module 'mlpool' has no attribute {name!r}."
        raise AttributeError(hidden if name.startswith("_") else missing_name(name, list(names)))
    found = registry.verb(name)
    value = globals()[name] = answering(found, name) if isinstance(found, FunctionType) else found
    return value


def __dir__() -> list[str]:
    """List the public names, also those not imported yet."""
    return sorted({*globals(), *registry.homes()})
