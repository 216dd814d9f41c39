"""Pooling and standard errors (a Stack Exchange question and its answer): spec section 5.

The asker's 0.2443936 cannot be reproduced by R on these data either; the answer has 4.716.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mlpool

Fitted = Callable[[str], Any]

COMPLETE = """\
Residuals:
    Min      1Q  Median      3Q     Max
-73.903 -23.997   0.006  21.714  98.714

Coefficients:
            Estimate Std. Error t value Pr(>|t|)
(Intercept) 1628.976      2.383   683.6   <2e-16 ***
---
Signif. codes:  0 ‘***’ 0.001 ‘**’ 0.01 ‘*’ 0.05 ‘.’ 0.1 ‘ ’ 1

Residual standard error: 33.7 on 199 degrees of freedom"""

PARTIAL = """\
REML criterion at convergence: 1929.7

Scaled residuals:
    Min      1Q  Median      3Q     Max
-2.1039 -0.7621 -0.1037  0.6983  2.8887

Random effects:
 Groups   Name        Variance Std.Dev.
 groups   (Intercept) 366.2    19.14
 Residual             785.9    28.03
Number of obs: 200, groups:  groups, 20

Fixed effects:
            Estimate Std. Error t value
(Intercept) 1628.976      4.716   345.4"""

EASYSTATS = """\
# Fixed Effects

Parameter   | Coefficient |   SE |             95% CI | t(197) |      p
-----------------------------------------------------------------------
(Intercept) |     1628.98 | 4.72 | [1619.68, 1638.28] | 345.41 | < .001

# Random Effects

Parameter              | Coefficient
------------------------------------
SD (Intercept: groups) |       19.14
SD (Residual)          |       28.03"""


def stripped(text: object) -> str:
    """Without blanks at line ends, as the page shows it."""
    return "\n".join(line.rstrip() for line in str(text).strip("\n").split("\n"))


def test_5_1_no_pooling_standard_errors(dataset: Callable[[str], pd.DataFrame]) -> None:
    m = mlpool.lm("y ~ groups - 1", dataset("stackexchange"))
    errors = np.sqrt(np.diag(mlpool.vcov(m)))
    assert [f"{v:.6f}" for v in errors] == ["8.864905"] * 20
    assert f"{m.sigma:.6f}" == "28.033292"
    assert m.sigma / np.sqrt(10) == pytest.approx(errors[0])


def test_5_2_complete_pooling_summary(fitted: Fitted) -> None:
    text = stripped(mlpool.summary(fitted("se_complete")))
    assert text.endswith(COMPLETE)
    assert text.startswith("Call:\nlm(formula = y ~ 1, data = ")


def test_5_3_partial_pooling_summary(fitted: Fitted) -> None:
    text = stripped(mlpool.summary(fitted("se_partial")))
    assert text.endswith(PARTIAL)
    assert text.startswith(
        "Linear mixed model fit by REML ['lmerMod']\nFormula: y ~ 1 + (1 | groups)\n"
    )


def test_5_3_partial_pooling_unrounded(fitted: Fitted) -> None:
    tau2, sigma2 = mlpool.VarCorr(fitted("se_partial")).to_frame()["vcov"]
    assert f"{tau2:.4f} {sigma2:.4f}" == "366.2307 785.8655"


def test_5_4_formulas_of_the_standard_errors(fitted: Fitted) -> None:
    tau2, sigma2 = mlpool.VarCorr(fitted("se_partial")).to_frame()["vcov"]
    se = mlpool.se_pooling(tau2, sigma2, 20, 10)
    assert {name: f"{value:.6f}" for name, value in se.items()} == {
        "ols": "2.400100",
        "mixed": "4.716022",
        "nopool": "1.982253",
        "nopool_group": "8.864905",
    }
    # The answer's second formula is lmer's SE exactly; the first only comes near lm's.
    assert fitted("se_partial").se.iloc[0] == pytest.approx(se["mixed"], rel=1e-7)
    assert f"{fitted('se_complete').se.iloc[0]:.3f}" == "2.383"


def test_5_5_easystats_view(fitted: Fitted) -> None:
    m = fitted("se_partial")
    assert str(mlpool.model_parameters(m)) == EASYSTATS
    assert "    Adjusted ICC: 0.318\n" in str(mlpool.icc(m))


def test_5_6_the_three_poolings_side_by_side(dataset: Callable[[str], pd.DataFrame]) -> None:
    c = mlpool.compare_pooling("y ~ 1", dataset("stackexchange"), group="groups")
    row = c.coefficients.to_pandas().iloc[0]
    assert f"{row['Complete_SE']:.3f} {row['Partial_SE']:.3f}" == "2.383 4.716"
    groups = c.groups.to_pandas()
    assert {f"{v:.6f}" for v in groups["No_SE"]} == {"8.864905"}
    assert groups["Reliability"].nunique() == 1 or np.ptp(groups["Reliability"]) < 1e-12
