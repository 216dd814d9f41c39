"""Which values numbers have in emmeans' grids: their mean, unless ``cov_reduce=`` says another."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from mlpool.errors import OptionError, brief
from mlpool.estimates.grids.variables import Variable
from mlpool.typing import FloatArray

Reduction: TypeAlias = Callable[[FloatArray], object]
CovReduce: TypeAlias = "bool | Reduction | Mapping[str, Reduction]"

KEPT = 2
"""Numbers with so many distinct values are kept as they are, as levels (emmeans' ``cov.keep``)."""


def reduced_values(
    variables: Mapping[str, Variable],
    focal: Sequence[str],
    at: Mapping[str, object] | None,
    cov_reduce: CovReduce | None,
) -> dict[str, object]:
    """Return `at` with the values of the numbers that it does not name.

    Parameters
    ----------
    variables : mapping of Variable
    focal : sequence of str
        Numbers among them stand at their mean, too, as in R; others do so without this.
    at : mapping, optional
    cov_reduce : bool, callable or mapping of callables, optional
        True: the mean. False: every distinct value. A function of a variable's values, for all
        numbers or by name.

    Raises
    ------
    OptionError
        For something else, unknown names, or a function that returns no numbers.
    """
    given = dict(at or {})
    _check(cov_reduce, variables)
    for name, variable in variables.items():
        if name in given or not variable.is_numeric or variable.is_group:
            continue
        if variable.summary.n_distinct == KEPT:
            continue
        how = cov_reduce.get(name, True) if isinstance(cov_reduce, Mapping) else cov_reduce
        if how is False:
            given[name] = list(variable.distinct)
        elif callable(how):
            given[name] = _values(how, variable)
        elif name in focal:
            given[name] = [variable.mean]
    return given


def _check(cov_reduce: object, variables: Mapping[str, Variable]) -> None:
    named = cov_reduce if isinstance(cov_reduce, Mapping) else {}
    parts = list(named.values()) if isinstance(cov_reduce, Mapping) else [cov_reduce]
    if not all(p is None or isinstance(p, bool) or callable(p) for p in parts):
        raise OptionError(
            "cov_reduce must be True (means), False (all values), or a function such as np.median, "
            f"also by name: {{'x': np.median}}; got {brief(cov_reduce)}."
        )
    numbers = [n for n, v in variables.items() if v.is_numeric and not v.is_group]
    for name in named:
        if name not in numbers:
            raise OptionError(
                f"cov_reduce names {brief(name)}, which is no numeric predictor; there are "
                f"{', '.join(numbers) or 'none'}."
            )


def _values(how: Reduction, variable: Variable) -> list[float]:
    try:
        found = np.atleast_1d(np.asarray(how(variable.numbers), dtype=np.float64)).ravel()
    except (TypeError, ValueError):
        found = np.empty(0)
    if not found.size or not np.isfinite(found).all():
        raise OptionError(
            f"cov_reduce must return numbers; of {variable.name} it returned others or none."
        )
    return list(dict.fromkeys(found.tolist()))
