"""Which columns a transformation is about, as numbers, and the groups they fall into."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mlpool.errors import DataError, OptionError, brief
from mlpool.frames import Column, Frame
from mlpool.frames.levels import drop_unused
from mlpool.typing import FloatArray, IntArray

if TYPE_CHECKING:
    from mlpool.typing import ByLike, NamesLike


@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """Groups of rows.

    Attributes
    ----------
    codes : ndarray of int of shape (n,)
        -1 where a grouping variable is missing. Every other code occurs.
    labels : tuple of tuple of str
        Levels of the grouping variables, one tuple per group, the last variable fastest.
    names : tuple of str
        The grouping variables.
    """

    codes: IntArray
    labels: tuple[tuple[str, ...], ...]
    names: tuple[str, ...]

    @property
    def count(self) -> int:
        """Number of groups."""
        return len(self.labels)

    def means(self, values: FloatArray) -> FloatArray:
        """Return each row's group mean (n,), missing values skipped; NaN outside any group."""
        used = (self.codes >= 0) & ~np.isnan(values)
        codes = self.codes[used]
        sums = np.bincount(codes, values[used], minlength=self.count)
        counts = np.bincount(codes, minlength=self.count)
        with np.errstate(invalid="ignore"):
            return self.spread(sums / np.where(counts > 0, counts, np.nan))

    def sds(self, values: FloatArray) -> FloatArray:
        """Return each row's group SD with n - 1 (n,), missing values skipped; 0 for one value."""
        used = (self.codes >= 0) & ~np.isnan(values)
        codes, deviations = self.codes[used], (values - self.means(values))[used]
        squares = np.bincount(codes, deviations**2, minlength=self.count)
        counts = np.bincount(codes, minlength=self.count)
        return self.spread(np.sqrt(squares / np.maximum(counts - 1, 1)))

    def apply(self, values: FloatArray, function: Any) -> FloatArray:
        """Return each row's ``function(values of its group)``, missing values skipped (n,)."""
        used = np.flatnonzero((self.codes >= 0) & ~np.isnan(values))
        order = used[np.argsort(self.codes[used], kind="stable")]
        codes, starts = np.unique(self.codes[order], return_index=True)
        result = np.full(self.count, np.nan)
        for code, part in zip(codes, np.split(values[order], starts[1:]), strict=True):
            if len(part):
                result[code] = function(part)
        return self.spread(result)

    def spread(self, per_group: FloatArray) -> FloatArray:
        """Return one value per row from one per group."""
        return np.asarray(np.append(per_group, np.nan)[self.codes])


def as_names(value: Any, argument: str) -> list[str]:
    """Return a name or names as a list.

    Raises
    ------
    OptionError
        If they are no strings, or none.
    """
    if isinstance(value, str):
        return [value]
    is_many = isinstance(value, Iterable) and getattr(value, "ndim", 1) == 1
    names = list(value) if is_many else []
    if not names or not all(isinstance(n, str) for n in names):
        raise OptionError(
            f"{argument} must be a column's name or a list of names; got {brief(value)}."
        )
    return list(dict.fromkeys(names))


def numeric_names(frame: Frame, select: NamesLike | None, skip: Iterable[str] = ()) -> list[str]:
    """Return the columns asked for; None means every numeric one but those of `skip`.

    Raises
    ------
    ColumnNotFoundError, DataError
        For an unknown column, or one that holds no numbers.
    """
    if select is None:
        left_out = set(skip)
        found = [c for c in frame.columns if c not in left_out and is_numeric(frame, c)]
        if not found:
            raise DataError("The data have no numeric columns.")
        return found
    names = as_names(select, "select")
    for name in names:
        column = frame.column(name, used_as="select")
        if column.is_factor:
            raise DataError(f"Column {brief(name)} holds labels, not numbers.")
    return names


def is_numeric(frame: Frame, name: str) -> bool:
    """Return whether a column holds numbers; False for types that no model can use."""
    try:
        return frame.column(name).kind == "numeric"
    except DataError:
        return False


def numbers(frame: Frame, name: str) -> FloatArray:
    """Return a column as floats, missing as NaN; logicals as 0 and 1."""
    return np.asarray(frame.column(name).values, dtype=np.float64)


def label_codes(column: Column) -> tuple[IntArray, tuple[str, ...]]:
    """Return codes and levels of any column; levels that no row has are dropped."""
    codes, names = column.coded()
    return drop_unused(codes, names.labels)


def read_groups(frame: Frame, by: ByLike | None, argument: str = "by") -> Groups:
    """Return the groups that one or several columns make; only combinations that occur.

    Raises
    ------
    ColumnNotFoundError, OptionError
    """
    names = as_names(by, argument)
    coded = [label_codes(frame.column(name, used_as=argument)) for name in names]
    codes: Any = coded[0][0].astype(np.int64)
    labels: list[tuple[str, ...]] = [(level,) for level in coded[0][1]]
    for other, levels in coded[1:]:
        joint = np.where((codes < 0) | (other < 0), -1, codes * len(levels) + other)
        present, compact = np.unique(joint, return_inverse=True)
        is_missing = int(len(present) > 0 and present[0] < 0)
        labels = [
            (*labels[c // len(levels)], levels[c % len(levels)]) for c in present[is_missing:]
        ]
        codes = compact - is_missing
    return Groups(codes=codes, labels=tuple(labels), names=tuple(names))
