"""Fit a residual structure to a design, also one that depends on the fit's own fitted values."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mlpool.designs.residual_data import residual_design
from mlpool.engine.residual.fit import fit_residual
from mlpool.engine.residual.types import ResidualFit
from mlpool.engine.types import Control, Diagnostic
from mlpool.formula.design import Design
from mlpool.formula.residual_structure import ResidualStructure
from mlpool.typing import FloatArray

_MOST = 100
"""Fits before the fixed point is given up."""
_SETTLED = 1e-8
"""Change of fitted values, as a share of the residuals' SDs, that is none."""
_WANDERS = (
    "the fitted values and the standard deviations that depend on them did not settle; name a "
    "covariate instead of fitted(.)"
)


def fit_structure(
    design: Design, structure: ResidualStructure, *, reml: bool, control: Control | None = None
) -> ResidualFit:
    """Fit a model with a residual covariance.

    Where standard deviations depend on the fitted values, these are held while the likelihood is
    maximised and then taken anew, until they stay (nlme's ``varPower()``; Pinheiro & Bates 2000,
    section 5.2): a fixed point, not the maximum of a likelihood. The first fit leaves them out; of
    two fixed points the one with the larger likelihood is kept.

    Raises
    ------
    DataError, FitError, NotSupportedError
        With one sentence.
    """
    how = _How(design, structure, reml, control)
    if not structure.needs_fitted:
        return how.fit(None)
    starts = [structure]
    if structure.correlation is not None and design.random:
        # a correlation without these standard deviations may leave nothing to the random effects
        starts.append(replace(structure, correlation=None))
    found = [_fixed_point(how, replace(how, structure=one).fit(None)) for one in starts]
    return min(found, key=lambda one: one.criterion)


@dataclass(frozen=True, slots=True)
class _How:
    """What is fitted, and how."""

    design: Design
    structure: ResidualStructure
    reml: bool
    control: Control | None

    def fit(self, fitted: FloatArray | None) -> ResidualFit:
        """Return the fit whose standard deviations depend on `fitted` (n,); None: do not."""
        data = residual_design(self.design, self.structure, fitted).data
        return fit_residual(data, reml=self.reml, control=self.control)


def _fixed_point(how: _How, record: ResidualFit) -> ResidualFit:
    """Return the fit whose standard deviations depend on its own fitted values."""
    offset = 0.0 if how.design.offset is None else how.design.offset
    for _ in range(_MOST):
        before, record = record, how.fit(record.fitted + offset)
        if np.max(np.abs(record.fitted - before.fitted) / record.scale) <= _SETTLED:
            return record
    found = Diagnostic(
        code="max_evaluations", severity="warning", value=float(_MOST), threshold=float(_MOST),
        hint=_WANDERS,
    )  # fmt: skip
    return replace(record, diagnostics=(found, *record.diagnostics))
