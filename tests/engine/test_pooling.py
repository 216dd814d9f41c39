"""Complete and no pooling from sums: equal to dense least squares and to R."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from mlpool.engine.pooling.absorbed_factor import AbsorbedFit, fit_ols_absorbed
from mlpool.engine.pooling.cluster_regressions import fit_complete, fit_each
from mlpool.engine.sums.cluster_sums import CrossProducts
from mlpool.engine.sums.columns import Rows
from mlpool.engine.types import ArrayRows
from mlpool.errors import FitError, NotSupportedError
from tests.engine.designs import heck, popular, sleepstudy
from tests.tolerances import REL_OLS


def example(seed=0, n=120, J=8, *, weights=False):
    rng = np.random.default_rng(seed)
    codes = np.concatenate([np.repeat(np.arange(J), 4), rng.integers(0, J, n - 4 * J)])
    x = np.column_stack([rng.normal(50, 5, n), rng.normal(size=n)])
    y = 10 + x @ [0.5, -1] + rng.normal(size=J)[codes] + rng.normal(size=n)
    return y, x, codes, rng.uniform(0.5, 2, n) if weights else None


def ols(X, y, w=None):
    """Dense least squares: coefficients, covariance, rss."""
    root = np.ones(len(y)) if w is None else np.sqrt(w)
    Q, R = np.linalg.qr(X * root[:, None])
    beta = np.linalg.solve(R, Q.T @ (y * root))
    rss = np.sum((root * (y - X @ beta)) ** 2)
    R_inverse = np.linalg.inv(R)
    return beta, R_inverse @ R_inverse.T * rss / (len(y) - X.shape[1]), rss


def dummies(codes, J):
    return (codes[:, None] == np.arange(J)).astype(float)


@pytest.mark.parametrize("weights", [False, True])
def test_complete_pooling_equals_dense_least_squares(weights):
    y, x, codes, w = example(weights=weights)
    X = np.column_stack([np.ones(len(y)), x])
    rows = Rows(y=y, X=ArrayRows(X), Z=(), codes=codes, n_levels=8, weights=w)
    fit = fit_complete(CrossProducts.from_rows(rows, every_column=True), rows.X)
    beta, vcov, rss = ols(X, y, w)
    assert fit.beta == pytest.approx(beta, rel=1e-10)
    assert fit.vcov_unscaled * fit.sigma**2 == pytest.approx(vcov, rel=1e-9)
    assert fit.rss == pytest.approx(rss, rel=1e-10)
    e = (y - X @ beta) * (1 if w is None else w)
    scores = np.array([X[codes == j].T @ e[codes == j] for j in range(8)])
    assert fit.scores == pytest.approx(scores, rel=1e-7, abs=1e-8)
    bread = vcov / fit.sigma**2
    CR0 = bread @ (scores.T @ scores) @ bread
    assert fit.cluster_robust(adjust=False) == pytest.approx(CR0, rel=1e-8)
    factor = 8 / 7 * (len(y) - 1) / (len(y) - 3)
    assert fit.cluster_robust() == pytest.approx(CR0 * factor, rel=1e-8)


def test_complete_pooling_needs_residual_degrees_of_freedom():
    rows = Rows(
        y=np.array([1.0, 2.0]),
        X=ArrayRows(np.array([[1.0, 0.0], [1.0, 1.0]])),
        Z=(),
        codes=np.array([0, 1]),
        n_levels=2,
    )
    with pytest.raises(FitError, match="no residual degrees of freedom"):
        fit_complete(CrossProducts.from_rows(rows, every_column=True), rows.X)
    with pytest.raises(FitError, match="no residual degrees of freedom"):
        fit_ols_absorbed(rows.y, ArrayRows(np.empty((2, 0))), rows.codes, 2)


@pytest.mark.parametrize("weights", [False, True])
@pytest.mark.parametrize("interaction", [False, True])
def test_absorbed_treatment_coefficients_equal_dense_dummies(interaction, weights):
    y, x, codes, w = example(3, weights=weights)
    J, n = 8, len(y)
    G = dummies(codes, J)
    common = x[:, 1:] if interaction else x
    Z = x[:, :1]
    blocks = [common, np.ones((n, 1)), G[:, 1:]]
    if interaction:
        blocks += [Z, G[:, 1:] * Z]
    beta, vcov, rss = ols(np.hstack(blocks), y, w)
    fit = fit_ols_absorbed(
        y, ArrayRows(common), codes, J, Z=ArrayRows(Z) if interaction else None, weights=w
    )
    at = fit.treatment()
    assert fit.coefficients(at) == pytest.approx(beta, rel=1e-7)
    assert fit.standard_errors(at) == pytest.approx(np.sqrt(np.diag(vcov)), rel=1e-8)
    assert fit.vcov(at) == pytest.approx(vcov, rel=1e-6, abs=1e-10 * np.abs(vcov).max())
    some = np.array([1, 3, 5])
    assert fit.vcov(at.take(some), at) == pytest.approx(fit.vcov(at)[some])
    assert fit.rss == pytest.approx(rss, rel=1e-10)
    assert fit.df_residual == n - len(beta)
    fitted = fit.fitted(ArrayRows(common), ArrayRows(Z if interaction else x[:, :0]), codes)
    assert fitted == pytest.approx(np.hstack(blocks) @ beta, rel=1e-9)


def test_absorbed_cell_means_equal_dense_dummies():
    y, x, codes, _ = example(4)
    fit = fit_ols_absorbed(y, ArrayRows(x), codes, 8)
    beta, vcov, _ = ols(np.hstack([x, dummies(codes, 8)]), y)
    at = fit.cell_means()
    assert fit.coefficients(at) == pytest.approx(beta, rel=1e-8)
    assert fit.standard_errors(at) == pytest.approx(np.sqrt(np.diag(vcov)), rel=1e-8)


def test_a_slope_that_a_level_does_not_identify_is_missing():
    y, x, codes, _ = example(5)
    x = x.copy()
    x[codes == 3, 0] = 50.0
    fit = fit_ols_absorbed(y, ArrayRows(x[:, :0]), codes, 8, Z=ArrayRows(x[:, :1]))
    at = fit.cell_means()
    assert np.flatnonzero(np.isnan(fit.coefficients(at))).tolist() == [11]
    assert np.flatnonzero(np.isnan(fit.standard_errors(at))).tolist() == [11]
    assert np.isnan(fit.vcov(at)[11]).all()
    assert np.isfinite(np.delete(np.delete(fit.vcov(at), 11, 0), 11, 1)).all()
    assert fit.effects[3, 0] == pytest.approx(y[codes == 3].mean())
    G = dummies(codes, 8)
    _, _, rss = ols(np.delete(np.hstack([G, G * x[:, :1]]), 11, axis=1), y)
    assert (fit.rss, fit.df_residual) == (pytest.approx(rss, rel=1e-9), len(y) - 15)
    with pytest.raises(NotSupportedError, match="does not identify its own slope"):
        fit.treatment()


def test_columns_without_variation_within_levels_are_left_to_the_dense_fit():
    y, x, codes, _ = example()
    between = np.arange(8.0)[codes][:, None]
    with pytest.raises(NotSupportedError, match="does not vary within the levels"):
        fit_ols_absorbed(y, ArrayRows(between), codes, 8)
    with pytest.raises(NotSupportedError, match="collinear within the levels"):
        fit_ols_absorbed(
            y, ArrayRows(np.column_stack([x[:, 0], x[:, 0] + between[:, 0]])), codes, 8
        )


def reference(shared, case):
    cases = json.loads((shared / "reference" / "nopooling.json").read_text())["cases"]
    return next(c["result"] for c in cases if c["id"] == case)


NOPOOL = {
    "nopool_heck_slopes": (heck, "math", "ses", "school"),
    "nopool_sleep_slopes": (sleepstudy, "Reaction", "Days", "Subject"),
    "nopool_pop_slopes": (popular, "popular_s", "extraversion", "class"),
}


def read(shared, name):
    load, response, predictor, group = NOPOOL[name]
    d = load(shared)
    codes = np.unique(d[group], return_inverse=True)[1]
    return d[response].to_numpy(float), d[predictor].to_numpy(float), codes


def two_sided(fit: AbsorbedFit, column):
    from scipy import stats

    at = fit.cell_means()
    J = fit.n_levels
    own = at.take(np.arange(column * J, (column + 1) * J))
    estimate, se = fit.coefficients(own), fit.standard_errors(own)
    return estimate, se, 2 * stats.t.sf(np.abs(estimate / se), fit.df_residual)


@pytest.mark.parametrize("case", NOPOOL)
def test_slopes_of_every_group_equal_r(shared, case):
    y, x, codes = read(shared, case)
    J = int(codes.max()) + 1
    fit = fit_ols_absorbed(y, ArrayRows(np.empty((len(y), 0))), codes, J, Z=ArrayRows(x[:, None]))
    r = reference(shared, case)
    assert fit.sigma == pytest.approx(r["sigma"], rel=REL_OLS)
    assert fit.df_residual == r["df_residual"]
    assert fit.loglik == pytest.approx(r["logLik"], rel=REL_OLS)
    for column, table in ((0, r["intercepts"]), (1, r["slopes"])):
        estimate, se, p = two_sided(fit, column)
        expected = {name: np.array(table[name], dtype=float) for name in ("estimate", "se", "p")}
        assert estimate == pytest.approx(expected["estimate"], rel=REL_OLS, nan_ok=True)
        assert se == pytest.approx(expected["se"], rel=REL_OLS, nan_ok=True)
        assert p == pytest.approx(expected["p"], rel=1e-6, abs=1e-12, nan_ok=True)


def test_group_dummies_of_heck_equal_r(shared):
    d = heck(shared)
    codes = np.unique(d.school, return_inverse=True)[1]
    fit = fit_ols_absorbed(
        d.math.to_numpy(float), ArrayRows(d[["ses"]].to_numpy(float)), codes, int(codes.max()) + 1
    )
    r = reference(shared, "nopool_heck_add")
    at = fit.treatment()
    ours = dict(zip(["ses", "(Intercept)"], fit.coefficients(at)[:2], strict=True))
    names = r["coef"]["names"]
    for name in ours:
        i = names.index(name)
        assert ours[name] == pytest.approx(r["coef"]["estimate"][i], rel=REL_OLS)
    assert fit.sigma == pytest.approx(r["sigma"], rel=REL_OLS)
    assert fit.df_residual == r["df_residual"]


LISTS = {"lmlist_heck": "nopool_heck_slopes", "lmlist_sleep": "nopool_sleep_slopes"}


@pytest.mark.parametrize("case", LISTS)
def test_own_regressions_equal_lmlist(shared, case):
    y, x, codes = read(shared, LISTS[case])
    J = int(codes.max()) + 1
    X = np.column_stack([np.ones(len(y)), x])
    rows = Rows(y=y, X=ArrayRows(X), Z=(), codes=codes, n_levels=J)
    fit = fit_each(rows)
    r = reference(shared, case)
    coef = np.array(r["coef"], dtype=float)
    coef = coef if coef.shape == fit.coef.shape else coef.T
    assert fit.coef == pytest.approx(coef, rel=REL_OLS, nan_ok=True)
    assert fit.pooled_sd == pytest.approx(r["pooled_sd"], rel=REL_OLS)


def test_own_regressions_of_weighted_rows_without_an_intercept():
    y, x, codes, w = example(6, weights=True)
    rows = Rows(y=y, X=ArrayRows(x), Z=(), codes=codes, n_levels=8, weights=w)
    fit = fit_each(rows)
    for j in range(8):
        own = codes == j
        beta, vcov, rss = ols(x[own], y[own], w[own])
        assert fit.coef[j] == pytest.approx(beta, rel=1e-8)
        assert fit.rss[j] == pytest.approx(rss, rel=1e-8)
        assert fit.se(pool=False)[j] == pytest.approx(np.sqrt(np.diag(vcov)), rel=1e-8)


def test_a_cluster_of_one_row_has_only_an_intercept():
    y, x, codes, _ = example(7)
    keep = (codes != 2) | (np.cumsum(codes == 2) == 1)
    y, x, codes = y[keep], x[keep], codes[keep]
    X = np.column_stack([np.ones(len(y)), x[:, 0]])
    rows = Rows(y=y, X=ArrayRows(X), Z=(), codes=codes, n_levels=8)
    fit = fit_each(rows)
    assert fit.coef[2, 0] == pytest.approx(y[codes == 2][0])
    assert np.isnan(fit.coef[2, 1])
    assert fit.df_residual[2] == 0
    assert replace(fit).pooled_df == fit.df_residual.sum()
