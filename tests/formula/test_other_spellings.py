"""Formulas as they are written elsewhere: read, or answered by the spelling that works here."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

import mlpool
from mlpool.errors import FormulaError
from mlpool.formula.language.safety import CODINGS, SPELT_OTHERWISE


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    d = pd.DataFrame({"x": rng.normal(size=60), "f": np.tile(list("abc"), 20)})
    d["g"] = np.repeat(np.arange(10), 6)
    return d.assign(y=d["x"] + rng.normal(size=60) + rng.normal(size=10)[d["g"]])


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("y ~ splines::ns(x, df = 3)", "y ~ ns(x, df = 3)"),
        ("y ~ I(stats::median(x) - x)", "y ~ I(median(x) - x)"),
        ("y ~ base::exp(x) + (1 | base::factor(g))", "y ~ exp(x) + (1 | factor(g))"),
    ],
)
def test_packages_of_functions_are_left_out(theirs: str, ours: str, data: pd.DataFrame) -> None:
    a, b = mlpool.fit(theirs, data), mlpool.fit(ours, data)
    pd.testing.assert_series_equal(a.fixef(), b.fixef())


def test_a_package_before_a_column_is_no_formula(data: pd.DataFrame) -> None:
    with pytest.raises(FormulaError, match="nothing before ':'"):
        mlpool.lm("y ~ stats::x", data)


@pytest.mark.parametrize("name", SPELT_OTHERWISE)
def test_other_functions_are_answered_by_what_is_written_here(
    name: str, data: pd.DataFrame
) -> None:
    bar = name in ("diag", "us")
    formula = f"y ~ x + {name}(x || g)" if bar else f"y ~ {name}(x)"
    with pytest.raises(FormulaError, match=re.escape(SPELT_OTHERWISE[name])):
        mlpool.fit(formula, data)


@pytest.mark.parametrize("name", CODINGS)
def test_names_of_contrasts_are_answered_by_rs(name: str, data: pd.DataFrame) -> None:
    with pytest.raises(FormulaError, match=re.escape(f"C(f, {CODINGS[name]})")):
        mlpool.lm(f"y ~ C(f, {name})", data)
    assert len(mlpool.lm(f"y ~ C(f, {CODINGS[name]})", data).names) == 3


@pytest.mark.filterwarnings("ignore::mlpool.MissingDataWarning")
@pytest.mark.parametrize("hint", sorted(set(SPELT_OTHERWISE.values())))
def test_the_calls_in_the_answers_work(hint: str, data: pd.DataFrame) -> None:
    """Every call of a formula that an answer names is one that formulas read."""
    functions = r"(?:C|relevel|ns|bs|scale|cut|factor|ifelse|as\.numeric)"
    calls = re.findall(rf"(?<![\w.]){functions}\((?:[^()]|\([^()]*\))+\)", hint)
    for call in calls:
        mlpool.lm(f"y ~ {call}", data.assign(x=np.linspace(-0.5, 9.5, 60)))
    assert calls or "`" in hint or "|" in hint or "df.groupby" in hint or "f:g" in hint


def test_a_column_of_such_a_name_is_a_column(data: pd.DataFrame) -> None:
    d = data.assign(Sum=data["x"], lag=data["x"] ** 2)
    assert mlpool.lm("y ~ Sum + lag", d).names == ["(Intercept)", "Sum", "lag"]
    own = mlpool.lm("y ~ lag(x)", data, context={"lag": lambda x: np.roll(x, 1)})
    assert own.names == ["(Intercept)", "lag(x)"]
