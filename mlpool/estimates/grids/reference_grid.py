"""Grids: which rows are predicted, and which of them an answer averages over."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mlpool.errors import NotSupportedError
from mlpool.estimates.grids.grid_language import Focal
from mlpool.estimates.grids.variables import Variable, taken
from mlpool.frames.levels import level_label
from mlpool.typing import FloatArray, IntArray

if TYPE_CHECKING:
    from mlpool.typing import ValueArray

MAX_ROWS = 5_000_000
"""Largest number of rows that one call predicts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What happens to the variables that are not focal.

    Attributes
    ----------
    held : dict
        Variable -> the value it is held at.
    averaged : dict
        Variable -> the values that are averaged over with equal weights.
    """

    held: Mapping[str, object]
    averaged: Mapping[str, tuple[object, ...]]

    @property
    def n_averaged(self) -> int:
        """Number of combinations that are averaged over."""
        return int(np.prod([len(v) for v in self.averaged.values()], dtype=np.int64))


def make_setting(
    variables: Mapping[str, Variable],
    focal: Sequence[Focal],
    *,
    averages: bool,
    two_valued: bool = False,
    at: Sequence[Focal] = (),
) -> Setting:
    """Return means for numbers; for factors the reference level, or all levels if averaged.

    Parameters
    ----------
    variables : mapping of Variable
    focal : sequence of Focal
    averages : bool
        Average over the levels of factors (typical values) or hold the first (specific).
    two_valued : bool
        Treat numbers with two distinct values as factors, as emmeans does.
    at : sequence of Focal
        Values that the user holds others at; several are averaged over.
    """
    names = {f.name for f in focal}
    given = {f.name: f.values for f in at}
    held: dict[str, object] = {}
    averaged: dict[str, tuple[object, ...]] = {}
    for name, variable in variables.items():
        if name in names or variable.is_group:
            continue
        if name in given and len(given[name]) == 1:
            held[name] = given[name][0]
        elif name in given:
            averaged[name] = given[name]
        elif variable.is_numeric and two_valued and variable.summary.n_distinct == 2 and averages:
            averaged[name] = variable.distinct
        elif variable.is_numeric:
            held[name] = variable.mean
        elif averages:
            averaged[name] = variable.levels
        else:
            held[name] = variable.levels[0]
    return Setting(held=held, averaged=averaged)


def focal_grid(focal: Sequence[Focal]) -> pd.DataFrame:
    """Return all combinations of the focal values, the first variable varying fastest.

    Raises
    ------
    NotSupportedError
        If there are more than five million.
    """
    sizes = [len(f.values) for f in focal]
    total = int(np.prod(sizes, dtype=np.float64)) if sizes else 1
    if total > MAX_ROWS:
        raise NotSupportedError(
            f"The grid has {total:,} rows ({' x '.join(map(str, sizes))}); name fewer values, "
            "such as 'x = [quartiles]'."
        )
    index = np.unravel_index(np.arange(total), sizes, order="F") if sizes else ()
    columns = {}
    for f, codes in zip(focal, index, strict=True):
        table = np.empty(len(f.values), dtype=object)
        table[:] = list(f.values)
        columns[f.name] = table[codes]
    return pd.DataFrame(columns, index=pd.RangeIndex(total))


def inside_observed(grid: pd.DataFrame, focal: Sequence[Focal]) -> ValueArray:
    """Return which rows lie in the data: per combination of levels, inside each number's range.

    Values that the user gave are kept; combinations of levels that do not occur are not.
    """
    numeric = [f for f in focal if f.variable.is_numeric and not f.is_given]
    factors = [f for f in focal if not f.variable.is_numeric]
    if not factors or not (numeric or len(factors) > 1):
        return np.ones(len(grid), dtype=bool)
    sizes = [len(f.variable.levels) for f in factors]
    cells = _cells([f.variable.values for f in factors], sizes)
    wanted = _cells([_codes(grid[f.name], f.variable) for f in factors], sizes)
    observed, inverse = np.unique(cells, return_inverse=True)
    place = np.searchsorted(observed, wanted)
    place = np.minimum(place, len(observed) - 1)
    keep = np.asarray(observed[place] == wanted)
    for f in numeric:
        low = np.full(len(observed), np.inf)
        high = np.full(len(observed), -np.inf)
        np.minimum.at(low, inverse, f.variable.numbers)
        np.maximum.at(high, inverse, f.variable.numbers)
        x = np.asarray(grid[f.name], dtype=np.float64)
        # focal values are rounded: the ends of the range stay in
        at_end = f.rounding * ((x == f.values[0]) | (x == f.values[-1]))
        keep &= (x >= low[place] - at_end) & (x <= high[place] + at_end)
    return keep


def _cells(codes: Sequence[Any], sizes: Sequence[int]) -> IntArray:
    total = np.zeros(len(codes[0]), dtype=np.int64)
    for code, size in zip(codes, sizes, strict=True):
        total = total * size + np.asarray(code, dtype=np.int64)
    return total


def _codes(values: pd.Series, variable: Variable) -> IntArray:
    position = {level_label(level): i for i, level in enumerate(variable.levels)}
    return np.array([position[level_label(v)] for v in values], dtype=np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class GridRows:
    """Rows to predict, and the answer that each belongs to.

    Attributes
    ----------
    frame : DataFrame
        One column per variable of the formula.
    answer : ndarray of int of shape (m,)
        Which answer a row is averaged into, sorted upwards.
    weight : ndarray of shape (m,)
        Its weight; weights of an answer add up to one.
    n_answers : int
    offset : float, optional
        Stands in the place of the model's own offset.
    """

    frame: pd.DataFrame
    answer: IntArray
    weight: FloatArray
    n_answers: int
    offset: float | None = None


def expand(grid: pd.DataFrame, variables: Mapping[str, Variable], setting: Setting) -> GridRows:
    """Return the rows of a reference grid: every grid row times every averaged combination."""
    n, k = len(grid), setting.n_averaged
    answer = np.repeat(np.arange(n), k)
    combos = list(itertools.product(*setting.averaged.values()))
    columns: dict[str, pd.Series] = {}
    for name in grid.columns:
        columns[name] = taken(variables[name].column(grid[name]), answer)
    for j, name in enumerate(setting.averaged):
        own = variables[name].column([combo[j] for combo in combos])
        columns[name] = taken(own, np.tile(np.arange(k), n))
    for name, value in setting.held.items():
        columns[name] = taken(variables[name].column([value]), np.zeros(n * k, dtype=np.int64))
    weight = np.full(n * k, 1.0 / k)
    frame = pd.DataFrame(columns, index=pd.RangeIndex(n * k))
    return GridRows(frame=frame, answer=answer, weight=weight, n_answers=n)


def observed_frame(variables: Mapping[str, Variable]) -> pd.DataFrame:
    """Return the predictors on the rows used, grouping factors left out."""
    return pd.DataFrame({n: v.on_rows() for n, v in variables.items() if not v.is_group})


def counterfactual(
    grid: pd.DataFrame, variables: Mapping[str, Variable], observed: pd.DataFrame
) -> GridRows:
    """Return every row of the data once per grid row, with the focal values put in."""
    n, m = len(grid), len(observed)
    frame = pd.concat([observed] * n, ignore_index=True) if n > 1 else observed.copy()
    answer = np.repeat(np.arange(n), m)
    for name in grid.columns:
        frame[name] = taken(variables[name].column(grid[name]), answer)
    return GridRows(frame=frame, answer=answer, weight=np.full(n * m, 1.0 / m), n_answers=n)


def matching(
    grid: pd.DataFrame,
    focal: Sequence[Focal],
    variables: Mapping[str, Variable],
    observed: pd.DataFrame,
) -> GridRows:
    """Return the rows of the data that have a grid row's levels; its numbers are put in.

    Answers without rows keep a weight of nothing and become missing.
    """
    factors = [f for f in focal if not f.variable.is_numeric]
    numeric = [f for f in focal if f.variable.is_numeric]
    sizes = [len(f.variable.levels) for f in factors]
    if factors:
        cells = _cells([f.variable.values for f in factors], sizes)
        wanted = _cells([_codes(grid[f.name], f.variable) for f in factors], sizes)
    else:
        cells = np.zeros(len(observed), dtype=np.int64)
        wanted = np.zeros(len(grid), dtype=np.int64)
    order = np.argsort(cells, kind="stable")
    starts = np.searchsorted(cells[order], wanted, side="left")
    stops = np.searchsorted(cells[order], wanted, side="right")
    counts = stops - starts
    rows = np.concatenate([order[a:b] for a, b in zip(starts, stops, strict=True)])
    answer = np.repeat(np.arange(len(grid)), counts)
    frame = observed.iloc[rows].reset_index(drop=True)
    for f in numeric:
        frame[f.name] = taken(variables[f.name].column(grid[f.name]), answer)
    weight = 1.0 / counts[answer]
    return GridRows(frame=frame, answer=answer, weight=weight, n_answers=len(grid))
