"""Residual covariances from patterns of blocks: against dense matrices, and against themselves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mlpool.engine.residual import columns
from mlpool.engine.residual.correlations import parameter_labels
from mlpool.engine.residual.fit import criterion_of, fit_residual
from mlpool.engine.residual.types import CorrelatedRows, ResidualData, UnequalRows
from mlpool.engine.residual.whitening import normalized_residuals
from mlpool.engine.types import ArrayRows, ReTerm
from mlpool.errors import FitError, NotSupportedError
from tests.twins.dense_residual import correlation, deviance

REL_DENSE = 1e-11
"""Two Cholesky factorisations of the same matrix, small blocks against one large one."""
REL_GRADIENT = 1e-6
"""Central differences of the deviance with a step of 1e-5: errors of 1e-10 of its size."""

KINDS = ("ar1", "car1", "cs", "symm", "toep", "ad", "exp", "exp_nugget", "ar", "arma11")


def study(kind=None, *, random=True, unequal=True, powers=False, seed=3, J=14):
    """Unbalanced clusters of up to 5 of 5 visits, unsorted rows, a nested factor, two strata."""
    rng = np.random.default_rng(seed)
    rows = [(j, v) for j in range(J) for v in rng.permutation(5)[: rng.integers(2, 6)]]
    rows = [rows[i] for i in rng.permutation(len(rows))]
    g, visit = np.array(rows).T
    n = len(g)
    x = rng.normal(size=n)
    y = 10 + x + 0.8 * rng.normal(size=J)[g] + (1 + 0.6 * (visit > 2)) * rng.normal(size=n)
    points = visit.astype(float)
    if kind in ("car1", "exp", "exp_nugget"):
        points = points * 1.5 + 0.25 * (points == 2)
    largest = int(np.bincount(g).max())
    correlated = None
    if kind is not None:
        correlated = CorrelatedRows(
            kind=kind, codes=g, points=points, n_points=largest if kind == "cs" else 5,
            order=2 if kind == "ar" else 1,
        )  # fmt: skip
    loadings = np.column_stack([visit > 2, x]).astype(float)
    z = ArrayRows(np.column_stack([np.ones(n), visit]).astype(float))
    return ResidualData(
        y=y,
        X=ArrayRows(np.column_stack([np.ones(n), x, visit]).astype(float)),
        terms=(ReTerm(z=z, codes=g, n_levels=J, factor=0),) if random else (),
        correlated=correlated,
        unequal=UnequalRows(
            loadings=loadings if not powers else loadings[:, :1],
            powers=np.abs(x) + 0.1 if powers else None,
            classes=np.arange(n),
        )
        if unequal
        else None,
    )


def covariance(data, criterion, psi):
    """V / sigma^2 in full, from theta of the user's columns and the users' parameters."""
    _, phi, delta = criterion.split(psi)
    n = data.n
    R = np.eye(n)
    if data.correlated is not None:
        c = data.correlated
        natural = np.atleast_1d(criterion.structure.natural(phi))
        own = correlation(c.kind, natural, c.points)
        R = np.where(c.codes[:, None] == c.codes[None, :], own, 0.0)
        R[np.diag_indices(n)] = 1.0
    sd = np.ones(n)
    if data.unequal is not None:
        values = criterion.variances.natural(delta)
        r = data.unequal.loadings.shape[1]
        sd = np.exp(data.unequal.loadings @ values[:r])
        if data.unequal.powers is not None:
            sd = sd * (np.exp(values[r]) + data.unequal.powers ** values[r + 1])
    V = R * np.outer(sd, sd)
    for term, lam in zip(
        data.terms, criterion.template.matrices(criterion.user_theta(psi)), strict=True
    ):
        z = term.z.rows(0, n) @ lam
        V = V + np.where(term.codes[:, None] == term.codes[None, :], z @ z.T, 0.0)
    return V


def somewhere(criterion, seed=8):
    """A place where the covariance is positive definite (Toeplitz: near independence)."""
    toeplitz = criterion.structure is not None and criterion.structure.kind == "toep"
    size = 0.15 if toeplitz else 0.4
    return size * np.random.default_rng(seed).normal(size=sum(criterion.sizes))


CASES = {
    **{f"{kind} alone": {"kind": kind, "random": False, "unequal": False} for kind in KINDS},
    "ar1, slopes, strata": {"kind": "ar1"},
    "car1, slopes, strata": {"kind": "car1"},
    "exp_nugget, slopes": {"kind": "exp_nugget", "unequal": False},
    "arma11, constant plus power": {"kind": "arma11", "powers": True, "random": False},
    "strata alone": {"random": False},
    "slopes alone": {"unequal": False},
    "ante-dependence with strata": {"kind": "ad", "random": False},
}


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("case", CASES)
def test_the_deviance_is_that_of_dense_matrices(case, reml):
    data = study(**CASES[case])
    criterion = criterion_of(data, reml=reml)
    psi = somewhere(criterion)
    expected = deviance(data.y, data.X.array, covariance(data, criterion, psi), reml=reml)
    assert criterion.evaluate(psi).value == pytest.approx(expected, rel=REL_DENSE)


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("case", CASES)
def test_the_gradient_is_that_of_differences(case, reml):
    criterion = criterion_of(study(**CASES[case]), reml=reml)
    psi, h = somewhere(criterion), 1e-5
    steps = h * np.eye(len(psi))
    differences = [
        (criterion.evaluate(psi + s).value - criterion.evaluate(psi - s).value) / (2 * h)
        for s in steps
    ]
    found = criterion.evaluate(psi).gradient
    np.testing.assert_allclose(found, differences, rtol=REL_GRADIENT, atol=1e-6 * len(psi))


def test_many_clusters_of_a_pattern_are_a_few_with_the_same_moments():
    data = study("symm", random=False, unequal=False, J=600)
    criterion = criterion_of(data, reml=True)
    held = sum(len(one.batch.stack) for one in criterion._prepared)
    assert held < 500  # of 600 clusters
    psi = somewhere(criterion)
    expected = deviance(data.y, data.X.array, covariance(data, criterion, psi), reml=True)
    assert criterion.evaluate(psi).value == pytest.approx(expected, rel=REL_DENSE)


def test_nested_factors_share_the_outer_block():
    data = study("ar1", unequal=False)
    codes = data.terms[0].codes
    outer = ReTerm(z=ArrayRows(np.ones((data.n, 1))), codes=codes // 3, n_levels=5, factor=1)
    data = replace(data, terms=(*data.terms, outer))
    criterion = criterion_of(data, reml=True)
    psi = somewhere(criterion)
    expected = deviance(data.y, data.X.array, covariance(data, criterion, psi), reml=True)
    assert criterion.evaluate(psi).value == pytest.approx(expected, rel=REL_DENSE)


@pytest.mark.parametrize("kind", ["ar1", "exp_nugget", "symm"])
def test_rows_may_come_in_any_order_and_units(kind):
    data = study(kind, random=kind == "ar1")
    fitted = fit_residual(data)
    order = np.random.default_rng(1).permutation(data.n)
    moved = replace(
        data,
        y=1e6 + 1e-3 * data.y[order],
        X=ArrayRows(data.X.array[order] * [1.0, 1e5, 1.0]),
        terms=tuple(
            replace(t, z=ArrayRows(t.z.array[order]), codes=t.codes[order]) for t in data.terms
        ),
        correlated=replace(
            data.correlated,
            codes=data.correlated.codes[order],
            points=data.correlated.points[order],
        ),
        unequal=replace(
            data.unequal,
            loadings=data.unequal.loadings * [1.0, 1e-4],
            classes=data.unequal.classes[order],
        ),
    )
    again = fit_residual(moved)
    assert again.sigma == pytest.approx(1e-3 * fitted.sigma, rel=1e-6)
    pairs = [(again.correlation, fitted.correlation)]
    if kind == "exp_nugget":  # the range has no end here: what it says of one step is the same
        pairs = [(np.exp(-1.0 / a[:1]), np.exp(-1.0 / b[:1])) for a, b in pairs]
    for one, other in pairs:
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(again.variance, fitted.variance * [1.0, 1e4], rtol=1e-5, atol=1e-7)
    assert again.beta[1] == pytest.approx(1e-8 * fitted.beta[1], rel=1e-6)
    if kind != "ar1":  # whitened in the order of the data within each cluster
        np.testing.assert_allclose(
            np.sum(normalized_residuals(moved, again) ** 2),
            np.sum(normalized_residuals(data, fitted) ** 2),
            rtol=1e-6,
        )


def test_normalized_residuals_are_white():
    data = study("ar1", unequal=True)
    m = fit_residual(data)
    criterion = criterion_of(data, reml=True)
    _, phi, _ = criterion.split(m.parameters)
    R = np.where(
        data.correlated.codes[:, None] == data.correlated.codes[None, :],
        correlation("ar1", criterion.structure.natural(phi), data.correlated.points),
        0.0,
    )
    V = R * np.outer(m.scale, m.scale)
    expected = np.linalg.solve(np.linalg.cholesky(V), data.y - m.fitted)
    np.testing.assert_allclose(normalized_residuals(data, m), expected, rtol=1e-8, atol=1e-10)


def test_random_effects_are_those_of_dense_matrices():
    data = study("ar1")
    m = fit_residual(data)
    V = covariance(data, criterion_of(data, reml=True), m.parameters)
    inverse = np.linalg.inv(V)
    lam = np.array([[m.theta[0], 0.0], [m.theta[1], m.theta[2]]])
    sigma2 = m.sigma**2
    for level in range(3):
        rows = data.terms[0].codes == level
        zl = (data.terms[0].z.array * rows[:, None]) @ lam @ lam.T
        residual = data.y - data.X.array @ m.beta
        np.testing.assert_allclose(m.b[0][level], zl.T @ inverse @ residual, rtol=1e-7, atol=1e-9)
        expected = sigma2 * (lam @ lam.T - zl.T @ inverse @ zl)
        np.testing.assert_allclose(m.cond_cov[0][level], expected, rtol=1e-6, atol=1e-8)


def test_both_explanations_of_persistence_are_tried():
    """AR(1) and a random intercept: the search starts from both, and the deeper end is kept."""
    data = study("ar1", unequal=False, J=40)
    intercept = tuple(replace(t, z=ArrayRows(np.ones((data.n, 1)))) for t in data.terms)
    m = fit_residual(replace(data, terms=intercept))
    criterion = criterion_of(replace(data, terms=intercept), reml=True)
    grid = [
        criterion.evaluate(np.array([size, phi])).value
        for size in np.linspace(0.0, 2.5, 26)
        for phi in np.linspace(-2.0, 4.0, 31)
    ]
    assert m.criterion <= min(grid)
    assert np.abs(m.optimum.gradient).max() < 1e-5


def test_an_explained_response_and_crossed_factors_are_said():
    data = study("ar1", random=False, unequal=False)
    with pytest.raises(FitError, match="explain the response"):
        fit_residual(replace(data, y=data.X.array @ [1.0, 2.0, 3.0]))
    n = 5000
    crossed = ResidualData(
        y=np.random.default_rng(1).normal(size=n),
        X=ArrayRows(np.ones((n, 1))),
        terms=tuple(
            ReTerm(z=ArrayRows(np.ones((n, 1))), codes=codes, n_levels=50, factor=i)
            for i, codes in enumerate((np.arange(n) % 50, np.arange(n) // 100))
        ),
    )
    with pytest.raises(NotSupportedError, match="nested, not crossed"):
        fit_residual(crossed)


def test_parameters_have_names():
    rows = CorrelatedRows(kind="symm", codes=np.zeros(3, int), points=np.arange(3.0), n_points=3)
    assert parameter_labels(rows, ("a", "b", "c")) == ("cor(a,b)", "cor(a,c)", "cor(b,c)")
    assert parameter_labels(replace(rows, kind="ar", order=2), ()) == ("phi1", "phi2")


def test_columns_made_by_blocks_give_the_same_fit(monkeypatch):
    """Many rows are read a block at a time: the same estimates, with X far from zero as well."""
    data = study("ar1", random=True)
    moved = replace(data, X=ArrayRows(data.X.array + np.array([0.0, 2000.0, 0.0])), y=data.y + 1e5)
    whole = [fit_residual(one) for one in (data, moved)]
    monkeypatch.setattr(columns, "_BLOCK", 37)
    for one, before in zip((data, moved), whole, strict=True):
        made = columns.working_columns(one)
        np.testing.assert_allclose(made.W[:, :-1], one.X.array @ made.back, rtol=1e-9, atol=1e-9)
        after = fit_residual(one)
        assert after.criterion == pytest.approx(before.criterion, abs=1e-7)
        np.testing.assert_allclose(after.beta, before.beta, rtol=1e-7)
        np.testing.assert_allclose(after.fitted_fixed, one.X.array @ after.beta, rtol=1e-9)
    collinear = replace(data, X=ArrayRows(data.X.array[:, [0, 1, 2, 1]]))
    assert list(fit_residual(collinear).kept) == [0, 1, 2]
