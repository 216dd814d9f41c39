"""A design as the engine takes it."""

from __future__ import annotations

from mlpool.engine.types import LmmData, ReTerm
from mlpool.formula.design import Design
from mlpool.sources.design import PushedDesign


def as_lmm_data(design: Design) -> LmmData:
    """Return a design as the engine takes it."""
    factors: dict[str, int] = {}
    terms = tuple(
        ReTerm(
            z=r.z,
            codes=r.codes,
            n_levels=len(r.levels),
            factor=factors.setdefault(r.group, len(factors)),
        )
        for r in design.random
    )
    pushed = design if isinstance(design, PushedDesign) else None
    return LmmData(
        y=design.y,
        X=design.X,
        terms=terms,
        weights=design.weights,
        offset=design.offset,
        sums=None if pushed is None or pushed.factor_sums is not None else pushed.sums,
        factor_sums=None if pushed is None else pushed.factor_sums,
        kept=None if pushed is None else pushed.kept_columns,
    )
