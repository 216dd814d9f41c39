"""The iterative solver of crossed factors against the dense one, and what it says of its errors."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from mlpool.engine.factorization import scaled_schur, stochastic_lanczos
from mlpool.engine.factorization.block_cholesky import Reduced
from mlpool.engine.factorization.conjugate_gradients import conjugate_gradients
from mlpool.engine.lmm.fit import fit_lmm
from mlpool.engine.lmm.forward_pass import ForwardPass
from mlpool.engine.lmm.iterative.elimination import IterativePass
from mlpool.engine.lmm.iterative.fit import DENSE_EFFECTS
from mlpool.engine.lmm.iterative.parts import IterativeParts
from mlpool.engine.lmm.several_factors import SeveralFactors
from mlpool.engine.theta import Template
from mlpool.engine.types import ArrayRows, Control, LmmData, LmmFit, ReTerm
from mlpool.errors import FitError, OptionError
from tests.engine.several_designs import SPECS, n_theta, several_data

ITERATIVE = Control(solver="iterative")
EXACT = Control(solver="cholesky")
ROUNDING = 1e-9
"""Conjugate gradients stop at 1e-12 of the right-hand side; blocks are conditioned below 1e3."""


def ratings(
    n: int, users: int, items: int, seed: int = 0, *, slopes: bool = False, skewed: bool = False
) -> LmmData:
    """Ratings of items by users at random, with a predictor; the first level of each occurs."""
    rng = np.random.default_rng(seed)
    share = 1.0 / np.arange(1, items + 1) if skewed else np.ones(items)
    u = np.append(np.arange(users), rng.integers(0, users, n - users))
    i = np.append(np.arange(items), rng.choice(items, n - items, p=share / share.sum()))
    x = rng.normal(size=n)
    y = 1.0 + 0.5 * x + rng.normal(size=users)[u] + 0.7 * rng.normal(size=items)[i]
    y += 1.5 * rng.normal(size=n)
    if slopes:
        y += 0.4 * rng.normal(size=users)[u] * x
    return crossed(y, x, u, i, slopes=slopes)


def crossed(
    y: np.ndarray, x: np.ndarray, u: np.ndarray, i: np.ndarray, *, slopes: bool = False
) -> LmmData:
    X = np.column_stack([np.ones_like(x), x])
    z = ArrayRows(X if slopes else X[:, :1])
    terms = [
        ReTerm(z=z, codes=u, n_levels=int(u.max()) + 1, factor=0),
        ReTerm(z=ArrayRows(X[:, :1]), codes=i, n_levels=int(i.max()) + 1, factor=1),
    ]
    return LmmData(y=y, X=ArrayRows(X), terms=tuple(terms))


def criterion_of(data: LmmData, *, reml: bool = True) -> SeveralFactors:
    parts = IterativeParts.of_data(data, ITERATIVE)
    template = Template(tuple(t.z.shape[1] for t in data.terms))
    return SeveralFactors(parts, template, parts.kept, reml=reml)


def errors(found: LmmFit, exact: LmmFit) -> np.ndarray:
    """Differences from the exact fit in units of the stated errors, the deviance's last."""
    record = found.monte_carlo
    assert record is not None and exact.monte_carlo is None
    theta = (found.theta - exact.theta) / record.theta_error
    return np.append(theta, (found.criterion - exact.criterion) / record.deviance_error)


def assert_same_beta(found: LmmFit, exact: LmmFit) -> None:
    """beta is exact given theta, whose error moves it by a product of two small shares."""
    se = exact.sigma * np.sqrt(np.diag(exact.vcov_unscaled))
    assert np.abs((found.beta - exact.beta) / se).max() < 1e-3


# --- the pieces, against the dense core ---------------------------------------------------------

SEVERAL = [name for name in SPECS if name != "independent terms"]


@pytest.mark.parametrize("name", SEVERAL)
def test_columns_are_those_of_the_dense_elimination(name: str):
    """S, Z'V^-1 [X y] and the products of the information, at the same Lambda and blocks."""
    data = several_data(SPECS[name], 3, weights=name == "crossed")
    objective = criterion_of(data)
    rng = np.random.default_rng(5)
    theta = objective.template.canonical(rng.normal(size=n_theta(SPECS[name])))
    factors = objective.factors(theta)
    blocks = objective.blocks
    dense, found = ForwardPass.of(blocks, factors), objective.parts.eliminate(factors)
    assert isinstance(found, IterativePass)
    size = np.abs(blocks.total).max()
    assert found.schur_of(blocks.total) == pytest.approx(
        dense.schur_of(blocks.total), abs=ROUNDING * size
    )
    for a, b in zip((*found.rest().levels, found.rest().core),
                    (*dense.rest().levels, dense.rest().core), strict=True):  # fmt: skip
        assert a == pytest.approx(b, abs=ROUNDING * np.abs(b).max())
    assert blocks.core is not None
    t = Reduced(
        levels=[rng.normal(size=(*blocks.levels[0].A.shape[1:], 2))],
        core=rng.normal(size=(blocks.core.n2, 2)),
    )
    for a, b in zip(found.along(t), dense.along(t), strict=True):
        assert a == pytest.approx(b, abs=ROUNDING * np.abs(b).max())


@pytest.mark.parametrize(
    "name", ["crossed", "crossed, slope first", "crossed, slope second", "partly nested", "nested"]
)
@pytest.mark.parametrize("is_singular", [False, True])
def test_the_mean_over_all_sign_vectors_is_exact(
    name: str, is_singular: bool, monkeypatch: pytest.MonkeyPatch
):
    """With every vector of signs as a probe nothing is random: means are the dense core's blocks.

    A Lambda of zero is seen as a tiny one, which moves the blocks by 1e-8 of themselves.
    """
    data = several_data(SPECS[name], 4)
    objective = criterion_of(data)
    theta = np.full(objective.template.k, 0.4)
    if is_singular:
        theta[-1] = 0.0
    factors = objective.factors(theta)
    dense = ForwardPass.of(objective.blocks, factors)
    n2 = objective.parts.blocks.core.n2
    every = np.array(list(product([-1.0, 1.0], repeat=n2))).T

    def in_order(seed: tuple[int, ...], shape: tuple[int, int]) -> np.ndarray:
        first = seed[2] * scaled_schur.PROBES
        return every[:, np.arange(first, first + shape[1]) % every.shape[1]]

    monkeypatch.setattr(scaled_schur, "signs", in_order)
    found = IterativePass(
        objective.blocks, objective.parts.sparse, factors, seed=0, probes=every.shape[1]
    )
    for a, b in zip(found.informations(), dense.informations(), strict=True):
        assert a == pytest.approx(b, rel=1e-6, abs=1e-6 * np.abs(b).max())
    for a, b in zip(found.covariance_blocks(), dense.covariance_blocks(), strict=True):
        assert a == pytest.approx(b, rel=1e-6, abs=1e-6 * np.abs(b).max())


def test_the_log_determinant_lies_within_its_error():
    data = ratings(3_000, 300, 120, 8)
    objective = criterion_of(data)
    factors = objective.factors(np.array([0.7, 0.6]))
    found = objective.parts.eliminate(factors)
    logdet = ForwardPass.of(objective.blocks, factors).logdet
    inside, few = [], []
    for seed in range(20):
        got = stochastic_lanczos.log_determinant(found.schur, seed, wanted=0.02)
        assert got.error <= 0.02
        inside.append((found.schur.logdet + got.value - logdet) / got.error)
        few.append(got.probes)
    # Means of 24 and more probes: four errors, and half of them within one.
    assert np.abs(inside).max() < 4.5 and np.mean(np.abs(inside) < 1.0) > 0.4
    assert min(few) >= stochastic_lanczos.LEAST_PROBES


def test_conjugate_gradients_solve_every_column_and_give_up_in_words(
    monkeypatch: pytest.MonkeyPatch,
):
    rng = np.random.default_rng(1)
    root = rng.normal(size=(30, 30))
    T = root @ root.T / 30 + np.eye(30)
    B = np.column_stack([rng.normal(size=(30, 3)), np.zeros(30), T[:, 0]])
    X = conjugate_gradients(lambda x: T @ x, B)
    np.testing.assert_allclose(X, np.linalg.solve(T, B), atol=1e-10)
    monkeypatch.setattr("mlpool.engine.factorization.conjugate_gradients.MAX_ITERATIONS", 2)
    with pytest.raises(FitError, match="cholesky"):
        conjugate_gradients(lambda x: T @ x, B)


# --- whole fits ---------------------------------------------------------------------------------

DESIGNS = {
    "even": ratings(6_000, 700, 200, 1),
    "skewed": ratings(6_000, 700, 200, 2, skewed=True),
    "slopes": ratings(6_000, 400, 100, 3, slopes=True),
}


@pytest.mark.parametrize("name", list(DESIGNS))
@pytest.mark.parametrize("reml", [True, False])
def test_a_fit_is_the_exact_one_within_its_stated_error(name: str, reml: bool):
    exact = fit_lmm(DESIGNS[name], reml=reml, control=EXACT)
    found = fit_lmm(DESIGNS[name], reml=reml, control=ITERATIVE)
    record = found.monte_carlo
    assert record is not None and record.theta_share <= 0.01 and record.deviance_error <= 0.1
    assert np.abs(errors(found, exact)).max() < 4.5
    assert found.optimum is not None and found.optimum.converged
    assert_same_beta(found, exact)
    assert found.vcov_unscaled == pytest.approx(exact.vcov_unscaled, rel=1e-3)
    for a, b in zip(found.b, exact.b, strict=True):
        assert a == pytest.approx(b, abs=1e-3 * b.std())


@pytest.mark.slow
@pytest.mark.parametrize("name", list(DESIGNS))
def test_twenty_seeds_of_twenty_agree_and_the_errors_are_true(name: str):
    """|z| < 4.5 throughout; the root mean square of z is near one, so errors are not padded."""
    exact = fit_lmm(DESIGNS[name], control=EXACT)
    z = np.array(
        [errors(fit_lmm(DESIGNS[name], control=replace(ITERATIVE, seed=s)), exact)
         for s in range(20)]
    )  # fmt: skip
    assert np.abs(z).max() < 4.5
    size = np.sqrt((z**2).mean(axis=0))
    assert np.all((size > 0.4) & (size < 1.8))


def test_the_same_seed_gives_the_same_digits_and_another_seed_others():
    data = DESIGNS["even"]
    one, again = (fit_lmm(data, control=ITERATIVE) for _ in range(2))
    threads = fit_lmm(data, control=replace(ITERATIVE, blas_threads=2))
    other = fit_lmm(data, control=replace(ITERATIVE, seed=2))
    for same in (again, threads):
        assert np.array_equal(one.theta, same.theta) and one.criterion == same.criterion
        assert np.array_equal(one.beta, same.beta)
    assert not np.array_equal(one.theta, other.theta)


def test_rows_and_units_decide_nothing():
    data = DESIGNS["slopes"]
    fit = fit_lmm(data, control=ITERATIVE)
    order = np.random.default_rng(0).permutation(data.n)
    x = data.X.rows(0, data.n)[order, 1]
    u, i = (t.codes[order] for t in data.terms)
    shuffled = fit_lmm(crossed(data.y[order], x, u, i, slopes=True), control=ITERATIVE)
    assert shuffled.theta == pytest.approx(fit.theta, rel=1e-8)
    scaled = fit_lmm(crossed(1e3 * data.y[order], 1e-2 * x, u, i, slopes=True), control=ITERATIVE)
    units = np.array([1.0, 1e2, 1e2, 1.0])  # theta of slopes is per unit of x
    assert scaled.theta == pytest.approx(units * fit.theta, rel=1e-6)
    assert scaled.sigma == pytest.approx(1e3 * fit.sigma, rel=1e-8)


def test_labels_decide_nothing_beyond_the_stated_error():
    data = DESIGNS["even"]
    exact, rng = fit_lmm(data, control=EXACT), np.random.default_rng(3)
    u, i = (rng.permutation(t.n_levels)[t.codes] for t in data.terms)
    x = data.X.rows(0, data.n)[:, 1]
    found = fit_lmm(crossed(data.y, x, u, i), control=ITERATIVE)
    assert np.abs(errors(found, exact)).max() < 4.5


def special(kind: str) -> LmmData:
    """Designs that are not ratings at random."""
    rng = np.random.default_rng(11)
    n = 4_000
    u = np.append(np.arange(500), rng.integers(0, 500, n - 500))
    i = np.append(np.arange(120), rng.integers(0, 120, n - 120))
    if kind == "two parts that never meet":
        i = i // 2 + 60 * (u % 2)
    elif kind == "eighty parts":
        i = 2 * (u % 80) + i % 2
    elif kind == "items rated once":
        i = np.where(rng.random(n) < 0.05, 120 + np.arange(n), i)
        i = np.unique(i, return_inverse=True)[1]
    elif kind == "one user with most ratings":
        u[600:3_400] = 0
    elif kind == "nested":
        i = u // 10
    x = rng.normal(size=n)
    levels = int(i.max()) + 1
    y = 0.3 * x + rng.normal(size=500)[u] + 0.8 * rng.normal(size=levels)[i] + rng.normal(size=n)
    return crossed(y, x, u, i)


@pytest.mark.parametrize(
    "kind",
    ["two parts that never meet", "eighty parts", "items rated once", "one user with most ratings",
     "nested"],
)  # fmt: skip
def test_odd_designs(kind: str):
    data = special(kind)
    exact, found = fit_lmm(data, control=EXACT), fit_lmm(data, control=ITERATIVE)
    assert_same_beta(found, exact)
    assert found.theta == pytest.approx(exact.theta, rel=2e-3)
    record = found.monte_carlo
    assert record is not None
    # where T is the identity (nested) the error is that of rounding
    noise = np.maximum(record.theta_error, 1e-7)
    assert np.abs((found.theta - exact.theta) / noise).max() < 4.5
    assert abs(found.criterion - exact.criterion) < max(4.5 * record.deviance_error, 1e-5)


@pytest.mark.parametrize("which", [0, 1])
def test_a_variance_of_zero_is_zero(which: int):
    data = ratings(4_000, 300, 100, 5)
    rng = np.random.default_rng(6)
    codes = data.terms[1 - which].codes
    y = rng.normal(size=data.n) + rng.normal(size=data.terms[1 - which].n_levels)[codes]
    # sums of every level of the factor that has no variance are zero
    own = data.terms[which].codes
    y -= (np.bincount(own, y) / np.bincount(own))[own]
    data = replace(data, y=y)
    exact, found = fit_lmm(data, control=EXACT), fit_lmm(data, control=ITERATIVE)
    assert exact.theta[which] == 0.0 and found.theta[which] == 0.0
    assert any(d.code == "singular" for d in found.diagnostics)
    assert found.theta == pytest.approx(exact.theta, rel=1e-3)


def test_conditional_covariances_are_those_of_the_dense_core():
    data = DESIGNS["slopes"]
    exact, found = fit_lmm(data, control=EXACT), fit_lmm(data, control=ITERATIVE)
    for a, b in zip(found.cond_cov(), exact.cond_cov(), strict=True):
        diagonal = np.einsum("jkk->jk", a) / np.einsum("jkk->jk", b)
        assert np.abs(np.sqrt(diagonal) - 1.0).max() < 0.01


def test_more_probes_are_drawn_until_the_error_is_what_was_asked():
    data = special("eighty parts")
    assert scaled_schur.MOST_PARTS < 80  # else their constants are taken out
    loose, tight = (
        fit_lmm(data, control=replace(ITERATIVE, theta_error=e, deviance_error=10 * e))
        for e in (0.02, 0.01)
    )
    assert loose.monte_carlo is not None and tight.monte_carlo is not None
    assert tight.monte_carlo.theta_share <= 0.01 and tight.monte_carlo.deviance_error <= 0.1
    assert tight.monte_carlo.probes > loose.monte_carlo.probes


def test_what_cannot_be_reached_is_said(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(stochastic_lanczos, "MOST_PROBES", 24)
    monkeypatch.setattr("mlpool.engine.lmm.iterative.fit.MOST_PROBES", 24)
    found = fit_lmm(
        special("eighty parts"), control=replace(ITERATIVE, theta_error=1e-6, deviance_error=1e-6)
    )
    assert found.diagnostics[0].code == "monte_carlo" and found.diagnostics[0].value > 1.0


def test_the_solver_is_chosen_by_the_size_of_the_dense_core():
    small = ratings(2_000, 200, 60, 1)
    assert fit_lmm(small).monte_carlo is None
    assert fit_lmm(small, control=Control(max_dense_bytes=10_000)).monte_carlo is not None
    large = ratings(40_000, 8_000, DENSE_EFFECTS + 1, 1)
    assert fit_lmm(large).monte_carlo is not None
    with pytest.raises(FitError, match="dense block"):
        fit_lmm(small, control=replace(EXACT, max_dense_bytes=10_000))


def test_mistakes_are_sentences_here_too():
    data = DESIGNS["even"]
    with pytest.raises(OptionError, match="start must hold 2 finite numbers"):
        fit_lmm(data, control=replace(ITERATIVE, start=(1.0,)))
    given = fit_lmm(data, control=replace(ITERATIVE, start=(0.2, 1.5)))
    assert given.theta == pytest.approx(fit_lmm(data, control=ITERATIVE).theta, rel=1e-5)
    u, i = (t.codes for t in data.terms)
    with pytest.raises(FitError, match="explain"):
        fit_lmm(replace(data, y=np.sin(u) + np.cos(i)), control=ITERATIVE)
