"""Z-scores of rows that stay where they are: lazy columns by means and SDs that queries give."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from narwhals import col

from mlpool.errors import MlpoolWarning, NotSupportedError, brief, user_level
from mlpool.formula.design import Design
from mlpool.sources.combinations import CombinedDesign
from mlpool.sources.design import PushedDesign
from mlpool.sources.language.variables import kind_of, numbers_of
from mlpool.sources.order_statistics import quantiles_of
from mlpool.sources.queries import totals
from mlpool.sources.scan import Scan
from mlpool.transform.scale import MAD_TO_SD

if TYPE_CHECKING:
    from mlpool.models import FittedModel


Elsewhere: TypeAlias = PushedDesign | CombinedDesign
"""Designs whose rows are asked by queries."""


def is_number(design: Design, name: str) -> bool:
    """Tell whether a column of a model's data is numeric, wherever it lies."""
    if isinstance(design, Elsewhere):
        return name in design.own_rows.schema and kind_of(design.own_rows, name) == "number"
    return name in design.frame and design.frame.column(name).kind == "numeric"


def z_scores_elsewhere(
    m: FittedModel, design: Elsewhere, names: Sequence[str], robust: bool, two_sd: bool
) -> Scan:
    """Return the rows used with the columns `names` as z-scores.

    Raises
    ------
    NotSupportedError
        For weights and offsets, of which no query here takes account.
    """
    if design.weights is not None or design.offset is not None:
        raise NotSupportedError(
            "Standardizing a model with weights or an offset needs the rows in memory; of scanned "
            "rows write scale(x) in the formula."
        )
    rows, made = design.own_rows, []
    for name, (center, spread) in _centres(rows, names, robust).items():
        factor = 2.0 if two_sd and name not in m.response.columns else 1.0
        # a spread of this share of the center is rounding
        if not spread > 1e-14 * abs(center):
            kind = "median absolute deviation" if robust else "standard deviation"
            text = f"Column {brief(name)} has a {kind} of 0 over the rows used and is only centred."
            warnings.warn(text, MlpoolWarning, stacklevel=user_level())
            factor, spread = 1.0, 1.0
        made.append(((numbers_of(rows, name) - center) / (spread * factor)).alias(name))
    return Scan(None, rows.lazy.with_columns(*made))


def _centres(rows: Scan, names: Sequence[str], robust: bool) -> dict[str, tuple[float, float]]:
    """Return mean and SD of columns, or median and MAD."""
    if not robust:
        asked = {f"mean {n}": numbers_of(rows, n).mean() for n in names}
        asked |= {f"sd {n}": numbers_of(rows, n).std() for n in names}
        found = totals(rows.lazy, asked)
        return {n: (found[f"mean {n}"], float(np.nan_to_num(found[f"sd {n}"]))) for n in names}
    centres = {}
    for name in names:
        number = numbers_of(rows, name)
        (median,) = quantiles_of(rows.lazy, number, [0.5]).tolist()
        values = rows.lazy.select((number - median).abs().alias("distance"))
        (distance,) = quantiles_of(values, col("distance"), [0.5]).tolist()
        centres[name] = (median, MAD_TO_SD * distance)
    return centres
