"""Array aliases, what users hand over, and the protocols through which layers meet.

``FloatArray`` and its kin are what functions pass on; names ending in ``Like`` are what callers may
write: a seed, a cluster, data. Both are for annotations and cost nothing at run time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    Protocol,
    TypeAlias,
    runtime_checkable,
)

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from narwhals.typing import IntoDataFrame

    from mlpool.families import Family
    from mlpool.frames import Frame
    from mlpool.inference.sandwich.vcov_names import VcovSpec
    from mlpool.sources.scan import Scan


@dataclass(frozen=True, slots=True)
class Entries:
    """What an array of a record holds, said by the alias itself.

    Model files check it when they are read. NumPy's own types cannot be asked at run time: how
    they spell ``NDArray`` changes between its versions.

    Attributes
    ----------
    kinds : str
        Letters of ``dtype.kind``.
    """

    kinds: str

    def fit(self, array: np.ndarray[Any, Any]) -> bool:
        """Return whether an array holds such numbers."""
        return array.dtype.kind in self.kinds


FloatArray: TypeAlias = Annotated[NDArray[np.float64], Entries("fiu")]
IntArray: TypeAlias = Annotated[NDArray[np.integer], Entries("iu")]
BoolArray: TypeAlias = Annotated[NDArray[np.bool_], Entries("b")]
AnyArray: TypeAlias = Annotated[np.ndarray[Any, np.dtype[Any]], Entries("fiub")]
ValueArray: TypeAlias = np.ndarray[Any, np.dtype[Any]]
"""Values as a column has them: numbers, text, dates or objects."""

Engine: TypeAlias = Literal["auto", "mlpool", "statsmodels"]
NaAction: TypeAlias = Literal["omit", "fail"]
Effects: TypeAlias = Literal["all", "fixed", "random"]


@runtime_checkable
class RowSource(Protocol):
    """A matrix of `n` rows and `k` columns that is made a block of rows at a time.

    The engine reads designs only through this protocol, so that ten million rows never exist
    twice in memory. An ndarray is wrapped by ``mlpool.engine.types.ArrayRows``.
    """

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns (n, k)."""

    def rows(self, start: int, stop: int) -> FloatArray:
        """Return rows ``start:stop`` as a C-contiguous float64 array of shape (stop - start, k)."""


# --- what users hand over ---------------------------------------------------------------------


class ArrowStream(Protocol):
    """A table of Arrow's C stream: pyarrow, polars, DuckDB, Ibis and others."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Return the stream's capsule."""


class Computed(Protocol):
    """A table that is computed when asked, such as Dask's."""

    def compute(self) -> Any:
        """Return the rows."""


DataLike: TypeAlias = (
    "IntoDataFrame | Frame | Scan | ArrowStream | Computed | Mapping[Any, Any]"
    " | Sequence[Mapping[Any, Any]] | np.ndarray[Any, Any] | str | PathLike[str]"
)
"""Data: any frame, a dict of arrays, a list of dicts, a structured array, or a file's path."""


class HasArray(Protocol):
    """What NumPy reads as an array: Series of pandas and polars, arrays of NumPy and pyarrow."""

    def __array__(self) -> np.ndarray[Any, Any]:
        """Return the values."""


ColumnLike: TypeAlias = str | Sequence[Any] | HasArray
"""A value per row: the name of a column, or a Series, array or list."""

ClusterLike: TypeAlias = "str | HasArray | Sequence[Any] | Mapping[str, Sequence[Any] | HasArray]"
"""Clusters of robust standard errors: one column or several."""

VcovLike: TypeAlias = "str | HasArray | Sequence[Sequence[float]] | VcovSpec"
"""A type of covariance (``"HC3"``, ``"CR2"``), or the matrix itself."""

VcovArgs: TypeAlias = "Mapping[str, Any]"
"""easystats' ``vcov_args=``: ``{"cluster": "school", "type": "CR2"}``."""

SeedLike: TypeAlias = (
    "int | Sequence[int] | np.random.Generator | np.random.SeedSequence | np.random.BitGenerator"
)
"""Where random numbers start: a whole number, or one of NumPy's own."""

FamilyLike: TypeAlias = "str | tuple[str, str] | Family"
"""A distribution and link: ``"binomial"``, ``"binomial(probit)"``, ``("poisson", "log")``."""

ContrastsLike: TypeAlias = Mapping[str, str | HasArray | Sequence[Any]]
"""Codings of factors: ``{"gender": "sum"}``, or a matrix with a row per level."""

ReForm: TypeAlias = bool | float | str | None
"""Random effects that count: None all, False (R's NA) none, a formula such as ``"~ (1 | g)"``."""

NamesLike: TypeAlias = str | Sequence[str]
"""One name or several."""

ByLike: TypeAlias = "str | Sequence[Any] | Mapping[str, Any]"
"""Variables of a grid with or without their values: ``["x", "g"]``, ``{"x": [0, 1]}``."""
