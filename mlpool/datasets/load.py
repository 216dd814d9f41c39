"""Bundled data sets as data frames of the user's choice, and the table that lists them."""

from __future__ import annotations

import gzip
import io
from typing import TYPE_CHECKING, Any, Literal, overload

from mlpool.datasets.catalog import DatasetInfo, dataset_info, dataset_names
from mlpool.errors import NotSupportedError, brief, check_option

if TYPE_CHECKING:
    import pandas as pd

Backend = Literal["pandas", "polars", "pyarrow"]


@overload
def load_data(name: str, *, backend: Literal["pandas"] = "pandas") -> pd.DataFrame: ...
@overload
def load_data(name: str, *, backend: Literal["polars", "pyarrow"]) -> Any: ...
def load_data(name: str, *, backend: Backend = "pandas") -> Any:
    """Load a bundled data set.

    Grouping variables and other factors are categoricals whose levels (strings) stand in R's
    order, so that the first level is R's reference level.

    Parameters
    ----------
    name : str
        A name from :func:`datasets`, in upper or lower case.
    backend : {"pandas", "polars", "pyarrow"}
        Kind of data frame; the last two need the extra ``mlpooling[io]``.

    Returns
    -------
    pandas.DataFrame, polars.DataFrame or pyarrow.Table
        A fresh copy on every call.

    Raises
    ------
    OptionError
        If the name or the backend is unknown.
    NotSupportedError
        If the backend's library is not installed.

    Examples
    --------
    >>> load_data("sleepstudy").shape
    (180, 3)
    """
    check_option(backend, ("pandas", "polars", "pyarrow"), argument="backend")
    info = dataset_info(name)
    frame = _read_pandas(info)
    if backend == "polars":
        return _to_polars(frame, info)
    if backend == "pyarrow":
        return _to_pyarrow(frame)
    return frame


def datasets() -> pd.DataFrame:
    """List the bundled data sets.

    Returns
    -------
    pandas.DataFrame
        One row per data set: name, rows, columns (their names), description, source, licence.

    Examples
    --------
    >>> int(datasets().set_index("name").loc["sleepstudy", "rows"])
    180
    """
    import pandas as pd

    infos = [dataset_info(name) for name in dataset_names()]
    return pd.DataFrame(
        {
            "name": [i.name for i in infos],
            "rows": [i.rows for i in infos],
            "columns": [", ".join(c.name for c in i.columns) for i in infos],
            "description": [i.description for i in infos],
            "source": [i.source for i in infos],
            "licence": [i.licence for i in infos],
        }
    )


def _read_pandas(info: DatasetInfo) -> pd.DataFrame:
    """Read the packaged CSV; factor columns become categoricals with the manifest's levels."""
    import pandas as pd

    raw = info.path.read_bytes()
    text = gzip.decompress(raw) if info.file.endswith(".gz") else raw
    labels = {c.name: str for c in info.columns if c.levels}
    frame = pd.read_csv(io.BytesIO(text), dtype=labels)
    for column in info.columns:
        if column.levels:
            frame[column.name] = pd.Categorical(
                frame[column.name], categories=list(column.levels), ordered=column.kind == "ordered"
            )
    ordered = [c.name for c in info.columns if c.kind == "ordered"]
    if ordered:
        frame.attrs["ordered"] = ordered  # R's authors meant their order: nothing to say in a fit
    return frame


def _to_polars(frame: pd.DataFrame, info: DatasetInfo) -> Any:
    """Return a polars frame; an Enum keeps the order of the levels."""
    pl = _import_backend("polars")
    return pl.DataFrame(
        [
            pl.Series(c.name, frame[c.name].astype(str).to_list(), dtype=pl.Enum(c.levels))
            if c.levels
            else pl.Series(c.name, frame[c.name].to_numpy())
            for c in info.columns
        ]
    )


def _to_pyarrow(frame: pd.DataFrame) -> Any:
    """Return an Arrow table; factors are dictionary arrays with their levels in order."""
    return _import_backend("pyarrow").Table.from_pandas(frame, preserve_index=False)


def _import_backend(name: str) -> Any:
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError as error:
        raise NotSupportedError(
            f"backend={brief(name)} needs {name}, which is not installed: pip install {name}."
        ) from error
