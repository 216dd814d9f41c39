"""Design matrices against R's ``model.matrix``, laziness, new data, and the rule for missing rows.

R 4.2's names and values come from ``model.matrix(f, df)`` with
``df <- data.frame(Days = 0:7, g = c("a","b","c","a","b","c","a","b"), o = factor(c("l","m","h",
"l","m","h","l","m"), levels = c("l","m","h"), ordered = TRUE), b = rep(c(TRUE, FALSE), 4))``; the
second row is shown.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mlpool.errors import ColumnNotFoundError, DataError, OptionError
from mlpool.formula.design import build_design, model_matrix

R_ROWS = {
    "~ Days * factor(g) + poly(Days, 2) + bs(Days, df = 4) + log(Days + 1)": (
        ["(Intercept)", "Days", "factor(g)b", "factor(g)c", "poly(Days, 2)1", "poly(Days, 2)2"]
        + [f"bs(Days, df = 4){i}" for i in (1, 2, 3, 4)]
        + ["log(Days + 1)", "Days:factor(g)b", "Days:factor(g)c"],
        [1, 1, 1, 0, -0.3858, 0.0772, 0.5306, 0.0991, 0.0058, 0, 0.6931, 1, 0],
    ),
    "~ 0 + g:Days": (["ga:Days", "gb:Days", "gc:Days"], [0, 1, 0]),
    "~ g:Days": (["(Intercept)", "ga:Days", "gb:Days", "gc:Days"], [1, 0, 1, 0]),
    "~ 0 + Days + Days:g + o": (
        ["Days", "ol", "om", "oh", "Days:gb", "Days:gc"],
        [1, 0, 1, 0, 1, 0],
    ),
    "~ o + b": (["(Intercept)", "o.L", "o.Q", "bTRUE"], [1, 0, -0.8165, 0]),
    "~ I(Days > 3) + scale(Days)": (
        ["(Intercept)", "I(Days > 3)TRUE", "scale(Days)"],
        [1, 0, -1.0206],
    ),
}


@pytest.fixture
def df() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "y": np.arange(8.0) ** 1.5,
            "Days": np.arange(8.0),
            "g": list("abcabcab"),
            "o": pd.Categorical(list("lmhlmhlm"), categories=list("lmh"), ordered=True),
            "b": [True, False] * 4,
            "w": np.linspace(1, 2, 8),
        }
    )


@pytest.mark.parametrize("formula", R_ROWS)
def test_names_and_values_of_r(formula, df):
    names, second = R_ROWS[formula]
    matrix = model_matrix(formula, df)
    assert list(matrix.columns) == names
    np.testing.assert_allclose(matrix.iloc[1], second, atol=5e-5)


@pytest.mark.parametrize(
    ("contrast", "names", "rows"),
    [
        ("sum", ["g1", "g2"], [[1, 0], [0, 1], [-1, -1]]),
        ("contr.helmert", ["g1", "g2"], [[-1, -1], [1, -1], [0, 2]]),
        ("treatment", ["gb", "gc"], [[0, 0], [1, 0], [0, 1]]),
    ],
)
def test_contrasts(contrast, names, rows, df):
    matrix = model_matrix("~ g", df, contrasts={"g": contrast})
    assert list(matrix.columns) == ["(Intercept)", *names]
    np.testing.assert_array_equal(matrix.iloc[:3, 1:], rows)


def test_same_design_from_every_frame(df, make_frame):
    if "polars" in str(type(make_frame(df)).__module__):
        df = df.assign(o=df["o"].cat.as_unordered())  # polars has no ordered factors
    formula = "y ~ Days * g + o + b + (Days | g)"
    here, there = build_design(formula, df), build_design(formula, make_frame(df))
    assert here.X.names == there.X.names
    np.testing.assert_array_equal(here.X.dense(), there.X.dense())
    assert here.random[0].levels == there.random[0].levels
    np.testing.assert_array_equal(here.random[0].codes, there.random[0].codes)


def test_blocks_equal_the_whole(df):
    X = build_design("y ~ Days * g + poly(Days, 2) + o:g", df).X
    whole = X.dense()
    np.testing.assert_array_equal(np.vstack([X.rows(0, 3), X.rows(3, 8)]), whole)


@pytest.mark.skipif(int(pd.__version__.partition(".")[0]) < 3, reason="older pandas is copied")
def test_numeric_columns_are_views(df):
    design = build_design("y ~ Days + w", df)
    for part, name in zip(design.X.terms, ("Days", "w"), strict=True):
        assert np.shares_memory(part[0].arrays[0], df[name].to_numpy())
    assert np.shares_memory(design.y, df["y"].to_numpy())


def test_numbers_that_are_levels_sort_as_numbers(df):
    design = build_design("y ~ 1 + (1 | k)", df.assign(k=[10, 9, 2, 10, 9, 2, 1, 1]))
    assert design.random[0].levels == ("1", "2", "9", "10")


def test_terms_come_in_the_order_of_lme4(df):
    d = pd.concat([df, df], ignore_index=True).assign(a=list("xy") * 8, b=list("pppqqqrr") * 2)
    design = build_design("y ~ (1 | a) + (1 | a/b)", d)
    assert [r.group for r in design.random] == ["b:a", "a", "a"]
    assert design.random[0].levels[:3] == ("p:x", "p:y", "q:x")
    assert design.random[1].codes is design.random[2].codes


def test_one_rule_for_missing_values(df):
    d = df.assign(y=df["y"].where(df.index != 0), w=df["w"].where(df.index != 1))
    d["g"] = d["g"].where(d.index != 2)
    d["k"] = pd.Series(list("uvuvuvuv")).where(d.index != 3)
    design = build_design("y ~ Days + (1 | g)", d, weights="w", cluster="k")
    assert (design.n, design.n_missing) == (4, 4)
    assert design.missing_by == {"y": 1, "g": 1, "weights": 1, "k": 1}
    assert list(design.index) == [4, 5, 6, 7]
    with pytest.raises(DataError, match="4 rows have missing values"):
        build_design("y ~ Days + (1 | g)", d, weights="w", cluster="k", na_action="fail")


def test_new_data_is_encoded_as_training_data_was(df):
    design = build_design("y ~ poly(Days, 2) + scale(Days) + g + (Days | g)", df)
    rows = design.new(df.iloc[[6, 1]])
    np.testing.assert_allclose(rows.X, design.X.dense()[[6, 1]], atol=1e-12)
    with pytest.raises(DataError, match="g = 'z', a level that the model does not know"):
        design.new(df.assign(g="z"))
    by_group = build_design("y ~ Days + (1 | g)", df)
    with pytest.raises(DataError, match="allow_new_levels"):
        by_group.new(df.assign(g="z"))
    assert (by_group.new(df.assign(g="z"), allow_new_levels=True).random[0][1] == -1).all()
    with pytest.raises(ColumnNotFoundError, match="no column 'Days'"):
        design.new(df[["g"]])


def test_subset(df):
    for subset in ("Days > 3", df["Days"] > 3, (df["Days"] > 3).to_numpy()):
        assert list(build_design("y ~ Days", df, subset=subset).index) == [4, 5, 6, 7]
    with pytest.raises(DataError, match="subset leaves no rows"):
        build_design("y ~ Days", df, subset="Days > 100")
    with pytest.raises(DataError, match="not true or false"):
        build_design("y ~ Days", df, subset="Days + 1")
    with pytest.raises(DataError, match="subset has 3 values"):
        build_design("y ~ Days", df, subset=[True, False, True])


def test_user_data_is_never_changed(df):
    before = df.copy(deep=True)
    build_design("y ~ scale(Days) + factor(g) + b + (1 | g)", df, weights="w")
    pd.testing.assert_frame_equal(df, before)


@pytest.mark.parametrize(
    ("formula", "options", "error", "match"),
    [
        ("y ~ Dys", {}, ColumnNotFoundError, "Did you mean 'Days'"),
        ("g ~ Days", {}, DataError, "needs numbers"),
        ("y ~ log(g)", {}, DataError, "needs numbers"),
        ("y ~ I(g + 1)", {}, DataError, "arithmetic on a factor"),
        ("y ~ Days", {"weights": "ww"}, ColumnNotFoundError, "weights"),
        ("y ~ Days", {"weights": [1, 2]}, DataError, "weights has 2 values"),
        ("y ~ Days", {"weights": -np.ones(8)}, DataError, "8 are negative"),
        ("y ~ Days", {"weights": np.zeros(8)}, DataError, "all 8 are zero"),
        ("y ~ Days", {"cluster": [1, 2]}, DataError, "cluster has 2 values"),
        ("y ~ g", {"contrasts": {"g": "sums"}}, OptionError, "contr.sum"),
        ("y ~ g", {"contrasts": {"h": "sum"}}, DataError, "not in the formula"),
        ("y ~ Days", {"contrasts": {"Days": "sum"}}, DataError, "numeric"),
        ("y ~ Days", {"na_action": "drop"}, OptionError, "na_action"),
        ("y ~ poly(Days, 9)", {}, DataError, "more than 9 different values"),
        ("y ~ scale(one)", {}, DataError, "SD is zero"),
        ("y ~ (1 | poly(Days, 2))", {}, DataError, "several columns"),
        ("y ~ only", {}, DataError, "fewer than two levels"),
        ("cbind(y, y, y) ~ Days", {}, DataError, "3 columns"),
    ],
)
def test_mistakes_get_one_sentence(formula, options, error, match, df):
    with pytest.raises(error, match=match):
        build_design(formula, df.assign(one=1.0, only="k"), **options)


def test_infinite_values_and_nan_from_a_transform(df):
    with pytest.raises(DataError, match="'log\\(Days\\)' is infinite in 1 rows"):
        build_design("y ~ log(Days)", df)
    with pytest.raises(DataError, match="'Days' is infinite in 1 rows"):
        build_design("y ~ Days", df.assign(Days=[np.inf, *range(7)]))
    design = build_design("y ~ sqrt(Days - 2)", df)
    assert design.missing_by == {"sqrt(Days - 2)": 2}


def test_context_functions(df):
    matrix = model_matrix("~ twice(Days)", df, context={"twice": lambda v: 2 * v})
    np.testing.assert_array_equal(matrix["twice(Days)"], 2 * df["Days"])
