"""What a model with a residual structure remembers of its rows: names, and a mean variance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, cast

import numpy as np

from mlpool.designs.residual_data import ResidualDesign, residual_design
from mlpool.designs.row_summaries import Remembers, fact
from mlpool.formula.residual_structure import ResidualStructure
from mlpool.typing import FloatArray


class StructuredModel(Remembers, Protocol):
    """A model with what ``correlation=`` and ``dispersion=`` said of its residuals."""

    @property
    def structure(self) -> ResidualStructure:
        """What was said."""

    @property
    def fit(self) -> Any:
        """The engine's record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResidualNames:
    """What the parameters of a structure are called, which the data decide.

    Attributes
    ----------
    correlation, variance : tuple of str
        As in :class:`~mlpool.designs.residual_data.ResidualDesign`.
    strata : tuple of str
    kind : str
        Of the correlation; empty without one.
    n_points : int
        Visits; of compound symmetry the rows of the largest group; 0 without a correlation.
    """

    correlation: tuple[str, ...]
    variance: tuple[str, ...]
    strata: tuple[str, ...]
    kind: str
    n_points: int


def fitted_values(m: StructuredModel) -> FloatArray | None:
    """Return the fitted values that standard deviations depend on; None where they do not."""
    if not m.structure.needs_fitted:
        return None
    offset = 0.0 if m.design.offset is None else m.design.offset
    return np.asarray(m.fit.fitted + offset)


def residual_design_of(m: StructuredModel) -> ResidualDesign:
    """Return the structure on the model's rows, made once per model."""
    if "residual_design" not in m._cache:
        m._cache["residual_design"] = residual_design(m.design, m.structure, fitted_values(m))
    return cast("ResidualDesign", m._cache["residual_design"])


@fact("gls")
def residual_names(m: StructuredModel) -> ResidualNames:
    """Return the names of the structure's parameters."""
    made = residual_design_of(m)
    rows = made.data.correlated
    return ResidualNames(
        correlation=made.correlation_names,
        variance=made.variance_names,
        strata=made.strata,
        kind="" if rows is None else rows.kind,
        n_points=0 if rows is None else int(rows.n_points),
    )


@fact("gls")
def mean_residual_variance(m: StructuredModel) -> float:
    """Return the mean of the rows' residual variances."""
    return float(np.mean(m.fit.scale**2))
