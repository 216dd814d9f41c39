"""`demean` and `degroup`: a predictor's between-group and within-group parts."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mlpool.argument_values import flag
from mlpool.errors import DataError, OptionError, brief, check_option
from mlpool.frames import Frame, read_frame, with_columns
from mlpool.transform.columns import Groups, as_names, label_codes, numbers, read_groups
from mlpool.typing import FloatArray

if TYPE_CHECKING:
    from mlpool.typing import ByLike, DataLike, NamesLike

_INTERACTION = re.compile(r"\s*[*:]\s*")
_CENTERS: dict[str, Callable[[FloatArray], float]] = {
    "median": lambda v: float(np.median(v)),
    "min": lambda v: float(v.min()),
    "max": lambda v: float(v.max()),
    "mode": lambda v: _mode(v),
}


def demean(
    data: DataLike,
    select: NamesLike | None,
    by: ByLike | None,
    *,
    nested: bool = False,
    suffix_demean: str = "_within",
    suffix_groupmean: str = "_between",
    append: bool = True,
) -> Any:
    """Return the data with group means and deviations from them (datawizard's ``demean``).

    Parameters
    ----------
    data : data frame, dict or path
    select : str or list of str
        Columns. A factor of two levels counts as 0 and 1, one of more levels as a dummy per level
        (``f_level``); ``"x*z"`` is the product, called ``x_z``.
    by : str or list of str
        Grouping variable. Several ones are crossed, unless ``nested=True`` (highest level first),
        which ``"L3/L2"`` means, too.
    nested : bool
        Whether lower groups lie inside higher ones, so that their labels count only there.
    suffix_demean, suffix_groupmean : str
    append : bool
        False gives the new columns alone.

    Returns
    -------
    Same kind of frame
        With one ``by``: all ``x_between``, then all ``x_within``. With several: ``x_<by>_between``
        of each and ``x_within``. Crossed: between is the mean of each grouping variable; nested: a
        level's mean minus that of the level above. The parts of x always add up to x. Missing
        values are skipped; a row without a group has none. pandas frames keep the names of the new
        columns in ``.attrs["demean"]``.

    Raises
    ------
    ColumnNotFoundError, DataError, OptionError
        Unknown columns, new names that the data already have, or options that are none.

    References
    ----------
    Bell, Fairbrother & Jones (2019), Quality & Quantity 53, 1051-1074; Falkenstroem, Solomonov &
    Rubel (2020) (three levels).

    Examples
    --------
    >>> demean({"x": [1.0, 3.0, 5.0, 9.0], "g": ["a", "a", "b", "b"]}, "x", "g", append=False)
    {'x_between': array([2., 2., 7., 7.]), 'x_within': array([-1.,  1., -2.,  2.])}
    """
    return degroup(
        data, select, by, nested=nested, suffix_demean=suffix_demean,
        suffix_groupmean=suffix_groupmean, append=append,
    )  # fmt: skip


def degroup(
    data: DataLike,
    select: NamesLike | None,
    by: ByLike | None,
    *,
    center: str = "mean",
    nested: bool = False,
    suffix_demean: str = "_within",
    suffix_groupmean: str = "_between",
    append: bool = True,
) -> Any:
    """Return :func:`demean` about another centre: ``"median"``, ``"mode"``, ``"min"``, ``"max"``.

    Raises
    ------
    ColumnNotFoundError, DataError, OptionError
        As :func:`demean`.

    Examples
    --------
    >>> degroup({"x": [1.0, 2.0, 9.0], "g": [1, 1, 1]}, "x", "g", center="median")["x_within"]
    array([-1.,  0.,  7.])
    """
    check_option(center, ("mean", *_CENTERS), argument="center")
    append = flag(append, "append")
    for argument, suffix in (
        ("suffix_demean", suffix_demean), ("suffix_groupmean", suffix_groupmean),
    ):  # fmt: skip
        if not isinstance(suffix, str):
            raise OptionError(f"{argument} must be text such as '_within'; got {brief(suffix)}.")
    frame = read_frame(data)
    names, is_nested = _grouping(by, nested)
    _check_groups(frame, names)
    columns = _selected(frame, as_names(select, "select"))
    between: dict[str, FloatArray] = {}
    within: dict[str, FloatArray] = {}
    groups = _levels(frame, names, is_nested)
    for name, values in columns.items():
        parts = _parts(values, groups, center, is_nested)
        for level, part in zip(names, parts, strict=True):
            middle = f"_{level}" if len(names) > 1 else ""
            between[f"{name}{middle}{suffix_groupmean}"] = part
        within[f"{name}{suffix_demean}"] = values - np.sum(parts, axis=0)
    _check_new(frame, [*between, *within], append)
    made = with_columns(frame, between | within, append=append)
    if isinstance(made, pd.DataFrame):
        made.attrs["demean"] = {"between": list(between), "within": list(within)}
    return made


def _grouping(by: ByLike | None, nested: bool) -> tuple[list[str], bool]:
    """Return the grouping variables, and whether they are nested (``"L3/L2"`` says so)."""
    if not isinstance(nested, bool):
        raise OptionError(f"nested must be True or False; got {brief(nested)}.")
    names = as_names(by, "by")
    if len(names) == 1 and "/" in names[0]:
        return [part.strip() for part in names[0].split("/")], True
    return names, nested


def _check_groups(frame: Frame, names: list[str]) -> None:
    for name in names:
        frame.column(name, used_as="by")


def _levels(frame: Frame, names: list[str], is_nested: bool) -> list[Groups]:
    """Return the groups of each grouping variable; of nested ones inside those above."""
    if is_nested:
        return [read_groups(frame, names[: i + 1]) for i in range(len(names))]
    return [read_groups(frame, name) for name in names]


def _parts(
    values: FloatArray, groups: list[Groups], center: str, is_nested: bool
) -> list[FloatArray]:
    centres = [
        g.means(values) if center == "mean" else g.apply(values, _CENTERS[center]) for g in groups
    ]
    if not is_nested:
        return centres
    above = [np.zeros(len(values)), *centres[:-1]]
    return [own - upper for own, upper in zip(centres, above, strict=True)]


def _selected(frame: Frame, names: list[str]) -> dict[str, FloatArray]:
    """Return the columns to split as numbers: dummies of factors, products of ``x*z``."""
    found: dict[str, FloatArray] = {}
    for name in names:
        factors = _INTERACTION.split(name)
        if name in frame or len(factors) == 1:
            found |= _numeric_columns(frame, name)
            continue
        product = np.ones(frame.n_rows)
        for factor in factors:
            column = frame.column(factor, used_as="select")
            if column.is_factor:
                raise DataError(
                    f"Column {brief(factor)} holds labels; {brief(name)} needs numbers."
                )
            product = product * numbers(frame, factor)
        found["_".join(factors)] = product
    return found


def _numeric_columns(frame: Frame, name: str) -> dict[str, FloatArray]:
    column = frame.column(name, used_as="select")
    if not column.is_factor:
        return {name: numbers(frame, name)}
    codes, levels = label_codes(column)
    missing = codes < 0
    if len(levels) <= 2:
        return {name: np.where(missing, np.nan, codes.astype(np.float64))}
    return {
        f"{name}_{level}": np.where(missing, np.nan, (codes == i).astype(np.float64))
        for i, level in enumerate(levels)
    }


def _check_new(frame: Frame, names: list[str], append: bool) -> None:
    taken = [n for n in names if n in frame] if append else []
    if taken:
        shown = ", ".join(map(repr, taken))
        raise DataError(
            f"The data already have {shown}; rename them, or give suffix_demean= and "
            "suffix_groupmean=."
        )


def _mode(values: FloatArray) -> float:
    """Return the most frequent value, the first in order of appearance among equals."""
    uniques, first, counts = np.unique(values, return_index=True, return_counts=True)
    best = np.flatnonzero(counts == counts.max())
    return float(uniques[best[np.argmin(first[best])]])
