"""Columns of any name: written in backticks, they survive every verb; coefficients stay apart."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

import mlpool
from mlpool.formula import parse_formula
from mlpool.formula.language.lexer import lex, quote_name, unquote_name

NAMES = (
    "Height (cm)", "Weight [kg]", "a`b", "back\\slash", "cost $", "lambda", "None", "True", "NULL",
    "self", "if", "in", "two words", " padded ", "größe", "体重", "log(x)", "x + y", "y ~ x",
    "(Intercept)", "1st", "a:b", "x|g", "%in%", "it's", 'say "x"', "a,b", "f = 1", "{z}", "c",
    "contr.sum", "T", "pi", "e\u0301", "line\nbreak", ".", "_x", "__x__", "np.log", "x²",
)  # fmt: skip
N = 60
RNG = np.random.default_rng(2)
Y = RNG.normal(size=N) + np.repeat(RNG.normal(size=6), 10)
X = RNG.normal(size=N)
G = np.repeat([*"pqrstu"], 10)


@pytest.mark.parametrize("name", NAMES)
def test_a_quoted_name_reads_back(name):
    (piece,) = lex(quote_name(name), formula="")
    assert unquote_name(piece.text) == name
    (term,) = parse_formula(f"y ~ {quote_name(name)}").fixed.terms
    assert term[0].columns == (name,)
    again = parse_formula(str(parse_formula(f"y ~ {quote_name(name)}")))
    assert again.fixed.terms == (term,)


@pytest.mark.parametrize("name", NAMES)
def test_any_column_survives_every_verb(name, tmp_path):
    data = pd.DataFrame({"out": Y, name: X, "group": G, "z": RNG.normal(size=N)})
    plain = pd.DataFrame({"out": Y, "x": X, "group": G, "z": data["z"]})
    quoted = quote_name(name)
    m = mlpool.lmer(f"out ~ {quoted} + z + (1 | group)", data)
    want = mlpool.lmer("out ~ x + z + (1 | group)", plain)
    np.testing.assert_allclose(m.fixef(), want.fixef(), rtol=1e-9)
    dot = mlpool.lm("out ~ .", data[["out", name, "z"]])
    assert dot.names == ["(Intercept)", quoted, "z"]
    m.save(tmp_path / "m")
    again = mlpool.load_model(tmp_path / "m")
    np.testing.assert_allclose(again.predict(data), want.predict(plain), rtol=1e-9)
    np.testing.assert_allclose(mlpool.update(m, ". ~ . - z").nobs, N)
    assert mlpool.update(dot, ". ~ . - z").names == ["(Intercept)", quoted]
    assert mlpool.standardize(m).names[1] == quoted
    tested = mlpool.linear_hypothesis(m, f"{quoted} = 0")
    assert len(tested.to_pandas())
    for spec in (name, quoted):
        grid = mlpool.estimate_relation(m, spec).to_pandas()
        np.testing.assert_allclose(
            grid["Predicted"], mlpool.estimate_relation(want, "x").to_pandas()["Predicted"]
        )
    for trend in (name, quoted):
        slopes = mlpool.estimate_slopes(m, trend).to_pandas()["Slope"]
        np.testing.assert_allclose(slopes, want.fixef()["x"])
    mlpool.anova(m)
    mlpool.model_parameters(m).to_markdown()
    text = f"out ~ {quoted} + (1 | group)"
    mlpool.compare_pooling(text, data)


@pytest.mark.parametrize("name", NAMES)
def test_any_column_groups_and_responds(name, tmp_path):
    data = pd.DataFrame({name: G, "out": Y, "x": X})
    quoted = quote_name(name)
    m = mlpool.lmer(f"out ~ x + (x | {quoted})", data)
    np.testing.assert_allclose(m.predict(data), m.predict(), rtol=1e-9)
    assert list(mlpool.ranef(m)) == [quoted]
    left = mlpool.lm(f"{quoted} ~ x", pd.DataFrame({name: Y, "x": X}))
    assert mlpool.update(left, ". ~ . + I(x^2)").design.response_name == quoted
    doubled = mlpool.update(left, "I(2 * .) ~ .").fixef()
    np.testing.assert_allclose(doubled, 2 * left.fixef())
    mlpool.compare_pooling("out ~ x", data, group=name)


def test_columns_that_are_no_strings():
    data = pd.DataFrame({("out", 1): Y, ("x", "a"): X, ("x", "b"): X**2})
    m = mlpool.lm("`('out', 1)` ~ `('x', 'a')`", data)
    np.testing.assert_allclose(m.predict(data), m.fitted)
    numbered = pd.DataFrame({0: Y, 1: X, 2: X**2})
    dot = mlpool.lm("`0` ~ .", numbered)
    assert dot.names == ["(Intercept)", "`1`", "`2`"]
    assert mlpool.update(dot, ". ~ . - `2`").names == ["(Intercept)", "`1`"]


def alike() -> pd.DataFrame:
    wave = np.tile(["1", "2", "3"], 20)
    return pd.DataFrame({"y": Y, "wave": pd.Categorical(wave), "wave2": X, "g": G})


@pytest.mark.parametrize("text", ["y ~ wave + wave2", "y ~ wave + wave2 + (1 | g)"])
def test_coefficients_that_r_names_alike_stay_two(text, tmp_path):
    m = mlpool.fit(text, alike())
    assert m.names == ["(Intercept)", "wave[2]", "wave3", "wave2"]
    other = alike().rename(columns={"wave2": "x"})
    want = mlpool.fit(text.replace("wave2", "x"), other)
    np.testing.assert_allclose(m.fixef(), want.fixef(), rtol=1e-9)
    assert m.fixef()["wave2"] == pytest.approx(want.fixef()["x"])
    assert m.vcov().loc["wave[2]", "wave2"] == pytest.approx(want.vcov().loc["wave2", "x"])
    table = mlpool.model_parameters(m).to_pandas()
    assert table.loc[table["Parameter"] == "wave2", "Coefficient"].item() == m.fixef()["wave2"]
    for here, there in (("wave2", "x"), ("wave[2]", "wave2"), ("wave2 = wave[2]", "x = wave2")):
        left, right = (
            mlpool.linear_hypothesis(one, text).to_pandas()
            for one, text in ((m, here), (want, there))
        )
        np.testing.assert_allclose(left["p"], right["p"])
    m.save(tmp_path / "m")
    assert mlpool.load_model(tmp_path / "m").names == m.names


def test_numbers_that_arrive_as_text_are_said():
    data = pd.DataFrame({"y": Y, "g": G, "x": [f"{v:.3f}" for v in X]})
    for column in (data["x"], data["x"].str.replace(".", ","), [".", *data["x"][1:]]):
        with pytest.raises(mlpool.DataError, match=r"write as.numeric\(x\)"):
            mlpool.lm("y ~ x", data.assign(x=column))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", mlpool.MissingDataWarning)
            read = mlpool.lm("y ~ as.numeric(x)", data.assign(x=column))
        known = data.assign(x=X.round(3))[pd.Series(column).to_numpy() != "."]
        np.testing.assert_allclose(read.fixef(), mlpool.lm("y ~ x", known).fixef())
    codes = data.assign(x=np.tile(["1", "2", "3"], 20), ids=[str(1000 + i // 5) for i in range(N)])
    assert mlpool.lm("y ~ x", codes).names == ["(Intercept)", "x2", "x3"]
    assert mlpool.lmer("y ~ 1 + (1 | ids)", codes).nobs == N
    assert len(mlpool.lm("y ~ x", data.astype({"x": "category"}).iloc[:9]).names) == 9


def test_ordered_categories_say_how_they_enter():
    data = pd.DataFrame({"y": Y, "x": X, "g": G})
    data["cut"] = pd.qcut(data["x"], 3, labels=["low", "mid", "high"])
    with pytest.warns(mlpool.MlpoolWarning, match=r"Ordered categories \(cut\) enter as poly"):
        m = mlpool.lm("y ~ cut", data)
    assert m.names == ["(Intercept)", "cut.L", "cut.Q"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        levels = mlpool.lm("y ~ factor(cut, ordered = FALSE)", data)
        mlpool.lm("y ~ ordered(cut)", data)
        named = mlpool.lm("y ~ cut", data, contrasts={"cut": "treatment"})
        mlpool.lm("y ~ cut", data, contrasts={"cut": "poly"})
        mlpool.lm("angle ~ temperature", mlpool.load_data("cake"))
    assert named.names == ["(Intercept)", "cutmid", "cuthigh"]
    np.testing.assert_allclose(levels.fixef(), named.fixef())
    np.testing.assert_allclose(m.fitted, named.fitted)
