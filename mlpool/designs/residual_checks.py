"""What a residual structure refuses, one sentence each."""

from __future__ import annotations

import numpy as np

from mlpool.engine.residual.types import CorrelatedRows
from mlpool.errors import DataError, NotSupportedError, brief
from mlpool.formula.design import Design
from mlpool.formula.residual_structure import CorrelationTerm, DispersionTerm
from mlpool.typing import BoolArray, FloatArray, IntArray

_MOST_VISITS = 30
"""Visits of an unstructured matrix: 465 parameters."""
_LONGEST = 100_000
"""Steps between first and last time of an autoregression in whole steps."""


_COUNTED = 4
"""Groups times points in time per row up to which they are counted, which is faster than sorting:
a ratio."""


def refuse_missing(is_missing: BoolArray, name: str) -> None:
    """Refuse missing values in the rows used.

    Raises
    ------
    DataError
    """
    if is_missing.any():
        raise DataError(
            f"{brief(name)} is missing in {int(is_missing.sum())} of the rows used; leave them out "
            "(subset=) or fill them in."
        )


def check_times(
    points: FloatArray, codes: IntArray, groups: tuple[str, ...], term: CorrelationTerm
) -> None:
    """Refuse two rows of one group at the same time.

    Raises
    ------
    DataError
    """
    if _are_apart(points, codes):
        return
    order = np.lexsort((points, codes))
    same = (np.diff(codes[order]) == 0) & (np.diff(points[order]) == 0)
    if same.any():
        at = int(order[int(np.flatnonzero(same)[0])])
        raise DataError(
            f"{term.text}: the group {brief(groups[int(codes[at])])} of {':'.join(term.group)} has "
            f"two rows at the same {term.time or 'position'}; every time may occur once in a group."
        )


def _are_apart(points: FloatArray, codes: IntArray) -> bool:
    """Tell whether no group has a time twice, without sorting; False also where that is unknown."""
    low, high = float(points.min()), float(points.max())
    size = (int(codes.max()) + 1) * (high - low + 1.0)
    if not size <= _COUNTED * len(points) or np.any(points != np.rint(points)):
        return False
    width = int(high - low) + 1
    places = codes.astype(np.int64) * width + (points - low).astype(np.int64)
    return int(np.bincount(places).max()) == 1


def check_steps(points: FloatArray, term: CorrelationTerm) -> None:
    """Refuse times of an autoregression that are no whole numbers.

    Raises
    ------
    DataError
    """
    if np.any(points != np.rint(points)):
        raise DataError(
            f"{term.text} counts whole steps, and {brief(term.time)} has fractions; use "
            f"car1({term.time} | {'/'.join(term.group)}) for times on a continuum."
        )
    if float(np.ptp(points)) > _LONGEST:
        raise DataError(
            f"{brief(term.time)} spans {float(np.ptp(points)):.0f} steps; count in larger units, "
            "or use car1()."
        )


def check_pairs(rows: CorrelatedRows, labels: tuple[str, ...], term: CorrelationTerm) -> None:
    """Refuse matrices of visits that the data cannot fill.

    Raises
    ------
    DataError
        For more visits than groups, too many of them, or two that never occur together.
    """
    visits, groups = rows.n_points, int(rows.codes.max()) + 1
    if rows.kind == "symm" and min(groups, _MOST_VISITS) < visits:
        raise DataError(
            f"{term.text}: an unstructured matrix of {visits} visits has "
            f"{visits * (visits + 1) // 2} parameters for {groups} groups; use toep(), ad() or "
            "ar1()."
        )
    together = np.zeros((groups, visits), dtype=bool)
    together[rows.codes, rows.points.astype(np.int64)] = True
    counts = together.T.astype(np.int64) @ together.astype(np.int64)
    if rows.kind == "symm" and (counts == 0).any():
        i, j = np.argwhere(counts == 0)[0]
        raise DataError(
            f"{term.text}: no group has rows at both {labels[i]} and {labels[j]}, so their "
            "correlation is not identified; use toep(), ad() or ar1()."
        )


def check_strata(codes: IntArray, labels: tuple[str, ...], name: str) -> None:
    """Refuse a single stratum, and strata of one row.

    Raises
    ------
    DataError
    """
    if len(labels) < 2:
        raise DataError(f"{brief(name)} has one level only, so there is no variance to compare.")
    counts = np.bincount(codes, minlength=len(labels))
    if counts.min() < 2:
        small = labels[int(counts.argmin())]
        raise DataError(
            f"The stratum {brief(small)} of {name} has one row; a variance of its own needs two or "
            "more."
        )


def check_covariate(values: FloatArray, term: DispersionTerm) -> FloatArray:
    """Return a covariate of variances; powers need positive ones.

    Raises
    ------
    DataError
    """
    if term.kind in ("power", "constpower") and values.min() <= 0.0:
        raise DataError(
            f"A power of {brief(term.columns[0])} as a standard deviation needs positive values; "
            f"its smallest is {values.min():g}."
        )
    return values


def fitted_covariate(fitted: FloatArray, term: DispersionTerm) -> FloatArray:
    """Return fitted values as a covariate of variances: of powers their size, as nlme has it.

    Raises
    ------
    DataError
        If all are equal, or a power has one of zero.
    """
    size = np.abs(fitted) if term.kind != "linear" else fitted
    # a share of the largest that is rounding
    is_one = bool(np.ptp(size) <= 1e-12 * np.abs(size).max())
    if is_one or (term.kind != "linear" and size.min() == 0.0):
        raise DataError(
            "Standard deviations cannot depend on the fitted values: they are "
            f"{'all the same' if is_one else 'zero in some rows'}."
        )
    return size


def check_structure(
    design: Design, term: CorrelationTerm | None, rows: CorrelatedRows | None
) -> None:
    """Refuse random effects that say what the correlation says already.

    Raises
    ------
    NotSupportedError
    """
    if design.weights is not None:
        raise NotSupportedError(
            "weights= are not combined with a residual structure; say how variances differ with "
            "dispersion=."
        )
    structured = [r.bar.label for r in design.random if r.structure is not None]
    if structured:
        raise NotSupportedError(
            f"{structured[0]} is a term of models whose residuals are independent and equal; leave "
            "correlation= and dispersion= out, or the term."
        )
    if term is None or rows is None or not design.random:
        return
    if rows.kind == "symm":
        raise NotSupportedError(
            f"{term.text} leaves nothing for random effects such as {design.random[0].bar.label}; "
            "take one of the two."
        )
    for random in design.random:
        has_intercept = any(not c.parts for c in random.z.columns)
        if rows.kind in ("cs", "toep") and has_intercept and _are_same(random.codes, rows.codes):
            raise NotSupportedError(
                f"{term.text} and the random intercept of {random.bar.label} say the same, so the "
                "data cannot tell them apart; take one of the two."
            )


def _are_same(first: IntArray, second: IntArray) -> bool:
    """Tell whether two factors have the same groups of rows."""
    pairs = first.astype(np.int64) * (int(second.max()) + 1) + second
    count = len(np.unique(pairs))
    return count == len(np.unique(first)) == len(np.unique(second))
