"""Facts of generalised mixed models: the Laplace deviance by dense algebra, and no better point."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import mlpool
from mlpool.models.generalized_mixed import as_glmm_data
from tests.fuzz.designs import Study, warned
from tests.fuzz.lmm import far
from tests.twins.dense_glmm import laplace_deviance

BETTER = 1e-4
"""Deviance by which another point must be lower to count."""


def facts(study: Study) -> Iterator[str]:
    """Yield what does not hold."""
    try:
        m, caught = warned(study.fit)
    except mlpool.MlpoolError as error:
        if not any(text in str(error) for text in ("there must be fewer", "as many levels")):
            yield f"refused: {error}"
        return
    if "ConvergenceWarning" in caught or any("infinity" in text for text in m.messages):
        return
    data = as_glmm_data(m.design, m.family)
    beta = np.zeros(data.X.shape[1])
    beta[np.asarray(m.fit.kept)] = m.fit.beta
    shape = float(m.fit.dispersion)
    here = laplace_deviance(data, m.theta, beta, shape)
    if not np.isfinite(here):
        return  # probabilities that round to one are beyond the twin
    if far(-2.0 * m.loglik, here, 1e-7, 1e-5):
        yield f"deviance {-2.0 * m.loglik!r} for {here!r}"
    yield from _no_better(m, study, data, (beta, shape, here))


def _no_better(m: Any, study: Study, data: Any, at: tuple[Any, float, float]) -> Iterator[str]:
    """Look at a few random points around the estimate, within its standard errors."""
    beta, shape, here = at
    rng = np.random.default_rng(study.seed)
    size = np.where(np.isfinite(m.se.to_numpy()), m.se.to_numpy(), 0.0)
    for step in (0.03, 0.2, 1.0):
        other = beta.copy()
        other[np.asarray(m.fit.kept)] += step * size * rng.normal(size=len(size))
        theta = m.theta * np.exp(step * rng.normal(size=m.theta.size))
        with np.errstate(all="ignore"):
            value = laplace_deviance(data, theta, other, shape)
        if np.isfinite(value) and value < here - BETTER:
            yield f"better point: {value} for {here}"
