"""Rows about whole models below their coefficients: observations, groups, R2, ICC, AIC, BIC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mlpool.errors import NotSupportedError
from mlpool.performance.criteria import COLUMNS, indices, singular_notes
from mlpool.tables import Note

if TYPE_CHECKING:
    from mlpool.models import FittedModel

_FIT = ("R2", "R2_adjusted", "R2_marginal", "R2_conditional", "R2_Tjur", "R2_Nagelkerke", "ICC",
        "AIC", "BIC")  # fmt: skip
_STARS = "Standard errors in parentheses. * p < .05, ** p < .01, *** p < .001"
_CRITERIA = "AIC and BIC of REML fits: the likelihood (ML) at the REML estimates."


@dataclass(frozen=True, slots=True, kw_only=True)
class Footer:
    """One row below the coefficients: its label, and a cell per model (empty where it has none)."""

    label: str
    cells: tuple[str, ...]


def footer_rows(models: Mapping[str, FittedModel]) -> tuple[Footer, ...]:
    """Return the rows about whole models: observations, groups, R2, ICC, AIC and BIC.

    See Also
    --------
    mlpool.compare_performance : the same indices, unrounded.
    """
    rows = [Footer(label="Observations", cells=tuple(str(m.nobs) for m in models.values()))]
    groups = [m.ngroups for m in models.values()]
    for factor in dict.fromkeys(name for own in groups for name in own):
        cells = tuple(str(own[factor]) if factor in own else "" for own in groups)
        rows.append(Footer(label=f"Groups ({factor})", cells=cells))
    found = [_indices(m) for m in models.values()]
    for column in sorted(
        (c for c in COLUMNS if c.name in _FIT), key=lambda column: _FIT.index(column.name)
    ):
        digits = 1 if column.style == "one" else 3
        cells = tuple(_cell(own.get(column.name, np.nan), digits) for own in found)
        if any(cells):
            rows.append(Footer(label=column.header, cells=cells))
    return tuple(rows)


def paper_notes(models: Mapping[str, FittedModel]) -> tuple[Note, ...]:
    """Return the sentences below the table."""
    texts = [_STARS]
    if any(m.kind == "lmer" and m.reml for m in models.values()):
        texts.append(_CRITERIA)
    texts += singular_notes(models.values(), ("ICC",))
    return tuple(Note(text) for text in texts)


def _indices(m: FittedModel) -> dict[str, float]:
    try:
        return indices(m, "ML")
    except NotSupportedError:  # models with a residual structure have coefficients and no R2
        return {}


def _cell(value: float, digits: int) -> str:
    return "" if np.isnan(value) else f"{value:.{digits}f}"
