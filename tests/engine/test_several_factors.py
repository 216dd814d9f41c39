"""The criterion of several grouping factors: against the dense twin, finite differences and R."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from mlpool.engine.factorization import exact_traces
from mlpool.engine.lmm.fit import criterion_at, fit_at, fit_lmm, prepare
from mlpool.engine.lmm.several_factors import SeveralFactors
from mlpool.engine.theta import Template
from mlpool.engine.types import ArrayRows, Control, LmmData, ReTerm
from mlpool.errors import DataError, FitError
from tests.engine.several_designs import (
    REFERENCE,
    SPECS,
    n_theta,
    one_level_data,
    random_theta,
    reference_case,
    several_cases,
    several_data,
)
from tests.tolerances import ABS_LMM, ABS_OPTIMUM, REL_CRITERION, REL_LARGE, REL_LMM, REL_RANEF
from tests.twins.dense_lmm import dense_fit

CONTROL = Control()
ALL = pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS.keys())


def prepared(data: LmmData, *, reml: bool = True) -> SeveralFactors:
    objective = prepare(data, reml=reml, control=CONTROL)
    assert isinstance(objective, SeveralFactors)
    return objective


# --- twin and finite differences ------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(several_cases())
def test_value_and_gradient_equal_the_dense_twin(case):
    data, theta, reml = case
    value, gradient = prepared(data, reml=reml).evaluate(theta)
    twin = dense_fit(data, theta, reml=reml)
    assert value == pytest.approx(twin.value, rel=1e-10)
    assert gradient == pytest.approx(twin.gradient, rel=1e-7, abs=1e-7)


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("size", [1.0, 1e-3, 0.0])
@ALL
def test_gradient_equals_finite_differences(spec, size, reml):
    objective = prepared(several_data(spec, 3), reml=reml)
    theta = random_theta(spec, 1) * size
    _, gradient = objective.evaluate(theta)
    h = 1e-5
    by_value = [
        (objective.solve(theta + h * e).value - objective.solve(theta - h * e).value) / (2 * h)
        for e in np.eye(len(theta))
    ]
    assert gradient == pytest.approx(np.array(by_value), rel=1e-6, abs=2e-5)


@pytest.mark.parametrize("weights", [True, False])
@ALL
def test_estimates_and_random_effects_equal_the_dense_twin(spec, weights):
    data = several_data(spec, 9, weights=weights)
    theta = random_theta(spec, 2)
    fit = fit_at(data, theta)
    twin = dense_fit(data, theta, reml=True)
    assert fit.beta == pytest.approx(twin.beta, rel=1e-9)
    assert fit.vcov_unscaled == pytest.approx(twin.vcov_unscaled, rel=1e-8, abs=1e-12)
    assert fit.sigma == pytest.approx(twin.sigma, rel=1e-10)
    for ours, theirs in zip(fit.b, twin.b, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-8, abs=1e-10)
    for ours, theirs in zip(fit.cond_cov(), twin.cond_cov, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-8, abs=1e-10)


@ALL
def test_random_effects_at_zero_variances_equal_the_dense_twin(spec):
    data = several_data(spec, 4)
    theta = random_theta(spec, 3)
    theta[::2] = 0.0
    fit = fit_at(data, theta)
    twin = dense_fit(data, theta, reml=True)
    for ours, theirs in zip((*fit.b, *fit.cond_cov()), (*twin.b, *twin.cond_cov), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-8, abs=1e-10)


def dense_average_information(data: LmmData, theta: np.ndarray) -> np.ndarray:
    """The curvature of `mlpool.engine.lmm.information` from n x n matrices (REML)."""
    n = data.n
    X = data.X.rows(0, n)
    y = data.y
    V, parts = np.eye(n), []
    at = 0
    for term in data.terms:
        z, k = term.z.rows(0, n), term.z.shape[1]
        alike = term.codes[:, None] == term.codes[None, :]
        lam, own = np.zeros((k, k)), []
        for col in range(k):
            for row in range(col, k):
                lam[row, col] = theta[at]
                own.append((row, col))
                at += 1
        V = V + (z @ lam @ lam.T @ z.T) * alike
        parts.append((z, alike, lam, own))
    Vi = np.linalg.inv(V)
    P = Vi - Vi @ X @ np.linalg.solve(X.T @ Vi @ X, X.T @ Vi)
    Py = P @ y
    r2, m = y @ Py, n - X.shape[1]
    derivatives, bends = [], np.zeros((len(theta), len(theta)))
    at = 0
    for z, alike, lam, own in parts:
        k = len(lam)
        for i, (row, col) in enumerate(own):
            step = np.zeros((k, k))
            step[row, col] = 1.0
            derivatives.append((z @ (step @ lam.T + lam @ step.T) @ z.T) * alike)
            for j, (other, other_col) in enumerate(own):
                if other_col == col:
                    second = np.zeros((k, k))
                    second[row, other] += 1.0
                    second[other, row] += 1.0
                    bent = (z @ second @ z.T) * alike
                    bends[at + i, at + j] = np.sum(P * bent) - m / r2 * (Py @ bent @ Py)
        at += len(own)
    W = np.column_stack([D @ Py for D in derivatives])
    along = W.T @ Py
    return m / r2 * (W.T @ P @ W - np.outer(along, along) / r2) + bends


@pytest.mark.parametrize("reml", [True, False])
@ALL
def test_curvature_of_small_models_is_the_exact_hessian(spec, reml):
    objective = prepared(several_data(spec, 3, weights=True), reml=reml)
    h = 1e-5
    for criterion in (objective, objective.working()):
        theta = random_theta(spec, 1)
        theta = theta if criterion is objective else objective.to_working(theta)
        plus = [criterion.evaluate(theta + h * e)[1] for e in np.eye(len(theta))]
        minus = [criterion.evaluate(theta - h * e)[1] for e in np.eye(len(theta))]
        by_gradient = (np.array(plus) - np.array(minus)) / (2 * h)
        exact = criterion.hessian(theta)
        assert exact == pytest.approx(by_gradient, abs=1e-6 * np.abs(by_gradient).max())


@ALL
def test_curvature_of_large_models_is_average_information_plus_the_exact_bend(monkeypatch, spec):
    monkeypatch.setattr(exact_traces, "LIMIT", 0)
    data = replace(several_data(spec, 6), offset=None)
    theta = random_theta(spec, 5)
    ours = prepared(data).hessian(theta)
    assert ours == pytest.approx(dense_average_information(data, theta), rel=1e-8, abs=1e-7)


def test_curvature_at_zero_is_the_derivative_in_the_variance():
    data = several_data(SPECS["crossed"], 6)
    objective = prepared(data)
    at_zero = objective.hessian(np.array([0.0, 0.5]))[0, 0]
    _, gradient = objective.evaluate(np.array([1e-4, 0.5]))
    assert at_zero == pytest.approx(gradient[0] / 1e-4, rel=1e-5)


@ALL
def test_search_coordinates_are_the_same_model(spec):
    objective = prepared(several_data(spec, 8))
    working = objective.working()
    theta = random_theta(spec, 4)
    there = working.solve(objective.to_working(theta)).value
    assert there == pytest.approx(objective.solve(theta).value)
    assert objective.from_working(objective.to_working(theta)) == pytest.approx(theta)


@ALL
def test_starts_lie_inside(spec):
    objective = prepared(several_data(spec, 8))
    start, _ = objective.start()
    assert start.shape == (n_theta(spec),)
    assert (start[objective.template.is_diagonal] > 0).all()
    assert np.isfinite(objective.solve(start).value)


# --- fits -----------------------------------------------------------------------------------


@pytest.mark.parametrize("exact", [True, False], ids=["exact", "average information"])
@ALL
def test_a_fit_is_a_minimum(monkeypatch, spec, exact):
    if not exact:
        monkeypatch.setattr(exact_traces, "LIMIT", 0)
    data = several_data(spec, 11)
    fit = fit_lmm(data)
    assert fit.optimum.converged
    inside = ~(Template(tuple(len(c) for _, c in spec)).is_diagonal & (fit.theta < 1e-6))
    assert np.abs(fit.optimum.gradient[inside]).max() < 1e-4
    rng = np.random.default_rng(0)
    for _ in range(20):
        other = np.abs(fit.theta + rng.normal(size=fit.theta.size) * 0.02)
        assert criterion_at(data, other)[0] > fit.criterion - 1e-9


@pytest.mark.parametrize("name", REFERENCE)
def test_criterion_at_theta_of_lme4(shared, name):
    case, data, _ = reference_case(shared, name)
    result = case["result"]
    value, gradient = criterion_at(data, np.array(result["theta"]), reml=case["REML"])
    assert value == pytest.approx(result["criterion"], rel=REL_CRITERION)
    # lme4 stopped here: for InstEval its bobyqa without polishing.
    assert np.abs(gradient).max() < (0.5 if name.startswith("insteval") else 1e-2)


@pytest.mark.parametrize("name", REFERENCE)
def test_optimum_estimates_and_random_effects_of_lme4(shared, name):
    case, data, levels = reference_case(shared, name)
    result = case["result"]
    fit = fit_lmm(data, reml=case["REML"])
    rel = REL_LARGE if name.startswith(("insteval", "chem97")) else REL_LMM
    assert fit.criterion <= result["criterion"] + ABS_OPTIMUM
    assert fit.optimum.evaluations <= 10
    assert fit.beta == pytest.approx(np.array(result["fixef"]["estimate"]), rel=rel, abs=ABS_LMM)
    se = fit.sigma * np.sqrt(np.diag(fit.vcov_unscaled))
    assert se == pytest.approx(np.array(result["fixef"]["se"]), rel=rel)
    assert fit.theta == pytest.approx(np.array(result["theta"]), rel=rel, abs=ABS_LMM)
    assert fit.sigma == pytest.approx(result["sigma"], rel=rel)
    groups = list(levels)
    conditional = fit.cond_cov()
    column: dict[str, int] = {}
    for block in result["ranef"]:
        group, at = block["group"], column.get(block["group"], 0)
        column[group] = at + 1
        b = fit.b[groups.index(group)][:, at]
        sd = np.sqrt(conditional[groups.index(group)][:, at, at])
        first = levels[group].get_indexer(block["levels"])
        tol = max(rel, REL_RANEF)
        assert b[first] == pytest.approx(np.array(block["condval"]), rel=tol, abs=tol)
        assert sd[first] == pytest.approx(np.array(block["condsd"]), rel=tol)
        assert (b**2).sum() == pytest.approx(block["sumsq"], rel=2 * tol)
        assert sd.sum() == pytest.approx(block["condsd_sum"], rel=tol)


def test_the_cost_of_an_evaluation_does_not_depend_on_n():
    small = several_data(SPECS["everything"], 1)
    big = LmmData(
        y=np.tile(small.y, 50),
        X=ArrayRows(np.tile(small.X.rows(0, small.n), (50, 1))),
        terms=tuple(
            ReTerm(
                z=ArrayRows(np.tile(t.z.rows(0, small.n), (50, 1))),
                codes=np.tile(t.codes, 50),
                n_levels=t.n_levels,
                factor=t.factor,
            )
            for t in small.terms
        ),
    )

    def numbers(objective: SeveralFactors) -> int:
        # Rows of small data are kept, reduced to a triangle, for groups that lie far apart.
        parts = replace(objective.parts, triangle=None)
        return sum(len(pickle.dumps(block)) for block in (objective.blocks, parts))

    assert numbers(prepared(big)) == pytest.approx(numbers(prepared(small)), rel=0.01)


# --- data that need care --------------------------------------------------------------------


def separated(rng: np.random.Generator, n: int = 120) -> tuple[np.ndarray, ...]:
    cls = np.arange(n) % 12
    y = 10 + rng.normal(size=12)[cls] + 2 * rng.normal(size=3)[cls % 3] + rng.normal(size=n)
    return y, np.ones((n, 1)), cls, cls % 3


def test_nesting_written_as_crossed_is_the_nested_model():
    y, X, cls, school = separated(np.random.default_rng(3))
    data, _ = one_level_data(y, X, {"class": cls, "school": school})
    relabelled, _ = one_level_data(y, X, {"class": (cls * 7) % 12, "school": 2 - school})
    assert prepared(data).parts.structure.core == ()
    assert fit_lmm(data).theta == pytest.approx(fit_lmm(relabelled).theta, rel=1e-6)


def test_order_of_terms_and_rows_does_not_matter():
    spec = SPECS["partly nested slopes"]
    data = several_data(spec, 5)
    order = np.random.default_rng(0).permutation(data.n)
    shuffled = LmmData(
        y=data.y[order],
        X=ArrayRows(data.X.rows(0, data.n)[order]),
        terms=tuple(
            replace(t, z=ArrayRows(t.z.rows(0, data.n)[order]), codes=t.codes[order])
            for t in reversed(data.terms)
        ),
    )
    theta = random_theta(spec, 1)
    turned = np.concatenate([theta[6:9], theta[3:6], theta[0:3]])
    assert criterion_at(shuffled, turned)[0] == pytest.approx(
        criterion_at(data, theta)[0], rel=1e-12
    )


def test_batches_make_the_same_sums():
    spec = SPECS["everything"]
    data, theta = several_data(spec, 5, weights=True), random_theta(spec, 1)
    whole = criterion_at(data, theta)
    pieces = criterion_at(data, theta, control=Control(batch_rows=7))
    assert pieces[0] == pytest.approx(whole[0], rel=1e-12)
    assert pieces[1] == pytest.approx(whole[1], rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("name", ["crossed, slope second", "nested slopes", "partly nested slopes"])
def test_scales_and_origins_of_columns_do_not_matter(name):
    spec = SPECS[name]
    data = several_data(spec, 2)
    X = data.X.rows(0, data.n)
    wild = np.column_stack([X[:, 0], X[:, 1] * 1e-6, X[:, 2] * 1e6])
    terms = tuple(
        replace(t, z=ArrayRows(wild[:, list(columns)]))
        for t, (_, columns) in zip(data.terms, spec, strict=True)
    )
    tame, moved = fit_lmm(data), fit_lmm(replace(data, X=ArrayRows(wild), terms=terms))
    log_scale = 2 * np.log(np.array([1e-6, 1e6])).sum()
    assert moved.criterion == pytest.approx(tame.criterion + log_scale, abs=1e-6)
    assert moved.beta * [1, 1e-6, 1e6] == pytest.approx(tame.beta, rel=1e-5)
    far = fit_lmm(replace(data, y=data.y + 1e7))
    assert far.beta - [1e7, 0, 0] == pytest.approx(tame.beta, rel=1e-5, abs=1e-5)


def test_aliased_columns_are_left_out():
    data = several_data(SPECS["crossed"], 2)
    X = data.X.rows(0, data.n)
    twice = np.column_stack([X[:, :2], X[:, 0] + 2 * X[:, 1], X[:, 2]])
    fit, plain = fit_lmm(replace(data, X=ArrayRows(twice))), fit_lmm(data)
    assert fit.kept.tolist() == [0, 1, 3]
    assert fit.beta == pytest.approx(plain.beta, rel=1e-6)
    assert fit.criterion == pytest.approx(plain.criterion, abs=1e-8)


def test_no_fixed_effects_at_all():
    data = several_data(SPECS["crossed"], 2)
    data = replace(data, X=ArrayRows(np.empty((data.n, 0))))
    theta = np.array([0.5, 0.7])
    assert criterion_at(data, theta)[0] == pytest.approx(dense_fit(data, theta, reml=True).value)
    assert fit_lmm(data).beta.shape == (0,)


def test_weights_of_one_are_no_weights():
    data = several_data(SPECS["partly nested"], 2)
    theta = np.array([0.5, 0.2, 0.7])
    weighted = replace(data, weights=np.ones(data.n))
    assert criterion_at(weighted, theta)[0] == pytest.approx(
        criterion_at(data, theta)[0], rel=1e-13
    )


def test_a_true_boundary_is_zero_and_said():
    rng = np.random.default_rng(8)
    n = 400
    a, b = np.arange(n) % 20, np.arange(n) // 20
    residual = rng.normal(size=n)
    # Every level of b has the same mean: nothing can be between them.
    residual -= np.bincount(b, residual)[b] / 20
    data, _ = one_level_data(rng.normal(size=20)[a] + residual, np.ones((n, 1)), {"a": a, "b": b})
    fit = fit_lmm(data)
    assert fit.theta[1] == 0.0
    assert fit.theta[0] > 0.3
    assert "singular" in {d.code for d in fit.diagnostics}


def test_a_false_boundary_is_left():
    data = several_data(SPECS["crossed"], 6)
    fit = fit_lmm(data, control=Control(start=(1e-9, 1e-9)))
    assert fit.criterion == pytest.approx(fit_lmm(data).criterion, abs=1e-7)
    assert fit.theta.min() > 0.05


def test_a_refusal_names_the_size():
    rng = np.random.default_rng(0)
    n = 500_000
    groups = {"a": rng.integers(0, 130_000, n), "b": rng.integers(0, 120_000, n)}
    data, _ = one_level_data(rng.normal(size=n), np.ones((n, 1)), groups)
    with pytest.raises(FitError, match=r"a dense block of 11\d,\d{3} x 11\d,\d{3} \(.* GiB"):
        fit_lmm(data, control=Control(solver="cholesky"))


def test_refusals_are_sentences():
    data = several_data(SPECS["crossed"], 2)
    with pytest.raises(FitError, match="constant"):
        fit_lmm(replace(data, y=np.ones(data.n)))
    with pytest.raises(DataError, match="positive"):
        fit_lmm(replace(data, weights=np.zeros(data.n)))
    with pytest.raises(FitError, match="Missing, infinite"):
        fit_lmm(replace(data, y=np.where(np.arange(data.n) == 3, np.nan, data.y)))
    wide = np.column_stack([np.ones(data.n), np.random.default_rng(0).normal(size=(data.n, 80))])
    with pytest.raises(FitError, match="fixed effects for 70 rows"):
        fit_lmm(replace(data, X=ArrayRows(wide)))
    effects = np.arange(12)[data.terms[0].codes] * 1.0 + np.arange(5)[data.terms[1].codes]
    with pytest.raises(FitError, match="explain the response exactly"):
        fit_lmm(replace(data, y=effects))
    with pytest.raises(FitError, match="explain the response exactly"):
        fit_lmm(replace(data, y=data.X.rows(0, data.n) @ [1.0, 2.0, 3.0]))


def test_ctrl_c_says_how_to_go_on(monkeypatch):
    def stop(self, theta):
        raise KeyboardInterrupt

    monkeypatch.setattr(SeveralFactors, "hessian", stop)
    with pytest.raises(KeyboardInterrupt, match="Interrupted"):
        fit_lmm(several_data(SPECS["crossed"], 2))


def test_fits_pickle_with_their_conditional_covariances():
    fit = fit_lmm(several_data(SPECS["partly nested slopes"], 2))
    again = pickle.loads(pickle.dumps(fit))
    for a, b in zip(fit.cond_cov(), again.cond_cov(), strict=True):
        assert np.array_equal(a, b)


def test_fits_in_two_python_threads_give_the_same_numbers():
    data = [several_data(SPECS["partly nested slopes"], seed) for seed in (2, 3)]
    alone = [fit_lmm(d) for d in data]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(fit_lmm, data * 3))
    for i, fit in enumerate(together):
        assert np.array_equal(fit.theta, alone[i % 2].theta)
