"""Parametric bootstrap of ICC and R2: simulate from the model, fit again, take the index."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mlpool.argument_values import generator, whole_number
from mlpool.models.extractors.random_effects import relative_factors
from mlpool.performance.variance_components import (
    VarianceParts,
    combine_parts,
    design_moments,
    distribution_variance,
)
from mlpool.progress import Progress
from mlpool.refits.refit import with_record
from mlpool.refits.simulate import response_model
from mlpool.typing import FloatArray

if TYPE_CHECKING:
    from mlpool.models import FittedModel
    from mlpool.typing import SeedLike


def draw_parts(m: FittedModel, iterations: int, seed: SeedLike | None) -> list[VarianceParts]:
    """Return the variance decomposition of refits to simulated responses."""
    moments = design_moments(m)
    sizes = [r.z.shape[1] for r in m.design.random]
    found = []
    for again in draw_models(m, iterations, seed):
        scale = again.sigma if m.family is None or m.family.has_dispersion else 1.0
        factors = relative_factors(again.theta, sizes)
        vcovs = [scale**2 * (lam @ lam.T) for lam in factors]
        found.append(combine_parts(moments, again.fit.beta, vcovs, distribution_variance(again)))
    return found


def draw_models(m: FittedModel, iterations: int, seed: SeedLike | None) -> Iterator[Any]:
    """Yield models fitted to responses simulated from `m`.

    Raises
    ------
    OptionError
        If `iterations` is no whole number above 1, or `seed` is none.
    """
    count = whole_number(iterations, "iterations", least=2)
    rng = generator(seed)
    source = response_model(m)
    for _ in _progress(count):
        design = replace(m.design, y=source.draw(rng))
        yield with_record(m, design, m.fit_record(design))


def percentiles(draws: FloatArray, level: float) -> FloatArray:
    """Return equal-tailed percentile bounds (2, k) of draws (n, k)."""
    tail = (1.0 - level) / 2.0
    return np.asarray(np.quantile(draws, [tail, 1.0 - tail], axis=0))


def _progress(count: int) -> Iterator[int]:
    """Yield 0 .. count - 1, with a progress line on a terminal."""
    with Progress("bootstrap", " replicates", total=count) as advance:
        for i in range(count):
            yield i
            advance(1)
