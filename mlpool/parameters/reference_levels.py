"""Rows for the levels of factors that have no coefficient of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from mlpool.parameters.pretty_names import reference_name

if TYPE_CHECKING:
    from mlpool.models import FittedModel


def with_references(
    model: FittedModel, frame: pd.DataFrame, labels: tuple[str, ...], value: float
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return frame and printed names with reference levels put before each factor's first row.

    Parameters
    ----------
    model : FittedModel
    frame : DataFrame
        One row per coefficient.
    labels : tuple of str
    value : float
        The reference's coefficient: 0, or 1 on a ratio scale.
    """
    records = frame.to_dict("records")
    rows: list[dict[Any, Any]] = []
    names: list[str] = []
    done: set[str] = set()
    for column, record, label in zip(model.columns, records, labels, strict=True):
        part = column.parts[0] if len(column.parts) == 1 else None
        if part is not None and part.kind == "factor" and part.text not in done:
            done.add(part.text)
            level = reference_level(model, part.text)
            if level is not None:
                blank = dict.fromkeys(record, float("nan"))
                raw = {"Parameter": f"{part.text}{level}", "Coefficient": value}
                kept = {key: record[key] for key in ("CI", "Effects") if key in record}
                rows.append({**blank, **raw, **kept})
                names.append(reference_name(part, level))
        rows.append(record)
        names.append(label)
    return pd.DataFrame(rows, columns=frame.columns), tuple(names)


def reference_level(model: FittedModel, text: str) -> str | None:
    """Return the one level that treatment contrasts leave out; None under other codings."""
    columns = [c for c in model.design.X.columns if len(c.parts) == 1 and c.parts[0].text == text]
    coded = {c.parts[0].label for c in columns}
    levels = model.design.encoding.factors[text].levels
    left_out = [level for level in levels if level not in coded]
    return left_out[0] if len(left_out) == 1 and coded < set(levels) else None
