"""Reports: whole texts of bundled data, and every number against the tables it comes from."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mlpool
from mlpool.tables.cells import format_bound, format_number

SNAPSHOTS = Path(__file__).parents[1] / "snapshots"

CBPP = "cbind(incidence, size - incidence) ~ period"
MODELS: dict[str, Callable[[], Any]] = {
    "lmer": lambda: mlpool.lmer("Reaction ~ Days + (Days | Subject)", _data("sleepstudy")),
    "lmer_ml": lambda: mlpool.lmer(
        "math ~ ses * sector + (1 | school)", _data("hsb82"), REML=False
    ),
    "lmer_crossed": lambda: mlpool.lmer(
        "diameter ~ 1 + (1 | plate) + (1 | sample)", _data("Penicillin")
    ),
    "lmer_singular": lambda: mlpool.lmer("Yield ~ 1 + (1 | Batch)", _data("Dyestuff2")),
    "lm": lambda: mlpool.lm("math ~ ses * sector", _data("hsb82")),
    "glm": lambda: mlpool.glm(CBPP, _data("cbpp"), "binomial"),
    "glmer": lambda: mlpool.glmer(f"{CBPP} + (1 | herd)", _data("cbpp"), "binomial"),
    "glmer_gamma": lambda: mlpool.glmer(
        "Reaction ~ Days + (1 | Subject)", _data("sleepstudy"), "Gamma(log)"
    ),
}
OPTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    **{name: (name, {}) for name in MODELS},
    "lmer_kenward": ("lmer", {"ci_method": "kenward", "ci": 0.9, "digits": 3}),
    "lmer_satterthwaite": ("lmer_ml", {"ci_method": "satterthwaite"}),
    "lm_clusters": ("lm", {"vcov": "CR2", "cluster": "school"}),
    "lm_hc3": ("lm", {"vcov": "HC3"}),
    "lm_clusters_satterthwaite": (
        "lm", {"vcov": "CR2", "cluster": "school", "ci_method": "satterthwaite"},
    ),
    "lmer_clusters": ("lmer_ml", {"vcov": "CR2", "cluster": "school"}),
    "glm_wald": ("glm", {"ci_method": "wald"}),
    "lmer_profile": ("lmer", {"ci_method": "profile"}),
}  # fmt: skip


def _data(name: str) -> pd.DataFrame:
    return mlpool.load_data(name)


@cache
def fitted(name: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mlpool.MlpoolWarning)
        return MODELS[name]()


@cache
def reported(name: str) -> Any:
    model, options = OPTIONS[name]
    return mlpool.report(fitted(model), **options)


@pytest.mark.parametrize("name", OPTIONS)
def test_texts(name: str) -> None:
    """Whole texts; a change of one is a change that a reader sees."""
    expected = (SNAPSHOTS / f"report_{name}.txt").read_text(encoding="utf-8")
    assert f"{reported(name)}\n" == expected


def parameters(name: str) -> tuple[Any, int]:
    model, options = OPTIONS[name]
    given = {k: v for k, v in options.items() if k != "digits"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mlpool.MlpoolWarning)
        table = mlpool.model_parameters(fitted(model), effects="fixed", **given)
    return table, options.get("digits", 2)


SENTENCE = re.compile(
    r" is (?P<b>\S+) and (?P<verdict>differs|does not differ reliably) from zero "
    r"\((?P<level>\d+)% CI \[(?P<low>\S+), (?P<high>\S+)\], "
    r"(?P<letter>[tz])(?:\((?P<df>[\d.]+)\))? = (?P<stat>[^,]+), p (?P<p>[<>=] [\d.]+)"
)


@pytest.mark.parametrize("name", OPTIONS)
def test_coefficients_are_those_of_the_table(name: str) -> None:
    table, digits = parameters(name)
    sentences = reported(name).coefficients
    assert len(sentences) == len(table)
    for text, row in zip(sentences, table.to_pandas().to_dict("records"), strict=True):
        found = SENTENCE.search(text)
        assert found is not None, text
        assert found["b"] == format_number(row["Coefficient"], digits)
        assert found["low"] == format_bound(row["CI_low"], digits)
        assert found["high"] == format_bound(row["CI_high"], digits)
        assert float(found["level"]) == 100 * row["CI"]
        assert found["stat"] == format_number(row[found["letter"]], digits)
        if found["df"]:
            assert float(found["df"]) == pytest.approx(row["df_error"], abs=0.006)
        else:
            assert np.isinf(row["df_error"])
        p = float(found["p"].split()[1])
        if found["p"].startswith("="):
            assert p == pytest.approx(row["p"], abs=5.1e-4)
        else:
            assert (row["p"] < p) is found["p"].startswith("<")
        assert (found["verdict"] == "differs") is (row["p"] < 1 - row["CI"])


@pytest.mark.parametrize("name", ["lmer", "lmer_ml", "lm", "lmer_kenward"])
def test_standardized_coefficients_are_those_of_standardize_parameters(name: str) -> None:
    model, options = OPTIONS[name]
    digits = options.get("digits", 2)
    given = {k: v for k, v in options.items() if k != "digits"}
    rows = mlpool.standardize_parameters(fitted(model), **given).to_pandas()
    for text, row in list(zip(reported(name).coefficients, rows.to_dict("records"), strict=True))[
        1:
    ]:
        value = format_number(row["Std_Coefficient"], digits)
        bounds = ", ".join(format_bound(row[k], digits) for k in ("CI_low", "CI_high"))
        assert text.endswith(f"standardized {value} [{bounds}]).")


@pytest.mark.parametrize("name", ["glm", "glmer", "glmer_gamma"])
def test_ratios_are_exponentiated_coefficients(name: str) -> None:
    table = mlpool.model_parameters(fitted(name), effects="fixed", exponentiate=True)
    kind = "ratio of means" if name == "glmer_gamma" else "odds ratio"
    for text, row in list(
        zip(reported(name).coefficients, table.to_pandas().to_dict("records"), strict=True)
    )[1:]:
        bounds = ", ".join(format_bound(row[k]) for k in ("CI_low", "CI_high"))
        assert f"; {kind} {format_number(row['Coefficient'])} [{bounds}])." in text


@pytest.mark.parametrize("name", ["lmer", "lmer_ml", "glmer", "glmer_gamma"])
def test_shares_of_variance_are_those_of_r2_and_icc(name: str) -> None:
    m, text = fitted(name), reported(name).explained
    r2, icc = (getattr(mlpool, verb)(m).to_pandas().iloc[0] for verb in ("r2", "icc"))
    numbers = re.findall(r"\d\.\d\d", text)
    wanted = [r2["R2_conditional"], r2["R2_marginal"], icc["ICC_adjusted"], icc["ICC_unadjusted"]]
    assert numbers == [format_bound(v) for v in wanted]


def test_linear_model_has_the_f_test_of_its_summary() -> None:
    summary = str(fitted("lm").summary())
    found = re.search(r"F-statistic: ([\d.]+) on (\d+) and (\d+) DF", summary)
    assert found is not None
    said = re.search(r"F\((\d+), (\d+)\) = ([\d.]+), p < .001", reported("lm").explained)
    assert said is not None
    assert said.groups()[:2] == (found[2], found[3])
    assert float(said[3]) == pytest.approx(float(found[1]), abs=0.06)
    assert "F(" not in reported("lm_hc3").explained  # not the test of those standard errors


@pytest.mark.parametrize("name", ["lmer", "lmer_crossed", "lmer_singular", "glmer"])
def test_groups_differ_as_in_varcorr(name: str) -> None:
    m, text = fitted(name), reported(name).random
    varcorr = m.varcorr()
    expected = [format_number(sd) for block in varcorr.blocks for sd in block.sd]
    if varcorr.sigma is not None:
        expected.append(format_number(varcorr.sigma))
    assert re.findall(r"(?:an SD of|one of|SD is) (\S+?)[ .,]?(?=\s|$)", text) == expected
    for group, n in m.ngroups.items():
        assert f"etween the {n} levels of {group} " in text


def test_methods_are_named() -> None:
    said = {
        "lmer": "intervals and p-values come from t-tests with 174 residual degrees of freedom.",
        "lmer_kenward": "t-tests with Kenward and Roger's degrees of freedom and standard errors.",
        "lmer_satterthwaite": "t-tests with Satterthwaite's degrees of freedom.",
        "lmer_profile": "intervals come from the profile likelihood, p-values from Wald t-tests.",
        "lm_clusters": "Standard errors are cluster-robust (CR2, 160 clusters of school); ",
        "lm_hc3": "Standard errors are heteroscedasticity-consistent (HC3); ",
        "glmer": "Its intervals and p-values come from Wald z-tests.",
    }
    for name, text in said.items():
        assert text in reported(name).method, name
    normal = mlpool.report(fitted("lmer"), ci_method="normal")
    assert normal.method.endswith("come from the normal distribution (Wald).")
    given = mlpool.report(fitted("lm"), vcov=np.eye(4))
    assert given.method.startswith("Standard errors come from a covariance matrix that was given")
    fixed = mlpool.lm("math ~ ses", _data("hsb82"), cluster="school")
    assert "cluster-robust" in mlpool.report(fixed).method


def test_markdown_keeps_the_words() -> None:
    text = reported("lmer").to_markdown()
    assert "(formula: `Reaction ~ Days + (Days | Subject)`; restricted" in text
    plain = text.replace("\\", "").replace("`", "").split()
    assert [w for w in plain if w != "-"] == [w for w in str(reported("lmer")).split() if w != "-"]
    assert "<li>The coefficient of Days" in reported("lmer")._repr_html_()
    assert repr(reported("lmer")) == str(reported("lmer"))


@pytest.mark.parametrize("name", ["lmer", "lm", "glm", "glmer"])
def test_models_without_their_rows_report_the_same(name: str, tmp_path: Path) -> None:
    """Standardized coefficients need the rows; everything else is in the file."""
    m = fitted(name)
    m.save(tmp_path / "m.mlpool")
    again = mlpool.load_model(tmp_path / "m.mlpool")
    assert str(mlpool.report(again)) == str(mlpool.report(m, standardize=False))
    assert str(mlpool.check_convergence(again)) == str(mlpool.check_convergence(m))
    with pytest.raises(mlpool.NotSupportedError, match=r"needs the rows.*data=True"):
        mlpool.report(again, standardize=True)


# --- cautions -----------------------------------------------------------------------------------


def test_few_groups_and_clusters() -> None:
    assert "With fewer than 20 levels of Subject (18)" in reported("lmer").cautions[0]
    assert not reported("lmer_kenward").cautions
    assert not reported("lmer_ml").cautions
    m = mlpool.lm("Reaction ~ Days", _data("sleepstudy"))
    few = mlpool.report(m, vcov="CR1", cluster="Subject")
    assert few.cautions[0].startswith("Cluster-robust tests rest on 18 clusters; below 40")
    assert not mlpool.report(m, vcov="CR2", cluster="Subject", ci_method="satterthwaite").cautions
    assert not reported("lm_clusters").cautions


def test_rows_and_columns_left_out() -> None:
    d = _data("sleepstudy").assign(half=lambda d: d["Days"] / 2)
    d.loc[[1, 5], "Days"] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mlpool.MlpoolWarning)
        m = mlpool.lm("Reaction ~ Days + half", d)
        text = mlpool.report(m)
    assert text.cautions == (
        "2 of 180 rows were left out because of missing values (Days: 2).",
        "1 coefficient could not be estimated because others determine them (half).",
    )
    assert "It rests on 178 rows." in text.model


def test_reports_of_singular_and_stopped_fits_do_not_warn() -> None:
    singular = reported("lmer_singular")
    assert "Because the fit is singular, the conditional R2" in singular.explained
    assert singular.cautions[0].startswith("Singular fit: (Intercept) of Batch does not vary")
    with pytest.warns(mlpool.ConvergenceWarning):
        m = mlpool.lmer(
            "Reaction ~ Days + (Days | Subject)", _data("sleepstudy"),
            control={"max_evaluations": 2},
        )  # fmt: skip
    assert mlpool.report(m).cautions[0] == (
        "The fit did not converge: the limit on evaluations was reached; the gradient of the "
        "deviance is not zero."
    )


TINY = pd.DataFrame({"y": [1.0, 2.0, 4.0], "x": [0.0, 1.0, 2.0], "g": ["a", "a", "b"]})


@pytest.mark.parametrize(
    ("verb", "formula", "text"),
    [
        ("lm", "y ~ x + I(x^2)", "has as many parameters as rows"),
        ("lmer", "y ~ 1 + (1 | g)", "has as many parameters as rows"),
        ("lm", "I(2 * x) ~ x", "fits its rows exactly"),
    ],
)
def test_models_with_nothing_left_say_so(verb: str, formula: str, text: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mlpool.MlpoolWarning)
        report = mlpool.report(getattr(mlpool, verb)(formula, TINY))
    assert text in report.cautions[0]
    if "parameters" in text:
        assert report.coefficients[0].endswith("its interval and p-value cannot be told.")
    assert "nan" not in str(report)
    assert "[, ]" not in str(report)


def test_other_models() -> None:
    counts = mlpool.report(mlpool.glm("incidence ~ period", _data("cbpp"), "poisson"))
    assert "rate ratio" in counts.coefficients[1]
    assert counts.explained.startswith("Nagelkerke's R2 is 0.")
    d = _data("sleepstudy").assign(v=lambda d: (d["Reaction"] > 300) * 1)
    logistic = mlpool.report(mlpool.glm("v ~ Days", d, "binomial"), standardize=True)
    assert logistic.explained == "Tjur's R2 is 0.24."
    assert "standardized" in logistic.coefficients[1]
    with pytest.warns(mlpool.SingularFitWarning):
        negative = mlpool.glmer("incidence ~ period + (1 | herd)", _data("cbpp"), "nbinom2")
    assert "Theta of the negative binomial is" in mlpool.report(negative).random
    nodes = mlpool.glmer(f"{CBPP} + (1 | herd)", _data("cbpp"), "binomial", nAGQ=5)
    assert "adaptive Gauss-Hermite quadrature with 5 nodes" in mlpool.report(nodes).model
    weighted = d.assign(w=1.0 + d["Days"] % 2)
    by_row = mlpool.lmer("Reaction ~ poly(Days, 2) + (1 | Subject)", weighted, weights="w")
    text = mlpool.report(by_row, standardize=False)
    assert "Rows carry prior weights." in text.model
    assert text.coefficients[0].startswith("The intercept is ")
    schools = mlpool.report(mlpool.lm("math ~ 0 + school", _data("hsb82")))
    assert schools.coefficients[-1] == "The other 120 coefficients are in model_parameters()."
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mlpool.MlpoolWarning)
        several = mlpool.lmer("Reaction ~ Days + (Days + I(Days^2) | Subject)", d)
    assert "with correlations" in mlpool.report(several, standardize=False).random
    offset = mlpool.glm("incidence ~ period + offset(log(size))", _data("cbpp"), "poisson")
    assert "The linear predictor has an offset." in mlpool.report(offset).model


# --- mistakes -----------------------------------------------------------------------------------


def test_mistakes() -> None:
    with pytest.raises(mlpool.OptionError, match=r"report\(\) needs a fitted model.*DataFrame"):
        mlpool.report(TINY)
    with pytest.raises(mlpool.OptionError, match="needs a level for its intervals"):
        mlpool.report(fitted("lmer"), ci=None)
    with pytest.raises(mlpool.OptionError, match="standardize must be True, False or None"):
        mlpool.report(fitted("lmer"), standardize="refit")
    with pytest.raises(mlpool.OptionError, match="mean 'kenward'"):
        mlpool.report(fitted("lmer"), ci_method="kenwrd")


@pytest.mark.parametrize(
    ("formula", "x", "y"),
    [
        ("log(y) ~ x", lambda d: d.x, lambda d: np.log(d.y)),
        ("sqrt(y) ~ x", lambda d: d.x, lambda d: np.sqrt(d.y)),
        ("I(y^2) ~ log(x)", lambda d: np.log(d.x), lambda d: d.y**2),
        ("y ~ log(x)", lambda d: np.log(d.x), lambda d: d.y),
        ("I(y / 1e6) ~ sqrt(x)", lambda d: np.sqrt(d.x), lambda d: d.y),
    ],
)
def test_the_standardized_slope_of_one_predictor_is_the_correlation(
    formula: str, x: Any, y: Any
) -> None:
    rng = np.random.default_rng(8)
    d = pd.DataFrame({"x": rng.uniform(1, 9, 80)})
    d["y"] = np.exp(0.2 * d.x + rng.normal(0, 0.3, 80))
    expected = format_number(float(np.corrcoef(x(d), y(d))[0, 1]))
    assert f"standardized {expected} [" in mlpool.report(mlpool.lm(formula, d)).coefficients[1]


def test_products_with_a_logarithm_have_no_standardized_coefficient() -> None:
    rng = np.random.default_rng(8)
    d = {"x": rng.uniform(1, 9, 40), "w": rng.normal(size=40), "y": rng.normal(size=40)}
    sentences = mlpool.report(mlpool.lm("y ~ log(x) * w", d)).coefficients
    assert ["standardized" in s for s in sentences] == [False, True, True, False]
