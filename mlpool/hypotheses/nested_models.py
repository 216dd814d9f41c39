"""Is one model a special case of another? What changes between them?

Fixed effects: the columns of one span those of the other, and the difference of their offsets; the
links are the same. Random effects: V is linear in variances and covariances, so the model with V_a
is a case of the one with V_b if every matrix of its basis lies in the span of the other's, which a
few dozen rows that share levels show. Spans do not depend on units or zeros: columns are compared
without their constant, random effects' after they were made orthonormal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mlpool.engine.rank import triangular_factor
from mlpool.hypotheses.nested_structures import why_structures_differ
from mlpool.inference.boundary import add_mixtures
from mlpool.sources.absent_rows import AbsentRows
from mlpool.sources.combinations import CombinedDesign
from mlpool.sources.design import PushedDesign
from mlpool.typing import FloatArray, IntArray

if TYPE_CHECKING:
    from mlpool.uncertainty.model_protocol import EstimatedModel

_BLOCK = 1 << 16
_SPAN_TOL = 1e-6
"""Share of a column's length, its constant apart, outside a span that counts as rounding."""
_ROUNDING = 1e-13
"""Share of a column's whole length that arithmetic with it loses."""
_RANK_TOL = 1e-11
"""Share of a random effect's column beside earlier ones that rounding can make."""
_MOST_COLUMNS = 2_000
"""Columns up to which spans are compared by numbers; beyond, terms are compared by name."""
_LEVELS, _ROWS_PER_LEVEL = 10, 10
"""Levels of each factor, and rows of each level, in which variance structures are compared."""


def is_nested(small: EstimatedModel, big: EstimatedModel) -> bool:
    """Tell whether `small` is `big` with restrictions: in its fixed and in its random part."""
    return why_not_nested(("", small), ("", big)) is None


def why_not_nested(
    small: tuple[str, EstimatedModel], big: tuple[str, EstimatedModel]
) -> str | None:
    """Say why one named model is no special case of another; None if it is one."""
    (name, a), (other, b) = small, big
    if _link(a) != _link(b):
        return f"{name} and {other} have different links ({_link(a)} and {_link(b)})"
    if not fixed_is_within(a, b):
        is_offset = _offset_step(a, b) is not None and columns_are_within(a, b)
        return (
            f"{name} and {other} have different offsets"
            if is_offset
            else f"{name} is not nested in {other}"
        )
    reason = why_structures_differ(a, b)
    if reason is not None:
        return f"{name} is not known to be nested in {other} ({reason})"
    return None if variance_is_within(a, b) else f"{name} is not nested in {other}"


def same_fixed(a: Any, b: Any) -> bool:
    """Tell whether two models have the same fixed part, however it is written."""
    return len(a.names) == len(b.names) and fixed_is_within(a, b)


def _link(model: EstimatedModel) -> str:
    return "identity" if model.family is None else str(model.family.link)


def fixed_is_within(small: EstimatedModel, big: EstimatedModel) -> bool:
    """Tell whether linear predictors of `small`, offset included, are ones of `big`."""
    return columns_are_within(small, big, _offset_step(small, big))


def _offset_step(small: EstimatedModel, big: EstimatedModel) -> FloatArray | None:
    """Return by how much the offsets differ (n,), None if they do not."""
    if _is_elsewhere(small, big):
        return None  # compared by name
    zero = np.zeros(big.design.n)
    step = np.asarray(
        (zero if small.design.offset is None else small.design.offset)
        - (zero if big.design.offset is None else big.design.offset)
    )
    return step if np.any(step) else None


def joint_triangle(
    first: EstimatedModel, second: EstimatedModel, extra: FloatArray | None = None
) -> FloatArray:
    """Return R (k, k) of the QR factorisation of two models' estimated columns, side by side.

    `extra` (n,) is a last column. Rows are read block by block; no n x k matrix is made.
    """
    models, n = (first, second), first.design.n

    def rows(start: int) -> FloatArray:
        stop = min(start + _BLOCK, n)
        parts = [m.design.X.rows(start, stop)[:, m.fit.kept] for m in models]
        return np.hstack([*parts, *([] if extra is None else [extra[start:stop, None]])])

    k = sum(len(m.names) for m in models) + (extra is not None)
    return triangular_factor(map(rows, range(0, n, _BLOCK)), k)


def columns_are_within(
    small: EstimatedModel, big: EstimatedModel, extra: FloatArray | None = None
) -> bool:
    """Tell whether the columns of `small`, and `extra` (n,), are combinations of those of `big`."""
    if len(small.names) > len(big.names):
        return False
    if _is_elsewhere(small, big):
        return _same_by_name(small, big) and set(small.names) <= set(big.names)
    if len(small.names) + len(big.names) > _MOST_COLUMNS and extra is None:
        return set(small.names) <= set(big.names)
    R = joint_triangle(big, small, extra)
    p = len(big.names)
    has_constant = bool(big.design.X.intercept)
    outside = np.linalg.norm(R[p:, p:], axis=0)
    beside = np.linalg.norm(R[int(has_constant) :, p:], axis=0)
    whole = np.linalg.norm(R[:, p:], axis=0)
    return bool(np.all(outside <= np.maximum(_SPAN_TOL * beside, _ROUNDING * whole)))


def variance_is_within(small: EstimatedModel, big: EstimatedModel) -> bool:
    """Tell whether every covariance matrix that `small` can have, `big` can have too."""
    if _is_elsewhere(small, big):
        return _variance_by_name(small, big)
    rows = _telling_rows([*small.design.random, *big.design.random], big.design.n)
    targets = _variance_basis(small.design.random, rows)
    if targets.shape[1] == 0:
        return True
    basis = np.column_stack([_variance_basis(big.design.random, rows), np.eye(len(rows)).ravel()])
    # made of orthonormal columns: the cut-off is a share without units
    solution = np.linalg.lstsq(basis, targets, rcond=None)[0]
    outside = np.linalg.norm(targets - basis @ solution, axis=0)
    return bool(np.all(outside <= _SPAN_TOL * np.linalg.norm(targets, axis=0)))


def _is_elsewhere(*models: EstimatedModel) -> bool:
    """Tell whether a model has no rows here: its columns are then known by their names."""
    return any(isinstance(m.design, (PushedDesign, CombinedDesign)) for m in models)


def _same_by_name(small: EstimatedModel, big: EstimatedModel) -> bool:
    """Tell whether names of columns mean the same in both models, and offsets are the same."""
    a, b = small.design.encoding, big.design.encoding
    first, second = (tuple(e.text for e in m.design.formula.offsets) for m in (small, big))
    known, other = dict(a.context or {}), dict(b.context or {})
    return (
        (first, a.offset_name, set(known)) == (second, b.offset_name, set(other))
        and all(_is_same_value(known[name], other[name]) for name in known)
        and all(
            a.factors[t].levels == b.factors[t].levels
            and _is_same_value(a.contrasts.get(t), b.contrasts.get(t))
            for t in set(a.factors) & set(b.factors)
        )
    )


def _is_same_value(a: object, b: object) -> bool:
    """Tell whether two constants or names of codings are the same; others must be one object."""
    return a is b or (isinstance(a, (str, int, float)) and type(a) is type(b) and a == b)


def _variance_by_name(small: EstimatedModel, big: EstimatedModel) -> bool:
    """Tell whether every term of `small` is part of one of `big` with the same group."""
    return all(
        any(
            own.group == other.group and set(own.z.names) <= set(other.z.names)
            for other in big.design.random
        )
        for own in small.design.random
    )


def _telling_rows(random: list[Any], n: int) -> IntArray:
    """Return rows of a few levels of each factor, several of each level where there are."""
    chosen: set[int] = set()
    for codes in {id(r.codes): np.asarray(r.codes) for r in random}.values():
        order = np.argsort(codes, kind="stable")
        starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
        step = max(1, len(starts) // _LEVELS)
        for start in starts[::step][:_LEVELS]:
            level = order[start : start + _ROWS_PER_LEVEL]
            chosen.update(int(i) for i in level if codes[i] == codes[order[start]])
    return np.array(sorted(chosen or range(min(n, _LEVELS))))


def _variance_basis(random: Any, rows: IntArray) -> FloatArray:
    """Return the matrices dV/dphi at `rows`, one column each (rows x rows, flattened).

    Columns of a term are made orthonormal at these rows, which leaves their products' span.
    """
    columns = []
    for r in random:
        z = _orthonormal(np.vstack([r.z.rows(int(i), int(i) + 1) for i in rows]))
        codes = np.asarray(r.codes)[rows]
        same = codes[:, None] == codes[None, :]
        for a in range(z.shape[1]):
            for b in range(a + 1):
                product = np.outer(z[:, a], z[:, b])
                columns.append(((product + product.T) * same).ravel())
    return np.column_stack(columns) if columns else np.empty((len(rows) ** 2, 0))


def _orthonormal(z: FloatArray) -> FloatArray:
    """Return an orthonormal basis of the columns, those that earlier ones determine left out."""
    # the smallest number keeps a column of zeros from a division by zero only
    Q, R = np.linalg.qr(z / np.maximum(np.linalg.norm(z, axis=0), np.finfo(np.float64).tiny))
    return np.asarray(Q[:, np.abs(np.diag(R)) > _RANK_TOL])


# --- the null distribution ----------------------------------------------------------------------


def null_mixture(small: EstimatedModel, big: EstimatedModel) -> dict[int, float] | None:
    """Return the chi-square mixture of the likelihood ratio of nested models.

    Fixed effects add their df; random effects as :mod:`mlpool.inference.boundary` says, several
    new ones as independent. None where no closed form is known (a term of two or more random
    effects from nothing).
    """
    mixture: dict[int, float] | None = {len(big.names) - len(small.names): 1.0}
    before, after = list(small.design.random), list(big.design.random)
    for term in list(after):
        twin = next((t for t in before if _is_same(t, term)), None)
        if twin is not None:
            before.remove(twin)
            after.remove(term)
    for term in after:
        own = [t for t in before if _same_levels(t, term)]
        before = [t for t in before if not any(t is o for o in own)]
        part = _growth(sum(t.z.shape[1] for t in own), term.z.shape[1], own)
        if part is None or mixture is None:
            return None
        mixture = add_mixtures(mixture, part)
    return None if before else mixture


def has_new_variance(small: EstimatedModel, big: EstimatedModel) -> bool:
    """Tell whether the models differ in their random part."""
    a = sum(r.z.shape[1] for r in small.design.random)
    b = sum(r.z.shape[1] for r in big.design.random)
    return bool(a != b)


def _growth(covered: int, k: int, own: list[Any]) -> dict[int, float] | None:
    """Return the mixture of growing from terms that cover `covered` of `k` random effects."""
    free = covered * (covered + 1) // 2 - sum(_n_covariances(t) for t in own)
    if covered == k:
        return {free: 1.0}
    if covered == k - 1:
        return {free + k - 1: 0.5, free + k: 0.5}
    return None


def _n_covariances(term: Any) -> int:
    k = int(term.z.shape[1])
    return k * (k + 1) // 2


def _is_same(a: Any, b: Any) -> bool:
    return _same_levels(a, b) and set(a.z.names) == set(b.z.names)


def _same_levels(a: Any, b: Any) -> bool:
    """Tell whether two factors group rows in the same way."""
    if len(a.levels) != len(b.levels):
        return False
    if isinstance(a.codes, AbsentRows) or isinstance(b.codes, AbsentRows):
        return bool(a.group == b.group)
    x, y = np.asarray(a.codes, dtype=np.int64), np.asarray(b.codes, dtype=np.int64)
    pairs = x * len(b.levels) + y
    same: bool = np.array_equal(x, y) or len(np.unique(pairs)) == len(a.levels)
    return same
