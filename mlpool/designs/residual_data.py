"""What a residual structure means on data: times, strata and covariates, checked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlpool.designs.engine_data import as_lmm_data
from mlpool.designs.residual_checks import (
    check_covariate,
    check_pairs,
    check_steps,
    check_strata,
    check_structure,
    check_times,
    fitted_covariate,
    refuse_missing,
)
from mlpool.engine.residual.correlations import IN_STEPS, parameter_labels
from mlpool.engine.residual.types import CorrelatedRows, ResidualData, UnequalRows
from mlpool.errors import DataError, brief
from mlpool.formula.design import Design
from mlpool.formula.residual_structure import (
    CorrelationTerm,
    DispersionTerm,
    ResidualStructure,
)
from mlpool.frames.levels import drop_unused
from mlpool.typing import FloatArray, IntArray

BY_VISIT = ("symm", "toep", "ad")
"""Structures of pairs of visits."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ResidualDesign:
    """A structure on data.

    Attributes
    ----------
    data : ResidualData
    correlation_names : tuple of str
        ``phi``, ``cor(1,2)`` ...
    variance_names : tuple of str
        A stratum's label (its log ratio to the first), ``expon``, ``power``, ``const``.
    strata : tuple of str
        Labels of the strata, the one that sigma belongs to first; empty without strata.
    """

    data: ResidualData
    correlation_names: tuple[str, ...]
    variance_names: tuple[str, ...]
    strata: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Visits:
    """Times of rows; visits as places in order, and what they are called."""

    points: FloatArray
    places: IntArray
    labels: tuple[str, ...]


def residual_design(
    design: Design, structure: ResidualStructure, fitted: FloatArray | None = None
) -> ResidualDesign:
    """Return the structure on the rows of a design.

    Parameters
    ----------
    design : Design
    structure : ResidualStructure
    fitted : ndarray (n,), optional
        Fitted values, where standard deviations depend on them; without, that part is left out.

    Raises
    ------
    DataError, NotSupportedError, ColumnNotFoundError
        With one sentence.
    """
    lmm = as_lmm_data(design)
    term = structure.correlation
    codes, groups = (None, ()) if term is None else combined(design, term.group)
    correlated, visits = None, None
    if term is not None and codes is not None:
        correlated, visits = _correlated(design, term, codes, groups)
    unequal, names, strata = _unequal(design, structure, visits, (codes, fitted))
    offset = 0.0 if design.offset is None else design.offset
    check_structure(design, term, correlated)
    return ResidualDesign(
        data=ResidualData(
            y=design.y - offset, X=design.X, terms=lmm.terms, correlated=correlated, unequal=unequal
        ),
        correlation_names=()
        if correlated is None or visits is None
        else parameter_labels(correlated, visits.labels),
        variance_names=names,
        strata=strata,
    )


def is_linear(made: ResidualDesign) -> bool:
    """Tell whether V is linear in some parameters, as Kenward and Roger's method wants it.

    Free variances and covariances are: of rows with one variance each correlation of its own, and
    with a variance per visit an unstructured matrix. Products of two kinds of parameters are not.
    """
    rows, unequal = made.data.correlated, made.data.unequal
    if unequal is None:
        return rows is None or rows.kind in ("cs", "toep", "symm")
    count = len(unequal.loadings)
    if unequal.powers is not None or count != unequal.loadings.shape[1] + 1:
        return False
    if rows is None:
        return True
    places = rows.points.astype(np.int64) * count + unequal.classes
    return rows.kind == "symm" and count == rows.n_points == len(np.unique(places))


def combined(design: Design, columns: tuple[str, ...]) -> tuple[IntArray, tuple[str, ...]]:
    """Return codes and labels of the combinations of columns that occur; joined with ``*``."""
    codes, labels = _codes(design, columns[0])
    for name in columns[1:]:
        other, own = _codes(design, name)
        joint = codes.astype(np.int64) * len(own) + other
        present, codes = np.unique(joint, return_inverse=True)
        codes = codes.reshape(-1)
        labels = tuple(f"{labels[v // len(own)]}*{own[v % len(own)]}" for v in present.tolist())
    return codes, labels


def _codes(design: Design, name: str) -> tuple[IntArray, tuple[str, ...]]:
    codes, names = design.frame.column(name).coded()
    codes = codes if design.kept is None else codes[design.kept]
    refuse_missing(codes < 0, name)
    return drop_unused(codes, names.labels)


def _correlated(
    design: Design, term: CorrelationTerm, codes: IntArray, groups: tuple[str, ...]
) -> tuple[CorrelatedRows, _Visits]:
    visits = _visits(design, term, codes)
    largest = int(np.bincount(codes).max())
    if largest < 2:
        raise DataError(
            f"Every group of {':'.join(term.group)} has one row; a correlation within groups needs "
            "two or more."
        )
    if term.kind != "cs" or term.by_visit:
        check_times(visits.points, codes, groups, term)
    if term.kind in IN_STEPS:
        check_steps(visits.points, term)
    rows = CorrelatedRows(
        kind=term.kind,  # type: ignore[arg-type] # text; formulas read these kinds alone
        codes=codes,
        points=visits.points,
        n_points=largest if term.kind == "cs" else len(visits.labels),
        order=term.order,
    )
    if term.kind in BY_VISIT:
        check_pairs(rows, visits.labels, term)
    return rows, visits


def _visits(design: Design, term: CorrelationTerm, codes: IntArray) -> _Visits:
    """Return times; of structures by visit, and of factors, the place of each visit."""
    if term.time is None:
        points = _positions(codes)
        numbered = tuple(str(i + 1) for i in range(int(points.max()) + 1))
        return _Visits(points=points, places=points.astype(np.int64), labels=numbered)
    column = design.frame.column(term.time)
    if column.is_text and term.kind not in ("symm", "cs"):
        raise DataError(
            f"{brief(term.time)} is text, whose order {term.text} cannot know; make it a number, "
            "or a category with its levels in order (mlpool.factor)."
        )
    if column.unit:
        raise DataError(
            f"{brief(term.time)} holds dates or times; make it a number of days, weeks or visits "
            "first, so that the correlation has a unit."
        )
    has_places = term.kind in BY_VISIT or column.is_factor or column.kind == "boolean"
    places: IntArray = np.zeros(design.n, dtype=np.int64)
    labels: tuple[str, ...] = ("1",)
    if has_places or term.by_visit:
        places, labels = _codes(design, term.time)
    points = places.astype(np.float64) if has_places else _numbers(design, term.time)
    return _Visits(points=points, places=places, labels=labels)


def _positions(codes: IntArray) -> FloatArray:
    """Return the position of every row within its group, from 0."""
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    sizes = np.diff(np.append(starts, len(codes)))
    out = np.empty(len(codes))
    out[order] = np.arange(len(codes)) - np.repeat(starts, sizes)
    return out


def _numbers(design: Design, name: str) -> FloatArray:
    values, _ = design.column_values(name)
    numbers = np.asarray(values, dtype=np.float64)
    refuse_missing(np.isnan(numbers), name)
    if np.isinf(numbers).any():
        raise DataError(f"{brief(name)} is infinite in {int(np.isinf(numbers).sum())} rows.")
    return numbers


# --- standard deviations --------------------------------------------------------------------------


def _unequal(
    design: Design,
    structure: ResidualStructure,
    visits: _Visits | None,
    known: tuple[IntArray | None, FloatArray | None],
) -> tuple[UnequalRows | None, tuple[str, ...], tuple[str, ...]]:
    """Return loadings, names of delta, and the strata; `known` are groups and fitted values."""
    codes, fitted = known
    made = _Loadings(design.n)
    names: list[str] = []
    strata: tuple[str, ...] = ()
    powers: FloatArray | None = None
    term = structure.correlation
    if term is not None and term.by_visit and visits is not None:
        check_strata(visits.places, visits.labels, term.time or "the visit")
        made.add_strata(visits.places, len(visits.labels))
        names += visits.labels[1:]
        strata = visits.labels
    for one in structure.dispersion:
        if one.of_fitted and fitted is None:
            continue
        if one.kind == "strata" or _is_factor(design, one):
            own, labels = _strata(design, one, codes)
            made.add_strata(own, len(labels))
            names += labels[1:]
            strata = labels if not strata else ()
            continue
        x = fitted_covariate(fitted, one) if one.of_fitted and fitted is not None else (
            check_covariate(_numbers(design, one.columns[0]), one)
        )  # fmt: skip
        if one.kind == "constpower":
            powers = x
        else:
            made.add_numbers(np.log(np.abs(x)) if one.kind == "power" else x)
            names.append("power" if one.kind == "power" else "expon")
    if powers is not None:
        names += ["const", "power"]
    if not names:
        return None, (), ()
    unequal = made.rows(powers)
    _check_told_apart(unequal, structure)
    return unequal, tuple(names), strata


class _Loadings:
    """Loadings of the classes of equal rows, added to one part after another."""

    def __init__(self, n: int) -> None:
        self.classes: IntArray = np.zeros(n, dtype=np.int64)
        self.table = np.zeros((1, 0))

    def add_strata(self, codes: IntArray, count: int) -> None:
        """Add indicators of all strata but the first."""
        self._cross(codes, np.eye(count)[:, 1:])

    def add_numbers(self, x: FloatArray) -> None:
        """Add a column of numbers."""
        values, codes = np.unique(x, return_inverse=True)
        self._cross(codes.reshape(-1), values[:, None])

    def rows(self, powers: FloatArray | None) -> UnequalRows:
        """Return the loadings, told apart by `powers` (n,) too."""
        if powers is None:
            return UnequalRows(loadings=self.table, powers=None, classes=self.classes)
        self.add_numbers(powers)
        return UnequalRows(
            loadings=self.table[:, :-1], powers=self.table[:, -1], classes=self.classes
        )

    def _cross(self, codes: IntArray, table: FloatArray) -> None:
        pairs = self.classes * len(table) + codes
        count = len(self.table) * len(table)
        if count <= len(pairs):  # no sorting: the pairs that occur are counted
            present = np.flatnonzero(np.bincount(pairs, minlength=count))
            number = np.zeros(count, dtype=np.int64)
            number[present] = np.arange(len(present))
            self.classes = number[pairs]
        else:
            present, found = np.unique(pairs, return_inverse=True)
            self.classes = found.reshape(-1)
        before, own = np.divmod(present, len(table))
        self.table = np.column_stack([self.table[before], table[own]])


def _is_factor(design: Design, term: DispersionTerm) -> bool:
    if term.of_fitted:
        return False
    column = design.frame.column(term.columns[0])
    return term.kind == "linear" and (column.is_factor or column.kind == "boolean")


def _strata(
    design: Design, term: DispersionTerm, groups: IntArray | None
) -> tuple[IntArray, tuple[str, ...]]:
    """Return strata in nlme's order: as they are met when rows are sorted by group."""
    codes, labels = combined(design, term.columns)
    if groups is None:
        groups = design.random[0].codes if design.random else np.zeros(design.n, dtype=np.int64)
    order = np.argsort(groups, kind="stable")
    met = codes[order][np.sort(np.unique(codes[order], return_index=True)[1])]
    rank = np.empty(len(met), dtype=np.int64)
    rank[met] = np.arange(len(met))
    found = rank[codes], tuple(labels[int(v)] for v in met)
    check_strata(*found, "*".join(term.columns))
    return found


def _check_told_apart(unequal: UnequalRows, structure: ResidualStructure) -> None:
    loadings = unequal.loadings
    weights = np.bincount(unequal.classes, minlength=len(loadings)) / len(unequal.classes)
    centred = loadings - weights @ loadings
    spread = np.sqrt(weights @ centred**2)
    constant = not np.all(spread > 0)
    scaled = np.sqrt(weights)[:, None] * centred / np.where(spread > 0, spread, 1.0)
    # columns have length one: NumPy's cut-off is a share without units
    # of no columns NumPy 1 knows no rank
    if constant or (scaled.size and np.linalg.matrix_rank(scaled) < loadings.shape[1]):
        said = structure.dispersion_text or (structure.correlation or CorrelationTerm(
            kind="", time=None, group=())).text  # fmt: skip
        raise DataError(
            f"The data cannot tell the variances of {brief(said)} apart; some of them say the same "
            "twice, or do not vary."
        )
