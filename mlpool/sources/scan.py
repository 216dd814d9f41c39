"""What holds rows without handing them over: `scan`, and when data are scanned unasked."""

from __future__ import annotations

import glob
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import narwhals as nw
import pandas as pd

from mlpool.errors import DataError, NotSupportedError, OptionError, brief
from mlpool.frames import Frame, read_frame
from mlpool.frames.parquet_levels import enumerations, replaced
from mlpool.sources.lazy_rows import LazyRows, Native
from mlpool.sources.running.cancelling import ctrl_c_cancels
from mlpool.sources.running.embedded import (
    connect,
    duckdb_module,
    first_line,
    limit_memory,
    share_done,
)
from mlpool.sources.running.progress import queries_on_a_line

if TYPE_CHECKING:
    from mlpool.typing import DataLike

SHARE = 0.1
"""Share of the free memory above which rows stay where they are: a fit in memory holds its columns
a few times over."""
UNPACKED = 5.0
"""Bytes in memory per byte of a Parquet file: dictionaries and compression taken apart."""
_WIDTH = 8.0
"""Bytes of a number in memory."""
_WITHOUT_MEASURE = 4e9
"""Bytes taken as free where the system does not tell."""
_LONGEST_PATH = 4096
_FIRST_NARWHALS = 2
_PARQUET = (".parquet", ".pq", ".parq")
_TEXT = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".csv.zst")
_MISSING_WORDS = ["NA", ""]
"""What R writes for a missing value, as in files that are read into memory."""


class Scan:
    """Rows that queries are asked of.

    Attributes
    ----------
    lazy : narwhals.LazyFrame
    columns : tuple of str
    native : object
        What the user handed over.
    not_in_memory : str
        What a verb says that wants a data frame.
    """

    not_in_memory = (
        "This needs a data frame in memory, and mlpool.scan() leaves the rows where they are: hand "
        "over the file or frame itself."
    )

    def __init__(self, native: Native, lazy: LazyRows, connection: Native = None) -> None:
        self.native, self.lazy, self._connection = native, lazy, connection
        try:
            self.schema: Mapping[str, nw.dtypes.DType] = lazy.collect_schema()
        except Exception as error:
            raise DataError(f"The rows cannot be queried: {first_line(error)}") from None
        self.columns: tuple[str, ...] = tuple(self.schema)
        if len({c.lower() for c in self.columns}) < len(self.columns) and connection is not None:
            raise DataError("Two columns differ in capitals only, which DuckDB cannot tell apart.")

    @property
    def engine(self) -> str:
        """Name of the engine that answers: ``duckdb``, ``polars``, ``dask``, ``pyspark`` ..."""
        return str(self.lazy.implementation.value)

    def __repr__(self) -> str:
        """Say what is scanned and by which engine."""
        shown = brief(self.native) if isinstance(self.native, (str, Path)) else "the frame given"
        return f"<rows of {shown}, scanned by {self.engine}: {', '.join(self.columns[:8])}>"

    def limit_memory(self, limit: str) -> None:
        """Let the embedded engine use so much memory and spill the rest to disk.

        Raises
        ------
        OptionError
            If the rows are held by an engine of the user's, which has its own settings.
        """
        if self._connection is None:
            raise OptionError(
                f"memory_limit is for files that mlpool opens itself; set it in {self.engine}, "
                "which holds these rows."
            )
        limit_memory(self._connection, limit)

    def share_done(self) -> float | None:
        """Return how much of the running query is done, from 0 to 1; None if it is not told."""
        return None if self._connection is None else share_done(self._connection)


def scan(data: DataLike, *, memory_limit: str | None = None) -> Scan:
    """Leave rows where they are and fit by queries.

    ``mlpool.lmer(formula, mlpool.scan("rows/*.parquet"))`` reads sums, not rows: the same
    estimates as in memory, whatever the number of rows. Files and lazy frames larger than a tenth
    of the free memory are scanned without being asked.

    Parameters
    ----------
    data : str, Path or frame
        A Parquet or CSV file, a pattern such as ``"rows/*.parquet"`` or a folder of Parquet files
        (hive partitions too), which DuckDB reads; a DuckDB relation, a Polars LazyFrame, a pyarrow
        Dataset, a Dask or PySpark DataFrame, an Ibis table; a data frame in memory.
    memory_limit : str, optional
        What DuckDB may hold of files, such as ``"4GB"``; the rest spills to disk.

    Returns
    -------
    Scan

    Raises
    ------
    DataError
        If it holds no rows that can be queried.
    NotSupportedError
        If DuckDB is needed and not installed.

    See Also
    --------
    mlpool.lmer : Fits.

    Examples
    --------
    >>> import mlpool, polars
    >>> rows = mlpool.scan(polars.LazyFrame({"y": [1.0, 2.0, 4.0], "x": [0.0, 1.0, 2.0]}))
    >>> mlpool.lm("y ~ x", rows).fixef().round(2).tolist()
    [0.83, 1.5]
    """
    found = data if isinstance(data, Scan) else _scan(data)
    if memory_limit is not None:
        found.limit_memory(memory_limit)
    return found


def read_rows(data: DataLike | Scan) -> Frame | Scan:
    """Return a frame in memory, or what stays where it is: scans, and what is too large.

    Raises
    ------
    DataError
        As :func:`mlpool.frames.read_frame`.
    """
    if isinstance(data, (Scan, Frame)):
        return data
    if isinstance(data, (str, Path)):
        return _scan(data) if _is_many_files(data) or _is_large_file(data) else read_frame(data)
    found = None if isinstance(data, pd.DataFrame) else as_scan(data)
    if found is None:
        return read_frame(data)
    return found if _bytes_of(found) > SHARE * _free_memory() else read_frame(data)


def with_memory_limit(rows: Frame | Scan, limit: str | None) -> Frame | Scan:
    """Return rows whose engine holds no more than a limit such as ``"4GB"``, if there is one.

    Raises
    ------
    OptionError
        For rows in memory, and engines that have settings of their own.
    """
    if limit is None:
        return rows
    if not isinstance(rows, Scan):
        raise OptionError(
            "memory_limit is for files that stay where they are; these rows are in memory. "
            "Hand over mlpool.scan(path)."
        )
    rows.limit_memory(limit)
    return rows


@contextmanager
def showing_queries(rows: Frame | Scan, show: bool | None) -> Iterator[None]:
    """Show on a terminal which query of a fit runs; ``show`` is `progress` of `Control`."""
    with queries_on_a_line(show, rows.share_done if isinstance(rows, Scan) else None):
        yield


def as_scan(data: object) -> Scan | None:
    """Return lazy rows as a scan; None for rows in memory and for files."""
    if isinstance(data, Scan):
        return data
    if data is None or isinstance(data, (str, Path, Frame, Mapping)):
        return None
    if _is_arrow_dataset(data) and not _is_old_narwhals():
        connection = connect()
        return Scan(data, lazy_frame(connection.from_arrow(data)), connection)
    lazy = _lazy_of(data)
    return None if lazy is None else Scan(data, lazy)


def _scan(data: DataLike | Scan) -> Scan:
    if _is_old_narwhals():
        raise NotSupportedError(
            f"Scanning rows needs narwhals {_FIRST_NARWHALS}.0 or later, and {nw.__version__} is "
            "installed: pip install --upgrade narwhals."
        )
    if isinstance(data, (str, Path)):
        return _scan_files(data)
    found = as_scan(data)
    if found is not None:
        return found
    frame = read_frame(data)
    backend = "polars" if frame.data.implementation.is_polars() else "duckdb"
    if backend == "duckdb":
        duckdb_module()
    return Scan(data, nw.from_native(nw.to_native(frame.data), eager_only=True).lazy(backend))


def _is_old_narwhals() -> bool:
    """Tell whether narwhals writes some expressions for some engines only."""
    return int(nw.__version__.partition(".")[0]) < _FIRST_NARWHALS


def _lazy_of(data: object) -> LazyRows | None:
    """Return what narwhals calls a lazy frame; None for anything else."""
    if _is_old_narwhals():
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        try:
            found: object = nw.from_native(data, pass_through=True)
        except Exception:
            return None
    return found if isinstance(found, nw.LazyFrame) else None


def lazy_frame(native: Native) -> LazyRows:
    """Return an engine's own lazy frame in narwhals' language."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        found: LazyRows = nw.from_native(native)
    return found


def _is_arrow_dataset(data: object) -> bool:
    module = type(data).__module__
    return module.startswith("pyarrow") and hasattr(data, "get_fragments")


def _scan_files(path: str | Path) -> Scan:
    shown, (pattern, kind) = brief(str(path)), _pattern(path)
    connection = connect()
    try:
        if kind == "parquet":
            is_hive = Path(path).is_dir() and any(Path(path).glob("*=*"))
            relation = connection.read_parquet(
                pattern, union_by_name=True, hive_partitioning=is_hive
            )
            levels = enumerations(pattern)
            relation = relation.project(replaced(levels)) if levels else relation
        else:
            # said, since a quote that is never closed would else be taken for text
            relation = connection.read_csv(pattern, na_values=_MISSING_WORDS, quotechar='"')
    except Exception as error:
        raise DataError(f"{shown} cannot be scanned: {first_line(error)}") from None
    if kind == "csv":
        _check_columns(list(relation.columns), shown)
    return Scan(path, lazy_frame(relation), connection)


def _check_columns(names: list[str], shown: str) -> None:
    """Refuse a CSV file that DuckDB could not take apart.

    Raises
    ------
    DataError
    """
    if names == [f"column{i}" for i in range(len(names))]:
        raise DataError(f"{shown} has no line with the names of columns; is it empty?")
    if len(names) == 1 and any(mark in names[0] for mark in ",;\t|"):
        raise DataError(
            f"{shown} cannot be split into columns at {brief(names[0])}: the number of fields "
            "differs between lines, or a quote is never closed."
        )


def _pattern(path: str | Path) -> tuple[str, str]:
    """Return a pattern of files and their kind.

    Raises
    ------
    DataError
        If there is no such file.
    """
    text = str(path)
    if not text.strip():
        raise DataError("The path is empty; give a file, a pattern or a folder ('.' for this one).")
    if Path(text).is_dir():
        kinds = [k for k in _PARQUET if next(Path(text).rglob(f"*{k}"), None) is not None]
        if not kinds:
            raise DataError(f"The folder {brief(text)} has no Parquet files (*.parquet).")
        return str(Path(text) / "**" / f"*{kinds[0]}"), "parquet"
    if not next(glob.iglob(text, recursive=True), None):  # noqa: PTH207 - of any folder
        raise DataError(f"There is no file {brief(text)}.")
    if text.lower().endswith(_PARQUET):
        return text, "parquet"
    if text.lower().endswith(_TEXT):
        return text, "csv"
    raise DataError(f"{brief(text)} is neither Parquet nor CSV; only these are scanned.")


def _is_many_files(path: str | Path) -> bool:
    text = str(path)
    if not text.strip() or "\0" in text or "://" in text or len(text) > _LONGEST_PATH:
        return False
    if Path(text).is_dir():
        return any(next(Path(text).rglob(f"*{k}"), None) is not None for k in _PARQUET)
    return any(c in text for c in "*?[") and not Path(text).exists()


def _is_large_file(path: str | Path) -> bool:
    text = str(path).lower()
    grows = UNPACKED if text.endswith(_PARQUET) else 1.0
    try:
        size = Path(path).stat().st_size
    except (OSError, ValueError):
        return False  # read_frame says what is wrong with it
    return text.endswith(_PARQUET + _TEXT) and size * grows > SHARE * _free_memory()


def _bytes_of(rows: Scan) -> float:
    """Return what the rows would take in memory."""
    with ctrl_c_cancels(rows.lazy):
        found = rows.lazy.select(nw.len().alias("n")).collect()
    return float(found["n"].to_list()[0]) * _WIDTH * len(rows.columns)


def _free_memory() -> float:
    """Return the bytes of memory that programs can have, what caches hold included."""
    table = Path("/proc/meminfo")
    if table.exists():
        for line in table.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return 1024.0 * float(line.split()[1])
    if "SC_PHYS_PAGES" in getattr(os, "sysconf_names", {}):
        return 0.5 * float(os.sysconf("SC_PAGE_SIZE")) * float(os.sysconf("SC_PHYS_PAGES"))
    return _WITHOUT_MEASURE
