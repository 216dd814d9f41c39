"""The same linear mixed model fitted again and again: to other responses, to resampled clusters.

What a response changes in the sums of a model is one column: with the columns [Z X] kept at hand,

    Z'W y_new  and  [X y_new]'W y_new

are made anew and everything else (Z'WZ, Z'WX, X'WX, the layout of nested and crossed factors) is
shared. A resample of whole clusters is a choice among the sums of the clusters, with repetitions:
it reads no rows at all. The search starts at the estimate of the fit that is repeated.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

import numpy as np

from mlpool.engine.lmm.criterion import Criterion
from mlpool.engine.lmm.fit import is_one_factor, prepare
from mlpool.engine.lmm.identifiability import check_estimable, check_identified
from mlpool.engine.lmm.one_factor import OneFactor
from mlpool.engine.lmm.several_factors import SeveralFactors
from mlpool.engine.optimizer.convergence import smallest_diagonal
from mlpool.engine.optimizer.local_minima import deepest
from mlpool.engine.optimizer.newton import minimise
from mlpool.engine.rank import independent_of_sums
from mlpool.engine.sums.cluster_sums import CrossProducts
from mlpool.engine.sums.columns import Layout, Rows
from mlpool.engine.sums.cross_sums import (
    GroupingFactor,
    factor_sums,
    grouping_factors,
    outer_columns,
)
from mlpool.engine.sums.trend import (
    MISSED,
    detrended_sums,
    missed_trend,
    retrended,
    solve_scaled,
)
from mlpool.engine.theta import Template
from mlpool.engine.types import ArrayRows, Control, LmmData, LmmFit
from mlpool.errors import FitError
from mlpool.typing import FloatArray, IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimates:
    """What a repeated fit is asked for.

    Attributes
    ----------
    beta : ndarray of shape (p,)
    theta : ndarray of shape (k,)
    sigma : float
    criterion : float
        REML criterion or ML deviance.
    is_singular : bool
    """

    beta: FloatArray
    theta: FloatArray
    sigma: float
    criterion: float
    is_singular: bool


Drawn_contra = TypeVar("Drawn_contra", contravariant=True)


class Refitted(Protocol[Drawn_contra]):
    """A model that is fitted again to many draws: responses (n,), or clusters."""

    def fit(self, drawn: Drawn_contra, /) -> Estimates:
        """Return the estimates of one draw."""


def new_responses(
    data: LmmData, theta: FloatArray, *, reml: bool, control: Control
) -> OneFactorResponses | SeveralResponses:
    """Prepare a model for many responses.

    Parameters
    ----------
    data : LmmData
    theta : ndarray of shape (k,)
        Where every search starts.
    reml : bool
    control : Control
    """
    made = OneFactorResponses if is_one_factor(data) else SeveralResponses
    return made(data, theta, reml=reml, control=control)


class OneFactorResponses:
    """Many responses of a model with one grouping factor."""

    def __init__(self, data: LmmData, theta: FloatArray, *, reml: bool, control: Control) -> None:
        rows = Rows.of_factor(data, data.terms[0].factor)
        self._sums, self._kept = detrended_sums(rows, batch_rows=control.batch_rows)
        self._template = Template(tuple(t.z.shape[1] for t in data.terms))
        check_estimable(OneFactor(self._sums, self._template, self._kept, reml=reml))
        self._root = None if data.weights is None else np.sqrt(data.weights)
        self._offset, self._codes, self._reml = data.offset, data.terms[0].codes, reml
        self._columns = _weighted_columns(rows, self._sums, self._root)
        self._theta, self._control = theta, control

    def fit(self, y: FloatArray) -> Estimates:
        """Return the estimates of one response (n,)."""
        sums = self._with(y, self._sums.layout)
        missed = missed_trend(sums, self._kept)
        if missed is not None:
            sums = self._with(y, retrended(sums.layout, self._kept, missed))
        objective = OneFactor(sums, self._template, self._kept, reml=self._reml)
        return search(objective, self._theta, self._control)

    def _with(self, y: FloatArray, layout: Layout) -> CrossProducts:
        """Return the sums with another response, about the centre and trend of `layout`."""
        sums, at = replace(self._sums, layout=layout), layout.y
        y = y - layout.centre[at]
        if self._offset is not None:
            y = y - self._offset
        if self._root is not None:
            y = y * self._root
        for column in np.flatnonzero(layout.trend).tolist():
            y = y - layout.trend[column] * self._columns[column]
        by_cluster, total = sums.sums.copy(), sums.total.copy()
        for a, column in enumerate(sums.outer):
            by_cluster[a, at] = np.bincount(self._codes, self._columns[column] * y, sums.n_levels)
        total[at, :] = total[:, at] = self._columns @ y
        total[at, at] = y @ y
        return replace(sums, sums=by_cluster, total=total, within=None)


class SeveralResponses:
    """Many responses of a model with several grouping factors."""

    def __init__(self, data: LmmData, theta: FloatArray, *, reml: bool, control: Control) -> None:
        check_identified(data)
        self._base = SeveralFactors.from_data(data, reml=reml, control=control)
        check_estimable(self._base)
        factors = grouping_factors(data)
        sums, _ = factor_sums(data, factors, control.batch_rows)
        self._factors = [factors[f] for f in self._base.order]
        self._z = [_working_columns(data, factors[f], sums[f], self._base.parts.columns[f].P)
                   for f in self._base.order]  # fmt: skip
        fixed = self._base.fixed
        X = data.X.rows(0, data.n)[:, self._base.kept]
        self._shift = X @ fixed.shift
        if data.offset is not None:
            self._shift = self._shift + data.offset
        self._root = None if data.weights is None else np.sqrt(data.weights)
        X = X @ fixed.back
        self._X = X if self._root is None else X * self._root[:, None]
        self._theta, self._control = theta, control

    def fit(self, y: FloatArray) -> Estimates:
        """Return the estimates of one response (n,)."""
        y = y - self._shift
        if self._root is not None:
            y = y * self._root
        missed = self._missed(y)
        if missed is None:
            return search(self._with(y), self._theta, self._control)
        found = search(self._with(y - self._X @ missed), self._theta, self._control)
        return replace(found, beta=found.beta + self._base.fixed.back @ missed)

    def _missed(self, y: FloatArray) -> FloatArray | None:
        """Return working coefficients that explain nearly all of a response, else None."""
        Xy = self._X.T @ y
        found = solve_scaled(self._base.total[:-1, :-1], Xy)
        square = float(y @ y)
        return found if square > MISSED * (square - float(found @ Xy)) else None

    def _with(self, y: FloatArray) -> SeveralFactors:
        """Return the criterion with another response, in weighted working rows."""
        blocks, made = self._base.blocks, []
        for factor, z in zip(self._factors, self._z, strict=True):
            made.append(np.stack([np.bincount(factor.codes, c * y, factor.n_levels) for c in z]))
        levels = []
        for level, own in zip(blocks.levels, made, strict=False):
            W = level.W.copy()
            W[..., -1] = own
            levels.append(replace(level, W=W))
        core = blocks.core
        if core is not None:
            W = core.W.copy()
            W[:, -1] = np.concatenate([own.T.ravel() for own in made[len(levels) :]])
            core = replace(core, W=W)
        total = blocks.total.copy()
        total[:-1, -1] = total[-1, :-1] = self._X.T @ y
        total[-1, -1] = y @ y
        base = self._base
        blocks = replace(blocks, levels=tuple(levels), core=core, total=total)
        parts = replace(base.parts, triangle=None, blocks=blocks)
        other = SeveralFactors(parts, base.template, base.kept, reml=base.reml)
        other.share_dense(base)
        return other


class ClusterResamples:
    """Resamples of whole clusters of a model with one grouping factor, from their sums.

    Parameters
    ----------
    data : LmmData
    theta : ndarray of shape (k,)
    reml : bool
    control : Control
    """

    def __init__(self, data: LmmData, theta: FloatArray, *, reml: bool, control: Control) -> None:
        rows = Rows.of_factor(data, data.terms[0].factor)
        self._sums = CrossProducts.from_rows(rows, batch_rows=control.batch_rows, every_column=True)
        J = self._sums.n_levels
        self._sizes = np.bincount(rows.codes, minlength=J)
        logs = None if data.weights is None else np.log(data.weights)
        self._logs = np.zeros(J) if logs is None else np.bincount(rows.codes, logs, J)
        self._order = np.argsort(rows.codes, kind="stable")
        self._ends = np.cumsum(self._sizes)
        self._X, self._reml = data.X, reml
        self._template = Template(tuple(t.z.shape[1] for t in data.terms))
        self._kept = independent_of_sums(self._sums, data.X)
        self._theta, self._control = theta, control

    @property
    def n_clusters(self) -> int:
        """Number of clusters."""
        return self._sums.n_levels

    def fit(self, picked: IntArray) -> Estimates:
        """Return the estimates of the clusters `picked`, each as often as it is named.

        Raises
        ------
        FitError
            If a coefficient cannot be estimated from them.
        """
        by_cluster = self._sums.sums[..., picked]
        sums = replace(
            self._sums,
            sums=np.ascontiguousarray(by_cluster),
            total=by_cluster.sum(axis=2),
            n=int(self._sizes[picked].sum()),
            sum_log_weights=float(self._logs[picked].sum()),
        )
        kept = independent_of_sums(sums, _TakenRows(self, picked))
        objective = OneFactor(sums, self._template, kept, reml=self._reml)
        check_estimable(objective)
        if not np.array_equal(kept, self._kept):
            raise FitError("The resample leaves a coefficient without variation in its column.")
        return search(objective, self._theta, self._control)

    def rows(self, picked: IntArray) -> FloatArray:
        """Return the rows of X of the clusters picked."""
        starts = self._ends - self._sizes
        where = [self._order[starts[j] : self._ends[j]] for j in picked]
        return self._X.rows(0, self._X.shape[0])[np.concatenate(where)]


class _TakenRows:
    """X of a resample, made only if the sums leave doubts about aliased columns."""

    def __init__(self, source: ClusterResamples, picked: IntArray) -> None:
        self._source, self._picked = source, picked
        self._made: ArrayRows | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        n = int(self._source._sizes[self._picked].sum())
        return n, self._source._X.shape[1]

    def rows(self, start: int, stop: int) -> FloatArray:
        """Rows ``start:stop``."""
        if self._made is None:
            self._made = ArrayRows(self._source.rows(self._picked))
        return self._made.rows(start, stop)


def deviance_held(data: LmmData, ml: LmmFit, i: int, value: float) -> float:
    """Return the ML deviance with a coefficient held, of sums that were made elsewhere.

    Parameters
    ----------
    data : LmmData
    ml : LmmFit
        Where the search starts.
    i : int
        Which of the estimated coefficients.
    value : float
        Its part, ``value * x``, is taken off the response.
    """
    assert data.kept is not None
    column = int(data.kept[i])

    def held(sums: CrossProducts | None) -> CrossProducts | None:
        return None if sums is None else _without_column(sums, column, value)

    several = data.factor_sums
    if several is not None:
        factors = tuple(_without_column(s, column, value) for s in several.factors)
        several = replace(several, factors=factors)
    rest = np.delete(data.kept, i)
    rest = np.where(rest > column, rest - 1, rest)
    control = Control(progress=False)
    without = replace(data, sums=held(data.sums), factor_sums=several, kept=rest)
    return search(prepare(without, reml=False, control=control), ml.theta, control).criterion


def _without_column(sums: CrossProducts, column: int, value: float) -> CrossProducts:
    """Return the sums of the response less a part of a column of X, without this column."""
    layout = sums.layout
    a, y = layout.index[column], layout.y
    R = np.eye(layout.k)
    R[a, y] -= value
    R[0, y] -= value * layout.centre[a]
    index = (*layout.index[:column], *layout.index[column + 1 :])
    return replace(
        sums,
        layout=replace(layout, index=index, p=layout.p - 1),
        sums=np.ascontiguousarray(np.einsum("abj,bc->acj", sums.sums, R)),
        total=R.T @ sums.total @ R,
        by_size=None if sums.by_size is None else sums.by_size.combined(R),
    )


def search(objective: Criterion, theta: FloatArray, control: Control) -> Estimates:
    """Minimise from `theta`, as whole fits do; a variance of zero starts from moment estimates.

    Raises
    ------
    FitError
        If the search does not converge, or there is no residual variation.
    """
    template = objective.template
    is_inside = smallest_diagonal(template, objective.standards, theta) > control.singular_tol
    start = theta if is_inside else objective.start()[0]
    working = objective.working()
    found = deepest(working, minimise(working, objective.to_working(start), control), control)
    if not found.converged:
        raise FitError(f"The fit {found.message}.")
    end = working.hand_over(found.end)
    solution, fixed = objective.solve(end), objective.fixed
    return Estimates(
        beta=fixed.back @ -solution.v[:-1] + fixed.shift,
        theta=end,
        sigma=float(np.sqrt(solution.pwrss / objective.m)),
        criterion=solution.value,
        is_singular=smallest_diagonal(template, objective.standards, end) < control.singular_tol,
    )


def _weighted_columns(rows: Rows, sums: CrossProducts, root: FloatArray | None) -> FloatArray:
    """Return the distinct columns about their centres, times sqrt(weight), as (k, n)."""
    source = rows.columns(0, rows.y.shape[0])
    out = np.ones((sums.layout.k, rows.y.shape[0]))
    for column, first in enumerate(sums.layout.sources()):
        if first >= 0:
            out[column] = source[first] - sums.layout.centre[column]
    return out if root is None else out * root


def _working_columns(
    data: LmmData, factor: GroupingFactor, sums: CrossProducts, P: FloatArray
) -> FloatArray:
    """Return a factor's working columns of Z times sqrt(weight), as (q, n)."""
    outer = outer_columns(data, factor, sums, 0, data.n)
    U = np.stack([np.ones(data.n) if column is None else column for column in outer])
    return np.asarray(P.T @ U)
