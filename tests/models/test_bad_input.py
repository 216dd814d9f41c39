"""A user's mistakes: one clear sentence each, or the right answer and a warning."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

import mlpool


@pytest.fixture
def df() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    g = np.repeat(np.arange(12), 8)
    x = rng.normal(size=96)
    y = 2 + x + rng.normal(size=12)[g] + rng.normal(size=96)
    return pd.DataFrame({"y": y, "x": x, "g": g, "f": np.tile(list("ab"), 48), "k": g % 3})


MISTAKES = [
    ("y ~ xx + (1 | g)", {}, mlpool.ColumnNotFoundError, "no column 'xx'"),
    ("y ~ x + (1 | gg)", {}, mlpool.ColumnNotFoundError, "Did you mean 'g'"),
    ("y ~ lgo(x)", {}, mlpool.FormulaError, "Did you mean 'log'"),
    ("y ~ (x", {}, mlpool.FormulaError, "never closed"),
    ("y ~ (x | )", {}, mlpool.FormulaError, "no grouping factor"),
    ("y ~ x + (1 | one)", {}, mlpool.DataError, "one level only"),
    ("y ~ x + (1 | row)", {}, mlpool.DataError, "as many levels"),
    ("y ~ x + (1 + x + z | g2)", {}, mlpool.DataError, "random effects for 96 rows"),
    ("f ~ x", {}, mlpool.DataError, "text or a factor"),
    ("f ~ x + (1 | g)", {}, mlpool.DataError, "text or a factor"),
    ("const ~ x + (1 | g)", {}, mlpool.FitError, "is constant"),
    ("gone ~ x", {}, mlpool.DataError, "No row is left"),
    ("inf ~ x", {}, mlpool.DataError, "infinite in 1 rows"),
    ("y ~ x", {"cluster": [1, 2, 3]}, mlpool.DataError, "cluster has 3 values"),
    ("y ~ x", {"cluster": "gg"}, mlpool.ColumnNotFoundError, "cluster"),
    ("y ~ x", {"vcov": "vcovCL"}, mlpool.OptionError, "cluster"),
    ("y ~ x", {"vcov": "HC9"}, mlpool.OptionError, "vcov must be one of"),
    ("y ~ x", {"vcov": np.eye(3)}, mlpool.OptionError, "2 coefficients"),
    ("y ~ x", {"family": "binomal"}, mlpool.OptionError, "binomial"),
    ("y ~ x", {"family": "binomial(logi)"}, mlpool.OptionError, "logit"),
    ("y ~ x", {"engine": "fast"}, mlpool.OptionError, "engine must be one of"),
    ("y ~ x", {"engine": "mlpool"}, mlpool.NotSupportedError, "levels as intercepts"),
    ("y ~ x", {"reml": "yes"}, mlpool.OptionError, "True or False"),
    ("y ~ x + (1 | g)", {"vcov": "HC3"}, mlpool.NotSupportedError, "takes rows as independent"),
    ("y ~ x + (1 | g)", {"cluster": "f"}, mlpool.NotSupportedError, "several clusters of 'f'"),
    ("y ~ x + (1 | g)", {"family": "poisson"}, mlpool.DataError, "needs counts; 'y' has negative"),
    ("y ~ x + (1 | g)", {"control": {"max_evals": 3}}, mlpool.OptionError, "max_evaluations"),
    ("y ~ x + (1 | g)", {"control": 3}, mlpool.OptionError, "control must be"),
    ("y ~ x + (1 | g)", {"control": {"start": (1, 2)}}, mlpool.OptionError, "start must"),
    ("y ~ x + (1 | g)", {"weights": "neg"}, mlpool.DataError, "weights must be positive"),
    ("y ~ x + (1 | g)", {"weights": np.zeros(96)}, mlpool.DataError, "are zero"),
    ("y ~ x + (1|g) + (1|k)", {"engine": "statsmodels"}, mlpool.NotSupportedError, "one grouping"),
    ("y ~ x", {"family": "binomial"}, mlpool.FitError, "between 0 and 1"),
    ("y ~ x", {"family": "poisson"}, mlpool.FitError, "count"),
    ("y ~ x", {"family": "Gamma"}, mlpool.FitError, "positive"),
    ("y ~ 0", {}, mlpool.FitError, "no column to estimate"),
    ("y ~ __import__('os')", {}, mlpool.FormulaError, "not allowed"),
]


@pytest.mark.parametrize(("formula", "options", "error", "match"), MISTAKES)
def test_one_sentence(formula, options, error, match, df):
    d = df.assign(
        one=1, row=np.arange(96), const=1.0, gone=np.nan, inf=[np.inf, *range(95)],
        neg=-1.0, z=np.arange(96) % 5, g2=np.arange(96) // 3,
    )  # fmt: skip
    with pytest.raises(error, match=match) as caught:
        mlpool.fit(formula, d, **options)
    assert isinstance(caught.value, mlpool.MlpoolError)


def test_unknown_arguments(df):
    for verb, formula in (("lm", "y ~ x"), ("glm", "y ~ x"), ("lmer", "y ~ (1 | g)")):
        with pytest.raises(mlpool.OptionError, match=r"has no argument 'weight'. Did you mean"):
            getattr(mlpool, verb)(formula, df, weight="x")
    with pytest.raises(TypeError):
        mlpool.fit("y ~ x", df, weight="x")
    with pytest.raises(mlpool.OptionError, match="use lmer"):
        mlpool.lm("y ~ (1 | g)", df)
    with pytest.raises(mlpool.OptionError, match="use lm"):
        mlpool.lmer("y ~ x", df)
    with pytest.raises(mlpool.OptionError, match="no random effects"):
        mlpool.glm("y ~ (1 | g)", df)
    with pytest.raises(mlpool.DataError, match="data is missing"):
        mlpool.fit("y ~ x", None)


def test_constant_and_collinear_columns_are_dropped_and_named(df):
    d = df.assign(one=1.0, twice=2 * df["x"])
    for formula in ("y ~ x + one + twice", "y ~ x + one + twice + (1 | g)"):
        with pytest.warns(mlpool.RankDeficiencyWarning, match=r"dropped 2 columns.*one, twice"):
            m = mlpool.fit(formula, d)
        assert m.aliased == ("one", "twice")
        assert list(m.fixef().index) == ["(Intercept)", "x"]


def test_rows_left_out_are_counted_and_said(df):
    d = df.astype({"x": float})
    d.loc[[3, 5], "x"] = np.nan
    with pytest.warns(mlpool.MissingDataWarning, match=r"2 of 96 rows .*\(x: 2\)"):
        m = mlpool.fit("y ~ x + (1 | g)", d)
    assert (m.nobs, m.n_missing, list(m.na_rows)) == (94, 2, [3, 5])
    assert list(m.fitted.index) == [i for i in range(96) if i not in (3, 5)]


def test_few_clusters_are_said(df):
    with pytest.warns(mlpool.FewClustersWarning, match="12 clusters"):
        mlpool.fit("y ~ x", df, cluster="g")


def test_singular_fit_is_a_result(df):
    rng = np.random.default_rng(2)
    d = df.assign(y=rng.normal(size=96))
    d["y"] -= d.groupby("g")["y"].transform("mean")
    with pytest.warns(mlpool.SingularFitWarning, match="boundary"):
        m = mlpool.lmer("y ~ x + (1 | g)", d)
    assert m.is_singular and m.theta[0] == pytest.approx(0, abs=1e-6)
    assert m.sigma == pytest.approx(mlpool.lm("y ~ x", d).sigma, rel=1e-8)


def test_constant_response_of_lm_is_said(df):
    with pytest.warns(mlpool.RankDeficiencyWarning, match="is constant"):
        mlpool.lm("c ~ x", df.assign(c=3.0))


def test_column_with_a_trailing_blank(df):
    d = df.rename(columns={"x": "x "})
    with pytest.raises(mlpool.ColumnNotFoundError, match="in backticks"):
        mlpool.fit("y ~ x", d)
    m = mlpool.fit("y ~ `x ` + (1 | g)", d)
    assert list(m.fixef().index) == ["(Intercept)", "`x `"]


def test_extreme_scales_give_the_same_fit(df):
    df = df.assign(y=df["y"] + df["x"] * np.sin(df["g"]))
    m = mlpool.lmer("y ~ x + (x | g)", df)
    scaled = mlpool.lmer("y ~ x + (x | g)", df.assign(x=1e12 * df["x"], y=1e-12 * df["y"]))
    assert not m.is_singular and not scaled.is_singular  # lme4's rule, in units of x's SD
    assert scaled.messages == m.messages == ()
    np.testing.assert_allclose(
        scaled.fixef().to_numpy(), m.fixef().to_numpy() * [1e-12, 1e-24], rtol=1e-6
    )
    np.testing.assert_allclose(scaled.fitted * 1e12, m.fitted, rtol=1e-6)
    shifted = mlpool.lmer("y ~ x + (1 | g)", df.assign(x=1e6 + df["x"]))
    plain = mlpool.lmer("y ~ x + (1 | g)", df)
    assert shifted.fixef()["x"] == pytest.approx(plain.fixef()["x"], rel=1e-8)
    assert shifted.criterion == pytest.approx(plain.criterion, rel=1e-9)


def test_slope_that_is_constant_within_every_cluster(df):
    d = df.assign(level2=df["g"] * 0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mlpool.MlpoolWarning)
        m = mlpool.lmer("y ~ level2 + (level2 | g)", d)
    assert np.isfinite(m.criterion) and m.optimum.converged


def test_a_cluster_of_one_and_nesting_written_as_crossed(df):
    d = df.assign(h=df["g"].where(df.index != 0, 99))
    assert mlpool.lmer("y ~ x + (1 | h)", d).ngroups == {"h": 13}
    nested = df.assign(a=df["g"] // 4, ab=df["g"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mlpool.MlpoolWarning)
        crossed = mlpool.lmer("y ~ x + (1 | ab) + (1 | a)", nested)
        slash = mlpool.lmer("y ~ x + (1 | a/ab)", nested)
    assert crossed.criterion == pytest.approx(slash.criterion, rel=1e-10)


def test_unknown_level_in_new_data(df):
    m = mlpool.lmer("y ~ x + f + (1 | g)", df)
    new = pd.DataFrame({"x": [0.0], "f": ["a"], "g": [77]})
    with pytest.raises(mlpool.DataError, match="g = '77', which was not in the data"):
        m.predict(new)
    with pytest.raises(mlpool.DataError, match="The new data have a row in which g is missing;"):
        m.predict(new.assign(g=[None]))
    assert m.predict(new, allow_new_levels=True)[0] == pytest.approx(m.fixef()["(Intercept)"])
    assert m.predict(new, re_form=False)[0] == pytest.approx(m.fixef()["(Intercept)"])
    with pytest.raises(mlpool.DataError, match="f = 'q', a level that the model does not"):
        m.predict(new.assign(f="q"), allow_new_levels=True)
    with pytest.raises(mlpool.DataError, match="g = '77', which was not in the data"):
        m.predict(new, re_form="~(1|g)")
    with pytest.raises(mlpool.OptionError, match="re_form must be"):
        m.predict(new, re_form=3)


def test_groups_and_kinds_that_are_not_there(df):
    m = mlpool.lmer("y ~ x + (1 | g)", df)
    with pytest.raises(KeyError, match="no grouping factor 'school'"):
        mlpool.ranef(m)["school"]
    with pytest.raises(mlpool.NotSupportedError, match="needs a model with random effects"):
        mlpool.ranef(mlpool.lm("y ~ x", df))
    with pytest.raises(mlpool.NotSupportedError, match="takes rows as independent"):
        m.vcov("HC3")
