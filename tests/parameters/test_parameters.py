"""`model_parameters`: its numbers against R's, its options, its layouts, its sentences."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import mlpool
from mlpool import model_parameters
from mlpool.errors import FewClustersWarning, FitError, NotSupportedError, OptionError
from mlpool.inference.p_adjust import adjust_p, read_adjustment

Fitted = Callable[[str], Any]

# --- raw numbers against R ------------------------------------------------------------------

CASES: dict[str, tuple[str, str]] = {
    "par_lm_heck": ("lm2", "school"),
    "par_lmer_heck": ("m1", ""),
    "par_lmer_sleep": ("s2", ""),
    "par_lmer_pop": ("p1", ""),
}

CALLS: dict[str, dict[str, Any]] = {
    "model_parameters(m)": {},
    "model_parameters(m, vcov = 'HC3')": {"vcov": "HC3"},
    "model_parameters(m, vcov = 'HC1')": {"vcov": "HC1"},
    "model_parameters(m, p_adjust = 'holm')": {"p_adjust": "holm"},
    "model_parameters(m, ci = 0.9)": {"ci": 0.9},
    "model_parameters(m, effects = 'fixed')": {"effects": "fixed"},
    "model_parameters(m, effects = 'random')": {"effects": "random"},
    "model_parameters(m, ci_method = 'satterthwaite', effects = 'fixed')": {
        "ci_method": "satterthwaite",
        "effects": "fixed",
    },
    "model_parameters(m, ci_method = 'wald', effects = 'fixed')": {
        "ci_method": "wald",
        "effects": "fixed",
    },
    "model_parameters(m, ci_method = 'residual', effects = 'fixed')": {
        "ci_method": "residual",
        "effects": "fixed",
    },
    "model_parameters(m, ci_method = 'kenward', effects = 'fixed')": {
        "ci_method": "kenward",
        "effects": "fixed",
    },
    "model_parameters(m, vcov = 'vcovCL', vcov_args = list(cluster = d$school))": {
        "vcov": "vcovCL",
        "vcov_args": {"cluster": "school"},
    },
    "model_parameters(m, vcov = 'vcovCL', vcov_args = list(cluster = d$school, type = 'HC0'))": {
        "vcov": "vcovCL",
        "vcov_args": {"cluster": "school", "type": "HC0"},
    },
}


def reference_items(shared: Path, case_id: str) -> dict[str, dict[str, list[Any]]]:
    cases = json.loads((shared / "reference" / "parameters_tables.json").read_text())["cases"]
    case = next(c for c in cases if c["id"] == case_id)
    return {item["call"]: item["columns"] for item in case["result"]["items"]}


@pytest.mark.parametrize("case_id", CASES)
def test_raw_frames_are_those_of_r(case_id: str, shared: Path, fitted: Fitted) -> None:
    """Same columns, names and order; numbers to 1e-5 (df by Satterthwaite 1e-3, p 1e-3)."""
    items = reference_items(shared, case_id)
    used = [call for call in items if call in CALLS]
    assert len(used) >= 5
    for call in used:
        frame = model_parameters(fitted(CASES[case_id][0]), **CALLS[call]).to_pandas()
        assert list(frame.columns) == list(items[call]), call
        for name, expected in items[call].items():
            ours = frame[name].tolist()
            if isinstance(expected[0], str):
                assert ours == expected, (call, name)
                continue
            wanted = np.array([np.nan if v is None else v for v in expected], dtype=float)
            rel = 1e-3 if name in ("df_error", "p") else 1e-5
            tiny = 1e-300 if name == "p" else 1e-6
            np.testing.assert_allclose(ours, wanted, rtol=rel, atol=tiny, err_msg=f"{call} {name}")


METHODS = ("holm", "hochberg", "hommel", "bonferroni", "BH", "BY", "fdr", "none")


@pytest.mark.parametrize("method", METHODS)
def test_p_values_adjusted_as_in_r(method: str, shared: Path) -> None:
    reference = json.loads((shared / "reference" / "p_adjust.json").read_text())
    p, expected = (
        np.array([np.nan if v is None else v for v in values], dtype=float)
        for values in (reference["p"], reference["adjusted"][method])
    )
    np.testing.assert_allclose(adjust_p(p, read_adjustment(method)), expected, rtol=1e-12)


def test_adjustment_by_hand() -> None:
    p = np.array([0.01, np.nan, 0.04, 0.03])
    np.testing.assert_allclose(adjust_p(p, "holm"), [0.03, np.nan, 0.06, 0.06])
    np.testing.assert_allclose(adjust_p(p, "hochberg"), [0.03, np.nan, 0.04, 0.04])
    np.testing.assert_allclose(adjust_p(p, "hommel"), [0.03, np.nan, 0.04, 0.04])
    np.testing.assert_allclose(adjust_p(p, "fdr"), [0.03, np.nan, 0.04, 0.04])
    np.testing.assert_allclose(adjust_p(p, "by"), np.array([0.03, np.nan, 0.04, 0.04]) * 11 / 6)
    np.testing.assert_allclose(adjust_p(p, "bonferroni"), [0.03, np.nan, 0.12, 0.09])
    np.testing.assert_array_equal(adjust_p(p, "none"), p)
    np.testing.assert_array_equal(adjust_p(np.array([0.9, 0.8]), "bonferroni"), [1.0, 1.0])


# --- degrees of freedom and intervals -------------------------------------------------------


def test_normal_intervals_keep_the_header(sleep_model: Any) -> None:
    table = model_parameters(sleep_model, ci_method="normal", effects="fixed")
    b, se = sleep_model.fixef().to_numpy(), sleep_model.se.to_numpy()
    np.testing.assert_allclose(table["CI_low"], b - stats.norm.ppf(0.975) * se)
    np.testing.assert_allclose(table["p"], 2 * stats.norm.sf(b / se))
    assert "t(174)" in str(table)


def test_levels(sleep_lm: Any) -> None:
    table = model_parameters(sleep_lm, ci=0.999)
    assert "99.9% CI" in str(table)
    b, se = sleep_lm.fixef().to_numpy(), sleep_lm.se.to_numpy()
    np.testing.assert_allclose(table["CI_high"], b + stats.t.ppf(0.9995, 178) * se)
    without = model_parameters(sleep_lm, ci=None)
    assert not {"CI", "CI_low", "CI_high"} & set(without.columns)
    assert str(without).split("\n")[0] == "Parameter   | Coefficient |   SE | t(178) |      p"


def test_covariance_chosen_at_fit_time(sleepstudy: pd.DataFrame) -> None:
    with pytest.warns(FewClustersWarning):
        robust = mlpool.lm("Reaction ~ Days", sleepstudy, cluster="Subject")
    plain = mlpool.lm("Reaction ~ Days", sleepstudy)
    at_fit = model_parameters(robust)
    with pytest.warns(FewClustersWarning, match="rest on 18 clusters"):
        later = model_parameters(plain, vcov="vcovCL", cluster="Subject")
    pd.testing.assert_frame_equal(at_fit.data, later.data)
    assert at_fit.metadata["vcov"] == later.metadata["vcov"] == "vcovCL"
    model_based = model_parameters(robust, vcov="model")
    pd.testing.assert_frame_equal(model_based.data, model_parameters(plain).data)
    assert model_based.metadata["vcov"] is None


def test_a_matrix_as_covariance(sleep_lm: Any) -> None:
    table = model_parameters(sleep_lm, vcov=4.0 * sleep_lm.vcov().to_numpy())
    np.testing.assert_allclose(table["SE"], 2.0 * sleep_lm.se)


def test_random_intervals(sleep_model: Any) -> None:
    assert str(model_parameters(sleep_model, ci_random=True)).split("\n")[-6:] == [
        "Parameter                     | Coefficient |   SE |         95% CI",
        "-------------------------------------------------------------------",
        "SD (Intercept: Subject)       |       24.74 | 5.84 | [15.58, 39.28]",
        "SD (Days: Subject)            |        5.92 | 1.25 | [ 3.92,  8.95]",
        "Cor (Intercept~Days: Subject) |        0.07 | 0.32 | [-0.51,  0.60]",
        "SD (Residual)                 |       25.59 | 1.51 | [22.80, 28.72]",
    ]


# --- layouts --------------------------------------------------------------------------------


def test_glm_by_profile_and_wald(cbpp_glm: Any) -> None:
    """Bounds from R: confint(glm(cbind(incidence, size - incidence) ~ period, binomial, cbpp))."""
    table = model_parameters(cbpp_glm)
    assert str(table).split("\n") == [
        "Parameter   | Log-Odds |   SE |         95% CI |     z |      p",
        "---------------------------------------------------------------",
        "(Intercept) |    -1.27 | 0.14 | [-1.56, -0.99] | -8.76 | < .001",
        "period [2]  |    -1.17 | 0.29 | [-1.77, -0.62] | -4.02 | < .001",
        "period [3]  |    -1.30 | 0.31 | [-1.95, -0.72] | -4.16 | < .001",
        "period [4]  |    -1.78 | 0.41 | [-2.68, -1.04] | -4.31 | < .001",
    ]
    wald = model_parameters(cbpp_glm, ci_method="wald")
    np.testing.assert_allclose(wald["CI_low"], wald["Coefficient"] - 1.959963984540054 * wald["SE"])
    assert np.isinf(table["df_error"]).all()
    robust = model_parameters(cbpp_glm, vcov="HC0")
    assert robust.metadata["ci_method"] == "wald"


def test_exponentiated(cbpp_glm: Any) -> None:
    plain, ratio = model_parameters(cbpp_glm), model_parameters(cbpp_glm, exponentiate=True)
    np.testing.assert_allclose(ratio["Coefficient"], np.exp(plain["Coefficient"]))
    np.testing.assert_allclose(ratio["SE"], np.exp(plain["Coefficient"]) * plain["SE"])
    np.testing.assert_allclose(ratio["CI_low"], np.exp(plain["CI_low"]))
    pd.testing.assert_frame_equal(ratio[["z", "p"]], plain[["z", "p"]])
    assert "Odds Ratio" in str(ratio)
    same = model_parameters(cbpp_glm, exponentiate="nongaussian")
    pd.testing.assert_frame_equal(same.data, ratio.data)


def test_exponentiating_leaves_random_effects_alone(sleep_model: Any, sleep_lm: Any) -> None:
    table = model_parameters(sleep_model, exponentiate=True)
    assert table["Coefficient"].iloc[2] == pytest.approx(24.7404, abs=1e-3)
    plain = model_parameters(sleep_lm, exponentiate="nongaussian")
    assert plain["Coefficient"].iloc[1] == pytest.approx(10.4673, abs=1e-4)


@pytest.mark.parametrize(
    ("family", "headers"),
    [
        ("binomial", ("Log-Odds", "Odds Ratio")),
        ("binomial(probit)", ("Z-Score", "Z-Score")),
        ("poisson", ("Log-Mean", "IRR")),
    ],
)
def test_headers_by_link(family: str, headers: tuple[str, str]) -> None:
    data = {"y": [0, 1, 1, 0, 1, 0, 1, 1, 0, 1], "x": [1.0, 2, 3, 4, 5, 3, 4, 6, 2, 1]}
    m = mlpool.glm("y ~ x", data, family=family)
    for exponentiate, header in zip((False, True), headers, strict=True):
        text = str(model_parameters(m, exponentiate=exponentiate, ci_method="wald"))
        assert header in text.split("\n")[0]
        assert " z |" in text.split("\n")[0]


def test_gaussian_glm_has_t_statistics(sleepstudy: pd.DataFrame, sleep_lm: Any) -> None:
    table = model_parameters(mlpool.glm("Reaction ~ Days", sleepstudy), ci_method="wald")
    assert str(table) == str(model_parameters(sleep_lm))


def test_reference_levels(cbpp_glm: Any, hsb_model: Any) -> None:
    table = model_parameters(cbpp_glm, include_reference=True)
    assert table["Parameter"].tolist()[:3] == ["(Intercept)", "period1", "period2"]
    assert str(table).split("\n")[3] == (
        "period [1]  |     0.00 |      |                |       |       "
    )
    ratio = str(model_parameters(cbpp_glm, include_reference=True, exponentiate=True))
    assert ratio.split("\n")[3].split(" | ")[:2] == ["period [1] ", "      1.00"]
    rows = [line.partition(" |")[0] for line in str(
        model_parameters(hsb_model, include_reference=True)).split("\n")[2:]]  # fmt: skip
    assert [r.strip() for r in rows] == [
        "(Intercept)", "ses", "gender [M]", "gender [F]", "ses × gender [F]",
    ]  # fmt: skip


def test_no_reference_level_under_sum_contrasts() -> None:
    data = mlpool.load_data("hsb82")
    m = mlpool.lm("math ~ sector", data, contrasts={"sector": "sum"})
    assert len(model_parameters(m, include_reference=True)) == 2


def test_group_levels(sleep_model: Any) -> None:
    table = model_parameters(sleep_model, effects="random", group_level=True)
    lines = str(table).split("\n")
    assert lines[:5] == [
        "# Random Effects: Subject",
        "",
        "Parameter         | Coefficient |    SE |           95% CI",
        "----------------------------------------------------------",
        "(Intercept) [308] |        2.26 | 12.07 | [-21.40,  25.92]",
    ]
    assert list(table.columns)[:5] == ["Group", "Level", "Parameter", "Coefficient", "SE"]
    half = table["CI_high"] - table["Coefficient"]
    np.testing.assert_allclose(half / table["SE"], 1.959963984540054)
    one = model_parameters(sleep_model, effects="random", group_level=True, keep="Days")
    assert set(one["Parameter"]) == {"Days"}
    assert "CI_low" not in model_parameters(
        sleep_model, effects="random", group_level=True, ci=None
    )


def test_within_and_between(sleepstudy: pd.DataFrame) -> None:
    days = sleepstudy.groupby("Subject", observed=True)["Days"].transform("mean")
    rng = np.random.default_rng(3)
    data = sleepstudy.assign(
        Days_between=days + rng.normal(size=180), Days_within=sleepstudy["Days"] - days
    )
    m = mlpool.lm("Reaction ~ Days_between + Days_within", data)
    text = str(model_parameters(m, wb_component=True))
    first, within, between = text.split("\n\n# ")
    assert first.startswith("Parameter   | Coefficient")
    assert within.startswith("Within-Effects\n\nParameter   |")
    assert "Days within" in within
    assert between.startswith("Between-Effects\n\n")
    assert "Days between" in between
    assert "#" not in str(model_parameters(m))


def test_keep_and_drop(hsb_model: Any) -> None:
    kept = model_parameters(hsb_model, keep="gender")
    assert kept["Parameter"].tolist() == ["genderF", "ses:genderF"]
    dropped = model_parameters(hsb_model, drop=["Intercept", ":"])
    assert dropped["Parameter"].tolist() == ["ses", "genderF"]
    assert "gender [F]" in str(dropped)
    with pytest.raises(OptionError, match="keep and drop leave no row"):
        model_parameters(hsb_model, keep="nothing")
    with pytest.raises(OptionError, match="keep must be a regular expression"):
        model_parameters(hsb_model, keep="(")


def test_info_of_a_linear_model(sleep_lm: Any) -> None:
    """R: summary(lm(Reaction ~ Days, sleepstudy)): 47.71 on 178, 0.2865, 0.2825."""
    assert str(model_parameters(sleep_lm, include_info=True)).split("\n")[-4:] == [
        "Model: Reaction ~ Days (180 Observations)",
        "Sigma: 47.715 (df = 178)",
        "RMSE : 47.449",
        "R2: 0.286; adjusted R2: 0.282",
    ]


def test_info_of_other_models(cbpp_glm: Any, sleepstudy: pd.DataFrame) -> None:
    assert str(model_parameters(cbpp_glm, include_info=True)).split("\n\n")[-1].count("\n") == 2
    through_origin = mlpool.lm("Reaction ~ 0 + Days", sleepstudy)
    r2 = 1 - (through_origin.resid**2).sum() / (sleepstudy["Reaction"] ** 2).sum()
    assert f"R2: {r2:.3f};" in str(model_parameters(through_origin, summary=True))


def test_info_of_a_singular_fit() -> None:
    with pytest.warns(mlpool.SingularFitWarning):
        m = mlpool.lmer("Yield ~ 1 + (1 | Batch)", mlpool.load_data("Dyestuff2"))
    assert "Conditional R2: NA; Marginal R2: 0.000" in str(model_parameters(m, include_info=True))
    text = str(model_parameters(m, ci_random=True, effects="random"))
    assert "SD (Intercept: Batch) |        0.00 |      |" in text


def test_uncorrelated_and_nested_terms(sleepstudy: pd.DataFrame) -> None:
    m = mlpool.lmer("Reaction ~ Days + (Days || Subject)", sleepstudy)
    names = [line.partition(" |")[0].strip() for line in str(
        model_parameters(m, effects="random")).split("\n")[4:]]  # fmt: skip
    assert names == ["SD (Intercept: Subject)", "SD (Days: Subject)", "SD (Residual)"]
    pastes = mlpool.lmer("strength ~ 1 + (1 | batch/cask)", mlpool.load_data("Pastes"))
    table = model_parameters(pastes, effects="random")
    assert table["Group"].tolist() == ["cask:batch", "batch", "Residual"]
    assert "SD (Intercept: cask:batch)" in str(table)
    assert table["Parameter"].tolist() == ["SD (Intercept)"] * 2 + ["SD (Observations)"]


def test_order_of_random_rows(fitted: Fitted, dataset: Callable[[str], Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mlpool.MlpoolWarning)
        m = mlpool.lmer("math ~ ses + gender + (ses + gender | school)", dataset("heck"))
    assert model_parameters(m, effects="random")["Parameter"].tolist() == [
        "SD (Intercept)",
        "SD (ses)",
        "SD (genderF)",
        "Cor (Intercept~ses)",
        "Cor (Intercept~genderF)",
        "Cor (ses~genderF)",
        "SD (Observations)",
    ]


# --- notes, footers -------------------------------------------------------------------------


def test_notes_are_printed_on_request_only(sleep_model: Any, cbpp_glm: Any) -> None:
    quiet = model_parameters(sleep_model, ci_method="kenward")
    assert "Kenward-Roger" in quiet.notes[0]
    assert "Kenward-Roger" not in str(quiet)
    assert "Kenward-Roger" in str(model_parameters(sleep_model, ci_method="kr", verbose=True))
    notes = model_parameters(cbpp_glm).notes
    assert "profile likelihood" in notes[0]
    assert "logit scale" in notes[1]
    assert len(model_parameters(cbpp_glm, exponentiate=True).notes) == 1
    assert "Wald normal" in model_parameters(sleep_model, ci_method="normal").notes[0]
    assert model_parameters(sleep_model, effects="random").notes == ()


def test_adjustment_is_told(sleep_lm: Any, sleep_model: Any) -> None:
    text = str(model_parameters(sleep_lm, p_adjust="holm"))
    assert text.endswith("\n\np-value adjustment method: Holm (1979)")
    assert "adjustment" not in str(model_parameters(sleep_lm, p_adjust="none"))
    both = model_parameters(sleep_model, p_adjust="bonferroni")
    assert str(both).endswith("Bonferroni")


# --- bootstrap ------------------------------------------------------------------------------


def test_bootstrap(sleep_lm: Any) -> None:
    table = model_parameters(sleep_lm, bootstrap=True, iterations=800, seed=1)
    assert list(table.columns) == ["Parameter", "Coefficient", "CI", "CI_low", "CI_high", "p"]
    assert str(table).split("\n")[0] == "Parameter   | Coefficient |           95% CI |      p"
    again = model_parameters(sleep_lm, bootstrap=True, iterations=800, seed=1)
    pd.testing.assert_frame_equal(table.data, again.data)
    robust = sleep_lm.vcov("HC0").to_numpy()
    width = (table["CI_high"] - table["CI_low"]).to_numpy()
    np.testing.assert_allclose(width, 2 * 1.96 * np.sqrt(np.diag(robust)), rtol=0.15)
    np.testing.assert_allclose(table["Coefficient"], sleep_lm.fixef(), rtol=0.02)
    assert "of bootstrap draws" in table.notes[0]
    assert table.notes[1] == "Case bootstrap of 180 rows: 800 replicates."


def test_bootstrap_without_usable_draws() -> None:
    n = 6
    data = {"y": [1.0, 3, 2, 5, 4, 7], **{f"x{j}": np.eye(n)[j] for j in range(4)}}
    m = mlpool.lm("y ~ 0 + x0 + x1 + x2 + x3", data)
    with pytest.raises(
        FitError, match=r"None of the 2 replicates could be fitted\. The resample leaves"
    ):
        model_parameters(m, bootstrap=True, iterations=2, seed=2)


def test_bootstrap_of_a_mixed_model(sleep_model: Any) -> None:
    table = model_parameters(sleep_model, bootstrap=True, iterations=150, seed=1)
    names = ["Parameter", "Coefficient", "CI", "CI_low", "CI_high", "p", "Effects", "Group", "SE"]
    assert list(table.columns) == names
    random = table.data[table["Effects"] == "random"]
    assert (random["CI_low"] < random["Coefficient"]).all()
    assert (random["CI_high"] > random["Coefficient"]).all()
    assert "SE" not in str(table)


def test_bootstrap_options(sleep_lm: Any) -> None:
    with pytest.raises(OptionError, match="iterations must be a whole number"):
        model_parameters(sleep_lm, bootstrap=True, iterations=1.5)
    with pytest.raises(OptionError, match="iterations must be a whole number, 2 or more; got 1"):
        model_parameters(sleep_lm, bootstrap=True, iterations=1)
    with pytest.raises(OptionError, match="bootstrap=True takes neither"):
        model_parameters(sleep_lm, bootstrap=True, vcov="HC3")


# --- sentences ------------------------------------------------------------------------------

SENTENCES: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "ci": ({"ci": 95}, OptionError, "ci must be a level between 0 and 1"),
    "ci text": ({"ci": "0.95"}, OptionError, "ci must be a level"),
    "method": ({"ci_method": "walt"}, OptionError, "Did you mean 'wald'"),
    "method type": ({"ci_method": 3}, OptionError, "ci_method must be one of"),
    "small sample": ({"ci_method": "kr"}, NotSupportedError, "not available for lm models"),
    "betwithin": ({"ci_method": "betwithin"}, NotSupportedError, "not available for lm models"),
    "effects": ({"effects": "randon"}, OptionError, "Did you mean 'random'"),
    "random": ({"effects": "random"}, NotSupportedError, "effects='random' needs a mixed model"),
    "exponentiate": ({"exponentiate": "yes"}, OptionError, "exponentiate must be True, False"),
    "digits": ({"digits": -1}, OptionError, "digits must be a whole number from 0 to 15"),
    "ci_digits": ({"ci_digits": 2.5}, OptionError, "ci_digits must be a whole number"),
    "p_digits": ({"p_digits": "scientifc"}, OptionError, "p_digits must be a whole number"),
    "select": ({"select": "minimall"}, OptionError, "Did you mean 'minimal'"),
    "columns": ({"select": ["SEE"]}, OptionError, "no column 'SEE'.*Did you mean 'SE'"),
    "select type": ({"select": 3}, OptionError, "select must be 'minimal'"),
    "placeholder": ({"select": "{estimat}"}, OptionError, "no placeholder {estimat}"),
    "zap_small": ({"zap_small": 1}, OptionError, "zap_small must be True or False"),
    "table_width": ({"table_width": 0}, OptionError, "table_width must be a whole number"),
    "ci_random": ({"ci_random": "yes"}, OptionError, "ci_random must be True, False or None"),
    "flag": ({"verbose": "yes"}, OptionError, "verbose must be True or False"),
    "p_adjust": ({"p_adjust": "hollm"}, OptionError, "Did you mean 'holm'"),
    "p_adjust type": ({"p_adjust": 1}, OptionError, "p_adjust must be one of"),
    "group_level": ({"group_level": True}, OptionError, "group_level=True needs a mixed model"),
    "vcov": ({"vcov": "HC9"}, OptionError, "vcov must be one of"),
    "vcov_args": ({"vcov_args": ["Subject"]}, OptionError, "vcov_args must be a dict"),
    "vcov_args name": ({"vcov_args": {"clustr": 1}}, OptionError, "Did you mean 'cluster'"),
    "two clusters": (
        {"cluster": "Subject", "vcov_args": {"cluster": "Subject"}},
        OptionError,
        "give the cluster once",
    ),
    "two types": ({"vcov": "HC3", "vcov_args": {"type": "HC1"}}, OptionError, "is a type already"),
}


@pytest.mark.parametrize("name", SENTENCES)
def test_sentences(name: str, sleep_lm: Any) -> None:
    options, error, message = SENTENCES[name]
    with pytest.raises(error, match=message):
        model_parameters(sleep_lm, **options)


def test_sentences_for_mixed_models(sleep_model: Any, cbpp_glm: Any, sleepstudy: Any) -> None:
    with pytest.raises(NotSupportedError, match="takes rows as independent"):
        model_parameters(sleep_model, vcov="HC3")
    with pytest.raises(OptionError, match="has its own standard errors"):
        model_parameters(sleep_model, vcov="HC3", ci_method="kr")
    with pytest.raises(OptionError, match="has its own standard errors"):
        model_parameters(cbpp_glm, vcov="HC0", ci_method="profile")
    with pytest.raises(NotSupportedError, match="'boot' is not available for lmer models"):
        model_parameters(sleep_model, ci_method="boot")
    with pytest.raises(OptionError, match=r"needs a fitted model.*got a DataFrame"):
        model_parameters(sleepstudy)
    ml = mlpool.lmer("Reaction ~ Days + (1 | Subject)", sleepstudy, REML=False)
    with pytest.raises(mlpool.MlpoolError, match="REML"):
        model_parameters(ml, ci_method="kenward")


@pytest.mark.parametrize("choice", [{"keep": ["^gender", "^minority"]}, {"drop": r"\(Intercept\)"}])
@pytest.mark.parametrize("method", ["bonferroni", "holm", "fdr"])
def test_the_family_of_an_adjustment_is_the_rows_shown(choice, method):
    data = mlpool.load_data("hsb82").head(150)
    m = mlpool.lm("math ~ ses + gender + minority + sector", data)
    raw = mlpool.model_parameters(m, **choice)["p"]
    shown = mlpool.model_parameters(m, p_adjust=method, **choice)["p"]
    np.testing.assert_allclose(shown, mlpool.p_adjust(raw, method), rtol=1e-12)
    assert len(raw) < len(m.names)
