"""An ``estimate_*`` table as a picture sees it: x, colours, panels, and what values are called."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mlpool.errors import NotSupportedError, OptionError, brief
from mlpool.estimates.grids.grid_language import finer
from mlpool.plots.grammar import ordered
from mlpool.tables import own_names

if TYPE_CHECKING:
    from mlpool.results import ResultFrame

FEW = 8
"""Numeric variables with fewer distinct values are drawn as dots at their places."""

SHADES = 5
"""Numbers in colours with more distinct values are shades of one colour, with a bar as legend."""

POINTS = 50
"""Points that a curve is drawn through."""

STRAIGHT = 1e-3
"""A line that bends by less than this share of the picture's height is straight to the eye."""

VALUES = ("Predicted", "Mean", "Probability", "Proportion", "Rate", "Slope", "Difference")
"""Names that the estimate's column may have."""

Discrete = bool | int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GridPlot:
    """What is drawn where.

    Attributes
    ----------
    data : DataFrame
        The result's rows; discrete variables are categoricals.
    kind : str
        What is estimated: ``Mean``, ``Slope`` ...
    value, low, high, series : str
        The columns of the estimates, of their bounds, and the one that tells lines apart.
    focal : tuple of str
        Variables in order: x, colour, panels.
    panels : tuple of str
        The columns of the panels' variables, copies whose labels say the variable's name.
    is_line : bool
        Whether x is numeric with many values.
    numbers : mapping of str to tuple of float
        The numbers that the labels of a variable stand for, in the order of the labels.
    """

    data: pd.DataFrame
    kind: str
    value: str
    low: str
    high: str
    series: str
    focal: tuple[str, ...]
    panels: tuple[str, ...]
    is_line: bool
    numbers: Mapping[str, tuple[float, ...]]

    @property
    def x(self) -> str:
        """The variable on the x axis."""
        return self.focal[0]

    @property
    def colour(self) -> str | None:
        """The variable shown by colour."""
        return self.focal[1] if len(self.focal) > 1 else None

    @property
    def has_shades(self) -> bool:
        """Whether the colours are a number's shades."""
        name = self.colour
        return name is not None and bool(pd.api.types.is_numeric_dtype(self.data[name]))

    @property
    def n_series(self) -> int:
        """Number of lines in a panel, at most."""
        groups = self.data.groupby(list(self.panels), observed=True) if self.panels else None
        counts = self.data[self.series] if groups is None else groups[self.series]
        return int(np.max(counts.nunique()))

    @property
    def is_numeric(self) -> bool:
        """Whether x is a place on a line."""
        return bool(pd.api.types.is_numeric_dtype(self.data[self.x]))


def read_grid(result: ResultFrame, numeric_as_discrete: Discrete = None) -> GridPlot:
    """Return the rows of an ``estimate_*`` table as a plot sees them.

    Raises
    ------
    NotSupportedError
        If the table has no focal variable to put on the x axis.
    """
    frame = result.to_pandas().reset_index(drop=True)
    names = result.metadata.get("names", {})
    focal = tuple(str(v) for v in result.metadata.get("by", ()) if str(v) in frame)
    own = [name for name in VALUES if names.get(name, name) in set(frame) - set(focal)]
    if not own or not focal:
        raise NotSupportedError(
            "This table has one number and nothing to draw it over; estimate it with by=."
        )
    return arrange(frame, focal, own[0], result, numeric_as_discrete)


def arrange(
    frame: pd.DataFrame,
    focal: tuple[str, ...],
    kind: str,
    result: ResultFrame,
    numeric_as_discrete: Discrete = None,
) -> GridPlot:
    """Return the rows of a frame with the variables in their roles: x, colour, panels.

    Parameters
    ----------
    frame : DataFrame
        Is changed.
    focal : tuple of str
    kind : str
        The name of the estimate's column.
    result : ResultFrame
        Whose metadata say what columns and values are called.
    numeric_as_discrete : bool or int, optional
        As in :func:`mlpool.plots.grids.predictions.plot_grid`.
    """
    names = result.metadata.get("names", {})
    words = {f.name: f.words for f in result.metadata.get("focal", ())}
    is_line, as_labels = read_discrete(numeric_as_discrete, frame[focal[0]])
    numbers = {
        name: _numbers(frame[name])
        for i, name in enumerate(focal)
        if (i or as_labels) and not (i == 1 and is_shaded(frame[name]))
    }
    for name, known in numbers.items():
        frame[name] = _discrete(frame[name], known, words.get(name, ()))
    others = list(focal[1:])
    extra = own_names(frame.columns, ["Series", *(f"Panel_{i}" for i in range(1, len(focal)))])
    frame[extra["Series"]] = _series(frame, others)
    panels = tuple(extra[f"Panel_{i}"] for i in range(1, len(focal) - 1))
    for panel, name in zip(panels, focal[2:], strict=True):
        frame[panel] = panel_labels(frame[name], name)
    return GridPlot(
        data=frame, kind=kind, value=names.get(kind, kind), focal=focal, panels=panels,
        low=names.get("CI_low", "CI_low"), high=names.get("CI_high", "CI_high"),
        series=extra["Series"], is_line=is_line, numbers=numbers,
    )  # fmt: skip


def _series(frame: pd.DataFrame, others: list[str]) -> pd.Categorical:
    """Return what tells lines apart, in the order of the legend, by which dots are dodged."""
    found: pd.Categorical = ordered(["all"] * len(frame))
    if not others:
        return found
    names = frame[others].astype(str).agg("\u241f".join, axis=1)
    in_order = names.loc[frame.sort_values(others, kind="stable").index]
    found = ordered(names, list(dict.fromkeys(in_order)))
    return found


def panel_labels(values: pd.Series, name: str) -> pd.Categorical:
    """Return the titles of panels, ``school: 1224``, in the order of the values."""
    kept = values.cat.categories if isinstance(values.dtype, pd.CategoricalDtype) else None
    titles = None if kept is None else [f"{name}: {v}" for v in kept]
    found: pd.Categorical = ordered([f"{name}: {v}" for v in values], titles)
    return found


def is_shaded(values: pd.Series) -> bool:
    """Whether a variable in colours is a number with too many values to have a colour each."""
    return pd.api.types.is_numeric_dtype(values) and values.nunique() > SHADES


def read_discrete(given: Discrete, x: pd.Series) -> tuple[bool, bool]:
    """Return whether x is drawn as a line, and whether its values are labels.

    Raises
    ------
    OptionError
        If `numeric_as_discrete` is neither a number nor True, False or None.
    """
    is_numeric = pd.api.types.is_numeric_dtype(x)
    if given is None:
        return is_numeric and x.nunique() >= FEW, not is_numeric
    if not isinstance(given, int):
        raise OptionError(
            "numeric_as_discrete must be True, False or a number of values below which numbers "
            f"are labels; got {brief(given)}."
        )
    if isinstance(given, bool):
        return is_numeric and not given, given or not is_numeric
    few = x.nunique() < given
    return is_numeric and not few, few or not is_numeric


def smooth(result: ResultFrame) -> ResultFrame:
    """Return the table with more points of x where its lines bend: a curve, not a chain."""
    again = result.metadata.get("again")
    focal = result.metadata.get("focal", ())
    if again is None or not focal or not _bends(result):
        return result
    more = finer(focal, POINTS)
    if len(more[0].values) == len(focal[0].values):
        return result
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the table has said what there was to say
        finely: ResultFrame = again(focal=more)
    return finely


def _bends(result: ResultFrame) -> bool:
    """Whether any line leaves the straight one between its ends by what an eye can see."""
    grid = read_grid(result)
    if not grid.is_line:
        return False
    whole = grid.data[[grid.x, grid.value, grid.series]].dropna()
    height = float(np.ptp(whole[grid.value].to_numpy())) if len(whole) else 0.0
    for _, own in whole.groupby(grid.series, observed=True):
        x, y = (own[c].to_numpy(dtype=np.float64) for c in (grid.x, grid.value))
        chord = np.interp(x, x[[0, -1]], y[[0, -1]])
        if np.abs(y - chord).max() > STRAIGHT * height:
            return True
    return False


def _numbers(values: pd.Series) -> tuple[float, ...]:
    if not pd.api.types.is_numeric_dtype(values):
        return ()
    return tuple(float(v) for v in sorted(set(values)))


def _discrete(
    values: pd.Series, numbers: tuple[float, ...], words: tuple[str, ...]
) -> pd.Categorical:
    """Return a categorical in the table's order; numbers in numeric order, printed short."""
    found: pd.Categorical
    if numbers:
        said = words if len(words) == len(numbers) else [f"{v:g}" for v in numbers]
        label = dict(zip(numbers, said, strict=True))
        found = ordered([label[float(v)] for v in values], said)
    elif isinstance(values.dtype, pd.CategoricalDtype):
        present = set(values.astype(str))
        found = ordered(values, [c for c in values.cat.categories.astype(str) if c in present])
    else:
        found = ordered(values)
    return found
