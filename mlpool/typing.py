"""Array aliases, option sets and the protocols through which layers meet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray


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
