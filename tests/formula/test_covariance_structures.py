"""``us(x | g)`` and ``diag(x | g)`` around a bar, as lme4 2.0 and glmmTMB read them."""

from __future__ import annotations

import numpy as np
import pytest

import mlpool
from mlpool.formula.parse import parse_formula


def test_us_is_the_full_covariance() -> None:
    data = mlpool.load_data("sleepstudy")
    plain = mlpool.lmer("Reaction ~ Days + (Days | Subject)", data)
    named = mlpool.lmer("Reaction ~ Days + us(Days | Subject)", data)
    assert named.formula == plain.formula
    assert named.formula.text == plain.formula.text
    np.testing.assert_array_equal(named.theta, plain.theta)


def test_diag_of_numbers_is_glmmtmbs() -> None:
    """r/covariance_structures.R (glmmTMB 1.1.5); its optimum has six digits of the SDs."""
    data = mlpool.load_data("sleepstudy")
    m = mlpool.lmer("Reaction ~ Days + diag(Days | Subject)", data)
    assert m.formula == mlpool.lmer("Reaction ~ Days + (Days || Subject)", data).formula
    assert m.loglik == pytest.approx(-871.834646791, abs=1e-6)
    np.testing.assert_allclose(m.theta * m.sigma, [25.05133731388, 5.98817057595], rtol=1e-4)


def test_diag_of_a_factor_is_said_with_the_spelling_that_is_glmmtmbs() -> None:
    """r/covariance_structures.R (glmmTMB 1.1.5)."""
    cake = mlpool.load_data("cake")
    with pytest.raises(mlpool.DataError, match=r"'0 \+ recipe \| replicate' has 3 columns; write"):
        mlpool.lmer("angle ~ recipe + diag(0 + recipe | replicate)", cake)
    levels = " + ".join(f"as.numeric(recipe == '{level}')" for level in "ABC")
    m = mlpool.lmer(f"angle ~ recipe + diag(0 + {levels} | replicate)", cake)
    assert m.loglik == pytest.approx(-882.785658627, abs=1e-6)
    expected = [5.04288321498, 6.64754071919, 7.17271890962]
    np.testing.assert_allclose(m.theta * m.sigma, expected, rtol=1e-4)


def test_nested_groups_and_updates_keep_the_structure() -> None:
    nested = parse_formula("y ~ diag(x | a/b)")
    assert [b.text for b in nested.bars] == ["1 | b:a", "0 + x | b:a", "1 | a", "0 + x | a"]
    data = mlpool.load_data("sleepstudy")
    m = mlpool.lmer("Reaction ~ Days + (1 | Subject)", data)
    again = mlpool.update(m, ". ~ . - (1 | Subject) + diag(Days | Subject)")
    assert [b.text for b in again.formula.bars] == ["1 | Subject", "0 + Days | Subject"]


def test_pddiag_of_nlme_refuses_factors_too() -> None:
    cake = mlpool.load_data("cake")
    with pytest.raises(mlpool.DataError, match="has 3 columns"):
        mlpool.lme("angle ~ recipe", cake, random="~ pdDiag(~ 0 + recipe) | replicate")


@pytest.mark.parametrize(
    ("formula", "words"),
    [
        ("y ~ us(| g)", "nothing before the bar"),
        ("y ~ diag(x | )", "no grouping factor after the bar"),
        ("y ~ x * diag(x | g)", "can only be added"),
        ("y ~ cs(x | g)", "diag(x | g) for independent"),
        ("y ~ diag(x)", "not a function that formulas know"),
    ],
)
def test_mistakes_are_said(formula: str, words: str) -> None:
    with pytest.raises(mlpool.FormulaError) as caught:
        parse_formula(formula)
    assert words in str(caught.value)
