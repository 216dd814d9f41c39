"""Linear hypotheses: the grammar, R's numbers, and a user's mistakes."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import mlpool
from mlpool.hypotheses.hypothesis_text import label_of, read_hypotheses
from mlpool.hypotheses.joint_tests import joint_inference

R = json.loads((Path(__file__).parent / "r" / "hypotheses.json").read_text())
NAMES = [
    "(Intercept)", "ses", "genderF", "ses:genderF", "poly(x, 2)1", "I(x^2)", "my level", "x1",
    "log(Days + 1)", "12",
]  # fmt: skip

READ = {
    "ses = 0, genderF = 0": ["ses = 0", "genderF = 0"],
    "ses": ["ses = 0"],
    "2*ses - genderF == 1": ["2 ses - genderF = 1"],
    "ses = genderF": ["ses - genderF = 0"],
    "-(ses + 2*genderF)/2 = 3 - x1": ["-0.5 ses - genderF + x1 = 3"],
    "(ses - genderF)*3 = 1.5": ["3 ses - 3 genderF = 1.5"],
    "ses:genderF = .5e1": ["ses:genderF = 5"],
    "ses : genderF": ["ses:genderF = 0"],
    "poly(x,2)1 = 0, I( x ^ 2 )": ["poly(x, 2)1 = 0", "I(x^2) = 0"],
    "log(Days+1) = 2": ["log(Days + 1) = 2"],
    "`my level` = -1": ["my level = -1"],
    "my level = x1": ["my level - x1 = 0"],
    "(Intercept) = 10, (ses)": ["(Intercept) = 10", "ses = 0"],
    "(Intercept) - -ses": ["(Intercept) + ses = 0"],
    "`12` = 12": ["12 = 12"],
    "12": ["12 = 0"],
}


@pytest.mark.parametrize("text", READ)
def test_reads(text: str) -> None:
    assert list(read_hypotheses(text, NAMES).labels) == READ[text]


@pytest.mark.parametrize("text", [t for t in READ if t != "12"])
def test_a_label_reads_back_to_the_same_hypothesis(text: str) -> None:
    first = read_hypotheses(text, NAMES)
    for row, value in zip(first.L, first.rhs, strict=True):
        label = label_of(row, value, [f"`{n}`" for n in NAMES]).replace(" `", " * `")
        again = read_hypotheses(label.replace("- * ", "- ").replace("+ * ", "+ "), NAMES)
        np.testing.assert_allclose(again.L[0], row)
        assert again.rhs[0] == value


def test_names_that_r_writes_in_backquotes() -> None:
    names = ["(Intercept)", "`my var`", "fv", "`my var`:fv"]
    for text in ("`my var`:fv = 1", "my var:fv = 1", "`my var` : fv - 1"):
        assert read_hypotheses(text, names).labels == ("`my var`:fv = 1",)
    for text in ("`my var`", "my var = 0", "`my var` = 0"):
        assert read_hypotheses(text, names).labels == ("`my var` = 0",)


MISTAKES = {
    "gendrF = 0": (mlpool.FormulaError, r"no coefficient 'gendrF'. Did you mean 'genderF'"),
    "gender = 0": (mlpool.FormulaError, r"'gender'. Did you mean 'genderF'"),
    "ses = 0, poly(x, 3)1": (mlpool.FormulaError, r"Did you mean 'poly\(x, 2\)1'"),
    "`ses": (mlpool.FormulaError, "backquote is not closed"),
    "`zzz` = 1": (mlpool.FormulaError, r"no coefficient 'zzz'. It has \(Intercept\), ses"),
    "ses*genderF = 0": (mlpool.FormulaError, "not linear"),
    "ses/genderF = 0": (mlpool.FormulaError, "Only numbers"),
    "ses/0": (mlpool.FormulaError, "Only numbers other than 0"),
    "ses = ": (mlpool.FormulaError, "ends early"),
    "": (mlpool.FormulaError, "ends early"),
    "ses = , x1": (mlpool.FormulaError, "cannot have ','"),
    "1 = 1": (mlpool.FormulaError, "has no coefficient"),
    "ses - ses = 1": (mlpool.FormulaError, "has no coefficient"),
    "ses = 0 = 1": (mlpool.FormulaError, "has one '='"),
    "(ses": (mlpool.FormulaError, "not closed"),
    "ses ses": (mlpool.FormulaError, "not expected"),
    "ses $ 3": (mlpool.FormulaError, r"'\$'"),
    "-" * 60 + "ses": (mlpool.FormulaError, "More than 50"),
    "ses" + " " * 10_000: (mlpool.FormulaError, "10,000 are allowed"),
    "ses, 2*ses": (mlpool.OptionError, "drop the redundant"),
    "ses = genderF, genderF = x1, x1 = ses": (mlpool.OptionError, "drop the redundant"),
    "ses = 1, ses = 2": (mlpool.OptionError, "contradict"),
}


@pytest.mark.parametrize("text", MISTAKES)
def test_mistakes(text: str) -> None:
    error, message = MISTAKES[text]
    with pytest.raises(error, match=message):
        read_hypotheses(text, NAMES)


def test_an_error_marks_the_place() -> None:
    with pytest.raises(mlpool.FormulaError) as found:
        read_hypotheses("ses = 0, gendrF = 0", NAMES)
    assert str(found.value).splitlines()[1:] == [
        "    ses = 0, gendrF = 0",
        "             ^^^^^^",
    ]


@pytest.mark.parametrize(
    ("given", "rhs", "message"),
    [
        ([], None, "no hypothesis"),
        (object(), None, "text such as"),
        ([[1, 0]], None, r"shape \(1, 2\)"),
        (np.eye(10)[:2], [1, 2, 3], "one for each of the 2"),
        (np.zeros((1, 10)), None, "row of the matrix is zero"),
        ("ses", 1.0, "rhs= goes with a matrix"),
    ],
)
def test_what_is_no_hypothesis(given, rhs, message) -> None:
    with pytest.raises(mlpool.OptionError, match=message):
        read_hypotheses(given, NAMES, rhs)


# --- numbers ------------------------------------------------------------------------------------


@cache
def _model(kind: str):
    if kind == "glm":
        return mlpool.glm(
            "cbind(incidence, size - incidence) ~ period", mlpool.load_data("cbpp"),
            family="binomial",
        )  # fmt: skip
    hsb = mlpool.load_data("hsb82")
    if kind == "lmer":
        return mlpool.lmer("math ~ ses * sector + (1 | school)", hsb)
    return mlpool.lm("math ~ ses * sector", hsb)


@pytest.mark.parametrize("name", [k for k in R if k != "glm"])
def test_agrees_with_r(name: str) -> None:
    want = R[name]
    text = want["hypotheses"]
    lm, lmer = _model("lm"), _model("lmer")
    read = read_hypotheses(text, lm.names)
    np.testing.assert_allclose(read.L, want["L"])
    np.testing.assert_allclose(read.rhs, np.atleast_1d(want["rhs"]))

    row = mlpool.linear_hypothesis(lm, text).iloc[0]
    expected = want["lm"]
    for got, key in ((row["Sum_Squares"], "ss"), (row["F"], "F"), (row["p"], "p")):
        assert got == pytest.approx(expected[key], rel=1e-8, abs=1e-200), key
    assert (row["df"], row["df_error"]) == (len(read.L), lm.df_residual)

    row = mlpool.linear_hypothesis(lm, text, vcov="vcovCL", cluster="school").iloc[0]
    assert row["F"] == pytest.approx(want["lm_vcovCL"]["F"], rel=1e-8)
    row = mlpool.linear_hypothesis(lm, text, test="Chisq").iloc[0]
    assert row["Chi2"] == pytest.approx(want["lm_chisq"]["chisq"], rel=1e-8)
    assert row["p"] == pytest.approx(want["lm_chisq"]["p"], rel=1e-6)

    robust = {"vcov": "CR2", "cluster": "school", "ci_method": "satterthwaite"}
    row = mlpool.linear_hypothesis(lm, read.L, **robust).iloc[0]
    expected = want["lm_htz_of_zero"]
    assert row["F"] == pytest.approx(expected["F"], rel=1e-6)
    assert row["df_error"] == pytest.approx(expected["df"], rel=1e-6)

    for method in ("satterthwaite", "kenward"):
        row = mlpool.linear_hypothesis(lmer, text, ci_method=method).iloc[0]
        assert row["F"] == pytest.approx(want[method]["F"], rel=1e-5), method
        assert row["df_error"] == pytest.approx(want[method]["df"], rel=1e-3), method
        assert row["p"] == pytest.approx(want[method]["p"], rel=1e-3), method
    row = mlpool.linear_hypothesis(lmer, text, test="Chisq").iloc[0]
    assert row["Chi2"] == pytest.approx(want["lmer_chisq"]["chisq"], rel=1e-5)


def test_glm_is_a_chi_square_test() -> None:
    row = mlpool.linear_hypothesis(_model("glm"), "period2 = period3, period4 = -1").iloc[0]
    assert row["Chi2"] == pytest.approx(R["glm"]["chisq"], rel=1e-6)
    assert row["p"] == pytest.approx(R["glm"]["p"], rel=1e-5)
    with pytest.raises(mlpool.OptionError, match="no denominator degrees of freedom"):
        mlpool.linear_hypothesis(_model("glm"), "period2", test="F")


def test_one_hypothesis_is_the_square_of_the_t_of_the_table() -> None:
    for kind in ("lm", "lmer"):
        m = _model(kind)
        for options in ({}, {"vcov": "CR2", "cluster": "school"}):
            method = "satterthwaite" if kind == "lmer" else None
            table = mlpool.model_parameters(m, effects="fixed", ci_method=method, **options)
            row = mlpool.linear_hypothesis(m, "ses", **options).iloc[0]
            assert row["F"] == pytest.approx(table["t"].iloc[1] ** 2, rel=1e-8)
            assert row["df_error"] == pytest.approx(table["df_error"].iloc[1], rel=1e-8)
            assert row["p"] == pytest.approx(table["p"].iloc[1], rel=1e-6)


def test_scaling_and_combining_hypotheses_changes_nothing() -> None:
    m = _model("lmer")
    first = mlpool.linear_hypothesis(m, "ses = 3, sectorCatholic = 2", ci_method="kenward").iloc[0]
    same = "2*ses + sectorCatholic = 8, -5*sectorCatholic + 10 = 0"
    again = mlpool.linear_hypothesis(m, same, ci_method="kenward").iloc[0]
    for column in ("F", "df", "df_error", "p"):
        assert again[column] == pytest.approx(first[column], rel=1e-9)


def test_wald_test_reads_the_same_text() -> None:
    m = _model("lm")
    text = mlpool.wald_test(m, "ses = 0, sectorCatholic = 0", cluster="school")
    names = mlpool.wald_test(m, ["ses", "sectorCatholic"], cluster="school")
    assert text.to_pandas().equals(names.to_pandas())
    shifted = mlpool.wald_test(m, "ses = 3", cluster="school", test="chi-sq").iloc[0]
    t = (m.fixef()["ses"] - 3) ** 2 / m.vcov("CR2", "school").loc["ses", "ses"]
    assert shifted["Statistic"] == pytest.approx(t, rel=1e-10)


def test_more_hypotheses_than_clusters_carry_has_no_p_value() -> None:
    rng = np.random.default_rng(3)
    d = {f"x{i}": rng.normal(size=60) for i in range(4)} | {"g": np.repeat(["a", "b", "c"], 20)}
    d["y"] = rng.normal(size=60)
    m = mlpool.lm("y ~ x0 + x1 + x2 + x3", d)
    row = mlpool.linear_hypothesis(m, m.names[1:], vcov="CR0", cluster="g").iloc[0]
    assert np.isnan(row["F"])
    assert np.isnan(row["p"])


def test_print_and_media() -> None:
    table = mlpool.linear_hypothesis(_model("lmer"), "ses = 2, ses:sectorCatholic")
    text = str(table)
    assert text.startswith("Linear hypothesis test\n\nHypothesis:\nses = 2\nses:sectorCatholic = 0")
    assert "Degrees of freedom: Satterthwaite's method" in text
    assert "Signif. codes" in text
    assert "<caption" in table.to_html()
    assert "pre-line" in table.to_html()
    assert table.to_markdown().startswith("Table: Linear hypothesis test Hypothesis: ses = 2")
    assert r"\caption" in table.to_latex()
    assert table.metadata["hypotheses"].labels == ("ses = 2", "ses:sectorCatholic = 0")
    robust = mlpool.linear_hypothesis(_model("lmer"), "ses = 2", vcov="CR2")
    assert "Covariance: CR2, 160 clusters of school" in str(robust)
    assert "HTZ" in str(robust)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mlpool.linear_hypothesis("m", "x"), "needs a fitted model"),
        (lambda: mlpool.linear_hypothesis(_model("lm"), "ses", test="T"), "test must be one of"),
        (lambda: mlpool.linear_hypothesis(_model("lm"), "ses", vcov="HC9"), "HC9"),
        (
            lambda: mlpool.linear_hypothesis(_model("lmer"), "ses", vcov="CR2", ci_method="kr"),
            "its own standard errors",
        ),
    ],
)
def test_wrong_arguments(call, message) -> None:
    with pytest.raises(mlpool.OptionError, match=message):
        call()


def test_joint_inference_of_a_fit_with_clusters_uses_them() -> None:
    m = mlpool.lm("math ~ ses", mlpool.load_data("hsb82"), vcov="CR2", cluster="school")
    how = joint_inference(m)
    assert how.covariance == "CR2, 160 clusters of school"
    assert how.test(np.array([[0.0, 1.0]])).statistic == pytest.approx(
        (m.fixef()["ses"] / m.se["ses"]) ** 2
    )


#: R 4.2, lmerTest 3.1-3: contestMD(lmer(angle ~ recipe * temp + (1 | recipe:replicate), cake), L)
_PAIRS = {"satterthwaite": 254.0157694, "kenward": 254.0157632}


@pytest.mark.parametrize("method", _PAIRS)
def test_rows_that_follow_from_others_add_no_df(method: str) -> None:
    """All pairs of three recipes are two hypotheses, by every covariance."""
    formula = "angle ~ recipe * temp + (1 | recipe:replicate)"
    m = mlpool.lmer(formula, mlpool.load_data("cake"))
    L = np.zeros((3, 6))
    L[0, 1] = L[1, 2] = L[2, 1] = 1.0
    L[2, 2] = -1.0
    row = mlpool.linear_hypothesis(m, L, ci_method=method).to_pandas().iloc[0]
    assert row["df"] == 2
    assert row["F"] == pytest.approx(0.0956779646, rel=1e-6)
    assert row["df_error"] == pytest.approx(_PAIRS[method], rel=1e-6)
    robust = [mlpool.wald_test(m, rows, cluster="replicate") for rows in (L, L[:2])]
    columns = ["Statistic", "df_num", "df_denom", "p"]
    np.testing.assert_allclose(robust[0][columns].to_numpy(), robust[1][columns].to_numpy())
    chi2 = [mlpool.linear_hypothesis(m, rows, test="Chisq")["Chi2"].iloc[0] for rows in (L, L[1:])]
    assert chi2[0] == pytest.approx(chi2[1])
    with pytest.raises(mlpool.OptionError, match="contradict"):
        mlpool.linear_hypothesis(m, L, [0.0, 0.0, 1.0])
