"""Hypotheses of terms where columns determine each other: what a term adds to all others.

A column that earlier ones determine has no coefficient, but it stands in the model: without
``wt`` the model ``y ~ wt + wt2``, wt2 = 2 wt, is the same. A term is worth what the span of the
columns loses without *all* of its columns, estimated or not, which does not depend on how factors
are coded or on the order of terms (SAS's estimable functions; R's ``drop1``).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mlpool.hypotheses.column_factors import column_factor
from mlpool.hypotheses.term_tests import MAX_CELLS, TermColumns, left_out
from mlpool.typing import FloatArray, IntArray

if TYPE_CHECKING:
    from mlpool.uncertainty.model_protocol import EstimatedModel

_RANK_TOL = 1e-9
"""Singular values of columns of unit length, beside the constant, below which they determine each
other; the engine keeps columns of which 1e-7 of their length is their own."""
_ROUNDING = 1e-13
"""Share of a column's length that arithmetic with it loses."""


def has_aliased(model: EstimatedModel) -> bool:
    """Tell whether a column of the fixed part has no coefficient, and spans can be compared."""
    width = model.design.X.shape[1]
    return bool(len(model.fit.kept) < width <= MAX_CELLS)


def beyond_rest(model: EstimatedModel, terms: Iterable[TermColumns]) -> list[FloatArray]:
    """Return rows L (r, p) of ``L beta = 0`` for each term beyond the columns of all others.

    Without aliased columns these are the term's own coefficients.
    """
    if not has_aliased(model):
        return [np.eye(len(model.columns))[t.columns] for t in terms]
    spans = Spans.of(model)
    return [spans.hypothesis(without=[t.number]) for t in terms]


def beyond_some(
    model: EstimatedModel,
    terms: tuple[TermColumns, ...],
    type_: int,
    covariance: FloatArray | None,
    *,
    by_containment: bool,
) -> list[FloatArray]:
    """Return rows of each term beyond those it is adjusted for (types I and II).

    Orthogonal, in the metric of the `covariance` (of least squares if None), to what the terms
    left out add; rows may follow from each other.
    """
    spans, out = Spans.of(model), []
    for term in terms:
        columns = left_out(terms, term, type_, by_containment=by_containment)
        free = [t.number for t in terms if len(t.columns) and np.isin(t.columns, columns).all()]
        later = spans.hypothesis(without=free)
        both = spans.hypothesis(without=[term.number, *free])
        metric = spans.bread if covariance is None else covariance
        if len(later):
            inner = later @ metric @ later.T
            rows = both - both @ metric @ later.T @ np.linalg.solve(inner, later)
        else:
            rows = both
        out.append(_reduced(rows, metric, len(both) - len(later)))
    return out


def _reduced(rows: FloatArray, metric: FloatArray, rank: int) -> FloatArray:
    """Return `rank` rows that span those given, orthonormal in the metric."""
    if rank <= 0:
        return np.empty((0, metric.shape[0]))
    values, vectors = np.linalg.eigh(rows @ metric @ rows.T)
    kept = slice(len(values) - rank, None)
    return np.asarray((vectors[:, kept] / np.sqrt(values[kept])).T @ rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spans:
    """The columns of a design in an orthonormal basis of their span.

    Attributes
    ----------
    R : ndarray of shape (p, p)
        Triangular factor of the estimated columns.
    columns : ndarray of shape (p, all columns)
        Every column in its basis, without the constant, of length 1.
    of_term : ndarray of int
        Term of each column; -1 is the intercept.
    first : int
        1 if the basis begins with the constant, whose row `columns` lacks.
    """

    R: FloatArray
    columns: FloatArray
    of_term: IntArray
    first: int

    @classmethod
    def of(cls, model: EstimatedModel) -> Spans:
        """Return the spans of a model's fixed part."""
        design, kept = model.design.X, np.asarray(model.fit.kept)
        p, width = len(kept), design.shape[1]
        order = np.concatenate([kept, np.setdiff1d(np.arange(width), kept)])
        factor = column_factor(model.design, order)[:p]
        place = np.empty(width, dtype=np.int64)
        place[order] = np.arange(width)
        first = int(bool(design.intercept))
        columns = factor[first:, place]
        whole = np.linalg.norm(factor[:, place], axis=0)
        lengths = np.linalg.norm(columns, axis=0)
        is_there = lengths > _ROUNDING * whole
        columns = np.where(is_there, columns / np.where(is_there, lengths, 1.0), 0.0)
        of_term = np.array([c.term for c in design.columns])
        return cls(R=factor[:, :p], columns=columns, of_term=of_term, first=first)

    @property
    def bread(self) -> FloatArray:
        """``(X'X)^-1`` of the estimated columns (p, p)."""
        inverse = np.linalg.inv(self.R)
        return np.asarray(inverse @ inverse.T)

    def hypothesis(self, *, without: list[int]) -> FloatArray:
        """Return L (r, p): the linear predictor lies in the span of the other terms' columns."""
        rest = self.columns[:, ~np.isin(self.of_term, without)]
        basis, lengths, _ = np.linalg.svd(rest, full_matrices=True)
        rank = int(np.sum(lengths > _RANK_TOL))
        return np.asarray(basis[:, rank:].T @ self.R[self.first :])
