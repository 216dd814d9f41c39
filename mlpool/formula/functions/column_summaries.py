"""Numbers that formulas take of a whole column: ``I(x - mean(x))``, ``I(x / sd(x))``.

They are learned from the training rows, as `scale` does, so that new rows are moved by the same
number; missing values are left out.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mlpool.errors import DataError, FormulaError
from mlpool.formula.functions.bases import State
from mlpool.formula.functions.values import NumberValue
from mlpool.typing import FloatArray

SUMMARIES: dict[str, Callable[[FloatArray], float]] = {
    "mean": lambda x: float(x.mean()),
    "median": lambda x: float(np.median(x)),
    "min": lambda x: float(x.min()),
    "max": lambda x: float(x.max()),
    "sd": lambda x: float(x.std(ddof=1)) if len(x) > 1 else float("nan"),
    "var": lambda x: float(x.var(ddof=1)) if len(x) > 1 else float("nan"),
    "sum": lambda x: float(x.sum()),
}
"""Functions of the known values (m,), with R's denominators: m - 1 in ``sd`` and ``var``."""


def summary_of(name: str) -> Callable[[State, FloatArray, bool], NumberValue]:
    """Return the function of formulas of that name.

    See Also
    --------
    mlpool.formula.functions.bases.scale : centres and scales in one.
    """

    def learned(state: State, x: FloatArray, na_rm: bool) -> NumberValue:
        if "value" not in state:
            state["value"] = _summary(name, x)
        return NumberValue(array=np.asarray(state["value"]))

    return learned


def _summary(name: str, x: FloatArray) -> float:
    """Return the summary of the values that are there.

    Raises
    ------
    FormulaError, DataError
        For a constant, and for a column with too few values.
    """
    if x.ndim == 0:
        raise FormulaError(f"{name}() needs a column; got a constant.")
    known = np.asarray(x[~np.isnan(x)])
    value = SUMMARIES[name](known) if len(known) else float("nan")
    if np.isnan(value):
        raise DataError(f"{name}() was given a column of too few values.")
    return value
