"""Named arrays back into the kind of frame that the user came with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import narwhals.stable.v1 as nw
import numpy as np
import pandas as pd

from mlpool.frames.intake import Frame
from mlpool.typing import FloatArray


def with_columns(frame: Frame, columns: Mapping[str, FloatArray], *, append: bool = True) -> Any:
    """Return a copy of the user's data with new or replaced numeric columns.

    pandas, polars and pyarrow stay what they are; a dict gives a dict, a file a pandas frame. NaN
    becomes null where the frame has nulls. The user's data stay as they are.

    Parameters
    ----------
    frame : Frame
    columns : mapping from name to ndarray of shape (n,)
    append : bool
        False gives the new columns alone.
    """
    if isinstance(frame.native, Mapping):
        kept = dict(frame.native) if append else {}
        return kept | {name: np.asarray(values) for name, values in columns.items()}
    native = nw.to_native(frame.data)
    if isinstance(native, pd.DataFrame):
        new = pd.DataFrame(dict(columns), index=native.index)
        if not append:
            return new
        kept_columns = native[[c for c in native.columns if c not in columns]]
        order = [*native.columns, *(c for c in columns if c not in native.columns)]
        joined = pd.concat([kept_columns, new], axis=1)[order]
        joined.attrs = dict(native.attrs)
        return joined
    namespace = nw.get_native_namespace(frame.data)
    data = {name: _with_nulls(values) for name, values in columns.items()}
    made = nw.from_dict(data, native_namespace=namespace)
    if not append:
        return nw.to_native(made)
    return nw.to_native(frame.data.with_columns(*[made[name] for name in columns]))


def _with_nulls(values: FloatArray) -> object:
    missing = np.isnan(values)
    if not missing.any():
        return values
    return [None if is_nan else float(v) for v, is_nan in zip(values, missing, strict=True)]
