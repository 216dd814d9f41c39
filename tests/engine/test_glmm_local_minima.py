"""Generalised mixed models end in the deepest valley of their deviance, searched from anywhere."""

from __future__ import annotations

import numpy as np
import pytest

from mlpool.engine.glmm import fit_glmm
from mlpool.engine.glmm.curvature import scoring
from mlpool.engine.glmm.fit import make_objective, x_of
from mlpool.engine.glmm.prepared_data import Problem
from mlpool.engine.glmm.search import minimise
from mlpool.engine.glmm.starts import first_point
from mlpool.engine.glmm.types import GlmmData
from mlpool.engine.glmm.zero_variances import beyond_corners
from mlpool.engine.types import ArrayRows, Control, ReTerm
from mlpool.errors import FitError
from mlpool.families import Family
from tests.engine.glmm_random_designs import FAMILIES, random_design

WORSE = 1e-3
"""Deviance above the best point known that counts as another valley."""
BOUNDED = [
    i for i, (family, link) in enumerate(FAMILIES)
    if (family, link) != ("gaussian", "identity")
    and (link in ("identity", "inverse", "1/mu^2") or (family, link) == ("binomial", "log"))
]  # fmt: skip
"""Families whose links leave the range of means: the deviance may have no minimum inside."""


def best_of_many(data, rng, starts):
    """The lowest deviance that searches from random theta and fixed effects reach."""
    best = np.inf
    with np.errstate(all="ignore"):
        problem = Problem.of(data, Control())
        k, diagonal = problem.k, problem.template.is_diagonal
        for i in range(starts):
            objective = make_objective(problem, 1)
            try:
                x, scale = first_point(problem, objective, Control(), 1.0)
                size = scale[:k] * 10 ** rng.uniform(-2, 0.7, k)
                x[:k] = np.where(diagonal, size, rng.normal(size=k) * size)
                x[k : k + problem.p] *= 1 + (i % 2) * 0.5 * rng.normal(size=problem.p)
                objective.start = None
                found = minimise(
                    objective, x, scale,
                    lambda s, o=objective, x=x: scoring(o, x_of(o, s, x), s),
                    Control(max_evaluations=80),
                )  # fmt: skip
                # Anew, without the modes of the way: another mode may have been followed.
                value = make_objective(problem, 1).state(found.x).value
            except (FitError, np.linalg.LinAlgError):
                continue
            best = min(best, value)
    return best


def missed(seeds, starts):
    rng = np.random.default_rng(0)
    out = []
    for seed in seeds:
        data = random_design(seed)
        if np.all(data.y == data.y[0]):
            continue
        fit = fit_glmm(data)
        if not fit.optimum.converged or fit.deviance > best_of_many(data, rng, starts) + WORSE:
            out.append((seed, str(data.family)))
    return out


UNBOUNDED = [i for i in range(len(FAMILIES)) if i not in BOUNDED]


@pytest.mark.slow
def test_ordinary_links_end_in_the_deepest_valley():
    assert missed(UNBOUNDED, starts=2) == []


@pytest.mark.slow
@pytest.mark.long
def test_hundreds_of_designs():
    n = len(FAMILIES)
    seeds = [s for s in range(2 * n, 25 * n) if s % n in UNBOUNDED]
    assert missed(seeds, starts=6) == []


def test_a_search_that_leaves_the_range_begins_again_from_smaller_effects():
    """Poisson means of an identity link: from SDs of size one no step lowered the deviance."""
    rng = np.random.default_rng([11, 131])
    g, h = np.repeat(np.arange(10), 9), np.tile(np.arange(9), 10) // 3
    x = rng.normal(size=90)
    y = rng.poisson(np.maximum(0.5 * x + 1.5, 0.15)) * 1.0

    def term(codes, factor):
        z = ArrayRows(np.ones((90, 1)))
        return ReTerm(z=z, codes=codes, n_levels=int(codes.max()) + 1, factor=factor)

    X = ArrayRows(np.column_stack([np.ones(90), x]))
    data = GlmmData(y=y, X=X, terms=(term(g, 0), term(h, 1)), family=Family("poisson", "identity"))
    fit = fit_glmm(data)
    assert fit.deviance <= best_of_many(data, rng, 6) + WORSE


def begun_at(theta):
    """A search from a theta of binomial counts with a clear variance, and what looks beyond it."""
    data = random_design(next(s for s in range(0, 2000, len(FAMILIES)) if _is_clear(s)))
    with np.errstate(all="ignore"):
        problem = Problem.of(data, Control())
        objective = make_objective(problem, 1)
        x, scale = first_point(problem, objective, Control(), 1.0)

        def search(at):
            return minimise(
                objective, at, scale, lambda s: scoring(objective, x_of(objective, s, x), s),
                Control(),
            )  # fmt: skip

        x[0] = theta
        found = search(x)
        return fit_glmm(data), found, beyond_corners(objective, found, search)


def _is_clear(seed):
    data = random_design(seed)
    return len(data.terms) == 1 and data.terms[0].z.shape[1] == 1 and fit_glmm(data).theta[0] > 0.5


def test_a_variance_of_zero_is_left_where_the_inside_is_better():
    """The gradient is zero at theta = 0, so that a search begun there ends there."""
    fit, found, beyond = begun_at(0.0)
    assert found.converged
    assert found.x[0] == 0.0
    assert found.state.value > fit.deviance + 0.1
    assert beyond.state.value == pytest.approx(fit.deviance, abs=1e-7)
    assert len(beyond.log) > len(found.log)


def test_an_optimum_inside_is_kept():
    fit, found, beyond = begun_at(1.0)
    assert beyond is found
    assert found.state.value == pytest.approx(fit.deviance, abs=1e-7)


def test_modes_without_digits_are_no_deviance():
    """On the edge of log-binomial means weights are infinite: |u|^2 came out as minus millions."""
    data = random_design(119)
    assert data.family == Family("binomial", "log")
    fit = fit_glmm(data, control=Control(max_evaluations=60))
    # Probabilities are at most one, squared lengths and log-determinants at least zero.
    assert fit.deviance >= 0.0
    assert fit.penalty >= 0.0
