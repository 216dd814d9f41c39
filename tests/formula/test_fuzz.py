"""Any text gives a model or one sentence, soon: seeded formulas that nobody would write."""

from __future__ import annotations

import random
import time
import warnings

import numpy as np
import pandas as pd
import pytest

import mlpool
from mlpool.formula.language.safety import CONTRASTS, FUNCTIONS, NUMPY_FUNCTIONS

N = 24
RNG = np.random.default_rng(4)
DATA = pd.DataFrame(
    {
        "y": RNG.normal(size=N), "x": RNG.normal(size=N), "z": RNG.uniform(1, 9, N),
        "k": RNG.integers(1, 5, N).astype("uint8"), "b": RNG.random(N) > 0.5,
        "g": [*"abcd"] * (N // 4), "f": pd.Categorical([*"uvw"] * (N // 3)),
        "o": pd.Categorical([*"lmh"] * (N // 3), [*"lmh"], ordered=True),
        "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(N) % 6, "D"),
        "gap": np.where(np.arange(N) % 7, RNG.normal(size=N), np.nan),
        "odd `name (1)": np.arange(N),
    }
)  # fmt: skip
SECONDS = 5.0
"""A bound that a loaded machine keeps as well; a formula of 20 rows takes milliseconds."""

COLUMNS = [*"yxzkbgfo", "day", "gap", "`odd \\`name (1)`", "nothing"]
CALLS = [*FUNCTIONS, *CONTRASTS, *(f"np.{n}" for n in NUMPY_FUNCTIONS)]
ARGUMENTS = ["df", "degree", "raw", "where", "out", "base", "ref", "levels", "center", "scale", "x"]
CONSTANTS = ["0", "1", "2", "-1", "0.5", "1e9", "1e308", "1e400", "'a'", '"b"', "TRUE", "F", "NULL"]
CONSTANTS += ["c(1, 2)", "c('a', 'b')", "1:4", "1:1e9", "contr.sum", "contr.treatment(3, base = 2)"]
OPERATORS = ["+", "-", "*", "/", "^", "%%", "%/%", "%in%", ":", "==", "<", ">=", "!=", "&", "|"]
SCRAPS = [
    *"()|~+-*/:^`'\"[]{}.,=$@!<>&%\\;#",
    "||",
    "%in%",
    "%%",
    " ",
    "\n",
    "é",
    "\0",
    "1",
    "x",
    "g",
]


def expression(rng: random.Random, depth: int) -> str:
    kind = rng.random()
    if depth == 0 or kind < 0.3:
        return rng.choice(COLUMNS if rng.random() < 0.7 else CONSTANTS)
    if kind < 0.7:
        count = rng.choice([0, 1, 1, 1, 2, 2, 3])
        args = [expression(rng, depth - 1) for _ in range(count)]
        if rng.random() < 0.3:
            args.append(f"{rng.choice(ARGUMENTS)} = {expression(rng, 0)}")
        return f"{rng.choice(CALLS)}({', '.join(args)})"
    sign = rng.choice(["", "", "-", "!"])
    left, right = expression(rng, depth - 1), expression(rng, depth - 1)
    return f"{sign}({left} {rng.choice(OPERATORS)} {right})"


def formula(rng: random.Random) -> str:
    if rng.random() < 0.15:
        return "".join(rng.choice([*SCRAPS, *COLUMNS]) for _ in range(rng.randint(1, 25)))
    terms = [expression(rng, rng.choice([1, 2, 2, 3])) for _ in range(rng.randint(1, 3))]
    if rng.random() < 0.3:
        bar = rng.choice(["|", "||"])
        terms.append(
            f"({rng.choice(terms)} {bar} {rng.choice(['g', 'f', 'g/f', 'day', 'k', 'x'])})"
        )
    left = "y" if rng.random() < 0.8 else expression(rng, 1)
    return f"{left} ~ {rng.choice([' + ', ' * ', ':', ' - ']).join(terms)}"


def attempt(text: str) -> None:
    """Fit a formula: a model, or an error of the package with one sentence."""
    before = DATA.copy()
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mlpool.MlpoolWarning)
        try:
            mlpool.fit(text, DATA)
        except mlpool.MlpoolError as error:
            sentence = str(error).split("\n    ")[0]
            assert sentence.strip(), text
            assert "Kind." not in sentence, text
            assert "object at 0x" not in sentence, text
    assert time.process_time() - start < SECONDS, text
    pd.testing.assert_frame_equal(DATA, before)


@pytest.mark.parametrize("seed", range(6))
def test_any_formula_gives_a_model_or_a_sentence(seed):
    rng = random.Random(seed)
    for _ in range(60):
        attempt(formula(rng))


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 200))
def test_many_more_formulas(seed):
    rng = random.Random(seed)
    for _ in range(300):
        attempt(formula(rng))


LONG = {
    "degree of a polynomial": "y ~ poly(x, 1e9)",
    "powers": "y ~ poly(x, 10000000, raw = TRUE)",
    "columns of a spline": "y ~ bs(x, df = 1000000)",
    "degree of a spline": "y ~ bs(x, degree = 1000000)",
    "signs": "y ~ x" + "+" * 90_000 + "x",
    "random effects": "y ~ x" + "+ (1 | g)" * 3000,
    "interactions": "y ~ " + "*".join(f"I(x + {i})" for i in range(17)),
    "interactions of factors": "y ~ " + "*".join(f"factor(k > {i})" for i in range(12)),
    "a sum inside of I": "y ~ I(" + "+".join(["x"] * 20_000) + ")",
    "terms": "y ~ " + "+".join(["x"] * 40_000),
    "a power": "y ~ x^99999999999999999999",
    "signs inside": "y ~ I(" + "-" * 50_000 + "x)",
    "a name": "y ~ " + "x" * 90_000,
    "a call": "y ~ c(" + ",".join(["1"] * 40_000) + ")",
    "an argument": "y ~ round(x, 1e400)",
    "a range": "y ~ factor(k, levels = 1:1e12)",
}


@pytest.mark.parametrize("what", LONG)
def test_long_texts_and_huge_numbers_take_no_time(what):
    attempt(LONG[what])


def test_a_long_subset():
    m = mlpool.lm("y ~ x", DATA, subset=" & ".join(["x > -9"] * 3000))
    assert m.nobs == N


@pytest.mark.parametrize(
    "text",
    [
        "round(x, 1e400)", "round(x, 'a')", "log(x, 'a')", "log(x, 1)", "poly(x, 'a')",
        "poly(x, 1.5)", "poly(x, x)", "bs(x, df = -1)", "bs(x, degree = -5)",
        "bs(x, knots = c('a'))", "bs(1)", "pmin()", "ifelse(x)", "np.where(x, 0)",
        "C(g, contr.treatment, base = 'a')", "C(g, contr.treatment(9))", "C(g, base = 1e400)",
        "I('a')", "I(x + c(1, 2))", "sqrt(x, 1)", "sqrt()", "np.abs(x, signature = 'foo')",
        "scale(x, scale = 'a')", "scale(1)", "factor(1)", "factor(g, levels = c('a', 'a'))",
        "factor(g, labels = c('a', 'b'))", "relevel(g)", "relevel(g, ref = 'zz')", "log(x = g)",
        "exp(x, x = x)", "x > 1 > 0", "c(1, 2)", "contr.sum", "contr.sum(3)", "'a'",
    ],
)  # fmt: skip
def test_mistaken_arguments_get_a_sentence(text):
    with pytest.raises(mlpool.MlpoolError) as error:
        mlpool.lm(f"y ~ I({text})" if text[0] in "x" else f"y ~ {text}", DATA)
    assert error.value.args[0].split("\n")[0].rstrip().endswith((".", "?"))


def test_half_an_operator_is_not_left_out():
    for text in (
        "y ~ x%%",
        "y ~ x %",
        "y ~ x +",
        "y ~ x:",
        "y ~ * x",
        "y ~ ()",
        "y ~ x ^",
        "y ~ x^z",
    ):
        with pytest.raises(mlpool.FormulaError):
            mlpool.lm(text, DATA)
