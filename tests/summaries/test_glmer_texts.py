"""Texts of generalised mixed models against R's, character by character."""

from __future__ import annotations

import re
from functools import cache

import pytest

import mlpool
from mlpool import model_parameters


@cache
def _cbpp():
    return mlpool.glmer(
        "cbind(incidence, size - incidence) ~ period + (1 | herd)",
        mlpool.load_data("cbpp"),
        family="binomial",
    )


def _lines(text: str) -> list[str]:
    lines = [line.rstrip() for line in text.rstrip("\n").split("\n")]
    return [line for line in lines if not line.startswith("   Data:")]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("glmer_cbpp_model_parameters", {}),
        ("glmer_cbpp_model_parameters_exponentiate", {"exponentiate": True}),
    ],
)
def test_parameters(name, options, shared):
    expected = (shared / "golden" / f"{name}.txt").read_text()
    assert _lines(str(model_parameters(_cbpp(), **options))) == _lines(expected)


def test_summary(shared):
    expected = _lines((shared / "golden" / "glmer_cbpp_summary.txt").read_text())
    got = _lines(str(_cbpp().summary()))
    assert got == expected


PRINT = """\
Generalized linear mixed model fit by maximum likelihood (Laplace Approximation) ['glmerMod']
 Family: binomial  ( logit )
Formula: cbind(incidence, size - incidence) ~ period + (1 | herd)
   Data: cbpp
      AIC       BIC    logLik  deviance  df.resid
 194.0526  204.1793  -92.0263  184.0526        51
Random effects:
 Groups Name        Std.Dev.
 herd   (Intercept) 0.6423
Number of obs: 56, groups:  herd, 15
Fixed Effects:
(Intercept)      period2      period3      period4
    -1.3985      -0.9923      -1.1287      -1.5803"""


def test_print():
    """R's print(m); the numbers are those of the converged optimum."""
    squeezed = [re.sub(r" +", " ", line).strip() for line in _lines(repr(_cbpp()))]
    assert squeezed == [re.sub(r" +", " ", line).strip() for line in _lines(PRINT)]


def test_performance(shared):
    text = (shared / "golden" / "model_performance_glmer.txt").read_text()
    numbers = [float(v) for v in text.rstrip().split("\n")[-1].split("|")[:8]]
    row = mlpool.model_performance(_cbpp()).to_pandas().iloc[0]
    names = ["AIC", "AICc", "BIC", "R2_conditional", "R2_marginal", "ICC", "RMSE", "Sigma"]
    assert [round(float(row[n]), 3) for n in names] == numbers
