"""Names and labels drawn as they are written: a ``$`` of the data is no TeX mathematics."""

from __future__ import annotations

from typing import Any

import pandas as pd


def as_written(plot: Any) -> Any:
    """Return the plot with every ``$`` of its data's labels and its titles escaped for matplotlib.

    What a user adds to the plot afterwards stays as the user writes it.
    """
    if not _is_ggplot(plot):
        return plot
    if isinstance(plot.data, pd.DataFrame):
        plot.data = _literal_frame(plot.data)
    for layer in plot.layers:
        if isinstance(layer._data, pd.DataFrame):
            layer._data = _literal_frame(layer._data)
    for name, label in list(vars(plot.labels).items()):
        if isinstance(label, str) and "$" in label:
            setattr(plot.labels, name, literal(label))
    return plot


def literal(text: str) -> str:
    r"""Return text in which matplotlib reads no mathematics: it draws ``\$`` as ``$``."""
    return text.replace("$", r"\$")


def _is_ggplot(plot: object) -> bool:
    return all(hasattr(plot, name) for name in ("data", "layers", "labels", "facet"))


def _literal_frame(frame: pd.DataFrame) -> pd.DataFrame:
    changed = frame
    for name in frame.columns:
        column = frame[name]
        if isinstance(column.dtype, pd.CategoricalDtype):
            labels = column.cat.categories
            if any("$" in str(v) for v in labels):
                changed = changed.copy() if changed is frame else changed
                changed[name] = column.cat.rename_categories([literal(str(v)) for v in labels])
        elif not pd.api.types.is_numeric_dtype(column):
            texts = [literal(v) if isinstance(v, str) else v for v in column]
            if texts != list(column):
                changed = changed.copy() if changed is frame else changed
                changed[name] = texts
    return changed
