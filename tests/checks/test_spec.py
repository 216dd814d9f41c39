"""Sentences that courses print, character by character."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mlpool

sys.path.insert(0, str(Path(__file__).parents[1]))
from conftest import read_shared_csv

CARS = {
    "speed": [4, 4, 7, 7, 8, 9, 10, 10, 10, 11, 11, 12, 12, 12, 12, 13, 13, 13, 13, 14, 14, 14, 14,
              15, 15, 15, 16, 16, 17, 17, 17, 18, 18, 18, 18, 19, 19, 19, 20, 20, 20, 20, 20, 22,
              23, 24, 24, 24, 24, 25],
    "dist": [2, 10, 4, 22, 16, 10, 18, 26, 34, 17, 28, 14, 20, 24, 28, 26, 34, 34, 46, 26, 36, 60,
             80, 20, 26, 54, 32, 40, 32, 40, 50, 42, 56, 76, 84, 36, 46, 68, 32, 48, 52, 56, 64, 66,
             54, 70, 92, 93, 120, 85],
}  # fmt: skip
"""R's cars (Ezekiel 1930)."""


def test_cars() -> None:
    m = mlpool.lm("dist ~ speed", CARS)
    assert str(mlpool.check_heteroscedasticity(m)) == (
        "Warning: Heteroscedasticity (non-constant error variance) detected (p = 0.031)."
    )
    assert str(mlpool.check_normality(m)) == (
        "Warning: Non-normality of residuals detected (p = 0.022)."
    )


def test_heck(fitted: Callable[[str], Any]) -> None:
    check = mlpool.check_heteroscedasticity(fitted("lecture_lm"))
    assert str(check) == (
        "Warning: Heteroscedasticity (non-constant error variance) detected (p < .001)."
    )
    assert not mlpool.check_singularity(fitted("lecture_intercept"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mlpool.SingularFitWarning)  # unless it was fitted before
        slope = fitted("lecture_slope")
    singular = mlpool.check_singularity(slope)
    assert singular
    assert "ses of school is determined by the terms before it" in str(singular)
    assert "Singular fit: ses of school" in mlpool.report(slope).cautions[0]


def test_grouseticks(shared: Path) -> None:
    """R with a converged inner loop: ratio 1.69199, chi-squared 675.10498; ICC 0.773926, 0.537105.

    The course's 0.775 comes of lme4's default tolerance, at which its null model stops early.
    """
    ticks = read_shared_csv(shared, "grouseticks.csv").astype({"YEAR": "category"})
    m = mlpool.glmer("TICKS ~ YEAR + (1 | BROOD)", ticks, "poisson")
    assert (
        str(mlpool.check_overdispersion(m))
        == """\
# Overdispersion test

       dispersion ratio =   1.692
  Pearson's Chi-Squared = 675.105
                p-value = < 0.001

Overdispersion detected."""
    )
    icc = mlpool.icc(m)
    assert icc["ICC_adjusted"][0] == pytest.approx(0.7739255, rel=1e-5)
    assert icc["ICC_unadjusted"][0] == pytest.approx(0.5371053, rel=1e-5)
