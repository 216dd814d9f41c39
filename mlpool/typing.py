"""Array aliases, option sets and the protocols through which layers meet."""

from __future__ import annotations

from typing import Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.integer]
BoolArray: TypeAlias = NDArray[np.bool_]

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
