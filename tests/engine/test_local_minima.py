"""The optimum is the deepest valley of the deviance, judged by dense profiles and many starts."""

from __future__ import annotations

import numpy as np
import pytest

from mlpool.engine.lmm.fit import fit_at, fit_lmm, prepare
from mlpool.engine.lmm.repeated_fits import new_responses
from mlpool.engine.optimizer.newton import minimise
from mlpool.engine.types import ArrayRows, Control, LmmData, ReTerm
from tests.twins.dense_lmm import dense_fit

GRID = 10.0 ** np.linspace(-3, 5, 60)


def without_intercept(seed: int) -> LmmData:
    """A mean far from zero that no fixed effect takes up: (1 | g) or x must."""
    rng = np.random.default_rng([2024, seed])
    J, size = int(rng.integers(3, 13)), int(rng.integers(3, 11))
    codes = np.repeat(np.arange(J), size)
    x = rng.normal(rng.choice([0, 5, 20, 100]), rng.choice([1, 3, 10]), J * size)
    y = rng.choice([10, 50, 200, 500]) + rng.normal() * 0.3 * x
    y = y + rng.normal(size=J)[codes] * rng.choice([0.5, 1, 3])
    y = y + rng.normal(size=J * size) * rng.choice([0.3, 1, 3])
    term = ReTerm(z=ArrayRows(np.ones((J * size, 1))), codes=codes, n_levels=J, factor=0)
    return LmmData(y=y, X=ArrayRows(x[:, None]), terms=(term,))


def criterion_on_grid(data: LmmData) -> np.ndarray:
    """The REML criterion of (1 | g) at many thetas, by the inverse of V of balanced groups."""
    X, y, codes = data.X.rows(0, data.n), data.y, data.terms[0].codes
    n, p = X.shape
    size, J = n // data.terms[0].n_levels, data.terms[0].n_levels
    W = np.column_stack([X, y])
    sums = np.stack([W[codes == j].sum(axis=0) for j in range(J)])
    out = []
    for theta in GRID:
        S = W.T @ W - sums.T @ sums * theta**2 / (1 + size * theta**2)
        rest = S[p, p] - S[p, :p] @ np.linalg.solve(S[:p, :p], S[:p, p])
        out.append(
            J * np.log(1 + size * theta**2) + np.linalg.slogdet(S[:p, :p])[1]
            + (n - p) * (1 + np.log(2 * np.pi * rest / (n - p)))
        )  # fmt: skip
    return np.array(out)


def hold_the_global_optimum(seeds: range) -> None:
    for seed in seeds:
        data = without_intercept(seed)
        fit = fit_lmm(data)
        values = criterion_on_grid(data)
        assert fit.criterion <= values.min() + 1e-6, seed
        assert fit.optimum is not None and fit.optimum.converged


def test_the_profile_is_the_dense_criterion() -> None:
    data = without_intercept(3)
    at = [10, 25, 40]
    dense = [dense_fit(data, np.array([t]), reml=True).value for t in GRID[at]]
    assert criterion_on_grid(data)[at] == pytest.approx(dense, rel=1e-9)


def test_models_without_intercept_end_in_the_deepest_valley() -> None:
    hold_the_global_optimum(range(150))


@pytest.mark.slow
@pytest.mark.long
def test_thousands_of_models_without_intercept() -> None:
    hold_the_global_optimum(range(150, 4150))


def ordinary(seed: int) -> LmmData:
    """Few clusters, slopes or two independent terms, predictors that differ between clusters."""
    rng = np.random.default_rng([7, seed])
    J, size = int(rng.integers(4, 13)), int(rng.integers(4, 9))
    n = J * size
    codes = np.repeat(np.arange(J), size)
    x = rng.normal(rng.choice([0, 5, 100]), rng.choice([1, 3, 10]), n)
    standard = (x - x.mean()) / x.std()
    sds = rng.choice([0, 0.3, 1, 3], size=2)
    y = 0.3 * x + sds[0] * rng.normal(size=J)[codes] + rng.normal(size=n)
    y = y + sds[1] * rng.normal(size=J)[codes] * standard
    X = np.column_stack([np.ones(n), x])
    columns = [X] if seed % 2 else [X[:, :1], X[:, 1:]]
    terms = tuple(ReTerm(z=ArrayRows(z), codes=codes, n_levels=J, factor=0) for z in columns)
    return LmmData(y=y, X=ArrayRows(X), terms=terms)


def best_of_many(data: LmmData, rng: np.random.Generator, starts: int) -> float:
    """The lowest criterion that searches from anywhere reach."""
    objective = prepare(data, reml=True, control=Control()).working()
    row, col = objective.template.positions()
    found = []
    for _ in range(starts):
        size = 10 ** rng.uniform(-2, 3, size=row.size)
        start = np.where(row == col, size, rng.normal(size=row.size) * size) * objective.scale
        found.append(minimise(objective, start, Control()).criterion)
    return min(found)


def hold_ordinary(seeds: range) -> list[int]:
    rng = np.random.default_rng(0)
    missed = []
    for seed in seeds:
        data = ordinary(seed)
        if fit_lmm(data).criterion > best_of_many(data, rng, 6) + 1e-4:
            missed.append(seed)
    return missed


def test_ordinary_models_end_in_the_deepest_valley() -> None:
    assert hold_ordinary(range(40)) == []


def test_a_valley_found_later_is_the_one_reported() -> None:
    seed = next(s for s in range(100) if fit_lmm(without_intercept(s)).theta[0] > 30)
    data = without_intercept(seed)
    fit = fit_lmm(data)
    assert fit.criterion == pytest.approx(fit_at(data, fit.theta).criterion, rel=1e-12)
    assert fit.optimum is not None
    assert len(fit.optimum.log) == fit.optimum.evaluations
    assert min(value for _, value in fit.optimum.log) == pytest.approx(fit.criterion, rel=1e-9)


def test_repeated_fits_leave_a_shallow_valley_as_well() -> None:
    """From either valley's floor, one response gives the estimates of its whole fit."""
    away = 0
    for seed in range(40):
        data = without_intercept(seed)
        fit = fit_lmm(data)
        for start in (0.05, 1.0, 100.0, 1e4):
            again = new_responses(data, np.array([start]), reml=True, control=Control())
            assert again.fit(data.y).criterion == pytest.approx(fit.criterion, abs=1e-5)
        objective = prepare(data, reml=True, control=Control()).working()
        small = minimise(objective, 0.05 * objective.scale, Control())
        away += small.criterion > fit.criterion + 1e-3
    assert away > 0  # else there was nothing to leave


def few_clusters(seed: int) -> LmmData:
    """Two slopes, or a slope and coarser clusters, in three to six clusters of a few rows."""
    rng = np.random.default_rng([11, seed])
    J, size = int(rng.integers(3, 7)), int(rng.integers(4, 6))
    n, codes = J * size, np.repeat(np.arange(J), size)
    x, z = rng.normal(size=(2, n)) * rng.choice([1, 3]) + rng.choice([0, 5], size=(2, 1))
    sds = rng.choice([0, 0.3, 1, 3], size=4)
    b = rng.normal(size=(4, J)) * sds[:, None]
    y = b[0][codes] + b[1][codes] * (x - x.mean()) + b[2][codes] * (z - z.mean())
    y = y + b[3][codes % 2] + rng.normal(size=n) + 0.3 * x
    X = np.column_stack([np.ones(n), x, z])
    term = ReTerm(z=ArrayRows(X), codes=codes, n_levels=J, factor=0)
    if seed % 2:
        return LmmData(y=y, X=ArrayRows(X), terms=(term,))
    X = X[:, :2]
    fine = ReTerm(z=ArrayRows(X), codes=codes, n_levels=J, factor=0)
    coarse = ReTerm(z=ArrayRows(X[:, :1]), codes=codes % 2, n_levels=2, factor=1)
    return LmmData(y=y, X=ArrayRows(X), terms=(fine, coarse))


def lowest_of_spread_starts(data: LmmData, rng: np.random.Generator, starts: int) -> float:
    """The lowest criterion of searches from the best of many points and from any of them."""
    objective = prepare(data, reml=True, control=Control()).working()
    template, found = objective.template, []
    factors = [
        [10 ** rng.uniform(-1, 1.3, (k, 1)) * rng.normal(size=(k, k)) for k in template.sizes]
        for _ in range(300)
    ]
    points = np.stack([template.pack(each) * objective.scale for each in factors])
    order = np.argsort(objective.values(points))
    for i in (*order[: starts // 2], *rng.permutation(order[:150])[: starts // 2]):
        found.append(minimise(objective, points[i], Control()).criterion)
    return min(found)


def hold_few_clusters(seeds: range, starts: int) -> list[int]:
    rng = np.random.default_rng(1)
    made = ((seed, few_clusters(seed)) for seed in seeds)
    return [
        seed
        for seed, data in made
        if fit_lmm(data).criterion > lowest_of_spread_starts(data, rng, starts) + 0.01
    ]


def test_few_clusters_with_slopes_end_in_the_deepest_valley() -> None:
    assert hold_few_clusters(range(12), 4) == []


def crossed_without_intercept(seed: int) -> LmmData:
    """Twelve rows of two crossed factors either of which can take up the mean."""
    rng = np.random.default_rng([13, seed])
    first, second = np.repeat(np.arange(4), 3), rng.permutation(np.repeat(np.arange(3), 4))
    x = rng.normal(5, 1, 12)
    y = rng.choice([1, 10]) + rng.normal(size=4)[first] + rng.normal(size=3)[second]
    y = y + rng.normal(size=12)
    one = ArrayRows(np.ones((12, 1)))
    terms = (
        ReTerm(z=one, codes=first, n_levels=4, factor=0),
        ReTerm(z=one, codes=second, n_levels=3, factor=1),
    )
    return LmmData(y=y, X=ArrayRows(x[:, None]), terms=terms)


def test_crossed_factors_that_compete_for_the_mean_end_in_the_deepest_valley() -> None:
    rng = np.random.default_rng(3)
    for seed in range(25):
        data = crossed_without_intercept(seed)
        lowest = lowest_of_spread_starts(data, rng, 4)
        assert fit_lmm(data).criterion <= lowest + 0.01, seed


@pytest.mark.slow
@pytest.mark.long
def test_hundreds_of_few_clusters_with_slopes() -> None:
    assert hold_few_clusters(range(30, 630), 12) == []
