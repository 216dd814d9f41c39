"""``us()``, ``diag()``, ``cs()`` and ``ar1()`` around a bar, as lme4 2.0 and glmmTMB read them."""

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


def test_diag_of_a_factor_is_glmmtmbs() -> None:
    """r/covariance_structures.R (glmmTMB 1.1.5); the same as a term for each level."""
    cake = mlpool.load_data("cake")
    m = mlpool.lmer("angle ~ recipe + diag(0 + recipe | replicate)", cake)
    assert m.loglik == pytest.approx(-882.785658627, abs=1e-6)
    assert m.loglik_df == 7
    expected = [5.04288321498, 6.64754071919, 7.17271890962]
    np.testing.assert_allclose(m.varcorr()["replicate"].sd, expected, rtol=1e-4)
    levels = " + ".join(f"as.numeric(recipe == '{level}')" for level in "ABC")
    each = mlpool.lmer(f"angle ~ recipe + diag(0 + {levels} | replicate)", cake)
    assert each.loglik == pytest.approx(m.loglik, abs=1e-8)


def test_one_standard_deviation_is_an_intercept_of_the_cells() -> None:
    cake = mlpool.load_data("cake")
    m = mlpool.lmer("angle ~ recipe + diag(0 + recipe | replicate, hom = TRUE)", cake)
    cells = mlpool.lmer("angle ~ recipe + (1 | recipe:replicate)", cake)
    assert m.loglik == pytest.approx(cells.loglik, abs=1e-8)
    assert m.loglik_df == cells.loglik_df


def test_nested_groups_and_updates_keep_the_structure() -> None:
    nested = parse_formula("y ~ diag(x | a/b)")
    assert [b.text for b in nested.bars] == ["1 | b:a", "0 + x | b:a", "1 | a", "0 + x | a"]
    data = mlpool.load_data("sleepstudy")
    m = mlpool.lmer("Reaction ~ Days + (1 | Subject)", data)
    again = mlpool.update(m, ". ~ . - (1 | Subject) + diag(Days | Subject)")
    assert [b.text for b in again.formula.bars] == ["1 | Subject", "0 + Days | Subject"]


def test_pddiag_of_nlme_has_an_sd_for_each_level() -> None:
    cake = mlpool.load_data("cake")
    m = mlpool.lme("angle ~ recipe", cake, random="~ pdDiag(~ 0 + recipe) | replicate")
    # r/covariance_structures.R has it as glmmTMB's diag()
    assert m.loglik == pytest.approx(-882.785658627, abs=1e-6)


@pytest.mark.parametrize(
    ("formula", "text", "canonical"),
    [
        ("y ~ x + ar1(0+t|g)", "y ~ x + ar1(0 + t | g)", "y ~ 1 + x + ar1(0 + t | g)"),
        ("y ~ ar1(t + 0 | g, hom=FALSE)", "y ~ ar1(t + 0 | g, hom = FALSE)",
         "y ~ 1 + ar1(0 + t | g, hom = FALSE)"),
        ("y ~ ar1(0 + t | g, hom = TRUE)", "y ~ ar1(0 + t | g)", "y ~ 1 + ar1(0 + t | g)"),
        ("y ~ cs(0 + t | g, hom=True)", "y ~ cs(0 + t | g, hom = TRUE)",
         "y ~ 1 + cs(0 + t | g, hom = TRUE)"),
        ("y ~ diag(x | g)", "y ~ diag(x | g)", "y ~ 1 + (1 | g) + diag(0 + x | g)"),
        ("y ~ cs(0 + t | a/b)", "y ~ cs(0 + t | a/b)",
         "y ~ 1 + cs(0 + t | b:a) + cs(0 + t | a)"),
    ],
)  # fmt: skip
def test_texts_read_back(formula: str, text: str, canonical: str) -> None:
    parsed = parse_formula(formula)
    assert (parsed.text, str(parsed)) == (text, canonical)
    assert parse_formula(parsed.text) == parse_formula(canonical) == parsed


def test_structures_are_part_of_a_term() -> None:
    plain, cs = parse_formula("y ~ (0 + t | g)"), parse_formula("y ~ cs(0 + t | g)")
    assert plain != cs
    assert cs != parse_formula("y ~ cs(0 + t | g, hom = TRUE)")


@pytest.mark.parametrize(
    ("formula", "words"),
    [
        ("y ~ us(| g)", "nothing before the bar"),
        ("y ~ diag(x | )", "no grouping factor after the bar"),
        ("y ~ x * diag(x | g)", "can only be added"),
        ("y ~ cs(x)", "around a bar stand"),
        ("y ~ toep(x | g)", "around a bar stand"),
        ("y ~ cs(x | g, hom=3)", "takes hom=TRUE"),
        ("y ~ cs(x | g, 3)", "takes hom=TRUE"),
        ("y ~ us(x | g, hom=TRUE)", "and nothing more"),
        ("y ~ diag(x)", "not a function that formulas know"),
    ],
)
def test_mistakes_are_said(formula: str, words: str) -> None:
    with pytest.raises(mlpool.FormulaError) as caught:
        parse_formula(formula)
    assert words in str(caught.value)
