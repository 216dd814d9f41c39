"""Models against each other: anova, test_likelihoodratio, ranova, drop1, and their mistakes."""

from __future__ import annotations

import json
import sys
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import mlpool
from mlpool.hypotheses.nested_models import is_nested, null_mixture
from mlpool.inference.boundary import add_mixtures, mixture_p, mixture_text
from mlpool.refits.reduced_models import reml_loglik

sys.path.insert(0, str(Path(__file__).parents[1]))
from conftest import find_shared
from reference.prepare import load_cases, load_data

FOLDER = Path(__file__).parent / "r"
R = json.loads((FOLDER / "models.json").read_text())
SHARED = find_shared()
COLUMNS = {
    "Res.Df": "df_residual", "RSS": "RSS", "Df": "df", "Sum of Sq": "Sum_Squares", "F": "F",
    "F value": "F", "Pr(>F)": "p", "Pr(>Chi)": "p", "Pr(Chi)": "p", "Resid. Df": "df_residual",
    "Resid. Dev": "Deviance_residual", "Deviance": "Deviance", "AIC": "AIC", "LRT": "LRT",
    "scaled dev.": "LRT", "Sum Sq": "Sum_Squares", "NumDF": "df", "DenDF": "df_error",
    "npar": "df",
}  # fmt: skip
CBIND = "cbind(incidence, size - incidence)"


def lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().split("\n")]


def _texts() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in (FOLDER / "models.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            found[line[3:]] = []
        else:
            found[next(reversed(found))].append(line)
    return found


TEXTS = _texts()


@cache
def _hsb():
    return mlpool.load_data("hsb82")


@cache
def _sleep():
    return mlpool.load_data("sleepstudy")


@cache
def _cbpp():
    d = mlpool.load_data("cbpp")
    return d.assign(x=(np.arange(1, len(d) + 1) % 5) / 5)


@cache
def lm(formula: str):
    return mlpool.lm(formula, _hsb())


@cache
def glm(formula: str):
    if formula.startswith("math"):
        return mlpool.glm(formula, _hsb(), family="Gamma(link='log')")
    return mlpool.glm(f"{CBIND} {formula}", _cbpp(), family="binomial")


@cache
def lmer(formula: str, reml: bool = True, data: str = "sleep"):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mlpool.MlpoolWarning)
        return mlpool.lmer(formula, _sleep() if data == "sleep" else _hsb(), REML=reml)


@cache
def glmer(formula: str, nAGQ: int = 1):
    return mlpool.glmer(f"{CBIND} {formula}", _cbpp(), family="binomial", nAGQ=nAGQ)


L3 = "math ~ ses * sector + gender"
G2 = "math + 10 ~ ses + sector + gender"
CALLS = {
    "lm": lambda: mlpool.anova(lm("math ~ ses"), lm("math ~ ses * sector"), lm(L3)),
    "lm_down": lambda: mlpool.anova(lm(L3), lm("math ~ ses")),
    "drop1_lm": lambda: mlpool.drop1(lm(L3)),
    "drop1_lm_F": lambda: mlpool.drop1(lm(L3), test="F"),
    "drop1_lm_Chisq": lambda: mlpool.drop1(lm(L3), test="Chisq"),
    "glm": lambda: mlpool.anova(glm("~ 1"), glm("~ period"), glm("~ period + x")),
    "drop1_glm": lambda: mlpool.drop1(glm("~ period + x")),
    "drop1_glm_Chisq": lambda: mlpool.drop1(glm("~ period + x"), test="Chisq"),
    "gamma": lambda: mlpool.anova(glm("math + 10 ~ ses"), glm(G2)),
    "drop1_gamma_F": lambda: mlpool.drop1(glm(G2), test="F"),
    "drop1_gamma_Chisq": lambda: mlpool.drop1(glm(G2), test="Chisq"),
    "drop1_lmer": lambda: mlpool.drop1(lmer(f"{L3} + (1 | school)", data="hsb")),
    "drop1_lmer_kr": lambda: mlpool.drop1(
        lmer("math ~ ses + sector + (1 | school)", data="hsb"), ddf="Kenward-Roger"
    ),
    "drop1_lmer_Chisq": lambda: mlpool.drop1(
        lmer(f"{L3} + (1 | school)", data="hsb"), test="Chisq"
    ),
    "drop1_glmer": lambda: mlpool.drop1(glmer("~ period + x + (1 | herd)")),
    "drop1_glmer_Chisq": lambda: mlpool.drop1(glmer("~ period + x + (1 | herd)"), test="Chisq"),
}


@pytest.mark.parametrize("name", R)
def test_numbers_of_r(name: str) -> None:
    table, want = CALLS[name](), R[name]
    label = table.columns[0]
    assert [str(v) for v in table[label]] == want["term"]
    compared = 0
    for header, column in COLUMNS.items():
        if header in want and not (header == "F value" and "F" in want):
            expected = np.array(want[header], dtype=float)
            got = table[column].to_numpy(dtype=float)
            rtol = 1e-3 if column in ("df_error", "p") else 1e-5
            np.testing.assert_allclose(got, expected, rtol=rtol, err_msg=header)
            compared += 1
    assert compared >= 2


@pytest.mark.parametrize("name", TEXTS)
def test_texts_of_r(name: str) -> None:
    ours, golden = lines(str(CALLS[name]())), [x.rstrip() for x in TEXTS[name]]
    assert len(ours) == len(golden)
    for line, expected in zip(ours, golden, strict=True):
        if "lmer" not in name:
            assert line == expected
            continue
        for a, b in zip(
            line.split(), expected.split(), strict=True
        ):  # optima differ in last digits
            try:
                assert float(a) == pytest.approx(float(b), rel=5e-4), line
            except ValueError:
                assert a == b, line


# --- likelihood ratios --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["anova_sleep_lrt", "ranova_sleep"])
def test_golden_texts(name: str, shared, fitted) -> None:
    golden = (shared / "golden" / f"{name}.txt").read_text(encoding="utf-8")
    if name == "ranova_sleep":
        assert lines(str(mlpool.ranova(fitted("s2")))) == lines(golden)
    else:
        ours = lines(str(mlpool.anova(s1=fitted("s1"), s2=fitted("s2"))))
        assert ours[0] == "Data: 180 rows, REML fits fitted again by ML"
        assert ours[1:] == lines(golden)[1:]


LRT = {c["id"]: c for c in load_cases(SHARED, "lrt")} if SHARED else {}


@pytest.mark.parametrize("case_id", sorted(LRT) or ["absent"])
def test_reference_of_lme4(case_id: str, shared) -> None:
    case = LRT[case_id]
    data, _ = load_data(shared, case)
    models = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mlpool.MlpoolWarning)
        for i, formula in enumerate(case["formula"]):
            family = "binomial" if "binomial" in case["family"]["family"] else None
            models[f"m{i + 1}"] = mlpool.fit(formula, data, family=family, reml=case["REML"])
        table = mlpool.anova(**models, refit=case["result"]["refit"])
    want = case["result"]["table"]
    # lme4 did not find the optimum of heck's last model (its likelihood is below the third's)
    rows = 3 if case_id == "lrt_heck" else len(want["model"])
    assert list(table["Name"]) == want["model"]
    for column, key, rtol in (
        ("npar", "npar", 0), ("AIC", "AIC", 1e-8), ("BIC", "BIC", 1e-8),
        ("logLik", "logLik", 1e-8), ("deviance", "deviance", 1e-8), ("Chi2", "chisq", 1e-5),
        ("df", "df", 0), ("p", "p", 1e-3),
    ):  # fmt: skip
        got = table[column].to_numpy(dtype=float)[:rows]
        expected = np.array(want[key], dtype=float)[:rows]
        np.testing.assert_allclose(got, expected, rtol=rtol, atol=1e-5, err_msg=column)
    if case_id == "lrt_heck":
        assert table["logLik"].iloc[3] > table["logLik"].iloc[2]


RANOVA = {
    c["id"]: c for c in (load_cases(SHARED, "lmm") if SHARED else []) if "ranova" in c["result"]
}
#: lmerTest takes (1 | g) for a smaller model than (0 + x | g), which it is not.
NOT_SMALLER = ("sleep_0plus", "sleep_minus1_ml")


@pytest.mark.parametrize("case_id", sorted(RANOVA) or ["absent"])
def test_reference_of_ranova(case_id: str, shared) -> None:
    case = RANOVA[case_id]
    data, contrasts = load_data(shared, case)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mlpool.MlpoolWarning)
        m = mlpool.lmer(
            case["formula"], data, REML=case["REML"], weights=case.get("weights"),
            offset=case.get("offset"), contrasts=contrasts or None,
        )  # fmt: skip
        table, want = mlpool.ranova(m), case["result"]["ranova"]
    assert list(table["Term"]) == want["term"]
    rows = 1 if case_id in NOT_SMALLER else None
    for column, key, rtol in (
        ("npar", "npar", 0), ("logLik", "logLik", 1e-8), ("AIC", "AIC", 1e-8),
        ("LRT", "LRT", 1e-5), ("df", "df", 0), ("p", "p", 1e-3),
    ):  # fmt: skip
        got = table[column].to_numpy(dtype=float)[:rows]
        expected = np.array(want[key], dtype=float)[:rows]
        np.testing.assert_allclose(got, expected, rtol=rtol, atol=1e-5, err_msg=column)
    if case_id in NOT_SMALLER:
        assert table["df"].iloc[1] == 1
        assert table["npar"].iloc[1] == table["npar"].iloc[0] - 1


def test_ranova_by_hand() -> None:
    """Every row is the difference of two fits, restricted likelihoods of lm included."""
    m = lmer("Reaction ~ Days + (Days || Subject)")
    table = mlpool.ranova(m)
    slope_only = lmer("Reaction ~ Days + (0 + Days | Subject)")
    intercept_only = lmer("Reaction ~ Days + (1 | Subject)")
    expected = [2 * (m.loglik - x.loglik) for x in (slope_only, intercept_only)]
    np.testing.assert_allclose(table["LRT"].iloc[1:], expected, rtol=1e-6)
    none = mlpool.ranova(intercept_only)
    complete = mlpool.lm("Reaction ~ Days", _sleep())
    y, X = complete.design.y, complete.design.X.dense()
    sigma2 = complete.fit.rss / 178
    by_density = (
        stats.norm.logpdf(y - complete.fitted, scale=np.sqrt(sigma2)).sum()
        + np.log(2 * np.pi * sigma2)
        - 0.5 * np.linalg.slogdet(X.T @ X)[1]
    )
    assert reml_loglik(complete) == pytest.approx(by_density, rel=1e-12)
    assert none["LRT"].iloc[1] == pytest.approx(2 * (intercept_only.loglik - by_density))


def test_ranova_keeps_the_rows_of_the_model() -> None:
    """A slope that is missing in some rows takes none back when it is dropped."""
    d = _sleep().assign(slope=_sleep()["Days"].astype(float))
    d.loc[[3, 50], "slope"] = np.nan
    with pytest.warns(mlpool.MissingDataWarning, match="2 of 180"):
        m = mlpool.lmer("Reaction ~ Days + (1 + slope | Subject)", d)
    table = mlpool.ranova(m)
    full = d.dropna()
    small = mlpool.lmer("Reaction ~ Days + (1 | Subject)", full)
    assert table["logLik"].iloc[1] == pytest.approx(small.loglik, rel=1e-8)


def test_ranova_of_glmer_and_whole_terms() -> None:
    m = glmer("~ period + (1 | herd)")
    table = mlpool.ranova(m, boundary=True)
    expected = 2 * (m.loglik - glm("~ period").loglik)
    assert table["LRT"].iloc[1] == pytest.approx(expected)
    assert "1/2 chi2(0) + 1/2 chi2(1)" in str(table)
    agq = mlpool.ranova(glmer("~ period + (1 | herd)", 9))
    assert agq["LRT"].iloc[1] == pytest.approx(expected, rel=0.05)
    whole = mlpool.ranova(
        lmer("Reaction ~ Days + (1 + Days | Subject)"), reduce=False, boundary=True
    )
    assert list(whole["Term"]) == ["<none>", "(1 + Days | Subject)"]
    assert "no closed form" in str(whole)
    assert np.isnan(whole["p_boundary"].iloc[1])
    assert whole["p"].iloc[1] < 1e-20


# --- the boundary -------------------------------------------------------------------------------


def test_mixtures() -> None:
    assert mixture_p(0.0, {0: 0.5, 1: 0.5}) == 1.0
    assert mixture_p(2.0, {1: 1.0}) == pytest.approx(stats.chi2.sf(2.0, 1))
    assert mixture_p(5.0, {1: 0.5, 2: 0.5}) == pytest.approx(
        (stats.chi2.sf(5.0, 1) + stats.chi2.sf(5.0, 2)) / 2
    )
    two = add_mixtures({0: 0.5, 1: 0.5}, {1: 0.5, 2: 0.5})
    assert two == {1: 0.25, 2: 0.5, 3: 0.25}
    assert mixture_text(two) == "1/4 chi2(1) + 1/2 chi2(2) + 1/4 chi2(3)"
    assert mixture_text({1: 1.0}) == "chi2(1)"
    assert mixture_text({0: 0.375, 1: 0.625}) == "0.375 chi2(0) + 0.625 chi2(1)"


MIXTURES = {
    ("Reaction ~ Days", "Reaction ~ Days + (1 | Subject)"): {0: 0.5, 1: 0.5},
    ("Reaction ~ Days + (1 | Subject)", "Reaction ~ Days + (Days | Subject)"): {1: 0.5, 2: 0.5},
    ("Reaction ~ Days + (1 | Subject)", "Reaction ~ Days + (Days || Subject)"): {0: 0.5, 1: 0.5},
    ("Reaction ~ Days + (Days || Subject)", "Reaction ~ Days + (Days | Subject)"): {1: 1.0},
    ("Reaction ~ Days", "Reaction ~ Days + (Days || Subject)"): {0: 0.25, 1: 0.5, 2: 0.25},
    ("Reaction ~ 1 + (1 | Subject)", "Reaction ~ Days + (Days | Subject)"): {2: 0.5, 3: 0.5},
    ("Reaction ~ Days", "Reaction ~ Days + (Days | Subject)"): None,
}


@pytest.mark.parametrize("pair", MIXTURES)
def test_null_distribution(pair: tuple[str, str]) -> None:
    small, big = (lmer(f) if "|" in f else mlpool.lm(f, _sleep()) for f in pair)
    assert null_mixture(small, big) == MIXTURES[pair]
    table = mlpool.anova(small, big)
    if MIXTURES[pair] in (None, {1: 1.0}):
        assert np.isnan(table["p_boundary"].iloc[1])
    else:
        expected = mixture_p(float(table["Chi2"].iloc[1]), MIXTURES[pair])
        assert table["p_boundary"].iloc[1] == pytest.approx(expected)


@pytest.mark.slow
def test_mixture_holds_its_level() -> None:
    """Under no variance the corrected test rejects 5 %, the naive one about half of that."""
    rng = np.random.default_rng(11)
    d = {"g": np.repeat(np.arange(30), 6).astype(str), "y": rng.normal(size=180)}
    m = mlpool.lm("y ~ 1", d)
    corrected, naive = [], []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mlpool.MlpoolWarning)
        first = mlpool.lmer("y ~ 1 + (1 | g)", d, REML=False)
        for _ in range(400):
            y = rng.normal(size=180)
            row = mlpool.anova(mlpool.refit(m, y), mlpool.refit(first, y)).iloc[1]
            corrected.append(row["p_boundary"] < 0.05)
            naive.append(row["p"] < 0.05)
    assert 0.025 < np.mean(corrected) < 0.085
    assert np.mean(naive) < np.mean(corrected)


# --- nesting ------------------------------------------------------------------------------------

NESTED = {
    ("Reaction ~ 1 + (1 | Subject)", "Reaction ~ Days + (1 | Subject)"): True,
    ("Reaction ~ Days + (1 | Subject)", "Reaction ~ poly(Days, 2) + (1 | Subject)"): True,
    ("Reaction ~ I(2 * Days) + (1 | Subject)", "Reaction ~ Days + (1 | Subject)"): True,
    ("Reaction ~ log(Days + 1) + (1 | Subject)", "Reaction ~ Days + (1 | Subject)"): False,
    ("Reaction ~ Days + (1 | Subject)", "Reaction ~ Days + (0 + Days | Subject)"): False,
    ("Reaction ~ Days + (Days || Subject)", "Reaction ~ Days + (Days | Subject)"): True,
    ("Reaction ~ Days + (Days | Subject)", "Reaction ~ Days + (Days || Subject)"): False,
    ("Reaction ~ Days + (1 | Subject)", "Reaction ~ Days + (0 + half | Subject)"): True,
    ("Reaction ~ Days + (1 | Subject) + (1 | Subject:half)",
     "Reaction ~ Days + (0 + half | Subject)"): True,
    ("Reaction ~ Days + (1 | Subject)", "Reaction ~ Days + (1 | other)"): False,
}  # fmt: skip


@pytest.mark.parametrize("pair", NESTED)
def test_nesting_is_of_spaces_not_of_formulas(pair: tuple[str, str]) -> None:
    d = _sleep()
    d = d.assign(
        half=np.where(d["Days"] > 4, "late", "early"),
        other=np.random.default_rng(1).integers(0, 9, len(d)).astype(str),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mlpool.MlpoolWarning)
        small, big = (mlpool.lmer(f, d) for f in pair)
    assert is_nested(small, big) is NESTED[pair]


def test_models_that_are_not_nested_get_no_p_value() -> None:
    a = lmer("Reaction ~ Days + (1 | Subject)")
    b = lmer("Reaction ~ Days + (0 + Days | Subject)")
    table = mlpool.anova(a, b)
    assert np.isnan(table["p"].iloc[1])
    assert "Model 1 is not nested in Model 2: no test." in str(table)
    other = mlpool.anova(lm("math ~ ses"), lm("math ~ gender + sector"))
    assert np.isnan(other["F"].iloc[1])
    assert "not nested" in str(other)
    with pytest.raises(mlpool.OptionError, match=r"nested models\. Model 1 is not nested"):
        mlpool.test_likelihoodratio(a, b)


def test_the_same_model_twice_is_said() -> None:
    m = lmer("Reaction ~ Days + (1 | Subject)")
    assert "are the same model" in str(mlpool.anova(m, m))


def test_a_search_that_stopped_early_is_said() -> None:
    a = mlpool.lmer("Reaction ~ Days + (1 | Subject)", _sleep(), REML=False)
    with pytest.warns(mlpool.ConvergenceWarning, match="did not converge"):
        b = mlpool.lmer(
            "Reaction ~ Days + (Days || Subject)", _sleep(), REML=False,
            control={"max_evaluations": 1, "start": (9.0, 9.0)},
        )  # fmt: skip
    assert "did not reach its optimum" in str(mlpool.anova(a, b))


# --- test_likelihoodratio -----------------------------------------------------------------------


def test_likelihood_ratio_table_of_easystats(shared, fitted) -> None:
    table = mlpool.test_likelihoodratio(m0=fitted("m0"), m1=fitted("m1"))
    assert lines(str(table)) == lines(
        """\
# Likelihood-Ratio-Test (LRT) for Model Comparison (ML-estimator)

Name |   Model | df | df_diff |   Chi2 |      p
-----------------------------------------------
m0   | lmerMod |  3 |         |        |
m1   | lmerMod |  4 |       1 | 664.66 | < .001"""
    )
    assert table["Chi2"].iloc[1] == pytest.approx(664.657063539664, rel=1e-6)


def test_estimator_follows_the_fixed_effects() -> None:
    a, b = lmer("Reaction ~ Days + (1 | Subject)"), lmer("Reaction ~ Days + (Days | Subject)")
    reml = mlpool.test_likelihoodratio(a, b)
    assert "(REML-estimator)" in str(reml)
    assert reml["Chi2"].iloc[1] == pytest.approx(42.8368134364305, rel=1e-6)
    ml = mlpool.test_likelihoodratio(a, b, estimator="ML")
    assert ml["Chi2"].iloc[1] == pytest.approx(42.1392985420282, rel=1e-6)
    complete = mlpool.lm("Reaction ~ Days", _sleep())
    mixed = mlpool.test_likelihoodratio({"lm": complete, "lmer": a}, boundary=True)
    assert mixed.metadata["estimator"] == "ML"
    assert mixed["p_boundary"].iloc[1] == pytest.approx(mixed["p"].iloc[1] / 2)
    assert "p (boundary)" in str(mixed)


# --- mistakes -----------------------------------------------------------------------------------


def _with_gaps():
    d = _sleep().assign(extra=np.arange(180.0))
    d.loc[:5, "extra"] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mlpool.MlpoolWarning)
        return mlpool.lmer("Reaction ~ Days + extra + (1 | Subject)", d)


S1 = "Reaction ~ Days + (1 | Subject)"
MISTAKES = {
    "rows": (
        lambda: mlpool.anova(lmer(S1), _with_gaps()), mlpool.DataError,
        r"different rows \(180 and 174\)",
    ),
    "response": (
        lambda: mlpool.anova(lmer(S1), lmer("log(Reaction) ~ Days + (1 | Subject)")),
        mlpool.DataError, "different responses",
    ),
    "weights": (
        lambda: mlpool.anova(
            lmer(S1), mlpool.lmer(S1, _sleep().assign(w=1 + _sleep()["Days"]), weights="w")
        ),
        mlpool.DataError, "different weights",
    ),
    "family": (
        lambda: mlpool.anova(
            mlpool.glm("incidence ~ 1", _cbpp(), family="poisson"),
            mlpool.glm("incidence ~ period", _cbpp(), family="gaussian"),
        ),
        mlpool.DataError, r"different families \(poisson and gaussian\)",
    ),
    "reml": (
        lambda: mlpool.anova(lmer("Reaction ~ 1 + (1 | Subject)"), lmer(S1), refit=False),
        mlpool.OptionError, "their fixed effects differ. Use refit=True",
    ),
    "ml among reml": (
        lambda: mlpool.anova(
            lmer(S1, False), lmer("Reaction ~ Days + (Days | Subject)"), refit=False
        ),
        mlpool.OptionError, "fitted by ML and others by REML",
    ),
    "reml asked": (
        lambda: mlpool.test_likelihoodratio(
            lmer("Reaction ~ 1 + (1 | Subject)"), lmer(S1), estimator="REML"
        ),
        mlpool.OptionError, "their fixed effects differ",
    ),
    "estimator": (
        lambda: mlpool.test_likelihoodratio(lmer(S1), lmer(S1), estimator="OLS"),
        mlpool.OptionError, "estimator must be one of",
    ),
    "one model": (
        lambda: mlpool.test_likelihoodratio(lmer(S1)), mlpool.OptionError, "two models or more",
    ),
    "no model": (lambda: mlpool.anova(), mlpool.OptionError, "two models or more; got 0"),
    "something else": (
        lambda: mlpool.anova(lmer(S1), "m2"), mlpool.OptionError, "needs a fitted model",
    ),
    "option": (
        lambda: mlpool.anova(lmer(S1), tpye=3), mlpool.OptionError,
        "no argument 'tpye'.*Did you mean 'type'",
    ),
    "names": (
        lambda: mlpool.anova(lmer(S1), lmer(S1), names=["a"]), mlpool.OptionError,
        "names must give each of the 2 models",
    ),
    "terms of several": (
        lambda: mlpool.anova(lmer(S1), lmer(S1), type=3), mlpool.OptionError, "terms of one model",
    ),
    "F of several": (
        lambda: mlpool.anova(lmer(S1), lmer(S1), test="F"), mlpool.OptionError, "test='Chisq'",
    ),
    "F of binomial": (
        lambda: mlpool.anova(glm("~ 1"), glm("~ period"), test="F"), mlpool.OptionError,
        "binomial is known",
    ),
    "nAGQ": (
        lambda: mlpool.anova(glmer("~ 1 + (1 | herd)"), glmer("~ period + (1 | herd)", 9)),
        mlpool.OptionError, r"different nAGQ \(1, 9\)",
    ),
    "no residuals": (
        lambda: mlpool.anova(
            *(mlpool.lm(f, {"y": [1.0, 2.0], "x": [0.0, 1.0]}) for f in ("y ~ 1", "y ~ x"))
        ),
        mlpool.OptionError, "no residual degrees of freedom to test against",
    ),
    "ranova of lm": (
        lambda: mlpool.ranova(lm("math ~ ses")), mlpool.NotSupportedError, "this is an lm model",
    ),
    "ranova flag": (
        lambda: mlpool.ranova(lmer(S1), reduce="no"), mlpool.OptionError, "reduce",
    ),
    "drop1 scope": (
        lambda: mlpool.drop1(lm("math ~ ses * sector"), "sectr"), mlpool.OptionError,
        "no term 'sectr'; it has ses, sector, ses:sector. Did you mean 'sector'",
    ),
    "drop1 test": (
        lambda: mlpool.drop1(lm("math ~ ses"), test="LRT"), mlpool.OptionError, "test must be",
    ),
    "drop1 ddf": (
        lambda: mlpool.drop1(lmer(S1), ddf="lme4"), mlpool.OptionError, "ddf must be",
    ),
    "drop1 F of glmer": (
        lambda: mlpool.drop1(glmer("~ period + (1 | herd)"), test="F"), mlpool.OptionError,
        "no denominator df",
    ),
    "drop1 F of binomial": (
        lambda: mlpool.drop1(glm("~ period"), test="F"), mlpool.OptionError, "is known",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name: str) -> None:
    call, error, message = MISTAKES[name]
    with pytest.raises(error, match=message):
        call()


def test_drop1_takes_terms_in_any_order_of_factors() -> None:
    m = lm("math ~ ses * sector")
    assert list(mlpool.drop1(m, "sector:ses")["Parameter"]) == ["<none>", "ses:sector"]
    assert list(mlpool.drop1(m, ["ses", "sector"])["Parameter"]) == ["<none>", "ses", "sector"]


def test_names_of_models() -> None:
    a, b = lm("math ~ ses"), lm("math ~ ses + gender")
    assert "Model 2 (larger): math ~ ses + gender" in str(mlpool.anova(a, b, names=["s", "larger"]))
    by_dict = mlpool.anova({"a": a, "b": b}, test="Chisq")
    assert list(by_dict["Name"]) == ["a", "b"]
    assert by_dict["Chi2"].iloc[1] == pytest.approx(2 * (b.loglik - a.loglik))
