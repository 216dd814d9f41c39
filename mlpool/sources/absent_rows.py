"""What stands in a model for rows that it does not have: left out of its file, or never read."""

from __future__ import annotations

from typing import Any, NoReturn

import pandas as pd

from mlpool.errors import NotSupportedError
from mlpool.frames.frame_snapshot import HeldFrame
from mlpool.frames.levels import Column

NOT_SAVED = (
    "This needs the rows of the data, which the model's file does not have; save the model with "
    "m.save(path, data=True)."
)
SCANNED = (
    "This needs the rows in memory, and the model was fitted where they lie: m.predict() and "
    "m.residuals() are queries that give predictions and residuals lazily; for the rest, fit rows "
    "that were read into memory."
)


def refuse_rows(sentence: str = NOT_SAVED) -> NoReturn:
    """Say that rows are needed.

    Raises
    ------
    NotSupportedError
        Always.
    """
    raise NotSupportedError(sentence)


class AbsentRows:
    """An array of known shape and unknown values: every use of the values is refused."""

    __slots__ = ("sentence", "shape")

    def __init__(self, shape: tuple[int, ...], sentence: str = NOT_SAVED) -> None:
        self.shape, self.sentence = shape, sentence

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, *args: object, **options: object) -> NoReturn:
        """Refuse to become numbers; every NumPy function asks here or in `__array_ufunc__`."""
        refuse_rows(self.sentence)

    def __array_ufunc__(self, *args: object, **options: object) -> NoReturn:
        refuse_rows(self.sentence)

    def __getattr__(self, name: str) -> NoReturn:
        """Refuse an array's attributes; what no array has stays an AttributeError."""
        if name.startswith("__"):
            raise AttributeError(name)
        refuse_rows(self.sentence)

    def __getstate__(self) -> tuple[tuple[int, ...], str]:
        return self.shape, self.sentence

    def __setstate__(self, state: tuple[tuple[int, ...], str]) -> None:
        self.shape, self.sentence = state

    __hash__ = None  # type: ignore[assignment]


def absent_rows(*shape: int, sentence: str = SCANNED) -> Any:
    """Return what stands for an array of rows of a model that was fitted where they lie."""
    return AbsentRows(shape, sentence)


def _refusing(self: AbsentRows, *args: object) -> NoReturn:
    refuse_rows(self.sentence)


# Operators are looked up on the class; comparisons above all must not fall back to identity.
_OPERATORS = """
    getitem iter bool float int eq ne lt le gt ge add radd sub rsub mul rmul truediv rtruediv
    floordiv rfloordiv mod rmod pow rpow matmul rmatmul and rand or ror xor rxor neg pos abs invert
    contains
"""
for _name in _OPERATORS.split():
    setattr(AbsentRows, f"__{_name}__", _refusing)


class AbsentFrame(HeldFrame):
    """The data of a model that does not have them: names only."""

    def __init__(self, columns: tuple[str, ...], n_rows: int, sentence: str = NOT_SAVED) -> None:
        super().__init__(*_empty(columns))
        self.n_rows = n_rows
        self.index = pd.RangeIndex(n_rows)
        self._sentence = sentence

    def __reduce__(self) -> tuple[type[AbsentFrame], tuple[tuple[str, ...], int, str]]:
        return AbsentFrame, (self.columns, self.n_rows, self._sentence)

    @property
    def used(self) -> tuple[str, ...]:
        """All names there are."""
        return self.columns

    def column(self, name: str, *, used_as: str = "") -> Column:
        """Refuse any column.

        Raises
        ------
        NotSupportedError
            Always.
        """
        refuse_rows(self._sentence)


def _empty(columns: tuple[str, ...]) -> tuple[Any, Any]:
    import narwhals.stable.v1 as nw

    frame = pd.DataFrame(columns=list(columns))
    return frame, nw.from_native(frame, eager_only=True)
