"""A design as the engine takes it."""

from __future__ import annotations

from dataclasses import replace

from mlpool.engine.lmm.fit import fit_lmm
from mlpool.engine.structured.covariance_map import Structure
from mlpool.engine.types import Control, LmmData, LmmFit, ReTerm
from mlpool.formula.design import Design
from mlpool.formula.random_terms import RandomDesign
from mlpool.sources.clusters.asked import AskedEffects, asked_modes
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
            structure=engine_structure(r),
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


def fit_design(design: Design, *, reml: bool, control: Control | None = None) -> LmmFit:
    """Fit a linear mixed model to a design by the engine.

    Where clusters stayed with the rows, their effects are asked for when they are looked at.

    Raises
    ------
    FitError, DataError
        As :func:`mlpool.engine.lmm.fit.fit_lmm`.
    """
    fit = fit_lmm(as_lmm_data(design), reml=reml, control=control)
    if not isinstance(design, PushedDesign) or design.clusters is None:
        return fit
    residual = design.sums.residual(fit.kept, fit.beta)
    effects = AskedEffects(design.clusters, residual, float(fit.theta[0]), fit.sigma)
    return replace(fit, b=(asked_modes(effects),), cond_cov=effects)


def is_structured(design: Design) -> bool:
    """Tell whether a random-effects term has a covariance of few parameters."""
    return any(r.structure is not None for r in design.random)


def n_covariance(design: Design) -> int:
    """Return the number of parameters of the random effects' covariances."""
    return sum(
        k * (k + 1) // 2 if structure is None else structure.n_parameters(k)
        for k, structure in ((r.z.shape[1], engine_structure(r)) for r in design.random)
    )


def engine_structures(design: Design) -> tuple[Structure | None, ...]:
    """Return the structures of all terms."""
    return tuple(engine_structure(r) for r in design.random)


def engine_structure(random: RandomDesign) -> Structure | None:
    """Return the structure of a term's effects as the engine knows it."""
    found = random.structure
    return None if found is None else Structure(found.kind, found.is_homogeneous)
