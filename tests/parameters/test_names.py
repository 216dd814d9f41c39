"""Printed names of coefficients, from the records of what columns are and from real designs."""

from __future__ import annotations

import pandas as pd
import pytest

import mlpool
from mlpool import model_parameters
from mlpool.formula.types import ColumnInfo, ColumnPart
from mlpool.parameters.pretty_names import pretty_name, reference_name


def part(text: str, label: str = "", kind: str = "numeric", variable: str = "") -> ColumnPart:
    function = text.partition("(")[0] if "(" in text else ""
    return ColumnPart(
        text=text, variable=variable or text, function=function, kind=kind, label=label
    )  # type: ignore[arg-type]


NAMES = {
    "gender [F]": [part("gender", "F", "factor")],
    "cyl [6]": [part("factor(cyl)", "6", "factor", "cyl")],
    "am [1]": [part("as.factor(am)", "1", "factor", "am")],
    "x [TRUE]": [part("x", "TRUE", "boolean")],
    "flipper len": [part("flipper_len")],
    "female ": [part("`female `", variable="female ")],
    "Petal Length": [part("Petal.Length")],
    "my var [a_b.c]": [part("my_var", "a_b.c", "factor")],
    "ses × gender [F]": [part("ses"), part("gender", "F", "factor")],
    "(hp × wt) × qsec": [part("hp"), part("wt"), part("qsec")],
    "(a × b × c) × d": [part("a"), part("b"), part("c"), part("d")],
    "hp [1st degree]": [part("poly(hp, 2)", "1", "poly", "hp")],
    "hp [2nd degree]": [part("poly(hp, 2, raw = TRUE)", "2", "poly", "hp")],
    "hp [3rd degree]": [part("poly(hp, 3)", "3", "poly", "hp")],
    "hp [11th degree]": [part("poly(hp, 12)", "11", "poly", "hp")],
    "hp [log]": [part("log(hp)", variable="hp")],
    "qsec [sqrt]": [part("sqrt(qsec)", variable="qsec")],
    "x [exp]": [part("exp(x)", variable="x")],
    "log(hp + 1.5)": [part("log(hp + 1.5)", variable="hp")],
    "wt^2": [part("I(wt^2)", variable="wt")],
    "ord [linear]": [part("ord", ".L", "ordered")],
    "ord [quadratic]": [part("ord", ".Q", "ordered")],
    "ord [cubic]": [part("ord", ".C", "ordered")],
    "ord [4th degree]": [part("ord", "^4", "ordered")],
    "wt [>2.5-3]": [part("cut(wt, c(2, 2.5, 3))", "(2.5,3]", "factor", "wt")],
}


@pytest.mark.parametrize("printed", NAMES)
def test_pretty_names(printed: str) -> None:
    assert pretty_name(ColumnInfo(name="raw", parts=tuple(NAMES[printed]))) == printed


def test_intercept_and_reference() -> None:
    assert pretty_name(ColumnInfo(name="(Intercept)")) == "(Intercept)"
    assert reference_name(part("my_period", "2", "factor"), "1") == "my period [1]"


FORMULAS = {
    "y ~ log(x_1)": {"x 1 [log]"},
    "y ~ poly(x_1, 2)": {"x 1 [1st degree]", "x 1 [2nd degree]"},
    "y ~ I(x_1^2) + sqrt(x_1)": {"x_1^2", "x 1 [sqrt]"},
    "y ~ factor(k)": {"k [2]", "k [3]"},
    "y ~ x_1 * f": {"x 1", "f [b]", "x 1 × f [b]"},
    "y ~ flag": {"flag [TRUE]"},
    "y ~ o": {"o [linear]", "o [quadratic]"},
}


@pytest.mark.filterwarnings("ignore:Ordered categories")
@pytest.mark.parametrize("formula", FORMULAS)
def test_names_of_real_designs(formula: str) -> None:
    n = 12
    levels = pd.Categorical(["lo", "mid", "hi"] * 4, categories=["lo", "mid", "hi"], ordered=True)
    data = pd.DataFrame(
        {
            "y": [float((7 * i) % 11) for i in range(n)],
            "x_1": [1.0 + i + (i % 5) for i in range(n)],
            "k": [1, 2, 3] * 4,
            "f": ["a", "a", "b"] * 4,
            "flag": [i % 4 > 1 for i in range(n)],
            "o": levels,
        }
    )
    printed = str(model_parameters(mlpool.lm(formula, data))).split("\n")[2:]
    assert {line.partition(" | ")[0].rstrip() for line in printed} == {
        "(Intercept)",
        *FORMULAS[formula],
    }
