"""compare_pooling against the models it puts side by side, and its properties."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mlpool
from mlpool import compare_pooling

pytestmark = pytest.mark.filterwarnings("ignore::mlpool.SingularFitWarning")


@pytest.fixture(scope="module")
def schools():
    return mlpool.load_data("hsb82")


def test_each_column_is_that_model(schools):
    c = compare_pooling("math ~ ses + gender", schools, group="school")
    table = c.coefficients.to_pandas().set_index("Parameter")
    slopes = ["ses", "genderF"]
    complete = mlpool.lm("math ~ ses + gender", schools)
    no = mlpool.lm("math ~ 0 + factor(school) + ses + gender", schools)
    partial = mlpool.lmer("math ~ ses + gender + (1 | school)", schools)
    np.testing.assert_allclose(table.loc[slopes, "Complete"], complete.fixef()[slopes])
    np.testing.assert_allclose(table.loc[slopes, "Complete_SE"], complete.se[slopes])
    robust = np.sqrt(np.diag(complete.vcov("vcovCL", "school")))
    np.testing.assert_allclose(table["Complete_SE_robust"].iloc[:3], robust)
    np.testing.assert_allclose(table.loc[slopes, "No"], no.fixef()[slopes], rtol=1e-8)
    np.testing.assert_allclose(table.loc[slopes, "No_SE"], no.se[slopes], rtol=1e-8)
    np.testing.assert_allclose(table.loc[slopes, "Partial"], partial.fixef()[slopes])
    np.testing.assert_allclose(table.loc[slopes, "Partial_SE"], partial.se[slopes])
    groups = c.groups.to_pandas()
    dummies = no.fixef().filter(like="factor(school)")
    np.testing.assert_allclose(groups["No"], dummies, rtol=1e-8)
    np.testing.assert_allclose(groups["No_SE"], no.se.filter(like="factor(school)"), rtol=1e-8)
    own = partial.coef()["school"]["(Intercept)"]
    np.testing.assert_allclose(groups["Partial"], own, rtol=1e-10)
    assert (groups["Complete"] == complete.fixef().iloc[0]).all()


def test_slopes_are_each_schools_own_regression(schools):
    c = compare_pooling("math ~ ses", schools, group="school", slopes="ses")
    groups = c.groups.to_pandas().pivot(index="Level", columns="Parameter", values="No")
    for level in ("1224", "9586"):
        part = schools[schools["school"].astype(str) == level]
        want = mlpool.lm("math ~ ses", part).fixef()
        np.testing.assert_allclose(groups.loc[level, want.index], want, rtol=1e-8)
    same = compare_pooling("math ~ ses + (ses | school)", schools)
    pd.testing.assert_frame_equal(same.groups.to_pandas(), c.groups.to_pandas())


def test_partial_pooling_is_the_weighted_mean_without_predictors(schools):
    """Gelman & Hill eq. 12.1: lambda_j times the group's mean, the rest the overall one."""
    c = compare_pooling("math ~ 1", schools, group="school")
    g = c.groups.to_pandas()
    overall = c.partial.fixef().iloc[0]
    weighted = g["Reliability"] * g["No"] + (1 - g["Reliability"]) * overall
    np.testing.assert_allclose(g["Partial"], weighted, rtol=1e-9)
    order = g.sort_values("n")["Reliability"].to_numpy()
    assert (np.diff(order) >= -1e-12).all()  # more rows, more trust
    assert (g["Partial_SE"] < g["No_SE"]).all()


def test_group_level_predictors_belong_to_the_groups_estimate(schools):
    c = compare_pooling("math ~ ses + sector", schools, group="school")
    assert c.no.left_out == ("sectorCatholic",)
    assert "sectorCatholic is not estimable: constant within groups" in str(c.coefficients)
    catholic = schools.groupby("school", observed=True)["sector"].first() == "Catholic"
    g = c.groups.to_pandas().set_index("Level")
    own = c.partial.coef()["school"]["(Intercept)"]
    bonus = c.partial.fixef()["sectorCatholic"] * catholic.to_numpy(dtype=float)
    np.testing.assert_allclose(g["Partial"], own.to_numpy() + bonus, rtol=1e-9)
    # as the partially pooled line is between the group's own line and the line of its sector
    line = c.partial.fixef()["(Intercept)"] + bonus
    share = (g["Partial"] - line) / (g["No"] - line)
    assert 0.5 < np.median(share) < 0.95


def test_cross_level_interactions_belong_to_the_groups_slope(schools):
    c = compare_pooling("math ~ ses * sector + (ses | school)", schools)
    assert c.no.left_out == ("sectorCatholic", "ses:sectorCatholic")
    g = c.groups.to_pandas()
    slopes = g[g["Parameter"] == "ses"].set_index("Level")
    catholic = (schools.groupby("school", observed=True)["sector"].first() == "Catholic").to_numpy()
    want = c.partial.coef()["school"]["ses"] + catholic * c.partial.fixef()["ses:sectorCatholic"]
    np.testing.assert_allclose(slopes["Partial"], want, rtol=1e-8)


def test_no_variance_between_groups_is_complete_pooling():
    rng = np.random.default_rng(1)
    d = pd.DataFrame({"g": np.repeat(np.arange(9), 7), "x": np.tile(np.arange(7.0), 9)})
    d["y"] = rng.normal(size=63)
    d["y"] -= d.groupby("g")["y"].transform("mean")
    c = compare_pooling("y ~ x", d, group="g")
    g = c.groups.to_pandas()
    np.testing.assert_allclose(g["Partial"], g["Complete"], atol=1e-10)
    np.testing.assert_allclose(g["Reliability"], 0.0)
    np.testing.assert_allclose(c.coefficients["Partial"], c.coefficients["Complete"], atol=1e-10)


def test_the_reference_values_of_the_lecture(shared):
    """heck2011, 419 schools: no pooling of nopooling.json, partial pooling of lmm.json."""
    c = compare_pooling("math ~ ses", shared / "data" / "heck2011.csv", group="school")
    assert len(c.groups) == 419
    assert c.coefficients["Complete"].iloc[1] == pytest.approx(4.25467549883181, rel=1e-8)
    assert c.coefficients["Complete_SE"].iloc[1] == pytest.approx(0.1256, abs=5e-4)


def test_rows_with_missing_groups_are_left_out_of_all_three():
    d = mlpool.load_data("sleepstudy").astype({"Subject": object})
    d.loc[[0, 7], "Subject"] = None
    d.loc[20, "Days"] = np.nan
    with pytest.warns(mlpool.MissingDataWarning):
        c = compare_pooling("Reaction ~ Days", d, group="Subject")
    assert c.partial.nobs == c.complete.nobs == c.no.fit.n == 177


def test_groups_without_an_estimate_of_their_own_are_counted():
    d = mlpool.load_data("sleepstudy")
    few = d[(d["Subject"].astype(str) != "308") | (d["Days"] == 3)]
    c = compare_pooling("Reaction ~ Days + (Days | Subject)", few)
    g = c.groups.to_pandas()
    assert g.loc[g["Level"] == "308", "No"].isna().any()
    assert g["Partial"].notna().all()
    assert "1 groups have too few rows" in str(c)


def test_weights_and_polars(schools):
    polars = pytest.importorskip("polars")
    d = mlpool.load_data("sleepstudy").assign(w=lambda d: 1.0 + d["Days"] % 3)
    d["Subject"] = d["Subject"].astype(str)
    pandas = compare_pooling("Reaction ~ Days", d, group="Subject", weights="w")
    other = compare_pooling("Reaction ~ Days", polars.from_pandas(d), group="Subject", weights="w")
    np.testing.assert_allclose(other.groups["No"], pandas.groups["No"])
    dummies = mlpool.lm("Reaction ~ 0 + factor(Subject) + Days", d, weights="w")
    np.testing.assert_allclose(pandas.groups["No_SE"], dummies.se.iloc[:-1], rtol=1e-8)


def test_text_and_html(schools):
    c = compare_pooling("math ~ ses + sector", schools, group="school")
    text = str(c)
    assert text.splitlines()[0] == "# Three Poolings"
    assert "sector [Catholic] |     1.94 | 0.15 |  0.32 |      |      |    2.10 | 0.34" in text
    assert text.endswith("... and 150 more groups in .groups")
    assert repr(c) == text
    html = c._repr_html_()
    assert html.count("<table") == 2
    assert html.endswith("<p>... and 150 more groups in .groups</p>")
    assert len(c.groups.to_pandas()) == 160
    assert c.varying == ("(Intercept)",)


MISTAKES = [
    ({"formula": "math ~ ses"}, mlpool.OptionError, "say by which column"),
    ({"formula": "math ~ ses", "group": 3}, mlpool.OptionError, "must be a column name"),
    ({"formula": "math ~ ses", "group": "scool"}, mlpool.MlpoolError, "scool"),
    (
        {"formula": "math ~ ses + (1 | school)", "group": "school"},
        mlpool.OptionError,
        "has a random part already",
    ),
    (
        {"formula": "math ~ ses + (1 | school) + (1 | sector)"},
        mlpool.NotSupportedError,
        "one grouping factor",
    ),
    ({"formula": "math ~ ses + (0 + ses | school)"}, mlpool.NotSupportedError, "intercepts, as in"),
    (
        {"formula": "math ~ 0 + ses + (1 | school)"},
        mlpool.NotSupportedError,
        "formula with an intercept",
    ),
    (
        {"formula": "math ~ ses", "group": "school", "family": "poisson"},
        mlpool.NotSupportedError,
        "takes no family=",
    ),
    (
        {"formula": "math ~ ses", "group": "school", "cluster": "sector"},
        mlpool.NotSupportedError,
        "takes no cluster=",
    ),
]


@pytest.mark.parametrize(("arguments", "error", "match"), MISTAKES)
def test_mistakes_get_one_sentence(schools, arguments, error, match):
    formula = arguments.pop("formula")
    with pytest.raises(error, match=match):
        compare_pooling(formula, schools, **arguments)
