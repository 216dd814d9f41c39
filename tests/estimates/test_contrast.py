"""Contrasts, weights, scales and adjustments of tables of means against R (r/contrasts.R)."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import mlpool
from mlpool.inference.largest_t import LargestT

R = json.loads((Path(__file__).parent / "r" / "contrasts.json").read_text())
REL = 1e-8
"""Relative: least squares of both agree to rounding; glm's iterations stop at 1e-8."""
REL_MVT = {"p.value": 4e-3, "lower.CL": 2e-2, "upper.CL": 5e-3}
"""R's multivariate t is a random sum, and its quantiles are looked for to about 2e-3; the exact
values of `test_the_largest_of_several_t` took R 5 million points."""
OURS = {
    "Mean": ("emmean", "prob", "response", "rate"), "Probability": ("prob",),
    "Difference": ("estimate",), "Ratio": ("odds.ratio", "ratio"),
    "SE": ("SE",), "df": ("df",), "t": ("t.ratio",), "z": ("z.ratio",), "p": ("p.value",),
    "CI_low": ("lower.CL", "asymp.LCL"), "CI_high": ("upper.CL", "asymp.UCL"),
}  # fmt: skip


def _same(table: Any, theirs: dict[str, Any], loose: dict[str, float] | None = None) -> None:
    """Compare all columns that both have; at least the estimates and their errors."""
    compared = []
    for ours, names in OURS.items():
        for name in names:
            if ours not in table or name not in theirs:
                continue
            want = np.array([np.inf if v is None else v for v in _listed(theirs[name])], float)
            scale = float(np.max(np.abs(want[np.isfinite(want)]), initial=0.0))
            np.testing.assert_allclose(
                table[ours].to_numpy(float), want, rtol=(loose or {}).get(name, 50 * REL),
                atol=_absolute(ours, scale, loose), err_msg=ours,
            )  # fmt: skip
            compared.append(ours)
    assert len(compared) >= 5, compared


def _listed(values: Any) -> list[Any]:
    return values if isinstance(values, list) else [values]


def _absolute(column: str, scale: float, loose: dict[str, float] | None) -> float:
    if column == "p":
        return 2e-5 if loose is REL_MVT else 0.0  # the sum's own error
    if column.startswith("CI") and loose is REL_MVT:
        return 5e-3 * scale
    return 0.0 if column == "SE" else REL * scale


@pytest.fixture(scope="module")
def hsb() -> pd.DataFrame:
    d = mlpool.load_data("hsb82")
    for name in ("gender", "sector", "minority"):  # levels in R's order
        labels = d[name].astype(str)
        d[name] = pd.Categorical(labels, categories=list(dict.fromkeys(labels)))
    return d.assign(high=(d["math"] > 13).astype(int), w=1 + (np.arange(len(d)) + 1) % 3)


@pytest.fixture(scope="module")
def unbalanced(hsb: pd.DataFrame) -> Any:
    return mlpool.lm("math ~ ses + gender * sector + minority", hsb)


@pytest.fixture(scope="module")
def cake() -> Any:
    return mlpool.lm("angle ~ recipe * temperature", mlpool.load_data("cake"))


@pytest.fixture(scope="module")
def logit(hsb: pd.DataFrame) -> Any:
    return mlpool.glm("high ~ ses + sector * minority", hsb, "binomial")


@pytest.mark.parametrize("weights", ["equal", "proportional", "outer", "cells", "flat"])
def test_weights_of_averages(weights: str, unbalanced: Any) -> None:
    _same(mlpool.emmeans(unbalanced, "~ gender", weights=weights), R[f"weights_{weights}"])
    by = mlpool.emmeans(unbalanced, "~ gender | sector", weights=weights)
    _same(by, R[f"weights_by_{weights}"])
    assert ("weighted" in str(by)) == (weights in ("proportional", "outer", "cells"))


def test_cells_are_the_means_of_the_data_without_other_predictors(hsb: pd.DataFrame) -> None:
    m = mlpool.lm("math ~ gender * sector", hsb)
    got = mlpool.emmeans(m, "~ gender", weights="cells")["Mean"]
    want = hsb.groupby("gender", observed=True)["math"].mean()
    np.testing.assert_allclose(got, want, rtol=REL)


def test_rows_count_whatever_their_prior_weights(hsb: pd.DataFrame) -> None:
    m = mlpool.lm("math ~ ses + gender * sector + minority", hsb, weights="w")
    _same(mlpool.emmeans(m, "~ gender", weights="proportional"), R["prior_weights"])


def test_weights_that_cannot_be_counted(unbalanced: Any, cake: Any) -> None:
    with pytest.raises(mlpool.NotSupportedError, match="ses has none; use weights='equal'"):
        mlpool.emmeans(unbalanced, "~ gender", at={"ses": [-1, 1]}, weights="cells")
    with pytest.raises(mlpool.OptionError, match="weights must be one of"):
        mlpool.emmeans(cake, "~ recipe", weights="frequencies")
    with pytest.raises(mlpool.OptionError, match="are for estimate='typical'"):
        mlpool.estimate_means(cake, "recipe", estimate="average", weights="cells")


def test_contrasts_of_contrasts(cake: Any) -> None:
    cells = mlpool.emmeans(cake, "~ recipe * temperature")
    table = mlpool.contrast(cells, interaction=["pairwise", "consec"])
    assert list(table.columns[:2]) == ["recipe_pairwise", "temperature_consec"]
    assert list(map(str, table["recipe_pairwise"])) == R["interaction"]["recipe_pairwise"]
    assert list(map(str, table["temperature_consec"])) == R["interaction"]["temperature_consec"]
    _same(table, R["interaction"])
    _same(mlpool.contrast(cells, interaction="eff", by="temperature"), R["interaction_by"])
    same = mlpool.contrast(cells, "pairwise", interaction=True)
    assert len(same) == 3 * 15
    with pytest.raises(mlpool.OptionError, match="one for each of recipe, temperature; got 3"):
        mlpool.contrast(cells, interaction=["eff", "eff", "eff"])


@pytest.mark.parametrize("method", ["trt.vs.ctrl", "consec"])
@pytest.mark.parametrize("adjust", ["dunnettx", "mvt"])
def test_adjustments_of_families_with_correlations(method: str, adjust: str, cake: Any) -> None:
    table = mlpool.contrast(mlpool.emmeans(cake, "~ temperature"), method, adjust=adjust)
    name = {"trt.vs.ctrl": "control", "consec": "consec"}[method]
    # emmeans looks for dunnettx's quantiles to 5e-4
    loose = {"lower.CL": 2e-2, "upper.CL": 5e-4} if adjust == "dunnettx" else REL_MVT
    _same(table, R[f"{name}_{adjust}"], loose)


def test_defaults_are_those_of_emmeans(cake: Any) -> None:
    means = mlpool.emmeans(cake, "~ temperature")
    _same(mlpool.contrast(means), R["effects"])
    within = mlpool.contrast(mlpool.emmeans(cake, "~ recipe | temperature"), "trt.vs.ctrl")
    _same(within, R["within"], {"lower.CL": 1e-3, "upper.CL": 1e-3})
    ends = {"ends": [1, 0, 0, 0, 0, -1], "middle": [-1, 0, 1, 1, 0, -1]}
    table = mlpool.contrast(means, ends)
    assert list(table["Contrast"]) == ["ends", "middle"]
    _same(table, R["weights_given"])
    pairs = mlpool.pairs(mlpool.emmeans(cake, "~ recipe"))
    _same(mlpool.contrast(pairs, "consec", adjust="none"), R["of_contrasts"])


def test_pairs_of_a_table_are_pairs_of_the_model(cake: Any) -> None:
    means = mlpool.emmeans(cake, "~ recipe | temperature")
    for reverse in (False, True):
        a = mlpool.pairs(means, reverse=reverse).to_pandas()
        b = mlpool.pairs(cake, "~ recipe | temperature", reverse=reverse).to_pandas()
        pd.testing.assert_frame_equal(a.sort_index(axis=1), b.sort_index(axis=1), rtol=1e-12)
    both = mlpool.emmeans(cake, "trt.vs.ctrl ~ recipe").contrasts
    alone = mlpool.contrast(mlpool.emmeans(cake, "~ recipe"), "trt.vs.ctrl")
    np.testing.assert_allclose(both["p"], alone["p"], rtol=1e-12)
    again = pickle.loads(pickle.dumps(means))
    np.testing.assert_array_equal(mlpool.pairs(again)["p"], mlpool.pairs(means)["p"])
    with pytest.raises(mlpool.OptionError, match=r"pairs\(emmeans\(m, '~ f', at=\.\.\.\)\)"):
        mlpool.pairs(means, at={"temperature": "175"})


def test_ratios_and_scales_of_a_logit_model(logit: Any) -> None:
    means = mlpool.emmeans(logit, "~ sector * minority")
    small = {"p.value": 1e-4}  # p of 1e-20 multiply errors of z by its square
    table = mlpool.contrast(means, "pairwise", by="minority", type="response")
    _same(table, R["odds"], small)
    crossed = mlpool.contrast(means, interaction="pairwise", type="response")
    _same(crossed, R["odds_interaction"], small)
    risks = mlpool.regrid(means)
    _same(mlpool.pairs(risks, by="minority"), R["risk_difference"], small)
    logs = mlpool.regrid(means, "log")
    _same(mlpool.pairs(logs, by="minority", type="response"), R["risk_ratio"], small)
    plain = mlpool.pairs(logs, by="minority")
    ratio = R["risk_ratio"]["ratio"]
    np.testing.assert_allclose(np.exp(plain["Difference"]), ratio, rtol=50 * REL)
    _same(
        mlpool.emmeans(logit, "~ sector", type="response", bias_adjust=True, sigma=0.7),
        R["means_bias"], {"SE": 1e-6},
    )  # fmt: skip
    with pytest.raises(mlpool.OptionError, match=r"needs the standard deviation.*VarCorr"):
        mlpool.emmeans(logit, "~ sector", type="response", bias_adjust=True)


def test_ratios_of_means_by_estimate_contrasts(logit: Any, cake: Any) -> None:
    table = mlpool.estimate_contrasts(
        logit, "sector", by="minority", comparison="ratio", two_valued=True, p_adjust="none"
    )
    np.testing.assert_allclose(1.0 / table["Ratio"], R["risk_ratio"]["ratio"], rtol=50 * REL)
    np.testing.assert_allclose(-table["z"], R["risk_ratio"]["z.ratio"], rtol=50 * REL)
    means = mlpool.estimate_means(cake, "recipe")["Mean"]
    plain = mlpool.estimate_contrasts(cake, "recipe", comparison="ratio")
    wanted = [means[1] / means[0], means[2] / means[0], means[2] / means[1]]
    np.testing.assert_allclose(plain["Ratio"], wanted, rtol=1e-12)
    logged = mlpool.lm("log(angle) ~ recipe", mlpool.load_data("cake"))
    one = mlpool.estimate_contrasts(logged, "recipe", comparison="ratio")
    two = mlpool.estimate_contrasts(logged, "recipe", exponentiate=True)
    np.testing.assert_allclose(one["Ratio"], two["Ratio"], rtol=1e-12)
    np.testing.assert_allclose(one["CI_low"], two["CI_low"], rtol=1e-12)
    below = mlpool.lm("angle ~ recipe", mlpool.load_data("cake").eval("angle = angle - 32"))
    with pytest.raises(mlpool.OptionError, match="ratios need means above 0"):
        mlpool.estimate_contrasts(below, "recipe", comparison="ratio")


@pytest.mark.parametrize("response", ["log(angle)", "sqrt(angle)"])
def test_transformed_responses(response: str) -> None:
    m = mlpool.lm(f"{response} ~ recipe", mlpool.load_data("cake"))
    theirs = R[response]
    _same(mlpool.emmeans(m, "~ recipe", type="response"), theirs["response"])
    # emmeans takes differences of 5e-4 for the third derivative
    loose = {"SE": 1e-6}
    bias = mlpool.emmeans(m, "~ recipe", type="response", bias_adjust=True)
    _same(bias, theirs["bias"], loose)
    assert "adjusted for a standard deviation" in str(bias)
    more = mlpool.emmeans(m, "~ recipe", type="response", bias_adjust=True, sigma=0.5)
    _same(more, theirs["bias_sd"], loose)
    means = mlpool.emmeans(m, "~ recipe")
    _same(mlpool.regrid(means), theirs["regrid"])
    _same(mlpool.pairs(mlpool.regrid(means)), theirs["of_regrid"])
    _same(mlpool.pairs(means, type="response"), theirs["pairs"])
    with pytest.raises(mlpool.OptionError, match="add type='response'"):
        mlpool.emmeans(m, "~ recipe", bias_adjust=True)


def test_offsets() -> None:
    d = mlpool.load_data("cbpp")
    m = mlpool.glm("incidence ~ period + offset(log(size))", d, "poisson")
    theirs = R["offset"]
    _same(mlpool.emmeans(m, "~ period", type="response"), theirs["own"])
    _same(mlpool.emmeans(m, "~ period", offset=0, type="response"), theirs["one"])
    _same(mlpool.emmeans(m, "~ period", offset=np.log(10), type="response"), theirs["ten"])
    for offset in (None, 0.0, 3.0):
        table = mlpool.pairs(m, "~ period", type="response", offset=offset)
        _same(table, theirs["contrasts"], {"p.value": 1e-4})


def test_contrasts_of_trends() -> None:
    m = mlpool.lmer("angle ~ recipe * temp + (1 | recipe:replicate)", mlpool.load_data("cake"))
    trends = mlpool.emtrends(m, "~ recipe", "temp", lmer_df="asymptotic")
    table = mlpool.contrast(trends, "trt.vs.ctrl", adjust="holm")
    # lme4's theta is good to 1e-5
    loose = dict.fromkeys(("SE", "z.ratio", "asymp.LCL", "asymp.UCL", "p.value"), 1e-4)
    _same(table, R["trends"], loose)
    assert "Slopes of temp" in str(table)


def test_the_largest_of_several_t() -> None:
    theirs = R["largest_t"]
    found = LargestT(correlation=np.full((5, 5), 0.5) + 0.5 * np.eye(5))
    for name, df in (("df20", 20.0), ("df4", 4.0), ("inf", np.inf)):
        got = [found.sf(q, df) for q in theirs["q"]]
        np.testing.assert_allclose(got, theirs[name], rtol=2e-3)
    assert found.quantile(0.95, 20.0) == pytest.approx(theirs["quantile20"], rel=3e-4)


@pytest.mark.parametrize("df", [7.0, np.inf])
def test_the_largest_t_of_equal_groups_is_tukeys_and_of_one_is_students(df: float) -> None:
    C = np.array([[1, -1, 0], [1, 0, -1], [0, 1, -1]], dtype=float)
    found = LargestT(correlation=C @ C.T / 2.0)
    for q in (1.0, 3.0, 6.0):
        tukey = stats.studentized_range.sf(np.sqrt(2.0) * q, 3, df)
        assert found.sf(q, df) == pytest.approx(tukey, rel=1e-4)
    one = LargestT(correlation=np.ones((1, 1)))
    student = stats.t if np.isfinite(df) else stats.norm
    more = (df,) if np.isfinite(df) else ()
    assert one.sf(2.0, df) == pytest.approx(2.0 * student.sf(2.0, *more), rel=1e-10)
    assert one.quantile(0.9, df) == pytest.approx(student.isf(0.05, *more), rel=1e-10)


def test_mistakes(cake: Any) -> None:
    means = mlpool.emmeans(cake, "~ recipe")
    with pytest.raises(mlpool.OptionError, match=r"contrast\(mlpool\.emmeans\(m, '~ f'\)\)"):
        mlpool.contrast(cake)
    with pytest.raises(mlpool.OptionError, match="Did you mean 'pairwise'"):
        mlpool.contrast(means, "pairwis")
    with pytest.raises(mlpool.OptionError, match="no column of the means, which are of recipe"):
        mlpool.contrast(means, by="temperature")
    with pytest.raises(mlpool.OptionError, match="others have 'mvt'"):
        mlpool.contrast(means, "eff", adjust="tukey")
    with pytest.raises(mlpool.OptionError, match="transform must be one of"):
        mlpool.regrid(means, "logit")
