"""What each subcommand prints: the public verbs called with the arguments, as text."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tabulate import tabulate

import mlpool
from mlpool.cli.parser import output_format
from mlpool.datasets import DatasetInfo, dataset_info, dataset_names
from mlpool.errors import DataError, nearest_names
from mlpool.frames import read_frame
from mlpool.results import json_of
from mlpool.sources import Scan, read_rows

if TYPE_CHECKING:
    import pandas as pd


def fit_text(arguments: argparse.Namespace) -> str:
    """Return the table (or summary) of the model that ``mlpool fit`` asks for."""
    data = scanned(arguments.data) if arguments.scan else read_data(arguments.data)
    model = mlpool.fit(arguments.formula, data, **_model_options(arguments))
    if arguments.summary:
        return str(mlpool.summary(model))
    table = mlpool.model_parameters(model, **_table_options(arguments))
    return _render(table, output_format(arguments))


def data_text(arguments: argparse.Namespace) -> str:
    """Return the list of data sets, one data set, or what is known about it."""
    if arguments.name is None:
        return _frame_text(_listing(), output_format(arguments))
    if arguments.info:
        return _info_text(dataset_info(arguments.name))
    return _frame_text(mlpool.load_data(arguments.name), output_format(arguments, default="csv"))


def read_data(name: str) -> Any:
    """Return the data of files, a folder, a bundled set, or of a CSV on stdin (``-``).

    Raises
    ------
    DataError
        If there is neither a file nor a bundled data set of that name.
    """
    if name == "-":
        return _read_stdin()
    if Path(name).exists() or any(c in name for c in "*?["):
        return read_rows(name)
    if name.lower() in (known.lower() for known in dataset_names()):
        return mlpool.load_data(name)
    hint = nearest_names(name, [*dataset_names(), *_files_beside(Path(name))])
    raise DataError(f"There is neither a file nor a bundled data set called {name!r}.{hint}")


def scanned(name: str) -> Scan:
    """Return the rows of files, or of a bundled set, where they lie.

    Raises
    ------
    DataError
        For stdin, which can be read once only, and as :func:`read_data`.
    """
    if name == "-":
        raise DataError("--scan asks the rows several times, and standard input is read once.")
    is_bundled = not Path(name).exists() and name.lower() in map(str.lower, dataset_names())
    return mlpool.scan(mlpool.load_data(name) if is_bundled else name)


def _read_stdin() -> object:
    """Read stdin through a temporary file, so that one reader's rules hold for every CSV."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "stdin.csv"
        path.write_bytes(sys.stdin.buffer.read())
        if path.stat().st_size == 0:
            raise DataError("There is nothing on standard input.")
        return read_frame(path)


def _files_beside(path: Path) -> list[str]:
    """Return the tables in the folder where the user looked for one."""
    folder = path.parent
    if not folder.is_dir():
        return []
    return [str(p) for p in folder.iterdir() if p.suffix in (".csv", ".parquet", ".gz", ".tsv")]


def _model_options(arguments: argparse.Namespace) -> dict[str, Any]:
    cluster = arguments.cluster
    options = {
        "cluster": cluster[0] if cluster and len(cluster) == 1 else cluster,
        "vcov": arguments.vcov,
        "family": arguments.family,
        "weights": arguments.weights,
        "offset": arguments.offset,
        "subset": arguments.subset,
    }
    given = {name: value for name, value in options.items() if value is not None}
    return given | {"reml": not arguments.ml, "engine": arguments.engine}


def _table_options(arguments: argparse.Namespace) -> dict[str, Any]:
    options = {
        "ci_method": arguments.ci_method,
        "effects": arguments.effects,
        "digits": arguments.digits,
    }
    given = {name: value for name, value in options.items() if value is not None}
    return given | {"ci": arguments.ci, "exponentiate": arguments.exponentiate}


def _render(table: Any, kind: str) -> str:
    """Return a table object as text of the kind asked for."""
    if kind in ("csv", "json"):
        return _frame_text(table.to_pandas(), kind)
    if kind == "text":
        return str(table)
    return str(getattr(table, f"to_{kind}")())


def _frame_text(frame: pd.DataFrame, kind: str) -> str:
    """Return a data frame as text; numbers in CSV and JSON keep their full precision."""
    if kind == "csv":
        return str(frame.to_csv(index=False, lineterminator="\n"))
    if kind == "json":
        return json_of(frame)
    layout = "pipe" if kind == "markdown" else "simple"
    return tabulate(frame.to_dict("list"), headers="keys", tablefmt=layout, disable_numparse=True)


def _listing() -> pd.DataFrame:
    """Return the list that fits a terminal; ``mlpool data NAME --info`` has the rest."""
    return mlpool.datasets()[["name", "rows", "description"]]


def _info_text(info: DatasetInfo) -> str:
    """Return a data set's description: columns with meaning and levels, source, licence."""
    columns = [(c.name, c.kind, c.description, _levels_text(c.levels)) for c in info.columns]
    return "\n".join(
        [
            f"{info.name}: {info.description} ({info.rows} rows)",
            "",
            tabulate(columns, headers=("column", "kind", "meaning", "levels"), tablefmt="simple"),
            "",
            f"Source:  {info.source}",
            f"Licence: {info.licence}",
        ]
    )


def _levels_text(levels: tuple[str, ...], *, shown: int = 4) -> str:
    if len(levels) <= shown + 2:
        return ", ".join(levels)
    return ", ".join(levels[:shown]) + f", ... ({len(levels)})"
