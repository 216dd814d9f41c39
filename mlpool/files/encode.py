"""From a fitted model to a tree of JSON values and a list of arrays.

Every value is one of: null, true or false, a number, a string, a list, or an object with a tag:

=====================  =========================================================================
``{"float": "nan"}``   nan, inf, -inf
``{"tuple": [..]}``    a tuple
``{"dict": {..}}``     a mapping from strings
``{"array": 3}``       the array ``arrays/3.npy``; views of the same numbers are one array
``{"rows": [n]}``      an array with an entry per row of the data, left out
``{"record": ..}``     a record: name of its type, and ``fields``
``{"formula": true}``  the formula, stored once as text
``{"bar": 0}``         a random-effects term of the formula
``{"index": ..}``      row labels
``{"frame": ..}``      the used columns of the data
``{"function": "f"}``  a function that ``context=`` handed over; only its name is stored
=====================  =========================================================================
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mlpool.engine.glmm.types import GlmmFit
from mlpool.engine.types import LmmFit
from mlpool.errors import ModelFileError, NotSupportedError
from mlpool.files.registry import RECORDS, ROW_FIELDS, saved_fields
from mlpool.formula.design import Design
from mlpool.formula.newdata import Encoding
from mlpool.formula.types import BarTerm, ParsedFormula
from mlpool.frames import Frame, HeldFrame
from mlpool.models.fitted import FittedModel
from mlpool.sources.absent_rows import AbsentRows, refuse_rows
from mlpool.sources.clusters.asked import looked_at
from mlpool.sources.combinations import CombinedDesign
from mlpool.sources.design import PushedDesign

if TYPE_CHECKING:
    from mlpool.typing import ValueArray

_Memory = tuple[int, tuple[int, ...], tuple[int, ...], str]
"""Address, shape, strides and type of an array."""


class Encoder:
    """Walks a model once and collects its arrays.

    Parameters
    ----------
    model : FittedModel
    data : bool
        Whether to keep the rows.
    """

    def __init__(self, model: FittedModel, *, data: bool) -> None:
        self.model, self.data = model, data
        self.arrays: list[np.ndarray[Any, Any]] = []
        self._places: dict[_Memory, int] = {}
        # addresses are unique only while their arrays live
        self._alive: list[Any] = []
        self._in_rows = False

    def node(self, value: object) -> Any:
        """Return the tree of a value."""
        if isinstance(value, (PushedDesign, CombinedDesign)):
            value = value.without_rows()
        value = looked_at(value)
        if value is None or isinstance(value, (bool, str)):
            return value
        if isinstance(value, np.generic):
            return self.node(value.item())
        if isinstance(value, (int, float)):
            return _number(value)
        if isinstance(value, AbsentRows):
            if self.data:
                refuse_rows()
            return {"rows": list(value.shape)}
        if isinstance(value, np.ndarray):
            return self._array(value)
        if isinstance(value, (list, tuple)):
            nodes = [self.node(v) for v in value]
            return {"tuple": nodes} if isinstance(value, tuple) else nodes
        if isinstance(value, Mapping):
            return {"dict": {str(k): self.node(v) for k, v in value.items()}}
        return self._object(value)

    def _object(self, value: object) -> Any:
        if isinstance(value, ParsedFormula):
            return {"formula": True}
        if isinstance(value, BarTerm):
            return {"bar": self.model.formula.bars.index(value)}
        if isinstance(value, Frame):
            return {"frame": self._frame(value)}
        if isinstance(value, pd.Index):
            return {"index": self._index(value)}
        if is_dataclass(value) and type(value).__name__ in RECORDS:
            return self._record(value)
        raise ModelFileError(
            f"The model holds a {type(value).__name__}, which a model file cannot keep."
        )

    def _record(self, value: object) -> dict[str, Any]:
        kind = type(value)
        tree = {}
        for one in saved_fields(kind):
            before = self._in_rows
            self._in_rows = before or one.name in ROW_FIELDS.get(kind, ())
            tree[one.name] = self._field(value, one.name)
            self._in_rows = before
        return {"record": kind.__name__, "fields": tree}

    def _field(self, record: object, name: str) -> Any:
        """Return the tree of a field; what a record makes when asked is made now."""
        value = getattr(record, name)
        if isinstance(record, LmmFit) and name == "cond_cov" and callable(value):
            return self.node(value())
        if isinstance(record, GlmmFit) and name == "inference":
            return self.node(value())
        if isinstance(record, GlmmFit) and name == "scores":
            return self._scores(record)
        if isinstance(record, FittedModel) and name == "arguments":
            return {"dict": {k: self.given(v) for k, v in value.items()}}
        if isinstance(record, Encoding) and name == "context":
            return None if value is None else self.given(dict(value))
        if isinstance(record, Design) and name == "cluster":
            return {"tuple": [self.node(way) for way in value]}
        return self.node(value)

    def _scores(self, record: GlmmFit) -> Any:
        """Return derivatives by level, which only clusters of rows are added up with."""
        if self.data and record.n_quadrature > 0:
            try:
                return self.node(record.scores())
            except NotSupportedError as sentence:
                return str(sentence)
        return {"rows": [0]}

    def given(self, value: object) -> Any:
        """Return the tree of something that a user handed over: an array of any kind, a name ..."""
        if callable(value):
            return {"function": str(getattr(value, "__name__", "function"))}
        if isinstance(value, Mapping):
            return {
                "dict": {
                    str(k): {"function": str(k)} if callable(v) else self.given(v)
                    for k, v in value.items()
                }
            }
        if isinstance(value, (list, tuple)) and not self._is_rows(value):
            nodes = [self.given(v) for v in value]
            return {"tuple": nodes} if isinstance(value, tuple) else nodes
        if hasattr(value, "__len__") and not isinstance(value, (str, np.generic)):
            return self._given_array(value)
        return self.node(value)

    def _given_array(self, value: object) -> Any:
        array = np.asarray(value)
        if self._is_rows(value) and not self.data:
            return {"rows": list(array.shape)}
        if array.dtype.kind in "fiub":
            return self.node(array)
        return ["" if v is None else str(v) for v in array.tolist()]

    def _is_rows(self, value: Any) -> bool:
        design = self.model.design
        return len(value) in (design.n, design.n_read) and len(value) > len(self.model.names)

    def _array(self, array: ValueArray) -> dict[str, Any]:
        if self._in_rows and not self.data:
            return {"rows": list(array.shape)}
        memory = _memory(array)
        if memory not in self._places:
            self._places[memory] = len(self.arrays)
            self._alive.append(array)
            self.arrays.append(_plain(array))
        return {"array": self._places[memory]}

    def _frame(self, frame: Frame) -> dict[str, Any]:
        tree: dict[str, Any] = {"names": list(frame.used), "n_rows": frame.n_rows}
        if self.data:
            tree["columns"] = [self.node(frame.column(name)) for name in frame.used]
            tree["index"] = self.node(frame.index)
            if isinstance(frame, HeldFrame) and frame.answers:
                tree["answers"] = {text: self.node(v) for text, v in frame.answers.items()}
        return tree

    def _index(self, index: pd.Index) -> dict[str, Any]:
        name = None if index.name is None else str(index.name)
        if not self.data:
            return {"range": [0, len(index), 1], "name": name}
        if isinstance(index, pd.RangeIndex):
            return {"range": [index.start, index.stop, index.step], "name": name}
        values = index.to_numpy()
        if values.dtype.kind in "fiu":
            return {"values": self.node(values), "name": name}
        return {"values": [str(v) for v in index], "name": name}


def _number(value: float) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": "nan" if math.isnan(value) else ("inf" if value > 0 else "-inf")}
    return value


def _memory(array: ValueArray) -> _Memory:
    """Return what two views of the same numbers have in common."""
    # records hold read-only views, each an object of its own; nothing is at an empty one's address
    at = array.ctypes.data if array.size else 0
    return at, array.shape, array.strides, array.dtype.str


def _plain(array: ValueArray) -> ValueArray:
    """Return an array as it is stored: C order, little-endian, at most 8 bytes a number."""
    if array.dtype.kind not in "fiub":
        raise ModelFileError(f"A model file holds numbers only; an array has type {array.dtype}.")
    dtype = np.dtype(np.float64) if array.dtype.itemsize > 8 else array.dtype
    return np.array(array, dtype=dtype.newbyteorder("<"), order="C")
