"""Which rows are used: subset, missing and infinite values, vectors that come beside the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from mlpool.errors import DataError, brief, check_option
from mlpool.formula.functions.evaluate import Evaluator
from mlpool.formula.functions.values import FactorValue, NumberValue, Value, missing_rows, take_rows
from mlpool.formula.language.expression import parse_expression
from mlpool.formula.supplied_vectors import as_column, check_length, coded_vector, in_row_order
from mlpool.frames import Frame
from mlpool.frames.levels import drop_unused
from mlpool.typing import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    from mlpool.typing import ClusterLike


class RowFilter:
    """Collects the rows that are missing somewhere, and says so."""

    def __init__(self, n_read: int, subset: BoolArray | None) -> None:
        self.n_read, self.subset = n_read, subset
        self.missing_by: dict[str, int] = {}
        self._missing: BoolArray | None = None
        self._kept: BoolArray | None = None

    def note(self, name: str, value: Value) -> Value:
        """Note the missing rows of a value; refuse infinite ones."""
        self._refuse_infinite(name, value)
        self._add(name, missing_rows(value))
        return value

    def note_array(self, name: str, array: FloatArray | None) -> None:
        """Note the missing rows of weights or an offset."""
        if array is not None:
            self.note(name, NumberValue(array=array))

    def leave_out(self, mask: BoolArray | None) -> None:
        """Take rows with a weight of zero out of the subset: R's n leaves them out, too.

        Raises
        ------
        DataError
            If they are all rows.
        """
        if mask is not None and mask.all():
            raise DataError(f"weights must be positive; all {mask.size} are zero.")
        if mask is not None and mask.any():
            self.subset = ~mask if self.subset is None else self.subset & ~mask

    def note_codes(self, name: str, codes: IntArray) -> None:
        """Note the missing rows of clusters."""
        mask = codes < 0
        self._add(name, mask if mask.any() else None)

    @property
    def n_missing(self) -> int:
        """Rows of the subset that were left out."""
        if self._missing is None:
            return 0
        inside = self._missing if self.subset is None else self._missing & self.subset
        return int(inside.sum())

    def kept(self, na_action: str) -> BoolArray | None:
        """Return the rows used, or None for all.

        Raises
        ------
        DataError
            If nothing is left, or rows are missing and `na_action` is "fail".
        """
        check_option(na_action, ("omit", "fail"), argument="na_action")
        if self.n_missing and na_action == "fail":
            names = ", ".join(f"{k} ({v})" for k, v in self.missing_by.items() if v)
            raise DataError(
                f"{self.n_missing} rows have missing values ({names}) and na_action is 'fail'."
            )
        mask = self.subset
        if self._missing is not None:
            mask = ~self._missing if mask is None else mask & ~self._missing
        n = self.n_read if mask is None else int(mask.sum())
        if n == 0:
            raise DataError(self._nothing_left())
        self._kept = None if n == self.n_read else mask
        return self._kept

    def take(self, value: Value) -> Value:
        """Return a value on the rows used."""
        return take_rows(value, self._kept)

    def _nothing_left(self) -> str:
        if self.n_read == 0:
            return "The data have no rows."
        if self.subset is not None and not self.subset.any():
            return "subset leaves no rows."
        worst = max(self.missing_by, key=self.missing_by.__getitem__) if self.missing_by else ""
        return f"No row is left: every row has a missing value (most in {brief(worst)})."

    def _add(self, name: str, mask: BoolArray | None) -> None:
        if mask is None:
            return
        self.missing_by[name] = int((mask if self.subset is None else mask & self.subset).sum())
        self._missing = mask if self._missing is None else self._missing | mask

    def _refuse_infinite(self, name: str, value: Value) -> None:
        if isinstance(value, FactorValue):
            return
        arrays = (value.array,) if isinstance(value, NumberValue) else value.arrays
        for array in arrays:
            if array.dtype.kind != "f" or not len(array):
                continue
            low, high = np.fmin.reduce(array), np.fmax.reduce(array)
            if np.isinf(low) or np.isinf(high):
                rows = np.isinf(array) if self.subset is None else np.isinf(array) & self.subset
                if rows.any():
                    raise DataError(
                        f"{brief(name)} is infinite in {int(rows.sum())} rows; set them missing "
                        "or drop them."
                    )


def kept_rows(
    rows: RowFilter,
    na_action: str,
    weights: FloatArray | None,
    offset: FloatArray | None,
    clusters: Sequence[tuple[IntArray, tuple[str, ...], str]],
) -> BoolArray | None:
    """Return the rows used, None for all, once the vectors beside the formula are noted, too."""
    rows.note_array("weights", weights)
    rows.note_array("offset", offset)
    for codes, _, name in clusters:
        rows.note_codes(name, codes)
    return rows.kept(na_action)


def read_vector(given: object, frame: Frame, argument: str) -> FloatArray | None:
    """Return weights or an offset as numbers, one per row of the data.

    Raises
    ------
    DataError
        If it is text or has another length.
    """
    if given is None:
        return None
    if isinstance(given, str):
        column = frame.column(given, used_as=argument)
        if column.is_factor:
            raise DataError(f"{argument} names the column {brief(given)}, which is not numeric.")
        return np.asarray(column.values, dtype=np.float64)
    given = in_row_order(given, (frame.index,), argument)
    column = as_column(given, argument, "a column's name or one number per row")
    if column.is_factor or column.unit:
        raise DataError(f"{argument} must be a column's name or one number per row.")
    check_length(len(column.values), frame, argument)
    return np.array(column.values, dtype=np.float64)


def read_subset(
    subset: object, frame: Frame, context: Mapping[str, object] | None = None
) -> BoolArray | None:
    """Return the rows asked for; a string is an expression over the columns.

    Raises
    ------
    DataError
        If it is not one true or false per row.
    """
    if subset is None:
        return None
    if isinstance(subset, str):
        expression = parse_expression(
            subset, formula=subset, context=frozenset(() if context is None else context)
        )
        value = Evaluator(frame, {}, context).value(expression)
        if not isinstance(value, NumberValue) or not value.is_logical:
            raise DataError(
                f'subset {brief(subset)} is not true or false for each row; compare: "ses > 0".'
            )
        return np.asarray(np.nan_to_num(value.array, nan=0.0) != 0)
    subset = in_row_order(subset, (frame.index,), "subset")
    column = as_column(subset, "subset", "true or false for each row")
    check_length(len(column.values), frame, "subset")
    if column.kind != "boolean":
        raise DataError("subset must be true or false for each row.")
    return np.asarray(column.values == 1)


def align_codes(
    cluster: ClusterLike | None,
    frame: Frame,
    kept: BoolArray | None,
    n: int,
    *,
    allow_missing: bool = False,
) -> tuple[IntArray, tuple[str, ...]]:
    """Return cluster codes and levels on the rows used.

    Raises
    ------
    DataError
        If the length fits neither the data nor the rows used, or a value is missing.
    """
    if isinstance(cluster, str):
        codes, names = frame.column(cluster, used_as="cluster").coded()
    else:
        indexes = (frame.index, frame.index if kept is None else frame.index[kept])
        cluster = in_row_order(cluster, indexes, "cluster")
        codes, names = coded_vector(cluster, "cluster", "a column's name or one value per row")
        if len(codes) not in (frame.n_rows, n):
            raise DataError(
                f"cluster has {len(codes)} values, but the data have {frame.n_rows} rows."
            )
        if len(codes) == n != frame.n_rows:
            kept = None
    levels = names.labels
    if kept is not None:
        codes = codes[kept]
    if not allow_missing and (codes < 0).any():
        raise DataError(f"cluster is missing in {int((codes < 0).sum())} of the rows used.")
    return (codes, levels) if allow_missing else drop_unused(codes, levels)
