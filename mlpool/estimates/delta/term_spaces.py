"""Spaces of contrasts among marginal means: a term's, and what no term's contrasts hold."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mlpool.estimates.delta.averages import all_columns
from mlpool.estimates.delta.comparison_weights import make_comparison
from mlpool.estimates.grids.grid_language import Focal
from mlpool.estimates.grids.nested_factors import (
    Nests,
    can_exist,
    codes_of,
    nested_factors,
    within_nests,
)
from mlpool.estimates.grids.reference_grid import expand, focal_grid, make_setting
from mlpool.estimates.grids.variables import Variable
from mlpool.hypotheses.estimability import estimable_part
from mlpool.typing import FloatArray, IntArray

if TYPE_CHECKING:
    from mlpool.models import FittedModel

REDUCED, CONFOUNDED = "e", "(confounded)"

_NOTHING = 1e-8
"""Share of the largest singular value, rows having length one, below which a direction is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TermTest:
    """Contrasts that are tested together.

    Attributes
    ----------
    name : str
    L : ndarray of shape (r, p)
        Of full rank, over the estimated coefficients.
    note : str
        ``"e"`` where some contrasts cannot be estimated.
    """

    name: str
    L: FloatArray
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TermSpace:
    """The reference grid of a model, whole or at given values of some variables."""

    model: FittedModel
    variables: Mapping[str, Variable]
    fixed: Mapping[str, object]
    nests: Nests

    @classmethod
    def of(
        cls, model: FittedModel, variables: Mapping[str, Variable], cell: pd.DataFrame | None
    ) -> TermSpace:
        """Return the space at the values of one row of a grid; None: the whole grid."""
        fixed = {} if cell is None else {str(n): cell[n].iloc[0] for n in cell.columns}
        return cls(model=model, variables=variables, fixed=fixed, nests=nested_factors(model))

    def tests(self, terms: Sequence[tuple[str, ...]], V: FloatArray) -> list[TermTest]:
        """Return the terms' contrasts that can be estimated, and the rest of empty cells.

        Parameters
        ----------
        terms : sequence of tuple of str
        V : ndarray of shape (p, p)
            Covariance of the coefficients.
        """
        found, reduced = [], False
        for names in terms:
            rows = self.contrasts(names)
            L = independent(estimable_part(self.model, rows))
            fewer = len(L) < len(independent(rows))
            reduced |= fewer
            if len(L):
                found.append(TermTest(name=":".join(names), L=L, note=REDUCED if fewer else ""))
        if reduced and not self.fixed:
            rest = self._beside(terms, [one.L for one in found], V)
            if len(rest):
                found.append(TermTest(name=CONFOUNDED, L=rest))
        return found

    def means(self, names: Sequence[str]) -> tuple[pd.DataFrame, FloatArray]:
        """Return the grid of some variables and its means over all columns of X."""
        variables = self.variables
        focal = [_focal(variables[n], reference_values(variables[n])) for n in names]
        grid = focal_grid(focal)
        if self.nests:
            grid = grid[can_exist(grid, variables, self.nests)].reset_index(drop=True)
        held = [_focal(variables[n], (v,)) for n, v in self.fixed.items()]
        others = [
            _focal(v, reference_values(v))
            for n, v in variables.items()
            if n not in names and n not in self.fixed and v.is_numeric
        ]
        setting = make_setting(variables, focal, averages=True, at=[*held, *others])
        rows = expand(grid, variables, setting)
        return grid, all_columns(
            self.model, within_nests(rows, variables, self.nests, setting.averaged)
        )

    def contrasts(self, names: tuple[str, ...]) -> FloatArray:
        """Return the rows of one term's contrasts: neighbouring levels, crossed, within nests."""
        grid, means = self.means(names)
        codes = {n: _codes(grid[n], self.variables[n]) for n in names}
        outer = [n for n in names if any(n in self.nests.get(i, {}) for i in names)]
        inner = [n for n in names if n not in outer]
        rows = [np.zeros((0, means.shape[1]))]
        for nest in sorted(set(zip(*(codes[n].tolist() for n in outer), strict=True)) or {()}):
            here = np.ones(len(grid), dtype=bool)
            for n, code in zip(outer, nest, strict=True):
                here &= codes[n] == code
            rows.append(_crossed({n: codes[n][here] for n in inner}) @ means[here])
        return np.vstack(rows)

    def _beside(
        self, terms: Sequence[tuple[str, ...]], tested: list[FloatArray], V: FloatArray
    ) -> FloatArray:
        """Return estimable contrasts of the whole grid uncorrelated with those tested.

        Their Wald statistic is that of all contrasts less that of the tested ones, as in emmeans.
        """
        _, means = self.means([n for n in dict.fromkeys(n for t in terms for n in t)])
        everything = independent(estimable_part(self.model, means[1:] - means[:1]))
        known = independent(np.vstack(tested)) if tested else everything[:0]
        n_left = len(everything) - len(known)
        if n_left <= 0:
            return everything[:0]
        share = np.linalg.solve(known @ V @ known.T, known @ V @ everything.T)
        rest = everything - share.T @ known
        return np.asarray(np.linalg.svd(rest, full_matrices=False)[2][:n_left])


def reference_values(variable: Variable) -> tuple[Any, ...]:
    """Return a factor's levels, and a number's mean minus and plus one."""
    if not variable.is_numeric:
        return variable.levels
    return variable.mean - 1.0, variable.mean + 1.0


def independent(rows: FloatArray) -> FloatArray:
    """Return a basis of the row space, in terms of rows of length one."""
    size = np.linalg.norm(rows, axis=1)
    rows = rows[size > 0] / size[size > 0, None]
    if not len(rows):
        return rows
    _, s, right = np.linalg.svd(rows, full_matrices=False)
    return np.asarray(right[s > _NOTHING * s[0]])


def _focal(variable: Variable, values: tuple[object, ...]) -> Focal:
    return Focal(variable=variable, values=values, text=variable.name)


def _codes(values: pd.Series, variable: Variable) -> IntArray:
    if variable.is_numeric:
        return np.searchsorted(np.unique(values), np.asarray(values, dtype=np.float64))
    return codes_of(values, variable)


def _crossed(codes: Mapping[str, IntArray]) -> FloatArray:
    """Return the weights of crossed differences of neighbouring levels among the cells given."""
    levels = [np.unique(c) for c in codes.values()]
    if any(len(known) < 2 for known in levels):
        return np.zeros((0, len(next(iter(codes.values())))))
    steps = [make_comparison("sequential", [str(v) for v in known]).weights for known in levels]
    weights = reduce(lambda a, b: np.asarray(np.kron(a, b)), steps)
    order = list(itertools.product(*levels))
    place = {cell: i for i, cell in enumerate(zip(*codes.values(), strict=True))}
    return np.asarray(weights[:, [order.index(cell) for cell in place]])
