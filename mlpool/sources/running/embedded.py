"""DuckDB as the engine that mlpool starts itself, for files: its memory, and where it spills."""

from __future__ import annotations

import tempfile
import uuid
from pathlib import Path

from mlpool.errors import NotSupportedError, OptionError, brief
from mlpool.sources.lazy_rows import Native

_SPILLS = "mlpool-spill-"
"""How the folders begin that DuckDB makes when memory does not do, and removes again."""


def duckdb_module() -> Native:
    """Return DuckDB.

    Raises
    ------
    NotSupportedError
        If it is not installed.
    """
    try:
        import duckdb
    except ImportError:
        raise NotSupportedError(
            "Scanning files needs DuckDB: pip install duckdb; or hand over a frame of "
            "another engine, such as polars.scan_parquet(...)."
        ) from None
    return duckdb


def connect() -> Native:
    """Return a connection to an empty database in memory, which spills to the temporary folder."""
    connection = duckdb_module().connect()
    # order of rows is nothing to sums, and keeping it costs memory
    connection.execute("set preserve_insertion_order = false")
    # counted, so that progress can be asked for, and not printed by DuckDB
    connection.execute("set enable_progress_bar = true")
    connection.execute("set enable_progress_bar_print = false")
    # else DuckDB spills into the folder where the program was started
    connection.execute(f"set temp_directory = '{_spill_folder()}'")
    return connection


def _spill_folder() -> str:
    """Return a folder that does not exist yet, in the one for temporary files; "" for nowhere."""
    try:
        folder = tempfile.gettempdir()
    except FileNotFoundError:  # no folder of the system's can be written to
        return ""
    return str(Path(folder) / f"{_SPILLS}{uuid.uuid4()}").replace("'", "''")


def limit_memory(connection: Native, limit: object) -> None:
    """Let a connection hold so much memory and spill the rest.

    Raises
    ------
    OptionError
        If `limit` is no size.
    """
    said = f"memory_limit must be a size such as '4GB'; got {brief(limit)}"
    if not isinstance(limit, str) or not limit.replace(".", "").replace(" ", "").isalnum():
        raise OptionError(f"{said}.")
    try:
        connection.execute(f"set memory_limit = '{limit}'")
    except Exception as error:
        raise OptionError(f"{said} ({first_line(error)}).") from None


def share_done(connection: Native) -> float | None:
    """Return how much of the running query is done, from 0 to 1; None where DuckDB cannot tell."""
    if not hasattr(connection, "query_progress"):  # before 1.3
        return None
    percent = float(connection.query_progress())
    return percent / 100.0 if percent >= 0.0 else None


def what_engine_says(engine: str, error: BaseException) -> str:
    """Return a sentence on a query that failed, with what would help where memory did not do."""
    said = first_line(error)
    if _SPILLS in said or "no temporary directory" in str(error):
        return (
            f"A query needs more memory than {engine} may use and cannot spill to disk ({said}): "
            "set TMPDIR to a folder that can be written to, or raise memory_limit."
        )
    if type(error).__name__ == "OutOfMemoryException":
        return (
            f"A query needs more memory than {engine} may use, although the rest goes to disk "
            f"({said}): raise memory_limit."
        )
    return f"{engine} cannot answer a query of the rows: {said}"


def first_line(error: BaseException) -> str:
    """Return what an engine says, in one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
