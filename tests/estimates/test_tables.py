"""Grids, tables and footers as spec/tables.md 6 has them; predictions with random effects."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest

import mlpool
from mlpool.estimates.grids.grid_language import read_focal
from mlpool.estimates.grids.variables import model_variables


@pytest.fixture(scope="module")
def heck(shared):
    d = pd.read_csv(shared / "data" / "heck2011.csv", encoding="utf-8-sig")
    d["gender"] = mlpool.factor(d["female"], levels=[0, 1], labels=["M", "F"])
    return d.assign(school=mlpool.factor(d["school"]))


@pytest.fixture(scope="module")
def hsb():
    return mlpool.load_data("hsb82")


def test_the_lecture_s_relation(heck):
    """tables.md 6.8, lectures.md 1: 19 rows, boys' line ends at 1.873, girls' at 1.397."""
    m = mlpool.lm("math ~ 1 + ses + gender", heck)
    table = mlpool.estimate_relation(m, by=["ses", "gender"], vcov="vcovCL", cluster="school")
    grid = [-2.414, -1.938, -1.461, -0.985, -0.509, -0.032, 0.444, 0.920, 1.397, 1.873]
    assert list(table["ses"]) == grid + grid[:-1]
    assert list(table["gender"]) == ["M"] * 10 + ["F"] * 9
    rows = table.to_pandas().set_index(["gender", "ses"])[["Predicted", "CI_low", "CI_high"]]
    np.testing.assert_allclose(rows.loc[("M", -2.414)], [47.929, 47.071, 48.788], atol=1e-3)
    np.testing.assert_allclose(rows.loc[("M", 1.397)], [64.038, 63.594, 64.481], atol=1e-3)
    np.testing.assert_allclose(rows.loc[("F", -2.414)], [46.867, 46.013, 47.720], atol=1e-3)
    everything = mlpool.estimate_relation(m, by=["ses", "gender"], preserve_range=False)
    assert len(everything) == 20


@pytest.mark.parametrize("formula", ["math ~ ses + school", "math ~ ses * school"])
def test_relations_of_419_schools(heck, formula):
    m = mlpool.lm(formula, heck)
    table = mlpool.estimate_relation(m, by=["ses", "school"])
    assert len(table) == 1875 and table["school"].nunique() == 419
    frame = table.to_pandas()
    expected = m.predict(frame[["ses", "school"]])
    np.testing.assert_allclose(frame["Predicted"], expected, rtol=1e-9)


def test_slopes_of_419_schools(heck):
    start = time.perf_counter()
    m = mlpool.lm("math ~ ses * school", heck)
    table = mlpool.estimate_slopes(m, trend="ses", by="school")
    assert time.perf_counter() - start < 30, "an order of magnitude above what it takes"
    lines = str(table).splitlines()
    assert lines[:4] == [
        "Estimated Marginal Effects",
        "",
        "school |     Slope |   SE |          95% CI |   t(6033) |      p",
        "----------------------------------------------------------------",
    ]
    assert lines[4] == "1      |      2.05 | 4.69 | [ -7.14, 11.24] |      0.44 |  0.662"
    assert lines[35] == "32     |      0.00 | 3.32 | [ -6.50,  6.50] |      0.00 | > .999"
    assert lines[-2:] == ["Marginal effects estimated for ses", "Type of slope was dY/dX"]
    own = {
        str(school): np.polyfit(part["ses"], part["math"], 1)[0]
        for school, part in heck.groupby("school", observed=True)
    }
    np.testing.assert_allclose(
        table["Slope"], [own[s] for s in table["school"]], rtol=1e-8, atol=1e-9
    )
    p = table["p"]
    assert [(p < 0.05).sum(), (mlpool.p_adjust(p, "holm") < 0.05).sum()] == [68, 4]
    assert (mlpool.estimate_slopes(m, "ses", "school", p_adjust="fdr")["p"] < 0.05).sum() == 10


@pytest.mark.parametrize(
    ("spec", "values"),
    [
        ("x", np.round(np.linspace(0, 10, 10), 3)),
        ("x = [quartiles]", [2.5, 5, 7.5]),
        ("x=[fivenum]", [0, 2.5, 5, 7.5, 10]),
        ("x = [terciles]", [3.333, 6.667]),
        ("x = [terciles2]", [0, 3.333, 6.667, 10]),
        ("x = [minmax]", [0, 10]),
        ("x = [zeromax]", [0, 10]),
        ("x = [mean]", [5]),
        ("x = [median]", [5]),
        ("x = [pretty]", [0, 2, 4, 6, 8, 10]),
        ("x = c(1, 2)", [1, 2]),
        ("x = [1, 2.5]", [1, 2.5]),
        ("x = 1:3", [1, 2, 3]),
        ("x = 3:1", [3, 2, 1]),
        ({"x": [1, 2]}, [1, 2]),
        ({"x": 4}, [4]),
        ("k", [0, 1, 2]),
        ("b", ["FALSE", "TRUE"]),
        ("f = [b, a]", ["b", "a"]),
        ("f = ['a']", ["a"]),
        ("`odd name`", np.round(np.linspace(0, 10, 10), 3)),
    ],
)
def test_grid_language(spec, values):
    x = np.linspace(0, 10, 41)
    rng = np.random.default_rng(1)
    d = pd.DataFrame({"x": x, "odd name": x[::-1], "k": np.arange(41) % 3, "b": x > 5})
    d["f"] = np.where(np.arange(41) % 2, "a", "b")
    d["y"] = rng.normal(size=41)
    m = mlpool.lm("y ~ x + k + b + f + sqrt(`odd name`)", d)
    (focal,) = read_focal(spec, model_variables(m))
    assert (
        list(focal.values) == pytest.approx(list(values))
        if focal.variable.is_numeric
        else (list(focal.values) == list(values))
    )


def test_sd_and_mad_tokens(hsb):
    m = mlpool.lm("math ~ ses", hsb)
    x = hsb["ses"].to_numpy()
    (sd,) = read_focal("ses = [sd]", model_variables(m))
    np.testing.assert_allclose(
        sd.values, x.mean() + np.array([-1, 0, 1]) * x.std(ddof=1), atol=6e-4
    )
    (mad,) = read_focal("ses = [mad]", model_variables(m))
    spread = 1.4826 * np.median(np.abs(x - np.median(x)))
    np.testing.assert_allclose(mad.values, np.median(x) + np.array([-1, 0, 1]) * spread, atol=6e-4)


def test_levels_that_are_numbers_come_in_numeric_order():
    d = pd.DataFrame({"g": np.repeat([1, 2, 10], 6), "y": np.arange(18.0) ** 2})
    table = mlpool.estimate_means(mlpool.lm("y ~ factor(g)", d), by="g")
    assert [str(v) for v in table["g"]] == ["1", "2", "10"]
    np.testing.assert_allclose(table["Mean"], d.groupby("g")["y"].mean())


TITLES = {
    "typical": ("Estimated Marginal Means", "Marginal Contrasts Analysis"),
    "average": ("Average Predictions", "Averaged Contrasts Analysis"),
    "specific": ("Model-based Predictions", "Model-based Contrasts Analysis"),
    "population": (
        "Average Counterfactual Predictions",
        "Counterfactual Contrasts Analysis (G-computation)",
    ),
}


@pytest.mark.parametrize("estimate", sorted(TITLES))
def test_titles_and_footers(hsb, estimate):
    m = mlpool.lm("math ~ ses + gender + sector", hsb)
    means = str(mlpool.estimate_means(m, by="gender", estimate=estimate)).splitlines()
    contrasts = str(mlpool.estimate_contrasts(m, "gender", estimate=estimate)).splitlines()
    assert (means[0], contrasts[0]) == TITLES[estimate]
    assert "p" not in means[2].split(" | ")[-1]
    others = {
        "typical": ["Predictors averaged: ses (0.00014), sector"],
        "average": [],
        "specific": ["Predictors controlled: ses (0.00014), sector (Public)"],
        "population": ["Predictors averaged: ses, sector"],
    }[estimate]
    lines = ["Variable predicted: math", "Predictors modulated: gender", *others]
    assert means[-len(lines) :] == lines
    lines = ["Variable predicted: math", "Predictors contrasted: gender", *others]
    assert contrasts[-len(lines) - 1 :] == [*lines, "p-values are uncorrected."]


def test_averages_by_hand(hsb):
    m = mlpool.glm("I(math > 12) ~ ses * gender + sector", hsb, "binomial")
    fitted = m.fitted.to_numpy()
    average = mlpool.estimate_means(m, by="gender", estimate="average")
    expected = [fitted[hsb["gender"] == g].mean() for g in ("M", "F")]
    np.testing.assert_allclose(average["Probability"], expected, rtol=1e-10)
    population = mlpool.estimate_means(m, by="gender", estimate="population")
    expected = [m.predict(hsb.assign(gender=g), type="response").mean() for g in ("M", "F")]
    np.testing.assert_allclose(population["Probability"], expected, rtol=1e-10)
    assert str(average).endswith("Predictions are on the response-scale.")
    text = str(mlpool.estimate_contrasts(m, "gender"))
    assert text.endswith("Contrasts are on the response-scale (in %-points).")


def test_select_minimal(hsb):
    """tables.md 6.11: two in one, p with its zero."""
    m = mlpool.lm("math ~ ses + gender", hsb)
    text = str(mlpool.estimate_contrasts(m, "gender").select("minimal")).splitlines()
    assert text[2].split(" | ") == ["Level1", "Level2", "     Difference (CI)", "     p"]
    assert text[4].endswith("| <0.001")


def test_vcov_and_df_of_every_kind(hsb):
    m = mlpool.lm("math ~ ses + gender", hsb)
    table = mlpool.estimate_slopes(
        m, "ses", vcov="CR2", cluster="school", ci_method="satterthwaite"
    )
    row = (
        mlpool.model_parameters(m, vcov="CR2", cluster="school", ci_method="satterthwaite")
        .to_pandas()
        .set_index("Parameter")
        .loc["ses"]
    )
    assert table["SE"].iloc[0] == pytest.approx(row["SE"])
    assert table["df"].iloc[0] == pytest.approx(row["df_error"])
    assert any("CR2" in note for note in table.notes)
    mixed = mlpool.lmer("math ~ ses + gender + (ses | school)", hsb)
    for method in ("satterthwaite", "kenward", "normal", None):
        slope = mlpool.estimate_slopes(mixed, "ses", ci_method=method).to_pandas().iloc[0]
        row = mlpool.model_parameters(mixed, ci_method=method, effects="fixed").to_pandas()
        row = row.set_index("Parameter").loc["ses"]
        assert slope["SE"] == pytest.approx(row["SE"], rel=1e-9)
        assert slope["CI_low"] == pytest.approx(row["CI_low"], rel=1e-7)


# --- random effects --------------------------------------------------------------------------


def _henderson(m, X, Z, Xnew, Znew, G, R):
    """Return prediction variances from the full mixed model equations."""
    W = np.hstack([X, Z])
    inverse = np.linalg.inv(
        W.T @ np.linalg.solve(R, W)
        + np.block(
            [
                [np.zeros((X.shape[1],) * 2), np.zeros((X.shape[1], Z.shape[1]))],
                [np.zeros((Z.shape[1], X.shape[1])), np.linalg.inv(G)],
            ]
        )
    )
    L = np.hstack([Xnew, Znew])
    return np.einsum("ia,ab,ib->i", L, inverse, L)


def test_relation_with_random_effects_equals_henderson():
    d = mlpool.load_data("sleepstudy")
    m = mlpool.lmer("Reaction ~ Days + (Days | Subject)", d)
    table = mlpool.estimate_relation(m, by=["Days = [0, 4]", "Subject"]).to_pandas()
    expected = m.predict(table[["Days", "Subject"]])
    np.testing.assert_allclose(table["Predicted"], expected, rtol=1e-10)
    levels = list(m.ranef()["Subject"].index)
    X = np.column_stack([np.ones(len(d)), d["Days"]])
    D = m.varcorr().blocks[0].vcov
    codes = np.array([levels.index(str(s)) for s in d["Subject"]])

    def random(days, group):
        Z = np.zeros((len(days), 2 * len(levels)))
        for i, (x, g) in enumerate(zip(days, group, strict=True)):
            Z[i, 2 * g : 2 * g + 2] = [1.0, x]
        return Z

    new = np.array([levels.index(str(s)) for s in table["Subject"]])
    Xnew = np.column_stack([np.ones(len(table)), table["Days"]])
    variance = _henderson(
        m, X, random(d["Days"], codes), Xnew, random(table["Days"], new),
        np.kron(np.eye(len(levels)), D), m.sigma**2 * np.eye(len(d)),
    )  # fmt: skip
    np.testing.assert_allclose(table["SE"], np.sqrt(variance), rtol=1e-6)
    total = mlpool.estimate_grouplevel(m, "total").to_pandas()
    intercepts = total[total["Parameter"] == "(Intercept)"]["SE"].to_numpy()
    np.testing.assert_allclose(table[table["Days"] == 0]["SE"], intercepts, rtol=1e-9)
    assert "Random effects included: Subject" in str(
        mlpool.estimate_relation(m, by=["Days", "Subject = [308]"])
    )
    assert "Population level" in str(mlpool.estimate_relation(m, by="Days"))


def test_crossed_effects_have_joint_errors():
    d = mlpool.load_data("Penicillin")
    m = mlpool.lmer("diameter ~ 1 + (1 | plate) + (1 | sample)", d)
    table = mlpool.estimate_relation(m, by=["plate", "sample"]).to_pandas()
    assert len(table) == 144
    plates, samples = (list(m.ranef()[g].index) for g in ("plate", "sample"))

    def random(frame):
        Z = np.zeros((len(frame), len(plates) + len(samples)))
        Z[np.arange(len(frame)), [plates.index(str(v)) for v in frame["plate"]]] = 1
        Z[np.arange(len(frame)), [len(plates) + samples.index(str(v)) for v in frame["sample"]]] = 1
        return Z

    sd = {b.group: b.sd[0] for b in m.varcorr().blocks}
    G = np.diag([sd["plate"] ** 2] * len(plates) + [sd["sample"] ** 2] * len(samples))
    one = np.ones((len(d), 1))
    variance = _henderson(
        m, one, random(d), np.ones((len(table), 1)), random(table), G,
        m.sigma**2 * np.eye(len(d)),
    )  # fmt: skip
    np.testing.assert_allclose(table["SE"], np.sqrt(variance), rtol=1e-6)


def test_prediction_intervals():
    d = mlpool.load_data("sleepstudy")
    ols = mlpool.lm("Reaction ~ Days", d)
    table = mlpool.estimate_prediction(ols, by="Days = [3]")
    at = np.array([1.0, 3.0])
    variance = at @ np.asarray(ols.vcov()) @ at
    assert table["SE"].iloc[0] == pytest.approx(np.sqrt(variance + ols.sigma**2))
    m = mlpool.lmer("Reaction ~ Days + (Days | Subject)", d)
    new = mlpool.estimate_prediction(m, by="Days = [3]")
    V, D = np.asarray(m.vcov()), m.varcorr().blocks[0].vcov
    assert new["SE"].iloc[0] == pytest.approx(np.sqrt(at @ (V + D) @ at + m.sigma**2))
    known = mlpool.estimate_prediction(m, by=["Days = [3]", "Subject = [308]"])
    relation = mlpool.estimate_relation(m, by=["Days = [3]", "Subject = [308]"])
    assert known["SE"].iloc[0] == pytest.approx(np.sqrt(relation["SE"].iloc[0] ** 2 + m.sigma**2))
    assert "prediction intervals" in str(new)


def test_drawn_prediction_intervals_are_seeded():
    d = mlpool.load_data("cbpp")
    m = mlpool.glmer("incidence ~ period + (1 | herd)", d, family="poisson")
    first = mlpool.estimate_prediction(m, by="period", seed=3)
    second = mlpool.estimate_prediction(m, by="period", seed=3)
    pd.testing.assert_frame_equal(first.to_pandas(), second.to_pandas())
    mean = mlpool.estimate_expectation(m, by="period")
    assert (first["CI_high"] > mean["CI_high"]).all()
    with pytest.raises(mlpool.OptionError, match="single outcomes are on the scale"):
        mlpool.estimate_prediction(m, by="period", predict="link")


def test_totals_of_a_generalised_model_equal_their_working_model():
    d = mlpool.load_data("cbpp")
    m = mlpool.glmer("cbind(incidence, size - incidence) ~ period + (1 | herd)", d, "binomial")
    total = mlpool.estimate_grouplevel(m, "total").to_pandas()
    relation = mlpool.estimate_link(m, by=["period = [1]", "herd"]).to_pandas()
    np.testing.assert_allclose(relation["Predicted"], total["Coefficient"], rtol=1e-9)
    np.testing.assert_allclose(relation["SE"], total["SE"], rtol=1e-9)
    assert (relation["SE"] > m.ranef().cond_sd["herd"]["(Intercept)"].to_numpy()).all()


def test_data_based_versions(hsb):
    m = mlpool.lmer("math ~ ses + (1 | school)", hsb)
    table = mlpool.estimate_expectation(m)
    np.testing.assert_allclose(table["Predicted"], m.fitted, rtol=1e-10)
    np.testing.assert_allclose(table["Residuals"], m.resid, atol=1e-9)
    assert "Random effects included: school" in str(table)
    new = hsb.head(3).assign(school=["new", *hsb["school"][1:3]])
    strange = mlpool.estimate_expectation(m, data=new)
    np.testing.assert_allclose(strange["Predicted"], m.predict(new, re_form=False))
    assert "some rows' school is not in the model's data" in str(strange)
    robust = mlpool.estimate_expectation(m, cluster="school")
    np.testing.assert_allclose(robust["Predicted"], m.predict(re_form=False), rtol=1e-10)
    population = mlpool.estimate_expectation(m, include_random=False)
    np.testing.assert_allclose(population["Predicted"], m.predict(re_form=False), rtol=1e-10)
    rows = mlpool.estimate_relation(m, data=hsb.head(3))
    np.testing.assert_allclose(rows["Predicted"], table["Predicted"].iloc[:3])
    g = mlpool.glm("I(math > 12) ~ ses", hsb, "binomial")
    link = mlpool.estimate_link(g, by="ses = [0]")
    assert link["Predicted"].iloc[0] == pytest.approx(g.fixef().iloc[0])


@pytest.mark.parametrize("backend", ["polars", "pyarrow", "dict"])
def test_other_frames(hsb, backend):
    small = hsb.head(600)
    m = mlpool.lm("math ~ ses + gender", small)
    other = {name: small[name].astype(object if small[name].dtype == "category" else float)
             for name in ("math", "ses", "gender")}  # fmt: skip
    if backend != "dict":
        module = pytest.importorskip(backend)
        columns = {k: list(v) for k, v in other.items()}
        other = module.DataFrame(columns) if backend == "polars" else module.table(columns)
    again = mlpool.lm("math ~ ses + gender", other)
    first = mlpool.estimate_slopes(m, "ses").to_pandas()
    pd.testing.assert_frame_equal(first, mlpool.estimate_slopes(again, "ses").to_pandas())
    means = mlpool.estimate_means(again, by="gender")
    assert set(means["gender"]) == {"M", "F"}


def test_an_intercept_alone_has_a_mean(hsb):
    m = mlpool.lmer("math ~ 1 + (1 | school)", hsb)
    for table, value in ((mlpool.estimate_means(m), "Mean"),
                         (mlpool.estimate_relation(m), "Predicted")):  # fmt: skip
        assert table[value].to_list() == pytest.approx([m.fixef().iloc[0]])
        assert table["SE"].to_list() == pytest.approx([m.se.iloc[0]])
        assert "modulated" not in str(table)


def test_names_with_blanks_and_numbers_as_levels():
    rng = np.random.default_rng(5)
    d = pd.DataFrame({"female ": rng.integers(0, 2, 60), "g": np.repeat([1, 2, 10], 20)})
    d["y"] = d["female "] + rng.normal(size=60)
    m = mlpool.lm("y ~ `female ` + factor(g)", d)
    for name in ("female ", "`female `"):
        table = mlpool.estimate_contrasts(m, name)
        assert table["Difference"].iloc[0] == pytest.approx(m.fixef().iloc[1])
    assert str(mlpool.estimate_means(m, by="g")).splitlines()[4].startswith("1  | ")


def test_footers_name_a_robust_covariance(hsb):
    m = mlpool.lm("math ~ ses + gender", hsb)
    asked = {"vcov": "CR2", "cluster": "school"}
    for table in (
        mlpool.estimate_means(m, by="gender", **asked),
        mlpool.estimate_contrasts(m, "gender", **asked),
        mlpool.estimate_slopes(m, "ses", **asked),
        mlpool.estimate_relation(m, by="gender", **asked),
    ):
        assert "Standard errors are robust (CR2" in str(table)
        assert "robust" not in str(mlpool.estimate_means(m, by="gender"))
    fitted = mlpool.lm("math ~ ses", hsb, cluster="school")
    assert "Standard errors are robust" in str(mlpool.estimate_slopes(fitted))


def test_groups_have_the_models_own_errors(hsb):
    """A covariance chosen at fit time is of fixed effects; predictions of groups do not use it."""
    plain = mlpool.lmer("math ~ ses + (1 | school)", hsb)
    robust = mlpool.fit("math ~ ses + (1 | school)", hsb, cluster="school")
    by = ["ses = [0]", "school = [1224, 1288]"]
    table = mlpool.estimate_relation(robust, by=by)
    assert table["SE"].to_list() == mlpool.estimate_relation(plain, by=by)["SE"].to_list()
    assert "robust" not in str(table)
    assert "Standard errors are robust" in str(mlpool.estimate_relation(robust, by="ses"))


def test_contrasts_of_several_families_with_an_empty_cell():
    rng = np.random.default_rng(6)
    d = pd.DataFrame({"f": list("aabbcc") * 8, "h": list("uvuvuu") * 8, "y": rng.normal(size=48)})
    with pytest.warns(mlpool.RankDeficiencyWarning):
        m = mlpool.lm("y ~ f * h", d)
    table = mlpool.estimate_contrasts(m, "f", by="h").to_pandas()
    cells = d.groupby(["f", "h"])["y"].mean()
    for row in table.itertuples():
        if "c" in (row.Level1, row.Level2) and row.h == "v":
            assert np.isnan(row.Difference) and np.isnan(row.SE)
        else:
            expected = cells[row.Level1, row.h] - cells[row.Level2, row.h]
            assert row.Difference == pytest.approx(expected)
