"""`ResultFrame`: a table with its raw numbers, printed as easystats prints and shown in notebooks.

Formatting lives in ``tables``; what a table looks like is told by its layout object.
"""

from __future__ import annotations

import json
import math
import shutil
import sys
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, Unpack, overload

import numpy as np
import pandas as pd

from mlpool.errors import ColumnNotFoundError, NotSupportedError, brief, nearest_names
from mlpool.registry import verb
from mlpool.tables import Exports, TableOptions, TableSpec, render_text

if TYPE_CHECKING:
    from plotnine import ggplot

    from mlpool.keywords import PlotOptions, PrintOptions
    from mlpool.typing import ValueArray


class TableLayout(Protocol):
    """What makes a table description of raw numbers."""

    def describe(self, data: pd.DataFrame, options: TableOptions) -> TableSpec:
        """Return the table of `data` printed with `options`."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ResultFrame(Exports):
    """Results of a function such as :func:`mlpool.model_parameters`.

    Printing it gives R's text; columns are those of R's data frame, unrounded:
    ``table["p"]``, ``table.to_pandas()``.

    Attributes
    ----------
    data : DataFrame
        The raw, unrounded numbers.
    layout : TableLayout
        How they are printed.
    options : TableOptions
        Digits and the like, which :meth:`print` and the ``to_*`` methods can change.
    notes : tuple of str
        How the numbers came about (printed on request only).
    metadata : mapping
        Level of confidence, kind of covariance, degrees of freedom, model ...
    backend : {"pandas", "polars", "pyarrow"}
        The kind of frame that :meth:`to_native` returns.

    Examples
    --------
    >>> import mlpool
    >>> m = mlpool.lm("Reaction ~ Days", mlpool.load_data("sleepstudy"))
    >>> table = mlpool.model_parameters(m)
    >>> round(float(table["Coefficient"].iloc[1]), 3)
    10.467
    >>> print(table.select("minimal"))
    Parameter   | Coefficient |           95% CI |      p
    -----------------------------------------------------
    (Intercept) |      251.41 | [238.36, 264.45] | < .001
    Days        |       10.47 | [  8.02,  12.91] | < .001
    """

    data: pd.DataFrame
    layout: TableLayout
    options: TableOptions = field(default_factory=TableOptions)
    notes: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    backend: str = "pandas"

    # --- as a data frame --------------------------------------------------------------------

    @property
    def columns(self) -> pd.Index:
        """Names of the raw columns."""
        return self.data.columns

    @property
    def index(self) -> pd.Index:
        """Row labels (0, 1, ...)."""
        return self.data.index

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.data.shape

    @property
    def loc(self) -> Any:
        """Rows and columns of the raw frame by label."""
        return self.data.loc

    @property
    def iloc(self) -> Any:
        """Rows and columns of the raw frame by position."""
        return self.data.iloc

    def __getitem__(self, key: object) -> Any:
        """Return a column, several columns, or the rows of a mask.

        Raises
        ------
        ColumnNotFoundError
            If there is no such column.
        """
        names = key if isinstance(key, list) else [key] if isinstance(key, str) else []
        for name in names:
            if isinstance(name, str) and name not in self.data.columns:
                known = [str(c) for c in self.data.columns]
                raise ColumnNotFoundError(
                    f"The table has no column {brief(name)}; it has {', '.join(known)}."
                    + nearest_names(name, known)
                )
        return self.data[key]

    def __contains__(self, key: object) -> bool:
        return key in self.data.columns

    def __iter__(self) -> Iterator[Any]:
        return iter(self.data.columns)

    def __len__(self) -> int:
        return len(self.data)

    def keys(self) -> pd.Index:
        """Return the names of the raw columns, as a data frame does."""
        return self.data.columns

    def to_pandas(self) -> pd.DataFrame:
        """Return a copy of the raw, unrounded frame."""
        return self.data.copy()

    def head(self, n: int = 5) -> pd.DataFrame:
        """Return the first `n` rows of the raw frame."""
        return self.data.head(n)

    def tail(self, n: int = 5) -> pd.DataFrame:
        """Return the last `n` rows of the raw frame."""
        return self.data.tail(n)

    if not TYPE_CHECKING:  # type checkers keep telling wrong names; to_pandas() has the right ones

        def __getattr__(self, name: str) -> object:
            """Return what a copy of the raw frame has under a name: ``table.query("p < 0.05")``.

            Raises
            ------
            AttributeError
            """
            frame = self.__dict__.get("data")
            if frame is None or name.startswith("_") or hasattr(type(self), name):
                return object.__getattribute__(self, name)  # its own error
            if name in dir(pd.DataFrame) or name in frame.columns:
                return getattr(frame.copy(), name)
            known = [n for n in dir(type(self)) if not n.startswith("_")]
            hint = nearest_names(name, [*known, *map(str, frame.columns)])
            sentence = f"{type(self).__name__} object has no attribute {brief(name)}.{hint}"
            raise AttributeError(sentence, name=name, obj=self)

    def plot(self, **options: Unpack[PlotOptions]) -> ggplot:
        """Return :func:`mlpool.plot` of this table."""
        drawn: ggplot = verb("plot")(self, **options)
        return drawn

    def to_native(self) -> Any:
        """Return the raw frame in the kind the model's data came in (pandas, polars, pyarrow)."""
        columns = {str(name): self.data[name].to_list() for name in self.data.columns}
        if self.backend == "polars":
            import polars as pl

            return pl.DataFrame(columns)
        if self.backend == "pyarrow":
            import pyarrow as pa

            return pa.table(columns)
        return self.to_pandas()

    # --- as text ----------------------------------------------------------------------------

    def table(self, **options: Unpack[PrintOptions]) -> TableSpec:
        """Return the description that the renderers lay out; options as in :meth:`print`."""
        return self.layout.describe(self.data, self._updated(**options))

    def select(self, select: str | list[str] | tuple[str, ...]) -> ResultFrame:
        """Return the same results printed with other columns; the raw frame keeps them all.

        Parameters
        ----------
        select : str or list of str
            ``"minimal"``, ``"short"``, column names, or a style: ``"se_p"``,
            ``"{estimate}{stars} ({se})"``, ``|`` between columns.

        Raises
        ------
        OptionError
            For an unknown column, shorthand or placeholder.
        """
        selected = replace(self, options=self.options.updated(select=select))
        selected.table()  # an unknown column is told here, not when it is printed
        return selected

    def print(  # noqa: PLR0913 - R's arguments, all by keyword
        self,
        *,
        digits: int | None = None,
        ci_digits: int | None = None,
        p_digits: int | str | None = None,
        select: str | list[str] | tuple[str, ...] | None = None,
        zap_small: bool | None = None,
        table_width: int | None = None,
    ) -> None:
        """Print the table; an option that is not given stays as it was.

        Parameters
        ----------
        digits, ci_digits, p_digits, select, zap_small, table_width
            See :class:`mlpool.tables.TableOptions`. A table is split to the terminal's width when
            it is printed on one.
        """
        options = self._updated(
            digits=digits, ci_digits=ci_digits, p_digits=p_digits, select=select,
            zap_small=zap_small, table_width=table_width,
        )  # fmt: skip
        text = render_text(self.layout.describe(self.data, options), _width_of_output(options))
        sys.stdout.write(text + "\n")

    def __str__(self) -> str:
        """Return R's text."""
        return render_text(self.table(), self.options.table_width)

    def __repr__(self) -> str:
        """Return R's text, split to the terminal's width when it is shown on one."""
        return render_text(self.table(), _width_of_output(self.options))

    # --- as the data of other libraries -----------------------------------------------------

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> ValueArray:
        """Return the values as numpy sees a data frame."""
        return np.array(self.data, dtype=dtype, copy=True if copy is None else copy)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Hand the raw frame on by Arrow's C stream: ``polars.DataFrame(table)``."""
        return self.data.__arrow_c_stream__(requested_schema)

    def __dataframe__(self, nan_as_null: bool = False, allow_copy: bool = True) -> object:
        """Hand the raw frame on by the interchange protocol, by which seaborn reads it."""
        with warnings.catch_warnings():
            # pandas advises its callers to use Arrow's stream, which is here too
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.simplefilter("ignore", FutureWarning)
            return self.data.__dataframe__(nan_as_null, allow_copy)  # type: ignore[operator]

    def __narwhals_dataframe__(self) -> Any:
        """Hand the raw frame on to narwhals and all that reads frames through it."""
        import narwhals

        return narwhals.from_native(self.data)._compliant_frame

    @property  # type: ignore[misc]
    def __class__(  # type: ignore[override] # pandas alone is told another
        self,
    ) -> type[ResultFrame] | type[pd.DataFrame]:
        """The class; great_tables, which dispatches on it, learns at its first look what it is.

        pandas' constructor knows frames by their class alone, and of anything else with an array
        keeps numbers without names: to it alone a table is a frame, so that ``pd.DataFrame(table)``
        has its columns.
        """
        _teach_great_tables()
        asks = sys._getframe(1).f_code
        return pd.DataFrame if asks is pd.DataFrame.__init__.__code__ else type(self)

    @property
    def _mgr(self) -> object:
        """What pandas' constructor takes of a frame."""
        return self.data.copy()._mgr

    @overload
    def to_csv(self) -> str: ...
    @overload
    def to_csv(self, path: str | PathLike[str]) -> None: ...
    def to_csv(self, path: str | PathLike[str] | None = None) -> str | None:
        """Return the raw frame as CSV, numbers in full precision, or write it to a file.

        Parameters
        ----------
        path : str or Path, optional
            The file, in UTF-8; without it the text is returned.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        text: str = self.data.to_csv(index=False, lineterminator="\n")
        if path is None:
            return text
        Path(path).write_text(text, encoding="utf-8", newline="\n")
        return None

    def to_excel(self, path: str | PathLike[str]) -> None:
        """Write the raw frame, numbers with 16 digits, as a sheet of Excel.

        Parameters
        ----------
        path : str or Path
            The file, which ends in ``.xlsx``.

        Raises
        ------
        NotSupportedError
            If openpyxl is not installed.
        OSError, ValueError
            If the file cannot be written, or has another ending.
        """
        try:
            self.data.to_excel(path, index=False, engine="openpyxl")
        except ImportError:
            raise NotSupportedError(
                "Excel files need openpyxl, which is not installed; run: pip install openpyxl"
            ) from None

    def to_json(self) -> str:
        """Return the raw frame as a JSON list of records, numbers in full precision.

        What JSON has no number for (missing values, infinite df) is null.
        """
        return json_of(self.data)

    def _updated(self, **options: Unpack[PrintOptions]) -> TableOptions:
        given = {name: value for name, value in options.items() if value is not None}
        return self.options.updated(**given)

    def __getstate__(self) -> dict[str, Any]:
        """Pickle with the metadata as a plain dict: a read-only view cannot be pickled."""
        return {**self.__dict__, "metadata": dict(self.metadata)}

    def __post_init__(self) -> None:
        """Make the metadata read-only."""
        object.__setattr__(self, "metadata", MappingProxyType(dict(self.metadata)))


@cache
def _registered(generic: Any) -> None:
    generic.register(ResultFrame, ResultFrame.to_pandas)


def _teach_great_tables() -> None:
    """Let ``GT(table)`` take the raw frame: it has no protocol, only a list of known classes."""
    module = sys.modules.get("great_tables._tbl_data")
    for name in ("validate_frame", "copy_data"):
        if module is not None and hasattr(module, name):
            _registered(getattr(module, name))


def _width_of_output(options: TableOptions) -> int | None:
    """Return the width asked for, else the terminal's; None (no limit) elsewhere."""
    if options.table_width is None and sys.stdout.isatty():
        return shutil.get_terminal_size().columns
    return options.table_width


def json_of(frame: pd.DataFrame) -> str:
    """Return a data frame as a JSON list of records that reads back to the same numbers.

    What JSON has no number for (missing values, infinite df) is null.
    """
    records = frame.to_dict("records")
    plain = [{str(k): _json_value(v) for k, v in row.items()} for row in records]
    return json.dumps(plain, indent=1, ensure_ascii=False, allow_nan=False)


def _json_value(value: object) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, (bool, int, str, list)):
        return value
    if value is None or value is pd.NA or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return value if isinstance(value, float) else str(value)
