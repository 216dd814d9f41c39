"""A small table beside rows that are elsewhere, and joined to them: what is each engine's own."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

from mlpool.errors import NotSupportedError
from mlpool.sources.lazy_rows import Answer, LazyRows, Native
from mlpool.sources.scan import lazy_frame


def lazy_beside(rows: LazyRows, table: Answer) -> LazyRows:
    """Return a table as the engine of `rows` has it, so that the two can be joined.

    Raises
    ------
    NotSupportedError
        For engines that narwhals reads and mlpool does not know.
    """
    name, native = rows.implementation.value, rows.to_native()
    made: Native
    if name == "polars":
        made = table.to_polars().lazy()
    elif name == "duckdb":
        # a query of the relation sees its connection, and the local variable as a table
        effects = table.to_arrow()
        made = native.query("rows_of_model", "select * from effects")
        del effects
    elif name == "dask":
        dask: Native = import_module("dask.dataframe")
        made = dask.from_pandas(table.to_pandas(), npartitions=1)
    elif name.startswith("pyspark"):
        made = native.sparkSession.createDataFrame(table.to_pandas())
    elif name == "ibis":
        made = import_module("ibis").memtable(table.to_arrow())
    else:
        raise NotSupportedError(
            f"Predictions of rows held by {name} are not made there; read them."
        )
    return lazy_frame(made)


def joined(rows: LazyRows, table: LazyRows, keys: Sequence[str]) -> LazyRows:
    """Return the rows with the table's other columns, null where a key is not in it.

    Polars keeps the order of the rows when told so, which narwhals does not say; other engines have
    none.
    """
    if rows.implementation.value != "polars":
        return rows.join(table, on=list(keys), how="left")
    native, other = rows.to_native(), table.to_native()
    try:
        made: Native = native.join(other, on=list(keys), how="left", maintain_order="left")
    except TypeError:  # Polars before 1.21 keeps the order of its left joins unasked
        made = native.join(other, on=list(keys), how="left")
    return lazy_frame(made)
