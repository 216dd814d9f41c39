"""How combinations of levels that means average over are weighted: emmeans' ``weights=``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from mlpool.errors import NotSupportedError, check_option
from mlpool.estimates.grids.grid_language import Focal
from mlpool.estimates.grids.nested_factors import codes_of
from mlpool.estimates.grids.reference_grid import Setting
from mlpool.estimates.grids.variables import Variable
from mlpool.sources.design import PushedDesign
from mlpool.typing import FloatArray, IntArray

WEIGHTS = ("equal", "proportional", "outer", "cells", "flat")


def read_weights(weights: object) -> str:
    """Return how averaged combinations are weighted.

    Raises
    ------
    OptionError
        For other words.
    """
    return check_option("equal" if weights is None else weights, WEIGHTS, argument="weights")


def weights_note(kind: str) -> tuple[str, ...]:
    """Return what a table says below the means."""
    words = {
        "proportional": "Averages are weighted by how often combinations occur.",
        "outer": "Averages are weighted by how often levels occur, factor by factor.",
        "cells": "Averages are weighted by how often combinations occur in each cell.",
        "flat": "Averages are over the combinations that occur in each cell, with equal weights.",
    }
    return (words[kind],) if kind in words else ()


def combination_weights(
    kind: str,
    grid: pd.DataFrame,
    focal: Sequence[Focal],
    variables: Mapping[str, Variable],
    setting: Setting,
) -> FloatArray:
    """Return the weight of every averaged combination at every row of a grid (n, k).

    Parameters
    ----------
    kind : str
        By numbers of rows, whatever their prior weights: ``"proportional"``: of the combination;
        ``"outer"``: of each of its levels, multiplied; ``"cells"``: of the combination within the
        levels of the grid's row; ``"flat"``: 1 where that is not 0.

    Returns
    -------
    ndarray of shape (n, k)
        Rows add up to one; missing where no row of the data is in the cell.

    Raises
    ------
    NotSupportedError
        For models whose rows are elsewhere, and numbers that ``at=`` averages over.

    References
    ----------
    R's ``emmeans`` (section "Weights" of its help).
    """
    design = next(iter(variables.values())).design
    numbers = [
        n
        for n in setting.averaged
        if variables[n].summary.n_distinct > 2 and variables[n].is_numeric
    ]
    if isinstance(design, PushedDesign) or numbers:
        why = f"{numbers[0]} has none" if numbers else "this model does not hold its rows"
        raise NotSupportedError(
            f"weights='{kind}' counts rows of the data by levels, and {why}; use weights='equal'."
        )
    codes = [_codes(variables[name], values) for name, values in setting.averaged.items()]
    sizes = [len(values) for values in setting.averaged.values()]
    combination = _combined(codes, sizes)
    k = setting.n_averaged
    if kind == "outer":
        share = np.ones(1)
        for code, size in zip(codes, sizes, strict=True):
            share = np.outer(share, _sums(code, size)).ravel()
        count = np.tile(share, (len(grid), 1))
    elif kind == "proportional":
        count = np.tile(_sums(combination, k), (len(grid), 1))
    else:
        count = _within_cells(grid, focal, variables, combination, k)
        count = (count > 0.0).astype(float) if kind == "flat" else count
    total = count.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        return np.asarray(count / np.where(total > 0.0, total, np.nan))


def _within_cells(
    grid: pd.DataFrame,
    focal: Sequence[Focal],
    variables: Mapping[str, Variable],
    combination: IntArray,
    k: int,
) -> FloatArray:
    """Return the number of rows of every combination within the levels of every grid row (n, k)."""
    factors = [f for f in focal if not f.variable.is_numeric]
    sizes = [len(f.variable.levels) for f in factors]
    cells = int(np.prod(sizes, dtype=np.int64))
    own = _combined([np.asarray(f.variable.values, dtype=np.int64) for f in factors], sizes)
    own = own if factors else np.zeros(len(combination), dtype=np.int64)
    inside = combination >= 0
    table = _sums((own * k + combination)[inside], cells * k).reshape(cells, k)
    asked = _combined([codes_of(grid[f.name], f.variable) for f in factors], sizes)
    return table[asked if factors else np.zeros(len(grid), dtype=np.int64)]


def _codes(variable: Variable, values: Sequence[object]) -> IntArray:
    """Return the place of every row's value among those averaged over; -1 for others (n,)."""
    if variable.is_numeric:
        wanted = np.array(values, dtype=np.float64)
        # a share of the value itself, which was read from these numbers
        found = np.isclose(variable.numbers[:, None], wanted[None, :], rtol=1e-12, atol=0.0)
        return np.where(found.any(axis=1), found.argmax(axis=1), -1)
    places = codes_of(list(values), variable)
    position = np.full(len(variable.levels), -1, dtype=np.int64)
    position[places] = np.arange(len(places))
    return position[np.asarray(variable.values, dtype=np.int64)]


def _combined(codes: Sequence[IntArray], sizes: Sequence[int]) -> IntArray:
    """Return one number per row for several codes, the last varying fastest; -1 for any missing."""
    if not codes:
        return np.zeros(0, dtype=np.int64)
    total = np.zeros(len(codes[0]), dtype=np.int64)
    missing = np.zeros(len(codes[0]), dtype=bool)
    for code, size in zip(codes, sizes, strict=True):
        total = total * size + code
        missing |= code < 0
    return np.where(missing, -1, total)


def _sums(codes: IntArray, size: int) -> FloatArray:
    inside = codes >= 0
    return np.bincount(codes[inside], minlength=size).astype(np.float64)
