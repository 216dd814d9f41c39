"""Cluster-robust pieces against dense matrices, the wild bootstrap against refits, bad input."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

import mlpool
from mlpool.hypotheses.linear_combinations import read_covariance, robust_pieces
from mlpool.inference.sandwich.wild_bootstrap import wild_coefficient, wild_draws, wild_wald

pytestmark = pytest.mark.filterwarnings("ignore::mlpool.MlpoolWarning")


def _data(seed, J=9, weights=False):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(2, 9, J)
    g = np.repeat(np.arange(J), sizes)
    n = g.size
    d = pd.DataFrame(
        {"g": [f"c{v:02d}" for v in g], "x": rng.normal(size=n), "z": rng.normal(size=J)[g]}
    )
    d["h"] = [f"{a}_{b}" for a, b in zip(d["g"], rng.integers(0, 2, n), strict=True)]
    d["top"] = [f"t{v // 3}" for v in g]
    d["w"] = rng.uniform(0.5, 2.0, n)
    d["y"] = 1 + d["x"] + rng.normal(size=J)[g] * 1.5 + rng.normal(size=n) / np.sqrt(d["w"])
    return d


def _dense_v(m):
    """V = Z Lambda Lambda' Z' sigma^2 + sigma^2 / w, from its parts, n x n."""
    n = m.nobs
    V = np.diag(1.0 / m.prior_weights)
    start = 0
    for random in m.design.random:
        z = random.z.rows(0, n)
        k = z.shape[1]
        lam = np.zeros((k, k))
        cols, rows = np.triu_indices(k)
        lam[rows, cols] = m.theta[start : start + len(rows)]
        start += len(rows)
        half = z @ lam
        same = np.asarray(random.codes)[:, None] == np.asarray(random.codes)[None, :]
        V += np.where(same, half @ half.T, 0.0)
    return m.sigma**2 * V


def _dense(m, codes, kind):
    """clubSandwich's definition with n x n matrices: vcov, and df of every coefficient."""
    X = m.design.X.dense()
    y, n, p = m.design.y, m.nobs, len(m.names)
    V = _dense_v(m)
    W = np.linalg.inv(V)
    M = np.linalg.inv(X.T @ W @ X)
    H = X @ M @ X.T @ W
    e = y - X @ m.fixef().to_numpy()
    J = codes.max() + 1
    meat, G = np.zeros((p, p)), np.zeros((p, J, n))
    for j in range(J):
        rows = np.flatnonzero(codes == j)
        Vj, Xj = V[np.ix_(rows, rows)], X[rows]
        if kind == "CR2":
            U = scipy.linalg.cholesky(Vj)
            values, vectors = np.linalg.eigh(U @ (Vj - Xj @ M @ Xj.T) @ U.T)
            keep = values > 1e-12
            root = (vectors[:, keep] / np.sqrt(values[keep])) @ vectors[:, keep].T
            A = U.T @ root @ U
        elif kind == "CR3":
            A = np.linalg.inv(np.eye(len(rows)) - H[np.ix_(rows, rows)])
        else:
            A = np.eye(len(rows))
        left = Xj.T @ W[np.ix_(rows, rows)] @ A
        s = left @ e[rows]
        meat += np.outer(s, s)
        for a in range(p):
            G[a, j] = (M[a] @ left) @ (np.eye(n) - H)[rows]
    df = []
    for a in range(p):
        P = G[a] @ V @ G[a].T
        df.append(np.trace(P) ** 2 / np.trace(P @ P))
    factor = J / (J - 1) if kind == "CR1" else 1.0
    return factor * M @ meat @ M, np.array(df)


FORMULAS = ("y ~ x + z + (1 | g)", "y ~ x + (x | g)", "y ~ x + z + (1 | g/h)")


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    formula=st.sampled_from(FORMULAS),
    kind=st.sampled_from(["CR0", "CR1", "CR2", "CR3"]),
    weighted=st.booleans(),
)
def test_mixed_models_equal_dense_matrices(seed, formula, kind, weighted):
    d = _data(seed)
    m = mlpool.fit(formula, d, weights="w" if weighted else None)
    codes, _ = m.design.codes("g")
    vcov, df = _dense(m, np.asarray(codes), kind)
    table = mlpool.coef_test(m, kind, "g")
    np.testing.assert_allclose(m.vcov(kind, "g"), vcov, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(table["df_error"], df, rtol=1e-6)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000), kind=st.sampled_from(["CR0", "CR1", "CR2", "CR3"]))
def test_clusters_above_the_groups_equal_dense_matrices(seed, kind):
    m = mlpool.fit("y ~ x + (1 | g)", _data(seed))
    codes, _ = m.design.codes("top")
    vcov, df = _dense(m, np.asarray(codes), kind)
    np.testing.assert_allclose(m.vcov(kind, "top"), vcov, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(mlpool.coef_test(m, kind, "top")["df_error"], df, rtol=1e-6)


def test_crossed_factors_by_inclusion_exclusion():
    rng = np.random.default_rng(3)
    d = pd.DataFrame(
        {"a": np.repeat([f"a{i}" for i in range(12)], 15), "b": [f"b{i}" for i in range(15)] * 12}
    )
    d = d.sample(frac=0.8, random_state=1).reset_index(drop=True)
    d["x"] = rng.normal(size=len(d))
    d["y"] = d["x"] + rng.normal(size=len(d)) + d["a"].str[1:].astype(int) % 3
    m = mlpool.fit("y ~ x + (1 | a) + (1 | b)", d)
    X, e = m.design.X.dense(), m.design.y - m.design.X.dense() @ m.fixef().to_numpy()
    W = np.linalg.inv(_dense_v(m))
    M, WX = np.linalg.inv(X.T @ W @ X), W @ X
    meat = np.zeros((2, 2))
    for codes, sign in ((d["a"], 1), (d["b"], 1), (d["a"] + d["b"], -1)):
        g = pd.factorize(codes)[0]
        J = g.max() + 1
        S = np.array([(WX[g == j] * e[g == j, None]).sum(axis=0) for j in range(J)])
        meat += sign * J / (J - 1) * S.T @ S
    np.testing.assert_allclose(m.vcov("HC0", ["a", "b"]), M @ meat @ M, rtol=1e-6)
    n = len(d)
    np.testing.assert_allclose(
        m.vcov("vcovCL", ["a", "b"]), (n - 1) / (n - 2) * M @ meat @ M, rtol=1e-6
    )
    with pytest.raises(mlpool.NotSupportedError, match=r"level of the grouping factor 'b' lie in"):
        m.vcov("CR2", "a")


def test_robust_errors_of_a_mixed_model_do_not_depend_on_row_order_or_labels():
    d = _data(5)
    m = mlpool.fit("y ~ x + z + (x | g)", d)
    shuffled = d.sample(frac=1.0, random_state=2).reset_index(drop=True)
    renamed = shuffled.assign(g=shuffled["g"].map(lambda v: f"{ord(v[-1]) * 7 % 10}{v}"))
    k = mlpool.fit("y ~ x + z + (x | g)", renamed)
    for kind in ("CR0", "CR2", "CR3"):
        np.testing.assert_allclose(k.vcov(kind), m.vcov(kind), rtol=1e-6, atol=1e-10)


def test_theta_of_zero_is_least_squares():
    rng = np.random.default_rng(8)
    d = _data(8).assign(y=lambda d: rng.permutation(d["x"].to_numpy()) + rng.normal(size=len(d)))
    m = mlpool.fit("y ~ x + (1 | g)", d)
    if m.theta[0] > 0:
        d["y"] = d["y"] - d.groupby("g")["y"].transform("mean")
        m = mlpool.fit("y ~ x + (1 | g)", d)
    assert m.theta[0] == 0
    ols = mlpool.lm("y ~ x", d)
    for kind in ("CR0", "CR1", "CR2", "CR3"):
        np.testing.assert_allclose(m.vcov(kind), ols.vcov(kind, "g"), rtol=1e-8)
        np.testing.assert_allclose(
            mlpool.coef_test(m, kind)["df_error"], mlpool.coef_test(ols, kind, "g")["df_error"]
        )


# --- one vocabulary -----------------------------------------------------------------------------


def test_the_same_numbers_in_every_table():
    d = mlpool.load_data("hsb82")
    m = mlpool.fit("math ~ ses + (1 | school)", d)
    test = mlpool.coef_test(m, "CR2")
    table = mlpool.model_parameters(m, vcov="CR2", ci_method="satterthwaite", effects="fixed")
    for column in ("Coefficient", "SE", "CI_low", "CI_high", "t", "df_error", "p"):
        np.testing.assert_allclose(table[column], test[column])
    assert any("160 clusters of school" in note for note in table.notes)
    both = mlpool.compare_parameters(m, m, vcov="CR2")
    np.testing.assert_allclose(both["SE.Model 1"].dropna(), test["SE"])
    fitted = mlpool.fit("math ~ ses + (1 | school)", d, vcov="CR2")
    np.testing.assert_allclose(fitted.se, test["SE"])
    text = str(fitted.summary(ddf="satterthwaite"))
    assert "Standard errors: CR2, 160 clusters of school" in text
    assert f"{test['df_error'].iloc[1]:.2f}"[:5] in text


# --- wild bootstrap -----------------------------------------------------------------------------


@pytest.mark.parametrize("formula", ["y ~ x + z", "y ~ x + (1 | g)"])
def test_replicates_equal_refits(formula):
    d = _data(11, J=7)
    m = mlpool.fit(formula, d)
    pieces = robust_pieces(m, read_covariance(m, "CR1", "g"))
    draws = wild_draws("rademacher", pieces.n_clusters, 999, np.random.default_rng(1))
    assert draws.is_complete
    assert draws.n_replicates == 2**7
    own = wild_coefficient(pieces, np.eye(len(m.names))[1], draws)
    null = 0.4
    want, fitted = _replicates_by_refits(m, np.asarray(pieces.codes), draws, null)
    np.testing.assert_allclose(own.replicates(null), want, rtol=1e-6, atol=1e-8)
    assert own.t(null) == pytest.approx(fitted)
    share = np.mean(np.abs(want) > abs(fitted) * (1 + 1e-9))
    assert own.p(null) == pytest.approx(share)
    row = np.eye(len(m.names))[[1]]
    statistic, p = wild_wald(pieces, row, np.array([null]), draws)
    assert statistic == pytest.approx(fitted**2)
    assert p == pytest.approx(own.p(null))


def _replicates_by_refits(m, codes, draws, null):
    X, y = m.design.X.dense(), m.design.y
    W = np.linalg.inv(_dense_v(m)) if m.is_mixed else np.eye(m.nobs)
    M = np.linalg.inv(X.T @ W @ X)
    J = codes.max() + 1

    def t(response):
        b = M @ X.T @ W @ response
        # W is block-diagonal, so W_j e_j of a cluster are the rows of W e
        S = np.array([X[codes == j].T @ (W @ (response - X @ b))[codes == j] for j in range(J)])
        V = J / (J - 1) * M @ S.T @ S @ M
        return (b[1] - null) / np.sqrt(V[1, 1])

    free = [0, *range(2, X.shape[1])]
    Xf = X[:, free]
    base = null * X[:, 1]
    restricted = base + Xf @ np.linalg.solve(Xf.T @ W @ Xf, Xf.T @ W @ (y - base))
    resid = y - restricted
    out = [t(restricted + v[codes] * resid) for batch in draws.batches() for v in batch]
    return np.array(out), t(y)


def test_the_interval_holds_what_the_test_does_not_reject():
    m = mlpool.lm("y ~ x + z", _data(2, J=12))
    pieces = robust_pieces(m, read_covariance(m, "CR1", "g"))
    draws = wild_draws("webb", pieces.n_clusters, 1999, np.random.default_rng(1))
    own = wild_coefficient(pieces, np.eye(3)[1], draws)
    low, high = own.interval(0.95)
    assert low < own.estimate < high
    for bound, outwards in ((low, -1), (high, 1)):
        step = 0.02 * own.se * outwards
        assert own.p(bound + step) <= 0.05 < own.p(bound - step)


@pytest.mark.parametrize("weights", ["rademacher", "webb", "mammen"])
def test_weights_have_mean_zero_and_variance_one(weights):
    draws = wild_draws(weights, 30, 20_000, np.random.default_rng(4))
    v = np.concatenate(list(draws.batches()))
    assert abs(v.mean()) < 0.005
    assert v.var() == pytest.approx(1.0, abs=0.01)
    again = np.concatenate(list(draws.batches()))
    np.testing.assert_array_equal(v, again)


def test_wild_bootstrap_keeps_its_level_where_cr1_does_not():
    """Ten unequal clusters, a predictor constant in clusters, no effect: 400 data sets."""
    rng = np.random.default_rng(20)
    sizes = np.array([2, 2, 3, 3, 4, 5, 8, 12, 20, 40])
    g = np.repeat(np.arange(10), sizes)
    rejected = np.zeros(2)
    for _ in range(400):
        x = (rng.normal(size=10) + 1.0 * (np.arange(10) == 9))[g]
        d = {"y": rng.normal(size=10)[g] + rng.normal(size=g.size), "x": x, "g": g}
        m = mlpool.lm("y ~ x", d)
        naive = mlpool.model_parameters(m, vcov="CR1", cluster="g")["p"].iloc[1]
        wild = mlpool.wild_bootstrap(m, "x", "g", iterations=399, seed=1)["p"].iloc[0]
        rejected += [naive < 0.05, wild < 0.05]
    naive_rate, wild_rate = rejected / 400
    assert naive_rate > 0.10
    assert wild_rate < 0.09


def test_seeds_and_tables():
    m = mlpool.lm("math ~ ses", mlpool.load_data("hsb82"), cluster="school")
    one = mlpool.wild_bootstrap(m, seed=3, iterations=499)
    two = mlpool.wild_bootstrap(m, seed=3, iterations=499)
    np.testing.assert_array_equal(one["p"], two["p"])
    assert "160 clusters of school. Wild bootstrap: 499 random rademacher" in str(one)
    assert "<table" in one.to_html()
    few = mlpool.lm("y ~ x", _data(1, J=5))
    assert "32 all rademacher" in str(mlpool.wild_bootstrap(few, "x", "g"))
    joint = mlpool.wald_test(m, np.eye(2), test="wild", seed=1, iterations=199)
    assert joint["p"].iloc[0] == 0.0
    assert "chi" in str(mlpool.wald_test(m, ["ses"], test="chi-sq")).lower()


def test_speed_does_not_grow_with_clusters_squared():
    """100,000 rows in 20,000 clusters: CR2 with Satterthwaite df holds nothing J x J."""
    rng = np.random.default_rng(1)
    g = np.repeat(np.arange(20_000), 5)
    d = {"y": rng.normal(size=g.size) + rng.normal(size=20_000)[g], "x": rng.normal(size=g.size)}
    m = mlpool.fit("y ~ x + (1 | g)", {**d, "g": g})
    table = mlpool.coef_test(m)
    assert 5_000 < table["df_error"].iloc[1] <= 20_000


# --- mistakes -----------------------------------------------------------------------------------


def _lm():
    return mlpool.lm("y ~ x + z", _data(1))


MISTAKES = [
    (lambda: mlpool.coef_test(_lm()), mlpool.OptionError, "say by which column"),
    (lambda: mlpool.coef_test(_lm(), "HC3", "g"), mlpool.OptionError, "vcov must be one of"),
    (lambda: mlpool.coef_test(_lm(), "CR22", "g"), mlpool.OptionError, "Did you mean 'CR2'"),
    (lambda: mlpool.coef_test(_lm(), cluster="gg"), mlpool.ColumnNotFoundError, "gg"),
    (lambda: mlpool.coef_test(_lm(), cluster="g", test="F"), mlpool.OptionError, "test must be"),
    (lambda: mlpool.coef_test(_lm(), cluster="g", ci=95), mlpool.OptionError, "between 0 and 1"),
    (lambda: mlpool.coef_test(_lm(), cluster="g", coefs="xx"), mlpool.OptionError, "no coeff.*'x'"),
    (lambda: mlpool.coef_test("m"), mlpool.OptionError, "needs a fitted model; got 'm'"),
    (
        lambda: mlpool.coef_test(mlpool.lm("y ~ x", _data(1).assign(c=1)), cluster="c"),
        mlpool.NotSupportedError,
        "at least two clusters",
    ),
    (
        lambda: mlpool.coef_test(mlpool.fit("y ~ x + (1|g)", _data(1).assign(c=1)), "CR0", "c"),
        mlpool.NotSupportedError,
        "at least two clusters",
    ),
    (
        lambda: mlpool.coef_test(
            mlpool.lm("y ~ x + z", _data(1, J=2)), cluster="g", test="naive-tp"
        ),
        mlpool.OptionError,
        "2 clusters - ",
    ),
    (
        lambda: mlpool.coef_test(mlpool.lm("y ~ 0 + g", _data(1)), "CR3", "g"),
        mlpool.FitError,
        "rests on one cluster",
    ),
    (
        lambda: mlpool.coef_test(mlpool.fit("y ~ g + (1 | h)", _data(1)), "CR3", "g"),
        mlpool.FitError,
        "CR3 leaves out one cluster",
    ),
    (
        lambda: mlpool.fit("y ~ x + (1 | g)", _data(1)).vcov("HC3"),
        mlpool.NotSupportedError,
        "takes rows as independent",
    ),
    (
        lambda: mlpool.fit("y ~ x + (1 | g)", _data(1), cluster="h"),
        mlpool.NotSupportedError,
        "grouping factor 'g' lie in several clusters of 'h'",
    ),
    (
        lambda: mlpool.fit("y ~ x + (1 | g)", _data(1)).vcov("HC2", ["g", "h"]),
        mlpool.NotSupportedError,
        "takes one cluster variable",
    ),
    (
        lambda: mlpool.fit("y ~ x + z + (1 | g)", _data(1, J=3)).vcov("CR1p"),
        mlpool.FitError,
        "CR1p divides by clusters - coefficients",
    ),
    (
        lambda: mlpool.model_parameters(_lm(), ci_method="satterthwaite"),
        mlpool.OptionError,
        "goes with clubSandwich's covariances",
    ),
    (
        lambda: mlpool.model_parameters(_lm(), vcov="HC1", cluster="g", ci_method="satterthwaite"),
        mlpool.OptionError,
        "goes with clubSandwich's covariances",
    ),
    (lambda: mlpool.wald_test(_lm(), ["x", "x"], cluster="g"), mlpool.OptionError, "depend on"),
    (
        lambda: mlpool.wald_test(_lm(), ["q"], cluster="g"),
        mlpool.FormulaError,
        "no coefficient 'q'",
    ),
    (lambda: mlpool.wald_test(_lm(), [[1, 0]], cluster="g"), mlpool.OptionError, r"shape \(1, 2\)"),
    (lambda: mlpool.wald_test(_lm(), object(), cluster="g"), mlpool.OptionError, "text such as"),
    (
        lambda: mlpool.wald_test(_lm(), ["x"], cluster="g", test="T"),
        mlpool.OptionError,
        "test must",
    ),
    (lambda: mlpool.wild_bootstrap(_lm()), mlpool.OptionError, "say by which column"),
    (
        lambda: mlpool.wild_bootstrap(_lm(), cluster="g", iterations=0),
        mlpool.OptionError,
        "iterations must be a whole number, 1 or more",
    ),
    (
        lambda: mlpool.wild_bootstrap(_lm(), cluster="g", iterations=9.5),
        mlpool.OptionError,
        "whole number",
    ),
    (
        lambda: mlpool.wild_bootstrap(_lm(), cluster="g", weights="normal"),
        mlpool.OptionError,
        "weights must be one of",
    ),
    (lambda: mlpool.wild_bootstrap(_lm(), cluster="g", ci=0), mlpool.OptionError, "between 0 and"),
    (
        lambda: mlpool.wild_bootstrap(_lm(), cluster="g", impose_null="yes"),
        mlpool.OptionError,
        "True or False",
    ),
    (
        lambda: mlpool.wild_bootstrap(
            mlpool.glm("I(y > 1) ~ x", _data(1), family="binomial"), cluster="g"
        ),
        mlpool.NotSupportedError,
        "for linear models",
    ),
]


@pytest.mark.parametrize(("call", "error", "match"), MISTAKES)
def test_mistakes_get_one_sentence(call, error, match):
    with pytest.raises(error, match=match):
        call()


def test_missing_clusters_are_said():
    d = _data(1)
    d.loc[3, "top"] = None
    m = mlpool.lm("y ~ x", d)
    with pytest.raises(mlpool.DataError, match="missing"):
        mlpool.coef_test(m, cluster="top")
    with pytest.warns(mlpool.MissingDataWarning, match="top: 1"):
        fitted = mlpool.lm("y ~ x", d, cluster="top")
    assert fitted.nobs == len(d) - 1
    assert np.isfinite(mlpool.coef_test(fitted)["SE"]).all()


def test_few_clusters_warn_once_and_say_what_helps():
    d = _data(1)
    with pytest.warns(mlpool.FewClustersWarning, match="vcov='CR2' helps"):
        mlpool.fit("y ~ x + (1 | g)", d, cluster="g")
    with pytest.warns(mlpool.FewClustersWarning, match="ci_method='satterthwaite' helps"):
        mlpool.fit("y ~ x + (1 | g)", d, vcov="CR2")
    m = mlpool.fit("y ~ x + (1 | g)", d)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mlpool.model_parameters(m, vcov="CR2", ci_method="satterthwaite")


def test_too_large_a_cluster_for_cr2(monkeypatch):
    monkeypatch.setattr("mlpool.inference.sandwich.mixed.MAX_CLUSTER_ROWS", 3)
    m = mlpool.fit("y ~ x + (1 | g)", _data(1))
    with pytest.raises(mlpool.NotSupportedError, match="square matrix per cluster"):
        m.vcov("CR2")
    assert np.isfinite(m.vcov("CR3")).all().all()


def test_too_many_crossed_effects(monkeypatch):
    monkeypatch.setattr("mlpool.inference.sandwich.mixed.MAX_CROSSED", 5)
    m = mlpool.fit("y ~ x + (1 | g/h)", _data(1))
    with pytest.raises(mlpool.NotSupportedError, match="random effects of several factors"):
        m.vcov("CR1")


@pytest.mark.parametrize("type_", ["vcovCL", "HC0", "HC2", "CR0", "CR1", "CR1S", "CR2", "CR3"])
@pytest.mark.filterwarnings("ignore")
def test_saturated_models_have_no_standard_errors_by_clusters(type_):
    d = {"y": [1.0, 2.0, 4.0], "x": [0.0, 1.0, 3.0], "z": [1.0, 0.0, 2.0], "g": ["a", "b", "c"]}
    m = mlpool.lm("y ~ x + z", d, vcov=type_, cluster="g")
    assert np.isnan(m.se).all()
    assert "NaN" in str(m.summary())
    assert str(mlpool.model_parameters(m))
