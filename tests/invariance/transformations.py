"""Changes of a study that change no answer: other units, orders, labels, storage types, names.

Each says what becomes of numbers that have a unit, and how its labels are read back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from tests.conftest import as_polars, as_pyarrow
from tests.invariance.studies import Study

Change = Callable[[Study], Study]


@dataclass(frozen=True, kw_only=True)
class Transformation:
    """A change of a study, and its law.

    Attributes
    ----------
    change : function
        Study -> the same study, told otherwise.
    y, x : float
        What the response and the predictor were multiplied by.
    shifts_x, shifts_y : bool
        Whether a constant was added: intercepts are elsewhere then, all else stays.
    words : dict
        New text -> the text it stands for (labels and names).
    keeps_texts : bool
        Whether printed texts stay, but for `words`.
    """

    change: Change
    y: float = 1.0
    x: float = 1.0
    shifts_x: bool = False
    shifts_y: bool = False
    words: dict[str, str] = field(default_factory=dict)
    keeps_texts: bool = True

    @property
    def keeps_likelihood(self) -> bool:
        """Whether densities stay: REML's has units of y and of x."""
        return self.y == 1 and self.x == 1


def _assign(s: Study, **columns: Callable[[pd.Series], Any]) -> Study:
    new = {s[role]: make(s.data[s[role]]) for role, make in columns.items()}
    return replace(s, data=s.data.assign(**new))


def _units(*, y: float = 1.0, x: float = 1.0) -> Transformation:
    def change(s: Study) -> Study:
        return _assign(s, y=lambda v: v * y, x=lambda v: v * x)

    return Transformation(change=change, y=y, x=x, keeps_texts=False)


def _shift(role: str, sds: float) -> Transformation:
    def change(s: Study) -> Study:
        return _assign(s, **{role: lambda v: v + np.round(sds * v.std())})

    return Transformation(
        change=change, shifts_x=role == "x", shifts_y=role == "y", keeps_texts=False
    )


def _rows(s: Study) -> Study:
    return replace(s, data=s.data.sample(frac=1, random_state=3))


def _columns(s: Study) -> Study:
    return replace(s, data=s.data[list(s.data.columns)[::-1]])


def _index(s: Study) -> Study:
    return replace(s, data=s.data.set_axis([f"row {i}" for i in range(len(s.data), 0, -1)]))


_ODD_LABELS = {"a": "A:1", "b": "b $x_1$", "c": "c (2)", "d": "d|e", "e": "e,f", "f": "f`s"}


def _relabel(s: Study) -> Study:
    return _assign(s, g=lambda v: v.map(lambda t: _ODD_LABELS.get(t, t)))


def _long_ids(s: Study) -> Study:
    return _assign(s, g=lambda v: v.map({t: 2**60 + i for i, t in enumerate("abcdefghijkl")}))


def _levels(s: Study) -> Study:
    order = list("lkjihgfedcba")
    return _assign(s, g=lambda v: pd.Categorical(v, categories=[*order, "never"]))


def _stored(**types: Any) -> Transformation:
    return Transformation(
        change=lambda s: replace(s, data=s.data.astype({s[r]: t for r, t in types.items()}))
    )


def _objects(s: Study) -> Study:
    return _assign(s, x=lambda v: v.astype(object), b=lambda v: v.astype(object))


def _sparse(s: Study) -> Study:
    return _assign(s, x=lambda v: pd.arrays.SparseArray(v.to_numpy()))


ODD_NAMES = {
    "y": "Mean (in $)", "b": "p", "c": "CI", "x": "t", "f": "Group", "g": "Level",
    "h": "df", "k": "lambda",
}  # fmt: skip
WORD_NAMES = {
    "y": "Predicted", "b": "response", "c": "Difference", "x": "SE", "f": "Parameter",
    "g": "Coefficient", "h": "n", "k": "None",
}  # fmt: skip


def _named(names: dict[str, str]) -> Transformation:
    def change(s: Study) -> Study:
        return Study(data=s.data.rename(columns={s[r]: n for r, n in names.items()}), names=names)

    return Transformation(
        change=change, words={name: role for role, name in names.items()}, keeps_texts=False
    )


_IDS = {str(2**60 + i): t for i, t in enumerate("abcdefghijkl")}

TRANSFORMATIONS: dict[str, Transformation] = {
    "y x 1e-9": _units(y=1e-9),
    "y x 1e9": _units(y=1e9),
    "x x 1e-9": _units(x=1e-9),
    "x x 1e9": _units(x=1e9),
    "y x 25.4, x / 3600": _units(y=25.4, x=1 / 3600),
    "x + 1000 SD": _shift("x", 1e3),
    "y + 1000 SD": _shift("y", 1e3),
    "rows": Transformation(change=_rows),
    "columns": Transformation(change=_columns),
    "index": Transformation(change=_index),
    "odd labels": Transformation(
        change=_relabel, words={v: k for k, v in _ODD_LABELS.items()}, keeps_texts=False
    ),
    "long ids": Transformation(change=_long_ids, words=_IDS, keeps_texts=False),
    "levels": Transformation(change=_levels, keeps_texts=False),
    "int8": _stored(x="int8", b="uint8"),
    "Int64": _stored(x="Int64", b="boolean", y="Float64"),
    "objects": Transformation(change=_objects),
    "sparse": Transformation(change=_sparse),
    "categories": _stored(g="category", k="category", h="category", f="category"),
    "polars": Transformation(change=lambda s: replace(s, data=as_polars(s.data))),
    "arrow": Transformation(change=lambda s: replace(s, data=as_pyarrow(s.data))),
    "statistics' names": _named(ODD_NAMES),
    "columns' names": _named(WORD_NAMES),
}
"""Name -> transformation."""
