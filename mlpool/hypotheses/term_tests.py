"""Which linear hypothesis tests a term: types I, II and III, for any model.

``terms_of`` tells the columns, factors and covariates of each term of the fixed part. A hypothesis
L beta = 0 of a term F is then

* type I: F beyond the terms before it; type II: F beyond every term that does not contain it. With
  the covariance V of the coefficients, S the columns of F and of those left out (later or
  containing terms, C): ``L = I_F - V_FC V_CC^-1``, so that the Wald statistic of L is that of S
  less that of C (car's ``Anova``). lmerTest instead takes least squares' metric: the rows of F in
  the triangular factor of X with its columns in that order;
* type III: see :func:`type_three`.

References
----------
SAS/STAT, The Four Types of Estimable Functions; Kuznetsova, Brockhoff & Christensen (2017), JSS
82(13), section 2.1; Fox & Weisberg (2019), An R Companion to Applied Regression, section 5.3.4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.linalg

from mlpool.engine.rank import triangular_factor
from mlpool.errors import NotSupportedError
from mlpool.formula.design_matrix import FactorPart
from mlpool.hypotheses.telling_rows import telling_rows
from mlpool.typing import FloatArray, IntArray

if TYPE_CHECKING:
    from mlpool.uncertainty.model_protocol import EstimatedModel

_BLOCK = 1 << 16
"""Rows multiplied at a time."""
_NO_VARIANCE = 1e-13
"""Share of the largest eigenvalue of correlations that is their rounding (some hundred eps)."""
_RANK_TOL = 1e-6
"""Entries of estimable functions are contrasts of columns in one unit; less is their rounding, as
a share of the largest singular value or of one."""
MAX_CELLS = 3_000
"""Columns of one dummy per cell up to which type III hypotheses are found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TermColumns:
    """One term of the fixed part.

    Attributes
    ----------
    label : str
        ``ses``, ``recipe:temperature``.
    number : int
        Its place in ``design.X.terms``.
    columns : ndarray of int
        Its estimated coefficients.
    expressions, factors, covariates : frozenset of str
        What is multiplied; `factors` and `covariates` together are `expressions`.
    """

    label: str
    number: int
    columns: IntArray
    expressions: frozenset[str]
    factors: frozenset[str]
    covariates: frozenset[str]

    def is_within(self, other: TermColumns) -> bool:
        """Tell whether `other` has every expression of this term and more (car's relatives)."""
        return self.expressions < other.expressions

    def is_contained_in(self, other: TermColumns) -> bool:
        """Tell whether `other` has more factors, this term's among them, and the same covariates.

        Containment as SAS and lmerTest define it: a slope is contained in ``slope:factor``, the
        factor is not, because its effect there is at zero of the covariate.
        """
        return self.factors < other.factors and self.covariates == other.covariates


def terms_of(model: EstimatedModel, *, aliased: bool = False) -> tuple[TermColumns, ...]:
    """Return the terms that have estimated coefficients, in R's order; if `aliased`, all terms."""
    found = []
    by_term: dict[int, list[int]] = {}
    for i, column in enumerate(model.columns):
        by_term.setdefault(column.term, []).append(i)
    every = {c.term: c for c in model.design.X.columns}
    for number, term in enumerate(model.formula.fixed.terms):
        if number not in by_term and (not aliased or number not in every):
            continue
        kinds = {p.text: p.kind for p in every[number].parts}
        factors = frozenset(e for e, kind in kinds.items() if kind in ("factor", "ordered"))
        expressions = frozenset(e.text for e in term)
        found.append(
            TermColumns(
                label=":".join(e.text for e in term),
                number=number,
                columns=np.array(by_term.get(number, []), dtype=np.int64),
                expressions=expressions,
                factors=factors,
                covariates=expressions - factors,
            )
        )
    return tuple(found)


def intercept_columns(model: EstimatedModel) -> IntArray:
    """Return the place of the intercept among the coefficients (empty without)."""
    return np.array([i for i, c in enumerate(model.columns) if c.term < 0], dtype=np.int64)


# --- types I and II -----------------------------------------------------------------------------


def left_out(
    terms: Sequence[TermColumns], term: TermColumns, type_: int, *, by_containment: bool
) -> IntArray:
    """Return the columns that the test of `term` does not adjust for.

    Type I: later terms. Type II: terms that contain it, in lmerTest's sense or in car's.
    """
    if type_ == 1:
        out = [t for t in terms if t.number > term.number]
    elif by_containment:
        out = [t for t in terms if term.is_contained_in(t)]
    else:
        out = [t for t in terms if term.is_within(t)]
    return np.concatenate([t.columns for t in out]) if out else np.empty(0, dtype=np.int64)


def adjusted_rows(V: FloatArray, own: IntArray, out: IntArray) -> FloatArray:
    """Return ``I_F - V_FC V_CC^-1`` as rows of L (|F|, p)."""
    L = np.zeros((len(own), V.shape[0]))
    L[np.arange(len(own)), own] = 1.0
    if len(out):
        L[:, out] = -_regression(V[np.ix_(out, out)], V[np.ix_(out, own)]).T
    return L


def _regression(V: FloatArray, C: FloatArray) -> FloatArray:
    """Return ``V^-1 C`` for a covariance V (c, c), with the pseudo-inverse where V has no inverse.

    Covariances whose negative eigenvalues were set to zero are singular up to rounding. C lies in
    the range of V there, so that the pseudo-inverse still takes away all that V explains.
    """
    sd = np.sqrt(np.maximum(np.diag(V), 0.0))
    sd[sd == 0.0] = 1.0
    values, vectors = np.linalg.eigh(V / np.outer(sd, sd))
    informed = values > _NO_VARIANCE * values[-1]
    if informed.all():
        return np.asarray(np.linalg.solve(V, C))
    axes = vectors[:, informed]
    inner = (axes.T @ (C / sd[:, None])) / values[informed][:, None]
    return np.asarray((axes @ inner) / sd[:, None])


def least_squares_rows(R: FloatArray, own: IntArray, out: IntArray) -> FloatArray:
    """Return the rows of F in the triangular factor with F after the rest, and C after F.

    R is the triangular factor of X; rows are scaled to length 1.
    """
    p = R.shape[0]
    before = np.setdiff1d(np.arange(p), np.concatenate([own, out]))
    order = np.concatenate([before, own, out])
    rows = np.linalg.qr(R[:, order], mode="r")[len(before) : len(before) + len(own)]
    L = np.zeros((len(own), p))
    L[:, order] = rows
    return np.asarray(L / np.linalg.norm(L, axis=1, keepdims=True))


# --- type III -----------------------------------------------------------------------------------


def type_three(
    model: EstimatedModel, terms: Sequence[TermColumns], own: Sequence[FloatArray]
) -> list[FloatArray]:
    """Return the type III hypothesis of each term, which does not depend on how factors are coded.

    `own` are the hypotheses of each term's own columns, beyond all others.

    With one dummy per cell and term (X_o = X B) estimable functions are rows l = c'B. Those of F
    are zero on every term that neither is F nor contains it, and orthogonal to those of them that
    are zero on F too. A term that none contains is tested by its own columns.

    Raises
    ------
    NotSupportedError
        If factors have too many cells.
    """
    if not any(t.is_contained_in(u) for t in terms for u in terms):
        return list(own)
    B, of_term = _cell_coding(model)
    return [
        _estimable_rows(B, of_term, t, terms) if any(t.is_contained_in(u) for u in terms) else rows
        for t, rows in zip(terms, own, strict=True)
    ]


def _estimable_rows(
    B: FloatArray, of_term: IntArray, term: TermColumns, terms: Sequence[TermColumns]
) -> FloatArray:
    """Return c' (rank, p) of the type III estimable functions of one term."""
    containing = [u.number for u in terms if term.is_contained_in(u)]
    free = np.isin(of_term, [term.number, *containing])
    N = _null_space(B[:, ~free].T)  # c with c'B zero on the other terms
    M = N.T @ B[:, free]
    on_term = of_term[free] == term.number
    K = _null_space(M[:, on_term].T)  # of those, zero on F too
    rows = _null_space(K.T @ M @ M.T) if K.shape[1] else np.eye(M.shape[0])
    return np.asarray(rows.T @ N.T)


def _null_space(A: FloatArray) -> FloatArray:
    """Return an orthonormal basis (columns) of ``{x: A x = 0}``."""
    if A.shape[0] == 0:
        return np.eye(A.shape[1])
    _, values, Vt = np.linalg.svd(A)
    rank = int((values > _RANK_TOL * max(1.0, float(values.max(initial=0.0)))).sum())
    return np.asarray(Vt[rank:].T)


def _cell_coding(model: EstimatedModel) -> tuple[FloatArray, IntArray]:
    """Return B (p, cells) of ``X_o = X B`` and the term of each column of X_o (-1: intercept).

    X spans what X_o does, so B comes from one triangular factor of [X, X_o] without rounding of
    the size of n.
    """
    X, kept = telling_rows(model.design), np.asarray(model.fit.kept)
    sizes = [
        int(np.prod([_n_columns(part) for part in parts], dtype=np.int64)) for parts in X.terms
    ]
    total = sum(sizes) + int(X.intercept)
    if total + len(kept) > MAX_CELLS:
        raise NotSupportedError(
            f"Type III tests need one column for each of {total} cells of the factors; "
            f"{MAX_CELLS} can be handled. Use type='II' or drop an interaction."
        )
    p = len(kept)

    def both(start: int) -> FloatArray:
        stop = min(start + _BLOCK, X.n)
        parts = [X.rows(start, stop)[:, kept]]
        parts += [np.ones((stop - start, 1))] if X.intercept else []
        return np.hstack([*parts, *(_cells(term, start, stop) for term in X.terms)])

    R = triangular_factor(map(both, range(0, X.n, _BLOCK)), p + total)
    B = scipy.linalg.solve_triangular(R[:p, :p], R[:p, p:])
    of_term = np.repeat(np.arange(len(sizes)), sizes)
    return B, np.concatenate([[-1], of_term]) if X.intercept else of_term


def _n_columns(part: Any) -> int:
    if not isinstance(part, FactorPart):
        return int(part.width)
    coding: Any = part.coding
    return int(coding.n_levels if hasattr(coding, "n_levels") else coding.matrix.shape[0])


def _cells(parts: Sequence[Any], start: int, stop: int) -> FloatArray:
    """Return the rows of a term with one dummy per level of each factor."""
    block = np.ones((stop - start, 1))
    for part in parts:
        if isinstance(part, FactorPart):
            other = np.zeros((stop - start, _n_columns(part)))
            other[np.arange(stop - start), part.codes[start:stop]] = 1.0
        else:
            other = part.block(start, stop)
        block = (other[:, :, None] * block[:, None, :]).reshape(stop - start, -1)
    return block


def treatment_coded(model: EstimatedModel, terms: Sequence[TermColumns]) -> list[str]:
    """Return the factors whose coding decides what a test of a term's own columns means.

    They stand in an interaction, and are not coded so that effects sum to zero.
    """
    found: dict[str, None] = {}
    for term in terms:
        for other in terms:
            if not term.is_within(other):
                continue
            for part, text in _parts_of(model, other):
                if text not in term.factors and getattr(part.coding, "left_out", -1) >= 0:
                    found[text] = None
    return list(found)


def _parts_of(model: EstimatedModel, term: TermColumns) -> list[tuple[FactorPart, str]]:
    """Return the factors of a term and their expressions."""
    expressions = [e.text for e in model.formula.fixed.terms[term.number]]
    parts = zip(model.design.X.terms[term.number], expressions, strict=True)
    return [(part, text) for part, text in parts if isinstance(part, FactorPart)]
