"""Is one residual structure a special case of another?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mlpool.designs.residual_facts import residual_design_of
from mlpool.engine.residual.types import UnequalRows
from mlpool.formula.residual_structure import CorrelationTerm

if TYPE_CHECKING:
    from mlpool.uncertainty.model_protocol import EstimatedModel

_WITHIN = {
    "ar1": ("ar", "arma11", "toep", "ad", "symm"),
    "cs": ("toep", "symm"),
    "ar": ("toep", "symm"),
    "arma11": ("toep", "symm"),
    "toep": ("symm",),
    "ad": ("symm",),
    "exp": ("exp_nugget",),
    "car1": ("exp_nugget",),
}
"""Correlations and those of which they are special cases, on the same visits."""
_SPAN_TOL = 1e-9
"""Share of a column of loadings, about its mean, outside a span that is rounding."""


def why_structures_differ(small: EstimatedModel, big: EstimatedModel) -> str | None:
    """Say why one structure is not known to be a special case of another; None if it is one."""
    if not _dispersion_is_within(_unequal(small), _unequal(big)):
        return "their dispersions differ"
    first, second = small.structure.correlation, big.structure.correlation
    if first is None or _correlation_is_within(first, second):
        return None
    return "their correlations differ"


def _correlation_is_within(small: CorrelationTerm, big: CorrelationTerm | None) -> bool:
    if big is None or small.group != big.group:
        return False
    same_time = small.time == big.time or "cs" in (small.kind, big.kind)
    is_kind = small.kind == big.kind and small.order <= big.order
    return same_time and (is_kind or big.kind in _WITHIN.get(small.kind, ()))


def _unequal(m: EstimatedModel) -> UnequalRows | None:
    if m.kind != "gls":
        return None
    return residual_design_of(m).data.unequal


def _dispersion_is_within(small: UnequalRows | None, big: UnequalRows | None) -> bool:
    """Tell whether every log SD that `small` can have, `big` can have too: a matter of spans."""
    if small is None:
        return True
    if big is None:
        return False
    if small.powers is not None or big.powers is not None:
        if small.powers is None or big.powers is None:
            return False
        if not np.array_equal(small.powers[small.classes], big.powers[big.classes]):
            return False
    own, basis = (one.loadings[one.classes] for one in (small, big))
    own, basis = own - own.mean(axis=0), basis - basis.mean(axis=0)
    if basis.shape[1] < own.shape[1]:
        return False
    size = np.linalg.norm(basis, axis=0)
    basis = basis / np.where(size > 0, size, 1.0)
    # columns have length one: the cut-off is a share without units
    outside = own - basis @ np.linalg.lstsq(basis, own, rcond=None)[0]
    lengths = np.linalg.norm(own, axis=0)
    return bool(np.all(np.linalg.norm(outside, axis=0) <= _SPAN_TOL * lengths))
