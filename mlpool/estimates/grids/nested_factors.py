"""Fixed factors nested in others: levels that occur within one level of another factor only.

Of drugs that are given by one route each, means of a route average over its own drugs, as R's
emmeans does; combinations that cannot exist are no rows of a grid.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mlpool.designs.row_summaries import fact, same_by_counts
from mlpool.estimates.grids.reference_grid import GridRows
from mlpool.estimates.grids.variables import Variable, model_variables
from mlpool.frames.levels import level_label
from mlpool.typing import BoolArray, IntArray

if TYPE_CHECKING:
    from mlpool.models import FittedModel

Nests = Mapping[str, Mapping[str, tuple[int, ...]]]
"""Factor -> factor that it is nested in -> the place of that one's level for each of its levels."""


@same_by_counts
@fact("lm", "glm", "lmer", "glmer", "gls", when=lambda m: bool(m.aliased))
def nested_factors(m: FittedModel) -> dict[str, dict[str, tuple[int, ...]]]:
    """Return which fixed factors are nested in which; of two that determine each other, the first.

    Nested factors beside each other always leave columns of X without a coefficient of their own.
    """
    if not m.aliased:
        return {}
    factors = {
        n: v
        for n, v in model_variables(m).items()
        if not v.is_numeric and not v.is_group and len(v.levels) > 1
    }
    found: dict[str, dict[str, tuple[int, ...]]] = {}
    for name, variable in factors.items():
        for other, outer in factors.items():
            if other != name and name not in found.get(other, {}):
                where = _places(variable, outer)
                if where is not None:
                    found.setdefault(name, {})[other] = where
    return found


def _places(inner: Variable, outer: Variable) -> tuple[int, ...] | None:
    """Return the level of `outer` that each level of `inner` occurs with; None if it has several.

    A factor with as many levels as rows (an id) tells nothing about nesting, and is none.
    """
    k = len(outer.levels)
    pairs = np.unique(np.asarray(inner.values, dtype=np.int64) * k + np.asarray(outer.values))
    first = pairs // k
    if len(pairs) != len(inner.levels) or len(np.unique(first)) != len(pairs):
        return None
    return tuple((pairs % k).tolist())


def codes_of(values: object, variable: Variable) -> IntArray:
    """Return the places of labels among a factor's levels."""
    position = {level_label(level): i for i, level in enumerate(variable.levels)}
    codes, labels = pd.factorize(pd.Series(values).astype(object))
    return np.array([position[level_label(v)] for v in labels], dtype=np.int64)[codes]


def can_exist(frame: pd.DataFrame, variables: Mapping[str, Variable], nests: Nests) -> BoolArray:
    """Tell which rows have nested levels within their own nests only."""
    keep = np.ones(len(frame), dtype=bool)
    for name, outers in nests.items():
        for other, where in outers.items():
            if name in frame and other in frame:
                inner = codes_of(frame[name], variables[name])
                keep &= np.asarray(where)[inner] == codes_of(frame[other], variables[other])
    return keep


def within_nests(
    rows: GridRows, variables: Mapping[str, Variable], nests: Nests, averaged: Container[str]
) -> GridRows:
    """Return the rows that can exist, weights of every answer adding up to one again.

    Levels that are averaged over weigh the same within their nest, and nests weigh the same: a
    level counts by one over the number of those that share its nest.
    """
    if not nests:
        return rows
    keep = can_exist(rows.frame, variables, nests)
    frame = rows.frame[keep].reset_index(drop=True)
    answer, weight = rows.answer[keep], rows.weight[keep]
    for name, outers in nests.items():
        if name in averaged:
            nest = np.array(list(outers.values())).T
            _, inverse, sizes = np.unique(nest, axis=0, return_inverse=True, return_counts=True)
            weight = weight / sizes[inverse.ravel()][codes_of(frame[name], variables[name])]
    total = np.bincount(answer, weight, rows.n_answers)
    return replace(rows, frame=frame, answer=answer, weight=weight / total[answer])


def nesting_notes(names: Sequence[str], nests: Nests) -> tuple[str, ...]:
    """Return the sentence that says which of the factors in a table are nested."""
    lines = []
    for name, outers in nests.items():
        shown = [other for other in outers if other in names or name in names]
        if shown:
            lines.append(
                f"{name} is nested in {' and '.join(shown)}: averages are over its levels within "
                "each nest, as other combinations are not in the data."
            )
    return tuple(lines)
