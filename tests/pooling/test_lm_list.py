"""lm_list is lme4's lmList (tests/pooling/r/lm_list.R), and lm() or glm() of each group's rows."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mlpool
from mlpool import lm_list
from mlpool.errors import (
    ColumnNotFoundError,
    ConvergenceWarning,
    FitError,
    FormulaError,
    MissingDataWarning,
    NotSupportedError,
    OptionError,
    RankDeficiencyWarning,
)
from tests.tolerances import REL_GLM, REL_OLS

R = json.loads((Path(__file__).parent / "r" / "lm_list.json").read_text())
CBPP = "cbind(incidence, size - incidence) ~ as.numeric(period) | herd"


def _r(values: Any) -> np.ndarray:
    return np.array(values, dtype=float)


def _few() -> pd.DataFrame:
    """Return Orthodont with groups of one and of two rows, as the R script makes it."""
    d = mlpool.load_data("Orthodont")[["distance", "age", "Subject"]].copy()
    d["Subject"] = d["Subject"].astype(str)
    d = d.drop(index=[1, 2, 3, 6, 7, 8]).reset_index(drop=True)
    d.loc[11, "distance"] = np.nan
    d["w"] = 1 + (np.arange(len(d)) + 1) % 3
    return d


def test_tables_equal_lme4s():
    own = lm_list("Reaction ~ Days | Subject", mlpool.load_data("sleepstudy"))
    r = R["sleep"]
    table = own.to_pandas()
    assert list(own.coef().columns) == r["names"]
    assert list(own.coef().index) == r["levels"]
    shape = (len(own.levels), 2)
    for column, name in {"Coefficient": "estimate", "SE": "se", "t": "t", "p": "p"}.items():
        ours = table[column].to_numpy().reshape(shape)
        np.testing.assert_allclose(ours, _r(r[name]), rtol=REL_OLS, err_msg=column)
    assert own.sigma == pytest.approx(r["sigma"], rel=REL_OLS)
    assert mlpool.sigma(own) == own.sigma
    assert own.df_residual == r["df"] == 144
    assert own.nobs == 180
    slope = ("337", "Days")
    np.testing.assert_allclose(own.confint().loc[slope], r["pooled"], rtol=REL_OLS)
    np.testing.assert_allclose(own.confint(pool=False).loc[slope], r["own"], rtol=REL_OLS)
    pd.testing.assert_frame_equal(mlpool.coef(own), own.coef())
    days = mlpool.confint(own, "Days", level=0.9)
    pd.testing.assert_frame_equal(days, own.confint(0.9).iloc[1::2])
    np.testing.assert_allclose(table["CI_low"], own.confint()["2.5 %"], rtol=1e-14)


def test_groups_of_few_rows_have_what_lme4_has():
    with pytest.warns() as said:
        own = lm_list("distance ~ age + I(age^2) | Subject", _few(), pool=True)
    texts = [str(w.message) for w in said]
    assert sum("do not identify every coefficient" in t for t in texts) == 1
    r = R["few"]
    coef = own.coef().loc[r["levels"]]
    # the coefficient of age^2 is zero in a group, where R has rounding of its sums of about 25
    np.testing.assert_allclose(coef, _r(r["coef"]), rtol=1e-7, atol=1e-13, equal_nan=True)
    order = [list(own.levels).index(level) for level in r["levels"]]
    assert list(own.fits.df_residual[order]) == r["df"]
    # responses are of about 25: rss of an exact fit is the square of their rounding
    np.testing.assert_allclose(own.fits.rss[order], r["rss"], rtol=1e-7, atol=1e-20)
    assert own.df_residual == sum(r["df"])
    assert "do not identify" in str(own)


def test_weighted_groups_are_weighted_least_squares():
    with pytest.warns() as said:
        own = lm_list("distance ~ age | Subject", _few(), weights="w", pool=False)
    assert [w.category for w in said] == [MissingDataWarning, RankDeficiencyWarning]
    levels = sorted(own.levels)
    r, at = R["weighted"], [list(own.levels).index(level) for level in levels]
    np.testing.assert_allclose(own.coef().loc[levels], _r(r["coef"]), rtol=REL_OLS)
    np.testing.assert_allclose(own.fits.rss[at], r["rss"], rtol=1e-7, atol=1e-20)
    np.testing.assert_allclose(own.se.loc[levels], _r(r["se"]), rtol=REL_OLS)


def test_binomial_groups_equal_lme4s():
    with pytest.warns() as said:
        own = lm_list(CBPP, mlpool.load_data("cbpp"), family="binomial")
    assert [w.category for w in said] == [ConvergenceWarning, RankDeficiencyWarning]
    assert "2 groups (9, 14)" in str(said[0].message)
    r = R["cbpp"]
    rest = np.array([level not in ("9", "14") for level in r["levels"]])
    for column, name in {"Coefficient": "estimate", "SE": "se", "z": "t", "p": "p"}.items():
        ours = own.to_pandas()[column].to_numpy().reshape(-1, 2)
        np.testing.assert_allclose(ours[rest], _r(r[name])[rest], rtol=REL_GLM, err_msg=column)
    assert own.sigma == 1.0
    assert np.isinf(own["df"]).all()


def test_gamma_groups_have_their_own_dispersion():
    d = mlpool.load_data("sleepstudy")
    own = lm_list("Reaction ~ Days | Subject", d, family="Gamma(log)", pool=False)
    np.testing.assert_allclose(own.coef(), _r(R["gamma"]["coef"]), rtol=REL_GLM)
    np.testing.assert_allclose(own.se, _r(R["gamma"]["se"]), rtol=REL_GLM)
    pooled = lm_list("Reaction ~ Days | Subject", d, family="Gamma(log)")
    variances = [
        mlpool.glm("Reaction ~ Days", part, family="Gamma(log)").sigma ** 2
        for _, part in d.groupby("Subject", observed=True)
    ]
    assert pooled.sigma == pytest.approx(np.sqrt(np.mean(variances)), rel=REL_GLM)


@pytest.mark.parametrize(
    ("formula", "options"),
    [
        ("distance ~ 0 + age", {}),
        ("log(distance) ~ poly(age, 2)", {}),
        ("distance ~ age + offset(w)", {"weights": "w"}),
    ],
)
def test_each_group_is_lm_of_its_rows(formula, options):
    d = mlpool.load_data("Orthodont").assign(w=lambda x: 1.0 + np.arange(len(x)) % 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RankDeficiencyWarning)
        own = lm_list(formula, d, group="Subject", **options)
        for level in own.levels[:4]:
            # within a group the response moves as the basis of all rows has it
            m = mlpool.lm(formula, d, subset=d["Subject"].astype(str) == level, **options)
            j = list(own.levels).index(level)
            assert own.fits.rss[j] == pytest.approx(m.deviance, rel=REL_OLS)
            assert own.fits.df_residual[j] == m.df_residual
            if "poly" not in formula:
                ours = own.coef().loc[level]
                for name, value in m.fixef().items():
                    assert ours[name] == pytest.approx(value, rel=REL_OLS), name


def test_a_predictor_that_is_constant_within_groups_is_missing():
    d = mlpool.load_data("Orthodont")
    with pytest.warns(RankDeficiencyWarning, match="27 groups"):
        own = lm_list("distance ~ Sex + age | Subject", d)
    without = lm_list("distance ~ age | Subject", d)
    boys = own.coef().index.str.startswith("M")
    assert own.coef()["SexFemale"].isna().all()
    np.testing.assert_allclose(own.coef()["age"], without.coef()["age"], rtol=1e-10)
    assert own.sigma == pytest.approx(without.sigma, rel=1e-10)
    assert boys.sum() == 16


def test_far_away_groups_and_units_keep_their_digits():
    rng = np.random.default_rng(3)
    g = np.repeat(np.arange(6), 8)
    x, e = rng.normal(size=48), rng.normal(size=48)
    near = pd.DataFrame({"g": g, "x": x, "y": 2 * x + e})
    far = near.assign(x=x + 2.0**30 * g, y=near["y"] + 2.0**30 * g)
    base = lm_list("y ~ x | g", near).coef()["x"]
    # 2^30 SDs away a number keeps 52 - 30 bits of what lies within the group
    np.testing.assert_allclose(lm_list("y ~ x | g", far).coef()["x"], base, rtol=1e-5)
    small = lm_list("y ~ x | g", near.assign(y=near["y"] * 2.0**-40, x=x * 2.0**50))
    np.testing.assert_allclose(small.coef()["x"] * 2.0**90, base, rtol=1e-12)
    np.testing.assert_allclose(small["t"], lm_list("y ~ x | g", near)["t"], rtol=1e-10)
    turned = lm_list("y ~ x | g", near.iloc[::-1].assign(g=lambda d: "s" + d["g"].astype(str)))
    np.testing.assert_allclose(turned.coef()["x"], base, rtol=1e-12)


def test_combinations_of_columns_are_groups():
    d = mlpool.load_data("cake")
    own = lm_list("angle ~ temp | recipe:replicate", d)
    assert own.group == "recipe:replicate"
    assert len(own.levels) == 45
    part = d[(d["recipe"].astype(str) == "B") & (d["replicate"].astype(str) == "3")]
    at = next(level for level in own.levels if level in ("B:3", "3:B"))
    want = mlpool.lm("angle ~ temp", part).fixef()
    np.testing.assert_allclose(own.coef().loc[at], want, rtol=REL_OLS)


def test_the_picture_has_a_row_per_group():
    own = lm_list("Reaction ~ Days | Subject", mlpool.load_data("sleepstudy"))
    picture = own.plot()
    assert picture.data["Level"].nunique() == 18
    assert set(picture.data["Parameter"]) == {"(Intercept)", "Days"}


def test_mistakes_are_answered_in_a_sentence():
    d = mlpool.load_data("sleepstudy")
    for formula, text in {
        "Reaction ~ Days": "needs a bar and the grouping column",
        "Reaction ~ (Days | Subject)": "one bar without parentheses",
        "Reaction ~ Days || Subject": "one bar without parentheses",
        "Reaction ~ Days | Subject/Days": "one grouping factor",
    }.items():
        with pytest.raises(FormulaError, match=text):
            lm_list(formula, d)
    with pytest.raises(ColumnNotFoundError, match="subject"):
        lm_list("Reaction ~ Days | subject", d)
    with pytest.raises(OptionError, match=r"drop group="):
        lm_list("Reaction ~ Days | Subject", d, group="Subject")
    with pytest.raises(OptionError, match=r"binomial.* does not have"):
        lm_list(CBPP, mlpool.load_data("cbpp"), family="binomial", pool=True)
    with pytest.raises(OptionError, match=r"no argument .*'reml'"):
        lm_list("Reaction ~ Days | Subject", d, reml=True)
    with pytest.raises(FitError, match="no residual SD to pool"):
        lm_list("Reaction ~ Days | Subject", d.groupby("Subject", observed=True).head(1))
    polars = pytest.importorskip("polars")
    with pytest.raises(NotSupportedError, match="rows in memory"):
        lm_list("Reaction ~ Days | Subject", mlpool.scan(polars.from_pandas(d).lazy()))
    with pytest.raises(OptionError, match=r"summary\(\) needs one fitted model; lm_list"):
        mlpool.summary(lm_list("Reaction ~ Days | Subject", d))
