"""A user's data as they are now: what a fitted model keeps of them.

A model looks at its data again when it is asked for residuals, or for clusters of a column that was
named after the fit. Whatever was done to the user's frame in between must not reach it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from mlpool.errors import DataError, brief
from mlpool.frames.intake import Frame, read_frame
from mlpool.frames.levels import Column
from mlpool.frames.to_native import with_columns
from mlpool.typing import FloatArray


class HeldFrame(Frame):
    """Data that stay as they were when the model was fitted.

    Attributes
    ----------
    origin : Frame or None
        The user's data, where columns beyond `own` share memory with them.
    own : tuple of str
        Columns that were copied from `origin`.
    answers : mapping
        Values of a response that a model was fitted to again, by the text of the left side; they
        stand for what the columns would give.
    replaced : frozenset of str
        Columns that hold such a response.
    """

    origin: Frame | None = None
    own: tuple[str, ...] = ()
    answers: Mapping[str, object] = MappingProxyType({})
    replaced: frozenset[str] = frozenset()

    def __getstate__(self) -> dict[str, object]:
        """Pickle the answers, too."""
        answered = {"answers": dict(self.answers), "replaced": self.replaced}
        return {**super().__getstate__(), **answered}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore columns and answers."""
        super().__setstate__(state)
        self.answers, self.replaced = state.get("answers", {}), state.get("replaced", frozenset())

    def column(self, name: str, *, used_as: str = "") -> Column:
        """Return a column; one that was not copied only if the data are still the same.

        Raises
        ------
        ColumnNotFoundError
            As :meth:`Frame.column`.
        DataError
            If a column that the fit used has changed since.
        """
        is_kept = name in self.own or name in self.replaced
        if self.origin is not None and name in self and not is_kept:
            now = read_frame(self.origin.native)
            for kept in self.own:
                if not _are_same(super().column(kept), now, kept):
                    raise DataError(
                        f"The data were changed after the model was fitted ({brief(kept)} "
                        "differs), so "
                        f"the values of {brief(name)} may not belong to the model's rows; "
                        "fit again, or "
                        "give an array of one value per row."
                    )
        return super().column(name, used_as=used_as)


def hold(frame: Frame, used: Iterable[str]) -> Frame:
    """Return a frame that changes to the user's data do not reach.

    pandas (which copies when it writes), polars and pyarrow: another reference to the same memory.
    Dicts of arrays, and pandas before copy-on-write: the used columns are copied; the others are
    looked up later only if the used ones have not changed by then.

    Parameters
    ----------
    frame : Frame
    used : iterable of str
        Columns that the fit uses; other names are ignored.
    """
    if isinstance(frame, HeldFrame):
        return frame
    native = frame.native
    own = tuple(name for name in dict.fromkeys(used) if name in frame)
    if isinstance(native, Mapping):
        named = zip(frame.columns, native.items(), strict=True)
        arrays = {key: _copy(value) if name in own else value for name, (key, value) in named}
        return _held(arrays, frame, own)
    if isinstance(native, pd.DataFrame):
        if _copies_on_write():
            kept = native.copy(deep=False)
            if frame.held is not native:
                return _held(kept)  # names that are no text, or that pandas reads through others
            return HeldFrame(kept, kept, frame.given)
        kept = native.copy(deep=False)
        for name in own:
            label = native.columns[frame.columns.index(name)]
            kept[label] = native[label].copy()
        return _held(kept, frame, own)
    if hasattr(native, "insert_column"):  # a polars DataFrame; its memory is never written to
        return _held(native.clone())
    return HeldFrame(native, frame.held)


def with_answer(
    frame: Frame, text: str, answer: object, columns: Mapping[str, FloatArray] | None = None
) -> HeldFrame:
    """Return the data with another response.

    Parameters
    ----------
    frame : Frame
    text : str
        Of the formula's left side.
    answer : object
        What the left side evaluates to; not needed where a column holds the response.
    columns : mapping from name to ndarray of shape (n,), optional
        The response's own column, replaced.
    """
    new = columns or {}
    for name in new:
        frame.column(name)  # a model that was saved without its rows says so
    native = with_columns(frame, new) if new else frame.native
    held = HeldFrame(native, read_frame(native).held if new else frame.held)
    held.index, held._is_part = frame.index, frame._is_part
    if not new:
        held._cache = dict(frame._cache)
    held.answers = {} if new else {text: answer}
    held.replaced = frozenset(new)
    if isinstance(frame, HeldFrame):
        held.origin, held.own = frame.origin, tuple(n for n in frame.own if n not in new)
    return held


def _held(native: object, origin: Frame | None = None, own: tuple[str, ...] = ()) -> HeldFrame:
    held = HeldFrame(native, read_frame(native).held)
    held.origin, held.own = origin, own
    return held


def _copies_on_write() -> bool:
    if int(pd.__version__.partition(".")[0]) >= 3:
        return True
    return pd.get_option("mode.copy_on_write") is True


def _copy(values: object) -> object:
    return values.copy() if hasattr(values, "copy") else np.array(values)


def _are_same(column: Column, now: Frame, name: str) -> bool:
    if name not in now or now.n_rows != len(column.values):
        return False
    other = now.column(name)
    if other.kind != column.kind or other.levels != column.levels:
        return False
    has_gaps = column.values.dtype.kind == "f"
    return bool(np.array_equal(column.values, other.values, equal_nan=has_gaps))
