"""Means as outcomes (EDUC 231D, lecture 4): spec/lectures.md, section 2, second half.

The lecture's children (ECLS-K:2011) are not public. Its regressions are fitted to rows built to
have the printed coefficients, standard errors and residual SD; its model is run on other schools.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mlpool
from tests.tolerances import REL_LMM, REL_LOGLIK, REL_SATTERTHWAITE_DF


def test_2_8_descriptives_by_sector(shared: Path) -> None:
    """The lecture's data are not public; its layout, on Heck's schools by sector."""
    heck = pd.read_csv(shared / "data" / "heck2011.csv", encoding="utf-8-sig")
    with pytest.raises(mlpool.DataError, match="'public' varies within 2 of 419 groups"):
        mlpool.table_one(heck, ["math", "ses"], by="public", group="school")
    heck = heck[~heck["school"].isin([418, 419])]
    table = mlpool.table_one(heck, ["math", "ses"], by="public", group="school")
    schools = heck.groupby("school").agg({"math": "mean", "ses": "mean", "public": "first"})
    row = table.data.query("Variable == 'math' and Group == '1'").iloc[0]
    public = schools.query("public == 1")["math"]
    assert row["Mean"] == pytest.approx(public.mean())
    assert row["SD"] == pytest.approx(public.std())
    assert row["Median"] == pytest.approx(public.median())
    header = str(table).splitlines()[0]
    assert f"1 (N={len(public)})" in header
    assert "Overall (N=417)" in header


def two_groups(n: tuple[int, int], means: tuple[float, float], sigma: float) -> pd.DataFrame:
    """Rows with these group means and this residual SD (n - 2 degrees of freedom), exactly."""
    sector = np.repeat([0, 1], n)
    r = np.concatenate([np.linspace(-1, 1, k) for k in n])
    r *= sigma * np.sqrt((len(r) - 2) / (r @ r))
    return pd.DataFrame({"y": np.array(means)[sector] + r, "sector": sector})


TABLES = {
    "1, students": """\
            | Estimate | Standard Error | t value | Pr(>|t|) |
------------------------------------------------------------------
(Intercept) |   94.847 |          0.175 | 542.565 |   0.0000 | ***
sector      |    6.553 |          0.566 |  11.584 |   0.0000 | ***

Signif. codes: 0 <= '***' < 0.001 < '**' < 0.01 < '*' < 0.05
Residual standard error: 17.51 on 11089 degrees of freedom
Multiple R-squared: 0.01196, Adjusted R-squared: 0.01187
F-statistic: 134.2 on 11089 and 1 DF, p-value: 0.0000""",
    "2, schools": """\
            | Estimate | Standard Error | t value | Pr(>|t|) |
------------------------------------------------------------------
(Intercept) |   94.586 |          0.318 | 297.148 |   0.0000 | ***
sector      |    6.513 |          1.036 |   6.284 |   0.0000 | ***

Signif. codes: 0 <= '***' < 0.001 < '**' < 0.01 < '*' < 0.05
Residual standard error: 8.252 on 740 degrees of freedom
Multiple R-squared: 0.05066, Adjusted R-squared: 0.04938
F-statistic: 39.49 on 740 and 1 DF, p-value: 0.0000""",
}

NAIVE = {
    # name: (sizes, public mean, difference, sigma, printed)
    "1, students": (
        (10032, 1059), 94.847, 6.55342, 17.50917,
        ("94.847 0.175 542.565", "6.553 0.566 11.584",
         "Residual standard error: 17.51 on 11089 degrees of freedom", "0.01196", "0.01187",
         "F-statistic: 134.2"),
    ),
    "2, schools": (
        (672, 70), 94.5858, 6.5126, 8.2516,
        ("94.586 0.318 297.148", "6.513 1.036 6.284",
         "Residual standard error: 8.252 on 740 degrees of freedom", "0.05066", "0.04938",
         "F-statistic: 39.49"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NAIVE)
def test_2_9_naive_approaches(name: str) -> None:
    sizes, public, difference, sigma, printed = NAIVE[name]
    m = mlpool.lm("y ~ sector", two_groups(sizes, (public, public + difference), sigma))
    table = mlpool.model_parameters(m).to_pandas()
    rows = [
        f"{b:.3f} {se:.3f} {t:.3f}"
        for b, se, t in table[["Coefficient", "SE", "t"]].itertuples(index=False)
    ]
    assert rows == list(printed[:2])
    text = str(mlpool.summary(m))
    for part in printed[2:]:
        assert part in text, part
    table_text = str(mlpool.summary_table(m))
    assert "\n".join(line.rstrip() for line in table_text.split("\n")) == TABLES[name]
    # The predicted value of a private school is the sum of both coefficients.
    if name.startswith("1"):
        assert f"{m.predict(pd.DataFrame({'sector': [1]})).iloc[0]:.3f}" == "101.400"


def test_2_9_standard_error_of_the_school_level_difference() -> None:
    """SE = sqrt(8.252^2 / sum (s - mean s)^2), and that sum is 672 * 70 / 742."""
    total = 672 * 70 / 742
    assert f"{total:.3f}" == "63.396"
    assert f"{np.sqrt(8.252**2 / total):.3f}" == "1.036"


def test_2_10_multilevel_arithmetic() -> None:
    """The printed criteria follow from the printed log-likelihood and four parameters."""
    loglik, n = -47021.1, 11091
    assert -2 * loglik + 2 * 4 == pytest.approx(94050.3, abs=0.11)
    assert -2 * loglik + 4 * np.log(n) == pytest.approx(94079.5, abs=0.11)
    for b, se, t in ((94.657, 0.317, 298.818), (6.512, 1.030, 6.323)):
        assert b / se == pytest.approx(t, rel=0.0005 / se)


# --- the same models on public data, by lmerTest ------------------------------------------------

VALUES = json.loads((Path(__file__).parent / "r" / "means_as_outcomes.json").read_text())


def check(m: Any, name: str) -> None:
    r = VALUES[name]
    table = mlpool.model_parameters(m, ci_method="satterthwaite", effects="fixed").to_pandas()
    assert table["Parameter"].tolist() == r["terms"]
    np.testing.assert_allclose(table["Coefficient"], r["estimate"], rtol=REL_LMM)
    np.testing.assert_allclose(table["SE"], r["se"], rtol=REL_LMM)
    np.testing.assert_allclose(table["df_error"], r["df"], rtol=REL_SATTERTHWAITE_DF)
    np.testing.assert_allclose(mlpool.VarCorr(m).to_frame()["sdcor"], r["sds"], rtol=REL_LMM)
    assert [m.loglik, m.aic, m.bic] == pytest.approx(
        [*r["loglik"], *r["aic"], *r["bic"]], rel=REL_LOGLIK
    )


@pytest.mark.parametrize("terms", ["", "sector + ", "sector + meanses + "])
def test_2_10_multilevel_model_of_bundled_schools(terms: str) -> None:
    m = mlpool.lmer(f"math ~ {terms}(1 | school)", mlpool.load_data("hsb82"))
    name = "_".join(["hsb82", *terms.replace(" ", "").strip("+").split("+")])
    check(m, name if terms else "hsb82_null")


def test_2_11_exercise_school_mean_ses(dataset: Any) -> None:
    """School means by groupby.transform, centred at the grand mean, as a level-2 predictor."""
    heck = dataset("heck")
    check(mlpool.lmer("math ~ public + (1 | school)", heck), "heck_public")
    means = heck.groupby("school", observed=True)["ses"].transform("mean")
    data = heck.assign(schmeansesc=means - heck["ses"].mean())
    m = mlpool.lmer("math ~ public + schmeansesc + (1 | school)", data)
    check(m, "heck_public_schmeansesc")
    # The sectors hardly differ once the schools' mean SES is held constant.
    assert abs(m.fixef()["public"]) < 2 * m.se["public"]
