"""Tests of terms of one model: R's texts and numbers, the definition of type III, mistakes."""

from __future__ import annotations

import json
import sys
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import mlpool

sys.path.insert(0, str(Path(__file__).parents[1]))
from conftest import find_shared
from reference.prepare import load_cases, load_data

FOLDER = Path(__file__).parent / "r"
R = json.loads((FOLDER / "anova.json").read_text())
SHARED = find_shared()
COLUMNS = {
    "Sum Sq": "Sum_Squares", "Mean Sq": "Mean_Square", "NumDF": "df", "DenDF": "df_error",
    "F value": "F", "F": "F", "Pr(>F)": "p", "Pr(>Chi)": "p", "Pr(>Chisq)": "p", "Df": "df",
    "LR Chisq": "Chi2", "Chisq": "Chi2", "Deviance": "Deviance", "Resid. Df": "df_residual",
    "Resid. Dev": "Deviance_residual", "npar": "npar",
}  # fmt: skip


def _texts() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in (FOLDER / "anova.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            found[line[3:]] = []
        else:
            found[next(reversed(found))].append(line)
    return found


TEXTS = _texts()


def lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().split("\n")]


@cache
def _hsb():
    d = mlpool.load_data("hsb82")
    order = np.argsort(d["school"].cat.codes.to_numpy(), kind="stable")
    d = d.iloc[order].reset_index(drop=True)
    at = np.arange(1, len(d) + 1)
    return d.assign(w=1 + at % 3, third=np.array(list("abc"))[at % 3])


@cache
def _cbpp():
    d = mlpool.load_data("cbpp")
    half = np.where(d["herd"].astype(int) > 7, "late", "early")
    return d.assign(half=half, x=(np.arange(1, len(d) + 1) % 5) / 5)


@cache
def _cake(gaps: bool = False):
    d = mlpool.load_data("cake")
    d = d.assign(temperature=d["temperature"].cat.as_unordered())
    recipe, temperature = d["recipe"].astype(str), d["temperature"].astype(str)
    gone = ((recipe == "B") & temperature.isin(["185", "215"])) | (
        (recipe == "C") & (temperature == "175")
    )
    return d[~gone] if gaps else d


MODELS = {
    "lm": lambda: mlpool.lm("math ~ ses * sector + third", _hsb()),
    "lmw": lambda: mlpool.lm("math ~ sector * third + ses", _hsb(), weights="w"),
    "lm0": lambda: mlpool.lm("math ~ 0 + sector + ses", _hsb()),
    "glm": lambda: mlpool.glm(
        "cbind(incidence, size - incidence) ~ half * period + x", _cbpp(), family="binomial"
    ),
    "pois": lambda: mlpool.glm(
        "incidence ~ period + half + offset(log(size))", _cbpp(), family="poisson"
    ),
    "gamma": lambda: mlpool.glm("math + 10 ~ ses * sector", _hsb(), family="Gamma(link='log')"),
    "glmer": lambda: mlpool.glmer(
        "cbind(incidence, size - incidence) ~ period * half + x + (1 | herd)",
        _cbpp(), family="binomial",
    ),
    "lmer": lambda: mlpool.lmer("math ~ ses * sector + third + (1 | school)", _hsb()),
    "cake": lambda: mlpool.lmer(
        "angle ~ recipe * temperature + (1 | recipe:replicate)", _cake()
    ),
    "gaps": lambda: mlpool.lmer(
        "angle ~ recipe * temperature + (1 | recipe:replicate)", _cake(gaps=True)
    ),
    "three": lambda: mlpool.lmer("math ~ minority * sector * ses + (1 | school)", _hsb()),
    "cells": lambda: mlpool.lmer("math ~ 0 + sector:third + ses:sector + (1 | school)", _hsb()),
}  # fmt: skip


@cache
def model(name: str):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mlpool.MlpoolWarning)
        return MODELS[name]()


OPTIONS = {
    "lm_cl_2": {"vcov": "vcovCL", "cluster": "school"},
    "lm_cl_3": {"vcov": "vcovCL", "cluster": "school"},
    "glm_wald_2": {"vcov": "model"},
    "lmer_lme4": {"ddf": "lme4"},
    "cake_lme4": {"ddf": "lme4"},
    "cake_3_kr": {"ddf": "Kenward-Roger"},
    "gamma_2": {"test": "Chisq"},
}


def _table(name: str):
    number = next((int(part) for part in name.split("_") if part.isdigit()), None)
    return mlpool.anova(model(name.split("_")[0]), type=number, **OPTIONS.get(name, {}))


@pytest.mark.parametrize("name", R)
def test_numbers_of_r(name: str) -> None:
    table, want = _table(name), R[name]
    rows = [i for i, t in enumerate(want["term"]) if t != "Residuals" or "Sum Sq" in want]
    assert list(table["Parameter"]) == [want["term"][i].strip() for i in rows]
    for header, column in COLUMNS.items():
        if header not in want or column not in table:
            continue
        got = table[column].to_numpy(dtype=float)
        expected = np.array([want[header][i] for i in rows], dtype=float)
        loose = 1e-3 if column in ("df_error", "p") else 1e-5
        np.testing.assert_allclose(got, expected, rtol=loose, err_msg=column)


SEARCHED = ("glmer", "lmer", "gaps")
"""Models whose optimum R and mlpool find to different last digits."""


@pytest.mark.parametrize("name", TEXTS)
def test_texts_of_r(name: str) -> None:
    ours = lines(str(_table(name)))
    ours = [x for x in ours if not x.startswith(("Type III tests of", "fit with"))]
    golden = [line.rstrip() for line in TEXTS[name]]
    if name.split("_")[0] in SEARCHED:
        assert_same_but_last_digits(ours, golden)
    else:
        assert ours == golden


def assert_same_but_last_digits(ours: list[str], golden: list[str]) -> None:
    assert len(ours) == len(golden)
    for line, expected in zip(ours, golden, strict=True):
        assert len(line.split()) == len(expected.split()), line
        for a, b in zip(line.split(), expected.split(), strict=True):
            try:
                assert float(a) == pytest.approx(float(b), rel=5e-4), line
            except ValueError:
                assert a == b, line


def test_golden_texts(fitted, shared) -> None:
    for call, name in (
        (mlpool.anova(fitted("lm2")), "lm_heck_anova"),
        (mlpool.anova(fitted("c1")), "anova_cake_lmerTest"),
    ):
        golden = (shared / "golden" / f"{name}.txt").read_text(encoding="utf-8")
        assert lines(str(call)) == lines(golden)


CASES = {c["id"]: c for c in load_cases(SHARED, "lmm")} if SHARED else {}
KEYS = ("anova", "anova_kr", "anova_type1", "anova_type2")


@pytest.mark.parametrize("case_id", sorted(CASES) or ["absent"])
def test_reference_of_lmertest(case_id: str, shared) -> None:
    case = CASES[case_id]
    data, contrasts = load_data(shared, case)
    wanted = [case["result"][k] for k in KEYS if k in case["result"]]
    if not wanted:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mlpool.MlpoolWarning)
        m = mlpool.lmer(
            case["formula"], data, REML=case["REML"], weights=case.get("weights"),
            offset=case.get("offset"), contrasts=contrasts or None,
        )  # fmt: skip
    singular = case["result"]["singular"]
    for want in wanted:
        try:
            table = mlpool.anova(m, type=want["type"], ddf=want["ddf"])
        except mlpool.NotSupportedError as error:  # chem97: 2,410 schools within 131 areas
            assert case_id.startswith("chem97"), error
            continue
        assert list(table["Parameter"]) == want["term"]
        for column, key, rtol in (
            ("Sum_Squares", "sum_sq", 1e-4 if singular else 1e-5),
            ("df", "num_df", 0),
            ("df_error", "den_df", 1e-2 if singular else 1e-3),
            ("F", "F", 1e-4 if singular else 1e-5),
            ("p", "p", 1e-2 if singular else 1e-3),
        ):
            expected = np.array(want[key], dtype=float)
            np.testing.assert_allclose(
                table[column].to_numpy(dtype=float), expected, rtol=rtol, err_msg=column
            )


# --- properties ---------------------------------------------------------------------------------


@pytest.mark.parametrize("ddf", ["Satterthwaite", "Kenward-Roger"])
def test_type_three_does_not_depend_on_coding(ddf: str) -> None:
    formula = "math ~ minority * sector * ses + (1 | school)"
    tables = []
    for coding in ("treatment", "sum", "helmert"):
        m = mlpool.lmer(formula, _hsb(), contrasts={"minority": coding, "sector": coding})
        tables.append(mlpool.anova(m, type=3, ddf=ddf))
    for other in tables[1:]:
        for column in ("F", "df", "df_error"):
            np.testing.assert_allclose(other[column], tables[0][column], rtol=1e-6)


def test_type_three_is_the_test_of_sum_coded_coefficients() -> None:
    """With no cell empty: every term's own columns, factors coded to sum to zero."""
    m = mlpool.lmer(
        "angle ~ recipe * temperature + (1 | recipe:replicate)", _cake(),
        contrasts={"recipe": "sum", "temperature": "sum"},
    )  # fmt: skip
    table = mlpool.anova(model("cake"), type="III")
    for _, row in table.to_pandas().iterrows():
        own = [n for n, c in zip(m.names, m.columns, strict=True)
               if ":".join(p.text for p in c.parts) == row["Parameter"]]  # fmt: skip
        joint = mlpool.linear_hypothesis(m, [f"`{n}`" for n in own]).iloc[0]
        assert joint["F"] == pytest.approx(row["F"], rel=1e-6)
        assert joint["df"] == row["df"]
        assert joint["df_error"] == pytest.approx(row["df_error"], rel=1e-5)


def test_types_agree_where_there_is_nothing_to_choose() -> None:
    m = mlpool.lmer("angle ~ recipe * temperature + (1 | recipe:replicate)", _cake())
    first = mlpool.anova(m, type=1)
    for other in (2, 3):  # balanced: all types are one
        np.testing.assert_allclose(mlpool.anova(m, type=other)["F"], first["F"], rtol=1e-8)


def test_sequential_sums_of_squares_add_up() -> None:
    m = model("lmw")
    table = mlpool.anova(m)
    total = float(
        m.design.weights @ (m.design.y - np.average(m.design.y, weights=m.design.weights)) ** 2
    )
    assert table["Sum_Squares"].sum() == pytest.approx(total, rel=1e-10)
    glm = mlpool.anova(model("glm"))
    assert glm["Deviance"].sum() == pytest.approx(
        glm["Deviance_residual"].iloc[0] - glm["Deviance_residual"].iloc[-1]
    )


def test_robust_tests_of_lmer_are_htz_or_wald() -> None:
    m = model("lmer")
    table = mlpool.anova(m, vcov="CR2", cluster="school")
    assert table["df_error"].iloc[1] < 160
    assert "Covariance: CR2, 160 clusters of school." in str(table)
    assert "HTZ tests" in str(table)
    one = mlpool.linear_hypothesis(m, "thirdb = 0, thirdc = 0", vcov="CR2", cluster="school")
    assert table["F"].iloc[2] == pytest.approx(one["F"].iloc[0])
    chisq = mlpool.anova(m, vcov="CR1", cluster="school", test="Chisq")
    assert "Wald chisquare" in str(chisq)
    plain = mlpool.anova(m, test="Chisq")
    assert plain["Chi2"].iloc[0] == pytest.approx(
        (mlpool.anova(m)["F"] * mlpool.anova(m)["df"]).iloc[0]
    )


def test_a_covariance_chosen_at_fit_time_is_used_and_can_be_left() -> None:
    m = mlpool.fit("math ~ ses + sector + (1 | school)", _hsb(), vcov="CR2", cluster="school")
    plain = mlpool.lmer("math ~ ses + sector + (1 | school)", _hsb())
    assert "Covariance: CR2" in str(mlpool.anova(m))
    for call in (
        lambda x: mlpool.anova(x, vcov="model")["F"],
        lambda x: mlpool.drop1(x)["F"],
        lambda x: mlpool.anova(x, ddf="lme4")["F"],
    ):
        np.testing.assert_allclose(call(m), call(plain))


def test_robust_chi_square_of_glmer() -> None:
    m = mlpool.glmer(
        "cbind(incidence, size - incidence) ~ period + (1 | herd)", _cbpp(), family="binomial"
    )
    table = mlpool.anova(m, vcov="CR0", cluster="herd")
    joint = mlpool.linear_hypothesis(m, m.names[1:], vcov="CR0", cluster="herd")
    V = m.vcov("CR0", "herd").to_numpy()[1:, 1:]
    beta = m.fixef().to_numpy()[1:]
    expected = float(beta @ np.linalg.solve(V, beta))
    assert table["Chi2"].iloc[0] == pytest.approx(expected)
    assert joint["Chi2"].iloc[0] == pytest.approx(expected)
    assert "Covariance: CR0, 15 clusters of herd." in str(table)


def test_an_absorbed_factor_is_a_term_like_any_other() -> None:
    m = mlpool.lm("math ~ ses + school", _hsb())
    table = mlpool.anova(m)
    complete = mlpool.lm("math ~ ses", _hsb())
    assert table["df"].tolist() == [1, 159, m.df_residual]
    assert table["Sum_Squares"].iloc[1] == pytest.approx(complete.fit.rss - m.fit.rss)


def test_note_on_coding_of_type_three() -> None:
    assert "contrasts={'sector': 'sum'}" in str(mlpool.anova(model("lm"), type=3))
    coded = mlpool.lm("math ~ ses * sector + third", _hsb(), contrasts={"sector": "sum"})
    assert "sum'" not in str(mlpool.anova(coded, type=3))
    assert "sum'" not in str(mlpool.anova(model("lm"), type=2))


def test_intercept_alone_has_no_terms() -> None:
    m = mlpool.lmer("math ~ 1 + (1 | school)", _hsb())
    assert len(mlpool.anova(m)) == 0
    assert len(mlpool.anova(m, ddf="lme4")) == 0
    assert list(mlpool.anova(mlpool.lm("math ~ 1", _hsb()))["Parameter"]) == ["Residuals"]


def test_media() -> None:
    table = mlpool.anova(model("cake"))
    assert "Satterthwaite" in table.to_html()
    assert table.to_markdown().count("\n|") == 5
    assert "recipe:temperature" in table.to_latex()
    assert table.metadata["type"] == "III"


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: mlpool.anova("lm"), mlpool.OptionError, "needs a fitted model"),
        (lambda: mlpool.anova(model("lm"), type="IV"), mlpool.OptionError, "'I', 'II' or 'III'"),
        (lambda: mlpool.anova(model("lm"), type=True), mlpool.OptionError, "got True"),
        (lambda: mlpool.anova(model("lm"), test="LRT"), mlpool.OptionError, "test must be one"),
        (
            lambda: mlpool.anova(model("lmer"), ddf="Satterthwait"),
            mlpool.OptionError,
            "Did you mean 'satterthwaite'",
        ),
        (lambda: mlpool.anova(model("lm"), ddf="lme4"), mlpool.OptionError, "is for lmer"),
        (lambda: mlpool.anova(model("glm"), test="F"), mlpool.OptionError, "binomial is known"),
        (lambda: mlpool.anova(model("glmer"), test="F"), mlpool.OptionError, "no denominator df"),
        (
            lambda: mlpool.anova(model("lmer"), test="Chisq", ddf="kr"),
            mlpool.OptionError,
            "has no denominator df; drop",
        ),
        (
            lambda: mlpool.anova(
                mlpool.lmer("math ~ ses + (1 | school)", _hsb(), REML=False), ddf="kr"
            ),
            mlpool.OptionError,
            "need a REML fit",
        ),
        (
            lambda: mlpool.anova(mlpool.lm("y ~ x", {"y": [1.0, 2.0], "x": [0.0, 1.0]})),
            mlpool.OptionError,
            "no residual degrees of freedom",
        ),
    ],
)
def test_mistakes(call, error, message) -> None:
    with pytest.raises(error, match=message):
        call()


def test_too_many_cells_are_refused_by_number(monkeypatch) -> None:
    monkeypatch.setattr("mlpool.hypotheses.term_tests.MAX_CELLS", 20)
    with pytest.raises(mlpool.NotSupportedError, match="28 cells of the factors; 20"):
        mlpool.anova(model("cake"), type=3)


def test_strata_of_aov_are_those_of_random_intercepts():
    """R: summary(aov(angle ~ recipe * temperature + Error(recipe:replicate), cake))."""
    formula = "angle ~ recipe * temperature + (1 | recipe:replicate)"
    table = mlpool.anova(mlpool.lmer(formula, mlpool.load_data("cake")))
    # relative: lmer's optimum is one of theta, good to about 1e-8
    F = [0.248788787072, 20.51986042905, 1.00619798396]
    np.testing.assert_allclose(table["F"], F, rtol=1e-6)
    np.testing.assert_allclose(table["df_error"], [42.0, 210.0, 210.0], rtol=1e-5)
