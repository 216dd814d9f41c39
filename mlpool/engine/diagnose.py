"""What a fit's numbers say about it: singular, not converged, badly scaled."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlpool.engine.template import diagonal_mask
from mlpool.engine.types import Control, Diagnostic, Optimum
from mlpool.typing import FloatArray

_GRADIENT_TOL = 2e-3
"""lme4's tolerance for the scaled gradient (``checkConv``)."""


def diagnose(optimum: Optimum, sizes: Sequence[int], n: int, control: Control) -> tuple[Diagnostic, ...]:
    """Return findings, the most serious first."""
    found = []
    if not optimum.converged:
        worst = float(np.abs(optimum.gradient).max() / n)
        found.append(
            Diagnostic(
                code="not_converged", severity="warning", value=worst, threshold=_GRADIENT_TOL,
                hint=optimum.message,
            )
        )  # fmt: skip
    if is_singular(optimum.end, sizes, control.singular_tol):
        smallest = float(optimum.end[diagonal_mask(sizes)].min())
        found.append(
            Diagnostic(
                code="singular", severity="info", value=smallest, threshold=control.singular_tol,
                hint="boundary (singular) fit: see help('isSingular')",
            )
        )  # fmt: skip
    return tuple(found)


def is_singular(theta: FloatArray, sizes: Sequence[int], tol: float = 1e-4) -> bool:
    """Tell whether a diagonal element of theta is below `tol` (lme4's ``isSingular``)."""
    return bool((np.abs(theta[diagonal_mask(sizes)]) < tol).any())
