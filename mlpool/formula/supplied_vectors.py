"""Vectors that come beside the data - weights, offset, clusters, subset, responses - row by row.

A pandas Series carries the labels of its rows and follows them; everything else goes by position.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from mlpool.errors import DataError, brief
from mlpool.frames import Column, Frame, read_frame
from mlpool.frames.level_labels import Names
from mlpool.frames.levels import code_names
from mlpool.typing import IntArray


def in_row_order(given: object, indexes: Sequence[pd.Index], argument: str) -> Any:
    """Return a Series in the order of the rows; what has no row labels is returned as it is.

    Parameters
    ----------
    given : object
    indexes : sequence of Index
        Row labels that fit: those of the data, and those of the rows used.
    argument : str
        What it is called in messages.

    Raises
    ------
    DataError
        If the Series has as many rows, but other labels, or labels that occur several times in
        another order.
    """
    if isinstance(given, pd.DataFrame) and given.shape[1] == 1:
        given = given.iloc[:, 0]
    if not isinstance(given, pd.Series):
        return given
    fitting = [index for index in indexes if len(index) == len(given)]
    if not fitting or any(given.index.equals(index) for index in fitting):
        return given
    for index in fitting:
        if given.index.is_unique and index.is_unique and given.index.isin(index).all():
            return given.reindex(index)
    if given.index.is_unique and all(index.is_unique for index in fitting):
        other = given.index[~given.index.isin(fitting[0])][0]
        why = f"it has the row label {brief(other)}, which the data do not have"
    else:
        why = "row labels occur several times and are in another order than in the data"
    raise DataError(
        f"{argument} is a Series that cannot be matched with the data: {why}; give "
        f"{argument}.to_numpy() to go by position."
    )


def as_ways(cluster: object) -> Any:
    """Return a frame, dict or matrix of clusters as a list of columns, and labels as one vector.

    Lists are of columns, except those of tuples (each is a row's label) and those that repeat a
    text, which are labels, too: nobody names a column twice.
    """
    if isinstance(cluster, pd.MultiIndex):
        cluster = list(cluster)
    if isinstance(cluster, dict):
        return list(cluster.values())
    if isinstance(cluster, np.ndarray) and cluster.ndim == 2:
        return list(cluster.T)
    if isinstance(cluster, pd.DataFrame):
        return [cluster.iloc[:, i] for i in range(cluster.shape[1])]
    if hasattr(cluster, "get_columns"):  # polars
        return list(cluster.get_columns())
    if isinstance(cluster, list | tuple) and _are_labels(cluster):
        labels = np.empty(len(cluster), dtype=object)
        labels[:] = cluster
        return labels
    return cluster


def _are_labels(given: Sequence[object]) -> bool:
    if all(isinstance(g, str) for g in given):
        return len(set(given)) < len(given)
    return all(isinstance(g, tuple) and len(g) < len(given) for g in given)


def as_column(given: Any, argument: str, expected: str) -> Column:
    """Return a vector as a column.

    Raises
    ------
    DataError
        If it is not one value per row; `expected` says what would be.
    """
    try:
        if np.ndim(given) != 1:
            raise DataError(f"{argument} must be {expected}.")
    except ValueError:  # rows of different lengths
        raise DataError(f"{argument} must be {expected}.") from None
    if isinstance(given, pd.Series):
        given = given.reset_index(drop=True)
    return read_frame({argument: given}).column(argument)


def coded_vector(given: object, argument: str, expected: str) -> tuple[IntArray, Names]:
    """Return codes and names of a vector of labels, whatever type it is stored in."""
    kind = getattr(getattr(given, "dtype", None), "kind", "")
    if kind in "mM" and kind:  # dates: labels here, though no model can use them as numbers
        codes, names = code_names(np.asarray(given))
    else:
        codes, names = as_column(given, argument, expected).coded()
    # copied: whole numbers can be codes as they are, and the user's array may change
    return np.array(codes), names


def check_length(n: int, frame: Frame, argument: str) -> None:
    """Refuse a vector of another length than the data.

    Raises
    ------
    DataError
    """
    if n != frame.n_rows:
        raise DataError(f"{argument} has {n} values, but the data have {frame.n_rows} rows.")
